"""A promise moves: a person says so, or it is certain. The customer is told once of each day."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orders import events, lifecycle, outlook, promise
from orders.models import Order

FURTHEST = timedelta(days=365)
ARRIVES_LATER = "the parcel arrives later"
ACTOR = "promises"


class CannotMove(Exception):
    """The promise cannot move to that day; its words say why."""


def move(*, order_id: int, day: date, reason: str, actor: str) -> datetime:
    """Promise another day; returns until when. Raises CannotMove.

    The event promise.changed tells the customer, unless the day is the same.
    """
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    until = datetime.combine(day, promise.DELIVERED_BY, zone)
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        today = timezone.now().astimezone(zone).date()
        if order.state != Order.State.OPEN:
            raise CannotMove(f"{order} is {order.get_state_display()}: nothing of it is promised.")
        if not today <= day <= today + FURTHEST:
            raise CannotMove(f"Choose a day from today, {today}, on.")
        if order.promised_at and order.promised_at.astimezone(zone).date() == day:
            raise CannotMove(f"{order} is promised for {day} already.")
        _write(order, until, reason=reason, actor=actor)
    return until


def move_certain() -> int:
    """Move promises that nobody can keep any more: the last units are on their way and arrive
    later. Returns how many."""
    now, moved = timezone.now(), 0
    for one in outlook.at_work(now=now):
        if _is_certain(one):
            with transaction.atomic():
                order = lifecycle.lock(one.order)
                fresh = outlook.of([order.pk], now=now)[order.pk]
                if order.state == Order.State.OPEN and _is_certain(fresh) and fresh.expected:
                    _write(order, fresh.expected, reason=ARRIVES_LATER, actor=ACTOR)
                    moved += 1
    return moved


def _is_certain(one: outlook.Outlook) -> bool:
    """Nothing of it can be hurried: all has left, some of it comes after the promise."""
    return all(part.has_left for part in one.parts) and bool(one.delayed())


def _write(order: Order, until: datetime, *, reason: str, actor: str) -> None:
    before = order.promised_at
    Order.objects.filter(pk=order.pk).update(promised_at=until)
    order.promised_at = until
    events.record(
        order.pk, "promise.changed", actor=actor, before=before and before.isoformat(),
        promised_at=until.isoformat(), day=until.date().isoformat(), reference=reason, moved=True,
    )  # fmt: skip
