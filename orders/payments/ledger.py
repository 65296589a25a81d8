"""The ledger of a payment: every change of its figures is an entry, once per key.

The order's row is locked by whoever writes here; the check constraints are the second lock.
"""

from datetime import datetime
from decimal import Decimal

from django.db.models import F
from django.utils import timezone

from config.status import MovedMeanwhile
from orders.models import Payment, PaymentEntry, Refund

K, E, P = PaymentEntry.Kind, PaymentEntry.State, Payment.State

# Which figure of its payment an entry is part of, and with which sign.
_PART_OF = {
    (K.CAPTURE, E.PENDING): ("capturing", 1),
    (K.CAPTURE, E.DONE): ("captured", 1),
    (K.REFUND, E.PENDING): ("refunded", 1),
    (K.REFUND, E.DONE): ("refunded", 1),
    (K.CHARGEBACK, E.DONE): ("charged_back", 1),
    (K.CHARGEBACK_WON, E.DONE): ("charged_back", -1),
}
# What a provider does at our request; everything else it only tells us.
ASKED = (K.AUTHORIZE, K.CAPTURE, K.VOID, K.REFUND)


def enter(
    payment: Payment,
    kind: str,
    amount: Decimal,
    *,
    key: str,
    actor: str,
    state: str = E.DONE,
    refund: Refund | None = None,
    reference: str = "",
    at: datetime | None = None,
    error: str = "",
) -> PaymentEntry:
    """Write one entry and what it does to its payment, of a locked order.

    reference, at: the provider's own. Raises IntegrityError for a key that was used before.
    """
    now = timezone.now()
    entry = PaymentEntry.objects.create(
        payment=payment, kind=kind, state=state, amount=amount, key=key, refund=refund,
        provider_reference=reference, provider_at=at, created_at=now, actor=actor,
        done_at=None if state == E.PENDING else now, error=error[:300],
    )  # fmt: skip
    _apply(payment, kind, None, state, amount, at=at)
    return entry


def finish(
    entry: PaymentEntry,
    state: str,
    *,
    reference: str = "",
    at: datetime | None = None,
    error: str = "",
) -> None:
    """An entry that was asked for is done or failed, or what was done failed after all.

    Raises MovedMeanwhile when the entry is no longer what was read.
    """
    before = entry.state
    values = {
        "state": state, "done_at": timezone.now(), "error": error[:300],
        "provider_reference": reference or entry.provider_reference,
        "provider_at": at or entry.provider_at,
    }  # fmt: skip
    if not PaymentEntry.objects.filter(pk=entry.pk, state=before).update(**values):
        raise MovedMeanwhile(f"entry {entry.key} is no longer {before}")
    for name, value in values.items():
        setattr(entry, name, value)
    _apply(entry.payment, entry.kind, before, state, entry.amount, at=at)


def _apply(
    payment: Payment,
    kind: str,
    before: str | None,
    after: str,
    amount: Decimal,
    *,
    at: datetime | None,
) -> None:
    """Move the payment's figures from what an entry was to what it is, in one statement."""
    known = payment.state
    deltas: dict[str, Decimal] = {}
    for state, way in ((before, -1), (after, 1)):
        if state and (part := _PART_OF.get((K(kind), E(state)))):
            figure, sign = part
            deltas[figure] = deltas.get(figure, Decimal(0)) + way * sign * amount
    for name, delta in deltas.items():
        setattr(payment, name, getattr(payment, name) + delta)
    payment.state = _state(payment, kind, after)
    if at is not None and (payment.provider_at is None or at > payment.provider_at):
        payment.provider_at = at
    changed = Payment.objects.filter(pk=payment.pk, state=known).update(
        state=payment.state, provider_at=payment.provider_at,
        **{name: F(name) + delta for name, delta in deltas.items()},
    )  # fmt: skip
    if changed != 1:
        raise MovedMeanwhile(f"payment {payment.pk} is no longer {known}")


def _state(payment: Payment, kind: str, entry: str) -> str:
    """Where a payment stands after an entry: authorized as long as more may be captured."""
    if entry == E.FAILED:
        return P.FAILED if kind == K.CAPTURE else payment.state
    if kind == K.VOID:  # let go when it is asked for: nothing more is captured of it
        return P.CAPTURED if payment.captured + payment.capturing else P.VOIDED
    if entry == E.PENDING:
        return payment.state
    ends = {K.AUTHORIZE: P.AUTHORIZED, K.EXPIRE: P.EXPIRED, K.FAIL: P.FAILED}
    if kind in ends:
        return ends[K(kind)]
    if kind == K.CAPTURE:
        more = payment.captured < payment.amount and payment.state in {P.PENDING, P.AUTHORIZED}
        return payment.state if more else P.CAPTURED
    return payment.state


def fresh_key(payment: Payment, kind: str) -> str:
    """A key for the next entry of a kind: a locked order's payments count theirs one by one."""
    count = PaymentEntry.objects.filter(payment=payment, kind=kind).count()
    return f"{kind}:{payment.pk}:{count + 1}"
