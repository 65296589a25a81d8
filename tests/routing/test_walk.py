"""Rules in order: which one decides, what it does with the rest, and what is kept of the walk."""

from datetime import UTC, datetime, timedelta

import time_machine
from django.utils import timezone

from inventory.models import Supply
from orders import cancellation
from routing import decide, queues, rules
from routing.models import Decision, Refusal, Rule
from tests.cast import change_rules, rules_open
from tests.routing import scenes
from tests.routing.scenes import places, route, waiting, work


def rule(company, position: int, name: str, **values) -> Rule:
    """A rule of the active set, at this position."""
    only = values.pop("only", ())
    with rules_open():
        if position == 1:
            Rule.objects.filter(rule_set=company.rules).update(position=9)
        made = Rule.objects.create(rule_set=company.rules, position=position, name=name, **values)
        made.only.set([company.locations[code] for code in only])
    return made


def test_a_rule_that_does_not_serve_all_hands_on_to_the_next_and_both_are_kept(company):
    first = rule(company, 1, "Near stores", only=["PARIS"], otherwise="next")
    decision = route(company.place(("BAG", 8)))
    assert decision.rule.name == "All orders"
    assert [(a["rule"], a["outcome"]) for a in decision.attempts] == [
        ("Near stores", "no_fit"), ("All orders", "fits"),
    ]  # fmt: skip
    assert route(company.place(("TEE", 1))).rule == first


def test_the_last_rule_gives_what_it_has_and_the_rest_waits(company):
    rule(company, 1, "Paris", only=["PARIS"], otherwise="queue")
    order = company.place(("BAG", 8))
    assert route(order).outcome == "partial"
    assert places(order)["allocated", "PARIS"] == 5
    assert sum(units for _, _, units in waiting(order)) == 3
    scenes.check()


def test_a_rule_that_never_splits_sends_all_of_it_from_one_place_or_nothing(company):
    change_rules(split="never")
    order = company.place(("BAG", 8))
    assert route(order).outcome == "unfillable"
    assert route(company.place(("TEE", 5))).outcome == "routed"


def test_what_cannot_be_in_time_goes_some_days_late_beside_what_can(company):
    for place in ("PARIS", "WH"):
        scenes.take_away(company, "TEE", place)
    scenes.take_away(company, "TEE", "LYON", leave=1)  # from there it is a day, from Riga four
    change_rules(in_time=True)
    strict, kind = company.place(("TEE", 3)), company.place(("TEE", 2))
    for order in (strict, kind):
        order.promised_at = timezone.now() + timedelta(days=2)
        order.save()
    assert route(strict).outcome == "partial"
    change_rules(relax_days=1)
    assert route(kind).outcome == "unfillable"
    change_rules(relax_days=7)
    route(strict, cause="manual")
    assert places(strict) == {("allocated", "LYON"): 1, ("allocated", "RIGA"): 2}


def test_no_part_of_a_split_is_worth_less_than_the_rule_says(company):
    change_rules(min_part_value=100, split_penalty=0)
    scenes.take_away(company, "BAG", "PARIS")
    for place in ("LYON", "WH", "RIGA"):
        scenes.take_away(company, "TEE", place)
    small = company.place(("BAG", 1), ("TEE", 5))  # worth 80 here and 100 there
    large = company.place(("BAG", 2), ("TEE", 5))
    assert route(small).outcome == "unfillable"
    assert route(large).outcome == "routed"
    assert places(large) == {("allocated", "LYON"): 2, ("allocated", "PARIS"): 5}


def test_units_that_wait_for_their_cancellation_are_canceled_when_it_is_due(company):
    scenes.queue_when_short(company)
    change_rules(otherwise="cancel", cancel_after_days=3)
    order = company.place(("SOLD", 2))
    route(order)
    piece = order.allocations.get()
    assert piece.queue == "unfillable"
    assert piece.cancel_at - piece.since == timedelta(days=3)
    assert cancellation.cancel_unfillable(timezone.now())["units"] == 0
    assert cancellation.cancel_unfillable(piece.cancel_at)["units"] == 2


def test_what_is_left_waits_for_supply_when_the_rule_says_so(company):
    scenes.queue_when_short(company)
    change_rules(otherwise="backorder")
    order = company.place(("SOLD", 3))
    Supply.objects.create(
        product=company.products["SOLD"], location=company.locations["WH"], quantity=2,
        reference="PO-1", kind="purchase", eta=timezone.now().date() + timedelta(days=5),
    )  # fmt: skip
    route(order)
    assert sorted(waiting(order)) == [
        ("backorder", "waits for PO-1", 2), ("unfillable", "no point has it free", 1),
    ]  # fmt: skip
    scenes.check()


def test_the_fallback_gets_what_it_has_of_the_rest_in_a_decision_of_its_own(company):
    wh = company.locations["WH"]
    rule(company, 1, "Paris", only=["PARIS"], otherwise="fallback", fallback=wh)
    order = company.place(("MUG", 8))
    assert route(order).outcome == "routed"
    assert places(order) == {("allocated", "PARIS"): 5, ("allocated", "WH"): 3}
    made = Decision.objects.filter(order=order).order_by("id")
    assert [one.outcome for one in made] == ["partial", "routed"]
    assert made[1].attempts[-1]["rule"] == "Paris: fallback"
    scenes.check()


def test_an_order_that_no_rule_is_for_says_so_in_the_unfillable_list(company):
    change_rules(countries=["LV"])
    order = company.place(("TEE", 1))
    assert route(order).rule is None
    assert waiting(order) == [("unfillable", "no rule of Standard v1 is for this order", 1)]


def test_who_refused_is_asked_again_after_the_days_of_its_exclusion(company):
    now = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        order = company.place(("TEE", 1))
        route(order)
        scenes.refuse(order, "LYON")
        Refusal.objects.update(excluded_until=now + timedelta(days=3))
        assert ("allocated", "LYON") not in places(order)
        again = order.allocations.get().location.code
        scenes.refuse(order, again)
        assert ("allocated", "LYON") not in places(order)
    with time_machine.travel(now + timedelta(days=4), tick=False):
        third = order.allocations.get().location.code
        scenes.refuse(order, third)
        assert places(order) == {("allocated", "LYON"): 1}


def test_a_rule_for_runs_leaves_the_order_until_a_run_or_a_person_comes(company):
    change_rules(when="run")
    order, express = company.place(("TEE", 1)), company.place(("TEE", 1), delivery={
        "method": "ship", "location": None, "service": "express"})  # fmt: skip
    work("route")
    assert waiting(order) == [("routing", queues.FOR_RUN, 1)]
    assert not order.decisions.exists()
    assert express.decisions.exists()
    scenes.check()
    decide.route_many([order.pk], cause="run", actor="test")
    assert places(order) == {("allocated", "LYON"): 1}


def test_what_no_run_comes_for_is_routed_by_itself_in_the_end(company):
    change_rules(when="run")
    order = company.place(("TEE", 1))
    work("route")
    order.allocations.update(next_action_at=timezone.now())
    assert queues.retry_due()["rung"] == 1
    work("route")
    assert places(order) == {("allocated", "LYON"): 1}


def test_decisions_name_the_version_that_made_them_though_the_rules_change_in_between(company):
    first, second = company.place(("TEE", 1)), company.place(("TEE", 1))
    decide.route_many([first.pk], cause="run", actor="test")
    draft = rules.new_version(rule_set_id=company.rules.pk)
    rules.activate(rule_set_id=draft.pk)
    decide.route_many([second.pk], cause="run", actor="test")
    versions = {one.order_id: str(one.rule_set) for one in Decision.objects.all()}
    assert versions == {first.pk: "Standard v1", second.pk: "Standard v2"}
