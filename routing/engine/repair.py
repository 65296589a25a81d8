"""A good plan for orders that are too large for the exact one: build greedily, then repair.

Starts: the fullest parcel first, the best value for its cost first, the best single parcel, and
the exact plan that keeps long lines whole, if that fits. Repairs, until none helps: give a parcel
to a cheaper point, merge two parcels, shift a line into another parcel, and plan the lines of up
to three parcels again, exactly. Never worse than any plan with one parcel, because the best of
those is among the starts (a minimum part value may forbid it).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations

import numpy as np

from . import exact
from .cost import CostModel, Ints
from .exact import Draft, Room
from .rules import Bools, Floats

Pick = Callable[[Ints, Floats, Floats, Floats], int]  # (row, value, units, cost) of offers -> which

MAX_ROUNDS = 200
MAX_REPLANS = 300
START_ROOM = Room(ways=100_000, cells=2_000_000)
REPLAN_ROOM = Room(ways=4_000, cells=200_000)  # about 8 lines


class Repair:
    """One order: `wanted` (lines,) units, at most `limit` parcels, each worth `min_part`."""

    def __init__(
        self, *, model: CostModel, wanted: Floats, limit: int | None, min_part: float | None
    ) -> None:
        self.model = model
        self.wanted = wanted
        self.limit = len(model.live) if limit is None else limit
        self.min_part = min_part
        self._costs: dict[tuple[int, bytes], float] = {}

    def best(self) -> Draft:
        """The best of all starts after repair; empty when nothing may be sent."""
        single = self.single()
        starts = [single, self._build(_fullest), self._build(_thriftiest), self._with_long_lines()]
        drafts: list[Draft] = [self._repaired(draft) for draft in starts]
        drafts.append(self._repaired(min(drafts, key=self._rank), replans=MAX_REPLANS))
        drafts += [single, *(self._without_small_parts(draft) for draft in drafts)]
        return min([{}, *filter(self._allowed, drafts)], key=self._rank)

    def built(self, pick: Pick) -> Draft:
        """A plan built by `pick`, without repair; empty when the parts may not be so small."""
        draft = self._build(pick)
        return draft if self._allowed(draft) else {}

    # --- judging ---------------------------------------------------------------------------

    def _rank(self, draft: Draft) -> tuple[float, float, float]:
        sent = _sum(draft, self.wanted)
        return -float(sent @ self.model.price), -float(sent.sum()), self._cost(draft)

    def _cost(self, draft: Draft) -> float:
        return sum(self._parcel_cost(row, units) for row, units in draft.items())

    def _parcel_cost(self, row: int, units: Floats) -> float:
        key = row, units.tobytes()
        if key not in self._costs:
            self._costs[key] = float(self._totals([row], units[None, :])[0])
        return self._costs[key]

    def _totals(self, rows: Sequence[int] | Ints, units: Floats) -> Floats:
        return self.model.totals(rows=np.asarray(rows, dtype=np.intp), units=units)

    def _allowed(self, draft: Draft) -> bool:
        if self.min_part is None or not draft:
            return True
        left = self.wanted - _sum(draft, self.wanted)
        parts = [*draft.values(), left] if left.any() else list(draft.values())
        return len(parts) == 1 or self.min_part <= min(
            float(part @ self.model.price) for part in parts
        )

    def _without_small_parts(self, draft: Draft) -> Draft:
        if self.min_part is None:
            return draft
        limit = self.min_part
        return {row: part for row, part in draft.items() if part @ self.model.price >= limit}

    # --- building --------------------------------------------------------------------------

    def single(self) -> Draft:
        """The best plan with one parcel."""
        offers = self.model.most(self.wanted)
        return _first_pick(self.model, offers, np.arange(len(offers)), _fullest)

    def _with_long_lines(self) -> Draft:
        chunks = exact.grain(self.model, wanted=self.wanted, room=START_ROOM)
        if chunks is None:
            return {}
        return exact.solve(
            self.model,
            wanted=self.wanted,
            chunks=chunks,
            limit=self.limit,
            min_part=self.min_part,
        ).draft

    def _build(self, pick: Pick) -> Draft:
        left, draft = self.wanted.copy(), Draft()
        while left.any() and len(draft) < self.limit:
            offers = self.model.most(left)
            offers[list(draft)] = 0.0
            rows = np.flatnonzero(offers.any(axis=1))
            if not len(rows):
                break
            draft |= _first_pick(self.model, offers, rows, pick)
            left = self.wanted - _sum(draft, self.wanted)
        return draft

    # --- repairing -------------------------------------------------------------------------

    def _repaired(self, draft: Draft, replans: int = 0) -> Draft:
        tried: set[bytes] = set()
        for _ in range(MAX_ROUNDS):
            better = (
                self._moved(draft)
                or self._merged(draft)
                or self._shifted(draft)
                or self._replanned(draft, tried, replans)
            )
            if better is None:
                break
            draft = better
        return draft

    def _moved(self, draft: Draft) -> Draft | None:
        """Some parcel from a cheaper point that is not used yet."""
        for row, units in draft.items():
            other = self._cheaper(units, barred=set(draft), than=self._cost({row: units}))
            if other is not None:
                return {other if at == row else at: part for at, part in draft.items()}
        return None

    def _merged(self, draft: Draft) -> Draft | None:
        """Two parcels as one, from one of the two points or a third."""
        for one, two in combinations(draft, 2):
            both = {row: draft[row] for row in (one, two)}
            rest = {row: part for row, part in draft.items() if row not in both}
            units = draft[one] + draft[two]
            other = self._cheaper(units, barred=set(rest), than=self._cost(both))
            if other is not None:
                return {**rest, other: units}
        return None

    def _shifted(self, draft: Draft) -> Draft | None:
        """A line of one parcel in another parcel that has room for it: where it saves most."""
        best, lowest = None, 0.0
        for giver, units in draft.items():
            for taker, line, saving in self._shifts_from(giver, units, draft):
                if saving < lowest:
                    best, lowest = (giver, taker, line), saving
        if best is None:
            return None
        giver, taker, line = best
        after = {row: part.copy() for row, part in draft.items()}
        after[taker][line] += after[giver][line]
        after[giver][line] = 0.0
        return {row: part for row, part in after.items() if part.any()}

    def _shifts_from(
        self, giver: int, units: Floats, draft: Draft
    ) -> Iterator[tuple[int, int, float]]:
        """(taker, line, change of cost) for each line of a parcel and each parcel with room."""
        lines = np.flatnonzero(units)
        one_less = np.tile(units, (len(lines), 1))
        one_less[np.arange(len(lines)), lines] = 0.0
        gives = np.where(
            one_less.any(axis=1), self._totals([giver] * len(lines), one_less), 0.0
        ) - self._parcel_cost(giver, units)
        for taker, has in draft.items():
            if taker == giver:
                continue
            more = np.tile(has, (len(lines), 1))
            more[np.arange(len(lines)), lines] += units[lines]
            takes = self._totals([taker] * len(lines), more) - self._parcel_cost(taker, has)
            for at in np.flatnonzero(gives + takes < 0):
                if self._able(more[at])[taker]:
                    yield taker, int(lines[at]), float(gives[at] + takes[at])

    def _replanned(self, draft: Draft, tried: set[bytes], replans: int) -> Draft | None:
        """The lines of up to three parcels planned again, exactly, by points free to do so."""
        left = self.wanted - _sum(draft, self.wanted)
        now = self._rank(draft)
        for group in chain.from_iterable(combinations(draft, size) for size in (1, 2, 3)):
            wanted = np.sum([draft[row] for row in group], axis=0) + left
            key = bytes(str(group), "ascii") + wanted.tobytes()
            if len(tried) >= replans:
                break
            if key in tried:
                continue
            tried.add(key)
            rest = {row: part for row, part in draft.items() if row not in group}
            again = {**rest, **self._planned(wanted, rest)}
            if self._rank(again) < now:
                return again
        return None

    def _planned(self, wanted: Floats, rest: Draft) -> Draft:
        chunks = exact.grain(self.model, wanted=wanted, room=REPLAN_ROOM)
        if chunks is None:
            return {}
        limit = self.limit - len(rest)
        return exact.solve(
            self.model, wanted=wanted, chunks=chunks, limit=limit, barred=list(rest)
        ).draft

    def _cheaper(self, units: Floats, *, barred: set[int], than: float) -> int | None:
        able = self._able(units)
        able[list(barred)] = False
        rows = np.flatnonzero(able)
        if not len(rows):
            return None
        cost = self._totals(rows, np.tile(units, (len(rows), 1)))
        at = int(cost.argmin())
        return int(rows[at]) if cost[at] < than else None

    def _able(self, units: Floats) -> Bools:
        able: Bools = np.logical_and.reduce(self.model.usable >= units, axis=1)
        for product, columns in enumerate(self.model.products):
            if len(columns) > 1:
                able &= self.model.free_of(product) >= float(units[columns].sum())
        return able


def one_parcel_is_proven_best(*, model: CostModel, wanted: Floats, total: float) -> bool:
    """Whether no plan that sends all of `wanted` can cost less than `total`.

    `total` is the cheapest single parcel that holds it all. Two or more parcels cost at least
    the two lowest fixed parts with the cheapest weight step each, and every line at the lowest
    rate anywhere. True means proven, False means nothing.
    """
    prices = model.carriage.prices(_weights_up_to(model, wanted))
    least = np.rint(model.policy.economic * prices).min(axis=0)
    by_service = least[model.steps] + model.per_service + model.carriage.kg_fixed * model.co2_rate
    rounding = 0.5 * (1 + len(model.products))
    fixed = model.per_parcel + by_service.min(axis=0) - rounding
    if len(fixed) < 2 or fixed.min() < 0 or model.per_line.min() < 0:
        return False
    lowest_per_gram = float(model.kg_per_gram.min()) * model.co2_rate
    lines = lowest_per_gram * float(wanted @ model.grams) + len(wanted) * model.per_line.min()
    relief = 0.0
    if model.over is not None:
        for columns in model.products:
            asked = min(float(wanted[columns].sum()), float(model.over[columns[0]].sum()))
            relief += float(model.relief[columns[0], 0]) * asked
    return total <= float(np.partition(fixed, 1)[:2].sum()) + lines - relief


def _weights_up_to(model: CostModel, wanted: Floats) -> Floats:
    """The lightest and heaviest weights in each tariff step that a part of the order can have."""
    total = float(wanted @ model.grams)
    edges = model.carriage.gram_edges
    edges = edges[edges < total]
    return np.concatenate([[0.0], edges, edges + 1, [total]])


def _sum(draft: Draft, like: Floats) -> Floats:
    return np.sum(list(draft.values()), axis=0) if draft else np.zeros_like(like)


def _first_pick(model: CostModel, offers: Floats, rows: Ints, pick: Pick) -> Draft:
    units = offers[rows]
    cost = model.totals(rows=rows, units=units)
    at = pick(rows, units @ model.price, units.sum(axis=1), cost)
    return {int(rows[at]): units[at]}


def _fullest(_rows: Ints, value: Floats, units: Floats, cost: Floats) -> int:
    return int(np.lexsort((cost, -units, -value))[0])


def _thriftiest(_rows: Ints, value: Floats, units: Floats, cost: Floats) -> int:
    return int(np.lexsort((cost, (cost - min(cost.min(), 0.0)) / (value + units)))[0])
