"""Stock in from files: absolute levels per SKU and stock point, through the ledger.

Columns: sku, location, quantity (units physically there). See docs/formats/stock.md.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from config import forms, tables
from config.api import shown
from config.jobs import FileProblem, opened
from config.models import Job, JobRow
from config.status import MovedMeanwhile
from inventory import ledger
from inventory.models import Location, Product

COLUMNS = ("sku", "location", "quantity")
MAX_QUANTITY = 1_000_000
READ_AHEAD = 1000
O = JobRow.Outcome  # noqa: E741

Pair = tuple[int, int]  # product id, location id


class UploadForm(forms.UploadForm):
    """The file, and when its levels were true."""

    as_of = forms.Moment(
        required=False,
        label="Levels as of (UTC)",
        help_text="rows whose stock moved since then are refused; empty: the levels are of now",
    )

    def clean_as_of(self) -> str:
        moment = self.cleaned_data["as_of"]
        if moment is None:
            return ""
        if moment > timezone.now():
            raise ValidationError("This is in the future.")
        return str(moment.isoformat())


# --- check ---------------------------------------------------------------------------------------


class BadCell(Exception):
    """One cell that cannot be used: its column, and what was expected."""

    def __init__(self, column: str, words: str) -> None:
        self.column, self.words = column, words
        super().__init__(f"{column}: {words}")


def check(job: Job) -> Iterator[JobRow]:
    """Read the file and say of each row what would change, or why it cannot."""
    places = dict(Location.objects.values_list("code", "id"))
    as_of = datetime.fromisoformat(job.params["as_of"]) if job.params.get("as_of") else None
    seen: dict[tuple[str, str], tuple[int, int]] = {}
    with opened(job) as stream:
        rows = (_row(job, row, places, seen) for row in tables.read(stream, columns=COLUMNS))
        while batch := list(islice(rows, READ_AHEAD)):
            yield from _compared(batch, as_of)


def _row(
    job: Job,
    row: tables.Row,
    places: dict[str, int],
    seen: dict[tuple[str, str], tuple[int, int]],
) -> JobRow:
    found = JobRow(job=job, number=row.number, outcome=O.READY)
    try:
        if row.fault:
            raise BadCell("", row.fault)
        sku = _code("sku", row.cells.get("sku"))
        found.reference = sku[:100]
        code = _code("location", row.cells.get("location"))
        if code not in places:
            raise BadCell("location", f"no stock point has the code {shown(code)}")
        quantity = _quantity(row.cells.get("quantity"))
        _check_once(row.number, (sku, code), quantity, seen)
    except BadCell as bad:
        found.outcome, found.column, found.message = O.FAILED, bad.column, bad.words
    else:
        found.data = {"sku": sku, "location": places[code], "code": code, "quantity": quantity}
    return found


def _check_once(
    number: int,
    pair: tuple[str, str],
    quantity: int,
    seen: dict[tuple[str, str], tuple[int, int]],
) -> None:
    first, there = seen.setdefault(pair, (number, quantity))
    if first == number:
        return
    where = f"{pair[0]} at {pair[1]}"
    if there != quantity:  # which of the two is true, nobody here can know
        raise FileProblem(
            f"Row {first} says {there} of {where}, row {number} says {quantity}."
            " Nothing of the file is used; leave one of them and upload it again."
        )
    raise BadCell("sku", f"{where} stands in row {first} already")


def _code(column: str, value: Any) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadCell(column, "is empty")
    if not isinstance(value, str):
        raise BadCell(column, f"{shown(str(value))} is not text, so leading zeros may be lost; "
                              "format the column as text")  # fmt: skip
    text = value.strip()
    if tables.became_a_number(text):
        raise BadCell(column, f"{shown(text)} was turned into a number; format the column as text")
    if not text.isprintable():
        raise BadCell(column, f"{shown(text)} holds characters that no code has")
    return text


def _quantity(value: Any) -> int:
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= MAX_QUANTITY
    text = str(int(value) if whole else "" if value is None else value).strip()
    if not text.isascii() or not text.isdigit():
        raise BadCell("quantity", f"{shown(text)} is not a whole number of units from 0")
    if len(text) > len(str(MAX_QUANTITY)) or int(text) > MAX_QUANTITY:
        raise BadCell("quantity", f"{shown(text)} is more than {MAX_QUANTITY:,}")
    return int(text)


def _compared(rows: Sequence[JobRow], as_of: datetime | None) -> list[JobRow]:
    """Adds to ready rows what is there now; SKUs nobody knows and rows that moved since fail."""
    ready = [row for row in rows if row.outcome == O.READY]
    products = dict(
        Product.objects.filter(sku__in={r.data["sku"] for r in ready}).values_list("sku", "id")
    )
    there = levels({(products.get(r.data["sku"], 0), r.data["location"]) for r in ready})
    for row in ready:
        product = products.get(row.data["sku"])
        if product is None:
            _fail(row, f"no product has SKU {shown(row.data['sku'])}")
            continue
        level = there.get((product, row.data["location"]), NOTHING)
        row.data |= {"product": product, "now": level.on_hand}
        if level.on_hand == row.data["quantity"]:
            row.outcome, row.message = O.SAME, f"{level.on_hand} already"
        elif as_of and level.moved_at and level.moved_at > as_of:
            _fail(row, f"moved at {level.moved_at:%Y-%m-%d %H:%M} UTC, after the file's time")
        else:
            row.message = _in_words(level.on_hand, row)
    return list(rows)


def _fail(row: JobRow, words: str) -> None:
    row.outcome, row.column, row.message = O.FAILED, "sku", words


def _in_words(now: int, row: JobRow) -> str:
    return f"{now} → {row.data['quantity']} at {row.data['code']}"


# --- levels --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Level:
    """Units physically at a stock point, and when that last changed (None: never)."""

    on_hand: int
    moved_at: datetime | None


NOTHING = Level(0, None)

# Claims move nothing, so the newest movement of units is looked for, backward along the index.
_LEVELS = """
SELECT s.product_id, s.location_id, s.on_hand,
       (SELECT m.created_at FROM inventory_stockmovement m
         WHERE m.product_id = s.product_id AND m.location_id = s.location_id AND m.on_hand <> 0
         ORDER BY m.id DESC LIMIT 1)
  FROM inventory_stock s
  JOIN unnest(%s::bigint[], %s::bigint[]) AS w(product_id, location_id)
    USING (product_id, location_id)
 ORDER BY s.product_id, s.location_id
"""


def levels(pairs: set[Pair], *, lock: bool = False) -> dict[Pair, Level]:
    """The levels of these pairs (product, location) that have a stock row, in one statement."""
    wanted = sorted(pairs)
    with connection.cursor() as cursor:
        cursor.execute(
            _LEVELS + (" FOR NO KEY UPDATE OF s" if lock else ""),
            [[product for product, _ in wanted], [location for _, location in wanted]],
        )
        return {(row[0], row[1]): Level(row[2], row[3]) for row in cursor.fetchall()}


# --- apply ---------------------------------------------------------------------------------------


def apply(job: Job, rows: Sequence[JobRow]) -> None:
    """Set the levels of accepted rows: what is there is locked, the difference goes to the ledger.

    A row whose level is no longer the one that the person saw is refused: units that were sold or
    counted meanwhile must not be overwritten. Raises MovedMeanwhile when units arrive at a place
    that had none while we look; the batch is then tried again.
    """
    there = levels({_pair(row) for row in rows}, lock=True)
    products = {product for product, _ in map(_pair, rows)}
    known = set(Product.objects.filter(pk__in=products).values_list("pk", flat=True))
    entries = []
    for row in rows:
        now = there.get(_pair(row), NOTHING).on_hand
        change = row.data["quantity"] - now
        if _pair(row)[0] not in known:
            _fail(row, "the product was deleted since the preview")
        elif not change:
            row.outcome, row.message = O.SAME, f"{now} already"
        elif now != row.data["now"]:
            _fail(row, f"went from {row.data['now']} to {now} since the preview; upload it again")
        else:
            row.outcome, row.message = O.CHANGED, _in_words(now, row)
            entries.append(_entry(job, row, change))
    posted = ledger.post(entries, actor=f"job {job.pk}")
    after = {(product, location): on_hand for product, location, on_hand, _, _ in posted}
    for row in rows:
        if row.outcome == O.CHANGED and after[_pair(row)] != row.data["quantity"]:
            raise MovedMeanwhile(f"row {row.number} moved while it was applied")


def _pair(row: JobRow) -> Pair:
    return row.data["product"], row.data["location"]


def _entry(job: Job, row: JobRow, change: int) -> ledger.Entry:
    return ledger.Entry(
        *_pair(row), "feed", on_hand=change, cause_type="job", cause_id=job.pk,
        key=f"job:{job.pk}:{row.number}",
    )  # fmt: skip
