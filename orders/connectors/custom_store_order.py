"""An order of a ShipStation custom store to the canonical payload.

docs/formats/custom_store.md says field by field what becomes of it.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orders.connectors import shopify, values
from orders.connectors.base import Problems
from orders.connectors.document import Place
from orders.money import is_currency, share

ZERO = Decimal(0)
_MOMENT = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4})[ T]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?\s*([AaPp][Mm])?"
)
_KEPT = ("OrderID", "OrderStatus", "ShippingMethod", "PaymentMethod", "InternalNotes",
         "CustomField1", "CustomField2", "CustomField3")  # fmt: skip


def order_from_document(
    document: Mapping[str, Any], *, currency: str, taken: Collection[str], unpaid: Collection[str]
) -> dict[str, Any]:
    """The canonical payload; amounts are in `currency` unless the order names another one.

    `taken` are the statuses (as `status` writes them) of orders to send, `unpaid` the payment
    methods of those that are paid on delivery. Raises CannotMap with everything that is wrong.
    """
    problems = Problems()
    order = Place(document, "", problems)
    external_id = order.at("OrderNumber").text(required=True)
    if status(order.at("OrderStatus").text()) not in taken:
        order.at("OrderStatus").note("is no status of orders that are sent")
    code = order.at("CurrencyCode").text().upper() or currency
    if not is_currency(code):
        order.at("CurrencyCode").note("is not an ISO 4217 currency")
        code = currency
    lines = [_Line(n, place, code) for n, place in enumerate(order.at("Items").each(), 1)]
    goods = [line for line in lines if not line.adjustment]
    if not goods:
        order.at("Items").note("has nothing to send")
    figures = _add_up(order, lines, code)
    mapped = {
        "external_id": external_id,
        "placed_at": _moment(order.at("OrderDate"), required=True),
        "changed_at": _moment(order.at("LastModified")),
        "currency": code,
        "customer": _customer(order),
        "shipping_address": _address(order.at("Customer").at("ShipTo")),
        "delivery": {"method": "ship", "location": None,
                     "service": values.service(order.at("ShippingMethod").remark())},
        "line_items": [line.mapped() for line in goods],
        **figures,
        "payments": _payments(order, external_id, figures, unpaid),
        "note": shopify.note(order.at("CustomerNotes").remark())[0],
        "metadata": _metadata(order, lines),
        **_gift(order),
    }  # fmt: skip
    problems.raise_if_any(source_id=external_id)
    return mapped


def status(text: str) -> str:
    """A status as it is compared: `Awaiting Shipment` and `awaiting_shipment` are the same."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def moment(text: str) -> datetime | None:
    """`MM/dd/yyyy HH:mm` in UTC, in 12 or 24 hours; ISO 8601 as well. None when it is neither."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        iso = values.moment(text)
        return iso.replace(tzinfo=UTC) if iso and iso.tzinfo is None else iso
    month, day, year, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    half = (found[7] or "").lower()
    if half and hour <= 12:  # "21:56 PM" is in their own guide
        hour = hour % 12 + (12 if half == "pm" else 0)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _moment(place: Place, *, required: bool = False) -> str | None:
    text = place.text(required=required)
    found = moment(text) if text else None
    if text and found is None:
        place.note("is not a time such as 11/23/2026 17:05")
    return found.isoformat() if found else None


# --- people and places ---------------------------------------------------------------------------


def _customer(order: Place) -> dict[str, str]:
    buyer, receiver = order.at("Customer").at("BillTo"), order.at("Customer").at("ShipTo")
    code = order.at("Customer").at("CustomerCode").remark()
    email = buyer.at("Email").text() or (code if "@" in code else "")
    name = buyer.at("Name").text() or receiver.at("Name").text()
    return {"email": email, "name": values.one_line(name), "phone": buyer.at("Phone").text()}


def _address(place: Place) -> dict[str, Any]:
    if not place.is_object():
        place.problems.add(place.path, None, "is missing")
    said = place.at("Country").text(required=True)
    code = values.country(said) if said else ""
    if code is None:
        place.at("Country").note("is not a country")
    parts = {
        "name": "Name", "company": "Company", "line1": "Address1", "line2": "Address2",
        "city": "City", "region": "State", "postcode": "PostalCode", "phone": "Phone",
    }  # fmt: skip
    found = {ours: place.at(theirs).text() for ours, theirs in parts.items()}
    return shopify.address(found, code=code or "")


def _gift(order: Place) -> dict[str, Any]:
    message = order.at("GiftMessage").remark()[:1000]
    if not _flag(order.at("Gift")) and not message:
        return {}
    return {"gift": True, **({"gift_message": message} if message else {})}


def _flag(place: Place) -> bool:
    return place.remark().lower() in ("true", "1", "yes", "y")


def _metadata(order: Place, lines: "list[_Line]") -> dict[str, Any]:
    kept: dict[str, Any] = {_snake(name): order.at(name).remark() for name in _KEPT}
    kept["customer_code"] = order.at("Customer").at("CustomerCode").remark()
    kept["whole_note"] = shopify.note(order.at("CustomerNotes").remark())[1]
    kept["adjustments"] = {
        line.name or line.sku or str(line.number): str(line.value)
        for line in lines
        if line.adjustment
    }
    return {name: value for name, value in kept.items() if value}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()


# --- lines and money -----------------------------------------------------------------------------


class _Line:
    """One item; `adjustment` is money without goods. What cannot be read is noted and zero."""

    def __init__(self, number: int, place: Place, currency: str) -> None:
        self.number = number
        self.currency = currency
        self.adjustment = _flag(place.at("Adjustment"))
        self.sku = place.at("SKU").text(required=not self.adjustment)
        self.name = _name(place)
        self.external_id = place.at("LineItemID").text() or str(number)
        self.quantity = _quantity(place.at("Quantity"))
        self.unit_price = _amount(place.at("UnitPrice"), required=True)
        if self.unit_price < 0 and not self.adjustment:
            place.at("UnitPrice").note("is below zero and the item is no adjustment")
        self.tax = ZERO

    @property
    def value(self) -> Decimal:
        return self.quantity * self.unit_price

    def mapped(self) -> dict[str, Any]:
        return {
            "external_id": self.external_id, "sku": self.sku, "name": self.name,
            "quantity": self.quantity, "unit_price": str(self.unit_price),
            "tax": values.plain(self.tax, self.currency),
        }  # fmt: skip


def _name(place: Place) -> str:
    options = [
        f"{option.at('Name').remark()}: {option.at('Value').remark()}"
        for option in place.at("Options").each()
    ]
    extra = f" ({', '.join(options)})" if options else ""
    return values.one_line(place.at("Name").remark() + extra)[: shopify.LONGEST_NAME]


def _quantity(place: Place) -> int:
    text = place.text(required=True)
    whole = values.amount(text)
    if text and (whole is None or whole != int(whole) or not 0 < whole <= values.LARGEST_QUANTITY):
        place.note("is not a whole number from 1")
        return 0
    return int(whole or 0)


def _amount(place: Place, *, required: bool = False) -> Decimal:
    text = place.text(required=required)
    found = values.amount(text) if text else ZERO
    if found is None:
        place.note("is not an amount such as 12.50")
    return found or ZERO


@dataclass(frozen=True, slots=True)
class _Sums:
    goods: Decimal
    off: Decimal
    shipping: Decimal
    tax: Decimal
    total: Decimal

    @property
    def before_tax(self) -> Decimal:
        return self.goods - self.off + self.shipping


def _add_up(order: Place, lines: list[_Line], currency: str) -> dict[str, Any]:
    """The order's amounts. Taxes are on top or included: whichever leads to OrderTotal."""
    extra = [line.value for line in lines if line.adjustment]
    sums = _Sums(
        goods=sum((line.value for line in lines if not line.adjustment), ZERO),
        off=-sum((value for value in extra if value < 0), ZERO),
        # Money on top without goods (gift wrap, handling) is paid with the shipping.
        shipping=_amount(order.at("ShippingAmount")) + sum((v for v in extra if v > 0), ZERO),
        tax=_amount(order.at("TaxAmount")),
        total=_amount(order.at("OrderTotal"), required=True),
    )
    if len(order.problems):
        return {}
    on_top = sums.before_tax + sums.tax == sums.total
    if not on_top and sums.before_tax != sums.total:
        order.at("OrderTotal").note(
            f"items {sums.goods} less {sums.off} plus shipping {sums.shipping} make "
            f"{sums.before_tax}, with taxes {sums.before_tax + sums.tax}"
        )
        return {}
    shipping_tax = _share_tax(lines, sums, currency)
    return {
        "tax_included": not (on_top and sums.tax),
        "discount_total": values.plain(sums.off, currency),
        "shipping_total": values.plain(sums.shipping, currency),
        "shipping_tax": values.plain(shipping_tax, currency),
        "tax_total": values.plain(sums.tax, currency),
        "total": values.plain(sums.total, currency),
    }


def _share_tax(lines: list[_Line], sums: _Sums, currency: str) -> Decimal:
    """They say one tax for the order: goods share it by value; what is left is the shipping's."""
    goods = [line for line in lines if not line.adjustment]
    weights = [line.value for line in goods]
    if not any(weights):
        return sums.tax
    for line, part in zip(goods, share(sums.tax, weights, currency), strict=True):
        line.tax = part
    return ZERO


def _payments(
    order: Place, reference: str, figures: Mapping[str, Any], unpaid: Collection[str]
) -> list[dict[str, str]]:
    """An order to send is paid; one whose method says so is paid when it is delivered."""
    if not figures or not Decimal(figures["total"]):
        return []
    method = order.at("PaymentMethod").remark()
    state = "pending" if status(method) in unpaid else "captured"
    return [
        {
            "reference": reference,
            "method": (method or "store")[: shopify.LONGEST_METHOD],
            "amount": figures["total"],
            "state": state,
        }
    ]
