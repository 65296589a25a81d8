"""Plans by order instead of by cost: who comes first by some criteria, and among equals who then.

The points that the rules leave are put in one order: by the first criterion, equals by the next,
the last by key. The plan is the first of them that has everything. Where nobody has, the plan
sends as much as can be sent in the fewest parcels; of such plans one that the earliest point has
a part in, and that point sends as much of it as the others allow; and so on with the rest.

A value is of what the point would send alone, by its cheapest service:

| criterion       | first is                                             |
| --------------- | ---------------------------------------------------- |
| nearest         | the shortest distance; unknown ones are last         |
| cheapest        | the lowest cost, of all terms                        |
| least_co2       | the least kg CO2e                                    |
| fastest         | the fewest days until the customer has it            |
| central         | a central point                                      |
| overstock       | the most units above target of the order's products  |
| most_stock      | the most free units of the order's products          |
| least_busy      | the smallest share of its day given away             |
| fewest_refusals | the lowest refusal rate                              |
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from . import plan
from .cost import CostModel, Ints, Priced
from .plan import Path, Problem
from .rules import Floats
from .types import Criterion

if TYPE_CHECKING:
    from collections.abc import Mapping

MORE_IS_BETTER = ("central", "overstock", "most_stock")


class Ranking:
    """The live candidates of a cost model in the order of its policy's criteria."""

    def __init__(self, model: CostModel) -> None:
        self.model = model
        self.criteria = model.policy.sort
        self.values = [_VALUES[criterion](self) for criterion in self.criteria]
        keys = [
            -values if criterion in MORE_IS_BETTER else values
            for criterion, values in zip(self.criteria, self.values, strict=True)
        ]
        rows = np.arange(len(model.live))
        order = np.lexsort([rows, *reversed(keys)])
        self.place = np.empty(len(order), dtype=np.intp)  # (live,) 0 is the first
        self.place[order] = rows

    def behind(self, row: int, first: int) -> tuple[Criterion, float, float] | None:
        """The first criterion by which two rows differ, and their values; None for equals."""
        for criterion, values in zip(self.criteria, self.values, strict=True):
            if values[row] != values[first]:
                return criterion, float(values[row]), float(values[first])
        return None

    @cached_property
    def units(self) -> Floats:
        return self.model.most(self.model.quantity)

    @cached_property
    def alone(self) -> Priced:
        return self.model.priced(rows=np.arange(len(self.units)), units=self.units)

    def cost(self) -> Floats:
        total: Floats = self.alone.terms.sum(axis=1)
        return total

    def kg_co2(self) -> Floats:
        grams = self.alone.grams.tolist()
        found = [
            float(self.model.kg_co2(row=row, service=service, grams=grams[row]))
            for row, service in enumerate(self.alone.service.tolist())
        ]
        return np.array(found, dtype=np.float64)

    def days(self) -> Floats:
        return self.model.days[self.alone.service, np.arange(len(self.units))]

    def km(self) -> Floats:
        km = self.model.screening.km[self.model.live]
        return np.where(np.isnan(km), np.inf, km)

    def amount(self, at: int) -> Floats:
        """A column of the network's amounts: 2 not central, 3 load, 4 refusal rate."""
        return self.model.screening.network.amounts[at, self.model.live]

    def stock(self, name: str) -> Floats:
        screening = self.model.screening
        products = [screening.lines[columns[0]].product for columns in self.model.products]
        counts = screening.network.counts(name, products)
        total: Floats = counts[:, self.model.live].sum(axis=0)
        return total


_VALUES: "Mapping[Criterion, Callable[[Ranking], Floats]]" = {
    "nearest": Ranking.km,
    "cheapest": Ranking.cost,
    "least_co2": Ranking.kg_co2,
    "fastest": Ranking.days,
    "central": lambda ranking: 1.0 - ranking.amount(2),
    "overstock": lambda ranking: ranking.stock("overstock"),
    "most_stock": lambda ranking: ranking.stock("free"),
    "least_busy": lambda ranking: ranking.amount(3),
    "fewest_refusals": lambda ranking: ranking.amount(4),
}


@dataclass(frozen=True, slots=True)
class _Rest:
    """What is still to be sent: a state that is reached in `parcels` by rows not used yet."""

    counting: Problem
    solution: plan.Solution


def first_in_order(problem: Problem, place: Ints) -> Path:
    """The plan as the module says, exactly; the empty path when nothing can be sent."""
    last = problem.lattice.last
    whole = np.flatnonzero(np.isfinite(problem.cost[:, last]))
    if len(whole):
        return ((_earliest(whole, place), last),)
    counting = replace(problem, cost=np.where(np.isfinite(problem.cost), 1.0, np.inf))
    solution = plan.solve(counting)
    path: list[tuple[int, int]] = []
    rest: _Rest | None = _Rest(counting, solution) if solution.path else None
    while rest is not None:
        row, state, rest = _next(rest, place)
        path.append((row, state))
    return tuple(path)


def _next(rest: _Rest, place: Ints) -> tuple[int, int, _Rest | None]:
    """The earliest row with a part in it, the most it can send, and what is left then."""
    counting, solution = rest.counting, rest.solution
    totals, _ = plan.forced(counting, solution)
    row = _earliest(np.flatnonzero(totals == solution.total), place)
    cost = counting.cost.copy()
    cost[row] = np.inf
    others = replace(counting, cost=cost, limit=None, stop=None)
    for target, state in _parts(counting, row, solution.targets):
        if target == state:
            if solution.total == 1:
                return row, state, None
            continue
        left = plan.reach(others, target - state)
        if left is not None and left.total == solution.total - 1:
            return row, state, _Rest(others, left)
    raise AssertionError("a row that a plan can be forced to use has a part in one")


def _parts(counting: Problem, row: int, targets: tuple[int, ...]) -> list[tuple[int, int]]:
    """(target, state) that the row may send, most value first, then units, then earlier lines."""
    found = [
        (target, state)
        for target in targets
        for state in counting.lattice.below(target).tolist()
        if state and np.isfinite(counting.cost[row, state])
    ]
    value, units = counting.value, counting.units
    return sorted(found, key=lambda one: (-value[one[1]], -units[one[1]], -one[1], -one[0]))


def _earliest(rows: Ints, place: Ints) -> int:
    return int(rows[place[rows].argmin()])
