"""Runs: when they start, what they do at the moment, and what came of them."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms as django_forms
from django.contrib import messages
from django.contrib.admin import SimpleListFilter
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from config import forms
from config.console import (
    ModelAdmin,
    ReadOnlyAdmin,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    register,
    tabs,
)
from config.status import IllegalMove, MovedMeanwhile
from orders.models import SalesChannel
from routing.models import Decision, Run, RunPlan, Sort
from routing.runs import control, figures, plans, scope

LEVELS = {
    Run.State.WAITING: "info", Run.State.RUNNING: "info", Run.State.DONE: "success",
    Run.State.STOPPED: "warning", Run.State.FAILED: "danger",
}  # fmt: skip
BY = {"timetable": "by its timetable", "manual": "by hand"}
REFUSALS = (IllegalMove, MovedMeanwhile, control.AlreadyOpen)
JOINT = "Scarce stock and full days go where they save most, not to who comes first."


class RunPlanForm(django_forms.ModelForm):
    """A timetable, one of two, and a number of orders: at least one of these."""

    class Meta:
        widgets: ClassVar = {"channels": forms.Several().widget}

    def clean_cron(self) -> str:
        line: str = " ".join(self.cleaned_data["cron"].split())
        if line:
            try:
                plans.read_cron(line)
            except plans.BadCron as error:
                raise ValidationError(str(error)) from error
        return line

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        starts = ("every_minutes", "cron", "when_waiting")
        if data.get("every_minutes") and data.get("cron"):
            self.add_error("cron", "Say either every how many minutes or a cron line, not both.")
        elif all(name in data and data[name] in {None, ""} for name in starts):
            self.add_error(
                "every_minutes", "Say every how many minutes, or below a cron line or how many"
                " orders have to wait: else it never starts.",
            )  # fmt: skip
        return data


@register(RunPlan)
class RunPlanAdmin(ModelAdmin):
    """When orders are routed in runs."""

    form = RunPlanForm
    list_display = ("name", "when", "covers", "how", "next_", "last", "active")
    list_filter = ("active",)
    list_filter_submit = False
    fieldsets = (
        (None, {"fields": ("name", "channels", "active", "joint", "sort")}),
        ("Every so many minutes, or as a cron line says",
         {"fields": ("every_minutes", "cron"),
          "description": "In UTC. Every 15 minutes is at 0, 15, 30 and 45 past the hour."}),
        ("When so many orders wait", {"fields": ("when_waiting",)}),
    )  # fmt: skip
    actions_detail = ("run_now", "runs")
    empty_words = (
        "Orders are routed one by one, when they come in. Make a plan to have those that can wait"
        " routed together; rules say which may (Rule sets, when)."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RunPlan]:
        return super().get_queryset(request).prefetch_related("channels")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        left = plans.without_plan()
        if left and request.method == "GET":
            messages.warning(
                request, f"Rules of {', '.join(left)} let orders wait for a run, and no active plan"
                " starts one: make one, or route them by hand.",
            )  # fmt: skip
        return super().changelist_view(request, extra_context)

    @display(description="when, UTC")
    def when(self, plan: RunPlan) -> str:
        return plans.in_words(plan)

    @display(description="channels")
    def covers(self, plan: RunPlan) -> str:
        return ", ".join(channel.name for channel in plan.channels.all()) or "all"

    @display(description="how", ordering="joint")
    def how(self, plan: RunPlan) -> str:
        return how(plan)

    @display(description="next, UTC")
    def next_(self, plan: RunPlan) -> str:
        if not plan.active:
            return "-"
        at = plans.next_time(plan, after=timezone.now())
        return plans.or_when_full(moment(at) if at else "", plan)

    @display(description="last, UTC", ordering="last_started_at")
    def last(self, plan: RunPlan) -> str:
        return moment(plan.last_started_at)

    @action(description="Run now", permissions=["change"], url_path="run-now", icon="play_circle")
    def run_now(self, request: HttpRequest, object_id: int) -> HttpResponse:
        plan = found(RunPlan, object_id)

        def effect(_: dict) -> HttpResponse:
            run = control.start(plan=plan, cause="manual", user=request.user)
            return HttpResponseRedirect(page_of(run))

        return forms.ask(
            request, site=self.admin_site, title=f"Run {plan} now", form=forms.Form, effect=effect,
            back=reverse("admin:routing_runplan_change", args=[plan.pk]), submit="Run now",
            errors=REFUSALS, text="All orders of its channels that wait are routed, and you see"
            " how it goes. Its timetable stays as it is; orders that wait are counted anew.",
        )  # fmt: skip

    @action(description="Its runs", permissions=["view"], url_path="runs", icon="history")
    def runs(self, request: HttpRequest, object_id: int) -> HttpResponse:
        plan = found(RunPlan, object_id)
        return HttpResponseRedirect(f"{list_url('run')}?{urlencode({'plan__id__exact': plan.pk})}")


class RunForm(forms.Form):
    """Which orders, and how."""

    channels = forms.Several(required=False, help_text="none: the orders of all channels that wait")
    joint = django_forms.BooleanField(
        required=False, initial=True, label="Optimize them together", help_text=JOINT
    )
    sort = forms.Choice(
        choices=Sort.choices, initial=Sort.OLDEST, required=False, label="Order of the orders",
        help_text="who is asked first for stock and days; together, who is asked first of the rest",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = SalesChannel.objects.filter(active=True).order_by("name").values_list("pk", "name")
        self.fields["channels"].choices = [(str(pk), name) for pk, name in names]  # type: ignore[attr-defined]


class PlanFilter(SimpleListFilter):
    """Which plan started it."""

    title = "plan"
    parameter_name = "plan__id__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in RunPlan.objects.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Run]) -> QuerySet[Run]:
        value = self.value() or ""
        return queryset.filter(plan=int(value)) if value.isascii() and value.isdigit() else queryset


@register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Runs, newest first."""

    list_display = ("what", "state_", "orders", "cost_", "gain", "took", "started")
    list_filter = (PlanFilter,)
    list_filter_submit = False
    list_select_related = ("plan", "created_by")
    ordering = ("-id",)
    fields = ("overview",)
    readonly_fields = ("overview",)
    actions_list = ("new_run",)
    actions_detail = ("stop_run", "resume_run")
    empty_words = (
        "No run yet. Start one above, or make a plan that starts them by the clock or per batch"
        " (Routing, Run plans)."
    )

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        open_ = Run.objects.filter(state__in=Run.OPEN).values_list("state", flat=True)
        states = list(open_)
        return [
            tabs(request, label="State", parameter="state__exact", everything="all runs",
                 choices=Run.State.choices,
                 counts={state: states.count(state) for state in Run.OPEN})
        ]  # fmt: skip

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup == "state__exact" or super().lookup_allowed(lookup, value, request)

    # --- the list ---

    @display(description="run", ordering="id", header=True)
    def what(self, run: Run) -> tuple[str, str]:
        return f"Run {run.pk}", cause(run)

    @display(description="state", ordering="state")
    def state_(self, run: Run) -> SafeString:
        return badge(LEVELS[Run.State(run.state)], run.get_state_display())

    @display(description="orders", ordering="done")
    def orders(self, run: Run) -> str:
        return f"{run.done:,}" if run.done == run.total else f"{run.done:,} of {run.total:,}"

    @display(description="cost", ordering="cost")
    def cost_(self, run: Run) -> str:
        return f"{run.cost:,.2f}" if run.done else "-"

    @display(description="gain")
    def gain(self, run: Run) -> str:
        saved = figures.gain(run)
        return "-" if saved is None else figures.percent(saved)

    @display(description="took")
    def took(self, run: Run) -> str:
        return figures.duration_words(run)

    @display(description="began, UTC", ordering="started_at")
    def started(self, run: Run) -> str:
        return moment(run.started_at)

    # --- the page ---

    @display(description="")
    def overview(self, run: Run) -> SafeString:
        ahead = scope.ahead_of(run) if run.state == Run.State.WAITING else None
        return render_to_string(
            "routing/run.html",
            {
                "run": run, "cause": cause(run), "how": how(run), "ahead": ahead,
                "channels": scope.in_words(run.channels), "tiles": _tiles(run),
                "gain": figures.gain_words(run), "took": figures.duration_words(run),
                "left_out": figures.left_out(run),
                "average": run.cost / run.done if run.done else None,
            },
        )  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what can be done now."""
        legal = control.MOVES[found(Run, object_id).state]
        hidden = {"stop_run": Run.State.STOPPED, "resume_run": Run.State.WAITING}
        gone = tuple(name for name, to in hidden.items() if to not in legal)
        actions = super().get_actions_detail(request, object_id)
        return [one for one in actions if not gone or not one.action_name.endswith(gone)]

    @action(description="Run now", permissions=["handle"], url_path="new", icon="play_circle")
    def new_run(self, request: HttpRequest) -> HttpResponse:
        def effect(data: dict) -> HttpResponse:
            run = control.start(
                channels=[int(pk) for pk in data["channels"]], joint=data["joint"],
                sort=data["sort"] or Sort.OLDEST, cause="manual", user=request.user,
            )  # fmt: skip
            return HttpResponseRedirect(page_of(run))

        return forms.ask(
            request, site=self.admin_site, title="Run now", form=RunForm, effect=effect,
            back=list_url("run"), submit="Run now", errors=REFUSALS,
            text="Orders that wait to be routed get a stock point now, also those that a rule lets"
            " wait for the next run.",
        )  # fmt: skip

    @action(description="Stop", permissions=["handle"], url_path="stop", icon="stop_circle")
    def stop_run(self, request: HttpRequest, object_id: int) -> HttpResponse:
        run = found(Run, object_id)

        def effect(_: dict) -> str:
            control.stop(run)
            return f"Run {run.pk} stops after the orders it is at."

        return forms.ask(
            request, site=self.admin_site, title=f"Stop run {run.pk}", form=forms.Form,
            effect=effect, submit="Stop it", back=page_of(run), errors=REFUSALS, danger=True,
            text="What it has routed stays; the orders that are left go on waiting. It can be"
            " taken up again.",
        )  # fmt: skip

    @action(description="Go on", permissions=["handle"], url_path="resume", icon="resume")
    def resume_run(self, request: HttpRequest, object_id: int) -> HttpResponse:
        run = found(Run, object_id)

        def effect(_: dict) -> str:
            control.resume(run)
            return f"Run {run.pk} goes on with the orders that are left."

        return forms.ask(
            request, site=self.admin_site, title=f"Go on with run {run.pk}", form=forms.Form,
            effect=effect, submit="Go on", back=page_of(run), errors=REFUSALS,
            text="It goes on behind the last order it looked at. Orders that came in after it"
            " began wait for the next run.",
        )  # fmt: skip


def how(run: Run | RunPlan) -> str:
    """How the orders of a run are decided."""
    by_age = run.sort == Sort.OLDEST
    if run.joint:
        return "together" if by_age else f"together, the rest {run.get_sort_display()}"
    return "first come, first served" if by_age else f"one by one, {run.get_sort_display()}"


def cause(run: Run) -> str:
    """What started it, in words."""
    by = f"by {run.created_by}" if run.created_by else BY.get(run.cause, run.cause)
    return f"{run.plan}, {by}" if run.plan else by


def list_url(model: str) -> str:
    """The list of this model of routing."""
    return reverse(f"admin:routing_{model}_changelist")


def page_of(run: Run) -> str:
    """The page of a run."""
    return reverse("admin:routing_run_change", args=[run.pk])


OUTCOME_LEVELS = {
    Decision.Outcome.ROUTED: "busy", Decision.Outcome.PARTIAL: "warning",
    Decision.Outcome.UNFILLABLE: "danger",
}  # fmt: skip


def _tiles(run: Run) -> list[dict[str, Any]]:
    """Figures of the run that open what they count."""
    decisions = f"{list_url('decision')}?{urlencode({'run__id__exact': run.pk})}"
    counts = {
        Decision.Outcome.ROUTED: (run.routed, "all units have a stock point"),
        Decision.Outcome.PARTIAL: (run.partial, "some units have none"),
        Decision.Outcome.UNFILLABLE: (run.unfillable, "no stock point can"),
    }
    tiles = [
        {"words": outcome.label, "figure": figure, "about": about,
         "level": OUTCOME_LEVELS[outcome] if figure else "quiet",
         "url": f"{decisions}&{urlencode({'outcome__exact': outcome.value})}"}
        for outcome, (figure, about) in counts.items()
    ]  # fmt: skip
    waiting = f"{reverse('admin:orders_order_changelist')}?{urlencode({'stage': 'to_route'})}"
    skipped = {"words": "skipped", "figure": run.skipped, "about": "on hold, or changed meanwhile",
               "level": "warning" if run.skipped else "quiet", "url": waiting}  # fmt: skip
    return [*tiles, skipped]
