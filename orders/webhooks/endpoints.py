"""Addresses that are told of events: made, changed, switched off and on, and their secrets."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from config import outgoing
from config.models import OutboxRow
from orders.models import SalesChannel, WebhookDelivery, WebhookEndpoint
from orders.webhooks import kinds as known
from orders.webhooks import signing

MOST = 20  # of one channel
OLD_SECRET = timedelta(hours=24)
TOPIC = "webhook"
TRIPS = 5  # failures in a row that open the breaker
ON_PURPOSE = "switched off"
# Those that somebody should look at: nobody answers there, or they were given up.
TROUBLED = Q(active=True, failures__gte=TRIPS) | (Q(active=False) & ~Q(disabled_reason=ON_PURPOSE))
State = WebhookDelivery.State


class CannotListen(Exception):
    """The endpoint cannot be as it was asked for; `field` is what is wrong, with words."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


class TooMany(Exception):
    """The channel has as many endpoints as one may have."""


@transaction.atomic
def create(
    *, channel: SalesChannel | None, url: str, kinds: Sequence[str] = (), description: str = ""
) -> WebhookEndpoint:
    """A new endpoint; its `secret` is to be shown once. Raises CannotListen, TooMany."""
    _check(url=url, kinds=kinds)
    if channel is not None:
        SalesChannel.objects.select_for_update(no_key=True).get(pk=channel.pk)  # one at a time
        if channel.webhooks.count() >= MOST:
            raise TooMany(f"{channel} has {MOST} webhooks already; delete one first")
    return WebhookEndpoint.objects.create(
        channel=channel, url=url, kinds=sorted(set(kinds)), description=description,
        secret=signing.new_secret(),
    )  # fmt: skip


def change(endpoint: WebhookEndpoint, **values: Any) -> WebhookEndpoint:
    """Change address, kinds, description or whether it is active. Raises CannotListen."""
    _check(url=values.get("url", endpoint.url), kinds=values.get("kinds", endpoint.kinds))
    if "kinds" in values:
        values["kinds"] = sorted(set(values["kinds"]))
    with transaction.atomic():
        locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        active = values.pop("active", locked.active)
        if values:
            WebhookEndpoint.objects.filter(pk=locked.pk).update(**values)
        if active and not locked.active:
            enable(locked)
        elif locked.active and not active:
            disable(locked, reason=ON_PURPOSE)
    endpoint.refresh_from_db()
    return endpoint


def _check(*, url: str, kinds: Sequence[str]) -> None:
    try:
        outgoing.check(url)
    except outgoing.NotAllowed as error:
        raise CannotListen("url", f"{error}.") from None
    if wrong := known.unknown(list(kinds)):
        raise CannotListen("kinds", f"no event is called {wrong[0][:40]!r}; see docs/webhooks.md")


def enable(endpoint: WebhookEndpoint) -> None:
    """Listen (again): events from now on are delivered; what failed can be replayed."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        active=True, disabled_reason="", failures=0, failing_since=None, paused_until=None
    )


@transaction.atomic
def disable(endpoint: WebhookEndpoint, *, reason: str) -> None:
    """Stop listening: what is not delivered yet is given up, and can be replayed later."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(
        active=False, disabled_reason=reason[:200], paused_until=None
    )
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint, state=State.PENDING)
    work = OutboxRow.objects.filter(
        topic=TOPIC, subject__in=waiting.values("pk"), done_at=None, lease_token=None
    )
    work.update(done_at=timezone.now(), dead_at=None, last_error="")
    waiting.update(state=State.FAILED, answer=f"not sent: {reason}"[:300])


@transaction.atomic
def delete(endpoint: WebhookEndpoint) -> None:
    """Forget the endpoint and its log."""
    disable(endpoint, reason="deleted")
    endpoint.delete()


def rotate(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """A new secret, to be shown once; for a day the old one signs beside it."""
    endpoint.old_secret, endpoint.secret = endpoint.secret, signing.new_secret()
    endpoint.old_secret_until = timezone.now() + OLD_SECRET
    endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return endpoint


def secrets(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """What signs a message now, the newest first."""
    old = endpoint.old_secret if _lasts(endpoint.old_secret_until, now) else ""
    return [endpoint.secret, old] if old else [endpoint.secret]


def _lasts(until: datetime | None, now: datetime) -> bool:
    return until is not None and until > now


def health(endpoint: WebhookEndpoint) -> str:
    """One word: off, paused (the breaker is open), failing or healthy."""
    if not endpoint.active:
        return "off"
    if _lasts(endpoint.paused_until, timezone.now()):
        return "paused"
    return "failing" if endpoint.failures else "healthy"
