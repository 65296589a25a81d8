"""REST for stock points: where they are, when they are open, what they can take; their switches."""

from typing import Any

import django_filters
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import check_parameters, own_location
from config.payload import Items, Strict, Units
from inventory import hours, places
from inventory.models import Capacity, Location, SpecialDay
from inventory.models.places import WEEKDAYS

SCOPE = "stock"
MOST = 2**31 - 1
MOST_DAYS = 400
DELIVERIES = ("any", Capacity.Delivery.SHIP.value, Capacity.Delivery.PICKUP.value)
_CLOCK = {"type": "string", "example": "10:00"}
_WEEK = {
    "type": "object", "example": {"mon": [["10:00", "13:00"], ["14:00", "19:00"]], "sun": []},
    "properties": {day: {"type": "array", "items": {"type": "array", "items": _CLOCK}}
                   for day in WEEKDAYS},
}  # fmt: skip
_CUTOFFS = {"type": "object", "example": {"sat": "11:00"},
            "properties": dict.fromkeys(WEEKDAYS, _CLOCK)}  # fmt: skip


@extend_schema_field(_WEEK)
class WeekField(serializers.JSONField):
    """Openings by weekday; a day that is not named is closed; {}: Monday to Friday."""

    def to_internal_value(self, data: Any) -> hours.Week:
        try:
            week = hours.check_week(data)
        except hours.WrongHours as wrong:
            raise _named(wrong) from wrong
        return week if any(week.values()) else {}


@extend_schema_field(_CUTOFFS)
class CutoffsField(serializers.JSONField):
    """Cut-offs of the weekdays on which they differ."""

    def to_internal_value(self, data: Any) -> dict[str, str]:
        try:
            return hours.check_cutoffs(data)
        except hours.WrongHours as wrong:
            raise _named(wrong) from wrong


def _named(wrong: hours.WrongHours) -> ValidationError:
    if set(wrong.problems) == {""}:
        return ValidationError(wrong.problems[""])
    return ValidationError(dict(wrong.problems))


class CapacityRow(Strict):
    """What a weekday (null: every day) can take of a delivery; null: no limit."""

    weekday = serializers.ChoiceField(WEEKDAYS, default=None, allow_null=True)
    delivery = serializers.ChoiceField(DELIVERIES, default="any")
    orders = Units(min_value=0, max_value=MOST, default=None, allow_null=True)
    units = Units(min_value=0, max_value=MOST, default=None, allow_null=True)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        row = super().to_internal_value(data)
        day, delivery = row["weekday"], row["delivery"]
        weekday = None if day is None else WEEKDAYS.index(day)
        return {**row, "weekday": weekday, "delivery": "" if delivery == "any" else delivery}

    def to_representation(self, row: Capacity) -> dict[str, Any]:
        return {
            "weekday": None if row.weekday is None else WEEKDAYS[row.weekday],
            "delivery": row.delivery or "any", "orders": row.orders, "units": row.units,
        }  # fmt: skip


class SpecialDayRow(Strict):
    """A holiday, or a day with other hours; without hours it is closed."""

    date = serializers.DateField()
    name = serializers.CharField(max_length=60)
    opens = serializers.TimeField(default=None, allow_null=True)
    closes = serializers.TimeField(default=None, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        opens, closes = attrs["opens"], attrs["closes"]
        if (opens is None) != (closes is None):
            raise ValidationError({"opens": "give both times, or neither for a closed day"})
        if opens is not None and closes <= opens:
            raise ValidationError({"closes": "it closes before it opens"})
        return attrs


class LocationRow(serializers.ModelSerializer):
    """A stock point. `active` false is closed; `online` false: nothing new is promised from it."""

    opening_hours = WeekField()
    cutoffs = CutoffsField()
    capacities = CapacityRow(many=True)
    special_days = SpecialDayRow(many=True)

    class Meta:
        model = Location
        fields = [
            "code", "name", "kind", "line1", "city", "region", "postcode", "country", "lat", "lng",
            "timezone", "opening_hours", "cutoff", "cutoffs", "special_days", "lead_days",
            "can_ship", "can_pickup", "can_ship_to_store", "can_receive_returns",
            "capacity_per_day", "capacities", "online", "active", "archived",
        ]  # fmt: skip


class Switch(serializers.BooleanField):
    """true or false, nothing that looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class LocationPayload(Strict):
    """What may be set; what is not named stays. Lists take the place of the whole list."""

    online = Switch(required=False)
    active = Switch(required=False)
    opening_hours = WeekField(required=False)
    cutoff = serializers.TimeField(required=False)
    cutoffs = CutoffsField(required=False)
    special_days = Items(child=SpecialDayRow(), required=False, max_length=MOST_DAYS)
    lead_days = Units(required=False, min_value=0, max_value=365)
    capacity_per_day = Units(required=False, min_value=0, max_value=MOST, allow_null=True)
    capacities = Items(child=CapacityRow(), required=False, max_length=8 * len(DELIVERIES))

    def validate_special_days(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _once(rows, "date")

    def validate_capacities(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return _once(rows, "weekday", "delivery")


def _once(rows: list[dict[str, Any]], *key: str) -> list[dict[str, Any]]:
    seen: set[tuple] = set()
    for i, row in enumerate(rows):
        this = tuple(row[name] for name in key)
        if this in seen:
            raise ValidationError({str(i): f"the same {' and '.join(key)} stands twice"})
        seen.add(this)
    return rows


def visible(request: Request) -> QuerySet[Location]:
    """The caller's stock point, or for the company's systems all; whole, in three statements."""
    here = own_location(request)
    rows = Location.objects.prefetch_related(
        Prefetch("capacities", Capacity.objects.order_by("weekday", "delivery")),
        Prefetch("special_days", SpecialDay.objects.order_by("date")),
    )
    return rows if here is None else rows.filter(pk=here)


class LocationFilter(django_filters.FilterSet):
    """What the list may be narrowed by; archived ones are left out unless asked for."""

    kind = django_filters.ChoiceFilter(choices=Location.Kind.choices)
    archived = django_filters.BooleanFilter()

    class Meta:
        model = Location
        fields = ["kind", "archived"]

    def filter_queryset(self, queryset: QuerySet) -> QuerySet:
        rows = super().filter_queryset(queryset)
        asked = self.form.cleaned_data.get("archived") is not None
        return rows if asked else rows.filter(archived=False)


class LocationsView(ListAPIView):
    """Stock points, newest first; a stock point's key sees its own."""

    scope = SCOPE
    serializer_class = LocationRow
    filterset_class = LocationFilter

    def get_queryset(self) -> QuerySet[Location]:
        if getattr(self, "swagger_fake_view", False):
            return Location.objects.none()
        return visible(self.request)


class LocationView(APIView):
    """One stock point: read it, or set its hours, capacity and switches."""

    scope = SCOPE

    @extend_schema(responses=LocationRow)
    def get(self, request: Request, code: str) -> Response:
        check_parameters(request, ())
        return Response(LocationRow(_find(request, code)).data)

    @extend_schema(request=LocationPayload, responses=LocationRow)
    def patch(self, request: Request, code: str) -> Response:
        location = _find(request, code)
        payload = LocationPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        actor = request.auth.name  # type: ignore[union-attr]
        try:
            places.change(location, payload.validated_data, actor=f"key {actor}"[:100])
        except places.NotPossible as error:
            raise ValidationError({"active": [str(error)]}) from error
        return Response(LocationRow(_find(request, code)).data)


def _find(request: Request, code: str) -> Location:
    location = None if "\x00" in code else visible(request).filter(code=code).first()
    if location is None:
        raise NotFound("No such stock point, or it is not yours.")
    return location
