"""The work "supply": whatever changed, promises and supply fit each other again.

What arrived (and any other stock that is free) goes to the oldest orders, at once claimed on the
stock; promises that the supply cannot keep any more are taken from the newest orders, to another
supply if there is one, else to the unfillable queue with the owner of the purchase order line.
Units left to promise go to the oldest that are unfillable.
Works on a bounded number of orders and leaves the rest to a row of work of its own, so that no
buyer of the product waits long. Locks: orders by id, the product's stock rows, its supplies.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import ledger, supplies
from inventory.models import Reservation, Supply
from orders import events, lifecycle
from orders.backorders import dates
from orders.backorders.places import Claim, Places
from orders.backorders.promising import waits_for
from orders.models import Allocation, Order

ACTOR = "system"
TOPIC = "supply"
BATCH = 100  # orders at once
FIRST_RETRY = timedelta(minutes=5)
S, Queue = Allocation.State, Allocation.Queue


def handle(row: OutboxRow) -> None:
    """Work of the topic "supply"; its subject is the supply."""
    if row.payload["event"] == "dates":
        _redate(row)
    else:
        settle(row.subject, work=row.pk)
        if row.payload["event"] == "changed":
            _put(row.subject, cause=f"dates:{row.pk}", event="dates")


def settle(supply_id: int, *, work: int) -> None:
    """Make promises and supply fit. `work` is the row of work that asks for it."""
    with transaction.atomic(savepoint=False):
        product = Supply.objects.values_list("product_id", flat=True).get(pk=supply_id)
        oldest = _claims(product)
        newest = _claims(product, supply=supply_id, newest=True)
        hopeless = _hopeless(product)
        locked = _lock({claim.piece.order_id for claim in [*oldest, *newest, *hopeless]})
        ledger.lock_product(product)
        job = _Settling(Supply.objects.get(pk=supply_id), locked)
        if job.run():
            _put(supply_id, cause=f"again:{work}", event="again")


def _put(supply: int, *, cause: str, event: str, **more: Any) -> None:
    outbox.put(topic=TOPIC, subject=supply, cause=cause, payload={"event": event, **more})


# The only stock point of what the customer collects.
_PICKED_UP_AT = """
    CASE WHEN coalesce(g.delivery, o.delivery) = 'pickup'
         THEN coalesce(g.pickup_location_id, o.pickup_location_id) END
"""
# Units that wait for supplies of a product, with what decides where they may come from.
_CLAIMS = f"""
SELECT a.id, r.supply_id, c.pool_id, {_PICKED_UP_AT}
  FROM inventory_supply s
  JOIN inventory_reservation r ON r.supply_id = s.id
  JOIN orders_allocation a ON a.reservation_id = r.id
  JOIN orders_order o ON o.id = a.order_id
  JOIN orders_orderline n ON n.id = a.line_id
  LEFT JOIN orders_deliverygroup g ON g.id = n.group_id
  JOIN orders_saleschannel c ON c.id = o.channel_id
 WHERE s.product_id = %(product)s AND s.state = 'open'
   AND (%(supply)s::bigint IS NULL OR s.id = %(supply)s)
 ORDER BY o.id * %(way)s, a.id * %(way)s LIMIT %(limit)s
"""


def _claims(product: int, *, supply: int | None = None, newest: bool = False) -> list[Claim]:
    way = -1 if newest else 1
    return _read(_CLAIMS, {"product": product, "supply": supply, "way": way, "limit": BATCH})


# Unfillable units without any claim, of channels that promise what is on its way.
_HOPELESS = f"""
SELECT a.id, NULL, c.pool_id, {_PICKED_UP_AT}
  FROM orders_allocation a
  JOIN orders_orderline n ON n.id = a.line_id AND n.product_id = %(product)s
  LEFT JOIN orders_deliverygroup g ON g.id = n.group_id
  JOIN orders_order o ON o.id = a.order_id AND o.state = 'open'
  JOIN orders_saleschannel c ON c.id = o.channel_id AND c.on_shortage <> 'refuse'
 WHERE a.state = 'queued' AND a.queue = 'unfillable' AND a.reservation_id IS NULL
 ORDER BY o.id, a.id LIMIT %(limit)s
"""


def _hopeless(product: int) -> list[Claim]:
    return _read(_HOPELESS, {"product": product, "limit": BATCH})


def _read(sql: str, params: dict[str, Any]) -> list[Claim]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows = cursor.fetchall()
    pieces = Allocation.objects.in_bulk([row[0] for row in rows])
    return [Claim(pieces[pk], of, pool, pickup) for pk, of, pool, pickup in rows if pk in pieces]


def _lock(orders: Iterable[int]) -> set[int]:
    rows = Order.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=set(orders))
    return set(rows.order_by("pk").values_list("pk", flat=True))


@dataclass
class _Settling:
    """One supply with everything locked; the other figures are units by order."""

    supply: Supply
    locked: set[int]
    filled: dict[int, int] = field(default_factory=dict)
    moved: dict[int, int] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)
    promised: dict[int, int] = field(default_factory=dict)

    def run(self) -> bool:
        """Do what can be done; says whether there is more than one transaction should do."""
        held, more = self._land()
        self._use_earlier_notices()
        over = self._over() - held
        if over > 0:
            more |= self._take_back(over)
        self._open_notices()
        self._adopt()
        others = Supply.objects.filter(product=self.supply.product_id, state="open")
        supplies.close_complete(list(others.values_list("pk", flat=True)))
        orders = {*self.moved, *self.promised}
        dates.move_promises(orders, reference=self.supply.reference, actor=ACTOR)
        self._tell()
        return more

    # --- to stock --------------------------------------------------------------------------------

    def _land(self) -> tuple[int, bool]:
        """Give stock to the oldest promises; returns (units held still, is there more to do)."""
        held = Reservation.objects.filter(owner_type=ledger.HELD, owner_id=self.supply.pk).first()
        claims = _claims(self.supply.product_id)
        mine = [claim for claim in claims if claim.piece.order_id in self.locked]
        places = Places.read(
            self.supply.product_id, {claim.pool for claim in mine},
            held_at=held.location_id if held else None, held=held.quantity if held else 0,
        )  # fmt: skip
        landed: list[tuple[Allocation, int]] = []
        for claim in mine:
            landed += _from_stock(claim, places)
        all_seen = len(claims) < BATCH and len(mine) == len(claims)
        # What none of the oldest may have is free for everybody, and found again by the retries.
        left = places.held if landed and not all_seen else 0
        self._book(landed, held, left)
        return left, bool(landed) and not all_seen

    def _book(
        self, landed: Sequence[tuple[Allocation, int]], held: Reservation | None, left: int
    ) -> None:
        given = held.quantity - left if held else 0
        entry = None
        if held and held.location_id and given:
            entry = ledger.Entry(
                self.supply.product_id, held.location_id, "release", reserved=-given,
                reason="given to orders", cause_type=ledger.HELD, cause_id=self.supply.pk,
            )  # fmt: skip
        claims = {piece.reservation_id: place for piece, place in landed if piece.reservation_id}
        ledger.land(claims, held=entry, held_left=left, actor=ACTOR)
        if landed:
            pieces = [piece for piece, _ in landed]
            _add_up(self.filled, pieces)
            lifecycle.move_slices(
                pieces, S.QUEUED, queue=Queue.ROUTING, queue_reason="", next_action_at=None,
                location_id=lifecycle.per_slice(pieces, [place for _, place in landed]),
            )  # fmt: skip

    # --- to other supplies -----------------------------------------------------------------------

    def _over(self) -> int:
        """Units promised beyond what is to come."""
        self.supply.refresh_from_db()
        return self.supply.claimed - max(self.supply.quantity - self.supply.received, 0)

    def _others(self) -> list[Supply]:
        """Other supplies with units left, and notices of this line: they are there for it."""
        rows = Supply.objects.filter(product=self.supply.product_id, state="open")
        found = [
            row
            for row in rows.exclude(pk=self.supply.pk)
            if row.quantity - row.received > row.claimed and (row.promisable or self._is_own(row))
        ]
        return sorted(found, key=lambda row: (row.eta is None, row.eta, row.pk))

    def _is_own(self, row: Supply) -> bool:
        return (
            row.kind == Supply.Kind.NOTICE
            and not self.supply.notice
            and (row.reference, row.location_id) == (self.supply.reference, self.supply.location_id)
        )

    def _use_earlier_notices(self) -> None:
        """The oldest promises of a line go to its notices that arrive before the rest of it."""
        eta = self.supply.eta
        earlier = [row for row in self._others() if self._is_own(row) and row.eta and eta
                   and row.eta < eta]  # fmt: skip
        if earlier:
            claims = _claims(self.supply.product_id, supply=self.supply.pk)
            self._change_supply([c for c in claims if c.piece.order_id in self.locked], earlier)

    def _take_back(self, over: int) -> bool:
        """Take `over` units from the newest promises; says whether some are left to do."""
        giving: list[Claim] = []
        for claim in _claims(self.supply.product_id, supply=self.supply.pk, newest=True):
            if over <= 0:
                break
            if claim.piece.order_id not in self.locked:
                continue
            piece = claim.piece
            if piece.quantity > over:
                piece = lifecycle.split_slice(piece, quantity=over)
            over -= piece.quantity
            giving.append(claim.of(piece))
        left = self._change_supply(giving[::-1], self._others())
        self._lose([claim.piece for claim in left])
        return over > 0 and bool(giving)

    def _change_supply(self, claims: Sequence[Claim], others: Sequence[Supply]) -> list[Claim]:
        """Let claims wait for other supplies as far as they have room; returns the rest."""
        if not others or not claims:
            return list(claims)
        places = Places.read(self.supply.product_id, {c.pool for c in claims})
        room = {row.pk: row.quantity - row.received - row.claimed for row in others}
        moves: dict[int, list[Allocation]] = defaultdict(list)
        left = []
        for claim in claims:
            rest: Claim | None = claim
            for row in others:
                if rest and room[row.pk] and places.allows(rest, row.location_id):
                    piece, rest = _cut(rest, room[row.pk])
                    room[row.pk] -= piece.quantity
                    moves[row.pk].append(piece)
            if rest:
                left.append(rest)
        ledger.change_supply(
            {p.reservation_id: pk for pk, ps in moves.items() for p in ps if p.reservation_id}
        )
        by_id = {row.pk: row for row in others}
        for pk, pieces in moves.items():
            _add_up(self.moved, pieces)
            lifecycle.move_slices(pieces, S.QUEUED, queue_reason=waits_for(by_id[pk].reference))
        return left

    def _lose(self, pieces: Sequence[Allocation]) -> None:
        if not pieces:
            return
        _add_up(self.lost, pieces)
        claims = [piece.reservation_id for piece in pieces if piece.reservation_id]
        lifecycle.move_slices(
            pieces, S.QUEUED, queue=Queue.UNFILLABLE, reservation_id=None, location_id=None,
            queue_reason=f"{self.supply.reference} brings fewer than were promised",
            next_action_at=timezone.now() + FIRST_RETRY, owner_id=self.supply.owner_id,
        )  # fmt: skip
        ledger.release(claims, actor=ACTOR, reason="supply fell short")

    def _adopt(self) -> None:
        """Promise what is left of the supply to the oldest unfillable units."""
        left = -self._over()
        if left <= 0 or not self.supply.promisable or self.supply.state != Supply.State.OPEN:
            return
        waiting = [c for c in _hopeless(self.supply.product_id) if c.piece.order_id in self.locked]
        places = Places.read(self.supply.product_id, {c.pool for c in waiting})
        pieces = []
        for claim in waiting:
            if left > 0 and places.allows(claim, self.supply.location_id):
                pieces.append(_cut(claim, left)[0])
                left -= pieces[-1].quantity
        got = ledger.claim_supply(
            [ledger.SupplyClaim(p.pk, self.supply.pk, p.quantity, p.order_id) for p in pieces],
            owner_type="order",
        )
        if got:
            _add_up(self.promised, pieces)
            lifecycle.move_slices(
                pieces, S.QUEUED, queue=Queue.BACKORDER, next_action_at=None, location_id=None,
                queue_reason=waits_for(self.supply.reference),
                reservation_id=lifecycle.per_slice(pieces, [got[p.pk] for p in pieces]),
            )  # fmt: skip

    def _open_notices(self) -> None:
        """What a notice brings beyond the line's own promises may be promised now."""
        if not self.supply.notice and self._over() <= 0:
            Supply.objects.filter(
                reference=self.supply.reference, product=self.supply.product_id, state="open",
                location=self.supply.location_id, kind=Supply.Kind.NOTICE,
            ).exclude(promisable=self.supply.promisable).update(
                promisable=self.supply.promisable
            )  # fmt: skip

    def _tell(self) -> None:
        told: list[tuple[int, str, dict[str, Any]]] = []
        for kind, units in (("backorder.filled", self.filled), ("backorder.moved", self.moved),
                            ("backorder.lost", self.lost),
                            ("backorder.promised", self.promised)):  # fmt: skip
            told += [
                (order, kind, {"units": count, "reference": self.supply.reference})
                for order, count in sorted(units.items())
            ]
        events.record_many(told, actor=ACTOR)


def _from_stock(claim: Claim, places: Places) -> list[tuple[Allocation, int]]:
    """Slices of a claim with the stock points that serve them now."""
    found = []
    rest: Claim | None = claim
    while rest:
        place, units = places.best(rest)
        if place is None:
            break
        piece, rest = _cut(rest, units)
        places.take(place, piece.quantity)
        found.append((piece, place))
    return found


def _cut(claim: Claim, units: int) -> tuple[Allocation, Claim | None]:
    """At most so many units of a claim, and the rest of it."""
    if claim.piece.quantity <= units:
        return claim.piece, None
    rest = lifecycle.split_slice(claim.piece, quantity=claim.piece.quantity - units)
    return claim.piece, claim.of(rest)


def _add_up(units: dict[int, int], pieces: Iterable[Allocation]) -> None:
    for piece in pieces:
        units[piece.order_id] = units.get(piece.order_id, 0) + piece.quantity


def _redate(row: OutboxRow) -> None:
    """Move the promised day of the orders that wait for a supply, so many at once."""
    after = row.payload.get("after", 0)
    waiting = Allocation.objects.filter(
        queue=Queue.BACKORDER, reservation__supply=row.subject, order_id__gt=after
    )
    with transaction.atomic(savepoint=False):
        ids = waiting.order_by("order_id").values_list("order_id", flat=True).distinct()[:BATCH]
        orders = _lock(ids)
        reference = Supply.objects.values_list("reference", flat=True).get(pk=row.subject)
        dates.move_promises(orders, reference=reference, actor=ACTOR)
        if len(orders) == BATCH:
            _put(row.subject, cause=f"dates:{row.pk}", event="dates", after=max(orders))
