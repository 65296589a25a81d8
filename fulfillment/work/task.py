"""One locked fulfillment order: where it may go next, and the slices that go with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config import status
from fulfillment.models import FulfillmentLine, FulfillmentOrder, Parcel
from fulfillment.work import unwanted
from orders import events, lifecycle
from orders.models import Allocation, Order
from routing.models import Offer

F = FulfillmentOrder.State
S = Allocation.State

MOVES: dict[str, frozenset[str]] = {
    F.NEW: frozenset({F.ACCEPTED, F.REFUSED, F.CANCELED}),
    F.ACCEPTED: frozenset({F.PICKED, F.REFUSED, F.CANCELED}),
    F.PICKED: frozenset({F.PACKED, F.REFUSED, F.CANCELED}),
    F.PACKED: frozenset({F.READY, F.DONE, F.CANCELED}),
    F.READY: frozenset({F.DONE, F.CANCELED}),
    F.DONE: frozenset(),
    F.REFUSED: frozenset(),
    F.CANCELED: frozenset(),
}
REFUSABLE = (F.NEW, F.ACCEPTED, F.PICKED)
FEWER = "fewer are wanted"
_STEPS = [*FulfillmentOrder.OPEN, F.DONE]


class TakenAway(Exception):
    """The work is no longer this stock point's: it was refused, canceled or moved elsewhere."""

    def __init__(self, row: FulfillmentOrder) -> None:
        self.row = row
        how = "was refused here" if row.state == F.REFUSED else "was taken away"
        super().__init__(f"{row} {how}: nothing is left to do")


@dataclass(frozen=True)
class Outcome:
    """What a button did; `changed` is false when it had been done before."""

    row: FulfillmentOrder
    changed: bool
    parcel: Parcel | None = None


@dataclass
class Task:
    """A fulfillment order whose order is locked, with the lines that are still its own."""

    order: Order
    row: FulfillmentOrder
    lines: list[FulfillmentLine]

    @property
    def slices(self) -> list[Allocation]:
        """The units this work is about."""
        return [line.allocation for line in self.lines]

    @property
    def all_picked(self) -> bool:
        """Whether every wanted unit was picked."""
        return all(line.picked == line.quantity for line in self.lines)

    @property
    def leaves_together(self) -> bool:
        """Whether units of it must leave in one parcel."""
        return self.order.ship_together or any(line.allocation.line.together for line in self.lines)

    @property
    def is_given_anew(self) -> bool:
        """Whether a later decision gave any of it to this stock point once more: sync() asks."""
        given = newest_decisions(self.order)
        return any(is_given_anew(line, self.row, given) for line in self.lines)

    def reached(self, state: str) -> bool:
        """Whether the work is there already. Raises TakenAway when it is nobody's here."""
        ended = self.row.state in (F.REFUSED, F.CANCELED)
        if ended or (not self.lines and self.row.state != F.DONE):
            raise TakenAway(self.row)
        return _STEPS.index(F(self.row.state)) >= _STEPS.index(F(state))

    def move(self, to: str, *, slices: str, **changes: Any) -> None:
        """Move the work and its slices. Raises IllegalMove, naming what is allowed."""
        status.move(self.row, to, allowed=MOVES, **changes)
        pieces = [piece for piece in self.slices if piece.state != slices]
        values = {"reservation_id": None} if slices in lifecycle.LEFT else {}
        lifecycle.move_slices(pieces, slices, **values)

    def record(self, kind: str, *, actor: str, **data: Any) -> None:
        """Write an event of the order about this work."""
        events.record(self.order.pk, kind, actor=actor, fulfillment_order=self.row.pk,
                      location=self.row.location_id, **data)  # fmt: skip


def lock_task(fulfillment_order_id: int) -> Task:
    """Lock the order and read its work. Raises FulfillmentOrder.DoesNotExist.

    A slice that was cut since counts with what is left of it, which is written down.
    """
    order_id = FulfillmentOrder.objects.values_list("order_id", flat=True).get(
        pk=fulfillment_order_id
    )
    order = lifecycle.lock(order_id)
    row = FulfillmentOrder.objects.select_related("location", "group").get(pk=fulfillment_order_id)
    row.order = order
    lines = [line for line in open_lines(row) if is_ours(line, row)]
    shrink(lines)
    return Task(order, row, lines)


def open_lines(row: FulfillmentOrder) -> list[FulfillmentLine]:
    """The open lines with their slices and products, the order's lines in their order."""
    lines = list(
        FulfillmentLine.objects.filter(fulfillment_order=row, open=True)
        .select_related("allocation__line__product")
        .order_by("allocation__line__position", "allocation__line__component", "id")
    )
    for line in lines:
        line.fulfillment_order = row
    return lines


def shrink(lines: Sequence[FulfillmentLine]) -> None:
    """Write down what is left of lines whose slice was cut in two."""
    cut = [line for line in lines if line.quantity > line.allocation.quantity]
    if not cut:
        return
    unwanted.keep((line, line.picked - line.allocation.quantity, FEWER) for line in cut)
    for line in cut:
        line.quantity = line.allocation.quantity
        line.picked = min(line.picked, line.quantity)
    FulfillmentLine.objects.bulk_update(cut, ["quantity", "picked"])


def is_ours(line: FulfillmentLine, row: FulfillmentOrder) -> bool:
    """Whether the slice still is work of this stock point (it may be canceled or moved away)."""
    piece = line.allocation
    return piece.location_id == row.location_id and piece.state not in (S.QUEUED, S.CANCELED)


def newest_decisions(order: Order) -> dict[int, int]:
    """Slice id -> the decision that gave it to a stock point last."""
    rows = Offer.objects.filter(order=order).order_by("id").values_list("slices", "decision_id")
    return {piece: decision for slices, decision in rows for piece in slices}


def is_given_anew(
    line: FulfillmentLine, row: FulfillmentOrder, given: Mapping[int, int]
) -> bool:  # fmt: skip
    """Whether the slice came back and was given to the same stock point, by a later decision.

    Then it is asked for anew, with what else that decision gives it. What was taken on since, by
    its people or its WMS, stays as it is.
    """
    piece = line.allocation
    waits = piece.state == S.ALLOCATED and not piece.handed_over
    return waits and row.decision_id is not None and given.get(piece.pk, 0) > row.decision_id
