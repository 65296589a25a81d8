"""What was bought, as what is stocked: a channel's SKUs become ours, bundles their components."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from orders.capture.amounts import line_totals, shared_out
from orders.models import ChannelSku, SalesChannel


@dataclass(frozen=True)
class Item:
    """A line of the order to be: units of one stocked product.

    `index` is the line of the payload it comes from; components of a bundle count from 1.
    """

    index: int
    component: int
    sku: str
    external_id: str
    name: str  # as the channel calls it; may be empty
    quantity: int
    unit_price: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal
    group: str = ""
    together: str = ""


@dataclass(frozen=True)
class Component:
    """Units of a stocked product in one unit of a bundle, and the weight of its price."""

    sku: str
    quantity: int
    share: Decimal


@dataclass(frozen=True)
class Bundle:
    """A product that is sold as one and stocked as its components."""

    product: int
    sku: str
    name: str
    components: tuple[Component, ...]


def in_our_skus(
    channel: SalesChannel, orders: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The orders with the channel's SKUs replaced by ours, where it has SKUs of its own."""
    if not channel.own_skus:
        return list(orders)
    theirs = {line["sku"] for order in orders for line in order["line_items"]}
    known = dict(
        ChannelSku.objects.filter(channel=channel, sku__in=theirs).values_list(
            "sku", "product__sku"
        )
    )
    return [
        {**order, "line_items": [{**line, "sku": known.get(line["sku"], line["sku"])}
                                 for line in order["line_items"]]}
        for order in orders
    ]  # fmt: skip


_BUNDLES = """
SELECT b.sku, b.id, b.name, p.sku, c.quantity, c.share
  FROM inventory_product b
  JOIN inventory_bundlecomponent c ON c.bundle_id = b.id
  JOIN inventory_product p ON p.id = c.product_id
 WHERE b.sku = ANY(%s) AND b.is_bundle AND b.active
 ORDER BY b.id, c.id
"""


def bundles(skus: Sequence[str]) -> dict[str, Bundle]:
    """The bundles among these SKUs."""
    if not skus:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_BUNDLES, [list(skus)])
        rows = cursor.fetchall()
    parts: dict[tuple[str, int, str], list[Component]] = {}
    for sku, product, name, *component in rows:
        parts.setdefault((sku, product, name), []).append(Component(*component))
    return {sku: Bundle(pk, sku, name, tuple(found)) for (sku, pk, name), found in parts.items()}


def items(order: Mapping[str, Any], known: Mapping[str, Bundle]) -> list[Item]:
    """The order's lines, bundles as their components; amounts are shared to the cent."""
    found: list[Item] = []
    totals = line_totals(order)
    for i, line in enumerate(order["line_items"]):
        discount, total = totals[i]
        whole = Item(
            i, 0, line["sku"], line["external_id"], line["name"], line["quantity"],
            line["unit_price"], discount, line["tax"], total, line.get("delivery", ""),
            line.get("together", ""),
        )  # fmt: skip
        bundle = known.get(line["sku"])
        found += [whole] if bundle is None else _components(whole, bundle, order["currency"])
    return found


def _components(whole: Item, bundle: Bundle, currency: str) -> list[Item]:
    weights = [component.share for component in bundle.components]
    amounts = {
        "gross": whole.unit_price * whole.quantity, "discount": whole.discount,
        "tax": whole.tax, "total": whole.total,
    }  # fmt: skip
    parts = shared_out(amounts, weights, currency)
    return [
        Item(
            whole.index, n, component.sku, "", "", whole.quantity * component.quantity,
            (part["gross"] / (whole.quantity * component.quantity)).quantize(Decimal("0.0001")),
            part["discount"], part["tax"], part["total"], whole.group, whole.together,
        )
        for n, (component, part) in enumerate(zip(bundle.components, parts, strict=True), 1)
    ]  # fmt: skip
