"""The engine against every plan there is."""

import json
from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from routing.engine import Decision, to_json

from . import brute
from .brute import World
from .worlds import decide, sent, worlds

thorough = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
quick = settings(thorough, max_examples=60)


def as_brute(one: World, decision: Decision) -> brute.Sent:
    return {
        key: tuple(units.get(line.key, 0) for line in one.lines)
        for key, units in sent(decision).items()
    }


def units_of(amount: Decimal) -> int:
    return int(amount.scaleb(4))


@thorough
@given(worlds())
def test_no_plan_sends_more_or_costs_less(one: World):
    decision = decide(one)
    best = min(rank for rank, _ in brute.plans(one))
    assert brute.rank(one, as_brute(one, decision)) == best
    assert units_of(decision.plan.total) == best[2]
    assert decision.plan.exact


@thorough
@given(worlds())
def test_every_gap_is_the_best_plan_forced_to_use_the_point_minus_the_best_plan(one: World):
    ranks: dict[int | None, brute.Rank] = {}
    for rank, plan in brute.plans(one):
        for key in [None, *plan]:
            ranks[key] = min(ranks.get(key, rank), rank)
    best = ranks[None]
    for considered in decide(one).considered:
        forced = ranks.get(considered.key)
        if forced is None or forced[:2] != best[:2]:
            assert considered.gap is None
        else:
            assert units_of(considered.gap) == forced[2] - best[2]


@thorough
@given(worlds())
def test_a_plan_keeps_every_hard_rule_and_takes_no_more_than_is_free(one: World):
    decision = decide(one)
    plan = as_brute(one, decision)
    points = {point.key: point for point in one.candidates}
    assert all(units in brute.vectors(one, points[key]) for key, units in plan.items())
    assert brute.fits(one, plan)
    assert brute.allowed(one, plan)
    unsent = {key: units for key, units, _ in decision.plan.unfilled}
    for line in one.lines:
        total = sum(units.get(line.key, 0) for units in sent(decision).values())
        assert total + unsent.get(line.key, 0) == line.quantity


@quick
@given(worlds())
def test_a_plan_is_never_worse_than_one_parcel(one: World):
    best = brute.rank(one, as_brute(one, decide(one)))
    for point in one.candidates:
        for units in brute.vectors(one, point):
            if any(units) and brute.allowed(one, {point.key: units}):
                assert best <= brute.rank(one, {point.key: units})


@quick
@given(worlds())
def test_terms_are_the_documented_ones_and_add_up(one: World):
    plan = decide(one).plan
    points = {point.key: point for point in one.candidates}
    for at, parcel in enumerate(plan.parcels):
        units = tuple(dict(parcel.lines).get(line.key, 0) for line in one.lines)
        expected = brute.terms(one, points[parcel.candidate], units)
        found = {name: units_of(amount) for name, amount in parcel.terms.items()}
        assert found.pop("split") == (brute.split_penalty(one) if at else 0)
        assert found == expected
    assert sum((parcel.total for parcel in plan.parcels), Decimal(0)) == plan.total
    assert sum(amount for _, amount in plan.terms.items()) == plan.total


@quick
@given(worlds())
def test_alone_each_point_sends_the_most_it_can_at_its_own_cost(one: World):
    points = {point.key: point for point in one.candidates}
    for considered in decide(one).considered:
        possible = [units for units in brute.vectors(one, points[considered.key]) if any(units)]
        if considered.solo is None:
            assert not possible
            assert considered.status == "eliminated"
            assert considered.eliminations
            continue
        units = tuple(dict(considered.solo.lines).get(line.key, 0) for line in one.lines)
        assert brute.part_value(one, units) == max(brute.part_value(one, own) for own in possible)
        assert units_of(considered.solo.total) == brute.cost(one, {considered.key: units})
        assert considered.solo.terms.total == considered.solo.total


@quick
@given(worlds(), st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_the_inputs(one: World, random):
    order = random.sample(range(len(one.services)), len(one.services))
    candidates = [
        replace(point, lead_days=tuple(point.lead_days[at] for at in order if point.lead_days))
        for point in one.candidates
    ]
    shuffled = one._replace(
        lines=list(one.lines), candidates=candidates, services=[one.services[at] for at in order]
    )
    random.shuffle(shuffled.lines)
    random.shuffle(shuffled.candidates)
    once, again = (json.dumps(to_json(decide(world))) for world in (one, shuffled))
    assert once == again


@quick
@given(worlds())
def test_cheaper_by_more_than_its_gap_a_point_is_in_and_by_less_it_is_not(one: World):
    assume(one.policy.logistical == 1.0)
    for considered in decide(one).considered:
        if considered.status != "possible" or considered.gap is None:
            continue
        for less, is_in in ((Decimal("0.0001"), True), (Decimal("-0.0001"), False)):
            if considered.gap + less < 0:
                continue
            changed = decide(_cheaper(one, considered.key, considered.gap + less))
            assert (considered.key in sent(changed)) == is_in


def _cheaper(one: World, key: int, amount: Decimal) -> World:
    return one._replace(
        candidates=[
            replace(point, handling_order=point.handling_order - amount)
            if point.key == key
            else point
            for point in one.candidates
        ]
    )
