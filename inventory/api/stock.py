"""REST for stock: what is where, levels that are set, changes (docs/formats/stock.md)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2s
from typing import Any

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Answer, Conflict, check_parameters, idempotent, own_location
from config.payload import Row, Strict, Units, each
from inventory import feeds
from inventory.feeds.batches import refusal
from inventory.feeds.rows import MAX_NOTE, MAX_UNITS, SKEW, UNAVAILABLE
from inventory.ledger import Told, Verdict
from inventory.models import Location, Stock, StockFeed, StockMovement, StockSource
from inventory.models.stock import BUCKETS

SCOPE = "stock"
Mode = StockFeed.Mode
OUTCOMES = [("changed", "changed"), ("same", "as the books say"), ("refused", "refused")]
DELIVERY = [
    OpenApiParameter(
        "source", str, description="code of the source: feed health, and what tills sold"
    ),
    OpenApiParameter(
        "reference", str, description="the sender's number of this delivery: it is taken once"
    ),
]
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]
IF_MATCH = [OpenApiParameter("If-Match", str, OpenApiParameter.HEADER)]


class PreconditionFailed(APIException):
    """The stock moved since the caller looked at it."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    default_code = "precondition_failed"


class PreconditionRequired(APIException):
    """The caller does not say what it has seen."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    default_code = "precondition_required"
    default_detail = (
        "Send If-Match with the ETag that you have seen, or as_of with the time at which this"
        " level was true."
    )


# --- what is asked -------------------------------------------------------------------------------


class SenderMoment(serializers.DateTimeField):
    """The sender's own time, with its zone; not in the future."""

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            raise serializers.ValidationError("needs a time zone, e.g. 2026-11-23T10:00:00Z")
        return super().enforce_timezone(value)

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment: datetime = super().to_internal_value(data)
        except OverflowError:
            self.fail("invalid", format="an ISO 8601 time")
        if moment > timezone.now() + SKEW:
            raise serializers.ValidationError("is in the future")
        return moment


class LevelPayload(Strict):
    """Units physically there, and of these the ones that cannot be sold, as far as you tell."""

    quantity = Units(min_value=0, max_value=MAX_UNITS)
    as_of = SenderMoment(required=False, help_text="when this was true; missing: now")
    damaged = Units(min_value=0, max_value=MAX_UNITS, required=False)
    quarantine = Units(min_value=0, max_value=MAX_UNITS, required=False)
    quality_control = Units(min_value=0, max_value=MAX_UNITS, required=False)
    display = Units(min_value=0, max_value=MAX_UNITS, required=False)

    def validate(self, attrs: Any) -> Any:
        if sum(attrs.get(bucket, 0) for bucket in UNAVAILABLE) > attrs["quantity"]:
            raise serializers.ValidationError(
                {"quantity": f"has fewer units than {', '.join(sorted(UNAVAILABLE & set(attrs)))}"}
            )
        return attrs


class LevelRow(LevelPayload):
    """A level of one product at one stock point."""

    sku = serializers.CharField(max_length=64)
    location = serializers.CharField(max_length=32)


class ChangeRow(Strict):
    """Units that came or went, and why."""

    sku = serializers.CharField(max_length=64)
    location = serializers.CharField(max_length=32)
    change = Units(min_value=-MAX_UNITS, max_value=MAX_UNITS)
    reason = serializers.ChoiceField(choices=StockMovement.Reason.choices)
    note = serializers.CharField(max_length=MAX_NOTE, default="", allow_blank=True)
    as_of = SenderMoment(required=False, help_text="when it happened; missing: now")

    def validate_change(self, change: int) -> int:
        if not change:
            raise serializers.ValidationError("0 changes nothing")
        return change


class LevelsPayload(serializers.Serializer):
    """Up to 1,000 levels, each with an answer of its own."""

    rows = LevelRow(many=True)


class ChangesPayload(serializers.Serializer):
    """Up to 1,000 changes, each with an answer of its own."""

    rows = ChangeRow(many=True)


# --- what is answered ----------------------------------------------------------------------------


class StockRow(serializers.ModelSerializer):
    """One product at one stock point. Free to promise = on hand - unavailable - safety - reserved.

    The ETag stands for the units that are there; claims on them do not change it.
    """

    sku = serializers.CharField(source="product.sku")
    location = serializers.CharField(source="location.code")
    free = serializers.IntegerField()
    etag = serializers.SerializerMethodField()

    class Meta:
        model = Stock
        fields = ["sku", "location", "on_hand", "reserved", "unavailable", *BUCKETS, "safety",
                  "free", "moved_at", "counted_at", "source_at", "etag"]  # fmt: skip

    def get_etag(self, stock: Stock) -> str:
        return etag(stock)


def etag(stock: Stock) -> str:
    """Changes whenever units came, went, or became unavailable."""
    seen = [stock.pk, stock.on_hand, stock.moved_at, *(getattr(stock, name) for name in BUCKETS)]
    return f'"{blake2s(repr(seen).encode(), digest_size=8).hexdigest()}"'


class ProblemRow(serializers.Serializer):
    """What is wrong with a row, and where."""

    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class ResultRow(serializers.Serializer):
    """What became of a row; `found` are units that a till sold and the books did not have."""

    row = serializers.IntegerField(help_text="counted from 0")
    outcome = serializers.ChoiceField(choices=OUTCOMES)
    on_hand = serializers.IntegerField(allow_null=True, help_text="now; null where nobody knows")
    found = serializers.IntegerField()
    problems = ProblemRow(many=True)


class Results(serializers.Serializer):
    """An answer for each row, in the order of the rows."""

    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = ResultRow(many=True)


def _problem(pointer: str, code: str, detail: str) -> dict[str, str]:
    return {"pointer": pointer, "code": code, "detail": detail}


def _result(
    row: int, outcome: str, on_hand: int | None = None, found: int = 0,
    problems: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:  # fmt: skip
    return {"row": row, "outcome": outcome, "on_hand": on_hand, "found": found,
            "problems": list(problems)}  # fmt: skip


def _judged(verdict: Verdict, line: feeds.Line) -> dict[str, Any]:
    if verdict.taken:
        return _result(line.number, verdict.state, verdict.after, verdict.found)
    column, words = refusal(verdict, line)
    return _result(line.number, "refused", verdict.before,
                   problems=[_problem(f"/{column}", verdict.state, words)])  # fmt: skip


# --- many rows -----------------------------------------------------------------------------------


def _own_code(request: Request) -> str | None:
    own = own_location(request)
    return None if own is None else Location.objects.values_list("code", flat=True).get(pk=own)


def _line(index: int, value: Mapping[str, Any], *, absolute: bool) -> feeds.Line:
    told = Told(
        value["sku"], value["location"], value["quantity" if absolute else "change"],
        value.get("as_of"), value.get("reason", ""), value.get("note", ""),
    )  # fmt: skip
    return feeds.Line(index, told, {b: value[b] for b in UNAVAILABLE & set(value)})


def _sorted_out(
    rows: Sequence[Row], own: str | None, *, absolute: bool
) -> tuple[list[feeds.Line], list[dict[str, Any]]]:
    """Rows that can be used, and the answers of those that cannot."""
    lines: list[feeds.Line] = []
    answers: list[dict[str, Any]] = []
    first: dict[tuple[str, str], int] = {}
    for row in rows:
        problems = row.problems
        if row.value is not None:
            line = _line(row.index, row.value, absolute=absolute)
            pair = line.told.sku, line.told.location
            if own is not None and line.told.location != own:
                words = f"this key's stock point is {own}; it sets no other's stock"
                problems = [_problem("/location", "not_yours", words)]
            elif absolute and first.setdefault(pair, row.index) != row.index:
                words = f"stands in row {first[pair]} already"
                problems = [_problem("/sku", "given_twice", words)]
        if problems:
            answers.append(_result(row.index, "refused", problems=problems))
        else:
            lines.append(line)
    return lines, answers


class _Rows(APIView):
    """Takes rows of one kind; a bad row stops no other."""

    scope = SCOPE
    absolute: bool
    serializer: type[serializers.Serializer]

    def delivered(self, request: Request) -> Callable[[], Answer]:
        """Checks the call as a whole; the answer takes its rows, in one transaction."""
        check_parameters(request, {"source", "reference"})
        own = _own_code(request)
        source, reference = _delivery(request, own)
        lines, refused = _sorted_out(
            each(request.data, self.serializer), own, absolute=self.absolute
        )

        def effect() -> Answer:
            verdicts = self.take(request, lines, source, reference, bad=len(refused))
            answers = [_judged(v, lines[v.row]) for v in verdicts] + refused
            answers.sort(key=lambda answer: answer["row"])
            counts = {
                outcome: sum(answer["outcome"] == outcome for answer in answers)
                for outcome in ("changed", "same", "refused")
            }
            return 200, {**counts, "results": answers}

        return effect

    def take(
        self, request: Request, lines: list[feeds.Line], source: StockSource | None,
        reference: str, *, bad: int,
    ) -> list[Verdict]:  # fmt: skip
        actor, now = str(request.auth.name), timezone.now()  # type: ignore[union-attr]
        if source is None:
            at = now if self.absolute else None
            return feeds.take(feeds.Delivery(self.absolute, at, actor), lines)
        mode = Mode.ABSOLUTE if self.absolute else Mode.DELTA
        try:
            feed = feeds.opened(source, reference, mode=mode, as_of=None, actor=actor)
        except feeds.AlreadyLoaded as known:
            raise Conflict(f"{known}.", "already_loaded") from known
        verdicts = feeds.take(feeds.Delivery.of(feed), lines)
        feeds.book(feed, verdicts, bad=bad, last=True)
        return verdicts


def _delivery(request: Request, own: str | None) -> tuple[StockSource | None, str]:
    """Who delivers, and under which number; each stock point numbers its own deliveries."""
    code, reference = (request.query_params.get(name) for name in ("source", "reference"))
    if code is None:
        if reference is not None:
            raise ValidationError({"reference": "names a delivery only together with its source"})
        return None, ""
    known = code.isprintable() and StockSource.objects.filter(code=code, active=True).first()
    if not known:
        raise ValidationError({"source": "no active source has this code"})
    if reference is None:
        return known, f"call {timezone.now().isoformat()}"
    if not 0 < len(reference) <= 60 or not reference.isprintable():
        raise ValidationError({"reference": "must be 1 to 60 printable characters"})
    return known, reference if own is None else f"{own}: {reference}"


class StockFilter(django_filters.FilterSet):
    """What the list of stock may be narrowed by."""

    sku = django_filters.CharFilter("product__sku")
    location = django_filters.CharFilter("location__code", help_text="code of the stock point")

    class Meta:
        model = Stock
        fields = ["sku", "location"]


def visible(request: Request) -> QuerySet[Stock]:
    """The stock of the caller's stock point, or everywhere."""
    own = own_location(request)
    rows = Stock.objects.select_related("product", "location")
    return rows if own is None else rows.filter(location=own)


class StockView(_Rows, ListAPIView):
    """What is where."""

    absolute = True
    serializer = LevelRow
    serializer_class = StockRow
    filterset_class = StockFilter

    def get_queryset(self) -> QuerySet[Stock]:
        if getattr(self, "swagger_fake_view", False):
            return Stock.objects.none()
        return visible(self.request)

    @extend_schema(
        operation_id="stock_set", request=LevelsPayload, responses=Results, parameters=DELIVERY
    )
    def put(self, request: Request) -> Response:
        """Set levels: the same call twice changes nothing and writes no movement."""
        effect = self.delivered(request)
        with transaction.atomic():
            code, body = effect()
        return Response(body, status=code)


class AdjustmentsView(_Rows):
    """Units that came or went."""

    absolute = False
    serializer = ChangeRow

    @extend_schema(request=ChangesPayload, responses=Results, parameters=[*DELIVERY, *REPEATABLE])
    def post(self, request: Request) -> Response:
        """Post changes; a reference or an Idempotency-Key makes a repeated call harmless."""
        return idempotent(request, self.delivered(request))


# --- one row -------------------------------------------------------------------------------------


class OneStockView(APIView):
    """One product at one stock point."""

    scope = SCOPE

    @extend_schema(responses=StockRow)
    def get(self, request: Request, location: str, sku: str) -> Response:
        return _answer(_found(request, location, sku))

    @extend_schema(request=LevelPayload, responses=StockRow, parameters=IF_MATCH)
    def put(self, request: Request, location: str, sku: str) -> Response:
        """Set the level, if nothing moved since you looked (If-Match), or as it was at as_of.

        412 tells that units moved meanwhile, 409 that the level is stale, 428 that you said
        neither what you have seen nor when.
        """
        payload = LevelPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        level, seen = payload.validated_data, request.headers.get("If-Match")
        if seen is None and "as_of" not in level:
            raise PreconditionRequired
        _check_place(request, location, sku)
        line = _line(0, {"sku": sku, "location": location, **level}, absolute=True)
        actor = str(request.auth.name)  # type: ignore[union-attr]
        with transaction.atomic():
            if seen is not None:
                _check_seen(request, location, sku, seen)
            delivery = feeds.Delivery(absolute=True, at=timezone.now(), actor=actor)
            (verdict,) = feeds.take(delivery, [line])
        if verdict.state in {"sku", "location"}:
            raise NotFound(refusal(verdict, line)[1])
        if not verdict.taken:
            raise Conflict(refusal(verdict, line)[1], f"stale_{verdict.state}")
        return _answer(_found(request, location, sku))


def _check_place(request: Request, location: str, sku: str) -> None:
    own = _own_code(request)
    if own not in {None, location} or not (location + sku).isprintable():
        raise NotFound("No such stock here.")


def _found(request: Request, location: str, sku: str, *, lock: bool = False) -> Stock:
    _check_place(request, location, sku)
    rows = visible(request).filter(location__code=location, product__sku=sku)
    if lock:
        rows = rows.select_for_update(no_key=True, of=("self",))
    stock = rows.first()
    if stock is None:
        raise NotFound("No such stock here.")
    return stock


def _check_seen(request: Request, location: str, sku: str, seen: str) -> None:
    try:
        stock = _found(request, location, sku, lock=True)
    except NotFound:
        raise PreconditionFailed("There is no stock of this yet; send as_of instead.") from None
    if seen.strip() != "*" and etag(stock) not in {tag.strip() for tag in seen.split(",")}:
        raise PreconditionFailed(f"It moved since you looked: {stock.on_hand} are there now.")


def _answer(stock: Stock) -> Response:
    row = StockRow(stock).data
    return Response(row, headers={"ETag": row["etag"]})
