"""What a channel can promise: now, by place, by day, explained; and what changed since it asked."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import orjson
from django.core.exceptions import ValidationError as FormError
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import MomentField, check_parameters, shown
from config.exports import csv_response
from config.payload import Strict
from inventory.models import Product
from orders import offer, publishing
from orders.keys import channel_of
from orders.models import SalesChannel
from orders.offer import Explained, Offer
from orders.publishing import Figure

MAX_SKUS = 1000
MAX_CHANGES = 1000
SNAPSHOT_PAGE = 2000  # rows read at once for a file
SCOPE = "availability"

# --- answers -------------------------------------------------------------------------------------


class PlaceRow(serializers.Serializer):
    """Units that can be promised from one stock point alone; `pickup`: to be collected there."""

    location = serializers.CharField()
    available = serializers.IntegerField()
    pickup = serializers.IntegerField()


class AvailabilityRow(serializers.Serializer):
    """What the channel can promise of one SKU in all, and from each stock point alone."""

    sku = serializers.CharField()
    available = serializers.IntegerField()
    locations = PlaceRow(many=True)


class PartRow(serializers.Serializer):
    """Units of a step at one stock point."""

    location = serializers.CharField()
    units = serializers.IntegerField()


class StepRow(serializers.Serializer):
    """One step of the sum: `change` added to what the step before left is what it leaves."""

    step = serializers.CharField()
    words = serializers.CharField()
    formula = serializers.CharField()
    change = serializers.IntegerField()
    left = serializers.IntegerField()
    locations = PartRow(many=True)
    reasons = serializers.DictField(child=serializers.IntegerField())


class IncomingRow(serializers.Serializer):
    """Units on their way; `available` of them can be promised from the supply itself."""

    kind = serializers.CharField()
    reference = serializers.CharField()
    location = serializers.CharField()
    eta = serializers.DateField(allow_null=True)
    units = serializers.IntegerField()
    available = serializers.IntegerField()


class DueRow(serializers.Serializer):
    """What can be promised until a day, from stock and supply."""

    date = serializers.DateField()
    available = serializers.IntegerField()


class ExplainedRow(serializers.Serializer):
    """Why the channel can promise what it can; `told` and `acknowledged` are of now only."""

    sku = serializers.CharField()
    channel = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    available = serializers.IntegerField()
    told = serializers.IntegerField(allow_null=True)
    acknowledged = serializers.IntegerField(allow_null=True)
    steps = StepRow(many=True)
    incoming = IncomingRow(many=True)
    by_date = DueRow(many=True)


class ChangeRow(serializers.Serializer):
    """A figure that changed; `crossed` when that is the opposite of what you last confirmed."""

    sku = serializers.CharField()
    available = serializers.IntegerField()
    in_stock = serializers.BooleanField()
    changed_at = serializers.DateTimeField()
    crossed = serializers.ChoiceField(choices=["out_of_stock", "back_in_stock"], allow_null=True)


class ChangesPage(serializers.Serializer):
    """Changes in their order; ask again with `since=next`, at once while there are `more`."""

    changes = ChangeRow(many=True)
    next = serializers.IntegerField()
    more = serializers.BooleanField()


class SnapshotRow(serializers.Serializer):
    """What the channel can promise of one SKU."""

    sku = serializers.CharField()
    available = serializers.IntegerField()
    in_stock = serializers.BooleanField()


class SnapshotPage(serializers.Serializer):
    """A page of everything. `next`: the cursor of the next page, null on the last.

    `since`: go on with the changes after this number when you have read the last page. Take the
    one of the FIRST page: what changes while you read comes again, and nothing is missed.
    """

    rows = SnapshotRow(many=True)
    next = serializers.IntegerField(allow_null=True)
    since = serializers.IntegerField()


# --- questions -----------------------------------------------------------------------------------


class Question(Strict):
    """Which SKUs; `location`: from one stock point alone; `on`: with what is due until that day."""

    skus = serializers.ListField(
        child=serializers.CharField(max_length=64), min_length=1, max_length=MAX_SKUS
    )
    location = serializers.CharField(max_length=32, required=False, allow_null=True, default=None)
    on = serializers.DateField(required=False, allow_null=True, default=None)


LOCATION = OpenApiParameter("location", str, description="from one stock point of the pool alone")
ON = OpenApiParameter("on", date, description="count supply that is there by that day, too")


class QuickJson(JSONRenderer):
    """The same JSON, encoded five times as fast: a hundred SKUs are thousands of rows."""

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> bytes:
        return orjson.dumps(data, default=str)


class AvailabilityView(APIView):
    """Availability of SKUs in the caller's channel: in all, per stock point and for pick-up.

    For more SKUs than an address can hold, POST them to availability/query.
    """

    scope = SCOPE
    renderer_classes = (QuickJson,)

    @extend_schema(
        parameters=[OpenApiParameter("sku", str, many=True, required=True), LOCATION, ON],
        responses=AvailabilityRow(many=True),
    )
    def get(self, request: Request) -> Response:
        check_parameters(request, {"sku", "location", "on"})
        skus = _wanted(request)
        location = request.query_params.get("location")
        return Response(_offers(request, skus, location=location, on=_day(request)))


class AvailabilityQueryView(APIView):
    """The same question in a body, for up to 1,000 SKUs."""

    scope = SCOPE
    renderer_classes = (QuickJson,)

    @extend_schema(request=Question, responses=AvailabilityRow(many=True))
    def post(self, request: Request) -> Response:
        question = Question(data=request.data)
        question.is_valid(raise_exception=True)
        asked = question.validated_data
        skus = list(dict.fromkeys(asked["skus"]))
        return Response(
            _offers(request, skus, location=asked["location"], on=asked["on"], field="skus")
        )


def _offers(
    request: Request, skus: Sequence[str], *, location: str | None, on: date | None,
    field: str = "sku",
) -> list[dict[str, Any]]:  # fmt: skip
    try:
        made = offer.offers(channel_of(request), skus, location=location, on=on)
    except offer.UnknownPlace as error:
        words = f"{shown(str(error))} is no stock point of this channel"
        raise ValidationError({"location": words}) from None
    found = {row.sku: row for row in made}
    unknown = [shown(sku) for sku in skus if sku not in found]
    if unknown:
        raise ValidationError({field: f"unknown: {', '.join(unknown[:10])}"})
    return [_row(found[sku]) for sku in skus]


def _wanted(request: Request) -> list[str]:
    given = [sku for value in request.query_params.getlist("sku") for sku in value.split(",")]
    if not 0 < len(given) <= MAX_SKUS:
        raise ValidationError({"sku": f"name 1 to {MAX_SKUS} SKUs, as sku=A&sku=B or sku=A,B"})
    _no_nul(request)
    return list(dict.fromkeys(given))


def _no_nul(request: Request) -> None:
    for name, values in request.query_params.lists():
        if any("\x00" in value for value in values):
            raise ValidationError({name: "holds a NUL"})


def _day(request: Request) -> date | None:
    text = request.query_params.get("on")
    if text is None:
        return None
    day: date = _valid(serializers.DateField(), "on", text)
    return day


def _row(row: Offer) -> dict[str, Any]:
    return {
        "sku": row.sku,
        "available": row.available,
        "locations": [
            {"location": spot.code, "available": spot.available, "pickup": spot.pickup}
            for spot in row.spots
        ],
    }


# --- explained -----------------------------------------------------------------------------------


class ExplainedView(APIView):
    """The waterfall of one SKU: from what is physically there to what can be promised."""

    scope = SCOPE

    @extend_schema(
        parameters=[OpenApiParameter("at", datetime, description="as of a moment in the past")],
        responses=ExplainedRow,
    )
    def get(self, request: Request, sku: str) -> Response:
        check_parameters(request, {"at"})
        at = _moment(request)
        product = None if "\x00" in sku else Product.objects.filter(sku=sku).first()
        if product is None:
            raise NotFound(f"No product has SKU {shown(sku)}.")
        return Response(_explained(offer.explained(channel_of(request), product, at=at)))


def _moment(request: Request) -> datetime | None:
    text = request.query_params.get("at")
    if text is None:
        return None
    try:
        at: datetime | None = MomentField().to_python(text)
    except FormError:
        at = None
    if at is None:
        words = "needs date, time and zone, e.g. 2026-11-23T10:00:00Z (write a plus as percent 2B)"
        raise ValidationError({"at": words})
    try:
        at = at.astimezone(UTC)
    except OverflowError:
        raise ValidationError({"at": "is out of range"}) from None
    if at > timezone.now():
        raise ValidationError({"at": "lies in the future; use on= of availability for that"})
    return at


def _explained(found: Explained) -> dict[str, Any]:
    told = found.told
    return {
        "sku": found.product.sku,
        "channel": found.channel.code,
        "at": found.at,
        "available": found.available,
        "told": told and told.sent,
        "acknowledged": told and told.acknowledged,
        "steps": [
            {
                "step": step.key, "words": step.words, "formula": step.formula,
                "change": step.change, "left": step.left, "reasons": dict(step.reasons),
                "locations": [{"location": p.code, "units": p.units} for p in step.parts],
            }
            for step in found.steps
        ],
        "incoming": [
            {
                "kind": due.kind, "reference": due.reference, "location": due.code,
                "eta": due.eta, "units": due.units, "available": due.free,
            }
            for due in found.incoming
        ],
        "by_date": [{"date": due.day, "available": due.units} for due in found.by_day],
    }  # fmt: skip


# --- published -----------------------------------------------------------------------------------


class ChangesView(APIView):
    """Figures that changed after a number, in the order of their changes.

    What is returned counts as told. `since=N` also confirms everything that was told up to N, so a
    call whose answer got lost is simply made again with the same number.
    """

    scope = SCOPE

    @extend_schema(
        parameters=[
            OpenApiParameter("since", int, description="`next` of the last answer; 0 at first"),
            OpenApiParameter("limit", int, description=f"at most {MAX_CHANGES}; else 500"),
        ],
        responses=ChangesPage,
    )
    def get(self, request: Request) -> Response:
        check_parameters(request, {"since", "limit"})
        since = _count(request, "since", default=0)
        limit = _count(request, "limit", default=500, least=1, most=MAX_CHANGES)
        channel = channel_of(request)
        if since:
            publishing.confirmed(channel, upto=since)
        found = publishing.changes(channel, since=since, limit=limit + 1)
        page = found[:limit]
        publishing.sent(page)
        return Response(
            {
                "changes": [_change(figure) for figure in page],
                "next": page[-1].number if page else since,
                "more": len(found) > limit,
            }
        )


def _change(figure: Figure) -> dict[str, Any]:
    return {
        "sku": figure.sku, "available": figure.available, "in_stock": figure.available > 0,
        "changed_at": figure.changed_at, "crossed": figure.crossed,
    }  # fmt: skip


class CsvFile(JSONRenderer):
    """A file for `Accept: text/csv` or `format=csv`; only its errors are rendered here."""

    media_type = "text/csv"
    format = "csv"


class SnapshotView(APIView):
    """Everything the channel should say, in pages or as one CSV file; it counts as told."""

    scope = SCOPE
    renderer_classes = (JSONRenderer, CsvFile)

    @extend_schema(
        parameters=[
            OpenApiParameter("cursor", int, description="`next` of the page before"),
            OpenApiParameter("limit", int, description=f"at most {MAX_CHANGES}; else 500"),
            OpenApiParameter("format", str, enum=["json", "csv"]),
        ],
        responses={
            (200, "application/json"): SnapshotPage,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        check_parameters(request, {"cursor", "limit", "format"})
        channel = channel_of(request)
        since = publishing.last_number(channel)
        if request.accepted_renderer.format == "csv":  # type: ignore[union-attr]
            return csv_response(
                f"availability-{channel.code}.csv", ["sku", "available", "in_stock"],
                _all_rows(channel),
            )  # fmt: skip
        after = _count(request, "cursor", default=0)
        limit = _count(request, "limit", default=500, least=1, most=MAX_CHANGES)
        found = publishing.snapshot(channel, after=after, limit=limit + 1)
        page = found[:limit]
        publishing.sent(page)
        return Response(
            {
                "rows": [
                    {"sku": f.sku, "available": f.available, "in_stock": f.available > 0}
                    for f in page
                ],
                "next": page[-1].product if len(found) > limit else None,
                "since": since,
            }
        )


def _all_rows(channel: SalesChannel) -> Iterator[Sequence[Any]]:
    after = 0
    while page := publishing.snapshot(channel, after=after, limit=SNAPSHOT_PAGE):
        for figure in page:
            yield figure.sku, figure.available, "yes" if figure.available else "no"
        publishing.sent(page)
        after = page[-1].product


def _count(request: Request, name: str, *, default: int, least: int = 0, most: int = 2**62) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    field = serializers.IntegerField(min_value=least, max_value=most if name != "limit" else None)
    return min(int(_valid(field, name, text)), most)


def _valid(field: serializers.Field, name: str, text: str) -> Any:
    try:
        return field.run_validation(text)
    except ValidationError as error:
        raise ValidationError({name: error.detail}) from None
