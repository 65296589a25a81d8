"""Counts in the console: what to count next, who counts, what was found, what is done about it."""

from collections.abc import Iterable
from typing import Any

from django import forms as django_forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count as Total
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from config import forms
from config.console import ReadOnlyAdmin, Tabs, action, badge, display, found, moment, tabs
from config.status import IllegalMove, MovedMeanwhile
from inventory import counts
from inventory.admin.own import OwnLocationFilter, OwnLocations, own_locations
from inventory.models import Count, CountEntry, CountLine, CountSection, Location, Product

S, D = Count.State, CountLine.Decision
LEVELS = {S.CREATED: "info", S.COUNTING: "info", S.REVIEW: "warning", S.POSTED: "success",
          S.CANCELED: ""}  # fmt: skip
REFUSALS = (IllegalMove, MovedMeanwhile, counts.FullCountOpen, counts.Impossible)
SHOW = [(counts.LEFT_TO_DECIDE, "to decide"), (counts.DIFFERING, "differing"),
        (counts.ALL, "all lines")]  # fmt: skip
SHOWN = 500
MOST_PROPOSED = 200


class NewForm(forms.Form):
    """What is to be counted, where, and by whom."""

    location = django_forms.ModelChoiceField(
        Location.objects.none(), label="Stock point", widget=forms.Choice().widget
    )
    kind = forms.Choice(choices=[(Count.Kind.SELECTIVE, "chosen products"),
                                 (Count.Kind.FULL, "everything there")], label="What")  # fmt: skip
    skus = forms.LongText(
        required=False, label="SKUs", help_text="for chosen products: one a line, or with commas"
    )
    sections = forms.Text(
        initial=counts.EVERYWHERE, help_text="parts that one person counts at a time, with commas:"
        " Sales floor, Back room",
    )  # fmt: skip
    blind = django_forms.BooleanField(
        required=False, initial=True, label="Blind", help_text="counters do not see the books"
    )
    tolerance_units = forms.Number(
        min_value=0, max_value=10_000, initial=0, label="Tolerance in units",
        help_text="differences up to this are accepted by themselves",
    )  # fmt: skip
    tolerance_percent = forms.Number(
        min_value=0, max_value=100, initial=0, label="Tolerance in percent", help_text="or this"
    )
    cause = forms.Text(required=False, max_length=200, label="Why")
    assigned_to = forms.Text(required=False, max_length=100, label="For")
    due_on = django_forms.DateField(
        required=False, label="To be done by",
        widget=django_forms.DateInput(
            attrs={"type": "date", "class": " ".join(forms.BASE_INPUT_CLASSES)}
        ),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        skus = {s.strip() for s in data.pop("skus", "").replace(",", "\n").splitlines()} - {""}
        known = dict(Product.objects.filter(sku__in=skus).values_list("sku", "pk"))
        unknown = sorted(skus - known.keys())
        if unknown:
            self.add_error("skus", f"There is no product {', '.join(unknown[:10])}.")
        elif data.get("kind") == Count.Kind.SELECTIVE and not skus:
            self.add_error("skus", "Name at least one product.")
        data["products"] = list(known.values())
        data["sections"] = [name.strip() for name in data.get("sections", "").split(",")]
        return data


def new_form(own: list[int] | None) -> type[NewForm]:
    """The form, with the stock points that this person may count."""

    class Bound(NewForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["location"].queryset = places(own)  # type: ignore[attr-defined]

    return Bound


def places(own: list[int] | None) -> QuerySet[Location]:
    """Open stock points; of who is bound to some, those."""
    rows = Location.objects.filter(active=True).order_by("name")
    return rows if own is None else rows.filter(pk__in=own)


@admin.register(Count)
class CountAdmin(OwnLocations, ReadOnlyAdmin):
    """Counts of shelves, from the asking to the ledger."""

    list_display = ("what", "place", "state_", "progress", "due", "asked")
    list_filter = (("location", OwnLocationFilter), "kind")
    list_select_related = ("location",)
    search_fields = ("lines__product__sku", "location__code", "cause")
    search_help_text = "SKU, stock point or why"
    ordering = ("-id",)
    empty_words = (
        "A count is opened here, by a stock point that does not find something, or over REST."
        " Begin with what to count next."
    )
    actions_list = ("what_next", "new")
    actions_detail = ("post_", "cancel_")
    fieldsets = ((None, {"fields": ("facts",)}),)
    readonly_fields = ("facts",)
    change_form_outer_before_template = "admin/inventory/count.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Count]:
        rows: QuerySet[Count] = super().get_queryset(request)
        lines = CountLine.objects.filter(count=OuterRef("pk")).order_by()
        counted = lines.filter(Exists(CountEntry.objects.filter(line=OuterRef("pk"))))
        return rows.annotate(lines_=_total(lines), counted_=_total(counted))

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        mine = OwnLocations.get_queryset(self, request).filter(state__in=Count.OPEN)
        by_state = dict(mine.order_by().values_list("state").annotate(n=Total("pk")))
        return [
            tabs(request, label="State", parameter="state__exact", choices=S.choices,
                 everything="all counts", counts=by_state)
        ]  # fmt: skip

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "state__exact" or super().lookup_allowed(lookup, value, request)

    # --- the list ---

    @display(description="count", ordering="id", header=True)
    def what(self, count: Count) -> tuple[str, str]:
        lines = count.lines_  # type: ignore[attr-defined]
        kind = "everything" if count.kind == Count.Kind.FULL else f"{lines} products"
        return f"Count {count.pk}: {kind}", count.cause

    @display(description="stock point", ordering="location__name")
    def place(self, count: Count) -> str:
        return count.location.name

    @display(description="state", ordering="state")
    def state_(self, count: Count) -> SafeString:
        return badge(LEVELS[S(count.state)], count.get_state_display())

    @display(description="counted")
    def progress(self, count: Count) -> str:
        return f"{count.counted_} of {count.lines_}"  # type: ignore[attr-defined]

    @display(description="due", ordering="due_on")
    def due(self, count: Count) -> str:
        return f"{count.due_on:%a} {count.due_on.day} {count.due_on:%b}" if count.due_on else "-"

    @display(description="asked for", ordering="created_at")
    def asked(self, count: Count) -> str:
        return f"{moment(count.created_at)} by {count.created_by or 'the house'}"

    # --- the page ---

    @display(description="")
    def facts(self, count: Count) -> SafeString:
        return render_to_string("admin/inventory/count_facts.html", {"count": count})

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what can be done now."""
        state = found(self.get_queryset(request), object_id).state
        legal = counts.MOVES[state]
        hidden = {"post_": S.POSTED, "cancel_": S.CANCELED}
        gone = tuple(name for name, to in hidden.items() if to not in legal)
        actions = super().get_actions_detail(request, object_id)
        return [one for one in actions if not gone or not one.action_name.endswith(gone)]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        count = found(self.get_queryset(request), object_id)
        extra = {**(extra_context or {}), **self._review(request, count)}
        return super().changeform_view(request, object_id, form_url, extra)

    def _review(self, request: HttpRequest, count: Count) -> dict[str, Any]:
        sums, in_review = counts.sums(count), count.state == S.REVIEW
        show = request.GET.get("show", "")
        if show not in dict(SHOW):
            show = counts.LEFT_TO_DECIDE if in_review and sums.open else counts.DIFFERING
        steps = counts.ladder(count) if in_review else []
        return {
            "count": count, "sums": sums, "sections": sections_of(count), "in_review": in_review,
            "steps": steps, "steps_json": [_step(step) for step in steps],
            "rows": counts.rows(count, only=show, limit=SHOWN), "show": show, "shows": SHOW,
            "shown": SHOWN, "may": self.has_handle_permission(request),
            "decisions": [(D.ACCEPT, "accept"), (D.RECOUNT, "count again"),
                          (D.REJECT, "leave the books")],
        }  # fmt: skip

    def get_urls(self) -> list[Any]:
        decide = self.admin_site.admin_view(self.decide)
        return [
            path("<int:pk>/decide/", decide, name="inventory_count_decide"), *super().get_urls()
        ]  # fmt: skip

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Decisions about lines, or a threshold for all that are open."""
        count = found(self.get_queryset(request), pk)
        if not self.has_handle_permission(request):
            raise PermissionDenied
        back = HttpResponseRedirect(reverse("admin:inventory_count_change", args=[pk]))
        if request.method == "POST":
            try:
                messages.success(request, _decide(count, request))
            except REFUSALS as error:
                messages.error(request, str(error))
        return back

    # --- the buttons ---

    @action(description="Post", permissions=["handle"], url_path="post", icon="done_all")
    def post_(self, request: HttpRequest, object_id: int) -> HttpResponse:
        count = found(self.get_queryset(request), object_id)
        sums = counts.sums(count)
        left = (
            f" {sums.open} lines are not decided: their books stay as they are."
            if sums.open
            else ""
        )

        def effect(_: dict) -> str:
            done = counts.post(count_id=count.pk, by=request.user.get_username())
            return "The books say now what was counted." if done else "It was posted before."

        return forms.ask(
            request, site=self.admin_site, title=f"Post count {count.pk}", form=forms.Form,
            effect=effect, submit="Post to the ledger", back=_page(count), errors=REFUSALS,
            text=f"Accepted differences are booked now: {sums.more} units found, {sums.less}"
            f" lost at most, {sums.value:.2f} at selling prices.{left} Orders that lose their"
            " units are routed again.",
        )  # fmt: skip

    @action(description="Cancel", permissions=["handle"], url_path="cancel", icon="close")
    def cancel_(self, request: HttpRequest, object_id: int) -> HttpResponse:
        count = found(self.get_queryset(request), object_id)

        def effect(_: dict) -> str:
            counts.cancel(count_id=count.pk, actor=request.user.get_username())
            return f"Count {count.pk} is canceled."

        return forms.ask(
            request, site=self.admin_site, title=f"Cancel count {count.pk}", form=forms.Form,
            effect=effect, submit="Cancel the count", back=_page(count), errors=REFUSALS,
            danger=True, text="What was counted is kept to read. The books stay as they are, and"
            " what was not found stays missing.",
        )  # fmt: skip

    @action(description="New count", permissions=["handle"], url_path="new", icon="add")
    def new(self, request: HttpRequest) -> HttpResponse:
        def effect(data: dict) -> str:
            place = data.pop("location")
            count = counts.start(location=place.pk, actor=request.user.get_username(), **data)
            return f"Count {count.pk} is open; people at {place.name} see it on their phones."

        return forms.ask(
            request, site=self.admin_site, title="New count", form=new_form(own_locations(request)),
            effect=effect, submit="Open the count", errors=(*REFUSALS, ValueError),
            back=reverse("admin:inventory_count_changelist"),
            text="The shop goes on selling while it is counted: what is sold, picked or received"
            " meanwhile is taken into account.",
        )  # fmt: skip

    @action(description="What to count next", permissions=["handle"], url_path="next",
            icon="checklist")  # fmt: skip
    def what_next(self, request: HttpRequest) -> HttpResponse:
        """The proposal of a stock point, and one click to have its top counted."""
        mine = list(places(own_locations(request)))
        asked = request.POST.get("at") or request.GET.get("at")
        here = next((place for place in mine if place.code == asked), mine[0] if mine else None)
        if request.method == "POST" and here is not None:
            return self._open_top(request, here)
        found_ = counts.proposal(location=here.pk, limit=MOST_PROPOSED) if here else []
        context = {
            **self.admin_site.each_context(request), "title": "What to count next",
            "places": mine, "here": here, "rows": found_,
            "rate": found_[0].rate * 100 if found_ else None,
            "at_risk": sum(row.at_risk for row in found_), "most": min(20, len(found_)),
        }  # fmt: skip
        return TemplateResponse(request, "admin/inventory/count_next.html", context)

    def _open_top(self, request: HttpRequest, here: Location) -> HttpResponse:
        asked = request.POST.get("top", "")
        top = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 5 else 0
        chosen = counts.proposal(location=here.pk, limit=min(top, MOST_PROPOSED)) if top else []
        if not chosen:
            messages.warning(request, "There was nothing to count: choose how many products.")
            return HttpResponseRedirect(request.get_full_path())
        count = counts.start(
            location=here.pk, kind=Count.Kind.SELECTIVE, products=[row.product for row in chosen],
            cause="most units at risk", actor=request.user.get_username(),  # type: ignore[union-attr]
        )  # fmt: skip
        messages.success(request, f"Count {count.pk} is open for {len(chosen)} products.")
        return HttpResponseRedirect(_page(count))


def _total(lines: QuerySet[CountLine]) -> Coalesce:
    """How many they are; a subquery, so that it is asked for the rows of the page only."""
    return Coalesce(Subquery(lines.values("count").annotate(n=Total("pk")).values("n")), 0)


def _page(count: Count) -> str:
    return reverse("admin:inventory_count_change", args=[count.pk])


def sections_of(count: Count) -> Iterable[CountSection]:
    """The count's sections, with how many products were counted in each."""
    return count.sections.annotate(figures=Total("entries")).order_by("id")


def _step(step: counts.Step) -> dict[str, Any]:
    """A step of the ladder for the slider of the page."""
    return {
        "units": step.units, "accept": step.accept_lines, "acceptUnits": step.accept_units,
        "acceptValue": f"{step.accept_value:.2f}", "again": step.again_lines,
        "againUnits": step.again_units, "againValue": f"{step.again_value:.2f}",
    }  # fmt: skip


def _decide(count: Count, request: HttpRequest) -> str:
    """Do what the page's forms ask; returns words for people."""
    by = request.user.get_username()  # type: ignore[union-attr]
    units = request.POST.get("units", "")
    if units.isascii() and units.isdigit() and len(units) < 8:
        accepted, again = counts.decide_up_to(count_id=count.pk, units=int(units), by=by)
        return f"{accepted} lines accepted, {again} to be counted again."
    wanted: dict[str, list[int]] = {}
    for name, value in request.POST.items():
        line = name.removeprefix("line_")
        if name.startswith("line_") and line.isascii() and line.isdigit() and len(line) < 19:
            wanted.setdefault(str(value), []).append(int(line))
    done = [
        (counts.decide(count_id=count.pk, lines=wanted[verdict], decision=verdict, by=by), words)
        for verdict, words in ((D.ACCEPT, "accepted"), (D.REJECT, "left as the books have them"))
        if verdict in wanted
    ]
    if D.RECOUNT in wanted:  # last: it takes the count out of review
        again = counts.recount(count_id=count.pk, lines=wanted[D.RECOUNT], by=by)
        done.append((again, "to be counted again"))
    said = ", ".join(f"{lines} {words}" for lines, words in done)
    return f"Lines: {said}." if said else "Nothing was decided."
