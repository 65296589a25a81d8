"""The search: prices, plans, whole plans."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .assignment import Assignment, one_by_one, rounded
from .columns import Column, Orders
from .pricing import groups, price_out
from .problem import Floats, Problem, supplies
from .program import Master, Solved, choose

Plan = dict[int, tuple[int, ...]]  # candidate -> units of each line

ROUNDS = 60
ENOUGH = 0.2  # share of the gap that the prices may leave open; whole plans need the rest
WIDTHS = (0.02, 0.2, np.inf)  # of the mean order's cost: plans to choose from, by reduced cost


@dataclass(frozen=True, slots=True)
class Joint:
    """Totals in 1/10000 of money, with the penalties for what stays behind.

    No set of plans costs less than `bound`; `gap` is by how much of it `total` is above.
    `one_by_one` is what the orders cost when each takes its best plan in turn.
    """

    plans: tuple[Plan, ...]  # in the order of the problems
    total: float
    bound: float
    gap: float
    one_by_one: float
    rounds: int


def solve(
    problems: Sequence[Problem],
    stock: Mapping[tuple[int, int], int],
    capacity: Mapping[int, int],
    *,
    gap: float = 0.005,
    deadline: Callable[[], float] | None = None,
    unit_capacity: Mapping[int, int] | None = None,
    rounds: int = ROUNDS,
) -> Joint:
    """Plans for all problems together, within `stock` (candidate, product) and `capacity` in
    parcels and in units (candidate); what is not listed is not limited.

    Never worse than one by one in the order given. The search ends when the gap is proven, or
    after `rounds`; or when `deadline`, which tells how many seconds are left, has none.
    """
    shared = supplies(problems, stock, capacity, unit_capacity or {})
    orders = Orders(problems, shared, groups(problems, shared))
    search = _Search(orders, gap, deadline)
    first = one_by_one(orders)
    search.best = first.copy()
    if orders.movable:
        search.find_prices(first, rounds)
        search.find_plans()
    total = search.best.total
    bound = min(search.bound, total)
    return Joint(
        plans=tuple(_plan(orders, search.best, order) for order in range(len(problems))),
        total=total,
        bound=bound,
        gap=_gap(total, bound),
        one_by_one=first.total,
        rounds=search.rounds,
    )


class _Search:
    best: Assignment

    def __init__(self, orders: Orders, gap: float, deadline: Callable[[], float] | None) -> None:
        self.orders = orders
        self.gap = gap
        self.deadline = deadline
        self.bound = -np.inf
        self.rounds = 0
        self.solved: Solved | None = None

    # --- prices ----------------------------------------------------------------------------

    def find_prices(self, start: Assignment, rounds: int) -> None:
        """Add plans to the linear program until none pays, or the bound is near enough."""
        orders = self.orders
        for order in orders.movable:
            orders.column(order, ())
        master = Master(orders.movable, orders.shared.left)
        added = 0
        self._bound_of(np.zeros(orders.shared.none + 1), {})
        while self.rounds < rounds and len(orders.columns) > added and not self._is_late():
            master.add(orders.columns[added:])
            added = len(orders.columns)
            solved = master.solve(self._seconds())
            if solved is None:
                break
            self.solved = solved
            self.rounds += 1
            self._bound_of(solved.supply_prices, solved.order_prices)
            if _gap(solved.total + orders.fixed, self.bound) <= self.gap * ENOUGH:
                break

    def _bound_of(self, prices: Floats, order_prices: Mapping[int, float]) -> None:
        """Price every order: new columns for those that pay, and the Lagrangian bound."""
        orders = self.orders
        bound = orders.fixed - float(prices[:-1] @ orders.shared.left)
        for group in orders.groups:
            below = np.array([order_prices.get(order, np.inf) - 1.0 for order in group.members])
            values, found = price_out(group, prices, below)
            bound += float(values.sum())
            for member, parcels in found.items():
                orders.column(group.members[member], parcels)
        self.bound = max(self.bound, bound)

    # --- whole plans -------------------------------------------------------------------------

    def find_plans(self) -> None:
        """Round, then choose among ever more of the columns, until the gap is proven."""
        self._improve(self.best.copy())
        if self.solved is None:
            return
        solved = self.solved
        self._improve(rounded(self.orders, solved.shares, solved.supply_prices))
        for width in WIDTHS:
            if _gap(self.best.total, self.bound) <= self.gap or self._is_late():
                break
            self._improve(self._chosen(solved, width))

    def _improve(self, found: Assignment) -> None:
        found.sweep()
        if found.total < self.best.total:
            self.best = found

    def _chosen(self, solved: Solved, width: float) -> Assignment:
        """The best of the columns whose reduced cost is within `width` of the mean order's."""
        orders, now = self.orders, self.best
        limit = width * abs(self.bound) / len(orders.movable)
        start = [now.chosen[order] for order in orders.movable]
        columns = [
            column
            for column in orders.columns
            if now.chosen[column.order] is column or _reduced(column, solved) <= limit
        ]
        other = now.copy()
        enough = self.gap * ENOUGH
        other.replace(choose(columns, start, orders.shared.left, enough, self._seconds()))
        return other if (other.left >= 0).all() else now.copy()

    # --- time ----------------------------------------------------------------------------------

    def _seconds(self) -> float | None:
        return None if self.deadline is None else self.deadline()

    def _is_late(self) -> bool:
        return self.deadline is not None and self.deadline() <= 0


def _reduced(column: Column, solved: Solved) -> float:
    charges = sum(solved.supply_prices[number] * amount for number, amount in column.uses)
    return column.cost + float(charges) - solved.order_prices[column.order]


def _gap(total: float, bound: float) -> float:
    if total <= bound:
        return 0.0
    return (total - bound) / abs(bound) if bound else float("inf")


def _plan(orders: Orders, made: Assignment, order: int) -> Plan:
    if order not in made.chosen:
        return {}
    problem = orders.problems[order]
    units = problem.units
    return {
        problem.candidates[row]: tuple(int(some) for some in units[state].tolist())
        for row, state in made.chosen[order].parcels
    }
