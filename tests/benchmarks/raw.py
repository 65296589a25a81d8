"""The same writes as one captured order, as hand-written SQL by psycopg: the yardstick."""

import random
import time
import uuid

import psycopg

READ = """
SELECT p.id, p.sku, s.location_id FROM inventory_product p
  JOIN inventory_stock s ON s.product_id = p.id
  JOIN inventory_poollocation m ON m.location_id = s.location_id
 WHERE m.pool_id = %s AND p.sku = ANY(%s) AND s.on_hand - s.unavailable - s.safety - s.reserved > 0
"""
KEY = """INSERT INTO config_idempotencykey (owner, key, request_hash, status, body, created_at)
VALUES ('raw', %s, '', 201, '{}', now())"""
CUSTOMER = """INSERT INTO orders_customer (email, name, phone, created_at)
VALUES (%s, '', '', now()) RETURNING id"""
ORDER = """
INSERT INTO orders_order (channel_id, external_id, customer_id, state, currency, tax_included,
    subtotal, discount_total, shipping_total, shipping_tax, tax_total, total, delivery, service,
    placed_at, received_at, source, payload_hash, test, tags, metadata)
VALUES (%s, %s, %s, 'open', 'EUR', true, 30, 0, 4.9, 0, 0, 34.9, 'ship', 'standard', now(), now(),
    'raw', '', false, '{}', '{}') RETURNING id"""
CONTACT = """INSERT INTO orders_ordercontact (order_id, email, phone, name, line1, line2, city,
    region, postcode, country, billing, note)
VALUES (%s, %s, '', 'Ana', '1 rue', '', 'Lyon', '', '69001', 'FR', '{}', '')"""
LINES = """
INSERT INTO orders_orderline (order_id, position, external_id, product_id, sku, name, quantity,
    unit_price, discount, tax, total)
SELECT %s, n, '', p, s, s, 1, 10, 0, 0, 10
  FROM unnest(%s::bigint[], %s::text[]) WITH ORDINALITY AS u(p, s, n) RETURNING id"""
RESERVE = """
UPDATE inventory_stock SET reserved = reserved + 1 WHERE location_id = %s AND product_id = ANY(%s)
   AND on_hand - unavailable - safety - reserved >= 1 RETURNING product_id"""
CLAIMS = """
INSERT INTO inventory_reservation (product_id, location_id, quantity, owner_type, owner_id,
    created_at)
SELECT p, %s, 1, 'order', %s, now() FROM unnest(%s::bigint[]) AS u(p) RETURNING id"""
MOVEMENTS = """
INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved, unavailable,
    on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id, actor,
    created_at)
SELECT p, %s, 'reserve', 0, 1, 0, 0, 0, 0, '', 'order', %s, 'raw', now()
  FROM unnest(%s::bigint[]) AS u(p)"""
SLICES = """
INSERT INTO orders_allocation (line_id, order_id, quantity, state, queue, queue_reason, location_id,
    reservation_id, attempt, since)
SELECT l, %s, 1, 'queued', 'routing', '', %s, r, 0, now()
  FROM unnest(%s::bigint[], %s::bigint[]) AS u(l, r)"""
PAYMENT = """INSERT INTO orders_payment (order_id, reference, method, state, currency, amount,
    captured, refunded, created_at) VALUES (%s, 'p', 'card', 'captured', 'EUR', 34.9, 34.9, 0,
    now()) RETURNING id"""
ENTRIES = """INSERT INTO orders_paymententry (payment_id, kind, state, amount, key,
    provider_reference, created_at, done_at, error, actor)
SELECT %s, k, 'done', 34.9, k || ':' || %s, 'p', now(), now(), '', 'raw'
  FROM unnest(ARRAY['authorize', 'capture']) AS u(k)"""
EVENT = """INSERT INTO orders_orderevent (order_id, kind, at, actor, data)
VALUES (%s, 'order.received', now(), 'raw', '{}') RETURNING id"""
WORK = """INSERT INTO config_outboxrow (topic, subject, cause, payload, created_at, next_at,
    attempts, last_error) SELECT t, %s, %s, '{}', now(), now(), 0, ''
  FROM unnest(ARRAY['raw-route', 'raw-notify']) AS u(t)"""


def raw_orders(dsn: str, seconds: float, out: object) -> None:
    """Write orders of three lines in a closed loop for some seconds; puts how many."""
    with psycopg.connect(dsn, autocommit=True) as db:
        channel, pool = db.execute(
            "SELECT id, pool_id FROM orders_saleschannel WHERE code = 'web'"
        ).fetchone()  # type: ignore[misc]
        place = db.execute("SELECT id FROM inventory_location WHERE is_central").fetchone()[0]  # type: ignore[index]
        products = db.execute("SELECT id, sku FROM inventory_product ORDER BY id LIMIT 600")
        rows = products.fetchall()
        rng = random.Random()
        written = 0
        stop = time.monotonic() + seconds
        while time.monotonic() < stop:
            _order(db, channel, pool, place, sorted(rng.sample(rows, 3)))
            written += 1
    out.put(written)  # type: ignore[attr-defined]


def _order(
    db: psycopg.Connection, channel: int, pool: int, place: int, basket: list[tuple]
) -> None:
    name = uuid.uuid4().hex
    ids, skus = [pk for pk, _ in basket], [sku for _, sku in basket]
    with db.transaction():
        db.execute(KEY, [name])
        db.execute(READ, [pool, skus]).fetchall()
        customer = db.execute(CUSTOMER, [f"{name}@example.org"]).fetchone()[0]  # type: ignore[index]
        order = db.execute(ORDER, [channel, name, customer]).fetchone()[0]  # type: ignore[index]
        db.execute(CONTACT, [order, f"{name}@example.org"])
        lines = [row[0] for row in db.execute(LINES, [order, ids, skus]).fetchall()]
        db.execute(RESERVE, [place, ids])
        claims = [row[0] for row in db.execute(CLAIMS, [place, order, ids]).fetchall()]
        db.execute(MOVEMENTS, [place, order, ids])
        db.execute(SLICES, [order, place, lines, claims])
        payment = db.execute(PAYMENT, [order]).fetchone()[0]  # type: ignore[index]
        db.execute(ENTRIES, [payment, payment])
        event = db.execute(EVENT, [order]).fetchone()[0]  # type: ignore[index]
        db.execute(WORK, [order, f"event:{event}"])
