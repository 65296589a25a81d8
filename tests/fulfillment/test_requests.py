"""Opening work for routed slices, and taking it back."""

from datetime import UTC, date, datetime, time

import pytest
import time_machine

from fulfillment import work
from fulfillment.models import FulfillmentLine, FulfillmentOrder
from inventory.models import Location, SpecialDay
from orders import cancellation, lifecycle
from orders.models import Allocation
from routing.models import Decision
from tests.fulfillment.stage import ACTOR, asked, drain, kinds, only, shipped, statements, until


def test_routed_slices_become_one_fulfillment_order_per_stock_point(company):
    only(company, "WH", "LYON")
    order = company.place(("BAG", 1), ("TEE", 20))
    drain()

    rows = FulfillmentOrder.objects.filter(order=order)
    assert sorted(row.location.code for row in rows) == ["LYON", "WH"]
    assert FulfillmentLine.objects.filter(open=True).count() == 2
    assert kinds(order).count("fulfillment.requested") == 2


def test_work_carries_the_sentence_of_its_decision(company):
    row = asked(company, ("BAG", 1))

    decision = Decision.objects.get(pk=row.decision_id)
    assert row.why == decision.sentence != ""


def test_syncing_again_changes_nothing(company):
    row = asked(company, ("BAG", 1))
    before = kinds(row.order)

    work.sync(order_id=row.order_id)

    assert FulfillmentOrder.objects.count() == 1
    assert kinds(row.order) == before


def test_a_canceled_order_withdraws_its_work(company):
    row = until(asked(company, ("BAG", 1)), "accepted")
    cancellation.cancel(order_id=row.order_id, reason="customer", actor="test")
    drain()

    row.refresh_from_db()
    assert row.state == "canceled"
    assert row.ended_at
    assert not row.lines.filter(open=True).exists()
    event = row.order.events.get(kind="fulfillment.withdrawn")
    assert event.data["fulfillment_order"] == row.pk
    assert event.data["units_left"] == 0


def test_what_has_left_is_not_withdrawn(company):
    row = asked(company, ("BAG", 1))
    shipped(row)
    work.sync(order_id=row.order_id)

    row.refresh_from_db()
    assert row.state == "done"


def test_one_of_two_packed_units_canceled_leaves_the_other_packed(company):
    row = until(asked(company, ("BAG", 2)), "packed")
    _cancel_units(row.lines.get().allocation, 1)
    work.sync(order_id=row.order_id)

    row.refresh_from_db()
    assert (row.state, row.lines.get().quantity) == ("packed", 1)
    assert shipped(row).lines.get().quantity == 1


def test_when_the_missing_line_is_canceled_picking_is_done(company):
    row = until(asked(company, ("BAG", 1), ("MUG", 1)), "accepted")
    work.scan(fulfillment_order_id=row.pk, code="MUG", actor=ACTOR)
    _cancel_units(Allocation.objects.get(line__sku="BAG"), 1)
    work.sync(order_id=row.order_id)

    row.refresh_from_db()
    assert row.state == "picked"


def _cancel_units(piece, units):
    from inventory import ledger

    lifecycle.lock(piece.order_id)
    if units < piece.quantity:
        piece = lifecycle.split_slice(piece, quantity=units)
    claim = piece.reservation_id
    lifecycle.move_slices([piece], "canceled", reservation_id=None)
    ledger.release([claim], actor="test")


def test_statements_of_a_request_do_not_grow_with_lines(company):
    counts = []
    for items in ([("TEE", 1)], [("TEE", 1), ("MUG", 1)] * 10):
        only(company, "WH")
        order = company.place(*items)
        drain("route")
        with statements() as found:
            work.sync(order_id=order.pk)
        counts.append(len(found))
    assert counts[0] == counts[1] <= 9


PARIS = {"timezone": "Europe/Paris", "cutoff": time(15)}
HOURS = {day: [["10:00", "19:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}


@pytest.mark.parametrize(
    ("given", "changes", "expected"),
    [
        # Friday 3 Oct 2025, Paris is UTC+2
        ("2025-10-03T12:59", {}, "2025-10-03T13:00"),  # before the cut-off: today
        ("2025-10-03T13:01", {}, "2025-10-06T13:00"),  # after it: Monday, no hours are known
        ("2025-10-03T13:01", {"opening_hours": HOURS}, "2025-10-04T13:00"),  # open on Saturday
        ("2025-10-04T13:01", {"opening_hours": HOURS}, "2025-10-06T13:00"),  # closed on Sunday
        ("2025-10-03T08:00", {"lead_days": 2}, "2025-10-07T13:00"),
        ("2025-10-05T08:00", {}, "2025-10-06T13:00"),  # a Sunday morning
        ("2025-10-24T13:01", {}, "2025-10-27T14:00"),  # clocks go back in between
        ("2025-10-03T08:00", {"timezone": "Pacific/Auckland"}, "2025-10-06T02:00"),
        ("2025-10-03T13:01", {"opening_hours": {"mon": []}}, None),  # never open: still an answer
    ],
)
def test_work_must_leave_at_the_stock_points_own_cut_off(given, changes, expected):
    location = Location(**{**PARIS, **changes})
    now = datetime.fromisoformat(given).replace(tzinfo=UTC)

    due = work.ship_by(location, now=now)

    assert due > now
    if expected:
        assert due == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_work_does_not_leave_on_a_holiday(company):
    SpecialDay.objects.create(date=date(2025, 10, 6), name="everybody's")
    SpecialDay.objects.create(date=date(2025, 10, 7), name="inventory", opens=time(8),
                              closes=time(11), location=company.locations["LYON"])  # fmt: skip
    with time_machine.travel(datetime(2025, 10, 3, 16, tzinfo=UTC), tick=False):
        row = asked(company, ("BAG", 1))
    assert row.location.code == "LYON"
    assert row.ship_by == datetime(2025, 10, 7, 9, tzinfo=UTC)  # when it closes in Lyon
