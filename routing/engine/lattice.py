"""The amounts that can be sent of each line, 0 to q, numbered: the states of the exact plan.

A state is a vector of digits, one per line; its number reads them in mixed radix, the last line
fastest. State 0 is nothing, the last is everything. Because digits never borrow when a smaller
vector is taken from a larger one, number(a - b) = number(a) - number(b).
"""

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.intp]

SMALL = 2_000  # ways


class Splits(NamedTuple):
    """All ways to take a first parcel out of each state 1..n-1, the largest parcel first."""

    part: NDArray[np.int32]  # state of the parcel
    rest: NDArray[np.int32]  # state that is left
    starts: Ints  # where the ways of state m begin: starts[m - 1]

    def of(self, state: int) -> slice:
        end = self.starts[state] if state < len(self.starts) else len(self.part)
        return slice(int(self.starts[state - 1]), int(end))


@dataclass(frozen=True, slots=True)
class Lattice:
    radices: tuple[int, ...]
    digits: NDArray[np.float64]  # (states, lines)
    line: Ints  # (digits but 0,) of the first line, then of the next: whose
    digit: NDArray[np.float64]  # (digits but 0,) and which
    at: list[int]  # where the digits of each line begin, and where the last ones end
    is_binary: bool  # each line has the digit 1 and no other

    @property
    def last(self) -> int:
        return len(self.digits) - 1

    def below(self, state: int) -> Ints:
        """The states that are nowhere above `state`, ascending."""
        if state == self.last:
            return np.arange(len(self.digits))
        return np.flatnonzero((self.digits <= self.digits[state]).all(axis=1))


@lru_cache(maxsize=1024)
def size(radices: tuple[int, ...]) -> int:
    """Number of states."""
    return prod(radices)


@lru_cache(maxsize=1024)
def first_parcel_ways(radices: tuple[int, ...]) -> int:
    """Length of `first_parcels`: the work of one pass of the exact plan."""
    pairs = [radix * (radix + 1) // 2 for radix in radices]
    return sum(
        (pairs[lead] - radices[lead]) * prod(pairs[lead + 1 :]) for lead in range(len(radices))
    )


@lru_cache(maxsize=128)
def lattice(radices: tuple[int, ...]) -> Lattice:
    digits = np.zeros((1, 0))
    for radix in radices:
        column = np.tile(np.arange(radix, dtype=np.float64), len(digits))
        digits = np.column_stack([np.repeat(digits, radix, axis=0), column])
    counts = np.array(radices, dtype=np.intp) - 1
    at = np.concatenate([[0], np.cumsum(counts, dtype=np.intp)])
    line = np.repeat(np.arange(len(radices)), counts)
    digit = (np.arange(at[-1]) - at[line] + 1).astype(np.float64)
    return Lattice(
        radices=radices,
        digits=digits,
        line=line,
        digit=digit,
        at=at.tolist(),
        is_binary=all(radix == 2 for radix in radices),
    )


def first_parcels(radices: tuple[int, ...]) -> Splits:
    """Splits whose parcel takes some of the first line that the state has.

    One of the parcels must, so a plan is found once and not once per order of its parcels.
    """
    small = first_parcel_ways(radices) <= SMALL
    return _small_first_parcels(radices) if small else _large_first_parcels(radices)


def any_parcels(radices: tuple[int, ...]) -> Splits:
    """Splits with every parcel, the empty one too."""
    small = first_parcel_ways(radices) <= SMALL
    return _small_any_parcels(radices) if small else _large_any_parcels(radices)


def _first_parcels(radices: tuple[int, ...]) -> Splits:
    whole = part = np.zeros(1, dtype=np.intp)
    leading = np.zeros(1, dtype=bool)  # the first line of the state was met, the parcel takes it
    for radix in radices:
        whole, part, met = _extend(whole, part, radix)
        has, takes = whole % radix > 0, part % radix > 0
        keep = leading[met] | ~has | takes
        leading = (leading[met] | has)[keep]
        whole, part = whole[keep], part[keep]
    return _by_state(whole, part)


def _any_parcels(radices: tuple[int, ...]) -> Splits:
    whole = part = np.zeros(1, dtype=np.intp)
    for radix in radices:
        whole, part, _ = _extend(whole, part, radix)
    return _by_state(whole, part)


# Many small tables (under 32 kB each) and a few large ones (up to 5 MB) are kept.
_small_first_parcels = lru_cache(maxsize=1024)(_first_parcels)
_large_first_parcels = lru_cache(maxsize=8)(_first_parcels)
_small_any_parcels = lru_cache(maxsize=512)(_any_parcels)
_large_any_parcels = lru_cache(maxsize=8)(_any_parcels)


def _extend(whole: Ints, part: Ints, radix: int) -> tuple[Ints, Ints, Ints]:
    """Every pair, with every pair of digits of the next line; and the index it came from."""
    digit, taken = np.tril_indices(radix)
    came_from = np.repeat(np.arange(len(whole)), len(digit))
    digit, taken = np.tile(digit, len(whole)), np.tile(taken, len(whole))
    return whole[came_from] * radix + digit, part[came_from] * radix + taken, came_from


def _by_state(whole: Ints, part: Ints) -> Splits:
    order = np.lexsort((-part, whole))
    whole, part = whole[order], part[order]
    some = whole > 0
    whole, part = whole[some], part[some]
    starts = np.searchsorted(whole, np.arange(1, whole[-1] + 1 if len(whole) else 1))
    return Splits(part=part.astype(np.int32), rest=(whole - part).astype(np.int32), starts=starts)
