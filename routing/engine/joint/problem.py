"""What a joint run decides, as matrices: orders that compete for units and for parcels."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..lattice import Lattice, lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

Parcels = tuple[tuple[int, int], ...]  # (row of the problem, state) of each parcel
Shape = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int | None]


@dataclass(frozen=True, slots=True)
class Problem:
    """One order: every parcel that could be sent of it, and what it costs to leave units behind.

    A state says how many digits of each line a parcel holds (see `lattice`); a digit stands for
    `chunks` units of its line. A plan costs its parcels, at most `limit`, no candidate twice, and
    the `end` of the state that they send together: the penalty for what stays behind, less the
    split penalty that a first parcel does not pay. Whole numbers of 1/10000 of money, as the
    engine has them: its search compares sums, which must be exact. Nothing may be sent, so end[0]
    is finite.
    """

    key: int
    products: tuple[int, ...]  # of each line
    chunks: tuple[int, ...]
    radices: tuple[int, ...]  # digits of each line, plus one
    candidates: tuple[int, ...]  # keys, one per row of `cost`
    cost: Floats  # (rows, states), inf where the candidate can't
    end: Floats  # (states,), inf where a plan may not stop
    limit: int | None = None

    @property
    def lattice(self) -> Lattice:
        return lattice(self.radices)

    @property
    def units(self) -> Floats:
        """(states, lines) units."""
        return self.lattice.digits * np.array(self.chunks, dtype=np.float64)

    @property
    def shape(self) -> Shape:
        """Problems of one shape are priced together."""
        first = {product: at for at, product in reversed(list(enumerate(self.products)))}
        pattern = tuple(first[product] for product in self.products)
        return self.radices, self.chunks, pattern, self.limit

    def cost_of(self, parcels: Parcels) -> float:
        sent = sum(state for _, state in parcels)
        return sum(float(self.cost[at]) for at in parcels) + float(self.end[sent])

    def wanted(self) -> Counter[int]:
        """Units of each product."""
        units: Counter[int] = Counter()
        for product, chunk, radix in zip(self.products, self.chunks, self.radices, strict=True):
            units[product] += chunk * (radix - 1)
        return units


@dataclass(frozen=True)
class Supplies:
    """What is shared, numbered: units of a product at a candidate, parcels of a candidate, units
    of a candidate.

    Only what the problems together could use up has a number; the rest has the number `none`,
    whose price is 0 and which never ends.
    """

    left: Floats  # (n,) how much there is of each
    stock: Mapping[tuple[int, int], int]  # (candidate, product) -> number
    parcels: Mapping[int, int]  # candidate -> number
    units: Mapping[int, int]  # candidate -> number

    @property
    def none(self) -> int:
        return len(self.left)


def supplies(
    problems: Sequence[Problem],
    stock: Mapping[tuple[int, int], int],
    capacity: Mapping[int, int],
    unit_capacity: Mapping[int, int],
) -> Supplies:
    """Number what is scarce: where all problems together could ask for more than there is."""
    asked: Counter[tuple[int, int]] = Counter()
    parcels: Counter[int] = Counter()
    units: Counter[int] = Counter()
    for problem in problems:
        wanted = problem.wanted()
        parcels.update(problem.candidates)  # one each: a plan asks nobody twice
        units.update(dict.fromkeys(problem.candidates, wanted.total()))
        for product, some in wanted.items():
            asked.update(dict.fromkeys([(key, product) for key in problem.candidates], some))
    of_stock = sorted(key for key in asked if key in stock and stock[key] < asked[key])
    of_parcels = sorted(key for key in parcels if key in capacity and capacity[key] < parcels[key])
    of_units = sorted(
        key for key in units if key in unit_capacity and unit_capacity[key] < units[key]
    )
    left = [stock[key] for key in of_stock]
    left += [capacity[key] for key in of_parcels]
    left += [unit_capacity[key] for key in of_units]
    return Supplies(
        left=np.maximum(np.array(left, dtype=np.float64), 0.0),
        stock={key: at for at, key in enumerate(of_stock)},
        parcels={key: at for at, key in enumerate(of_parcels, len(of_stock))},
        units={key: at for at, key in enumerate(of_units, len(of_stock) + len(of_parcels))},
    )
