"""Periodic work of orders."""

from celery import shared_task
from django.utils import timezone

from config.tasks import once
from orders import baskets, cancellation, holds, polling, promise_moves
from orders.payments import expiry
from orders.webhooks import replaying


@shared_task(name="orders.tasks.forget_baskets", ignore_result=True)
def forget_baskets() -> None:
    """Drop the rows of baskets that ended a day ago; their units were released then."""
    with once("forget_baskets", every_seconds=3600) as run:
        if run is not None:
            run.result = {"baskets": baskets.forget()}


@shared_task(name="orders.tasks.pull_orders", ignore_result=True)
def pull_orders() -> None:
    """Ring the connections that are due; their workers ask the shops."""
    with once("pull_orders", every_seconds=30) as run:
        if run is not None:
            run.result = {"connections": polling.ring()}


@shared_task(name="orders.tasks.forget_webhooks", ignore_result=True)
def forget_webhooks() -> None:
    """Drop the log of deliveries to webhooks after a month."""
    with once("forget_webhooks", every_seconds=3600) as run:
        if run is not None:
            run.result = replaying.forget(timezone.now())


@shared_task(name="orders.tasks.release_holds", ignore_result=True)
def release_holds() -> None:
    """Resolve holds whose time has come."""
    with once("release_holds", every_seconds=30) as run:
        if run is not None:
            run.result = {"holds": holds.release_due(timezone.now())}


@shared_task(name="orders.tasks.cancel_unfillable", ignore_result=True)
def cancel_unfillable() -> None:
    """Cancel what found no stock point for as long as its channel waits."""
    with once("cancel_unfillable", every_seconds=600) as run:
        if run is not None:
            run.result = cancellation.cancel_unfillable(timezone.now())


@shared_task(name="orders.tasks.move_promises", ignore_result=True)
def move_promises() -> None:
    """Promise another day where all is on its way and some of it certainly arrives later."""
    with once("move_promises", every_seconds=600) as run:
        if run is not None:
            run.result = {"orders": promise_moves.move_certain()}


@shared_task(name="orders.tasks.expire_payments", ignore_result=True)
def expire_payments() -> None:
    """Renew authorizations that run out, and note those that have."""
    with once("expire_payments", every_seconds=60) as run:
        if run is not None:
            run.result = {"payments": expiry.expire_due(timezone.now())}
