"""What follows when a provider has done, or has refused, what was asked of it."""

from datetime import datetime

from django.utils import timezone

from orders import events
from orders.models import Order, Payment, PaymentEntry, Refund
from orders.money import in_words
from orders.payments import ledger, trouble

K, E = PaymentEntry.Kind, PaymentEntry.State
_DONE = {K.CAPTURE: "payment.captured", K.VOID: "payment.voided", K.AUTHORIZE: "payment.authorized"}


def done(
    order: Order,
    entry: PaymentEntry,
    *,
    actor: str,
    reference: str = "",
    at: datetime | None = None,
    expires_at: datetime | None = None,
) -> None:
    """A pending entry of a locked order is done."""
    ledger.finish(entry, E.DONE, reference=reference, at=at)
    amount = str(entry.amount)
    if entry.refund is not None:
        Refund.objects.filter(pk=entry.refund.pk).update(
            state=Refund.State.DONE, done_at=timezone.now()
        )
        events.record(order.pk, "refund.done", actor=actor, refunds=[entry.refund_id],
                      amount=amount)  # fmt: skip
        return
    if entry.kind == K.AUTHORIZE:
        Payment.objects.filter(pk=entry.payment_id).update(expires_at=expires_at)
    events.record(order.pk, _DONE[K(entry.kind)], actor=actor, amount=amount,
                  payment=entry.payment_id)  # fmt: skip
    trouble.review(order, actor=actor)


def failed(
    order: Order,
    entry: PaymentEntry,
    *,
    actor: str,
    error: str,
    reference: str = "",
    at: datetime | None = None,
) -> None:
    """An entry of a locked order did not happen: it was refused, or failed after it was done."""
    ledger.finish(entry, E.FAILED, reference=reference, at=at, error=error)
    amount = str(entry.amount)
    if entry.refund is not None:
        Refund.objects.filter(pk=entry.refund.pk).update(state=Refund.State.ERRORED, done_at=None)
        events.record(order.pk, "refund.failed", actor=actor, refunds=[entry.refund_id],
                      amount=amount, reason=error)  # fmt: skip
    elif entry.kind == K.CAPTURE:
        failing(order, entry.payment, amount=amount, error=error, actor=actor)
    elif entry.kind == K.AUTHORIZE:
        expired(order, entry.payment, actor=actor, error=error)
    # What would not be voided runs out by itself: the entry says so, nobody has to act.


def failing(order: Order, payment: Payment, *, amount: str, error: str, actor: str) -> None:
    """A payment of a locked order brings no money: say so, and hold what has not left."""
    events.record(order.pk, "payment.failed", actor=actor, payment=payment.pk, amount=amount,
                  reason=error)  # fmt: skip
    trouble.review(
        order, actor=actor, handle=trouble.handle_of(payment.pk),
        reason=f"{payment} failed: {error}" if error else f"{payment} failed",
    )  # fmt: skip


def expired(
    order: Order, payment: Payment, *, actor: str, error: str = "", at: datetime | None = None
) -> None:
    """An authorization of a locked order has run out (`at`), and was not renewed."""
    rest = payment.amount - payment.captured - payment.capturing
    ledger.enter(
        payment, K.EXPIRE, rest, key=ledger.fresh_key(payment, K.EXPIRE), actor=actor,
        at=at or payment.expires_at, error=error,
    )  # fmt: skip
    events.record(order.pk, "payment.expired", actor=actor, payment=payment.pk, amount=str(rest))
    words = in_words(rest, payment.currency)
    trouble.review(
        order, actor=actor, handle=trouble.handle_of(payment.pk),
        reason=f"the authorization of {words} ({payment}) has run out",
    )  # fmt: skip
