"""Long work that a person watches: a file is checked, shown, accepted, then applied row by row.

A job's kind names two functions in config/flows.py: `check(job)` reads the file and yields rows
with what would happen or why not; `apply(job, rows)` does one batch of accepted rows inside the
transaction that also writes their outcomes. Nothing is written before a person accepts, and a
worker that dies leaves a batch or nothing: the next one goes on with the rows that are still ready.
"""

import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.module_loading import import_string
from psycopg.types.json import Jsonb

from config import outbox
from config.models import Job, JobRow, OutboxRow
from config.status import IllegalMove, move

S = Job.State
O = JobRow.Outcome  # noqa: E741
MOVES: dict[str, frozenset[str]] = {
    S.ASKING: frozenset({S.CHECKING, S.DISCARDED}),
    S.CHECKING: frozenset({S.PREVIEW, S.DONE, S.FAILED}),
    S.PREVIEW: frozenset({S.RUNNING, S.DISCARDED}),
    S.RUNNING: frozenset({S.DONE, S.FAILED}),
}
ENDED = (S.DONE, S.FAILED, S.DISCARDED)
READ_AHEAD = 1000
TURN_SECONDS = 30.0  # then other jobs have theirs; well below a task's time limit
KEEP_FILES = timedelta(days=7)
KEEP_UNDECIDED = timedelta(days=14)
KEEP_ROWS = timedelta(days=90)

Check = Callable[[Job], Iterable[JobRow]]
Apply = Callable[[Job, Sequence[JobRow]], None]


@dataclass(frozen=True)
class Kind:
    """A kind of job: its name for people, dotted paths of its two functions, and of the form that
    asks for what the file does not say. `batch` rows are applied in one transaction, with `settled`
    also those that would change nothing, until `apply` empties their data; `finish(job)` runs in
    the transaction that ends the job. `undo(job, user)` begins the job that takes back what a job
    with the param "undo" did, and returns it. `asks(request, job, site)` is the page where a
    person says what a file's columns are, before it is checked; a form of such a kind says with
    `asking` whether it is needed. A job that only `reads` is done once it is checked.
    """

    title: str
    check: str
    apply: str = ""
    form: str = "config.forms.UploadForm"
    batch: int = 200
    settled: bool = False
    finish: str = ""
    undo: str = ""
    asks: str = ""
    reads: bool = False


class FileProblem(Exception):
    """The whole file cannot be read; the words say where and what was expected."""


@contextmanager
def opened(job: Job) -> Iterator[BinaryIO]:
    """The job's file, to be read."""
    assert job.file is not None
    with job.file.open("rb") as stream:
        yield cast(BinaryIO, stream)


def kinds() -> dict[str, Kind]:
    """The kinds of jobs the roof knows."""
    return import_string("config.flows.JOBS")


# --- what people do ------------------------------------------------------------------------------


def start(
    *, kind: str, file: UploadedFile, params: dict[str, Any], user: Any, asking: bool = False
) -> Job:
    """Take a file and have it checked, when it is `asking` after a person has answered. The same
    file may come again: applying it is idempotent.
    """
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    title = f"{kinds()[kind].title}: {file.name}"[:200]
    file.name = uuid.uuid4().hex  # nobody chooses where it is stored
    return begin(
        kind=kind, title=title, params=params, user=user, asking=asking, file=file,
        digest=digest.hexdigest(),
    )  # fmt: skip


def begin(
    *, kind: str, title: str, params: dict[str, Any], user: Any, asking: bool = False, **more: Any
) -> Job:
    """Have checked what a job would do; its params say all there is to know, or lead to a file."""
    state = S.ASKING if asking else S.CHECKING
    with transaction.atomic():
        job = Job.objects.create(
            kind=kind, title=title[:200], params=params, created_by=user, state=state, **more
        )
        if not asking:
            _put_check(job)
    return job


def answer(job: Job, *, params: dict[str, Any]) -> None:
    """A person said what the file did not; now it is checked. Raises IllegalMove or
    MovedMeanwhile."""
    with transaction.atomic():
        move(job, S.CHECKING, allowed=MOVES, params=params)
        _put_check(job)


def _put_check(job: Job) -> None:
    outbox.put(topic="import", subject=job.pk, cause="check", payload={"step": "check"})


def can_undo(job: Job) -> bool:
    """Whether a job did something that can be taken back, and nobody has asked for that yet."""
    if job.state != S.DONE or not job.params.get("undo") or not kinds()[job.kind].undo:
        return False
    return not Job.objects.filter(kind=job.kind, params__undoes=job.pk).exists()


def undo(job: Job, *, user: Any) -> Job:
    """Begin the job that takes back what this one did. Raises IllegalMove when there is none."""
    with transaction.atomic():
        Job.objects.select_for_update(no_key=True).get(pk=job.pk)  # one asks, another waits
        if not can_undo(job):
            raise IllegalMove(job.title, job.state, "undone", ())
        return import_string(kinds()[job.kind].undo)(job, user)


def accept(job: Job) -> None:
    """A person saw the preview and wants it applied. Raises IllegalMove or MovedMeanwhile."""
    with transaction.atomic():
        move(job, S.RUNNING, allowed=MOVES, started_at=timezone.now())
        outbox.put(topic="import", subject=job.pk, cause="apply", payload={"step": "apply"})


def discard(job: Job) -> None:
    """A person saw the preview and does not want it: what was read is forgotten.

    Raises IllegalMove or MovedMeanwhile.
    """
    move(job, S.DISCARDED, allowed=MOVES, finished_at=timezone.now())
    _forget(job)


# --- what workers do -----------------------------------------------------------------------------


def handle(row: OutboxRow) -> outbox.Finish | None:
    """Outbox handler of the topic "import": one step of one job, each batch its own transaction."""
    outbox.renew(row)  # jobs claimed together wait for each other
    job = Job.objects.get(pk=row.subject)
    try:
        if row.payload["step"] == "check" and job.state == S.CHECKING:
            _check(job)
        elif row.payload["step"] == "apply" and job.state == S.RUNNING:
            return _apply(job)
    except Exception as error:
        words = f"It stopped at a fault and is tried again: {type(error).__name__}"
        Job.objects.filter(pk=job.pk).update(message=words)
        raise
    return None


def _check(job: Job) -> None:
    check: Check = import_string(kinds()[job.kind].check)
    job.rows.all().delete()  # of a worker that died while it checked
    counts: Counter[str] = Counter()
    try:
        rows = iter(check(job))
        while batch := list(islice(rows, READ_AHEAD)):
            _copy(batch)
            counts.update(row.outcome for row in batch)
            Job.objects.filter(pk=job.pk).update(total=counts.total())
    except FileProblem as problem:
        job.rows.all().delete()
        move(job, S.FAILED, allowed=MOVES, total=0, message=str(problem)[:2000],
             finished_at=timezone.now())  # fmt: skip
    else:
        _checked(job, counts)


def _checked(job: Job, counts: Counter[str]) -> None:
    figures = {"total": counts.total(), "failed": counts[O.FAILED], "done": counts[O.SAME]}
    if kinds()[job.kind].reads:
        move(job, S.DONE, allowed=MOVES, **figures, message="", finished_at=timezone.now())
    else:
        message = _remark(job, counts.total())
        move(job, S.PREVIEW, allowed=MOVES, **figures, message=message)


def _remark(job: Job, total: int) -> str:
    if not total:
        return "The file has no rows." if job.file else "There is nothing to do."
    if not job.file:
        return ""
    same = Job.objects.filter(
        kind=job.kind, digest=job.digest, params=job.params, state=S.DONE
    ).order_by("-id")
    earlier = same.first()
    if earlier is None or earlier.finished_at is None:
        return ""
    return f"The same file was applied on {earlier.finished_at:%Y-%m-%d at %H:%M} UTC."


def _apply(job: Job) -> outbox.Finish | None:
    """Apply batch after batch; when the turn is over, another row of work goes on with the rest."""
    stop = time.monotonic() + TURN_SECONDS
    last = 0
    while (done := _batch(job, after=last)) is not None:
        last = done
        if time.monotonic() > stop:
            return lambda: outbox.put(topic="import", subject=job.pk, cause=f"apply after {last}",
                                      payload={"step": "apply"})  # fmt: skip
    with transaction.atomic():
        move(job, S.DONE, allowed=MOVES, finished_at=timezone.now(), message="")
        if kinds()[job.kind].finish:
            import_string(kinds()[job.kind].finish)(job)
    return None


def _batch(job: Job, *, after: int) -> int | None:
    """Apply the next rows that are ready; returns the last one's number, None when none is left."""
    kind = kinds()[job.kind]
    apply: Apply = import_string(kind.apply)
    with transaction.atomic():
        # One worker at a time: a second one that was called by mistake waits here.
        Job.objects.select_for_update(no_key=True).get(pk=job.pk)
        todo = Q(outcome=O.READY)
        if kind.settled:
            todo |= Q(outcome=O.SAME) & ~Q(data={})
        rows = list(job.rows.filter(todo, number__gt=after).order_by("number")[: kind.batch])
        if not rows:
            return None
        before = [(row.outcome, row.message, row.data) for row in rows]
        apply(job, rows)
        left = [row.number for row in rows if row.outcome == O.READY]
        if left:
            raise AssertionError(f"{kind.apply} left rows {left[:5]} without an outcome")
        _write([row for row, was in zip(rows, before, strict=True)
                if (row.outcome, row.message, row.data) != was])  # fmt: skip
        failed = sum(row.outcome == O.FAILED for row in rows)
        known = sum(outcome == O.SAME for outcome, *_ in before)
        Job.objects.filter(pk=job.pk).update(
            done=F("done") + len(rows) - known - failed, failed=F("failed") + failed
        )
    return rows[-1].number


_COPY = """
COPY config_jobrow (job_id, number, reference, outcome, "column", message, data) FROM STDIN
"""


def _copy(rows: Sequence[JobRow]) -> None:
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row((row.job_id, row.number, row.reference, str(row.outcome), row.column,
                            row.message, Jsonb(row.data)))  # fmt: skip


_WRITE = """
UPDATE config_jobrow r
   SET outcome = w.outcome, "column" = w.place, message = w.message, data = w.data
  FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::jsonb[])
    AS w(id, outcome, place, message, data)
 WHERE r.id = w.id
"""


def _write(rows: Sequence[JobRow]) -> None:
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _WRITE,
            [
                [row.pk for row in rows],
                [str(row.outcome) for row in rows],
                [row.column for row in rows],
                [row.message for row in rows],
                [Jsonb(row.data) for row in rows],
            ],
        )


# --- what is forgotten ---------------------------------------------------------------------------


def prune(now: datetime) -> dict[str, int]:
    """Forget what files held, which may be personal data; discard what nobody decided about."""
    undecided = Job.objects.filter(
        state__in=[S.ASKING, S.PREVIEW], created_at__lt=now - KEEP_UNDECIDED
    )
    old = Job.objects.filter(state__in=ENDED, finished_at__lt=now - KEEP_FILES)
    rows = JobRow.objects.filter(
        job__in=Job.objects.filter(state__in=ENDED, finished_at__lt=now - KEEP_ROWS)
    )
    for job in undecided:
        discard(job)
    held = list(old.exclude(file="").exclude(file=None))
    for job in held:
        _forget(job)
    return {"files": len(held), "job_rows": rows.delete()[0]}


def _forget(job: Job) -> None:
    job.rows.exclude(data={}).update(data={})
    if job.file:  # still named until it is gone, so that a crash in between is made good later
        job.file.delete(save=False)
        Job.objects.filter(pk=job.pk).update(file="")
