"""Where units that wait for a supply may be served from, and what is free there."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from django.db import connection

from orders.models import Allocation


@dataclass(frozen=True)
class Claim:
    """A slice that waits for a supply (None: for any).

    `pool` is its channel's, `pickup` its one stock point.
    """

    piece: Allocation
    supply: int | None
    pool: int
    pickup: int | None

    def of(self, piece: Allocation) -> "Claim":
        """The same for a slice that was cut off."""
        return replace(self, piece=piece)


@dataclass(frozen=True)
class _Member:
    buffer: int
    can_ship: bool
    can_pickup: bool
    online: bool


_MEMBERS = """
SELECT m.pool_id, m.location_id, m.buffer, l.can_ship, l.can_pickup, l.online
  FROM inventory_poollocation m JOIN inventory_location l ON l.id = m.location_id AND l.active
 WHERE m.pool_id = ANY(%s)
"""
_FREE = """
SELECT location_id, on_hand - unavailable - safety - reserved FROM inventory_stock
 WHERE product_id = %s AND on_hand - unavailable - safety - reserved > 0
"""


@dataclass
class Places:
    """Free units of one product. Those held at `held_at` are for promises, whatever is safe."""

    members: dict[tuple[int, int], _Member]
    free: dict[int, int]
    held_at: int | None = None
    held: int = 0

    @classmethod
    def read(
        cls, product: int, pools: Collection[int], *, held_at: int | None = None, held: int = 0
    ) -> "Places":
        """What these pools have free now. Two statements."""
        with connection.cursor() as cursor:
            cursor.execute(_MEMBERS, [list(pools)])
            members = {(row[0], row[1]): _Member(*row[2:]) for row in cursor.fetchall()}
            cursor.execute(_FREE, [product])
            return cls(members, dict(cursor.fetchall()), held_at, held)

    def allows(self, claim: Claim, location: int) -> bool:
        """Whether the claim's order may be served from this stock point at all."""
        member = self.members.get((claim.pool, location))
        if member is None:
            return False
        if claim.pickup is not None:
            return location == claim.pickup and member.can_pickup
        return member.can_ship

    def best(self, claim: Claim) -> tuple[int | None, int]:
        """(stock point, units it can give): where units are held, then where most are free."""
        found = [
            (place == self.held_at and self.held > 0, self._room(claim.pool, place), -place)
            for pool, place in self.members
            if pool == claim.pool and self.allows(claim, place)
        ]
        _, units, place = max((one for one in found if one[1] > 0), default=(False, 0, 0))
        return (-place or None), units

    def take(self, place: int, units: int) -> None:
        """Use units up, those held first."""
        from_held = min(self.held, units) if place == self.held_at else 0
        self.held -= from_held
        if units > from_held:
            self.free[place] -= units - from_held

    def _room(self, pool: int, place: int) -> int:
        member = self.members[pool, place]
        free = max(self.free.get(place, 0) - member.buffer, 0) if member.online else 0
        return free + (self.held if place == self.held_at else 0)
