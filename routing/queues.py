"""Slices that wait: in which queue, why, and when they are looked at again."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.utils import timezone

from config import outbox
from inventory import ledger
from orders import lifecycle
from orders.models import Allocation

FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=5), timedelta(hours=1)
MAX_REASON = 200
Queue = Allocation.Queue


@dataclass(frozen=True)
class Wait:
    """A slice, the queue it goes to and why; `keeps` its claim or gives it up."""

    piece: Allocation
    queue: str
    reason: str
    keeps: bool = True


def next_look(since: datetime, *, now: datetime) -> datetime:
    """After as long as it has waited already, at least 5 minutes and at most an hour."""
    return now + min(max(now - since, FIRST_RETRY), LONGEST_RETRY)


def put(waits: Sequence[Wait], *, now: datetime) -> None:
    """Move slices to their queues, in one statement per kind of wait.

    Claims that are not kept are only taken off the slice: who calls ends them in the ledger. A
    slice that stays unfillable goes on waiting since it first was.
    """
    groups: dict[tuple, list[Allocation]] = defaultdict(list)
    for wait in waits:
        stays = wait.queue == wait.piece.queue == Queue.UNFILLABLE
        since = wait.piece.since if stays else None
        groups[wait.queue, wait.reason[:MAX_REASON], wait.keeps, since].append(wait.piece)
    for (queue, reason, keeps, since), pieces in groups.items():
        due = next_look(since or now, now=now) if queue == Queue.UNFILLABLE else None
        lifecycle.move_slices(
            pieces, Allocation.State.QUEUED, queue=queue, queue_reason=reason, next_action_at=due,
            since=since or now, **({} if keeps else {"reservation_id": None, "location_id": None}),
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
# Hopeful is a due slice that has a claim still (its place may be able again), or whose product is
# free in its channel's pool at a place that has not refused its line; who was offered as often as
# the rules allow waits for a person. Slices are only taken that no routing holds at the moment.
_RETRY = f"""
WITH due AS (
    SELECT a.id, a.order_id, a.line_id, a.attempt, a.since, a.reservation_id
      FROM orders_allocation a
     WHERE a.state = 'queued' AND a.queue = 'unfillable' AND a.next_action_at <= %(now)s
     ORDER BY a.next_action_at, a.id LIMIT %(limit)s
       FOR NO KEY UPDATE OF a SKIP LOCKED
), hopeful AS (
    SELECT DISTINCT d.order_id
      FROM due d
      JOIN orders_order o ON o.id = d.order_id
      JOIN orders_saleschannel c ON c.id = o.channel_id
      JOIN orders_orderline n ON n.id = d.line_id
      LEFT JOIN orders_deliverygroup g ON g.id = n.group_id
      LEFT JOIN LATERAL (
        SELECT r.max_attempts FROM routing_ruleset r
          LEFT JOIN routing_ruleset_channels x
                 ON x.ruleset_id = r.id AND x.saleschannel_id = c.id
         WHERE r.state = 'active'
           AND (x.id IS NOT NULL OR NOT EXISTS (
                SELECT 1 FROM routing_ruleset_channels y WHERE y.ruleset_id = r.id))
         ORDER BY x.id IS NULL, r.activated_at DESC, r.id DESC LIMIT 1) r ON true
     WHERE d.attempt < coalesce(r.max_attempts, d.attempt + 1)
       AND (d.reservation_id IS NOT NULL OR EXISTS (
            SELECT 1 FROM inventory_stock s
              JOIN inventory_poollocation m
                ON m.location_id = s.location_id AND m.pool_id = c.pool_id
              JOIN inventory_location l ON l.id = s.location_id AND l.active AND l.online
             WHERE s.product_id = n.product_id
               AND s.on_hand - s.unavailable - s.safety - s.reserved - m.buffer > 0
               AND {_MAY_SERVE}
               AND NOT EXISTS (SELECT 1 FROM routing_refusal f
                                WHERE f.line_id = d.line_id AND f.location_id = s.location_id)))
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

    And "supply" where stock turned up before it, or unfillable units may wait for it. Two
    statements whatever their number, and one for the work. Returns {"due", "rung", "supplies"}.
    """
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _RETRY,
            {
                "now": now, "limit": RETRY_AT_ONCE, "first": FIRST_RETRY.total_seconds(),
                "longest": LONGEST_RETRY.total_seconds(),
            },
        )  # fmt: skip
        due, orders = cursor.fetchone()
        cause = f"retry:{now.isoformat()}"
        cursor.execute(_FOUND_EARLY, [RETRY_AT_ONCE])
        early = [row[0] for row in cursor.fetchall()]
        outbox.put_many(
            [("route", order, cause, {"event": "retry"}) for order in orders]
            + [("supply", supply, cause, {"event": "retry"}) for supply in early]
        )
    return {"due": due, "rung": len(orders), "supplies": len(early)}
