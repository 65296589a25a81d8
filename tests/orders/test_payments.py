"""Money of orders: what is captured, voided and given back, and never more than there is."""

from decimal import Decimal

import pytest
from django.db import transaction

from orders import cancellation, lifecycle, payments
from orders.models import OrderEvent, Payment, Refund
from orders.payments import OverRefund
from reports.invariants import violations
from tests.fulfillment import stage
from tests.races.crowd import at_once

D = Decimal


def give_back(order, amount, key="k", **changes):
    with transaction.atomic():
        return payments.refund(order=lifecycle.lock(order.pk), amount=D(amount), reason="gesture",
                               key=key, actor="lea", **changes)  # fmt: skip


def paid(*parts, state="captured"):
    """The payments of a payload."""
    return {"payments": [{"reference": f"p{i}", "method": "card", "state": state, "amount": part}
                         for i, part in enumerate(parts)]}  # fmt: skip


def money(order):
    """(state, captured, refunded) of each payment."""
    rows = order.payments.order_by("id").values_list("state", "captured", "refunded")
    return [(state, captured, refunded) for state, captured, refunded in rows]


def cancel(order):
    return cancellation.cancel(order_id=order.pk, reason="customer", actor="lea").units


def check():
    assert not {
        n: rows for n, rows in violations().items() if rows and n[:3] in ("I08", "I09", "I10")
    }


# --- giving back ---------------------------------------------------------------------------------


def test_of_two_refunds_at_once_one_is_told_what_is_left(live_company):  # case 133
    order = live_company.place(("BAG", 1), total="100.00", shipping_total="20.00", **paid("100.00"))
    results = at_once(lambda: give_back(order, 60, "a"), lambda: give_back(order, 60, "b"))
    assert [str(r) for r in results if isinstance(r, OverRefund)] == ["only €40.00 left to refund"]
    assert Refund.objects.count() == 1
    assert money(order) == [("captured", D(100), D(60))]
    check()


def test_one_key_gives_back_once(company):
    order = company.place(("BAG", 1))
    assert give_back(order, 10) == give_back(order, 10)
    assert money(order)[0][2] == D(10)
    assert OrderEvent.objects.filter(kind="refund.requested").count() == 1


def test_a_refund_takes_from_payments_in_the_order_they_were_made(company):
    order = company.place(("BAG", 1), **paid("50.00", "34.90"))
    give_back(order, 60)
    assert [row[2] for row in money(order)] == [D(50), D(10)]
    with pytest.raises(OverRefund, match=r"only €24\.90 left"):
        give_back(order, 25, "more")
    check()


@pytest.mark.parametrize("amount", ["0", "-1", "0.001"])
def test_an_amount_that_nobody_can_pay_is_refused(company, amount):
    order = company.place(("BAG", 1))
    with pytest.raises(ValueError, match="not an amount of EUR that can be refunded"):
        give_back(order, amount)
    assert not Refund.objects.exists()


def test_money_that_is_only_authorized_cannot_be_given_back(company):
    order = company.place(("BAG", 1), **paid("84.90", state="authorized"))
    with pytest.raises(OverRefund, match=r"only €0\.00 left"):
        give_back(order, 1)


def test_a_refused_refund_leaves_everything_for_the_next(company):  # case 135
    order = company.place(("BAG", 1))
    with pytest.raises(OverRefund):
        give_back(order, 85)
    assert money(order) == [("captured", D("84.90"), D(0))]
    give_back(order, "84.90")
    assert order.payments.get().refundable == 0


def test_a_gesture_moves_no_stock(company):  # case 143
    order = company.place(("BAG", 1))
    before = stage.stock(company, "BAG", "LYON")
    give_back(order, 10)
    assert stage.stock(company, "BAG", "LYON") == before


# --- canceling -----------------------------------------------------------------------------------


def test_a_canceled_order_gives_everything_back_shipping_included(company):
    order = company.place(("BAG", 1), ("TEE", 2))
    cancel(order)
    assert money(order) == [("captured", order.total, order.total)]
    check()


def test_what_was_shipped_stays_paid_with_its_shipping(company):
    row = stage.asked(company, ("BAG", 2))
    order = row.order
    stage.work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor="lea",
                      keep={row.lines.get().pk: 1})  # fmt: skip
    stage.shipped(row)
    cancel(order)
    assert money(order) == [("captured", D("164.90"), D("80.00"))]


def test_a_gesture_and_then_a_cancellation_give_back_no_more_than_was_paid(company):
    order = company.place(("BAG", 1))
    give_back(order, 10)
    assert cancel(order) == 1
    assert money(order) == [("captured", D("84.90"), D("84.90"))]
    check()


def test_free_units_are_canceled_without_a_refund(company):
    order = company.place(("BAG", 1), discount_total="80.00", shipping_total="0.00", total="0.00",
                          payments=[])  # fmt: skip
    cancel(order)
    assert not Refund.objects.exists()


# --- capturing -----------------------------------------------------------------------------------


def authorized(company, *items, **changes):
    total = sum(D(stage_price(sku)) * n for sku, n in items) + D("4.90")
    return stage.asked(company, *items, **paid(str(total), state="authorized"), **changes)


def stage_price(sku):
    from tests.cast import PRODUCTS

    return PRODUCTS[sku]


def test_what_was_authorized_is_captured_when_the_parcel_leaves(company):
    row = authorized(company, ("BAG", 1))
    stage.until(row, "packed")
    assert money(row.order) == [("authorized", 0, 0)]
    stage.shipped(row)
    assert money(row.order) == [("captured", D("84.90"), 0)]
    assert stage.kinds(row.order).count("payment.captured") == 1


def test_shipped_in_part_and_the_rest_canceled_captures_what_left(company):
    row = authorized(company, ("BAG", 2))
    stage.work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor="lea",
                      keep={row.lines.get().pk: 1})  # fmt: skip
    parcel = stage.shipped(row)
    assert money(row.order) == [("authorized", D("84.90"), 0)]
    cancel(row.order)
    assert money(row.order) == [("captured", D("84.90"), 0)]
    stage.work.track(parcel_id=parcel.pk, status="delivered", at=parcel.shipped_at, actor="ups")
    row.order.refresh_from_db()
    assert row.order.state == "closed"
    check()


def test_canceled_before_anything_left_lets_the_authorization_go(company):
    order = company.place(("BAG", 1), **paid("84.90", state="authorized"))
    cancel(order)
    assert money(order) == [("voided", 0, 0)]
    assert not Refund.objects.exists()


def test_of_two_authorizations_the_first_is_used_first(company):
    row = stage.asked(company, ("BAG", 2), **paid("100.00", "64.90", state="authorized"))
    stage.work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor="lea",
                      keep={row.lines.get().pk: 1})  # fmt: skip
    stage.shipped(row)
    cancel(row.order)
    assert money(row.order) == [("captured", D("84.90"), 0), ("voided", 0, 0)]


def test_the_database_refuses_what_no_function_should_do(company):
    from django.db import IntegrityError

    company.place(("BAG", 1))
    for impossible in ({"captured": 1000}, {"refunded": 1000}, {"refunded": -1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Payment.objects.update(**impossible)
