"""An order through the exact plan: which orders fit, and with what grain."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from . import lattice, plan
from .cost import CostModel
from .rules import Floats

Draft = dict[int, Floats]  # row of the cost model -> units per line


class Room(NamedTuple):
    """The work that an exact plan may take."""

    ways: int  # ways to take a first parcel, over all states: the length of one pass
    cells: int  # candidates x states


class Exactly(NamedTuple):
    draft: Draft
    problem: plan.Problem
    solution: plan.Solution


def fits(model: CostModel, *, wanted: Floats, chunks: Floats, room: Room) -> bool:
    radices = _radices(wanted, chunks)
    return (
        lattice.size(radices) * len(model.live) <= room.cells
        and lattice.first_parcel_ways(radices) <= room.ways
    )


def grain(model: CostModel, *, wanted: Floats, room: Room) -> Floats | None:
    """How many units of each line to move at a time, as few as fit: 1, or the whole line.

    The longest lines are kept whole first, as far as some point has them whole. None when the
    order does not fit even so.
    """
    chunks = np.ones(len(wanted))
    whole = np.logical_or.reduce(model.usable >= wanted)
    for line in np.argsort(-wanted, kind="stable"):
        if fits(model, wanted=wanted, chunks=chunks, room=room):
            return chunks
        if whole[line] and wanted[line]:
            chunks[line] = wanted[line]
    return chunks if fits(model, wanted=wanted, chunks=chunks, room=room) else None


def solve(
    model: CostModel,
    *,
    wanted: Floats,
    chunks: Floats,
    limit: int | None,
    min_part: float | None = None,
    barred: Collection[int] = (),
) -> Exactly:
    """The best plan for `wanted` units, moved by chunks, without the barred rows."""
    prepared = problem(
        model, wanted=wanted, chunks=chunks, limit=limit, min_part=min_part, barred=barred
    )
    solution = plan.solve(prepared)
    return Exactly(draft(solution.path, prepared, chunks), prepared, solution)


def problem(
    model: CostModel,
    *,
    wanted: Floats,
    chunks: Floats,
    limit: int | None,
    min_part: float | None = None,
    barred: Collection[int] = (),
) -> plan.Problem:
    states = lattice.lattice(_radices(wanted, chunks))
    cost = model.matrix(lattice=states, chunks=chunks)
    if barred:
        cost[list(barred)] = np.inf
    return plan.problem(
        lattice=states,
        cost=cost,
        line_value=model.price * chunks,
        line_units=chunks,
        limit=limit,
        min_part=min_part,
    )


def draft(path: plan.Path, solved: plan.Problem, chunks: Floats) -> Draft:
    """The units per line of each row that has a part in the plan."""
    return {row: solved.lattice.digits[state] * chunks for row, state in path}


def _radices(wanted: Floats, chunks: Floats) -> tuple[int, ...]:
    return tuple(int(digits) + 1 for digits in (wanted / chunks).tolist())
