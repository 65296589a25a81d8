"""Claims of new orders: from stock, from a basket, from supply, until nothing is left to be had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from inventory import ledger
from inventory.availability import Sellable
from orders import baskets, offer, promise
from orders.backorders.promising import Awaited, promise_from_supply
from orders.capture.incoming import Incoming, Plan
from orders.capture.rows import Written
from orders.models import SalesChannel

ROUNDS = 3  # a claim may be lost to somebody faster; then the next best place is tried


@dataclass(eq=False)
class Claimed:
    """What one order holds, what it waits for, and what nothing covers."""

    incoming: Incoming
    written: Written
    planned: list[promise.Piece]
    held: list[tuple[promise.Piece, int]] = field(default_factory=list)  # with its reservation
    awaited: list[Awaited] = field(default_factory=list)
    missing: list[promise.Wanted] = field(default_factory=list)

    @property
    def as_planned(self) -> bool:
        """Whether every claim is where it was planned, so that the first promise stands."""
        return not self.awaited and [piece for piece, _ in self.held] == self.planned


def claim(
    orders: Sequence[tuple[Incoming, Written, Plan]],
    sellable: Mapping[str, Sellable],
    *,
    actor: str,
) -> list[Claimed]:
    """Claim the plans of written orders of one channel, all of them in the same few statements.

    What was lost to somebody faster is planned again on what is there now; what is not there at all
    is promised from supply, where the channel does that.
    """
    found = [Claimed(one, written, plan[0]) for one, written, plan in orders]
    for one, (_, _, plan) in zip(found, orders, strict=True):
        one.missing += plan[1]
    real = [one for one in found if not one.incoming.is_test]
    open_ = [(one, piece) for one in real for piece in one.planned]
    for _ in range(ROUNDS):
        lost = _reserve(open_, actor=actor)
        if not lost:
            break
        open_ = _plan_again(lost)
    else:
        for one, piece in open_:
            one.missing.append(promise.Wanted(piece.index, piece.sku, piece.quantity))
    for one in real:
        _await_supply(one, sellable)
    return found


def _reserve(
    wanted: Sequence[tuple[Claimed, promise.Piece]], *, actor: str
) -> list[tuple[Claimed, promise.Piece]]:
    """Claim pieces; returns those that somebody else was faster for."""
    lost = []
    for basket, group in groupby(wanted, key=lambda pair: pair[0].incoming.basket):
        pairs = list(group)
        claims = [
            ledger.Claim(
                n, piece.point.product, piece.point.location, piece.quantity,
                one.written.order_id, hot=piece.point.hot,
            )
            for n, (one, piece) in enumerate(pairs)
        ]  # fmt: skip
        got = (
            ledger.reserve(claims, owner_type="order", actor=actor)
            if basket is None
            else baskets.redeem(basket, claims, actor=actor)
        )
        for n, (one, piece) in enumerate(pairs):
            if n in got:
                one.held.append((piece, got[n].reservation))
            else:
                lost.append((one, piece))
    return lost


def _plan_again(
    lost: Sequence[tuple[Claimed, promise.Piece]],
) -> list[tuple[Claimed, promise.Piece]]:
    skus = sorted({piece.sku for _, piece in lost})
    first = lost[0][0].incoming
    now_free = offer.points(first.channel, skus, basket=first.basket)
    found = []
    for one, group in groupby(lost, key=lambda pair: pair[0]):
        again = [promise.Wanted(p.index, p.sku, p.quantity) for _, p in group]
        pieces, short = one.incoming.plan(now_free, again)
        one.missing += short
        found += [(one, piece) for piece in pieces]
    return found


def _await_supply(one: Claimed, sellable: Mapping[str, Sellable]) -> None:
    """Promise what is missing from supplies, where the channel does that."""
    channel = one.incoming.channel
    if not one.missing or channel.on_shortage == SalesChannel.OnShortage.REFUSE:
        return
    left: list[promise.Wanted] = []
    for key, to in one.incoming.to.items():
        part = [w for w in one.missing if one.incoming.items[w.index].group == key]
        if part:
            awaited, rest = promise_from_supply(
                part, pool=channel.pool_id,
                products={w.sku: sellable[w.sku].product for w in part}, only=to.only,
                order_id=one.written.order_id,
            )  # fmt: skip
            one.awaited += awaited
            left += rest
    one.missing = left
