"""Periodic work of routing."""

from celery import shared_task

from config.tasks import once
from routing import closing, queues

EVERY_SECONDS = 60


@shared_task(name="routing.tasks.retry_unfillable", ignore_result=True)
def retry_unfillable() -> None:
    """Ring for orders whose unfillable units are due and may be had somewhere now."""
    with once("retry_unfillable", every_seconds=EVERY_SECONDS) as run:
        if run is not None:
            run.result = {**queues.retry_due(), "closed": closing.sweep()}
