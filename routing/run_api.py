"""REST: runs, for the company's own systems: what they did, and start, stop or resume one."""

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import Count, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, Problems, idempotent
from config.payload import Items, Strict
from config.status import IllegalMove, MovedMeanwhile
from orders.models import SalesChannel
from orders.payload import Flag
from routing.models import Run, RunPlan, Sort
from routing.runs import control, figures, scope

SCOPE = "routing"
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]
CODES: dict[type[Exception], str] = {
    control.AlreadyOpen: "already_open", IllegalMove: "illegal_move",
    MovedMeanwhile: "moved_meanwhile",
}  # fmt: skip

# --- answers -------------------------------------------------------------------------------------


class RunRow(serializers.ModelSerializer):
    """A run with its figures. `channels` is its scope; empty: all of them.

    `orders` is how many it began with, `done` how many it has looked at, `decided` how many of
    these got decisions; `routed`, `partial` and `unfillable` are these decisions. `gain` is how
    much cheaper than one by one, `gap` how far from the proven best at most: both are shares, and
    null where orders were decided one after the other.
    """

    plan = serializers.CharField(source="plan.name", default=None, allow_null=True)
    cause = serializers.CharField(
        help_text="timetable, how many orders waited (200 orders wait), manual (a person, in the"
        " console) or by key and the key's name"
    )
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    channels = serializers.SerializerMethodField()
    duration_seconds = serializers.SerializerMethodField(help_text="null: it has not begun")
    orders = serializers.IntegerField(source="total")
    decided = serializers.SerializerMethodField()
    gain = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = ["id", "plan", "cause", "created_by", "state", "channels", "joint", "sort",
                  "created_at", "started_at", "ended_at", "duration_seconds", "orders", "done",
                  "decided", "routed", "partial", "unfillable", "skipped", "parcels", "cost",
                  "single_cost", "gain", "gap", "kg_co2", "error"]  # fmt: skip

    def get_channels(self, run: Run) -> list[str]:
        codes: dict[int, str] = self.context["codes"]
        return [codes.get(pk, f"channel {pk}") for pk in run.channels]

    def get_duration_seconds(self, run: Run) -> float | None:
        took = figures.duration(run)
        return None if took is None else round(max(took.total_seconds(), 0), 3)

    def get_decided(self, run: Run) -> int:
        return run.done - run.skipped

    def get_gain(self, run: Run) -> float | None:
        return figures.gain(run)


class RuleSetOfRun(serializers.Serializer):
    """Decisions of a run by one version of the rules; null: no rule set covered the order."""

    rule_set = serializers.SerializerMethodField()
    decisions = serializers.IntegerField()

    def get_rule_set(self, row: dict[str, Any]) -> str | None:
        name, version = row["rule_set__name"], row["rule_set__version"]
        return None if name is None else f"{name} v{version}"


class WholeRun(RunRow):
    """The same with the versions of the rules that decided; `waits_for` is the run ahead of it."""

    rule_sets = serializers.SerializerMethodField()
    waits_for = serializers.SerializerMethodField()

    class Meta(RunRow.Meta):
        fields = [*RunRow.Meta.fields, "rule_sets", "waits_for"]

    @extend_schema_field(RuleSetOfRun(many=True))
    def get_rule_sets(self, run: Run) -> Any:
        rows = run.decisions.values("rule_set__name", "rule_set__version")
        rows = rows.annotate(decisions=Count("pk")).order_by("-decisions", "rule_set__version")
        return RuleSetOfRun(rows, many=True).data

    def get_waits_for(self, run: Run) -> int | None:
        ahead = scope.ahead_of(run) if run.state == Run.State.WAITING else None
        return None if ahead is None else ahead.pk


def _codes() -> dict[str, Any]:
    return {"codes": dict(SalesChannel.objects.values_list("pk", "code"))}


def _whole(pk: int) -> dict[str, Any]:
    return dict(WholeRun(_runs().get(pk=pk), context=_codes()).data)


def _runs() -> QuerySet[Run]:
    return Run.objects.select_related("plan", "created_by")


# --- what is asked -------------------------------------------------------------------------------


class RunFilter(django_filters.FilterSet):
    """What the list of runs may be narrowed by."""

    state = django_filters.ChoiceFilter(choices=Run.State.choices)
    plan = django_filters.CharFilter("plan__name", help_text="name of the plan that started it")

    class Meta:
        model = Run
        fields = ["state", "plan"]


class RunPayload(Strict):
    """Which orders, and how: those of a plan as it says, or those of some channels or of all."""

    plan = serializers.CharField(
        max_length=60, required=False, help_text="its name; the rest is the plan's then"
    )
    channels = Items(
        child=serializers.CharField(max_length=32), required=False, max_length=1000,
        help_text="codes; without it, or empty, the orders of all channels that wait",
    )  # fmt: skip
    joint = Flag(
        required=False, help_text="decide them together (default), or first come, first served"
    )
    sort = serializers.ChoiceField(
        choices=Sort.choices, required=False,
        help_text="who is asked first for stock; together, who of the rest (default: oldest)",
    )  # fmt: skip


def _scope(asked: dict[str, Any]) -> dict[str, Any]:
    """What control.start() takes. Raises Problems with all that is wrong."""
    plan = RunPlan.objects.filter(name=asked["plan"]).first() if "plan" in asked else None
    codes = asked.get("channels", [])
    rows = SalesChannel.objects.filter(code__in=codes, active=True).values_list("code", "pk")
    known = dict(rows)
    problems = [
        (f"/channels/{i}", "unknown_channel", f"no active channel has the code {code!r}")
        for i, code in enumerate(codes) if code not in known
    ]  # fmt: skip
    if "plan" in asked:
        if plan is None:
            problems.append(("/plan", "unknown_plan", f"no plan is named {asked['plan']!r}"))
        problems += [
            (f"/{name}", "of_the_plan", "a plan says this itself: leave it out, or the plan")
            for name in ("channels", "joint", "sort") if name in asked
        ]  # fmt: skip
    if problems:
        raise Problems("invalid", problems, status_code=400)
    channels = sorted(set(known.values()))
    return {"plan": plan, "channels": channels, "joint": asked.get("joint", True),
            "sort": asked.get("sort", Sort.OLDEST)}  # fmt: skip


# --- doors ---------------------------------------------------------------------------------------


def _answer(request: Request, effect: Callable[[], tuple[int, dict[str, Any]]]) -> Response:
    try:
        return idempotent(request, effect)
    except tuple(CODES) as error:
        raise Conflict(str(error), CODES[type(error)]) from error


class RunsView(ListAPIView):
    """Runs, newest first."""

    scope = SCOPE
    serializer_class = RunRow
    filterset_class = RunFilter
    queryset = _runs()

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), **_codes()}

    @extend_schema(request=RunPayload, responses={201: WholeRun}, parameters=REPEATABLE)
    def post(self, request: Request) -> Response:
        """Start a run. It is 409 while one is open that is about orders of the same channels."""
        payload = RunPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        asked = _scope(payload.validated_data)
        who = f"by key {request.auth.name}"[:60]  # type: ignore[union-attr]

        def effect() -> tuple[int, dict[str, Any]]:
            run = control.start(**asked, cause=who)
            # Looked at after: runs come into being one after the other, so one of two sees it.
            if (ahead := scope.ahead_of(run)) is not None:
                words = f"Run {ahead.pk} is open for orders of the same channels: it ends first."
                raise Conflict(words, "already_open")
            return 201, _whole(run.pk)

        return _answer(request, effect)


class OneRun(APIView):
    """Finds a run, and presses its buttons."""

    scope = SCOPE

    def find(self, pk: int) -> Run:
        run = _runs().filter(pk=pk).first()
        if run is None:
            raise NotFound(f"No run {pk}.")
        return run

    def press(self, request: Request, pk: int, button: Callable[[Run], None]) -> Response:
        """Press one button and answer with the run as it is then."""
        run = self.find(pk)

        def effect() -> tuple[int, dict[str, Any]]:
            button(run)
            return 200, _whole(pk)

        return _answer(request, effect)


class RunView(OneRun):
    """One run with its figures and the versions of the rules that decided."""

    @extend_schema(responses=WholeRun)
    def get(self, request: Request, pk: int) -> Response:
        return Response(_whole(self.find(pk).pk))


class RunStopView(OneRun):
    """Ends a run after the batch it is at; what it has routed stays, the rest goes on waiting."""

    @extend_schema(request=None, responses=WholeRun, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, control.stop)


class RunResumeView(OneRun):
    """Goes on with the orders that a stopped or failed run left."""

    @extend_schema(request=None, responses=WholeRun, parameters=REPEATABLE)
    def post(self, request: Request, pk: int) -> Response:
        return self.press(request, pk, control.resume)
