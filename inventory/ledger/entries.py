"""Entries of the ledger: every change of stock is posted here, all or nothing."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from config import outbox
from inventory.models import Stock
from inventory.models.stock import BUCKETS


@dataclass(frozen=True)
class Entry:
    """One line of the ledger: signed changes at one stock point.

    `bucket` says which of the unavailable units change (models.stock.BUCKETS).
    """

    product: int
    location: int
    kind: str
    on_hand: int = 0
    reserved: int = 0
    unavailable: int = 0
    bucket: str = ""
    reason: str = ""
    note: str = ""
    cause_type: str = ""
    cause_id: int | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.unavailable != 0) != (self.bucket in BUCKETS):
            raise ValueError(f"{self.unavailable} unavailable units in the bucket {self.bucket!r}")


@dataclass(frozen=True)
class Claim:
    """Units wanted at a stock point; `ref` comes back with the reservation that was made.

    `hot`: the stock row is split for a hot sale (ledger/hot.py).
    """

    ref: int
    product: int
    location: int
    quantity: int
    owner_id: int
    hot: bool = False


@dataclass(frozen=True)
class Reserved:
    """A claim that holds."""

    ref: int
    reservation: int
    location: int
    quantity: int


class NotEnough(Exception):
    """The change would take a bucket below what it holds; `rows` are (product, location) pairs."""

    def __init__(self, rows: Sequence[tuple[int, int]]) -> None:
        self.rows = list(rows)
        super().__init__(f"not enough stock for {self.rows} (product, stock point)")


_TOTALS = ", ".join(f"sum(unavailable) FILTER (WHERE bucket = '{b}') AS {b}" for b in BUCKETS)
_CHANGES = ", ".join(f"{b} = s.{b} + coalesce(t.{b}, 0)" for b in BUCKETS)
_POSSIBLE = " AND ".join(f"s.{b} + coalesce(t.{b}, 0) >= 0" for b in BUCKETS)
# Everything after the lock sees the rows as they are now, so times and sums are in its order.
_POST = f"""
WITH entry AS (
    SELECT * FROM unnest(%(product)s::bigint[], %(location)s::bigint[], %(kind)s::text[],
        %(on_hand)s::int[], %(reserved)s::int[], %(unavailable)s::int[], %(bucket)s::text[],
        %(reason)s::text[], %(note)s::text[], %(cause_type)s::text[], %(cause_id)s::bigint[],
        %(key)s::text[])
      WITH ORDINALITY AS e(product_id, location_id, kind, on_hand, reserved, unavailable, bucket,
                           reason, note, cause_type, cause_id, key, n)
), total AS (
    SELECT product_id, location_id, sum(on_hand) AS on_hand, sum(reserved) AS reserved,
           sum(unavailable) AS unavailable, {_TOTALS}
      FROM entry GROUP BY product_id, location_id
), locked AS (
    SELECT s.id, s.product_id, s.location_id FROM inventory_stock s
      JOIN total USING (product_id, location_id)
     ORDER BY s.product_id, s.location_id FOR NO KEY UPDATE OF s
), moved AS (
    UPDATE inventory_stock s
       SET on_hand = s.on_hand + t.on_hand, reserved = s.reserved + t.reserved, {_CHANGES},
           moved_at = CASE WHEN t.on_hand <> 0 THEN clock_timestamp() ELSE s.moved_at END,
           updated_at = now()
      FROM locked k JOIN total t USING (product_id, location_id)
     WHERE s.id = k.id AND s.on_hand + t.on_hand >= 0 AND s.reserved + t.reserved >= 0
       AND {_POSSIBLE}
    RETURNING s.product_id, s.location_id, s.on_hand, s.reserved, s.unavailable,
              t.on_hand AS t_on_hand, t.reserved AS t_reserved, t.unavailable AS t_unavailable
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, bucket, on_hand_after, reserved_after, unavailable_after, reason, note,
        cause_type, cause_id, key, actor, created_at)
    SELECT e.product_id, e.location_id, e.kind, e.on_hand, e.reserved, e.unavailable, e.bucket,
           m.on_hand - m.t_on_hand + sum(e.on_hand) OVER w,
           m.reserved - m.t_reserved + sum(e.reserved) OVER w,
           m.unavailable - m.t_unavailable + sum(e.unavailable) OVER w,
           e.reason, e.note, e.cause_type, e.cause_id, e.key, %(actor)s, clock_timestamp()
      FROM entry e JOIN moved m USING (product_id, location_id)
    WINDOW w AS (PARTITION BY e.product_id, e.location_id ORDER BY e.n)
)
SELECT product_id, location_id, on_hand, reserved, unavailable FROM moved
"""
_FIELDS = ("product", "location", "kind", "on_hand", "reserved", "unavailable", "bucket", "reason",
           "note", "cause_type", "cause_id", "key")  # fmt: skip


def post(entries: Sequence[Entry], *, actor: str) -> list[tuple[int, int, int, int, int]]:
    """Write entries to the ledger and move the stock with them, all or nothing.

    Returns (product, location, on_hand, reserved, unavailable) as they are afterwards. Missing
    stock rows are made first. Raises NotEnough when a bucket would fall below zero, and
    django.db.IntegrityError when an entry's key was posted before. Where the new stock no longer
    covers its claims, the work "shortage" is written in the same transaction.
    """
    if not entries:
        return []
    with transaction.atomic():
        rows = _post(entries, actor)
        wanted = {(e.product, e.location) for e in entries}
        missing = wanted - {row[:2] for row in rows}
        if missing:
            raise NotEnough(sorted(missing))
        losing = {
            (e.product, e.location) for e in entries if e.on_hand - e.reserved < e.unavailable
        }
        call_for_cover([row for row in rows if row[:2] in losing and row[3] > row[2] - row[4]])
    return rows


def _post(entries: Sequence[Entry], actor: str) -> list[Any]:
    make_rows(e for e in entries if e.on_hand > 0)
    params: dict[str, Any] = {name: [getattr(e, name) for e in entries] for name in _FIELDS}
    with connection.cursor() as cursor:
        cursor.execute(_POST, {**params, "actor": actor})
        return cursor.fetchall()


def make_rows(entries: Iterable[Entry]) -> None:
    """Make the empty stock rows that these entries need and that are not there yet."""
    pairs = sorted({(e.product, e.location) for e in entries})
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inventory_stock (product_id, location_id, on_hand, reserved, quarantine,"
            " safety, updated_at) SELECT p, l, 0, 0, 0, 0, now()"
            " FROM unnest(%s::bigint[], %s::bigint[]) AS u(p, l)"
            " ORDER BY p, l ON CONFLICT (product_id, location_id) DO NOTHING",
            [[p for p, _ in pairs], [loc for _, loc in pairs]],
        )


def lock_rows(pairs: Collection[tuple[int, int]]) -> None:
    """Take stock rows (product, location) in order, before several changes in one transaction.

    Who takes them first also keeps others from ending the claims that he is about to read.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.id FROM inventory_stock s JOIN unnest(%s::bigint[], %s::bigint[])"
            " AS w(product_id, location_id) USING (product_id, location_id)"
            " ORDER BY s.product_id, s.location_id FOR NO KEY UPDATE OF s",
            [[product for product, _ in pairs], [location for _, location in pairs]],
        )


def call_for_cover(short: Sequence[Any]) -> None:
    """Write the work "shortage" for stock rows (product, location, ...) with too many claims."""
    if not short:
        return
    stock = Stock.objects.filter(
        product_id__in=[row[0] for row in short], location_id__in=[row[1] for row in short]
    ).values_list("product_id", "location_id", "id")
    ids = {(product, location): pk for product, location, pk in stock}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        cause = f"tx:{cursor.fetchone()[0]}"
    outbox.put_many(
        ("shortage", ids[row[0], row[1]], cause, {"product": row[0], "location": row[1]})
        for row in short
    )
