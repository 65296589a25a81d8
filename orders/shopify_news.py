"""What Shopify's webhooks do to orders: placed, changed, canceled, paid back, or kept for a person.

Every one of them may come twice, late, and in any order. A message is known by its id, a document
is older or newer by the shop's own time of change, and a change is the difference to what is ours:
so what comes again does nothing again. What cannot be done waits under "Not taken": Shopify repeats
what is refused and drops a webhook that refuses too often.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from config.models import IdempotencyKey
from orders import cancellation, capture, editing, inbound, lifecycle, polling, shopify_money
from orders.connectors import shopify_webhook, values
from orders.editing import sheet
from orders.models import Connection, InboundOrder, Order, OrderChange, OrderEvent, SalesChannel
from orders.payments.told import NotTrue
from orders.problems import Problem

log = logging.getLogger(__name__)
SHOP = "shopify"  # source and actor of what comes, and the connector that reads it
Kind, State = InboundOrder.Kind, Order.State
Document = Mapping[str, Any]

REASONS = {  # why an order was canceled there -> our reason
    "customer": "customer", "fraud": "fraud", "inventory": "stock", "declined": "other",
    "staff": "other", "other": "other",
}  # fmt: skip


@dataclass(frozen=True)
class Heard:
    """What became of a message. `placed`: of an order that is new, with its `payload`."""

    outcome: str
    words: str
    order: int | None = None
    payload: Mapping[str, Any] | None = None
    placed: capture.Placed | None = None


OUTCOMES = {
    "placed": "a new order",
    "known": "nothing new: it was heard before, or says what we have",
    "changed": "the order was changed",
    "canceled": "units were canceled, or a warehouse was asked for them",
    "refunded": "money that went back was written down, and units it was for were canceled",
    "late": "something newer was heard before",
    "nothing": "nothing of it concerns us",
    "kept": "it cannot be done; a person decides (orders not taken)",
}


def hear(channel: SalesChannel, topic: str, document: Document, *, message: str) -> Heard:
    """Do what a message says, once. `message` is its id (X-Shopify-Webhook-Id; may be empty).

    An error of ours is kept with the document, too; only an absent database is raised.
    """
    about = _TOPICS.get(topic)
    if about is None:
        return Heard("nothing", f"{topic or 'a message without topic'} is not listened to")
    if message and _rows_of(channel, message).exists():
        return Heard("known", OUTCOMES["known"])
    try:
        heard = about(channel, document)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        log.exception("%s of %s failed", topic, channel)
        words = f"{topic} could not be done ({type(error).__name__}); the log has more"
        heard = _keep(channel, document, Kind.REFUSED, [Problem("/", "fault", words)])
    if message:
        _remember(channel, message)
    return heard


def _rows_of(channel: SalesChannel, message: str) -> Any:
    return IdempotencyKey.objects.filter(owner=f"{SHOP}:{channel.pk}", key=message[:255])


def _remember(channel: SalesChannel, message: str) -> None:
    """Written after the work: a message whose work was cut off is heard again."""
    row = IdempotencyKey(owner=f"{SHOP}:{channel.pk}", key=message[:255], request_hash="")
    IdempotencyKey.objects.bulk_create([row], ignore_conflicts=True)


# --- orders/create -------------------------------------------------------------------------------


def created(channel: SalesChannel, document: Document) -> Heard:
    """Place the order; one that is ours already is looked at as a change of it."""
    number = _id(document, "id")
    if inbound.was_withdrawn(channel, number, actor=SHOP) and _order(channel, number) is None:
        return Heard("late", "it was canceled before it came")
    try:
        payload = inbound.payload_of(dict(document), code=SHOP, channel=channel)
    except inbound.Unreadable as error:
        return _keep(channel, document, Kind.UNREADABLE, error.problems)
    try:
        with transaction.atomic():
            placed = capture.place(
                channel=channel, order=payload, source=SHOP, actor=SHOP, now=timezone.now()
            )
    except capture.AlreadyPlaced as known:
        if known.same:
            return Heard("known", OUTCOMES["known"], known.order_id)
        return _changed(channel, document, payload, known.order_id)
    except capture.Refused as error:
        return _keep(channel, document, Kind.REFUSED, error.problems)
    inbound.overtaken(channel, {number: placed.order_id}, actor=SHOP)
    return Heard("placed", OUTCOMES["placed"], placed.order_id, payload, placed)


# --- orders/updated, orders/edited, orders/paid --------------------------------------------------


def updated(channel: SalesChannel, document: Document) -> Heard:
    """The whole order as it is now: make ours so, where only the shop has changed it."""
    if document.get("cancelled_at"):
        return canceled(channel, document)
    order = _order(channel, _id(document, "id"))
    if order is not None:
        return _updated(channel, document, order)
    if _is_over(document):
        return Heard("nothing", "an order that never was ours, and nothing of it is to be sent")
    return created(channel, document)


def _updated(channel: SalesChannel, document: Document, order: Order) -> Heard:
    if _is_late(order, shopify_webhook.changed_at(document)):
        return Heard("late", OUTCOMES["late"], order.pk)
    if document.get("fulfillment_status") == "fulfilled":
        return Heard("known", "all of it was sent: there is nothing left to change", order.pk)
    try:
        payload = inbound.payload_of(dict(document), code=SHOP, channel=channel)
    except inbound.Unreadable as error:
        return _keep(channel, document, Kind.UNREADABLE, error.problems, order=order.pk)
    return _changed(channel, document, payload, order.pk)


def edited(channel: SalesChannel, document: Document) -> Heard:
    """`orders/edited` says which units came and went, not what they cost: `orders/updated`, which
    Shopify sends with it, has the whole order. Where the shop is asked for its orders, ask now."""
    edit = document.get("order_edit")
    if not isinstance(edit, Mapping):
        return updated(channel, document)
    links = Connection.objects.filter(channel=channel, connector=SHOP, active=True, pulls=True)
    for link in links:
        polling.run_now(link, cause=f"edit {_id(edit, 'id')}")
    order = _order(channel, _id(edit, "order_id"))
    words = "the shop is asked for it" if links else "orders/updated brings the order as it is now"
    return Heard("nothing", words, order.pk if order else None)


def _is_over(document: Document) -> bool:
    status = str(document.get("financial_status"))
    return document.get("fulfillment_status") in {"fulfilled", "restocked"} or status in {
        "refunded", "voided",
    }  # fmt: skip


def _changed(
    channel: SalesChannel, document: Document, payload: Mapping[str, Any], order_id: int
) -> Heard:
    """Take a document of an order of ours over, in one transaction; keep it where that fails."""
    try:
        with transaction.atomic():
            order = lifecycle.lock(order_id)
            if _is_late(order, payload.get("changed_at")):
                return Heard("late", OUTCOMES["late"], order_id)
            changed = _take_over(order, payload)
    except (inbound.CannotPick, editing.CannotDiff) as error:
        problems = [Problem("/", "cannot_change", str(error))]
        heard = _keep(channel, document, Kind.DIFFERS, problems, order=order_id)
        inbound.seen(order_id, payload)
        return heard
    try:
        paid = shopify_money.paid(order_id, payload, actor=SHOP)
    except NotTrue as error:
        problems = [Problem("/financial_status", error.code, f"its payment: {error}")]
        return _keep(channel, document, Kind.DIFFERS, problems, order=order_id)
    outcome = "changed" if changed or paid else "known"
    return Heard(outcome, OUTCOMES[outcome], order_id)


def _take_over(order: Order, payload: Mapping[str, Any]) -> bool:
    """Whether a locked order had to change. The same words again say nothing, whatever became of
    the order since; other words about an order that was changed here, too, are for a person."""
    if order.payload_hash == capture.payload_hash(payload):
        inbound.seen(order.pk, payload)
        return False
    if changed_here(order) and editing.between(order, payload):
        raise inbound.CannotPick("it was changed here, too: taking theirs would undo that")
    return inbound.take_over(order.pk, payload, actor=SHOP, source=SHOP)


def changed_here(order: Order) -> bool:
    """Whether somebody else than its shop edited the order or canceled units of it."""
    edits = OrderChange.objects.filter(order=order, state=OrderChange.State.APPLIED)
    cancels = OrderEvent.objects.filter(order=order, kind="order.canceled")
    return edits.exclude(source=SHOP).exists() or cancels.exclude(actor=SHOP).exists()


# --- orders/cancelled ----------------------------------------------------------------------------


def canceled(channel: SalesChannel, document: Document) -> Heard:
    """Cancel the whole order, as far as the channel's cut-off allows; else a person decides."""
    number = _id(document, "id")
    order = _order(channel, number)
    if order is None:
        return _canceled_before(channel, document, number)
    if order.state == State.CANCELED:
        return Heard("known", OUTCOMES["known"], order.pk)
    said = str(document.get("cancel_reason") or "other")
    try:
        cancellation.cancel(
            order_id=order.pk, reason=REASONS.get(said, "other"), actor=SHOP, by="channel",
            note=f"Shopify: {said}"[:200],
        )  # fmt: skip
    except cancellation.CannotCancel as error:
        if order.allocations.filter(cancel_quantity__gt=0).exists():
            return Heard("known", "a warehouse was asked for its units before", order.pk)
        problem = Problem("/", error.code, f"canceled at the shop, but: {error}")
        return _keep(channel, document, Kind.DIFFERS, [problem], order=order.pk)
    inbound.withdrawn(channel, number, actor=SHOP)
    _seen_at(order, shopify_webhook.changed_at(document))
    return Heard("canceled", OUTCOMES["canceled"], order.pk)


def _seen_at(order: Order, at: str | None) -> None:
    if at is not None:
        rows = Order.objects.filter(pk=order.pk).exclude(channel_changed_at__gt=at)
        rows.update(channel_changed_at=at)


def _canceled_before(channel: SalesChannel, document: Document, number: str) -> Heard:
    """Remember an order that was canceled before we had it, so that it is not placed later."""
    problem = Problem("/", "canceled", "the shop canceled it before it came")
    _keep(channel, document, Kind.REFUSED, [problem])
    inbound.withdrawn(channel, number, actor=SHOP)
    return Heard("nothing", "an order that is not ours was canceled")


# --- refunds/create ------------------------------------------------------------------------------


def refunded(channel: SalesChannel, document: Document) -> Heard:
    """Cancel the units that the shop took off, and write down the money that it gave back.

    The units first: what is too much without them is noted as going back, and recognized when it is
    told. Money that goes back for no units is a gesture.
    """
    order = _order(channel, _id(document, "order_id"))
    if order is None:
        return Heard("nothing", "a refund of an order that is not ours")
    problems: list[Problem] = []
    units = 0
    if not _is_late(order, document.get("processed_at") or document.get("created_at")):
        try:
            units = _cancel_units(order, document)
        except cancellation.CannotCancel as error:
            problems.append(Problem("/refund_line_items", error.code, str(error)))
    problems += shopify_money.given_back(channel, order, document, actor=SHOP)
    if problems:
        return _keep(channel, document, Kind.DIFFERS, problems, order=order.pk)
    words = OUTCOMES["refunded"] if units or document.get("transactions") else OUTCOMES["known"]
    return Heard("refunded", words, order.pk)


def _cancel_units(order: Order, document: Document) -> int:
    """Cancel units that the shop took off the order; returns how many.

    A refund says how many units its line has left, so the same refund again cancels nothing.
    """
    with transaction.atomic():
        order = lifecycle.lock(order.pk)
        items = list(sheet.read(order).items.values())
        positions: dict[int, int] = {}
        for row in _rows(document, "refund_line_items"):
            if row.get("restock_type") != "cancel":
                continue  # sent already (return), or not to be sold again: no unit of ours to free
            mine = [i for i in items if i.head.external_id == _id(row, "line_item_id")]
            gone = sum(item.units for item in mine) - _left_of(row, mine)
            for item in reversed(mine):
                units = min(max(gone, 0), item.units)
                gone -= units
                if units:
                    positions[item.position] = units
        if not positions:
            return 0
        done = cancellation.cancel(
            order_id=order.pk, reason="customer", actor=SHOP, by="channel", positions=positions,
            note=f"Shopify: refund {_id(document, 'id')}",
        )  # fmt: skip
    return done.units + done.requested


def _left_of(row: Document, mine: Sequence[Any]) -> int:
    """Units that the shop has left of a line after a refund; of old documents: bought less taken
    off here."""
    line = row.get("line_item")
    left = line.get("current_quantity") if isinstance(line, Mapping) else None
    if isinstance(left, int):
        return max(left, 0)
    bought: int = sum(item.head.quantity for item in mine)
    taken = row.get("quantity")
    return bought - taken if isinstance(taken, int) else bought


# --- helpers -------------------------------------------------------------------------------------


def _rows(document: Document, name: str) -> list[Document]:
    rows = document.get(name)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _id(document: Document, name: str) -> str:
    text = str(document.get(name))
    return text if text.isascii() and text.isdecimal() else ""


def _order(channel: SalesChannel, number: str) -> Order | None:
    return Order.objects.filter(channel=channel, external_id=number).first() if number else None


def _is_late(order: Order, at: Any) -> bool:
    """Whether the shop changed the order after this, as far as we have heard."""
    when = at if isinstance(at, datetime) else values.moment(at) if isinstance(at, str) else None
    known = order.channel_changed_at
    return bool(when and when.tzinfo and known and when < known)


def _keep(
    channel: SalesChannel, document: Document, kind: str, problems: Sequence[Problem], *,
    order: int | None = None,
) -> Heard:  # fmt: skip
    number = _id(document, "order_id") or _id(document, "id")
    inbound.keep(
        channel=channel, source=SHOP, external_id=number, kind=kind, document=document,
        problems=problems, connector=SHOP, order=order,
    )  # fmt: skip
    return Heard("kept", "; ".join(problem.detail for problem in problems)[:500], order)


_TOPICS: dict[str, Callable[[SalesChannel, Document], Heard]] = {
    "orders/create": created,
    "orders/updated": updated,
    "orders/edited": edited,
    "orders/paid": updated,
    "orders/cancelled": canceled,
    "refunds/create": refunded,
}
TOPICS = tuple(_TOPICS)
