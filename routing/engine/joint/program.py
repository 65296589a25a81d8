"""The two programs over columns, solved by HiGHS: in shares for the prices, in whole plans at the
end. Rows: each order once, and no supply used up. Money is in whole units, as solvers like it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import highspy
import numpy as np

from ..tariff import MONEY
from .columns import Column
from .problem import Floats, Ints

SIMPLEX_ROWS = 2_000  # beyond, an interior point finds prices sooner, and steadier ones
NEAR = 1e-5  # any prices give a valid bound, so these need not be exact
NODES = 100  # of branch and bound


class Solved(NamedTuple):
    shares: dict[int, float]  # index of a column -> share
    order_prices: dict[int, float]
    supply_prices: Floats  # (supplies + 1,) whole numbers, none below 0, the last 0
    total: float


class Master:
    """The linear program, which grows by columns."""

    def __init__(self, orders: Sequence[int], left: Floats) -> None:
        self.row_of = {order: row for row, order in enumerate(orders)}
        self.supplies = len(left)
        self.highs = _new(len(orders), left)
        if len(orders) + len(left) > SIMPLEX_ROWS:
            self.highs.setOptionValue("solver", "ipm")
            self.highs.setOptionValue("run_crossover", "off")
            self.highs.setOptionValue("ipm_optimality_tolerance", NEAR)

    def add(self, columns: Sequence[Column]) -> None:
        _add(self.highs, columns, self.row_of, np.arange(self.supplies), highest=np.inf)

    def solve(self, seconds: float | None) -> Solved | None:
        """None when the time was not enough."""
        if not _run(self.highs, seconds):
            return None
        found = self.highs.getSolution()
        shares = np.asarray(found.col_value)
        prices = np.asarray(found.row_dual) * MONEY
        of_supplies = np.rint(np.maximum(-prices[len(self.row_of) :], 0.0))
        some = np.flatnonzero(shares > 1e-6)
        return Solved(
            shares=dict(zip(some.tolist(), shares[some].tolist(), strict=True)),
            order_prices=dict(zip(self.row_of, prices.tolist(), strict=False)),
            supply_prices=np.append(of_supplies, 0.0),
            total=float(self.highs.getInfo().objective_function_value) * MONEY,
        )


def choose(
    columns: Sequence[Column],
    start: Sequence[Column],
    left: Floats,
    gap: float,
    seconds: float | None,
) -> list[Column]:
    """One column of each order of `start`, at least as good: (supplies,) `left` suffices.

    `start` must be among the columns. The search ends within `gap` of the best of these columns,
    or after NODES; the clock cuts it only when `seconds` says so.
    """
    row_of = {column.order: row for row, column in enumerate(start)}
    used = np.unique([number for column in columns for number, _ in column.uses]).astype(np.intp)
    place = np.zeros(len(left), dtype=np.intp)
    place[used] = np.arange(len(used))
    highs = _new(len(start), left[used])
    _add(highs, columns, row_of, place, highest=1.0)
    count = len(columns)
    integer = np.full(count, highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(count, np.arange(count, dtype=np.int32), integer)
    highs.setOptionValue("mip_max_nodes", NODES)
    highs.setOptionValue("mip_rel_gap", gap)
    known = highspy.HighsSolution()
    started = {id(column) for column in start}
    known.col_value = [float(id(column) in started) for column in columns]
    highs.setSolution(known)
    _run(highs, seconds)
    values = np.asarray(highs.getSolution().col_value)
    return [columns[at] for at in np.flatnonzero(values > 0.5).tolist()]


class _Silent(highspy.Highs):
    """Its constructor sets callbacks, and the first of a process prints a banner there."""

    def enableCallbacks(self) -> None:
        self.silent()
        super().enableCallbacks()


def _new(orders: int, left: Floats) -> highspy.Highs:
    rows = orders + len(left)
    highs = _Silent()
    highs.setOptionValue("threads", 1)
    lower = np.concatenate([np.ones(orders), np.full(len(left), -np.inf)])
    upper = np.concatenate([np.ones(orders), left])
    empty = np.zeros(0, dtype=np.int32)
    highs.addRows(rows, lower, upper, 0, np.zeros(rows, dtype=np.int32), empty, np.zeros(0))
    return highs


def _add(
    highs: highspy.Highs,
    columns: Sequence[Column],
    row_of: Mapping[int, int],
    place: Ints,
    *,
    highest: float,
) -> None:
    """Columns of orders at `row_of`, of supplies below them, at `place` of their numbers."""
    rows: list[int] = []
    amounts: list[float] = []
    starts: list[int] = []
    for column in columns:
        starts.append(len(rows))
        rows.append(row_of[column.order])
        amounts.append(1.0)
        for number, amount in column.uses:
            rows.append(len(row_of) + int(place[number]))
            amounts.append(amount)
    highs.addCols(
        len(columns),
        np.array([column.cost / MONEY for column in columns]),
        np.zeros(len(columns)),
        np.full(len(columns), highest),
        len(rows),
        np.array(starts, dtype=np.int32),
        np.array(rows, dtype=np.int32),
        np.array(amounts),
    )


def _run(highs: highspy.Highs, seconds: float | None) -> bool:
    """Whether it was solved to the end."""
    if seconds is not None:
        highs.setOptionValue("time_limit", highs.getRunTime() + max(seconds, 0.0))
    highs.run()
    status: bool = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
    return status
