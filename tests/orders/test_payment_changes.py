"""What is owed after a change, cash on delivery, refunds over REST, and every word for money."""

from decimal import Decimal

import pytest
from django.db import transaction
from django.urls import reverse

from config import outbox
from orders import cancellation, holds, lifecycle, payments, queries
from orders.models import Hold, Notification, Order, OrderLine, Payment, Refund
from orders.payments import told
from tests.fulfillment import stage
from tests.orders.door import problem, read, send
from tests.orders.test_payments import check, give_back, money, paid

D = Decimal


def status(order):
    """The word, read as one order is read and as a list of orders is."""
    alone = queries.payment_status(Order.objects.get(pk=order.pk))
    listed = queries.with_payment_sums(Order.objects.filter(pk=order.pk)).get()
    assert queries.payment_status(listed) == alone
    return alone


def changed(order, by):
    """The order's only line costs `by` more, as an edit makes it, and the money follows."""
    with transaction.atomic():
        locked = lifecycle.lock(order.pk)
        for rows, name in ((OrderLine.objects.filter(order=order), "total"),
                           (Order.objects.filter(pk=order.pk), "total")):  # fmt: skip
            rows.update(**{name: getattr(rows.get(), name) + D(by)})
        payments.after_change(locked, actor="lea")
    return payments.balance(order)


def cheap(company, **changes):
    """12.00 captured: case 71."""
    line = {"external_id": "1", "sku": "TEE", "name": "Tee", "quantity": 1, "unit_price": "12.00",
            "discount": "0", "tax": "0"}  # fmt: skip
    values = {"line_items": [line], "shipping_total": "0.00", "total": "12.00", **paid("12.00")}
    return company.place(**(values | changes))


def test_only_the_difference_is_asked_for_and_nothing_once_it_is_undone(company):  # case 71
    order = cheap(company)
    assert payments.balance(order) == 0
    assert changed(order, "10.00") == D("10.00")
    hold = Hold.objects.get(order=order, handle="balance")
    assert (hold.state, hold.type, "ship" in hold.blocks) == ("open", "payment", True)
    assert changed(order, "-10.00") == 0
    hold.refresh_from_db()
    assert hold.state == "resolved"
    assert changed(order, "3.00") == D("3.00")
    hold.refresh_from_db()
    assert hold.state == "open"
    assert not Refund.objects.exists()


def test_what_became_cheaper_goes_back_and_again_after_the_next_change(company):
    order = cheap(company)
    changed(order, "-2.00")
    assert changed(order, "1.00") == D("1.00")
    more = told.News(order.external_id, "p2", "capture", order.placed_at, "c", D(1), "card")
    told.tell(company.web, more, actor="web")
    assert payments.balance(order) == 0
    changed(order, "-1.00")
    assert sum(row[1] - row[2] for row in money(order)) == D("10.00")
    assert payments.balance(order) == 0


def test_the_customer_is_told_what_is_to_be_paid(company, post):
    order = cheap(company)
    changed(order, "10.00")
    outbox.drain("notify")
    message = Notification.objects.get(template="payment_due")
    assert (message.state, "€10.00 to pay" in message.subject) == ("sent", True)


def test_an_order_whose_channel_tells_of_no_payment_is_left_alone(company):
    order = cheap(company, payments=[])
    changed(order, "10.00")
    assert not Hold.objects.exists()
    assert status(order) == "none"


# --- cash on delivery ----------------------------------------------------------------------------


def test_cash_on_delivery_is_captured_when_the_parcel_arrives(company):
    row = stage.asked(company, ("BAG", 1), **paid("84.90", state="pending"))
    assert status(row.order) == "pending"
    assert payments.balance(row.order) == 0
    parcel = stage.shipped(row)
    assert money(row.order) == [("pending", 0, 0)]
    stage.work.track(parcel_id=parcel.pk, status="delivered", at=parcel.shipped_at, actor="ups")
    assert money(row.order) == [("captured", D("84.90"), 0)]
    assert status(row.order) == "paid"
    check()


def test_cash_on_delivery_follows_an_edit_and_a_cancellation(company):
    order = cheap(company, **paid("12.00", state="pending"))
    assert changed(order, "10.00") == 0
    assert order.payments.get().amount == D("22.00")
    assert not Hold.objects.exists()
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    assert money(order) == [("voided", 0, 0)]
    check()


# --- words ---------------------------------------------------------------------------------------


def test_every_word_for_money(company):
    order = company.place(("BAG", 2), **paid("164.90", state="authorized"))
    assert status(order) == "authorized"
    Payment.objects.update(captured=D("84.90"))
    assert status(order) == "partially_paid"
    Payment.objects.update(captured=D("164.90"), state="captured")
    assert status(order) == "paid"
    Payment.objects.update(refunded=D(1))
    assert status(order) == "partially_refunded"
    Payment.objects.update(refunded=D("164.90"))
    assert status(order) == "refunded"
    Payment.objects.update(refunded=0, amount=D(200), captured=D(200))
    assert status(order) == "overcharged"
    Payment.objects.update(captured=0, state="voided")
    assert status(order) == "voided"
    Payment.objects.update(state="failed")
    assert status(order) == "payment_problem"
    Payment.objects.all().delete()
    assert status(order) == "none"


def test_an_order_that_was_canceled_in_part_is_paid_by_what_is_left(company):
    row = stage.asked(company, ("BAG", 2), **paid("164.90", state="authorized"))
    stage.work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor="lea",
                      keep={row.lines.get().pk: 1})  # fmt: skip
    stage.shipped(row)
    cancellation.cancel(order_id=row.order.pk, reason="customer", actor="lea")
    assert status(row.order) == "paid"


def test_the_words_of_a_page_of_orders_are_one_statement(company, django_assert_num_queries):
    for _ in range(3):
        company.place(("TEE", 1))
    with django_assert_num_queries(1):
        orders = list(queries.with_payment_sums(Order.objects.all()))
        assert {queries.payment_status(order) for order in orders} == {"paid"}


# --- REST ----------------------------------------------------------------------------------------


def back(client, company, order, amount, **headers):
    url = f"/api/v1/orders/{order.external_id}/refunds"
    return send(client, company, {"amount": amount, "reason": "gesture"}, url=url, **headers)


def test_a_gesture_gives_money_back_and_moves_no_stock(client, company):  # case 143
    order = company.place(("BAG", 1))
    before = stage.stock(company, "BAG", "LYON")
    answer = back(client, company, order, "10.00")
    assert answer.status_code == 201, answer.content
    assert answer.json()["refundable"] == "74.90"
    assert [row["state"] for row in answer.json()["refunds"]] == ["done"]
    assert stage.stock(company, "BAG", "LYON") == before
    check()


@pytest.mark.parametrize("amount", ["0", "-5", "0.001", "NaN", "", None])
def test_a_silly_refund_names_the_field(client, company, amount):  # case 69
    order = company.place(("BAG", 1))
    problem(back(client, company, order, amount), 400, "invalid", "/amount")
    assert not Refund.objects.exists()


def test_more_than_is_left_is_a_conflict_that_says_what_is_left(client, company):
    order = company.place(("BAG", 1))
    said = problem(back(client, company, order, "85.00"), 409, "over_refund")
    assert said["detail"] == "only €84.90 left to refund"


def test_one_idempotency_key_refunds_once(client, company):
    order = company.place(("BAG", 1))
    first, again = (
        back(client, company, order, "10.00", **{"Idempotency-Key": "k1"}) for _ in range(2)
    )
    assert first.json() == again.json()
    assert money(order)[0][2] == D(10)


def test_a_hold_on_refunds_keeps_the_money_until_it_is_resolved(client, company):
    order = company.place(("BAG", 2))
    hold = holds.place(order_id=order.pk, type="manual", handle="m", reason="audit", actor="lea",
                       blocks=["refund"])  # fmt: skip
    problem(back(client, company, order, "10.00"), 409, "on_hold")
    line = order.lines.get().pk
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea", lines={line: 1})
    assert status(order) == "overcharged"
    holds.resolve(hold_id=hold.pk, actor="lea")
    outbox.drain("settle")
    assert money(order) == [("captured", D("164.90"), D(80))]


def test_the_money_of_an_order_is_read_with_every_entry(client, company):
    order = company.place(("BAG", 1), **paid("84.90"))
    give_back(order, 10)
    body = read(client, company, f"/api/v1/orders/{order.number}/payments").json()
    assert (body["payment_status"], body["due"], body["balance"]) == (
        "partially_refunded", "84.90", "0.00")  # fmt: skip
    assert [(e["kind"], e["state"], e["amount"]) for e in body["payments"][0]["entries"]] == [
        ("authorize", "done", "84.90"), ("capture", "done", "84.90"), ("refund", "done", "10.00"),
    ]  # fmt: skip
    assert body["refunds"][0]["amount"] == "10.00"


# --- console -------------------------------------------------------------------------------------


def test_a_payments_page_shows_its_ledger_and_offers_only_what_is_possible(console, company):
    order = company.place(("BAG", 1))
    page = reverse("admin:orders_payment_change", args=[order.payments.get().pk])
    html = console.get(page).content.decode()
    assert "captured" in html
    assert "Capture again" not in html
    assert "Refund" in html


def test_staff_refund_a_payment_and_are_told_what_is_left(console, company):
    order = company.place(("BAG", 1))
    url = reverse("admin:orders_payment_give_back", args=[order.payments.get().pk])
    console.post(url, {"amount": "10.00", "reason": "late"})
    assert money(order) == [("captured", D("84.90"), D(10))]
    words = console.post(url, {"amount": "80.00", "reason": "late"}).content.decode()
    assert "only €74.90 left to refund" in words
    for silly in ("0", "-1", "0.001"):
        assert (
            "not an amount" in console.post(url, {"amount": silly, "reason": "x"}).content.decode()
        )
    assert Refund.objects.count() == 1


def test_staff_give_money_back_from_the_orders_page(console, company):
    order = company.place(("BAG", 1))
    page = reverse("admin:orders_order_change", args=[order.pk])
    button = reverse("admin:orders_order_refund_order", args=[order.pk])
    assert button in console.get(page).content.decode()
    console.post(button, {"amount": "84.90", "reason": "late"})
    assert status(order) == "refunded"
    assert button not in console.get(page).content.decode()


def test_a_channels_gateway_needs_an_address_that_may_be_called_and_a_secret(console, company):
    page = reverse("admin:orders_saleschannel_change", args=[company.web.pk])
    form = console.get(page).context["adminform"].form
    values = {name: value for name, value in form.initial.items() if value not in {None, ""}}
    values |= {"gateway": "http", "gateway_url": "http://127.0.0.1/pay",
               "keys-TOTAL_FORMS": 0, "keys-INITIAL_FORMS": 0}  # fmt: skip
    errors = console.post(page, values).context["adminform"].form.errors
    assert "not on the open internet" in str(errors["gateway_url"])
    assert "secret to sign with" in str(errors["gateway_secret"])
