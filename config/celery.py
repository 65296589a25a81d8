"""The Celery app: doorbells and the timetable. Messages carry no work, rows do (outbox.py)."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("maestro")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Every periodic job first takes its slot (config.tasks.once), so two schedulers do no harm.
app.conf.beat_schedule = {
    "tick": {"task": "config.tasks.tick", "schedule": 30.0},
    "retry-unfillable": {"task": "routing.tasks.retry_unfillable", "schedule": 60.0},
    "check-invariants": {"task": "reports.tasks.check_invariants", "schedule": 6 * 3600.0},
    "prune": {"task": "config.tasks.prune", "schedule": 3600.0},
}
