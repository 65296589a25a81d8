"""What no stock point can serve as things are: why, and what a person may do about it."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Case, CharField, Count, Exists, OuterRef, Q, QuerySet, Value, When
from django.utils import timezone

from config import outbox
from inventory import ledger
from inventory.models import Location, Supply
from orders import backorders, cancellation, events, lifecycle
from orders.backorders import dates
from orders.backorders.places import Claim, Places
from orders.destinations import PICKUP, Destination
from orders.models import Allocation, Order
from routing import giving
from routing.giving import CannotGive, Place
from routing.models import Refusal, UnfillableSlice

S, Queue = Allocation.State, Allocation.Queue
UNFILLABLE = Q(state=S.QUEUED, queue=Queue.UNFILLABLE)

OTHER = "other"
# kind: (words, how the reason of the queue reads); the first that fits. A reason is a sentence for
# people: who words a new one adds it here, or it is listed under "other".
KINDS: dict[str, tuple[str, str]] = {
    "person": ("refused often enough", r"a person decides"),
    "no_rule": ("no rule", r"^no rule|^the rules cannot be used"),
    "supply": ("supply fell short", r"fewer than were promised"),
    "together": ("not together", r"leave together|leaves together"),
    "too_small": ("part too small", r"worth less than allowed|more parcels than allowed"),
    "late": ("not in time", r"in time"),
    "refused": ("refused by all", ""),  # as the next, where refusals hold
    "ruled_out": ("ruled out", r"may not send it$"),
    "no_stock": ("no stock", r"has it free|too few free"),
}
_MAY_NOT = "ruled_out"
PERSON_DECIDES = ("person", "no_rule")  # no stock helps these


class Gone(Exception):
    """The units are not unfillable any more."""

    def __init__(self) -> None:
        super().__init__("These units are not unfillable any more: look at their order.")


def listed() -> QuerySet[UnfillableSlice]:
    """The slices, each with `kind`: why, in one of KINDS or OTHER."""
    now = timezone.now()
    holds = Refusal.objects.filter(
        Q(excluded_until=None) | Q(excluded_until__gt=now), line=OuterRef("line")
    )
    whens = [
        When(Q(queue_reason__regex=KINDS[_MAY_NOT][1]) & Exists(holds), then=Value("refused"))
        if kind == "refused"
        else When(queue_reason__regex=pattern, then=Value(kind))
        for kind, (_, pattern) in KINDS.items()
    ]
    kind = Case(*whens, default=Value(OTHER), output_field=CharField())
    return UnfillableSlice.objects.annotate(kind=kind)


def counts() -> dict[str, int]:
    """How many slices there are of each kind. One statement."""
    rows = listed().values("kind").annotate(n=Count("pk")).order_by("kind")  # type: ignore[misc]
    return {row["kind"]: row["n"] for row in rows}


# --- what a person may do ------------------------------------------------------------------------


def route_now(slices: Sequence[int], *, by: str) -> int:
    """Ring for the routing of their orders, as often as they were refused; how many orders."""
    orders = _orders(slices)
    cause = f"manual:{timezone.now().isoformat()}:{by}"[:100]
    outbox.put_many(("route", order, cause, {"event": "manual"}) for order in orders)
    return len(orders)


def assign(slices: Sequence[int], *, owner: int | None) -> int:
    """Say who looks after them; how many slices."""
    with transaction.atomic():
        lifecycle.lock_many(_orders(slices))
        return _assign(slices, owner)


def _assign(slices: Sequence[int], owner: int | None) -> int:
    return Allocation.objects.filter(UNFILLABLE, pk__in=slices).update(owner=owner)


def cancel(slices: Sequence[int], *, reason: str, note: str, actor: str) -> int:
    """Cancel those that still are unfillable, order by order; how many units.

    Each order is its own transaction, with its money.
    """
    return sum(_cancel(order, slices, reason=reason, note=note, actor=actor)
               for order in _orders(slices))  # fmt: skip


def _cancel(order_id: int, slices: Sequence[int], *, reason: str, note: str, actor: str) -> int:
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        waiting = order.allocations.filter(UNFILLABLE, pk__in=slices).order_by("id")
        ending = [(piece, piece.quantity) for piece in waiting]
        done = cancellation.cancel_units(order, ending, reason=reason, note=note, actor=actor)
        if done.units:
            cancellation.settle(order, actor=actor)
    return done.units


def orders_of(slices: Sequence[int]) -> list[int]:
    """Orders of those that still are unfillable, in id order."""
    return _orders(slices)


def _orders(slices: Sequence[int]) -> list[int]:
    rows = Allocation.objects.filter(UNFILLABLE, pk__in=slices)
    return sorted(set(rows.values_list("order_id", flat=True)))


# --- a stock point by hand -----------------------------------------------------------------------


def places(piece: Allocation) -> list[Place]:
    """The stock points of its channel, and what keeps each from it and what leaves with it."""
    return giving.places(piece.order, _leaving_with(piece), now=timezone.now())


def ship_from(slice_id: int, *, location: int, actor: str) -> list[Allocation]:
    """Give a slice, and what must leave with it, to a stock point that a person chose.

    Returns the slices. Raises Gone, and CannotGive when the stock point cannot have them.
    """
    with transaction.atomic():
        order = _lock(slice_id)
        piece = _still(slice_id)
        pieces = _leaving_with(piece)
        name = Location.objects.values_list("name", flat=True).get(pk=location)
        giving.give(
            order, pieces, location, cause="manual", actor=actor,
            sentence=f"{actor} chose {name} by hand.",
        )  # fmt: skip
    return pieces


def _lock(slice_id: int) -> Order:
    return lifecycle.lock(Allocation.objects.values_list("order_id", flat=True).get(pk=slice_id))


def _still(slice_id: int) -> Allocation:
    piece = (
        Allocation.objects.filter(UNFILLABLE, pk=slice_id)
        .select_related("order__channel", "line__group")
        .first()
    )
    if piece is None:
        raise Gone
    return piece


def _leaving_with(piece: Allocation) -> list[Allocation]:
    """The slice and those it must leave with. Raises CannotGive when one of them cannot yet."""
    order, line = piece.order, piece.line
    if not order.ship_together and not line.together:
        return [piece]
    rows = Allocation.objects.filter(order=order, line__group=line.group)
    if not order.ship_together:
        rows = rows.filter(line__together=line.together)
    waiting = list(rows.filter(state=S.QUEUED).order_by("id"))
    if any(one.queue not in (Queue.ROUTING, Queue.UNFILLABLE) for one in waiting):
        raise CannotGive(f"{order} leaves together with units that cannot be sent yet")
    return waiting


# --- what is on its way --------------------------------------------------------------------------


def supplies(piece: Allocation) -> list[Supply]:
    """Supplies with enough units left that the slice may wait for, the first to come first."""
    to = Destination(piece.order, piece.line.group)
    claim = Claim(piece, None, piece.order.channel.pool_id,
                  to.place_id if to.delivery == PICKUP else None)  # fmt: skip
    open_ = Supply.objects.filter(
        product=piece.line.product_id, state=Supply.State.OPEN, promisable=True
    ).select_related("location")
    known = Places.read(piece.line.product_id, {claim.pool})
    return [
        supply for supply in open_.order_by("eta", "id")
        if supply.quantity - supply.received - supply.claimed >= piece.quantity
        and known.allows(claim, supply.location_id)
    ]  # fmt: skip


def wait_for(slice_id: int, *, supply: int, actor: str) -> Supply:
    """Let a slice wait for a supply instead of stock; its promise moves with that.

    Raises Gone, and CannotGive when the supply has not enough units left.
    """
    with transaction.atomic():
        _lock(slice_id)
        piece = _still(slice_id)
        ledger.lock_product(piece.line.product_id)
        chosen = next((one for one in supplies(piece) if one.pk == supply), None)
        if chosen is None:
            raise CannotGive("The supply has not enough units left")
        if piece.reservation_id is not None:
            ledger.release([piece.reservation_id], actor=actor, reason="waits for supply")
        wanted = ledger.SupplyClaim(piece.pk, chosen.pk, piece.quantity, piece.order_id)
        got = ledger.claim_supply([wanted], owner_type="order")
        lifecycle.move_slices(
            [piece], S.QUEUED, queue=Queue.BACKORDER, next_action_at=None, location_id=None,
            queue_reason=backorders.waits_for(chosen.reference), reservation_id=got[piece.pk],
        )  # fmt: skip
        events.record(piece.order_id, "backorder.promised", actor=actor, units=piece.quantity,
                      reference=chosen.reference)  # fmt: skip
        dates.move_promises([piece.order_id], reference=chosen.reference, actor=actor)
    return chosen
