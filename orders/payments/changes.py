"""The money after an order was edited: only the difference is asked for, or goes back."""

from collections.abc import Sequence
from decimal import Decimal

from orders.models import Order, Payment
from orders.payments import refunds, trouble
from orders.payments.due import balance

P = Payment.State


def after_change(order: Order, *, actor: str) -> None:
    """Bring a locked order's money in line with what it costs now.

    What is to be paid at the door follows. What is still owed then holds what has not left until
    it is paid; what is too much goes back. Orders whose channel tells of no payment are left alone.
    """
    payments = list(order.payments.order_by("id"))
    if not payments:
        return
    owed = balance(order)
    _at_the_door([p for p in payments if p.state == P.PENDING], owed)
    owed = trouble.review(
        order, actor=actor, handle=trouble.BALANCE, reason="the change of the order is to be paid"
    )
    if owed > 0:
        trouble.ask_for(order, owed, actor=actor)
    refunds.settle(order, actor=actor)


def _at_the_door(payments: Sequence[Payment], owed: Decimal) -> None:
    """Cash on delivery that was not taken yet becomes what is owed."""
    for payment in payments:
        amount = max(payment.amount + owed, payment.captured)
        if amount > 0 and amount != payment.amount:
            Payment.objects.filter(pk=payment.pk, state=P.PENDING).update(amount=amount)
            owed += payment.amount - amount
