"""What the API says of orders: the answer to a placed one, rows of lists, the whole of one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from orders import capture, outlook, queries
from orders.api.shapes import INCLUDES, Shape
from orders.models import (
    Allocation,
    DeliveryGroup,
    Hold,
    Order,
    OrderBundle,
    OrderContact,
    OrderEvent,
    OrderLine,
    OrderNote,
    Payment,
    number_of,
)
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
    holds = serializers.ListField(
        child=serializers.CharField(), help_text="types of what keeps it from being sent now"
    )


def answer(order: Mapping[str, Any], placed: capture.Placed) -> dict[str, Any]:
    """The answer to an order that was just placed, from what is in memory."""
    return {
        "number": number_of(placed.order_id),
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
        "holds": list(placed.holds),
    }  # fmt: skip


def answer_again(order: Order) -> dict[str, Any]:
    """The same answer for an order that is there already."""
    return answers_again(Order.objects.filter(pk=order.pk))[order.pk]


def answers_again(orders: QuerySet[Order]) -> dict[int, dict[str, Any]]:
    """The same answers for orders that are there already, by id; three statements for any number.

    Holds are those that are open now.
    """
    slices = Allocation.objects.select_related("line", "location", "reservation__supply")
    slices = slices.order_by("line__position", "id")
    holds = Hold.objects.filter(state=Hold.State.OPEN).order_by("id")
    rows = orders.prefetch_related(Prefetch("allocations", slices), Prefetch("holds", holds))
    return {order.pk: _answer_again(order) for order in rows}


def _answer_again(order: Order) -> dict[str, Any]:
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
            for s in order.allocations.all()
        ],
        "holds": [hold.type for hold in order.holds.all()],
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
            if name in row:
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
    """A line; a component of a bundle has the bundle's position and counts from 1."""

    bundle = serializers.CharField(source="bundle.sku", default=None, allow_null=True)
    group = serializers.CharField(source="group.key", default=None, allow_null=True)
    slices = SliceRow(source="allocations", many=True, required=False)

    class Meta:
        model = OrderLine
        fields = ["position", "component", "external_id", "sku", "name", "quantity", "unit_price",
                  "discount", "tax", "total", "bundle", "group", "together", "slices"]  # fmt: skip
        amounts = ("unit_price", "discount", "tax", "total")

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        shape: Shape | None = self.context.get("shape")
        if shape is not None and not shape.has("slices"):
            del fields["slices"]
        return fields


class BundlePart(InCurrency):
    """A kit as it was bought; its components are lines of the same position."""

    class Meta:
        model = OrderBundle
        fields = ["position", "external_id", "sku", "name", "quantity", "unit_price", "discount",
                  "tax", "total"]  # fmt: skip
        amounts = ("unit_price", "discount", "tax", "total")


class GroupPart(serializers.ModelSerializer):
    """One more destination; its address is part of the contact."""

    pickup_location = serializers.CharField(
        source="pickup_location.code", default=None, allow_null=True
    )

    class Meta:
        model = DeliveryGroup
        fields = ["key", "delivery", "pickup_location", "service", "wanted_on", "gift"]


class HoldPart(serializers.ModelSerializer):
    """Something that blocks the order, or did."""

    class Meta:
        model = Hold
        fields = ["handle", "type", "reason", "blocks", "state", "placed_at", "release_at",
                  "resolved_at"]  # fmt: skip


class PaymentPart(InCurrency):
    """Money of the order at one provider."""

    class Meta:
        model = Payment
        fields = ["reference", "method", "state", "currency", "amount", "captured", "refunded",
                  "charged_back", "created_at", "expires_at"]  # fmt: skip
        amounts = ("amount", "captured", "refunded", "charged_back")


class ShippedPart(serializers.Serializer):
    """Units in a parcel."""

    position = serializers.IntegerField(source="allocation.line.position")
    sku = serializers.CharField(source="allocation.line.sku")
    quantity = serializers.IntegerField()


class ShipmentPart(serializers.Serializer):
    """A parcel, or what was handed over in a store."""

    carrier = serializers.CharField()
    tracking_number = serializers.CharField()
    tracking_status = serializers.CharField()
    location = serializers.CharField(source="location.code")
    shipped_at = serializers.DateTimeField()
    delivered_at = serializers.DateTimeField(allow_null=True)
    kg_co2_planned = serializers.FloatField(
        allow_null=True, help_text="kg CO₂e by the plan of the routing decision"
    )
    kg_co2 = serializers.FloatField(
        allow_null=True, help_text="kg CO₂e by its carrier, weight and distance, or as the carrier"
        " says; 0 for what was collected",
    )  # fmt: skip
    lines = ShippedPart(many=True)


class NotePart(serializers.ModelSerializer):
    """What somebody wrote on the order."""

    class Meta:
        model = OrderNote
        fields = ["id", "text", "author", "at"]


class EventRow(serializers.ModelSerializer):
    """One line of the timeline; `sequence` counts up along an order, as in webhooks."""

    sequence = serializers.IntegerField(source="pk")

    class Meta:
        model = OrderEvent
        fields = ["sequence", "kind", "at", "actor", "data"]


_ADDRESS = ["name", "phone", "line1", "line2", "city", "region", "postcode", "country"]


class DestinationPart(serializers.ModelSerializer):
    """Where a group of lines goes."""

    class Meta:
        model = DeliveryGroup
        fields = ["key", *_ADDRESS, "gift_message"]


class ContactPart(serializers.ModelSerializer):
    """The personal data of the order; empty once it was erased."""

    destinations = DestinationPart(source="order.delivery_groups", many=True)

    class Meta:
        model = OrderContact
        fields = ["email", *_ADDRESS, "billing", "note", "gift_message", "destinations"]


class PromiseWindow(serializers.Serializer):
    """The days between which it comes: the first arrival that is expected, the promised day."""

    earliest = serializers.DateField()
    latest = serializers.DateField()


class PromiseRow(serializers.Serializer):
    """How the promise stands. `expected_at`: as things are, all of it is there; null: not known.

    kept: nothing speaks against it, or it was; moved: to a later day; at_risk: it may not be kept;
    late: it was not.
    """

    promised_at = serializers.DateTimeField(source="promised")
    window = serializers.SerializerMethodField()
    expected_at = serializers.DateTimeField(source="expected", allow_null=True)
    state = serializers.ChoiceField(choices=outlook.STATES)

    @extend_schema_field(PromiseWindow)
    def get_window(self, one: outlook.Outlook) -> dict[str, str]:
        earliest, latest = one.window  # type: ignore[misc]  # there is a promise
        return {"earliest": earliest.isoformat(), "latest": latest.isoformat()}


class OrderRow(InCurrency):
    """An order: its fields, or those that `fields` names, and what `include` names beside them."""

    number = serializers.CharField()
    channel = serializers.CharField(source="channel.code")
    fulfillment_status = serializers.SerializerMethodField()
    payment_status = serializers.SerializerMethodField()
    pickup_location = serializers.CharField(
        source="pickup_location.code", default=None, allow_null=True
    )
    sold_at = serializers.CharField(source="sold_at.code", default=None, allow_null=True)
    updated_at = serializers.DateTimeField(help_text="of its newest event")
    lines = LineRow(many=True)
    bundles = BundlePart(many=True)
    groups = GroupPart(source="delivery_groups", many=True)
    holds = HoldPart(many=True)
    payments = PaymentPart(many=True)
    shipments = ShipmentPart(source="parcels", many=True)
    events = EventRow(many=True)
    notes = NotePart(many=True)
    contact = ContactPart(allow_null=True, default=None)
    promise = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = ["number", "external_id", "channel", "source", "state", "fulfillment_status",
                  "payment_status", "currency", "tax_included", "subtotal", "discount_total",
                  "shipping_total", "tax_total", "total", "commission", "delivery", "service",
                  "pickup_location", "sold_at", "ship_together", "gift", "wanted_on", "ship_by",
                  "deliver_by", "placed_at", "received_at", "promised_at", "closed_at",
                  "updated_at", "version", "risk", "findings", "test", "tags", "metadata",
                  "lines", "bundles", "groups", "holds", "payments", "shipments", "events",
                  "notes", "contact", "promise"]  # fmt: skip
        amounts = ("subtotal", "discount_total", "shipping_total", "tax_total", "total",
                   "commission")  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        shape: Shape | None = self.context.get("shape")
        if shape is None:
            return fields
        return {name: field for name, field in fields.items() if shape.has(name)}

    def get_fulfillment_status(self, order: Order) -> str:
        return queries.fulfillment_status(order.slice_states)  # type: ignore[attr-defined]

    def get_payment_status(self, order: Order) -> str:
        return queries.payment_status(order)

    @extend_schema_field(PromiseRow(allow_null=True))
    def get_promise(self, order: Order) -> dict[str, Any] | None:
        one = self._outlooks.get(order.pk)
        return None if one is None or one.state is None else dict(PromiseRow(one).data)

    @cached_property
    def _outlooks(self) -> dict[int, outlook.Outlook]:
        """Of all orders of the page at once."""
        rows: Any = self.parent.instance if self.parent else [self.instance]
        return outlook.of([order.pk for order in rows])


FIELDS = [name for name in OrderRow.Meta.fields if name not in INCLUDES]


class SparseOrder(OpenApiSerializerExtension):
    """In the OpenAPI document no field of an order is required: `fields` and `include` choose."""

    target_class = "orders.api.rows.OrderRow"

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        schema = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {name: value for name, value in schema.items() if name != "required"}
