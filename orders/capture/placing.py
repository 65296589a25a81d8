"""place() and place_many(): validated payloads become orders, each wholly or not at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from psycopg.types.json import Jsonb

from orders import baskets, events, offer, promise, promise_tokens, validation
from orders.capture import blocking, cards, slices
from orders.capture.amounts import check
from orders.capture.claiming import Claimed, claim
from orders.capture.errors import AlreadyPlaced, InsufficientStock, Refused
from orders.capture.incoming import Incoming, Plan, check_places, named_places
from orders.capture.items import bundles, in_our_skus, items
from orders.capture.rows import insert, order_row, payload_hash
from orders.models import Order, SalesChannel
from orders.problems import Problem


@dataclass(frozen=True)
class Part:
    """Units of one line promised from one stock point; `location` None: they wait in a queue.

    `supply` is the purchase order that they wait for, `expected` its date (None: not known).
    """

    line: int
    sku: str
    quantity: int
    location: str | None
    location_name: str | None
    supply: str | None = None
    expected: date | None = None


@dataclass(frozen=True)
class Placed:
    """What was written; `holds` are the types of what blocks it."""

    order_id: int
    promised_at: datetime | None
    parts: tuple[Part, ...]
    line_ids: tuple[int, ...]
    holds: tuple[str, ...] = ()


Answer = Placed | Refused | AlreadyPlaced
Payload = Mapping[str, Any]


class _Undo(Exception):
    """Orders of this attempt are refused when half of it is written: nothing of it may stay."""

    def __init__(self, orders: Mapping[str, Refused]) -> None:
        self.orders = dict(orders)
        super().__init__(f"{len(self.orders)} orders")


def place(
    *, channel: SalesChannel, order: Payload, source: str, actor: str, now: datetime
) -> Placed:
    """Take one order (the validated canonical payload, see docs/api.md) of a channel.

    Runs inside the caller's transaction, which any exception must roll back.
    Raises Refused for what does not add up, is unknown or against the channel's rules,
    InsufficientStock when neither stock nor (where the channel promises it) supply covers it and
    the channel does not queue, AlreadyPlaced when the external id is known.
    """
    _need_transaction()
    try:
        (answer,) = _attempt(channel, [order], source=source, actor=actor, now=now)
    except _Undo as undo:
        raise undo.orders[order["external_id"]] from None
    if isinstance(answer, Placed):
        return answer
    raise answer


def place_many(
    *, channel: SalesChannel, orders: Sequence[Payload], source: str, actor: str, now: datetime
) -> list[Answer]:
    """Take many orders of a channel; the answer to each stands at its place.

    One that cannot be taken stops no other. Runs inside the caller's transaction.
    """
    _need_transaction()
    answers: dict[int, Answer] = {}
    left = dict(enumerate(orders))
    twins = _twins(orders)
    for i in twins:
        del left[i]
    while left:
        try:
            with transaction.atomic():
                found = _attempt(channel, list(left.values()), source=source, actor=actor, now=now)
        except _Undo as undo:  # who claims too late is refused; the others start anew
            for i in [i for i, order in left.items() if order["external_id"] in undo.orders]:
                answers[i] = undo.orders[left.pop(i)["external_id"]]
        else:
            answers |= zip(left, found, strict=True)
            break
    for i, first in twins.items():
        answers[i] = _as_twin(orders[i], orders[first], answers[first])
    return [answers[i] for i in range(len(orders))]


def _need_transaction() -> None:
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("capture needs a transaction around it")


def _twins(orders: Sequence[Payload]) -> dict[int, int]:
    """Orders whose external id stands earlier in the same call -> the earlier one."""
    first: dict[str, int] = {}
    twins = {}
    for i, order in enumerate(orders):
        earlier = first.setdefault(order["external_id"], i)
        if earlier != i:
            twins[i] = earlier
    return twins


def _as_twin(order: Payload, first: Payload, answer: Answer) -> Answer:
    if isinstance(answer, Refused):
        return answer
    same = payload_hash(order) == payload_hash(first)
    return AlreadyPlaced(answer.order_id, order["external_id"], same=same)


# --- one attempt ---------------------------------------------------------------------------------


def _attempt(
    channel: SalesChannel, orders: Sequence[Payload], *, source: str, actor: str, now: datetime
) -> list[Answer]:
    answers: dict[str, Answer] = {}
    digests = {order["external_id"]: payload_hash(order) for order in orders}
    sums = {order["external_id"]: check(order) for order in orders}
    answers |= {name: Refused(problems) for name, problems in sums.items() if problems}
    ours = in_our_skus(channel, [o for o in orders if o["external_id"] not in answers])
    incoming, sellable = _read(channel, ours, answers, now=now)
    planned: list[tuple[Incoming, Plan]] = []
    for one in incoming:
        plan = one.plan(sellable, one.wanted())
        if plan[1] and channel.on_shortage == SalesChannel.OnShortage.REFUSE:
            answers[one.order["external_id"]] = _short(one, plan[1])
        else:
            planned.append((one, plan))
    rows = [
        order_row(
            one, sellable, promised=one.promised(plan[0], (), now=now), source=source,
            digest=digests[one.order["external_id"]], now=now,
        )
        for one, plan in planned
    ]  # fmt: skip
    written = insert(rows, actor=actor) if rows else {}
    new = [(o, written[n], p) for o, p in planned if (n := o.order["external_id"]) in written]
    answers |= _finish(claim(new, sellable, actor=actor), source=source, actor=actor, now=now)
    known = _known(channel, digests, [n for n in digests if _may_be_known(answers.get(n))])
    return [known.get(name) or answers[name] for name in digests]


def _may_be_known(answer: Answer | None) -> bool:
    """What is refused now may have been taken before: then that is the answer."""
    return answer is None or isinstance(answer, Refused)


def _known(
    channel: SalesChannel, digests: Mapping[str, str], names: Sequence[str]
) -> dict[str, AlreadyPlaced]:
    if not names:
        return {}
    rows = Order.objects.filter(channel=channel, external_id__in=names)
    return {
        name: AlreadyPlaced(pk, name, same=digest == digests[name])
        for pk, name, digest in rows.values_list("pk", "external_id", "payload_hash")
    }


def _read(
    channel: SalesChannel, orders: Sequence[Payload], answers: dict[str, Answer], *, now: datetime
) -> tuple[list[Incoming], dict[str, Any]]:
    """Everything known of these orders; those that cannot be are answered."""
    skus = {line["sku"] for order in orders for line in order["line_items"]}
    basket = baskets.lock(channel, orders[0]["basket"]) if len(orders) == 1 else None
    sellable = offer.points(channel, sorted(skus), basket=basket)
    kits = bundles(sorted(skus - set(sellable)))
    if kits:
        parts = sorted({c.sku for kit in kits.values() for c in kit.components} - set(sellable))
        sellable |= offer.points(channel, parts, basket=basket)
    places = named_places(orders)
    verdicts = validation.examine(channel, orders, now=now)
    incoming = []
    for order, verdict in zip(orders, verdicts, strict=True):
        try:
            _check_known(order, sellable, kits)
            check_places(order, places)
            if verdict.refused:
                raise Refused(verdict.refused)
            stocked = items(order, kits)
            cart = promise_tokens.of_order(channel.pk, order, stocked)
        except Refused as refused:
            answers[order["external_id"]] = refused
        except promise_tokens.BadToken as bad:
            answers[order["external_id"]] = Refused([bad.problem])
        else:
            incoming.append(Incoming(channel, order, stocked, kits, places, basket, verdict, cart))
    return incoming, sellable


def _check_known(order: Payload, sellable: Mapping[str, Any], kits: Mapping[str, Any]) -> None:
    unknown = [
        Problem(f"/line_items/{i}/sku", "unknown_sku", f"no active product has SKU {line['sku']!r}")
        for i, line in enumerate(order["line_items"])
        if line["sku"] not in sellable and line["sku"] not in kits
    ]
    if unknown:
        raise Refused(unknown)


def _short(one: Incoming, missing: Sequence[promise.Wanted]) -> InsufficientStock:
    """The units of each line that can be promised; a bundle's as its component has them."""
    problems = []
    for wanted in missing:
        item = one.items[wanted.index]
        had = item.quantity - wanted.quantity
        problems.append(
            Problem(
                f"/line_items/{item.index}/quantity", "insufficient_stock",
                f"{had} of {item.quantity} units of {wanted.sku} can be promised",
            )
        )  # fmt: skip
    return InsufficientStock(problems)


# --- what follows from the claims ----------------------------------------------------------------


def _finish(
    claimed: Sequence[Claimed], *, source: str, actor: str, now: datetime
) -> dict[str, Placed]:
    """Slices, holds, gift cards and events of orders that have their claims. Raises _Undo."""
    if not claimed:
        return {}
    _refuse_short(claimed)
    promised = {one.written.order_id: _promised(one, now=now) for one in claimed}
    _promise_anew([one for one in claimed if not one.as_planned], promised)
    slices.insert(claimed, now=now)
    holds = blocking.place(claimed, actor=actor, now=now)
    refused = cards.redeem(claimed, actor=actor)
    if refused:
        raise _Undo(refused)
    told = [
        (pk := one.written.order_id, "order.received", _told(one, promised[pk], source))
        for one in claimed
    ]
    told += [(hold.order_id, "hold.opened", {"hold": hold.pk, "type": hold.type}) for hold in holds]
    events.record_many(told, actor=actor)
    types: dict[int, tuple[str, ...]] = {}
    for hold in holds:
        types[hold.order_id] = (*types.get(hold.order_id, ()), hold.type)
    return {
        one.incoming.order["external_id"]: Placed(
            pk := one.written.order_id, promised[pk], _parts(one), one.written.lines,
            types.get(pk, ()),
        )
        for one in claimed
    }  # fmt: skip


def _refuse_short(claimed: Sequence[Claimed]) -> None:
    """Where the channel neither queues nor all is covered, the attempt must not stay."""
    queue = SalesChannel.OnShortage.QUEUE
    short = {
        one.incoming.order["external_id"]: _short(one.incoming, one.missing)
        for one in claimed
        if one.missing and one.incoming.channel.on_shortage != queue
    }
    if short:
        raise _Undo(short)


def _promised(one: Claimed, *, now: datetime) -> datetime | None:
    pieces = one.planned if one.incoming.is_test else [piece for piece, _ in one.held]
    return one.incoming.promised(pieces, one.awaited, now=now)


def _promise_anew(claimed: Sequence[Claimed], promised: Mapping[int, datetime | None]) -> None:
    """Write what orders promise that could not claim all that was planned."""
    if not claimed:
        return
    rows = [
        (pk := one.written.order_id, promised[pk],
         Jsonb([vars(finding) for finding in one.incoming.findings(promised[pk])]))
        for one in claimed
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_order o SET promised_at = w.at, findings = w.findings"
            " FROM unnest(%s::bigint[], %s::timestamptz[], %s::jsonb[]) AS w(id, at, findings)"
            " WHERE o.id = w.id",
            [list(column) for column in zip(*rows, strict=True)],
        )


def _told(one: Claimed, promised: datetime | None, source: str) -> dict[str, Any]:
    order, cart = one.incoming.order, one.incoming.cart
    moved = cart is not None and len(one.incoming.findings(promised)) > len(
        one.incoming.verdict.findings
    )
    return {
        **({"cart_promised_at": cart.until.isoformat()} if cart and moved else {}),
        "source": source, "total": str(order["total"]), "currency": order["currency"],
        "promised_at": promised and promised.isoformat(),
        "from_locations": sorted({piece.point.code for piece, _ in one.held}),
        "missing_units": sum(w.quantity for w in one.missing),
        "awaited_units": sum(w.quantity for w in one.awaited),
    }  # fmt: skip


def _parts(one: Claimed) -> tuple[Part, ...]:
    items = one.incoming.items
    if one.incoming.is_test:
        return tuple(Part(one.index + 1, one.sku, one.quantity, None, None) for one in items)
    found = [
        Part(items[p.index].index + 1, p.sku, p.quantity, p.point.code, p.point.name)
        for p, _ in one.held
    ]
    found += [
        Part(items[w.index].index + 1, w.sku, w.quantity, None, None, w.coming.reference,
             w.coming.eta)
        for w in one.awaited
    ]  # fmt: skip
    found += [Part(items[w.index].index + 1, w.sku, w.quantity, None, None) for w in one.missing]
    return tuple(sorted(found, key=lambda part: part.line))
