"""The console's view of the house itself: work that waits or is stuck, jobs, people."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config import outbox
from config.console import ModelAdmin, ReadOnlyAdmin, action, display, say
from config.models import JobRun, OutboxRow

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    """People."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Roles."""


class ConditionFilter(admin.SimpleListFilter):
    """How the work is doing."""

    title = "condition"
    parameter_name = "condition"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("stuck", "stuck: gave up"), ("failing", "failing, tried again"),
                ("due", "due now"), ("done", "done")]  # fmt: skip

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutboxRow]) -> QuerySet[OutboxRow]:
        waiting = queryset.filter(done_at=None, dead_at=None)
        choices = {
            "stuck": queryset.exclude(dead_at=None),
            "failing": waiting.exclude(last_error=""),
            "due": waiting.filter(next_at__lte=timezone.now()),
            "done": queryset.exclude(done_at=None),
        }
        return choices.get(self.value() or "", queryset)


@admin.register(OutboxRow)
class OutboxAdmin(ReadOnlyAdmin):
    """Work that must happen: what waits, what failed and why; retry gives it new attempts."""

    list_display = ("topic", "subject", "condition", "attempts", "next_at", "last_error",
                    "created_at")  # fmt: skip
    list_filter = (ConditionFilter, "topic")
    ordering = ("-id",)
    actions = ("retry",)

    @display(description="condition")
    def condition(self, row: OutboxRow) -> str:
        if row.done_at:
            return "done"
        if row.dead_at:
            return "stuck"
        return "failing" if row.last_error else "waiting"

    @action(description="Try again now")
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxRow]) -> None:
        done = outbox.retry(queryset.values_list("pk", flat=True))
        say(request, done=done, what="rows of work are tried again", problems=[])


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    """Slots of periodic jobs, newest first."""

    list_display = ("job", "slot", "started_at", "finished_at", "result")
    list_filter = ("job",)
    ordering = ("-id",)
