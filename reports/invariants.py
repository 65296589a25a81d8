"""What must hold after any storm. Each query lists violations: an empty result is a pass.

`manage.py check_invariants`, the console and a periodic job run them; tests and storms end with
them. Most also stand as constraints in the database: the queries are the second lock.
"""

from dataclasses import astuple
from itertools import islice

from django.db import connection

from inventory import seal
from inventory.models.stock import BUCKETS
from orders.money import minor_unit

Rows = list[tuple]

# Units that were unavailable before reasons were kept are in quarantine.
_NO_REASON = " OR bucket = ''"
_BUCKET_SUMS = ", ".join(
    f"sum(unavailable) FILTER (WHERE bucket = '{name}'"
    f"{_NO_REASON if name == 'quarantine' else ''}) AS {name}"
    for name in BUCKETS
)
_BUCKETS_OF_S, _BUCKETS_OF_M = (
    ", ".join(f"coalesce({table}.{name}, 0)" for name in BUCKETS) for table in "sm"
)

INVARIANTS: dict[str, str] = {
    "I01 stock is never negative, nor claimed beyond what is there without work on it": """
SELECT s.product_id, s.location_id, s.on_hand, s.unavailable, s.reserved FROM inventory_stock s
 WHERE s.on_hand < 0 OR s.reserved < 0 OR s.unavailable < 0
    OR (s.reserved > greatest(s.on_hand - s.unavailable, 0) AND NOT EXISTS (
        SELECT 1 FROM config_outboxrow w WHERE w.topic = 'shortage' AND w.subject = s.id
           AND w.done_at IS NULL AND w.dead_at IS NULL))""",
    "I02 the reserved counter is the sum of the claims": """
SELECT product_id, location_id, coalesce(s.reserved, 0) AS counter, coalesce(r.q, 0) AS claims
  FROM inventory_stock s
  FULL JOIN (SELECT product_id, location_id, sum(quantity) AS q FROM inventory_reservation
              WHERE location_id IS NOT NULL GROUP BY 1, 2) r USING (product_id, location_id)
 WHERE coalesce(s.reserved, 0) <> coalesce(r.q, 0)""",
    "I03 every bucket is the sum of the ledger": f"""
SELECT product_id, location_id, s.on_hand, m.on_hand, s.reserved, m.reserved, s.unavailable,
       m.unavailable, s.safety, m.safety
  FROM inventory_stock s
  FULL JOIN (SELECT product_id, location_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved,
                    sum(unavailable) AS unavailable, sum(safety) AS safety, {_BUCKET_SUMS}
               FROM inventory_stockmovement GROUP BY 1, 2) m USING (product_id, location_id)
 WHERE (coalesce(s.on_hand, 0), coalesce(s.reserved, 0), coalesce(s.safety, 0), {_BUCKETS_OF_S})
    <> (coalesce(m.on_hand, 0), coalesce(m.reserved, 0), coalesce(m.safety, 0), {_BUCKETS_OF_M})""",
    "I04 every ordered unit is in exactly one slice, and a slice holds exactly its claim": """
SELECT 'line' AS what, l.id, l.quantity, coalesce(sum(a.quantity), 0) FROM orders_orderline l
  LEFT JOIN orders_allocation a ON a.line_id = l.id
 GROUP BY l.id, l.quantity HAVING l.quantity <> coalesce(sum(a.quantity), 0)
UNION ALL
SELECT 'claim', a.id, a.quantity, r.quantity
  FROM orders_allocation a JOIN orders_orderline l ON l.id = a.line_id
  JOIN inventory_reservation r ON r.id = a.reservation_id
 WHERE (a.quantity, a.location_id, l.product_id)
       IS DISTINCT FROM (r.quantity, r.location_id, r.product_id)
    OR l.order_id <> a.order_id""",
    "I05 no dead claim holds stock": """
SELECT r.id, r.owner_type, r.owner_id, o.state, r.expires_at FROM inventory_reservation r
  LEFT JOIN orders_allocation a ON a.reservation_id = r.id
  LEFT JOIN orders_order o ON o.id = a.order_id
 WHERE (r.owner_type = 'order' AND (a.id IS NULL OR o.state <> 'open' OR o.id <> r.owner_id))
    OR (r.owner_type = 'basket' AND NOT EXISTS (
        SELECT 1 FROM orders_basket b WHERE b.id = r.owner_id))
    OR (r.owner_type = 'transfer' AND NOT EXISTS (
        SELECT 1 FROM inventory_transferline l JOIN inventory_transfer t ON t.id = l.transfer_id
         WHERE l.id = r.owner_id AND (l.product_id, t.source_id) = (r.product_id, r.location_id)
           AND t.state IN ('confirmed', 'shipped', 'partly')))
    OR (r.owner_type = 'hot' AND NOT EXISTS (
        SELECT 1 FROM inventory_stock s WHERE s.id = r.owner_id AND s.hot > 0))
    OR r.expires_at < now() - interval '10 minutes'""",
    "I06 each unit that left is in one parcel and left the shelf once": """
SELECT 'no parcel' AS what, a.id, a.quantity, coalesce(p.quantity, 0) FROM orders_allocation a
  LEFT JOIN fulfillment_parcelline p ON p.allocation_id = a.id
 WHERE a.state IN ('shipped', 'delivered', 'collected') AND coalesce(p.quantity, 0) <> a.quantity
UNION ALL
SELECT 'not left', a.id, a.quantity, p.quantity FROM fulfillment_parcelline p
  JOIN orders_allocation a ON a.id = p.allocation_id
 WHERE a.state NOT IN ('shipped', 'delivered', 'collected')
UNION ALL
SELECT 'ledger', p.allocation_id, p.quantity, -coalesce(m.on_hand, 0)
  FROM fulfillment_parcelline p
  LEFT JOIN inventory_stockmovement m ON m.key = 'sale:' || p.allocation_id AND m.kind = 'sale'
 WHERE p.quantity <> -coalesce(m.on_hand, 0)
UNION ALL
SELECT 'no parcel for sale', m.id, m.on_hand, m.reserved FROM inventory_stockmovement m
 WHERE m.kind = 'sale' AND m.key LIKE 'sale:%%' AND NOT EXISTS (
       SELECT 1 FROM fulfillment_parcelline p WHERE 'sale:' || p.allocation_id = m.key)""",
    "I07 returned at most what left; restocked exactly what came back sellable": """
SELECT 'too many' AS what, l.id, sum(greatest(rl.expected, rl.received)) AS a,
       coalesce(max(s.q), 0) AS b
  FROM orders_orderline l
  JOIN returns_returnline rl ON rl.order_line_id = l.id
  JOIN returns_return r ON r.id = rl.rma_id AND r.state NOT IN ('canceled', 'declined')
  LEFT JOIN (SELECT line_id, sum(quantity) AS q FROM orders_allocation
              WHERE state IN ('shipped', 'delivered', 'collected') GROUP BY 1) s ON s.line_id = l.id
 GROUP BY l.id
HAVING sum(CASE WHEN r.state IN ('received', 'inspected', 'refunded')
                THEN greatest(rl.received, rl.settled)
                ELSE greatest(rl.expected, rl.received) END) > coalesce(max(s.q), 0)
UNION ALL
SELECT 'ledger', rl.id, rl.restocked, coalesce(sum(m.on_hand - m.unavailable), 0)
  FROM returns_returnline rl
  LEFT JOIN inventory_stockmovement m ON m.cause_type = 'return_line' AND m.cause_id = rl.id
 GROUP BY rl.id, rl.restocked
HAVING coalesce(sum(m.on_hand - m.unavailable), 0) <> rl.restocked""",
    "I08 payments and gift cards are the sums of their entries; no more goes back than came": """
WITH entered AS (
    SELECT payment_id,
           coalesce(sum(amount) FILTER (WHERE kind = 'capture' AND state = 'done'), 0) AS captured,
           coalesce(sum(amount) FILTER (WHERE kind = 'capture' AND state = 'pending'), 0)
               AS capturing,
           coalesce(sum(amount) FILTER (WHERE kind = 'refund' AND state <> 'failed'), 0)
               AS refunded,
           coalesce(sum(CASE kind WHEN 'chargeback' THEN amount ELSE -amount END)
               FILTER (WHERE kind LIKE 'chargeback%%' AND state = 'done'), 0) AS charged_back
      FROM orders_paymententry GROUP BY 1
)
SELECT 'entries' AS what, p.id, p.captured, coalesce(e.captured, 0) AS entered
  FROM orders_payment p LEFT JOIN entered e ON e.payment_id = p.id
 WHERE (p.captured, p.capturing, p.refunded, p.charged_back)
    <> (coalesce(e.captured, 0), coalesce(e.capturing, 0), coalesce(e.refunded, 0),
        coalesce(e.charged_back, 0)) OR p.refunded > p.captured
UNION ALL
SELECT 'authorized', p.id, p.amount, e.amount FROM orders_payment p
  JOIN orders_paymententry e ON e.payment_id = p.id AND e.key = 'authorize:' || p.id
 WHERE p.amount <> e.amount
UNION ALL
SELECT 'refund', f.id, f.amount, e.amount FROM orders_refund f
  JOIN orders_payment p ON p.id = f.payment_id
  LEFT JOIN orders_paymententry e ON e.refund_id = f.id
 WHERE (e.amount, e.payment_id, e.state) IS DISTINCT FROM
       (f.amount, f.payment_id, CASE f.state WHEN 'errored' THEN 'failed' ELSE f.state END)
    OR f.currency <> p.currency
UNION ALL
SELECT 'gift card', c.id, c.balance, coalesce(sum(e.amount), 0) FROM orders_giftcard c
  LEFT JOIN orders_giftcardentry e ON e.card_id = c.id
 GROUP BY c.id HAVING c.balance <> coalesce(sum(e.amount), 0)
UNION ALL
SELECT 'paid by card', p.id, p.captured - p.refunded, -card.taken FROM orders_payment p
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(e.amount), 0) AS taken FROM orders_giftcardentry e
        WHERE e.card_id = p.gift_card_id AND (e.key = 'pay:' || p.id OR e.key IN (
              SELECT 'refund:' || f.id FROM orders_refund f WHERE f.payment_id = p.id))) card
 WHERE p.gift_card_id IS NOT NULL AND p.captured - p.refunded <> -card.taken""",
    "I09 ended and paid orders close to the cent": """
WITH unit AS (SELECT * FROM unnest(%(currencies)s::text[], %(units)s::numeric[]) AS u(code, unit)),
kept AS (
    SELECT l.order_id, l.id, l.total, l.quantity, u.unit,
           l.quantity - coalesce(sum(a.quantity) FILTER (WHERE a.state = 'canceled'), 0) AS count
      FROM orders_orderline l JOIN orders_order o ON o.id = l.order_id
      JOIN unit u ON u.code = o.currency
      LEFT JOIN orders_allocation a ON a.line_id = l.id
     WHERE o.state IN ('closed', 'canceled') GROUP BY l.id, u.unit
), due AS (
    SELECT k.order_id, CASE WHEN sum(k.count) = 0 THEN 0
           ELSE sum((k.count * div(round(k.total / k.unit), k.quantity)
                     + least(k.count, mod(round(k.total / k.unit), k.quantity))) * k.unit)
                + o.shipping_total + CASE WHEN o.tax_included THEN 0 ELSE o.shipping_tax END
           END AS amount
      FROM kept k JOIN orders_order o ON o.id = k.order_id GROUP BY k.order_id, o.id
), settled AS (
    SELECT p.order_id, sum(f.amount) FILTER (WHERE f.state <> 'errored') AS amount,
           bool_or(f.state = 'errored') AS refused
      FROM orders_refund f JOIN orders_payment p ON p.id = f.payment_id
     WHERE f.key LIKE 'settle:%%' GROUP BY 1
), paid AS (
    SELECT p.order_id, sum(p.amount) FILTER (WHERE p.state <> 'voided') AS amount,
           sum(p.captured - p.charged_back) AS captured,
           sum(p.captured - p.charged_back - p.refunded) AS left_over,
           bool_or(p.state IN ('failed', 'expired') OR p.capturing > 0 OR p.charged_back > 0)
               AS troubled
      FROM orders_payment p GROUP BY 1
)
SELECT o.id, paid.captured, settled.amount, due.amount
  FROM orders_order o JOIN due ON due.order_id = o.id JOIN paid ON paid.order_id = o.id
  LEFT JOIN settled ON settled.order_id = o.id
 CROSS JOIN LATERAL (SELECT paid.captured - coalesce(settled.amount, 0) - due.amount AS by) off
 WHERE (off.by < 0 AND paid.amount >= o.total AND NOT paid.troubled)
    OR (off.by > 0 AND paid.left_over > 0 AND settled.refused IS NOT TRUE)""",
    "I10 parts add up to the whole": """
SELECT o.id, o.total, sum(l.total) AS lines, o.discount_total, sum(l.discount) AS discounts
  FROM orders_order o JOIN orders_orderline l ON l.order_id = o.id
 GROUP BY o.id
HAVING sum(l.discount) <> o.discount_total
    OR sum(l.total) + o.shipping_total + CASE WHEN o.tax_included THEN 0 ELSE o.shipping_tax END
       <> o.total""",
    "I11 one key, one effect": """
SELECT 'order' AS what, channel_id || '/' || external_id FROM orders_order
 GROUP BY channel_id, external_id HAVING count(*) > 1
UNION ALL SELECT 'received', order_id::text FROM orders_orderevent WHERE kind = 'order.received'
 GROUP BY order_id HAVING count(*) > 1
UNION ALL SELECT 'movement', key FROM inventory_stockmovement WHERE key IS NOT NULL
 GROUP BY key HAVING count(*) > 1
UNION ALL SELECT 'refund', key FROM orders_refund GROUP BY key HAVING count(*) > 1
UNION ALL SELECT 'message', dedupe_key FROM orders_notification GROUP BY dedupe_key
HAVING count(*) > 1
UNION ALL SELECT 'tracking', carrier || '/' || tracking_number FROM fulfillment_parcel
 WHERE tracking_number <> '' GROUP BY carrier, tracking_number HAVING count(*) > 1""",
    "I12 no unit is lost: what waits has work, a hold, a person or a next action": """
SELECT a.id, a.order_id, a.state, a.queue FROM orders_allocation a
 WHERE (a.queue = 'routing'
        AND NOT EXISTS (SELECT 1 FROM config_outboxrow w WHERE w.topic = 'route'
            AND w.subject = a.order_id AND w.done_at IS NULL AND w.dead_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM orders_hold h WHERE h.order_id = a.order_id
            AND h.state = 'open' AND 'route' = ANY(h.blocks)
            AND (h.slices = '{}' OR a.id = ANY(h.slices)))
        AND (a.next_action_at IS NULL  -- what waits for the next run says until when
             OR a.next_action_at < now() - interval '1 hour'))
    OR (a.queue = 'backorder'
        AND NOT EXISTS (SELECT 1 FROM inventory_reservation r
            WHERE r.id = a.reservation_id AND r.supply_id IS NOT NULL))
    OR (a.queue = 'unfillable'
        AND (a.next_action_at IS NULL OR a.next_action_at < now() - interval '1 hour'))
    OR (a.state = 'allocated'
        AND NOT EXISTS (SELECT 1 FROM fulfillment_fulfillmentline f
            WHERE f.allocation_id = a.id AND f.open)
        AND NOT EXISTS (SELECT 1 FROM config_outboxrow w WHERE w.topic = 'work'
            AND w.subject = a.order_id AND w.done_at IS NULL AND w.dead_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM orders_hold h WHERE h.order_id = a.order_id
            AND h.state = 'open' AND 'release' = ANY(h.blocks)
            AND (h.slices = '{}' OR a.id = ANY(h.slices))))
    OR (a.state IN ('accepted', 'picked', 'packed', 'ready')
        AND NOT EXISTS (SELECT 1 FROM fulfillment_fulfillmentline f
            WHERE f.allocation_id = a.id AND f.open))""",
    "I13 a stock point that refused is not asked again, and its daily capacity is kept": """
SELECT 'repeat' AS what, f.id, o.location_id FROM routing_refusal f
  JOIN orders_allocation a ON a.line_id = f.line_id
  JOIN fulfillment_fulfillmentline w ON w.allocation_id = a.id
  JOIN fulfillment_fulfillmentorder o ON o.id = w.fulfillment_order_id
   AND o.location_id = f.location_id AND o.created_at > f.at
   AND (f.excluded_until IS NULL OR o.created_at < f.excluded_until)
UNION ALL
SELECT 'too many', a.id, a.attempt FROM orders_allocation a WHERE a.attempt > 10
UNION ALL
SELECT 'capacity', l.id, given.orders FROM inventory_location l
 CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE l.timezone)::date AS day) d
 CROSS JOIN (VALUES ('ship'), ('pickup')) AS m(delivery)
 CROSS JOIN LATERAL inventory_capacity_of(l.id, d.day, m.delivery) c
 CROSS JOIN LATERAL (  -- a limit that was lowered later holds for what was given out later
       SELECT count(*) AS orders, sum(f.units) AS units,
              max(coalesce(f.capacity, 2147483647)) AS most_orders,
              max(coalesce(f.capacity_units, 2147483647)) AS most_units FROM routing_offer f
        WHERE f.location_id = l.id AND f.day = d.day AND (c.shared OR f.delivery = m.delivery)
          AND EXISTS (SELECT 1 FROM orders_allocation a WHERE a.id = ANY(f.slices)
                       AND a.location_id = f.location_id
                       AND a.state NOT IN ('queued', 'canceled')
                       AND NOT EXISTS (  -- given there once more, it is one parcel
                           SELECT 1 FROM routing_offer n
                            WHERE n.order_id = f.order_id AND n.location_id = f.location_id
                              AND n.id > f.id AND a.id = ANY(n.slices) OFFSET 0))) AS given
 WHERE given.orders > c.orders AND given.orders > given.most_orders
    OR given.units > c.units AND given.units > given.most_units""",
    "I14 future stock is promised and received once, and what left on a transfer is there": """
SELECT 'claims' AS what, s.id, s.claimed, coalesce(r.units, 0) FROM inventory_supply s
  LEFT JOIN (SELECT supply_id, sum(quantity) AS units FROM inventory_reservation
              WHERE supply_id IS NOT NULL GROUP BY 1) r ON r.supply_id = s.id
 WHERE s.claimed <> coalesce(r.units, 0) OR (s.state <> 'open' AND s.claimed > 0)
UNION ALL
SELECT 'to come', s.id, s.claimed, s.quantity - s.received FROM inventory_supply s
 WHERE s.claimed > greatest(s.quantity - s.received, 0) AND NOT EXISTS (
       SELECT 1 FROM config_outboxrow w WHERE w.topic = 'supply' AND w.subject = s.id
          AND w.done_at IS NULL AND w.dead_at IS NULL)
UNION ALL
SELECT 'held', r.id, r.quantity, r.owner_id FROM inventory_reservation r
 WHERE r.owner_type = 'supply' AND NOT EXISTS (
       SELECT 1 FROM config_outboxrow w WHERE w.topic = 'supply' AND w.subject = r.owner_id
          AND w.done_at IS NULL AND w.dead_at IS NULL)
UNION ALL
SELECT 'receipts', s.id, s.received, coalesce(sum(r.quantity), 0) FROM inventory_supply s
  LEFT JOIN inventory_supplyreceipt r ON r.supply_id = s.id
 WHERE s.kind <> 'return' GROUP BY s.id HAVING s.received <> coalesce(sum(r.quantity), 0)
UNION ALL
SELECT 'ledger', r.id, r.quantity, coalesce(m.on_hand, 0) FROM inventory_supplyreceipt r
  LEFT JOIN inventory_stockmovement m ON m.key = left('receipt:' || r.key, 100)
 WHERE coalesce(m.on_hand, 0) <> r.quantity
UNION ALL
SELECT 'ended', id, received, 0 FROM inventory_supply
 WHERE (state = 'received' AND received = 0) OR (state = 'canceled' AND received > 0)
UNION ALL
SELECT 'on the road', l.id, l.sent, l.received + l.refused + l.lost
  FROM inventory_transferline l JOIN inventory_transfer t ON t.id = l.transfer_id
 WHERE t.destination_id IS NOT NULL AND t.state IN ('draft', 'canceled', 'closed')
   AND l.sent > l.received + l.refused + l.lost
UNION ALL
SELECT 'more sent than asked', l.id, l.quantity, l.sent + coalesce(r.units, 0)
  FROM inventory_transferline l
  LEFT JOIN (SELECT owner_id, sum(quantity) AS units FROM inventory_reservation
              WHERE owner_type = 'transfer' GROUP BY 1) r ON r.owner_id = l.id
 WHERE l.sent + coalesce(r.units, 0) > l.quantity
UNION ALL
SELECT 'ledger of a transfer', l.id, coalesce(-m.sent, 0), coalesce(m.came, 0)
  FROM inventory_transferline l JOIN inventory_transfer t ON t.id = l.transfer_id
  LEFT JOIN (SELECT cause_id, sum(on_hand) FILTER (WHERE kind = 'transfer_out') AS sent,
                    sum(on_hand) FILTER (WHERE kind = 'transfer_in') AS came,
                    sum(unavailable) AS damaged
               FROM inventory_stockmovement WHERE cause_type = 'transfer_line' GROUP BY 1) m
    ON m.cause_id = l.id
 WHERE (CASE WHEN t.source_id IS NULL THEN 0 ELSE l.sent END, l.received + l.refused, l.refused)
    <> (coalesce(-m.sent, 0), coalesce(m.came, 0), coalesce(m.damaged, 0))""",
    "I15 an order's state agrees with its units": """
SELECT o.id, o.state, array_agg(DISTINCT a.state) FROM orders_order o
  JOIN orders_allocation a ON a.order_id = o.id
 GROUP BY o.id
HAVING (o.state = 'open' AND bool_and(a.state IN ('delivered', 'collected', 'canceled')))
    OR (o.state <> 'open' AND NOT bool_and(a.state IN ('delivered', 'collected', 'canceled')))
    OR (o.state = 'canceled') <> bool_and(a.state = 'canceled')""",
    "I16 every order has its first event, its lines and its slices": """
SELECT o.id FROM orders_order o
 WHERE NOT EXISTS (SELECT 1 FROM orders_orderevent e
                    WHERE e.order_id = o.id AND e.kind = 'order.received')
    OR NOT EXISTS (SELECT 1 FROM orders_allocation a WHERE a.order_id = o.id)""",
    "I17 counts post what they decided, once, and nothing else": """
SELECT 'ledger' AS what, l.id, l.posted, m.on_hand FROM inventory_countline l
  LEFT JOIN (SELECT cause_id, sum(on_hand) AS on_hand FROM inventory_stockmovement
              WHERE cause_type = 'count_line' GROUP BY 1) m ON m.cause_id = l.id
 WHERE coalesce(l.posted, 0) <> coalesce(m.on_hand, 0)
UNION ALL
SELECT 'verdict', l.id, l.posted, l.count_id FROM inventory_countline l
  JOIN inventory_count c ON c.id = l.count_id
 WHERE (l.posted IS NOT NULL) <> (c.state = 'posted' AND l.decision = 'accept')
    OR (c.state = 'posted' AND l.decision NOT IN ('accept', 'reject'))
UNION ALL
SELECT 'no line', m.id, m.on_hand, m.cause_id FROM inventory_stockmovement m
 WHERE m.cause_type = 'count_line' AND NOT EXISTS (
       SELECT 1 FROM inventory_countline l WHERE l.id = m.cause_id
          AND l.product_id = m.product_id)""",
}


SEAL = "I18 the sealed ledger is as it was sealed"


def violations() -> dict[str, Rows]:
    """Every invariant by name, with the rows that break it (at most 100 each)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT currency FROM orders_order ORDER BY 1")
        codes = [row[0] for row in cursor.fetchall()]
        params = {"currencies": codes, "units": [minor_unit(code) for code in codes]}
        found = {}
        for name, sql in INVARIANTS.items():
            cursor.execute(sql, params)
            found[name] = cursor.fetchmany(100)
    found[SEAL] = [astuple(range_) for range_ in islice(seal.broken(), 100)]
    return found
