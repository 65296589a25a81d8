"""Stock in from files: absolute levels per SKU and stock point, through the ledger.

Columns: sku, location, quantity (units physically there). See docs/formats/stock.md.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from config import tables
from config.models import Job, JobRow
from inventory import ledger
from inventory.models import Location, Product, Stock

COLUMNS = ("sku", "location", "quantity")
MAX_QUANTITY = 1_000_000
READ_AHEAD = 1000
O = JobRow.Outcome  # noqa: E741


def check(job: Job) -> Iterator[JobRow]:
    """Read the file and say of each row what would change, or why it cannot."""
    assert job.file is not None
    places = dict(Location.objects.values_list("code", "id"))
    seen: dict[tuple[str, str], int] = {}
    with job.file.open("rb") as stream:
        batch: list[JobRow] = []
        for number, cells in tables.read(stream, job.file.name, columns=COLUMNS):
            batch.append(_row(job, number, cells, places, seen))
            if len(batch) == READ_AHEAD:
                yield from _compared(batch)
                batch = []
        yield from _compared(batch)


def _row(
    job: Job,
    number: int,
    cells: dict[str, Any],
    places: dict[str, int],
    seen: dict[tuple[str, str], int],
) -> JobRow:
    row = JobRow(job=job, number=number, outcome=O.READY)
    try:
        sku = _code("sku", cells.get("sku"))
        row.reference = sku[:100]
        location = _code("location", cells.get("location"))
        if location not in places:
            raise BadCell("location", f"no stock point has the code {location!r}")
        quantity = _quantity(cells.get("quantity"))
        first = seen.setdefault((sku, location), number)
        if first != number:
            raise BadCell("sku", f"{sku} at {location} stands in row {first} already")
    except BadCell as bad:
        row.outcome, row.column, row.message = O.FAILED, bad.column, bad.words
    else:
        row.data = {"sku": sku, "location": places[location], "code": location,
                    "quantity": quantity}  # fmt: skip
    return row


class BadCell(Exception):
    """One cell that cannot be used: its column, and what was expected."""

    def __init__(self, column: str, words: str) -> None:
        self.column, self.words = column, words
        super().__init__(f"{column}: {words}")


def _code(column: str, value: Any) -> str:
    if isinstance(value, bool) or value in (None, ""):
        raise BadCell(column, "is empty")
    if not isinstance(value, str):
        raise BadCell(column, f"{value!r} is a number, so leading zeros may be lost; "
                              "format the column as text")  # fmt: skip
    text = value.strip()
    if "E+" in text.upper() and text[:1].isdigit():
        raise BadCell(column, f"{text!r} was turned into a number; format the column as text")
    return text


def _quantity(value: Any) -> int:
    text = str(value if value is not None else "").strip()
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    if not text.isascii() or not text.isdigit():
        raise BadCell("quantity", f"{text!r} is not a whole number of units from 0")
    if int(text) > MAX_QUANTITY:
        raise BadCell("quantity", f"{text} is more than {MAX_QUANTITY}")
    return int(text)


def _compared(rows: Sequence[JobRow]) -> list[JobRow]:
    """Adds to ready rows what is there now; SKUs nobody knows fail."""
    ready = [row for row in rows if row.outcome == O.READY]
    products = dict(
        Product.objects.filter(sku__in={r.data["sku"] for r in ready}).values_list("sku", "id")
    )
    there = _levels((products.get(r.data["sku"], 0), r.data["location"]) for r in ready)
    for row in ready:
        product = products.get(row.data["sku"])
        if product is None:
            row.outcome, row.column = O.FAILED, "sku"
            row.message = f"no product has SKU {row.data['sku']!r}"
            continue
        row.data["product"] = product
        now = there.get((product, row.data["location"]), 0)
        if now == row.data["quantity"]:
            row.outcome, row.message = O.SAME, f"{now} already"
        else:
            row.message = f"{now} → {row.data['quantity']} at {row.data['code']}"
    return list(rows)


def _levels(pairs: Iterable[tuple[int, int]], *, lock: bool = False) -> dict[Any, int]:
    wanted = sorted(set(pairs))
    stock = Stock.objects.filter(
        product_id__in={p for p, _ in wanted}, location_id__in={loc for _, loc in wanted}
    ).order_by("product_id", "location_id")
    if lock:
        stock = stock.select_for_update(no_key=True)
    rows = stock.values_list("product_id", "location_id", "on_hand")
    keep = set(wanted)
    return {(p, loc): units for p, loc, units in rows if (p, loc) in keep}


def apply(job: Job, rows: Sequence[JobRow]) -> None:
    """Set the levels of accepted rows: what is there is locked, the difference goes to the ledger."""
    pairs = [(row.data["product"], row.data["location"]) for row in rows]
    there = _levels(pairs, lock=True)
    entries = []
    for row, pair in zip(rows, pairs, strict=True):
        change = row.data["quantity"] - there.get(pair, 0)
        row.outcome = O.CHANGED if change else O.SAME
        row.message = f"{there.get(pair, 0)} → {row.data['quantity']} at {row.data['code']}"
        if change:
            entries.append(
                ledger.Entry(*pair, "feed", on_hand=change, cause_type="job", cause_id=job.pk,
                             key=f"job:{job.pk}:{row.number}")
            )  # fmt: skip
    ledger.post(entries, actor=f"job {job.pk}")
