"""Two tabs at the very same moment, on real connections."""

from collections.abc import Callable
from typing import Any

from fulfillment import work
from fulfillment.models import Parcel
from inventory.models import StockMovement
from orders import cancellation
from tests.fulfillment.stage import ACTOR, asked, kinds, shipped, states, stock, until
from tests.races.crowd import at_once


def press(row, button, **values) -> Callable[[], Any]:
    return lambda: button(fulfillment_order_id=row.pk, actor=ACTOR, **values)


def test_one_parcel_leaves_however_many_tabs_ship_it(live_company):
    row = until(asked(live_company, ("BAG", 2)), "packed")

    ship = press(row, work.ship, carrier="ups", tracking_number="1Z-1")
    outcomes = at_once(*[ship] * 4)

    assert [outcome.changed for outcome in outcomes].count(True) == 1
    assert len({outcome.parcel.pk for outcome in outcomes}) == 1
    assert StockMovement.objects.filter(kind="sale").count() == 1
    assert kinds(row.order).count("parcel.shipped") == 1
    assert stock(live_company, "BAG", "LYON") == (3, 0)


def test_two_orders_under_one_number_leave_as_one(live_company):
    rows = [until(asked(live_company, ("BAG", 1)), "packed") for _ in range(2)]

    calls = [press(row, work.ship, carrier="ups", tracking_number="1Z-1") for row in rows]
    outcomes = at_once(*calls)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Outcome", "TrackingTaken"]
    assert Parcel.objects.count() == 1
    assert stock(live_company, "BAG", "LYON") == (4, 1)


def test_the_last_unit_is_counted_once_by_two_scanners(live_company):
    row = until(asked(live_company, ("BAG", 1), ("MUG", 1)), "accepted")

    outcomes = at_once(*[press(row, work.scan, code="BAG")] * 2)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Outcome", "TooMany"]


def test_cancel_against_ship_ends_one_way_only(live_company):
    row = until(asked(live_company, ("BAG", 1)), "packed")

    at_once(
        press(row, work.ship, carrier="ups", tracking_number="1Z-1"),
        lambda: cancellation.cancel(order_id=row.order_id, reason="customer", actor="test"),
    )

    assert (states(row.order), stock(live_company, "BAG", "LYON")) in (
        ({"shipped": 1}, (4, 0)),
        ({"canceled": 1}, (5, 0)),
    )


def test_a_parcel_is_delivered_once_by_two_messages(live_company):
    parcel = shipped(asked(live_company, ("BAG", 1)))

    def track() -> Any:
        return work.track(parcel_id=parcel.pk, status="delivered", at=parcel.shipped_at, actor="x")

    outcomes = at_once(track, track, track)

    assert [outcome.changed for outcome in outcomes].count(True) == 1
    assert kinds(parcel.order).count("parcel.delivered") == 1
