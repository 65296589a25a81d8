"""The console's view of the house itself: work that waits or is stuck, jobs, people."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config import forms, jobs, outbox
from config.console import (
    ModelAdmin,
    ReadOnlyAdmin,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    say,
    tabs,
)
from config.exports import csv_response
from config.models import Job, JobRow, JobRun, OutboxRow
from config.status import IllegalMove, MovedMeanwhile

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


CONDITIONS = [("stuck", "stuck: gave up"), ("failing", "failing, tried again"),
              ("due", "due now"), ("done", "done")]  # fmt: skip


class ConditionFilter(admin.SimpleListFilter):
    """How the work is doing."""

    title = "condition"
    parameter_name = "condition"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return CONDITIONS

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

    list_display = ("work", "condition", "attempts", "error", "next", "created")
    list_filter = (ConditionFilter, "topic")
    ordering = ("-id",)
    empty_words = "Nothing waits: everything that must happen after a change has happened."
    actions = ("retry",)
    actions_detail = ("retry_one",)
    fields = ("topic", "subject", "cause", "condition", "last_error", "attempts", "created_at",
              "next_at", "done_at", "dead_at", "payload")  # fmt: skip
    readonly_fields = ("condition",)

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        stuck = OutboxRow.objects.exclude(dead_at=None).count()
        failing = OutboxRow.objects.filter(done_at=None, dead_at=None).exclude(last_error="")
        return [
            tabs(
                request, label="Condition", parameter="condition", everything="all work",
                choices=CONDITIONS, counts={"stuck": stuck, "failing": failing.count()},
                alarms=("stuck",),
            )
        ]  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Work that is done is not tried again."""
        open_row = found(OutboxRow, object_id).done_at is None
        return super().get_actions_detail(request, object_id) if open_row else []

    @display(description="work", ordering="topic", header=True)
    def work(self, row: OutboxRow) -> tuple[str, str]:
        return row.topic, f"of {row.subject}, by {row.cause}"

    @display(description="condition")
    def condition(self, row: OutboxRow) -> SafeString:
        if row.done_at:
            return badge("success", "done")
        if row.dead_at:
            return badge("danger", "stuck: gave up")
        return badge("warning", "failing") if row.last_error else badge("info", "waiting")

    @display(description="last error")
    def error(self, row: OutboxRow) -> str:
        return Truncator(row.last_error or "-").chars(140)

    @display(description="next try, UTC", ordering="next_at")
    def next(self, row: OutboxRow) -> str:
        return "-" if row.done_at or row.dead_at else moment(row.next_at)

    @display(description="since, UTC", ordering="created_at")
    def created(self, row: OutboxRow) -> str:
        return moment(row.created_at)

    @action(description="Try again now", permissions=["handle"])
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxRow]) -> None:
        done = outbox.retry(queryset.values_list("pk", flat=True))
        say(request, done=done, what="rows of work are tried again", problems=[])

    @action(description="Try again", permissions=["handle"], url_path="retry", icon="replay")
    def retry_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = found(OutboxRow, object_id)

        def effect(_: dict) -> str:
            done = outbox.retry([row.pk])
            return "It is tried again." if done else "It was not stuck any more."

        return forms.ask(
            request, site=self.admin_site, title=f"Try {row.topic} again", form=forms.Form,
            effect=effect, submit="Try again now",
            text=f"It gets all its attempts again. It said last: {row.last_error or 'nothing'}.",
            back=reverse("admin:config_outboxrow_change", args=[row.pk]),
        )  # fmt: skip


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyAdmin):
    """Slots of periodic jobs, newest first."""

    list_display = ("job", "slot", "started_at", "finished_at", "result")
    list_filter = ("job",)
    ordering = ("-id",)


SHOWN_ROWS = 200


def _began(request: HttpRequest, job: Any) -> bool:
    found_job = job if isinstance(job, Job) else found(Job, job)
    return found_job.created_by_id == request.user.pk


_NOT_NOW: dict[str, tuple[str, ...]] = {  # what a decision of a job's state leaves out
    Job.State.ASKING: ("apply_job",),
    Job.State.PREVIEW: ("say_columns",),
}
MAY_IMPORT = ("handle",)
MAY_DECIDE = ("decide",)
MAY_READ = ("view",)


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Files and bulk actions: what they would do, what they did, and the rows that could not.

    Who may not see all of them sees those that they began, and decides about them.
    """

    list_display = ("title", "state", "progress", "failed", "created_by", "created_at")
    list_filter = ("state", "kind")
    list_select_related = ("created_by",)
    ordering = ("-id",)
    actions_list = ("upload_stock", "upload_order_file", "upload_orders")
    actions_detail = ("say_columns", "apply_job", "discard_job", "undo_job", "refused_rows")
    empty_words = "Files that were uploaded and bulk actions are shown here, with their rows."
    fieldsets = ((None, {"fields": ("overview",)}),)
    readonly_fields = ("overview",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        rows = super().get_queryset(request)
        if request.user.has_perm("config.view_job"):  # type: ignore[union-attr]
            return rows
        return rows.filter(created_by_id=request.user.pk)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """`obj` is a job, its key, or None for the list, which shows one's own."""
        return super().has_view_permission(request) or obj is None or _began(request, obj)

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change any job, and who began this one."""
        return self.has_handle_permission(request) or _began(request, obj)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what can be done now: a decision is taken once."""
        job = found(Job, object_id)
        hidden = _NOT_NOW.get(job.state, ("say_columns", "apply_job", "discard_job"))
        hidden += () if jobs.can_undo(job) else ("undo_job",)
        hidden += () if job.failed else ("refused_rows",)
        actions = super().get_actions_detail(request, object_id)
        return [a for a in actions if not a.action_name.endswith(hidden)]

    @display(description="progress")
    def progress(self, job: Job) -> str:
        return f"{job.done + job.failed} of {job.total}"

    @display(description="")
    def overview(self, job: Job) -> SafeString:
        rows = job.rows.order_by("number")
        refused = rows.filter(outcome=JobRow.Outcome.FAILED)
        context = {
            "job": job, "open": job.total - job.done - job.failed,
            "refused": refused[:SHOWN_ROWS], "refused_count": refused.count(),
            "rows": rows.exclude(outcome=JobRow.Outcome.FAILED)[:SHOWN_ROWS], "shown": SHOWN_ROWS,
        }  # fmt: skip
        return render_to_string("admin/job.html", context)

    @action(
        description="Upload stock levels",
        permissions=MAY_IMPORT,
        url_path="upload-stock",
        icon="upload",
    )
    def upload_stock(self, request: HttpRequest) -> HttpResponse:
        return self._upload(request, "stock")

    @action(
        description="Upload orders", permissions=MAY_IMPORT, url_path="upload-order-file",
        icon="upload",
    )  # fmt: skip
    def upload_order_file(self, request: HttpRequest) -> HttpResponse:
        return self._upload(request, "orders")

    @action(
        description="Upload a Shopify order export",
        permissions=MAY_IMPORT,
        url_path="upload-orders",
        icon="upload",
    )
    def upload_orders(self, request: HttpRequest) -> HttpResponse:
        return self._upload(request, "shopify-orders")

    def _upload(self, request: HttpRequest, kind: str) -> HttpResponse:
        def effect(data: dict) -> str | HttpResponse:
            file, asking = data.pop("file"), data.pop("asking", False)
            job = jobs.start(kind=kind, file=file, params=data, user=request.user, asking=asking)
            if asking:
                return redirect("admin:config_job_say_columns", job.pk)
            return f"{job.title} is being checked; open it below to see what it would do."

        return forms.ask(
            request, site=self.admin_site, title=jobs.kinds()[kind].title,
            form=import_string(jobs.kinds()[kind].form), effect=effect, submit="Check the file",
            back=reverse("admin:config_job_changelist"),
            text="Nothing is written before you have seen every row and accepted.",
        )  # fmt: skip

    @action(
        description="Say its columns", permissions=MAY_DECIDE, url_path="columns",
        icon="view_column",
    )  # fmt: skip
    def say_columns(self, request: HttpRequest, object_id: int) -> HttpResponse:
        job = found(Job, object_id)
        if job.state != Job.State.ASKING:
            return redirect("admin:config_job_change", job.pk)
        page: HttpResponse = import_string(jobs.kinds()[job.kind].asks)(
            request, job, self.admin_site
        )
        return page

    @action(description="Apply", permissions=MAY_DECIDE, url_path="apply", icon="check")
    def apply_job(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(request, object_id, jobs.accept, "Apply", "is being applied.")

    @action(description="Discard", permissions=MAY_DECIDE, url_path="discard", icon="delete")
    def discard_job(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(request, object_id, jobs.discard, "Discard", "was discarded.")

    @action(description="Undo", permissions=MAY_DECIDE, url_path="undo", icon="undo")
    def undo_job(self, request: HttpRequest, object_id: int) -> HttpResponse:
        job = found(Job, object_id)

        def effect(_: dict) -> str:
            return f"{jobs.undo(job, user=request.user).title} is being checked."

        return forms.ask(
            request, site=self.admin_site, title=f"Undo: {job.title}", form=forms.Form,
            effect=effect, submit="Undo it", back=reverse("admin:config_job_changelist"),
            text="You see first what would be taken back, row by row.", errors=(IllegalMove,),
        )  # fmt: skip

    def _decide(
        self, request: HttpRequest, pk: int, decide: Any, verb: str, said: str
    ) -> HttpResponse:
        job = get_object_or_404(Job, pk=pk)

        def effect(_: dict) -> str:
            decide(job)
            return f"{job.title} {said}"

        return forms.ask(
            request, site=self.admin_site, title=f"{verb}: {job.title}", form=forms.Form,
            effect=effect, submit=verb, back=reverse("admin:config_job_change", args=[pk]),
            text=f"Of {job.total} rows {job.total - job.done - job.failed} would change something, "
            f"{job.done} are present already and {job.failed} are refused.",
            errors=(IllegalMove, MovedMeanwhile),
        )  # fmt: skip

    @action(
        description="Download refused rows", permissions=MAY_READ, url_path="refused",
        icon="download",
    )  # fmt: skip
    def refused_rows(self, request: HttpRequest, object_id: int) -> HttpResponseBase:
        rows = JobRow.objects.filter(job_id=object_id, outcome=JobRow.Outcome.FAILED)
        return csv_response(
            f"refused-{object_id}.csv",
            ["row", "reference", "column", "reason"],
            rows.order_by("number").values_list("number", "reference", "column", "message"),
        )
