"""Authorizations that run out: renewed at the gateway while units still wait, noted otherwise."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from orders import lifecycle
from orders.models import Payment, PaymentEntry
from orders.payments import asking, capturing, gateways, ledger, outcome
from orders.payments.due import GONE

P = Payment.State
K, E = PaymentEntry.Kind, PaymentEntry.State
AHEAD = timedelta(hours=12)  # asked for before it is too late: a gateway may be away
AT_ONCE = 500
ACTOR = "clock"


def expire_due(now: datetime) -> int:
    """Renew what runs out soon and note what has run out, at most 500 payments; returns how many.

    Each in a transaction of its own. What was asked for already is left until the answer.
    """
    asked = PaymentEntry.objects.filter(
        payment=OuterRef("pk"), kind=K.AUTHORIZE, state=E.PENDING, payment__state=P.AUTHORIZED
    )
    due = Q(gateway="", expires_at__lte=now) | Q(~Q(gateway=""), expires_at__lte=now + AHEAD)
    found = Payment.objects.filter(due, ~Exists(asked), state=P.AUTHORIZED)
    pairs = list(found.order_by("expires_at").values_list("pk", "order_id")[:AT_ONCE])
    return sum(_one(payment, order, now) for payment, order in pairs)


def _one(payment_id: int, order_id: int, now: datetime) -> int:
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        payment = Payment.objects.get(pk=payment_id)
        if payment.state != P.AUTHORIZED or payment.expires_at is None:
            return 0
        waits = order.allocations.exclude(state__in=GONE).exists()
        if not waits:  # the door closed between two events: nothing more is captured of it
            capturing.capture_shipped(order, actor=ACTOR)
        elif gateways.can_ask(payment):
            return _renew(payment)
        elif payment.expires_at > now:
            return 0
        else:
            outcome.expired(order, payment, actor=ACTOR)
    return 1


def _renew(payment: Payment) -> int:
    """Ask for the rest of an authorization anew, once per time that it runs out."""
    assert payment.expires_at is not None  # it was found by that
    key = f"renew:{payment.pk}:{int(payment.expires_at.timestamp())}"
    if PaymentEntry.objects.filter(key=key).exists():
        return 0
    rest = payment.amount - payment.captured - payment.capturing
    entry = ledger.enter(payment, K.AUTHORIZE, rest, key=key, actor=ACTOR, state=E.PENDING)
    asking.put(entry)
    return 1
