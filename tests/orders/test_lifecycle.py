"""Where units may go next; what cancels, what blocks, what is cut in two."""

import pytest
from django.db import IntegrityError, transaction

from config.status import IllegalMove, MovedMeanwhile
from fulfillment import work
from inventory import ledger
from inventory.models import PoolLocation, Reservation
from orders import lifecycle
from orders.lifecycle import NothingToCancel
from orders.models import Allocation, Hold, OrderEvent, SalesChannel
from reports.invariants import violations
from tests.fulfillment import stage
from tests.fulfillment.stage import asked, states, stock

S = Allocation.State


def cancel(order):
    return lifecycle.cancel(order_id=order.pk, reason="changed my mind", actor="lea")


def check():
    assert not {name: rows for name, rows in violations().items() if rows}


@pytest.fixture
def company(company):
    for sku in ("TEE", "BAG"):
        ledger.post([ledger.Entry(company.products[sku].pk, company.locations["LYON"].pk, "receipt",
                                  on_hand=100 - stock(company, sku, "LYON")[0])],
                    actor="test")  # fmt: skip
    return company


# --- canceling -----------------------------------------------------------------------------------


def test_every_place_gets_back_what_it_held(company):  # case 15
    order = company.place(("CAP", 2))
    assert [stock(company, "CAP", place) for place in ("LYON", "PARIS")] == [(1, 1), (1, 1)]
    assert cancel(order) == 2
    assert [stock(company, "CAP", place) for place in ("LYON", "PARIS")] == [(1, 0), (1, 0)]
    order.refresh_from_db()
    assert order.state == "canceled"
    check()


def test_after_a_partial_shipment_only_the_rest_is_released(company):  # case 17
    row = asked(company, ("TEE", 10), ("BAG", 10))
    tee, bag = row.lines.order_by("id")
    work.refuse(fulfillment_order_id=row.pk, reason="too_busy", actor="lea",
                keep={tee.pk: 7, bag.pk: 6})  # fmt: skip
    stage.shipped(row)
    assert cancel(row.order) == 7
    assert states(row.order) == {"shipped": 13, "canceled": 7}
    assert stock(company, "TEE", "LYON") == (93, 0)
    assert stock(company, "BAG", "LYON") == (94, 0)
    stage.drain()
    check()


def test_what_waits_without_a_claim_is_canceled_without_one(company):  # case 19
    SalesChannel.objects.update(on_shortage="queue")
    company.web.refresh_from_db()
    order = company.place(("SOLD", 2))
    assert cancel(order) == 2
    assert not Reservation.objects.exists()
    check()


@pytest.mark.parametrize("step", ["new", "accepted", "picked", "packed"])
def test_whatever_was_begun_ends_and_the_shelf_is_whole(company, step):
    row = asked(company, ("BAG", 2))
    if step != "new":
        stage.until(row, step)
    cancel(row.order)
    stage.drain()
    row.refresh_from_db()
    assert (row.state, stock(company, "BAG", "LYON")) == ("canceled", (100, 0))
    check()


def test_what_has_left_cannot_be_canceled(company):
    row = asked(company, ("BAG", 1))
    stage.shipped(row)
    with pytest.raises(NothingToCancel, match="they are shipped"):
        cancel(row.order)
    assert stage.kinds(row.order).count("order.canceled") == 0


def test_canceled_twice_is_canceled_once(company):
    order = company.place(("BAG", 1))
    cancel(order)
    with pytest.raises(NothingToCancel, match="they are canceled"):
        cancel(order)
    assert stage.kinds(order).count("order.canceled") == 1


# --- holds ---------------------------------------------------------------------------------------


def hold(order, handle="fraud:1", **changes):
    values = {"type": "fraud", "reason": "odd address", "blocks": ["route", "ship"], "actor": "lea"}
    return lifecycle.hold(order_id=order.pk, handle=handle, **(values | changes))


def test_an_order_on_hold_is_not_routed_until_the_last_hold_is_resolved(company):
    stage.only(company, "LYON")
    order = company.place(("BAG", 1))
    first, second = hold(order), hold(order, "address:1", type="address")
    stage.drain()
    assert states(order) == {"queued": 1}
    lifecycle.resolve_hold(hold_id=first.pk, actor="max")
    stage.drain()
    assert lifecycle.is_blocked(order.pk, "route")
    assert states(order) == {"queued": 1}
    check()
    lifecycle.resolve_hold(hold_id=second.pk, actor="max")
    stage.drain()
    assert states(order) == {"allocated": 1}
    second.refresh_from_db()
    assert (second.state, second.resolved_by) == ("resolved", "max")


def test_a_hold_on_shipping_stops_the_parcel_and_nothing_before_it(company):
    row = asked(company, ("BAG", 1))
    placed = hold(row.order, blocks=["ship"])
    stage.until(row, "packed")
    with pytest.raises(work.OnHold, match="odd address"):
        stage.shipped(row)
    assert not lifecycle.is_blocked(row.order_id, "route")
    lifecycle.resolve_hold(hold_id=placed.pk, actor="max")
    assert stage.shipped(row)


def test_one_handle_is_placed_once_and_stays_resolved(company):
    order = company.place(("BAG", 1))
    placed = hold(order)
    assert hold(order, reason="again").pk == placed.pk
    lifecycle.resolve_hold(hold_id=placed.pk, actor="max")
    assert hold(order).state == "resolved"
    assert not lifecycle.is_blocked(order.pk, "ship")
    assert stage.kinds(order).count("hold.opened") == 1


def test_a_hold_is_resolved_once(company):
    placed = hold(company.place(("BAG", 1)))
    lifecycle.resolve_hold(hold_id=placed.pk, actor="max")
    with pytest.raises(IllegalMove, match="is resolved"):
        lifecycle.resolve_hold(hold_id=placed.pk, actor="max")
    assert OrderEvent.objects.filter(kind="hold.resolved").count() == 1


def test_holds_end_with_their_order(company):
    order = company.place(("BAG", 1))
    hold(order)
    cancel(order)
    assert Hold.objects.get().state == "canceled"


# --- slices --------------------------------------------------------------------------------------


def test_a_slice_is_cut_with_its_claim(company):
    order = company.place(("BAG", 5))
    piece = order.allocations.get()
    cut = lifecycle.split_slice(piece, quantity=2)
    assert (piece.quantity, cut.quantity) == (3, 2)
    assert cut.reservation.quantity == 2
    same = ("state", "queue", "location_id", "line_id", "attempt")
    assert [getattr(cut, name) for name in same] == [getattr(piece, name) for name in same]
    check()


@pytest.mark.parametrize("claimed", [True, False])
def test_nothing_is_cut_off_that_leaves_nothing(company, claimed):
    SalesChannel.objects.update(on_shortage="queue")
    company.web.refresh_from_db()
    piece = company.place(("BAG" if claimed else "SOLD", 2)).allocations.get()
    with pytest.raises((ledger.ClaimGone, MovedMeanwhile)), transaction.atomic():
        lifecycle.split_slice(piece, quantity=2)
    check()


def test_an_illegal_move_names_the_legal_ones(company):
    piece = company.place(("BAG", 1)).allocations.get()
    with pytest.raises(IllegalMove) as caught:
        lifecycle.move_slices([piece], S.PACKED)
    assert caught.value.legal == ["allocated", "canceled", "queued"]
    assert "cannot become packed; allowed is allocated, canceled, queued" in str(caught.value)


@pytest.mark.parametrize("final", [S.DELIVERED, S.COLLECTED, S.CANCELED])
def test_what_has_ended_stays_where_it_is(final):
    piece = Allocation(pk=1, state=final)
    with pytest.raises(IllegalMove, match="it is final"):
        lifecycle.move_slices([piece], S.QUEUED)


def test_a_slice_that_moved_since_it_was_read_is_not_moved_again(company):
    order = company.place(("BAG", 1))
    stale = order.allocations.get()
    cancel(order)
    with pytest.raises(MovedMeanwhile), transaction.atomic():
        lifecycle.move_slices([stale], S.ALLOCATED, queue="")


def test_every_state_is_in_the_table_and_every_way_leads_to_an_end():
    assert set(lifecycle.MOVES) == set(S)
    for start in S:
        reached, todo = set(), [start]
        while todo:
            state = todo.pop()
            reached.add(state)
            todo += lifecycle.MOVES[state] - reached
        assert reached & set(lifecycle.ENDED), start


def test_the_database_itself_refuses_units_at_work_without_a_claim(company):
    order = company.place(("BAG", 1))
    with pytest.raises(IntegrityError), transaction.atomic():
        Allocation.objects.filter(order=order).update(state="packed", queue="", reservation=None)


def test_a_channel_without_a_place_that_has_it_is_refused(company):
    from orders.capture import InsufficientStock

    PoolLocation.objects.all().delete()
    with pytest.raises(InsufficientStock, match="0 of 1 units of BAG"):
        company.place(("BAG", 1))
