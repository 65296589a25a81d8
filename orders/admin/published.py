"""What channels were told about stock, what they confirmed, and where the two differ."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from config import forms, outgoing
from config.console import ReadOnlyAdmin, Tabs, action, badge, display, moment, say, tabs
from orders import publishing
from orders.admin.checks import ChecksForm
from orders.models import ChannelStock, SalesChannel, StockCrossing
from orders.payments.gateways import GATEWAYS

DIFFERS = Q(acknowledged=None) | ~Q(acknowledged=F("quantity"))
STATES: dict[str, tuple[str, Q]] = {
    "differs": ("differs", DIFFERS),
    "untold": ("not told yet", Q(sent_number=None) | Q(sent_number__lt=F("number"))),
    "unconfirmed": ("told, not confirmed", Q(sent=F("quantity")) & DIFFERS),
    "zero": ("out of stock", Q(quantity=0)),
}


class StateFilter(admin.SimpleListFilter):
    """What the channel knows."""

    title = "what the channel knows"
    parameter_name = "knows"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in STATES.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ChannelStock]
    ) -> QuerySet[ChannelStock]:
        state = STATES.get(self.value() or "")
        return queryset.filter(state[1]) if state else queryset


class ChannelForm(ChecksForm):
    """A channel; its addresses must be ones that we may post to, and what is posted is signed."""

    gateway = forms.Choice(
        required=False, help_text="who captures, voids and refunds when we say so",
        choices=[("", "none: the channel moves the money itself"),
                 *((code, gateway.title) for code, gateway in GATEWAYS.items())],
    )  # fmt: skip

    def clean_stock_url(self) -> str:
        return _may_be_called(str(self.cleaned_data["stock_url"]))

    def clean_gateway_url(self) -> str:
        return _may_be_called(str(self.cleaned_data["gateway_url"]))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("stock_url") and not data.get("stock_secret"):
            self.add_error("stock_secret", "What is posted to the stock address is signed with it.")
        for name in ("gateway_url", "gateway_secret"):
            if data.get("gateway") and not data.get(name):
                self.add_error(name, "A gateway needs its address and a secret to sign with.")
        return data


def _may_be_called(url: str) -> str:
    if url:
        try:
            outgoing.check(url)
        except outgoing.NotAllowed as error:
            raise ValidationError(f"{error}.") from None
    return url


class AgainForm(forms.Form):
    """Which channel is to hear everything again."""

    channel = forms.Choice()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channels = SalesChannel.objects.order_by("name")
        self.fields["channel"].choices = list(channels.values_list("pk", "name"))  # type: ignore[attr-defined]


@admin.register(ChannelStock)
class ChannelStockAdmin(ReadOnlyAdmin):
    """Figures by channel and product; those that differ are one tab away."""

    list_display = ("product_", "channel_", "quantity", "told", "confirmed", "changed")
    list_filter = (StateFilter, "channel")
    list_filter_submit = False
    list_select_related = ("product", "channel")
    search_fields = ("product__sku", "product__name")
    search_help_text = "SKU or name"
    ordering = ("-number",)
    actions = ("tell_again",)
    actions_list = ("tell_channel_again",)
    fields = ("explain", "channel", "product", "quantity", "number", "changed_at", "sent",
              "sent_number", "sent_at", "acknowledged", "acknowledged_at")  # fmt: skip
    readonly_fields = ("explain",)
    empty_words = (
        "Nothing is published. Figures appear a moment after stock comes into a channel's pool; "
        "the program `manage.py publish` writes them."
    )

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        differing = ChannelStock.objects.filter(DIFFERS).values("channel").annotate(n=Count("pk"))
        counts = {str(row["channel"]): row["n"] for row in differing}
        channels = SalesChannel.objects.order_by("name").values_list("pk", "name")
        return [
            tabs(request, label="What the channel knows", parameter="knows",
                 choices=[(name, words) for name, (words, _) in STATES.items()],
                 counts={"differs": sum(counts.values())}),
            tabs(request, label="Channel, with how many differ", parameter="channel__id__exact",
                 everything="all channels", choices=[(str(pk), name) for pk, name in channels],
                 counts={str(pk): counts.get(str(pk), 0) for pk, _ in channels}),
        ]  # fmt: skip

    @display(description="product", ordering="product__sku", header=True)
    def product_(self, row: ChannelStock) -> tuple[str, str]:
        return row.product.sku, row.product.name

    @display(description="channel", ordering="channel__name")
    def channel_(self, row: ChannelStock) -> str:
        return row.channel.name

    @display(description="last told", ordering="sent_at")
    def told(self, row: ChannelStock) -> SafeString:
        return _compared(row.sent, row, never="not told yet")

    @display(description="acknowledged", ordering="acknowledged_at")
    def confirmed(self, row: ChannelStock) -> SafeString:
        return _compared(row.acknowledged, row, never="never")

    @display(description="changed, UTC", ordering="number")
    def changed(self, row: ChannelStock) -> str:
        return moment(row.changed_at)

    @display(description="why")
    def explain(self, row: ChannelStock) -> SafeString:
        return explain_link(row)

    @action(description="Tell again", permissions=["handle"])
    def tell_again(self, request: HttpRequest, queryset: QuerySet[ChannelStock]) -> None:
        done = publishing.tell_again(list(queryset.values_list("pk", flat=True)))
        say(request, done=done, what="figures are told again", problems=[])

    @action(
        description="Tell a channel everything again", permissions=["handle"], url_path="again",
        icon="campaign",
    )  # fmt: skip
    def tell_channel_again(self, request: HttpRequest) -> HttpResponse:
        def effect(data: dict) -> str:
            done = publishing.tell_again(channel=int(data["channel"]))
            return f"{done} figures are told again."

        return forms.ask(
            request, site=self.admin_site, title="Tell a channel everything again", form=AgainForm,
            effect=effect, submit="Tell it again",
            back=reverse("admin:orders_channelstock_changelist"),
            text="Every figure of the channel comes once more in its feed, or is posted to its "
            "stock address. Nothing about stock changes.",
        )  # fmt: skip


def _compared(known: int | None, row: ChannelStock, *, never: str) -> SafeString:
    if known is None:
        return badge("info", never)
    if known != row.quantity:
        return badge("warning", f"{known}, differs")
    return format_html("{}", known)


def explain_link(row: ChannelStock | StockCrossing) -> SafeString:
    """Leads to the waterfall of the row's product in its channel."""
    query = urlencode({"q": row.product.sku, "channel": row.channel.code})
    url = f"{reverse('availability-page')}?{query}"
    return format_html('<a class="text-link" href="{}">Why this figure</a>', url)


@admin.register(StockCrossing)
class StockCrossingAdmin(ReadOnlyAdmin):
    """Out of stock and back in stock, newest first."""

    list_display = ("product_", "channel_", "what", "when", "explain")
    list_display_links = ("product_",)
    list_filter = ("in_stock", "channel")
    list_filter_submit = False
    list_select_related = ("product", "channel")
    search_fields = ("product__sku",)
    ordering = ("-number",)
    fields = ("product", "channel", "in_stock", "number", "at")
    empty_words = "No product of any channel went out of stock or came back yet."

    @display(description="product", ordering="product__sku", header=True)
    def product_(self, row: StockCrossing) -> tuple[str, str]:
        return row.product.sku, row.product.name

    @display(description="channel", ordering="channel__name")
    def channel_(self, row: StockCrossing) -> str:
        return row.channel.name

    @display(description="what", ordering="in_stock")
    def what(self, row: StockCrossing) -> SafeString:
        return badge("success", "back in stock") if row.in_stock else badge("warning", "sold out")

    @display(description="when, UTC", ordering="number")
    def when(self, row: StockCrossing) -> str:
        return moment(row.at)

    @display(description="why")
    def explain(self, row: StockCrossing) -> SafeString:
        return explain_link(row)
