"""Orders that came in and could not be taken: kept with their reason until somebody decides.

One row per content: the same order in the same words counts attempts, and what a person decided
about it stays decided however often it comes again. A settled row forgets what it held.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from rest_framework.serializers import ValidationError

from config.problems import flat
from orders import capture, editing
from orders.connectors.base import CannotMap
from orders.connectors.protocol import connector
from orders.models import InboundOrder, Order, SalesChannel
from orders.payload import validated
from orders.problems import Problem

Kind, State = InboundOrder.Kind, InboundOrder.State
LONGEST_ID = 100
LONGEST_DETAIL = 500
MOST_PROBLEMS = 50


class Unreadable(Exception):
    """A document that does not say an order; `problems` has every reason that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.pointer}: {p.detail}" for p in problems))


class AlreadySettled(Exception):
    """Somebody decided about this order before."""


class CannotPick(Exception):
    """Theirs cannot be taken over; the words say why, and nothing changed."""


# --- what comes in -------------------------------------------------------------------------------


def payload_of(document: dict[str, Any], *, code: str, channel: SalesChannel) -> dict[str, Any]:
    """The validated canonical payload of a document; `code` is its connector, empty: our own
    format. Raises Unreadable, whatever is wrong with the document."""
    try:
        mapped = connector(code).read(document, channel=channel) if code else document
        return validated(mapped)
    except CannotMap as error:
        raise Unreadable(
            [Problem(p.pointer, "cannot_map", p.words) for p in error.problems]
        ) from error
    except ValidationError as error:
        rows = [Problem(e["pointer"], e["code"], e["detail"]) for e in flat(error.detail)]
        raise Unreadable(rows) from error
    except KeyError as error:
        words = f"{error} is missing, or a connector that does not exist any more"
        raise Unreadable([Problem("/", "cannot_map", words)]) from error


def keep(
    *,
    channel: SalesChannel,
    source: str,
    external_id: str,
    kind: str,
    document: Mapping[str, Any],
    problems: Sequence[Problem],
    connector: str = "",
    order: int | None = None,
) -> InboundOrder:
    """Keep an order that could not be taken, in a transaction of its own.

    The same document again counts as one more attempt; one that was settled stays settled. `order`
    is the id of the order it differs from.
    """
    content = storable(document)
    now = timezone.now()
    found = {"kind": kind, "problems": _rows(problems), "order_id": order}
    with transaction.atomic(durable=True):
        row, created = InboundOrder.objects.get_or_create(
            channel=channel, external_id=_cut(external_id), digest=_digest(content),
            defaults={**found, "source": source, "connector": connector, "document": content,
                      "first_at": now, "last_at": now},
        )  # fmt: skip
        if not created:
            same = InboundOrder.objects.filter(pk=row.pk)
            same.update(attempts=F("attempts") + 1, last_at=now)
            same.filter(state=State.OPEN).update(**found)
            row.refresh_from_db()
    return row


def overtaken(channel: SalesChannel, orders: Mapping[str, int], *, actor: str) -> int:
    """Open rows of these orders (external id -> id) are settled: a newer document was taken."""
    rows = InboundOrder.objects.filter(
        channel=channel, external_id__in=list(orders), state=State.OPEN
    )
    found = list(rows.exclude(kind=Kind.DIFFERS).values_list("pk", "external_id"))
    for pk, external_id in found:
        _settle(pk, State.PLACED, actor=actor, order=orders[external_id])
    return len(found)


def withdrawn(channel: SalesChannel, external_id: str, *, actor: str) -> int:
    """The channel canceled an order that we never took: nobody has to decide about it."""
    rows = InboundOrder.objects.filter(channel=channel, external_id=external_id, state=State.OPEN)
    return rows.update(state=State.DISMISSED, **_forgotten(actor))


def was_withdrawn(channel: SalesChannel, external_id: str, *, actor: str) -> bool:
    """Whether the channel canceled an order before it could be taken."""
    rows = InboundOrder.objects.filter(channel=channel, external_id=external_id)
    return rows.filter(state=State.DISMISSED, resolved_by=actor[:100]).exists()


# --- what people decide --------------------------------------------------------------------------


def retry(inbound_id: int, *, actor: str) -> InboundOrder:
    """Read the document again and place it; it stays in the queue with the new reasons if not.

    Raises AlreadySettled.
    """
    with transaction.atomic():
        row = _lock(inbound_id)
        try:
            payload = payload_of(row.document, code=row.connector, channel=row.channel)
            with transaction.atomic():
                placed = capture.place(
                    channel=row.channel, order=payload, source=row.source, actor=actor,
                    now=timezone.now(),
                )  # fmt: skip
        except capture.AlreadyPlaced as known:
            if known.same:
                _settle(row.pk, State.PLACED, actor=actor, order=known.order_id)
            else:
                _again(row, Kind.DIFFERS, [], order=known.order_id)
        except Unreadable as error:
            _again(row, Kind.UNREADABLE, error.problems)
        except capture.Refused as error:
            _again(row, Kind.REFUSED, error.problems)
        else:
            _settle(row.pk, State.PLACED, actor=actor, order=placed.order_id)
    row.refresh_from_db()
    return row


def pick(inbound_id: int, *, choice: str, actor: str) -> InboundOrder:
    """Decide about an order that differs from ours: keep `ours`, or change it into `theirs`.

    Raises AlreadySettled, and CannotPick when theirs cannot be taken over.
    """
    with transaction.atomic():
        row = _lock(inbound_id)
        if row.kind != Kind.DIFFERS or row.order_id is None:
            raise CannotPick("there is no order of ours to compare it with; try it again instead")
        if choice == "theirs":
            take_over(row.order_id, payload_for(row), actor=actor, source=row.source)
        elif choice != "ours":
            raise ValueError(f"{choice!r} is neither ours nor theirs")
        state = State.REPLACED if choice == "theirs" else State.KEPT
        _settle(row.pk, state, actor=actor, order=row.order_id)
    row.refresh_from_db()
    return row


def dismiss(inbound_id: int, *, actor: str) -> InboundOrder:
    """Do not take it, now or when it comes again like this. Raises AlreadySettled."""
    with transaction.atomic():
        row = _lock(inbound_id)
        _settle(row.pk, State.DISMISSED, actor=actor, order=row.order_id)
    row.refresh_from_db()
    return row


def payload_for(row: InboundOrder) -> dict[str, Any]:
    """The payload of a kept document; raises CannotPick when it cannot be read any more."""
    try:
        return payload_of(row.document, code=row.connector, channel=row.channel)
    except Unreadable as error:
        raise CannotPick(str(error)) from error


def preview(row: InboundOrder, *, actor: str) -> editing.Preview | None:
    """What taking theirs would do; None when nothing has to change. Raises CannotPick."""
    assert row.order is not None
    with _in_words():
        actions = editing.between(row.order, payload_for(row))
        if not actions:
            return None
        return editing.preview(order_id=row.order.pk, actions=actions, actor=actor)


def take_over(order_id: int, payload: Mapping[str, Any], *, actor: str, source: str) -> bool:
    """Change an order into what its channel says now; returns whether anything had to change.

    Raises CannotPick when an edit of it is not possible.
    """
    order = Order.objects.get(pk=order_id)
    with _in_words():
        actions = editing.between(order, payload)
        if actions:
            editing.apply(
                order_id=order_id, actions=actions, actor=actor, source=source,
                reason="changed at the channel", based_on=order.version,
            )  # fmt: skip
    seen(order_id, payload)
    return bool(actions)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (editing.CannotDiff, editing.EditRefused, editing.Stale, ValidationError) as error:
        raise CannotPick(str(error)) from error


def seen(order_id: int, payload: Mapping[str, Any]) -> None:
    """Note the channel's own time and words of what was looked at: older documents are old news,
    and the same words say nothing new."""
    at = payload.get("changed_at")
    if at is not None:
        newer = Order.objects.filter(pk=order_id).exclude(channel_changed_at__gt=at)
        newer.update(channel_changed_at=at, payload_hash=capture.payload_hash(payload))


# --- rows ----------------------------------------------------------------------------------------


def _lock(inbound_id: int) -> InboundOrder:
    rows = InboundOrder.objects.select_for_update(no_key=True, of=("self",))
    row = rows.select_related("channel").get(pk=inbound_id)
    if row.state != State.OPEN:
        raise AlreadySettled(f"{row.external_id or 'this order'}: {row.get_state_display()}")
    return row


def _settle(pk: int, state: str, *, actor: str, order: int | None) -> None:
    InboundOrder.objects.filter(pk=pk, state=State.OPEN).update(
        state=state, order_id=order, **_forgotten(actor)
    )


def _forgotten(actor: str) -> dict[str, Any]:
    """What it held is personal data and is not needed any more."""
    return {"document": {}, "problems": [], "resolved_by": actor[:100],
            "resolved_at": timezone.now()}  # fmt: skip


def _again(
    row: InboundOrder, kind: str, problems: Sequence[Problem], *, order: int | None = None
) -> None:
    InboundOrder.objects.filter(pk=row.pk).update(
        kind=kind, problems=_rows(problems), order_id=order, attempts=F("attempts") + 1,
        last_at=timezone.now(),
    )  # fmt: skip


def _rows(problems: Sequence[Problem]) -> list[dict[str, str]]:
    return [
        storable({"pointer": p.pointer[:200], "code": p.code, "detail": p.detail[:LONGEST_DETAIL]})
        for p in problems[:MOST_PROBLEMS]
    ]


def _cut(external_id: str) -> str:
    return str(storable(external_id))[:LONGEST_ID]


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def storable(document: Any) -> Any:
    """A document as PostgreSQL can keep it as JSON, so that keeping one never fails."""
    return _clean(json.loads(json.dumps(document, cls=DjangoJSONEncoder, default=_said)))


def _said(value: Any) -> Any:
    try:
        return DjangoJSONEncoder().default(value)
    except TypeError:
        return str(value)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        text = value.replace("\x00", "\N{REPLACEMENT CHARACTER}")
        return text.encode("utf-8", "replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {_clean(name): _clean(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_clean(inner) for inner in value]
    return value
