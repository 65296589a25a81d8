"""REST for future stock: lines of purchase orders, shipping notices, receipts."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, idempotent, own_location
from config.payload import Row, Strict, Units, each
from inventory import supplies
from inventory.models import Location, Product, Supply

SCOPE = "stock"
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]
MOST_UNITS = 1_000_000
FARTHEST = timedelta(days=3 * 366)
Kind = Supply.Kind
Answers = dict[int, tuple[str, list[dict[str, str]]]]  # by row: outcome, problems

# --- what is asked -------------------------------------------------------------------------------


class Name(serializers.CharField):
    """A number or code as people print it."""

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if not text.isprintable():
            raise serializers.ValidationError("holds characters that no number has")
        return text


class Day(serializers.DateField):
    """A day near enough to count with."""

    def to_internal_value(self, data: Any) -> date:
        day: date = super().to_internal_value(data)
        if abs(day - timezone.now().date()) > FARTHEST:
            raise serializers.ValidationError(f"is more than {FARTHEST.days} days away")
        return day


class Where(Strict):
    """Which line is meant."""

    reference = Name(max_length=40, help_text="purchase order number")
    sku = Name(max_length=64)
    location = Name(max_length=32, help_text="code of the stock point where it arrives")


class SupplyPayload(Where):
    """A line as it is now. Without notice number its quantity is the whole line, notices included.

    An oversell limit (kind oversell) has no eta: so many units may be promised beyond stock.
    """

    notice = Name(max_length=40, default="", allow_blank=True)
    supplier = Name(max_length=32, default=None, allow_null=True, help_text="code of the sender")
    quantity = Units(min_value=0, max_value=MOST_UNITS, help_text="0: it does not come")
    eta = Day(default=None, allow_null=True, help_text="day of arrival")
    kind = serializers.ChoiceField(
        choices=[(kind.value, kind.label) for kind in (Kind.PURCHASE, Kind.OVERSELL)],
        default=Kind.PURCHASE.value,
    )
    promisable = serializers.BooleanField(default=True, help_text="channels may promise from it")

    def validate(self, attrs: Any) -> Any:
        if (attrs["kind"] == Kind.OVERSELL) != (attrs["eta"] is None):
            raise serializers.ValidationError({"eta": "is needed, except for an oversell limit"})
        return attrs


class NoticePayload(Where):
    """Units of a line that are on the road."""

    notice = Name(max_length=40)
    quantity = Units(min_value=1, max_value=MOST_UNITS)
    eta = Day()


class ReceiptPayload(Where):
    """Units of a line that arrived together."""

    notice = Name(max_length=40, default="", allow_blank=True)
    quantity = Units(min_value=1, max_value=MOST_UNITS, help_text="refused ones are among them")
    refused = Units(min_value=0, max_value=MOST_UNITS, default=0, help_text="not sellable")
    key = Name(max_length=90, help_text="the receipt's own number: booked once")

    def validate(self, attrs: Any) -> Any:
        if attrs["refused"] > attrs["quantity"]:
            raise serializers.ValidationError({"refused": "is more than arrived"})
        return attrs


class SuppliesPayload(serializers.Serializer):
    """Up to 1,000 lines, each with an answer of its own."""

    rows = SupplyPayload(many=True)


class NoticesPayload(serializers.Serializer):
    """Up to 1,000 notices, each with an answer of its own."""

    rows = NoticePayload(many=True)


class ReceiptsPayload(serializers.Serializer):
    """Up to 1,000 receipts, each with an answer of its own."""

    rows = ReceiptPayload(many=True)


# --- what is answered ----------------------------------------------------------------------------


class SupplyRow(serializers.ModelSerializer):
    """A line; `free` can still be promised, `claimed` is promised to orders."""

    sku = serializers.CharField(source="product.sku")
    location = serializers.CharField(source="location.code")
    supplier = serializers.CharField(source="supplier.code", default=None, allow_null=True)
    free = serializers.IntegerField()

    class Meta:
        model = Supply
        fields = ["reference", "notice", "kind", "sku", "location", "supplier", "quantity",
                  "received", "refused", "claimed", "free", "eta", "first_eta", "promisable",
                  "state", "created_at", "closed_at"]  # fmt: skip


class SupplyProblem(serializers.Serializer):
    """What is wrong with a row, and where."""

    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class SupplyResult(serializers.Serializer):
    """What became of a row."""

    row = serializers.IntegerField(help_text="counted from 0")
    outcome = serializers.CharField(
        help_text="created, changed or unchanged; booked or known (receipts); or refused"
    )
    problems = SupplyProblem(many=True)


class SupplyResults(serializers.Serializer):
    """How many rows ended how, and an answer for each, in the order of the rows."""

    outcomes = serializers.DictField(child=serializers.IntegerField())
    results = SupplyResult(many=True)


# --- rows ----------------------------------------------------------------------------------------


class _Known:
    """What the rows name: products by SKU, stock points by code. Two statements."""

    def __init__(self, rows: Sequence[Row], own: int | None) -> None:
        values = [row.value for row in rows if row.value is not None]
        skus = {value["sku"] for value in values}
        codes = {value.get(name) for value in values for name in ("location", "supplier")}
        self.products = dict(Product.objects.filter(sku__in=skus).values_list("sku", "pk"))
        places = Location.objects.filter(code__in=codes - {None})
        self.places = dict(places.values_list("code", "pk"))
        self.own = own

    def problems(self, value: Mapping[str, Any]) -> list[dict[str, str]]:
        """What is wrong with the names of a row."""
        found = []
        if value["sku"] not in self.products:
            found.append(_problem("sku", "unknown_sku", "no product has this SKU"))
        for name in ("location", "supplier"):
            if value.get(name) is not None and value[name] not in self.places:
                found.append(_problem(name, "unknown_location", "no stock point has this code"))
        if self.own is not None and self.places.get(value["location"]) not in {None, self.own}:
            found.append(_problem("location", "not_yours", "this is not your key's stock point"))
        return found

    def key(self, value: Mapping[str, Any]) -> tuple[str, str, int, int]:
        """What a line is known by."""
        return (value["reference"], value["notice"], self.products[value["sku"]],
                self.places[value["location"]])  # fmt: skip


def _problem(field: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": f"/{field}", "code": code, "detail": detail}


def _refused(field: str, code: str, detail: str) -> tuple[str, list[dict[str, str]]]:
    return "refused", [_problem(field, code, detail)]


class _Rows(APIView, ABC):
    """Takes rows of one kind, each once; a bad row stops no other."""

    scope = SCOPE
    serializer: type[serializers.Serializer]

    @abstractmethod
    def take(self, known: _Known, rows: Sequence[Row], actor: str) -> Answers:
        """Do the good rows; says how each ended."""

    def answer(self, request: Request) -> Response:
        """Sort the rows out, take the good ones and answer for all."""
        own = own_location(request)
        rows = each(request.data, self.serializer)
        actor = str(request.auth.name)  # type: ignore[union-attr]

        def effect() -> tuple[int, dict[str, Any]]:
            known = _Known(rows, own)
            found: Answers = {}
            good = [row for row in rows if not self._is_bad(row, known, found)]
            found |= self.take(known, good, actor) if good else {}
            results = [
                {"row": row.index, "outcome": found[row.index][0],
                 "problems": found[row.index][1]}
                for row in rows
            ]  # fmt: skip
            outcomes = Counter(outcome for outcome, _ in found.values())
            return 200, {"outcomes": dict(sorted(outcomes.items())), "results": results}

        try:
            return idempotent(request, effect)
        except supplies.Ended as ended:  # canceled while we looked
            raise Conflict(str(ended), "supply_ended") from ended

    def same(self, known: _Known, value: Mapping[str, Any]) -> Any:
        """Rows that are the same thing: only the first is taken."""
        return known.key(value)

    def _is_bad(self, row: Row, known: _Known, found: Answers) -> bool:
        problems = row.problems
        if row.value is not None:
            problems = known.problems(row.value)
            if not problems:
                seen = known.__dict__.setdefault("seen", {})
                first = seen.setdefault(self.same(known, row.value), row.index)
                if first != row.index:
                    problems = [_problem("", "given_twice", f"is the same as row {first}")]
        if problems:
            found[row.index] = "refused", problems
        return bool(problems)


class SupplyFilter(django_filters.FilterSet):
    """What the list of supplies may be narrowed by."""

    state = django_filters.ChoiceFilter(choices=Supply.State.choices)
    kind = django_filters.ChoiceFilter(choices=Kind.choices)
    reference = django_filters.CharFilter(help_text="purchase order number")
    sku = django_filters.CharFilter("product__sku")
    location = django_filters.CharFilter("location__code", help_text="code of the stock point")
    supplier = django_filters.CharFilter("supplier__code", help_text="code of the sender")

    class Meta:
        model = Supply
        fields = ["state", "kind", "reference"]


class SuppliesView(_Rows, ListAPIView):
    """What is on its way, newest first."""

    serializer = SupplyPayload
    serializer_class = SupplyRow
    filterset_class = SupplyFilter

    def get_queryset(self) -> QuerySet[Supply]:
        if getattr(self, "swagger_fake_view", False):
            return Supply.objects.none()
        own = own_location(self.request)
        rows = Supply.objects.select_related("product", "location", "supplier")
        return rows if own is None else rows.filter(location=own)

    @extend_schema(request=SuppliesPayload, responses=SupplyResults, parameters=REPEATABLE)
    def post(self, request: Request) -> Response:
        """Set lines as they are now: new ones are made, known ones change, the same twice is
        nothing. Orders that lose their promise, or whose date moves, are looked after at once."""
        return self.answer(request)

    def take(self, known: _Known, rows: Sequence[Row], actor: str) -> Answers:
        outcomes = supplies.upsert([_line(known, row.value or {}) for row in rows], actor=actor)
        ended = _refused("reference", "ended", "was received or canceled already")
        return {
            row.index: ended if outcome == "ended" else (outcome, [])
            for row, outcome in zip(rows, outcomes, strict=True)
        }


def _line(known: _Known, value: Mapping[str, Any]) -> supplies.Line:
    reference, notice, product, location = known.key(value)
    supplier = known.places[value["supplier"]] if value["supplier"] else None
    kind = Kind.NOTICE if notice and value["kind"] == Kind.PURCHASE else value["kind"]
    return supplies.Line(
        reference=reference, notice=notice, product=product, location=location,
        quantity=value["quantity"], eta=value["eta"], supplier=supplier, kind=str(kind),
        promisable=value["promisable"],
    )  # fmt: skip


class SupplyNoticesView(_Rows):
    """Advance shipping notices."""

    serializer = NoticePayload

    @extend_schema(request=NoticesPayload, responses=SupplyResults, parameters=REPEATABLE)
    def post(self, request: Request) -> Response:
        """Take units off purchase order lines: they are on the road, with a date of their own."""
        return self.answer(request)

    def take(self, known: _Known, rows: Sequence[Row], actor: str) -> Answers:
        said = []
        for row in rows:
            value = row.value or {}
            reference, notice, product, location = known.key(value)
            said.append(supplies.Notice(reference, notice, product, location, value["quantity"],
                                        value["eta"]))  # fmt: skip
        wrong = {
            "ended": _refused("notice", "ended", "was received or canceled already"),
            "no_line": _refused("reference", "no_line", "has no such line; send it first"),
        }
        outcomes = supplies.notices(said, actor=actor)
        return {
            row.index: wrong.get(outcome, (outcome, []))
            for row, outcome in zip(rows, outcomes, strict=True)
        }


class SupplyReceiptsView(_Rows):
    """Receipts."""

    serializer = ReceiptPayload

    @extend_schema(request=ReceiptsPayload, responses=SupplyResults, parameters=REPEATABLE)
    def post(self, request: Request) -> Response:
        """Book what arrived: in parts, too many, some refused. The oldest orders get it first."""
        return self.answer(request)

    def same(self, known: _Known, value: Mapping[str, Any]) -> Any:
        return value["key"]

    def take(self, known: _Known, rows: Sequence[Row], actor: str) -> Answers:
        references = {(row.value or {})["reference"] for row in rows}
        lines = {row.key: row for row in Supply.objects.filter(reference__in=references)}
        found: Answers = {}
        good: list[tuple[Row, supplies.Receipt]] = []
        for row in rows:
            value = row.value or {}
            line = lines.get(known.key(value))
            if line is None or line.kind in supplies.NO_DELIVERY:
                found[row.index] = _refused("reference", "no_line", "has no such line")
            elif line.state == Supply.State.CANCELED:
                found[row.index] = _refused("reference", "ended", "was canceled")
            else:
                good.append((row, supplies.Receipt(line.pk, value["quantity"], value["key"],
                                                   value["refused"])))  # fmt: skip
        booked = supplies.receive([receipt for _, receipt in good], actor=actor)
        for (row, _), new in zip(good, booked, strict=True):
            found[row.index] = "booked" if new else "known", []
        return found
