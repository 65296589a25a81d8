"""What other systems say about stock: levels and changes, a batch in one statement.

The statement finds product and stock point, locks the stock rows in (product, location) order,
judges each row, moves the stock and writes the ledger. A second one follows only for rows without a
stock row and for rows whose units moved after the level was taken: it sees what was committed while
the first one waited for its locks.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from inventory.ledger.entries import Entry, call_for_cover, make_rows

# A level is carried forward by what left since; anything else that moved since makes it stale.
LEFT = ("sale", "till_sale", "transfer_out")
CARRIED_DAYS = 7  # the ledger is not read further back for one level


class Told(NamedTuple):
    """One row of a delivery: `units` are a level (from 0) or a signed change.

    `as_of` is the sender's own time of this row; None: the time of the delivery.
    """

    sku: str
    location: str
    units: int
    as_of: datetime | None = None
    reason: str = ""
    note: str = ""


class Verdict(NamedTuple):
    """What became of a row, and the units on hand before and after.

    State is changed or same; or the row is refused: sku or location (nobody knows it), older (a
    newer level was taken `at`), twin (another level of the same time was), counted or moved `at`,
    included (a change that a level or count of `at` holds already), short (fewer units are there).
    `found` are units that a till sold and the books did not have.
    """

    row: int
    state: str
    before: int | None
    after: int | None
    at: datetime | None
    product: int | None
    location: int | None
    uncovered: bool
    found: int

    @property
    def taken(self) -> bool:
        """Whether the books now say what the row said."""
        return self.state in {"changed", "same"}


_KNOWN = """
known AS MATERIALIZED (
    SELECT g.n - 1 AS n, coalesce(g.units, 0) AS units, coalesce(g.reason, '') AS reason,
           coalesce(g.note, '') AS note, p.id AS product_id, l.id AS location_id,
           least(coalesce(g.as_of, %(at)s), clock_timestamp()) AS as_of
      FROM unnest(%(sku)s::text[], %(location)s::text[], %(units)s::int[],
                  %(as_of)s::timestamptz[], %(reason)s::text[], %(note)s::text[])
           WITH ORDINALITY AS g(sku, location, units, as_of, reason, note, n)
      LEFT JOIN inventory_product p ON p.sku = g.sku
      LEFT JOIN inventory_location l ON l.code = g.location
), held AS MATERIALIZED (
    SELECT s.id, s.product_id, s.location_id, s.on_hand, s.reserved, s.unavailable, s.moved_at,
           s.counted_at, s.source_at
      FROM inventory_stock s
      JOIN (SELECT DISTINCT product_id, location_id FROM known) k USING (product_id, location_id)
     ORDER BY s.product_id, s.location_id {lock}
)"""

# --- levels --------------------------------------------------------------------------------------

_JUDGE_LEVELS = f"""
WITH {_KNOWN}, judged AS (
    SELECT k.n, k.product_id, k.location_id, k.as_of, s.id AS stock_id, s.on_hand AS before,
           s.reserved, s.unavailable, s.source_at IS NULL OR s.source_at < k.as_of AS newer,
           k.units + since.units_left AS after,
           CASE WHEN s.source_at >= k.as_of THEN s.source_at
                WHEN s.counted_at > k.as_of THEN s.counted_at ELSE s.moved_at END AS at,
           CASE WHEN k.product_id IS NULL THEN 'sku'
                WHEN k.location_id IS NULL THEN 'location'
                WHEN s.id IS NULL THEN 'absent'
                WHEN s.moved_at > k.as_of AND NOT {{deep}} THEN 'later'
                WHEN s.on_hand = k.units + since.units_left THEN 'same'
                WHEN s.source_at > k.as_of THEN 'older'
                WHEN s.source_at = k.as_of THEN 'twin'
                WHEN s.counted_at > k.as_of THEN 'counted'
                WHEN since.other OR k.units + since.units_left < 0
                  OR s.moved_at > k.as_of
                 AND k.as_of < now() - make_interval(days => {CARRIED_DAYS}) THEN 'moved'
                ELSE 'changed' END AS state
      FROM known k LEFT JOIN held s USING (product_id, location_id)
     CROSS JOIN LATERAL (
        SELECT coalesce(sum(m.on_hand) FILTER (WHERE m.kind IN {LEFT}), 0)::int AS units_left,
               coalesce(bool_or(m.kind NOT IN {(*LEFT, "feed")}), false) AS other
          FROM inventory_stockmovement m
         WHERE {{deep}} AND s.moved_at > k.as_of
           AND k.as_of > now() - make_interval(days => {CARRIED_DAYS})
           AND m.product_id = k.product_id AND m.location_id = k.location_id
           AND m.created_at > k.as_of AND m.on_hand <> 0) AS since
)"""
_WRITE_LEVELS = """, moved AS (
    UPDATE inventory_stock s
       SET on_hand = CASE j.state WHEN 'changed' THEN j.after ELSE s.on_hand END,
           moved_at = CASE j.state WHEN 'changed' THEN clock_timestamp() ELSE s.moved_at END,
           source_at = greatest(s.source_at, j.as_of), updated_at = now()
      FROM judged j
     WHERE s.id = j.stock_id AND (j.state = 'changed' OR j.state = 'same' AND j.newer)
    RETURNING s.product_id, s.location_id, s.on_hand, s.reserved, s.unavailable, j.before, j.state
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id,
        actor, created_at)
    SELECT product_id, location_id, 'feed', on_hand - before, 0, 0, on_hand, reserved, unavailable,
           '', %(cause_type)s, %(cause_id)s, %(actor)s, clock_timestamp()
      FROM moved WHERE state = 'changed'
)"""
_ANSWER_LEVELS = """
SELECT n, state, before, after, CASE WHEN state NOT IN ('changed', 'same') THEN at END,
       product_id, location_id,
       state = 'changed' AND after < before AND reserved > after - unavailable, 0 FROM judged
"""
_LOCK = "FOR NO KEY UPDATE OF s"
_SEE_LEVELS = _JUDGE_LEVELS.format(lock="", deep="true") + _ANSWER_LEVELS
_TAKE_LEVELS, _TAKE_LATE_LEVELS = (
    _JUDGE_LEVELS.format(lock=_LOCK, deep=deep) + _WRITE_LEVELS + _ANSWER_LEVELS
    for deep in ("false", "true")
)


def see_levels(rows: Sequence[Told], *, at: datetime) -> list[Verdict]:
    """What take_levels would do with these rows now; writes and locks nothing.

    A pair without a stock row is "absent": its level would make one.
    """
    return _run(_SEE_LEVELS, rows, {"at": at})


def take_levels(
    rows: Sequence[Told], *, at: datetime, actor: str, cause_type: str = "",
    cause_id: int | None = None,
) -> list[Verdict]:  # fmt: skip
    """Set what is on hand, each pair (sku, location) at most once; a verdict per row, in order.

    `at` is the time of rows that have none. Units claimed stay claimed: where they are more than
    what is left, the work "shortage" is written in the same transaction.
    """
    params = {"at": at, "actor": actor, "cause_type": cause_type, "cause_id": cause_id}
    return _take((_TAKE_LEVELS, _TAKE_LATE_LEVELS), rows, params, makes=lambda row: True)


# --- changes -------------------------------------------------------------------------------------

# Changes of one pair are taken together or not at all; what a till sold happened, whatever the
# books say: units they did not have were there, so they are found first.
_JUDGE_CHANGES = f"""
WITH {_KNOWN}, checked AS (
    SELECT k.*, %(facts)s AND k.reason = 'till_sale' AND k.units < 0 AS fact,
           greatest(s.source_at, s.counted_at) AS at,
           CASE WHEN k.product_id IS NULL THEN 'sku'
                WHEN k.location_id IS NULL THEN 'location'
                WHEN s.id IS NULL THEN 'absent'
                WHEN k.as_of <= greatest(s.source_at, s.counted_at) THEN 'included'
                ELSE 'open' END AS state
      FROM known k LEFT JOIN held s USING (product_id, location_id)
), total AS (
    SELECT product_id, location_id, coalesce(sum(units) FILTER (WHERE NOT fact), 0)::int AS plain,
           coalesce(sum(units) FILTER (WHERE fact), 0)::int AS sold
      FROM checked WHERE state = 'open' GROUP BY 1, 2
), granted AS (
    SELECT s.id AS stock_id, s.product_id, s.location_id, s.on_hand AS before, s.reserved,
           s.unavailable, t.sold, s.on_hand + t.plain >= 0 AS fits,
           CASE WHEN s.on_hand + t.plain >= 0 THEN t.plain ELSE 0 END AS plain
      FROM total t JOIN held s USING (product_id, location_id)
), pair AS (
    SELECT *, greatest(before + plain + sold, 0) AS after,
           greatest(-(before + plain + sold), 0) AS gap FROM granted
), judged AS (
    SELECT c.n, c.product_id, c.location_id, c.units, c.reason, c.note, c.fact, c.at,
           CASE WHEN c.state <> 'open' THEN c.state WHEN c.fact OR p.fits THEN 'changed'
                ELSE 'short' END AS state
      FROM checked c LEFT JOIN pair p USING (product_id, location_id)
)"""
_WRITE_CHANGES = """, entry AS (
    SELECT product_id, location_id, gap AS units, 'adjustment' AS kind, 'found' AS reason,
           'sold at a till, but not in the books' AS note, -1 AS n FROM pair WHERE gap > 0
     UNION ALL
    SELECT product_id, location_id, units,
           CASE reason WHEN 'till_sale' THEN 'till_sale' ELSE 'adjustment' END, reason, note, n
      FROM judged WHERE state = 'changed'
), moved AS (
    UPDATE inventory_stock s SET on_hand = p.after, moved_at = clock_timestamp(), updated_at = now()
      FROM pair p WHERE s.id = p.stock_id AND (p.fits OR p.sold <> 0)
    RETURNING s.product_id, s.location_id, s.reserved, s.unavailable, p.before
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, note, cause_type,
        cause_id, actor, created_at)
    SELECT e.product_id, e.location_id, e.kind, e.units, 0, 0, m.before + sum(e.units) OVER w,
           m.reserved, m.unavailable, e.reason, e.note, %(cause_type)s, %(cause_id)s, %(actor)s,
           clock_timestamp()
      FROM entry e JOIN moved m USING (product_id, location_id)
    WINDOW w AS (PARTITION BY e.product_id, e.location_id ORDER BY e.units < 0, e.n)
)"""
_ANSWER_CHANGES = """
SELECT j.n, j.state, p.before, p.after, CASE WHEN j.state = 'included' THEN j.at END,
       j.product_id, j.location_id,
       j.state = 'changed' AND p.after < p.before AND p.reserved > p.after - p.unavailable,
       CASE WHEN j.fact THEN coalesce(p.gap, 0) ELSE 0 END
  FROM judged j LEFT JOIN pair p USING (product_id, location_id)
"""
_SEE_CHANGES = _JUDGE_CHANGES.format(lock="") + _ANSWER_CHANGES
_TAKE_CHANGES = _JUDGE_CHANGES.format(lock=_LOCK) + _WRITE_CHANGES + _ANSWER_CHANGES


def see_changes(rows: Sequence[Told], *, at: datetime | None, facts: bool) -> list[Verdict]:
    """What take_changes would do with these rows now; writes and locks nothing."""
    return _run(_SEE_CHANGES, rows, {"at": at, "facts": facts})


def take_changes(
    rows: Sequence[Told], *, at: datetime | None, facts: bool, actor: str, cause_type: str = "",
    cause_id: int | None = None,
) -> list[Verdict]:  # fmt: skip
    """Add signed changes to what is on hand; a verdict per row, in order.

    `at` is the time of rows that have none; None: they are of now. With `facts` what was sold at a
    till is taken even when the books do not have the units (Verdict.found). Where claims then
    exceed what is there, the work "shortage" is written in the same transaction.
    """
    params = {"at": at, "facts": facts, "actor": actor, "cause_type": cause_type,
              "cause_id": cause_id}  # fmt: skip

    def makes(row: Told) -> bool:
        return row.units > 0 or (facts and row.reason == "till_sale")

    found = _take((_TAKE_CHANGES, _TAKE_CHANGES), rows, params, makes=makes)
    return [v._replace(state="short", before=0) if v.state == "absent" else v for v in found]


# --- both ----------------------------------------------------------------------------------------


def _run(sql: str, rows: Sequence[Told], params: dict[str, Any]) -> list[Verdict]:
    if not rows:
        return []
    columns = zip(Told._fields, zip(*rows, strict=True), strict=True)
    # What no row has is sent as nothing: most files have no times and reasons of their own.
    told = {name: list(column) if any(column) else None for name, column in columns}
    with connection.cursor() as cursor:
        cursor.execute(sql, {**params, **told})
        return sorted(map(Verdict._make, cursor.fetchall()))


class _NoRows(Exception):
    """Stock rows are missing; `pairs` are (product, location)."""

    def __init__(self, pairs: set[tuple[int, int]]) -> None:
        self.pairs = pairs


def _take(
    sql: tuple[str, str], rows: Sequence[Told], params: dict[str, Any],
    makes: Callable[[Told], bool],
) -> list[Verdict]:  # fmt: skip
    # Rows are made before any is locked, so a try that misses some gives its locks back first.
    with transaction.atomic(savepoint=False):
        try:
            found = _try(sql, rows, params, makes)
        except _NoRows as missing:
            make_rows(Entry(*pair, "feed") for pair in missing.pairs)
            found = _try(sql, rows, params, makes)
        call_for_cover(sorted({(v.product, v.location) for v in found if v.uncovered}))
    return found


def _try(
    sql: tuple[str, str], rows: Sequence[Told], params: dict[str, Any],
    makes: Callable[[Told], bool],
) -> list[Verdict]:  # fmt: skip
    first, late = sql
    with transaction.atomic():
        found = _run(first, rows, params)
        missing = {
            (v.product, v.location)
            for v in found
            if v.state == "absent" and v.product and v.location and makes(rows[v.row])
        }
        if missing:
            raise _NoRows(missing)
        waiting = [v.row for v in found if v.state == "later"]
        for verdict in _run(late, [rows[row] for row in waiting], params):
            row = waiting[verdict.row]
            found[row] = verdict._replace(row=row)
    return found
