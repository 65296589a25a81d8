"""What every channel should say of every product: marks become figures, changes are numbered.

Whatever changes what can be promised leaves a mark on its product: triggers of the database write
it, in the transaction of the change (inventory/migrations/0004, orders/migrations/0003). One
publisher at a time takes the marks away and writes what became of the figures. Because the next
one begins after the last one committed, numbers are in the order of commits, and a channel that
asks for what is newer than a number misses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from inventory import availability
from orders.models import ChannelStock, SalesChannel
from orders.offer import WAITING

BATCH = 2000  # marks taken at once
WEBHOOK = "stock_delta"
_LOCK = "hashtext('orders.publishing')"

_TAKE = """
DELETE FROM inventory_stockchange WHERE id IN (
    SELECT id FROM inventory_stockchange ORDER BY id LIMIT %s)
RETURNING product_id
"""

# A line that a channel was never told of begins with the first stock row in its pool. Zero for
# what is no longer sold; only figures that differ are written, and each takes the next number.
_PUBLISH = f"""
WITH figure AS (
    SELECT c.id AS channel_id, p.id AS product_id, k.id AS known, k.quantity AS before,
           CASE WHEN c.active AND p.active THEN coalesce(f.units, 0) ELSE 0 END AS quantity
      FROM inventory_product p
     CROSS JOIN orders_saleschannel c
      LEFT JOIN ({availability.of_pools(WAITING)}) f
        ON f.pool_id = c.pool_id AND f.product_id = p.id
      LEFT JOIN orders_channelstock k ON k.channel_id = c.id AND k.product_id = p.id
     WHERE p.id = ANY(%(products)s)
       AND (k.id IS NOT NULL OR (f.units IS NOT NULL AND c.active AND p.active))
), changed AS MATERIALIZED (
    SELECT * FROM figure WHERE before IS DISTINCT FROM quantity ORDER BY channel_id, product_id
), written AS (
    INSERT INTO orders_channelstock (channel_id, product_id, quantity, number, changed_at)
    SELECT channel_id, product_id, quantity, nextval('orders_channelstock_number'),
           clock_timestamp() FROM changed
    ON CONFLICT (channel_id, product_id) DO UPDATE
       SET quantity = excluded.quantity, number = excluded.number, changed_at = excluded.changed_at
    RETURNING channel_id, product_id, quantity, number, changed_at
), crossed AS (
    INSERT INTO orders_stockcrossing (channel_id, product_id, in_stock, number, at)
    SELECT w.channel_id, w.product_id, w.quantity > 0, w.number, w.changed_at
      FROM written w JOIN changed c USING (channel_id, product_id)
     WHERE c.known IS NOT NULL AND (w.quantity > 0) <> (c.before > 0)
)
SELECT count(*) FROM written
"""

# One open row of work per channel that is told (at its address or by its connector) and has not
# heard everything.
_RING = f"""
INSERT INTO config_outboxrow (topic, subject, cause, payload, created_at, next_at, attempts,
    last_error)
SELECT '{WEBHOOK}', c.id, 'number:' || u.number || ':' || txid_current(), '{{}}', now(), now(), 0,
       ''
  FROM orders_saleschannel c
 CROSS JOIN LATERAL (
    SELECT k.number FROM orders_channelstock k
     WHERE k.channel_id = c.id AND (k.sent_number IS NULL OR k.sent_number < k.number)
     ORDER BY k.number LIMIT 1) AS u
 WHERE (c.stock_url <> ''
        OR EXISTS (SELECT 1 FROM orders_connection l
                    WHERE l.channel_id = c.id AND l.active AND l.pushes_stock))
   AND NOT EXISTS (SELECT 1 FROM config_outboxrow r
                    WHERE r.topic = '{WEBHOOK}' AND r.subject = c.id
                      AND r.done_at IS NULL AND r.dead_at IS NULL)
"""


@dataclass(frozen=True)
class Round:
    """What one round did: marks taken away, figures that changed."""

    marks: int = 0
    changes: int = 0


def publish() -> Round:
    """Publish what up to 2,000 marks ask for; does nothing while another publisher is at work."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
        if not cursor.fetchone()[0]:
            return Round()
        cursor.execute(_TAKE, [BATCH])
        marks = [row[0] for row in cursor.fetchall()]
        changes = _publish(sorted(set(marks))) if marks else 0
        cursor.execute(_RING)
    return Round(len(marks), changes)


def _publish(products: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_PUBLISH, {"products": list(products)})
        return int(cursor.fetchone()[0])


def publish_all() -> int:
    """Publish until no mark is left that can be taken; returns figures that changed."""
    changes = 0
    while (done := publish()).marks:
        changes += done.changes
    return changes


def tell_again(rows: Sequence[int] | None = None, *, channel: int | None = None) -> int:
    """Give rows, or a whole channel, new numbers, so that they are told again; returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        cursor.execute(_AGAIN, {"rows": None if rows is None else list(rows), "channel": channel})
        return cursor.rowcount


_AGAIN = """
WITH chosen AS (
    SELECT id FROM orders_channelstock
     WHERE (%(rows)s::bigint[] IS NULL OR id = ANY(%(rows)s))
       AND (%(channel)s::bigint IS NULL OR channel_id = %(channel)s)
     ORDER BY channel_id, product_id FOR NO KEY UPDATE
)
UPDATE orders_channelstock k SET number = nextval('orders_channelstock_number')
  FROM chosen c WHERE k.id = c.id
"""


# --- what a channel is told ----------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """What a channel is told of one product. `crossed`: how that differs from what it confirmed."""

    id: int
    product: int
    sku: str
    available: int
    number: int
    changed_at: datetime
    acknowledged: int | None

    @property
    def crossed(self) -> str | None:
        """out_of_stock or back_in_stock when the channel believes the opposite, else None."""
        if self.acknowledged is None or (self.acknowledged > 0) == (self.available > 0):
            return None
        return "back_in_stock" if self.available else "out_of_stock"


_FIGURES = """
SELECT k.id, k.product_id, p.sku, k.quantity, k.number, k.changed_at, k.acknowledged
  FROM orders_channelstock k JOIN inventory_product p ON p.id = k.product_id
 WHERE k.channel_id = %(channel)s AND {after}
 ORDER BY {order} LIMIT %(limit)s
"""
_CHANGES = _FIGURES.format(after="k.number > %(after)s", order="k.number")
_UNSENT = _FIGURES.format(
    after="(k.sent_number IS NULL OR k.sent_number < k.number)", order="k.number"
)
_SNAPSHOT = _FIGURES.format(after="k.product_id > %(after)s", order="k.product_id")


def changes(channel: SalesChannel, *, since: int, limit: int) -> list[Figure]:
    """Figures with a number above `since`, in their order."""
    return _figures(_CHANGES, channel=channel.pk, after=since, limit=limit)


def unsent(channel: SalesChannel, *, limit: int) -> list[Figure]:
    """Figures that the channel was not told yet, the oldest change first."""
    return _figures(_UNSENT, channel=channel.pk, limit=limit)


def snapshot(channel: SalesChannel, *, after: int, limit: int) -> list[Figure]:
    """Every figure of the channel, by product, from the one after this product on."""
    return _figures(_SNAPSHOT, channel=channel.pk, after=after, limit=limit)


def _figures(sql: str, **params: int) -> list[Figure]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [Figure(*row) for row in cursor.fetchall()]


def last_number(channel: SalesChannel) -> int:
    """The number of the channel's newest change; 0 before the first."""
    newest = ChannelStock.objects.filter(channel=channel).order_by("-number")
    return newest.values_list("number", flat=True).first() or 0


# Rows are locked in the order in which the publisher takes them.
_SENT = """
WITH told AS (
    SELECT * FROM unnest(%(id)s::bigint[], %(quantity)s::int[], %(number)s::bigint[])
                  AS t(id, quantity, number)
), locked AS (
    SELECT k.id FROM orders_channelstock k JOIN told USING (id)
     ORDER BY k.channel_id, k.product_id FOR NO KEY UPDATE OF k
)
UPDATE orders_channelstock k SET sent = t.quantity, sent_number = t.number, sent_at = now()
  FROM locked JOIN told t USING (id)
 WHERE k.id = locked.id AND (k.sent_number IS NULL OR k.sent_number <= t.number)
"""
# Asked first, because nearly always nothing is open; written as the index has it.
_UNCONFIRMED = """
SELECT id FROM orders_channelstock
 WHERE channel_id = %(channel)s AND sent_number <= %(upto)s AND sent IS NOT NULL
   AND (acknowledged IS NULL
        OR NOT (acknowledged = sent AND acknowledged IS NOT NULL AND sent IS NOT NULL))
"""
_CONFIRM = """
WITH locked AS (
    SELECT id FROM orders_channelstock
     WHERE id = ANY(%(ids)s) AND sent_number <= %(upto)s
     ORDER BY channel_id, product_id FOR NO KEY UPDATE
)
UPDATE orders_channelstock k SET acknowledged = k.sent, acknowledged_at = now()
  FROM locked WHERE k.id = locked.id
"""


def sent(figures: Sequence[Figure]) -> None:
    """Write down that the channel was told these figures."""
    if not figures:
        return
    params = {
        "id": [f.id for f in figures], "quantity": [f.available for f in figures],
        "number": [f.number for f in figures],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_SENT, params)


def confirmed(channel: SalesChannel, *, upto: int) -> int:
    """The channel has what it was told up to a number; returns how many figures that settles."""
    with connection.cursor() as cursor:
        cursor.execute(_UNCONFIRMED, {"channel": channel.pk, "upto": upto})
        ids = [row[0] for row in cursor.fetchall()]
        if ids:
            cursor.execute(_CONFIRM, {"ids": ids, "upto": upto})
    return len(ids)
