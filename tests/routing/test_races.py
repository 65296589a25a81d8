"""Several workers at once, on committed data and real connections."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection, transaction

from config import outbox
from config.models import OutboxRow
from inventory import places as stock_points
from inventory.models import Location
from orders import cancellation
from orders.models import OrderLine
from routing import carry, claims, decide, kept, queues, rules
from routing.models import Decision, Offer, Refusal, RuleSet
from tests.cast import change_rules
from tests.races.crowd import at_once, deadlocks
from tests.routing import scenes
from tests.routing.scenes import claimed, places, route
from tests.routing.test_decide import limit


def together(*calls):
    """Run calls at the same moment, each on a connection of its own; returns their answers."""
    start = threading.Barrier(len(calls))

    def run(call):
        try:
            start.wait(10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [job.result(30) for job in [pool.submit(run, call) for call in calls]]


def test_two_workers_on_one_order_decide_once(live_company):
    scenes.prefer_central()
    order = live_company.place(("TEE", 2))
    together(lambda: route(order), lambda: route(order))
    assert Decision.objects.filter(order=order).count() == 1
    assert claimed(order) == {"WH": 2}
    scenes.check()


def test_a_days_capacity_is_not_exceeded_by_workers_at_once(live_company):
    limit(live_company, "LYON", 2)
    orders = [live_company.place(("TEE", 1)) for _ in range(6)]
    together(*[lambda order=order: route(order) for order in orders])
    at = [code for order in orders for (state, code) in places(order) if state == "allocated"]
    assert len(at) == 6
    assert at.count("LYON") == 2
    assert Offer.objects.filter(location=live_company.locations["LYON"]).count() == 2


def test_the_last_units_of_the_best_place_go_to_as_many_orders_as_there_are_units(live_company):
    scenes.prefer_central()
    orders = [live_company.place(("TEE", 1)) for _ in range(6)]
    scenes.take_away(live_company, "TEE", "WH", leave=2)
    together(*[lambda order=order: route(order) for order in orders])
    assert scenes.stock(live_company, "TEE", "WH").free == 0
    assert sorted(code for order in orders for code in claimed(order)) == ["LYON"] * 4 + ["WH"] * 2
    scenes.check()


def test_orders_that_change_places_do_not_lock_each_other_out(live_company):
    """Half of them move from the store to the warehouse while the others move back."""
    before = deadlocks()
    there = [live_company.place(("TEE", 1), ("MUG", 1)) for _ in range(4)]
    scenes.prefer_central()
    for order in there:
        route(order)
    limit(live_company, "LYON", None)
    back = [live_company.place(("MUG", 1), ("TEE", 1)) for _ in range(4)]

    def refuse(order):
        with transaction.atomic():
            scenes.refuse(order, "WH")

    together(
        *[lambda order=order: refuse(order) for order in there],
        *[lambda order=order: route(order) for order in back],
    )
    assert deadlocks() == before
    assert all(sum(claimed(order).values()) == 2 for order in [*there, *back])
    scenes.check()


def test_a_cancellation_and_a_worker_leave_either_order_whole(live_company):
    scenes.prefer_central()
    order = live_company.place(("TEE", 2))
    together(
        lambda: cancellation.cancel(order_id=order.pk, reason="customer", actor="test"),
        lambda: decide.route(order_id=order.pk, cause="received", actor="test"),
    )
    assert {state for state, _ in places(order)} == {"canceled"}
    assert not claimed(order)
    scenes.check()


def test_two_workers_at_the_bell_share_the_orders(live_company):
    orders = [live_company.place(("TEE", 1)) for _ in range(6)]
    together(lambda: outbox.drain("route"), lambda: outbox.drain("route"))
    assert Decision.objects.count() == len(orders)
    assert not OutboxRow.objects.filter(topic="route", done_at=None).exists()


def test_a_rule_set_and_the_closing_of_its_fallback_exclude_each_other(live_company):
    riga = live_company.locations["RIGA"]
    for _ in range(4):
        draft = rules.new_version(rule_set_id=RuleSet.objects.latest("pk").pk)
        draft.rules.update(otherwise="fallback", fallback=riga)
        answers = at_once(
            lambda pk=draft.pk: rules.activate(rule_set_id=pk),
            lambda: stock_points.close(riga, actor="test"),
        )
        draft.refresh_from_db()
        riga.refresh_from_db()
        kinds = [type(answer).__name__ for answer in answers]
        if draft.state == "active":
            assert (riga.active, kinds) == (True, ["RuleSet", "NotPossible"])
            rest = rules.new_version(rule_set_id=draft.pk)
            rest.rules.update(otherwise="queue", fallback=None)
            rules.activate(rule_set_id=rest.pk)
        else:
            assert (riga.active, kinds) == (False, ["NotReady", "bool"])
            stock_points.reopen(riga)


def test_of_two_versions_activated_at_once_one_decides_in_the_end(live_company):
    old = live_company.rules
    drafts = [rules.new_version(rule_set_id=old.pk) for _ in range(2)]
    answers = at_once(*[lambda pk=one.pk: rules.activate(rule_set_id=pk) for one in drafts])
    assert [type(answer).__name__ for answer in answers] == ["RuleSet", "RuleSet"]
    states = list(RuleSet.objects.order_by("pk").values_list("state", flat=True))
    assert states[0] == "archived"
    assert sorted(states[1:]) == ["active", "archived"]


def test_a_rule_set_is_activated_while_a_worker_decides_about_who_waits_for_it(
    live_company, monkeypatch
):
    change_rules(min_total=1000)
    order = live_company.place(("TEE", 1))
    route(order)
    assert order.allocations.get().queue_reason.startswith("no rule")
    draft = rules.new_version(rule_set_id=live_company.rules.pk)
    draft.rules.update(min_total=None)
    keeps, keep, check = threading.Event(), kept.keep, rules._check_ready

    def slow_keep(*args, **kwargs):
        keeps.set()  # the old rules decided; the slices and the version are locked
        checked.wait(5)
        return keep(*args, **kwargs)

    checked = threading.Event()

    def slow_check(chosen):
        keeps.wait(5)
        checked.set()
        return check(chosen)

    monkeypatch.setattr(kept, "keep", slow_keep)
    monkeypatch.setattr(rules, "_check_ready", slow_check)
    before = deadlocks()
    answers = at_once(
        lambda: route(order, cause="retried"), lambda: rules.activate(rule_set_id=draft.pk)
    )
    assert [type(answer).__name__ for answer in answers] == ["Decision", "RuleSet"]
    assert deadlocks() == before
    scenes.work("rules")
    queues.retry_due()
    scenes.work("route")
    assert places(order) == {("allocated", "LYON"): 1}


def refused(company, order, **places_by_sku):
    for sku, codes in places_by_sku.items():
        piece = order.allocations.get(line__sku=sku)
        for code in codes:
            Refusal.objects.create(
                line_id=piece.line_id, allocation=piece, quantity=1, reason="x", actor="test",
                location=company.locations[code],
            )  # fmt: skip


def test_an_order_of_several_parts_waits_for_nobody_who_waits_for_it(live_company, monkeypatch):
    """Its first part has stock in hand when its second asks for the day of WH; another order has
    that day and asks for the stock."""
    company = live_company
    for code in company.locations:
        limit(company, code, 50)
    Location.objects.filter(code="RIGA").update(can_ship=False)
    boxes, other = company.place(("TEE", 1), ("MUG", 1)), company.place(("TEE", 1))
    for n, line in enumerate(boxes.lines.order_by("id")):
        OrderLine.objects.filter(pk=line.pk).update(together=f"box{n}")
    refused(company, boxes, TEE=("LYON", "WH"), MUG=("LYON", "PARIS"))
    refused(company, other, TEE=("LYON", "PARIS"))
    first_done, has_day = threading.Event(), threading.Event()
    carry_out, lock_capacity = carry.carry_out, claims.lock_capacity

    def slow(cases, **kwargs):
        found = carry_out(cases, **kwargs)
        if cases[0].order_id == boxes.pk and not first_done.is_set():
            first_done.set()
            has_day.wait(3)
        return found

    def lock(wanted):
        is_other = threading.current_thread().name == "other"
        if is_other:
            first_done.wait(3)
        lock_capacity(wanted)
        if is_other:
            has_day.set()

    def route_other():
        threading.current_thread().name = "other"
        return route(other)

    monkeypatch.setattr(carry, "carry_out", slow)
    monkeypatch.setattr(claims, "lock_capacity", lock)
    before = deadlocks()
    at_once(lambda: route(boxes), route_other)
    assert deadlocks() == before
    assert places(boxes) == {("allocated", "PARIS"): 1, ("allocated", "WH"): 1}
    assert places(other) == {("allocated", "WH"): 1}
    scenes.check()
