"""Work that nobody has taken on yet: whose time ran out, and who takes what is open to several."""

import logging
from datetime import datetime

from django.db import transaction

from fulfillment.models import FulfillmentOrder
from fulfillment.work.picking import accept
from fulfillment.work.requests import sync
from fulfillment.work.task import F, Outcome, lock_task
from routing import giving, offers, reasons, refusals
from routing.models import OpenOffer

log = logging.getLogger(__name__)
ACTOR = "clock"
AT_ONCE = 200  # in one sweep; the rest is the next one's


def take_back_due(now: datetime) -> dict[str, int]:
    """Give work elsewhere that its stock point has not accepted in time.

    Each order is its own transaction: one that fails stops no other. Returns {"taken_back",
    "failed", "ended"}: work taken back or not, and open offers that nobody took.
    """
    due = FulfillmentOrder.objects.filter(
        state=F.NEW, accept_by__lte=now, requested_at=None
    ).order_by("accept_by", "id")
    result = {"taken_back": 0, "failed": 0}
    for pk in due.values_list("pk", flat=True)[:AT_ONCE]:
        try:
            result["taken_back"] += take_back(pk, now=now)
        except Exception:
            log.exception("work %s could not be taken back", pk)
            result["failed"] += 1
    return {**result, "ended": offers.sweep(now)}


def take_back(fulfillment_order_id: int, *, now: datetime) -> bool:
    """Take back work that nobody has accepted; false when somebody just has, or a WMS has it.

    The stock point is not asked again for these lines, as if it had refused; who serves them now
    is asked at once.
    """
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        until = task.row.accept_by if task.row.state == F.NEW else None
        if until is None or until > now or any(piece.handed_over for piece in task.slices):
            return False
        if task.row.offered_to > 1:
            offers.end(task.order, task.slices, now=now)
        if task.slices:
            refusals.reroute(slices=task.slices, reason=reasons.TIMEOUT, actor=ACTOR)
        sync(order_id=task.order.pk)
    return True


def claim(*, offer_id: int, actor: str) -> Outcome:
    """Take work that is open to several stock points: it is accepted with that.

    Who has it already is answered with it. Raises routing.offers.Gone when somebody was faster,
    routing.giving.CannotGive when the stock point cannot send it (any more),
    OpenOffer.DoesNotExist.
    """
    with transaction.atomic():
        try:
            decision = offers.take(offer_id=offer_id, actor=actor)
        except offers.Gone as gone:
            if gone.offer.state != OpenOffer.State.TAKEN:
                raise
            return Outcome(_taken(gone.offer), changed=False)
        sync(order_id=decision.order_id)
        offer = OpenOffer.objects.get(pk=offer_id)
        row = FulfillmentOrder.objects.filter(
            decision_id=decision.pk, location=offer.location_id, state=F.NEW
        ).first()
        if row is None:  # a hold keeps it from being released
            raise giving.CannotGive(f"{offer.order} is on hold")
        return accept(fulfillment_order_id=row.pk, actor=actor)


def _taken(offer: OpenOffer) -> FulfillmentOrder:
    """The work that a taken offer became."""
    rows = FulfillmentOrder.objects.filter(order=offer.order_id, location=offer.location_id)
    return rows.filter(lines__allocation__in=offer.slices).latest("pk")
