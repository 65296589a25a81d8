"""Trials of many orders, as jobs that only read: figures in the job's params, a row per change."""

from collections.abc import Iterable
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from django.utils import timezone

from config import jobs
from config.models import Job, JobRow
from routing import trial
from routing.models import Decision, RuleSet
from routing.trial import Answer, Change, Figures, Sends, Trial

KIND = "trial"
WAITING, PAST = "waiting", "past"


def size(*, what: str, days: int) -> int:
    """How many orders, or decisions of the last days, a trial would look at."""
    if what == WAITING:
        return len(trial.waiting_orders())
    return Decision.objects.filter(at__gte=trial.since(days, timezone.now())).count()


def run(*, rule_set: int, what: str, days: int) -> Trial:
    """Try it now."""
    now = timezone.now()
    if what == WAITING:
        return trial.live(trial.waiting_orders(), rule_set=rule_set, now=now)
    return trial.past(days=days, rule_set=rule_set, now=now)


def begin(*, rule_set: RuleSet, what: str, days: int, user: Any) -> Job:
    """Let a worker try it; the job's page and that of its trial show it."""
    words = "orders that wait" if what == WAITING else f"decisions of {days} days"
    params = {"rule_set": rule_set.pk, "what": what, "days": days}
    return jobs.begin(kind=KIND, title=f"Trial of {rule_set}: {words}", params=params, user=user)


def check(job: Job) -> Iterable[JobRow]:
    """The job's only step. Raises jobs.FileProblem when the rule set is gone."""
    params = {name: job.params[name] for name in ("rule_set", "what", "days")}
    try:
        found = run(**params)
    except RuleSet.DoesNotExist:
        raise jobs.FileProblem("The rule set was deleted meanwhile: nothing to try.") from None
    figures = {"before": _plain(found.before), "after": _plain(found.after),
               "left_out": found.left_out}  # fmt: skip
    Job.objects.filter(pk=job.pk).update(params={**params, "figures": figures})
    for number, change in enumerate(found.changes, 1):
        yield JobRow(
            job=job, number=number, reference=change.number[:100], outcome=JobRow.Outcome.SAME,
            message=f"{change.before.words} → {change.after.words}"[:500], data=_plain(change),
        )  # fmt: skip


def result(job: Job) -> Trial:
    """What a job that is done has found."""
    figures = job.params["figures"]
    rows = job.rows.exclude(data={}).order_by("number").values_list("data", flat=True)
    return Trial(
        before=_figures(figures["before"]), after=_figures(figures["after"]),
        changes=tuple(_change(row) for row in rows), left_out=figures["left_out"],
    )  # fmt: skip


def _plain(value: Figures | Change) -> dict[str, Any]:
    def item(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: item(below) for key, below in one.items()}
        return str(one) if isinstance(one, Decimal) else one

    plain: dict[str, Any] = item(asdict(value))
    return plain


def _figures(kept: dict[str, Any]) -> Figures:
    return Figures(**{**kept, "cost": Decimal(kept["cost"])})


def _change(kept: dict[str, Any]) -> Change:
    return Change(kept["order"], kept["number"], _answer(kept["before"]), _answer(kept["after"]))


def _answer(kept: dict[str, Any]) -> Answer:
    places = tuple(Sends(*row) for row in kept["places"])
    return Answer(**{**kept, "cost": Decimal(kept["cost"]), "places": places})
