"""Asking a stock point's own system to let go of units, and what it answers.

While it has not answered, the units are still its work; if they leave, they were not canceled.
"""

from collections.abc import Mapping, Sequence

from django.db import transaction

from config.models import OutboxRow
from fulfillment.models import FulfillmentLine
from fulfillment.work.picking import UnknownLine
from fulfillment.work.requests import sync
from fulfillment.work.task import F, Outcome, TakenAway, Task, lock_task
from orders import cancellation, events, lifecycle
from orders.models import Allocation, Order

ACTOR = "fulfillment"


class NotAsked(Exception):
    """Nobody asks the stock point to let go of anything of this work."""

    def __init__(self, task: Task) -> None:
        left = task.row.state == F.DONE
        super().__init__(
            f"{task.row} has left: nothing of it can be canceled" if left
            else f"{task.row}: nobody asks to cancel any of it"
        )  # fmt: skip


def handle_ask(row: OutboxRow) -> None:
    """Work of the topic "ask": tell who has units of the order that they are to be canceled."""
    order = lifecycle.lock(row.subject)
    lines = FulfillmentLine.objects.filter(
        fulfillment_order__order=order, open=True, allocation__in=row.payload["slices"],
        allocation__cancel_quantity__gt=0,
    ).select_related("allocation", "fulfillment_order")  # fmt: skip
    by_work: dict[int, list[FulfillmentLine]] = {}
    for line in lines.order_by("fulfillment_order_id", "id"):
        by_work.setdefault(line.fulfillment_order_id, []).append(line)
    events.record_many([_asked(order, lines) for lines in by_work.values()], actor=ACTOR)


def _asked(order: Order, lines: Sequence[FulfillmentLine]) -> tuple[int, str, dict]:
    work = lines[0].fulfillment_order
    return order.pk, "fulfillment.cancel_requested", {
        "fulfillment_order": work.pk, "location": work.location_id,
        "units": sum(line.allocation.cancel_quantity for line in lines),
    }  # fmt: skip


def answer_cancel(
    *,
    fulfillment_order_id: int,
    accepted: bool,
    actor: str,
    note: str = "",
    lines: Mapping[int, int] | None = None,
) -> Outcome:
    """The stock point lets go of what it was asked for, or does not (`note` says why).

    lines: units by line id, at most what was asked for; None is everything that was asked for.
    Raises NotAsked, UnknownLine, and TakenAway when the work ended otherwise.
    """
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.row.state == F.CANCELED and accepted:
            return Outcome(task.row, changed=False)
        if task.row.state in (F.REFUSED, F.CANCELED):
            raise TakenAway(task.row)
        units = _answered(task, lines)
        if not units:
            raise NotAsked(task)
        cancellation.answered(task.order, units, accepted=accepted, actor=actor, note=note)
        if accepted:
            sync(order_id=task.order.pk)
            task.row.refresh_from_db()
    return Outcome(task.row, changed=True)


def _answered(task: Task, lines: Mapping[int, int] | None) -> list[tuple[Allocation, int]]:
    by_id = {line.pk: line.allocation for line in task.lines}
    if lines is None:
        return [(p, p.cancel_quantity) for p in by_id.values() if p.cancel_quantity]
    strange = set(lines) - set(by_id)
    if strange:
        raise UnknownLine(min(strange))
    asked = [(by_id[pk], min(units, by_id[pk].cancel_quantity)) for pk, units in lines.items()]
    return [(piece, units) for piece, units in asked if units]
