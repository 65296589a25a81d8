"""Batches of captured orders as hand-written, set-based SQL by psycopg: the yardstick of bulk."""

import random
import time
import uuid

import psycopg

from tests.benchmarks.raw import KEY, READ

CUSTOMERS = """
INSERT INTO orders_customer (email, name, phone, created_at)
SELECT n || '@example.org', '', '', now() FROM unnest(%(name)s::text[]) AS u(n)"""
ORDERS = """
INSERT INTO orders_order (channel_id, external_id, customer_id, state, currency, tax_included,
    subtotal, discount_total, shipping_total, shipping_tax, tax_total, total, delivery, service,
    placed_at, received_at, source, payload_hash, test, tags, metadata)
SELECT %(channel)s, n, c.id, 'open', 'EUR', true, 30, 0, 4.9, 0, 0, 34.9, 'ship', 'standard', now(),
       now(), 'raw', '', false, '{}', '{}'
  FROM unnest(%(name)s::text[]) WITH ORDINALITY AS u(n, i)
  JOIN orders_customer c ON c.email = n || '@example.org' ORDER BY i RETURNING id"""
CONTACTS = """
INSERT INTO orders_ordercontact (order_id, email, phone, name, line1, line2, city, region, postcode,
    country, billing, note)
SELECT o, n || '@example.org', '', 'Ana', '1 rue', '', 'Lyon', '', '69001', 'FR', '{}', ''
  FROM unnest(%(order)s::bigint[], %(name)s::text[]) AS u(o, n)"""
LINES = """
INSERT INTO orders_orderline (order_id, position, external_id, product_id, sku, name, quantity,
    unit_price, discount, tax, total)
SELECT o, i, '', p, s, s, 1, 10, 0, 0, 10
  FROM unnest(%(of)s::bigint[], %(position)s::int[], %(product)s::bigint[], %(sku)s::text[])
    AS u(o, i, p, s) RETURNING id"""
RESERVE = """
WITH wanted AS (
    SELECT p, count(*) AS units FROM unnest(%(product)s::bigint[]) AS u(p) GROUP BY p
), locked AS (
    SELECT s.id, w.units FROM inventory_stock s JOIN wanted w ON s.product_id = w.p
     WHERE s.location_id = %(place)s ORDER BY s.product_id FOR NO KEY UPDATE OF s
)
UPDATE inventory_stock s SET reserved = reserved + k.units FROM locked k
 WHERE s.id = k.id AND s.on_hand - s.unavailable - s.safety - s.reserved >= k.units"""
CLAIMS = """
INSERT INTO inventory_reservation (product_id, location_id, quantity, owner_type, owner_id,
    created_at)
SELECT p, %(place)s, 1, 'order', o, now()
  FROM unnest(%(product)s::bigint[], %(of)s::bigint[]) AS u(p, o) RETURNING id"""
MOVEMENTS = """
INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved, unavailable,
    on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id, actor,
    created_at)
SELECT p, %(place)s, 'reserve', 0, 1, 0, 0, 0, 0, '', 'order', o, 'raw', now()
  FROM unnest(%(product)s::bigint[], %(of)s::bigint[]) AS u(p, o)"""
SLICES = """
INSERT INTO orders_allocation (line_id, order_id, quantity, state, queue, queue_reason, location_id,
    reservation_id, attempt, since)
SELECT l, o, 1, 'queued', 'routing', '', %(place)s, r, 0, now()
  FROM unnest(%(line)s::bigint[], %(of)s::bigint[], %(claim)s::bigint[]) AS u(l, o, r)"""
PAYMENTS = """
INSERT INTO orders_payment (order_id, reference, method, state, currency, amount, captured,
    refunded, created_at)
SELECT o, 'p', 'card', 'captured', 'EUR', 34.9, 34.9, 0, now()
  FROM unnest(%(order)s::bigint[]) AS u(o) RETURNING id"""
ENTRIES = """
INSERT INTO orders_paymententry (payment_id, kind, state, amount, key, provider_reference,
    created_at, done_at, error, actor)
SELECT p, k, 'done', 34.9, k || ':' || p, 'p', now(), now(), '', 'raw'
  FROM unnest(%(payment)s::bigint[]) AS u(p), unnest(ARRAY['authorize', 'capture']) AS v(k)"""
EVENTS = """
INSERT INTO orders_orderevent (order_id, kind, at, actor, data)
SELECT o, 'order.received', now(), 'raw', '{}' FROM unnest(%(order)s::bigint[]) AS u(o)
RETURNING id"""
WORK = """
INSERT INTO config_outboxrow (topic, subject, cause, payload, created_at, next_at, attempts,
    last_error)
SELECT t, o, 'event:' || e, '{}', now(), now(), 0, ''
  FROM unnest(%(order)s::bigint[], %(event)s::bigint[]) AS u(o, e),
       unnest(ARRAY['raw-route', 'raw-notify']) AS v(t)"""


def raw_batches(dsn: str, size: int, seconds: float, out: object) -> None:
    """Write batches of orders of three lines in a closed loop; puts (orders, seconds)."""
    with psycopg.connect(dsn, autocommit=True) as db:
        channel, pool = db.execute(
            "SELECT id, pool_id FROM orders_saleschannel WHERE code = 'web'"
        ).fetchone()  # type: ignore[misc]
        place = db.execute("SELECT id FROM inventory_location WHERE is_central").fetchone()[0]  # type: ignore[index]
        found = db.execute("SELECT id, sku FROM inventory_product ORDER BY id LIMIT 600")
        products, rng = found.fetchall(), random.Random()
        written, start = 0, time.monotonic()
        while time.monotonic() < start + seconds:
            baskets = [sorted(rng.sample(products, 3)) for _ in range(size)]
            _batch(db, {"channel": channel, "place": place}, pool, baskets)
            written += size
        out.put((written, time.monotonic() - start))  # type: ignore[attr-defined]


def _batch(
    db: psycopg.Connection, given: dict[str, object], pool: int, baskets: list[list[tuple]]
) -> None:
    def ids(sql: str) -> list[int]:
        return [row[0] for row in db.execute(sql, given).fetchall()]

    names = [uuid.uuid4().hex for _ in baskets]
    lines = [(i, pk, sku) for basket in baskets for i, (pk, sku) in enumerate(basket, 1)]
    given["name"] = names
    given["position"], given["product"], given["sku"] = map(list, zip(*lines, strict=True))
    with db.transaction():
        db.execute(KEY, [names[0]])
        db.execute(READ, [pool, sorted(set(given["sku"]))]).fetchall()  # type: ignore[call-overload]
        db.execute(CUSTOMERS, given)
        orders = given["order"] = ids(ORDERS)
        given["of"] = [pk for pk, basket in zip(orders, baskets, strict=True) for _ in basket]
        db.execute(CONTACTS, given)
        given["line"] = ids(LINES)
        db.execute(RESERVE, given)
        given["claim"] = ids(CLAIMS)
        db.execute(MOVEMENTS, given)
        db.execute(SLICES, given)
        given["payment"] = ids(PAYMENTS)
        db.execute(ENTRIES, given)
        given["event"] = ids(EVENTS)
        db.execute(WORK, given)
