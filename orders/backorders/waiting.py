"""Units that routing could not place wait for a supply, when one is on its way."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from orders import events, lifecycle
from orders.backorders import dates
from orders.backorders.promising import Awaited, promise_from_supply, waits_for
from orders.models import Allocation, Order
from orders.promise import Wanted

S, Queue = Allocation.State, Allocation.Queue


def wait_for_supply(
    order: Order, slices: Sequence[tuple[Allocation, str]], *,
    products: Mapping[str, int], only: str | None, actor: str,
) -> list[Allocation]:  # fmt: skip
    """Promise slices of a locked order, which hold no claim, from what is on its way.

    `slices` come with their SKUs, `products` are ids by SKU, `only` is the code of the one stock
    point allowed. The promised day moves with the supply, and the customer is told. Returns those
    that no supply covers, cut off where one covers a part.
    """
    pieces = [piece for piece, _ in slices]
    wanted = [Wanted(n, sku, piece.quantity) for n, (piece, sku) in enumerate(slices)]
    found, _ = promise_from_supply(
        wanted, pool=order.channel.pool_id, products=products, only=only, order_id=order.pk
    )
    if not found:
        return pieces
    promised, left = _cut(pieces, found)
    for reference, group in promised.items():
        rows = [piece for piece, _ in group]
        lifecycle.move_slices(
            rows, S.QUEUED, queue=Queue.BACKORDER, queue_reason=waits_for(reference),
            next_action_at=None, location_id=None,
            reservation_id=lifecycle.per_slice(rows, [claim for _, claim in group]),
        )  # fmt: skip
    events.record_many(
        [(order.pk, "backorder.promised", _data(reference, group))
         for reference, group in sorted(promised.items())],
        actor=actor,
    )  # fmt: skip
    dates.move_promises([order.pk], reference=found[-1].coming.reference, actor=actor)
    return left


def _cut(
    pieces: Sequence[Allocation], found: Sequence[Awaited]
) -> tuple[dict[str, list[tuple[Allocation, int]]], list[Allocation]]:
    """Slices with their claims by supply, and those that got none."""
    by_slice: dict[int, list[Awaited]] = defaultdict(list)
    for one in found:
        by_slice[one.index].append(one)
    promised: dict[str, list[tuple[Allocation, int]]] = defaultdict(list)
    left = []
    for n, piece in enumerate(pieces):
        rest: Allocation | None = piece
        for one in by_slice[n]:
            this = rest
            if this is None:
                break
            rest = None
            if this.quantity > one.quantity:
                rest = lifecycle.split_slice(this, quantity=this.quantity - one.quantity)
            promised[one.coming.reference].append((this, one.reservation))
        if rest is not None:
            left.append(rest)
    return promised, left


def _data(reference: str, group: Sequence[tuple[Allocation, int]]) -> dict[str, Any]:
    return {"units": sum(piece.quantity for piece, _ in group), "reference": reference}
