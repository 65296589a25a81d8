"""Handing over: to a carrier, or to the customer at the counter. Stock leaves the ledger here."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from fulfillment.models import FulfillmentLine, FulfillmentOrder, Parcel, ParcelLine
from fulfillment.work.task import F, Outcome, S, Task, lock_task
from inventory import ledger
from orders import cancellation, holds, lifecycle, payments
from orders.models import Allocation, Order
from routing import emissions


class OnHold(Exception):
    """Open holds of the order forbid that anything leaves."""

    def __init__(self, order: Order, reasons: Sequence[str]) -> None:
        self.order, self.reasons = order, list(reasons)
        super().__init__(f"{order} is on hold and must not leave: {'; '.join(self.reasons)}")


class NeedsTracking(Exception):
    """A parcel needs a carrier and a tracking number; `missing` names what is not there."""

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = list(missing)
        super().__init__(f"a parcel needs its {' and its '.join(self.missing)}")


class TrackingTaken(Exception):
    """The tracking number belongs to another parcel."""

    def __init__(self, carrier: str, tracking_number: str) -> None:
        self.carrier, self.tracking_number = carrier, tracking_number
        super().__init__(f"{carrier} {tracking_number} is the number of another parcel")


class OtherTracking(Exception):
    """It left already, under another number; a parcel never gets a second one."""

    def __init__(self, parcel: Parcel | None) -> None:
        self.parcel = parcel
        super().__init__(f"it left already, as {parcel}")


class WrongWayOut(Exception):
    """What the customer comes for is collected, all else is shipped."""

    def __init__(self, row: FulfillmentOrder) -> None:
        self.order = row.order
        words = "collected in the store" if row.is_pickup else "shipped, not collected"
        super().__init__(f"{row.order} is to be {words}")


def ship(
    *, fulfillment_order_id: int, carrier: str, tracking_number: str, actor: str,
    weight_g: int | None = None,
) -> Outcome:  # fmt: skip
    """Hand a packed parcel to the carrier; its units leave the stock.

    `weight_g` is what it weighs with its packaging, when somebody weighed it. The same carrier
    and number again answer with the parcel that left. Raises NeedsTracking, OnHold, WrongWayOut,
    TrackingTaken, OtherTracking, TakenAway, IllegalMove while it is not packed, and
    inventory.ledger.NotEnough when the books say the stock point has less.
    """
    carrier, tracking_number = carrier.strip(), tracking_number.strip()
    missing = [
        name
        for name, value in (("carrier", carrier), ("tracking number", tracking_number))
        if not value
    ]
    if missing:
        raise NeedsTracking(missing)
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.reached(F.DONE):
            return _shipped_before(task, carrier, tracking_number)
        _check_may_leave(task, pickup=False)
        parcel = _hand_over(
            task, S.SHIPPED, actor=actor, carrier=carrier, tracking_number=tracking_number,
            destination_id=task.row.destination.place_id, weighed=weight_g,
        )  # fmt: skip
        task.record("parcel.shipped", actor=actor, parcel=parcel.pk, carrier=carrier,
                    tracking=tracking_number)  # fmt: skip
        payments.capture_shipped(task.order, actor=actor)
    return Outcome(task.row, changed=True, parcel=parcel)


def _shipped_before(task: Task, carrier: str, tracking_number: str) -> Outcome:
    parcel = task.row.parcels.first()
    if parcel is None or (parcel.carrier, parcel.tracking_number) != (carrier, tracking_number):
        raise OtherTracking(parcel)
    return Outcome(task.row, changed=False, parcel=parcel)


def ready(*, fulfillment_order_id: int, actor: str) -> Outcome:
    """It waits at the counter; the customer may come. Raises OnHold, WrongWayOut, TakenAway."""
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.reached(F.READY):
            return Outcome(task.row, changed=False)
        _check_may_leave(task, pickup=True)
        task.move(F.READY, slices=S.READY)
        task.record("pickup.ready", actor=actor)
    return Outcome(task.row, changed=True)


def collect(*, fulfillment_order_id: int, name: str, actor: str) -> Outcome:
    """The customer, or who came for them (`name`), took it; the units leave the stock.

    Raises OnHold, WrongWayOut, TakenAway, NotEnough, IllegalMove before it is ready.
    """
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.reached(F.DONE):
            return Outcome(task.row, changed=False, parcel=task.row.parcels.first())
        _check_may_leave(task, pickup=True)
        parcel = _hand_over(
            task, S.COLLECTED, actor=actor, tracking_status=Parcel.Tracking.COLLECTED,
            delivered_at=timezone.now(), received_by=name.strip()[:100],
        )  # fmt: skip
        task.record("pickup.collected", actor=actor, parcel=parcel.pk)
        payments.capture_shipped(task.order, actor=actor)
        lifecycle.close_if_ended(task.order, actor=actor)
        payments.settle(task.order, actor=actor)
    return Outcome(task.row, changed=True, parcel=parcel)


def _check_may_leave(task: Task, *, pickup: bool) -> None:
    if task.row.is_pickup != pickup:
        raise WrongWayOut(task.row)
    check_holds(task.order, task.slices)


def check_holds(order: Order, slices: Sequence[Allocation]) -> None:
    """Raises OnHold when a hold forbids that these slices of the order are given away."""
    reasons = [
        str(hold) for hold in holds.blocking(order.pk, holds.SHIP, slices=[p.pk for p in slices])
    ]
    if reasons:
        raise OnHold(order, reasons)


def _hand_over(task: Task, to: str, *, actor: str, **fields: Any) -> Parcel:
    claims = [
        (piece.reservation_id, f"sale:{piece.pk}")
        for piece in task.slices
        if piece.reservation_id is not None  # what is at work holds its stock: a check constraint
    ]
    task.move(F.DONE, slices=to, ended_at=timezone.now())
    asked = [(piece, piece.cancel_quantity) for piece in task.slices]
    cancellation.answered(task.order, asked, accepted=False, actor=actor, note="it left")
    parcel = _parcel(task, **fields)
    lines = [line.pk for line in task.lines]
    FulfillmentLine.objects.filter(pk__in=lines).update(open=False)
    ledger.take(claims, cause_type="parcel", cause_id=parcel.pk, actor=actor)
    return parcel


def _parcel(task: Task, *, weighed: int | None = None, **fields: Any) -> Parcel:
    weight = sum(line.quantity * line.allocation.line.product.weight_g for line in task.lines)
    trip = emissions.of_parcel(
        destination=task.row.destination, location=task.row.location, slices=task.slices,
        carrier=fields.get("carrier", ""),
    )  # fmt: skip
    weight, basis = weighed or weight, emissions.told(trip.basis, weighed=bool(weighed))
    try:
        with transaction.atomic():  # the number is unique: another parcel may have it
            parcel = Parcel.objects.create(
                fulfillment_order=task.row, order=task.order, location=task.row.location,
                weight_g=weight, service=trip.service, km=trip.km, kg_co2_planned=trip.planned,
                kg_co2=emissions.kg(basis, weight), co2_basis=basis, **fields,
            )  # fmt: skip
    except IntegrityError as error:
        if "parcel_tracking_once" not in str(error):
            raise
        raise TrackingTaken(fields["carrier"], fields["tracking_number"]) from error
    ParcelLine.objects.bulk_create(
        ParcelLine(parcel=parcel, allocation=line.allocation, quantity=line.quantity)
        for line in task.lines
    )
    return parcel
