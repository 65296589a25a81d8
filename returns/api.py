"""REST: channels ask for returns, decide and refund them; stock points receive and inspect."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import django_filters
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, Problems, idempotent
from config.status import IllegalMove, MovedMeanwhile
from inventory.ledger import NotEnough
from orders import queries
from orders.keys import channel_of, location_of
from orders.models import Order, OrderLine
from orders.money import rounded
from orders.payload import MAX_LINES, MAX_QUANTITY, Items, Money, Strict, Text, Units
from orders.payments import OverRefund, RefundOnHold
from returns import process
from returns.models import Return, ReturnedUnits, ReturnLine

SCOPE = "returns"
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]
S = Return.State
# What a stock point may see: everything that may arrive, or has.
EXPECTED = (S.APPROVED, S.RECEIVED, S.INSPECTED, S.REFUNDED)
CONFLICTS = (process.AlreadyRefunded, process.GoodsNotHere, process.NothingArrived,
             process.TooManyReturns, process.NoReturnsHere)  # fmt: skip

# --- answers -------------------------------------------------------------------------------------


class Amount(serializers.CharField):
    """An amount with the decimals of the order's currency."""

    def get_attribute(self, instance: Any) -> str:
        order = instance.order if isinstance(instance, Return) else instance.rma.order
        amount: Any = super().get_attribute(instance)
        return str(rounded(amount, order.currency))


class UnitsRow(serializers.ModelSerializer):
    """Units at one stock point; grade and disposition are empty until they are inspected."""

    location = serializers.CharField(source="location.code")

    class Meta:
        model = ReturnedUnits
        fields = ["location", "grade", "disposition", "quantity"]


class ReturnLineRow(serializers.ModelSerializer):
    """Units of one order line: announced, arrived, back on sale, and settled by the refund."""

    line = serializers.IntegerField(source="order_line.position")
    external_id = serializers.CharField(source="order_line.external_id")
    sku = serializers.CharField(source="order_line.sku")
    name = serializers.CharField(source="order_line.name")
    refund_amount = Amount()
    units = UnitsRow(many=True)

    class Meta:
        model = ReturnLine
        fields = ["line", "external_id", "sku", "name", "expected", "received", "restocked",
                  "settled", "refund_amount", "units"]  # fmt: skip


class ReturnRow(serializers.ModelSerializer):
    """A return with its lines. `order` is the channel's own id of the order."""

    number = serializers.CharField()
    order = serializers.CharField(source="order.external_id")
    order_number = serializers.CharField(source="order.number")
    channel = serializers.CharField(source="order.channel.code")
    currency = serializers.CharField(source="order.currency")
    location = serializers.CharField(source="location.code", default=None, allow_null=True)
    refund_amount = Amount()
    shipping_refund = Amount()
    lines = ReturnLineRow(many=True)

    class Meta:
        model = Return
        fields = ["id", "number", "order", "order_number", "channel", "state", "reason", "note",
                  "requested_at", "decided_at", "decline_reason", "location", "received_at",
                  "inspected_at", "currency", "refund_amount", "shipping_refund", "refunded_at",
                  "lines"]  # fmt: skip


# --- what may be seen ----------------------------------------------------------------------------


def visible(request: Request) -> QuerySet[Return]:
    """The returns of the caller, whole, in four statements: a channel's own, or those that may
    arrive at the caller's stock point."""
    units = ReturnedUnits.objects.filter(quantity__gt=0).select_related("location").order_by("id")
    lines = ReturnLine.objects.select_related("order_line", "rma__order").order_by("id")
    rows = Return.objects.select_related("order__channel", "location").prefetch_related(
        Prefetch("lines", lines.prefetch_related(Prefetch("units", units)))
    )
    if request.auth.channel is None:  # type: ignore[union-attr]
        return rows.filter(state__in=EXPECTED)
    return rows.filter(order__channel=channel_of(request))


def parse_number(reference: str) -> int | None:
    """The id behind R5 or 5; None when it is neither."""
    digits = reference.upper().removeprefix("R")
    fits = digits.isascii() and digits.isdigit() and len(digits) <= 18
    return int(digits) if fits else None


class ReturnFilter(django_filters.FilterSet):
    """What the list of returns may be narrowed by."""

    state = django_filters.ChoiceFilter(choices=Return.State.choices)
    order = django_filters.CharFilter("order__external_id", help_text="the channel's own order id")

    class Meta:
        model = Return
        fields = ["state"]


# --- errors --------------------------------------------------------------------------------------


@contextmanager
def as_problems(pointers: Mapping[int, str] | None = None) -> Iterator[None]:
    """Domain exceptions as problem answers; `pointers` name where a line stands in the request."""
    try:
        yield
    except (IllegalMove, MovedMeanwhile) as error:
        raise Conflict(str(error), "illegal_move") from error
    except OverRefund as error:
        raise Conflict(str(error), "over_refund") from error
    except RefundOnHold as error:
        raise Conflict(str(error), "on_hold") from error
    except NotEnough as error:
        raise Conflict("the stock here no longer holds these units", "not_enough_stock") from error
    except process.Refused as error:
        if isinstance(error, CONFLICTS) or _taken_by_others(error):
            raise Conflict(str(error), error.code) from error
        pointer = f"{(pointers or {}).get(error.line_id or 0, '')}/{error.field}"
        raise Problems("invalid", [(pointer, error.code, str(error))], status_code=400) from error


def _taken_by_others(error: process.Refused) -> bool:
    # It would have been fine, had another return not been first.
    return isinstance(error, process.TooMany) and error.asked <= error.room.shipped


# --- what is asked -------------------------------------------------------------------------------


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class LineReference(serializers.Field):
    """A line of the order: its position (a number) or the channel's own id of it (a text)."""

    def to_internal_value(self, data: Any) -> int | str:
        if type(data) not in (int, str) or data == "" or len(str(data)) > 100:
            raise serializers.ValidationError("is the line's position or the channel's id of it")
        return data

    def to_representation(self, value: int | str) -> int | str:
        return value


class AskedLine(Strict):
    """Units of one line that are to come back."""

    line = LineReference()
    quantity = Units(min_value=1, max_value=MAX_QUANTITY)


class ReturnPayload(Strict):
    """A wish to send units of one order back."""

    order = serializers.CharField(max_length=100, help_text="the channel's order id, or our number")
    lines = Items(child=AskedLine(), allow_empty=False, max_length=MAX_LINES)
    reason = serializers.ChoiceField(Return.Reason.choices)
    note = Text(2000)


class DeclinePayload(Strict):
    """Why not, in words for the customer."""

    reason = serializers.CharField(max_length=200)


class RefundPayload(Strict):
    """How much; without an amount, what the units that arrived cost."""

    amount = Money(allow_null=True, default=None)
    shipping = Money(default=Decimal(0))
    without_goods = Text(200, help_text="why, when the goods are not here")


class ArrivedLine(Strict):
    """All units of a line that arrived at this stock point so far."""

    line = LineReference()
    received = Units(min_value=0, max_value=MAX_QUANTITY)


class ReceivePayload(Strict):
    """What arrived here, earlier parcels of the same return included."""

    lines = Items(child=ArrivedLine(), allow_empty=False, max_length=MAX_LINES)


class Grades(Strict):
    """All units of a line graded at this stock point so far; grades left out stay as they are."""

    A = Units(min_value=0, max_value=MAX_QUANTITY, required=False, help_text="as new: sold again")
    B = Units(min_value=0, max_value=MAX_QUANTITY, required=False, help_text="opened: sold again")
    C = Units(min_value=0, max_value=MAX_QUANTITY, required=False, help_text="damaged: kept")
    D = Units(min_value=0, max_value=MAX_QUANTITY, required=False, help_text="unusable: scrapped")


class InspectedLine(Strict):
    """What the units of a line turned out to be."""

    line = LineReference()
    grades = Grades()


class InspectPayload(Strict):
    """What inspection found here, earlier inspections of the same return included."""

    lines = Items(child=InspectedLine(), allow_empty=False, max_length=MAX_LINES)


def resolved(
    lines: Sequence[tuple[int, OrderLine]], asked: Sequence[Mapping[str, Any]]
) -> tuple[list[int], dict[int, str]]:
    """The ids that line references mean, in their order, and where each id stands in the request.

    lines: pairs (id to answer with, order line). Raises Problems naming what fits no line or two.
    """
    found: dict[int | str, list[int]] = {}
    for pk, line in lines:
        found.setdefault(line.position, []).append(pk)
        if line.external_id:
            found.setdefault(line.external_id, []).append(pk)
    problems = [
        (f"/lines/{i}/line", "unknown_line", f"{row['line']!r} fits {len(fits)} lines")
        for i, row in enumerate(asked)
        if len(fits := found.get(row["line"], [])) != 1
    ]
    if problems:
        raise Problems("invalid", problems, status_code=400)
    ids = [found[row["line"]][0] for row in asked]
    return ids, {pk: f"/lines/{i}" for i, pk in enumerate(ids)}


def valid(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    """The body, checked by a serializer."""
    payload = serializer(data=request.data)
    payload.is_valid(raise_exception=True)
    return dict(payload.validated_data)


# --- doors ---------------------------------------------------------------------------------------


class ReturnsView(ListAPIView):
    """GET lists the caller's returns, newest first; POST (channels only) asks for one."""

    scope = SCOPE
    serializer_class = ReturnRow
    filterset_class = ReturnFilter

    def get_queryset(self) -> QuerySet[Return]:
        if getattr(self, "swagger_fake_view", False):
            return Return.objects.none()
        return visible(self.request)

    @extend_schema(request=ReturnPayload, responses={201: ReturnRow}, parameters=REPEATABLE)
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        asked = valid(ReturnPayload, request)
        try:
            order = queries.by_reference(Order.objects.filter(channel=channel), asked["order"])
        except Order.DoesNotExist:
            raise NotFound(f"No order {asked['order']!r} in this channel.") from None
        ids, pointers = resolved([(line.pk, line) for line in order.lines.all()], asked["lines"])
        quantities = [row["quantity"] for row in asked["lines"]]

        def effect() -> tuple[int, dict[str, Any]]:
            rma = process.request(
                order_id=order.pk, lines=list(zip(ids, quantities, strict=True)),
                reason=asked["reason"], note=asked["note"], by=channel.code,
            )  # fmt: skip
            return 201, dict(ReturnRow(visible(request).get(pk=rma.pk)).data)

        with as_problems(pointers):
            return idempotent(request, effect)


class OneReturn(APIView):
    """Finds a return of the caller by its number; others' are 404."""

    scope = SCOPE

    def rma(self, request: Request, reference: str) -> Return:
        pk = parse_number(reference)
        found = None if pk is None else visible(request).filter(pk=pk).first()
        if found is None:
            raise NotFound(f"No return {reference!r} here.")
        return found

    def press(
        self,
        request: Request,
        rma: Return,
        button: Callable[..., Return],
        *,
        actor: str,
        pointers: Mapping[int, str] | None = None,
        **values: Any,
    ) -> Response:
        """Call one function of returns.process and answer with the return as it is then."""

        def effect() -> tuple[int, dict[str, Any]]:
            button(return_id=rma.pk, actor=actor, **values)
            return 200, dict(ReturnRow(visible(request).get(pk=rma.pk)).data)

        with as_problems(pointers):
            return idempotent(request, effect)


class ReturnView(OneReturn):
    """One return with its lines and where every unit of them is."""

    @extend_schema(responses=ReturnRow)
    def get(self, request: Request, reference: str) -> Response:
        return Response(ReturnRow(self.rma(request, reference)).data)


class ApproveView(OneReturn):
    """The customer may send the goods."""

    @extend_schema(request=None, responses=ReturnRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        actor = channel_of(request).code
        return self.press(request, self.rma(request, reference), process.approve, actor=actor)


class DeclineView(OneReturn):
    """The customer may not; the reason is told."""

    @extend_schema(request=DeclinePayload, responses=ReturnRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        actor, rma = channel_of(request).code, self.rma(request, reference)
        values = valid(DeclinePayload, request)
        return self.press(request, rma, process.decline, actor=actor, **values)


class CancelView(OneReturn):
    """Drops a return of which nothing arrived yet."""

    @extend_schema(request=None, responses=ReturnRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        actor = channel_of(request).code
        return self.press(request, self.rma(request, reference), process.cancel, actor=actor)


class RefundView(OneReturn):
    """Gives the money back, once; by default what the units that arrived cost."""

    @extend_schema(request=RefundPayload, responses=ReturnRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        actor, rma = channel_of(request).code, self.rma(request, reference)
        values = valid(RefundPayload, request)
        return self.press(request, rma, process.refund, actor=actor, **values)


class ReceiveView(OneReturn):
    """Goods arrived at the caller's stock point; on hand at once, for sale after inspection."""

    @extend_schema(request=ReceivePayload, responses=ReturnRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        location, rma = location_of(request), self.rma(request, reference)
        rows = valid(ReceivePayload, request)["lines"]
        ids, pointers = resolved([(line.pk, line.order_line) for line in rma.lines.all()], rows)
        arrived = {pk: row["received"] for pk, row in zip(ids, rows, strict=True)}
        return self.press(request, rma, process.receive, actor=location.code, pointers=pointers,
                          location=location, arrived=arrived)  # fmt: skip


class InspectView(OneReturn):
    """What the goods at the caller's stock point turned out to be."""

    @extend_schema(request=InspectPayload, responses=ReturnRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        location, rma = location_of(request), self.rma(request, reference)
        rows = valid(InspectPayload, request)["lines"]
        ids, pointers = resolved([(line.pk, line.order_line) for line in rma.lines.all()], rows)
        grades = {pk: row["grades"] for pk, row in zip(ids, rows, strict=True)}
        return self.press(request, rma, process.inspect, actor=location.code, pointers=pointers,
                          location=location, grades=grades)  # fmt: skip
