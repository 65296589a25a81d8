"""Is it alive, and can it work? Clear words when a part is away."""

from datetime import timedelta
from typing import Any

from amqp.exceptions import AMQPError
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from kombu import Connection
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from config.models import JobRun, OutboxRow

LATE = timedelta(minutes=2)
UNTOLD_SECONDS = 5  # that a change of availability may wait for its publisher
SECONDS = 1.0  # that a broker has to answer
_migrated = False


def livez(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> JsonResponse:
    """503 when the database is away or not migrated; degraded, yet ready, when work is late."""
    checks: dict[str, str] = {}
    try:
        checks["database"] = _database()
        checks |= _work() if checks["database"] == "ok" else {}
    except DatabaseError as error:
        connection.close()
        checks["database"] = f"away: {_first_line(error)}"
    ready = checks["database"] == "ok"
    checks["broker"] = _broker()
    fine = all(value == "ok" for value in checks.values())
    status = "ready" if fine else "degraded" if ready else "unavailable"
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


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
        "publishing": _publishing(),
    }


def _publishing() -> str:
    """How long the oldest change of availability has waited to be told (orders/publishing.py)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - at) FROM inventory_stockchange"
            " ORDER BY id LIMIT 1"
        )
        row = cursor.fetchone()
    seconds = float(row[0]) if row else 0.0
    if seconds <= UNTOLD_SECONDS:
        return "ok"
    return f"{seconds:.0f} s behind: is manage.py publish down?"


def _broker() -> str:
    # Asked once and shortly: a client's usual retries are for workers, not for a health check.
    try:
        if settings.BROKER_URL.startswith(("redis:", "rediss:")):
            _ping()
        else:
            with Connection(settings.BROKER_URL, connect_timeout=SECONDS) as broker:
                broker.transport.establish_connection()
    except (RedisError, OSError, AMQPError) as error:
        return f"away: {_first_line(error)}"
    return "ok"


def _ping() -> None:
    client = Redis.from_url(
        settings.BROKER_URL, socket_connect_timeout=SECONDS, socket_timeout=SECONDS,
        retry=Retry(NoBackoff(), 0),
    )  # fmt: skip
    with client:
        client.ping()
