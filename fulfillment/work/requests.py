"""Asking stock points for work, and taking it back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from config.models import OutboxRow
from fulfillment.models import FulfillmentLine, FulfillmentOrder, PutBack
from fulfillment.work import unwanted
from fulfillment.work.picking import finish_picking
from fulfillment.work.task import F, Outcome, S, Task, is_given_anew, is_ours, shrink
from inventory import hours, places
from inventory.models import Location
from orders import cancellation, events, holds, lifecycle
from orders.models import Allocation, Order
from routing.models import Offer, OpenOffer

ACTOR = "fulfillment"


def put_back_all(*, fulfillment_order_id: int, actor: str) -> Outcome:
    """All units that are not wanted any more of this work are on the shelf again.

    What was taken away a moment ago is written down first. Raises FulfillmentOrder.DoesNotExist.
    """
    with transaction.atomic():
        row = FulfillmentOrder.objects.get(pk=fulfillment_order_id)
        sync(order_id=row.order_id)
        rows = PutBack.objects.filter(line__fulfillment_order=row)
        done = unwanted.put_back(rows, actor=actor)
    return Outcome(row, changed=done > 0)


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
        _end_unasked(order, lines)
        given = _given(order)
        _withdraw(order, lines, given)
        asked = [line.allocation_id for line in lines if line.open]
        _request(order, asked, given)


def _end_unasked(order: Order, lines: Sequence[FulfillmentLine]) -> None:
    """Units whose warehouse lost them before it answered: nobody is left to be asked."""
    moot = [line.allocation for line in lines if not line.allocation.handed_over]
    units = [(piece, piece.cancel_quantity) for piece in moot]
    cancellation.answered(order, units, accepted=True, actor=ACTOR)


# --- asking --------------------------------------------------------------------------------------


def _request(order: Order, asked: Sequence[int], given: Mapping[int, Offer]) -> None:
    slices = list(
        order.allocations.filter(state=S.ALLOCATED)
        .exclude(pk__in=asked)
        .select_related("location", "line")
    )
    slices = holds.free(order.pk, holds.RELEASE, slices)
    if not slices:
        return
    slices.sort(key=lambda piece: (*_parcel_of(piece), piece.pk))
    groups = [(key, list(group)) for key, group in groupby(slices, _parcel_of)]
    special = places.special_days([location for (location, _), _ in groups])
    now = timezone.now()
    rows = FulfillmentOrder.objects.bulk_create(
        _work(order, pieces, group=group, given=given, now=now, special=special[location])
        for (location, group), pieces in groups
    )
    _let_others_wait(rows)
    FulfillmentLine.objects.bulk_create(
        FulfillmentLine(fulfillment_order=row, allocation=piece, quantity=piece.quantity)
        for row, (_, pieces) in zip(rows, groups, strict=True)
        for piece in pieces
    )
    events.record_many(
        [
            (order.pk, "fulfillment.requested",
             {"fulfillment_order": row.pk, "location": row.location_id, "units": _units(pieces)})
            for row, (_, pieces) in zip(rows, groups, strict=True)
        ],
        actor=ACTOR,
    )  # fmt: skip


def _parcel_of(piece: Allocation) -> tuple[int, int]:
    """(stock point, delivery group or 0): what is handed over together."""
    if piece.location_id is None:
        raise ValueError("a routed slice has a stock point")
    return piece.location_id, piece.line.group_id or 0


def _given(order: Order) -> dict[int, Offer]:
    """The newest offer of each slice; `others`: to how many stock points it is open beside."""
    others = OpenOffer.objects.filter(decision=OuterRef("decision"), state=OpenOffer.State.OPEN)
    count = others.values("decision").annotate(n=Count("pk")).values("n")
    rows = Offer.objects.filter(order=order).select_related("decision").order_by("id")
    rows = rows.annotate(others=Coalesce(Subquery(count), 0)).defer(
        "decision__inputs", "decision__result", "decision__attempts"
    )
    return {piece: offer for offer in rows for piece in offer.slices}


def _work(
    order: Order, pieces: Sequence[Allocation], *, group: int, given: Mapping[int, Offer],
    now: datetime, special: Sequence[hours.SpecialDay],
) -> FulfillmentOrder:  # fmt: skip
    location = pieces[0].location
    row = FulfillmentOrder(
        order=order, location=location, group_id=group or None, created_at=now,
        ship_by=_ship_by(order, location, now=now, special=special),
    )  # fmt: skip
    known = [given[piece.pk] for piece in pieces if piece.pk in given]
    if known:
        offer = max(known, key=lambda one: one.pk)
        row.decision_id, row.why = offer.decision_id, offer.decision.sentence
        row.offered_to = 1 + offer.others  # type: ignore[attr-defined]
        if offer.accept_by is not None and not row.is_pickup:
            row.accept_by = accept_by(
                row.location, offer.accept_by - offer.decision.at, now=now, special=special
            )
    return row


def accept_by(
    location: Location, span: timedelta, *, now: datetime, special: Sequence[hours.SpecialDay] = ()
) -> datetime:
    """Until when work given now is to be accepted: the time runs from the next opening on."""
    opens = hours.opens_next(_hours(location, special), now.astimezone(ZoneInfo(location.timezone)))
    return (opens or now) + span


def _let_others_wait(rows: Iterable[FulfillmentOrder]) -> None:
    """Who may take the work beside its stock point has as much time."""
    for row in rows:
        if row.offered_to > 1 and row.accept_by is not None:
            OpenOffer.objects.filter(
                decision=row.decision_id, state=OpenOffer.State.OPEN
            ).update(expires_at=row.accept_by)  # fmt: skip


def _ship_by(order: Order, location: Location | None, **known: Any) -> datetime:
    """When work must leave: the marketplace may have promised more than the stock point does."""
    own = ship_by(location, **known)
    return own if order.ship_by is None else min(own, order.ship_by)


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
    open_ = _hours(location, special)
    day = hours.hand_over_day(open_, now.astimezone(zone), lead_days=location.lead_days)
    return datetime.combine(day, open_.cutoff(day) or location.cutoff, tzinfo=zone)


def _hours(location: Location, special: Sequence[hours.SpecialDay]) -> hours.Hours:
    return hours.known(
        location.opening_hours, cutoff=location.cutoff, cutoffs=location.cutoffs, special=special
    )


# --- taking back ---------------------------------------------------------------------------------


def _withdraw(
    order: Order, lines: Sequence[FulfillmentLine], given: Mapping[int, Offer]
) -> None:  # fmt: skip
    """Close lines whose slices are no longer the stock point's; `lines` know it afterwards.

    Slices that it was given once more are asked for by new work: the old one knows nothing of what
    leaves with them now, nor until when it is to be accepted.
    """
    newest = {piece: offer.decision_id for piece, offer in given.items()}
    gone = [
        line for line in lines
        if not is_ours(line, line.fulfillment_order)
        or is_given_anew(line, line.fulfillment_order, newest)
    ]  # fmt: skip
    shrink([line for line in lines if line not in gone])
    if not gone:
        return
    unwanted.keep((line, line.picked, _why_gone(line)) for line in gone)
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


def _why_gone(line: FulfillmentLine) -> str:
    if line.allocation.state == S.CANCELED:
        return "canceled"
    if is_ours(line, line.fulfillment_order):
        return "asked for again with another list"
    return "sent from another stock point"
