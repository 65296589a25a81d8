"""The funnel: where the units of orders are, for the home page's tiles and the list of orders."""

from collections.abc import Callable
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from orders.lifecycle import ENDED, LEFT
from orders.models import Allocation, Hold

S = Allocation.State
Queue = Allocation.Queue


def holding(**conditions: Any) -> Exists:
    """Orders that have a slice like this."""
    return Exists(Allocation.objects.filter(order=OuterRef("pk"), **conditions))


def midnight() -> datetime:
    """When the company's day began."""
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    return datetime.combine(timezone.now().astimezone(zone).date(), time.min, zone)


def _shipped_today() -> Exists:
    return holding(state__in=LEFT, parcel_line__parcel__shipped_at__gte=midnight())


def _on_hold() -> Exists:
    return Exists(Hold.objects.filter(order=OuterRef("pk"), state=Hold.State.OPEN))


# Stages of open slices: what a slice of the stage is like.
_OPEN: dict[str, dict[str, Any]] = {
    "to_route": {"queue": Queue.ROUTING},
    "awaited": {"queue": Queue.BACKORDER},
    "routed": {"state": S.ALLOCATED},
    "picking": {"state__in": [S.ACCEPTED, S.PICKED]},
    "packed": {"state__in": [S.PACKED, S.READY]},
    "unfillable": {"queue": Queue.UNFILLABLE},
    "pickup_refused": {"queue": Queue.PICKUP_REFUSED},
    "cancel_asked": {"cancel_requested_at__isnull": False},
}
STAGES: dict[str, tuple[str, Callable[[], Exists]]] = {
    "to_route": ("to route", lambda: holding(**_OPEN["to_route"])),
    "awaited": ("waits for supply", lambda: holding(**_OPEN["awaited"])),
    "routed": ("routed", lambda: holding(**_OPEN["routed"])),
    "picking": ("picking", lambda: holding(**_OPEN["picking"])),
    "packed": ("packed", lambda: holding(**_OPEN["packed"])),
    "shipped_today": ("shipped today", _shipped_today),
    "unfillable": ("unfillable", lambda: holding(**_OPEN["unfillable"])),
    "pickup_refused": ("pick-up refused", lambda: holding(**_OPEN["pickup_refused"])),
    "cancel_asked": ("asked to cancel", lambda: holding(**_OPEN["cancel_asked"])),
    "on_hold": ("on hold", _on_hold),
}


def counts() -> dict[str, int]:
    """Orders of each stage that waits for somebody, in two statements over open rows only."""
    waiting = Allocation.objects.exclude(state__in=(*ENDED, S.SHIPPED)).aggregate(
        **{
            stage: Count("order", distinct=True, filter=Q(**conditions))
            for stage, conditions in _OPEN.items()
        }
    )
    held = Hold.objects.filter(state=Hold.State.OPEN).aggregate(n=Count("order", distinct=True))
    return {**waiting, "on_hold": held["n"]}
