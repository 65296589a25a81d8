"""Sending again what was sent or given up, sending a test, and forgetting what is old."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import uuid4

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from config import outbox
from config.models import OutboxRow
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.webhooks.endpoints import TOPIC

MOST = 10_000  # of one call
KEEP = timedelta(days=30)
LOST = timedelta(days=1)  # a delivery that old and without work was lost with its work
OFF = "the endpoint is switched off: switch it on first"
State = WebhookDelivery.State


class SwitchedOff(Exception):
    """The endpoint is switched off: nothing can be sent to it."""


_AGAIN = """
WITH again AS (
    UPDATE orders_webhookdelivery SET state = 'pending', attempts = 0
     WHERE id IN (SELECT id FROM orders_webhookdelivery
                   WHERE endpoint_id = %(endpoint)s AND state = ANY (%(states)s::text[])
                     AND id > %(after)s
                     AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
                     AND (%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s))
                   ORDER BY id LIMIT %(most)s FOR UPDATE)
    RETURNING id
)
INSERT INTO config_outboxrow (topic, subject, cause, payload, created_at, next_at, attempts,
                              last_error)
SELECT %(topic)s, id, %(cause)s, '{}', now(), now(), 0, '' FROM again ORDER BY id
RETURNING subject
"""


def replay(
    endpoint: WebhookEndpoint, *, states: Collection[str] = (State.FAILED,),
    since: datetime | None = None, after: int = 0, ids: Collection[int] | None = None,
) -> list[int]:  # fmt: skip
    """Send deliveries in one of these states again, with the ids that their messages had.

    Returns which, in their order, at most MOST. Raises SwitchedOff.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        if not locked.active:
            raise SwitchedOff(OFF)
        cursor.execute(
            _AGAIN,
            {
                "endpoint": endpoint.pk, "since": since, "after": after, "most": MOST,
                "topic": TOPIC, "ids": None if ids is None else list(ids),
                "states": list(states), "cause": f"replay:{uuid4().hex}",
            },
        )  # fmt: skip
        return sorted(pk for (pk,) in cursor.fetchall())


@transaction.atomic
def test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Send a message that is about no order. Raises SwitchedOff."""
    if not WebhookEndpoint.objects.filter(pk=endpoint.pk, active=True).exists():
        raise SwitchedOff(OFF)
    delivery = WebhookDelivery.objects.create(endpoint=endpoint)
    outbox.put(topic=TOPIC, subject=delivery.pk, cause="test")
    return delivery


def forget(now: datetime) -> dict[str, int]:
    """Drop what was sent or given up a month ago; give up what no work is left for."""
    deliveries = WebhookDelivery.objects
    work = OutboxRow.objects.filter(topic=TOPIC, subject=OuterRef("pk"), done_at=None, dead_at=None)
    lost = deliveries.filter(~Exists(work), state=State.PENDING, created_at__lt=now - LOST)
    given_up = lost.update(state=State.FAILED, answer="not sent: its work gave up")
    old = deliveries.filter(created_at__lt=now - KEEP).exclude(state=State.PENDING)
    return {"webhooks": old.delete()[0], "webhooks_given_up": given_up}
