"""Many orders routed together: the same answers as one by one, in as many statements as for few."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory.models import Location, PoolLocation, StockPool
from orders.models import Order
from routing import decide, kept, learning
from routing.engine import considered
from routing.models import Decision, DecisionBase, Offer, Run
from routing.replay import replay
from tests.cast import change_rules
from tests.routing import scenes
from tests.routing.scenes import claimed, places, waiting
from tests.routing.test_partitions import ordered


def many(*orders: Order, **options) -> decide.Many:
    ids = [order.pk for order in orders]
    return decide.route_many(ids, cause="run", actor="test", **options)


def statements(*orders: Order) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert len(many(*orders).decided) == len(orders)
    control = ("SAVEPOINT", "RELEASE")
    return sum(not q["sql"].startswith(control) for q in seen)


def test_twenty_orders_take_as_many_statements_as_five(company):
    scenes.prefer_central()
    Location.objects.update(capacity_per_day=500)
    learning.refusal_rates()
    for sku in ("TEE", "MUG"):
        scenes.bring(company, sku, "LYON", 50)
    few = [company.place(("TEE", 1), ("MUG", 1)) for _ in range(5)]
    more = [company.place(("TEE", 1), ("MUG", 1)) for _ in range(20)]
    assert statements(*few) == statements(*more) == 7
    assert claimed(more[-1]) == {"WH": 2}
    scenes.check()


def test_orders_of_a_batch_compete_for_stock_in_the_order_they_came(company):
    scenes.queue_when_short(company)
    orders = [company.place(("BAG", 4)) for _ in range(3)]
    found = many(*reversed(orders))
    assert [one.outcome for one in found.decided] == ["routed", "routed", "partial"]
    assert places(orders[0]) == {("allocated", "LYON"): 4}
    assert sum(places(orders[2]).values()) == 4
    assert places(orders[2])["queued", None] == 2
    assert waiting(orders[2]) == [
        ("unfillable", "the points that may send it have too few free", 2)
    ]
    scenes.check()


def test_orders_of_a_batch_never_take_more_of_a_day_than_it_has(company):
    Location.objects.filter(code="LYON").update(capacity_per_day=2)
    orders = [company.place(("TEE", 1)) for _ in range(4)]
    many(*orders)
    assert Offer.objects.filter(location__code="LYON").count() == 2
    assert places(orders[0]) == places(orders[1]) == {("allocated", "LYON"): 1}
    assert ("allocated", "LYON") not in places(orders[2])
    scenes.check()


def test_a_day_that_fills_up_meanwhile_sends_the_batch_back_to_look_again(company, monkeypatch):
    Location.objects.filter(code="LYON").update(capacity_per_day=5)
    first, second = company.place(("TEE", 1)), company.place(("TEE", 1))
    keep, todo = kept.keep, [lambda: Location.objects.update(capacity_per_day=1)]

    def after_somebody_else(*args, **options):
        if todo:
            todo.pop()()
        return keep(*args, **options)

    monkeypatch.setattr(kept, "keep", after_somebody_else)
    found = many(first, second)
    assert [one.outcome for one in found.decided] == ["routed", "routed"]
    assert places(first) == {("allocated", "LYON"): 1}
    assert Offer.objects.count() == 2
    scenes.check()


def test_slices_of_several_orders_are_cut_together(company):
    orders = [company.place(("BAG", 3)), company.place(("BAG", 4)), company.place(("CAP", 2))]
    many(*orders)
    assert sum(places(orders[1]).values()) == 4
    assert places(orders[2]) == {("allocated", "LYON"): 1, ("allocated", "PARIS"): 1}
    scenes.check()


def test_an_order_of_several_parts_is_routed_by_itself_in_the_same_call(company):
    together = ordered(company, ("TEE", 1), ("BAG", 1), together=["set", "set"])
    simple = company.place(("TEE", 1))
    found = many(together, simple)
    assert {one.order_id for one in found.decided} == {together.pk, simple.pk}
    assert len({place for _, place in places(together)}) == 1


def test_what_is_held_or_closed_is_skipped_and_says_so(company):
    held, closed, plain = (company.place(("TEE", 1)) for _ in range(3))
    held.holds.create(type="fraud", handle="h", reason="odd", blocks=["route"], placed_by="test")
    Order.objects.filter(pk=closed.pk).update(state="closed")
    found = many(held, closed, plain)
    assert found.skipped == [held.pk, closed.pk]
    assert [one.order_id for one in found.decided] == [plain.pk]
    assert waiting(held) == [("routing", "on hold: odd", 1)]


def test_decisions_of_a_run_name_it_and_share_what_they_have_in_common(company):
    run = Run.objects.create(cause="manual")
    many(company.place(("TEE", 1)), company.place(("MUG", 2)), run=run)
    made = Decision.objects.filter(run=run).select_related("base")
    assert len(made) == 2
    assert DecisionBase.objects.count() == 1
    assert all(replay(one) == one.result for one in made)
    assert all("candidates" not in one.inputs for one in made)


def test_a_plan_made_for_many_is_followed_with_the_orders_own_evidence(company):
    order = company.place(("TEE", 2))
    line, paris = order.lines.get(), company.locations["PARIS"]
    many(order, plans={order.pk: {line.pk: {paris.pk: 2}}})
    assert places(order) == {("allocated", "PARIS"): 2}
    made = Decision.objects.get(order=order)
    assert made.sentence.startswith("Planned together with other orders: 1 parcel from Paris store")
    assert len(considered(made.result)) == 4
    assert replay(made) == made.result


def test_a_plan_that_is_not_possible_any_more_gives_way_to_the_rules(company):
    order = company.place(("TEE", 2))
    line, paris = order.lines.get(), company.locations["PARIS"]
    scenes.take_away(company, "TEE", "PARIS")
    many(order, plans={order.pk: {line.pk: {paris.pk: 2}}})
    assert places(order) == {("allocated", "LYON"): 2}


def test_a_plan_never_takes_what_the_orders_pool_keeps_back(company):
    """B holds five of WH's ten, of which its pool keeps five. A's plan counts on B to move, which
    cannot; only A's plan is given up for it, not that of C."""
    scenes.queue_when_short(company)
    for place in ("LYON", "PARIS", "RIGA", "WH"):
        scenes.take_away(company, "TEE", place)
    pool = StockPool.objects.create(code="b2b", name="B2B")
    PoolLocation.objects.bulk_create(
        PoolLocation(pool=pool, location=one, buffer=5) for one in company.locations.values()
    )
    company.web.pool = pool
    company.web.save()
    a = company.place(("TEE", 5))
    scenes.bring(company, "TEE", "WH", 15)
    scenes.bring(company, "MUG", "LYON", 15)
    b = company.place(("TEE", 5))
    assert claimed(b) == {"WH": 5}
    scenes.take_away(company, "TEE", "WH", leave=5)
    c = company.place(("MUG", 1))
    lyon, paris, wh = (company.locations[code].pk for code in ("LYON", "PARIS", "WH"))
    plans = {
        order.pk: {order.lines.get().pk: {place: units}}
        for order, place, units in ((a, wh, 5), (b, paris, 5), (c, lyon, 1))
    }
    assert len(many(a, b, c, plans=plans).decided) == 3
    assert waiting(a)
    assert places(b) == {("allocated", "WH"): 5}
    assert places(c) == {("allocated", "LYON"): 1}
    assert Decision.objects.get(order=c).inputs["given"] == [[c.lines.get().pk, lyon, 1]]
    assert scenes.stock(company, "TEE", "WH").free == 5
    scenes.check()


def test_two_workers_with_the_same_orders_decide_each_once(live_company):
    change_rules(central_bonus=90)
    orders = [live_company.place(("TEE", 1)) for _ in range(12)]
    run, start = Run.objects.create(cause="manual"), Barrier(2)

    def work() -> list[int]:
        start.wait()
        try:
            return [one.order_id for one in many(*orders, run=run).decided]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        found = [task.result() for task in [pool.submit(work), pool.submit(work)]]
    assert sorted(found[0] + found[1]) == [order.pk for order in orders]
    assert Decision.objects.count() == 12
    scenes.check()


def test_more_orders_than_a_batch_holds_are_refused():
    with pytest.raises(ValueError, match="at most 200"):
        decide.route_many(range(201), cause="run", actor="test")
