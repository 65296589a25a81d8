"""Periodic work of orders."""

from celery import shared_task

from config.tasks import once
from orders import baskets


@shared_task(name="orders.tasks.forget_baskets", ignore_result=True)
def forget_baskets() -> None:
    """Drop the rows of baskets that ended a day ago; their units were released then."""
    with once("forget_baskets", every_seconds=3600) as run:
        if run is not None:
            run.result = {"baskets": baskets.forget()}
