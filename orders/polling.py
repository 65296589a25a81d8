"""Asking shop systems for their orders: which connection is due, page by page to the end.

Every order of a page is placed, kept for a person, or known already, before the cursor moves on: a
worker that dies reads the page again, and reading an order again does nothing.
"""

import logging
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

from config import outbox, outgoing
from config.models import OutboxRow
from config.outbox import Finish
from orders import cancellation, capture, editing, inbound
from orders.connectors.protocol import ConnectionFailed, Page, Pulled, connector
from orders.models import Connection, InboundOrder, Order
from orders.problems import Problem

log = logging.getLogger(__name__)
TOPIC = "pull"
TURN_SECONDS = 30.0  # then other connections have their turn
LONGEST_PAUSE = timedelta(hours=6)
Kind = InboundOrder.Kind

# A connection whose work is still open is not rung again; two who ring do not wait for each other.
_RING = f"""
WITH due AS (
    SELECT id, every_minutes FROM orders_connection
     WHERE active AND pulls AND next_at <= now() ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), moved AS (
    UPDATE orders_connection c SET next_at = now() + make_interval(mins => due.every_minutes)
      FROM due WHERE c.id = due.id RETURNING c.id
)
INSERT INTO config_outboxrow (topic, subject, cause, payload, created_at, next_at, attempts,
                              last_error)
SELECT '{TOPIC}', m.id, 'due:' || txid_current(), '{{}}', now(), now(), 0, ''
  FROM moved m
 WHERE NOT EXISTS (SELECT 1 FROM config_outboxrow r
                    WHERE r.topic = '{TOPIC}' AND r.subject = m.id
                      AND r.done_at IS NULL AND r.dead_at IS NULL)
"""


def ring() -> int:
    """Put work for every connection that is due; returns for how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_RING)
        return cursor.rowcount


def run_now(link: Connection, *, cause: str) -> None:
    """Ask this connection as soon as a worker is free."""
    outbox.put(topic=TOPIC, subject=link.pk, cause=cause)


def start_over(link: Connection) -> None:
    """Forget how far we have read: the next run begins as the first one did."""
    Connection.objects.filter(pk=link.pk).update(cursor={})


@dataclass
class Taken:
    """What became of a page's orders; `placed` and `same` are order ids by external id."""

    placed: dict[str, int] = field(default_factory=dict)
    same: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    canceled: int = 0
    kept: int = 0


def handle(row: OutboxRow) -> Finish | None:
    """Work of the topic "pull": read a connection's pages to the end, or until its turn is over."""
    links = Connection.objects.select_related("channel")
    link = links.filter(pk=row.subject, active=True, pulls=True, channel__active=True).first()
    if link is None:
        return None
    stop = time.monotonic() + TURN_SECONDS
    while True:
        outbox.renew(row)
        page = _page(link)
        if page is None:
            return None
        take(link, page.orders)
        if not _moved(link, page.cursor) or not page.more:
            return None
        if time.monotonic() > stop:
            cause = f"{row.cause[:60]} on from {row.pk}"
            return lambda: outbox.put(topic=TOPIC, subject=link.pk, cause=cause)


def _page(link: Connection) -> Page | None:
    """The next page; None when the other side fails, which is written down for people."""
    try:
        return connector(link.connector).pull(link, link.cursor)
    except (ConnectionFailed, outgoing.NotTaken, outgoing.NotAllowed) as error:
        _failed(link, str(error))
    except Exception as error:  # of a connector: one that is broken must not look like no orders
        log.exception("connector %s failed", link.connector)
        _failed(link, f"{type(error).__name__}: {error}")
    return None


def _failed(link: Connection, words: str) -> None:
    pause = timedelta(minutes=link.every_minutes) * 2 ** min(link.failures + 1, 12)
    Connection.objects.filter(pk=link.pk).update(
        failures=F("failures") + 1, last_error=inbound.storable(words)[:300],
        last_run_at=timezone.now(),
        next_at=timezone.now() + min(pause, LONGEST_PAUSE) * random.uniform(0.8, 1.2),
    )  # fmt: skip


def _moved(link: Connection, cursor: dict[str, Any]) -> bool:
    """Keep the cursor, unless another worker or a person moved it since it was read."""
    mine = Connection.objects.filter(pk=link.pk, cursor=link.cursor)
    link.cursor = cursor
    return bool(mine.update(cursor=cursor, failures=0, last_error="", last_run_at=timezone.now()))


# --- the orders of a page ------------------------------------------------------------------------


def take(link: Connection, orders: Sequence[Pulled]) -> Taken:
    """Place, change, cancel or keep each order; none of them stops the others."""
    taken = Taken()
    for pulled in orders:
        if pulled.canceled:
            _cancel(link, pulled, taken)
        else:
            _place(link, pulled, taken)
    inbound.overtaken(link.channel, {**taken.same, **taken.placed}, actor=link.connector)
    return taken


def _place(link: Connection, pulled: Pulled, taken: Taken) -> None:
    try:
        payload = inbound.payload_of(pulled.document, code=link.connector, channel=link.channel)
    except inbound.Unreadable as error:
        _keep(link, pulled, taken, kind=Kind.UNREADABLE, problems=error.problems)
        return
    try:
        with transaction.atomic():
            placed = capture.place(
                channel=link.channel, order=payload, source=link.connector, actor=link.connector,
                now=timezone.now(),
            )  # fmt: skip
        taken.placed[payload["external_id"]] = placed.order_id
    except capture.AlreadyPlaced as known:
        if known.same:
            taken.same[known.external_id] = known.order_id
        else:
            _differs(link, pulled, taken, payload, known.order_id)
    except capture.Refused as error:
        _keep(link, pulled, taken, kind=Kind.REFUSED, problems=error.problems)
    except (OperationalError, InterfaceError):
        raise  # the database is away: that is nobody's fault of these orders
    except Exception as error:  # poisonous: whatever it is, it is this order's alone
        log.exception("order %s of %s could not be placed", pulled.external_id, link)
        words = f"it could not be placed ({type(error).__name__}); the log has more"
        _keep(link, pulled, taken, kind=Kind.REFUSED, problems=[Problem("/", "fault", words)])


def _differs(
    link: Connection, pulled: Pulled, taken: Taken, payload: Mapping[str, Any], order_id: int
) -> None:
    """An order of ours with other content: changed at the channel, unless that is old news."""
    order = Order.objects.get(pk=order_id)
    at, known = payload.get("changed_at"), order.channel_changed_at
    if at is not None and known is not None and at < known:
        return
    problems: list[Problem] = []
    try:
        if not editing.between(order, payload):
            return
        if link.settings.get("auto_update") and order.state == Order.State.OPEN:
            with transaction.atomic():
                inbound.take_over(order_id, payload, actor=link.connector, source=link.connector)
            taken.changed += 1
            return
    except (inbound.CannotPick, editing.CannotDiff) as error:
        problems = [Problem("/", "cannot_change", str(error))]
    _keep(link, pulled, taken, kind=Kind.DIFFERS, problems=problems, order=order_id)


def _cancel(link: Connection, pulled: Pulled, taken: Taken) -> None:
    """The channel canceled it: so do we, as far as the channel's cut-off allows."""
    order = Order.objects.filter(channel=link.channel, external_id=pulled.external_id).first()
    if order is None:
        inbound.withdrawn(link.channel, pulled.external_id, actor=link.connector)
        return
    if order.state == Order.State.CANCELED:
        return
    try:
        done = cancellation.cancel(
            order_id=order.pk, reason="customer", actor=link.connector, by="channel"
        )
        taken.canceled += bool(done.units or done.requested)
    except cancellation.CannotCancel as error:
        problem = Problem("/", error.code, f"canceled at the channel, but: {error}")
        _keep(link, pulled, taken, kind=Kind.DIFFERS, problems=[problem], order=order.pk)


def _keep(
    link: Connection, pulled: Pulled, taken: Taken, *, kind: str, problems: Sequence[Problem],
    order: int | None = None,
) -> None:  # fmt: skip
    taken.kept += 1
    inbound.keep(
        channel=link.channel, source=link.connector, external_id=pulled.external_id, kind=kind,
        document=pulled.document, problems=problems, connector=link.connector, order=order,
    )  # fmt: skip
