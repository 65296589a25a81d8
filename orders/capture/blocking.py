"""What blocks a new order from the start: findings of its checks, its own day, being a test."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from orders import holds, promise
from orders.capture.claiming import Claimed
from orders.models import Allocation, Hold

TYPE = Hold.Type


def place(claimed: Sequence[Claimed], *, actor: str, now: datetime) -> list[Hold]:
    """Write the holds of new orders, whose slices are there already."""
    rows = [hold for one in claimed for hold in _holds(one, now)]
    for hold in rows:
        hold.placed_by, hold.placed_at = actor, now
    return Hold.objects.bulk_create(rows) if rows else []


def _holds(one: Claimed, now: datetime) -> Iterator[Hold]:
    order_id = one.written.order_id
    for wanted in one.incoming.verdict.holds:
        yield Hold(
            order_id=order_id, type=wanted.type, handle=wanted.handle, reason=wanted.reason[:300],
            blocks=list(wanted.blocks), data=dict(wanted.data),
        )  # fmt: skip
    if one.incoming.is_test:
        yield _hold(order_id, TYPE.TEST, TYPE.TEST, "a test order is never sent")
        return
    if any(to.wanted_on for to in one.incoming.to.values()):
        yield from _scheduled(one, now)


def _scheduled(one: Claimed, now: datetime) -> Iterator[Hold]:
    """What goes to a destination on a day of its own waits until it is time to send it."""
    for key, pieces in one.incoming.by_destination(piece for piece, _ in one.held).items():
        to = one.incoming.to[key]
        if to.wanted_on is None:
            continue
        release = promise.release_at(to.wanted_on, pieces, at=to.at, now=now, speed=to.speed)
        if release is None:
            continue
        handle = f"{TYPE.SCHEDULED}:{key}".rstrip(":")
        hold = _hold(one.written.order_id, TYPE.SCHEDULED, handle, f"wanted on {to.wanted_on}")
        hold.release_at = release
        if len(one.incoming.to) > 1:
            hold.slices = _slices(one, key)
        yield hold


def _slices(one: Claimed, key: str) -> list[int]:
    lines = [
        line for line, item in zip(one.written.lines, one.incoming.items, strict=True)
        if item.group == key
    ]  # fmt: skip
    found = Allocation.objects.filter(line_id__in=lines).order_by("id")
    return list(found.values_list("id", flat=True))


def _hold(order_id: int, type_: str, handle: str, reason: str) -> Hold:
    return Hold(
        order_id=order_id, type=type_, handle=handle, reason=reason,
        blocks=list(holds.TYPES[type_].blocks),
    )  # fmt: skip
