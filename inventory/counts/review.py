"""Reviewing a count: what was found beside what the books said, and what is done about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from config.status import move
from inventory.counts.table import MOVES, S, check_in, lock
from inventory.models import Count, CountEntry, CountLine

D = CountLine.Decision
MAX_STEPS = 8
MAX_ROWS = 500
LEFT_TO_DECIDE, DIFFERING, ALL = "open", "differing", "all"


@dataclass(frozen=True)
class Row:
    """A line of the review. None: not counted. `moved`: units on hand that came or left since."""

    id: int
    product: int
    sku: str
    name: str
    price: Decimal
    found: int | None
    first_found: int | None
    expected: int | None
    off_shelf: int
    decision: str
    decided_by: str
    posted: int | None
    sections: str
    moved: int

    @property
    def difference(self) -> int | None:
        """Units more (or less) than the books said at that moment."""
        if self.found is None or self.expected is None:
            return None
        return self.found + self.off_shelf - self.expected

    @property
    def value(self) -> Decimal:
        """The difference at the selling price, in the company's money."""
        return (self.difference or 0) * self.price

    @property
    def words(self) -> str:
        """The decision, for people."""
        if self.decision == D.ACCEPT:
            by = "" if self.decided_by == "tolerance" else f" by {self.decided_by}"
            return "within tolerance" if not by else f"accepted{by}"
        if self.decision == D.REJECT:
            return f"books left as they are, by {self.decided_by}"
        if self.decision == D.RECOUNT:
            return "to be counted again"
        return "not counted" if self.found is None else "to decide"


_FOUND = """
SELECT l.*, f.found, f.at, f.sections, f.found + l.off_shelf - l.expected AS difference
  FROM inventory_countline l
  LEFT JOIN LATERAL (
       SELECT sum(e.found)::int AS found, max(e.counted_at) AS at,
              string_agg(s.name || ' ' || e.found, ', ' ORDER BY s.id) AS sections
         FROM inventory_countentry e JOIN inventory_countsection s ON s.id = e.section_id
        WHERE e.line_id = l.id) AS f ON true
 WHERE l.count_id = %(count)s
"""
_ROWS = f"""
SELECT v.id, v.product_id, p.sku, p.name, p.price, v.found, v.first_found, v.expected, v.off_shelf,
       v.decision, v.decided_by, v.posted, coalesce(v.sections, ''),
       coalesce((SELECT sum(m.on_hand) FROM inventory_stockmovement m
                  WHERE m.product_id = v.product_id AND m.location_id = %(location)s
                    AND m.created_at > v.at AND m.cause_type <> 'count_line'), 0)::int
  FROM ({_FOUND}) AS v JOIN inventory_product p ON p.id = v.product_id
 WHERE %(only)s = 'all'
    OR (%(only)s = 'open' AND v.decision IN ('', 'recount'))
    OR (%(only)s = 'differing' AND v.difference IS DISTINCT FROM 0)
 ORDER BY v.decision NOT IN ('', 'recount'), abs(v.difference) * p.price DESC NULLS LAST,
          abs(v.difference) DESC NULLS LAST, p.sku
 LIMIT %(limit)s
"""


def rows(count: Count, *, only: str = ALL, limit: int = MAX_ROWS) -> list[Row]:
    """Lines, those to decide first and of these the most valuable first, in one statement."""
    params: dict[str, Any] = {
        "count": count.pk,
        "location": count.location_id,
        "only": only,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, params)
        return [Row(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class Sum:
    """A count in figures: lines, and the units and value that the books would change by.

    `more` and `less` are units of counted lines that are not rejected; `value` is net.
    """

    lines: int
    counted: int
    differing: int
    open: int
    uncounted_open: int
    more: int
    less: int
    value: Decimal


_SUMS = f"""
SELECT count(*), count(found), count(*) FILTER (WHERE difference <> 0),
       count(*) FILTER (WHERE decision IN ('', 'recount')),
       count(*) FILTER (WHERE decision IN ('', 'recount') AND found IS NULL),
       coalesce(sum(difference) FILTER (WHERE difference > 0 AND decision <> 'reject'), 0)::int,
       coalesce(-sum(difference) FILTER (WHERE difference < 0 AND decision <> 'reject'), 0)::int,
       coalesce(sum(difference * p.price) FILTER (WHERE decision <> 'reject'), 0)
  FROM ({_FOUND}) AS v JOIN inventory_product p ON p.id = v.product_id
"""


def sums(count: Count) -> Sum:
    """The figures of a count, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, {"count": count.pk})
        return Sum(*cursor.fetchone())


@dataclass(frozen=True)
class Step:
    """A suggestion: accept open differences up to `units`, count the rest again.

    Each with its lines, units (without sign) and value at the selling price (without sign).
    """

    units: int
    accept_lines: int
    accept_units: int
    accept_value: Decimal
    again_lines: int
    again_units: int
    again_value: Decimal


_LADDER = f"""
SELECT units, (sum(lines) OVER up)::int, (sum(lines * units) OVER up)::int, sum(value) OVER up,
       (sum(lines) OVER () - sum(lines) OVER up)::int,
       (sum(lines * units) OVER () - sum(lines * units) OVER up)::int,
       sum(value) OVER () - sum(value) OVER up
  FROM (SELECT abs(v.difference) AS units, count(*) AS lines,
               sum(abs(v.difference) * p.price) AS value
          FROM ({_FOUND}) AS v JOIN inventory_product p ON p.id = v.product_id
         WHERE v.decision = '' AND v.difference IS NOT NULL GROUP BY 1) AS d
WINDOW up AS (ORDER BY units)
 ORDER BY units
"""


def ladder(count: Count) -> list[Step]:
    """What each threshold would accept and what it would have counted again, in one statement.

    One step per size of difference that is there; of many, a few spread over all of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LADDER, {"count": count.pk})
        steps = [Step(*row) for row in cursor.fetchall()]
    if len(steps) <= MAX_STEPS:
        return steps
    chosen = {round(i * (len(steps) - 1) / (MAX_STEPS - 1)) for i in range(MAX_STEPS)}
    return [steps[i] for i in sorted(chosen)]


# --- deciding ------------------------------------------------------------------------------------


def decide(*, count_id: int, lines: Iterable[int], decision: str, by: str) -> int:
    """Accept or reject counted lines; returns how many have another decision now.

    Raises ValueError for another decision, IllegalMove when the count is not in review.
    """
    if decision not in (D.ACCEPT, D.REJECT):
        raise ValueError(f"{decision!r} is not accept or reject")
    with transaction.atomic():
        count = lock(count_id)
        check_in(count, (S.REVIEW,), S.POSTED)
        counted = CountEntry.objects.filter(line_id__in=set(lines)).values("line_id")
        lines_ = count.lines.filter(pk__in=counted).exclude(decision=decision)
        return lines_.update(decision=decision, decided_by=by)


_AGAIN = f"""
WITH again AS (
    SELECT v.id, v.found FROM ({_FOUND}) AS v WHERE v.id = ANY(%(lines)s::bigint[])
), sections AS (
    SELECT DISTINCT e.section_id AS id FROM inventory_countentry e JOIN again a ON a.id = e.line_id
), reopened AS (
    UPDATE inventory_countsection s SET counter = '', taken_at = NULL, submitted_at = NULL
     WHERE s.count_id = %(count)s
       AND (EXISTS (SELECT 1 FROM again a WHERE coalesce(a.found, 0) = 0)
            OR s.id IN (SELECT id FROM sections))
), gone AS (
    DELETE FROM inventory_countentry e USING again a WHERE e.line_id = a.id
)
UPDATE inventory_countline l
   SET decision = 'recount', decided_by = %(by)s, expected = NULL, off_shelf = 0,
       first_found = coalesce(l.first_found, a.found)
  FROM again a WHERE l.id = a.id
"""


def recount(*, count_id: int, lines: Iterable[int], by: str) -> int:
    """Have lines counted anew, in the sections where they were found; returns how many.

    What was found first is kept beside it. Where nothing was found, every section looks again.
    Raises IllegalMove when the count is not in review.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        count = lock(count_id)
        check_in(count, (S.REVIEW,), S.COUNTING)
        cursor.execute(_AGAIN, {"count": count.pk, "lines": sorted(set(lines)), "by": by})
        if cursor.rowcount:
            move(count, S.COUNTING, allowed=MOVES, submitted_at=None)
        return cursor.rowcount


def decide_up_to(*, count_id: int, units: int, by: str) -> tuple[int, int]:
    """Accept open differences of up to `units`, have the rest counted again; returns both counts.

    Raises IllegalMove when the count is not in review.
    """
    with transaction.atomic():
        count = lock(count_id)
        check_in(count, (S.REVIEW,), S.POSTED)
        open_ = {row.id: row.difference for row in rows(count, only=LEFT_TO_DECIDE, limit=10**6)}
        small = [pk for pk, change in open_.items() if change is not None and abs(change) <= units]
        large = [pk for pk, change in open_.items() if change is not None and abs(change) > units]
        accepted = decide(count_id=count_id, lines=small, decision=D.ACCEPT, by=by)
        return accepted, recount(count_id=count_id, lines=large, by=by) if large else 0


def hides_books(count: Count) -> bool:
    """Whether nobody who counts may see the books yet: a blind count that was not handed in."""
    return count.blind and count.state in (S.CREATED, S.COUNTING)
