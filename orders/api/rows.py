"""What the API says of orders: the answer to a placed one, rows of lists, the whole of one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from orders import capture, queries
from orders.models import Allocation, Order, OrderEvent, OrderLine
from orders.money import text


class PromisePart(serializers.Serializer):
    """Units of a line and the stock point they are promised from; null: they wait in a queue.

    `supply` is the purchase order they wait for, `expected` the day it arrives (null: not known).
    """

    line = serializers.IntegerField()
    sku = serializers.CharField()
    quantity = serializers.IntegerField()
    location = serializers.CharField(allow_null=True)
    location_name = serializers.CharField(allow_null=True)
    supply = serializers.CharField(allow_null=True)
    expected = serializers.DateField(allow_null=True)


class OrderAnswer(serializers.Serializer):
    """The answer to a placed order: what was promised, from where, until when."""

    number = serializers.CharField()
    external_id = serializers.CharField()
    state = serializers.CharField()
    currency = serializers.CharField()
    total = serializers.CharField()
    promised_at = serializers.DateTimeField(allow_null=True)
    promise = PromisePart(many=True)


def answer(order: Mapping[str, Any], placed: capture.Placed) -> dict[str, Any]:
    """The answer to an order that was just placed, from what is in memory."""
    return {
        "number": Order(pk=placed.order_id).number,
        "external_id": order["external_id"],
        "state": Order.State.OPEN.value,
        "currency": order["currency"],
        "total": text(order["total"], order["currency"]),
        "promised_at": _moment(placed.promised_at),
        "promise": [
            {"line": p.line, "sku": p.sku, "quantity": p.quantity, "location": p.location,
             "location_name": p.location_name, "supply": p.supply,
             "expected": p.expected and p.expected.isoformat()}
            for p in placed.parts
        ],
    }  # fmt: skip


def answer_again(order: Order) -> dict[str, Any]:
    """The same answer for an order that is there already."""
    slices = order.allocations.select_related("line", "location", "reservation__supply")
    return {
        "number": order.number,
        "external_id": order.external_id,
        "state": order.state,
        "currency": order.currency,
        "total": text(order.total, order.currency),
        "promised_at": _moment(order.promised_at),
        "promise": [
            {"line": s.line.position, "sku": s.line.sku, "quantity": s.quantity,
             "location": s.location and s.location.code,
             "location_name": s.location and s.location.name, **_awaited(s)}
            for s in slices.order_by("line__position", "id")
        ],
    }  # fmt: skip


def _awaited(piece: Allocation) -> dict[str, str | None]:
    """Which supply a slice waits for, and until when."""
    supply = piece.reservation.supply if piece.reservation else None
    if supply is None:
        return {"supply": None, "expected": None}
    return {"supply": supply.reference, "expected": supply.eta.isoformat() if supply.eta else None}


def _moment(at: datetime | None) -> str | None:
    """In UTC, however it came: the same promise must read the same in every answer."""
    return at.astimezone(UTC).isoformat() if at else None


class InCurrency(serializers.ModelSerializer):
    """Writes the amounts named in Meta.amounts with the decimals of the order's currency."""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        row = super().to_representation(instance)
        currency = getattr(instance, "currency", None) or instance.order.currency
        for name in self.Meta.amounts:  # type: ignore[attr-defined]
            row[name] = text(getattr(instance, name), currency)
        return row


class SliceRow(serializers.ModelSerializer):
    """Units of a line and where they are."""

    location = serializers.CharField(source="location.code", default=None, allow_null=True)
    supply = serializers.CharField(
        source="reservation.supply.reference", default=None, allow_null=True
    )
    expected = serializers.DateField(source="reservation.supply.eta", default=None, allow_null=True)

    class Meta:
        model = Allocation
        fields = ["quantity", "state", "queue", "queue_reason", "location", "supply", "expected",
                  "since"]  # fmt: skip


class LineRow(InCurrency):
    """A line with its slices."""

    slices = SliceRow(source="allocations", many=True)

    class Meta:
        model = OrderLine
        fields = ["position", "external_id", "sku", "name", "quantity", "unit_price", "discount",
                  "tax", "total", "slices"]  # fmt: skip
        amounts = ("unit_price", "discount", "tax", "total")


class OrderRow(InCurrency):
    """An order in lists."""

    number = serializers.CharField()
    channel = serializers.CharField(source="channel.code")
    fulfillment_status = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = ["number", "external_id", "channel", "state", "fulfillment_status", "currency",
                  "subtotal", "discount_total", "shipping_total", "tax_total", "total",
                  "delivery", "service", "placed_at", "received_at", "promised_at", "closed_at",
                  "test", "tags", "metadata"]  # fmt: skip
        amounts = ("subtotal", "discount_total", "shipping_total", "tax_total", "total")

    def get_fulfillment_status(self, order: Order) -> str:
        return queries.fulfillment_status(order.slice_states)  # type: ignore[attr-defined]


class OrderDetail(OrderRow):
    """An order with its lines, and where every unit of them is."""

    lines = LineRow(many=True)
    payment_status = serializers.SerializerMethodField()

    class Meta(OrderRow.Meta):
        fields = [*OrderRow.Meta.fields, "payment_status", "lines"]

    def get_payment_status(self, order: Order) -> str:
        return queries.payment_status(order)


class EventRow(serializers.ModelSerializer):
    """One line of the timeline."""

    class Meta:
        model = OrderEvent
        fields = ["kind", "at", "actor", "data"]
