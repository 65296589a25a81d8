"""REST for stock points with their own system: read the work, answer for it, report parcels."""

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import idempotent
from fulfillment import work
from fulfillment.connectors.message import ship_to
from fulfillment.errors import as_problems
from fulfillment.models import FulfillmentLine, FulfillmentOrder, Parcel
from orders.keys import location_of
from orders.models import Order
from orders.payload import Items
from routing import reasons
from routing.defaults import AUTOMATIC, REASONS

SCOPE = "fulfillment"
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]

# --- answers -------------------------------------------------------------------------------------


class FulfillmentLineRow(serializers.ModelSerializer):
    """Units wanted of one product; `open` is false once refused, taken away or handed over.

    `to_cancel`: units of it that wait for an answer, cancel-accepted or cancel-refused.
    """

    sku = serializers.CharField(source="allocation.line.sku")
    gtin = serializers.CharField(source="allocation.line.product.gtin", allow_null=True)
    name = serializers.CharField(source="allocation.line.name")
    color = serializers.CharField(source="allocation.line.product.color")
    size = serializers.CharField(source="allocation.line.product.size")
    to_cancel = serializers.IntegerField(source="allocation.cancel_quantity")

    class Meta:
        model = FulfillmentLine
        fields = ["id", "sku", "gtin", "name", "color", "size", "quantity", "picked", "to_cancel",
                  "open"]  # fmt: skip


class ParcelRow(serializers.ModelSerializer):
    """A parcel that left, and what the carrier says about it."""

    destination = serializers.CharField(
        source="destination.code", default=None, allow_null=True,
        help_text="the store where its customer collects it",
    )  # fmt: skip

    class Meta:
        model = Parcel
        fields = ["carrier", "tracking_number", "tracking_status", "tracking_at", "weight_g",
                  "service", "km", "kg_co2_planned", "kg_co2", "shipped_at", "destination",
                  "arrived_at", "delivered_at"]  # fmt: skip


class ShipTo(serializers.Serializer):
    """Where the parcel goes; only the name for pick-up."""

    name = serializers.CharField()
    line1 = serializers.CharField(required=False)
    line2 = serializers.CharField(required=False)
    city = serializers.CharField(required=False)
    region = serializers.CharField(required=False)
    postcode = serializers.CharField(required=False)
    country = serializers.CharField(required=False)
    phone = serializers.CharField(required=False)
    email = serializers.CharField(required=False)


class FulfillmentOrderRow(serializers.ModelSerializer):
    """Work of a stock point. `ship_to` is there while the work is open."""

    number = serializers.CharField()
    order = serializers.CharField(source="order.number")
    location = serializers.CharField(source="location.code")
    delivery = serializers.ChoiceField(Order.Delivery.choices)
    service = serializers.CharField(source="destination.service")
    wanted_on = serializers.DateField(source="destination.wanted_on", allow_null=True)
    gift = serializers.BooleanField(source="destination.gift", help_text="no prices in the parcel")
    gift_message = serializers.CharField(source="destination.gift_message")
    ship_to = serializers.SerializerMethodField()
    lines = FulfillmentLineRow(many=True)
    parcels = ParcelRow(many=True)

    class Meta:
        model = FulfillmentOrder
        fields = ["id", "number", "order", "location", "state", "delivery", "service", "why",
                  "created_at", "ship_by", "wanted_on", "gift", "gift_message", "wms_reference",
                  "ended_at", "ship_to", "lines", "parcels"]  # fmt: skip

    @extend_schema_field(ShipTo(allow_null=True))
    def get_ship_to(self, row: FulfillmentOrder) -> dict[str, str] | None:
        return ship_to(row) if row.state in FulfillmentOrder.OPEN else None


# --- reading -------------------------------------------------------------------------------------


def work_of(request: Request) -> QuerySet[FulfillmentOrder]:
    """The work of the caller's stock point, whole, in four statements whatever its size."""
    lines = FulfillmentLine.objects.select_related("allocation__line__product").order_by("id")
    return (
        FulfillmentOrder.objects.filter(location=location_of(request))
        .select_related(
            "location", "order__contact", "order__pickup_location", "group__pickup_location"
        )
        .prefetch_related(
            Prefetch("lines", lines),
            Prefetch("parcels", Parcel.objects.select_related("destination").order_by("id")),
        )
    )


class WorkFilter(django_filters.FilterSet):
    """What the list of work may be narrowed by."""

    state = django_filters.ChoiceFilter(choices=FulfillmentOrder.State.choices)
    order = django_filters.CharFilter("order__external_id", help_text="the channel's own order id")

    class Meta:
        model = FulfillmentOrder
        fields = ["state"]


class WorkView(ListAPIView):
    """The stock point's work, newest first; `?state=new` is what waits for an answer."""

    scope = SCOPE
    serializer_class = FulfillmentOrderRow
    filterset_class = WorkFilter

    def get_queryset(self) -> QuerySet[FulfillmentOrder]:
        if getattr(self, "swagger_fake_view", False):
            return FulfillmentOrder.objects.none()
        return work_of(self.request)


class OneWork(APIView):
    """Finds work of the caller's stock point; work of others does not exist for it."""

    scope = SCOPE

    def check_mine(self, request: Request, pk: int) -> None:
        if not FulfillmentOrder.objects.filter(pk=pk, location=location_of(request)).exists():
            raise NotFound(f"No fulfillment order {pk} at this stock point.")

    def row(self, request: Request, pk: int) -> dict[str, Any]:
        return dict(FulfillmentOrderRow(get_object_or_404(work_of(request), pk=pk)).data)

    def press(
        self, request: Request, pk: int, button: Callable[..., work.Outcome], **values: Any
    ) -> Response:
        """Press one button and answer with the work as it is then."""
        self.check_mine(request, pk)
        actor = location_of(request).code

        def effect() -> tuple[int, dict[str, Any]]:
            button(fulfillment_order_id=pk, actor=actor, **values)
            return 200, self.row(request, pk)

        with as_problems():
            return idempotent(request, effect)


class WorkDetailView(OneWork):
    """One fulfillment order with its lines, address and parcels."""

    @extend_schema(responses=FulfillmentOrderRow)
    def get(self, request: Request, pk: int) -> Response:
        self.check_mine(request, pk)
        return Response(self.row(request, pk))


# --- answering -----------------------------------------------------------------------------------


def valid(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    """The body, checked by a serializer."""
    payload = serializer(data=request.data)
    payload.is_valid(raise_exception=True)
    return dict(payload.validated_data)


class AcceptView(OneWork):
    """The stock point takes the work."""

    @extend_schema(request=None, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, work.accept)


class AvailableLine(serializers.Serializer):
    """How many units of a line the stock point can give."""

    id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    available = serializers.IntegerField(min_value=0)


KNOWN = [code for code in REASONS if code not in AUTOMATIC]


class RefusePayload(serializers.Serializer):
    """Why; and for a part, what can be given. Lines that are not named are kept whole."""

    reason = serializers.CharField(max_length=20, help_text=f"a code: {', '.join(KNOWN)}; the "
                                   "house may add others, and an unknown one is answered with "
                                   "those that are open to you")  # fmt: skip
    note = serializers.CharField(max_length=200, default="", allow_blank=True)
    lines = Items(child=AvailableLine(), required=False, max_length=1000,
                  help_text="without it everything is refused")  # fmt: skip

    def validate_reason(self, value: str) -> str:
        try:
            return reasons.find(value).code
        except reasons.UnknownReason as error:
            raise serializers.ValidationError(str(error), code="unknown_reason") from error


class RefuseView(OneWork):
    """The stock point cannot give all of it: what is refused is routed again at once."""

    @extend_schema(request=RefusePayload, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        payload = valid(RefusePayload, request)
        lines = payload.pop("lines", None)
        keep = None if lines is None else {line["id"]: line["available"] for line in lines}
        return self.press(request, pk, work.refuse, keep=keep, **payload)


class LetGoLine(serializers.Serializer):
    """Units of a line that the answer is about."""

    id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    quantity = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


class CancelAnswerPayload(serializers.Serializer):
    """What the answer is about, and words for the people who asked."""

    note = serializers.CharField(max_length=200, default="", allow_blank=True)
    lines = Items(child=LetGoLine(), required=False, max_length=1000,
                  help_text="without it, all that is asked for")  # fmt: skip


class CancelAnswerView(OneWork):
    """Answers a request to cancel units of the work."""

    accepted = False

    def answer(self, request: Request, pk: int) -> Response:
        payload = valid(CancelAnswerPayload, request)
        lines = payload.pop("lines", None)
        named = None if lines is None else {line["id"]: line["quantity"] for line in lines}
        return self.press(
            request, pk, work.answer_cancel, accepted=self.accepted, lines=named, **payload
        )


class CancelAcceptedView(CancelAnswerView):
    """The stock point lets go of units it was asked for: they are canceled."""

    accepted = True

    @extend_schema(
        request=CancelAnswerPayload, responses=FulfillmentOrderRow, parameters=REPEATABLE
    )
    def post(self, request: Request, pk: int) -> Response:
        return self.answer(request, pk)


class CancelRefusedView(CancelAnswerView):
    """The stock point cannot let go of units any more: they are sent."""

    @extend_schema(
        request=CancelAnswerPayload, responses=FulfillmentOrderRow, parameters=REPEATABLE
    )
    def post(self, request: Request, pk: int) -> Response:
        return self.answer(request, pk)


class PickPayload(serializers.Serializer):
    """The code of one scanned unit; without it everything is picked."""

    code = serializers.CharField(max_length=64, required=False, help_text="GTIN or SKU")


class PickView(OneWork):
    """Counts one scanned unit, or everything, as picked."""

    @extend_schema(request=PickPayload, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        payload = valid(PickPayload, request)
        button = work.scan if "code" in payload else work.pick_all
        return self.press(request, pk, button, **payload)


class PackView(OneWork):
    """Everything is in its box."""

    @extend_schema(request=None, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, work.pack)


class ShipPayload(serializers.Serializer):
    """Who carries the parcel, under which number."""

    carrier = serializers.CharField(max_length=40)
    tracking_number = serializers.CharField(max_length=60)
    weight_g = serializers.IntegerField(
        min_value=1, max_value=Parcel.HEAVIEST_G, required=False,
        help_text="what it weighs with its packaging; else the products' weights count",
    )  # fmt: skip


class ShipView(OneWork):
    """The parcel is handed over to the carrier; its units leave the stock."""

    @extend_schema(request=ShipPayload, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, work.ship, **valid(ShipPayload, request))


class ReadyView(OneWork):
    """It waits for the customer at the counter."""

    @extend_schema(request=None, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, work.ready)


class CollectPayload(serializers.Serializer):
    """Who took it."""

    name = serializers.CharField(max_length=100, default="", allow_blank=True)


class CollectView(OneWork):
    """The customer took it; its units leave the stock."""

    @extend_schema(request=CollectPayload, responses=FulfillmentOrderRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, work.collect, **valid(CollectPayload, request))


# --- what carriers say ---------------------------------------------------------------------------

IN_STORE = ("available_for_pickup", "collected")  # what only the store can know
CARRIER_STATUSES = [choice for choice in Parcel.Tracking.choices if choice[0] not in IN_STORE]


class TrackPayload(serializers.Serializer):
    """A carrier's fact, and when it happened by the carrier's clock."""

    status = serializers.ChoiceField(choices=CARRIER_STATUSES)
    at = serializers.DateTimeField()
    weight_g = serializers.IntegerField(
        min_value=1,
        max_value=Parcel.HEAVIEST_G,
        required=False,
        help_text="what the carrier weighed",
    )
    kg_co2e = serializers.FloatField(
        min_value=0, max_value=10_000, required=False,
        help_text="what the carrier says it emitted; replaces the figure counted from factors",
    )  # fmt: skip


def _parcel(carrier: str, tracking: str, **place: Any) -> int:
    """The id of a parcel of the caller's stock point; others' do not exist for it."""
    named = Parcel.objects.filter(carrier=carrier, tracking_number=tracking, **place)
    found = named.values_list("id", flat=True).first() if (carrier + tracking).isprintable() else 0
    if not found:
        raise NotFound(f"No parcel {carrier} {tracking} of this stock point.")
    return found


class ParcelEventsView(APIView):
    """Takes a carrier's fact about a parcel of this stock point; old facts change nothing."""

    scope = SCOPE

    @extend_schema(request=TrackPayload, responses=ParcelRow, parameters=REPEATABLE)
    def post(self, request: Request, carrier: str, tracking: str) -> Response:
        payload = valid(TrackPayload, request)
        location = location_of(request)
        parcel_id = _parcel(carrier, tracking, location=location)

        def effect() -> tuple[int, dict[str, Any]]:
            outcome = work.track(parcel_id=parcel_id, actor=location.code, **payload)
            return 200, dict(ParcelRow(outcome.parcel).data)

        with as_problems():
            return idempotent(request, effect)


# --- parcels that a store takes in for its customers ---------------------------------------------


class StoreParcel(APIView):
    """A parcel that is sent to the caller's store."""

    scope = SCOPE

    def press(
        self, request: Request, carrier: str, tracking: str,
        button: Callable[..., work.Outcome], **values: Any,
    ) -> Response:  # fmt: skip
        """Press one button and answer with the parcel as it is then."""
        location = location_of(request)
        parcel_id = _parcel(carrier, tracking, destination=location)

        def effect() -> tuple[int, dict[str, Any]]:
            outcome = button(parcel_id=parcel_id, actor=location.code, **values)
            return 200, dict(ParcelRow(outcome.parcel).data)

        with as_problems():
            return idempotent(request, effect)


class ParcelArrivedView(StoreParcel):
    """The parcel is in the store where its customer collects it; the customer is told."""

    @extend_schema(request=None, responses=ParcelRow, parameters=REPEATABLE)
    def post(self, request: Request, carrier: str, tracking: str) -> Response:
        return self.press(request, carrier, tracking, work.arrive)


class ParcelCollectedView(StoreParcel):
    """The customer, or who came for them, took the parcel."""

    @extend_schema(request=CollectPayload, responses=ParcelRow, parameters=REPEATABLE)
    def post(self, request: Request, carrier: str, tracking: str) -> Response:
        return self.press(
            request, carrier, tracking, work.hand_out, **valid(CollectPayload, request)
        )
