"""Days replayed event by event: midnights, runs, walk-ins, orders, and lines tried again.

What happens is the same whoever routes: whether a point accepts a line, and how long a parcel
takes, is drawn beforehand per line and point, or order and point. A line is not divided. A line
that is refused, or that finds no point, is tried again 12 hours later, at most 4 times in all,
then canceled. A refusal takes the point out for the line, and its product there for the day.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from tests.benchmarks.replay import company
from tests.benchmarks.replay.world import MINUTES_OF_DAY, Floats, Ints, World

WAIT = 12 * 60
TRIES = 4
LAST_UNIT = 0.85  # a last unit is found as often, times what the point finds at all
MARGIN = 0.45  # of the price: what a lost sale loses
MARKDOWN = 0.35  # of the price: what a unit left at the end of its season loses
REFUSED, CANCELED, LATE, CO2 = 4.0, 25.0, 12.0, 0.5
CARRIERS = 0.75  # of the days in transit of the years the set was taken from
PROCESSING_SPREAD = 0.5

MIDNIGHT, RUN, WALK_IN, ORDER, AGAIN = range(5)


class Job(NamedTuple):
    order: int
    lines: Sequence[int]


class Router(Protocol):
    """`daily`: it decides once a day about all that came; else at once."""

    daily: bool

    def route(self, jobs: Sequence[Job], shop: "Shop") -> dict[int, int]:
        """Line -> point; a line left out finds no point."""


@dataclass
class Shop:
    """What a policy may see."""

    world: World
    stock: Ints  # (points, products)
    slots: Ints  # (points,) parcels left today
    day: int = 0
    blocked: set[tuple[int, int]] = field(default_factory=set)  # (point, product), today
    refused: dict[int, set[int]] = field(default_factory=dict)  # line -> points

    def able(self, line: int) -> np.ndarray:
        """(points,) which may send a line now."""
        product = int(self.world.line_product[line])
        able = (self.stock[:, product] >= self.world.line_units[line]) & (self.slots > 0)
        for point, of_product in self.blocked:
            if of_product == product:
                able[point] = False
        able[list(self.refused.get(line, ()))] = False
        return able


@dataclass
class Chances:
    """What will happen: (lines, points) and (orders, points)."""

    finds: Floats
    days: Floats

    @classmethod
    def drawn(cls, world: World, seed: int) -> "Chances":
        draw = np.random.default_rng(seed)
        finds = draw.random((len(world.line_order), len(world.stock)), dtype=np.float32)
        rates, truth = world.rates, world.truth
        band = np.minimum(np.searchsorted(rates.km_edges[1:], world.km), len(rates.price) - 1)
        transit = rates.transit_days[band] * CARRIERS * truth.transit_factor
        transit *= _gamma(draw, rates.transit_spread[band])
        spread = np.full(world.km.shape, PROCESSING_SPREAD)
        return cls(finds, truth.processing_days * _gamma(draw, spread) + transit)


def _gamma(draw: np.random.Generator, spread: Floats) -> Floats:
    """Gamma draws of mean 1 and this spread (Wilson-Hilferty), one normal each."""
    ninth = spread * spread / 9
    cube = 1 - ninth + draw.standard_normal(spread.shape) * np.sqrt(ninth)
    return np.maximum(cube, 0.0) ** 3


@dataclass
class Account:
    """What it cost, in money, and what happened."""

    freight: float = 0.0
    pick: float = 0.0
    kg_co2: float = 0.0
    lost_walkins: float = 0.0
    markdown: float = 0.0
    canceled_money: float = 0.0
    parcels: int = 0
    tried: int = 0  # lines offered to a point
    refused: int = 0
    canceled: int = 0
    sent_from: dict[int, set[int]] = field(default_factory=dict)  # order -> points
    late: set[int] = field(default_factory=set)

    @property
    def total(self) -> float:
        return (
            self.freight + self.pick + self.kg_co2 * CO2 + self.lost_walkins + self.markdown
            + self.canceled_money + self.refused * REFUSED + len(self.late) * LATE
        )  # fmt: skip


class Replay:
    """One policy through all days."""

    def __init__(self, world: World, router: Router | None, chances: Chances | None) -> None:
        self.world = world
        self.router = router
        self.chances = chances
        self.shop = Shop(world, world.stock.copy(), world.points.per_day.copy())
        self.account = Account()
        self.tries = np.zeros(len(world.line_order), dtype=int)
        self.waiting: list[Job] = []
        self.events: list[tuple[int, int, int, tuple[int, ...]]] = []

    def run(self) -> Account:
        """Everything until the last line is sent or canceled; then what is left is marked down."""
        self.events = self._known_events()
        heapq.heapify(self.events)
        while self.events:
            at, kind, number, lines = heapq.heappop(self.events)
            if kind == MIDNIGHT:
                self._midnight(number)
            elif kind == RUN:
                jobs, self.waiting = _by_order(self.waiting), []
                self._send(at, jobs)
            elif kind == WALK_IN:
                self._walk_in(*self.world.walkins[number, 2:].tolist())
            elif self.router is not None and self.router.daily:
                self.waiting.append(Job(number, lines))
            else:
                self._send(at, [Job(number, lines)])
        left = self.shop.stock[~self.world.points.warehouse][:, self.world.season].sum(axis=0)
        self.account.markdown = float(left @ self.world.price[self.world.season]) * MARKDOWN
        return self.account

    def _known_events(self) -> list[tuple[int, int, int, tuple[int, ...]]]:
        world, day = self.world, MINUTES_OF_DAY
        after = world.days + TRIES + 2  # days on which tries may still come
        events = [(at * day, MIDNIGHT, at, ()) for at in range(after)]
        times = (world.walkins[:, 0] * day + world.walkins[:, 1]).tolist()
        events += [(at, WALK_IN, number, ()) for number, at in enumerate(times)]
        if self.router is None:
            return events
        if self.router.daily:
            events += [(at * day, RUN, 0, ()) for at in range(1, after)]
        times = (world.order_day * day + world.order_minute).tolist()
        return events + [
            (at, ORDER, order, tuple(world.lines_of[order])) for order, at in enumerate(times)
        ]

    # --- events ----------------------------------------------------------------------------

    def _midnight(self, day: int) -> None:
        world, shop = self.world, self.shop
        shop.day = day
        shop.slots = world.points.per_day.copy()
        shop.blocked.clear()
        if 0 < day < world.days and day % world.cycle_days == 0:
            usual = ~world.season
            shop.stock[:, usual] = np.maximum(shop.stock[:, usual], world.stock[:, usual])

    def _walk_in(self, point: int, product: int) -> None:
        if self.shop.stock[point, product] > 0:
            self.shop.stock[point, product] -= 1
        else:
            self.account.lost_walkins += float(self.world.price[product]) * MARGIN

    def _send(self, at: int, jobs: Sequence[Job]) -> None:
        if not jobs or self.router is None:
            return
        made = self.router.route(jobs, self.shop)
        for order, lines in jobs:
            again = [line for line in lines if line not in made]
            by_point: dict[int, list[int]] = {}
            for line in lines:
                if line in made:
                    by_point.setdefault(made[line], []).append(line)
            for point, of_point in by_point.items():
                again += self._parcel(at, order, point, of_point)
            self._again(at, order, again)

    def _parcel(self, at: int, order: int, point: int, lines: Sequence[int]) -> list[int]:
        """Offer lines to a point; those it refuses."""
        world, shop, account = self.world, self.shop, self.account
        if shop.slots[point] < 1:
            raise AssertionError(f"point {point} has no parcels left")
        shop.slots[point] -= 1
        refused, kg, sent = [], 0.0, 0
        for line in lines:
            account.tried += 1
            product, units = int(world.line_product[line]), int(world.line_units[line])
            if shop.stock[point, product] < units:
                raise AssertionError(f"point {point} does not have line {line}")
            if self._finds(at, line, point, last=shop.stock[point, product] == units):
                shop.stock[point, product] -= units
                kg += float(world.kg[product]) * units
                sent += 1
            else:
                refused.append(line)
                shop.blocked.add((point, product))
                shop.refused.setdefault(line, set()).add(point)
        account.refused += len(refused)
        if sent:
            self._ship(at, order, point, kg, sent)
        return refused

    def _finds(self, at: int, line: int, point: int, *, last: bool) -> bool:
        if self.chances is None:
            raise AssertionError("orders need chances")
        truth, half = self.world.truth, self.world.days * MINUTES_OF_DAY // 2
        chance = (truth.acceptance if at < half else truth.acceptance_late)[point]
        return bool(self.chances.finds[line, point] < chance * (LAST_UNIT if last else 1.0))

    def _ship(self, at: int, order: int, point: int, kg: float, lines: int) -> None:
        world, account = self.world, self.account
        km = float(world.km[order, point])
        account.parcels += 1
        account.sent_from.setdefault(order, set()).add(point)
        account.freight += float(freight(world, km, kg))
        account.pick += float(
            world.points.pick_parcel[point] + world.points.pick_line[point] * lines
        )
        account.kg_co2 += float(kg_co2(km, kg))
        came = int(world.order_day[order]) * MINUTES_OF_DAY + int(world.order_minute[order])
        days = (at - came) / MINUTES_OF_DAY + float(self.chances.days[order, point])
        if days > world.promise_days[order]:
            account.late.add(order)

    def _again(self, at: int, order: int, lines: Iterable[int]) -> None:
        left = []
        for line in lines:
            self.tries[line] += 1
            if self.tries[line] < TRIES:
                left.append(line)
                continue
            self.account.canceled += 1
            self.account.canceled_money += CANCELED + MARGIN * company.line_value(self.world, line)
        if left:
            heapq.heappush(self.events, (at + WAIT, AGAIN, order, tuple(left)))


def _by_order(jobs: Sequence[Job]) -> list[Job]:
    """Lines of one order that wait together are sent together."""
    lines: dict[int, list[int]] = {}
    for order, some in jobs:
        lines.setdefault(order, []).extend(some)
    return [Job(order, tuple(sorted(some))) for order, some in lines.items()]


def freight(world: World, km: Floats | float, kg: Floats | float) -> Floats:
    """What parcels cost by the tariff."""
    rates = world.rates
    row = np.minimum(np.searchsorted(rates.km_edges[1:], km), len(rates.price) - 1)
    column = np.minimum(np.searchsorted(rates.kg_edges[1:], kg), rates.price.shape[1] - 1)
    beyond = np.maximum(np.asarray(kg) - rates.kg_edges[-1], 0.0) * rates.per_extra_kg
    further = np.maximum(np.asarray(km) - rates.km_edges[-1], 0.0) / 1000
    return rates.price[row, column] + beyond + further * rates.per_extra_1000_km


def kg_co2(km: Floats | float, kg: Floats | float) -> Floats:
    """As the engine counts it."""
    emission = company.EMISSION
    van = np.minimum(km, emission.last_mile_km)
    tkm = van * emission.kg_per_tkm_last_mile
    tkm = tkm + (np.asarray(km) - van) * emission.kg_per_tkm_linehaul
    return emission.kg_fixed_per_parcel + np.asarray(kg) / 1000 * emission.detour_factor * tkm
