"""From the engine's costs to a problem of a joint run."""

from collections.abc import Sequence

import numpy as np

from .. import exact
from ..cost import CostModel, to_units
from ..lattice import lattice
from ..types import Policy
from .problem import Floats, Problem

# An order's part of a run: 11 lines of 1 unit, 6 of 2; longer lines are kept whole.
ROOM = exact.Room(ways=100_000, cells=1_000_000)


def problem(key: int, model: CostModel, policy: Policy, penalty: Sequence[float]) -> Problem | None:
    """The parcels of one order, where `penalty` is asked for each unit that stays behind.

    (lines,) in 1/10000, in the order of the model's lines. None when the order is too large to
    be planned with others: it is routed alone, before them.
    """
    chunks = exact.grain(model, wanted=model.quantity, room=ROOM)
    if chunks is None:
        return None
    radices = tuple(int(digits) + 1 for digits in (model.quantity / chunks).tolist())
    states = lattice(radices)
    cost = np.empty((0, states.last + 1))
    if model.points:
        cost = np.ascontiguousarray(model.matrix(lattice=states, chunks=chunks))
    left = (states.digits[-1] - states.digits) * chunks
    end = np.rint(left @ np.asarray(penalty, dtype=np.float64))
    end[1:] -= model.split
    if policy.whole:
        end[1:-1] = np.inf
    if policy.min_part_value is not None:
        cost, end = _no_small_parts(
            cost, end, states.digits @ (model.price * chunks), to_units(policy.min_part_value)
        )
    return Problem(
        key=key,
        products=tuple(line.product for line in model.screening.lines),
        chunks=tuple(int(chunk) for chunk in chunks.tolist()),
        radices=radices,
        candidates=tuple(point.key for point in model.points),
        cost=cost,
        end=end,
        limit=policy.max_parcels,
    )


def _no_small_parts(
    cost: Floats, end: Floats, value: Floats, limit: float
) -> tuple[Floats, Floats]:
    """Neither parcels nor what stays behind may be worth less, unless it is the only part."""
    small = value < limit
    small[0] = small[-1] = False
    return np.where(small, np.inf, cost), np.where(small[::-1], np.inf, end)
