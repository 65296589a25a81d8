"""Orders that were delivered long ago, by the hundred thousand: what capture must not notice."""

from django.db import connection

BATCH = 50_000

# Order n is `base + n` in every table; products are taken in turn.
_FILL = """
WITH product AS MATERIALIZED (
    SELECT id, sku, name, row_number() OVER (ORDER BY id) - 1 AS place FROM inventory_product
), wanted AS (
    SELECT g AS n, %(base)s::bigint + g AS id, %(people)s::bigint + g AS person, d.at,
           1 + g %% 9973 AS who
      FROM generate_series(%(first)s::int, %(last)s::int) AS g
     CROSS JOIN LATERAL (SELECT now() - make_interval(mins => 600000 - g / 2) AS at) d
), person AS (
    INSERT INTO orders_customer (id, email, name, phone, created_at)
    SELECT person, 'h' || person || '@history.example', 'Person' || n || ' Historic',
           '+33 6 ' || lpad(n::text, 8, '0'), at FROM wanted
), placed AS (
    INSERT INTO orders_order (id, channel_id, external_id, customer_id, state, currency,
        tax_included, subtotal, discount_total, shipping_total, shipping_tax, tax_total, total,
        delivery, service, placed_at, received_at, closed_at, source, payload_hash, test, tags,
        metadata)
    SELECT id, %(channel)s, 'h-' || id, person, 'closed', 'EUR', true, 20, 0, 0, 0,
           0, 20, 'ship', 'standard', at, at, at + interval '2 days', 'api', md5(n::text), false,
           '{}', '{}'
      FROM wanted
), contact AS (
    INSERT INTO orders_ordercontact (order_id, email, phone, name, line1, line2, city, region,
        postcode, country, billing, note)
    SELECT id, 'h' || person || '@history.example', '+33 6 ' || lpad(n::text, 8, '0'),
           'Person' || n || ' Historic', who || ' rue de la République', '', 'Lyon', '', '69001',
           'FR', '{}', '' FROM wanted
), line AS (
    INSERT INTO orders_orderline (id, order_id, position, external_id, product_id, sku, name,
        quantity, unit_price, discount, tax, total)
    SELECT %(lines)s::bigint + 2 * w.n + k, w.id, k + 1, '', p.id, p.sku, p.name, 1, 10, 0, 0, 10
      FROM wanted w CROSS JOIN generate_series(0, 1) AS k
      JOIN product p ON p.place = (w.n * 2 + k) %% %(products)s
), slice AS (
    INSERT INTO orders_allocation (id, line_id, order_id, quantity, state, queue, queue_reason,
        location_id, attempt, since)
    SELECT %(slices)s::bigint + 2 * n + k, %(lines)s::bigint + 2 * n + k, id, 1, 'delivered', '',
           '', %(place)s, 1, at + interval '2 days'
      FROM wanted CROSS JOIN generate_series(0, 1) AS k
), paid AS (
    INSERT INTO orders_payment (id, order_id, reference, method, state, currency, amount, captured,
        refunded, created_at)
    SELECT %(payments)s::bigint + n, id, 'p', 'card', 'captured', 'EUR', 20, 20, 0, at FROM wanted
), entry AS (
    INSERT INTO orders_paymententry (payment_id, kind, state, amount, key, provider_reference,
        created_at, done_at, error, actor)
    SELECT %(payments)s::bigint + n, k, 'done', 20, k || ':' || %(payments)s::bigint + n, 'p', at,
           at, '', 'history'
      FROM wanted CROSS JOIN unnest(ARRAY['authorize', 'capture']) AS k
), moved AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id,
        actor, created_at)
    SELECT p.id, %(place)s, m.kind, 0, m.units, 0, 0, 0, 0, '', 'order', w.id, 'history', w.at
      FROM wanted w
     CROSS JOIN (VALUES ('reserve', 1), ('release', -1)) AS m(kind, units)
      JOIN product p ON p.place = w.n %% %(products)s
)
INSERT INTO orders_orderevent (order_id, kind, at, actor, data)
SELECT id, kind, at, 'history', '{}'
  FROM wanted CROSS JOIN unnest(ARRAY['order.received', 'order.closed']) AS kind
"""
_SEQUENCES = ("orders_customer", "orders_order", "orders_orderline", "orders_allocation",
              "orders_payment")  # fmt: skip


def fill(orders: int) -> None:
    """Make delivered orders until there are so many in all: two lines each, paid and closed."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SELECT count(*) FROM orders_order")
        there = cursor.fetchone()[0]
        given = _given(cursor)
        for first in range(1, orders - there + 1, BATCH):
            last = min(first + BATCH - 1, orders - there)
            cursor.execute(_FILL, {**given, "first": first, "last": last})
        for table in _SEQUENCES:
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id))"
                           f" FROM {table}")  # fmt: skip
        cursor.execute("RESET synchronous_commit")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET statement_timeout")


def _given(cursor: object) -> dict[str, object]:
    def one(sql: str) -> object:
        cursor.execute(sql)  # type: ignore[attr-defined]
        return cursor.fetchone()[0]  # type: ignore[attr-defined]

    named = {"people": "customer", "base": "order", "lines": "orderline", "slices": "allocation",
             "payments": "payment"}  # fmt: skip
    return {
        **{name: one(f"SELECT coalesce(max(id), 0) FROM orders_{t}") for name, t in named.items()},
        "channel": one("SELECT id FROM orders_saleschannel WHERE code = 'web'"),
        "place": one("SELECT id FROM inventory_location WHERE is_central"),
        "products": one("SELECT count(*) FROM inventory_product"),
    }
