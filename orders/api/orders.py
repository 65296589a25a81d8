"""REST for channels: place, list and read orders."""

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import MomentFilter, shown
from orders import queries
from orders.api.rows import EventRow, OrderAnswer, OrderDetail, OrderRow
from orders.api.taking import take
from orders.keys import channel_of
from orders.models import Order
from orders.payload import OrderPayload, validated


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
