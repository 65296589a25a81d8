"""A provider captures, voids, refunds and renews at our request, over HTTP and once per key."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from config.status import IllegalMove
from orders import cancellation, lifecycle, payments, queries, tasks
from orders.models import Hold, Notification, Order, Payment, PaymentEntry, Refund
from orders.payments import OverRefund, expiry
from tests.fulfillment import stage
from tests.orders.gateway import SECRET, PaymentProvider
from tests.orders.test_payments import check, give_back, money, paid

D = Decimal


@pytest.fixture
def provider(settings):
    settings.OUTGOING_PRIVATE_ALLOWED = True
    server = PaymentProvider()
    yield server
    server.close()


@pytest.fixture
def shop(company, provider):
    return through(company, provider)


def through(company, provider):
    company.web.gateway, company.web.gateway_url = "http", provider.url
    company.web.gateway_secret = SECRET
    company.web.save()
    return company


def ask():
    """Do what waits at gateways, however long an outbox would wait between two attempts."""
    waiting = OutboxRow.objects.filter(topic="money", done_at=None)
    waiting.update(next_at=timezone.now() - timedelta(hours=1))
    return outbox.drain("money")


def authorized(shop, *items, amount="84.90", **changes):
    part = {**paid(amount, state="authorized")["payments"][0], **changes}
    return stage.asked(shop, *(items or (("BAG", 1),)), payments=[part])


def entries(order, kind):
    rows = PaymentEntry.objects.filter(payment__order=order, kind=kind).order_by("id")
    return [(entry.state, entry.amount) for entry in rows]


def status(order):
    return queries.payment_status(Order.objects.get(pk=order.pk))


def test_a_parcel_is_captured_at_the_provider_with_no_transaction_open(shop, provider):
    order = authorized(shop)
    stage.shipped(order)
    order = order.order
    depth = []
    provider.during = lambda: depth.append(len(connection.savepoint_ids))
    before = len(connection.savepoint_ids)
    assert entries(order, "capture") == [("pending", D("84.90"))]
    assert money(order) == [("authorized", 0, 0)]
    ask()
    assert depth == [before]
    assert provider.asked == [{
        "key": provider.keys[0], "payment": "p0", "method": "card", "amount": "84.90",
        "currency": "EUR", "order": order.external_id, "number": order.number,
    }]  # fmt: skip
    assert entries(order, "capture") == [("done", D("84.90"))]
    assert money(order) == [("captured", D("84.90"), 0)]
    assert status(order) == "paid"
    check()


def test_each_parcel_captures_its_own_worth_and_the_last_lets_the_rest_go(shop, provider):
    row = authorized(shop, ("BAG", 2), amount="200.00")
    stage.work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor="lea",
                      keep={row.lines.get().pk: 1})  # fmt: skip
    stage.shipped(row)
    ask()
    assert provider.moved == {"capture": D("84.90")}  # with all of the shipping
    assert money(row.order) == [("authorized", D("84.90"), 0)]
    assert status(row.order) == "partially_paid"
    cancellation.cancel(order_id=row.order.pk, reason="customer", actor="lea")
    ask()
    assert provider.moved == {"capture": D("84.90"), "void": D("115.10")}
    assert money(row.order) == [("captured", D("84.90"), 0)]
    assert status(row.order) == "paid"
    check()


def test_a_provider_that_is_away_is_asked_again_and_moves_the_money_once(shop, provider):
    row = authorized(shop)
    stage.shipped(row)
    provider.answers = [503, "<html>", {}]
    assert [ask() for _ in range(3)] == [0, 0, 1]
    assert len(provider.keys) == 3
    assert len(set(provider.keys)) == 1
    assert provider.moved == {"capture": D("84.90")}
    assert money(row.order) == [("captured", D("84.90"), 0)]


def test_a_refused_capture_holds_what_has_not_left_and_can_be_tried_again(shop, provider):
    row = authorized(shop, ("BAG", 2), amount="164.90")
    stage.work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor="lea",
                      keep={row.lines.get().pk: 1})  # fmt: skip
    stage.shipped(row)
    provider.answers = [{"status": "refused", "reason": "card stolen"}]
    ask()
    assert entries(row.order, "capture") == [("failed", D("84.90"))]
    assert status(row.order) == "payment_problem"
    hold = Hold.objects.get(order=row.order)
    assert (hold.type, hold.state, "ship" in hold.blocks) == ("payment", "open", True)
    assert "card stolen" in hold.reason
    payments.capture_again(payment_id=row.order.payments.get().pk, actor="lea")
    hold.refresh_from_db()
    assert hold.state == "resolved"
    ask()
    assert provider.moved == {"capture": D("84.90")}
    assert entries(row.order, "capture")[-1] == ("done", D("84.90"))
    check()


# --- refunds -------------------------------------------------------------------------------------


def test_a_refund_is_pending_until_the_provider_has_done_it(shop, provider):
    order = shop.place(("BAG", 1))
    made = give_back(order, 10)[0]
    assert (made.state, status(order)) == ("pending", "partially_refunded")
    assert order.payments.get().refundable == D("74.90")
    ask()
    made.refresh_from_db()
    assert (made.state, made.done_at is None) == ("done", False)
    assert provider.moved == {"refund": D(10)}
    check()


def test_a_refund_that_fails_at_the_bank_can_be_tried_again(shop, provider):  # case 135
    order = shop.place(("MUG", 1), shipping_total="13.35", total="22.85", **paid("22.85"))
    failed = give_back(order, "22.85")[0]
    provider.answers = [{"status": "refused", "reason": "account closed"}]
    ask()
    failed.refresh_from_db()
    assert (failed.state, failed.entry.state, failed.entry.error) == (
        "errored", "failed", "account closed")  # fmt: skip
    assert order.payments.get().refundable == D("22.85")
    assert status(order) == "paid"
    assert "refund.failed" in stage.kinds(order)
    again = payments.again(refund_id=failed.pk, actor="lea")
    ask()
    again.refresh_from_db()
    assert again.state == "done"
    assert status(order) == "refunded"
    assert provider.moved == {"refund": D("22.85")}
    check()


def test_a_failed_refund_of_a_cancellation_still_counts_when_it_is_tried_again(shop, provider):
    order = shop.place(("BAG", 1))
    provider.answers = [{"status": "refused"}]
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    ask()
    assert status(order) == "overcharged"
    payments.again(refund_id=Refund.objects.get().pk, actor="lea")
    ask()
    with transaction.atomic():
        payments.settle(lifecycle.lock(order.pk), actor="lea")
    assert money(order) == [("captured", D("84.90"), D("84.90"))]
    assert provider.moved == {"refund": D("84.90")}
    check()


def test_nothing_but_a_failed_refund_is_tried_again_and_that_once(shop, provider):
    order = shop.place(("BAG", 1))
    made = give_back(order, 10)[0]
    with pytest.raises(IllegalMove):
        payments.again(refund_id=made.pk, actor="lea")
    provider.answers = [{"status": "refused"}]
    ask()
    payments.again(refund_id=made.pk, actor="lea")
    with pytest.raises(IllegalMove, match="tried again"):
        payments.again(refund_id=made.pk, actor="lea")
    with pytest.raises(OverRefund, match=r"only €74\.90 left"):
        give_back(order, 80, "more")


@pytest.mark.parametrize(("currency", "amount"), [("JPY", "5800"), ("KWD", "1.234")])
def test_a_provider_hears_amounts_as_the_currency_has_them(shop, provider, currency, amount):
    line = {"external_id": "1", "sku": "BAG", "name": "Bag", "quantity": 1, "unit_price": amount,
            "discount": "0", "tax": "0"}  # fmt: skip
    zero = {"shipping_total": "0", "discount_total": "0", "shipping_tax": "0", "tax_total": "0"}
    order = shop.place(line_items=[line], currency=currency, total=amount, **zero, **paid(amount))
    give_back(order, amount)
    ask()
    assert (provider.asked[0]["amount"], provider.asked[0]["currency"]) == (amount, currency)
    assert status(order) == "refunded"


# --- authorizations run out ----------------------------------------------------------------------


def in_(**time):
    return (timezone.now() + timedelta(**time)).isoformat()


def test_an_authorization_is_renewed_while_units_still_wait(shop, provider):
    order = authorized(shop, expires_at=in_(hours=2)).order
    later = timezone.now() + timedelta(days=7)
    provider.answers = [{"expires_at": later.isoformat()}]
    tasks.expire_payments()
    ask()
    payment = order.payments.get()
    assert (payment.state, payment.amount) == ("authorized", D("84.90"))
    assert abs(payment.expires_at - later) < timedelta(seconds=1)
    assert entries(order, "authorize") == [("done", D("84.90"))] * 2
    expiry.expire_due(timezone.now())
    assert ask() == 0
    assert not Hold.objects.exists()
    check()


def test_one_that_is_not_renewed_holds_the_order(shop, provider):
    order = authorized(shop, expires_at=in_(hours=2)).order
    provider.answers = [{"status": "refused", "reason": "limit"}]
    expiry.expire_due(timezone.now())
    ask()
    assert order.payments.get().state == "expired"
    assert Hold.objects.get(order=order, type="payment").state == "open"
    assert status(order) == "payment_problem"
    assert "payment.expired" in stage.kinds(order)


def test_a_channel_that_captures_itself_has_its_authorizations_noted_as_expired(company):
    row = authorized(company, expires_at=in_(hours=2))
    assert expiry.expire_due(timezone.now()) == 0
    assert expiry.expire_due(timezone.now() + timedelta(hours=3)) == 1
    assert row.order.payments.get().state == "expired"
    stage.until(row, "accepted")
    with pytest.raises(stage.work.OnHold, match="has run out"):
        stage.shipped(row)


def test_the_customer_is_told_that_the_order_waits_for_money(company, post):
    authorized(company, expires_at=in_(hours=-1))
    expiry.expire_due(timezone.now())
    outbox.drain("notify")
    told = Notification.objects.get(template="payment_problem")
    assert told.state == "sent", told.reason
    assert "€84.90 of your order" in " ".join(told.body.split())


def test_the_same_gateway_row_twice_asks_once(shop, provider):
    order = shop.place(("BAG", 1))
    give_back(order, 10)
    row = OutboxRow.objects.get(topic="money")
    ask()
    OutboxRow.objects.filter(pk=row.pk).update(done_at=None)
    ask()
    assert provider.moved == {"refund": D(10)}
    assert Payment.objects.get().refunded == D(10)
