"""What is on its way: purchase orders, what of them is promised, and how reliable senders are."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django import forms as django_forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config import forms
from config.console import (
    ActionVariant,
    ReadOnlyAdmin,
    ReadOnlyTabularInline,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    say,
    tabs,
)
from inventory import supplies
from inventory.admin.causes import cause_link
from inventory.admin.own import OwnLocationFilter, OwnLocations, own_locations
from inventory.models import Location, Product, Reservation, Supplier, Supply, SupplyReceipt
from inventory.supplies.reliability import FORMULA

Kind, State = Supply.Kind, Supply.State
MOST_UNITS = 1_000_000
SHOWN_CLAIMS = 50
LOOKS = [
    ("open", "on its way"), ("late", "late"), ("promised", "with promises"),
    ("received", "received"), ("canceled", "canceled"),
]  # fmt: skip
NO_HIT = "No promise is hit."


class Hit(Exception):
    """Promises would be hit, and the person has not said that this is meant."""


def _look(rows: QuerySet[Supply], look: str) -> QuerySet[Supply]:
    if look == "late":
        return rows.filter(state=State.OPEN, eta__lt=timezone.now().date())
    if look == "promised":
        return rows.filter(claimed__gt=0)
    return rows.filter(state=look)


class LookFilter(admin.SimpleListFilter):
    """What is on its way, late, promised, or over."""

    title = "look"
    parameter_name = "look"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return LOOKS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Supply]) -> QuerySet[Supply]:
        return _look(queryset, self.value() or "") if self.value() in dict(LOOKS) else queryset


class ReceiptInline(ReadOnlyTabularInline):
    """What arrived, and when."""

    model = SupplyReceipt
    verbose_name_plural = "what arrived"
    fields = ("at_", "quantity", "refused", "days_late", "actor")
    readonly_fields = fields
    ordering = ("-id",)

    @display(description="booked")
    def at_(self, receipt: SupplyReceipt) -> str:
        return moment(receipt.at)


# --- what people fill in --------------------------------------------------------------------------


def _day(**options: Any) -> django_forms.DateField:
    attrs = {"type": "date", "class": " ".join(forms.BASE_INPUT_CLASSES)}
    return django_forms.DateField(
        widget=django_forms.DateInput(attrs=attrs, format="%Y-%m-%d"), **options
    )


class ReceiveForm(forms.Form):
    """Units that arrived now."""

    quantity = forms.Number(
        label="Arrived now", min_value=1, max_value=MOST_UNITS,
        help_text="all units, the refused ones among them",
    )  # fmt: skip
    refused = forms.Number(
        label="Of these refused", min_value=0, max_value=MOST_UNITS, initial=0,
        help_text="they become damaged stock and are not sold",
    )  # fmt: skip
    key = django_forms.CharField(
        max_length=60, initial=lambda: f"console:{uuid4()}", widget=django_forms.HiddenInput()
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("refused", 0) > data.get("quantity", 0):
            self.add_error("refused", "More than arrived.")
        return data


def change_form(row: Supply) -> type[forms.Form]:
    """What the line brings and when, as it is now to start from."""
    least = f"{row.received} came already; " if row.received else ""
    fields: dict[str, django_forms.Field] = {
        "quantity": forms.Number(
            label="Units in all", min_value=row.received, max_value=MOST_UNITS,
            initial=row.quantity, help_text=f"{least}{row.claimed} to come are promised",
        )
    }  # fmt: skip
    if row.kind != Kind.OVERSELL:
        fields["eta"] = _day(label="Expected on", initial=row.eta)
    fields["sure"] = django_forms.BooleanField(
        required=False, label="Do it although promises are hit",
        help_text="who would be hit is shown before anything changes",
    )  # fmt: skip
    return type("ChangeForm", (forms.Form,), fields)


class NewForm(forms.Form):
    """A line that no system sends: a purchase order by hand, or an oversell limit."""

    kind = forms.Choice(
        choices=[("purchase", "purchase order line"), ("oversell", "oversell limit")],
        help_text="an oversell limit lets channels promise so many units beyond stock",
    )
    sku = forms.Text(label="SKU", max_length=64)
    location = forms.Choice(label="Arrives at")
    quantity = forms.Number(min_value=1, max_value=MOST_UNITS)
    eta = _day(label="Expected on", required=False)
    supplier = forms.Choice(label="Sender", required=False)
    reference = forms.Text(
        label="Purchase order number", max_length=40, required=False,
        help_text="needed for a purchase order; a limit needs none",
    )  # fmt: skip

    def clean_sku(self) -> Product:
        product = Product.objects.filter(sku=self.cleaned_data["sku"].strip()).first()
        if product is None:
            raise django_forms.ValidationError("There is no product with this SKU.")
        return product

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("kind") == "oversell":
            data |= {"eta": None, "reference": "oversell"}
            return data
        for name in ("eta", "reference"):
            if not data.get(name) and name not in self.errors:
                self.add_error(name, "A purchase order needs this.")
        eta = data.get("eta")
        if eta and abs(eta - timezone.now().date()) > timedelta(days=3 * 366):
            self.add_error("eta", "This is more than three years away.")
        return data


def new_form(own: list[int] | None) -> type[NewForm]:
    """The form with the stock points that there are."""
    places = Location.objects.filter(archived=False).order_by("name")
    here = places if own is None else places.filter(pk__in=own)

    class Bound(NewForm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.fields["location"].choices = [(p.pk, str(p)) for p in here]  # type: ignore[attr-defined]
            self.fields["supplier"].choices = [  # type: ignore[attr-defined]
                ("", "not known"), *((p.pk, str(p)) for p in places)]  # fmt: skip

    return Bound


def _owner_form() -> type[forms.Form]:
    people = get_user_model().objects.filter(is_active=True, is_staff=True).order_by("username")
    choices = [("", "nobody"), *((person.pk, str(person)) for person in people)]
    return type("OwnerForm", (forms.Form,),
                {"owner": forms.Choice(choices=choices, required=False)})  # fmt: skip


# --- pages ----------------------------------------------------------------------------------------


@admin.register(Supply)
class SupplyAdmin(OwnLocations, ReadOnlyAdmin):
    """Purchase orders, notices and limits: what comes, and what of it is promised."""

    list_display = ("reference_", "product_", "place", "state_", "eta_", "quantity", "received",
                    "claimed_", "free_", "owner")  # fmt: skip
    list_filter = (
        LookFilter, "kind", ("location", OwnLocationFilter), "supplier", "owner",
    )  # fmt: skip
    list_select_related = ("supplier", "location", "product", "owner")
    search_fields = ("reference", "notice", "product__sku", "product__name")
    search_help_text = "purchase order, notice, SKU or name"
    ordering = ("eta", "id")
    empty_words = (
        "Purchase orders come in over REST (api/v1/supplies), or one by one with New line."
    )
    actions = ("take_over",)
    actions_list = ("new_line",)
    actions_detail = ("receive", "change", "owned_by", "end")
    inlines = (ReceiptInline,)
    fields = ("item", "state_", "supplier", "place", "quantity", "first_quantity", "received",
              "refused", "claimed_", "free_", "eta_", "first_eta", "promisable", "owner",
              "reliability", "waiting")  # fmt: skip
    readonly_fields = fields

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        mine = OwnLocations.get_queryset(self, request)
        counts = {look: _look(mine, look).count() for look in ("open", "late", "promised")}
        return [
            tabs(request, label="Look", parameter="look", choices=LOOKS, counts=counts,
                 alarms=("late",))
        ]  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what can be done now: nothing of an ended line changes."""
        row = found(self.get_queryset(request), object_id)
        if row.state != State.OPEN or row.kind == Kind.RETURN:  # returns have their own page
            return []
        actions = super().get_actions_detail(request, object_id)
        hidden = {"inventory_supply_receive"} if row.kind in supplies.NO_DELIVERY else set()
        return [button for button in actions if button.action_name not in hidden]

    # --- the list ---

    @display(description="purchase order", ordering="reference", header=True)
    def reference_(self, row: Supply) -> tuple[str, str]:
        sender = row.supplier.name if row.supplier else row.get_kind_display()
        return row.reference, f"{row.notice} · {sender}" if row.notice else sender

    @display(description="product", ordering="product__sku", header=True)
    def product_(self, row: Supply) -> tuple[str, str]:
        return row.product.sku, row.product.name

    @display(description="product")
    def item(self, row: Supply) -> str:
        return f"{row.product.sku} · {row.product.name}"

    @display(description="arrives at", ordering="location__name")
    def place(self, row: Supply) -> str:
        return row.location.name

    @display(description="state", ordering="state")
    def state_(self, row: Supply) -> SafeString:
        level = {State.OPEN: "info", State.RECEIVED: "success"}.get(State(row.state), "")
        return badge(level, row.get_state_display())

    @display(description="expected", ordering="eta")
    def eta_(self, row: Supply) -> SafeString | str:
        if row.eta is None:
            return "no date"
        words = f"{row.eta:%a} {row.eta.day} {row.eta:%b}"
        late = row.state == State.OPEN and row.eta < timezone.now().date()
        return badge("danger", f"{words}, late") if late else words

    @display(description="promised", ordering="claimed")
    def claimed_(self, row: Supply) -> SafeString | int:
        over = row.claimed - max(row.quantity - row.received, 0)
        return badge("danger", f"{row.claimed}, {over} too many") if over > 0 else row.claimed

    @display(description="free to promise")
    def free_(self, row: Supply) -> int:
        return row.free if row.promisable and row.state == State.OPEN else 0

    # --- the page ---

    @display(description="sender's reliability")
    def reliability(self, row: Supply) -> SafeString | str:
        known = Supplier.objects.filter(location=row.supplier_id).first()
        if known is None:
            return "Not measured yet: none of its lines has closed."
        return format_html("{} {} {}", words_of(known), _lines_behind(known), FORMULA)

    @display(description="who waits for it")
    def waiting(self, row: Supply) -> SafeString | str:
        claims = Reservation.objects.filter(supply=row).order_by("owner_id", "id")
        rows = format_html_join(
            "", "<li>{} × {}, since {}</li>",
            ((claim.quantity, cause_link(claim.owner_type, claim.owner_id),
              moment(claim.created_at)) for claim in claims[:SHOWN_CLAIMS]),
        )  # fmt: skip
        more = claims.count() - SHOWN_CLAIMS
        rest = format_html("<p>and {} more</p>", more) if more > 0 else ""
        return format_html("<ol>{}</ol>{}", rows, rest) if rows else "Nobody."

    # --- the buttons ---

    @action(description="Receive", permissions=["handle"], url_path="receive", icon="inventory")
    def receive(self, request: HttpRequest, object_id: int) -> HttpResponse:
        def effect(row: Supply, data: dict) -> str:
            said = supplies.Receipt(row.pk, data["quantity"], data["key"], data["refused"])
            (new,) = supplies.receive([said], actor=request.user.get_username())
            if not new:
                return "This receipt was booked already."
            return f"{data['quantity']} units booked, {data['refused']} of them refused."

        return self._ask(
            request, object_id, "Receive", ReceiveForm, effect, submit="Book",
            text=lambda row: f"{max(row.quantity - row.received, 0)} to come, {row.claimed} of them"
            " promised. The oldest orders get what arrives; the rest is on sale at once.",
        )  # fmt: skip

    @action(description="Change", permissions=["handle"], url_path="change-line", icon="edit")
    def change(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = found(self.get_queryset(request), object_id)

        def effect(row: Supply, data: dict) -> str:
            sure = data.pop("sure")
            words = supplies.words_of_change(row, **data)
            if words != NO_HIT and not sure:
                raise Hit(f"{words} Tick the box below if this is meant.")
            supplies.change(row.pk, **data, actor=request.user.get_username())
            return f"{row.reference} is changed. {words}"

        return self._ask(
            request, object_id, "Change", change_form(row), effect, submit="Change",
            text=lambda row: f"{row.reference} brings {row.quantity} units; {row.received} came,"
            f" {row.claimed} are promised.",
        )  # fmt: skip

    @action(description="Owner", permissions=["handle"], url_path="owner", icon="person")
    def owned_by(self, request: HttpRequest, object_id: int) -> HttpResponse:
        def effect(row: Supply, data: dict) -> str:
            Supply.objects.filter(pk=row.pk).update(owner=data["owner"] or None)
            return "Promises that this line cannot keep go to its owner."

        return self._ask(
            request, object_id, "Owner of", _owner_form(), effect, submit="Set owner",
            text=lambda row: "Who looks after promises that this line cannot keep.",
        )  # fmt: skip

    @action(description="Nothing more comes", permissions=["handle"], url_path="end",
            icon="cancel", variant=ActionVariant.DANGER)  # fmt: skip
    def end(self, request: HttpRequest, object_id: int) -> HttpResponse:
        def effect(row: Supply, data: dict) -> str:
            supplies.cancel(row.pk, actor=request.user.get_username())
            return f"Nothing more of {row.reference} is expected."

        return self._ask(
            request, object_id, "End", forms.Form, effect, submit="Nothing more comes",
            danger=True,
            text=lambda row: f"{row.received} of {row.quantity} units came. "
            + supplies.words_of_change(row, quantity=row.received),
        )  # fmt: skip

    @action(description="New line", permissions=["handle"], url_path="new", icon="add")
    def new_line(self, request: HttpRequest) -> HttpResponse:
        def effect(data: dict) -> str:
            supplier = int(data["supplier"]) if data["supplier"] else None
            line = supplies.Line(
                reference=data["reference"], product=data["sku"].pk, eta=data["eta"],
                location=int(data["location"]), quantity=data["quantity"], supplier=supplier,
                kind=data["kind"],
            )  # fmt: skip
            (outcome,) = supplies.upsert([line], actor=request.user.get_username())
            return f"{line.reference}, {data['sku'].sku}: {outcome}."

        return forms.ask(
            request, site=self.admin_site, title="New line", effect=effect, submit="Save",
            form=new_form(own_locations(request)),
            back=reverse("admin:inventory_supply_changelist"),
            text="Channels that promise from supply may sell it at once. A line that is known"
            " already is changed.",
        )  # fmt: skip

    @action(description="I look after these", permissions=["handle"])
    def take_over(self, request: HttpRequest, queryset: QuerySet[Supply]) -> None:
        done = queryset.update(owner=request.user.pk)
        say(request, done=done, what="lines are yours now", problems=[])

    def _ask(
        self, request: HttpRequest, object_id: int, what: str, form: type[django_forms.Form],
        effect: Callable[[Supply, dict], str], *, submit: str, text: Callable[[Supply], str],
        danger: bool = False,
    ) -> HttpResponse:  # fmt: skip
        row: Supply = found(self.get_queryset(request), object_id)
        return forms.ask(
            request, site=self.admin_site, title=f"{what} {row.reference}, {row.product.sku}",
            form=form, effect=lambda data: effect(row, data), submit=submit, text=text(row),
            back=reverse("admin:inventory_supply_change", args=[row.pk]), danger=danger,
            errors=(Hit, supplies.Ended, supplies.NotReceived),
        )  # fmt: skip


def _lines_behind(known: Supplier) -> SafeString:
    url = reverse("admin:inventory_supply_changelist")
    return format_html(
        '<a class="oms-link" href="{}?supplier__id__exact={}&amp;look=received">'
        "The lines behind it</a>.", url, known.pk,
    )  # fmt: skip


def words_of(known: Supplier) -> str:
    """A sender's figures in a sentence."""
    return (
        f"Of its last {known.lines} closed lines: {known.days_late:.1f} days late on average, four"
        f" of five not later than {known.days_late_p80:.0f} days, {known.short:.1%} of the units"
        " never came."
    )


@admin.register(Supplier)
class SupplierAdmin(ReadOnlyAdmin):
    """How reliable senders have been; it is part of every date promised from their supplies."""

    list_display = ("name", "lines", "late", "p80", "short_", "measured")
    list_select_related = ("location",)
    search_fields = ("location__name", "location__code")
    ordering = ("-days_late_p80", "-short")
    empty_words = "A sender is measured when one of its purchase order lines closes."
    fields = ("name", "in_words", "formula", "measured")
    readonly_fields = fields

    @display(description="sender", ordering="location__name")
    def name(self, known: Supplier) -> str:
        return known.location.name

    @display(description="days late, mean", ordering="days_late")
    def late(self, known: Supplier) -> str:
        return f"{known.days_late:.1f}"

    @display(description="days late, four of five", ordering="days_late_p80")
    def p80(self, known: Supplier) -> str:
        return f"{known.days_late_p80:.0f}"

    @display(description="never came", ordering="short")
    def short_(self, known: Supplier) -> SafeString:
        level = "success" if known.short < 0.01 else "warning" if known.short < 0.05 else "danger"
        return badge(level, f"{known.short:.1%}")

    @display(description="measured", ordering="measured_at")
    def measured(self, known: Supplier) -> str:
        return moment(known.measured_at)

    @display(description="what it means")
    def in_words(self, known: Supplier) -> SafeString:
        return format_html("{} {}", words_of(known), _lines_behind(known))

    @display(description="how it is measured")
    def formula(self, known: Supplier) -> str:
        return FORMULA
