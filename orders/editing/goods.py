"""What an edit does to units: more of them, fewer, others."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from inventory import ledger
from inventory.availability import Sellable
from inventory.models import Location, Product
from orders import cancellation, offer, promise
from orders.capture import slices
from orders.capture.claiming import Claimed, claim
from orders.capture.incoming import Incoming
from orders.capture.items import Bundle, bundles, items
from orders.capture.rows import Written
from orders.editing.actions import Action
from orders.editing.errors import EditRefused, NotNow, TooFew
from orders.editing.prices import at_rate, sum_up_bundle
from orders.editing.sheet import FREE, Amounts, Item, Sheet, staying
from orders.models import Allocation, DeliveryGroup, Order, OrderBundle, OrderLine, SalesChannel
from orders.money import rounded
from orders.payload import MAX_LINES
from orders.problems import Problem
from orders.validation import Verdict

NOTHING = Decimal(0)


@dataclass(frozen=True)
class Addition:
    """Units to be added, and the action (JSON pointer) that wants them. Amounts are the whole's."""

    pointer: str
    sku: str
    quantity: int
    unit_price: Decimal | None  # None: the product's own
    discount: Decimal
    tax: Decimal
    name: str = ""
    external_id: str = ""
    group: str = ""
    together: str = ""


@dataclass(frozen=True)
class Drop:
    """Units of an item to be canceled."""

    item: Item
    units: int


@dataclass
class Goods:
    """Everything that the actions of an edit do to units."""

    additions: list[Addition]
    drops: list[Drop]


def wanted(sheet: Sheet, actions: Sequence[Action]) -> Goods:
    """What the actions ask for, checked against where the units are. Raises EditRefused."""
    goods = Goods([], [])
    for i, action in enumerate(actions):
        ask = _ASKS.get(action["type"])
        if ask is not None:
            ask(sheet, action, f"/actions/{i}", goods)
    return goods


def item_of(sheet: Sheet, action: Action, pointer: str) -> Item:
    """The item an action speaks of."""
    found = sheet.items.get(action["line"])
    if found is None:
        places = ", ".join(str(position) for position in sheet.items)
        raise EditRefused([
            Problem(f"{pointer}/line", "unknown_line",
                    f"the order has no line {action['line']}; it has {places}")
        ])  # fmt: skip
    return found


def _add(sheet: Sheet, action: Action, pointer: str, goods: Goods) -> None:
    key = action.get("delivery", "")
    if key and not sheet.order.delivery_groups.filter(key=key).exists():
        raise EditRefused([
            Problem(f"{pointer}/delivery", "unknown_delivery",
                    f"{key!r} is the key of none of the order's deliveries")
        ])  # fmt: skip
    goods.additions.append(
        Addition(
            pointer, action["sku"], action["quantity"], action.get("unit_price"),
            action["discount"], action["tax"], action["name"], action["external_id"], key,
        )
    )  # fmt: skip


def _remove(sheet: Sheet, action: Action, pointer: str, goods: Goods) -> None:
    item = item_of(sheet, action, pointer)
    goods.drops.append(_drop(item, item.units, f"{pointer}/line"))


def _quantity(sheet: Sheet, action: Action, pointer: str, goods: Goods) -> None:
    item = item_of(sheet, action, pointer)
    more = action["quantity"] - item.units
    if more < 0:
        goods.drops.append(_drop(item, -more, f"{pointer}/quantity"))
    elif more > 0:
        unit = rounded(item.head.unit_price * more, sheet.order.currency)
        discount = action.get("discount", NOTHING)
        tax = action["tax"] if "tax" in action else at_rate(
            _whole_line(sheet, item), unit - discount, sheet.order.currency
        )  # fmt: skip
        goods.additions.append(
            Addition(
                pointer, item.head.sku, more, item.head.unit_price, discount, tax,
                item.head.name, item.head.external_id, *_way(item),
            )
        )  # fmt: skip


def _substitute(sheet: Sheet, action: Action, pointer: str, goods: Goods) -> None:
    item = item_of(sheet, action, pointer)
    if action["sku"] == item.head.sku:
        raise EditRefused([
            Problem(f"{pointer}/sku", "same_sku", "is what the line is of already")
        ])  # fmt: skip
    units = action.get("quantity") or item.free_units
    drop = _drop(item, units, f"{pointer}/quantity" if "quantity" in action else f"{pointer}/line")
    if any(piece.handed_over for piece in item.movable):
        raise NotNow([
            Problem(f"{pointer}/line", "handed_over",
                    "is with the warehouse already, which has to let go of it first: cancel it,"
                    " then add the other product")
        ])  # fmt: skip
    goods.drops.append(drop)
    before = _last(sheet, item, units)
    price, discount, tax = before.gross / units, before.discount, before.tax
    if "unit_price" in action:
        price = action["unit_price"]
        gross = rounded(price * units, sheet.order.currency)
        rate = before.discount / before.gross if before.gross else NOTHING
        discount = rounded(gross * rate, sheet.order.currency)
        tax = at_rate(before, gross - discount, sheet.order.currency)
    goods.additions.append(
        Addition(
            pointer, action["sku"], units, price.quantize(Decimal("0.0001")), discount, tax, "",
            "", *_way(item),
        )
    )  # fmt: skip


def _drop(item: Item, units: int, pointer: str) -> Drop:
    free = item.free_units
    if 0 < units <= free:
        return Drop(item, units)
    if not item.units:
        raise EditRefused([Problem(pointer, "empty", "no unit of the line is left")])
    gone = item.units - free
    words = f"{gone} of {item.units} have left already" if gone else "has no more than that"
    raise NotNow([
        Problem(pointer, "too_late", f"only {free} of {item.head.sku} can be canceled: {words}")
    ])  # fmt: skip


def _way(item: Item) -> tuple[str, str]:
    return (item.group.key if item.group else "", item.lines[0].together)


def _whole_line(sheet: Sheet, item: Item) -> Amounts:
    found = FREE
    for line in item.lines:
        found = found.plus(sheet.amounts_of(line, first=0, count=line.quantity))
    return found


def _last(sheet: Sheet, item: Item, units: int) -> Amounts:
    """What the last units of an item cost that were not canceled: those that go first."""
    found = FREE
    for line in item.lines:
        count = units * item.per_unit(line)
        found = found.plus(sheet.amounts_of(line, first=item.left(line) - count, count=count))
    # A cent more than its price may be the last unit's: then that is its price.
    over = min(found.discount, NOTHING)
    return found._replace(gross=found.gross - over, discount=found.discount - over)


_ASKS = {"add_line": _add, "remove": _remove, "quantity": _quantity, "substitute": _substitute}


# --- fewer ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dropped:
    """Units of an item that ended, and units that a warehouse was asked to let go."""

    position: int
    sku: str
    ended: int
    asked: int


def cancel(order: Order, drops: Sequence[Drop], *, note: str, actor: str) -> list[Dropped]:
    """Cancel units of a locked order, those that are least far first."""
    cuts = {drop.item.position: _cuts(drop) for drop in drops}
    found = [_dropped(drop, cuts[drop.item.position]) for drop in drops]
    cancellation.cancel_units(
        order, [cut for own in cuts.values() for cut in own], reason="other", note=note,
        actor=actor, record=False,
    )  # fmt: skip
    return found


def _dropped(drop: Drop, cuts: Sequence[cancellation.Cut]) -> Dropped:
    each = {line.pk: drop.item.per_unit(line) for line in drop.item.lines}
    asked: dict[int, int] = defaultdict(int)
    for piece, units in cuts:
        asked[piece.line_id] += units * piece.handed_over
    most = max(-(-asked[pk] // per_unit) for pk, per_unit in each.items())
    return Dropped(drop.item.position, drop.item.head.sku, drop.units - most, most)


def _cuts(drop: Drop) -> list[cancellation.Cut]:
    cuts = []
    for line in drop.item.lines:
        units = drop.units * drop.item.per_unit(line)
        own = [piece for piece in drop.item.movable if piece.line_id == line.pk]
        for piece in sorted(own, key=_how_far):
            part = min(staying(piece), units)
            if part:
                cuts.append((piece, part))
            units -= part
    return cuts


def _how_far(piece: Allocation) -> tuple[bool, int, bool, int]:
    claimed = piece.reservation_id is not None
    return piece.handed_over, cancellation.RANK[piece.state], claimed, -piece.pk


# --- more ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Wares:
    """What the additions are, and where they may be claimed."""

    sellable: dict[str, Sellable]
    kits: Mapping[str, Bundle]


def check(channel: SalesChannel, sheet: Sheet, additions: Sequence[Addition]) -> _Wares:
    """What is known of the additions; raises EditRefused for what is not."""
    skus = sorted({one.sku for one in additions})
    sellable = offer.points(channel, skus)
    kits = bundles([sku for sku in skus if sku not in sellable])
    parts = {c.sku for kit in kits.values() for c in kit.components} - set(sellable)
    if parts:
        sellable |= offer.points(channel, sorted(parts))
    problems = [
        Problem(f"{one.pointer}/sku", "unknown_sku", f"no active product has SKU {one.sku!r}")
        for one in additions
        if one.sku not in sellable and one.sku not in kits
    ]
    if len(sheet.items) + len(additions) > MAX_LINES:
        problems.append(
            Problem("/actions", "too_many_lines", f"an order has at most {MAX_LINES} lines")
        )
    if problems:
        raise EditRefused(problems)
    return _Wares(sellable, kits)


def lock_stock(sheet: Sheet, goods: Goods, incoming: Incoming, wares: _Wares) -> None:
    """Take the stock rows of what is given up and of what is claimed, in one order."""
    pieces, _ = incoming.plan(dict(wares.sellable), incoming.wanted())
    rows = {(piece.point.product, piece.point.location) for piece in pieces}
    products = {line.pk: line.product_id for line in sheet.lines}
    rows |= {
        (products[piece.line_id], piece.location_id)
        for drop in goods.drops
        for piece in drop.item.movable
        if piece.location_id is not None
    }
    ledger.lock_rows(sorted(rows))


def arriving(
    sheet: Sheet, channel: SalesChannel, additions: Sequence[Addition], wares: _Wares
) -> Incoming:
    """The additions as capture plans them: an order of their own on its way in."""
    priced = _priced(additions, wares, sheet.order)
    payload = {
        **_destinations(sheet, priced),
        "currency": sheet.order.currency, "tax_included": sheet.order.tax_included,
        "test": sheet.order.test, "discount_total": sum((a.discount for a in priced), NOTHING),
        "line_items": [
            {"sku": a.sku, "name": a.name, "external_id": a.external_id, "quantity": a.quantity,
             "unit_price": a.unit_price, "discount": a.discount, "tax": a.tax,
             "delivery": a.group, "together": a.together}
            for a in priced
        ],
    }  # fmt: skip
    return Incoming(
        channel, payload, items(payload, wares.kits), wares.kits, _places(payload), None, Verdict()
    )


def _priced(additions: Sequence[Addition], wares: _Wares, order: Order) -> list[Addition]:
    """The additions with their prices. Raises EditRefused for a discount beyond the price."""
    own = dict(
        Product.objects.filter(
            sku__in=[a.sku for a in additions if a.unit_price is None]
        ).values_list("sku", "price")
    )
    priced = [a if a.unit_price is not None else replace(a, unit_price=own[a.sku])
              for a in additions]  # fmt: skip
    problems = [
        Problem(f"{a.pointer}/discount", "too_large", "is more than quantity x unit_price")
        for a in priced
        if a.discount > rounded((a.unit_price or NOTHING) * a.quantity, order.currency)
    ]
    if problems:
        raise EditRefused(problems)
    return priced


def _destinations(sheet: Sheet, additions: Sequence[Addition]) -> dict[str, Any]:
    order = sheet.order
    wanted_keys = {a.group for a in additions if a.group}
    groups = order.delivery_groups.select_related("pickup_location").filter(key__in=wanted_keys)
    contact = getattr(order, "contact", None)
    return {
        "delivery": {"method": order.delivery, "location": _code(order), "service": order.service},
        "shipping_address": _address(contact) if contact and contact.country else None,
        "wanted_on": order.wanted_on,
        "deliveries": [
            {"key": group.key, "method": group.delivery, "location": _code(group),
             "service": group.service, "wanted_on": group.wanted_on,
             "address": _address(group) if group.country else None}
            for group in groups
        ],
    }  # fmt: skip


def _code(to: Order | DeliveryGroup) -> str | None:
    return to.pickup_location.code if to.pickup_location else None


def _address(to: Any) -> dict[str, Any]:
    return {"latitude": to.lat, "longitude": to.lng, "country": to.country, "city": to.city,
            "postcode": to.postcode, "region": to.region}  # fmt: skip


def _places(payload: Mapping[str, Any]) -> dict[str, Location]:
    codes = [one["location"] for one in (payload["delivery"], *payload["deliveries"])]
    return {row.code: row for row in Location.objects.filter(code__in=[c for c in codes if c])}


def add(sheet: Sheet, incoming: Incoming, wares: _Wares, *, actor: str, now: datetime) -> Claimed:
    """Write the new lines, claim stock as capture does, and give every unit its slice."""
    order = sheet.order
    lines = _write_lines(sheet, incoming, wares)
    sellable = dict(wares.sellable)
    plan = incoming.plan(sellable, incoming.wanted())
    written = Written(order.pk, tuple(line.pk for line in lines))
    (claimed,) = claim([(incoming, written, plan)], sellable, actor=actor)
    if claimed.missing and incoming.channel.on_shortage != SalesChannel.OnShortage.QUEUE:
        raise TooFew([_short(incoming, one) for one in claimed.missing])
    slices.insert([claimed], now=now)
    return claimed


def _short(incoming: Incoming, missing: promise.Wanted) -> Problem:
    item = incoming.items[missing.index]
    had = item.quantity - missing.quantity
    return Problem(
        f"/line_items/{item.index}/quantity", "insufficient_stock",
        f"{had} of {item.quantity} units of {missing.sku} can be promised",
    )  # fmt: skip


def _write_lines(sheet: Sheet, incoming: Incoming, wares: _Wares) -> list[OrderLine]:
    order = sheet.order
    base = max(sheet.items) + 1
    groups = dict(order.delivery_groups.values_list("key", "pk"))
    kits = _write_bundles(order, incoming, wares, base)
    rows = [
        OrderLine(
            order=order, position=base + one.index, component=one.component,
            bundle=kits.get(one.index), group_id=groups.get(one.group), together=one.together,
            external_id=one.external_id, product_id=wares.sellable[one.sku].product, sku=one.sku,
            name=one.name or wares.sellable[one.sku].name, quantity=one.quantity,
            unit_price=one.unit_price, discount=one.discount, tax=one.tax, total=one.total,
        )
        for one in incoming.items
    ]  # fmt: skip
    written = OrderLine.objects.bulk_create(rows)
    for kit in kits.values():
        sum_up_bundle(order, kit, [row for row in written if row.bundle_id == kit.pk])
    return written


def _write_bundles(
    order: Order, incoming: Incoming, wares: _Wares, base: int
) -> dict[int, OrderBundle]:
    rows = {
        i: OrderBundle(
            order=order, position=base + i, external_id=line["external_id"],
            product_id=wares.kits[line["sku"]].product, sku=line["sku"],
            name=line["name"] or wares.kits[line["sku"]].name, quantity=line["quantity"],
            unit_price=line["unit_price"], total=NOTHING,
        )
        for i, line in enumerate(incoming.order["line_items"])
        if line["sku"] in wares.kits
    }  # fmt: skip
    OrderBundle.objects.bulk_create(rows.values())
    return rows
