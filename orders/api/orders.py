"""REST for channels: place, list, read and cancel orders; Shopify's webhook."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, MomentFilter, Problems, idempotent, parse_json, read_body, shown
from inventory.models import Location
from orders import capture, lifecycle, queries
from orders.connectors import shopify_webhook
from orders.connectors.base import CannotMap
from orders.keys import channel_of
from orders.models import Allocation, Order, OrderEvent, OrderLine, SalesChannel
from orders.money import text
from orders.payload import OrderPayload, Strict, validated

# --- answers -------------------------------------------------------------------------------------


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


# --- doors ---------------------------------------------------------------------------------------


@contextmanager
def domain_errors() -> Iterator[None]:
    """Domain exceptions as problem answers."""
    try:
        yield
    except capture.InsufficientStock as error:
        raise Problems("insufficient_stock", _rows(error), status_code=409) from error
    except capture.Refused as error:
        raise Problems("invalid", _rows(error), status_code=400) from error
    except lifecycle.NothingToCancel as error:
        raise Conflict(str(error), "nothing_to_cancel") from error


def _rows(error: capture.Refused) -> list[tuple[str, str, str]]:
    return [(p.pointer, p.code, p.detail) for p in error.problems]


def take(
    request: Request, channel: SalesChannel, order: Mapping[str, Any], *, source: str
) -> Response:
    """Place a validated order and answer: 201 when new, 200 when it is there with this content."""

    def effect() -> tuple[int, dict[str, Any]]:
        placed = capture.place(
            channel=channel, order=order, source=source, actor=channel.code, now=timezone.now()
        )
        return status.HTTP_201_CREATED, answer(order, placed)

    try:
        with domain_errors():
            return idempotent(request, effect)
    except capture.AlreadyPlaced as known:
        if not known.same:
            raise Conflict(
                f"Order {known.external_id} was placed before with other content.", "order_differs"
            ) from known
        return Response(answer_again(Order.objects.get(pk=known.order_id)))
    except Problems:
        # What was fine when it was placed is answered as placed, whatever was switched off since.
        same = Order.objects.filter(channel=channel, external_id=order["external_id"],
                                    payload_hash=capture.payload_hash(order)).first()  # fmt: skip
        if same is None:
            raise
        return Response(answer_again(same))


class OrderFilter(django_filters.FilterSet):
    """What a list of orders may be narrowed by; an unknown parameter is refused."""

    state = django_filters.ChoiceFilter(choices=Order.State.choices)
    external_id = django_filters.CharFilter()
    placed_since = MomentFilter("placed_at", lookup_expr="gte")
    placed_until = MomentFilter("placed_at", lookup_expr="lt")
    sku = django_filters.CharFilter("lines__sku", distinct=True)

    class Meta:
        model = Order
        fields = ["state", "external_id"]


class OrdersView(ListAPIView):
    """POST places an order; GET lists the channel's orders, newest first."""

    scope = "orders"
    serializer_class = OrderRow
    filterset_class = OrderFilter

    def get_queryset(self) -> QuerySet[Order]:
        if getattr(self, "swagger_fake_view", False):
            return Order.objects.none()
        mine = Order.objects.filter(channel=channel_of(self.request))
        return queries.with_states(mine).select_related("channel")

    @extend_schema(
        request=OrderPayload,
        responses={201: OrderAnswer, 200: OrderAnswer},
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        return take(request, channel, validated(request.data), source="api")


class OneOrder(APIView):
    """Finds an order of the caller's channel by number or external id; others' are 404."""

    scope = "orders"

    def order(self, reference: str) -> Order:
        mine = Order.objects.filter(channel=channel_of(self.request))
        missing = NotFound(f"No order {shown(reference)} in this channel.")
        if not reference.isprintable():  # no order's: payload.Code refuses such ids
            raise missing
        try:
            return queries.by_reference(queries.with_states(mine), reference)
        except Order.DoesNotExist:
            raise missing from None


class OrderView(OneOrder):
    """One order with its lines and where every unit of them is."""

    @extend_schema(responses=OrderDetail)
    def get(self, request: Request, reference: str) -> Response:
        return Response(OrderDetail(self.order(reference)).data)


class TimelineView(OneOrder):
    """What happened to an order, oldest first."""

    @extend_schema(responses=EventRow(many=True))
    def get(self, request: Request, reference: str) -> Response:
        events = self.order(reference).events.order_by("id")
        return Response(EventRow(events, many=True).data)


class CancelPayload(Strict):
    """Why an order is canceled."""

    reason = serializers.CharField(max_length=200, default="asked for by the customer")


class CanceledAnswer(serializers.Serializer):
    """How many units were canceled; those that had left stay."""

    number = serializers.CharField()
    canceled_units = serializers.IntegerField()


class CancelView(OneOrder):
    """Cancels every unit that has not left yet."""

    @extend_schema(request=CancelPayload, responses=CanceledAnswer)
    def post(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        payload = CancelPayload(data=request.data)
        payload.is_valid(raise_exception=True)

        def effect() -> tuple[int, dict[str, Any]]:
            units = lifecycle.cancel(
                order_id=order.pk, reason=payload.validated_data["reason"],
                actor=channel_of(request).code,
            )  # fmt: skip
            return status.HTTP_200_OK, {"number": order.number, "canceled_units": units}

        with domain_errors():
            return idempotent(request, effect)


class ShopifyOrderView(APIView):
    """Shopify's `orders/create` webhook of one channel, signed over the raw body."""

    authentication_classes: list = []
    permission_classes: list = []

    def get_authenticate_header(self, request: Request) -> str:
        return "X-Shopify-Hmac-Sha256"  # without any, DRF would turn 401 into 403

    @extend_schema(request=dict, responses={201: OrderAnswer, 200: OrderAnswer})
    def post(self, request: Request, channel_code: str) -> Response:
        body = read_body(request._request)
        channel = SalesChannel.objects.filter(code=channel_code, active=True).first()
        signature = request.headers.get("X-Shopify-Hmac-Sha256", "")
        secret = channel.shopify_secret if channel else ""
        if channel is None or not secret or not shopify_webhook.verify(body, signature, secret):
            raise AuthenticationFailed("The signature does not fit this shop's secret.")
        try:
            data = shopify_webhook.order_from_webhook(
                parse_json(body), pickup_locations=_pickup_codes()
            )
        except CannotMap as error:
            rows = [(_pointer(p.field), "cannot_map", p.reason) for p in error.problems]
            raise Problems("cannot_map", rows, status_code=422) from error
        return take(request, channel, validated(data), source="shopify")


def _pickup_codes() -> dict[str, str]:
    """Shopify names a pick-up location; ours are found by that name."""
    return dict(Location.objects.filter(can_pickup=True, active=True).values_list("name", "code"))


def _pointer(path: str) -> str:
    """The JSON pointer of a connector's path: line_items[1].sku is /line_items/1/sku."""
    return "/" + path.replace("[", "/").replace("]", "").replace(".", "/")
