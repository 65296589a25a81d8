"""What leaves together is decided together: it is called back, or it waits, as one."""

from collections import defaultdict
from collections.abc import Sequence

from inventory.models import Location
from orders import events, lifecycle
from orders.models import Allocation
from routing import queues
from routing.parts import Part
from routing.queues import Wait
from routing.snapshot import Snapshot

S, Queue = Allocation.State, Allocation.Queue
WAITS_FOR = {  # the queue of a slice -> why those it leaves with wait, too
    Queue.BACKORDER: "leaves together with units that wait for supply",
    Queue.PICKUP_REFUSED: "leaves together with units whose store refused them",
}


def gather(part: Part, *, actor: str) -> None:
    """Call back the part's slices that a stock point was given and has not taken on.

    What somebody has in hand stays there, and the rest leaves in a parcel of its own.
    """
    given = part.slices().filter(state=S.ALLOCATED, handed_over=False)
    call_back(list(given.order_by("id")), actor=actor)


def call_back(slices: Sequence[Allocation], *, actor: str) -> None:
    """Put slices of one locked order back into the queue, claims kept."""
    if not slices:
        return
    lifecycle.move_slices(
        slices, S.QUEUED, queue=Queue.ROUTING, queue_reason="leaves together with other units"
    )
    by_place: dict[int | None, list[Allocation]] = defaultdict(list)
    for piece in slices:
        by_place[piece.location_id].append(piece)
    codes = dict(Location.objects.filter(pk__in=list(by_place)).values_list("pk", "code"))
    events.record_many(
        [
            (slices[0].order_id, "allocation.requeued", {
                "location": codes[place], "reason": "leaves together with other units",
                "slices": [piece.pk for piece in pieces],
                "units": sum(piece.quantity for piece in pieces),
            })
            for place, pieces in by_place.items() if place is not None
        ],
        actor=actor,
    )  # fmt: skip


def waits(shot: Snapshot, *, actor: str) -> bool:
    """Whether slices of the part cannot be routed yet; then the others wait for them."""
    here = [one.piece for one in shot.waiting]
    apart = shot.part.slices().filter(state=S.QUEUED).exclude(pk__in=[p.pk for p in here])
    queue = apart.order_by("id").values_list("queue", flat=True).first()
    if queue is None:
        return False
    words = WAITS_FOR.get(Queue(queue), "leaves together with units that are on hold")
    rows = [Wait(p, Queue.UNFILLABLE, words, keeps=not shot.is_useless(p)) for p in here]
    queues.end_claims(rows, actor=actor, reason="refused")
    queues.put(rows, now=shot.now)
    return True
