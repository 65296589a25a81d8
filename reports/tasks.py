"""Periodic jobs of reports."""

from celery import shared_task

from config.tasks import once
from reports.invariants import violations


@shared_task(name="reports.tasks.check_invariants", ignore_result=True)
def check_invariants() -> None:
    """Run every invariant and keep the counts; the console shows the last run."""
    with once("check_invariants", every_seconds=6 * 3600) as run:
        if run is not None:
            run.result = {name: len(rows) for name, rows in violations().items()}
