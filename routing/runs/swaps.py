"""In which order plans can be carried out, when many a plan counts on what others hold still.

Where stock is scarce, nearly every unit is claimed: one order can only move to a unit when the
order that holds it moves on, which may in turn wait for the first. Such orders are carried out in
one transaction, a knot; what a transaction gives up and takes is settled at its end.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from routing.claims import Spot, Units

TRIED = 20  # orders that hold a unit, of which the one is taken that asks for least itself


@dataclass(frozen=True)
class Wish:
    """What a plan gives an order, what it must claim for that, and what it gives up: by spot."""

    units: Units
    takes: Mapping[Spot, int]
    gives: Mapping[Spot, int]

    @property
    def places(self) -> set[int]:
        """Where its parcels come from."""
        return {place for places in self.units.values() for place in places}


def wish(units: Units, *, needs: Mapping[Spot, int], holds: Mapping[Spot, int]) -> Wish:
    """A plan that needs units of an order that holds some."""
    more = {spot: n - holds.get(spot, 0) for spot, n in needs.items() if n > holds.get(spot, 0)}
    less = {spot: n - needs.get(spot, 0) for spot, n in holds.items() if n > needs.get(spot, 0)}
    return Wish(units, more, less)


def knots(
    wishes: Mapping[int, Wish], free: Mapping[Spot, int], *, most: int
) -> Iterator[Sequence[int]]:
    """Orders that are carried out together, at most so many, each knot after the ones before.

    An order whose knot would be larger is left out.
    """
    return _Sequence(wishes, free, most).knots()


class _Sequence:
    def __init__(self, wishes: Mapping[int, Wish], free: Mapping[Spot, int], most: int) -> None:
        self.wishes, self.most = wishes, most
        self.free: dict[Spot, int] = defaultdict(int, free)
        self.left = dict.fromkeys(wishes)  # in their order
        self.givers: dict[Spot, dict[int, None]] = defaultdict(dict)
        self.takers: dict[Spot, dict[int, None]] = defaultdict(dict)
        for order, one in wishes.items():
            for spot in one.gives:
                self.givers[spot][order] = None
            for spot in one.takes:
                self.takers[spot][order] = None

    def knots(self) -> Iterator[Sequence[int]]:
        yield from self._those_that_can(list(self.left))
        for order in list(self.left):
            if order not in self.left:
                continue
            knot = self._knot(order)
            if knot is None:
                self._forget(order)
                continue
            yield knot
            yield from self._those_that_can(self._carry_out(knot))

    def _those_that_can(self, orders: Sequence[int]) -> Iterator[Sequence[int]]:
        """Orders that find all they take; and those that find it because of them, and so on."""
        while orders:
            order, *orders = orders
            if order in self.left and not self._lacks([order]):
                yield [order]
                orders += self._carry_out([order])

    def _knot(self, first: int) -> list[int] | None:
        """An order, and others that give up what it and they lack."""
        knot = [first]
        while lacks := self._lacks(knot):
            spot = min(lacks)
            others = [one for one in self.givers[spot] if one not in knot][:TRIED]
            if not others or len(knot) == self.most:
                return None
            knot.append(min(others, key=lambda one: (sum(self._lacks([*knot, one]).values()), one)))
        return knot

    def _lacks(self, orders: Sequence[int]) -> dict[Spot, int]:
        """Units by spot that these orders take beyond what is free and what they give up."""
        if len(orders) == 1:  # nearly all
            takes = self.wishes[orders[0]].takes
            return {s: n - self.free[s] for s, n in takes.items() if n > self.free[s]}
        balance: dict[Spot, int] = defaultdict(int)
        for order in orders:
            for spot, units in self.wishes[order].takes.items():
                balance[spot] += units
            for spot, units in self.wishes[order].gives.items():
                balance[spot] -= units
        return {s: n - self.free[s] for s, n in balance.items() if n > self.free[s]}

    def _carry_out(self, orders: Sequence[int]) -> list[int]:
        """Settle takes and gives; those that may find what they take now."""
        hopeful: dict[int, None] = {}
        for order in orders:
            self._forget(order)
            for spot, units in self.wishes[order].takes.items():
                self.free[spot] -= units
            for spot, units in self.wishes[order].gives.items():
                self.free[spot] += units
                hopeful.update(self.takers[spot])
        return list(hopeful)

    def _forget(self, order: int) -> None:
        del self.left[order]
        for spot in self.wishes[order].gives:
            del self.givers[spot][order]
        for spot in self.wishes[order].takes:
            del self.takers[spot][order]
