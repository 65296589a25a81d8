"""Slices that wait: in which queue, why, and when they are looked at again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from config import outbox
from inventory import ledger
from orders import lifecycle
from orders.models import Allocation
from routing.rules import set_of

FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=5), timedelta(hours=1)
MAX_REASON = 200
FOR_RUN = "waits for the next run"  # why a slice stays in the queue of those to route
LONGEST_FOR_RUN = timedelta(days=1)  # whatever became of the run, then it is routed by itself
Queue = Allocation.Queue


@dataclass(frozen=True)
class Wait:
    """A slice, the queue it goes to and why; `keeps` its claim or gives it up.

    due: when it is looked at again in a queue other than the unfillable one, which looks by itself.
    cancel_days: still unfillable after so many days, it is canceled.
    """

    piece: Allocation
    queue: str
    reason: str
    keeps: bool = True
    due: datetime | None = None
    cancel_days: int | None = None


def next_look(since: datetime, *, now: datetime) -> datetime:
    """After as long as it has waited already, at least 5 minutes and at most an hour."""
    return now + min(max(now - since, FIRST_RETRY), LONGEST_RETRY)


def put(waits: Sequence[Wait], *, now: datetime) -> None:
    """Move slices to their queues, in one statement.

    Claims that are not kept are only taken off the slice: who calls ends them in the ledger. A
    slice that stays unfillable goes on waiting since it first was.
    """
    lifecycle.enqueue([_queued(wait, now) for wait in waits])


def _queued(wait: Wait, now: datetime) -> lifecycle.Queued:
    unfillable = wait.queue == Queue.UNFILLABLE
    since = wait.piece.since if unfillable and wait.piece.queue == Queue.UNFILLABLE else now
    due = next_look(since, now=now) if unfillable else wait.due
    cancel_at = None if wait.cancel_days is None else since + timedelta(days=wait.cancel_days)
    return lifecycle.Queued(
        wait.piece, wait.queue, wait.reason[:MAX_REASON], since=since, next_action_at=due,
        cancel_at=cancel_at, keeps=wait.keeps,
    )  # fmt: skip


def end_claims(waits: Sequence[Wait], *, actor: str, reason: str) -> None:
    """End the claims that the slices do not keep; before `put` takes them off the slices."""
    ending = [w.piece.reservation_id for w in waits if not w.keeps and w.piece.reservation_id]
    if ending:
        ledger.release(ending, actor=actor, reason=reason)


# --- retries -------------------------------------------------------------------------------------

# Whether a stock point may serve a line at all: one that is collected only its own store, which
# may also give from its shelf what is sent to it.
_MAY_SERVE = """
    CASE WHEN l.id = CASE WHEN g.id IS NULL THEN o.pickup_location_id
                          ELSE g.pickup_location_id END THEN l.can_pickup
         ELSE coalesce(g.delivery, o.delivery) <> 'pickup' AND l.can_ship END
"""
# Whether routing an unfillable slice (alias d) may come to something; parameter: now. It has a
# claim still (its place may be able again), or its product is free in its channel's pool at a place
# no refusal keeps it from (any more); who was offered as often as the rules allow waits for a
# person. Looked up for one slice at a time.
HOPE = f"""EXISTS (
    SELECT 1 FROM orders_order o
      JOIN orders_saleschannel c ON c.id = o.channel_id
      JOIN orders_orderline n ON n.id = d.line_id
      LEFT JOIN orders_deliverygroup g ON g.id = n.group_id
      LEFT JOIN routing_ruleset r ON r.id = {set_of("c.id")}
     WHERE o.id = d.order_id AND d.attempt < coalesce(r.max_attempts, d.attempt + 1)
       AND (d.reservation_id IS NOT NULL OR EXISTS (
            SELECT 1 FROM inventory_stock s
              JOIN inventory_poollocation m
                ON m.location_id = s.location_id AND m.pool_id = c.pool_id
              JOIN inventory_location l ON l.id = s.location_id AND l.active AND l.online
             WHERE s.product_id = n.product_id
               AND s.on_hand - s.unavailable - s.safety - s.reserved - m.buffer > 0
               AND {_MAY_SERVE}
               AND NOT EXISTS (SELECT 1 FROM routing_refusal f
                                WHERE f.line_id = d.line_id AND f.location_id = s.location_id
                                  AND (f.excluded_until IS NULL OR f.excluded_until > %(now)s))))
    OFFSET 0)
"""
# Of the due slices, only those are taken that no routing holds at the moment.
_RETRY = f"""
WITH due AS (
    SELECT a.id, a.order_id, a.line_id, a.attempt, a.since, a.reservation_id
      FROM orders_allocation a
     WHERE a.state = 'queued' AND a.queue = 'unfillable' AND a.next_action_at <= %(now)s
     ORDER BY a.next_action_at, a.id LIMIT %(limit)s
       FOR NO KEY UPDATE OF a SKIP LOCKED
), hopeful AS (
    SELECT DISTINCT d.order_id FROM due d WHERE {HOPE}
), pushed AS (
    UPDATE orders_allocation a
       SET next_action_at = %(now)s
           + least(greatest(%(now)s - a.since, make_interval(secs => %(first)s)),
                   make_interval(secs => %(longest)s))
      FROM due d WHERE a.id = d.id
    RETURNING a.id
)
SELECT (SELECT count(*) FROM pushed), array(SELECT order_id FROM hopeful ORDER BY order_id)
"""
RETRY_AT_ONCE = 2000
# What a run should have come for long ago.
_FORGOTTEN = """
SELECT DISTINCT order_id FROM orders_allocation
 WHERE state = 'queued' AND queue = 'routing' AND next_action_at <= %s ORDER BY 1 LIMIT %s
"""

# Unfillable units that are not due yet, but whose product came to a place with some to give (by a
# receipt, a count, a feed, a return) after their order was last looked at. That is read from the
# ledger, so who brings stock pays nothing for it; what is older than RECENT found them due by now.
# A movement may be seen some moments after it was written: LATE.
_NEW_STOCK = """
WITH waiting AS MATERIALIZED (
    SELECT a.id, a.order_id, a.since, n.product_id
      FROM orders_allocation a
     CROSS JOIN LATERAL (
        SELECT l.product_id FROM orders_orderline l WHERE l.id = a.line_id OFFSET 0) n
     WHERE a.state = 'queued' AND a.queue = 'unfillable' AND a.next_action_at > %(now)s
), came AS MATERIALIZED (
    SELECT s.product_id, max(m.created_at) AS at
      FROM (SELECT DISTINCT product_id FROM waiting) w
      JOIN inventory_stock s USING (product_id)
     CROSS JOIN LATERAL (
        SELECT v.created_at FROM inventory_stockmovement v
         WHERE v.product_id = s.product_id AND v.location_id = s.location_id
           AND v.created_at > %(now)s - make_interval(secs => %(recent)s)
           AND v.on_hand > v.unavailable
         ORDER BY v.created_at DESC LIMIT 1) m
     WHERE s.on_hand - s.unavailable - s.safety - s.reserved > 0
     GROUP BY s.product_id
)
UPDATE orders_allocation SET next_action_at = %(now)s
 WHERE id IN (
    SELECT a.id FROM waiting w
      JOIN came c USING (product_id)
      LEFT JOIN LATERAL (
        SELECT d.at FROM routing_decision d WHERE d.order_id = w.order_id
         ORDER BY d.id DESC LIMIT 1) d ON true
      JOIN orders_allocation a ON a.id = w.id AND a.state = 'queued' AND a.queue = 'unfillable'
     WHERE c.at > coalesce(d.at, w.since) - make_interval(secs => %(late)s)
       FOR NO KEY UPDATE OF a SKIP LOCKED)
"""
RECENT, LATE = timedelta(minutes=10), timedelta(seconds=5)

# Supplies with promises whose product is free now where one of their orders may be served from;
# and supplies with units left that unfillable units without any claim could wait for.
_FOUND_EARLY = f"""
SELECT r.supply_id
  FROM orders_allocation a
  JOIN inventory_reservation r ON r.id = a.reservation_id AND r.supply_id IS NOT NULL
  JOIN orders_order o ON o.id = a.order_id
  JOIN orders_saleschannel c ON c.id = o.channel_id
  JOIN orders_orderline n ON n.id = a.line_id
  LEFT JOIN orders_deliverygroup g ON g.id = n.group_id
 WHERE a.state = 'queued' AND a.queue = 'backorder' AND EXISTS (
       SELECT 1 FROM inventory_stock s
         JOIN inventory_poollocation m ON m.location_id = s.location_id AND m.pool_id = c.pool_id
         JOIN inventory_location l ON l.id = s.location_id AND l.active AND l.online
        WHERE s.product_id = r.product_id
          AND s.on_hand - s.unavailable - s.safety - s.reserved - m.buffer > 0
          AND {_MAY_SERVE})
 UNION
SELECT s.id
  FROM orders_allocation a
  JOIN orders_orderline n ON n.id = a.line_id
  JOIN orders_order o ON o.id = a.order_id
  LEFT JOIN orders_deliverygroup g ON g.id = n.group_id
  JOIN orders_saleschannel c ON c.id = o.channel_id AND c.on_shortage <> 'refuse'
  JOIN inventory_supply s ON s.product_id = n.product_id AND s.state = 'open' AND s.promisable
   AND s.quantity - s.received > s.claimed
  JOIN inventory_poollocation m ON m.location_id = s.location_id AND m.pool_id = c.pool_id
  JOIN inventory_location l ON l.id = s.location_id AND l.active AND l.online
   AND {_MAY_SERVE}
 WHERE a.state = 'queued' AND a.queue = 'unfillable' AND a.reservation_id IS NULL
 ORDER BY 1 LIMIT %s
"""


def retry_due() -> dict[str, int]:
    """Ring "route" for orders with due unfillable units that have a hope now; the rest waits on.

    Due is also what new stock came for, and what no run came for. And "supply" where stock turned
    up before it, or unfillable units may wait for it. Four statements whatever their number, and
    one for the work. Returns {"due", "rung", "supplies"}.
    """
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _NEW_STOCK,
            {"now": now, "recent": RECENT.total_seconds(), "late": LATE.total_seconds()},
        )
        cursor.execute(
            _RETRY,
            {
                "now": now, "limit": RETRY_AT_ONCE, "first": FIRST_RETRY.total_seconds(),
                "longest": LONGEST_RETRY.total_seconds(),
            },
        )  # fmt: skip
        due, orders = cursor.fetchone()
        cause = f"retry:{now.isoformat()}"
        cursor.execute(_FORGOTTEN, [now, RETRY_AT_ONCE])
        orders = sorted({*orders, *(row[0] for row in cursor.fetchall())})
        cursor.execute(_FOUND_EARLY, [RETRY_AT_ONCE])
        early = [row[0] for row in cursor.fetchall()]
        outbox.put_many(
            [("route", order, cause, {"event": "retry"}) for order in orders]
            + [("supply", supply, cause, {"event": "retry"}) for supply in early]
        )
    return {"due": due, "rung": len(orders), "supplies": len(early)}
