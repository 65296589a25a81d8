"""Ways to route: rules as other systems have them, and the product's own engine.

Ours is told what the engine would be told by the product: distances, tariff, handling, CO2e,
free units, and for the overstock and last-unit terms the forecast of walk-ins. The two shares of
these terms are the best of nine tried on the generated set, with seed 5; nothing is tuned on
the set of the folder.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from routing.engine import Network, Policy, Service, joint, route_in, rules
from routing.engine.cost import CostModel, to_units
from tests.benchmarks.replay import company
from tests.benchmarks.replay.simulator import (
    CANCELED,
    CO2,
    MARGIN,
    Job,
    Router,
    Shop,
    freight,
    kg_co2,
)
from tests.benchmarks.replay.world import Floats, World

RELIEF, LAST_UNIT = Decimal("0.10"), Decimal("0.05")  # shares of the price

# (shop, order, lines) -> (points,) what each would cost; the lowest is taken
Rank = Callable[[Shop, int, Sequence[int]], Floats]


def by_list(shop: Shop, order: int, lines: Sequence[int]) -> Floats:
    """Warehouses, then stores, as they are listed."""
    return np.arange(len(shop.stock), dtype=np.float64)


def nearest(shop: Shop, order: int, lines: Sequence[int]) -> Floats:
    return shop.world.km[order]


def cheapest(shop: Shop, order: int, lines: Sequence[int]) -> Floats:
    """Freight, picking and CO2e of one parcel."""
    world, km = shop.world, shop.world.km[order]
    kg = sum(float(world.kg[world.line_product[line]] * world.line_units[line]) for line in lines)
    pick = world.points.pick_parcel + world.points.pick_line * len(lines)
    return freight(world, km, kg) + pick + CO2 * kg_co2(km, kg)


@dataclass
class LineByLine:
    """Each line from the first point that has it."""

    rank: Rank
    daily: bool = False

    def route(self, jobs: Sequence[Job], shop: Shop) -> dict[int, int]:
        made = {}
        for order, lines in jobs:
            for line in lines:
                able = shop.able(line)
                if able.any():
                    cost = np.where(able, self.rank(shop, order, [line]), np.inf)
                    made[line] = int(cost.argmin())
        return made


@dataclass
class Complete:
    """The first point that has every line; when none has, of those with most, and so on."""

    rank: Rank
    daily: bool = False

    def route(self, jobs: Sequence[Job], shop: Shop) -> dict[int, int]:
        made = {}
        for order, lines in jobs:
            able = {line: shop.able(line) for line in lines}
            left = [line for line in lines if able[line].any()]
            while left:
                has = np.sum([able[line] for line in left], axis=0)
                cost = np.where(has == has.max(), self.rank(shop, order, left), np.inf)
                point = int(cost.argmin())
                made |= {line: point for line in left if able[line][point]}
                left = [line for line in left if line not in made]
        return made


class Ours:
    """The product's engine, order by order. With `stock_terms` it also counts overstock relief
    and the last unit."""

    daily = False

    def __init__(self, world: World, *, stock_terms: bool = False) -> None:
        self.world = world
        self.services: tuple[Service, ...] = company.services(world)
        self.stock_terms = stock_terms
        self.policy = Policy(co2_price_per_kg=Decimal(str(CO2)))
        if stock_terms:
            self.policy = replace(
                self.policy,
                overstock_relief=RELIEF,
                last_unit_cost=LAST_UNIT,
            )

    def route(self, jobs: Sequence[Job], shop: Shop) -> dict[int, int]:
        made = {}
        for job in jobs:
            decision = route_in(
                self._network(job, shop),
                company.lines(self.world, job.lines),
                company.destination(self.world, job.order),
                self.policy,
            )
            for parcel in decision.plan.parcels:
                made |= {line: parcel.candidate for line, _ in parcel.lines}
        return made

    def _network(self, job: Job, shop: Shop) -> Network:
        """The points that can send a line now; free counts how often a point has the line."""
        world = self.world
        able = np.array([shop.able(line) for line in job.lines])
        units = world.line_units[list(job.lines)]
        products = world.line_product[list(job.lines)]
        times = np.where(able, shop.stock[:, products].T // units[:, None], 0)
        over = self._over(job, shop) if self.stock_terms else np.zeros_like(times)
        points = np.flatnonzero(able.any(axis=0)).tolist()
        return Network(
            [
                company.candidate(
                    world,
                    point,
                    {at: some for at, some in enumerate(times[:, point].tolist()) if some},
                    overstock={at: some for at, some in enumerate(over[:, point].tolist()) if some},
                )
                for point in points
            ],
            self.services,
        )

    def _over(self, job: Job, shop: Shop) -> np.ndarray:
        """(lines, points) how often a point has the line above what its walk-ins will want of a
        product that ends with the season."""
        world = self.world
        products = world.line_product[list(job.lines)]
        expected = world.walkin_forecast[:, products] * (1 - min(shop.day / world.days, 1.0))
        above = np.maximum(np.floor(shop.stock[:, products] - expected), 0.0)
        above *= world.season[products] & ~world.points.warehouse[:, None]
        return (above.T // world.line_units[list(job.lines)][:, None]).astype(int)


class OursDaily(Ours):
    """The same once a day, all orders together."""

    daily = True

    def route(self, jobs: Sequence[Job], shop: Shop) -> dict[int, int]:
        found = [(job, self._problem(job, shop)) for job in jobs]
        large = [job for job, problem in found if problem is None]
        together = [(job, problem) for job, problem in found if problem is not None]
        stock = {
            (point, product): int(shop.stock[point, product])
            for _, problem in together
            for point in problem.candidates
            for product in problem.products
        }
        answer = joint.solve(
            [problem for _, problem in together], stock, dict(enumerate(shop.slots.tolist()))
        )
        made = {}
        for (job, _), plan in zip(together, answer.plans, strict=True):
            for point, units in plan.items():
                made |= {line: point for line, some in zip(job.lines, units, strict=True) if some}
        if large:
            raise AssertionError("an order of the set is too large to be planned with others")
        return made

    def _problem(self, job: Job, shop: Shop) -> joint.Problem | None:
        """A line is one piece of all its units, which is what it takes of the shared stock."""
        world = self.world
        model = CostModel(
            rules.screen(
                network=self._network(job, shop),
                lines=company.lines(world, job.lines),
                destination=company.destination(world, job.order),
                policy=self.policy,
            )
        )
        penalty = [
            to_units(company.money(CANCELED + MARGIN * company.line_value(world, line)))
            for line in job.lines
        ]
        problem = joint.problem(job.order, model, self.policy, penalty)
        if problem is None:
            return None
        return replace(
            problem,
            products=tuple(world.line_product[list(job.lines)].tolist()),
            chunks=tuple(world.line_units[list(job.lines)].tolist()),
        )


def policies(world: World) -> dict[str, Router]:
    return {
        "priority list, line by line": LineByLine(by_list),
        "nearest, line by line": LineByLine(nearest),
        "cheapest, line by line": LineByLine(cheapest),
        "nearest complete": Complete(nearest),
        "cheapest complete": Complete(cheapest),
        "ours": Ours(world),
        "ours with stock terms": Ours(world, stock_terms=True),
        "ours, daily runs": OursDaily(world),
        "ours, daily runs with stock terms": OursDaily(world, stock_terms=True),
    }
