"""Asking stock points for work, and taking it back."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from config.models import OutboxRow
from fulfillment.models import FulfillmentLine, FulfillmentOrder
from fulfillment.work.picking import finish_picking
from fulfillment.work.task import F, S, Task, is_ours
from inventory import hours, places
from inventory.models import Location
from orders import events, lifecycle
from orders.models import Allocation, Order
from routing.models import Decision

ACTOR = "fulfillment"


def handle_sync(row: OutboxRow) -> None:
    """Work of the topic "work": the order's slices changed, so does who is asked for them."""
    sync(order_id=row.subject)


def sync(*, order_id: int) -> None:
    """Open work for routed slices that have none, and withdraw work whose slices went away.

    Safe to call again: it writes the difference between the slices and the work that is open.
    """
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        lines = list(
            FulfillmentLine.objects.filter(fulfillment_order__order=order, open=True)
            .select_related("allocation__line", "fulfillment_order__location")
            .order_by("fulfillment_order_id", "id")
        )
        _withdraw(order, lines)
        asked = [line.allocation_id for line in lines if line.open]
        _request(order, asked)


# --- asking --------------------------------------------------------------------------------------


def _request(order: Order, asked: Sequence[int]) -> None:
    slices = list(
        order.allocations.filter(state=S.ALLOCATED)
        .exclude(pk__in=asked)
        .select_related("location")
        .order_by("location_id", "id")
    )
    if not slices:
        return
    decision = Decision.objects.filter(order=order).order_by("-id").only("sentence").first()
    now = timezone.now()
    groups = [(key, list(group)) for key, group in groupby(slices, lambda s: s.location_id)]
    special = places.special_days([key for key, _ in groups])
    rows = FulfillmentOrder.objects.bulk_create(
        FulfillmentOrder(
            order=order, location_id=location, created_at=now,
            ship_by=ship_by(group[0].location, now=now, special=special[location]),
            why=decision.sentence if decision else "",
            decision_id=decision.pk if decision else None,
        )
        for location, group in groups
    )  # fmt: skip
    FulfillmentLine.objects.bulk_create(
        FulfillmentLine(fulfillment_order=row, allocation=piece, quantity=piece.quantity)
        for row, (_, group) in zip(rows, groups, strict=True)
        for piece in group
    )
    events.record_many(
        [
            (order.pk, "fulfillment.requested",
             {"fulfillment_order": row.pk, "location": row.location_id, "units": _units(group)})
            for row, (_, group) in zip(rows, groups, strict=True)
        ],
        actor=ACTOR,
    )  # fmt: skip


def _units(slices: Iterable[Allocation]) -> int:
    return sum(piece.quantity for piece in slices)


def ship_by(
    location: Location | None, *, now: datetime, special: Sequence[hours.SpecialDay] = ()
) -> datetime:
    """When work given now must leave: the stock point's cut-off, in its own time zone.

    After today's cut-off it is the next open day's; lead time adds open days.
    """
    if location is None:
        raise ValueError("a routed slice has a stock point")
    zone = ZoneInfo(location.timezone)
    open_ = hours.known(
        location.opening_hours, cutoff=location.cutoff, cutoffs=location.cutoffs, special=special
    )
    day = hours.hand_over_day(open_, now.astimezone(zone), lead_days=location.lead_days)
    return datetime.combine(day, open_.cutoff(day) or location.cutoff, tzinfo=zone)


# --- taking back ---------------------------------------------------------------------------------


def _withdraw(order: Order, lines: Sequence[FulfillmentLine]) -> None:
    """Close lines whose slices are no longer the stock point's; `lines` know it afterwards."""
    gone = [line for line in lines if not is_ours(line, line.fulfillment_order)]
    _shrink([line for line in lines if line not in gone])
    if not gone:
        return
    FulfillmentLine.objects.filter(pk__in=[line.pk for line in gone]).update(open=False)
    for line in gone:
        line.open = False
    touched = {line.fulfillment_order_id: line.fulfillment_order for line in gone}
    left = {pk: [x for x in lines if x.open and x.fulfillment_order_id == pk] for pk in touched}
    empty = [
        pk for pk, still in left.items() if not still and touched[pk].state in FulfillmentOrder.OPEN
    ]
    FulfillmentOrder.objects.filter(pk__in=empty, state__in=FulfillmentOrder.OPEN).update(
        state=F.CANCELED, ended_at=timezone.now()
    )
    events.record_many(
        [
            (order.pk, "fulfillment.withdrawn",
             {"fulfillment_order": pk, "location": row.location_id,
              "slices": [line.allocation_id for line in gone if line.fulfillment_order_id == pk],
              "units_left": sum(line.quantity for line in left[pk])})
            for pk, row in touched.items()
        ],
        actor=ACTOR,
    )  # fmt: skip
    for pk, still in left.items():
        finish_picking(Task(order, touched[pk], still), actor=ACTOR)


def _shrink(lines: Sequence[FulfillmentLine]) -> None:
    """Write down what is left of lines whose slice was cut in two."""
    cut = [line for line in lines if line.quantity > line.allocation.quantity]
    for line in cut:
        line.quantity = line.allocation.quantity
        line.picked = min(line.picked, line.quantity)
    if cut:
        FulfillmentLine.objects.bulk_update(cut, ["quantity", "picked"])
