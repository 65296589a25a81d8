"""Orders that are too large for the exact plan."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings

from routing.engine import Policy, Tariff, decision, explain, repair, to_json
from routing.engine.exact import Room

from . import brute
from .test_exact import as_brute
from .worlds import decide, line, point, sent, world, worlds

NO_ROOM = Room(ways=0, cells=0)

thorough = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=True,
)


@pytest.fixture
def cramped(monkeypatch):
    """No order fits, not even a part of one."""
    for module, name in ((decision, "ROOM"), (repair, "START_ROOM"), (repair, "REPLAN_ROOM")):
        monkeypatch.setattr(module, name, NO_ROOM)


@thorough
@given(worlds())
def test_a_rough_plan_keeps_the_rules_and_is_never_worse_than_one_parcel(cramped, one):
    made = decide(one)
    plan = as_brute(one, made)
    points = {point.key: point for point in one.candidates}
    assert all(units in brute.vectors(one, points[key]) for key, units in plan.items())
    assert brute.fits(one, plan)
    assert brute.allowed(one, plan)
    rank = brute.rank(one, plan)
    assert rank[2] == made.plan.total.scaleb(4)
    if one.policy.min_part_value is None:
        assert rank <= min(single for single, sent in brute.plans(one) if len(sent) < 2)


@thorough
@given(worlds())
def test_a_rough_plan_that_says_it_is_exact_is(cramped, one):
    made = decide(one)
    if made.plan.exact:
        best = min(rank for rank, _ in brute.plans(one))
        assert brute.rank(one, as_brute(one, made)) == best


@thorough
@given(worlds())
def test_with_room_for_its_parts_a_rough_plan_sends_as_much_as_the_best(one):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decision, "ROOM", NO_ROOM)
        rough = brute.rank(one, as_brute(one, decide(one)))
    best = brute.rank(one, as_brute(one, decide(one)))
    assert best <= rough
    assert rough[:2] == best[:2]


def test_one_parcel_that_two_could_beat_is_not_called_best(cramped):
    steps = ((1000.0, 1000, Decimal("5.00")), (1000.0, 5000, Decimal("11.50")))
    lines = [line(1, weight_g=600), line(2, weight_g=600)]
    points = [point(1, {1: 1, 2: 1}), point(2, {1: 1, 2: 1})]
    made = decide(world(lines, points, tariff=Tariff(bands=steps)))
    assert made.plan.total == Decimal("12.50")  # two parcels would be 12.00
    assert not made.plan.exact


def test_a_large_order_that_one_point_holds_is_proven_and_one_parcel():
    lines = [line(key, quantity=40, weight_g=20) for key in range(30)]
    everything = {key: 500 for key in range(30)}
    points = [point(key, everything, lat=45.0 + key / 5) for key in range(20)]
    made = decide(world(lines, points))
    assert list(sent(made)) == [0]
    assert made.plan.exact
    assert made.considered[1].gap is None
    assert explain.explain(made)[1] == "Point 1 alone would cost 0.00 more."


def test_overstock_elsewhere_keeps_one_parcel_from_being_called_best():
    lines = [line(key, quantity=40, weight_g=20) for key in range(30)]
    everything = {key: 500 for key in range(30)}
    points = [
        point(1, everything),
        *(point(key, {29: 5}, overstock={29: 5}) for key in range(2, 9)),
    ]
    policy = Policy(overstock_relief=Decimal("0.05"), max_parcels=9)
    assert not decide(world(lines, points, policy=policy)).plan.exact
    assert decide(world(lines, points)).plan.exact


def test_a_large_order_is_sent_whole_from_several_points_and_does_not_claim_to_be_best():
    lines = [line(key, quantity=5 + key % 7, product=key % 25) for key in range(60)]
    points = [
        point(key, {product: 9 + product for product in range(25) if (product + key) % 3})
        for key in range(12)
    ]
    one = world(lines, points, policy=Policy(split_penalty=Decimal("0.50")))
    made = decide(one)
    assert not made.plan.unfilled
    assert not made.plan.exact
    assert "too large to prove" in made.plan.words
    for parcel in made.plan.parcels:
        free = dict(points[parcel.candidate].free)
        for key, units in parcel.lines:
            free[lines[key].product] -= units
        assert min(free.values()) >= 0
    assert to_json(made) == to_json(decide(_turned_round(one)))


def _turned_round(one):
    return one._replace(lines=one.lines[::-1], candidates=one.candidates[::-1])


def test_a_large_order_keeps_to_the_parcels_allowed():
    lines = [line(key, quantity=9) for key in range(20)]
    points = [point(key, {product: 9 for product in range(key, 20, 3)}) for key in range(3)]
    made = decide(world(lines, points, policy=Policy(max_parcels=2)))
    assert len(made.plan.parcels) == 2
    assert {one.why for one in made.plan.unfilled} == {explain.TOO_MANY_PARCELS}
    assert sum(one.units for one in made.plan.unfilled) == 9 * 6
    whole = decide(world(lines, points, policy=replace(Policy(), max_parcels=3)))
    assert not whole.plan.unfilled
