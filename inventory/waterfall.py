"""What can be promised of one product in one pool, step by step, each with the rows behind it.

Pure on plain rows, so that now and any past moment (inventory/history.py) are explained alike.
Every step's change added to what the step before left is what it leaves; the last one leaves what
can be promised.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from django.db import connection

from inventory.availability import HOT
from inventory.models.stock import BUCKETS


@dataclass(frozen=True)
class Row:
    """One product at one stock point: its buckets, and how the place stands to the pool.

    `reserved` leaves out the shares of a hot sale that nobody has claimed yet. `reasons` says why
    units are unavailable, where that is known.
    """

    location: int
    code: str
    name: str
    on_hand: int
    reserved: int
    unavailable: int
    safety: int
    active: bool
    online: bool
    can_pickup: bool
    in_pool: bool
    buffer: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether the pool promises from here at all."""
        return self.active and self.online and self.in_pool

    @property
    def rest(self) -> int:
        """Free units of the place, below zero when more is taken or kept than is there."""
        return self.on_hand - self.reserved - self.unavailable - self.safety - self.buffer

    @property
    def free(self) -> int:
        """Units that the pool can promise from here."""
        return max(self.rest, 0) if self.counts else 0

    @property
    def standing(self) -> str:
        """How the place stands, in words."""
        if not self.active:
            return "closed"
        if not self.in_pool:
            return "not in this pool"
        return "open" if self.online else "switched off"


@dataclass(frozen=True)
class Facts:
    """Everything that the figure is made of."""

    rows: tuple[Row, ...]
    threshold: int
    waiting: int
    sold: bool = True


@dataclass(frozen=True)
class Part:
    """The units of a step that come from one stock point."""

    location: int
    code: str
    name: str
    units: int


@dataclass(frozen=True)
class Step:
    """One step down (or up): what it takes or gives, what is left after it, and why."""

    key: str
    words: str
    formula: str
    change: int
    left: int
    parts: tuple[Part, ...] = ()
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def before(self) -> int:
        """What the step before left."""
        return self.left - self.change


_Units = Callable[[Row], int]

# (key, words, formula, which rows, units of a row). Each row gives what the steps above left of it.
_STEPS: tuple[tuple[str, str, str, Callable[[Row], bool], _Units], ...] = (
    ("physical", "Physical", "on hand at every open stock point",
     lambda r: r.active, lambda r: r.on_hand),
    ("pool", "Outside this pool", "less on hand at stock points that the channel's pool leaves out",
     lambda r: r.active and not r.in_pool, lambda r: -r.on_hand),
    ("switched_off", "Switched-off stock points",
     "less on hand where selling online is switched off",
     lambda r: r.active and r.in_pool and not r.online, lambda r: -r.on_hand),
    ("reserved", "Reserved", "less units claimed by orders, baskets and transfers",
     lambda r: r.counts, lambda r: -r.reserved),
    ("unavailable", "Unavailable", "less units that are there and cannot be sold, by reason",
     lambda r: r.counts, lambda r: -r.unavailable),
    ("safety", "Safety stock", "less units that each stock point never promises online",
     lambda r: r.counts, lambda r: -r.safety),
    ("buffer", "Pool buffer", "less units that this pool leaves alone at each stock point",
     lambda r: r.counts, lambda r: -r.buffer),
    ("short", "Short places count as none",
     "a stock point where more is taken or kept than is there promises 0, not less",
     lambda r: r.counts, lambda r: max(-r.rest, 0)),
)  # fmt: skip


def steps(facts: Facts) -> tuple[Step, ...]:
    """The waterfall; the last step leaves what can be promised."""
    found: list[Step] = []
    left = 0
    for key, words, formula, chosen, units in _STEPS:
        rows = [row for row in facts.rows if chosen(row)]
        parts = tuple(Part(r.location, r.code, r.name, units(r)) for r in rows if units(r))
        change = sum(part.units for part in parts)
        left += change
        reasons = _reasons(rows) if key == "unavailable" else {}
        found.append(Step(key, words, formula, change, left, parts, reasons))
    found += _of_all(facts, left)
    return tuple(found)


def _of_all(facts: Facts, left: int) -> list[Step]:
    """The steps that no single stock point takes."""
    found = []
    for key, words, formula, units in (
        ("threshold", "Threshold", "less units of the product that the pool keeps back in all",
         facts.threshold),
        ("waiting", "Promised in queues", "less units of orders that wait without any claim",
         facts.waiting),
    ):  # fmt: skip
        left -= units
        found.append(Step(key, words, formula, -units, left))
    if left < 0:
        found.append(Step("floor", "Never below zero", "a channel is told 0, not less", -left, 0))
        left = 0
    if not facts.sold:
        words = "the product or the channel is switched off"
        found.append(Step("not_sold", "Not sold", words, -left, 0))
        left = 0
    found.append(Step("available", "Can be promised", "what is left", 0, left))
    return found


def _reasons(rows: Sequence[Row]) -> dict[str, int]:
    totals = {name: sum(row.reasons.get(name, 0) for row in rows) for name in BUCKETS}
    return {name: units for name, units in totals.items() if units}


# --- now -----------------------------------------------------------------------------------------

_ROWS = f"""
SELECT l.id, l.code, l.name, s.on_hand, s.reserved - {HOT}, s.unavailable, s.safety, l.active,
       l.online, l.can_pickup, m.id IS NOT NULL, coalesce(m.buffer, 0),
       {", ".join(f"s.{bucket}" for bucket in BUCKETS)}
  FROM inventory_stock s
  JOIN inventory_location l ON l.id = s.location_id
  LEFT JOIN inventory_poollocation m ON m.location_id = l.id AND m.pool_id = %(pool)s
 WHERE s.product_id = %(product)s
 ORDER BY l.code
"""


def rows_now(*, product: int, pool: int) -> tuple[Row, ...]:
    """The product at every stock point that ever had it, as it is now."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {"product": product, "pool": pool})
        return tuple(_row(found) for found in cursor.fetchall())


def _row(found: tuple) -> Row:
    row = Row(*found[: -len(BUCKETS)])
    return replace(row, reasons=dict(zip(BUCKETS, found[-len(BUCKETS) :], strict=True)))


def threshold_now(*, product: int, pool: int) -> int:
    """Units of the product that the pool keeps back in all."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT units FROM inventory_poolthreshold WHERE pool_id = %s AND product_id = %s",
            [pool, product],
        )
        found = cursor.fetchone()
    return found[0] if found else 0


# --- on its way ----------------------------------------------------------------------------------

# Whether a channel may promise from it, or it only makes stock once it is there.
_INCOMING = """
SELECT v.kind, v.reference, l.code, l.name, v.eta, v.quantity - v.received, v.claimed,
       v.promisable AND l.active AND l.online
       AND EXISTS (SELECT 1 FROM inventory_poollocation m
                    WHERE m.location_id = l.id AND m.pool_id = %(pool)s), v.id
  FROM inventory_supply v JOIN inventory_location l ON l.id = v.location_id
 WHERE v.product_id = %(product)s AND v.state = 'open' AND v.quantity > v.received
 UNION ALL
SELECT 'transfer', t.reference, l.code, l.name, t.eta,
       greatest(x.sent - x.received - x.refused - x.lost, 0), 0, false, t.id
  FROM inventory_transferline x
  JOIN inventory_transfer t ON t.id = x.transfer_id AND t.state IN ('shipped', 'partly')
  JOIN inventory_location l ON l.id = t.destination_id
 WHERE x.product_id = %(product)s AND x.sent > x.received + x.refused + x.lost
 ORDER BY 5 NULLS LAST, 2
"""


@dataclass(frozen=True)
class Incoming:
    """Units on their way to a stock point: a supply's or a transfer's."""

    kind: str
    reference: str
    code: str
    name: str
    eta: date | None
    units: int
    claimed: int
    promisable: bool
    id: int

    @property
    def free(self) -> int:
        """Units that a channel of the pool can promise from it."""
        return max(self.units - self.claimed, 0) if self.promisable else 0


def incoming(*, product: int, pool: int) -> list[Incoming]:
    """What is on its way of a product, the earliest first."""
    with connection.cursor() as cursor:
        cursor.execute(_INCOMING, {"product": product, "pool": pool})
        return [Incoming(*row) for row in cursor.fetchall()]
