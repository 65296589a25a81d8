"""Taking what was authorized: what a parcel is worth when it leaves, the rest let go at the end."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction

from config.status import IllegalMove
from orders import events, lifecycle
from orders.models import Allocation, Order, Payment, PaymentEntry
from orders.payments import asking, gateways, ledger, trouble
from orders.payments.due import ARRIVED, GONE, LEFT, NOTHING, kept, worth

P = Payment.State
K, E = PaymentEntry.Kind, PaymentEntry.State
ENDED = (*ARRIVED, Allocation.State.CANCELED)


def capture_shipped(order: Order, *, actor: str) -> None:
    """Capture for a locked order what its units that have left are worth.

    That is their shares of the lines, and the shipping with the first parcel, from the authorized
    payments in the order they were made. Cash on delivery is captured for what has arrived. Once
    nothing is left that could leave, what is still authorized is voided.
    """
    payments = list(order.payments.order_by("id"))
    authorized = [payment for payment in payments if payment.state == P.AUTHORIZED]
    at_the_door = [payment for payment in payments if payment.state == P.PENDING]
    if not authorized and not at_the_door:
        return
    states = set(order.allocations.values_list("state", flat=True))
    taken = kept(order) + sum((payment.capturing for payment in payments), NOTHING)
    made = _take(authorized, worth(order, LEFT) - taken, actor=actor)
    if at_the_door:
        taken += sum((entry.amount for entry in made), NOTHING)
        made += _take(at_the_door, worth(order, ARRIVED) - taken, actor=actor)
    done = sum((entry.amount for entry in made if entry.state == E.DONE), NOTHING)
    if done:
        events.record(order.pk, "payment.captured", actor=actor, amount=str(done))
    if states <= set(GONE):
        let_go(order, authorized, actor=actor)
    if states <= set(ENDED):
        let_go(order, at_the_door, actor=actor)


def _take(payments: Sequence[Payment], amount: Decimal, *, actor: str) -> list[PaymentEntry]:
    """Capture up to `amount` from these payments in turn, or ask for it."""
    made = []
    for payment in payments:
        part = min(payment.amount - payment.captured - payment.capturing, amount)
        if part > 0:
            made.append(_capture(payment, part, actor=actor))
            amount -= part
    return made


def _capture(payment: Payment, amount: Decimal, *, actor: str) -> PaymentEntry:
    # Cash was taken by who handed over the parcel: no provider knows of it.
    asks = gateways.can_ask(payment) and payment.state != P.PENDING
    entry = ledger.enter(
        payment, K.CAPTURE, amount, key=ledger.fresh_key(payment, K.CAPTURE), actor=actor,
        state=E.PENDING if asks else E.DONE,
    )  # fmt: skip
    if asks:
        asking.put(entry)
    return entry


def let_go(order: Order, payments: Sequence[Payment], *, actor: str) -> None:
    """Void what is not captured of payments that still could be, of a locked order."""
    voided = NOTHING
    for payment in payments:
        rest = payment.amount - payment.captured - payment.capturing
        if payment.state not in {P.AUTHORIZED, P.PENDING} or not rest:
            continue
        asks = gateways.can_ask(payment) and payment.state == P.AUTHORIZED
        entry = ledger.enter(
            payment, K.VOID, rest, key=ledger.fresh_key(payment, K.VOID), actor=actor,
            state=E.PENDING if asks else E.DONE,
        )  # fmt: skip
        if asks:
            asking.put(entry)
        else:
            voided += rest
    if voided:
        events.record(order.pk, "payment.voided", actor=actor, amount=str(voided))


def capture_again(*, payment_id: int, actor: str) -> None:
    """Ask the gateway once more for what a failed capture did not bring.

    Raises IllegalMove for a payment that did not fail, or that nobody can be asked about.
    """
    order_id = Payment.objects.values_list("order_id", flat=True).get(pk=payment_id)
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        payment = Payment.objects.get(pk=payment_id)
        if payment.state != P.FAILED or not gateways.can_ask(payment):
            raise IllegalMove(str(payment), payment.state, P.AUTHORIZED, ())
        Payment.objects.filter(pk=payment.pk, state=P.FAILED).update(state=P.AUTHORIZED)
        capture_shipped(order, actor=actor)
        trouble.review(order, actor=actor)
