"""Periodic work of fulfillment."""

from celery import shared_task
from django.utils import timezone

from config.tasks import once
from fulfillment import work


@shared_task(name="fulfillment.tasks.take_back_due", ignore_result=True)
def take_back_due() -> None:
    """Give work elsewhere that its stock point has not accepted in time; end open offers."""
    with once("take_back_due", every_seconds=30) as run:
        if run is not None:
            run.result = work.take_back_due(timezone.now())
