"""A good plan for orders that are too large for the exact one: build greedily, then repair.

Starts: the fullest parcel first, the best value for its cost first, and the best single parcel.
Repairs, until none helps: give a parcel to a cheaper point, shift a line into another parcel,
merge two parcels. Never worse than any plan with one parcel, because those are among the starts.
"""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np

from .cost import CostModel, Ints
from .rules import Bools, Floats

Draft = dict[int, Floats]  # row -> units per line
Pick = Callable[[Floats, Floats, Floats], int]  # (value, units, cost) of the offers -> which

MAX_ROUNDS = 200


class Repair:
    """One order: `wanted` (lines,) units, at most `limit` parcels, each worth `min_part`."""

    def __init__(
        self, *, model: CostModel, wanted: Floats, limit: int | None, min_part: float | None
    ) -> None:
        self.model = model
        self.wanted = wanted
        self.limit = len(model.points) if limit is None else limit
        self.min_part = min_part

    def best(self, starts: Sequence[Draft] = ()) -> Draft:
        """The best of all starts after repair; empty when nothing may be sent."""
        single = self._single()
        built = [self._build(_fullest), self._build(_thriftiest), *starts]
        drafts: list[Draft] = [single, *(self._repaired(draft) for draft in [*built, single])]
        drafts += [self._without_small_parts(draft) for draft in drafts]
        return min([{}, *filter(self._allowed, drafts)], key=self._rank)

    def complete(self, draft: Draft) -> bool:
        return bool(np.array_equal(_sum(draft, self.wanted), self.wanted))

    # --- judging ---------------------------------------------------------------------------

    def _rank(self, draft: Draft) -> tuple[float, float, float]:
        sent = _sum(draft, self.wanted)
        return -float(sent @ self.model.price), -float(sent.sum()), self._cost(draft)

    def _cost(self, draft: Draft) -> float:
        if not draft:
            return 0.0
        rows = np.array(list(draft), dtype=np.intp)
        return float(self.model.totals(rows=rows, units=np.array(list(draft.values()))).sum())

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

    def _single(self) -> Draft:
        offers = self.model.most(self.wanted)
        return _first_pick(self.model, offers, np.arange(len(offers)), _fullest)

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

    def _repaired(self, draft: Draft) -> Draft:
        for _ in range(MAX_ROUNDS):
            better = self._moved(draft) or self._merged(draft) or self._shifted(draft)
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
        """A line of one parcel in another parcel that has room for it."""
        for giver, taker in ((a, b) for a in draft for b in draft if a != b):
            before = self._cost({row: draft[row] for row in (giver, taker)})
            for line in np.flatnonzero(draft[giver]):
                gives, takes = draft[giver].copy(), draft[taker].copy()
                takes[line] += gives[line]
                gives[line] = 0.0
                after = {giver: gives, taker: takes} if gives.any() else {taker: takes}
                if self._able(takes)[taker] and self._cost(after) < before:
                    rest = {row: part for row, part in draft.items() if row not in (giver, taker)}
                    return {**rest, **after}
        return None

    def _cheaper(self, units: Floats, *, barred: set[int], than: float) -> int | None:
        able = self._able(units)
        able[list(barred)] = False
        rows = np.flatnonzero(able)
        if not len(rows):
            return None
        cost = self.model.totals(rows=rows, units=np.tile(units, (len(rows), 1)))
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
    steps = np.rint(model.policy.economic * model.grid.by_weight(_weights_up_to(model, wanted)))
    rounding = 0.5 * (len(wanted) + len(model.products))
    fixed = model.per_parcel + steps.min(axis=1)[model.step] - rounding
    if len(fixed) < 2 or fixed.min() < 0 or model.per_line.min() < 0:
        return False
    lowest_per_gram = float(model.kg_per_gram.min()) * model.co2_rate
    lines = lowest_per_gram * float(wanted @ model.grams) + len(wanted) * model.per_line.min()
    relief = 0.0
    if model.over is not None:
        asked = np.array([wanted[columns].sum() for columns in model.products])
        relief = float(model.relief @ np.minimum(asked, model.over.sum(axis=0)))
    return total <= float(np.partition(fixed, 1)[:2].sum()) + lines - relief


def _weights_up_to(model: CostModel, wanted: Floats) -> Floats:
    """The lightest and heaviest weights in each tariff step that a part of the order can have."""
    total = float(wanted @ model.grams)
    edges = model.grid.gram_edges[model.grid.gram_edges < total]
    return np.concatenate([[0.0], edges, edges + 1, [total]])


def _sum(draft: Draft, like: Floats) -> Floats:
    return np.sum(list(draft.values()), axis=0) if draft else np.zeros_like(like)


def _first_pick(model: CostModel, offers: Floats, rows: Ints, pick: Pick) -> Draft:
    units = offers[rows]
    cost = model.totals(rows=rows, units=units)
    at = pick(units @ model.price, units.sum(axis=1), cost)
    return {int(rows[at]): units[at]}


def _fullest(value: Floats, units: Floats, cost: Floats) -> int:
    return int(np.lexsort((cost, -units, -value))[0])


def _thriftiest(value: Floats, units: Floats, cost: Floats) -> int:
    return int(np.lexsort((cost, (cost - min(cost.min(), 0.0)) / (value + units)))[0])
