"""A customer asks for a return, staff decide, and it may be canceled until the goods arrive."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from config import status
from orders import lifecycle
from orders.models import Order
from returns import policy
from returns.models import Return, ReturnLine
from returns.process import expected
from returns.process.table import MOVES, BadQuantity, Refused, S, UnknownLine, locked, record
from returns.returnable import Room, rooms


class NothingAsked(Refused):
    """Not a single unit was named."""

    code = "nothing_asked"
    field = "lines"

    def __init__(self) -> None:
        super().__init__("choose at least one item to send back")


class UnknownReason(Refused):
    """A reason that is not in the list; `known` is the list."""

    code = "unknown_reason"
    field = "reason"

    def __init__(self, reason: str) -> None:
        self.reason, self.known = reason, list(Return.Reason.values)
        super().__init__(f"{reason!r} is not one of {', '.join(self.known)}")


class TooMany(Refused):
    """More units than left us, or than other returns leave; `room` has the figures."""

    code = "too_many"
    field = "quantity"

    def __init__(self, room: Room, asked: int) -> None:
        self.room, self.asked, self.line_id = room, asked, room.line.pk
        super().__init__(_too_many(room))


class WindowOver(Refused):
    """The units may not come back any more: their return window is closed."""

    code = "window_over"
    field = "quantity"

    def __init__(self, room: Room, asked: int) -> None:
        self.room, self.asked, self.line_id = room, asked, room.line.pk
        least = f"at most {room.open} of" if room.open else "no more of"
        super().__init__(
            f"{least} {room.line.name} can be sent back: the {policy.RETURN_WINDOW_DAYS} days"
            " after delivery are over"
        )


class TooManyReturns(Refused):
    """The order has as many returns as one order may have; staff can still make one."""

    code = "too_many_returns"

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"this order has {most} returns already; please contact us")


class ReasonMissing(Refused):
    """Staff must say why."""

    code = "reason_missing"
    field = "reason"

    def __init__(self) -> None:
        super().__init__("say why: the customer and your colleagues will ask")


def _too_many(room: Room) -> str:
    name = room.line.name
    if not room.shipped:
        return f"{name} was not shipped yet, so it cannot be sent back"
    if not room.left:
        return f"all {room.shipped} shipped units of {name} are in other returns already"
    taken = f", {room.taken} of them in other returns" if room.taken else ""
    return f"at most {room.left} of {name} can be sent back: {room.shipped} shipped{taken}"


def request(
    *,
    order_id: int,
    lines: Sequence[tuple[int, int]],
    reason: str,
    by: str,
    note: str = "",
    override: str = "",
    key: str | None = None,
) -> Return:
    """Ask to send units back: pairs (order line id, quantity), for a reason of Return.Reason.

    At most what left us, less what other returns hold, within the return window. Staff may look
    past the window (and the number of returns) with `override`, their reason. The same key makes
    one return: it is answered again. Raises a Refused, or Order.DoesNotExist.
    """
    wanted = _added_up(lines)
    if reason not in Return.Reason.values:
        raise UnknownReason(reason)
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        known = order.returns.filter(key=key).first() if key else None
        if known is not None:
            return known
        _check(order, wanted, override=override, now=timezone.now())
        rma = Return.objects.create(
            order=order, reason=reason, note=note, requested_by=by, override=override, key=key
        )
        ReturnLine.objects.bulk_create(
            [ReturnLine(rma=rma, order_line_id=pk, expected=n) for pk, n in wanted.items()]
        )
        late = {"past_window": True} if override else {}
        record(rma, "requested", actor=by, reason=reason, units=sum(wanted.values()), **late)
    return rma


def _added_up(lines: Sequence[tuple[int, int]]) -> dict[int, int]:
    wanted: dict[int, int] = {}
    for line, quantity in lines:
        if quantity < 1:
            raise BadQuantity(line, quantity)
        wanted[line] = wanted.get(line, 0) + quantity
    if not wanted:
        raise NothingAsked
    return wanted


def _check(order: Order, wanted: Mapping[int, int], *, override: str, now: datetime) -> None:
    room = rooms(order, now=now)
    if set(wanted) - set(room):
        raise UnknownLine(set(wanted) - set(room))
    for line, units in wanted.items():
        if units > room[line].left:
            raise TooMany(room[line], units)
        if units > room[line].open and not override:
            raise WindowOver(room[line], units)
    if not override and order.returns.count() >= policy.MAX_RETURNS_PER_ORDER:
        raise TooManyReturns(policy.MAX_RETURNS_PER_ORDER)


def approve(*, return_id: int, actor: str) -> Return:
    """Let the customer send the goods, which are expected from then on.

    Raises IllegalMove when it was decided otherwise.
    """
    with transaction.atomic():
        rma = _decide(return_id, S.APPROVED, actor=actor)
        expected.announce(rma, actor=actor)
    return rma


def decline(*, return_id: int, reason: str, actor: str) -> Return:
    """Refuse a return, in words for the customer. Raises ReasonMissing, IllegalMove."""
    if not reason.strip():
        raise ReasonMissing
    return _decide(return_id, S.DECLINED, actor=actor, decline_reason=reason.strip())


def cancel(*, return_id: int, actor: str) -> Return:
    """Drop a return of which nothing arrived and nothing was paid. Raises IllegalMove."""
    with transaction.atomic():
        rma = _decide(return_id, S.CANCELED, actor=actor)
        expected.end(rma)
    return rma


def _decide(return_id: int, to: str, *, actor: str, **changes: str) -> Return:
    with transaction.atomic():
        rma = locked(return_id)
        if rma.state == to:
            return rma
        status.move(rma, to, allowed=MOVES, decided_at=timezone.now(), **changes)
        record(rma, to, actor=actor)
    return rma
