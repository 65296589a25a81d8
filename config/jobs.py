"""Long work that a person watches: a file is checked, shown, accepted, then applied row by row.

A job's kind names two functions in config/flows.py: `check(job)` reads the file and yields rows
with what would happen or why not; `apply(job, rows)` does one batch of accepted rows inside the
transaction that also writes their outcomes. Nothing is written before a person accepts, and a
worker that dies leaves a batch or nothing: the next one goes on with the rows that are still ready.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from config import outbox
from config.models import Job, JobRow, OutboxRow
from config.status import MovedMeanwhile, move

S = Job.State
MOVES = {
    S.CHECKING: frozenset({S.PREVIEW, S.FAILED}),
    S.PREVIEW: frozenset({S.RUNNING, S.DISCARDED}),
    S.RUNNING: frozenset({S.DONE, S.FAILED}),
}
BATCH = 200

Check = Callable[[Job], Iterable[JobRow]]
Apply = Callable[[Job, Sequence[JobRow]], None]


@dataclass(frozen=True)
class Kind:
    """A kind of job: its name for people, dotted paths of its two functions, and of the form that
    asks for what the file does not say."""

    title: str
    check: str
    apply: str
    form: str = "config.forms.UploadForm"


class FileProblem(Exception):
    """The whole file cannot be read; the words say where and what was expected."""


def kinds() -> dict[str, Kind]:
    """The kinds of jobs the roof knows."""
    return import_string("config.flows.JOBS")


def start(*, kind: str, file: UploadedFile, params: dict[str, Any], user: Any) -> Job:
    """Take a file and have it checked. The same file may come again: applying it is idempotent."""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    with transaction.atomic():
        job = Job.objects.create(
            kind=kind, title=f"{kinds()[kind].title}: {file.name}"[:200], file=file,
            params=params, digest=digest.hexdigest(), created_by=user, state=S.CHECKING,
        )  # fmt: skip
        outbox.put(topic="import", subject=job.pk, cause="check", payload={"step": "check"})
    return job


def accept(job: Job) -> None:
    """A person saw the preview and wants it applied. Raises IllegalMove otherwise."""
    with transaction.atomic():
        move(job, S.RUNNING, allowed=MOVES, started_at=timezone.now())
        outbox.put(topic="import", subject=job.pk, cause="apply", payload={"step": "apply"})


def discard(job: Job) -> None:
    """A person saw the preview and does not want it."""
    move(job, S.DISCARDED, allowed=MOVES, finished_at=timezone.now())


def handle(row: OutboxRow) -> None:
    """Outbox handler of the topic "import": one step of one job, each batch its own transaction."""
    job = Job.objects.get(pk=row.subject)
    if row.payload["step"] == "check" and job.state == S.CHECKING:
        _check(job)
    elif row.payload["step"] == "apply" and job.state == S.RUNNING:
        _apply(job)


def _check(job: Job) -> None:
    check: Check = import_string(kinds()[job.kind].check)
    try:
        with transaction.atomic():
            total = failed = 0
            rows = iter(check(job))
            while batch := list(islice(rows, 1000)):
                JobRow.objects.bulk_create(batch)
                total += len(batch)
                failed += sum(r.outcome == JobRow.Outcome.FAILED for r in batch)
            move(job, S.PREVIEW, allowed=MOVES, total=total, failed=failed,
                 message="" if total else "The file has no rows.")  # fmt: skip
    except FileProblem as problem:
        move(job, S.FAILED, allowed=MOVES, message=str(problem), finished_at=timezone.now())


def _apply(job: Job) -> None:
    apply: Apply = import_string(kinds()[job.kind].apply)
    while True:
        with transaction.atomic():
            rows = list(
                job.rows.select_for_update(skip_locked=True)
                .filter(outcome=JobRow.Outcome.READY)
                .order_by("number")[:BATCH]
            )
            if not rows:
                break
            apply(job, rows)
            if any(row.outcome == JobRow.Outcome.READY for row in rows):
                raise MovedMeanwhile(f"{job.kind} left rows without an outcome")
            JobRow.objects.bulk_update(rows, ["outcome", "column", "message", "data"])
            _count(job)
    _count(job)
    move(job, S.DONE, allowed=MOVES, finished_at=timezone.now())


def _count(job: Job) -> None:
    outcomes = list(job.rows.exclude(outcome=JobRow.Outcome.READY).values_list("outcome", flat=True))
    failed = outcomes.count(JobRow.Outcome.FAILED)
    Job.objects.filter(pk=job.pk).update(done=len(outcomes) - failed, failed=failed)
