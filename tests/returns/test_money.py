"""The money of returns, to the cent, and never twice."""

from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import connection, transaction

from config.status import IllegalMove
from orders import cancellation, lifecycle, payments
from orders.models import OrderEvent, Refund
from orders.payments import OverRefund
from returns import process
from tests.returns import journeys

D = Decimal


@pytest.fixture
def wh(company):
    return company.locations["WH"]


def refund(rma, **options):
    return process.refund(return_id=rma.pk, actor="lea", **options).refund_amount


def test_an_order_wide_discount_is_the_units_own_share(company, wh):
    order = journeys.buy(company, ("BAG", 1, "150.00"), ("TEE", 1, "60.00"), discount="42.00")
    journeys.deliver(order)
    assert refund(journeys.come_back(order, wh, BAG=1)) == D("120.00")
    assert journeys.given_back(order) == D("120.00")


def test_a_percentage_goes_with_the_units(company, wh):
    order = journeys.deliver(journeys.buy(company, ("BAG", 3, "100.00", "30.00")))
    assert refund(journeys.come_back(order, wh, BAG=2)) == D("180.00")


@pytest.mark.parametrize("first", [1, 2])
def test_parts_of_a_line_sum_to_the_line_whichever_came_first(company, wh, first):
    order = journeys.deliver(journeys.buy(company, ("BAG", 3, "10.00", "5.00")))
    parts = [refund(journeys.come_back(order, wh, BAG=n)) for n in (first, 3 - first)]
    assert sum(parts) == D("25.00")
    assert journeys.given_back(order) == D("25.00")


def test_what_was_canceled_and_what_came_back_sum_to_what_was_paid(company, wh):
    order = journeys.buy(company, ("BAG", 3, "10.00", "5.00"))
    journeys.deliver(order, units=2)
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    for _ in range(2):
        refund(journeys.come_back(order, wh, BAG=1))
    assert journeys.given_back(order) == D("25.00")


@pytest.mark.parametrize(
    ("currency", "price", "back"), [("JPY", "5800", "5800"), ("KWD", "1.234", "1.234")]
)
def test_currencies_with_no_or_three_decimals(company, wh, currency, price, back):
    zero = "0" if currency == "JPY" else "0.000"
    order = journeys.buy(company, ("BAG", 2, price, zero), discount=zero, shipping=zero,
                         currency=currency, shipping_tax=zero, tax_total=zero)  # fmt: skip
    journeys.deliver(order)
    assert refund(journeys.come_back(order, wh, BAG=1)) == D(back)


def test_announced_three_arrived_two_pays_for_two(company, wh):
    order = journeys.deliver(journeys.buy(company, ("BAG", 3, "89.99")))
    rma = journeys.arrive(journeys.send_back(order, BAG=3), wh, BAG=2)
    with pytest.raises(process.OverShare, match=r"at most €179\.98: that is what the 2 units"):
        refund(rma, amount=D("269.97"))
    assert refund(rma) == D("179.98")
    assert journeys.stock("BAG", wh)[0] == 2


def test_shipping_goes_back_once_and_only_when_staff_say_so(company, wh):
    order = journeys.buy(company, ("BAG", 3, "10.00"), shipping="5.00")
    journeys.deliver(order)
    assert refund(journeys.come_back(order, wh, BAG=1)) == D("10.00")
    second = journeys.come_back(order, wh, BAG=1)
    assert process.proposal(second).shipping_left == D("5.00")
    assert refund(second, shipping=D("5.00")) == D("15.00")
    third = journeys.come_back(order, wh, BAG=1)
    assert process.proposal(third).shipping_left == 0
    with pytest.raises(process.OverShipping, match=r"only €0\.00"):
        refund(third, shipping=D("0.01"))
    assert refund(third) == D("10.00")
    assert journeys.given_back(order) == order.total


def test_goods_may_come_without_money(company, wh):
    order = journeys.deliver(journeys.buy(company, ("BAG", 1, "50.00")))
    rma = journeys.grade(journeys.come_back(order, wh, BAG=1), "BAG", A=1)
    assert refund(rma, amount=D(0)) == 0
    assert journeys.given_back(order) == 0
    assert not Refund.objects.exists()


def test_money_ahead_of_the_goods_needs_a_reason(company, wh):
    order = journeys.deliver(journeys.buy(company, ("BAG", 2, "50.00")))
    rma = journeys.send_back(order, BAG=2)
    with pytest.raises(process.GoodsNotHere):
        refund(rma)
    assert refund(rma, without_goods="lost by the carrier") == D("100.00")
    assert journeys.stock("BAG", wh) == (0, 0, 0, 0)
    with pytest.raises(process.TooMany):
        journeys.send_back(order, BAG=1)


def test_goods_that_were_paid_ahead_still_reach_the_shelf(company, wh):
    order = journeys.deliver(journeys.buy(company, ("BAG", 2, "50.00")))
    rma = journeys.send_back(order, BAG=2)
    refund(rma, without_goods="a good customer")
    journeys.arrive(rma, wh)
    assert journeys.grade(rma, "BAG", A=2).state == "refunded"
    assert journeys.stock("BAG", wh) == (2, 0, 0, 2)
    assert journeys.given_back(order) == D("100.00")


def test_units_beyond_a_finished_refund_do_not_slip_in(company, wh):
    order = journeys.deliver(journeys.buy(company, ("BAG", 3, "50.00")))
    rma = journeys.arrive(journeys.send_back(order, BAG=3), wh, BAG=2)
    refund(rma)
    with pytest.raises(process.OverReceived, match="at most 2"):
        journeys.arrive(rma, wh, BAG=3)


def test_asked_twice_the_money_moves_once(company, wh):
    order = journeys.deliver(journeys.buy(company, ("BAG", 2, "50.00")))
    rma = journeys.come_back(order, wh, BAG=2)
    assert refund(rma, amount=D("80.00")) == refund(rma) == D("80.00")
    with pytest.raises(process.AlreadyRefunded, match=r"€80\.00"):
        refund(rma, amount=D("100.00"))
    assert journeys.given_back(order) == D("80.00")
    assert OrderEvent.objects.filter(kind="return.refunded").count() == 1
    assert sum(line.refund_amount for line in rma.lines.all()) == D("80.00")


@pytest.mark.parametrize("amount", ["-1", "0.001", "NaN", "Infinity"])
def test_an_amount_nobody_can_pay_is_refused(company, wh, amount):
    rma = journeys.come_back(journeys.deliver(company.place(("BAG", 1))), wh, BAG=1)
    with pytest.raises(process.BadAmount):
        refund(rma, amount=D(amount))


def test_a_return_that_nobody_approved_is_not_paid(company):
    order = journeys.deliver(company.place(("BAG", 1)))
    rma = process.request(
        order_id=order.pk, lines=[(order.lines.get().pk, 1)], reason="unwanted", by="customer"
    )
    with pytest.raises(IllegalMove):
        refund(rma, without_goods="lost")


def test_a_free_unit_comes_back_for_nothing(company, wh):
    order = journeys.buy(company, ("BAG", 1, "80.00"), ("TEE", 1, "20.00", "20.00"))
    rma = journeys.come_back(journeys.deliver(order), wh, TEE=1)
    assert refund(rma) == 0


# --- together ------------------------------------------------------------------------------------


def together(*calls):
    """Run calls at the same moment in threads; returns their results or exceptions."""
    results, gate = [None] * len(calls), Barrier(len(calls))

    def run(i, call):
        gate.wait()
        try:
            results[i] = call()
        except Exception as error:
            results[i] = error
        finally:
            connection.close()

    threads = [Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_two_refunds_at_once_one_is_told_what_is_left(live_company):
    order = journeys.buy(live_company, ("BAG", 2, "60.00"))
    journeys.deliver(order)
    with transaction.atomic():
        payments.refund(
            order=lifecycle.lock(order.pk), amount=D(20), reason="gesture", key="gift", actor="lea"
        )
    wh = live_company.locations["WH"]
    rmas = [journeys.come_back(order, wh, BAG=1) for _ in range(2)]
    results = together(*[lambda rma=rma: refund(rma) for rma in rmas])
    refused = [r for r in results if isinstance(r, OverRefund)]
    assert [str(error) for error in refused] == ["only €40.00 left to refund"]
    assert D("60.00") in results
    assert journeys.given_back(order) == D("80.00")


def test_one_return_refunded_by_many_at_once_is_paid_once(live_company):
    order = journeys.deliver(journeys.buy(live_company, ("BAG", 2, "60.00")))
    rma = journeys.come_back(order, live_company.locations["WH"], BAG=2)
    results = together(*[lambda: refund(rma) for _ in range(4)])
    assert results == [D("120.00")] * 4
    assert journeys.given_back(order) == D("120.00")


def test_the_last_unit_is_announced_once_by_many_at_once(live_company):
    order = journeys.deliver(live_company.place(("BAG", 1)))
    results = together(*[lambda: journeys.send_back(order, BAG=1) for _ in range(4)])
    assert sum(isinstance(r, process.TooMany) for r in results) == 3


def test_a_parcel_counted_by_two_people_at_once_arrives_once(live_company):
    order = journeys.deliver(live_company.place(("BAG", 3)))
    rma, wh = journeys.send_back(order, BAG=3), live_company.locations["WH"]
    together(*[lambda: journeys.arrive(rma, wh, BAG=2) for _ in range(4)])
    together(*[lambda: journeys.grade(rma, "BAG", A=1, C=1) for _ in range(4)])
    assert journeys.stock("BAG", wh) == (2, 0, 1, 1)
