"""The lowest cost of an order by a solver of integer programs, to hold the engine's search against.

Columns are the parcels that may be in a best plan: for each set of lines the points that send it
cheapest, as many as there can be parcels. Rows: each line once, each point at most once. What a
parcel costs is the engine's (tests hold that against brute.py); which parcels are best together
is HiGHS's.
"""

import highspy
import numpy as np

from routing.engine import Network, rules
from routing.engine.cost import CostModel
from routing.engine.lattice import lattice
from routing.engine.tariff import MONEY

from .brute import World

EXACT = 1e-9  # of the total: no plan that is dearer counts as best


def lowest(one: World) -> float:
    """For single units of different products, without limits; of all that somebody can send."""
    screening = rules.screen(
        network=Network(one.candidates, one.services),
        lines=one.lines,
        destination=one.destination,
        policy=one.policy,
    )
    model = CostModel(screening)
    wanted = np.minimum(model.quantity, model.usable.sum(axis=0))
    if not wanted.any():
        return 0.0
    states = lattice(tuple(int(units) + 1 for units in wanted.tolist()))
    cost = model.matrix(lattice=states, chunks=np.ones(len(wanted)))
    ranked = np.argsort(cost, axis=0, kind="stable")
    for among in (1, int(wanted.sum())):  # the cheapest of each set may be enough
        points = ranked[:among]
        sets = np.broadcast_to(np.arange(cost.shape[1]), points.shape)
        possible = np.isfinite(cost[points, sets])
        sets, points = sets[possible], points[possible]
        total, chosen = _solve(cost[points, sets], states.digits[sets] > 0, points, wanted, among)
        if len(np.unique(points[chosen])) == len(chosen):
            break
    return (total - model.split) / MONEY


def _solve(
    cost: np.ndarray, holds: np.ndarray, point: np.ndarray, wanted: np.ndarray, among: int
) -> tuple[float, np.ndarray]:
    """(columns,) costs and points, (columns, lines) whether it holds the line.

    The total and the columns chosen. Among one point for each set, a point may be used twice.
    """
    lines = np.flatnonzero(wanted)
    used = np.unique(point) if among > 1 else np.zeros(0, dtype=np.intp)
    inside = np.column_stack([holds[:, lines], point[:, None] == used])
    columns, rows = np.nonzero(inside)
    highs = highspy.Highs()
    highs.silent()
    highs.setOptionValue("threads", 1)
    highs.setOptionValue("mip_rel_gap", EXACT)
    count, height = len(cost), len(lines) + len(used)
    empty = np.zeros(0, dtype=np.int32)
    lower = np.concatenate([np.ones(len(lines)), np.full(len(used), -np.inf)])
    highs.addRows(height, lower, np.ones(height), 0, np.zeros(height, np.int32), empty, np.zeros(0))
    starts = np.searchsorted(columns, np.arange(count)).astype(np.int32)
    highs.addCols(
        count, cost / MONEY, np.zeros(count), np.ones(count), len(rows), starts,
        rows.astype(np.int32), np.ones(len(rows)),
    )  # fmt: skip
    integer = np.full(count, highspy.HighsVarType.kInteger)
    highs.changeColsIntegrality(count, np.arange(count, dtype=np.int32), integer)
    highs.run()
    if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise RuntimeError(str(highs.getModelStatus()))
    chosen = np.flatnonzero(np.asarray(highs.getSolution().col_value) > 1 / 2)
    return float(highs.getInfo().objective_function_value) * MONEY, chosen
