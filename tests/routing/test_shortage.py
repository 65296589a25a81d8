"""The shelf holds less than was claimed: the newest orders give way."""

from config.models import OutboxRow
from inventory import ledger
from orders.models import Allocation, OrderEvent
from routing import shortage
from tests.routing import scenes
from tests.routing.scenes import claimed, places, route


def count(company, sku, place, units):
    """A count finds this many."""
    row = scenes.stock(company, sku, place)
    entry = ledger.Entry(row.product_id, row.location_id, "adjustment", on_hand=units - row.on_hand)
    ledger.post([entry], actor="test")


def test_the_newest_order_gives_way_and_is_routed_anew(company):
    old, new = company.place(("BAG", 3)), company.place(("BAG", 2))
    route(old)
    route(new)
    count(company, "BAG", "LYON", 3)
    scenes.work("shortage", "route")
    assert places(old) == {("allocated", "LYON"): 3}
    assert places(new) == {("allocated", "PARIS"): 2}
    assert OrderEvent.objects.filter(order=new, kind="allocation.requeued").exists()
    scenes.check()


def test_no_more_units_give_way_than_are_missing(company):
    order = company.place(("BAG", 5))
    route(order)
    count(company, "BAG", "LYON", 4)
    scenes.work("shortage")
    assert claimed(order) == {"LYON": 4}
    scenes.work("route")
    assert places(order) == {("allocated", "LYON"): 4, ("allocated", "PARIS"): 1}
    scenes.check()


def test_what_somebody_has_picked_already_is_not_taken_from_him(company):
    old, new = company.place(("BAG", 3)), company.place(("BAG", 2))
    route(old)
    route(new)
    Allocation.objects.filter(order=new).update(state="picked")
    count(company, "BAG", "LYON", 3)
    scenes.work("shortage")
    assert places(new) == {("picked", "LYON"): 2}
    assert claimed(old) == {"LYON": 1}


def test_a_shortage_that_is_over_takes_nothing(company):
    order = company.place(("BAG", 5))
    count(company, "BAG", "LYON", 4)
    count(company, "BAG", "LYON", 5)
    scenes.work("shortage")
    assert claimed(order) == {"LYON": 5}


def test_a_unit_that_is_short_everywhere_waits_without_a_claim(company):
    order = company.place(("CAP", 2))
    for place in ("LYON", "PARIS"):
        count(company, "CAP", place, 0)
    scenes.work("shortage", "route")
    assert not claimed(order)
    assert {row[0] for row in scenes.waiting(order)} == {"unfillable"}
    scenes.check()


def test_who_gets_away_before_the_lock_leaves_the_shortage_to_the_next(company, monkeypatch):
    old, new = company.place(("BAG", 3)), company.place(("BAG", 2))
    route(old)
    route(new)
    count(company, "BAG", "LYON", 3)
    lock = shortage.lock

    def picked_just_before(orders):
        Allocation.objects.filter(order=new).update(state="picked")
        lock(orders)

    monkeypatch.setattr(shortage, "lock", picked_just_before)
    scenes.work("shortage")
    monkeypatch.setattr(shortage, "lock", lock)
    scenes.work("shortage")
    assert claimed(old) == {"LYON": 1}
    assert not OutboxRow.objects.filter(topic="shortage", done_at=None).exists()
