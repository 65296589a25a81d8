"""Several workers at once, on committed data and real connections."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.db import connection, transaction

from config import outbox
from config.models import OutboxRow
from inventory import places as stock_points
from orders import cancellation
from routing import decide, rules
from routing.models import Decision, Offer, RuleSet
from tests.races.crowd import at_once
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
    deadlocks = _deadlocks()
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
    assert _deadlocks() == deadlocks
    assert all(sum(claimed(order).values()) == 2 for order in [*there, *back])
    scenes.check()


def _deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


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
