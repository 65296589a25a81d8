"""A stock point was closed: what nobody has in hand there is given up and routed elsewhere.

Picked units stay: who has them in hand finishes. Transfers stay too, they carry goods out. Baskets
lose what they held there, and are told at the checkout what is missing; hot sales there end.
"""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import ledger
from inventory.ledger import hot
from inventory.models import Location, Reservation, Stock
from orders import destinations
from orders.models import Allocation
from routing import queues, shortage
from routing.queues import Wait

AT_ONCE = 200  # orders locked together; the rest is work of its own
NOT_IN_HAND = (Allocation.State.QUEUED, Allocation.State.ALLOCATED, Allocation.State.ACCEPTED)
Queue = Allocation.Queue


def handle_closed(row: OutboxRow) -> None:
    """Work of the topic "closed": take claims off a stock point that is still closed."""
    place = Location.objects.get(pk=row.subject)
    if place.active:  # opened again meanwhile
        return
    actor = row.payload.get("actor", "routing")
    more = requeue(place, work=row.pk, actor=actor)
    _release_holds(place, actor=actor)
    if more:
        outbox.put(topic="closed", subject=place.pk, cause=f"again:{row.pk}",
                   payload={"actor": actor})  # fmt: skip


def requeue(place: Location, *, work: int, actor: str) -> bool:
    """Give up the claims of up to 200 orders at a place, and ring for their routing.

    A pick-up is not sent elsewhere: its customer decides. Returns whether there are more orders.
    """
    with transaction.atomic(savepoint=False):
        waiting = _slices(place).order_by("order_id").values_list("order_id", flat=True).distinct()
        orders = list(waiting[: AT_ONCE + 1])
        more, orders = len(orders) > AT_ONCE, orders[:AT_ONCE]
        shortage.lock(set(orders))
        giving = list(  # again: much may have happened before the locks
            _slices(place)
            .filter(order_id__in=orders)
            .select_related("order", "line__group")
            .order_by("id")
        )
        if giving:
            _give_up(giving, place, actor=actor)
            losers = shortage.tell(giving, place, reason="closed", actor=actor)
            outbox.put_many(
                ("route", order, f"closed:{work}", {"event": "closed"}) for order in losers
            )
    return more


def sweep() -> int:
    """Ring for closed places where somebody, at the same moment, still got something. How many."""
    open_ = OutboxRow.objects.filter(topic="closed", done_at=None, dead_at=None)
    places = Allocation.objects.filter(
        location__active=False, state__in=NOT_IN_HAND, reservation_id__isnull=False
    ).exclude(location__in=open_.values("subject"))
    found = set(places.values_list("location_id", flat=True))
    cause = f"sweep:{timezone.now().isoformat()}"
    outbox.put_many(("closed", place, cause, {}) for place in sorted(found))
    return len(found)


def _slices(place: Location) -> QuerySet[Allocation]:
    return Allocation.objects.filter(
        location=place, state__in=NOT_IN_HAND, reservation_id__isnull=False
    )


def _give_up(giving: list[Allocation], place: Location, *, actor: str) -> None:
    words = f"{place.name} was closed"
    waits = [
        Wait(
            piece,
            Queue.PICKUP_REFUSED
            if destinations.of(piece).delivery == destinations.PICKUP
            else Queue.ROUTING,
            words, keeps=False,
        )
        for piece in giving
    ]  # fmt: skip
    queues.end_claims(waits, actor=actor, reason="closed")
    queues.put(waits, now=timezone.now())


def _release_holds(place: Location, *, actor: str) -> None:
    # Locked first: a basket that becomes an order at this moment keeps what it has.
    held = Reservation.objects.filter(location=place, owner_type="basket").order_by("id")
    with transaction.atomic():
        ids = list(held.select_for_update().values_list("id", flat=True))
        ledger.release(ids, actor=actor, reason="closed")
    hot_rows = Stock.objects.filter(location=place, hot__gt=0).order_by("product_id")
    for product in hot_rows.values_list("product_id", flat=True):
        hot.join(product=product, location=place.pk, actor=actor)
