"""Every version of an order, readable for ever, and what differs between two of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orders.editing.sheet import Item, Sheet, read
from orders.models import DeliveryGroup, Order, OrderContact, OrderVersion
from orders.money import text

ADDRESS = ("name", "line1", "line2", "city", "region", "postcode", "country", "phone")
WORDS = {
    "sku": "product", "quantity": "units", "unit_price": "unit price", "discount": "discount",
    "tax": "tax", "total": "total", "method": "delivery", "location": "store",
    "service": "speed", "wanted_on": "wanted on", "subtotal": "subtotal",
    "discount_total": "discounts", "shipping_total": "shipping", "shipping_tax": "tax on shipping",
    "tax_total": "tax", "promised_at": "promised until", "name": "name", "line1": "street",
    "line2": "street, second line", "city": "city", "region": "region", "postcode": "postcode",
    "country": "country", "phone": "phone",
}  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in two versions; empty where it is not there at all."""

    place: str
    what: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """In one sentence."""
        about = f"{self.place}: {self.what}".strip()
        if not self.before:
            return f"{about} {self.after} is new"
        if not self.after:
            return f"{about} {self.before} is gone"
        return f"{about} {self.before} became {self.after}"


def keep(order: Order, *, number: int, actor: str, at: datetime) -> OrderVersion:
    """Write down how a locked order reads now; the same number is written once."""
    document, contact = _document(read(order)), _contact(order)
    values = {"document": document, "contact": contact, "actor": actor, "at": at}
    return OrderVersion.objects.get_or_create(order=order, number=number, defaults=values)[0]


def keep_first(order: Order) -> None:
    """Write down version 1 of a locked order, before its first change."""
    if order.version == 1:
        keep(order, number=1, actor=order.channel.code, at=order.received_at)


def shown(order: Order, version: OrderVersion) -> dict[str, Any]:
    """A version as the API tells it: with the personal data that is still there."""
    return {
        "number": version.number, "at": version.at, "actor": version.actor,
        "current": version.number == order.version, **version.document, **version.contact,
    }  # fmt: skip


def all_of(order: Order) -> list[OrderVersion]:
    """All versions, the oldest first; of an order that was never changed the only one, unsaved."""
    found = list(order.versions.order_by("number"))
    if found:
        return found
    return [
        OrderVersion(
            order=order, number=order.version, document=_document(read(order)),
            contact=_contact(order), actor=order.channel.code, at=order.received_at,
        )
    ]  # fmt: skip


def differences(before: OrderVersion, after: OrderVersion) -> list[Difference]:
    """Everything that differs, line by line, then delivery and sums."""
    return [
        *_lines(before.document, after.document),
        *_of_two("delivery", before.document["delivery"], after.document["delivery"]),
        *_of_two("address", before.contact.get("shipping_address") or {},
                 after.contact.get("shipping_address") or {}),
        *_groups(before, after),
        *_of_two("order", before.document["amounts"], after.document["amounts"]),
        *_of_two("order", {"promised_at": before.document["promised_at"]},
                 {"promised_at": after.document["promised_at"]}),
    ]  # fmt: skip


def since(order: Order, number: int) -> list[str]:
    """In words what changed in the order since a version; empty when nobody knows that version."""
    versions = {v.number: v for v in order.versions.filter(number__in=[number, order.version])}
    if set(versions) != {number, order.version}:
        return []
    return [one.words for one in differences(versions[number], versions[order.version])]


def _lines(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    old = {line["position"]: line for line in before["lines"]}
    new = {line["position"]: line for line in after["lines"]}
    for position in sorted({*old, *new}):
        place = f"line {position}"
        if position not in old or position not in new:
            was, is_ = (_units(side.get(position)) for side in (old, new))
            yield Difference(place, "", was, is_)
            continue
        yield from _of_two(place, old[position], new[position], names=_OF_LINE)


_OF_LINE = ("sku", "quantity", "unit_price", "discount", "tax", "total")


def _units(line: Mapping[str, Any] | None) -> str:
    return f"{line['quantity']} × {line['sku']}" if line else ""


def _groups(before: OrderVersion, after: OrderVersion) -> Iterator[Difference]:
    old, new = _by_key(before), _by_key(after)
    for key in sorted({*old, *new}):
        yield from _of_two(f"delivery {key}", old.get(key, {}), new.get(key, {}))


def _by_key(version: OrderVersion) -> dict[str, dict[str, Any]]:
    addresses = version.contact.get("addresses") or {}
    return {
        group["key"]: {**group, **(addresses.get(group["key"]) or {}), "key": ""}
        for group in version.document["deliveries"]
    }


def _of_two(
    place: str, before: Mapping[str, Any], after: Mapping[str, Any], *,
    names: Iterable[str] | None = None,
) -> Iterator[Difference]:  # fmt: skip
    for name in names or {**before, **after}:
        was, is_ = before.get(name), after.get(name)
        if was != is_:
            yield Difference(place, WORDS.get(name, name), _said(was), _said(is_))


def _said(value: Any) -> str:
    return "" if value is None else str(value)


# --- as it is kept -------------------------------------------------------------------------------


def _document(sheet: Sheet) -> dict[str, Any]:
    order = sheet.order
    money = {
        name: text(getattr(order, name), order.currency)
        for name in ("shipping_total", "shipping_tax")
    }
    lines = [_line(sheet, item) for item in sheet.items.values()]
    goods = [sheet.amounts(item) for item in sheet.items.values()]
    names = ("gross", "discount", "tax", "total")
    gross, discount, tax, total = (
        sum((getattr(one, name) for one in goods), Decimal(0)) for name in names
    )
    on_shipping = Decimal(0) if order.tax_included else order.shipping_tax
    return {
        "currency": order.currency, "lines": lines, "delivery": _delivery(order),
        "deliveries": [
            {"key": group.key, **_delivery(group)} for group in order.delivery_groups.order_by("id")
        ],
        "amounts": {
            "subtotal": text(gross, order.currency),
            "discount_total": text(discount, order.currency), **money,
            "tax_total": text(tax + order.shipping_tax, order.currency),
            "total": text(total + order.shipping_total + on_shipping, order.currency),
        },
        "promised_at": order.promised_at and order.promised_at.astimezone(UTC).isoformat(),
    }  # fmt: skip


def _line(sheet: Sheet, item: Item) -> dict[str, Any]:
    currency = sheet.order.currency
    amounts = sheet.amounts(item)
    left = min(item.left(line) // item.per_unit(line) for line in item.lines)
    return {
        "position": item.position, "external_id": item.head.external_id, "sku": item.head.sku,
        "name": item.head.name, "quantity": left, "canceled": item.head.quantity - left,
        "unit_price": plain(item.head.unit_price, currency),
        "discount": text(amounts.discount, currency), "tax": text(amounts.tax, currency),
        "total": text(amounts.total, currency),
    }  # fmt: skip


def plain(price: Decimal, currency: str) -> str:
    """A unit price with the currency's decimals, or with all it has where it is finer."""
    short = text(price, currency)
    return short if price == Decimal(short) else str(price.normalize())


def _delivery(row: Order | DeliveryGroup) -> dict[str, Any]:
    return {
        "method": row.delivery, "service": row.service,
        "location": row.pickup_location.code if row.pickup_location else None,
        "wanted_on": row.wanted_on.isoformat() if row.wanted_on else None,
    }  # fmt: skip


def _contact(order: Order) -> dict[str, Any]:
    contact = getattr(order, "contact", None)
    groups = {group.key: _address(group) for group in order.delivery_groups.all()}
    return {
        "shipping_address": _address(contact) if contact else None,
        **({"addresses": groups} if groups else {}),
    }


def _address(row: OrderContact | DeliveryGroup) -> dict[str, str] | None:
    address = {name: getattr(row, name) for name in ADDRESS}
    return address if any(address.values()) else None
