"""Feed health: who sends stock, when each was heard of last, and what was refused."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from config.console import ModelAdmin, ReadOnlyAdmin, badge, display, moment
from inventory.models import StockFeed, StockSource

OVERDUE = 2  # times its interval: it has missed one


@admin.register(StockSource)
class StockSourceAdmin(ModelAdmin):
    """Systems that send stock, and whether they still do."""

    list_display = ("name_", "health", "last", "figures", "refused", "every", "active")
    list_filter = ("system", "active")
    list_filter_submit = False
    search_fields = ("code", "name")
    ordering = ("code",)
    empty_words = (
        "Add the systems that tell you about stock: a WMS, the ERP, suppliers, the tills. Their"
        " deliveries come over REST with ?source=code, or as files (System, Files in)."
    )
    fields = ("code", "name", "system", "every_minutes", "active")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StockSource]:
        newest = StockFeed.objects.filter(source=OuterRef("pk")).order_by("-received_at")
        return (
            super()
            .get_queryset(request)
            .annotate(
                last_at=Subquery(newest.values("received_at")[:1]),
                last_rows=Subquery(newest.values("rows")[:1]),
                last_changed=Subquery(newest.values("changed")[:1]),
                last_refused=Subquery(newest.values("refused")[:1]),
            )
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The sender's address has its code in it."""
        return ("code",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What it delivered stays; a source that is over is switched off."""
        return False

    @display(description="source", ordering="name", header=True)
    def name_(self, source: StockSource) -> tuple[str, str]:
        return source.name, f"{source.get_system_display()}, {source.code}"

    @display(description="health")
    def health(self, source: Any) -> SafeString:
        return badge(*condition(source, last=source.last_at, now=timezone.now()))

    @display(description="last delivery, UTC", ordering="last_at")
    def last(self, source: Any) -> str:
        return moment(source.last_at)

    @display(description="rows")
    def figures(self, source: Any) -> str:
        if source.last_at is None:
            return "-"
        return f"{source.last_rows}, {source.last_changed} changed"

    @display(description="refused")
    def refused(self, source: Any) -> SafeString | str:
        if not source.last_refused:
            return "-" if source.last_at is None else "0"
        url = reverse("admin:inventory_stockfeed_changelist")
        return format_html(
            '<a href="{}?source__id__exact={}">{}</a>', url, source.pk,
            badge("danger", str(source.last_refused)),
        )  # fmt: skip

    @display(description="should send")
    def every(self, source: StockSource) -> str:
        return f"every {source.every_minutes} min" if source.every_minutes else "when it likes"


def condition(source: StockSource, *, last: datetime | None, now: datetime) -> tuple[str, str]:
    """How a source is doing: the level of its badge, and in words."""
    if not source.active:
        return "info", "switched off"
    if last is None:
        return ("warning" if source.every_minutes else "info"), "nothing yet"
    minutes = int((now - last).total_seconds() // 60)
    if not source.every_minutes or minutes <= source.every_minutes:
        return "success", "on time"
    late = f"late: {_words(minutes)} ago"
    return ("danger" if minutes > OVERDUE * source.every_minutes else "warning"), late


def _words(minutes: int) -> str:
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


class RefusedFilter(admin.SimpleListFilter):
    """Deliveries with rows that could not be used."""

    title = "rows"
    parameter_name = "rows"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("refused", "some were refused"), ("open", "not finished")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StockFeed]) -> QuerySet[StockFeed]:
        if self.value() == "refused":
            return queryset.filter(refused__gt=0)
        return queryset.filter(finished_at=None) if self.value() == "open" else queryset


@admin.register(StockFeed)
class StockFeedAdmin(ReadOnlyAdmin):
    """Deliveries, newest first: what each of them changed."""

    list_display = ("received", "source", "mode", "rows", "changed", "same", "refused_", "state",
                    "reference")  # fmt: skip
    list_filter = (RefusedFilter, "mode", "source")
    list_select_related = ("source", "job")
    search_fields = ("reference",)
    search_help_text = "the sender's number"
    ordering = ("-received_at",)
    empty_words = (
        "Nobody has delivered stock yet. Upload a file (System, Files in), or let your systems"
        " send theirs over REST."
    )
    fields = ("source", "reference", "mode", "as_of", "received_at", "finished_at", "actor",
              "rows", "changed", "same", "refused", "file", "movements")  # fmt: skip
    readonly_fields = ("file", "movements")

    @display(description="received, UTC", ordering="received_at")
    def received(self, feed: StockFeed) -> str:
        return moment(feed.received_at)

    @display(description="refused", ordering="refused")
    def refused_(self, feed: StockFeed) -> SafeString | str:
        return badge("danger", str(feed.refused)) if feed.refused else "0"

    @display(description="state")
    def state(self, feed: StockFeed) -> SafeString:
        return badge("success", "taken") if feed.finished_at else badge("warning", "being taken")

    @display(description="file, with its refused rows")
    def file(self, feed: StockFeed) -> SafeString | str:
        if feed.job is None:
            return "none: the sender was told about each row"
        url = reverse("admin:config_job_change", args=[feed.job_id])
        return format_html('<a href="{}">{}</a>', url, feed.job)

    @display(description="what it wrote")
    def movements(self, feed: StockFeed) -> SafeString:
        url = reverse("admin:inventory_stockmovement_changelist")
        return format_html(
            '<a href="{}?cause_type=feed&amp;cause_id={}">movements in the ledger</a>', url,
            feed.pk,
        )  # fmt: skip
