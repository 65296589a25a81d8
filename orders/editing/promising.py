"""The promise of an order that was edited, and the day from which its own day lets it be routed."""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.utils import timezone

from config.geo import Point
from inventory import hours, supplies
from inventory.availability import StockPoint
from orders import events, holds, lifecycle, promise
from orders.capture.claiming import Claimed
from orders.destinations import PICKUP, SHIP_TO_STORE, Destination
from orders.editing.destination import Moved
from orders.editing.sheet import Sheet
from orders.models import Allocation, Hold, Order

SCHEDULED = Hold.Type.SCHEDULED

_POINTS = f"""
WITH special AS MATERIALIZED ({hours.SPECIAL})
SELECT l.id, l.code, l.name, l.is_central, l.lat, l.lng, l.timezone, l.cutoff, l.lead_days,
       l.can_ship, l.can_pickup, {hours.CALENDAR}
  FROM inventory_location l WHERE l.id = ANY(%(ids)s)
"""
_PLACE = ("code", "name", "is_central", "lat", "lng", "timezone", "cutoff", "lead_days",
          "can_ship", "can_pickup", "calendar")  # fmt: skip


def promise_anew(
    sheet: Sheet, moved: Moved, claimed: Claimed | None, *, actor: str, now: datetime
) -> datetime | None:
    """Set what a changed order promises now; returns the promise it had.

    A destination that changed is promised anew. Added units can only make it later: what was
    promised for the others stands. The customer is told of a later day.
    """
    order, before = sheet.order, sheet.order.promised_at
    days = [before]
    if claimed is not None:
        pieces = claimed.planned if claimed.incoming.is_test else [p for p, _ in claimed.held]
        days.append(claimed.incoming.promised(pieces, claimed.awaited, now=now))
    if moved.destinations:
        days[0] = _of_slices(sheet, now=now) or before
    after = _not_before_wanted(order, max((d for d in days if d is not None), default=None))
    if after == before:
        return before
    order.promised_at = after
    order.save(update_fields=["promised_at"])
    if after and (before is None or after > before):
        events.record(
            order.pk, "promise.changed", actor=actor, before=before and before.isoformat(),
            promised_at=after.isoformat(), day=after.date().isoformat(),
            reference="the order", change=order.version + 1,
        )  # fmt: skip
    return before


def schedule(sheet: Sheet, claimed: Claimed | None, *, actor: str, now: datetime) -> None:
    """Hold an order until its new day is near enough, or let go of one that waited for its old."""
    order = sheet.order
    pieces = [piece for piece, _ in claimed.held] if claimed else []
    pieces += [promise.Piece(0, "", p.quantity, point) for p, point in _held(sheet)]
    release = None
    if order.wanted_on is not None:
        to = Destination(order)
        release = promise.release_at(order.wanted_on, pieces, _where(to), now, to.speed)
    if release is not None:
        holds.place(
            order_id=order.pk, type=SCHEDULED, handle=SCHEDULED, release_at=release,
            reason=f"wanted on {order.wanted_on}", actor=actor, again=True,
        )  # fmt: skip
        return
    for hold in order.holds.filter(handle=SCHEDULED, state=Hold.State.OPEN):
        holds.resolve(hold_id=hold.pk, actor=actor)


def _of_slices(sheet: Sheet, *, now: datetime) -> datetime | None:
    """When the last unit that has not left arrives, from where each is or will come from."""
    ways = _ways(sheet)
    days = [promise.arrival(point, placed=now, **ways[p.line_id]) for p, point in _held(sheet)]
    waiting = [p for p in sheet.slices if p.queue == Allocation.Queue.BACKORDER]
    claims = {p.pk: p.reservation.supply_id for p in waiting if p.reservation}
    coming = supplies.supplies({pk for pk in claims.values() if pk is not None})
    days += [
        day
        for p in waiting
        if (one := coming.get(claims.get(p.pk) or 0))
        if (day := promise.arrival_of(one, now=now, **ways[p.line_id]))
    ]
    return max(days, default=None)


def _held(sheet: Sheet) -> list[tuple[Allocation, StockPoint]]:
    """Slices with a place that have not left, and that place."""
    slices = [
        p for p in sheet.slices
        if p.location_id is not None and p.state not in {*lifecycle.LEFT, *lifecycle.ENDED}
    ]  # fmt: skip
    points = _points({p.location_id for p in slices if p.location_id is not None})
    return [(p, points[p.location_id]) for p in slices if p.location_id is not None]


def _points(ids: set[int]) -> dict[int, StockPoint]:
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, {"ids": sorted(ids), "today": timezone.now().date()})
        rows = cursor.fetchall()
    found = {}
    for pk, *values in rows:
        place: dict[str, Any] = dict(zip(_PLACE, values, strict=True))
        found[pk] = StockPoint(product=0, location=pk, free=0, **place)
    return found


def _ways(sheet: Sheet) -> dict[int, dict[str, Any]]:
    """Where the units of each line go, and how fast, as orders.promise asks for it."""
    order = sheet.order
    groups = {g.pk: g for g in order.delivery_groups.select_related("pickup_location")}
    ways = {pk: _way(Destination(order, group)) for pk, group in groups.items()}
    own = _way(Destination(order))
    return {line.pk: ways[line.group_id] if line.group_id else own for line in sheet.lines}


def _way(to: Destination) -> dict[str, Any]:
    return {"at": _where(to), "speed": to.speed}


def _where(to: Destination) -> Point | None:
    """A point on the map, as capture takes it."""
    if to.delivery == SHIP_TO_STORE and to.place is not None:
        return Point(to.place.lat, to.place.lng, "exact")
    contact = to.contact
    if contact is None or contact.lat is None or contact.lng is None:
        return None
    return Point(contact.lat, contact.lng, "exact")


def _not_before_wanted(order: Order, promised: datetime | None) -> datetime | None:
    if order.wanted_on is None or promised is None:
        return promised
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    return max(promised, datetime.combine(order.wanted_on, time(20), zone))


def cannot_be_collected(sheet: Sheet, slices: Sequence[Allocation]) -> list[str]:
    """Warnings about units whose claims are not at the store they are to be collected from."""
    order = sheet.order
    away = [p for p in slices if p.location_id not in {None, order.pickup_location_id}]
    if order.delivery != PICKUP or not away:
        return []
    units = sum(p.quantity for p in away)
    return [
        f"{units} unit{'s' if units > 1 else ''} must be found at {order.pickup_location}, or"
        " wait as unfillable"
    ]
