"""Store pages for counting: one section at a time, by scan or by hand, with or without a network.

Everything works as a plain form with a redirect. With scripts (static/count.js) figures are kept
on the phone until the server has them, so a basement without a network stops nobody.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import Count as Total
from django.db.models import F, FilteredRelation, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from rest_framework.exceptions import APIException, ValidationError

from config.api import parse_json
from config.models import IdempotencyKey
from config.payload import Row, each
from config.status import IllegalMove, MovedMeanwhile
from fulfillment import board
from fulfillment.views import at_a_place, staff_only
from inventory import counts
from inventory.api.counts import CountEntryPayload
from inventory.models import Count, CountLine, CountSection, Location, Stock

S = Count.State
SHOWN = 300  # products of a list; a full count shows what was found so far
TO_COUNT = (S.CREATED, S.COUNTING)
EXPECTED = (
    IllegalMove, MovedMeanwhile, counts.InOtherHands, counts.SectionClosed, counts.SectionsOpen,
    counts.NothingCounted,
)  # fmt: skip


# --- lists ---------------------------------------------------------------------------------------


@at_a_place
def home(request: HttpRequest, here: Location, mine: list[Location]) -> HttpResponse:
    """What is to be counted at the chosen stock point."""
    rows = open_counts(here).annotate(
        products=Total("lines", distinct=True),
        parts=Total("sections", distinct=True),
        done=Total("sections", filter=~Q(sections__submitted_at=None), distinct=True),
    )
    return render(request, "store/counts.html", {
        "here": here, "mine": mine, "rows": rows.order_by("state", "due_on", "id")[:100],
    })  # fmt: skip


def open_counts(here: Location) -> QuerySet[Count]:
    """Counts at a stock point that are not closed."""
    return Count.objects.filter(location=here, state__in=Count.OPEN)


def _find(request: HttpRequest, pk: int) -> Count:
    mine = board.stock_points(request.user)
    count = Count.objects.filter(location__in=mine, pk=pk).select_related("location").first()
    if count is None:
        raise Http404("There is no such count at your stock point.")
    return count


def _section(request: HttpRequest, pk: int) -> CountSection:
    mine = board.stock_points(request.user)
    sections = CountSection.objects.filter(count__location__in=mine, pk=pk)
    section = sections.select_related("count__location").first()
    if section is None:
        raise Http404("There is no such section at your stock point.")
    return section


@never_cache
@require_GET
@staff_only
def count(request: HttpRequest, pk: int) -> HttpResponse:
    """One count: its sections, who has them, and what is left to do."""
    return _count_page(request, _find(request, pk))


def _count_page(
    request: HttpRequest, row: Count, *, status: int = 200, **extra: Any
) -> HttpResponse:
    figures_ = {"figures": Total("entries"), "units": Sum("entries__found", default=0)}
    sections = list(row.sections.annotate(**figures_).order_by("id"))
    context = {
        "count": row, "here": row.location, "sections": sections, "me": _me(request),
        "open": row.state in TO_COUNT,
        "complete": row.state == S.COUNTING and all(s.submitted_at for s in sections),
        "products": row.lines.count(), **extra,
    }  # fmt: skip
    return render(request, "store/count.html", context, status=status)


def _me(request: HttpRequest) -> str:
    return request.user.get_username()  # type: ignore[union-attr]


@never_cache
@require_POST
@staff_only
def hand_in(request: HttpRequest, pk: int) -> HttpResponse:
    """The count is done; of a full one, what was found nowhere is said to be gone."""
    row = _find(request, pk)
    try:
        counts.submit(
            count_id=row.pk, by=_me(request), rest_is_zero=request.POST.get("rest") == "zero"
        )
    except counts.Uncounted as error:
        return _count_page(request, row, status=409, missing=error.lines)
    except EXPECTED as error:
        return _count_page(request, row, status=409, error=in_words(error))
    messages.success(request, "Handed in. Thank you for counting.")
    return redirect("store:counts")


def in_words(error: Exception) -> str:
    """One sentence that tells the counter what is the matter."""
    if isinstance(error, IllegalMove):
        return "This count is not open for counting any more."
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."


# --- one section ---------------------------------------------------------------------------------


@never_cache
@require_GET
@staff_only
def section(request: HttpRequest, pk: int) -> HttpResponse:
    """The page to count on."""
    return _page(request, _section(request, pk))


def _page(
    request: HttpRequest, row: CountSection, *, status: int = 200, **extra: Any
) -> HttpResponse:
    mine = row.counter == _me(request) and row.submitted_at is None
    is_open = row.count.state in TO_COUNT
    if not (mine and is_open) and status == 200:
        return redirect("store:count", pk=row.count_id)
    items = _items(row)
    return render(request, "store/count_section.html", {
        "section": row, "count": row.count, "here": row.count.location, "items": items,
        "counted": sum(item.found is not None for item in items),
        "token": secrets.token_urlsafe(16), "mine": mine and is_open,
        "now": timezone.now(), **extra,
    }, status=status)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A product on the page; `books` is None where counters do not see them."""

    line: CountLine
    found: int | None
    books: int | None

    @property
    def more(self) -> int:
        """The figure with one more."""
        return (self.found or 0) + 1

    @property
    def less(self) -> int:
        """The figure with one less."""
        return max((self.found or 0) - 1, 0)


def _items(row: CountSection) -> list[Item]:
    """The products to count: what the list names, or of a full count what was found here."""
    lines = (
        CountLine.objects.filter(count_id=row.count_id)
        .annotate(entry=FilteredRelation("entries", condition=Q(entries__section=row)))
        .annotate(here=F("entry__found"))
        .select_related("product")
        .order_by("product__sku")
    )
    if row.count.kind == Count.Kind.FULL:
        lines = lines.filter(Q(here__isnull=False) | Q(decision=CountLine.Decision.RECOUNT))
    chosen = list(lines[:SHOWN])
    books = {} if row.count.blind else _books(row.count.location, chosen)
    return [Item(line, line.here, books.get(line.product_id)) for line in chosen]


def _books(here: Location, lines: Sequence[CountLine]) -> dict[int, int]:
    products = [line.product_id for line in lines]
    known = Stock.objects.filter(location=here, product__in=products)
    return dict.fromkeys(products, 0) | dict(known.values_list("product_id", "on_hand"))


DONE_WORDS = {
    "take": "",
    "over": "It is yours now: go on where it was left.",
    "leave": "Given back. Somebody else can take it.",
    "done": "This section is counted.",
}


@never_cache
@require_http_methods(["GET", "POST"])
@staff_only
def press(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Take a section, take it over, give it back, or say that it is counted."""
    if name not in DONE_WORDS:
        raise Http404("There is no such button.")
    row = _section(request, pk)
    if request.method == "GET":  # reloaded after the redirect was lost
        return redirect("store:count", pk=row.count_id)
    try:
        if name in ("take", "over"):
            counts.take(section_id=pk, by=_me(request), over=name == "over")
        elif name == "leave":
            counts.leave(section_id=pk, by=_me(request))
        else:
            counts.submit_section(section_id=pk, by=_me(request))
    except EXPECTED as error:
        return _count_page(request, row.count, status=409, error=in_words(error))
    if DONE_WORDS[name]:
        messages.success(request, DONE_WORDS[name])
    if name in ("take", "over"):
        return redirect("store:section", pk=pk)
    return redirect("store:count", pk=row.count_id)


# --- figures -------------------------------------------------------------------------------------


class FigureForm(forms.Form):
    """One product's figure; without a number it is one more than before."""

    code = forms.CharField(
        max_length=64, error_messages={"required": "Scan a barcode, or type the SKU.",
                                       "max_length": "This is not a barcode of ours."}
    )  # fmt: skip
    found = forms.IntegerField(
        min_value=0, max_value=1_000_000, required=False,
        error_messages={"invalid": "Type a whole number.", "min_value": "Fewer than none?",
                        "max_value": "That many?"},
    )  # fmt: skip
    token = forms.CharField(max_length=40, required=False)


@never_cache
@require_POST
@staff_only
def figures(request: HttpRequest, pk: int) -> HttpResponse:
    """Figures from the phone: one as a form, or all that wait there as JSON."""
    row = _section(request, pk)
    if request.content_type == "application/json":
        return _many(request, row)
    form = FigureForm(request.POST)
    if not form.is_valid():
        return _page(request, row, status=422, error=str(next(iter(form.errors.values()))[0]))
    try:
        outcome = _one(request, row, form.cleaned_data)
    except EXPECTED as error:
        return _page(request, row, status=409, error=in_words(error))
    if outcome is not None and outcome.result == "failed":
        words = f"{form.cleaned_data['code']}: {outcome.words}."
        return _page(request, row, status=409, error=words)
    return redirect("store:section", pk=pk)


def _one(request: HttpRequest, row: CountSection, data: dict[str, Any]) -> counts.Outcome | None:
    """Take one figure; None when a scan without a number came twice."""
    with transaction.atomic():
        units = data["found"]
        if units is None:
            token = data["token"] or secrets.token_urlsafe(16)
            _, first = IdempotencyKey.objects.get_or_create(
                owner=f"user:{request.user.pk}", key=f"count:{row.pk}:{token}"
            )
            if not first:
                return None
            units = _so_far(row, data["code"]) + 1
        entry = counts.Found(data["code"], units, timezone.now())
        return counts.record(section_id=row.pk, entries=[entry], by=_me(request))[0]


def _so_far(row: CountSection, code: str) -> int:
    product = counts.by_code([code]).get(code)
    if product is None:
        return 0
    found = row.entries.filter(line__product=product).values_list("found", flat=True)
    return found.first() or 0


def _many(request: HttpRequest, row: CountSection) -> HttpResponse:
    try:
        rows = each(parse_json(request.body), CountEntryPayload)
    except (APIException, ValidationError) as error:
        return JsonResponse({"words": str(error.detail)}, status=400)
    good = [one for one in rows if one.value is not None]
    try:
        outcomes = counts.record(
            section_id=row.pk, by=_me(request),
            entries=[counts.Found(**one.value or {}) for one in good],
        )  # fmt: skip
    except EXPECTED as error:
        return JsonResponse({"words": in_words(error)}, status=409)
    told = dict(zip((one.index for one in good), outcomes, strict=True))
    return JsonResponse({"rows": [_answer(one, told.get(one.index)) for one in rows]})


def _answer(row: Row, outcome: counts.Outcome | None) -> dict[str, Any]:
    """What the phone needs to show the product; nothing of the books."""
    if outcome is None:
        return {"result": "failed", "words": row.problems[0]["detail"]}
    if outcome.product is None:
        return {"result": outcome.result, "words": outcome.words}
    product = outcome.product
    variant = " · ".join(part for part in (product.color, product.size) if part)
    return {"result": outcome.result, "sku": product.sku, "gtin": product.gtin or "",
            "name": product.name, "variant": variant}  # fmt: skip
