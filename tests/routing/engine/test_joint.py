"""Orders decided together: within what there is, against the best of all combinations."""

import random
from collections import Counter
from itertools import product

import highspy
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from routing.engine import BadInput, joint
from routing.engine.lattice import lattice

from .worlds import decide, line, point, world, worlds

PENALTY = 400_000.0


def drawn(seed):
    """Some orders that want more than five candidates have: (problems, stock, parcels, units)."""
    draw = random.Random(seed)
    problems = [_order(draw, key) for key in range(8)]
    stock = {(at, product): draw.choice([0, 1, 1, 2]) for at in range(5) for product in range(4)}
    parcels = {at: draw.choice([1, 2, 9]) for at in range(5) if draw.random() < 0.8}
    units = {at: draw.choice([1, 3]) for at in range(5) if draw.random() < 0.3}
    return problems, stock, parcels, units


def _order(draw, key):
    radices = draw.choice([(2,), (2,), (3,), (2, 2), (2, 2), (3, 2), (2, 2, 2)])
    states = lattice(radices)
    candidates = tuple(sorted(draw.sample(range(5), draw.randint(0, 4))))
    cost = np.array([[_parcel(draw, units) for units in states.digits] for _ in candidates])
    left = (states.digits[-1] - states.digits).sum(axis=1)
    end = left * PENALTY - 5_000.0 * (left < left[0])
    if draw.random() < 0.2:
        end[1:-1] = np.inf
    return joint.Problem(
        key=key,
        products=tuple(draw.randrange(4) for _ in radices),
        chunks=tuple(draw.choice([1, 1, 2]) for _ in radices),
        radices=radices,
        candidates=candidates,
        cost=cost.reshape(len(candidates), states.last + 1),
        end=end,
        limit=draw.choice([None, None, 1, 2]),
    )


def _parcel(draw, units):
    """Lumpy: two parcels of one candidate may be cheaper than one, which is not allowed."""
    if not units.any() or draw.random() < 0.1:
        return np.inf
    return 5_000.0 + draw.randint(0, 200_000)


def every_plan(problem):
    """[(cost, {candidate: units per line})], written from the documentation of Problem."""
    states = lattice(problem.radices).digits
    found = []
    for given_ in product(range(len(states)), repeat=len(problem.candidates)):
        sent = sum((states[one] for one in given_), np.zeros(len(problem.radices)))
        parcels = [(row, one) for row, one in enumerate(given_) if one]
        if (sent >= problem.radices).any() or len(parcels) > (problem.limit or 9):
            continue
        state = int((states == sent).all(axis=1).argmax())
        cost = problem.end[state] + sum(problem.cost[at] for at in parcels)
        units = {problem.candidates[row]: states[one] * problem.chunks for row, one in parcels}
        if np.isfinite(cost):
            found.append((cost, units))
    return found


def usage(problem, units):
    """What a plan takes: of stock, of parcels, of units."""
    used = Counter()
    for candidate, of_line in units.items():
        used["parcel", candidate] += 1
        used["unit", candidate] += int(sum(of_line))
        for wanted, some in zip(problem.products, of_line, strict=True):
            used["stock", candidate, wanted] += int(some)
    return used


def limits(stock, parcels, units):
    return (
        {("stock", *key): some for key, some in stock.items()}
        | {("parcel", key): some for key, some in parcels.items()}
        | {("unit", key): some for key, some in units.items()}
    )


def best_total(problems, there_is):
    """The optimum by one integer program over every plan of every order."""
    highs = highspy.Highs()
    highs.silent()
    chosen, used = [], {key: [] for key in there_is}
    for problem in problems:
        of_order = []
        for cost, units in every_plan(problem):
            take = highs.addBinary(obj=cost / 10_000)
            of_order.append(take)
            for key, amount in usage(problem, units).items():
                if amount and key in used:
                    used[key].append(amount * take)
        chosen.append(of_order)
    for of_order in chosen:
        highs.addConstr(sum(of_order) == 1)
    for key, terms in used.items():
        if terms:
            highs.addConstr(sum(terms) <= there_is[key])
    highs.setOptionValue("mip_rel_gap", 0.0)
    highs.run()
    return highs.getObjectiveValue() * 10_000


def cost_of(problem, plan):
    costs = [
        cost
        for cost, units in every_plan(problem)
        if {key: tuple(some) for key, some in units.items()} == plan
    ]
    return min(costs)


def test_runs_are_within_their_gap_of_the_best_of_all_combinations():
    hits = 0
    for seed in range(25):
        problems, stock, parcels, units = drawn(seed)
        there_is = limits(stock, parcels, units)
        found = joint.solve(problems, stock, parcels, gap=0.0, unit_capacity=units)
        used = Counter()
        for problem, plan in zip(problems, found.plans, strict=True):
            used += usage(problem, plan)
        assert all(used[key] <= some for key, some in there_is.items())
        costs = [cost_of(*pair) for pair in zip(problems, found.plans, strict=True)]
        assert found.total == pytest.approx(sum(costs))
        best = best_total(problems, there_is)
        assert found.bound <= best + 1
        assert best - 1 <= found.total <= found.one_by_one
        assert found.total <= found.bound * (1 + found.gap) + 1
        hits += found.total <= best + 1
    assert hits >= 20


def many_lines(seed):
    """Five orders of seven lines, of which eight candidates have some: (problems, stock)."""
    draw = random.Random(seed)
    radices = (2, 3, 3, 2, 4, 2, 2)
    states = lattice(radices).digits
    units = states.sum(axis=1)
    problems = []
    for key in range(5):
        fixed = np.array([draw.randint(50_000, 150_000) for _ in range(8)])
        a_unit = np.array([draw.randint(1_000, 9_000) for _ in range(8)])
        cost = fixed[:, None] + np.outer(a_unit, units)
        lacks = np.array([[draw.random() < 0.5 for _ in radices] for _ in range(8)])
        cannot = (lacks[:, None, :] & (states > 0)).any(axis=2) | (units == 0)
        problems.append(
            joint.Problem(
                key=key,
                products=tuple(draw.sample(range(9), 7)),
                chunks=(1,) * 7,
                radices=radices,
                candidates=tuple(range(8)),
                cost=np.where(cannot, np.inf, cost),
                end=(units[-1] - units) * PENALTY,
            )
        )
    return problems, {(at, one): draw.choice([0, 1, 2, 3]) for at in range(8) for one in range(9)}


@pytest.mark.parametrize("seed", range(6))
def test_orders_of_many_lines_get_plans_that_can_be_carried_out(seed):
    problems, stock = many_lines(seed)
    found = joint.solve(problems, stock, {}, gap=0.0)
    used = Counter()
    for problem, plan in zip(problems, found.plans, strict=True):
        used += usage(problem, plan)
    assert all(used["stock", *key] <= some for key, some in stock.items())
    assert np.isfinite(found.total)
    assert found.bound <= found.total <= found.one_by_one


def test_costs_that_are_not_whole_numbers_are_refused():
    orders = two_that_want_one_unit()
    orders[0].cost[0, 1] += 0.5
    with pytest.raises(BadInput, match="whole numbers"):
        joint.solve(orders, {}, {})


def test_a_run_gives_the_same_answer_again():
    made = [joint.solve(*drawn(seed)[:3]) for seed in (3, 4, 3, 4)]
    assert made[:2] == made[2:]


def two_that_want_one_unit():
    """Both want the unit at 1; the first could have it from 2 for little more, the second not."""
    easy = np.array([[np.inf, 50_000.0], [np.inf, 60_000.0]])
    hard = np.array([[np.inf, 50_000.0], [np.inf, 190_000.0]])
    return [
        joint.Problem(
            key=key,
            products=(7,),
            chunks=(1,),
            radices=(2,),
            candidates=(1, 2),
            cost=cost,
            end=np.array([PENALTY, 0.0]),
        )
        for key, cost in enumerate([easy, hard])
    ]


def test_an_order_gives_way_to_one_that_needs_the_unit_more():
    found = joint.solve(two_that_want_one_unit(), {(1, 7): 1, (2, 7): 5}, {})
    assert found.plans == ({2: (1,)}, {1: (1,)})
    assert (found.one_by_one, found.total, found.gap) == (240_000, 110_000, 0)


def test_parcels_and_units_of_a_candidate_are_shared_too():
    orders = two_that_want_one_unit()
    by_parcels = joint.solve(orders, {}, {1: 1})
    by_units = joint.solve(orders, {}, {}, unit_capacity={1: 1})
    assert by_parcels.plans == by_units.plans == ({2: (1,)}, {1: (1,)})
    assert joint.solve(orders, {}, {1: 0, 2: 0}).plans == ({}, {})


def test_without_time_the_orders_are_planned_one_by_one():
    found = joint.solve(two_that_want_one_unit(), {(1, 7): 1, (2, 7): 5}, {}, deadline=lambda: 0.0)
    assert found.rounds == 0
    assert found.bound <= 110_000 <= found.total <= found.one_by_one


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(worlds())
def test_an_order_alone_gets_the_plan_that_the_engine_gives_it(one):
    made = decide(one)
    assume(not made.plan.unfilled)
    model = made.evidence.model
    penalty = [1e9] * len(model.quantity)
    problem = joint.problem(1, model, one.policy, penalty)
    found = joint.solve([problem], {}, {})
    assert found.total == float(made.plan.total * 10_000)


def test_an_order_that_nobody_can_send_costs_its_penalty_and_harms_nobody():
    made = decide(world([line(1), line(2, quantity=2)], [point(1, {9: 5})]))
    problem = joint.problem(1, made.evidence.model, world([], []).policy, [30.0, 70.0])
    found = joint.solve([problem, *two_that_want_one_unit()], {}, {})
    assert found.plans == ({}, {1: (1,)}, {1: (1,)})
    assert found.total == 30 + 140 + 100_000
