"""Periodic work of routing."""

from celery import shared_task

from config.tasks import once
from routing import closing, queues
from routing.runs import control, plans

EVERY_SECONDS = 60
RUNS_EVERY_SECONDS = 30


@shared_task(name="routing.tasks.retry_unfillable", ignore_result=True)
def retry_unfillable() -> None:
    """Ring for orders whose unfillable units are due and may be had somewhere now."""
    with once("retry_unfillable", every_seconds=EVERY_SECONDS) as run:
        if run is not None:
            run.result = {**queues.retry_due(), "closed": closing.sweep()}


@shared_task(name="routing.tasks.start_runs", ignore_result=True)
def start_runs() -> None:
    """Start the runs that are due by their plans; end those whose work was given up."""
    with once("start_runs", every_seconds=RUNS_EVERY_SECONDS) as slot:
        if slot is not None:
            started = plans.start_due()
            slot.result = {"started": len(started), "abandoned": control.fail_abandoned()}
