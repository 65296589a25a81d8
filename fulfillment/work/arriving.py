"""Parcels that are sent to a store: they arrive there, and the customer takes them home."""

from django.db import transaction
from django.utils import timezone

from fulfillment.models import Parcel
from fulfillment.work.leaving import check_holds
from fulfillment.work.task import Outcome, S
from orders import events, lifecycle, payments
from orders.models import Allocation, Order

T = Parcel.Tracking


class NotForStore(Exception):
    """The parcel goes to the customer's address: no store has to do with it."""

    def __init__(self, parcel: Parcel) -> None:
        self.parcel = parcel
        super().__init__(f"{parcel} is not to be collected in a store")


class NotArrived(Exception):
    """The parcel has not been seen in the store yet, so nobody can take it there."""

    def __init__(self, parcel: Parcel) -> None:
        self.parcel = parcel
        super().__init__(f"{parcel} has not arrived yet")


def arrive(*, parcel_id: int, actor: str) -> Outcome:
    """The store has the parcel, and the customer may come; they are told.

    Raises Parcel.DoesNotExist and NotForStore.
    """
    with transaction.atomic():
        order, parcel = _lock(parcel_id)
        if parcel.arrived_at is not None:
            return Outcome(parcel.fulfillment_order, changed=False, parcel=parcel)
        parcel.arrived_at = timezone.now()
        _track(parcel, T.AVAILABLE)
        parcel.save(update_fields=["arrived_at", "tracking_status", "tracking_at"])
        events.record(
            order.pk, "parcel.arrived", actor=actor, parcel=parcel.pk,
            location=parcel.destination_id,
        )  # fmt: skip
    return Outcome(parcel.fulfillment_order, changed=True, parcel=parcel)


def hand_out(*, parcel_id: int, name: str, actor: str) -> Outcome:
    """The customer, or who came for them (`name`), took the parcel.

    Raises Parcel.DoesNotExist, NotForStore, NotArrived, and OnHold.
    """
    with transaction.atomic():
        order, parcel = _lock(parcel_id)
        if parcel.delivered_at is not None:
            return Outcome(parcel.fulfillment_order, changed=False, parcel=parcel)
        if parcel.arrived_at is None:
            raise NotArrived(parcel)
        slices = list(Allocation.objects.filter(parcel_line__parcel=parcel, state=S.SHIPPED))
        check_holds(order, slices)
        lifecycle.move_slices(slices, S.COLLECTED)
        parcel.delivered_at, parcel.received_by = timezone.now(), name.strip()[:100]
        _track(parcel, T.COLLECTED)
        parcel.save(update_fields=["delivered_at", "received_by", "tracking_status", "tracking_at"])
        events.record(
            order.pk, "pickup.collected", actor=actor, parcel=parcel.pk,
            location=parcel.destination_id,
        )  # fmt: skip
        payments.capture_shipped(order, actor=actor)
        lifecycle.close_if_ended(order, actor=actor)
        payments.settle(order, actor=actor)
    return Outcome(parcel.fulfillment_order, changed=True, parcel=parcel)


def _lock(parcel_id: int) -> tuple[Order, Parcel]:
    order = lifecycle.lock(Parcel.objects.values_list("order_id", flat=True).get(pk=parcel_id))
    parcel = Parcel.objects.select_related("fulfillment_order", "destination").get(pk=parcel_id)
    if parcel.destination is None:
        raise NotForStore(parcel)
    return order, parcel


def _track(parcel: Parcel, status: str) -> None:
    # A carrier's clock may be ahead of ours; what the store sees is news all the same.
    parcel.tracking_status = status
    parcel.tracking_at = max(parcel.tracking_at, timezone.now())
