"""The seam to the console's theme: every admin class comes from here, so the theme can change."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from unfold.admin import ModelAdmin as ThemeAdmin
from unfold.admin import StackedInline as ThemeStackedInline
from unfold.admin import TabularInline as ThemeTabularInline
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from config.saved_views import BoundedPaginator, SavedViews

__all__ = [
    "ActionVariant",
    "ModelAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyTabularInline",
    "StackedInline",
    "Tabs",
    "TabularInline",
    "action",
    "badge",
    "display",
    "found",
    "moment",
    "register",
    "say",
    "tabs",
]


@dataclass(frozen=True)
class Tab:
    """One saved way to look at a list; `count` is None when nobody counts it."""

    words: str
    url: str
    current: bool
    count: int | None = None
    alarm: bool = False


@dataclass(frozen=True)
class Tabs:
    """A row of tabs above a list."""

    label: str
    tabs: tuple[Tab, ...]


def tabs(
    request: HttpRequest, *, label: str, parameter: str, choices: Iterable[tuple[str, str]],
    everything: str = "all", counts: Mapping[str, int] | None = None,
    alarms: Collection[str] = (),
) -> Tabs:  # fmt: skip
    """Tabs that set one parameter of the list and leave its search and other filters alone."""
    now = request.GET.get(parameter, "")
    counts = counts or {}
    return Tabs(
        label,
        tuple(
            Tab(
                words=words, url=_url(request, parameter, value), current=now == value,
                count=counts.get(value), alarm=value in alarms and counts.get(value, 0) > 0,
            )
            for value, words in [("", everything), *choices]
        ),
    )  # fmt: skip


def _url(request: HttpRequest, parameter: str, value: str) -> str:
    query = request.GET.copy()
    for gone in ("p", "e", "all", parameter):
        query.pop(gone, None)
    if value:
        query[parameter] = value
    return f"?{query.urlencode()}"


class ModelAdmin(SavedViews, ThemeAdmin):
    """Master data that people may edit; lists stay fast on big tables."""

    list_per_page = 50
    paginator: type[Paginator] = BoundedPaginator
    show_full_result_count = False
    list_filter_submit = True
    list_before_template = "admin/quick_tabs.html"
    empty_words = ""  # what an empty list means and what to do next

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        """Rows of tabs above the list."""
        return []

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        extra = {
            "quick_tabs": self.quick_tabs(request), "saved_views": self.saved_views(request),
            **(extra_context or {}),
        }  # fmt: skip
        return super().changelist_view(request, extra)


class TabularInline(ThemeTabularInline):
    """Rows of a related table inside a page."""

    extra = 0


class StackedInline(ThemeStackedInline):
    """Related rows as blocks."""

    extra = 0


class _ReadOnly:
    """Facts: shown, never edited in a form. Changes are actions that call one domain function."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_handle_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may use the actions (`permissions=["handle"]`): who may change such rows."""
        options = self.opts  # type: ignore[attr-defined]
        return request.user.has_perm(f"{options.app_label}.change_{options.model_name}")


class ReadOnlyAdmin(_ReadOnly, ModelAdmin):
    """A list and a page of facts."""


class ReadOnlyTabularInline(_ReadOnly, ThemeTabularInline):
    """Facts inside a page."""

    extra = 0
    tab = False


def say(request: HttpRequest, *, done: int, what: str, problems: list[str]) -> None:
    """Tell how an action went: how many worked, and each that did not with its reason."""
    if done:
        messages.success(request, f"{done} {what}")
    for problem in problems[:10]:
        messages.warning(request, problem)
    if len(problems) > 10:
        messages.warning(request, f"and {len(problems) - 10} more")


def found(rows: type[Model] | QuerySet, key: Any) -> Any:
    """The row of a page's address; raises Http404 also for what cannot be a key."""
    try:
        return get_object_or_404(rows, pk=key)
    except ValueError as error:
        raise Http404(str(key)) from error


def badge(level: str, words: str) -> SafeString:
    """A word whose color (success, info, warning, danger) says how things are."""
    return format_html('<span data-status="{}">{}</span>', level, words)


def moment(at: Any, *, time: bool = True) -> str:
    """A moment of a list, short, in UTC, on one line; "-" for none."""
    if at is None:
        return "-"
    words = date_format(localtime(at), "j M, H:i" if time else "D j M")
    return words.replace(" ", "\N{NO-BREAK SPACE}")
