"""Posting a count: accepted differences go to the ledger, as changes, once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config.status import move
from inventory import ledger
from inventory.counts.table import MOVES, Impossible, S, check_in, lock
from inventory.models import Count, CountLine
from inventory.models.stock import BUCKETS

D = CountLine.Decision
CAUSE = "count_line"
# Lost units leave these first, when more is unavailable than is there at all.
GIVING_WAY = ("quarantine", "quality_control", "display", "damaged")
assert {*GIVING_WAY, "missing"} == set(BUCKETS)


@dataclass(frozen=True)
class _Line:
    """An accepted line and its stock row as it is now, under lock (0 where there is none)."""

    line: int
    product: int
    sku: str
    change: int
    at: datetime
    on_hand: int
    buckets: dict[str, int]
    missed_since: int  # units not found when wanted, after the count: no count has told of them yet


_ACCEPTED = f"""
SELECT l.id, l.product_id, p.sku, f.found + l.off_shelf - l.expected, f.at,
       coalesce(s.on_hand, 0), {", ".join(f"coalesce(s.{name}, 0)" for name in BUCKETS)},
       coalesce((SELECT sum(m.unavailable) FROM inventory_stockmovement m
                  WHERE m.product_id = l.product_id AND m.location_id = %(location)s
                    AND m.created_at > f.at AND m.bucket = 'missing'
                    AND m.unavailable > 0), 0)::int
  FROM inventory_countline l
  JOIN inventory_product p ON p.id = l.product_id
  JOIN (SELECT line_id, sum(found)::int AS found, max(counted_at) AS at
          FROM inventory_countentry GROUP BY line_id) AS f ON f.line_id = l.id
  LEFT JOIN inventory_stock s ON s.product_id = l.product_id AND s.location_id = %(location)s
 WHERE l.count_id = %(count)s AND l.decision = 'accept'
 ORDER BY l.product_id
"""
_LOCK = """
SELECT s.id FROM inventory_stock s
  JOIN inventory_countline l ON l.product_id = s.product_id
 WHERE l.count_id = %(count)s AND l.decision = 'accept' AND s.location_id = %(location)s
 ORDER BY s.product_id, s.location_id FOR NO KEY UPDATE OF s
"""


def post(*, count_id: int, by: str) -> bool:
    """Post what was accepted; what nobody decided is rejected. Returns whether this call did it.

    Each difference is booked as a change, so what was sold or received since the count stays. What
    pickers had not found until then ("missing") is available again or leaves the books with it.
    Orders that lose their units are routed again. Raises Impossible (nothing is posted then) and
    IllegalMove when the count is not in review.
    """
    with transaction.atomic():
        count = lock(count_id)
        if count.state == S.POSTED:
            return False
        check_in(count, (S.REVIEW,), S.POSTED)
        count.lines.filter(decision__in=(D.OPEN, D.RECOUNT)).update(
            decision=D.REJECT, decided_by=by
        )
        lines = _accepted(count)
        wrong = [line.sku for line in lines if line.on_hand + line.change < 0]
        if wrong:
            raise Impossible(wrong)
        ledger.post([entry for line in lines for entry in _entries(line, count)], actor=by)
        ledger.set_counted([(line.product, count.location_id, line.at) for line in lines])
        _write_posted(lines)
        move(count, S.POSTED, allowed=MOVES, closed_at=timezone.now())
    return True


def _accepted(count: Count) -> list[_Line]:
    params = {"count": count.pk, "location": count.location_id}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, params)
        cursor.execute(_ACCEPTED, params)  # a statement of its own: it sees what was waited for
        return [_line(row) for row in cursor.fetchall()]


def _line(row: tuple[Any, ...]) -> _Line:
    line, product, sku, change, at, on_hand, *buckets, missed_since = row
    of_bucket = dict(zip(BUCKETS, buckets, strict=True))
    return _Line(line, product, sku, change, at, on_hand, of_bucket, missed_since)


def _entries(line: _Line, count: Count) -> list[ledger.Entry]:
    """The difference, and the units that are no longer unavailable."""
    freed = _freed(line)
    entries = [
        ledger.Entry(
            line.product, count.location_id, "unblock", unavailable=-units, bucket=bucket,
            reason="count", cause_type=CAUSE, cause_id=line.line, key=f"count:{line.line}:{bucket}",
        )
        for bucket, units in freed.items()
    ]  # fmt: skip
    if line.change:
        entries.append(
            ledger.Entry(
                line.product, count.location_id, "count", on_hand=line.change, reason="count",
                cause_type=CAUSE, cause_id=line.line, key=f"count:{line.line}",
            )
        )  # fmt: skip
    return entries


def _freed(line: _Line) -> dict[str, int]:
    """Units by bucket that are no longer unavailable once the line is posted.

    The count told about what had been missing before it. And no more units can be unavailable than
    are there: where the lost ones must be among those set aside, they leave their bucket.
    """
    freed = {"missing": max(line.buckets["missing"] - line.missed_since, 0)}
    over = sum(line.buckets.values()) - freed["missing"] - (line.on_hand + line.change)
    for bucket in GIVING_WAY:
        freed[bucket] = max(min(over, line.buckets[bucket]), 0) if line.change < 0 else 0
        over -= freed[bucket]
    return {bucket: units for bucket, units in freed.items() if units}


def _write_posted(lines: Sequence[_Line]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_countline l SET posted = w.change"
            " FROM unnest(%s::bigint[], %s::int[]) AS w(id, change) WHERE l.id = w.id",
            [[line.line for line in lines], [line.change for line in lines]],
        )
