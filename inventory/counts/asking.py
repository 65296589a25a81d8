"""Asking for a count, and giving one up."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from config.models import IdempotencyKey
from config.status import move
from inventory.counts.table import MOVES, FullCountOpen, S, lock
from inventory.models import Count, CountSection

EVERYWHERE = "Everywhere"
MAX_SECTIONS = 50
ONE_FULL, ONE_KEY = "count_one_full_at_a_time", "inventory_count_key"

_LINES = """
INSERT INTO inventory_countline (count_id, product_id, off_shelf, decision, decided_by)
SELECT %(count)s, p, 0, '', '' FROM unnest(%(products)s::bigint[]) AS p
    ON CONFLICT (count_id, product_id) DO NOTHING
"""
# What a full count has to find: whatever the books have there, in any bucket.
_ALL_LINES = """
INSERT INTO inventory_countline (count_id, product_id, off_shelf, decision, decided_by)
SELECT %(count)s, product_id, 0, '', '' FROM inventory_stock
 WHERE location_id = %(location)s AND (on_hand <> 0 OR unavailable <> 0 OR reserved <> 0)
"""


def start(
    *,
    location: int,
    kind: str,
    products: Iterable[int] = (),
    sections: Sequence[str] = (EVERYWHERE,),
    blind: bool = True,
    tolerance_units: int = 0,
    tolerance_percent: int = 0,
    cause: str = "",
    key: str | None = None,
    assigned_to: str = "",
    due_on: date | None = None,
    actor: str,
) -> Count:
    """Open a count: of `products`, or of everything the books have there (kind full).

    The same key answers with the count that it opened. Raises FullCountOpen, and ValueError for a
    selective count without products or for section names that are empty, double or too many.
    """
    wanted, names = sorted(set(products)), _names(sections)
    if kind == Count.Kind.SELECTIVE and not wanted:
        raise ValueError("say which products are to be counted")
    values: dict[str, Any] = {
        "location_id": location, "kind": kind, "blind": blind, "tolerance_units": tolerance_units,
        "tolerance_percent": tolerance_percent, "cause": cause[:200], "key": key or None,
        "assigned_to": assigned_to, "due_on": due_on, "created_by": actor,
    }  # fmt: skip
    try:
        with transaction.atomic():
            count = Count.objects.create(**values)
            _add(count, names, wanted)
    except IntegrityError as error:
        return _there_before(error, location=location, key=key)
    return count


def _names(sections: Sequence[str]) -> list[str]:
    names = [name.strip() for name in sections]
    if not names or len(names) > MAX_SECTIONS or len(set(names)) < len(names):
        raise ValueError(f"name 1 to {MAX_SECTIONS} sections, each once")
    if not all(0 < len(name) <= 60 and name.isprintable() for name in names):
        raise ValueError("a section's name has 1 to 60 printable characters")
    return names


def _add(count: Count, names: Sequence[str], products: Sequence[int]) -> None:
    CountSection.objects.bulk_create(CountSection(count=count, name=name) for name in names)
    sql = _ALL_LINES if count.kind == Count.Kind.FULL else _LINES
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {"count": count.pk, "location": count.location_id, "products": list(products)},
        )


def _there_before(error: IntegrityError, *, location: int, key: str | None) -> Count:
    words = str(error)
    if key and ONE_KEY in words:
        return Count.objects.get(key=key)
    if ONE_FULL in words:
        full = Count.objects.filter(location=location, kind=Count.Kind.FULL, state__in=Count.OPEN)
        raise FullCountOpen(full.latest("id")) from error
    raise error


# Products that an open count is going to count anyway: nobody has counted them yet.
_NOT_ASKED = """
SELECT p FROM unnest(%(products)s::bigint[]) AS p
 WHERE NOT EXISTS (
       SELECT 1 FROM inventory_countline l JOIN inventory_count c ON c.id = l.count_id
        WHERE l.product_id = p AND c.location_id = %(location)s
          AND c.state IN ('created', 'counting')
          AND NOT EXISTS (SELECT 1 FROM inventory_countentry e WHERE e.line_id = l.id))
 ORDER BY p
"""


def request(*, location: int, products: Iterable[int], cause: str, key: str) -> None:
    """Have products counted because the books about them are in doubt; once per key.

    They join a selective count that waits at the stock point, or a new one is opened. Where they
    are about to be counted anyway, nothing happens. To be called last in a transaction: others who
    ask at the same stock point wait for it to end.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        # Two who ask at the same moment would open two counts.
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"count {location}"]
        )
        _, first = IdempotencyKey.objects.get_or_create(owner="count", key=key)
        if not first:
            return
        cursor.execute(_NOT_ASKED, {"location": location, "products": sorted(set(products))})
        wanted = [row[0] for row in cursor.fetchall()]
        if not wanted:
            return
        waiting = (
            Count.objects.select_for_update(no_key=True)
            .filter(location=location, kind=Count.Kind.SELECTIVE, state=S.CREATED)
            .order_by("id")
            .first()
        )
        if waiting is None:
            start(location=location, kind=Count.Kind.SELECTIVE, products=wanted, cause=cause,
                  key=key[:100], actor=cause[:100])  # fmt: skip
        else:
            cursor.execute(_LINES, {"count": waiting.pk, "products": wanted})


def cancel(*, count_id: int, actor: str) -> Count:
    """Give a count up: the books stay as they are. Raises IllegalMove, Count.DoesNotExist."""
    with transaction.atomic():
        count = lock(count_id)
        if count.state != S.CANCELED:
            move(count, S.CANCELED, allowed=MOVES, closed_at=timezone.now())
    return count
