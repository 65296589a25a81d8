"""place(): an order from any channel becomes ours, once per (channel, external id).

One transaction: the order's rows, its claims on stock, its slices, its first event and the work
that follows from it. The number of statements does not depend on the number of lines.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from psycopg.types.json import Jsonb

from config import geo
from inventory import ledger
from inventory.availability import Sellable
from inventory.models import Location
from orders import baskets, events, offer, promise
from orders.backorders.promising import Awaited, promise_from_supply, waits_for
from orders.models import Allocation, Basket, Order, SalesChannel
from orders.money import rounded, share

ORDER_FIELDS = (
    "external_id", "currency", "tax_included", "discount_total", "shipping_total", "shipping_tax",
    "tax_total", "total", "test", "tags", "metadata", "note",
)  # fmt: skip
ADDRESS_FIELDS = ("line1", "line2", "city", "region", "postcode", "country")
ROUNDS = 3  # a claim may be lost to somebody faster; then the next best place is tried


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an order: where (a JSON pointer), what kind, and in words."""

    pointer: str
    code: str
    detail: str


class Refused(Exception):
    """The order cannot be taken as it is; nothing was written. `problems` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.pointer}: {p.detail}" for p in problems))


class InsufficientStock(Refused):
    """The order is fine, the stock is not there, and the channel does not queue."""


class AlreadyPlaced(Exception):
    """The channel sent this external id before; `same` tells whether with the same content."""

    def __init__(self, order_id: int, external_id: str, *, same: bool) -> None:
        self.order_id, self.external_id, self.same = order_id, external_id, same
        super().__init__(f"order {external_id} was placed before")


@dataclass(frozen=True)
class Part:
    """Units of one line promised from one stock point; `location` None: they wait in a queue.

    `supply` is the purchase order that they wait for, `expected` its date (None: not known).
    """

    line: int
    sku: str
    quantity: int
    location: str | None
    location_name: str | None
    supply: str | None = None
    expected: date | None = None


@dataclass(frozen=True)
class Placed:
    """What was written."""

    order_id: int
    promised_at: datetime | None
    parts: tuple[Part, ...]
    line_ids: tuple[int, ...]


def place(
    *, channel: SalesChannel, order: Mapping[str, Any], source: str, actor: str, now: datetime
) -> Placed:
    """Take one order (the validated canonical payload, see docs/api.md) of a channel.

    Runs inside the caller's transaction, which any exception must roll back.
    Raises Refused for what does not add up or is unknown, InsufficientStock when neither stock nor
    (where the channel promises it) supply covers it and the channel does not queue, AlreadyPlaced
    when the external id is known.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("place() needs a transaction around it")
    problems = check(order)
    if problems:
        raise Refused(problems)
    skus = sorted({line["sku"] for line in order["line_items"]})
    basket = baskets.lock(channel, order["basket"])
    sellable = offer.points(channel, skus, basket=basket)
    _check_known(order, sellable)
    incoming = _Incoming(channel, order, where(order), _pickup(order), basket)
    plan = incoming.plan(sellable)
    promised = promise.promised_at(plan[0], at=incoming.at, placed=now)
    row = _row(incoming, sellable, promised=promised, source=source, now=now)
    order_id, line_ids = _insert(row)
    held, missing = _claim(incoming, plan, order_id=order_id, actor=actor)
    awaited, missing = _await_supply(incoming, sellable, missing, order_id=order_id)
    if missing and channel.on_shortage != SalesChannel.OnShortage.QUEUE:
        raise InsufficientStock([_short(w, order) for w in missing])
    if awaited or [piece for piece, _ in held] != plan[0]:
        promised = _promised(incoming, held, awaited, now=now)
        Order.objects.filter(pk=order_id).update(promised_at=promised)
    Allocation.objects.bulk_create(_slices(order_id, line_ids, held, awaited, missing, now=now))
    events.record(
        order_id, "order.received", actor=actor, source=source, total=str(order["total"]),
        currency=order["currency"], promised_at=promised and promised.isoformat(),
        from_locations=sorted({piece.point.code for piece, _ in held}),
        missing_units=sum(w.quantity for w in missing),
        awaited_units=sum(w.quantity for w in awaited),
    )  # fmt: skip
    return Placed(order_id, promised, _parts(held, awaited, missing), line_ids)


# --- checks --------------------------------------------------------------------------------------


def check(order: Mapping[str, Any]) -> list[Problem]:
    """Whether the money adds up to the cent; every figure that does not is named."""
    currency = order["currency"]
    problems = _check_precision(order, currency)
    if problems:
        return problems
    for i, line in enumerate(order["line_items"]):
        if line["discount"] > line["quantity"] * line["unit_price"]:
            problems.append(Problem(f"/line_items/{i}/discount", "too_large",
                                    "is more than quantity x unit_price"))  # fmt: skip
    own = sum((line["discount"] for line in order["line_items"]), Decimal(0))
    taxes = sum((line["tax"] for line in order["line_items"]), order["shipping_tax"])
    subtotal = _subtotal(order)
    total = subtotal - order["discount_total"] + order["shipping_total"]
    total += Decimal(0) if order["tax_included"] else taxes
    wrong = {
        "/discount_total": None if own <= order["discount_total"] <= subtotal
        else f"must be between the lines' {own} and the subtotal {subtotal}",
        "/tax_total": None if order["tax_total"] == taxes
        else f"is {order['tax_total']}, the lines' and shipping's tax is {taxes}",
        "/total": None if order["total"] == total
        else f"is {order['total']}, the lines add up to {total}",
    }  # fmt: skip
    problems += [Problem(at, "does_not_add_up", words) for at, words in wrong.items() if words]
    return problems


def _check_precision(order: Mapping[str, Any], currency: str) -> list[Problem]:
    names = ("discount_total", "shipping_total", "shipping_tax", "tax_total", "total")
    amounts = {f"/{name}": order[name] for name in names}
    for i, line in enumerate(order["line_items"]):
        amounts |= {f"/line_items/{i}/{name}": line[name] for name in ("discount", "tax")}
    return [
        Problem(pointer, "too_precise", f"{amount} is finer than the smallest unit of {currency}")
        for pointer, amount in amounts.items()
        if amount != rounded(amount, currency)
    ]


def _subtotal(order: Mapping[str, Any]) -> Decimal:
    gross = sum((x["quantity"] * x["unit_price"] for x in order["line_items"]), Decimal(0))
    return rounded(gross, order["currency"])


def _check_known(order: Mapping[str, Any], sellable: Mapping[str, Sellable]) -> None:
    unknown = [
        Problem(f"/line_items/{i}/sku", "unknown_sku", f"no active product has SKU {line['sku']!r}")
        for i, line in enumerate(order["line_items"])
        if line["sku"] not in sellable
    ]
    if unknown:
        raise Refused(unknown)


def _short(wanted: promise.Wanted, order: Mapping[str, Any]) -> Problem:
    quantity = order["line_items"][wanted.index]["quantity"]
    return Problem(
        f"/line_items/{wanted.index}/quantity",
        "insufficient_stock",
        f"{quantity - wanted.quantity} of {quantity} units of {wanted.sku} can be promised",
    )


# --- where from ----------------------------------------------------------------------------------


def where(order: Mapping[str, Any]) -> geo.Point | None:
    """Coordinates of the shipping address: the channel's own, or looked up offline."""
    address = order.get("shipping_address")
    if not address:
        return None
    if address.get("latitude") is not None and address.get("longitude") is not None:
        return geo.Point(address["latitude"], address["longitude"], "exact")
    return geo.locate(
        country=address["country"], postcode=address["postcode"], city=address["city"],
        region=address["region"],
    )  # fmt: skip


def _pickup(order: Mapping[str, Any]) -> Location | None:
    if order["delivery"]["method"] != Order.Delivery.PICKUP:
        return None
    code = order["delivery"]["location"]
    found = Location.objects.filter(code=code, active=True, can_pickup=True).first()
    if found is None:
        raise Refused([Problem("/delivery/location", "unknown_location",
                               f"{code!r} is not a stock point with pick-up")])  # fmt: skip
    return found


Plan = tuple[list[promise.Piece], list[promise.Wanted]]
Held = list[tuple[promise.Piece, int]]  # with the reservation that holds it


@dataclass(frozen=True)
class _Incoming:
    """An order on its way in: whose it is, where it goes, and where it may come from."""

    channel: SalesChannel
    order: Mapping[str, Any]
    at: geo.Point | None
    pickup: Location | None
    basket: Basket | None  # holds units for it already

    def plan(
        self, sellable: dict[str, Sellable], wanted: Sequence[promise.Wanted] | None = None
    ) -> Plan:
        """Where to claim what is wanted: by default everything."""
        if wanted is None:
            wanted = [
                promise.Wanted(i, line["sku"], line["quantity"])
                for i, line in enumerate(self.order["line_items"])
            ]
        only = self.pickup.code if self.pickup else None
        return promise.choose(wanted, sellable, at=self.at, only=only)


def _claim(
    incoming: _Incoming, plan: Plan, *, order_id: int, actor: str
) -> tuple[Held, list[promise.Wanted]]:
    """Claim the plan; what was lost to somebody faster is planned again on what is there now."""
    pieces, missing = plan
    held: Held = []
    for _ in range(ROUNDS):
        claims = [
            ledger.Claim(
                n, p.point.product, p.point.location, p.quantity, order_id, hot=p.point.hot
            )
            for n, p in enumerate(pieces)
        ]
        got = _reserve(incoming, claims, actor=actor)
        held += [(pieces[n], reserved.reservation) for n, reserved in sorted(got.items())]
        again = [
            promise.Wanted(p.index, p.sku, p.quantity) for n, p in enumerate(pieces) if n not in got
        ]
        if not again:
            return held, missing
        skus = sorted({w.sku for w in again})
        now_free = offer.points(incoming.channel, skus, basket=incoming.basket)
        pieces, short = incoming.plan(now_free, again)
        missing = [*missing, *short]
    lost = [promise.Wanted(p.index, p.sku, p.quantity) for p in pieces]
    return held, [*missing, *lost]


def _reserve(
    incoming: _Incoming, claims: Sequence[ledger.Claim], *, actor: str
) -> dict[int, ledger.Reserved]:
    if incoming.basket is None:
        return ledger.reserve(claims, owner_type="order", actor=actor)
    return baskets.redeem(incoming.basket, claims, actor=actor)


def _await_supply(
    incoming: _Incoming,
    sellable: Mapping[str, Sellable],
    missing: list[promise.Wanted],
    *,
    order_id: int,
) -> tuple[list[Awaited], list[promise.Wanted]]:
    """Promise what is missing from supplies, where the channel does that; and what is left."""
    if not missing or incoming.channel.on_shortage == SalesChannel.OnShortage.REFUSE:
        return [], missing
    return promise_from_supply(
        missing, pool=incoming.channel.pool_id,
        products={w.sku: sellable[w.sku].product for w in missing},
        only=incoming.pickup.code if incoming.pickup else None, order_id=order_id,
    )  # fmt: skip


def _promised(
    incoming: _Incoming, held: Held, awaited: Sequence[Awaited], *, now: datetime
) -> datetime | None:
    days = [promise.promised_at([piece for piece, _ in held], at=incoming.at, placed=now)]
    days += [promise.arrival_of(w.coming, at=incoming.at, now=now) for w in awaited]
    return max((day for day in days if day is not None), default=None)


# --- rows ----------------------------------------------------------------------------------------


def payload_hash(order: Mapping[str, Any]) -> str:
    """Fingerprint of a validated payload: the same order in other spacing is the same order."""
    content = {name: value for name, value in order.items() if name != "basket"}
    text = json.dumps(content, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def line_totals(order: Mapping[str, Any]) -> list[tuple[Decimal, Decimal]]:
    """(discount with its order-wide share, total the customer pays) of each line, in order."""
    currency, lines = order["currency"], order["line_items"]
    gross = [line["quantity"] * line["unit_price"] for line in lines]
    whole = share(sum(gross, Decimal(0)), gross, currency)
    own = [line["discount"] for line in lines]
    rest = order["discount_total"] - sum(own, Decimal(0))
    extra = share(rest, [g - d for g, d in zip(whole, own, strict=True)], currency)
    taxes = [Decimal(0) if order["tax_included"] else line["tax"] for line in lines]
    return [(d + e, g - d - e + t) for g, d, e, t in zip(whole, own, extra, taxes, strict=True)]


def _row(
    incoming: _Incoming,
    sellable: Mapping[str, Sellable],
    *,
    promised: datetime | None,
    source: str,
    now: datetime,
) -> dict[str, Any]:
    order, at = incoming.order, incoming.at
    address = order.get("shipping_address") or {}
    customer = order["customer"]
    totals = line_totals(order)
    return {
        **{name: order[name] for name in ORDER_FIELDS},
        **{name: address.get(name, "") for name in ADDRESS_FIELDS},
        "channel_id": incoming.channel.pk, "source": source, "payload_hash": payload_hash(order),
        "placed_at": order["placed_at"] or now, "received_at": now, "promised_at": promised,
        "subtotal": _subtotal(order), "delivery": order["delivery"]["method"],
        "service": order["delivery"]["service"],
        "pickup_location_id": incoming.pickup and incoming.pickup.pk,
        "email": customer["email"].lower(), "name": address.get("name") or customer["name"],
        "phone": address.get("phone") or customer["phone"],
        "customer_name": customer["name"], "customer_phone": customer["phone"],
        "lat": at and at.lat, "lng": at and at.lng, "billing": order.get("billing_address") or {},
        "lines": [_line(i, line, sellable, totals[i]) for i, line in
                  enumerate(order["line_items"])],
        "payments": [_payment(p, order["currency"]) for p in order["payments"]],
    }  # fmt: skip


def _line(
    i: int,
    line: Mapping[str, Any],
    sellable: Mapping[str, Sellable],
    totals: tuple[Decimal, Decimal],
) -> dict[str, Any]:
    product = sellable[line["sku"]]
    return {
        "position": i + 1, "external_id": line["external_id"], "product_id": product.product,
        "sku": line["sku"], "name": line["name"] or product.name, "quantity": line["quantity"],
        "unit_price": line["unit_price"], "discount": totals[0], "tax": line["tax"],
        "total": totals[1],
    }  # fmt: skip


def _payment(payment: Mapping[str, Any], currency: str) -> dict[str, Any]:
    captured = payment["amount"] if payment["state"] == "captured" else Decimal(0)
    return {**payment, "currency": currency, "captured": captured}


# Order, customer, personal data, lines and payments in one statement, for one order or many.
_INSERT = """
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS x(channel_id bigint, external_id text,
        currency text, tax_included bool, subtotal numeric, discount_total numeric,
        shipping_total numeric, shipping_tax numeric, tax_total numeric, total numeric,
        delivery text, pickup_location_id bigint, service text, placed_at timestamptz,
        received_at timestamptz, promised_at timestamptz, source text, payload_hash text, test bool,
        tags text[], metadata jsonb, email text, phone text, name text, line1 text, line2 text,
        city text, region text, postcode text, country text, lat float8, lng float8, billing jsonb,
        note text, customer_name text, customer_phone text, lines jsonb, payments jsonb)
), customer AS (
    INSERT INTO orders_customer (email, name, phone, created_at)
    SELECT DISTINCT ON (email) email, customer_name, customer_phone, now()
      FROM incoming WHERE email <> '' ORDER BY email
    ON CONFLICT (email) DO UPDATE SET name = excluded.name RETURNING id, email
), placed AS (
    INSERT INTO orders_order (channel_id, external_id, customer_id, state, currency, tax_included,
        subtotal, discount_total, shipping_total, shipping_tax, tax_total, total, delivery,
        pickup_location_id, service, placed_at, received_at, promised_at, source, payload_hash,
        test, tags, metadata)
    SELECT i.channel_id, i.external_id, c.id, 'open', i.currency, i.tax_included, i.subtotal,
           i.discount_total, i.shipping_total, i.shipping_tax, i.tax_total, i.total, i.delivery,
           i.pickup_location_id, i.service, i.placed_at, i.received_at, i.promised_at, i.source,
           i.payload_hash, i.test, i.tags, i.metadata
      FROM incoming i LEFT JOIN customer c USING (email)
    ON CONFLICT (channel_id, external_id) DO NOTHING RETURNING id, channel_id, external_id
), contact AS (
    INSERT INTO orders_ordercontact (order_id, email, phone, name, line1, line2, city, region,
        postcode, country, lat, lng, billing, note)
    SELECT p.id, i.email, i.phone, i.name, i.line1, i.line2, i.city, i.region, i.postcode,
           i.country, i.lat, i.lng, i.billing, i.note
      FROM placed p JOIN incoming i USING (channel_id, external_id)
), line AS (
    INSERT INTO orders_orderline (order_id, position, external_id, product_id, sku, name, quantity,
        unit_price, discount, tax, total)
    SELECT p.id, l.* FROM placed p JOIN incoming i USING (channel_id, external_id),
           jsonb_to_recordset(i.lines) AS l(position int, external_id text, product_id bigint,
           sku text, name text, quantity int, unit_price numeric, discount numeric, tax numeric,
           total numeric)
    RETURNING id, order_id, position
), payment AS (
    INSERT INTO orders_payment (order_id, reference, method, state, currency, amount, captured,
        refunded, created_at)
    SELECT p.id, m.*, 0, now() FROM placed p JOIN incoming i USING (channel_id, external_id),
           jsonb_to_recordset(i.payments) AS m(reference text, method text, state text,
           currency text, amount numeric, captured numeric)
)
SELECT l.order_id, l.id FROM line l ORDER BY l.order_id, l.position
"""


def _insert(row: Mapping[str, Any]) -> tuple[int, tuple[int, ...]]:
    with connection.cursor() as cursor:
        document: Any = Jsonb([row], dumps=_dumps)
        cursor.execute(_INSERT, {"rows": document})
        written = cursor.fetchall()
    if not written:
        known = Order.objects.only("payload_hash").get(
            channel_id=row["channel_id"], external_id=row["external_id"]
        )
        same = known.payload_hash == row["payload_hash"]
        raise AlreadyPlaced(known.pk, row["external_id"], same=same)
    return written[0][0], tuple(line for _, line in written)


def _dumps(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder)


def _slices(
    order_id: int,
    line_ids: Sequence[int],
    pieces: Held,
    awaited: Sequence[Awaited],
    missing: Sequence[promise.Wanted],
    *,
    now: datetime,
) -> list[Allocation]:
    claimed = [
        Allocation(
            order_id=order_id, line_id=line_ids[p.index], quantity=p.quantity, since=now,
            queue=Allocation.Queue.ROUTING, location_id=p.point.location,
            reservation_id=reservation,
        )
        for p, reservation in pieces
    ]  # fmt: skip
    claimed += [
        Allocation(
            order_id=order_id, line_id=line_ids[w.index], quantity=w.quantity, since=now,
            queue=Allocation.Queue.BACKORDER, queue_reason=waits_for(w.coming.reference),
            reservation_id=w.reservation,
        )
        for w in awaited
    ]  # fmt: skip
    return claimed + [
        Allocation(
            order_id=order_id, line_id=line_ids[w.index], quantity=w.quantity, since=now,
            queue=Allocation.Queue.ROUTING, queue_reason="nothing free when the order came in",
        )
        for w in missing
    ]  # fmt: skip


def _parts(
    pieces: Held, awaited: Sequence[Awaited], missing: Sequence[promise.Wanted]
) -> tuple[Part, ...]:
    held = [Part(p.index + 1, p.sku, p.quantity, p.point.code, p.point.name) for p, _ in pieces]
    held += [
        Part(w.index + 1, w.sku, w.quantity, None, None, w.coming.reference, w.coming.eta)
        for w in awaited
    ]
    waiting = [Part(w.index + 1, w.sku, w.quantity, None, None) for w in missing]
    return tuple(sorted([*held, *waiting], key=lambda part: part.line))
