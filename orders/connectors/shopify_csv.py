"""Shopify's order export (Orders > Export > CSV) to the canonical payload, order by order.

One row per line item; what belongs to the order stands in its first row only. The file is read as
a stream: one order at a time is in memory, and the names of the orders seen.

docs/formats/shopify.md says column by column what becomes of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from orders.connectors import csv_rows
from orders.connectors.base import CannotMap, Mapped, Problem, Problems
from orders.connectors.csv_rows import Row
from orders.connectors.shopify_csv_order import Cells, Columns, order_from_rows

MOST_ROWS = 200_000  # of a file
MOST_ROWS_OF_ORDER = 1_000  # Shopify allows 500 lines in an order

REQUIRED = (
    "Name", "Email", "Financial Status", "Fulfillment Status", "Currency", "Subtotal", "Shipping",
    "Taxes", "Total", "Discount Amount", "Shipping Method", "Created at", "Lineitem quantity",
    "Lineitem name", "Lineitem price", "Lineitem sku", "Shipping Name", "Shipping Address1",
    "Shipping City", "Shipping Zip", "Shipping Country", "Cancelled at", "Id",
)  # fmt: skip


def read(
    stream: BinaryIO,
    *,
    max_rows: int = MOST_ROWS,
    pickup_locations: Mapping[str, str] | None = None,
) -> Iterator[Mapped | CannotMap]:
    """Yield one `Mapped` or one `CannotMap` per order, in the order of the file.

    `pickup_locations` translates a shipping method that names a store into our stock point code.

    Raises CannotMap when the file itself cannot be read (on): no CSV, columns missing, more than
    `max_rows` rows, or too many broken ones. What was yielded before stands.
    """
    rows = csv_rows.rows(stream)
    header = next(rows, None)
    if header is None:
        raise csv_rows.unreadable("is empty")
    columns = _columns(*header)
    seen: set[str] = set()
    for order in _orders(rows, columns, max_rows=max_rows):
        problems = Problems()
        _check_rows(order, columns, problems, seen)
        cells = [Cells(row, columns, problems) for row in order.rows if not row.fault]
        payload = None
        if not order.rows[0].fault:  # it has all that belongs to the order
            payload = order_from_rows(
                cells,
                problems=problems,
                locations=pickup_locations or {},
                complete=len(cells) == len(order.rows),
            )
        if payload is None or len(problems):
            yield problems.error(source_id=order.name, rows=order.numbers)
        else:
            yield Mapped(payload, order.numbers, order.name)


def _columns(header: Row, separator: str) -> Columns:
    if header.fault:
        raise csv_rows.unreadable(f"the header {header.fault}", row=header.number)
    places: dict[str, int] = {}
    twice = []
    for i, title in enumerate(header.cells):
        name = " ".join(title.split()).lower()
        if name and name in places:
            twice.append(title.strip())
        places.setdefault(name, i)
    problems = [
        Problem("header", title, "this column is missing", header.number, title)
        for title in REQUIRED
        if title.lower() not in places
    ]
    problems += [
        Problem("header", title, "this column is there twice", header.number, title)
        for title in twice
    ]
    if problems:
        raise CannotMap(problems)
    return Columns(places, len(header.cells), decimal_comma=separator == ";")


@dataclass(slots=True)
class _Order:
    """The rows of one order, as they stand in the file."""

    name: str
    rows: list[Row] = field(default_factory=list)
    broken: bool = False

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(row.number for row in self.rows)

    def add(self, row: Row) -> None:
        self.broken |= bool(row.fault)
        if len(self.rows) <= MOST_ROWS_OF_ORDER:
            self.rows.append(row)


def _orders(
    rows: Iterator[tuple[Row, str]], columns: Columns, *, max_rows: int
) -> Iterator[_Order]:
    """Neighboring rows of the same name; a row without one belongs to the order above it."""
    order: _Order | None = None
    for row, _ in rows:
        if row.number > max_rows:
            if order is not None:
                yield order
            raise csv_rows.unreadable(
                f"has more than {max_rows:,} rows; export it in parts", row=row.number
            )
        if row.is_blank():
            continue
        name = columns.cell(row, "name").strip()
        debris = order is not None and order.broken and len(row.cells) != columns.width
        if order is None or (name and name != order.name and not debris):
            if order is not None:
                yield order
            order = _Order(name)
        order.add(row)
    if order is not None:
        yield order


def _check_rows(order: _Order, columns: Columns, problems: Problems, seen: set[str]) -> None:
    """What is wrong with the rows as such, before anything in them is read."""
    first = order.rows[0].number
    if order.name and order.name in seen:
        reason = "the rows of one order must stand together; sort the file by Name"
        problems.add("Name", order.name, reason, row=first, column="Name")
    seen.add(order.name)
    if len(order.rows) > MOST_ROWS_OF_ORDER:
        reason = f"has more than {MOST_ROWS_OF_ORDER:,} rows"
        problems.add("Name", order.name, reason, row=first, column="Name")
    for row in order.rows:
        if row.fault:
            problems.add("row", "", row.fault, row=row.number)
        elif any(cell.strip() for cell in row.cells[columns.width :]):
            reason = (
                f"has {len(row.cells)} cells under {columns.width} columns; "
                "a separator may stand in a cell without quotation marks"
            )
            problems.add("row", "", reason, row=row.number)
        elif not columns.cell(row, "name").strip():
            problems.add("Name", "", "is empty", row=row.number, column="Name")
