"""between(): the fewest actions that make a stored order what a payload says.

Lines are known by the channel's id of the line, else by their SKU. Units that are in both stay what
they are; only their amounts follow when the payload's differ. What is not edited (customer, note,
tags, metadata, payments) is not looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orders.capture import line_totals
from orders.capture.amounts import subtotal
from orders.capture.items import in_our_skus
from orders.destinations import Destination
from orders.editing.actions import Action, plain
from orders.editing.destination import ADDRESS
from orders.editing.errors import CannotDiff
from orders.editing.sheet import FREE, Amounts, Item, Sheet, on_top, read
from orders.models import Order
from orders.money import rounded, share

SHIP = Order.Delivery.SHIP
Payload = Mapping[str, Any]
Key = tuple[str, str, str]  # channel's id of the line (else its SKU), SKU, delivery


@dataclass(frozen=True)
class Want:
    """Units of one product at one price, as the payload has them."""

    external_id: str
    sku: str
    name: str
    delivery: str
    quantity: int
    unit_price: Decimal
    discount: Decimal
    tax: Decimal

    def plus(self, other: "Want") -> "Want":
        """Both together."""
        return Want(
            self.external_id, self.sku, self.name, self.delivery, self.quantity + other.quantity,
            self.unit_price, self.discount + other.discount, self.tax + other.tax,
        )  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """Units of an item that are in the payload, too."""

    item: Item
    units: int
    now: Amounts


def between(order: Order, payload: Payload) -> list[Action]:
    """The actions, as JSON; none when nothing differs. The payload is a validated canonical one.

    Raises CannotDiff for what no edit can do: another currency, other deliveries, prices that only
    add up over all lines, or units that a warehouse was asked for and has not answered.
    """
    sheet = read(order)
    (ours,) = in_our_skus(order.channel, [payload])
    _check(sheet, ours)
    actions = [*_goods(sheet, ours), *_shipping(order, ours), *_destinations(order, ours)]
    lines = sum(
        (rounded(x["quantity"] * x["unit_price"], order.currency) for x in ours["line_items"]),
        Decimal(0),
    )
    if actions and lines != subtotal(ours):
        raise CannotDiff("its unit prices only add up over all lines together")
    return plain(actions)


def _check(sheet: Sheet, payload: Payload) -> None:
    order = sheet.order
    if payload["currency"] != order.currency:
        raise CannotDiff(f"it is in {payload['currency']}, the order in {order.currency}")
    if payload["tax_included"] != order.tax_included:
        raise CannotDiff("one has taxes in its prices, the other on top")
    keys = {group["key"] for group in payload.get("deliveries", ())}
    known = set(order.delivery_groups.values_list("key", flat=True))
    if keys != known:
        changed = ", ".join(sorted(keys ^ known))
        raise CannotDiff(f"it has other deliveries: {changed}")
    if any(piece.cancel_quantity for piece in sheet.slices):
        raise CannotDiff("a warehouse was asked to let go of units and has not answered yet")


# --- units ---------------------------------------------------------------------------------------


def _goods(sheet: Sheet, payload: Payload) -> Iterator[Action]:
    have: dict[Key, list[Item]] = defaultdict(list)
    for item in sheet.items.values():
        if item.units:
            group = item.group.key if item.group else ""
            have[item.head.external_id or item.head.sku, item.head.sku, group].append(item)
    want: dict[Key, list[Want]] = defaultdict(list)
    for line, (discount, _) in zip(payload["line_items"], line_totals(payload), strict=True):
        one = Want(
            line["external_id"], line["sku"], line["name"], line.get("delivery", ""),
            line["quantity"], line["unit_price"], discount, line["tax"],
        )  # fmt: skip
        want[one.external_id or one.sku, one.sku, one.delivery].append(one)
    for key in dict.fromkeys([*have, *want]):
        for items, wish in _pairs(have.get(key, []), want.get(key, [])):
            yield from _same(sheet, items, wish) if wish else (_remove(item) for item in items)


def _pairs(
    items: Sequence[Item], wants: Sequence[Want]
) -> Iterator[tuple[Sequence[Item], Want | None]]:
    """Items and the wish they belong to; several prices of one thing are told apart."""
    merged: dict[Decimal, Want] = {}
    for one in wants:
        known = merged.get(one.unit_price)
        merged[one.unit_price] = known.plus(one) if known else one
    if len(merged) <= 1:
        yield items, next(iter(merged.values()), None)
        return
    for price, one in merged.items():
        yield [item for item in items if item.head.unit_price == price], one
    yield [item for item in items if item.head.unit_price not in merged], None


def _remove(item: Item) -> Action:
    return {"type": "remove", "line": item.position}


def _same(sheet: Sheet, items: Sequence[Item], want: Want) -> Iterator[Action]:
    """What makes these items the wish: fewer of them, other amounts, more of them."""
    kept, left = [], want.quantity
    for item in items:
        units = min(item.units, left)
        left -= units
        if not units:
            yield _remove(item)
            continue
        if units < item.units:
            yield {"type": "quantity", "line": item.position, "quantity": units}
        kept.append(Kept(item, units, _amounts(sheet, item, units)))
    stay, more = _split(sheet.order, kept, want, extra=left)
    yield from _reprice(kept, stay, want)
    if more is not None:
        yield _more(kept, more, extra=left)


def _amounts(sheet: Sheet, item: Item, units: int) -> Amounts:
    found = FREE
    for line in item.lines:
        count = units * item.per_unit(line)
        found = found.plus(sheet.amounts_of(line, first=0, count=count))
    return found


def _split(
    order: Order, kept: Sequence[Kept], want: Want, *, extra: int
) -> tuple[list[Amounts], Want | None]:
    """What the kept units are to cost, and the added ones: where it can be, as they cost now."""
    gross = [_gross(one, want, order) for one in kept]
    same = all(one.item.head.unit_price == want.unit_price for one in kept)
    now = [one.now for one in kept]
    if not extra:
        return _become(order, now, gross, want.discount, want.tax, same=same), None
    price = rounded(want.unit_price * extra, order.currency)
    discount = want.discount - _sum(one.discount for one in now)
    tax = want.tax - _sum(one.tax for one in now)
    if not (same and Decimal(0) <= discount <= price and tax >= 0):
        *_, discount = share(want.discount, [*gross, price], order.currency)
        *_, tax = share(want.tax, [*gross, price], order.currency)
        now = _become(order, now, gross, want.discount - discount, want.tax - tax, same=same)
    more = Want(
        want.external_id, want.sku, want.name, want.delivery, extra, want.unit_price, discount, tax
    )
    return now, more


def _become(
    order: Order, now: Sequence[Amounts], gross: Sequence[Decimal], discount: Decimal,
    tax: Decimal, *, same: bool,
) -> list[Amounts]:  # fmt: skip
    """Amounts with these sums; at the same prices only the difference is shared out."""
    if same:
        discounts = _shifted(
            [one.discount for one in now], discount, [one.gross for one in now], order.currency
        )
        taxes = _shifted([one.tax for one in now], tax, None, order.currency)
    else:
        discounts, taxes = (share(a, gross, order.currency) for a in (discount, tax))
    return [
        Amounts(g, d, t, g - d + on_top(order, t))
        for g, d, t in zip(gross, discounts, taxes, strict=True)
    ]


def _shifted(
    parts: Sequence[Decimal], to: Decimal, most: Sequence[Decimal] | None, currency: str
) -> list[Decimal]:
    """The parts moved so that they sum to `to`: none below zero, none beyond its most."""
    difference = to - _sum(parts)
    if not difference:
        return list(parts)
    room = [m - p for m, p in zip(most, parts, strict=True)] if most else list(parts)
    moves = share(abs(difference), room if difference > 0 else parts, currency)
    sign = 1 if difference > 0 else -1
    return [p + sign * m for p, m in zip(parts, moves, strict=True)]


def _gross(kept: Kept, want: Want, order: Order) -> Decimal:
    if kept.item.head.unit_price == want.unit_price:
        return kept.now.gross
    return rounded(want.unit_price * kept.units, order.currency)


def _sum(figures: Iterable[Decimal]) -> Decimal:
    return sum(figures, Decimal(0))


def _reprice(kept: Sequence[Kept], stay: Sequence[Amounts], want: Want) -> Iterator[Action]:
    for one, after in zip(kept, stay, strict=True):
        action: Action = {}
        if one.item.head.unit_price != want.unit_price:
            action["unit_price"] = want.unit_price
        for name in ("discount", "tax"):
            difference = getattr(after, name) - getattr(one.now, name)
            if difference:
                action[name] = difference
        if action:
            yield {"tax": Decimal(0), **action, "type": "price", "line": one.item.position}


def _more(kept: Sequence[Kept], more: Want, *, extra: int) -> Action:
    amounts = {"discount": more.discount, "tax": more.tax}
    last = kept[-1] if kept else None
    if last is not None and last.item.head.unit_price == more.unit_price:
        quantity = last.units + extra
        return {"type": "quantity", "line": last.item.position, "quantity": quantity, **amounts}
    return {
        "type": "add_line", "sku": more.sku, "quantity": extra, "unit_price": more.unit_price,
        "name": more.name, "external_id": more.external_id, **amounts,
        **({"delivery": more.delivery} if more.delivery else {}),
    }  # fmt: skip


# --- shipping, and where it goes -----------------------------------------------------------------


def _shipping(order: Order, payload: Payload) -> Iterator[Action]:
    amount, tax = payload["shipping_total"], payload["shipping_tax"]
    if (amount, tax) != (order.shipping_total, order.shipping_tax):
        yield {"type": "shipping", "amount": amount, "tax": tax}


def _destinations(order: Order, payload: Payload) -> Iterator[Action]:
    own = {**payload["delivery"], "wanted_on": payload.get("wanted_on")}
    yield from _destination(
        Destination(order), own, payload["shipping_address"], payload["customer"], {}
    )
    groups = {g.key: g for g in order.delivery_groups.select_related("pickup_location")}
    for group in payload.get("deliveries", ()):
        to = Destination(order, groups[group["key"]])
        yield from _destination(to, group, group["address"], {}, {"delivery": group["key"]})


def _destination(
    to: Destination, wanted: Payload, address: Payload | None, customer: Payload, key: Action
) -> Iterator[Action]:
    if address is not None and _differs(to, address, customer):
        yield {"type": "address", "shipping_address": dict(address), **key}
    location = None if wanted["method"] == SHIP else wanted["location"]
    now = (to.delivery, to.place.code if to.place else None, to.service, to.wanted_on)
    if (wanted["method"], location, wanted["service"], wanted["wanted_on"]) != now:
        yield {
            "type": "delivery", "method": wanted["method"], "location": location,
            "service": wanted["service"], "wanted_on": wanted["wanted_on"], **key,
        }  # fmt: skip


def _differs(to: Destination, address: Payload, customer: Payload) -> bool:
    filled = {
        name: address.get(name, "") or (customer.get(name, "") if name in {"name", "phone"} else "")
        for name in ADDRESS
    }
    return any(
        filled[name] != getattr(to.contact, name, "")
        for name in ADDRESS
        if filled[name] or name not in {"name", "phone"}
    )
