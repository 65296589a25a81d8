"""Orders out of the rows of a file: neighboring rows with the same order number are one order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from config.tables import Row, became_a_number
from orders.connectors import shopify, values
from orders.connectors.base import CannotMap, Mapped, Problems
from orders.money import is_currency, share
from orders.order_files.fields import FIELDS, Kind
from orders.order_files.mapping import Columns

ZERO = Decimal(0)
MOST_ROWS_OF_ORDER = 500
_YES = frozenset({"1", "true", "yes", "y", "x", "ja", "oui", "si", "sí"})
_NO = frozenset({"", "0", "false", "no", "n", "nein", "non"})
_DAYS = {"dmy": ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y"), "mdy": ("%m/%d/%Y",), "iso": ()}
_TIMES = ("", " %H:%M", " %H:%M:%S")


@dataclass(frozen=True)
class Meaning:
    """How the file is to be read: its columns, the channel's currency, whose clock it shows."""

    columns: Columns
    currency: str
    zone: ZoneInfo


def orders(rows: Iterator[Row], meaning: Meaning) -> Iterator[Mapped | CannotMap]:
    """One answer per order of the file, in its order."""
    seen: set[str] = set()
    for name, group in _groups(rows, meaning.columns.columns["external_id"]):
        problems = Problems()
        order = _Order(group, meaning, problems)
        if name in seen:
            reason = "the rows of one order must stand together; sort the file by it"
            order.note("external_id", reason)
        seen.add(name)
        payload = order.payload()
        numbers = tuple(row.number for row in group)
        if payload is None or len(problems):
            yield problems.error(source_id=name, rows=numbers)
        else:
            yield Mapped(payload, numbers, name)


def _groups(rows: Iterator[Row], column: str) -> Iterator[tuple[str, list[Row]]]:
    name = ""
    group: list[Row] = []
    for row in rows:
        said = _text(row.cells.get(column))
        if group and said and said != name:
            yield name, group
            group = []
        name = said or name
        if len(group) <= MOST_ROWS_OF_ORDER:
            group.append(row)
    if group:
        yield name, group


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        cell = int(cell)
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return "" if cell is None else str(cell).strip()


@dataclass
class _Order:
    """The rows of one order while they are read; what is wrong is noted with row and column."""

    rows: list[Row]
    meaning: Meaning
    problems: Problems
    currency: str = field(init=False, default="")

    def payload(self) -> dict[str, Any] | None:
        """The canonical payload; None when too much is wrong to make one."""
        for row in self.rows:
            if row.fault:
                self.problems.add("row", "", row.fault, row=row.number)
        if len(self.rows) > MOST_ROWS_OF_ORDER:
            self.note("external_id", f"has more than {MOST_ROWS_OF_ORDER} rows")
        if len(self.problems):
            return None
        code = self.one("currency").upper() or self.meaning.columns.currency
        self.currency = code or self.meaning.currency
        if not is_currency(self.currency):
            self.note("currency", "is not an ISO 4217 code such as EUR")
            self.currency = self.meaning.currency
        external_id = self.one("external_id")
        if not external_id:
            self.note("external_id", "is empty")
        elif became_a_number(external_id):
            self.note("external_id", "was turned into a number; format the column as text")
        lines = [self.line(n, row) for n, row in enumerate(self.rows, 1)]
        if len(self.problems):
            return None
        figures = self.figures(lines)
        return {
            "external_id": external_id,
            "placed_at": self.moment("placed_at"),
            "currency": self.currency,
            "customer": {"email": self.one("email"), "name": self.one("customer_name"),
                         "phone": self.one("customer_phone")},
            **self.destination(),
            "line_items": [self.mapped(line) for line in lines],
            **figures,
            "payments": self.payments(external_id, figures["total"]),
            **self.extras(),
        }  # fmt: skip

    # --- cells -------------------------------------------------------------------------------

    def note(self, name: str, reason: str, *, row: Row | None = None) -> None:
        """Note a problem with a field, in the words of the file."""
        column = self.meaning.columns.columns.get(name, FIELDS[name].label)
        at = row or self.rows[0]
        self.problems.add(column, _text(at.cells.get(column)), reason, row=at.number, column=column)

    def cell(self, name: str, row: Row) -> object:
        column = self.meaning.columns.columns.get(name)
        return None if column is None else row.cells.get(column)

    def text(self, name: str, row: Row) -> str:
        """The text of a cell; a code that a spreadsheet made a number of is noted."""
        cell = self.cell(name, row)
        text = _text(cell)
        wrong = values.unusable(text)
        if FIELDS[name].kind is Kind.CODE and text:
            if not isinstance(cell, str):
                wrong = "is not text, so leading zeros may be lost; format the column as text"
            elif became_a_number(text):
                wrong = "was turned into a number; format the column as text"
        if wrong:
            self.note(name, wrong, row=row)
            return ""
        return text

    def one(self, name: str) -> str:
        """What the order's rows say of a field of the order: it may stand in each, but alike."""
        said = [(text, row) for row in self.rows if (text := self.text(name, row))]
        if said and (other := next((row for text, row in said if text != said[0][0]), None)):
            self.note(name, f"row {said[0][1].number} of this order says otherwise", row=other)
        return said[0][0] if said else ""

    def amount(self, name: str, row: Row, *, required: bool = False) -> Decimal:
        cell = self.cell(name, row)
        if isinstance(cell, int | float) and not isinstance(cell, bool):
            return Decimal(str(round(cell, 4)))
        text = self.text(name, row)
        if not text:
            if required:
                self.note(name, "is empty", row=row)
            return ZERO
        comma = self.meaning.columns.choices["decimal"] == ","
        found = values.written_amount(text, decimal_comma=comma)
        if found is None:
            self.note(name, f"is not an amount such as {'12,50' if comma else '12.50'}", row=row)
        return found or ZERO

    def whole(self, name: str) -> Decimal:
        """An amount of the order: said once, alike in each row, or in parts."""
        if FIELDS[name].summed and self.meaning.columns.choices["per_row"] == "yes":
            return sum((self.amount(name, row) for row in self.rows), ZERO)
        self.one(name)
        said = next((row for row in self.rows if _text(self.cell(name, row))), None)
        return self.amount(name, said) if said else ZERO

    def moment(self, name: str) -> str | None:
        """A time; without a zone it is the company's, a mere day begins at midnight."""
        text = self.one(name)
        if not text:
            return None
        found = values.moment(text) or self.written(text)
        if found is None:
            self.note(name, "is not a time such as 2026-11-23 17:05")
            return None
        return (
            found.isoformat()
            if found.tzinfo
            else found.replace(tzinfo=self.meaning.zone).isoformat()
        )

    def written(self, text: str) -> datetime | None:
        for day in _DAYS[self.meaning.columns.choices["dates"]]:
            for time in _TIMES:
                try:
                    return datetime.strptime(text, day + time)  # noqa: DTZ007  (set by moment)
                except ValueError:
                    continue
        return None

    def flag(self, name: str) -> bool:
        text = self.one(name).lower()
        if text not in _YES | _NO:
            self.note(name, "is neither yes nor no")
        return text in _YES

    # --- what the order says -----------------------------------------------------------------

    def destination(self) -> dict[str, Any]:
        store = self.one("pickup_location")
        service = values.service(self.one("service"))
        if store:
            return {"delivery": {"method": "pickup", "location": store, "service": service}}
        said = self.one("ship_country") or self.meaning.columns.country
        code = values.country(said) if said else ""
        if not code:
            self.note("ship_country", "is not a country" if said else "is missing")
        names = ("name", "company", "line1", "line2", "city", "region", "postcode", "phone")
        parts = {name: self.one(f"ship_{name}") for name in names}
        parts["name"] = parts["name"] or self.one("customer_name")
        return {
            "delivery": {"method": "ship", "location": None, "service": service},
            "shipping_address": shopify.address(parts, code=code or ""),
        }

    def payments(self, external_id: str, total: str) -> list[dict[str, str]]:
        state = self.meaning.columns.choices["paid"]
        if state == "none" or not Decimal(total):
            return []
        return [
            {
                "reference": self.one("payment_reference") or external_id,
                "method": (self.one("payment_method") or "file")[: shopify.LONGEST_METHOD],
                "amount": total,
                "state": state,
            }
        ]

    def extras(self) -> dict[str, Any]:
        """Fields that are left out where nothing is said, so that the same order stays the same."""
        commission = self.whole("commission")
        found: dict[str, Any] = {
            "note": shopify.note(self.one("note"))[0],
            "tags": shopify.tags(self.one("tags"))[0],
            "commission": values.plain(commission, self.currency) if commission else None,
            "ship_by": self.moment("ship_by"),
            "deliver_by": self.moment("deliver_by"),
            "wanted_on": (self.moment("wanted_on") or "")[:10],
            "sold_at": self.one("sold_at"),
            "gift": self.flag("gift"),
            "gift_message": self.one("gift_message"),
            "ship_together": self.flag("ship_together"),
        }
        return {name: value for name, value in found.items() if value}

    # --- lines and money ---------------------------------------------------------------------

    def line(self, number: int, row: Row) -> "_Line":
        sku = self.text("sku", row)
        if not sku and not _text(self.cell("sku", row)):
            self.note("sku", "is empty", row=row)
        units = values.amount(_text(self.cell("quantity", row)))
        if units is None or units != int(units) or not 0 < units <= values.LARGEST_QUANTITY:
            self.note("quantity", "is not a whole number of units from 1", row=row)
            units = ZERO
        return _Line(
            sku=sku, quantity=int(units),
            name=values.one_line(self.text("line_name", row))[: shopify.LONGEST_NAME],
            external_id=self.text("line_external_id", row) or str(number),
            unit_price=self.amount("unit_price", row, required=True),
            discount=self.amount("line_discount", row), tax=self.amount("line_tax", row),
        )  # fmt: skip

    def mapped(self, line: "_Line") -> dict[str, Any]:
        return {
            "external_id": line.external_id, "sku": line.sku, "name": line.name,
            "quantity": line.quantity, "unit_price": str(line.unit_price),
            "discount": values.plain(line.discount, self.currency),
            "tax": values.plain(line.tax, self.currency),
        }  # fmt: skip

    def figures(self, lines: Sequence["_Line"]) -> dict[str, Any]:
        """The order's amounts; a total that the file says must be what the rows add up to."""
        included = self.meaning.columns.choices["tax_included"] == "yes"
        tax = self.whole("tax_total")
        if tax and not any(line.tax for line in lines):
            weights = [line.quantity * line.unit_price for line in lines]
            for line, part in zip(lines, share(tax, weights, self.currency), strict=True):
                line.tax = part
        shipping, shipping_tax = self.whole("shipping_total"), self.whole("shipping_tax")
        discount = self.whole("discount_total") + sum((x.discount for x in lines), ZERO)
        taxes = sum((line.tax for line in lines), shipping_tax)
        goods = sum((line.quantity * line.unit_price for line in lines), ZERO)
        total = goods - discount + shipping + (ZERO if included else taxes)
        said = self.whole("total")
        if self.one("total") and said != total:
            self.note("total", f"the rows add up to {total}")
        amounts = {"discount_total": discount, "shipping_total": shipping,
                   "shipping_tax": shipping_tax, "tax_total": taxes, "total": total}  # fmt: skip
        plain = {name: values.plain(value, self.currency) for name, value in amounts.items()}
        return {"tax_included": included, **plain}


@dataclass
class _Line:
    sku: str
    quantity: int
    name: str
    external_id: str
    unit_price: Decimal
    discount: Decimal
    tax: Decimal
