"""Work of the topic "webhook": one delivery is posted, tried again for days, or given up.

Deliveries of one order go to an endpoint in their order. An endpoint that fails several times in a
row is paused (the breaker): its work sleeps, one delivery at a time asks whether it is back, and
when it is everything goes on at once. So a dead endpoint costs a request an hour.
"""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from config import outbox, outgoing
from config.models import OutboxRow
from config.outbox import Finish, Later
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.webhooks import endpoints, message, signing
from orders.webhooks.endpoints import TOPIC, TRIPS

# Seconds to wait after each attempt: 76 hours in all, as Standard Webhooks proposes.
WAITS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
FIRST_PAUSE, LONGEST_PAUSE = 30, 3600  # seconds; doubled with every failure
PROBE = 60  # seconds in which nobody else asks whether the endpoint is back
LONGEST_ASKED = 24 * 3600  # seconds of a Retry-After that are honored
DEAD_AFTER = timedelta(days=4)  # without one success: the endpoint is switched off
LONGEST_BEHIND = 3600  # seconds between two looks of a delivery at the one before it
GONE = 410
State = WebhookDelivery.State


@dataclass(frozen=True)
class Result:
    """What came of one attempt. `status` is None when there was no answer."""

    status: int | None
    words: str
    milliseconds: int
    wait: float = 0.0  # seconds that the endpoint asked for

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def handle(row: OutboxRow) -> Finish | None:
    """Post the delivery of a work row. Raises Later for what is to be tried again."""
    deliveries = WebhookDelivery.objects.select_related("endpoint", "event__order__channel")
    delivery = deliveries.filter(pk=row.subject, state=State.PENDING).first()
    if delivery is None or not delivery.endpoint.active:
        return None
    _in_order(delivery)
    _breaker(delivery.endpoint)
    outbox.renew(row)
    result = _attempt(delivery)
    if result.taken:
        return partial(_sent, delivery, result)
    if result.status == GONE:
        return partial(_gone, delivery, result)
    return _failed(delivery, result)


def _in_order(delivery: WebhookDelivery) -> None:
    """Raises Later while an older delivery of the same order waits to be taken."""
    if delivery.event is None:
        return
    before = _open(delivery.endpoint).filter(
        event__order=delivery.event.order_id, pk__lt=delivery.pk
    )
    if before.exists():
        age = (timezone.now() - delivery.created_at).total_seconds()
        wait = min(max(age / 2, 2.0), LONGEST_BEHIND)
        raise Later("an earlier event of the order goes first", seconds=wait)


def _breaker(endpoint: WebhookEndpoint) -> None:
    """Raises Later while the endpoint is paused, unless this is the one that asks it again."""
    until = endpoint.paused_until
    if until is None:
        return
    now = timezone.now()
    if until <= now:
        until = now + timedelta(seconds=PROBE)
        due = WebhookEndpoint.objects.filter(pk=endpoint.pk, paused_until__lte=now)
        if due.update(paused_until=until):
            return
    raise Later("the endpoint is paused", seconds=max((until - now).total_seconds(), 1.0))


def _attempt(delivery: WebhookDelivery) -> Result:
    now = timezone.now()
    body = message.body(delivery)
    signed = signing.headers(
        message.name(delivery), body, at=now,
        secrets=endpoints.secrets(delivery.endpoint, now=now),
    )  # fmt: skip
    started = time.monotonic()
    try:
        answer = outgoing.request(
            "POST", delivery.endpoint.url, headers=signed, body=body, most=outgoing.MAX_ANSWER,
            heard=True,
        )  # fmt: skip
    except (outgoing.NotAllowed, outgoing.NotTaken) as error:
        return Result(None, _plain(str(error)), _since(started))
    words = _plain(answer.body.decode("utf-8", "replace"))
    wait = _asked(answer.headers.get("retry-after", ""), now=now)
    return Result(answer.status, words, _since(started), wait)


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _plain(words: str) -> str:
    return words.replace("\0", "")[:300]


def _asked(header: str, *, now: datetime) -> float:
    """The seconds of a Retry-After header, which may be a date; 0 for none or nonsense."""
    if header.isascii() and header.isdigit():
        return float(min(int(header[:9]), LONGEST_ASKED))
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    seconds = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), LONGEST_ASKED)


# --- what follows ---------------------------------------------------------------------------------


def _sent(delivery: WebhookDelivery, result: Result) -> None:
    _note(delivery, result, State.SENT)
    troubled = WebhookEndpoint.objects.filter(pk=delivery.endpoint_id, failures__gt=0)
    troubled.update(failures=0, failing_since=None, paused_until=None)
    if delivery.endpoint.paused_until is not None:
        _work(delivery.endpoint).update(next_at=timezone.now())
    else:
        _wake_next(delivery)


def _gone(delivery: WebhookDelivery, result: Result) -> None:
    _note(delivery, result, State.FAILED)
    endpoints.disable(delivery.endpoint, reason="it answered 410 Gone")


def _failed(delivery: WebhookDelivery, result: Result) -> Finish | None:
    """Write the failure down; raises Later when there is another attempt."""
    attempts = delivery.attempts + 1
    given_up = attempts > len(WAITS)
    with transaction.atomic():
        if not _note(delivery, result, State.FAILED if given_up else State.PENDING):
            return None  # the endpoint was switched off meanwhile
        pause = _count_failure(delivery.endpoint, result)
    if given_up:
        return partial(_wake_next, delivery)
    if pause is None:
        return None
    wait = max(WAITS[attempts - 1] * random.uniform(0.9, 1.1), pause, result.wait)
    raise Later(result.words or f"it answered {result.status}", seconds=wait)


def _count_failure(endpoint: WebhookEndpoint, result: Result) -> float | None:
    """One more failure in a row. Returns for how many seconds the endpoint is paused, 0 for not at
    all, None when it was switched off: it has failed for days."""
    now = timezone.now()
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failures=F("failures") + 1)
    endpoint.refresh_from_db(fields=["failures", "failing_since"])  # our own update locked the row
    since = endpoint.failing_since or now
    if now - since > DEAD_AFTER:
        endpoints.disable(endpoint, reason=f"no success since {since:%Y-%m-%d %H:%M} UTC")
        return None
    pause = result.wait
    if endpoint.failures >= TRIPS:
        grown = FIRST_PAUSE * 2.0 ** min(endpoint.failures - TRIPS, 10)
        pause = max(pause, min(grown, LONGEST_PAUSE))
    until = now + timedelta(seconds=pause) if pause else None
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=since, paused_until=until)
    if until:
        _work(endpoint).filter(next_at__lt=until).update(next_at=until)
    return pause


def _note(delivery: WebhookDelivery, result: Result, state: str) -> bool:
    """Write down what came of an attempt; false when the delivery was given up meanwhile."""
    rows = WebhookDelivery.objects.filter(pk=delivery.pk)
    if state != State.SENT:
        rows = rows.filter(state=State.PENDING)
    changed = rows.update(
        state=state, attempts=delivery.attempts + 1, status=result.status, answer=result.words,
        milliseconds=result.milliseconds, last_at=timezone.now(),
    )  # fmt: skip
    return changed == 1


def _open(endpoint: WebhookEndpoint) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(endpoint=endpoint, state=State.PENDING)


def _work(endpoint: WebhookEndpoint) -> QuerySet[OutboxRow]:
    """Work of the endpoint that nobody is at."""
    return OutboxRow.objects.filter(
        topic=TOPIC, subject__in=_open(endpoint).values("pk"),
        done_at=None, dead_at=None, lease_token=None,
    )  # fmt: skip


def _wake_next(delivery: WebhookDelivery) -> None:
    """The order's next event for the endpoint waits for nothing any more."""
    if delivery.event is None:
        return
    behind = _open(delivery.endpoint).filter(
        event__order=delivery.event.order_id, pk__gt=delivery.pk
    )
    following = behind.order_by("pk").values("pk")[:1]
    rows = OutboxRow.objects.filter(
        topic=TOPIC, subject__in=following, done_at=None, dead_at=None, lease_token=None
    )
    rows.filter(next_at__gt=timezone.now()).update(next_at=timezone.now())
