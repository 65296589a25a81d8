"""What starts, stops and takes up a run again: the timetable, or a person."""

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from config.status import move
from routing.models import Run, RunPlan, Sort
from routing.runs import counting, scope

TOPIC = "run"
S = Run.State
MOVES: dict[str, frozenset[str]] = {
    S.WAITING: frozenset({S.RUNNING, S.STOPPED, S.FAILED}),
    S.RUNNING: frozenset({S.DONE, S.STOPPED, S.FAILED}),
    S.STOPPED: frozenset({S.WAITING}),
    S.FAILED: frozenset({S.WAITING}),
    S.DONE: frozenset(),
}
MAX_ERROR = 2000


class AlreadyOpen(Exception):
    """The plan has a run that waits or runs: one at a time."""


def start(
    *, plan: RunPlan | None = None, channels: Sequence[int] = (), joint: bool = True,
    sort: str = Sort.OLDEST, cause: str, user: Any = None,
) -> Run:  # fmt: skip
    """Begin a run of a plan, or of some channels (none: all). Raises AlreadyOpen."""
    now = timezone.now()
    if plan is not None:
        channels = list(plan.channels.values_list("pk", flat=True))
        joint, sort = plan.joint, plan.sort
    try:
        with transaction.atomic():
            _in_turn()
            run = Run.objects.create(
                plan=plan, cause=cause, joint=joint, sort=sort, channels=sorted(channels),
                created_by=user, created_at=now,
            )  # fmt: skip
            if plan is not None:
                RunPlan.objects.filter(pk=plan.pk).update(last_started_at=now)
            _put(run, "start")
    except IntegrityError as error:
        raise AlreadyOpen(f"A run of {plan} is open already: it ends first.") from error
    return run


def begin(run: Run) -> Run | None:
    """Let a waiting run begin, unless one of the same channels is ahead of it: which one.

    Raises MovedMeanwhile when somebody stopped it.
    """
    with transaction.atomic():
        _in_turn()
        ahead = scope.ahead_of(run)
        if ahead is not None:
            return ahead
        first = run.started_at is None
        run.started_at = run.started_at or timezone.now()
        total = len(scope.next_orders(run, limit=None).orders) if first else run.total
        move(run, S.RUNNING, allowed=MOVES, started_at=run.started_at, total=total, error="")
    return None


def stop(run: Run) -> None:
    """End it after the batch it is at; what it has routed stays. Raises IllegalMove or
    MovedMeanwhile."""
    move(run, S.STOPPED, allowed=MOVES, ended_at=timezone.now())
    counting.recount(run)


def resume(run: Run) -> None:
    """Go on with the orders that are left. Raises IllegalMove, MovedMeanwhile or AlreadyOpen."""
    try:
        with transaction.atomic():
            _in_turn()
            move(run, S.WAITING, allowed=MOVES, ended_at=None, error="")
            _put(run, "resume")
    except IntegrityError as error:
        raise AlreadyOpen(f"Another run of {run.plan} is open: it ends first.") from error


def fail(run: Run, words: str) -> None:
    """End it and say why; a person may take it up again. Raises IllegalMove or MovedMeanwhile."""
    move(run, S.FAILED, allowed=MOVES, ended_at=timezone.now(), error=words[:MAX_ERROR])
    counting.recount(run)


def fail_abandoned() -> int:
    """End open runs whose work was given up, its workers died with it; returns how many."""
    work = OutboxRow.objects.filter(topic=TOPIC, done_at=None)
    alive = work.filter(dead_at=None).values("subject")
    abandoned = list(Run.objects.filter(state__in=Run.OPEN).exclude(pk__in=alive).order_by("pk"))
    for run in abandoned:
        dead = work.filter(subject=run.pk).order_by("-pk").values_list("last_error", flat=True)
        fail(run, dead.first() or "its work was given up")
    return len(abandoned)


def go_on(run: Run, after: OutboxRow) -> None:
    """Put the rest of a run behind other work."""
    _put(run, f"after {after.pk}")


def _put(run: Run, cause: str) -> None:
    """A row of work; the same run may be taken up again and again, so each cause is another."""
    outbox.put(topic=TOPIC, subject=run.pk, cause=f"{cause}:{timezone.now().isoformat()}")


def _in_turn() -> None:
    """Runs come into being and begin one after the other, so the later one sees the earlier."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('routing.runs'))")
