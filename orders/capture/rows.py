"""The rows of new orders, and the one statement that writes them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from psycopg.types.json import Jsonb

from inventory.availability import Sellable
from orders.capture.amounts import line_totals, subtotal
from orders.capture.incoming import Incoming
from orders.capture.items import Item
from orders.models import Order

ORDER_FIELDS = (
    "external_id", "currency", "tax_included", "discount_total", "shipping_total", "shipping_tax",
    "tax_total", "total", "tags", "metadata", "note",
)  # fmt: skip
CHOICES: Mapping[str, Any] = {  # what a payload may leave out
    "commission": 0, "gift": False, "gift_message": "", "ship_together": False, "wanted_on": None,
    "ship_by": None, "deliver_by": None, "changed_at": None,
}  # fmt: skip
ADDRESS_FIELDS = ("line1", "line2", "city", "region", "postcode", "country")
_NOT_CONTENT = {"basket", "changed_at", "promise"}
_OPTIONAL = {*CHOICES, "sold_at", "deliveries"}


def payload_hash(order: Mapping[str, Any]) -> str:
    """Fingerprint of a validated payload: the same order in other spacing is the same order."""
    content = {
        name: value
        for name, value in order.items()
        if name not in _NOT_CONTENT and (value or name not in _OPTIONAL)
    }
    text = json.dumps(content, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def order_row(
    incoming: Incoming,
    sellable: Mapping[str, Sellable],
    *,
    promised: datetime | None,
    source: str,
    digest: str,
    now: datetime,
) -> dict[str, Any]:
    """Everything of one order that the statement writes."""
    order, to = incoming.order, incoming.to[""]
    address = order.get("shipping_address") or {}
    customer = order["customer"]
    ships = order["delivery"]["method"] == Order.Delivery.SHIP
    pickup = None if ships else incoming.place(order["delivery"]["location"])
    sold_at = incoming.place(order.get("sold_at"))
    at = to.at
    return {
        **{name: order[name] for name in ORDER_FIELDS},
        **{name: order.get(name) or default for name, default in CHOICES.items()},
        **{name: address.get(name, "") for name in ADDRESS_FIELDS},
        "channel_id": incoming.channel.pk, "source": source, "payload_hash": digest,
        "placed_at": order["placed_at"] or now, "received_at": now, "promised_at": promised,
        "subtotal": subtotal(order), "delivery": order["delivery"]["method"],
        "service": order["delivery"]["service"], "test": incoming.is_test,
        "pickup_location_id": pickup and pickup.pk, "sold_at_id": sold_at and sold_at.pk,
        "risk": incoming.verdict.risk,
        "findings": [vars(finding) for finding in incoming.findings(promised)],
        "email": customer["email"].lower(), "name": address.get("name") or customer["name"],
        "phone": address.get("phone") or customer["phone"],
        "customer_name": customer["name"], "customer_phone": customer["phone"],
        "lat": at and at.lat, "lng": at and at.lng, "billing": order.get("billing_address") or {},
        "lines": [_line(one, sellable) for one in incoming.items],
        "bundles": _bundles(incoming),
        "groups": [_group(incoming, group) for group in order.get("deliveries", ())],
        "payments": [_payment(incoming, p) for p in order["payments"]],
    }  # fmt: skip


def _line(one: Item, sellable: Mapping[str, Sellable]) -> dict[str, Any]:
    product = sellable[one.sku]
    return {
        "position": one.index + 1, "component": one.component, "external_id": one.external_id,
        "product_id": product.product, "sku": one.sku, "name": one.name or product.name,
        "quantity": one.quantity, "unit_price": one.unit_price, "discount": one.discount,
        "tax": one.tax, "total": one.total, "group_key": one.group, "together": one.together,
    }  # fmt: skip


def _bundles(incoming: Incoming) -> list[dict[str, Any]]:
    if not incoming.bundles:
        return []
    order, found = incoming.order, []
    for i, (line, (discount, total)) in enumerate(
        zip(order["line_items"], line_totals(order), strict=True)
    ):
        bundle = incoming.bundles.get(line["sku"])
        if bundle is not None:
            found.append({
                "position": i + 1, "external_id": line["external_id"],
                "product_id": bundle.product, "sku": line["sku"],
                "name": line["name"] or bundle.name, "quantity": line["quantity"],
                "unit_price": line["unit_price"], "discount": discount, "tax": line["tax"],
                "total": total,
            })  # fmt: skip
    return found


def _group(incoming: Incoming, group: Mapping[str, Any]) -> dict[str, Any]:
    address = group["address"] or {}
    at = incoming.to[group["key"]].at
    ships = group["method"] == Order.Delivery.SHIP
    store = None if ships else incoming.place(group["location"])
    return {
        **{name: address.get(name, "") for name in (*ADDRESS_FIELDS, "name", "phone")},
        "key": group["key"], "delivery": group["method"], "service": group["service"],
        "pickup_location_id": store and store.pk, "wanted_on": group["wanted_on"],
        "gift": group["gift"], "gift_message": group["gift_message"],
        "lat": at and at.lat, "lng": at and at.lng,
    }  # fmt: skip


def _payment(incoming: Incoming, payment: Mapping[str, Any]) -> dict[str, Any]:
    captured = payment["amount"] if payment["state"] == "captured" else Decimal(0)
    # Neither a card of our own nor cash at the door is anything that a gateway knows.
    ours = "gift_card" in payment or payment["state"] == "pending"
    return {
        "reference": payment["reference"], "method": payment["method"],
        "state": payment["state"], "amount": payment["amount"], "captured": captured,
        "currency": incoming.order["currency"], "expires_at": payment.get("expires_at"),
        "gateway": "" if ours else incoming.channel.gateway, "refunded": 0,
    }  # fmt: skip


# Order, customer, personal data, lines, payments and their first entries in one statement, for one
# order or many. Rows of an order that is there already are written nowhere.
_INSERT = """
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS x(channel_id bigint, external_id text,
        currency text, tax_included bool, subtotal numeric, discount_total numeric,
        shipping_total numeric, shipping_tax numeric, tax_total numeric, total numeric,
        commission numeric, delivery text, pickup_location_id bigint, sold_at_id bigint,
        service text, ship_together bool, gift bool, wanted_on date, ship_by timestamptz,
        deliver_by timestamptz, changed_at timestamptz, placed_at timestamptz,
        received_at timestamptz, promised_at timestamptz, source text, payload_hash text, test bool,
        risk smallint, findings jsonb, tags text[], metadata jsonb, email text, phone text,
        name text, line1 text, line2 text, city text, region text, postcode text, country text,
        lat float8, lng float8, billing jsonb, note text, gift_message text, customer_name text,
        customer_phone text, lines jsonb, bundles jsonb, groups jsonb, payments jsonb)
), customer AS (
    INSERT INTO orders_customer (email, name, phone, created_at)
    SELECT DISTINCT ON (email) email, customer_name, customer_phone, now()
      FROM incoming WHERE email <> '' ORDER BY email
    ON CONFLICT (email) DO UPDATE SET name = excluded.name
    RETURNING coalesce(merged_into_id, id) AS id, email
), placed AS (
    INSERT INTO orders_order (channel_id, external_id, customer_id, state, currency, tax_included,
        subtotal, discount_total, shipping_total, shipping_tax, tax_total, total, commission,
        delivery, pickup_location_id, sold_at_id, service, ship_together, gift, wanted_on, ship_by,
        deliver_by, channel_changed_at, placed_at, received_at, promised_at, source, payload_hash,
        test, risk, findings, tags, metadata)
    SELECT i.channel_id, i.external_id, c.id, 'open', i.currency, i.tax_included, i.subtotal,
           i.discount_total, i.shipping_total, i.shipping_tax, i.tax_total, i.total, i.commission,
           i.delivery, i.pickup_location_id, i.sold_at_id, i.service, i.ship_together, i.gift,
           i.wanted_on, i.ship_by, i.deliver_by, i.changed_at, i.placed_at, i.received_at,
           i.promised_at, i.source, i.payload_hash, i.test, i.risk, i.findings, i.tags, i.metadata
      FROM incoming i LEFT JOIN customer c USING (email)
    ON CONFLICT (channel_id, external_id) DO NOTHING RETURNING id, channel_id, external_id
), contact AS (
    INSERT INTO orders_ordercontact (order_id, email, phone, name, line1, line2, city, region,
        postcode, country, lat, lng, billing, note, gift_message)
    SELECT p.id, i.email, i.phone, i.name, i.line1, i.line2, i.city, i.region, i.postcode,
           i.country, i.lat, i.lng, i.billing, i.note, i.gift_message
      FROM placed p JOIN incoming i USING (channel_id, external_id)
), destination AS (
    INSERT INTO orders_deliverygroup (order_id, key, delivery, service, pickup_location_id,
        wanted_on, gift, gift_message, name, phone, line1, line2, city, region, postcode, country,
        lat, lng)
    SELECT p.id, g.* FROM placed p JOIN incoming i USING (channel_id, external_id),
           jsonb_to_recordset(i.groups) AS g(key text, delivery text, service text,
           pickup_location_id bigint, wanted_on date, gift bool, gift_message text, name text,
           phone text, line1 text, line2 text, city text, region text, postcode text, country text,
           lat float8, lng float8)
    RETURNING id, order_id, key
), bundle AS (
    INSERT INTO orders_orderbundle (order_id, position, external_id, product_id, sku, name,
        quantity, unit_price, discount, tax, total)
    SELECT p.id, b.* FROM placed p JOIN incoming i USING (channel_id, external_id),
           jsonb_to_recordset(i.bundles) AS b(position int, external_id text, product_id bigint,
           sku text, name text, quantity int, unit_price numeric, discount numeric, tax numeric,
           total numeric)
    RETURNING id, order_id, position
), line AS (
    INSERT INTO orders_orderline (order_id, position, component, external_id, product_id, sku, name,
        quantity, unit_price, discount, tax, total, together, bundle_id, group_id)
    SELECT p.id, l.position, l.component, l.external_id, l.product_id, l.sku, l.name, l.quantity,
           l.unit_price, l.discount, l.tax, l.total, l.together,
           CASE WHEN l.component > 0 THEN b.id END, d.id
      FROM placed p JOIN incoming i USING (channel_id, external_id)
     CROSS JOIN jsonb_to_recordset(i.lines) AS l(position int, component smallint,
           external_id text, product_id bigint, sku text, name text, quantity int,
           unit_price numeric, discount numeric, tax numeric, total numeric, group_key text,
           together text)
      LEFT JOIN bundle b ON b.order_id = p.id AND b.position = l.position
      LEFT JOIN destination d ON d.order_id = p.id AND d.key = l.group_key
    RETURNING id, order_id, position, component
), payment AS (
    INSERT INTO orders_payment (order_id, reference, method, gateway, state, currency, amount,
        captured, refunded, expires_at, created_at)
    SELECT p.id, m.*, now() FROM placed p JOIN incoming i USING (channel_id, external_id),
           jsonb_to_recordset(i.payments) AS m(reference text, method text, gateway text,
           state text, currency text, amount numeric, captured numeric, refunded numeric,
           expires_at timestamptz)
    RETURNING id, reference, state, amount
), entry AS (
    INSERT INTO orders_paymententry (payment_id, kind, state, amount, key, provider_reference,
        created_at, done_at, error, actor)
    SELECT m.id, k.kind, 'done', m.amount, k.kind || ':' || m.id, m.reference, now(), now(), '',
           %(actor)s
      FROM payment m JOIN (VALUES ('authorize', 'authorized'), ('authorize', 'captured'),
                                  ('capture', 'captured')) AS k(kind, state) USING (state)
     ORDER BY m.id, k.kind
)
SELECT p.external_id, p.id, l.id
  FROM placed p JOIN line l ON l.order_id = p.id ORDER BY p.id, l.position, l.component
"""


class Written(NamedTuple):
    """An order that was written, and the ids of its lines in their order."""

    order_id: int
    lines: tuple[int, ...]


def insert(rows: Sequence[Mapping[str, Any]], *, actor: str) -> dict[str, Written]:
    """Write orders of one channel; returns those that were new, by external id."""
    document: Any = Jsonb(rows, dumps=_dumps)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, {"rows": document, "actor": actor})
        found = cursor.fetchall()
    lines: dict[tuple[str, int], list[int]] = {}
    for external_id, order_id, line_id in found:
        lines.setdefault((external_id, order_id), []).append(line_id)
    return {name: Written(pk, tuple(ids)) for (name, pk), ids in lines.items()}


def _dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=str)  # str: decimals keep every digit
    except TypeError:  # a whole number of more than 64 bits among the metadata
        return json.dumps(value, cls=DjangoJSONEncoder).encode()
