"""From the filled-in form to an order, through the same door as every other order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from config.problems import flat
from inventory.models import Product
from orders import capture, offer, search
from orders.models import Order, OrderContact, SalesChannel
from orders.money import in_words, rounded
from orders.payload import validated
from orders.phone.forms import CARD, LATER

SOURCE = "phone"
FOUND = 8
NOTHING = Decimal(0)
ADDRESS = ("line1", "line2", "postcode", "city", "region", "country")
# Where the payload says what is wrong -> the field of the form.
_FIELDS = {
    "/customer/email": "email", "/customer/name": "name", "/customer/phone": "phone",
    "/delivery/location": "location", "/delivery/service": "service", "/delivery": "method",
    "/discount_total": "discount", "/shipping_total": "shipping", "/note": "note",
    "/payments/0/reference": "reference",
    **{f"/shipping_address/{name}": name for name in (*ADDRESS, "name", "phone")},
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A filled-in row, its place in the form, and what we know of its SKU (None: nothing)."""

    row: int
    sku: str
    quantity: int
    unit_price: Decimal
    discount: Decimal
    product: Product | None
    available: int

    @property
    def total(self) -> Decimal:
        """What the customer pays for it, before a discount on the whole order."""
        return self.quantity * self.unit_price - self.discount


@dataclass(frozen=True)
class Said:
    """A problem in words, at a row's field, at a field, or (both None) of the whole."""

    words: str
    field: str | None = None
    row: int | None = None


class NotPlaced(Exception):
    """The order cannot be placed as it is; `problems` says why, by field."""

    def __init__(self, problems: Sequence[Said]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(one.words for one in problems))


# --- looking up ----------------------------------------------------------------------------------


def people(term: str) -> list[OrderContact]:
    """Whom orders that a term finds were for, each once, the newest first."""
    ids = search.orders(term)[: 10 * FOUND]
    seen: dict[tuple[str, str, str], OrderContact] = {}
    contacts = OrderContact.objects.filter(pk__in=ids).select_related("order").order_by("-pk")
    for contact in contacts:
        seen.setdefault((contact.email, contact.name, contact.postcode), contact)
    return list(seen.values())[:FOUND]


def known(contact: OrderContact) -> dict[str, str]:
    """The form's fields as their last order had them."""
    return {name: getattr(contact, name) for name in ("email", "name", "phone", *ADDRESS)}


@dataclass(frozen=True)
class Goods:
    """A product that can be added, its price in words, and units that can be promised now."""

    product: Product
    price: str
    available: int


def products(term: str, channel: SalesChannel) -> list[Goods]:
    """Active products by SKU, barcode or words of their name."""
    words = Q(active=True)
    for word in term.split()[:5]:
        words &= Q(name__icontains=word) | Q(sku__istartswith=word) | Q(gtin=word)
    found = list(Product.objects.filter(words).order_by("name", "sku")[:FOUND]) if term else []
    free = _available(channel, [product.sku for product in found])
    return [
        Goods(product, in_words(product.price, channel.currency), free.get(product.sku, 0))
        for product in found
    ]


def lines(rows: Sequence[Mapping[str, Any]], channel: SalesChannel) -> list[Line]:
    """The filled-in rows with their products, prices and what can be promised. Two statements."""
    filled = [(i, row) for i, row in enumerate(rows) if row.get("sku")]
    skus = [row["sku"] for _, row in filled]
    found = {p.sku: p for p in Product.objects.filter(sku__in=skus, active=True)}
    free = _available(channel, sorted(found))
    return [
        Line(
            i, row["sku"], row.get("quantity") or 1, _price(row, found.get(row["sku"])),
            row.get("discount") or NOTHING, found.get(row["sku"]), free.get(row["sku"], 0),
        )
        for i, row in filled
    ]  # fmt: skip


def _price(row: Mapping[str, Any], product: Product | None) -> Decimal:
    given = row.get("unit_price")
    return given if given is not None else product.price if product else NOTHING


def _available(channel: SalesChannel, skus: Sequence[str]) -> dict[str, int]:
    return {row.sku: row.available for row in offer.offers(channel, skus)} if skus else {}


@dataclass(frozen=True)
class Sums:
    """The order's amounts."""

    subtotal: Decimal
    discount: Decimal
    shipping: Decimal
    currency: str

    @property
    def goods(self) -> Decimal:
        """What the products cost in the end."""
        return self.subtotal - self.discount

    @property
    def total(self) -> Decimal:
        """What the customer pays."""
        return self.goods + self.shipping

    def words(self) -> dict[str, str]:
        """Each amount as people read it."""
        return {
            name: in_words(getattr(self, name), self.currency)
            for name in ("subtotal", "discount", "shipping", "total")
        }


def sums(data: Mapping[str, Any], goods: Sequence[Line], channel: SalesChannel) -> Sums:
    """What it comes to."""
    gross = sum((line.quantity * line.unit_price for line in goods), NOTHING)
    own = sum((line.discount for line in goods), NOTHING)
    return Sums(
        rounded(gross, channel.currency), own + (data.get("discount") or NOTHING),
        data.get("shipping") or NOTHING, channel.currency,
    )  # fmt: skip


# --- placing -------------------------------------------------------------------------------------


def place(
    data: Mapping[str, Any], goods: Sequence[Line], *, channel: SalesChannel, actor: str
) -> tuple[Order, bool]:
    """Place the order; the same form sent again finds the order it became (False: it was there).

    Raises NotPlaced with what is wrong, field by field.
    """
    wrong = list(_wrong(data, goods, channel))
    if wrong:
        raise NotPlaced(wrong)
    try:
        order = validated(_payload(data, goods, channel))
        with transaction.atomic():
            placed = capture.place(
                channel=channel, order=order, source=SOURCE, actor=actor, now=timezone.now()
            )
    except ValidationError as error:
        wrong = [_said(e["pointer"], e["detail"], goods) for e in flat(error.detail)]
        raise NotPlaced(wrong) from None
    except capture.Refused as refused:
        raise NotPlaced([_said(p.pointer, p.detail, goods) for p in refused.problems]) from None
    except capture.AlreadyPlaced as before:
        there = Order.objects.get(pk=before.order_id)
        if before.same:
            return there, False
        raise NotPlaced([Said(f"This form became {there} already; begin a new one.")]) from None
    return Order.objects.get(pk=placed.order_id), True


def _wrong(data: Mapping[str, Any], goods: Sequence[Line], channel: SalesChannel) -> Iterator[Said]:
    """What the payload's checks would say in other words than the form's."""
    if not goods:
        yield Said("An order has at least one line.")
    for line in goods:
        if line.product is None:
            yield Said(f"No active product has the SKU {line.sku}.", "sku", line.row)
        if line.total < 0:
            yield Said("The discount is more than the line costs.", "discount", line.row)
    if sums(data, goods, channel).goods < 0:
        yield Said("The discounts are more than the products cost.", "discount")


def _payload(
    data: Mapping[str, Any], goods: Sequence[Line], channel: SalesChannel
) -> dict[str, Any]:
    amounts = sums(data, goods, channel)
    ships = data["method"] == Order.Delivery.SHIP
    address = {name: data[name] for name in (*ADDRESS, "name", "phone")}
    return {
        "external_id": data["token"], "currency": channel.currency,
        "customer": {name: data[name] for name in ("email", "name", "phone")},
        "shipping_address": address if ships else None,
        "delivery": {"method": data["method"], "service": data["service"],
                     "location": None if ships else data["location"]},
        "line_items": [
            {"external_id": str(i + 1), "sku": line.sku, "quantity": line.quantity,
             "unit_price": str(line.unit_price), "discount": str(line.discount)}
            for i, line in enumerate(goods)
        ],
        "discount_total": str(amounts.discount), "shipping_total": str(amounts.shipping),
        "total": str(amounts.total), "note": data["note"],
        "payments": _payments(data, amounts.total),
    }  # fmt: skip


def _payments(data: Mapping[str, Any], amount: Decimal) -> list[dict[str, Any]]:
    """Who pays later has no payment yet: it is told when it comes (`payments/events`)."""
    if amount <= 0 or data["payment"] == LATER:
        return []
    paid = data["payment"] == CARD
    return [
        {"reference": data["reference"] if paid else data["token"], "amount": str(amount),
         "method": "card" if paid else "cash on delivery",
         "state": "captured" if paid else "pending"}
    ]  # fmt: skip


def _said(pointer: str, words: str, goods: Sequence[Line]) -> Said:
    """A problem of the payload where the form has it."""
    words = f"{words[0].upper()}{words[1:]}" if words else pointer
    parts = pointer.strip("/").split("/")
    if parts[0] == "line_items" and len(parts) > 1 and parts[1].isdigit():
        field = parts[2] if len(parts) > 2 else "sku"
        known_field = field if field in {"sku", "quantity", "unit_price", "discount"} else "sku"
        return Said(words, known_field, goods[int(parts[1])].row)
    field = _FIELDS.get(pointer) or _FIELDS.get("/" + parts[0], "")
    return Said(words if field else f"{pointer}: {words}", field or None)
