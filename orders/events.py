"""The timeline of an order: written with the change, and what rings the bells."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from config import outbox

# One statement writes the timeline, the work that follows from it (config/flows.py), and what is
# to be posted to webhooks. The channel of an order is looked up only when somebody listens. Arrays
# stand in subselects so that the plan does not depend on their lengths: PostgreSQL then plans once
# for a connection, and planning would cost three times what the statement does.
_RECORD = """
WITH given AS (
    SELECT * FROM unnest((SELECT %(order)s::bigint[]), (SELECT %(kind)s::text[]),
                         (SELECT %(data)s::jsonb[]))
      WITH ORDINALITY AS g(order_id, kind, data, n)
), event AS (
    INSERT INTO orders_orderevent (order_id, kind, at, actor, data)
    SELECT order_id, kind, now(), %(actor)s, data FROM given ORDER BY n
    RETURNING id, order_id, kind, data
), ring AS (
    SELECT * FROM unnest((SELECT %(ring_kind)s::text[]), (SELECT %(ring_topic)s::text[]))
      AS r(kind, topic)
), listener AS (
    SELECT id, channel_id, kinds, paused_until FROM orders_webhookendpoint WHERE active
), delivery AS (
    INSERT INTO orders_webhookdelivery (endpoint_id, event_id, state, attempts, answer, created_at)
    SELECT l.id, e.id, 'pending', 0, '', now() FROM event e CROSS JOIN listener l
     WHERE (l.kinds = '{}' OR e.kind = ANY (l.kinds))
       AND (l.channel_id IS NULL
            OR l.channel_id = (SELECT channel_id FROM orders_order WHERE id = e.order_id))
     ORDER BY e.id, l.id
    RETURNING id, endpoint_id, event_id
), work AS (
    SELECT r.topic, e.order_id AS subject, e.id AS event_id, now() AS next_at,
           e.data || jsonb_build_object('event', e.kind) AS payload
      FROM event e JOIN ring r USING (kind)
     UNION ALL
    SELECT 'webhook', d.id, d.event_id, greatest(now(), l.paused_until), '{}'
      FROM delivery d JOIN listener l ON l.id = d.endpoint_id
)
INSERT INTO config_outboxrow (topic, subject, cause, payload, created_at, next_at, attempts,
                              last_error)
SELECT topic, subject, 'event:' || event_id, payload, now(), next_at, 0, ''
  FROM work ORDER BY event_id, topic
"""


def record(order: int, kind: str, *, actor: str, **data: Any) -> None:
    """Write one event of an order, and the work rows that its kind rings."""
    record_many([(order, kind, data)], actor=actor)


def record_many(events: Sequence[tuple[int, str, Mapping[str, Any]]], *, actor: str) -> None:
    """Write events `(order id, kind, data)` in one statement. `data` holds no personal data."""
    if not events:
        return
    bells = [(kind, topic) for kind in {e[1] for e in events} for topic in outbox.rings(kind)]
    with connection.cursor() as cursor:
        cursor.execute(
            _RECORD,
            {
                "order": [order for order, _, _ in events],
                "kind": [kind for _, kind, _ in events],
                "data": [Jsonb(dict(data)) for _, _, data in events],
                "actor": actor,
                "ring_kind": [kind for kind, _ in bells],
                "ring_topic": [topic for _, topic in bells],
            },
        )
