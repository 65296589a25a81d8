"""The doorbell and the house's own periodic jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from celery import shared_task
from django.utils import timezone

from config import jobs, outbox
from config.models import IdempotencyKey, JobRun, OutboxRow

KEEP_ANSWERS = timedelta(days=7)
KEEP_DONE_WORK = timedelta(days=30)


@shared_task(name="config.tasks.drain", ignore_result=True)
def drain(topic: str) -> None:
    """A doorbell rang: work on the topic's due rows for a few seconds."""
    outbox.drain(topic)


@contextmanager
def once(job: str, *, every_seconds: int) -> Iterator[JobRun | None]:
    """Take the current slot of a periodic job; yields None when somebody else has it already."""
    now = int(timezone.now().timestamp())
    slot = datetime.fromtimestamp(now - now % every_seconds, tz=UTC)
    run, created = JobRun.objects.get_or_create(job=job, slot=slot)
    yield run if created else None
    if created:
        JobRun.objects.filter(pk=run.pk).update(finished_at=timezone.now(), result=run.result)


@shared_task(name="config.tasks.tick", ignore_result=True)
def tick() -> None:
    """Heartbeat of the scheduler: /readyz and the console show its age."""
    with once("tick", every_seconds=30):
        pass


@shared_task(name="config.tasks.prune", ignore_result=True)
def prune() -> None:
    """Drop stored answers, finished work, old slots and what uploaded files held: history lives in
    events and ledgers."""
    with once("prune", every_seconds=3600) as run:
        if run is None:
            return
        now = timezone.now()
        run.result = {
            "answers": IdempotencyKey.objects.filter(created_at__lt=now - KEEP_ANSWERS).delete()[0],
            "work": OutboxRow.objects.filter(done_at__lt=now - KEEP_DONE_WORK).delete()[0],
            "slots": JobRun.objects.filter(slot__lt=now - KEEP_ANSWERS).delete()[0],
            **jobs.prune(now),
        }
