"""What providers tell of payments: late, twice, out of order, and for orders that are over."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from orders import cancellation, lifecycle, payments, queries
from orders.models import Hold, Order, PaymentEntry, Refund
from orders.payments import told as news
from tests.fulfillment import stage
from tests.orders.door import problem, send
from tests.orders.test_payments import check, give_back, money, paid
from tests.races.crowd import at_once

D = Decimal
URL = "/api/v1/payments/events"
NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def fact(order, kind, amount=None, *, minutes=0, ref="", payment="p0", **more):
    """A row: `minutes` after noon by the provider's clock."""
    at = (NOON + timedelta(minutes=minutes)).isoformat()
    row = {"order": order.external_id, "payment": payment, "kind": kind, "amount": amount,
           "provider_reference": ref or f"{kind}-1", "at": at}  # fmt: skip
    return {**row, **more}


@pytest.fixture
def tell(client, company):
    return lambda *rows: told(client, company, *rows)


def told(client, company, *rows):
    """The outcomes of rows that are told together."""
    answer = send(client, company, {"rows": list(rows)}, url=URL)
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert sum(body[r] for r in ("applied", "already_known", "late", "refused")) == len(rows)
    return [
        row["outcome"] if not row["problems"] else row["problems"][0] for row in body["results"]
    ]


def status(order):
    return queries.payment_status(Order.objects.get(pk=order.pk))


def authorized(company, amount="84.90"):
    return company.place(("BAG", 1), **paid(amount, state="authorized"))


# --- once, whenever ------------------------------------------------------------------------------


def test_a_fact_is_written_once_however_often_it_is_told(company, tell):
    order = authorized(company)
    capture = fact(order, "capture", "84.90")
    assert tell(capture, capture) == ["applied", "already_known"]
    assert tell(capture) == ["already_known"]
    assert money(order) == [("captured", D("84.90"), 0)]
    assert PaymentEntry.objects.filter(kind="capture").count() == 1


def test_the_same_capture_told_by_many_at_once_counts_once(client, live_company):
    order = authorized(live_company)
    fact_ = news.News(order.external_id, "p0", "capture", NOON, "c1", D("84.90"))
    results = at_once(*[lambda: news.tell(live_company.web, fact_, actor="web")] * 4)
    assert sorted(results) == ["already_known"] * 3 + ["applied"]
    assert money(order) == [("captured", D("84.90"), 0)]


@pytest.mark.parametrize("late", ["authorize", "void", "expire", "fail"])
def test_older_news_never_takes_back_a_capture(company, tell, late):
    order = authorized(company)
    assert tell(fact(order, "capture", "84.90", minutes=10)) == ["applied"]
    assert tell(fact(order, late, "84.90", minutes=5)) == ["late"]
    assert money(order) == [("captured", D("84.90"), 0)]
    assert status(order) == "paid"


def test_newer_news_counts_in_the_providers_order_however_it_arrives(company, tell):
    order = authorized(company)
    expire, before = (
        fact(order, "expire", minutes=20), fact(order, "authorize", "84.90", minutes=10)
    )  # fmt: skip
    assert tell(expire, before) == ["applied", "late"]
    assert order.payments.get().state == "expired"
    assert tell(fact(order, "authorize", "84.90", minutes=30, ref="again")) == ["applied"]
    assert order.payments.get().state == "authorized"


def test_money_that_moved_counts_even_when_it_is_told_late(company, tell):
    order = authorized(company)
    tell(fact(order, "capture", "50.00", minutes=30))
    assert tell(fact(order, "capture", "34.90", minutes=10, ref="first")) == ["applied"]
    assert money(order) == [("captured", D("84.90"), 0)]


def test_what_was_done_here_is_confirmed_and_not_done_again(company, tell):
    row = stage.asked(company, ("BAG", 1), **paid("84.90", state="authorized"))
    stage.shipped(row)
    assert tell(fact(row.order, "capture", "84.90", ref="ch_1")) == ["already_known"]
    assert PaymentEntry.objects.get(kind="capture").provider_reference == "ch_1"
    give_back(row.order, 10)
    assert tell(fact(row.order, "refund", "10.00", ref="re_1")) == ["already_known"]
    assert money(row.order) == [("captured", D("84.90"), D(10))]


# --- orders that are over ------------------------------------------------------------------------


def test_a_canceled_order_is_never_revived(company, tell):
    order = authorized(company)
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    assert (
        tell(
            fact(order, "authorize", "84.90", payment="new", method="card"),
            fact(order, "capture", "84.90", payment="other", method="card"),
        )
        == ["applied"] * 2
    )
    assert money(order) == [
        ("voided", 0, 0), ("voided", 0, 0), ("captured", D("84.90"), D("84.90"))]  # fmt: skip
    order.refresh_from_db()
    assert order.state == "canceled"
    assert set(stage.states(order)) == {"canceled"}
    check()


def test_a_capture_and_a_cancellation_at_once_leave_no_money_here(client, live_company):
    order = authorized(live_company)
    fact_ = news.News(order.external_id, "p0", "capture", NOON, "c1", D("84.90"))
    results = at_once(
        lambda: news.tell(live_company.web, fact_, actor="web"),
        lambda: cancellation.cancel(order_id=order.pk, reason="customer", actor="lea"),
    )
    assert not [r for r in results if isinstance(r, Exception)]
    assert [row[1:] for row in money(order)] == [(D("84.90"), D("84.90"))]
    check()


def test_an_order_that_was_paid_twice_gives_one_back(company, tell):
    order = company.place(("BAG", 1))
    assert tell(fact(order, "capture", "84.90", payment="twice", method="card")) == ["applied"]
    assert sum(row[1] - row[2] for row in money(order)) == D("84.90")


# --- "paid" is not for ever: case 145 ------------------------------------------------------------


def test_a_chargeback_stops_shipping_and_counts_in_later_refunds(company, tell):
    row = stage.asked(company, ("BAG", 1), **paid("84.90"))
    order = row.order
    stage.until(row, "packed")
    assert status(order) == "paid"
    assert tell(fact(order, "chargeback", "80.00")) == ["applied"]
    assert status(order) == "payment_problem"
    with pytest.raises(stage.work.OnHold, match="bank took"):
        stage.work.ship(fulfillment_order_id=row.pk, carrier="u", tracking_number="1", actor="l")
    with pytest.raises(payments.OverRefund, match=r"only €4\.90 left"):
        give_back(order, 5)
    assert tell(fact(order, "chargeback_won", "80.00", minutes=9)) == ["applied"]
    assert status(order) == "paid"
    assert Hold.objects.get().state == "resolved"
    stage.work.ship(fulfillment_order_id=row.pk, carrier="u", tracking_number="1", actor="l")
    check()


def test_a_capture_that_fails_after_all_is_no_payment(company, tell):
    order = company.place(("BAG", 1), **paid("84.90", state="authorized"))
    tell(fact(order, "capture", "84.90", ref="c"))
    assert status(order) == "paid"
    assert tell(fact(order, "fail", ref="c", minutes=5, reason="bounced")) == ["applied"]
    assert money(order) == [("failed", 0, 0)]
    assert status(order) == "payment_problem"
    assert "bounced" in Hold.objects.get(type="payment", state="open").reason
    # Paid another way, it goes on by itself.
    assert tell(fact(order, "capture", "84.90", payment="p9", method="bank")) == ["applied"]
    assert status(order) == "paid"
    assert not Hold.objects.filter(state="open").exists()


def test_a_chargeback_after_everything_was_delivered_holds_nothing(company, tell):
    row = stage.asked(company, ("BAG", 1), **paid("84.90"))
    parcel = stage.shipped(row)
    stage.work.track(parcel_id=parcel.pk, status="delivered", at=parcel.shipped_at, actor="ups")
    assert tell(fact(row.order, "chargeback", "84.90")) == ["applied"]
    assert not Hold.objects.exists()
    assert status(row.order) == "payment_problem"
    check()


def test_a_refund_made_at_the_provider_is_written_down(company, tell):
    order = company.place(("BAG", 1))
    row = fact(order, "refund", "20.00", payment="pay-1", reason="at the desk")
    assert tell(row, row) == ["applied", "already_known"]
    assert (Refund.objects.get().state, Refund.objects.get().reason) == ("done", "at the desk")
    assert status(order) == "partially_refunded"
    check()


# --- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"order": "nobody"}, "/order", "unknown_order"),
        ({"payment": "nobody", "kind": "refund"}, "/payment", "unknown_payment"),
        ({"payment": "new"}, "/method", "required"),
        ({"amount": None}, "/amount", "required"),
        ({"amount": "0"}, "/amount", "invalid"),
        ({"amount": "1.001"}, "/amount", "invalid"),
        ({"amount": "84.91"}, "/amount", "too_much"),
        ({"kind": "chargeback"}, "/amount", "too_much"),
        ({"kind": "refund"}, "/amount", "too_much"),
        ({"kind": "steal"}, "/kind", "invalid_choice"),
        ({"at": "2026-11-23T10:00:00"}, "/at", "invalid"),
        ({"amount": "-1"}, "/amount", "min_value"),
        ({"colour": "red"}, "/colour", "unknown_field"),
    ],
)
def test_a_row_that_cannot_be_is_refused_and_stops_no_other(company, tell, changes, pointer, code):
    order = authorized(company)
    good = fact(authorized(company), "capture", "84.90")
    bad, well = tell({**fact(order, "capture", "84.90"), **changes}, good)
    assert (bad["pointer"], bad["code"], well) == (pointer, code, "applied")
    assert bad["detail"]
    assert money(order) == [("authorized", 0, 0)]


def test_other_channels_orders_are_unknown(company, tell):
    order = authorized(company)
    Order.objects.update(channel=other(company))
    assert tell(fact(order, "capture", "84.90"))[0]["code"] == "unknown_order"


def other(company):
    company.web.pk, company.web.code = None, "other"
    company.web.save()
    return company.web


def test_a_key_without_the_scope_may_not_tell(client, company):
    company.web.keys.update(scopes=["orders"])
    problem(send(client, company, {"rows": []}, url=URL), 403)


def test_a_capture_that_was_given_back_cannot_fail(company, tell):
    order = company.place(("BAG", 1), **paid("84.90", state="authorized"))
    tell(fact(order, "capture", "84.90", ref="c"))
    give_back(order, 50)
    assert tell(fact(order, "fail", ref="c", minutes=5))[0]["code"] == "given_back"
    lifecycle.close_if_ended(order, actor="x")
    check()
