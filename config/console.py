"""The seam to the console's theme: every admin class comes from here, so the theme can change."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import register
from django.http import HttpRequest
from unfold.admin import ModelAdmin as ThemeAdmin
from unfold.admin import StackedInline as ThemeStackedInline
from unfold.admin import TabularInline as ThemeTabularInline
from unfold.decorators import action, display

__all__ = [
    "ModelAdmin",
    "ReadOnlyAdmin",
    "ReadOnlyTabularInline",
    "StackedInline",
    "TabularInline",
    "action",
    "display",
    "register",
    "say",
]


class ModelAdmin(ThemeAdmin):
    """Master data that people may edit; lists stay fast on big tables."""

    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True


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
