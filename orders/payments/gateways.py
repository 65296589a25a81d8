"""Who is asked to capture, void, refund and re-authorize: a protocol and a registry.

A payment without a gateway is the channel's own affair: what we decide is written down as done,
and the channel reads it (docs/payments.md).
"""

import json
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from rest_framework import serializers
from standardwebhooks import Webhook

from config import outgoing
from orders.models import Payment, PaymentEntry, SalesChannel
from orders.money import text
from orders.payload import Text

MOST = 64 * 1024  # bytes of an answer


class NoGateway(Exception):
    """Nobody can be asked: the channel names no address, nothing to sign with, or nobody known."""


class NotUnderstood(Exception):
    """The gateway answered something that is no answer."""


@dataclass(frozen=True)
class Answer:
    """What a gateway says: done, pending (it tells the rest by an event) or refused, with why."""

    status: Literal["done", "pending", "refused"]
    reference: str = ""
    reason: str = ""
    at: datetime | None = None
    expires_at: datetime | None = None


class Gateway(Protocol):
    """A payment provider. `ask` is called outside any transaction, and again until it answers.

    The entry's key is the same at every attempt: one key, one effect. Whatever is raised means
    that the provider may or may not have heard it, and it is asked again later.
    """

    title: str

    def ask(self, entry: PaymentEntry) -> Answer: ...


def can_ask(payment: Payment) -> bool:
    """Whether somebody outside does what we decide about this payment."""
    return bool(payment.gateway)


def of(payment: Payment) -> Gateway:
    """The payment's gateway; raises NoGateway for a name that nobody registered."""
    try:
        return GATEWAYS[payment.gateway]
    except KeyError:
        raise NoGateway(f"no gateway is called {payment.gateway!r}") from None


class _AnswerBody(serializers.Serializer):
    """The JSON of an answer; fields that we do not know are the provider's own."""

    status = serializers.ChoiceField(["done", "pending", "refused"])
    reference = Text(100)
    reason = Text(300)
    at = serializers.DateTimeField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class HttpGateway:
    """JSON over HTTP to the channel's gateway address, signed as Standard Webhooks say."""

    title = "JSON over HTTP"

    def ask(self, entry: PaymentEntry) -> Answer:
        """POST what is asked; raises NoGateway, NotUnderstood, outgoing.NotAllowed and NotTaken."""
        channel = entry.payment.order.channel
        if not channel.gateway_url or not channel.gateway_secret:
            raise NoGateway(f"give {channel} the gateway's address and secret")
        body = message(entry)
        headers = signed(channel, entry, body, at=int(time.time()))
        said = outgoing.request("POST", channel.gateway_url, headers=headers, body=body, most=MOST)
        if not 200 <= said.status < 300:
            words = said.body[: outgoing.MAX_ANSWER].decode("utf-8", "replace")
            raise outgoing.NotTaken(f"the gateway answered {said.status}: {words}")
        return read(said.body)


def message(entry: PaymentEntry) -> bytes:
    """The body that a gateway gets: the same at every attempt."""
    payment = entry.payment
    content: dict[str, Any] = {
        "type": f"payment.{entry.kind}",
        "timestamp": entry.created_at.isoformat(),
        "data": {
            "key": entry.key, "payment": payment.reference, "method": payment.method,
            "amount": text(entry.amount, payment.currency), "currency": payment.currency,
            "order": payment.order.external_id, "number": payment.order.number,
        },
    }  # fmt: skip
    return json.dumps(content, separators=(",", ":")).encode()


def signed(channel: SalesChannel, entry: PaymentEntry, body: bytes, *, at: int) -> dict[str, str]:
    """The headers of a message; its id and its Idempotency-Key are the entry's key."""
    secret = channel.gateway_secret
    hook = Webhook(secret if secret.startswith("whsec_") else secret.encode())
    moment = datetime.fromtimestamp(at).astimezone()
    return {
        "Content-Type": "application/json",
        "Idempotency-Key": entry.key,
        "webhook-id": entry.key,
        "webhook-timestamp": str(at),
        "webhook-signature": hook.sign(entry.key, moment, body.decode()),
    }


def read(body: bytes) -> Answer:
    """The answer in a body; raises NotUnderstood."""
    try:
        given = json.loads(body)
    except ValueError as error:
        raise NotUnderstood(f"the gateway's answer is not JSON: {error}") from None
    form = _AnswerBody(data=given)
    if not form.is_valid():
        raise NotUnderstood(f"the gateway's answer cannot be read: {form.errors}"[:300])
    return Answer(**form.validated_data)


GATEWAYS: dict[str, Gateway] = {"http": HttpGateway()}
