"""How long the engine takes, without a database, and how far from the best its plans are.

    python -m tests.routing.engine.bench

Random orders, each line free at 30 % of the points, three delivery services with 63 tariff steps
each, all terms.
"""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable
from decimal import Decimal

from routing.engine import (
    Candidate,
    Destination,
    Emission,
    Line,
    Network,
    Policy,
    Service,
    Tariff,
    route,
    route_in,
    to_json,
)

from . import milp
from .brute import World

SIZES = {"3x50": (3, 50), "5x500": (5, 500), "10x500": (10, 500)}
ROUNDS = 100
NETWORKS = 5  # an order meets a prepared network, as in a run
REPEATS = 5  # the least of them: what the work takes when nobody interferes
GAP_ORDERS = 1000

TARIFF = Tariff(
    bands=tuple(
        (float(km), grams, Decimal(400 + km // 2 + grams // 15) / 100)
        for km in (50, 150, 300, 500, 800, 1200, 1800)
        for grams in (300, 1000, 2000, 3000, 5000, 8000, 12000, 20000, 30000)
    ),
    per_extra_kg=Decimal("1.20"),
    per_extra_1000_km=Decimal("6.00"),
)
EXPRESS = Tariff(bands=tuple((km, g, price * 19 / 10) for km, g, price in TARIFF.bands))
VAN = Tariff(bands=tuple((km, g, price * 21 / 20) for km, g, price in TARIFF.bands if km <= 150))
ELECTRIC = Emission(kg_per_tkm_last_mile=0.27625, kg_per_tkm_linehaul=0.27625)
SERVICES = (
    Service(1, "parcel", "Parcel", TARIFF, Emission(), transit=((float("inf"), 4),)),
    Service(2, "express", "Express", EXPRESS, Emission(), transit=((float("inf"), 2),)),
    Service(3, "evan", "Electric van", VAN, ELECTRIC, transit=((150.0, 1),)),
)
POLICY = Policy(
    co2_price_per_kg=Decimal("0.50"),
    central_bonus=Decimal("0.30"),
    overstock_relief=Decimal("0.05"),
    last_unit_cost=Decimal("0.03"),
    split_penalty=Decimal("1.00"),
    late_penalty_per_day=Decimal("2.00"),
    promise_days=2,
    workload_cost=Decimal("1.00"),
    refusal_cost=Decimal("7.00"),
)


def figures() -> dict[str, float]:
    """Milliseconds over random orders.

    plan: from a prepared network to the plan with all its terms, median and 99th percentile over
    orders, of each the least of five. route: the whole call, the network too. cards: with every
    candidate's reasons and gap. json: with everything written out.
    """
    found = {}
    for name, (lines, points) in SIZES.items():
        plans, others = [], []
        for n in range(NETWORKS):
            draw = random.Random(n)
            one = world(draw, lines, points)
            network = Network(one.candidates, one.services)
            for _ in range(ROUNDS // NETWORKS):
                one = another_order(draw, one)
                plans.append(_least(lambda one=one, network=network: _plan(one, network)))
                others.append(_times(one))
        found[f"engine.{name}.plan.ms"] = statistics.median(plans) * 1000
        found[f"engine.{name}.plan.p99_ms"] = statistics.quantiles(plans, n=100)[98] * 1000
        by_part = zip(*others, strict=True)
        for part, measured in zip(("route", "cards", "json"), by_part, strict=True):
            found[f"engine.{name}.{part}.ms"] = statistics.median(measured) * 1000
    return found


def gap() -> float:
    """How much dearer than the proven best 1,000 random orders are in all, as a share.

    Up to 10 lines and 500 points; the best by a MIP solver (see milp.py).
    """
    draw, ours, best = random.Random(7), 0.0, 0.0
    for _ in range(GAP_ORDERS):
        lines, points = draw.choice((1, 2, 3, 4, 5, 6, 8, 10)), draw.choice((5, 10, 50, 200, 500))
        one = world(draw, lines, points)
        total = float(route(**one._asdict()).plan.total)
        ours, best = ours + total, best + milp.lowest(one)
    return ours / best - 1


def _plan(one: World, network: Network) -> None:
    plan = route_in(network, one.lines, one.destination, one.policy).plan
    if not plan.parcels:
        raise RuntimeError("an order that nobody sends")


def _least(work: Callable[[], None]) -> float:
    return min(_time(work) for _ in range(REPEATS))


def _time(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _times(one: World) -> tuple[float, float, float]:
    clock = time.perf_counter
    start = clock()
    decision = route(**one._asdict())
    routed = clock()
    if not decision.considered:
        raise RuntimeError("a decision without candidates")
    explained = clock()
    to_json(decision)
    return routed - start, explained - start, clock() - start


def world(draw: random.Random, lines: int, points: int) -> World:
    """A network with stock of as many products as an order may have lines, and an order."""
    candidates = [_point(draw, key, lines) for key in range(points)]
    empty = World([], candidates, Destination(None, None), POLICY, list(SERVICES))
    return another_order(draw, empty, lines)


def another_order(draw: random.Random, one: World, lines: int = 0) -> World:
    """Another order of the same products to another place."""
    return one._replace(
        lines=[_line(draw, key) for key in range(lines or len(one.lines))],
        destination=Destination(draw.uniform(40, 50), draw.uniform(0, 10)),
    )


def _line(draw: random.Random, key: int) -> Line:
    return Line(
        key=key,
        product=key,
        quantity=1,
        weight_g=draw.randint(100, 4000),
        unit_price=Decimal(draw.randint(500, 9000)) / 100,
    )


def _point(draw: random.Random, key: int, products: int) -> Candidate:
    return Candidate(
        key=key,
        code=f"P{key}",
        name=f"Point {key}",
        kind="store",
        is_central=key < 2,
        lat=draw.uniform(40, 50),
        lng=draw.uniform(0, 10),
        free={product: draw.randint(1, 9) for product in range(products) if draw.random() < 0.3},
        handling_order=Decimal(draw.randint(50, 200)) / 100,
        handling_line=Decimal(draw.randint(10, 60)) / 100,
        capacity_left=draw.choice([None, 5, 1]),
        lead_days=(draw.randint(2, 5), draw.randint(1, 3), draw.randint(1, 2)),
        overstock={product: draw.randint(0, 3) for product in range(products)},
        refusal_rate=draw.random() / 5,
        load=draw.random(),
    )


if __name__ == "__main__":
    gc.collect()
    gc.freeze()  # as a worker does
    measured = figures()
    shown = {
        "routing.engine.50.ms": measured["engine.3x50.plan.ms"],
        "routing.engine.500.ms": measured["engine.5x500.plan.ms"],
        "routing.engine.500.p99_ms": measured["engine.10x500.plan.p99_ms"],
        "routing.gap.single": gap(),
    }
    for name, value in {**measured, **shown}.items():
        sys.stdout.write(f"{name:<28}{value:9.3f}\n")
