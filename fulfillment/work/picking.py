"""Taking work or refusing it, picking by scan, packing."""

from collections.abc import Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from config.status import IllegalMove, MovedMeanwhile
from fulfillment.models import FulfillmentLine
from fulfillment.work import unwanted
from fulfillment.work.task import MOVES, REFUSABLE, F, Outcome, S, TakenAway, Task, lock_task
from inventory import ledger
from orders import cancellation, lifecycle
from orders.models import Allocation
from routing import offers, reasons, refusals
from routing.models import RefusalReason

MAX_CODE = 64


class NotInOrder(Exception):
    """What was scanned is in no line of this work."""

    def __init__(self, code: str) -> None:
        self.code = code[:MAX_CODE]
        super().__init__(f"{self.code} is not in this order: put it back")


class TooMany(Exception):
    """All wanted units of this product were picked before."""

    def __init__(self, line: FulfillmentLine, wanted: int) -> None:
        self.line, self.wanted = line, wanted
        self.sku = line.allocation.line.sku
        super().__init__(f"{self.sku}: all {wanted} are picked already, put this one back")


class UnknownLine(Exception):
    """A line id that is not one of this work."""

    def __init__(self, line_id: int) -> None:
        self.line_id = line_id
        super().__init__(f"line {line_id} is not in this fulfillment order")


def accept(*, fulfillment_order_id: int, actor: str) -> Outcome:
    """The stock point takes the work. Raises TakenAway, also while it is being asked anew."""
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.reached(F.ACCEPTED):
            return Outcome(task.row, changed=False)
        if task.leaves_together and task.is_given_anew:
            raise TakenAway(task.row)
        task.move(F.ACCEPTED, slices=S.ACCEPTED, assigned_to=actor)
        if task.row.offered_to > 1:
            offers.end(task.order, task.slices)
        task.record("fulfillment.accepted", actor=actor)
    return Outcome(task.row, changed=True)


# --- refusing ------------------------------------------------------------------------------------


def refuse(
    *,
    fulfillment_order_id: int,
    reason: str,
    actor: str,
    note: str = "",
    keep: Mapping[int, int] | None = None,
) -> Outcome:
    """The stock point cannot give everything; what it cannot is routed again at once.

    keep: units it can give, by line id; lines that are not named are kept whole, None keeps
    nothing. Said this way (what is left, not how many fewer) a repeat changes nothing.
    Raises routing.reasons.UnknownReason, UnknownLine, TakenAway, and IllegalMove once packed.
    """
    why = reasons.find(reason)
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.row.state == F.REFUSED:
            return Outcome(task.row, changed=False)
        task.reached(F.NEW)
        if task.row.state not in REFUSABLE:
            raise IllegalMove(str(task.row), task.row.state, F.REFUSED, MOVES[task.row.state])
        slices = _give_up(task, keep, why)
        if not slices:
            return Outcome(task.row, changed=False)
        units = sum(piece.quantity for piece in slices)
        task.record("fulfillment.refused", actor=actor, units=units, reason=reason, words=why.name)
        slices = _end_asked(task, slices, actor=actor)
        if slices:
            along = _end_asked(task, _leave_with(task, slices), actor=actor)
            refusals.reroute(slices=slices, along=along, reason=reason, note=note, actor=actor)
        if not task.lines:
            task.move(F.REFUSED, slices=S.QUEUED, ended_at=timezone.now())
        finish_picking(task, actor=actor)
    return Outcome(task.row, changed=True)


def _give_up(task: Task, keep: Mapping[int, int] | None, why: RefusalReason) -> list[Allocation]:
    """Close what cannot be given, cutting slices; returns those. `task.lines` keeps the rest."""
    _check_known(task, keep or {})
    wanted = {line.pk: line.quantity for line in task.lines}
    kept = {pk: 0 if keep is None else min(keep.get(pk, n), n) for pk, n in wanted.items()}
    whole = [line for line in task.lines if kept[line.pk] == 0]
    partly = [line for line in task.lines if 0 < kept[line.pk] < line.quantity]
    if not _is_damaged(why):
        unwanted.keep(
            (line, line.picked - kept[line.pk], f"refused: {why.name}")
            for line in [*whole, *partly]
        )
    cut = [_cut(line, keep=kept[line.pk]) for line in partly]
    FulfillmentLine.objects.filter(pk__in=[line.pk for line in whole]).update(open=False)
    if partly:
        FulfillmentLine.objects.bulk_update(partly, ["quantity", "picked"])
        FulfillmentLine.objects.bulk_create(cut)
    task.lines = [line for line in task.lines if kept[line.pk]]
    given_up = [line.allocation for line in [*whole, *cut]]
    ledger.set_off_shelf(_claims(given_up), off_shelf=False)
    return given_up


def _is_damaged(why: RefusalReason) -> bool:
    """Whether what is refused is set aside: it must not go back on the shelf."""
    blocks = why.effect != RefusalReason.Effect.NONE
    return blocks and why.bucket == RefusalReason.Bucket.DAMAGED


def _leave_with(task: Task, given_up: Sequence[Allocation]) -> list[Allocation]:
    """Close the lines that must leave in one parcel with what is given up; returns their slices."""
    words = {piece.line.together for piece in given_up} - {""}
    along = [
        line
        for line in task.lines
        if task.order.ship_together or line.allocation.line.together in words
    ]
    unwanted.keep((line, line.picked, "leaves with what was refused") for line in along)
    FulfillmentLine.objects.filter(pk__in=[line.pk for line in along]).update(open=False)
    task.lines = [line for line in task.lines if line not in along]
    pieces = [line.allocation for line in along]
    ledger.set_off_shelf(_claims(pieces), off_shelf=False)
    return pieces


def _end_asked(task: Task, slices: Sequence[Allocation], *, actor: str) -> list[Allocation]:
    """Units that the stock point was asked to let go are canceled, not sent elsewhere."""
    asked = [(piece, piece.cancel_quantity) for piece in slices if piece.cancel_quantity]
    cancellation.answered(task.order, asked, accepted=True, actor=actor)
    return [piece for piece in slices if piece.state != S.CANCELED]


def _check_known(task: Task, keep: Mapping[int, int]) -> None:
    strange = set(keep) - {line.pk for line in task.lines}
    if strange:  # refused before, or never of this work
        closed = FulfillmentLine.objects.filter(fulfillment_order=task.row, pk__in=strange)
        strange -= set(closed.values_list("pk", flat=True))
    if strange:
        raise UnknownLine(min(strange))


def _cut(line: FulfillmentLine, *, keep: int) -> FulfillmentLine:
    units = line.quantity - keep
    piece = lifecycle.split_slice(line.allocation, quantity=units)
    piece.line = line.allocation.line
    line.quantity = keep
    line.picked = min(line.picked, keep)
    return FulfillmentLine(
        fulfillment_order=line.fulfillment_order, allocation=piece, quantity=units, open=False
    )


# --- picking and packing -------------------------------------------------------------------------


def scan(*, fulfillment_order_id: int, code: str, actor: str) -> Outcome:
    """Count one unit as picked by its barcode (GTIN) or SKU; with the last one, picking is done.

    Raises NotInOrder, TooMany, TakenAway, and IllegalMove when the work was not accepted yet.
    """
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if not task.reached(F.ACCEPTED):
            raise IllegalMove(str(task.row), task.row.state, F.PICKED, MOVES[task.row.state])
        line = _line_for(task, code.strip())
        counted = FulfillmentLine.objects.filter(pk=line.pk, picked__lt=line.quantity).update(
            picked=line.picked + 1
        )
        if counted != 1:
            raise MovedMeanwhile(f"{task.row} was changed meanwhile")
        line.picked += 1
        _take_off_shelf([line])
        finish_picking(task, actor=actor)
    return Outcome(task.row, changed=True)


def _line_for(task: Task, code: str) -> FulfillmentLine:
    fitting = [line for line in task.lines if code and _fits(line, code)]
    if not fitting:
        raise NotInOrder(code)
    for line in fitting:
        if line.picked < line.quantity:
            return line
    raise TooMany(fitting[0], sum(line.quantity for line in fitting))


def _fits(line: FulfillmentLine, code: str) -> bool:
    product = line.allocation.line.product
    if code.casefold() == product.sku.casefold():
        return True
    # Scanners drop or add leading zeros: UPC-A, EAN-13 and GTIN-14 name the same thing.
    gtin = product.gtin or ""
    return gtin != "" and code.isdigit() and code.lstrip("0") == gtin.lstrip("0")


def pick_all(*, fulfillment_order_id: int, actor: str) -> Outcome:
    """Count everything as picked without scanning; who may do that is the edges' question."""
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.reached(F.PICKED):
            return Outcome(task.row, changed=False)
        if task.row.state != F.ACCEPTED:
            raise IllegalMove(str(task.row), task.row.state, F.PICKED, MOVES[task.row.state])
        for line in task.lines:
            line.picked = line.quantity
        FulfillmentLine.objects.bulk_update(task.lines, ["picked"])
        finish_picking(task, actor=actor)
    return Outcome(task.row, changed=True)


def finish_picking(task: Task, *, actor: str) -> None:
    """Picking is done when every unit that is still wanted was picked."""
    if task.row.state == F.ACCEPTED and task.lines and task.all_picked:
        _take_off_shelf(task.lines)
        task.move(F.PICKED, slices=S.PICKED)
        task.record("fulfillment.picked", actor=actor, units=_picked(task.lines))


def _take_off_shelf(lines: Sequence[FulfillmentLine]) -> None:
    """What is picked is on hand, but no count finds it on the shelf (inventory/counts)."""
    picked = [line.allocation for line in lines if line.picked == line.quantity]
    ledger.set_off_shelf(_claims(picked), off_shelf=True)


def _claims(slices: Sequence[Allocation]) -> list[int]:
    return [piece.reservation_id for piece in slices if piece.reservation_id is not None]


def _picked(lines: Sequence[FulfillmentLine]) -> int:
    return sum(line.picked for line in lines)


def pack(*, fulfillment_order_id: int, actor: str) -> Outcome:
    """Everything is in its box. Raises IllegalMove while something is not picked, TakenAway."""
    with transaction.atomic():
        task = lock_task(fulfillment_order_id)
        if task.reached(F.PACKED):
            return Outcome(task.row, changed=False)
        task.move(F.PACKED, slices=S.PACKED)
        task.record("fulfillment.packed", actor=actor)
    return Outcome(task.row, changed=True)
