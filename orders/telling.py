"""Telling the shop system behind a channel what left, so that its customer sees it there, too."""

from collections import defaultdict
from typing import Any

from config import outbox
from config.models import OutboxRow
from orders.connectors.protocol import Shipment, ShippedLine, connector
from orders.lifecycle import ENDED, LEFT
from orders.models import Allocation, ChannelSku, Connection, Order, OrderBundle

_ADDRESS = ("name", "line1", "line2", "city", "region", "postcode", "country")


def handle(row: OutboxRow) -> None:
    """Work of the topic "tell_channel": a parcel of this order left, or was collected.

    Most channels have no connection; that costs one look.
    """
    link = (
        Connection.objects.select_related("channel")
        .filter(channel__orders=row.subject, active=True, pushes_fulfillment=True)
        .first()
    )
    if link is None:
        return
    kind = connector(link.connector)
    order = Order.objects.select_related("contact").get(pk=row.subject)
    if row.payload["event"] == "pickup.collected" and _left_before(order, row.payload["parcel"]):
        return
    if not kind.tells_shipped or order.source not in kind.sources:
        return  # it never heard of this order
    shipment = shipment_of(order, row.payload["parcel"])
    outbox.renew(row)
    kind.tell_shipped(link, shipment)


def _left_before(order: Order, parcel: int) -> bool:
    """Whether it was told when it was sent to the store where its customer collects it."""
    parcels: Any = order.parcels
    return parcels.filter(pk=parcel, destination__isnull=False).exists()


def shipment_of(order: Order, parcel_id: int) -> Shipment:
    """A parcel as shop systems are told; its lines are those that the customer bought."""
    parcel: Any = order.parcels.get(pk=parcel_id)
    contact = getattr(order, "contact", None)
    still = order.allocations.exclude(state__in=[*ENDED, *LEFT])
    return Shipment(
        key=f"parcel-{parcel.pk}",
        external_id=order.external_id,
        carrier=parcel.carrier,
        service=order.service,
        tracking_number=parcel.tracking_number,
        shipped_at=parcel.shipped_at,
        lines=tuple(_lines(order, parcel)),
        metadata=order.metadata,
        address={name: getattr(contact, name, "") for name in _ADDRESS},
        complete=not still.exists(),
    )


def _lines(order: Order, parcel: Any) -> list[ShippedLine]:
    """Units by line; bundles as such, told with the parcel that completes them."""
    units: dict[Any, int] = defaultdict(int)
    bundles: dict[int, OrderBundle] = {}
    rows = parcel.lines.select_related("allocation__line__bundle").order_by("id")
    for row in rows:
        line = row.allocation.line
        if line.bundle is None:
            units[line] += row.quantity
        else:
            bundles[line.bundle_id] = line.bundle
    found = [(line, quantity) for line, quantity in units.items()]
    if bundles:
        complete = _complete(list(bundles), parcel.pk)
        found += [(bundles[pk], complete[pk]) for pk in sorted(bundles) if complete[pk]]
    theirs = _their_skus(order, [line.product_id for line, _ in found])
    return [
        ShippedLine(
            external_id=line.external_id, sku=theirs.get(line.product_id, line.sku),
            name=line.name, quantity=quantity,
        )
        for line, quantity in sorted(found, key=lambda pair: pair[0].position)
    ]  # fmt: skip


def _complete(bundles: list[int], parcel: int) -> dict[int, int]:
    """Of each bundle, how many were completed by this parcel: all of it, less what was before."""
    left: dict[int, list[int]] = defaultdict(lambda: [0, 0])  # line: units before, and with it
    rows = Allocation.objects.filter(
        line__bundle__in=bundles, parcel_line__parcel_id__lte=parcel
    ).values_list("line_id", "parcel_line__parcel_id", "parcel_line__quantity")
    for line, where, quantity in rows:
        left[line][0] += quantity if where < parcel else 0
        left[line][1] += quantity
    return {
        bundle.pk: _whole(bundle, left, 1) - _whole(bundle, left, 0)
        for bundle in OrderBundle.objects.filter(pk__in=bundles).prefetch_related("lines")
    }


def _whole(bundle: OrderBundle, left: dict[int, list[int]], which: int) -> int:
    return min(
        left[line.pk][which] * bundle.quantity // line.quantity for line in bundle.lines.all()
    )


def _their_skus(order: Order, products: list[int]) -> dict[int, str]:
    """What the channel calls these products, where it has names of its own."""
    rows = ChannelSku.objects.filter(channel=order.channel_id, product__in=products)
    return dict(rows.order_by("-pk").values_list("product_id", "sku"))
