"""The cheapest plan of every order when scarce units and parcels have prices.

The prices are added to the costs of the parcels, and the engine's programme over subsets finds
the cheapest plan: for all orders of one shape at once. Taken alone it may ask one candidate for
two parcels; such an order is planned again with the engine's exact search.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import plan
from ..lattice import Splits, first_parcels
from .problem import Floats, Ints, Parcels, Problem, Supplies

_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class Group:
    """Problems of one shape, their rows one after the other."""

    members: list[int]  # (n,) indexes of problems
    like: Problem
    starts: Ints  # (n + 1,) where the rows of each begin
    cost: Floats  # (rows, states)
    end: Floats  # (n, states)
    taken: Floats  # (states, products) units
    stock: Ints  # (rows, products) numbers of supplies
    parcels: Ints  # (rows,) numbers of supplies
    units: Ints  # (rows,) numbers of supplies
    ways: Splits

    def charges(self, prices: Floats, rows: slice = slice(None)) -> Floats:
        """(rows, states) what parcels pay for supplies; the last of `prices` is 0."""
        per_unit = prices[self.stock[rows]] + prices[self.units[rows]][:, None]
        return prices[self.parcels[rows]][:, None] + per_unit @ self.taken.T

    def rows(self, member: int) -> slice:
        return slice(int(self.starts[member]), int(self.starts[member + 1]))

    def possible(self, member: int, left: Floats) -> Floats:
        """(rows of the member, states) costs, inf where `left` (numbers + 1,) does not suffice."""
        rows = self.rows(member)
        short = (left[self.stock[rows]][:, None, :] < self.taken).any(axis=2)
        short |= (left[self.parcels[rows]] < 1)[:, None]
        short |= left[self.units[rows]][:, None] < self.taken.sum(axis=1)
        return np.where(short, np.inf, self.cost[rows])

    def uses(self, member: int, parcels: Parcels) -> dict[int, float]:
        """Number -> amount of the supplies that a plan of a member uses."""
        used: Counter[int] = Counter()
        for row, state in parcels:
            at = int(self.starts[member]) + row
            amounts = self.taken[state].tolist()
            used[int(self.parcels[at])] += 1
            used[int(self.units[at])] += sum(amounts)
            for number, amount in zip(self.stock[at].tolist(), amounts, strict=True):
                used[number] += amount
        return {number: float(amount) for number, amount in used.items() if amount}


def groups(problems: Sequence[Problem], shared: Supplies) -> list[Group]:
    """Problems by shape; those that no candidate can send anything of are left out."""
    shapes: dict[object, list[int]] = {}
    for at, problem in enumerate(problems):
        if problem.candidates:
            shapes.setdefault(problem.shape, []).append(at)
    return [_group(problems, members, shared) for members in shapes.values()]


def _group(problems: Sequence[Problem], members: list[int], shared: Supplies) -> Group:
    like = problems[members[0]]
    units = like.units
    pattern = like.shape[2]
    columns = [
        [at for at, one in enumerate(pattern) if one == first] for first in dict.fromkeys(pattern)
    ]
    stock, parcels, per_unit = [], [], []
    for at in members:
        wanted = [problems[at].products[of_one[0]] for of_one in columns]
        for key in problems[at].candidates:
            stock.append([shared.stock.get((key, product), shared.none) for product in wanted])
            parcels.append(shared.parcels.get(key, shared.none))
            per_unit.append(shared.units.get(key, shared.none))
    return Group(
        members=members,
        like=like,
        starts=np.cumsum([0, *(len(problems[at].candidates) for at in members)]),
        cost=np.concatenate([problems[at].cost for at in members]),
        end=np.array([problems[at].end for at in members]),
        taken=np.column_stack([units[:, of_one].sum(axis=1) for of_one in columns]),
        stock=np.array(stock, dtype=np.intp),
        parcels=np.array(parcels, dtype=np.intp),
        units=np.array(per_unit, dtype=np.intp),
        ways=first_parcels(like.radices),
    )


def price_out(group: Group, prices: Floats, below: Floats) -> tuple[Floats, dict[int, Parcels]]:
    """(n,) least costs at the prices; and the plans of the members that have theirs under
    `below` (n,)."""
    reduced = group.cost + group.charges(prices)
    cheapest = np.minimum.reduceat(reduced, group.starts[:-1], axis=0)
    levels = _levels(cheapest, group.ways, group.like.limit)
    final = levels[-1] + group.end
    targets = final.argmin(axis=1)
    value = final[np.arange(len(final)), targets]
    found = {}
    for member in np.flatnonzero(value < below).tolist():
        of_one = [level[member] for level in levels]
        states = _trace(group.ways, cheapest[member], of_one, int(targets[member]))
        costs = reduced[group.rows(member)]
        parcels = tuple((int(costs[:, state].argmin()), state) for state in states)
        if len({row for row, _ in parcels}) < len(parcels):
            value[member], parcels = cheapest_plan(group, member, costs)
        if value[member] < below[member]:
            found[member] = parcels
    return value, found


def cheapest_plan(group: Group, member: int, costs: Floats) -> tuple[float, Parcels]:
    """The exact search of the engine for one member, with these costs, nobody asked twice."""
    searched = plan.Problem(
        lattice=group.like.lattice,
        cost=costs,
        value=_NOTHING,
        units=_NOTHING,
        limit=group.like.limit,
    )
    once: frozenset[int] = frozenset()
    while True:
        bound = plan.Bound(searched, once=once)
        final = bound.final + group.end[member]
        target = int(final.argmin())
        path = bound.trace(target)
        repeated = bound.repeated(path)
        if not repeated:
            return float(final[target]), path
        once |= repeated


def _levels(cheapest: Floats, ways: Splits, limit: int | None) -> list[Floats]:
    """f of every member by number of parcels, or one f when that is not limited."""
    f = np.full_like(cheapest, np.inf)
    f[:, 0] = 0.0
    parcel = cheapest[:, ways.part]
    levels = [f]
    while limit is None or len(levels) <= limit:
        before, f = f, f.copy()
        total = parcel + before[:, ways.rest]
        f[:, 1:] = np.minimum(f[:, 1:], np.minimum.reduceat(total, ways.starts, axis=1))
        if np.array_equal(before, f):
            break
        levels.append(f)
    return levels if limit is not None else [f]


def _trace(ways: Splits, parcel: Floats, levels: list[Floats], state: int) -> list[int]:
    """The states of the parcels behind the last level's f[state]."""
    found = []
    count = len(levels) - 1
    while state:
        fewer = max(count - 1, 0)
        if fewer != count and levels[fewer][state] == levels[count][state]:
            count = fewer
            continue
        ways_of = ways.of(state)
        parts, rest = ways.part[ways_of], ways.rest[ways_of]
        at = int(np.argmax(parcel[parts] + levels[fewer][rest] == levels[count][state]))
        found.append(int(parts[at]))
        state, count = int(rest[at]), fewer
    return found
