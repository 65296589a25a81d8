"""A return from the wish to the shelf: what may come back, what arrives, what becomes of it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.status import IllegalMove
from inventory.models import StockMovement
from orders import cancellation
from orders.models import OrderEvent
from returns import policy, process
from returns.models import Return, ReturnedUnits, ReturnLine
from tests.returns import journeys


@pytest.fixture
def wh(company):
    return company.locations["WH"]


@pytest.fixture
def lyon(company):
    return company.locations["LYON"]


def ask(order, quantity, **options):
    line = order.lines.get().pk
    options = {"reason": "unwanted", "by": "customer"} | options
    return process.request(order_id=order.pk, lines=[(line, quantity)], **options)


# --- what may come back --------------------------------------------------------------------------


def test_nothing_shipped_means_nothing_to_return(company):
    order = company.place(("TEE", 3))
    with pytest.raises(process.TooMany, match="not shipped yet"):
        ask(order, 1)
    assert not Return.objects.exists()


def test_at_most_what_was_shipped_comes_back(company):
    order = company.place(("TEE", 3))
    journeys.deliver(order, units=2)
    with pytest.raises(process.TooMany, match="at most 2 of Tee"):
        ask(order, 3)
    assert ask(order, 2).state == "requested"


def test_units_in_an_open_return_cannot_be_announced_again(company):
    order = journeys.deliver(company.place(("TEE", 3)))
    ask(order, 2)
    with pytest.raises(process.TooMany, match="at most 1 of Tee"):
        ask(order, 2)
    ask(order, 1)
    with pytest.raises(process.TooMany, match="all 3 shipped units"):
        ask(order, 1)


@pytest.mark.parametrize("end", ["cancel", "decline"])
def test_units_of_a_dropped_return_may_be_announced_again(company, end):
    order = journeys.deliver(company.place(("TEE", 2)))
    rma = ask(order, 2)
    if end == "cancel":
        process.cancel(return_id=rma.pk, actor="customer")
    else:
        process.decline(return_id=rma.pk, reason="worn", actor="lea")
    assert ask(order, 2).pk != rma.pk


def test_a_unit_that_never_arrived_may_come_with_a_new_return(company, wh):
    order = journeys.deliver(company.place(("TEE", 3)))
    rma = journeys.arrive(journeys.send_back(order, TEE=3), wh, TEE=2)
    process.refund(return_id=rma.pk, actor="lea")
    with pytest.raises(process.TooMany, match="at most 1 of Tee"):
        ask(order, 2)
    assert ask(order, 1)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [([], process.NothingAsked), ([("own", 0)], process.BadQuantity),
     ([("own", -1)], process.BadQuantity), ([("other", 1)], process.UnknownLine)],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_refused(company, lines, problem):
    order = journeys.deliver(company.place(("TEE", 1)))
    ids = {"own": order.lines.get().pk, "other": company.place(("MUG", 1)).lines.get().pk}
    with pytest.raises(problem):
        process.request(
            order_id=order.pk, lines=[(ids[which], n) for which, n in lines], reason="unwanted",
            by="customer",
        )  # fmt: skip
    with pytest.raises(process.UnknownReason):
        ask(order, 1, reason="because")
    assert not Return.objects.exists()


def test_the_same_line_named_twice_is_added_up(company):
    order = journeys.deliver(company.place(("TEE", 2)))
    line = order.lines.get().pk
    with pytest.raises(process.TooMany):
        process.request(
            order_id=order.pk, lines=[(line, 1), (line, 2)], reason="unwanted", by="customer"
        )
    rma = process.request(
        order_id=order.pk, lines=[(line, 1), (line, 1)], reason="unwanted", by="customer"
    )
    assert rma.lines.get().expected == 2


def test_the_same_key_asks_once(company):
    order = journeys.deliver(company.place(("TEE", 3)))
    assert ask(order, 1, key="form-1").pk == ask(order, 1, key="form-1").pk
    assert Return.objects.count() == 1
    assert OrderEvent.objects.filter(kind="return.requested").count() == 1


def test_a_customer_cannot_ask_for_ever(company):
    order = journeys.deliver(company.place(("TEE", 1)))
    for _ in range(policy.MAX_RETURNS_PER_ORDER):
        process.cancel(return_id=ask(order, 1).pk, actor="customer")
    with pytest.raises(process.TooManyReturns):
        ask(order, 1)
    assert ask(order, 1, override="talked to her", by="lea")


# --- the window ----------------------------------------------------------------------------------

ROME = ZoneInfo("Europe/Rome")


@pytest.mark.parametrize(
    ("now", "open_still"),
    [(datetime(2026, 11, 15, 23, 30, tzinfo=ROME), True),
     (datetime(2026, 11, 16, 0, 10, tzinfo=ROME), False)],
)  # fmt: skip
def test_the_window_closes_with_the_customers_local_day(now, open_still):
    delivered = datetime(2026, 11, 1, 10, 0, tzinfo=ROME)
    assert (now < policy.last_moment(delivered, zone=ROME, days=14)) is open_still


def test_a_window_over_a_change_of_clocks_ends_at_local_midnight():
    delivered = datetime(2026, 10, 20, 23, 30, tzinfo=ROME).astimezone(UTC)
    end = policy.last_moment(delivered, zone=ROME, days=14)
    assert end == datetime(2026, 11, 4, 0, 0, tzinfo=ROME)


def test_after_the_window_only_staff_may_take_it_with_a_reason(company):
    order = company.place(("TEE", 2))
    journeys.deliver(order, at=timezone.now() - timedelta(days=policy.RETURN_WINDOW_DAYS + 2))
    with pytest.raises(process.WindowOver, match="30 days after delivery are over"):
        ask(order, 1)
    rma = ask(order, 1, override="was in hospital", by="lea")
    assert rma.override == "was in hospital"


def test_units_delivered_later_have_their_own_window(company):
    order = company.place(("TEE", 3))
    journeys.deliver(order, units=2, at=timezone.now() - timedelta(days=60))
    journeys.deliver(order)
    with pytest.raises(process.WindowOver, match="at most 1 of Tee"):
        ask(order, 2)
    assert ask(order, 1)


# --- deciding ------------------------------------------------------------------------------------


def test_deciding_twice_is_deciding_once(company):
    order = journeys.deliver(company.place(("TEE", 2)))
    rma = journeys.send_back(order, TEE=1)
    assert process.approve(return_id=rma.pk, actor="lea").state == "approved"
    assert OrderEvent.objects.filter(kind="return.approved").count() == 1
    with pytest.raises(IllegalMove, match="canceled, received, refunded"):
        process.decline(return_id=rma.pk, reason="worn", actor="lea")


def test_a_refusal_needs_words_for_the_customer(company):
    rma = ask(journeys.deliver(company.place(("TEE", 1))), 1)
    with pytest.raises(process.ReasonMissing):
        process.decline(return_id=rma.pk, reason="  ", actor="lea")
    rma = process.decline(return_id=rma.pk, reason="worn", actor="lea")
    assert (rma.state, rma.decline_reason) == ("declined", "worn")


def test_a_return_may_be_canceled_until_goods_arrive(company, wh):
    order = journeys.deliver(company.place(("TEE", 2)))
    process.cancel(return_id=journeys.send_back(order, TEE=1).pk, actor="customer")
    arrived = journeys.come_back(order, wh, TEE=1)
    with pytest.raises(IllegalMove):
        process.cancel(return_id=arrived.pk, actor="customer")


# --- goods ---------------------------------------------------------------------------------------


def test_goods_are_visible_but_not_sellable_until_they_were_looked_at(company, lyon):
    order = journeys.deliver(company.place(("TEE", 2)))
    before = journeys.stock("TEE", lyon)
    rma = journeys.come_back(order, lyon, TEE=2)
    assert rma.state == "received"
    on_hand, _, unavailable, free = journeys.stock("TEE", lyon)
    assert (on_hand, unavailable, free) == (before[0] + 2, 2, before[3])


def test_goods_may_come_back_to_a_place_that_never_sold_them(company, wh):
    order = journeys.deliver(company.place(("BAG", 1)))
    assert journeys.stock("BAG", wh) == (0, 0, 0, 0)
    rma = journeys.come_back(order, wh, BAG=1)
    journeys.grade(rma, "BAG", A=1)
    assert journeys.stock("BAG", wh) == (1, 0, 0, 1)


def test_goods_shipped_from_one_place_and_brought_to_another_count_where_they_are(company):
    order = journeys.deliver(company.place(("TEE", 1)))
    sender = order.parcels.get().location
    other = company.locations["RIGA"]
    sent = journeys.stock("TEE", sender)
    journeys.grade(journeys.come_back(order, other, TEE=1), "TEE", A=1)
    assert journeys.stock("TEE", sender) == sent
    assert journeys.stock("TEE", other) == (101, 0, 0, 101)


@pytest.mark.parametrize(
    ("letter", "shelf"),
    [("A", (2, 0, 0, 2)), ("B", (2, 0, 0, 2)), ("C", (2, 0, 2, 0)), ("D", (0, 0, 0, 0))],
)
def test_the_grade_decides_what_becomes_of_the_goods(company, wh, letter, shelf):
    order = journeys.deliver(company.place(("BAG", 2)))
    rma = journeys.grade(journeys.come_back(order, wh, BAG=2), "BAG", **{letter: 2})
    assert rma.state == "inspected"
    assert journeys.stock("BAG", wh) == shelf
    units = ReturnedUnits.objects.get(grade=letter)
    assert (units.quantity, units.disposition) == (2, policy.DISPOSITION[letter])


def test_units_of_one_line_may_have_different_grades(company, wh):
    order = journeys.deliver(company.place(("BAG", 4)))
    rma = journeys.come_back(order, wh, BAG=4)
    journeys.grade(rma, "BAG", A=1, C=1)
    rma.refresh_from_db()
    assert rma.state == "received"
    rma = journeys.grade(rma, "BAG", A=1, B=1, C=1, D=1)
    assert rma.state == "inspected"
    assert rma.lines.get().restocked == 2
    assert journeys.stock("BAG", wh) == (3, 0, 1, 2)


def test_the_same_call_again_moves_nothing_again(company, wh):
    order = journeys.deliver(company.place(("BAG", 3)))
    rma = journeys.send_back(order, BAG=3)
    for _ in range(2):
        journeys.arrive(rma, wh, BAG=2)
    assert journeys.stock("BAG", wh) == (2, 0, 2, 0)
    for _ in range(2):
        journeys.grade(rma, "BAG", A=1, D=1)
    assert journeys.stock("BAG", wh) == (1, 0, 0, 1)
    kinds = OrderEvent.objects.filter(order=order, kind__startswith="return.")
    assert [e.kind for e in kinds.order_by("id")] == [
        "return.requested", "return.approved", "return.received", "return.inspected",
    ]  # fmt: skip


def test_the_rest_may_come_later_and_elsewhere(company, wh, lyon):
    order = journeys.deliver(company.place(("BAG", 3)))
    rma = journeys.send_back(order, BAG=3)
    journeys.arrive(rma, wh, BAG=1)
    journeys.grade(rma, "BAG", A=1)
    journeys.arrive(rma, wh, BAG=2)
    at_lyon = journeys.stock("BAG", lyon)[0]
    rma = journeys.arrive(rma, lyon, BAG=1)
    assert (rma.state, rma.lines.get().received) == ("received", 3)
    line = rma.lines.get().pk
    process.inspect(return_id=rma.pk, grades={line: {"A": 2}}, actor="lea")
    rma = process.inspect(return_id=rma.pk, grades={line: {"B": 1}}, location=lyon, actor="lea")
    assert rma.state == "inspected"
    assert journeys.stock("BAG", wh) == (2, 0, 0, 2)
    assert journeys.stock("BAG", lyon)[0] == at_lyon + 1


def test_what_cannot_be_is_refused_and_changes_nothing(company, wh, lyon):
    order = journeys.deliver(company.place(("BAG", 2)))
    rma = journeys.send_back(order, BAG=2)
    line = rma.lines.get().pk
    with pytest.raises(process.NothingArrived):
        journeys.grade(rma, "BAG", A=1)
    with pytest.raises(process.OverReceived, match="at most 2"):
        journeys.arrive(rma, wh, BAG=3)
    journeys.arrive(rma, wh, BAG=1)
    with pytest.raises(process.CountedMore, match="1 of Bag were counted"):
        process.receive(return_id=rma.pk, location=wh, arrived={line: 0}, actor="lea")
    with pytest.raises(process.OverReceived, match="at most 1"):
        journeys.arrive(rma, lyon, BAG=2)
    with pytest.raises(process.OverGraded, match="1 of Bag wait"):
        journeys.grade(rma, "BAG", A=1, B=1)
    with pytest.raises(process.UnknownGrade):
        journeys.grade(rma, "BAG", E=1)
    wh.can_receive_returns = False
    with pytest.raises(process.NoReturnsHere):
        journeys.arrive(rma, wh, BAG=2)
    assert journeys.stock("BAG", wh) == (1, 0, 1, 0)


def test_goods_of_a_return_that_nobody_approved_are_not_taken(company, wh):
    rma = ask(journeys.deliver(company.place(("BAG", 1))), 1)
    with pytest.raises(IllegalMove, match="requested"):
        journeys.arrive(rma, wh)
    assert journeys.stock("BAG", wh) == (0, 0, 0, 0)


def test_credit_before_and_after_dispatch_leaves_the_shelf_right(company):
    order = company.place(("TEE", 10))
    shelf = journeys.deliver(order, units=6).parcels.get().location
    start = journeys.stock("TEE", shelf)[0] + 6
    assert cancellation.cancel(order_id=order.pk, reason="customer", actor="lea").units == 4
    journeys.grade(journeys.come_back(order, shelf, TEE=3), "TEE", A=3)
    assert journeys.stock("TEE", shelf) == (start - 3, 0, 0, start - 3)


def test_after_a_refund_without_restock_nothing_moves_stock_again(company, wh):
    order = journeys.deliver(company.place(("BAG", 2)))
    rma = journeys.grade(journeys.come_back(order, wh, BAG=2), "BAG", D=2)
    process.refund(return_id=rma.pk, actor="lea")
    moves = StockMovement.objects.count()
    with pytest.raises(cancellation.NothingToCancel):
        cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    assert StockMovement.objects.count() == moves


def test_restocked_units_are_exactly_what_the_ledger_made_sellable(company, wh, lyon):
    order = journeys.deliver(company.place(("BAG", 5), ("TEE", 3)))
    rma = journeys.send_back(order, BAG=4, TEE=3)
    journeys.arrive(rma, lyon, BAG=3, TEE=2)
    journeys.arrive(rma, wh, BAG=1)
    journeys.grade(rma, "BAG", A=1, C=1, D=1)
    journeys.grade(rma, "TEE", B=2)
    for line in ReturnLine.objects.all():
        sums = StockMovement.objects.filter(cause_type="return_line", cause_id=line.pk).aggregate(
            on_hand=Sum("on_hand"), unavailable=Sum("unavailable")
        )
        assert sums["on_hand"] - sums["unavailable"] == line.restocked
        assert line.units.aggregate(n=Sum("quantity"))["n"] == line.received
    assert [line.restocked for line in rma.lines.order_by("id")] == [1, 2]


def test_no_step_takes_more_statements_for_more_lines(company, wh):
    counts = []
    for skus in (["BAG"], ["BAG", "TEE", "MUG"]):
        order = journeys.deliver(company.place(*[(sku, 2) for sku in skus]))
        lines = [(line.pk, 2) for line in order.lines.all()]

        def steps(order=order, lines=lines):
            rma = process.request(order_id=order.pk, lines=lines, reason="other", by="customer")
            yield "request"
            process.approve(return_id=rma.pk, actor="lea")
            yield "approve"
            ids = [line.pk for line in rma.lines.all()]
            process.receive(
                return_id=rma.pk, location=wh, arrived=dict.fromkeys(ids, 2), actor="lea"
            )
            yield "receive"
            grades = {pk: {"A": 1, "D": 1} for pk in ids}
            process.inspect(return_id=rma.pk, grades=grades, actor="lea")
            yield "inspect"
            process.refund(return_id=rma.pk, actor="lea")
            yield "refund"

        counted, running = {}, steps()
        for _ in range(5):
            with CaptureQueriesContext(connection) as seen:
                name = next(running)
            counted[name] = len([q for q in seen if "SAVEPOINT" not in q["sql"]])
        counts.append(counted)
    assert counts[0] == counts[1]
    assert max(counts[0].values()) <= 19, counts
