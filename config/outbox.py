"""Work that must happen: rows, claim, lease, done, dead letters.

A row commits with its cause. A Celery message is only a doorbell that says "topic X has work";
whoever hears it claims due rows with SKIP LOCKED, under a lease with a token, and marks them done
in the transaction of their effect. Losing every message, worker or broker delays work, loses none.
"""

import logging
import random
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.module_loading import import_string

from config.models import OutboxRow

log = logging.getLogger(__name__)

Finish = Callable[[], None]


@dataclass(frozen=True)
class Topic:
    """One kind of work.

    handler: dotted path of `handle(row)`. A local handler runs inside the transaction that marks
    the row done. An external one runs outside any transaction (it talks to the world, with the row
    id as its stable key) and may return a callable that is run in the transaction of the done mark.

    at_once: rows that a worker takes at once and works on one after the other; 1 where a row takes
    so long that another worker had better have the next.
    """

    handler: str
    external: bool = False
    queue: str = "work"
    lease_seconds: int = 30
    max_attempts: int = 10
    at_once: int = 10


class LeaseLost(Exception):
    """The lease ran out and somebody else owns the row now; what was written is rolled back."""


class Later(Exception):
    """The work cannot be done yet for a known reason; it is tried again without being an error."""

    def __init__(self, reason: str, *, seconds: float = 15.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


_topics: dict[str, Topic] = {}
_rings: dict[str, tuple[str, ...]] = {}


def load(*, topics: Mapping[str, Topic], rings: Mapping[str, Sequence[str]]) -> None:
    """Take the roof's flow table: topics of work, and which event kind rings which of them."""
    unknown = {name for names in rings.values() for name in names} - set(topics)
    if unknown:
        raise ValueError(f"flow table rings topics that do not exist: {sorted(unknown)}")
    _topics.clear()
    _topics.update(topics)
    _rings.clear()
    _rings.update({kind: tuple(names) for kind, names in rings.items()})


def topics() -> Mapping[str, Topic]:
    """All topics by name."""
    return _topics


def rings(kind: str) -> tuple[str, ...]:
    """The topics of work that an event of this kind rings."""
    return _rings.get(kind, ())


def put(*, topic: str, subject: int, cause: str, payload: Mapping[str, Any] | None = None) -> None:
    """Write one row of work; the same (topic, subject, cause) is written once."""
    put_many([(topic, subject, cause, dict(payload or {}))])


def put_many(rows: Iterable[tuple[str, int, str, dict[str, Any]]]) -> None:
    """Write rows of work `(topic, subject, cause, payload)` in one statement."""
    OutboxRow.objects.bulk_create(
        [
            OutboxRow(topic=topic, subject=subject, cause=cause, payload=payload)
            for topic, subject, cause, payload in rows
        ],
        ignore_conflicts=True,
    )


# A row waits while an older one of the same topic and subject is open: order per subject is kept.
_CLAIM = """
UPDATE config_outboxrow SET attempts = attempts + 1, lease_token = %(token)s,
       next_at = now() + make_interval(secs => %(lease)s)
 WHERE id IN (
    SELECT r.id FROM config_outboxrow r
     WHERE r.topic = %(topic)s AND r.done_at IS NULL AND r.dead_at IS NULL AND r.next_at <= now()
       AND NOT EXISTS (SELECT 1 FROM config_outboxrow o
                        WHERE o.topic = r.topic AND o.subject = r.subject AND o.id < r.id
                          AND o.done_at IS NULL AND o.dead_at IS NULL)
     ORDER BY r.next_at, r.id LIMIT %(limit)s FOR UPDATE OF r SKIP LOCKED)
RETURNING id
"""


def claim(topic: str, *, limit: int) -> list[OutboxRow]:
    """Take up to `limit` due rows of a topic under a fresh lease, oldest first."""
    token = uuid.uuid4()
    params: dict[str, Any] = {
        "topic": topic,
        "token": token,
        "lease": _topics[topic].lease_seconds,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, params)
        ids = [row[0] for row in cursor.fetchall()]
    return list(OutboxRow.objects.filter(id__in=ids, lease_token=token).order_by("id"))


def drain(topic: str, *, seconds: float = 5.0, batch: int | None = None) -> int:
    """Work on due rows of a topic until none is left or the time is over; returns rows done.

    `batch`: rows that are taken at once, as many as the topic says for None. Those that its time
    does not reach go back as they were. Raises SoftTimeLimitExceeded when the task's own time is
    over, so that whoever runs the task ends it.
    """
    stop = time.monotonic() + seconds
    done = 0
    while time.monotonic() < stop:
        rows = claim(topic, limit=batch or _topics[topic].at_once)
        if not rows:
            return done
        try:
            while rows and time.monotonic() < stop:
                done += work(rows.pop(0))
        finally:
            _give_back(rows)
    return done


def work(row: OutboxRow) -> bool:
    """Do one claimed row; a failure is written down and the row waits for its next attempt."""
    topic = _topics[row.topic]
    if row.attempts > topic.max_attempts:  # its workers died with it and could write nothing down
        _fail(row, row.last_error or "every worker that tried it ended without an answer", topic)
        return False
    try:
        handle = import_string(topic.handler)
        if topic.external:
            _finish(row, handle(row))
        else:
            _finish(row, lambda: handle(row))
    except LeaseLost:
        log.warning("lease of %s %s was lost", row.topic, row.pk)
        return False
    except Later as reason:
        _postpone(row, reason)
        return False
    except SoftTimeLimitExceeded as error:
        if not connection.in_atomic_block:  # the statement that it cut short may still go on there
            connection.close()
        _fail(row, f"{type(error).__name__}: it took longer than a task may", topic)
        raise
    except Exception as error:
        log.exception("work %s %s failed (attempt %s)", row.topic, row.pk, row.attempts)
        _fail(row, f"{type(error).__name__}: {error}", topic)
        return False
    return True


def _finish(row: OutboxRow, effect: Finish | None) -> None:
    with transaction.atomic():
        if effect is not None:
            effect()
        done = _mine(row).update(done_at=timezone.now(), lease_token=None, last_error="")
        if done != 1:
            raise LeaseLost


def _mine(row: OutboxRow) -> Any:
    # The fence: a worker that wakes up after its lease changes nothing.
    return OutboxRow.objects.filter(pk=row.pk, lease_token=row.lease_token, done_at=None)


def renew(row: OutboxRow) -> None:
    """Start the row's lease afresh, before a slow step: rows of a batch wait for each other.

    Raises LeaseLost when somebody else owns the row already.
    """
    seconds = _topics[row.topic].lease_seconds
    if not _mine(row).update(next_at=timezone.now() + timedelta(seconds=seconds)):
        raise LeaseLost


def backoff_seconds(attempts: int) -> float:
    """5 s doubled per attempt with jitter, at most an hour (reliability.md section 4)."""
    return min(5.0 * 2 ** max(attempts - 1, 0), 3600.0) * random.uniform(0.8, 1.2)


def _fail(row: OutboxRow, error: str, topic: Topic) -> None:
    now = timezone.now()
    changes: dict[str, Any] = {
        "last_error": error.replace("\0", "")[:2000],  # PostgreSQL keeps no NUL in a text
        "lease_token": None,
    }
    if row.attempts >= topic.max_attempts:
        changes["dead_at"] = now
    else:
        changes["next_at"] = now + timedelta(seconds=backoff_seconds(row.attempts))
    _mine(row).update(**changes)


def _postpone(row: OutboxRow, reason: Later) -> None:
    later = timezone.now() + timedelta(seconds=reason.seconds)
    _mine(row).update(
        last_error=str(reason).replace("\0", "")[:2000],
        lease_token=None,
        next_at=later,
        attempts=max(row.attempts - 1, 0),
    )


def _give_back(rows: Sequence[OutboxRow]) -> None:
    """Rows that were claimed and not begun: due as before, and the attempt does not count."""
    if rows:
        OutboxRow.objects.filter(
            pk__in=[row.pk for row in rows], lease_token=rows[0].lease_token, done_at=None
        ).update(lease_token=None, next_at=timezone.now(), attempts=Greatest(F("attempts") - 1, 0))


def due() -> dict[str, int]:
    """Topics with due work and how much, as the relay asks every half second."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT topic, count(*) FROM config_outboxrow WHERE done_at IS NULL"
            " AND dead_at IS NULL AND next_at <= now() GROUP BY topic"
        )
        return dict(cursor.fetchall())


def drain_all(*, rounds: int = 50) -> int:
    """Drain every topic in this process until nothing is due; returns rows done."""
    total = 0
    for _ in range(rounds):
        done = sum(drain(topic) for topic in sorted(due()) if topic in _topics)
        if not done:
            return total
        total += done
    return total


def retry(rows: Iterable[int]) -> int:
    """Give dead or waiting rows another full set of attempts, now. Returns how many."""
    return OutboxRow.objects.filter(pk__in=list(rows), done_at=None).update(
        dead_at=None, attempts=0, next_at=timezone.now(), lease_token=None
    )
