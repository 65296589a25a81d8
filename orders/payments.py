"""Money as a ledger: what was authorized, captured and given back. The manual gateway.

Real providers come in behind the same functions; nothing here talks to the outside.
"""

from decimal import Decimal

from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from orders import events
from orders.models import Allocation, Order, Payment, Refund
from orders.money import in_words, of_units, rounded

S = Allocation.State
GONE = (S.SHIPPED, S.DELIVERED, S.COLLECTED, S.CANCELED)


class OverRefund(Exception):
    """More was to be given back than is left; `left` says how much is."""

    def __init__(self, left: Decimal, currency: str) -> None:
        self.left, self.currency = left, currency
        super().__init__(f"only {in_words(left, currency)} left to refund")


def refund(*, order: Order, amount: Decimal, reason: str, key: str, actor: str) -> list[Refund]:
    """Give back `amount` of a locked order, from its payments in the order they were made.

    The same key gives back once: the refunds made under it are returned. Raises ValueError for an
    amount that is not positive or not in whole minor units, OverRefund with what is left.
    """
    if amount <= 0 or amount != rounded(amount, order.currency):
        raise ValueError(f"{amount} is not an amount of {order.currency} that can be refunded")
    made = list(Refund.objects.filter(key__startswith=f"{key}/", payment__order=order))
    if made:
        return made
    with transaction.atomic():
        payments = list(order.payments.select_for_update().order_by("id"))
        left = sum((p.refundable for p in payments), Decimal(0))
        if amount > left:
            raise OverRefund(left, order.currency)
        for payment in payments:
            part = min(payment.refundable, amount)
            if part > 0:
                made.append(_refund_of(payment, part, reason=reason, key=key, actor=actor))
                amount -= part
        events.record(
            order.pk, "refund.requested", actor=actor, refunds=[r.pk for r in made], reason=reason,
            amount=str(sum(r.amount for r in made)),
        )  # fmt: skip
    return made


def _refund_of(payment: Payment, amount: Decimal, *, reason: str, key: str, actor: str) -> Refund:
    # The check constraint refunded <= captured is the second lock.
    Payment.objects.filter(pk=payment.pk).update(refunded=F("refunded") + amount)
    payment.refunded += amount
    return Refund.objects.create(
        payment=payment,
        amount=amount,
        currency=payment.currency,
        reason=reason,
        key=f"{key}/{payment.pk}",
        actor=actor,
        state=Refund.State.DONE,
        done_at=timezone.now(),
    )


def capture_authorized(*, order: Order, actor: str) -> Decimal:
    """Capture what is authorized of a locked order, up to what is still due; returns how much.

    What is authorized beyond that is voided.
    """
    due = amount_due(order) - gross_captured(order)
    captured = Decimal(0)
    authorized = order.payments.select_for_update().filter(state=Payment.State.AUTHORIZED)
    for payment in authorized.order_by("id"):
        part = min(payment.amount, max(due - captured, Decimal(0)))
        state = Payment.State.CAPTURED if part else Payment.State.VOIDED
        Payment.objects.filter(pk=payment.pk).update(state=state, captured=part)
        captured += part
    if captured:
        events.record(order.pk, "payment.captured", actor=actor, amount=str(captured))
    return captured


def capture_when_left(order: Order, *, actor: str) -> None:
    """Capture what is authorized of a locked order once the last unit that is to leave has left.

    That may be by a parcel, or because what was left to ship was canceled; when nothing is left
    at all, the authorizations are voided.
    """
    if not order.allocations.exclude(state__in=GONE).exists():
        capture_authorized(order=order, actor=actor)


def settle(order: Order, *, actor: str) -> None:
    """Give back what was captured for units that were canceled since. The order is locked.

    What went back before for other reasons (a gesture) is not given twice: never more than is left.
    """
    due = amount_due(order)
    settled = Refund.objects.filter(
        payment__order=order, key__startswith=f"settle:{order.pk}:"
    ).aggregate(s=Sum("amount"))["s"] or Decimal(0)
    left = sum((payment.refundable for payment in order.payments.all()), Decimal(0))
    over = min(gross_captured(order) - settled - due, left)
    if over > 0:
        refund(
            order=order, amount=over, reason="units that were canceled",
            key=f"settle:{order.pk}:{due.normalize()}", actor=actor,
        )  # fmt: skip


def gross_captured(order: Order) -> Decimal:
    """All that was captured, given back or not."""
    return order.payments.aggregate(c=Sum("captured"))["c"] or Decimal(0)


def amount_due(order: Order) -> Decimal:
    """What the customer owes for everything not canceled: units' own shares, and shipping.

    Shipping is owed unless every unit was canceled. Returns are refunds of their own and are not
    taken off here: they refund what was captured.
    """
    canceled: dict[int, int] = {}
    rows = order.allocations.filter(state=S.CANCELED).values_list("line_id", "quantity")
    for line_id, quantity in rows:
        canceled[line_id] = canceled.get(line_id, 0) + quantity
    due, kept = Decimal(0), 0
    for line in order.lines.all():
        count = line.quantity - canceled.get(line.pk, 0)
        kept += count
        due += of_units(
            line.total, quantity=line.quantity, first=0, count=count, currency=order.currency
        )
    shipping = order.shipping_total + (0 if order.tax_included else order.shipping_tax)
    return due + (shipping if kept else Decimal(0))
