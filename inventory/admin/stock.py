"""Stock, the ledger and the claims: facts to read, changed by actions."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms as django_forms
from django.contrib import admin
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from config import forms
from config.console import ReadOnlyAdmin, Tabs, action, badge, display, found, moment, tabs
from inventory import ledger
from inventory.admin.causes import cause_link
from inventory.admin.own import OwnLocationFilter, OwnLocations
from inventory.ledger import hot
from inventory.models import Reservation, Stock, StockMovement
from inventory.models.stock import BUCKETS

Kind, Reason = StockMovement.Kind, StockMovement.Reason
MOST = 100_000
BUCKET_WORDS = [(bucket, bucket.replace("_", " ")) for bucket in BUCKETS]
LEVELS = [("short", "short or negative"), ("out", "nothing free"),
          ("blocked", "has units set aside"), ("over", "above target")]  # fmt: skip
SHORT = Q(reserved__gt=F("on_hand") - F("unavailable")) | Q(on_hand__lt=0)


class HotForm(forms.Form):
    """Into how many shares the free units are split."""

    shares = forms.Number(initial=64, min_value=2, max_value=256)


class LevelFilter(admin.SimpleListFilter):
    """Rows that need a look."""

    title = "level"
    parameter_name = "level"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return LEVELS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Stock]) -> QuerySet[Stock]:
        free = F("on_hand") - F("unavailable") - F("safety")
        conditions = {
            "short": SHORT, "out": Q(reserved__gte=free), "blocked": Q(unavailable__gt=0),
            "over": Q(on_hand__gt=F("target")),
        }  # fmt: skip
        condition = conditions.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)


class BucketFilter(admin.SimpleListFilter):
    """Rows with units set aside for one reason."""

    title = "set aside as"
    parameter_name = "bucket"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return BUCKET_WORDS

    def queryset(self, request: HttpRequest, queryset: QuerySet[Stock]) -> QuerySet[Stock]:
        bucket = self.value()
        return queryset.filter(**{f"{bucket}__gt": 0}) if bucket in BUCKETS else queryset


# --- what people fill in --------------------------------------------------------------------------


class AdjustForm(forms.Form):
    """A signed change of what is physically there, and why."""

    change = forms.Number(help_text="units, e.g. -2 or 5", min_value=-MOST, max_value=MOST)
    reason = forms.Choice(choices=Reason.choices)
    note = forms.Text(required=False, max_length=200)

    def clean_change(self) -> int:
        change: int = self.cleaned_data["change"]
        if change == 0:
            raise django_forms.ValidationError("0 units change nothing.")
        return change


def adjust_form(stock: Stock) -> type[AdjustForm]:
    """The form, which knows what was on hand when it was opened (case 41)."""

    class Seen(AdjustForm):
        seen = django_forms.IntegerField(widget=django_forms.HiddenInput, initial=stock.on_hand)

        def clean(self) -> dict[str, Any]:
            data: dict[str, Any] = super().clean() or {}
            seen, now = data.get("seen"), stock.on_hand
            if seen != now:
                # Who sends the form again has read what is there now.
                self.data = {**self.data.dict(), "seen": str(now)}  # type: ignore[attr-defined]
                raise django_forms.ValidationError(moved_words(seen, now))
            return data

    return Seen


def moved_words(seen: int | None, now: int) -> str:
    """What is said when stock moved between looking and posting."""
    return (
        f"On hand moved while this page was open: {seen} → {now}. Nothing was posted; look at your"
        " change again, then post it."
    )


class Moved(Exception):
    """On hand is not what the person saw."""


ASIDE = [("aside", "set aside: not sold until somebody puts them back"),
         ("back", "put back: sellable again"),
         ("off", "written off: they leave the stock")]  # fmt: skip


class AsideForm(forms.Form):
    """Units that cannot be sold, or can again."""

    what = forms.Choice(choices=ASIDE, label="What happens")
    bucket = forms.Choice(choices=BUCKET_WORDS, label="Because they are")
    units = forms.Number(min_value=1, max_value=MOST)
    note = forms.Text(required=False, max_length=200)


def levels_form(stock: Stock) -> type[forms.Form]:
    """The row's own planning figures."""
    rule = f"; now the rule {stock.safety_rule} says {stock.safety}" if stock.safety_rule else ""
    fields = {
        "safety": forms.Number(
            label="Own safety stock", min_value=0, max_value=MOST, initial=stock.own_safety,
            help_text=f"units never promised online, where no rule matches{rule}",
        ),
        "target": forms.Number(
            min_value=0, max_value=MOST, initial=stock.target, required=False,
            help_text="units wanted here; more than that is overstock; empty: no target",
        ),
    }  # fmt: skip
    return type("LevelsForm", (forms.Form,), fields)


# --- stock ----------------------------------------------------------------------------------------


@admin.register(Stock)
class StockAdmin(OwnLocations, ReadOnlyAdmin):
    """What is where: read-only, because the ledger decides."""

    list_display = ("sku", "location_", "free_", "on_hand", "reserved", "aside", "safety_",
                    "target", "counted")  # fmt: skip
    list_filter = (LevelFilter, BucketFilter, ("location", OwnLocationFilter), "product__category")
    search_fields = ("product__sku", "product__gtin", "product__name", "location__code")
    search_help_text = "SKU, barcode, name or stock point"
    ordering = ("-id",)
    empty_words = "Stock comes in as a file (System, Files in), over REST or with a delivery."
    actions_detail = ("adjust", "set_aside", "set_levels", "hot_sale", "movements", "claims")
    fieldsets = (
        ("What is there", {"fields": (
            ("product", "location"), ("free_", "on_hand"), ("reserved", "unavailable"))}),
        ("Of it set aside", {"fields": (
            ("damaged", "quarantine"), ("quality_control", "display"), "missing")}),
        ("Planning", {"fields": (("safety_", "own_safety"), "target")}),
        ("When", {"fields": ("counted_at", "moved_at", "source_at")}),
    )  # fmt: skip
    readonly_fields = ("free_", "safety_", "unavailable")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Stock]:
        rows: QuerySet[Stock] = super().get_queryset(request)
        return rows.select_related("product", "location", "safety_rule")

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        short = self.get_queryset(request).filter(SHORT).count()
        return [
            tabs(request, label="Level", parameter="level", everything="all stock", choices=LEVELS,
                 counts={"short": short}, alarms=("short",))
        ]  # fmt: skip

    @display(description="product", ordering="product__sku", header=True)
    def sku(self, stock: Stock) -> tuple[str, str]:
        return stock.product.sku, stock.product.name

    @display(description="stock point", ordering="location__name")
    def location_(self, stock: Stock) -> str:
        return stock.location.name

    @display(description="free to promise")
    def free_(self, stock: Stock) -> SafeString:
        there = stock.on_hand - stock.unavailable
        if stock.reserved > there:
            return badge("danger", f"{stock.reserved - there} short")
        if stock.hot:
            return badge("info", "hot sale")
        return badge("success" if stock.free else "warning", str(stock.free))

    @display(description="set aside")
    def aside(self, stock: Stock) -> SafeString | str:
        return format_html_join(
            " ", "{}",
            ((badge("danger" if bucket == "missing" else "warning", f"{units} {words}"),)
             for bucket, words in BUCKET_WORDS if (units := getattr(stock, bucket))),
        ) or "-"  # fmt: skip

    @display(description="safety", ordering="safety")
    def safety_(self, stock: Stock) -> SafeString | str:
        if stock.safety_rule is None:
            return str(stock.safety)
        return format_html(
            '{} <span class="oms-soft oms-small">{}</span>', stock.safety, stock.safety_rule.name
        )

    @display(description="counted", ordering="counted_at")
    def counted(self, stock: Stock) -> str:
        return moment(stock.counted_at, time=False) if stock.counted_at else "never"

    # --- actions ---

    def _row(self, request: HttpRequest, object_id: int) -> Stock:
        return found(self.get_queryset(request), object_id)  # type: ignore[no-any-return]

    def _ask(
        self, request: HttpRequest, stock: Stock, *, form: type[forms.Form], title: str, text: str,
        effect: Callable[[dict], str], submit: str = "Post to the ledger",
    ) -> HttpResponse:  # fmt: skip
        return forms.ask(
            request, site=self.admin_site, form=form, effect=effect, submit=submit, text=text,
            title=f"{title}: {stock.product.sku} at {stock.location.name}",
            back=reverse("admin:inventory_stock_change", args=[stock.pk]),
            errors=(ledger.NotEnough, Moved),
        )  # fmt: skip

    @action(description="Adjust", permissions=["handle"], url_path="adjust", icon="tune")
    def adjust(self, request: HttpRequest, object_id: int) -> HttpResponse:
        stock = self._row(request, object_id)
        actor = request.user.get_username()

        def effect(data: dict) -> str:
            entry = ledger.Entry(
                stock.product_id, stock.location_id, Kind.ADJUSTMENT, on_hand=data["change"],
                reason=data["reason"], note=data["note"],
            )  # fmt: skip
            post_unmoved(stock, [entry], seen=data["seen"], actor=actor)
            return f"{stock.product.sku} at {stock.location.name}: {data['change']:+d} units."

        return self._ask(
            request, stock, form=adjust_form(stock), effect=effect, title="Adjust",
            text=f"{stock.on_hand} on hand, {stock.reserved} reserved. Orders that lose their "
            "units are routed again.",
        )  # fmt: skip

    @action(description="Set aside or back", permissions=["handle"], url_path="set-aside",
            icon="back_hand")  # fmt: skip
    def set_aside(self, request: HttpRequest, object_id: int) -> HttpResponse:
        stock = self._row(request, object_id)
        actor = request.user.get_username()

        def effect(data: dict) -> str:
            ledger.post([_aside(stock, **data)], actor=actor)
            return f"{stock.product.sku} at {stock.location.name}: {data['units']} units moved."

        there = ", ".join(f"{getattr(stock, b)} {words}" for b, words in BUCKET_WORDS
                          if getattr(stock, b)) or "nothing is set aside"  # fmt: skip
        return self._ask(
            request, stock, form=AsideForm, effect=effect, title="Set aside or put back",
            text=f"{stock.on_hand} on hand; {there}.",
        )  # fmt: skip

    @action(description="Safety and target", permissions=["handle"], url_path="levels",
            icon="straighten")  # fmt: skip
    def set_levels(self, request: HttpRequest, object_id: int) -> HttpResponse:
        stock = self._row(request, object_id)
        actor = request.user.get_username()

        def effect(data: dict) -> str:
            level = ledger.Level(stock.product_id, stock.location_id, data["safety"],
                                 data["target"])  # fmt: skip
            ledger.set_levels([level], actor=actor)
            return f"{stock.product.sku} at {stock.location.name}: figures set."

        return self._ask(
            request, stock, form=levels_form(stock), effect=effect, submit="Set",
            title="Safety and target", text="What is there does not move.",
        )  # fmt: skip

    @action(description="Hot sale", permissions=["handle"], url_path="hot-sale",
            icon="local_fire_department")  # fmt: skip
    def hot_sale(self, request: HttpRequest, object_id: int) -> HttpResponse:
        stock = self._row(request, object_id)
        shelf = {"product": stock.product_id, "location": stock.location_id}
        actor = request.user.get_username()

        def begin(data: dict) -> str:
            units = hot.split(**shelf, shares=data["shares"], actor=actor)
            return f"{units} units of {stock.product.sku} are for sale in {data['shares']} shares."

        def end(_: dict) -> str:
            hot.join(**shelf, actor=actor)
            return f"The hot sale of {stock.product.sku} is over."

        if stock.hot:
            return self._ask(request, stock, form=forms.Form, effect=end, title="End the hot sale",
                             submit="End it", text="Units that were not sold are one stock again.",
                             )  # fmt: skip
        return self._ask(
            request, stock, form=HotForm, effect=begin, title="Hot sale", submit="Begin",
            text=f"The {stock.free} free units are split into shares, so that hundreds of buyers at"
            " once do not wait for each other. An order larger than a share ends the sale.",
        )  # fmt: skip

    @action(description="Movements", permissions=["view"], url_path="movements", icon="history")
    def movements(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return _list_of(self._row(request, object_id), "inventory_stockmovement")

    @action(description="Claims", permissions=["view"], url_path="claims", icon="bookmark")
    def claims(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return _list_of(self._row(request, object_id), "inventory_reservation")


def _list_of(stock: Stock, name: str) -> HttpResponse:
    query = urlencode({"product": stock.product_id, "location": stock.location_id})
    return HttpResponseRedirect(f"{reverse(f'admin:{name}_changelist')}?{query}")


def post_unmoved(stock: Stock, entries: Sequence[ledger.Entry], *, seen: int, actor: str) -> None:
    """Post if on hand is still what the person saw; raises Moved, showing what it is now."""
    with transaction.atomic():
        ledger.lock_rows([(stock.product_id, stock.location_id)])
        now = Stock.objects.values_list("on_hand", flat=True).get(pk=stock.pk)
        if now != seen:
            raise Moved(moved_words(seen, now))
        ledger.post(entries, actor=actor)


def _aside(stock: Stock, *, what: str, bucket: str, units: int, note: str) -> ledger.Entry:
    kind = {"aside": Kind.BLOCK, "back": Kind.UNBLOCK, "off": Kind.ADJUSTMENT}[what]
    reasons = {"damaged": Reason.DAMAGED, "missing": Reason.LOST}
    written_off = what == "off"
    return ledger.Entry(
        stock.product_id, stock.location_id, kind, on_hand=-units if written_off else 0,
        unavailable=units if what == "aside" else -units, bucket=bucket,
        reason=reasons.get(bucket, Reason.CORRECTION) if written_off else bucket, note=note,
    )  # fmt: skip


# --- the ledger -----------------------------------------------------------------------------------


class ReasonFilter(admin.SimpleListFilter):
    """Movements by hand, by their reason."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return Reason.choices

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[StockMovement]
    ) -> QuerySet[StockMovement]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(StockMovement)
class StockMovementAdmin(OwnLocations, ReadOnlyAdmin):
    """The ledger: why is there what is there."""

    list_display = ("at", "kind_", "sku", "location_", "on_hand_", "reserved_", "aside", "why",
                    "cause", "actor")  # fmt: skip
    list_filter = ("kind", ReasonFilter, ("location", OwnLocationFilter), "created_at")
    list_select_related = ("product", "location")
    search_fields = ("product__sku", "location__code")
    search_help_text = "SKU or stock point"
    ordering = ("-id",)
    empty_words = "Every change of stock is written down here, and never changed afterwards."
    fields = ("at", "kind_", "product", "location", "on_hand_", "reserved_", "aside", "safety_",
              "why", "cause", "actor", "key")  # fmt: skip
    readonly_fields = fields

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        mine = {"product", "location", "cause_type", "cause_id"}
        return lookup in mine or super().lookup_allowed(lookup, value, request)

    @display(description="when", ordering="id")
    def at(self, move: StockMovement) -> str:
        return moment(move.created_at)

    @display(description="what")
    def kind_(self, move: StockMovement) -> str:
        return move.get_kind_display()

    @display(description="product", ordering="product__sku", header=True)
    def sku(self, move: StockMovement) -> tuple[str, str]:
        return move.product.sku, move.product.name

    @display(description="stock point")
    def location_(self, move: StockMovement) -> str:
        return move.location.name

    @display(description="on hand")
    def on_hand_(self, move: StockMovement) -> SafeString | str:
        return _changed(move.on_hand, move.on_hand_after)

    @display(description="reserved")
    def reserved_(self, move: StockMovement) -> SafeString | str:
        return _changed(move.reserved, move.reserved_after)

    @display(description="set aside")
    def aside(self, move: StockMovement) -> SafeString | str:
        change = _changed(move.unavailable, move.unavailable_after)
        return format_html("{} {}", change, dict(BUCKET_WORDS).get(move.bucket, ""))

    @display(description="safety")
    def safety_(self, move: StockMovement) -> SafeString | str:
        return _changed(move.safety or 0, move.safety_after or 0)

    @display(description="reason")
    def why(self, move: StockMovement) -> str:
        reason = dict(Reason.choices).get(move.reason, move.reason)
        return ": ".join(words for words in (reason, move.note) if words) or "-"

    @display(description="cause")
    def cause(self, move: StockMovement) -> SafeString | str:
        return cause_link(move.cause_type, move.cause_id)


def _changed(change: int, after: int) -> SafeString | str:
    if change == 0:
        return format_html('<span class="oms-soft">{}</span>', after)
    return format_html('<span class="oms-nowrap">{} → <strong>{}</strong></span>', after - change,
                       after)  # fmt: skip


# --- claims ---------------------------------------------------------------------------------------


@admin.register(Reservation)
class ReservationAdmin(OwnLocations, ReadOnlyAdmin):
    """Claims that hold stock now."""

    list_display = ("sku", "place", "quantity", "owner", "expires", "since")
    list_filter = ("owner_type", ("location", OwnLocationFilter))
    list_select_related = ("product", "location", "supply")
    search_fields = ("product__sku", "location__code")
    search_help_text = "SKU or stock point"
    ordering = ("-id",)
    empty_words = "Nothing is promised: orders, baskets and transfers claim units here."
    location_fields = ("location", "supply__location")
    fields = ("product", "place", "quantity", "owner", "off_shelf", "expires", "since")
    readonly_fields = fields

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        mine = {"product", "location", "supply"}
        return lookup in mine or super().lookup_allowed(lookup, value, request)

    @display(description="product", ordering="product__sku", header=True)
    def sku(self, claim: Reservation) -> tuple[str, str]:
        return claim.product.sku, claim.product.name

    @display(description="where", ordering="location__name")
    def place(self, claim: Reservation) -> str:
        return claim.location.name if claim.location else f"on its way: {claim.supply}"

    @display(description="for")
    def owner(self, claim: Reservation) -> SafeString | str:
        return cause_link(claim.owner_type, claim.owner_id)

    @display(description="until", ordering="expires_at")
    def expires(self, claim: Reservation) -> str:
        return moment(claim.expires_at)

    @display(description="since", ordering="created_at")
    def since(self, claim: Reservation) -> str:
        return moment(claim.created_at)
