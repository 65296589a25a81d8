"""Is it alive, and can it work? Clear words when a part is away."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError

from config.models import JobRun, OutboxRow

LATE = timedelta(minutes=2)
_migrated = False


def livez(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> JsonResponse:
    """503 when the database is away or not migrated; degraded, but ready, when only work is late."""
    checks: dict[str, str] = {}
    try:
        checks["database"] = _database()
        checks |= _work()
    except DatabaseError as error:
        connection.close()
        checks["database"] = f"away: {str(error).splitlines()[0]}"
    ready = checks["database"] == "ok"
    checks["broker"] = _broker()
    fine = all(value == "ok" for value in checks.values())
    status = "ready" if fine else "degraded" if ready else "unavailable"
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


def _database() -> str:
    global _migrated  # noqa: PLW0603  (once migrated, a process need not look again)
    if not _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "migrations are missing: run manage.py migrate"
        _migrated = True
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _work() -> dict[str, str]:
    now = timezone.now()
    late: Any = OutboxRow.objects.filter(done_at=None, dead_at=None, next_at__lt=now - LATE)
    tick = JobRun.objects.filter(job="tick", slot__gt=now - LATE).exists()
    return {
        "work": "late: is the relay or a worker down?" if late.exists() else "ok",
        "scheduler": "ok" if tick else "no tick for two minutes: is beat down?",
    }


def _broker() -> str:
    try:
        Redis.from_url(settings.BROKER_URL, socket_connect_timeout=1, socket_timeout=1).ping()
    except RedisError as error:
        return f"away: {error}"
    return "ok"
