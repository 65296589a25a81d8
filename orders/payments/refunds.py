"""Money back: never more than there is, once per key, and again when a bank refused it."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from config.models import OutboxRow
from config.status import IllegalMove
from orders import events, holds, lifecycle
from orders.models import Hold, Order, Payment, PaymentEntry, Refund
from orders.money import in_words, rounded
from orders.payments import asking, gateways, gift_cards, ledger
from orders.payments.due import NOTHING, SETTLE, amount_due, kept

K, E = PaymentEntry.Kind, PaymentEntry.State


class CannotRefund(Exception):
    """The money cannot go back now; the words say why."""


class OverRefund(CannotRefund):
    """More was to be given back than is left; `left` says how much is."""

    def __init__(self, left: Decimal, currency: str) -> None:
        self.left, self.currency = left, currency
        super().__init__(f"only {in_words(left, currency)} left to refund")


class RefundOnHold(CannotRefund):
    """Open holds of the order forbid that money goes back."""

    def __init__(self, order: Order, found: Sequence[Hold]) -> None:
        self.order, self.holds = order, list(found)
        reasons = "; ".join(str(hold) for hold in found)
        super().__init__(f"{order} is on hold, nothing is refunded: {reasons}")


def refund(
    *, order: Order, amount: Decimal, reason: str, key: str, actor: str, only: int | None = None
) -> list[Refund]:
    """Give back `amount` of a locked order, from its payments in the order they were made.

    only: the id of the payment to take it from. The same key gives back once: the refunds made
    under it are returned. Raises ValueError for an amount that is not positive or not in whole
    minor units, OverRefund with what is left, RefundOnHold.
    """
    if not amount.is_finite() or amount <= 0 or amount != rounded(amount, order.currency):
        raise ValueError(f"{amount} is not an amount of {order.currency} that can be refunded")
    made = list(Refund.objects.filter(key__startswith=f"{key}/", payment__order=order))
    if made:
        return made
    _check_holds(order)
    with transaction.atomic():
        payments = list(order.payments.select_for_update().order_by("id"))
        giving = [p for p in payments if only in {None, p.pk}]
        left = sum((p.refundable for p in giving), NOTHING)
        if amount > left:
            raise OverRefund(left, order.currency)
        gift_cards.lock({p.gift_card_id for p in giving if p.gift_card_id is not None})
        for payment in giving:
            part = min(payment.refundable, amount)
            if part > 0:
                made.append(
                    _refund_of(payment, part, reason=reason, key=f"{key}/{payment.pk}", actor=actor)
                )
                amount -= part
        _record(order, made, reason=reason, actor=actor)
        gift_cards.follow(order, all_back=not any(p.refundable for p in payments))
    return made


def _check_holds(order: Order) -> None:
    blocked = holds.blocking(order.pk, holds.REFUND)
    if blocked:
        raise RefundOnHold(order, blocked)


def _refund_of(payment: Payment, amount: Decimal, *, reason: str, key: str, actor: str) -> Refund:
    asks = gateways.can_ask(payment)
    made = Refund.objects.create(
        payment=payment, amount=amount, currency=payment.currency, reason=reason[:200], key=key,
        actor=actor, state=Refund.State.PENDING if asks else Refund.State.DONE,
        done_at=None if asks else timezone.now(),
    )  # fmt: skip
    entry = ledger.enter(
        payment, K.REFUND, amount, key=f"refund:{made.pk}", actor=actor, refund=made,
        state=E.PENDING if asks else E.DONE,
    )  # fmt: skip
    if asks:
        asking.put(entry)
    elif payment.gift_card_id is not None:
        gift_cards.give_back(payment, amount, key=str(made.pk), actor=actor)
    return made


def _record(order: Order, made: Sequence[Refund], *, reason: str, actor: str) -> None:
    done = [one for one in made if one.state == Refund.State.DONE]
    asked = {"refunds": [r.pk for r in made], "amount": _sum(made), "reason": reason}
    story = [(order.pk, "refund.requested", asked)]
    if done:
        story.append(
            (order.pk, "refund.done", {"refunds": [r.pk for r in done], "amount": _sum(done)})
        )
    events.record_many(story, actor=actor)


def _sum(refunds: Sequence[Refund]) -> str:
    return str(sum((r.amount for r in refunds), NOTHING))


def again(*, refund_id: int, actor: str) -> Refund:
    """Try a refund that failed once more, under a key of its own; the failed one stays as it is.

    Raises IllegalMove for one that did not fail or was tried again before, OverRefund,
    RefundOnHold.
    """
    order_id = Refund.objects.values_list("payment__order_id", flat=True).get(pk=refund_id)
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        failed = Refund.objects.get(pk=refund_id)
        base = failed.key.rpartition("/")[0].partition("~")[0]
        key = f"{base}~{failed.pk}/{failed.payment_id}"
        if failed.state != Refund.State.ERRORED or Refund.objects.filter(key=key).exists():
            state = "tried again" if failed.state == Refund.State.ERRORED else failed.state
            raise IllegalMove(f"refund {failed.pk}", state, Refund.State.PENDING, ())
        _check_holds(order)
        payment = Payment.objects.select_for_update().get(pk=failed.payment_id)
        if failed.amount > payment.refundable:
            raise OverRefund(payment.refundable, payment.currency)
        made = _refund_of(payment, failed.amount, reason=failed.reason, key=key, actor=actor)
        _record(order, [made], reason=failed.reason, actor=actor)
    return made


def settle(order: Order, *, actor: str) -> None:
    """Give back what is captured and no longer owed: units were canceled, a price came down, it
    was paid twice. The order is locked.

    What went back before for other reasons (a gesture, a return) is not given twice: never more
    than is left. While a hold forbids refunds nothing is given; the end of the hold settles.
    """
    payments = list(order.payments.all())
    left = sum((payment.refundable for payment in payments), NOTHING)
    over = min(kept(order) - amount_due(order), left) if left else NOTHING
    if over <= 0 or holds.blocking(order.pk, holds.REFUND):
        return
    times = Refund.objects.filter(payment__in=payments, key__startswith=SETTLE).count()
    refund(
        order=order, amount=over, reason="no longer owed", key=f"{SETTLE}{order.pk}:{times}",
        actor=actor,
    )  # fmt: skip


def handle_settle(row: OutboxRow) -> None:
    """Work of the topic "settle": a hold that may have kept money here has ended."""
    order = lifecycle.lock(row.subject)
    settle(order, actor="system")
