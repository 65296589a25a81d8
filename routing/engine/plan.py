"""The cheapest plan that sends as much as can be sent, exactly.

A subset dynamic programme: with g[s] the cheapest parcel that holds the units s,

    f[m] = min over s <= m of g[s] + f[m - s]

is the cheapest set of parcels that holds m. Taken alone it may ask one point for two parcels,
each of which it could send but not both (they may be the same unit), or which together would cost
more. So it is a bound, and exact when no point appears twice. When one does, it is moved into a
layer of its own that may be used at most once, and the programme runs again: still a bound, and
each round settles at least one point, so it ends, with the optimum.

More value sent always wins, then more units, then lower cost; ties go to the earlier lines, the
larger first parcel, the lower candidate key.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .lattice import Lattice, Splits, any_parcels, first_parcels
from .rules import Bools, Floats

Ints = NDArray[np.intp]
Path = tuple[tuple[int, int], ...]  # (row of the cost matrix, state) of each parcel


@dataclass(frozen=True, slots=True)
class Problem:
    """`cost` (rows, states), `value` and `units` (states,); at most `limit` parcels.

    `stop` tells which states a plan may end in: all, unless a minimum part value forbids.
    """

    lattice: Lattice
    cost: Floats
    value: Floats
    units: Floats
    limit: int | None
    stop: Bools | None = None


@dataclass(frozen=True, slots=True)
class Solution:
    path: Path
    total: float  # with a split penalty in each parcel
    targets: tuple[int, ...]  # the states that are as good to reach as the one reached
    bound: "Bound"


def problem(
    *,
    lattice: Lattice,
    cost: Floats,
    line_value: Floats,
    line_units: Floats,
    limit: int | None,
    min_part: float | None,
) -> Problem:
    """`line_value` and `line_units`: what one digit of each line is worth and how many it is."""
    value = lattice.digits @ line_value
    units = lattice.digits @ line_units
    if limit is not None and limit >= units[-1]:
        limit = None
    stop = None
    if min_part is not None:
        small = value < min_part
        small[0] = small[-1] = False  # no part at all, and no parts but one
        cost = np.where(small, np.inf, cost)
        stop = ~small[::-1]  # what is left unsent of state m is the state last - m
    return Problem(lattice=lattice, cost=cost, value=value, units=units, limit=limit, stop=stop)


def solve(problem: Problem) -> Solution:
    """The exact optimum; the empty path when nothing can be sent."""
    once: frozenset[int] = frozenset()
    while True:
        bound = Bound(problem, once=once)
        targets = _targets(problem, bound.final)
        target = min(targets, key=lambda state: (bound.final[state], -state))
        path = bound.trace(target)
        repeated = bound.repeated(path)
        if not repeated:
            return Solution(
                path=path, total=float(bound.final[target]), targets=targets, bound=bound
            )
        once |= repeated


def reach(problem: Problem, target: int) -> Solution | None:
    """The exact optimum that ends in `target`; None when no plan does."""
    once: frozenset[int] = frozenset()
    while True:
        bound = Bound(problem, once=once)
        total = float(bound.final[target])
        if total == float("inf"):
            return None
        path = bound.trace(target)
        repeated = bound.repeated(path)
        if not repeated:
            return Solution(path=path, total=total, targets=(target,), bound=bound)
        once |= repeated


def forced(problem: Problem, solution: Solution) -> tuple[Floats, Ints]:
    """Per row, the cheapest plan as good as the solution that uses it, and what it would send.

    (rows,) totals, inf when there is none, and (rows,) states of the row's parcel.
    """
    bound = solution.bound
    while True:
        best, state, target = _with_each(problem, bound, solution.targets)
        rows = np.flatnonzero(np.isfinite(best))
        rest = (target - state)[rows]
        others = {at: bound.trace(at, spare=1) for at in np.unique(rest).tolist()}
        repeated = frozenset().union(*map(bound.repeated, others.values()))
        if not repeated:
            break
        bound = Bound(problem, once=bound.once | repeated)
    for row, at in zip(rows.tolist(), rest.tolist(), strict=True):
        if any(row == other for other, _ in others[at]):
            best[row], state[row] = _with_one(problem, row, bound.once, solution.targets)
    return best, state


def _with_each(
    problem: Problem, bound: "Bound", targets: Iterable[int], rows: Ints | slice = slice(None)
) -> tuple[Floats, Ints, Ints]:
    """Per row a parcel of its own plus the bound for the rest: total, its state, the target."""
    cost = problem.cost[rows]
    best = np.full(len(cost), np.inf)
    state = np.zeros(len(cost), dtype=np.intp)
    target = np.zeros(len(cost), dtype=np.intp)
    others = bound.spare(1)
    for goal in targets:
        parts = problem.lattice.below(goal)[::-1]
        total = cost[:, parts] + others[goal - parts]
        at = total.argmin(axis=1)
        lowest = total[np.arange(len(cost)), at]
        better = lowest < best
        best = np.where(better, lowest, best)
        state = np.where(better, parts[at], state)
        target = np.where(better, goal, target)
    return best, state, target


def _with_one(
    problem: Problem, row: int, once: frozenset[int], targets: Iterable[int]
) -> tuple[float, int]:
    """The same for one row, exactly: nobody twice, and the row itself nowhere else."""
    once = once - {row}
    while True:
        bound = Bound(problem, once=once, without=row)
        best, state, target = _with_each(problem, bound, targets, rows=np.array([row]))
        if not np.isfinite(best[0]):
            return float("inf"), 0
        path = bound.trace(int(target[0] - state[0]), spare=1)
        repeated = bound.repeated(path)
        if not repeated:
            return float(best[0]), int(state[0])
        once |= repeated


def _targets(problem: Problem, final: Floats) -> tuple[int, ...]:
    """The reachable states of most value, then most units."""
    last = problem.lattice.last  # never barred by `stop`: nothing stays behind
    if final[last] < float("inf"):
        return (last,)
    reachable = np.isfinite(final)
    if problem.stop is not None:
        reachable &= problem.stop
        reachable[0] = True
    states = np.flatnonzero(reachable)
    value, units = problem.value[states], problem.units[states]
    most = value == value.max()
    most &= units == units[most].max()
    return tuple(states[most].tolist())


@dataclass(slots=True)
class Bound:
    """f for every state, when the rows of `once` send at most one parcel each.

    `stack[0]` lets the other rows send any number; each later entry adds one row of `once`. An
    entry is a list of f by number of parcels, or of one f when that is not limited.
    """

    problem: Problem
    once: frozenset[int] = frozenset()
    without: int | None = None
    layers: list[int] = field(init=False)
    free_rows: Ints | None = field(init=False)
    cheapest: Floats = field(init=False)
    stack: list[list[Floats]] = field(init=False)

    def __post_init__(self) -> None:
        cost = self.problem.cost
        self.layers = sorted(self.once)
        self.free_rows = None
        barred = self.layers if self.without is None else [*self.layers, self.without]
        if barred:
            self.free_rows = np.delete(np.arange(len(cost)), barred)
            cost = cost[self.free_rows]
        self.cheapest = np.minimum.reduce(cost, axis=0, initial=np.inf)
        self.stack = [self._unbounded() if self.problem.limit is None else self._counted()]
        for row in self.layers:
            self.stack.append(self._layer(self.stack[-1], self.problem.cost[row]))

    @property
    def final(self) -> Floats:
        """f with all the parcels that are allowed."""
        return self.stack[-1][-1]

    def spare(self, parcels: int) -> Floats:
        """f when `parcels` of the allowed ones are kept for something else."""
        levels = self.stack[-1]
        return levels[-1 if self.problem.limit is None else max(len(levels) - 1 - parcels, 0)]

    def _first(self) -> Splits:
        return first_parcels(self.problem.lattice.radices)

    def _unbounded(self) -> list[Floats]:
        """Plans of up to 1, 2, 4, ... parcels: each is two of those before."""
        f = self.cheapest.copy()
        f[0] = 0.0
        ways = self._first()
        parcels, most = 1, sum(self.problem.lattice.radices) - len(self.problem.lattice.radices)
        while parcels < most:
            two = f.take(ways.part)
            two += f.take(ways.rest)
            np.minimum.reduceat(two, ways.starts, out=f[1:])
            parcels *= 2
        return [f]

    def _counted(self) -> list[Floats]:
        f = np.full(len(self.cheapest), np.inf)
        f[0] = 0.0
        levels = [f]
        for _ in range(self.problem.limit or 0):
            levels.append(_one_more(levels[-1], self.cheapest, levels[-1], self._first()))
        return levels

    def _layer(self, levels: list[Floats], row: Floats) -> list[Floats]:
        ways = any_parcels(self.problem.lattice.radices)
        if self.problem.limit is None:
            return [_one_more(levels[0], row, levels[0], ways)]
        with_row = [
            _one_more(levels[count], row, levels[count - 1], ways)
            for count in range(1, len(levels))
        ]
        return [levels[0], *with_row]

    # --- from costs back to parcels -----------------------------------------------------------

    def trace(self, state: int, spare: int = 0) -> Path:
        """The parcels behind f[state], `spare` parcels kept for something else."""
        count = max(len(self.stack[-1]) - 1 - spare, 0)
        parcels: list[tuple[int, int]] = []
        for depth in range(len(self.layers), 0, -1):
            before, after = self.stack[depth - 1], self.stack[depth]
            if after[count][state] == before[count][state]:
                continue
            row = self.layers[depth - 1]
            fewer = max(count - 1, 0)
            part = self._part(
                any_parcels(self.problem.lattice.radices),
                self.problem.cost[row],
                before[fewer],
                state,
                after[count][state],
            )
            parcels.append((row, part))
            state, count = state - part, fewer
        return (*parcels, *self._trace_free(state, count))

    def _trace_free(self, state: int, count: int) -> Path:
        levels = self.stack[0]
        parcels: list[tuple[int, int]] = []
        while state:
            fewer = max(count - 1, 0)
            if fewer != count and levels[fewer][state] == levels[count][state]:
                count = fewer
                continue
            target = levels[count][state]
            part = self._part(self._first(), self.cheapest, levels[fewer], state, target)
            parcels.append((self._cheapest_row(part), part))
            state, count = state - part, fewer
        return tuple(parcels)

    def _part(self, ways: Splits, parcel: Floats, rest: Floats, state: int, total: float) -> int:
        ways_of = ways.of(state)
        parts = ways.part[ways_of]
        return int(parts[np.argmax(parcel[parts] + rest[ways.rest[ways_of]] == total)])

    def _cheapest_row(self, state: int) -> int:
        column = self.problem.cost[:, state]
        if self.free_rows is None:
            return int(column.argmin())
        return int(self.free_rows[column[self.free_rows].argmin()])

    def _by_cost(self, state: int) -> Ints:
        """The rows that may send any number of parcels, the cheapest for the state first."""
        column = self.problem.cost[:, state]
        if self.free_rows is None:
            return np.argsort(column, kind="stable")
        return self.free_rows[np.argsort(column[self.free_rows], kind="stable")]

    def repeated(self, path: Path) -> frozenset[int]:
        """The rows that the path uses twice, and who would come next for what they send."""
        rows = [row for row, _ in path]
        if len(set(rows)) == len(rows):
            return frozenset()
        times = Counter(rows)
        found: set[int] = set()
        for row, state in path:
            if times[row] > 1:
                found.update(self._by_cost(state)[: times[row]].tolist())
        return frozenset(found)


def _one_more(f: Floats, parcel: Floats, others: Floats, ways: Splits) -> Floats:
    """min(f, a parcel plus others)."""
    better = f.copy()
    if len(ways.part):
        total = parcel.take(ways.part) + others.take(ways.rest)
        better[1:] = np.minimum(f[1:], np.minimum.reduceat(total, ways.starts))
    return better
