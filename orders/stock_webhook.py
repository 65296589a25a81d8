"""Changes of availability, posted to a channel that gave an address for them, and told to the shop
system behind it where its connector can.

Signed as Standard Webhooks (standardwebhooks.com) say, so that a channel can check them with any
library for it. A 2xx is both "told" and "acknowledged"; anything else is tried again for days.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.utils import timezone

from config import outbox, outgoing
from config.models import OutboxRow
from config.outbox import Finish
from orders import publishing
from orders.connectors.protocol import connector
from orders.models import Connection, SalesChannel
from orders.publishing import Figure
from orders.webhooks import signing

ROWS = 500  # of one message


class NoSecret(Exception):
    """The channel has an address and nothing to sign with."""


def handle(row: OutboxRow) -> Finish | None:
    """Work of the topic "stock_delta": tell a channel the oldest changes it has not heard."""
    channel = SalesChannel.objects.filter(pk=row.subject).first()
    link = Connection.objects.filter(channel=channel, active=True, pushes_stock=True).first()
    if channel is None or not (channel.stock_url or link):
        return None
    figures = publishing.unsent(channel, limit=ROWS)
    if not figures:
        return None
    outbox.renew(row)
    if link:
        connector(link.connector).tell_stock(link, figures)
    if channel.stock_url:
        _post(channel, figures)
    return partial(_told, channel, figures)


def _post(channel: SalesChannel, figures: Sequence[Figure]) -> None:
    if not channel.stock_secret:
        raise NoSecret(f"give {channel} a stock secret: what is posted to it must be signed")
    body = message(figures)
    outgoing.post(channel.stock_url, body, headers=signed(channel, body, at=timezone.now()))


def _told(channel: SalesChannel, figures: Sequence[Figure]) -> None:
    publishing.sent(figures)
    publishing.confirmed(channel, upto=figures[-1].number)


def message(figures: Sequence[Figure]) -> bytes:
    """The body: the same figures always make the same bytes."""
    newest = max(figure.changed_at for figure in figures)
    content = {
        "type": "availability.changed",
        "timestamp": newest.isoformat(),
        "data": {"next": figures[-1].number, "changes": [as_row(figure) for figure in figures]},
    }
    return json.dumps(content, separators=(",", ":")).encode()


def as_row(figure: Figure) -> dict[str, Any]:
    """A change as the feed and the message write it."""
    return {
        "sku": figure.sku,
        "available": figure.available,
        "in_stock": figure.available > 0,
        "changed_at": figure.changed_at.isoformat(),
        "crossed": figure.crossed,
    }


def signed(channel: SalesChannel, body: bytes, *, at: datetime) -> dict[str, str]:
    """The headers of a message: an id that is the same at every attempt, the time, the signature.

    The id is made from the content: a repeat with news in it must not look like one without.
    """
    digest = hashlib.sha256(body).hexdigest()[:32]
    name = f"stock_{channel.pk}_{digest}"
    return signing.headers(name, body, secrets=[channel.stock_secret], at=at)
