"""One order of Shopify's export, from its rows.

The export has no amount of its own for what a line's tax or its part of an order-wide discount is,
and does not say whether prices include tax. Both follow from its sums: Subtotal is what the lines
cost after all their discounts, and Total is Subtotal plus Shipping, plus Taxes and Duties only when
these come on top.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orders.connectors import shopify, values
from orders.connectors.base import Problems
from orders.connectors.csv_rows import Row
from orders.connectors.shopify import ZERO
from orders.money import is_currency, minor_unit, share

_KEPT = {
    "source_name": "Source",
    "shipping_method": "Shipping Method",
    "financial_status": "Financial Status",
    "risk_level": "Risk Level",
    "employee": "Employee",
    "location": "Location",
    "receipt_number": "Receipt Number",
    "payment_terms": "Payment Terms Name",
    "next_payment_due_at": "Next Payment Due At",
}
_RESAVED = "a spreadsheet wrote this number in scientific notation and its digits are lost; "
_TESTED_ONCE = ("Id", "Total", "Currency")  # blank below the first row, or the same


@dataclass(frozen=True, slots=True)
class Columns:
    """Where each column stands, by lowercase title, and how the file writes numbers."""

    places: Mapping[str, int]
    width: int
    decimal_comma: bool

    def cell(self, row: Row, title: str) -> str:
        """A cell as it stands in the file; empty when the row or the file has none."""
        place = self.places.get(title.lower(), -1)
        return row.cells[place] if 0 <= place < len(row.cells) else ""


@dataclass(frozen=True, slots=True)
class Cells:
    """One row read by column title; what does not fit is noted with row and column."""

    row: Row
    columns: Columns
    problems: Problems

    def note(self, column: str, reason: str) -> None:
        """Note a problem with a cell."""
        value = self.columns.cell(self.row, column)
        self.problems.add(column, value, reason, row=self.row.number, column=column)

    def text(self, column: str, *, required: bool = False) -> str:
        """The trimmed text of a cell."""
        text = self.columns.cell(self.row, column).strip()
        wrong = values.unusable(text) or ("is empty" if required and not text else "")
        if wrong:
            self.note(column, wrong)
            return ""
        return text

    def amount(self, column: str, currency: str, *, required: bool = True) -> Decimal | None:
        """An amount in whole minor units; None when there is none or it cannot be read."""
        text = self.text(column, required=required)
        if not text:
            return None
        found = values.written_amount(text, decimal_comma=self.columns.decimal_comma)
        if found is None:
            self.note(column, "is not an amount of money, or it can be read in two ways")
        elif found < 0:
            self.note(column, "is negative")
        elif found != found.quantize(minor_unit(currency)):
            self.note(column, f"is finer than the smallest unit of {currency}")
        else:
            return found
        return None

    def whole(self, column: str) -> int:
        """A positive count of units; 0 when it cannot be read."""
        text = self.text(column, required=True)
        if not text:
            return 0
        number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 7 else 0
        if not 0 < number <= values.LARGEST_QUANTITY:
            self.note(column, f"is not a whole number from 1 to {values.LARGEST_QUANTITY:,}")
            return 0
        return number


@dataclass(slots=True)
class _Line:
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    discount: Decimal
    readable: bool
    taxable: bool
    ships: bool
    tax: Decimal = ZERO

    @property
    def gross(self) -> Decimal:
        return self.quantity * self.unit_price


@dataclass(slots=True)
class _Totals:
    discount: Decimal
    shipping: Decimal
    tax: Decimal
    total: Decimal
    tax_included: bool
    shipping_tax: Decimal = ZERO


def order_from_rows(
    rows: Sequence[Cells], *, problems: Problems, locations: Mapping[str, str], complete: bool
) -> dict[str, Any] | None:
    """The canonical payload; None when its money does not add up. What is wrong is noted.

    `complete` says that no row of the order was unreadable, so that its sums mean something.
    """
    head = rows[0]
    source_id = _identifier(head)
    _refuse_closed(head)
    _check_below(rows)
    currency = _currency(head)
    lines = [_line(cells, currency) for cells in rows if _has_line(cells)]
    if not lines:
        head.note("Lineitem name", "the order has no line")
    delivery, address = _delivery(head, lines, locations)
    payload: dict[str, Any] = {
        "external_id": source_id,
        "placed_at": _placed_at(head),
        "currency": currency,
        "test": shopify.is_test_gateway(head.text("Payment Method")),
        "customer": _customer(head),
        "shipping_address": address,
        "billing_address": _address(head, "Billing"),
        "delivery": delivery,
        "tags": shopify.tags(head.text("Tags"))[0],
        "note": shopify.note(head.text("Notes"))[0],
        "metadata": _metadata(head, lines),
    }
    outstanding = _outstanding(head, currency)
    totals = _add_up(head, lines, currency, complete=complete)
    if totals is None:
        return None
    payload["tax_included"] = totals.tax_included
    payload["line_items"] = [_item(n, x, source_id, currency) for n, x in enumerate(lines, 1)]
    payload |= _figures(totals, currency)
    payload["payments"] = _payments(head, totals, currency, outstanding)
    return payload


# --- the order -----------------------------------------------------------------------------------


def _identifier(head: Cells) -> str:
    text = head.text("Id", required=True)
    if not text or (text.isascii() and text.isdecimal() and len(text) <= 19):
        return text
    if values.is_scientific(text):
        head.note("Id", _RESAVED + "use the file as Shopify exported it")
    else:
        head.note("Id", "is not an order id")
    return ""


def _refuse_closed(head: Cells) -> None:
    if head.text("Cancelled at"):
        reason = "the order was canceled at Shopify: there is nothing to fulfill"
        head.note("Cancelled at", reason)
    status = head.text("Financial Status") or "pending"
    wrong = shopify.status_problem(status)
    if wrong:
        head.note("Financial Status", wrong)
    elif status == "partially_refunded":
        head.note("Financial Status", "the export does not say which lines were refunded")
    if head.text("Fulfillment Status") in ("fulfilled", "partial"):
        reason = "Shopify has already sent goods of this order; importing it would send them again"
        head.note("Fulfillment Status", reason)


def _check_below(rows: Sequence[Cells]) -> None:
    """Rows below the first leave the order's columns empty, or repeat them (filled down)."""
    head = rows[0]
    for cells in rows[1:]:
        for column in _TESTED_ONCE:
            text = cells.columns.cell(cells.row, column).strip()
            if text and text != head.columns.cell(head.row, column).strip():
                cells.note(column, "differs from the first row of the same order")


def _currency(head: Cells) -> str:
    code = head.text("Currency", required=True).upper()
    if code and not is_currency(code):
        head.note("Currency", "is not an ISO 4217 currency")
    return code if is_currency(code) else ""


def _placed_at(head: Cells) -> str:
    text = head.text("Created at", required=True)
    found = values.moment(text)
    if text and found is None:
        hint = "is not a time like 2026-10-07 09:50:26 +0200; use the file as Shopify exported it"
        head.note("Created at", hint)
    elif found is not None and found.tzinfo is None:
        head.note("Created at", "has no time zone; use the file as Shopify exported it")
    return found.isoformat() if found else ""


def _customer(head: Cells) -> dict[str, str]:
    name = head.text("Billing Name") or head.text("Shipping Name")
    phone = head.text("Phone").removeprefix("'")
    return {"email": head.text("Email"), "name": values.one_line(name), "phone": phone}


def _address(head: Cells, kind: str) -> dict[str, Any] | None:
    parts = {
        "name": head.text(f"{kind} Name"),
        "company": head.text(f"{kind} Company"),
        "line1": head.text(f"{kind} Address1") or head.text(f"{kind} Street"),
        "line2": head.text(f"{kind} Address2"),
        "city": head.text(f"{kind} City"),
        "region": head.text(f"{kind} Province") or head.text(f"{kind} Province Name"),
        "postcode": head.text(f"{kind} Zip"),
        "phone": head.text(f"{kind} Phone"),
    }
    said = head.text(f"{kind} Country")
    if not said and not any(text for part, text in parts.items() if part != "phone"):
        return None
    code = values.country(said) if said else None
    if code is None:
        head.note(f"{kind} Country", "is not a country" if said else "is empty")
    return shopify.address(parts, code=code or "")


def _delivery(
    head: Cells, lines: Sequence[_Line], locations: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Delivery and shipping address; an order to collect has none of its own."""
    address = _address(head, "Shipping")
    method = head.text("Shipping Method")
    shipping = shopify.Shipping(
        has_address=address is not None,
        names=(method,) if method else (),
        attributes=_attributes(head),
    )
    if lines and not any(line.ships for line in lines):
        head.note("Lineitem requires shipping", "nothing in this order is shipped")
        return {}, None
    delivery = shopify.delivery(shipping, locations=locations)
    if delivery is None:
        reason = "is empty, and no pick-up location is named: nowhere to send the order to"
        head.note("Shipping Address1", reason)
        return {}, None
    return delivery, None if delivery["method"] == "pickup" else address


def _attributes(head: Cells) -> dict[str, str]:
    """`name: value`, one per line."""
    pairs = (line.partition(":") for line in head.text("Note Attributes").splitlines())
    return shopify.attributes([(n.strip(), v.strip()) for n, colon, v in pairs if colon])


def _outstanding(head: Cells, currency: str) -> Decimal:
    required = head.text("Financial Status") == "partially_paid"
    return head.amount("Outstanding Balance", currency, required=required) or ZERO


def _payments(
    head: Cells, totals: _Totals, currency: str, outstanding: Decimal
) -> list[dict[str, str]]:
    references = (head.text(c) for c in ("Payment ID", "Payment Reference", "Payment References"))
    return shopify.payments(
        head.text("Financial Status") or "pending",
        currency=currency,
        total=totals.total,
        paid=totals.total - outstanding,
        method=head.text("Payment Method"),
        reference=next((text for text in references if text), f"shopify-{head.text('Id')}"),
    )


def _metadata(head: Cells, lines: Sequence[_Line]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": head.text("Name")}
    metadata |= {name: head.text(column) for name, column in _KEPT.items()}
    metadata["discount_codes"] = [code for code in [head.text("Discount Code")] if code]
    metadata["note_attributes"] = _attributes(head)
    metadata["taxes"] = {
        name: head.text(f"Tax {n} Value")
        for n in range(1, 6)
        if (name := head.text(f"Tax {n} Name"))
    }
    metadata["duties"] = "" if head.text("Duties").strip("0.,") == "" else head.text("Duties")
    metadata["more_tags"] = shopify.tags(head.text("Tags"))[1]
    metadata["whole_note"] = shopify.note(head.text("Notes"))[1]
    metadata["not_shipped"] = [n for n, line in enumerate(lines, 1) if not line.ships]
    return {name: value for name, value in metadata.items() if value}


# --- lines and money -----------------------------------------------------------------------------


def _has_line(cells: Cells) -> bool:
    columns = ("Lineitem quantity", "Lineitem name", "Lineitem price", "Lineitem sku")
    return any(cells.columns.cell(cells.row, column).strip() for column in columns)


def _line(cells: Cells, currency: str) -> _Line:
    sku = cells.text("Lineitem sku")
    if not sku:
        reason = "is empty: this item cannot be found in the catalog without it"
        cells.note("Lineitem sku", reason)
    elif values.is_scientific(sku):
        cells.note("Lineitem sku", _RESAVED + "format the column as text")
    if cells.text("Lineitem fulfillment status") in ("fulfilled", "partial"):
        reason = "Shopify has already sent units of this line; importing it would send them again"
        cells.note("Lineitem fulfillment status", reason)
    quantity = cells.whole("Lineitem quantity")
    price = cells.amount("Lineitem price", currency)
    return _Line(
        sku=sku,
        name=values.one_line(cells.text("Lineitem name"))[: shopify.LONGEST_NAME],
        quantity=quantity,
        unit_price=price or ZERO,
        readable=quantity > 0 and price is not None,
        discount=cells.amount("Lineitem discount", currency, required=False) or ZERO,
        taxable=cells.text("Lineitem taxable").lower() != "false",
        ships=cells.text("Lineitem requires shipping").lower() != "false",
    )


def _add_up(
    head: Cells, lines: Sequence[_Line], currency: str, *, complete: bool
) -> _Totals | None:
    """The totals, with taxes and discounts put on the lines; None when they do not add up."""
    names = ("Subtotal", "Shipping", "Taxes", "Total", "Discount Amount", "Duties")
    said = {name: head.amount(name, currency, required=name != "Duties") for name in names}
    if head.amount("Refunded Amount", currency, required=False):
        head.note("Refunded Amount", "the export does not say which lines were refunded")
    readable = complete and bool(lines) and all(line.readable for line in lines)
    if not readable or any(said[name] is None for name in names[:-1]):
        return None
    figures = {name: amount or ZERO for name, amount in said.items()}
    gross = sum((line.gross for line in lines), ZERO)
    discount = gross - figures["Subtotal"]
    if discount < 0:
        head.note("Subtotal", f"is more than the lines cost: {gross}")
        return None
    totals = _explain(figures, discount)
    if totals is None:
        head.note("Total", _unexplained(figures))
        return None
    _settle_discounts(lines, totals)
    _share_tax(lines, totals, currency)
    return totals


def _explain(figures: Mapping[str, Decimal], discount: Decimal) -> _Totals | None:
    """Which reading of the columns leads to Total, tried from the most common one.

    Taxes come on top or are included. Discount Amount may count a discount on shipping, and
    Shipping may still be the price before it.
    """
    tax = figures["Taxes"] + figures["Duties"]
    off_shipping = figures["Discount Amount"] - discount
    shipping = [figures["Shipping"]]
    if 0 < off_shipping <= figures["Shipping"]:
        shipping.append(figures["Shipping"] - off_shipping)
    for paid in shipping:
        if figures["Subtotal"] + paid + tax == figures["Total"]:
            return _Totals(discount, paid, tax, figures["Total"], tax_included=False)
        if figures["Subtotal"] + paid == figures["Total"] and not figures["Duties"]:
            return _Totals(discount, paid, tax, figures["Total"], tax_included=True)
    return None


def _unexplained(figures: Mapping[str, Decimal]) -> str:
    sums = " + ".join(f"{name} {figures[name]}" for name in ("Subtotal", "Shipping", "Taxes"))
    duties = f" + Duties {figures['Duties']}" if figures["Duties"] else ""
    return f"neither {sums}{duties} nor the same without taxes; a tip or an edited order may be why"


def _settle_discounts(lines: Sequence[_Line], totals: _Totals) -> None:
    """Keep the lines' own discounts only where they fit into what was taken off altogether."""
    own = sum((line.discount for line in lines), ZERO)
    if own > totals.discount or any(line.discount > line.gross for line in lines):
        for line in lines:
            line.discount = ZERO


def _share_tax(lines: Sequence[_Line], totals: _Totals, currency: str) -> None:
    """The export has one tax for the order: taxable lines share it by value, to the minor unit."""
    weights = [(line.gross - line.discount) * line.taxable for line in lines]
    if not any(weights):
        totals.shipping_tax = totals.tax
        return
    for line, part in zip(lines, share(totals.tax, weights, currency), strict=True):
        line.tax = part


def _item(number: int, line: _Line, source_id: str, currency: str) -> dict[str, Any]:
    return {
        "external_id": f"{source_id}-{number}",
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": values.plain(line.unit_price, currency),
        "discount": values.plain(line.discount, currency),
        "tax": values.plain(line.tax, currency),
    }


def _figures(totals: _Totals, currency: str) -> dict[str, str]:
    names = {"discount_total": "discount", "shipping_total": "shipping",
             "shipping_tax": "shipping_tax", "tax_total": "tax", "total": "total"}  # fmt: skip
    return {key: values.plain(getattr(totals, name), currency) for key, name in names.items()}
