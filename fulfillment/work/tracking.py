"""What carriers tell about parcels. Facts may come late and out of order."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from fulfillment.models import Parcel
from fulfillment.work.task import Outcome, S
from orders import events, lifecycle, payments
from orders.models import Allocation, Order
from routing import emissions

T = Parcel.Tracking
# How far a parcel has come: an older fact counts only if it says more than what is known.
_STAGE = {
    T.PRE_TRANSIT: 0,
    T.IN_TRANSIT: 1,
    T.OUT_FOR_DELIVERY: 2,
    T.FAILURE: 2,
    T.DELIVERED: 3,
    T.RETURN_TO_SENDER: 3,
}
CLOCKS_DIFFER = timedelta(hours=1)


class InFuture(Exception):
    """A carrier's fact cannot have happened later than now."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        super().__init__(f"{at.isoformat()} is in the future")


def track(
    *, parcel_id: int, status: str, at: datetime, actor: str, weight_g: int | None = None,
    kg_co2e: float | None = None,
) -> Outcome:  # fmt: skip
    """Write down a carrier's fact of time `at`; `changed` is false for what is old or known.

    What the carrier weighed, and what it says the parcel emitted, is taken with any fact.
    A late, older fact never moves a parcel back, and once delivered it stays so unless it comes
    back later. What a carrier delivered to a store is there, not with its customer. Raises
    Parcel.DoesNotExist, InFuture, ValueError for a status carriers do not give.
    """
    if status not in _STAGE:
        raise ValueError(f"{status!r} is not a carrier's status: {', '.join(_STAGE)}")
    if at > timezone.now() + CLOCKS_DIFFER:
        raise InFuture(at)
    with transaction.atomic():
        order = lifecycle.lock(Parcel.objects.values_list("order_id", flat=True).get(pk=parcel_id))
        parcel = Parcel.objects.select_related("fulfillment_order").get(pk=parcel_id)
        _measure(parcel, weight_g=weight_g, kg_co2e=kg_co2e)
        if not _is_news(parcel, status, at):
            return Outcome(parcel.fulfillment_order, changed=False, parcel=parcel)
        parcel.tracking_status, parcel.tracking_at = status, max(at, parcel.tracking_at)
        at_home = status == T.DELIVERED and parcel.destination_id is None
        first = at_home and parcel.delivered_at is None
        if first:
            parcel.delivered_at = at
        parcel.save(update_fields=["tracking_status", "tracking_at", "delivered_at"])
        if first:
            _deliver(order, parcel, actor=actor)
        else:
            events.record(order.pk, "parcel.tracked", actor=actor, parcel=parcel.pk, status=status)
    return Outcome(parcel.fulfillment_order, changed=True, parcel=parcel)


def _measure(parcel: Parcel, *, weight_g: int | None, kg_co2e: float | None) -> None:
    """What the carrier's scale and books say replaces what was counted from ours."""
    if weight_g is None and kg_co2e is None:
        return
    parcel.weight_g = weight_g or parcel.weight_g
    parcel.co2_basis = emissions.told(
        parcel.co2_basis, weighed=weight_g is not None, carriers_kg=kg_co2e
    )
    parcel.kg_co2 = emissions.kg(parcel.co2_basis, parcel.weight_g)
    parcel.save(update_fields=["weight_g", "co2_basis", "kg_co2"])


def _is_news(parcel: Parcel, status: str, at: datetime) -> bool:
    if parcel.tracking_status not in _STAGE or status == parcel.tracking_status:
        return False
    now, then = _STAGE[T(status)], _STAGE[T(parcel.tracking_status)]
    if then == _STAGE[T.DELIVERED] and now < then:
        return False
    return at >= parcel.tracking_at or now > then


def _deliver(order: Order, parcel: Parcel, *, actor: str) -> None:
    slices = list(Allocation.objects.filter(parcel_line__parcel=parcel, state=S.SHIPPED))
    lifecycle.move_slices(slices, S.DELIVERED)
    events.record(order.pk, "parcel.delivered", actor=actor, parcel=parcel.pk)
    payments.capture_shipped(order, actor=actor)
    lifecycle.close_if_ended(order, actor=actor)
    payments.settle(order, actor=actor)
