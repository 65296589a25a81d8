"""REST for counts: open one, send what was found, hand it in, decide and post it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import django_filters
from django.db import transaction
from django.db.models import Prefetch, QuerySet, Sum
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, Problems, check_parameters, idempotent, own_location
from config.payload import MAX_ROWS, Items, Strict, Units, each
from config.status import IllegalMove, MovedMeanwhile
from inventory import counts
from inventory.models import Count, CountLine, CountSection, Location, Product

SCOPE = "stock"
MAX_PRODUCTS = 10_000
MAX_PROPOSED = 200
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]
CODES: dict[type[Exception], str] = {
    IllegalMove: "illegal_move",
    MovedMeanwhile: "moved_meanwhile",
    counts.FullCountOpen: "full_count_open",
    counts.InOtherHands: "in_other_hands",
    counts.SectionClosed: "section_closed",
    counts.SectionsOpen: "sections_open",
    counts.NothingCounted: "nothing_counted",
    counts.Uncounted: "uncounted",
    counts.Impossible: "impossible",
}


@contextmanager
def as_problems() -> Iterator[None]:
    """Domain exceptions as 409 answers, each with its code."""
    try:
        yield
    except tuple(CODES) as error:
        raise Conflict(str(error), CODES[type(error)]) from error


# --- answers -------------------------------------------------------------------------------------


class CountSectionRow(serializers.ModelSerializer):
    """A part of the place, and who counts it."""

    class Meta:
        model = CountSection
        fields = ["name", "counter", "taken_at", "submitted_at"]


class CountRow(serializers.ModelSerializer):
    """A count with its sections."""

    location = serializers.CharField(source="location.code")
    sections = CountSectionRow(many=True)

    class Meta:
        model = Count
        fields = ["id", "location", "kind", "blind", "state", "tolerance_units",
                  "tolerance_percent", "cause", "key", "assigned_to", "due_on", "created_by",
                  "created_at", "submitted_at", "closed_at", "sections"]  # fmt: skip


class CountLineRow(serializers.ModelSerializer):
    """A product of a count. While a blind count is open it says nothing of the books."""

    sku = serializers.CharField(source="product.sku")
    name = serializers.CharField(source="product.name")
    found = serializers.IntegerField(allow_null=True, help_text="null: not counted")
    difference = serializers.SerializerMethodField(
        help_text="found + off_shelf - expected: what posting changes"
    )

    class Meta:
        model = CountLine
        fields = ["id", "sku", "name", "found", "first_found", "expected", "off_shelf",
                  "difference", "decision", "decided_by", "posted"]  # fmt: skip

    def get_difference(self, line: CountLine) -> int | None:
        found = getattr(line, "found", None)
        known = found is not None and line.expected is not None
        return found + line.off_shelf - line.expected if known else None  # type: ignore[operator]

    def to_representation(self, line: CountLine) -> dict[str, Any]:
        row = super().to_representation(line)
        if counts.hides_books(line.count):
            row |= dict.fromkeys(("expected", "off_shelf", "difference"))
        return row


class CountEntryResult(serializers.Serializer):
    """What became of a row: counted, same, older (a newer figure is there) or failed."""

    index = serializers.IntegerField()
    result = serializers.ChoiceField(["counted", "same", "older", "failed"])
    sku = serializers.CharField(allow_null=True)
    added = serializers.BooleanField(help_text="it was not on the count's list")
    detail = serializers.CharField()


class CountEntryResults(serializers.Serializer):
    """A result for each row, in their order."""

    rows = CountEntryResult(many=True)


class CountProposalRow(serializers.Serializer):
    """A product worth counting: units at risk = (free + missing) x chance that the books err."""

    sku = serializers.CharField()
    name = serializers.CharField()
    free = serializers.IntegerField()
    missing = serializers.IntegerField()
    movements = serializers.IntegerField()
    counted_at = serializers.DateTimeField(allow_null=True)
    chance = serializers.FloatField()
    at_risk = serializers.FloatField()


class CountProposalRows(serializers.Serializer):
    """What to count next, most units at risk first."""

    rows = CountProposalRow(many=True)


def visible(request: Request) -> QuerySet[Count]:
    """The counts of the caller's stock point, or all; whole, in two statements."""
    here = own_location(request)
    sections = CountSection.objects.order_by("id")
    rows = Count.objects.select_related("location").prefetch_related(Prefetch("sections", sections))
    return rows if here is None else rows.filter(location=here)


# --- what is asked -------------------------------------------------------------------------------


class CountPayload(Strict):
    """A count to open: everything at a stock point, or chosen products there."""

    location = serializers.CharField(max_length=32)
    kind = serializers.ChoiceField(Count.Kind.choices, default=Count.Kind.SELECTIVE)
    skus = Items(child=serializers.CharField(max_length=64), default=list, max_length=MAX_PRODUCTS)
    sections = Items(
        child=serializers.CharField(max_length=60), default=lambda: [counts.EVERYWHERE],
        max_length=50, allow_empty=False,
    )  # fmt: skip
    blind = serializers.BooleanField(default=True)
    tolerance_units = Units(min_value=0, max_value=10_000, default=0)
    tolerance_percent = Units(min_value=0, max_value=100, default=0)
    cause = serializers.CharField(max_length=200, default="", allow_blank=True)
    key = serializers.CharField(
        max_length=100, default=None, allow_null=True, help_text="yours; opens one count once"
    )
    assigned_to = serializers.CharField(max_length=100, default="", allow_blank=True)
    due_on = serializers.DateField(default=None, allow_null=True)


class CountEntryPayload(Strict):
    """The section's figure for a product: all units found there, not how many more."""

    code = serializers.CharField(max_length=64, help_text="SKU or GTIN")
    found = Units(min_value=0, max_value=1_000_000)
    counted_at = serializers.DateTimeField(help_text="by the clock of the device, with its zone")


class CountEntriesPayload(Strict):
    """Up to 1,000 figures of a section. The same ones may be sent again."""

    rows = CountEntryPayload(many=True)


class CountSubmitPayload(Strict):
    """Whether products of a full count that were found nowhere are at 0."""

    rest_is_zero = serializers.BooleanField(default=False)


class CountDecisionRow(Strict):
    """What is done about a product's difference."""

    sku = serializers.CharField(max_length=64)
    decision = serializers.ChoiceField(["accept", "reject", "recount"])


class CountDecisionsPayload(Strict):
    """Decisions about up to 1,000 products."""

    rows = Items(child=CountDecisionRow(), allow_empty=False, max_length=MAX_ROWS)


class CountFilter(django_filters.FilterSet):
    """What the list of counts may be narrowed by."""

    state = django_filters.ChoiceFilter(choices=Count.State.choices)
    location = django_filters.CharFilter("location__code", help_text="code of the stock point")

    class Meta:
        model = Count
        fields = ["state", "location"]


class LineFilter(django_filters.FilterSet):
    """What the lines may be narrowed by."""

    sku = django_filters.CharFilter("product__sku")
    decision = django_filters.ChoiceFilter(choices=CountLine.Decision.choices[1:])

    class Meta:
        model = CountLine
        fields = ["sku", "decision"]


def _valid(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    payload = serializer(data=request.data)
    payload.is_valid(raise_exception=True)
    return dict(payload.validated_data)


def _actor(request: Request) -> str:
    return str(request.auth.name)[:100]  # type: ignore[union-attr]


# --- doors ---------------------------------------------------------------------------------------


class CountsView(ListAPIView):
    """Counts of the caller's stock point, newest first."""

    scope = SCOPE
    serializer_class = CountRow
    filterset_class = CountFilter

    def get_queryset(self) -> QuerySet[Count]:
        if getattr(self, "swagger_fake_view", False):
            return Count.objects.none()
        return visible(self.request)

    @extend_schema(request=CountPayload, responses={201: CountRow}, parameters=REPEATABLE)
    def post(self, request: Request) -> Response:
        """Open a count."""
        payload = _valid(CountPayload, request)
        place = _place(payload.pop("location"), request)
        products = _products(payload.pop("skus"), "/skus/{}")

        def effect() -> tuple[int, dict[str, Any]]:
            try:
                count = counts.start(location=place.pk, products=products.values(),
                                     actor=_actor(request), **payload)  # fmt: skip
            except ValueError as error:
                field = "sections" if "section" in str(error) else "skus"
                raise Problems("invalid", [(f"/{field}", "invalid", str(error))],
                               status_code=400) from error  # fmt: skip
            return 201, _row(request, count.pk)

        with as_problems():
            return idempotent(request, effect)


def _place(code: str, request: Request) -> Location:
    place = Location.objects.filter(code=code, active=True).first()
    if place is None:
        words = f"no open stock point {code!r}"
        raise Problems("invalid", [("/location", "unknown_location", words)], status_code=400)
    here = own_location(request)
    if here is not None and here != place.pk:
        raise PermissionDenied("This key counts its own stock point only.")
    return place


def _products(skus: list[str], pointer: str) -> dict[str, int]:
    """Product ids by SKU; refuses SKUs that nobody knows, with the place where they stand."""
    known = dict(Product.objects.filter(sku__in=set(skus)).values_list("sku", "pk"))
    problems = [
        (pointer.format(i), "unknown_sku", f"no product {sku!r}")
        for i, sku in enumerate(skus)
        if sku not in known
    ]
    if problems:
        raise Problems("invalid", problems, status_code=400)
    return known


def _row(request: Request, pk: int) -> dict[str, Any]:
    return dict(CountRow(visible(request).get(pk=pk)).data)


class OneCount(APIView):
    """Finds a count that the caller may see; those of others do not exist for it."""

    scope = SCOPE

    def find(self, request: Request, pk: int) -> Count:
        row = visible(request).filter(pk=pk).first()
        if row is None:
            raise NotFound(f"No count {pk} here.")
        return row

    def section(self, request: Request, pk: int, name: str) -> CountSection:
        count = self.find(request, pk)
        known = name.isprintable() and len(name) <= 60
        row = count.sections.filter(name=name).first() if known else None
        if row is None:
            raise NotFound(f"Count {pk} has no such section.")
        return row

    def press(
        self, request: Request, pk: int, button: Callable[..., Any], **values: Any
    ) -> Response:
        """Press one button and answer with the count as it is then."""
        count = self.find(request, pk)

        def effect() -> tuple[int, dict[str, Any]]:
            button(count_id=count.pk, **values)
            return 200, _row(request, count.pk)

        with as_problems():
            return idempotent(request, effect)


class CountView(OneCount):
    """One count with its sections."""

    @extend_schema(responses=CountRow)
    def get(self, request: Request, pk: int) -> Response:
        return Response(CountRow(self.find(request, pk)).data)


class CountLinesView(OneCount, ListAPIView):
    """The products of a count, those added last first."""

    serializer_class = CountLineRow
    filterset_class = LineFilter

    def get_queryset(self) -> QuerySet[CountLine]:
        if getattr(self, "swagger_fake_view", False):
            return CountLine.objects.none()
        count = self.find(self.request, self.kwargs["pk"])
        return (
            CountLine.objects.filter(count=count)
            .select_related("product", "count")
            .annotate(found=Sum("entries__found"))
        )


class CountEntriesView(OneCount):
    """Takes what was found in a section; a free section becomes the caller's."""

    @extend_schema(request=CountEntriesPayload, responses=CountEntryResults)
    def put(self, request: Request, pk: int, name: str) -> Response:
        section = self.section(request, pk, name)
        rows = each(request.data, CountEntryPayload)
        good = [row for row in rows if row.value is not None]
        with as_problems():
            outcomes = counts.record(
                section_id=section.pk, by=_actor(request),
                entries=[counts.Found(**row.value or {}) for row in good],
            )  # fmt: skip
        of_row = {row.index: out for row, out in zip(good, outcomes, strict=True)}
        return Response({"rows": [_result(row.index, of_row, row.problems) for row in rows]})


def _result(
    index: int, outcomes: Mapping[int, counts.Outcome], problems: list[dict[str, str]]
) -> dict[str, Any]:
    found = outcomes.get(index)
    if found is None:
        words = "; ".join(f"{p['pointer']}: {p['detail']}" for p in problems)
        return {"index": index, "result": "failed", "sku": None, "added": False, "detail": words}
    sku = found.product.sku if found.product else None
    return {"index": index, "result": found.result, "sku": sku, "added": found.added,
            "detail": found.words}  # fmt: skip


class SubmitSectionView(OneCount):
    """The section is counted."""

    @extend_schema(request=None, responses=CountRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int, name: str) -> Response:
        section = self.section(request, pk, name)

        def button(count_id: int) -> None:
            counts.submit_section(section_id=section.pk, by=_actor(request))

        return self.press(request, pk, button)


class SubmitCountView(OneCount):
    """The whole count is handed in for review."""

    @extend_schema(request=CountSubmitPayload, responses=CountRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        payload = _valid(CountSubmitPayload, request)
        return self.press(request, pk, counts.submit, by=_actor(request), **payload)


class CountDecisionsView(OneCount):
    """Decides about differences; what is to be counted again reopens the count."""

    @extend_schema(request=CountDecisionsPayload, responses=CountRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        rows = _valid(CountDecisionsPayload, request)["rows"]
        count = self.find(request, pk)
        lines = _lines(count, [row["sku"] for row in rows])
        verdicts: dict[str, list[int]] = {}
        for row in rows:
            verdicts.setdefault(row["decision"], []).append(lines[row["sku"]])
        return self.press(request, pk, _decide, verdicts=verdicts, by=_actor(request))


def _lines(count: Count, skus: list[str]) -> dict[str, int]:
    known = dict(count.lines.filter(product__sku__in=set(skus)).values_list("product__sku", "pk"))
    problems = [
        (f"/rows/{i}/sku", *(("given_twice", f"{sku!r} stands twice") if sku in known
                             else ("unknown_sku", f"{sku!r} is not in this count")))
        for i, sku in enumerate(skus)
        if sku not in known or sku in skus[:i]
    ]  # fmt: skip
    if problems:
        raise Problems("invalid", problems, status_code=400)
    return known


def _decide(*, count_id: int, verdicts: Mapping[str, list[int]], by: str) -> None:
    with transaction.atomic():
        for decision in ("accept", "reject"):
            counts.decide(
                count_id=count_id, lines=verdicts.get(decision, []), decision=decision, by=by
            )
        if verdicts.get("recount"):
            counts.recount(count_id=count_id, lines=verdicts["recount"], by=by)


class PostCountView(OneCount):
    """Accepted differences go to the ledger; what nobody decided leaves the books as they are."""

    @extend_schema(request=None, responses=CountRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, counts.post, by=_actor(request))


class CancelCountView(OneCount):
    """Gives the count up; the books stay as they are."""

    @extend_schema(request=None, responses=CountRow, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, counts.cancel, actor=_actor(request))


PROPOSAL_PARAMETERS = [
    OpenApiParameter("location", str, description="code of the stock point; a stock point's own"
                                                  " key need not say it"),
    OpenApiParameter("limit", int, description=f"at most {MAX_PROPOSED}; 20 unless told"),
]  # fmt: skip


class CountProposalView(APIView):
    """What to count next at a stock point."""

    scope = SCOPE

    @extend_schema(responses=CountProposalRows, parameters=PROPOSAL_PARAMETERS)
    def get(self, request: Request) -> Response:
        check_parameters(request, ["location", "limit"])
        limit = request.query_params.get("limit", "20")
        if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= MAX_PROPOSED):
            words = f"is not a whole number from 1 to {MAX_PROPOSED}"
            raise Problems("invalid", [("/limit", "invalid", words)], status_code=400)
        found = counts.proposal(location=self._place(request), limit=int(limit))
        return Response(CountProposalRows({"rows": found}).data)

    def _place(self, request: Request) -> int:
        here, code = own_location(request), request.query_params.get("location")
        if code is None and here is not None:
            return here
        return _place((code or "").replace("\x00", ""), request).pk
