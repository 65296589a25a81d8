"""Many buyers at the same moment, through the function behind every channel's door."""

import pytest
from django.db import transaction
from django.utils import timezone

from fulfillment import work
from inventory import ledger
from inventory.models import Stock
from orders import cancellation, capture
from orders.capture import InsufficientStock
from orders.models import Order, SalesChannel
from reports.invariants import violations
from tests import cast
from tests.fulfillment import stage
from tests.races.crowd import at_once, deadlocks


@pytest.fixture
def lyon(live_company):
    """The company, selling from one store alone."""
    stage.only(live_company, "LYON")
    return live_company


def buying(channel, *items):
    """A call that places an order of these items."""
    order = cast.validated(cast.payload(*items))

    def call():
        with transaction.atomic():
            return capture.place(channel=channel, order=order, source="test", actor="test",
                                 now=timezone.now())  # fmt: skip

    return call


def reserved(sku, code="LYON"):
    return Stock.objects.get(product__sku=sku, location__code=code).reserved


def check(*but):
    assert not {name: rows for name, rows in violations().items() if rows and name[:3] not in but}


def test_the_last_unit_goes_to_one_of_two_channels(lyon):  # case 1
    market = SalesChannel.objects.create(
        code="m", name="Market", kind="marketplace", pool=lyon.pool
    )
    results = at_once(*[buying(channel, ("CAP", 1)) for channel in (lyon.web, market)])
    assert sorted(type(r).__name__ for r in results) == ["InsufficientStock", "Placed"]
    assert reserved("CAP") == 1
    assert Order.objects.count() == 1
    check()


def test_of_two_baskets_that_fit_alone_but_not_together_one_is_refused(lyon):  # case 3
    results = at_once(*[buying(lyon.web, ("BAG", 3)) for _ in range(2)])
    refused = [r for r in results if isinstance(r, InsufficientStock)]
    assert [p.detail for p in refused[0].problems] == ["2 of 3 units of BAG can be promised"]
    assert len(refused) == 1
    assert reserved("BAG") == 3
    check()


def test_or_it_waits_for_what_is_missing_where_the_channel_says_so(lyon):  # case 3
    SalesChannel.objects.update(on_shortage="queue")
    lyon.web.refresh_from_db()
    results = at_once(*[buying(lyon.web, ("BAG", 3)) for _ in range(2)])
    parts = sorted((p.quantity, p.location) for r in results for p in r.parts if p.location)
    assert parts == [(2, "LYON"), (3, "LYON")]
    assert [p.quantity for r in results for p in r.parts if p.location is None] == [1]
    assert reserved("BAG") == 5
    check()


def test_twelve_buyers_of_five_units_get_five(lyon):
    results = at_once(*[buying(lyon.web, ("BAG", 1)) for _ in range(12)])
    assert sum(isinstance(r, InsufficientStock) for r in results) == 7
    assert reserved("BAG") == 5
    check()


def test_baskets_in_opposite_order_never_lock_each_other_out(lyon):  # case 7
    place = lyon.locations["LYON"].pk
    products = [lyon.products[sku].pk for sku in ("TEE", "MUG")]
    ledger.post([ledger.Entry(p, place, "receipt", on_hand=200) for p in products], actor="test")
    before, there, back = deadlocks(), (("TEE", 1), ("MUG", 1)), (("MUG", 1), ("TEE", 1))
    baskets = [[buying(lyon.web, *items) for _ in range(15)] for items in [there] * 4 + [back] * 4]

    results = at_once(*[lambda calls=calls: [call() for call in calls] for calls in baskets])

    assert [len(r) if isinstance(r, list) else r for r in results] == [15] * 8
    assert Order.objects.count() == 120
    assert (reserved("TEE"), reserved("MUG")) == (120, 120)
    assert deadlocks() == before
    check()


def test_a_cancellation_and_a_parcel_leaving_end_one_way_only(live_company):
    for n in range(4):
        row = stage.until(stage.asked(live_company, ("TEE", 1)), "packed")
        results = at_once(
            lambda row=row: cancellation.cancel(order_id=row.order_id, reason="other", actor="x"),
            lambda row=row, n=n: work.ship(fulfillment_order_id=row.pk, carrier="ups",
                                           tracking_number=f"1Z-{n}", actor="lea"),
        )  # fmt: skip
        names = {type(r).__name__ for r in results}
        assert names in ({"Canceled", "TakenAway"}, {"NothingToCancel", "Outcome"}), results
    stage.drain()
    check()
