"""Shipping, pick-up: what leaves leaves the ledger once."""

import pytest

from config.status import IllegalMove
from fulfillment import work
from inventory.models import StockMovement
from orders import cancellation, holds
from orders.models import Payment
from tests.fulfillment.stage import (
    ACTOR,
    asked,
    drain,
    for_pickup,
    kinds,
    only,
    shipped,
    states,
    stock,
    until,
)


def ship(row, carrier="ups", number="1Z-1"):
    return work.ship(
        fulfillment_order_id=row.pk, carrier=carrier, tracking_number=number, actor=ACTOR
    )


def authorized(amount):
    return [{"reference": "p", "method": "card", "state": "authorized", "amount": amount}]


def test_shipping_takes_the_units_out_of_the_ledger(company):
    row = asked(company, ("BAG", 2))
    assert stock(company, "BAG", "LYON") == (5, 2)

    parcel = shipped(row)

    assert stock(company, "BAG", "LYON") == (3, 0)
    movement = StockMovement.objects.get(kind="sale")
    assert (movement.key, movement.cause_type, movement.cause_id) == (
        f"sale:{row.lines.get().allocation_id}", "parcel", parcel.pk,
    )  # fmt: skip
    row.refresh_from_db()
    assert row.state == "done"
    assert row.ended_at
    assert states(row.order) == {"shipped": 2}
    assert parcel.weight_g == 600
    assert parcel.lines.get().quantity == 2
    event = row.order.events.get(kind="parcel.shipped")
    assert event.data["parcel"] == parcel.pk
    assert event.data["tracking"] == "1Z-1"


def test_shipping_twice_gives_the_same_parcel(company):
    row = until(asked(company, ("BAG", 1)), "packed")
    first = ship(row)

    again = ship(row, " ups ", "1Z-1 ")

    assert (again.changed, again.parcel) == (False, first.parcel)
    assert StockMovement.objects.filter(kind="sale").count() == 1
    assert kinds(row.order).count("parcel.shipped") == 1


def test_a_parcel_never_gets_a_second_number(company):
    row = until(asked(company, ("BAG", 1)), "packed")
    ship(row)

    with pytest.raises(work.OtherTracking, match="1Z-1"):
        ship(row, number="1Z-2")


def test_a_number_of_another_parcel_is_refused_and_nothing_leaves(company):
    shipped(asked(company, ("BAG", 1)))
    row = until(asked(company, ("BAG", 1)), "packed")

    with pytest.raises(work.TrackingTaken):
        ship(row)
    row.refresh_from_db()
    assert row.state == "packed"
    assert stock(company, "BAG", "LYON") == (4, 1)


def test_a_parcel_needs_carrier_and_number(company):
    row = until(asked(company, ("BAG", 1)), "packed")

    with pytest.raises(work.NeedsTracking) as caught:
        ship(row, " ", "")
    assert caught.value.missing == ["carrier", "tracking number"]


def test_only_what_is_packed_can_be_shipped(company):
    row = asked(company, ("BAG", 1))

    with pytest.raises(IllegalMove):
        ship(row)


def test_a_hold_on_shipping_keeps_the_parcel_here_until_it_is_resolved(company):
    row = until(asked(company, ("BAG", 1)), "packed")
    hold = holds.place(order_id=row.order_id, type="fraud", handle="check", reason="new card",
                          blocks=["ship"], actor="test")  # fmt: skip

    with pytest.raises(work.OnHold, match="new card"):
        ship(row)
    assert stock(company, "BAG", "LYON") == (5, 1)
    holds.resolve(hold_id=hold.pk, actor="test")
    assert ship(row).changed


def test_a_hold_on_routing_does_not_stop_a_parcel(company):
    row = until(asked(company, ("BAG", 1)), "packed")
    holds.place(order_id=row.order_id, type="manual", handle="x", reason="x", blocks=["route"],
                   actor="test")  # fmt: skip

    assert ship(row).changed


def test_each_parcel_captures_what_its_units_are_worth(company):
    only(company, "WH", "LYON")
    order = company.place(("BAG", 1), ("TEE", 20), payments=authorized("484.90"))
    drain()
    rows = list(order.fulfillment_orders.order_by("id"))
    assert len(rows) == 2

    shipped(rows[0], "1Z-1")
    assert 0 < Payment.objects.get().captured < order.total
    shipped(rows[1], "1Z-2")
    assert Payment.objects.get().captured == order.total


def test_a_pick_up_is_ready_then_collected_and_the_order_ends(company):
    row = until(for_pickup(company, ("BAG", 1)), "ready")
    assert states(row.order) == {"ready": 1}
    assert stock(company, "BAG", "LYON") == (5, 1)

    outcome = work.collect(fulfillment_order_id=row.pk, name=" Ana Živić ", actor=ACTOR)

    assert stock(company, "BAG", "LYON") == (4, 0)
    assert outcome.parcel.received_by == "Ana Živić"
    assert outcome.parcel.tracking_status == "collected"
    assert "Ana" not in str(list(row.order.events.values_list("data", flat=True)))
    row.order.refresh_from_db()
    assert row.order.state == "closed"


def test_collecting_twice_is_done_once(company):
    row = until(for_pickup(company, ("BAG", 1)), "ready")
    first = work.collect(fulfillment_order_id=row.pk, name="Ana", actor=ACTOR)

    again = work.collect(fulfillment_order_id=row.pk, name="Ana", actor=ACTOR)

    assert (again.changed, again.parcel) == (False, first.parcel)
    assert kinds(row.order).count("pickup.collected") == 1


def test_ready_pressed_twice_tells_the_customer_once(company):
    row = until(for_pickup(company, ("BAG", 1)), "ready")

    assert not work.ready(fulfillment_order_id=row.pk, actor=ACTOR).changed
    assert kinds(row.order).count("pickup.ready") == 1


def test_the_last_unit_is_its_own(company):
    row = for_pickup(company, ("CAP", 1))  # Lyon has a single cap, and this order claims it
    assert stock(company, "CAP", "LYON") == (1, 1)

    assert until(row, "ready").state == "ready"


def test_a_pick_up_is_not_shipped_and_a_shipment_not_collected(company):
    pickup = until(for_pickup(company, ("BAG", 1)), "packed")
    with pytest.raises(work.WrongWayOut):
        ship(pickup)
    parcel = until(asked(company, ("MUG", 1)), "packed")
    with pytest.raises(work.WrongWayOut):
        work.ready(fulfillment_order_id=parcel.pk, actor=ACTOR)


def test_what_was_canceled_while_packed_never_leaves(company):
    row = until(asked(company, ("BAG", 1)), "packed")
    cancellation.cancel(order_id=row.order_id, reason="customer", actor="test")

    with pytest.raises(work.TakenAway):
        ship(row)
    assert stock(company, "BAG", "LYON") == (5, 0)
