"""How the promises of orders stand: kept, moved, at risk or late, worked out from where units are.

Expected is what the stock points' calendars and the carriers' days say: the day work leaves, and
the way from there. Nobody knows when units without a stock point arrive.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection
from django.utils import timezone

from config.geo import Point
from inventory import hours
from inventory.availability import StockPoint
from orders import promise
from orders.models import Allocation

S, Queue = Allocation.State, Allocation.Queue
KEPT, MOVED, AT_RISK, LATE = "kept", "moved", "at_risk", "late"
STATES = (KEPT, MOVED, AT_RISK, LATE)
NEAR = timedelta(hours=1)  # before it must leave
GRACE = timedelta(minutes=10)  # of units that have just come in
FURTHEST_BACK = 60  # days a parcel may be on its way
MOST = 20_000  # orders that are looked at together

# What a person or a late supply moved to a later day; a change that the customer wanted is none.
IS_MOVED = """EXISTS (
    SELECT 1 FROM orders_orderevent e
     WHERE e.order_id = o.id AND e.kind = 'promise.changed' AND NOT e.data ? 'change'
       AND (e.data ->> 'promised_at')::timestamptz > (e.data ->> 'before')::timestamptz)"""
# When the customer had the last of it, or could collect it: the carriers' own times.
DONE_AT = """greatest(
    (SELECT max(coalesce(p.arrived_at, p.delivered_at)) FROM fulfillment_parcel p
      WHERE p.order_id = o.id
        AND NOT (p.tracking_status = 'collected' AND p.destination_id IS NULL)),
    (SELECT max(e.at) FROM orders_orderevent e
      WHERE e.order_id = o.id AND e.kind = 'pickup.ready'))"""
# Whether the carrier tells of a parcel on its way: of one that nobody follows, nobody knows whether
# it is late. The moment it left is told by the stock point, a second later at most.
IS_FOLLOWED = """EXISTS (
    SELECT 1 FROM fulfillment_parcel p
     WHERE p.order_id = o.id AND p.delivered_at IS NULL AND p.arrived_at IS NULL
       AND (p.tracking_status <> 'in_transit'
            OR p.tracking_at > p.shipped_at + interval '1 second'))"""

# Those promised first, if there are more than are looked at.
_AT_WORK = """
    SELECT w.order_id
      FROM (SELECT order_id FROM orders_allocation
             WHERE state IN ('queued', 'allocated', 'accepted', 'picked', 'packed')
             UNION
            SELECT order_id FROM orders_allocation
             WHERE state = 'shipped' AND since > %(now)s::timestamptz - interval '14 days') w
     CROSS JOIN LATERAL (
            SELECT promised_at FROM orders_order o WHERE o.id = w.order_id OFFSET 0) o
     ORDER BY o.promised_at, w.order_id LIMIT %(most)s
"""
_THESE = "SELECT unnest(%(ids)s::bigint[]) AS order_id"


def _sql(chosen: str) -> str:
    """Orders with their open units by stock point and state; one row of those that have none."""
    return f"""
WITH special AS MATERIALIZED ({hours.SPECIAL}), chosen AS MATERIALIZED ({chosen}
), part AS MATERIALIZED (
    SELECT o.id, o.promised_at, o.placed_at, a.*
      FROM chosen c
     CROSS JOIN LATERAL (
        SELECT * FROM orders_order o WHERE o.id = c.order_id AND NOT o.test OFFSET 0) o
      LEFT JOIN LATERAL (
        SELECT a.state, a.queue, a.queue_reason, a.location_id, sum(a.quantity)::int AS units,
               min(a.since) AS since,
               CASE WHEN coalesce(g.delivery, o.delivery) = 'pickup' THEN ''
                    ELSE coalesce(g.service, o.service) END AS speed,
               coalesce(k.lat, CASE WHEN g.id IS NULL THEN x.lat ELSE g.lat END) AS lat,
               coalesce(k.lng, CASE WHEN g.id IS NULL THEN x.lng ELSE g.lng END) AS lng
          FROM orders_allocation a
          JOIN orders_orderline n ON n.id = a.line_id
          LEFT JOIN orders_deliverygroup g ON g.id = n.group_id
          LEFT JOIN orders_ordercontact x ON x.order_id = o.id
          LEFT JOIN inventory_location k
                 ON coalesce(g.delivery, o.delivery) = 'ship_to_store'
                AND k.id = CASE WHEN g.id IS NULL THEN o.pickup_location_id
                                ELSE g.pickup_location_id END
         WHERE a.order_id = o.id
           AND a.state NOT IN ('ready', 'delivered', 'collected', 'canceled')
         GROUP BY 1, 2, 3, 4, 7, 8, 9 OFFSET 0) a ON true
), place AS MATERIALIZED (
    SELECT l.id, l.code, l.name, l.is_central, l.lat, l.lng, l.timezone, l.cutoff, l.lead_days,
           l.can_ship, l.can_pickup, {hours.CALENDAR} AS calendar
      FROM inventory_location l WHERE l.id IN (SELECT location_id FROM part)
)
SELECT o.id, o.promised_at, o.placed_at, {IS_MOVED}, CASE WHEN o.state IS NULL THEN {DONE_AT} END,
       CASE WHEN o.state = 'shipped' THEN {IS_FOLLOWED} ELSE false END,
       o.state, o.queue, o.queue_reason, o.units, o.since, o.speed, o.lat, o.lng, l.*
  FROM part o LEFT JOIN place l ON l.id = o.location_id
 ORDER BY o.id, o.since, l.id, o.state
"""


@dataclass(frozen=True)
class Part:
    """Units of an order that have not arrived, in one state at one stock point or in a queue."""

    state: str
    queue: str
    reason: str
    units: int
    since: datetime
    speed: str
    at: Point | None
    point: StockPoint | None
    is_followed: bool  # of what is on its way: its carrier tells of it

    @property
    def has_left(self) -> bool:
        """Whether it is on its way."""
        return self.state == S.SHIPPED

    @property
    def is_placed(self) -> bool:
        """Whether a stock point has it, or had."""
        return self.state != S.QUEUED and self.point is not None

    def expected(self, now: datetime) -> datetime | None:
        """When it arrives, or can be collected; None: nobody knows."""
        if self.point is None or not self.is_placed:
            return None
        since = promise.local_time(self.since, self.point.timezone)
        leaves = since.date() if self.has_left else self.leaves(now)
        return promise.arrival_from(
            self.point, leaves, at=self.at, zone=since.tzinfo, speed=self.speed
        )

    def leaves(self, now: datetime) -> date:
        """The day it leaves as things are: lead time runs since it was given out."""
        if self.point is None:
            raise ValueError("what waits in a queue leaves nobody knows when")
        local = promise.local_time(now, self.point.timezone)
        given = promise.local_time(self.since, self.point.timezone)
        open_ = hours.read(self.point.calendar, self.point.cutoff)
        return max(promise.hand_over(self.point, given), hours.hand_over_day(open_, local))

    def leave_by(self, promised: datetime) -> datetime | None:
        """The last moment at which handing it over keeps the promise; None: never, or unknown."""
        if self.point is None or not self.is_placed or self.has_left:
            return None
        local = promise.local_time(promised, self.point.timezone)
        open_ = hours.read(self.point.calendar, self.point.cutoff)
        for back in range(FURTHEST_BACK):
            day = local.date() - timedelta(days=back)
            cutoff = open_.cutoff(day)
            if cutoff is None:
                continue
            arrives = promise.arrival_from(
                self.point, day, at=self.at, zone=local.tzinfo, speed=self.speed
            )
            if arrives <= local:
                until = cutoff if self.speed else arrives.time()
                return datetime.combine(day, until, tzinfo=local.tzinfo)
        return None


@dataclass(frozen=True)
class Outlook:
    """How the promise of one order stands. `done_at`: when all of it had arrived."""

    order: int
    promised: datetime | None
    placed: datetime
    moved: bool
    done_at: datetime | None
    now: datetime
    parts: tuple[Part, ...] = field(repr=False)

    @property
    def waiting(self) -> list[Part]:
        """Units without a stock point that do not wait for supply, longer than a moment."""
        return [
            part for part in self.parts
            if part.state == S.QUEUED and part.queue != Queue.BACKORDER
            and part.since < self.now - GRACE
        ]  # fmt: skip

    @property
    def expected(self) -> datetime | None:
        """When the last unit arrives; None: nobody knows, or all has."""
        days = [part.expected(self.now) for part in self.parts]
        known = [day for day in days if day is not None]
        return max(known) if known and len(known) == len(days) else None

    @property
    def leave_by(self) -> datetime | None:
        """Until when the first of what is at work must leave to keep the promise."""
        if self.promised is None:
            return None
        return min(filter(None, (p.leave_by(self.promised) for p in self.parts)), default=None)

    def delayed(self) -> list[tuple[Part, datetime]]:
        """What arrives after the promise as things are, and when."""
        if self.promised is None:
            return []
        known = ((part, part.expected(self.now)) for part in self.parts)
        return [(part, day) for part, day in known if day is not None and day > self.promised]

    def overdue(self) -> list[tuple[Part, datetime]]:
        """What should have arrived by now, and when, but its carrier does not say it has."""
        known = ((part, part.expected(self.now)) for part in self.parts if part.is_followed)
        return [(part, day) for part, day in known if day is not None and day < self.now]

    def pressing(self) -> list[tuple[Part, datetime]]:
        """What is in time still, but must leave within the hour."""
        if self.promised is None:
            return []
        known = ((part, part.leave_by(self.promised)) for part in self.parts)
        return [(part, by) for part, by in known if by is not None and by < self.now + NEAR]

    @property
    def state(self) -> str | None:
        """One of STATES; None: nothing is promised."""
        if self.promised is None:
            return None
        if not self.parts:
            late = self.done_at is not None and self.done_at > self.promised
            return LATE if late else MOVED if self.moved else KEPT
        here = any(not part.has_left for part in self.parts)
        if self.promised < self.now and (here or self.delayed() or self.overdue()):
            return LATE
        if self.delayed() or self.pressing() or self.waiting:
            return AT_RISK
        return MOVED if self.moved else KEPT

    @property
    def window(self) -> tuple[date, date] | None:
        """From the first arrival that is expected to the promised day."""
        if self.promised is None:
            return None
        days = [day for part in self.parts if (day := part.expected(self.now)) is not None]
        first = min(days, default=self.promised)
        return min(first, self.promised).date(), self.promised.date()


def of(orders: Sequence[int], *, now: datetime | None = None) -> dict[int, Outlook]:
    """The outlook of these orders, by id; tests have none. One statement."""
    return {one.order: one for one in _read(_THESE, now=now or timezone.now(), ids=list(orders))}


def at_work(*, now: datetime | None = None) -> list[Outlook]:
    """Of every order with units that have not left, or left within two weeks, by promise.

    One statement. At most MOST of them, those that were promised first.
    """
    return list(_read(_AT_WORK, now=now or timezone.now(), most=MOST))


def _read(chosen: str, *, now: datetime, **params: Any) -> Iterable[Outlook]:
    with connection.cursor() as cursor:
        cursor.execute(_sql(chosen), {"now": now, "today": now.date(), **params})
        rows = cursor.fetchall()
    for (order, promised, placed, moved, done_at), group in groupby(rows, lambda row: row[:5]):
        parts = tuple(_part(*row[5:]) for row in group if row[6] is not None)
        yield Outlook(order, promised, placed, moved, done_at, now, parts)


def _part(  # noqa: PLR0917  (columns of the statement)
    is_followed: bool, state: str, queue: str, reason: str, units: int, since: datetime, speed: str,
    lat: float | None, lng: float | None, key: int | None, *place: Any,
) -> Part:  # fmt: skip
    point = None
    if key is not None:
        named: dict[str, Any] = dict(zip(_PLACE, place, strict=True))
        point = StockPoint(product=0, location=key, free=0, **named)
    at = None if lat is None or lng is None else Point(lat, lng, "exact")
    return Part(state, queue, reason, units, since, speed, at, point, is_followed)


_PLACE = ("code", "name", "is_central", "lat", "lng", "timezone", "cutoff", "lead_days", "can_ship",
          "can_pickup", "calendar")  # fmt: skip
