"""The timeline of an order: written with the change, and what rings the bells."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from config import outbox

# One statement writes the timeline and the work that follows from it (config/flows.py).
_RECORD = """
WITH given AS (
    SELECT * FROM unnest(%(order)s::bigint[], %(kind)s::text[], %(data)s::jsonb[])
      WITH ORDINALITY AS g(order_id, kind, data, n)
), event AS (
    INSERT INTO orders_orderevent (order_id, kind, at, actor, data)
    SELECT order_id, kind, now(), %(actor)s, data FROM given ORDER BY n
    RETURNING id, order_id, kind, data
), ring AS (
    SELECT * FROM unnest(%(ring_kind)s::text[], %(ring_topic)s::text[]) AS r(kind, topic)
)
INSERT INTO config_outboxrow (topic, subject, cause, payload, created_at, next_at, attempts,
                              last_error)
SELECT r.topic, e.order_id, 'event:' || e.id, e.data || jsonb_build_object('event', e.kind),
       now(), now(), 0, ''
  FROM event e JOIN ring r USING (kind)
 ORDER BY e.id
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
