"""What Shopify means, in webhooks and exports alike: payment status, pick-up, service, tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orders.connectors import values

ZERO = Decimal(0)
# What an order of ours takes (orders.payload) where Shopify allows more; the rest is metadata.
LONGEST_NOTE, LONGEST_NAME, LONGEST_METHOD = 2_000, 200, 40
LONGEST_TAG, MOST_TAGS = 60, 50

# Why an order of this payment status is not taken: there is nothing left to pay for or to send.
_CLOSED = {
    "refunded": "the order was refunded in full: there is nothing to fulfill",
    "voided": "the payment was voided: the order may not be sent before it is paid again",
    "expired": "the payment authorization expired: the order may not be sent before it is paid",
}
_PAID = ("paid", "partially_paid", "partially_refunded")
_OPEN = ("pending", "authorized", *_PAID)

# How pick-up apps write down in the order's attributes what Shopify has no field for.
_METHOD = "checkout-method"
_PICKUP_PLACE = ("pickup-location-id", "pickup-location-company")


def status_problem(status: str) -> str:
    """Why an order of this financial status cannot be taken, or an empty string."""
    if status in _CLOSED:
        return _CLOSED[status]
    return "" if status in _OPEN else f"is none of {', '.join(_OPEN)}"


def payments(
    status: str, *, currency: str, total: Decimal, paid: Decimal, method: str, reference: str
) -> list[dict[str, str]]:
    """The payments the canonical payload lists: what is authorized or already captured.

    `paid` is what the customer has paid of `total`; amounts of zero are no payments.
    """
    amount = total if status == "authorized" else paid if status in _PAID else ZERO
    if amount <= 0:
        return []
    state = "authorized" if status == "authorized" else "captured"
    return [
        {
            "reference": reference,
            "method": (method or "shopify")[:LONGEST_METHOD],
            "amount": values.plain(amount, currency),
            "state": state,
        }
    ]


def tags(text: str) -> tuple[list[str], list[str]]:
    """Shopify writes tags as one text with commas; order kept, repeats dropped.

    Returns the tags an order of ours takes, and those that are too long or too many.
    """
    found = dict.fromkeys(tag for tag in (part.strip() for part in text.split(",")) if tag)
    fitting = [tag for tag in found if len(tag) <= LONGEST_TAG][:MOST_TAGS]
    return fitting, [tag for tag in found if tag not in fitting]


def note(text: str) -> tuple[str, str]:
    """The note as far as an order of ours takes it, and the whole of one that is longer."""
    return text[:LONGEST_NOTE].rstrip(), text if len(text) > LONGEST_NOTE else ""


def is_test_gateway(method: str) -> bool:
    """Whether a payment method is Shopify's own test gateway."""
    return "bogus" in method.lower()


@dataclass(frozen=True, slots=True)
class Shipping:
    """What an order says about its delivery.

    `names` are the shipping method's title and code, `custom` says that somebody typed it into a
    draft order, `categories` are delivery categories, `attributes` the order's note attributes.
    """

    has_address: bool
    names: tuple[str, ...]
    custom: bool = False
    categories: tuple[str, ...] = ()
    attributes: Mapping[str, str] | None = None


def delivery(shipping: Shipping, *, locations: Mapping[str, str]) -> dict[str, Any] | None:
    """The payload's delivery; None when the order says neither where to send nor to collect.

    Shopify marks local pick-up by what is not there: no shipping address, and a shipping method
    named after the store. Pick-up apps write `Checkout-Method: pickup` into the attributes instead.
    `locations` translates the store's name at Shopify into our stock point's code.
    """
    service = values.service(*shipping.names)
    places = _pickup_places(shipping)
    if places:
        code = next((locations[place] for place in places if place in locations), places[0])
        return {"method": "pickup", "location": code, "service": service}
    if not shipping.has_address:
        return None
    return {"method": "ship", "location": None, "service": service}


def _pickup_places(shipping: Shipping) -> list[str]:
    attributes = {name.lower(): value for name, value in (shipping.attributes or {}).items()}
    method = attributes.get(_METHOD, "").lower()
    if method == "pickup":
        named = [attributes[key] for key in _PICKUP_PLACE if attributes.get(key)]
        return named or [name for name in shipping.names if name]
    by_category = any("pick" in category.lower() for category in shipping.categories)
    by_absence = not shipping.has_address and not shipping.custom and not method
    if by_category or by_absence:
        return [name for name in shipping.names if name]
    return []


def address(parts: Mapping[str, str], *, code: str) -> dict[str, Any]:
    """A canonical address. The company, which labels need, is written behind the name."""
    lines = {name: values.one_line(text) for name, text in parts.items()}
    who = [part for part in (lines.get("name", ""), lines.get("company", "")) if part]
    return {
        "name": ", ".join(dict.fromkeys(who)),
        **{key: lines.get(key, "") for key in ("line1", "line2", "city", "region")},
        "postcode": lines.get("postcode", "").removeprefix("'"),
        "country": code,
        "phone": lines.get("phone", "").removeprefix("'"),
    }


def attributes(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Name and value pairs as one mapping; values of a name that is repeated are joined."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
