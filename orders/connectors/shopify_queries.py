"""What we ask Shopify's GraphQL Admin API, and an order of it as the REST document that we read.

One list page has ids and states only; each order is asked for by itself, with its lines in pages: a
query over many orders with all their lines would cost more than Shopify lets one query cost.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_MONEY = "{ shopMoney { amount currencyCode } }"
_TAXES = f"taxLines {{ priceSet {_MONEY} }}"
_DISCOUNTS = f"discountAllocations {{ allocatedAmountSet {_MONEY} }}"
_ADDRESS = """{
    name firstName lastName company address1 address2 city zip province provinceCode
    country countryCodeV2 phone latitude longitude
  }"""
_LINE = f"""
      id sku name title quantity currentQuantity unfulfilledQuantity requiresShipping isGiftCard
      taxable originalUnitPriceSet {_MONEY} {_TAXES} {_DISCOUNTS}
      duties {{ price {_MONEY} {_TAXES} }}
      customAttributes {{ key value }} variant {{ id }}"""
_TOTALS = (
    "totalPriceSet", "currentTotalPriceSet", "totalTaxSet", "currentTotalTaxSet",
    "totalDiscountsSet", "currentTotalDiscountsSet", "totalTipReceivedSet", "totalOutstandingSet",
    "originalTotalAdditionalFeesSet",
)  # fmt: skip

SHOP = "query MaestroShop { shop { name currencyCode } }"

CHANGED_ORDERS = """query MaestroChangedOrders($first: Int!, $after: String, $query: String!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage }
    edges { cursor node { id legacyResourceId cancelledAt displayFulfillmentStatus } }
  }
}"""

ORDER = f"""query MaestroOrder($id: ID!, $lines: Int!, $after: String) {{
  order(id: $id) {{
    legacyResourceId name confirmationNumber sourceName customerLocale poNumber
    createdAt processedAt updatedAt cancelledAt cancelReason
    currencyCode presentmentCurrencyCode test taxesIncluded dutiesIncluded
    email phone note tags discountCodes paymentGatewayNames
    displayFinancialStatus displayFulfillmentStatus
    {" ".join(f"{name} {_MONEY}" for name in _TOTALS)}
    customAttributes {{ key value }}
    customer {{
      firstName lastName
      defaultEmailAddress {{ emailAddress }} defaultPhoneNumber {{ phoneNumber }}
    }}
    billingAddress {_ADDRESS}
    shippingAddress {_ADDRESS}
    shippingLines(first: 20) {{ nodes {{
      title code deliveryCategory isRemoved originalPriceSet {_MONEY} {_TAXES} {_DISCOUNTS}
    }} }}
    lineItems(first: $lines, after: $after) {{
      pageInfo {{ hasNextPage endCursor }}
      nodes {{{_LINE}
      }}
    }}
  }}
}}"""

TO_FULFILL = """query MaestroToFulfill($id: ID!) {
  order(id: $id) {
    fulfillments(first: 100) {
      id status trackingInfo { number }
      fulfillmentLineItems(first: 100) { nodes { quantity lineItem { id } } }
    }
    fulfillmentOrders(first: 50) { nodes {
      id status assignedLocation { location { id } }
      lineItems(first: 100) { nodes { id remainingQuantity lineItem { id sku } } }
    } }
  }
}"""

FULFILL = """mutation MaestroFulfill($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id status }
    userErrors { field message }
  }
}"""

VARIANTS = """query MaestroVariants($first: Int!, $after: String, $query: String!) {
  productVariants(first: $first, after: $after, query: $query) {
    pageInfo { hasNextPage endCursor }
    nodes { sku inventoryItem { id tracked } }
  }
}"""

# From 2026-04 on a key must make it safe to repeat, and "do not compare" is said of each quantity.
SET_QUANTITIES = """mutation MaestroSetQuantities(
  $input: InventorySetQuantitiesInput!, $key: String!
) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    userErrors { field message code }
  }
}"""
SET_QUANTITIES_BEFORE = """mutation MaestroSetQuantities($input: InventorySetQuantitiesInput!) {
  inventorySetQuantities(input: $input) {
    userErrors { field message code }
  }
}"""


# --- an order as the REST document ---------------------------------------------------------------

_FULFILLMENT = {"FULFILLED": "fulfilled", "PARTIALLY_FULFILLED": "partial"}
_SAME = {  # of the order: name there -> name in the document
    "legacyResourceId": "id", "name": "name", "confirmationNumber": "confirmation_number",
    "sourceName": "source_name", "customerLocale": "customer_locale", "poNumber": "po_number",
    "createdAt": "created_at", "processedAt": "processed_at", "updatedAt": "updated_at",
    "cancelledAt": "cancelled_at", "currencyCode": "currency",
    "presentmentCurrencyCode": "presentment_currency", "test": "test",
    "taxesIncluded": "taxes_included", "dutiesIncluded": "duties_included", "email": "email",
    "phone": "phone", "note": "note", "paymentGatewayNames": "payment_gateway_names",
}  # fmt: skip
_SAME_ADDRESS = {
    "name": "name", "firstName": "first_name", "lastName": "last_name", "company": "company",
    "address1": "address1", "address2": "address2", "city": "city", "zip": "zip",
    "province": "province", "provinceCode": "province_code", "country": "country",
    "countryCodeV2": "country_code", "phone": "phone", "latitude": "latitude",
    "longitude": "longitude",
}  # fmt: skip


def number_of(gid: str) -> str:
    """The number at the end of gid://shopify/Order/6200407294252."""
    return gid.rpartition("/")[2].partition("?")[0]


def as_document(order: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The REST document of an order that was asked for by ORDER; `lines` are those of all pages."""
    status, sent = order.get("displayFinancialStatus"), order.get("displayFulfillmentStatus")
    tip = _amount(order.get("totalTipReceivedSet"))
    return {
        **{theirs: order.get(name) for name, theirs in _SAME.items()},
        **_totals(order),
        "total_tip_received": tip,
        "financial_status": status.lower() if status else None,
        "fulfillment_status": _FULFILLMENT.get(sent or ""),
        "cancel_reason": (order.get("cancelReason") or "").lower() or None,
        "tags": ", ".join(order.get("tags") or []),
        "discount_codes": [{"code": code} for code in order.get("discountCodes") or []],
        "note_attributes": _pairs(order),
        "customer": _customer(order.get("customer")),
        "billing_address": _address(order.get("billingAddress")),
        "shipping_address": _address(order.get("shippingAddress")),
        "shipping_lines": [_shipping(line) for line in _nodes(order, "shippingLines")],
        "line_items": [_line(line, tip) for line in lines],
    }


def _nodes(place: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return list((place.get(name) or {}).get("nodes") or [])


def _totals(order: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, theirs in (
        ("totalPriceSet", "total_price"), ("currentTotalPriceSet", "current_total_price"),
        ("totalTaxSet", "total_tax"), ("currentTotalTaxSet", "current_total_tax"),
        ("totalDiscountsSet", "total_discounts"),
        ("currentTotalDiscountsSet", "current_total_discounts"),
        ("totalOutstandingSet", "total_outstanding"),
        ("originalTotalAdditionalFeesSet", "original_total_additional_fees"),
    ):  # fmt: skip
        found |= _money(theirs, order.get(name))
    return found


def _money(name: str, bag: Mapping[str, Any] | None) -> dict[str, Any]:
    """An amount and its set, as REST writes both."""
    shop = (bag or {}).get("shopMoney")
    if not shop:
        return {}
    amount, code = shop.get("amount"), shop.get("currencyCode")
    return {name: amount, f"{name}_set": {"shop_money": {"amount": amount, "currency_code": code}}}


def _amount(bag: Mapping[str, Any] | None) -> Any:
    return ((bag or {}).get("shopMoney") or {}).get("amount")


def _pairs(place: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": p.get("key"), "value": p.get("value")} for p in place.get("customAttributes") or []
    ]


def _customer(customer: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if customer is None:
        return None
    return {
        "first_name": customer.get("firstName"), "last_name": customer.get("lastName"),
        "email": (customer.get("defaultEmailAddress") or {}).get("emailAddress"),
        "phone": (customer.get("defaultPhoneNumber") or {}).get("phoneNumber"),
    }  # fmt: skip


def _address(address: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if address is None:
        return None
    return {theirs: address.get(name) for name, theirs in _SAME_ADDRESS.items()}


def _taxes(place: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_money("price", tax.get("priceSet")) for tax in place.get("taxLines") or []]


def _discounts(place: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = place.get("discountAllocations") or []
    return [_money("amount", row.get("allocatedAmountSet")) for row in rows]


def _shipping(line: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": line.get("title"), "code": line.get("code"),
        "delivery_category": line.get("deliveryCategory"), "is_removed": line.get("isRemoved"),
        **_money("price", line.get("originalPriceSet")),
        "tax_lines": _taxes(line), "discount_allocations": _discounts(line),
    }  # fmt: skip


def _line(line: Mapping[str, Any], tip: Any) -> dict[str, Any]:
    variant, open_units = line.get("variant"), line.get("unfulfilledQuantity")
    found = {
        "id": int(number_of(line.get("id") or "0") or 0), "sku": line.get("sku"),
        "name": line.get("name"), "title": line.get("title"), "quantity": line.get("quantity"),
        "current_quantity": line.get("currentQuantity"), "fulfillable_quantity": open_units,
        "requires_shipping": line.get("requiresShipping"), "gift_card": line.get("isGiftCard"),
        "taxable": line.get("taxable"), "fulfillment_status": _sent(line),
        **_money("price", line.get("originalUnitPriceSet")),
        "tax_lines": _taxes(line), "discount_allocations": _discounts(line),
        "duties": [
            {**_money("price", duty.get("price")), "tax_lines": _taxes(duty)}
            for duty in line.get("duties") or []
        ],
        "properties": _pairs(line),
        "variant_id": number_of(variant["id"]) if variant else None,
    }  # fmt: skip
    if tip and _is_tip(line, tip):
        found["tip_payment_gateway"] = None  # how REST marks such a line
    return found


def _sent(line: Mapping[str, Any]) -> str | None:
    now, open_units = line.get("currentQuantity"), line.get("unfulfilledQuantity")
    if now is None or open_units is None or open_units >= now:
        return None
    return "partial" if open_units else "fulfilled"


def _is_tip(line: Mapping[str, Any], tip: Any) -> bool:
    """GraphQL has no mark for it: nothing to send, no product, the price of the order's tip."""
    plain = not line.get("sku") and not line.get("variant") and not line.get("requiresShipping")
    return bool(plain and _amount(line.get("originalUnitPriceSet")) == tip)
