"""Split policies, the order of preference, delivery services, and what less CO2e costs."""

import random
import re
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import orjson
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from routing.engine import Decision, Emission, Policy, Tariff, explain, to_json, trade_off
from routing.replay import Inputs, dumps

from . import bench, brute, milp
from .brute import World
from .test_exact import as_brute, thorough
from .worlds import decide, line, point, sent, service, world, worlds

few = settings(thorough, max_examples=25)
CENT = Decimal("0.01")
CRITERIA = (
    "nearest", "cheapest", "least_co2", "fastest", "central", "overstock", "most_stock",
    "least_busy", "fewest_refusals",
)  # fmt: skip


def with_policy(one: World, **changes: object) -> World:
    return one._replace(policy=replace(one.policy, **changes))


def by_price(price: str) -> Tariff:
    return Tariff(bands=((1e6, 1e6, Decimal(price)),))


# --- in how many parcels ----------------------------------------------------------------------


@few
@given(worlds(most_points=3))
def test_if_needed_is_one_parcel_whenever_one_can_carry_as_much(one: World):
    ranked = brute.plans(one)
    most = min(rank for rank, _ in ranked)[:2]
    as_much = [(rank, plan) for rank, plan in ranked if rank[:2] == most]
    alone = [rank for rank, plan in as_much if len(plan) <= 1]
    best = min(alone or [rank for rank, _ in as_much])
    decision = decide(with_policy(one, split="if_needed"))
    assert brute.rank(one, as_brute(one, decision)) == best


@few
@given(worlds(most_points=3))
def test_never_is_everything_in_one_parcel_or_nothing(one: World):
    never = with_policy(one, split="never")
    everything = tuple(line.quantity for line in one.lines)
    complete = [rank for rank, plan in brute.plans(never) if list(plan.values()) == [everything]]
    decision = decide(never)
    if complete:
        assert brute.rank(never, as_brute(never, decision)) == min(complete)
    else:
        assert not decision.plan.parcels


# --- by an order instead of by cost -----------------------------------------------------------


def order_of(one: World, decision: Decision) -> list[int]:
    """Keys of the points that may send something, the first first."""
    alone = {considered.key: considered.solo for considered in decision.considered}
    wanted = {line.product for line in one.lines}

    def value(candidate, criterion: str) -> float:
        solo, km = alone[candidate.key], brute.km(one, candidate)
        return {
            "nearest": float("inf") if km is None else km,
            "cheapest": solo.total,
            "least_co2": solo.kg_co2,
            "fastest": solo.days,
            "central": not candidate.is_central,
            "overstock": -sum(candidate.overstock.get(product, 0) for product in wanted),
            "most_stock": -sum(candidate.free.get(product, 0) for product in wanted),
            "least_busy": candidate.load,
            "fewest_refusals": candidate.refusal_rate,
        }[criterion]

    racing = [candidate for candidate in one.candidates if alone[candidate.key]]
    return [
        candidate.key
        for candidate in sorted(
            racing, key=lambda c: ([value(c, by) for by in one.policy.sort], c.key)
        )
    ]


def first_plan(one: World, order: list[int]) -> brute.Sent:
    """Of the plans that send most in the fewest parcels: the earliest point with a part in one
    takes the most it can, and so on."""
    ranked = brute.plans(one)
    most = min(rank for rank, _ in ranked)[:2]
    plans = [plan for rank, plan in ranked if rank[:2] == most]
    plans = [plan for plan in plans if len(plan) == min(map(len, plans))]
    by_product = sorted(
        range(len(one.lines)), key=lambda at: (one.lines[at].product, one.lines[at].key)
    )

    def size(units: tuple[int, ...]) -> tuple[object, ...]:
        return brute.part_value(one, units), sum(units), [units[at] for at in by_product]

    settled: list[int] = []
    while len(settled) < len(plans[0]):
        key = next(k for k in order if k not in settled and any(k in plan for plan in plans))
        plans = [plan for plan in plans if key in plan]
        largest = max(size(plan[key]) for plan in plans)
        plans = [plan for plan in plans if size(plan[key]) == largest]
        settled.append(key)
    return plans[0]


@few
@given(
    worlds(most_points=3), st.lists(st.sampled_from(CRITERIA), min_size=1, max_size=3, unique=True)
)
def test_an_order_of_preference_is_kept(one: World, criteria):
    assume(len({line.product for line in one.lines}) == len(one.lines))
    sorted_ = with_policy(one, sort=tuple(criteria))
    decision = decide(sorted_)
    order = order_of(sorted_, decision)
    assert as_brute(one, decision) == first_plan(one, order)
    places = {c.key: c.place for c in decision.considered if c.place}
    assert sorted(places, key=places.get) == order
    assert decision.plan.terms.total == decision.plan.total
    assert decision.plan.exact


def test_preference_is_said_in_words():
    points = [point(1, {1: 1}, lat=46.0), point(2, {1: 1}, lat=45.1), point(3, {1: 1}, lat=45.5)]
    decision = decide(world([line()], points, policy=Policy(sort=("nearest",))))
    assert explain.sentence(decision) == (
        "Point 2 was chosen: first in the order of the rule of 3 points that hold everything, "
        "6.00 in all; Point 3 comes 2nd by distance: 56 km, the one chosen 11 km."
    )
    assert explain.explain(decision)[0] == (
        "Point 1 comes 3rd by distance: 111 km, the one chosen 11 km."
    )


# --- by which service -------------------------------------------------------------------------


def test_each_parcel_goes_by_the_service_that_makes_it_cheapest():
    services = [service(1, by_price("5")), service(2, by_price("9")), service(3, by_price("4"),
                transit=((20.0, 1),))]  # fmt: skip
    points = [point(1, {1: 1}, lead_days=(6, 1, 1)), point(2, {2: 1}, lead_days=(3, 1, None))]
    policy = Policy(promise_days=3, late_penalty_per_day=Decimal(2))
    lines = [line(1), line(2)]
    made = decide(world(lines, points, services=services, policy=policy)).plan
    assert [(one.service, one.days) for one in made.parcels] == [(3, 1), (1, 3)]
    far = [replace(points[0], lat=45.5), points[1]]
    made = decide(world(lines, far, services=services, policy=policy)).plan
    assert [(one.service, one.terms.lateness) for one in made.parcels] == [(2, 0), (1, 0)]


def test_dangerous_goods_go_by_a_service_that_takes_them():
    services = [service(1, by_price("5"), dangerous_goods=False), service(2, by_price("7"))]
    lines = [line(1, dangerous=True), line(2)]
    near = point(1, {1: 1, 2: 1}, lead_days=(1, None))
    both = point(2, {1: 1, 2: 1})
    decision = decide(world(lines, [near, both], services=services))
    assert sent(decision) == {2: {1: 1, 2: 1}}
    assert decision.plan.parcels[0].service_name == "Service 2"
    (out,) = decision.considered[0].eliminations
    assert (out.rule, out.line) == ("dangerous_goods", 1)
    assert out.words == "has no delivery service for dangerous goods"


def test_cheaper_shipping_by_more_than_its_words_say_and_it_is_in():
    """Each point lies in a distance step of its own, which is made cheaper for all services."""
    draw = random.Random(5)
    drawn = [bench.world(draw, draw.choice((1, 2, 3)), 4) for _ in range(20)]
    said = sum(_promised_wins(_each_in_its_own_step(one)) for one in drawn)
    assert said > 5


def _promised_wins(one: World) -> int:
    found = 0
    for considered in decide(one).considered:
        words = explain.counterfactual(considered) if considered.status == "possible" else ""
        amount = re.search(r"shipping had been more than (\d+\.\d\d) cheaper", words)
        if amount:
            less = Decimal(amount[1])
            assert considered.key in sent(decide(_shipping_less(one, considered, less + CENT)))
            before = max(less - 2 * CENT, Decimal(0))
            assert considered.key not in sent(decide(_shipping_less(one, considered, before)))
            found += 1
    return found


def _each_in_its_own_step(one: World) -> World:
    """Points due north of the destination, 100 km apart, and a tariff step for each."""
    north = [
        replace(candidate, lat=45.0 + 0.9 * (at + 1), lng=9.0)
        for at, candidate in enumerate(one.candidates)
    ]
    prices = [[7, 3, 9, 4], [5, 5, 8, 6], [2, 9, 4, 12]]
    services = [
        replace(by, tariff=Tariff(bands=tuple(
            (100.1 * (at + 1), grams, Decimal(prices[n][at]) + Decimal(grams) / 1000)
            for at in range(4) for grams in (500, 2000, 30000)
        )))
        for n, by in enumerate(one.services)
    ]  # fmt: skip
    place = replace(one.destination, lat=45.0, lng=9.0)
    return one._replace(candidates=north, services=services, destination=place)


def _shipping_less(one: World, considered, amount: Decimal) -> World:
    step = int(considered.km // 100.1)
    services = [
        replace(by, tariff=Tariff(bands=tuple(
            (km, grams, price - amount if int(km / 100.1 - 0.5) == step else price)
            for km, grams, price in by.tariff.bands
        )))
        for by in one.services
    ]  # fmt: skip
    return one._replace(services=services)


# --- what less CO2e costs ---------------------------------------------------------------------


@few
@given(worlds(most_points=3))
def test_the_trade_off_goes_from_the_cheapest_plan_to_the_one_that_emits_least(one: World):
    curve = trade_off(**one._asdict())
    free = decide(with_policy(one, ecological=0.0)).plan
    assert curve[0].cost == free.total
    for left, right in pairwise(curve):
        assert left.cost < right.cost
        assert left.kg_co2 > right.kg_co2
        assert left.price < right.price
    for priced in curve:
        there = with_policy(one, ecological=1.0, co2_price_per_kg=priced.price + Decimal("0.001"))
        total = decide(there).plan.total
        own = priced.cost + (priced.price + Decimal("0.001")) * priced.kg_co2
        assert abs(total - own) <= Decimal("0.005") * (1 + priced.price)


def test_the_trade_off_says_from_which_price_an_electric_van_is_worth_it():
    electric = Emission(kg_fixed_per_parcel=0.1)
    services = [
        service(1, by_price("5"), emission=Emission(kg_fixed_per_parcel=0.6)),
        service(2, by_price("6"), emission=electric),
    ]
    near = point(1, {1: 1}, lat=45.0)
    curve = trade_off(**world([line()], [near], services=services)._asdict())
    assert [(one.cost, one.kg_co2, one.price) for one in curve] == [
        (Decimal("6.0000"), Decimal("0.6000"), Decimal(0)),
        (Decimal("7.0000"), Decimal("0.1000"), Decimal("2.0000")),
    ]


# --- against a solver, and again ---------------------------------------------------------------


def test_no_solver_finds_a_cheaper_plan_for_larger_orders():
    draw = random.Random(3)
    for lines, points in ((4, 50), (6, 100), (8, 200), (10, 500)) * 2:
        one = bench.world(draw, lines, points)
        assert float(decide(one).plan.total) == round(milp.lowest(one), 4)


def test_decisions_of_before_there_were_services_replay_to_the_same_plan():
    """As issue 2 kept them: one tariff and one emission, lead days as one number."""
    old = {
        "lines": {
            "columns": ["key", "product", "quantity", "weight_g", "unit_price"],
            "rows": [[31, 7, 2, 400, "19.90"]],
        },
        "candidates": {
            "columns": [
                "key", "code", "name", "kind", "is_central", "lat", "lng", "free", "handling_order",
                "handling_line", "capacity_left", "open", "can_ship", "online", "lead_days",
                "overstock", "excluded", "refusal_rate",
            ],
            "rows": [
                [1, "LYON", "Lyon", "store", False, 45.7, 4.8, [[7, 5]], "1.20", "0.40", 9, True,
                 True, True, 1, [[7, 2]], [], 0.05],
                [2, "PARIS", "Paris", "warehouse", True, 48.8, 2.3, [[7, 1]], "0.80", "0.20", None,
                 True, True, True, 4, [], [31], 0.0],
            ],
        },
        "destination": {"lat": 45.0, "lng": 5.0, "country": "FR"},
        "policy": {
            "economic": 1.0, "ecological": 1.0, "logistical": 1.0, "retail": 1.0,
            "co2_price_per_kg": "0.20", "central_bonus": "0.50", "overstock_relief": "0.050",
            "split_penalty": "2.00", "max_parcels": None, "max_km": None,
            "late_penalty_per_day": "3.00", "promise_days": 2, "refusal_cost": "4.00",
            "min_part_value": None, "min_free_units": 0, "whole": False,
        },
        "tariff": [[100, 1000, "3.90"], [500, 1000, "5.10"]],
        "emission": {
            "kg_fixed_per_parcel": 0.27, "kg_per_tkm_last_mile": 0.79158,
            "kg_per_tkm_linehaul": 0.09623, "last_mile_km": 30.0, "detour_factor": 1.25,
            "source": "DESNZ", "year": 2025,
        },
    }  # fmt: skip
    decision = Inputs.from_json(old).route()
    assert sent(decision) == {1: {31: 2}}
    assert decision.plan.total == Decimal("4.2697")  # as the engine of then had it
    assert decision.considered[1].eliminations[0].rule == "refused_before"


@few
@given(worlds(most_points=3))
def test_kept_inputs_give_the_same_decision_in_parts_and_whole(one: World):
    inputs = Inputs(
        tuple(one.lines), tuple(one.candidates), one.destination, one.policy, tuple(one.services)
    )
    made = to_json(inputs.route())
    own, base, whole = (
        orjson.loads(dumps(part))
        for part in (inputs.own_json(), inputs.base_json(), inputs.to_json())
    )
    assert to_json(Inputs.from_json(own, base).route()) == made
    assert to_json(Inputs.from_json(whole).route()) == made
