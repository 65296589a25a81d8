"""How long the engine takes, without a database: python -m tests.routing.engine.bench."""

import random
import statistics
import sys
import time
from decimal import Decimal

from routing.engine import Candidate, Destination, Emission, Line, Policy, Tariff, to_json
from routing.engine.decision import plan_of

from .brute import World
from .worlds import decide

SIZES = {"3x50": (3, 50), "5x500": (5, 500), "10x500": (10, 500)}
ROUNDS = 100

TARIFF = Tariff(
    bands=tuple(
        (float(km), grams, Decimal(400 + km // 2 + grams // 15) / 100)
        for km in (50, 150, 300, 500, 800, 1200, 1800)
        for grams in (300, 1000, 2000, 3000, 5000, 8000, 12000, 20000, 30000)
    ),
    per_extra_kg=Decimal("1.20"),
    per_extra_1000_km=Decimal("6.00"),
)
POLICY = Policy(
    co2_price_per_kg=Decimal("0.50"),
    central_bonus=Decimal("0.30"),
    overstock_relief=Decimal("0.05"),
    split_penalty=Decimal("1.00"),
    late_penalty_per_day=Decimal("2.00"),
    promise_days=2,
    refusal_cost=Decimal("7.00"),
)


def figures() -> dict[str, float]:
    """Milliseconds, median over random orders; each line is free at 30 % of the points.

    plan: from prepared costs to the plan. route: the whole call. cards: with every candidate's
    reasons and gap. json: with everything written out.
    """
    found = {}
    for name, (lines, points) in SIZES.items():
        draw = random.Random(1)
        times = [_times(_world(draw, lines, points)) for _ in range(ROUNDS)]
        by_part = zip(*times, strict=True)
        for part, measured in zip(("plan", "route", "cards", "json"), by_part, strict=True):
            found[f"engine.{name}.{part}.ms"] = statistics.median(measured) * 1000
    return found


def _times(one: World) -> tuple[float, float, float, float]:
    clock = time.perf_counter
    start = clock()
    decision = decide(one)
    routed = clock()
    if not decision.considered:
        raise RuntimeError("a decision without candidates")
    explained = clock()
    to_json(decision)
    written = clock()
    plan_of(decision.evidence.model, one.policy)
    planned = clock()
    return planned - written, routed - start, explained - start, written - start


def _world(draw: random.Random, lines: int, points: int) -> World:
    return World(
        lines=[_line(draw, key) for key in range(lines)],
        candidates=[_point(draw, key, lines) for key in range(points)],
        destination=Destination(draw.uniform(40, 50), draw.uniform(0, 10)),
        policy=POLICY,
        tariff=TARIFF,
        emission=Emission(),
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
        lead_days=draw.randint(1, 4),
        overstock={product: draw.randint(0, 3) for product in range(products)},
        refusal_rate=draw.random() / 5,
    )


if __name__ == "__main__":
    for name, value in figures().items():
        sys.stdout.write(f"{name:<26}{value:9.3f}\n")
