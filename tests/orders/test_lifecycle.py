"""Where units may go next, and what is cut in two."""

import pytest
from django.db import IntegrityError, transaction

from config.status import IllegalMove, MovedMeanwhile
from inventory import ledger
from inventory.models import PoolLocation
from orders import cancellation, lifecycle
from orders.models import Allocation, SalesChannel
from reports.invariants import violations
from tests.fulfillment.stage import stock

S = Allocation.State


def cancel(order):
    return cancellation.cancel(order_id=order.pk, reason="customer", actor="lea").units


def check():
    assert not {name: rows for name, rows in violations().items() if rows}


@pytest.fixture
def company(company):
    for sku in ("TEE", "BAG"):
        ledger.post([ledger.Entry(company.products[sku].pk, company.locations["LYON"].pk, "receipt",
                                  on_hand=100 - stock(company, sku, "LYON")[0])],
                    actor="test")  # fmt: skip
    return company


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
