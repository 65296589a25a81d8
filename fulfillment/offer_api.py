"""REST: work that is open to several stock points, for systems that look for it themselves."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import idempotent
from fulfillment import board, work
from fulfillment.api import REPEATABLE, SCOPE, FulfillmentOrderRow, OneWork
from fulfillment.errors import as_problems
from orders.keys import location_of
from orders.models import Order
from routing.models import OpenOffer


class OpenOfferLineRow(serializers.Serializer):
    """Units of one product."""

    sku = serializers.CharField(source="line.sku")
    gtin = serializers.CharField(source="line.product.gtin", allow_null=True)
    name = serializers.CharField(source="line.name")
    color = serializers.CharField(source="line.product.color")
    size = serializers.CharField(source="line.product.size")
    quantity = serializers.IntegerField()


class OpenOfferRow(serializers.Serializer):
    """Work that another stock point has not accepted yet, and that the caller's may take.

    `accept_by`: taken until then; null: as long as it is open.
    """

    id = serializers.IntegerField(source="offer.pk")
    order = serializers.CharField(source="offer.order.number")
    delivery = serializers.ChoiceField(Order.Delivery.choices, source="destination.delivery")
    service = serializers.CharField()
    wanted_on = serializers.DateField(source="destination.wanted_on", allow_null=True)
    offered_at = serializers.DateTimeField(source="offer.offered_at")
    accept_by = serializers.DateTimeField(source="offer.expires_at", allow_null=True)
    units = serializers.IntegerField()
    lines = OpenOfferLineRow(source="pieces", many=True)


class OpenOffersView(ListAPIView):
    """What the stock point may take before others do, newest first."""

    scope = SCOPE
    serializer_class = OpenOfferRow

    def get_queryset(self) -> QuerySet[OpenOffer]:
        if getattr(self, "swagger_fake_view", False):
            return OpenOffer.objects.none()
        return board.open_to(location_of(self.request), now=timezone.now())

    def paginate_queryset(self, queryset: Any) -> list[Any]:
        """A page of offers with their units, in two statements whatever its size."""
        offers = super().paginate_queryset(queryset) or []
        return board.open_cards(offers, location_of(self.request), now=timezone.now())


class ClaimView(OneWork):
    """The stock point takes the work, and has accepted it with that. The first to claim has it.

    Who comes later gets 409 `gone`; who has it already gets it again.
    """

    @extend_schema(request=None, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        location = location_of(request)
        if not OpenOffer.objects.filter(pk=pk, location=location).exists():
            raise NotFound(f"No open offer {pk} for this stock point.")

        def effect() -> tuple[int, dict[str, Any]]:
            taken = work.claim(offer_id=pk, actor=location.code)
            return 200, self.row(request, taken.row.pk)

        with as_problems():
            return idempotent(request, effect)
