"""Counting: sections, one person at a time, and what they found in them.

A device sends each figure with its own clock, perhaps hours later and more than once. An entry is
the section's figure for a product, not an increment: the newest one counts, the same one once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from config.status import move
from inventory.counts import books
from inventory.counts.table import (
    MOVES,
    InOtherHands,
    NothingCounted,
    S,
    SectionClosed,
    SectionsOpen,
    Uncounted,
    check_in,
    lock,
)
from inventory.models import Count, CountEntry, CountSection, Product

MAX_FOUND = 1_000_000
SKEW = timedelta(minutes=1)  # clocks of devices go wrong by seconds; more than that is an error
COUNTABLE = (S.CREATED, S.COUNTING)


@dataclass(frozen=True)
class Found:
    """Units of a product in a section, by SKU or GTIN, and when they were counted."""

    code: str
    found: int
    counted_at: datetime


@dataclass(frozen=True)
class Outcome:
    """What became of one entry: counted, same, older (a newer one is there), or failed and why."""

    result: str
    product: Product | None = None
    added: bool = False  # the product was not on the count's list
    words: str = ""


# --- sections ------------------------------------------------------------------------------------


def take(*, section_id: int, by: str, over: bool = False) -> CountSection:
    """Begin a section, or take it over from who has it. Handed in before, it is open again.

    Raises InOtherHands, IllegalMove when the count is not being counted, CountSection.DoesNotExist.
    """
    with transaction.atomic():
        count, section = _lock_section(section_id)
        if section.counter not in ("", by) and section.submitted_at is None and not over:
            raise InOtherHands(section)
        _hand_to(count, section, by)
    return section


def _lock_section(section_id: int) -> tuple[Count, CountSection]:
    count_id = CountSection.objects.values_list("count_id", flat=True).get(pk=section_id)
    count = lock(count_id)
    check_in(count, COUNTABLE, S.COUNTING)
    return count, CountSection.objects.get(pk=section_id)


def _hand_to(count: Count, section: CountSection, by: str) -> None:
    if count.state == S.CREATED:
        move(count, S.COUNTING, allowed=MOVES)
    if section.counter == by and section.submitted_at is None:
        return
    section.counter, section.taken_at, section.submitted_at = by, timezone.now(), None
    section.save(update_fields=["counter", "taken_at", "submitted_at"])


def leave(*, section_id: int, by: str) -> CountSection:
    """Give a section back unfinished, so that somebody else may take it. Raises InOtherHands."""
    with transaction.atomic():
        _, section = _lock_section(section_id)
        if section.counter not in ("", by):
            raise InOtherHands(section)
        section.counter, section.taken_at = "", None
        section.save(update_fields=["counter", "taken_at"])
    return section


def submit_section(*, section_id: int, by: str) -> CountSection:
    """The section is counted. Twice is once. Raises InOtherHands, IllegalMove."""
    with transaction.atomic():
        count, section = _lock_section(section_id)
        if section.submitted_at is not None:
            return section
        if section.counter not in ("", by):
            raise InOtherHands(section)
        _hand_to(count, section, by)
        section.submitted_at = timezone.now()
        section.save(update_fields=["submitted_at"])
    return section


# --- entries -------------------------------------------------------------------------------------


def record(*, section_id: int, entries: Sequence[Found], by: str) -> list[Outcome]:
    """Take figures of a section; returns an outcome for each, in their order.

    One bad row stops no other. A free section becomes the caller's. Raises InOtherHands,
    SectionClosed, and IllegalMove when the count is not being counted.
    """
    now = timezone.now()
    with transaction.atomic():
        count, section = _lock_section(section_id)
        if section.submitted_at is not None:
            raise SectionClosed(section)
        if section.counter not in ("", by):
            raise InOtherHands(section)
        _hand_to(count, section, by)
        products = by_code([entry.code for entry in entries])
        checked = [_check(entry, products, count, now=now) for entry in entries]
        good = _newest(entries, checked)
        added = _add_lines(count, good)
        changed, there = _write(section, good, by=by, now=now)
        books.compare(count.pk, products=changed)
    return [
        _outcome(entry, verdict, good, changed=changed, there=there, added=added, now=now)
        for entry, verdict in zip(entries, checked, strict=True)
    ]


def by_code(codes: Iterable[str]) -> dict[str, Product]:
    """Products by what was scanned or typed: SKU in any case, or GTIN with zeros lost or added."""
    asked = {code: code.strip() for code in codes}
    texts = {text for text in asked.values() if 0 < len(text) <= 64 and text.isprintable()}
    digits = {text.lstrip("0") for text in texts if text.isascii() and text.isdigit()} - {""}
    spelled = {way for text in texts for way in (text, text.upper(), text.lower())}
    found = Product.objects.filter(Q(sku__in=spelled) | _gtins(digits))
    by_sku = {product.sku.casefold(): product for product in found}
    by_gtin = {product.gtin.lstrip("0"): product for product in found if product.gtin}
    return {
        code: product
        for code, text in asked.items()
        if (product := by_sku.get(text.casefold()) or by_gtin.get(text.lstrip("0") or "-"))
    }


def _gtins(digits: set[str]) -> Q:
    # UPC-A, EAN-13 and GTIN-14 name the same thing: with as many zeros in front as fit.
    return Q(gtin__in={text.zfill(n) for text in digits for n in range(len(text), 15)})


def _check(
    entry: Found, products: dict[str, Product], count: Count, *, now: datetime
) -> Product | str:
    """The entry's product, or why it cannot be taken."""
    product = products.get(entry.code)
    if product is None:
        return "no product has this SKU or barcode"
    if not 0 <= entry.found <= MAX_FOUND:
        return f"is not a number of units from 0 to {MAX_FOUND:,}"
    if entry.counted_at > now + SKEW:
        return "was counted in the future: the clock of the device is wrong"
    if entry.counted_at < count.created_at - SKEW:
        return "was counted before the count was asked for"
    return product


def _newest(entries: Sequence[Found], checked: Sequence[Product | str]) -> dict[int, Found]:
    """Of entries for the same product the newest, by product id."""
    newest: dict[int, Found] = {}
    for entry, product in zip(entries, checked, strict=True):
        if isinstance(product, str):
            continue
        there = newest.get(product.pk)
        if there is None or entry.counted_at >= there.counted_at:
            newest[product.pk] = entry
    return newest


def _add_lines(count: Count, good: dict[int, Found]) -> set[int]:
    """Lines for products that are not on the count's list yet; returns those products."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inventory_countline (count_id, product_id, off_shelf, decision,"
            " decided_by) SELECT %s, p, 0, '', '' FROM unnest(%s::bigint[]) AS p"
            " ON CONFLICT (count_id, product_id) DO NOTHING RETURNING product_id",
            [count.pk, sorted(good)],
        )
        return {row[0] for row in cursor.fetchall()}


_WRITE = """
WITH given AS (
    SELECT l.id AS line_id, l.product_id, g.found, least(g.at, %(now)s) AS at
      FROM unnest(%(products)s::bigint[], %(found)s::int[], %(at)s::timestamptz[])
        AS g(product_id, found, at)
      JOIN inventory_countline l ON l.count_id = %(count)s AND l.product_id = g.product_id
), written AS (
    INSERT INTO inventory_countentry AS e (line_id, section_id, found, counted_by, counted_at)
    SELECT line_id, %(section)s, found, %(by)s, at FROM given
        ON CONFLICT (line_id, section_id) DO UPDATE
       SET found = excluded.found, counted_by = excluded.counted_by,
           counted_at = excluded.counted_at
     WHERE excluded.counted_at >= e.counted_at
       AND (excluded.found, excluded.counted_at) IS DISTINCT FROM (e.found, e.counted_at)
    RETURNING line_id
)
SELECT g.product_id, w.line_id IS NOT NULL, e.found, e.counted_at
  FROM given g LEFT JOIN written w USING (line_id)
  LEFT JOIN inventory_countentry e ON e.line_id = g.line_id AND e.section_id = %(section)s
"""

There = dict[int, tuple[int, datetime]]  # product -> the entry that was there: found, counted_at


def _write(
    section: CountSection, good: dict[int, Found], *, by: str, now: datetime
) -> tuple[set[int], There]:
    """Write figures that are newer than those there; returns products changed, and what was."""
    rows = sorted(good.items())
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            {
                "count": section.count_id, "section": section.pk, "by": by, "now": now,
                "products": [product for product, _ in rows],
                "found": [entry.found for _, entry in rows],
                "at": [entry.counted_at for _, entry in rows],
            },
        )  # fmt: skip
        written = cursor.fetchall()
    changed = {product for product, new, _, _ in written if new}
    return changed, {p: (found, at) for p, new, found, at in written if not new}


def _outcome(
    entry: Found, verdict: Product | str, good: dict[int, Found], *,
    changed: set[int], there: There, added: set[int], now: datetime,
) -> Outcome:  # fmt: skip
    if isinstance(verdict, str):
        return Outcome("failed", words=verdict)
    new = verdict.pk in added
    if verdict.pk in changed:
        return Outcome("counted" if good[verdict.pk] is entry else "older", verdict, new)
    same = there[verdict.pk] == (entry.found, min(entry.counted_at, now))
    return Outcome("same" if same else "older", verdict, new)


# --- handing in ----------------------------------------------------------------------------------

# What was found nowhere is found 0 times in the first section.
_REST = """
INSERT INTO inventory_countentry (line_id, section_id, found, counted_by, counted_at)
SELECT l.id, (SELECT min(id) FROM inventory_countsection WHERE count_id = %(count)s), 0, %(by)s,
       %(now)s
  FROM inventory_countline l
 WHERE l.count_id = %(count)s
   AND NOT EXISTS (SELECT 1 FROM inventory_countentry e WHERE e.line_id = l.id)
"""
# What is inside the tolerance needs nobody's decision; what was counted again is decided anew.
_ACCEPT = """
UPDATE inventory_countline l
   SET decision = CASE WHEN f.close THEN 'accept' ELSE '' END,
       decided_by = CASE WHEN f.close THEN %(who)s ELSE '' END
  FROM (SELECT k.id, abs(sum(e.found) + k.off_shelf - k.expected)
                     <= greatest(%(units)s, k.expected * %(percent)s / 100.0) AS close
          FROM inventory_countline k LEFT JOIN inventory_countentry e ON e.line_id = k.id
         WHERE k.count_id = %(count)s GROUP BY k.id) AS f
 WHERE l.id = f.id AND l.decision IN ('', 'recount')
"""
TOLERANCE = "tolerance"  # who decided about lines inside it


def uncounted(count: Count) -> int:
    """Lines of the count that nobody has counted in any section."""
    return count.lines.filter(entries=None).count()


def submit(*, count_id: int, by: str, rest_is_zero: bool = False) -> Count:
    """Hand the whole count in for review; differences inside the tolerance are accepted.

    Products of a full count that were found nowhere are at 0 when the counter says so
    (`rest_is_zero`), else Uncounted says how many they are. Of a selective count they stay as they
    are. Twice is once. Raises SectionsOpen, NothingCounted, IllegalMove.
    """
    with transaction.atomic():
        count = lock(count_id)
        if count.state == S.REVIEW:
            return count
        check_in(count, (S.COUNTING,), S.REVIEW)
        _check_complete(count, rest_is_zero=rest_is_zero)
        figures: dict[str, Any] = {
            "count": count.pk, "by": by, "now": timezone.now(), "who": TOLERANCE,
            "units": count.tolerance_units, "percent": count.tolerance_percent,
        }  # fmt: skip
        with connection.cursor() as cursor:
            if count.kind == Count.Kind.FULL:
                cursor.execute(_REST, figures)
            books.compare(count.pk)  # again: a change that was on its way has arrived by now
            cursor.execute(_ACCEPT, figures)
        move(count, S.REVIEW, allowed=MOVES, submitted_at=timezone.now())
    return count


def _check_complete(count: Count, *, rest_is_zero: bool) -> None:
    open_ = list(count.sections.filter(submitted_at=None).order_by("id"))
    if open_:
        raise SectionsOpen([section.name for section in open_])
    if not CountEntry.objects.filter(line__count=count).exists():
        raise NothingCounted(count)
    if count.kind == Count.Kind.FULL and not rest_is_zero and (rest := uncounted(count)):
        raise Uncounted(rest)
