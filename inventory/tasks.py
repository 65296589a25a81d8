"""Periodic work of inventory."""

from celery import shared_task
from django.utils import timezone

from config.tasks import once
from inventory import counts, expiry, seal, stock_rules

SEAL_SECONDS, RULES_SECONDS = 60, 300


@shared_task(name="inventory.tasks.seal_ledger", ignore_result=True)
def seal_ledger() -> None:
    """Seal what was written to the ledger since the last time."""
    with once("seal_ledger", every_seconds=SEAL_SECONDS) as run:
        if run is not None:
            run.result = {"rows": seal.seal()}


@shared_task(name="inventory.tasks.release_expired", ignore_result=True)
def release_expired() -> None:
    """Release claims whose time is over; two sweeps at once share the work."""
    expiry.sweep()


@shared_task(name="inventory.tasks.apply_stock_rules", ignore_result=True)
def apply_stock_rules() -> None:
    """Let new products and stock rows, and seasons that begin or end, have their rule."""
    with once("apply_stock_rules", every_seconds=RULES_SECONDS) as run:
        if run is not None:
            applied = stock_rules.apply()
            run.result = {"safety": applied.safety, "thresholds": applied.thresholds}


@shared_task(name="inventory.tasks.forget_shelf_moves", ignore_result=True)
def forget_shelf_moves() -> None:
    """Forget what pickers had in hand before anything that can still be counted."""
    with once("forget_shelf_moves", every_seconds=3600) as run:
        if run is not None:
            run.result = {"rows": counts.forget(timezone.now())}
