"""Transfers in the console: what is to ship, on the road, and what went otherwise than asked."""

from collections.abc import Callable
from typing import Any

from django import forms as django_forms
from django.contrib import admin
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import forms
from config.console import (
    ReadOnlyAdmin,
    ReadOnlyTabularInline,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    tabs,
)
from config.status import IllegalMove, MovedMeanwhile
from inventory import transfers
from inventory.admin.own import OwnLocationFilter, OwnLocations, own_locations
from inventory.ledger import ClaimGone, NotEnough
from inventory.models import Location, Product, StockMovement, Transfer, TransferLine
from inventory.transfers import Arrived

S, Flow = Transfer.State, Transfer.Flow
BADGES = {
    S.DRAFT: "info", S.CONFIRMED: "warning", S.SHIPPED: "info", S.PARTLY: "warning",
    S.CLOSED: "success", S.CANCELED: "",
}  # fmt: skip
LEVELS = {"under": "warning", "over": "warning", "refused": "danger", "lost": "danger"}
REFUSALS = (transfers.Refused, IllegalMove, MovedMeanwhile, NotEnough, ClaimGone)


class DifferenceFilter(admin.SimpleListFilter):
    """Transfers in which something went otherwise than asked."""

    title = "difference"
    parameter_name = "difference"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in transfers.DIFFERENCES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Transfer]) -> QuerySet[Transfer]:
        if self.value() not in transfers.DIFFERENCES:
            return queryset
        _, condition = transfers.DIFFERENCES[self.value() or ""]
        lines = TransferLine.objects.filter(condition, transfer=OuterRef("pk"))
        return queryset.filter(Exists(lines))


class LineInline(ReadOnlyTabularInline):
    """What moves, how far it is, and what went otherwise."""

    model = TransferLine
    verbose_name_plural = "lines"
    hide_title = True
    fields = ("item", "quantity", "held", "sent", "received", "refused", "road", "lost",
              "differences")  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[TransferLine]:
        rows = super().get_queryset(request).select_related("product", "transfer")
        return rows.order_by("product__sku")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        lines = obj.lines.values_list("pk", flat=True) if obj else ()
        self.claimed = transfers.held(lines)
        return super().get_formset(request, obj, **kwargs)

    @display(description="product")
    def item(self, line: TransferLine) -> str:
        return f"{line.product.sku} · {line.product.name}"

    @display(description="claimed")
    def held(self, line: TransferLine) -> SafeString | int:
        held = self.claimed.get(line.pk, 0)
        short = line.quantity - line.sent - held
        if line.transfer.state != S.CONFIRMED or short <= 0:
            return held
        return format_html("{} {}", held, badge("danger", f"{short} short"))

    @display(description="on the road")
    def road(self, line: TransferLine) -> int:
        return line.in_transit

    @display(description="differences")
    def differences(self, line: TransferLine) -> SafeString | str:
        return _badges(transfers.differences(line))


def _badges(differences: dict[str, int]) -> SafeString | str:
    return format_html_join(
        " ", "{}",
        ((badge(LEVELS[name], f"{units} {transfers.DIFFERENCES[name][0]}"),)
         for name, units in differences.items()),
    ) or "-"  # fmt: skip


# --- what people fill in --------------------------------------------------------------------------


class NewForm(forms.Form):
    """From where to where, and what."""

    source = forms.Choice(required=False, label="From")
    destination = forms.Choice(required=False, label="To")
    lines = forms.LongText(
        label="What",
        help_text="one product a line, SKU and units: TEE-M 12; paste from a spreadsheet works too",
    )
    reference = forms.Text(required=False, max_length=40, help_text="yours; empty: we number it")
    eta = django_forms.DateField(
        required=False, label="Expected on",
        widget=django_forms.DateInput(
            attrs={"type": "date", "class": " ".join(forms.BASE_INPUT_CLASSES)}
        ),
    )  # fmt: skip
    note = forms.Text(required=False, max_length=200)

    def clean_lines(self) -> dict[int, int]:
        """Units by product id."""
        wanted = pasted(self.cleaned_data["lines"])
        known = dict(Product.objects.filter(sku__in=wanted).values_list("sku", "pk"))
        unknown = [sku for sku in wanted if sku not in known]
        if unknown:
            raise django_forms.ValidationError(f"There is no product {', '.join(unknown[:10])}.")
        return {known[sku]: units for sku, units in wanted.items()}


def pasted(text: str) -> dict[str, int]:
    """Units by SKU out of lines of text; raises ValidationError naming the line."""
    wanted: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.replace(";", " ").replace(",", " ").split()
        if not words:
            continue
        units = words[-1]
        if len(words) != 2 or not (units.isascii() and units.isdigit() and len(units) <= 6):
            raise django_forms.ValidationError(
                f"Line {number}: write a SKU and a whole number of units."
            )
        if words[0] in wanted:
            raise django_forms.ValidationError(f"Line {number}: {words[0]} stands twice.")
        wanted[words[0]] = int(units)
    return wanted


def new_form(own: list[int] | None) -> type[NewForm]:
    """The form, with the stock points that there are; one end at least is the person's own."""
    places = Location.objects.filter(archived=False).order_by("name")
    choices = [(place.code, str(place)) for place in places]

    class Bound(NewForm):
        source = forms.Choice(
            required=False, label="From",
            choices=[("", "outside: it is only received here"), *choices],
        )  # fmt: skip
        destination = forms.Choice(
            required=False, label="To", choices=[("", "outside: it is only sent"), *choices]
        )

        def clean(self) -> dict[str, Any]:
            data: dict[str, Any] = super().clean() or {}
            for name in ("source", "destination"):
                data[name] = next((p for p in places if p.code == data.get(name)), None)
            ends = {place.pk for place in (data["source"], data["destination"]) if place}
            if own is not None and not ends & set(own):
                raise django_forms.ValidationError("One end must be your own stock point.")
            return data

    return Bound


def ship_form(row: Transfer) -> type[forms.Form]:
    """Units sent so far of each line, and what becomes of the rest."""
    lines = row.lines.select_related("product").order_by("product__sku")
    held = transfers.held([line.pk for line in lines])
    fields: dict[str, django_forms.Field] = {
        f"sent_{line.pk}": forms.Number(
            label=f"{line.product.sku} {line.product.name}", min_value=line.sent,
            max_value=line.quantity, initial=line.sent + held.get(line.pk, 0),
            help_text=f"{line.quantity} wanted, {line.sent} sent before; count all so far",
        )
        for line in lines
    }  # fmt: skip
    fields["rest"] = forms.Choice(
        label="What is not sent now",
        choices=[("later", "is sent later and stays claimed"), ("never", "is not sent at all")],
    )
    return type("ShipForm", (forms.Form,), fields)


def receive_form(row: Transfer) -> type[forms.Form]:
    """Units of each line that arrived so far, sellable and damaged."""
    fields: dict[str, django_forms.Field] = {}
    for line in row.lines.select_related("product").order_by("product__sku"):
        name = f"{line.product.sku} {line.product.name}"
        came = f", {line.received + line.refused} counted before"
        fields[f"received_{line.pk}"] = forms.Number(
            label=f"{name}: sellable", min_value=line.received, max_value=transfers.MOST_UNITS,
            initial=line.received + line.in_transit,
            help_text=f"{line.sent} sent{came if line.received + line.refused else ''};"
            " count all so far",
        )  # fmt: skip
        fields[f"refused_{line.pk}"] = forms.Number(
            label=f"{name}: damaged", min_value=line.refused, max_value=transfers.MOST_UNITS,
            initial=line.refused,
        )  # fmt: skip
    return type("ReceiveForm", (forms.Form,), fields)


def _of_lines(prefix: str, data: dict[str, Any]) -> dict[int, int]:
    start = f"{prefix}_"
    return {int(k.removeprefix(start)): v for k, v in data.items() if k.startswith(start)}


# --- the page -------------------------------------------------------------------------------------

BUTTONS = {
    # button: whose it is, states in which it makes sense
    "confirm": ("source", (S.DRAFT, S.CONFIRMED)),
    "ship": ("source", (S.CONFIRMED, S.SHIPPED, S.PARTLY)),
    "receive": ("destination", (S.SHIPPED, S.PARTLY, S.CLOSED)),
    "close": ("destination", (S.SHIPPED, S.PARTLY)),
    "cancel": ("source", (S.DRAFT, S.CONFIRMED)),
}


@admin.register(Transfer)
class TransferAdmin(OwnLocations, ReadOnlyAdmin):
    """Stock that moves between our stock points."""

    location_fields = ("source", "destination")
    list_display = ("reference", "way", "state_", "units", "differences_", "eta_", "created")
    list_filter = (
        "state", DifferenceFilter, ("source", OwnLocationFilter),
        ("destination", OwnLocationFilter), "flow",
    )  # fmt: skip
    list_select_related = ("source", "destination")
    search_fields = ("reference", "lines__product__sku", "note")
    search_help_text = "reference, SKU or note"
    ordering = ("-id",)
    empty_words = "A transfer moves stock from one stock point to another: make one with New."
    actions_list = ("new",)
    actions_detail = tuple(f"{name}_" for name in BUTTONS)
    inlines = (LineInline,)
    fields = (("way", "state_"), ("flow", "eta_"), ("created_by", "created_at"),
              ("shipped_at", "closed_at"), "note", "history")  # fmt: skip
    readonly_fields = ("way", "state_", "eta_", "history")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Transfer]:
        lines = TransferLine.objects.filter(transfer=OuterRef("pk")).order_by()
        differences = {
            f"has_{name}": Exists(lines.filter(condition))
            for name, (_, condition) in transfers.DIFFERENCES.items()
        }
        rows: QuerySet[Transfer] = super().get_queryset(request)
        return rows.annotate(
            units_=_sum(lines, "quantity"), sent_=_sum(lines, "sent"),
            came_=_sum(lines, "received") + _sum(lines, "refused"), **differences,
        )  # fmt: skip

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        mine = OwnLocations.get_queryset(self, request)
        counts = dict(mine.order_by().values_list("state").annotate(n=Count("pk")))
        counts = {state: counts.get(state, 0) for state in Transfer.OPEN}
        differences = [(name, words) for name, (words, _) in transfers.DIFFERENCES.items()]
        return [
            tabs(request, label="State", parameter="state__exact", choices=S.choices,
                 counts=counts),
            tabs(request, label="Differences", parameter="difference", choices=differences,
                 everything="with and without differences"),
        ]  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what this person can do now."""
        row = found(self.get_queryset(request), object_id)
        may = {f"inventory_transfer_{name}_" for name in BUTTONS if self._may(request, row, name)}
        actions = super().get_actions_detail(request, object_id)
        return [button for button in actions if button.action_name in may]

    def _may(self, request: HttpRequest, row: Transfer, name: str) -> bool:
        _, states = BUTTONS[name]
        elsewhere = {Flow.SHIP_ONLY: "receive", Flow.RECEIVE_ONLY: "ship"}.get(Flow(row.flow))
        return row.state in states and name != elsewhere and _is_own(request, row, name)

    # --- the list ---

    @display(description="from and to")
    def way(self, row: Transfer) -> str:
        ends = [place.name if place else "outside" for place in (row.source, row.destination)]
        return " → ".join(ends)

    @display(description="state", ordering="state")
    def state_(self, row: Transfer) -> SafeString:
        return badge(BADGES[S(row.state)], row.get_state_display())

    @display(description="units")
    def units(self, row: Transfer) -> str:
        asked, sent, came = row.units_, row.sent_, row.came_  # type: ignore[attr-defined]
        if row.state in (S.DRAFT, S.CONFIRMED, S.CANCELED):
            return str(asked)
        if row.flow == Flow.SHIP_ONLY:
            return f"{sent} of {asked} sent"
        return f"{came} of {sent} received"

    @display(description="differences")
    def differences_(self, row: Transfer) -> SafeString | str:
        return format_html_join(
            " ", "{}",
            ((badge(LEVELS[name], words),)
             for name, (words, _) in transfers.DIFFERENCES.items() if getattr(row, f"has_{name}")),
        ) or "-"  # fmt: skip

    @display(description="expected", ordering="eta")
    def eta_(self, row: Transfer) -> SafeString | str:
        if row.eta is None:
            return "-"
        words = f"{row.eta:%a} {row.eta.day} {row.eta:%b}"
        late = row.state in (S.SHIPPED, S.PARTLY) and row.eta < timezone.now().date()
        return badge("danger", f"{words}, late") if late else words

    @display(description="made", ordering="created_at")
    def created(self, row: Transfer) -> str:
        return moment(row.created_at)

    # --- the page ---

    @display(description="what happened")
    def history(self, row: Transfer) -> SafeString | str:
        lines = list(row.lines.values_list("pk", flat=True))
        kinds = StockMovement.Kind
        moves = (
            StockMovement.objects.filter(
                cause_type=transfers.CAUSE, cause_id__in=lines,
                kind__in=(kinds.TRANSFER_OUT, kinds.TRANSFER_IN),
            )
            .select_related("product").order_by("-id")[:200]
        )  # fmt: skip
        rows = format_html_join(
            "", "<li>{} · {} {} · {}{} · {}</li>",
            ((moment(m.created_at), f"{m.on_hand:+d}", m.product.sku, m.get_kind_display(),
              " damaged" if m.bucket else "", m.actor) for m in moves),
        )  # fmt: skip
        return format_html("<ul>{}</ul>", rows) if rows else "Nothing has left or arrived yet."

    # --- the buttons ---

    @action(description="New", permissions=["handle"], url_path="new", icon="add")
    def new(self, request: HttpRequest) -> HttpResponse:
        actor = request.user.get_username()

        def effect(data: dict) -> str:
            source, destination = data.pop("source"), data.pop("destination")
            flow = Flow.BOTH if source and destination else (
                Flow.SHIP_ONLY if source else Flow.RECEIVE_ONLY)  # fmt: skip
            row = transfers.create(
                flow=flow, source=source, destination=destination, units=data.pop("lines"),
                actor=actor, **data,
            )  # fmt: skip
            return f"{row} is a draft: open it and confirm it."

        return forms.ask(
            request, site=self.admin_site, title="New transfer",
            form=new_form(own_locations(request)), effect=effect, submit="Make a draft",
            back=reverse("admin:inventory_transfer_changelist"), errors=REFUSALS,
            text="Nothing moves yet: confirming it claims the units at the source.",
        )  # fmt: skip

    @action(description="Confirm", permissions=["handle"], url_path="confirm", icon="bookmark")
    def confirm_(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._press(
            request, object_id, "confirm", said="is confirmed.",
            text="The units are claimed at the source, all or nothing. What is promised to orders"
            " stays promised. Confirming again claims what was taken away since.",
        )  # fmt: skip

    @action(description="Ship", permissions=["handle"], url_path="ship", icon="local_shipping")
    def ship_(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self._row(request, object_id, "ship")

        def given(data: dict) -> dict[str, Any]:
            return {"final": data.pop("rest") == "never", "sent": _of_lines("sent", data)}

        return self._press(
            request, object_id, "ship", form=ship_form(row), given=given, said="is sent.",
            text="Units that are sent leave the stock here.",
        )  # fmt: skip

    @action(description="Receive", permissions=["handle"], url_path="receive", icon="inventory")
    def receive_(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self._row(request, object_id, "receive")

        def given(data: dict) -> dict[str, Any]:
            good, bad = _of_lines("received", data), _of_lines("refused", data)
            return {"arrived": {pk: Arrived(good[pk], bad[pk]) for pk in good}}

        return self._press(
            request, object_id, "receive", form=receive_form(row), given=given,
            said="is received.",
            text="Sellable units are on sale at once, damaged ones are set aside. More than was"
            " sent is counted too. The transfer closes when nothing is left on the road.",
        )  # fmt: skip

    @action(description="Close transfer", permissions=["handle"], url_path="close", icon="task_alt")
    def close_(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = self._row(request, object_id, "close")
        road = sum(line.in_transit for line in row.lines.select_related("transfer"))
        lost = f" {road} units never arrived and are booked as lost." if road else ""
        return self._press(request, object_id, "close", said="is closed.",
                           text=f"Nothing more is sent or expected.{lost}")  # fmt: skip

    @action(description="Cancel transfer", permissions=["handle"], url_path="cancel", icon="cancel")
    def cancel_(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._press(request, object_id, "cancel", said="is canceled.", danger=True,
                           text="Nothing was sent; its claims are given back.")  # fmt: skip

    def _row(self, request: HttpRequest, object_id: int, name: str) -> Transfer:
        """The transfer of a button, which must be this person's to press now."""
        row: Transfer = found(self.get_queryset(request), object_id)
        if not _is_own(request, row, name):
            raise Http404(f"{name} is for its {BUTTONS[name][0]}")
        return row

    def _press(
        self, request: HttpRequest, object_id: int, name: str, *, text: str, said: str,
        form: type[forms.Form] = forms.Form, given: Callable[[dict], dict[str, Any]] = dict,
        danger: bool = False,
    ) -> HttpResponse:  # fmt: skip
        row = self._row(request, object_id, name)
        actor = request.user.get_username()

        def effect(data: dict) -> str:
            getattr(transfers, name)(transfer_id=row.pk, actor=actor, **given(data))
            return f"{row} {said}"

        return forms.ask(
            request, site=self.admin_site, title=f"{name.title()} {row} · {self.way(row)}",
            form=form, effect=effect, submit=name.title(), text=text, danger=danger,
            errors=REFUSALS, back=reverse("admin:inventory_transfer_change", args=[row.pk]),
        )  # fmt: skip


def _is_own(request: HttpRequest, row: Transfer, name: str) -> bool:
    """Whether the end that the button belongs to is this person's."""
    own, (end, _) = own_locations(request), BUTTONS[name]
    place = getattr(row, f"{end}_id") or row.source_id or row.destination_id
    return own is None or place in own


def _sum(lines: QuerySet[TransferLine], field: str) -> Coalesce:
    total = lines.values("transfer").annotate(total=Sum(field)).values("total")
    return Coalesce(Subquery(total), 0)
