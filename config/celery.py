"""The Celery app: doorbells and the timetable. Messages carry no work, rows do (outbox.py)."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from config import collector

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("maestro")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every periodic job first takes its slot (config.tasks.once), so two schedulers do no harm.
app.conf.beat_schedule = {
    "tick": {"task": "config.tasks.tick", "schedule": 30.0},
    "release-expired": {"task": "inventory.tasks.release_expired", "schedule": 5.0},
    "seal-ledger": {"task": "inventory.tasks.seal_ledger", "schedule": 60.0},
    "apply-stock-rules": {"task": "inventory.tasks.apply_stock_rules", "schedule": 300.0},
    "retry-unfillable": {"task": "routing.tasks.retry_unfillable", "schedule": 60.0},
    "start-runs": {"task": "routing.tasks.start_runs", "schedule": 30.0},
    "take-back-due": {"task": "fulfillment.tasks.take_back_due", "schedule": 30.0},
    "move-promises": {"task": "orders.tasks.move_promises", "schedule": 600.0},
    "check-invariants": {"task": "reports.tasks.check_invariants", "schedule": 6 * 3600.0},
    "forget-shelf-moves": {"task": "inventory.tasks.forget_shelf_moves", "schedule": 3600.0},
    "pull-orders": {"task": "orders.tasks.pull_orders", "schedule": 30.0},
    "expire-payments": {"task": "orders.tasks.expire_payments", "schedule": 60.0},
    "forget-baskets": {"task": "orders.tasks.forget_baskets", "schedule": 3600.0},
    "forget-webhooks": {"task": "orders.tasks.forget_webhooks", "schedule": 3600.0},
    "release-holds": {"task": "orders.tasks.release_holds", "schedule": 30.0},
    "cancel-unfillable": {"task": "orders.tasks.cancel_unfillable", "schedule": 600.0},
    "prune": {"task": "config.tasks.prune", "schedule": 3600.0},
}


@worker_process_init.connect
def settle(**_: Any) -> None:
    """Each child begins with everything loaded."""
    collector.settle()
