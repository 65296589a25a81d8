"""Orders decided together: how long it takes, how near the optimum, what it saves.

The first orders of the replayed set compete for a part of its stock and, per 500 of them, for a
day's parcels of each point. A line that stays behind costs 25 and 45 % of its value. Seconds are
from the engine's inputs to the plans: costs, one by one, and together.
"""

import time
from decimal import Decimal

import numpy as np

from routing.engine import Line, Network, Policy, joint, rules
from routing.engine.cost import CostModel, to_units
from tests.benchmarks.replay import company
from tests.benchmarks.replay.world import World, the_world

POLICY = Policy(co2_price_per_kg=Decimal("0.50"))
LOST_LINE, LOST_SHARE = Decimal(25), Decimal("0.45")
RUNS = {1_000: (0.35, 0.005), 5_000: (0.20, 0.01)}  # orders: share of stock, gap


def figures() -> dict[str, float]:
    """Seconds and gap of each run; gain is against one by one exact, on the same data."""
    world = the_world()
    found = {}
    for count, (share, gap) in RUNS.items():
        begun = time.perf_counter()
        answer = run(world, count, share=share, gap=gap)
        found[f"routing.joint.{count}_s"] = time.perf_counter() - begun
        found[f"routing.joint.{count}.gap"] = answer.gap
        found[f"routing.joint.{count}.gain"] = 1 - answer.total / answer.one_by_one
        found[f"routing.joint.{count}.mean_cost"] = answer.total / 10_000 / count
    return found


def run(world: World, count: int, *, share: float, gap: float) -> joint.Joint:
    """The first `count` orders of the set on a part of its stock, together."""
    stock = np.random.default_rng(5).binomial(world.stock, share)
    free = [
        {int(product): int(units[product]) for product in np.flatnonzero(units)} for units in stock
    ]
    points = [company.candidate(world, point, of_one) for point, of_one in enumerate(free)]
    network = Network(points, company.services(world))
    problems = [_problem(world, order, network) for order in range(count)]
    return joint.solve(
        [problem for problem in problems if problem is not None],
        {(point, product): units for point, of in enumerate(free) for product, units in of.items()},
        {
            point: max(1, round(per_day * count / 500))
            for point, per_day in enumerate(world.points.per_day.tolist())
        },
        gap=gap,
    )


def _problem(world: World, order: int, network: Network) -> joint.Problem | None:
    """None for an order of so many units that it is planned alone."""
    wanted = [
        Line(
            key=number,
            product=int(world.line_product[number]),
            quantity=int(world.line_units[number]),
            weight_g=round(float(world.kg[world.line_product[number]]) * 1000),
            unit_price=company.money(world.price[world.line_product[number]]),
        )
        for number in world.lines_of[order]
    ]
    model = CostModel(
        rules.screen(
            network=network,
            lines=wanted,
            destination=company.destination(world, order),
            policy=POLICY,
        )
    )
    penalty = [
        to_units(LOST_LINE / line.quantity + LOST_SHARE * line.unit_price)
        for line in model.screening.lines
    ]
    return joint.problem(order, model, POLICY, penalty)
