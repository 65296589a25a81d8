"""Shopify's order document (webhook `orders/create`, REST order, 2024 to 2026) to the payload.

docs/formats/shopify.md says field by field what becomes of it.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orders.connectors import shopify, values
from orders.connectors.base import Problems
from orders.connectors.document import Place
from orders.connectors.shopify import ZERO
from orders.connectors.shopify_amounts import Line, Lines, Till, Totals, add_up, read_lines
from orders.money import is_currency

# Kept as they are, for people and for reports; nothing is decided by them.
_KEPT = (
    "name", "confirmation_number", "source_name", "customer_locale", "po_number",
    "presentment_currency", "landing_site_ref",
)  # fmt: skip


def verify(body: bytes, header: str, secret: str) -> bool:
    """Whether `header` (X-Shopify-Hmac-SHA256) signs the raw body: base64 of its HMAC-SHA256.

    Compared in constant time. An empty header or secret never verifies.
    """
    if not secret or not header:
        return False
    try:
        given = base64.b64decode(header, validate=True)
    except (binascii.Error, ValueError):
        return False
    expected = hmac.new(secret.encode("utf-8", "surrogatepass"), body, hashlib.sha256).digest()
    return hmac.compare_digest(given, expected)


def order_from_webhook(
    payload: Mapping[str, Any],
    *,
    pickup_locations: Mapping[str, str] | None = None,
    known: bool = False,
) -> dict[str, Any]:
    """The canonical order payload of a Shopify order document.

    `pickup_locations` translates Shopify's location names (or a pick-up app's ids) to our stock
    point codes; a name that is not in it is passed on as the code. `known`: the order is ours
    already, so what was sent, paid back or canceled of it is no reason to refuse the document.

    Raises CannotMap with the path and reason of everything that cannot be mapped.
    """
    problems = Problems()
    order = Place(payload, "", problems)
    if not isinstance(payload, dict):
        problems.add("", payload, "an order must be a JSON object")
        problems.raise_if_any()
    external_id = order.at("id").identifier()
    if not known:
        _refuse_closed(order)
    till = Till(_currency(order))
    lines = read_lines(order, till, known=known)
    totals = add_up(order, till, lines)
    delivery, address = _delivery(order, lines, pickup_locations or {})
    mapped = {
        "external_id": external_id,
        "placed_at": _placed_at(order),
        "currency": till.currency,
        "test": order.at("test").flag(),
        "tax_included": order.at("taxes_included").flag(),
        "customer": _customer(order),
        "shipping_address": address,
        "billing_address": _address(order.at("billing_address")),
        "delivery": delivery,
        "line_items": [_line_item(line, till.currency) for line in lines.kept],
        **_figures(totals, till.currency),
        "payments": _payments(order, till, lines, totals, known=known),
        "tags": shopify.tags(order.at("tags").text())[0],
        "note": shopify.note(order.at("note").text())[0],
        "metadata": _metadata(order, lines, totals),
        "changed_at": changed_at(payload),
    }
    problems.raise_if_any(source_id=order.at("name").text() or external_id)
    return mapped


def _refuse_closed(order: Place) -> None:
    if order.at("cancelled_at").value is not None:
        order.at("cancelled_at").note(
            "the order was canceled at Shopify: there is nothing to fulfill"
        )
    status = order.at("financial_status")
    wrong = shopify.status_problem(_status(order))
    if wrong:
        status.note(wrong)


def _status(order: Place) -> str:
    value = order.at("financial_status").value
    return "pending" if value is None else value if isinstance(value, str) else "unknown"


def _currency(order: Place) -> str:
    place = order.at("currency")
    code = place.text(required=True).upper()
    if code and not is_currency(code):
        place.note("is not an ISO 4217 currency")
    return code if is_currency(code) else ""  # any: amounts are still read to find their problems


def _placed_at(order: Place) -> str:
    """When the customer ordered; an order brought over from elsewhere was created later."""
    place = order.at("processed_at")
    if place.value is None:
        place = order.at("created_at")
    text = place.text(required=True)
    found = values.moment(text)
    if text and found is None:
        place.note("is not an ISO 8601 time")
    elif found is not None and found.tzinfo is None:
        place.note("has no time zone")
    return found.isoformat() if found else ""


def changed_at(document: Mapping[str, Any]) -> str | None:
    """When the shop last changed it, by its own clock; None when it does not say."""
    found = values.moment(Place(document, "", Problems()).at("updated_at").remark())
    return found.isoformat() if found and found.tzinfo else None


def _full_name(person: Place) -> str:
    name = person.at("name").text()
    return name or f"{person.at('first_name').text()} {person.at('last_name').text()}".strip()


def _first_text(*places: Place) -> str:
    return next((text for text in (place.text() for place in places) if text), "")


def _customer(order: Place) -> dict[str, str]:
    customer = order.at("customer")
    customer.is_object()
    names = (
        _full_name(p) for p in (customer, order.at("billing_address"), order.at("shipping_address"))
    )
    email = _first_text(order.at("email"), order.at("contact_email"), customer.at("email"))
    phone = _first_text(order.at("phone"), customer.at("phone"))
    name = next((found for found in names if found), "")
    return {"email": email, "name": values.one_line(name), "phone": phone}


def _address(place: Place) -> dict[str, Any] | None:
    if not place.is_object() or not place.value:
        return None
    code_place = place.at("country_code" if place.at("country_code").value else "country")
    said = code_place.text()
    code = values.country(said) if said else None
    if code is None:
        code_place.note("is not a country" if said else "is missing")
    parts = {
        "name": _full_name(place),
        "company": place.at("company").text(),
        "line1": place.at("address1").text(),
        "line2": place.at("address2").text(),
        "city": place.at("city").text(),
        "region": _first_text(place.at("province_code"), place.at("province")),
        "postcode": place.at("zip").text(),
        "phone": place.at("phone").text(),
    }
    return shopify.address(parts, code=code or "")


def _shipping_address(place: Place) -> dict[str, Any] | None:
    address = _address(place)
    if address is None:
        return None
    latitude = place.at("latitude").coordinate(90)
    longitude = place.at("longitude").coordinate(180)
    if latitude is not None and longitude is not None and (latitude, longitude) != (0, 0):
        address |= {"latitude": latitude, "longitude": longitude}
    return address


def _delivery(
    order: Place, lines: Lines, locations: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Delivery and shipping address; an order to collect has none of its own."""
    place = order.at("shipping_address")
    place.is_object()  # notes anything else
    shipping_lines = [
        s for s in order.at("shipping_lines").each() if s.at("is_removed").value is not True
    ]
    codes = [s.at("code").text() for s in shipping_lines]
    shipping = shopify.Shipping(
        has_address=isinstance(place.value, dict) and bool(place.value),
        names=tuple(dict.fromkeys([*(s.at("title").text() for s in shipping_lines), *codes])),
        custom="custom" in codes,
        categories=tuple(s.at("delivery_category").text() for s in shipping_lines),
        attributes=_attributes(order.at("note_attributes")),
    )
    if lines.kept and not any(line.ships for line in lines.kept):
        order.at("line_items").note("nothing in this order is shipped: it is digital throughout")
    elif (delivery := shopify.delivery(shipping, locations=locations)) is not None:
        if delivery["method"] == "pickup":
            return delivery, None
        return delivery, _shipping_address(place)
    else:
        place.note("is missing, and no pick-up location is named: nowhere to send the order to")
    return {}, None


def _attributes(place: Place) -> dict[str, str]:
    return shopify.attributes(
        [(pair.at("name").remark(), pair.at("value").remark()) for pair in place.each()]
    )


def _line_item(line: Line, currency: str) -> dict[str, Any]:
    return {
        "external_id": line.external_id,
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": values.plain(line.unit_price, currency),
        "discount": values.plain(line.discount, currency),
        "tax": values.plain(line.tax, currency),
    }


def _figures(totals: Totals, currency: str) -> dict[str, str]:
    figures = {
        "discount_total": totals.discount,
        "shipping_total": totals.shipping,
        "shipping_tax": totals.shipping_tax,
        "tax_total": totals.tax,
        "total": totals.total,
    }
    return {name: values.plain(amount, currency) for name, amount in figures.items()}


def _payments(
    order: Place, till: Till, lines: Lines, totals: Totals, *, known: bool
) -> list[dict[str, str]]:
    status = _status(order)
    outstanding = till.read_if_any(order, "total_outstanding", signed=True)
    if outstanding is None and status == "partially_paid" and till.clean:
        order.at("total_outstanding").note("is missing, so the amount paid is not known")
    if status == "partially_refunded" and not lines.reduced and not known:
        order.at("financial_status").note(
            "money was refunded for no line, so what was kept is not known"
        )
    return shopify.payments(
        status,
        currency=till.currency,
        total=totals.total,
        paid=totals.total - (outstanding or ZERO),
        method=" + ".join(order.at("payment_gateway_names").texts()),
        reference=payment_reference(order.at("id").identifier()),
    )


def payment_reference(external_id: str) -> str:
    """What the one payment is called that stands for all of an order's gateways."""
    return f"shopify-{external_id}"


def _metadata(order: Place, lines: Lines, totals: Totals) -> dict[str, Any]:
    """What an order of ours has no place for and people may still ask for; nothing empty."""
    metadata: dict[str, Any] = {name: order.at(name).remark() for name in _KEPT}
    metadata["shipping_method"] = _first_text(
        *(s.at("title") for s in order.at("shipping_lines").each())
    )
    metadata["financial_status"] = _status(order)
    metadata["payment_gateways"] = order.at("payment_gateway_names").texts()
    metadata["discount_codes"] = [c.at("code").text() for c in order.at("discount_codes").each()]
    metadata["discounts"] = [_discount_name(d) for d in order.at("discount_applications").each()]
    metadata["note_attributes"] = _attributes(order.at("note_attributes"))
    metadata["line_properties"] = {
        line.external_id: found
        for line in lines.kept
        if (found := _attributes(line.place.at("properties")))
    }
    metadata["not_shipped"] = [line.external_id for line in lines.kept if not line.ships]
    metadata["removed"] = lines.removed
    metadata["more_tags"] = shopify.tags(order.at("tags").text())[1]
    metadata["whole_note"] = shopify.note(order.at("note").text())[1]
    metadata |= {name: _if_any(getattr(totals, name)) for name in ("tip", "duties", "rounding")}
    return {name: value for name, value in metadata.items() if value}


def _discount_name(application: Place) -> str:
    return _first_text(*(application.at(key) for key in ("code", "title", "description", "type")))


def _if_any(amount: Decimal) -> str:
    return str(amount) if amount else ""
