"""REST for channels: place, list and read orders; their tags, metadata and notes."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import check_parameters, idempotent, shown
from config.payload import Items, Strict
from orders import labels, notes, queries
from orders.api import shapes
from orders.api.finding import OrderFilter
from orders.api.rows import FIELDS, EventRow, NotePart, OrderAnswer, OrderRow
from orders.api.shapes import Shape
from orders.api.taking import take
from orders.keys import channel_of
from orders.models import Order
from orders.payload import OrderPayload, validated

KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)
SHAPE = ("fields", "include")
# Of one order, unless it is asked for otherwise.
DETAIL = ("lines", "slices", "bundles", "groups", "promise")


class OrdersView(ListAPIView):
    """POST places an order; GET lists the channel's orders, newest first."""

    scope = "orders"
    serializer_class = OrderRow
    filterset_class = OrderFilter
    more_parameters = SHAPE

    def get_queryset(self) -> QuerySet[Order]:
        if getattr(self, "swagger_fake_view", False):
            return Order.objects.none()
        return self.shape.reading(Order.objects.filter(channel=channel_of(self.request)))

    def get_serializer_context(self) -> dict[str, Any]:
        if getattr(self, "swagger_fake_view", False):
            return dict(super().get_serializer_context())
        return {**super().get_serializer_context(), "shape": self.shape}

    @property
    def shape(self) -> Shape:
        return shapes.shape(self.request, known=FIELDS)

    @extend_schema(parameters=shapes.parameters(FIELDS, default="nothing"))
    def get(self, request: Request) -> Response:
        return super().list(request)

    @extend_schema(
        request=OrderPayload,
        responses={201: OrderAnswer, 200: OrderAnswer},
        parameters=[KEY],
    )
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        return take(request, channel, validated(request.data), source="api")


class OneOrder(APIView):
    """Finds an order of the caller's channel by number or external id; others' are 404."""

    scope = "orders"

    def order(self, reference: str) -> Order:
        return self.found(queries.with_states(Order.objects.all()), reference)

    def found(self, orders: QuerySet[Order], reference: str) -> Order:
        """The order among these."""
        mine = orders.filter(channel=channel_of(self.request))
        missing = NotFound(f"No order {shown(reference)} in this channel.")
        if not reference.isprintable():  # no order's: payload.Code refuses such ids
            raise missing
        try:
            return queries.by_reference(mine, reference)
        except Order.DoesNotExist:
            raise missing from None


class LabelsPayload(Strict):
    """What replaces the order's tags and metadata; what is left out stays."""

    tags = Items(child=serializers.CharField(max_length=60), required=False, max_length=50)
    metadata = serializers.DictField(required=False)

    validate_metadata = OrderPayload.validate_metadata


class OrderView(OneOrder):
    """One order: read it, with what `include` names; change its tags and metadata."""

    @extend_schema(
        responses=OrderRow, parameters=shapes.parameters(FIELDS, default=", ".join(DETAIL))
    )
    def get(self, request: Request, reference: str) -> Response:
        check_parameters(request, SHAPE)
        return self._answer(request, reference)

    @extend_schema(
        request=LabelsPayload, responses=OrderRow,
        parameters=shapes.parameters(FIELDS, default=", ".join(DETAIL)),
    )  # fmt: skip
    def patch(self, request: Request, reference: str) -> Response:
        check_parameters(request, SHAPE)
        order = self.order(reference)
        payload = LabelsPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        labels.change(order_id=order.pk, actor=channel_of(request).code, **payload.validated_data)
        return self._answer(request, reference)

    def _answer(self, request: Request, reference: str) -> Response:
        shape = shapes.shape(request, known=FIELDS, default=DETAIL)
        order = self.found(shape.reading(Order.objects.all()), reference)
        return Response(OrderRow(order, context={"shape": shape}).data)


class TimelineView(OneOrder):
    """What happened to an order, oldest first."""

    @extend_schema(responses=EventRow(many=True))
    def get(self, request: Request, reference: str) -> Response:
        events = self.order(reference).events.order_by("id")
        return Response(EventRow(events, many=True).data)


class NotePayload(Strict):
    """What is to be written down."""

    text = serializers.CharField(max_length=4000)


class NotesView(OneOrder):
    """What people wrote on an order, oldest first; POST writes one more."""

    @extend_schema(responses=NotePart(many=True))
    def get(self, request: Request, reference: str) -> Response:
        rows = self.order(reference).notes.order_by("id")
        return Response(NotePart(rows, many=True).data)

    @extend_schema(request=NotePayload, responses={201: NotePart}, parameters=[KEY])
    def post(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        payload = NotePayload(data=request.data)
        payload.is_valid(raise_exception=True)

        def effect() -> tuple[int, dict[str, Any]]:
            note = notes.write(
                order_id=order.pk, text=payload.validated_data["text"],
                author=channel_of(request).code,
            )  # fmt: skip
            return status.HTTP_201_CREATED, NotePart(note).data

        return idempotent(request, effect)
