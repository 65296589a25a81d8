"""The ledger's seal: a hash over each range of its rows, chained to the range before.

The database lets nobody rewrite the ledger (migration 0004), but its owner could take that right
back and a superuser needs none. Whatever is edited, deleted or slipped in afterwards, the hash of
its range no longer fits. Sealing reads what is finished and waits for nobody; nobody waits for it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from inventory.models import LedgerSeal

RANGE = 10_000  # rows of a seal
WAIT_SECONDS = 5.0
_START = ""

# Every column, as text that no setting of a session changes; a new column gets a new line here
# for the rows that have it.
_ROW = """
concat_ws('|', m.id, m.product_id, m.location_id, m.kind, m.on_hand, m.reserved, m.unavailable,
    m.safety, m.bucket, m.on_hand_after, m.reserved_after, m.unavailable_after,
    coalesce(m.safety_after::text, '-'), m.reason, m.note, m.cause_type,
    coalesce(m.cause_id::text, '-'), coalesce(m.key, '-'), m.actor,
    (extract(epoch FROM m.created_at) * 1000000)::bigint)
"""
_DIGEST = f"""
SELECT count(*), max(id), encode(sha256(convert_to(%(before)s || string_agg(line, E'\\n'
       ORDER BY id), 'UTF8')), 'hex')
  FROM (SELECT m.id, {_ROW} AS line FROM inventory_stockmovement m
         WHERE m.id > %(after)s AND m.id <= %(until)s ORDER BY m.id LIMIT %(limit)s) AS rows
"""

# Who writes to the ledger holds this lock on it until his transaction ends. A row that is not
# there yet but has a smaller number than one that is can only come from somebody in this list.
_WRITERS = """
SELECT virtualtransaction FROM pg_locks
 WHERE relation = 'inventory_stockmovement'::regclass AND mode = 'RowExclusiveLock'
   AND pid <> pg_backend_pid()
"""


@dataclass(frozen=True)
class Broken:
    """A sealed range that no longer is what it was."""

    first_id: int
    last_id: int
    rows_sealed: int
    rows_now: int


def seal() -> int:
    """Seal what was written since the last time; returns the rows sealed.

    A writer that takes longer than 5 seconds is not waited for: then it is the next run's turn.
    """
    until = _newest()
    if until is None or not _finished():
        return 0
    sealed = 0
    while rows := _seal_range(until):
        sealed += rows
    return sealed


def _newest() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM inventory_stockmovement")
        return cursor.fetchone()[0]


def _finished() -> bool:
    """Whether everybody who was writing when we looked has ended."""
    waiting, stop = _writers(), time.monotonic() + WAIT_SECONDS
    while waiting and time.monotonic() < stop:
        time.sleep(0.05)
        waiting &= _writers()
    return not waiting


def _writers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_WRITERS)
        return {row[0] for row in cursor.fetchall()}


def _seal_range(until: int) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('inventory.seal'))")
        last = LedgerSeal.objects.order_by("-last_id").first()
        after, before = (last.last_id, last.digest) if last else (0, _START)
        cursor.execute(_DIGEST, {"before": before, "after": after, "until": until, "limit": RANGE})
        rows, last_id, digest = cursor.fetchone()
        if rows:
            LedgerSeal.objects.create(first_id=after + 1, last_id=last_id, rows=rows, digest=digest)
    return rows


def broken() -> Iterator[Broken]:
    """Sealed ranges whose rows or digest are not what was sealed, oldest first."""
    before = _START
    for sealed in LedgerSeal.objects.order_by("last_id").iterator():
        with connection.cursor() as cursor:
            cursor.execute(
                _DIGEST,
                {"before": before, "after": sealed.first_id - 1, "until": sealed.last_id,
                 "limit": None},
            )  # fmt: skip
            rows, _, digest = cursor.fetchone()
        if (rows, digest) != (sealed.rows, sealed.digest):
            yield Broken(sealed.first_id, sealed.last_id, sealed.rows, rows)
        before = sealed.digest
