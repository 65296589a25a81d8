"""What channels and providers tell of payments: late, twice, out of order, and still true once.

Money that moved (captures, refunds, charge-backs) counts whenever the news of it arrives, once per
provider's reference. Where a payment stands (authorized, voided, expired, failed) follows the
newest news by the provider's own clock, and never goes back. A canceled order stays canceled: what
is authorized for it is voided, what is captured goes back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orders import events, lifecycle, queries
from orders.models import Order, Payment, PaymentEntry, Refund, SalesChannel
from orders.money import in_words, rounded
from orders.payments import capturing, gift_cards, ledger, outcome, refunds, trouble
from orders.payments.due import NOTHING

K, E, P = PaymentEntry.Kind, PaymentEntry.State, Payment.State
Effect = Literal["applied", "already_known", "late"]
MAKES = (K.AUTHORIZE, K.CAPTURE)  # a payment nobody knew begins with one of these
NEEDS_AMOUNT = (K.AUTHORIZE, K.CAPTURE, K.REFUND, K.CHARGEBACK, K.CHARGEBACK_WON)


@dataclass(frozen=True)
class News:
    """One fact: of which payment (by its reference), what kind, how much, and when it happened.

    provider_reference: the provider's own id of this fact. key: of the entry that it answers, when
    a gateway was asked.
    """

    order: str
    payment: str
    kind: str
    at: datetime
    provider_reference: str
    amount: Decimal | None = None
    method: str = ""
    key: str = ""
    reason: str = ""
    expires_at: datetime | None = None


class NotTrue(Exception):
    """The news cannot be: nothing was written. `field` is what is wrong with it."""

    def __init__(self, field: str, code: str, words: str) -> None:
        self.field, self.code = field, code
        super().__init__(words)


def tell(channel: SalesChannel, news: News, *, actor: str) -> Effect:
    """Write down one fact in a transaction of its own; raises NotTrue.

    already_known: the same reference and kind were told before, or done at our request. late:
    something newer is known, by the provider's own time.
    """
    with transaction.atomic():
        order = _order(channel, news)
        payment = order.payments.filter(reference=news.payment).first()
        _check_amount(order, news)
        if payment is None:
            payment = _new(order, channel, news)
        elif (entry := _known(payment, news)) is not None:
            return _confirmed(order, entry, news, actor=actor)
        if not _NEW[K(news.kind)](order, payment, news, actor):
            return "late"
        _follow_up(order, actor=actor)
    return "applied"


def _order(channel: SalesChannel, news: News) -> Order:
    mine = Order.objects.filter(channel=channel).only("pk")
    try:
        return lifecycle.lock(queries.by_reference(mine, news.order).pk)
    except Order.DoesNotExist:
        raise NotTrue("order", "unknown_order", "no order of this channel is called so") from None


def _check_amount(order: Order, news: News) -> None:
    amount = news.amount
    if amount is None:
        if news.kind in NEEDS_AMOUNT:
            raise NotTrue("amount", "required", f"is needed for {news.kind}")
    elif amount <= 0 or amount != rounded(amount, order.currency):
        raise NotTrue("amount", "invalid", f"is not a positive amount of {order.currency}")


def _new(order: Order, channel: SalesChannel, news: News) -> Payment:
    if news.kind not in MAKES or news.amount is None:
        raise NotTrue("payment", "unknown_payment", "the order has no payment of this reference")
    if not news.method:
        raise NotTrue("method", "required", "is needed for a payment that is new")
    return Payment.objects.create(
        order=order, reference=news.payment, method=news.method, gateway=channel.gateway,
        state=P.PENDING, currency=order.currency, amount=news.amount, expires_at=news.expires_at,
    )  # fmt: skip


def _known(payment: Payment, news: News) -> PaymentEntry | None:
    """The entry that the news is about: named by key, by reference, or ours that nobody confirmed.

    A failure names what failed; anything else only what is of its own kind.
    """
    entries = PaymentEntry.objects.filter(payment=payment).select_related("payment", "refund")
    if news.kind == K.FAIL:
        entries = entries.filter(kind__in=(K.CAPTURE, K.REFUND, K.FAIL))
    else:
        entries = entries.filter(kind=news.kind)
    named = entries.filter(provider_reference=news.provider_reference).order_by("-id").first()
    if news.key:
        named = entries.filter(key=news.key).first() or named
    if named is None and news.kind in {K.CAPTURE, K.REFUND, K.VOID}:
        ours = Q(provider_reference="", state__in=(E.PENDING, E.DONE))
        if news.amount is not None:
            ours &= Q(amount=news.amount)
        named = entries.filter(ours).order_by("id").first()
    return named


def _confirmed(order: Order, entry: PaymentEntry, news: News, *, actor: str) -> Effect:
    """News of something that is in the ledger: asked for, done, or failed."""
    bad = news.kind == K.FAIL and entry.kind != K.FAIL
    if entry.state == (E.FAILED if bad else E.DONE):
        if not entry.provider_reference:
            PaymentEntry.objects.filter(pk=entry.pk).update(
                provider_reference=news.provider_reference, provider_at=news.at
            )
        return "already_known"
    if entry.state != E.PENDING and entry.provider_at and news.at <= entry.provider_at:
        return "late"
    _check_fits(entry, bad=bad)
    told = {"reference": news.provider_reference, "at": news.at, "actor": actor}
    if bad:
        outcome.failed(order, entry, error=news.reason, **told)  # type: ignore[arg-type]
    else:
        outcome.done(order, entry, expires_at=news.expires_at, **told)  # type: ignore[arg-type]
    _follow_up(order, actor=actor)
    return "applied"


def _check_fits(entry: PaymentEntry, *, bad: bool) -> None:
    """What was done and failed after all, or the reverse, must leave figures that can be."""
    payment = entry.payment
    back = payment.refunded + payment.charged_back
    if bad and entry.kind == K.CAPTURE and entry.state == E.DONE:
        if payment.captured - entry.amount < back:
            words = in_words(back, payment.currency)
            raise NotTrue("kind", "given_back", f"{words} of it went back; tell a chargeback")
    elif not bad and entry.state == E.FAILED:
        room = {K.CAPTURE: payment.amount - payment.captured - payment.capturing,
                K.REFUND: payment.refundable}  # fmt: skip
        _check_room(payment, entry.amount, room.get(K(entry.kind), entry.amount))


def _check_room(payment: Payment, amount: Decimal, room: Decimal) -> None:
    if amount > room:
        words = in_words(room, payment.currency)
        raise NotTrue("amount", "too_much", f"is more than the {words} that are left")


def _follow_up(order: Order, *, actor: str) -> None:
    """What left before it was paid is captured now, what is too much goes back, holds end."""
    capturing.capture_shipped(order, actor=actor)
    refunds.settle(order, actor=actor)
    trouble.review(order, actor=actor)


# --- what is new ---------------------------------------------------------------------------------


def _enter(
    payment: Payment, news: News, actor: str, amount: Decimal, refund: Refund | None = None
) -> None:
    ledger.enter(
        payment, news.kind, amount, actor=actor, refund=refund,
        key=f"told:{payment.pk}:{news.kind}:{news.provider_reference}",
        reference=news.provider_reference, at=news.at, error=news.reason,
    )  # fmt: skip


def _record(order: Order, kind: str, payment: Payment, amount: Decimal, actor: str) -> None:
    events.record(order.pk, kind, actor=actor, payment=payment.pk, amount=str(amount))


def _is_late(payment: Payment, news: News) -> bool:
    return payment.provider_at is not None and news.at <= payment.provider_at


def _amount(news: News) -> Decimal:
    return news.amount or NOTHING  # checked: it is there where it is needed


def _rest(payment: Payment) -> Decimal:
    return payment.amount - payment.captured - payment.capturing


def _authorized(order: Order, payment: Payment, news: News, actor: str) -> bool:
    if _is_late(payment, news) or payment.state in {P.CAPTURED, P.VOIDED}:
        return False
    values = {"expires_at": news.expires_at}
    if payment.state == P.PENDING and not payment.captured:
        values["amount"] = payment.amount = _amount(news)  # type: ignore[assignment]
    Payment.objects.filter(pk=payment.pk).update(**values)
    _enter(payment, news, actor, _amount(news))
    _record(order, "payment.authorized", payment, _amount(news), actor)
    return True


def _captured(order: Order, payment: Payment, news: News, actor: str) -> bool:
    _check_room(payment, _amount(news), _rest(payment))
    _enter(payment, news, actor, _amount(news))
    _record(order, "payment.captured", payment, _amount(news), actor)
    return True


def _voided(order: Order, payment: Payment, news: News, actor: str) -> bool:
    if _is_late(payment, news) or payment.state not in {P.PENDING, P.AUTHORIZED}:
        return False
    rest = _rest(payment)
    _enter(payment, news, actor, rest)
    _record(order, "payment.voided", payment, rest, actor)
    trouble.review(
        order, actor=actor, handle=trouble.handle_of(payment.pk),
        reason=f"{payment} was voided before everything had left",
    )  # fmt: skip
    return True


def _refunded(order: Order, payment: Payment, news: News, actor: str) -> bool:
    amount = _amount(news)
    _check_room(payment, amount, payment.refundable)
    made = Refund.objects.create(
        payment=payment, amount=amount, currency=payment.currency, actor=actor,
        reason=news.reason[:200] or "given back by the channel", state=Refund.State.DONE,
        key=f"told:{payment.pk}:{news.provider_reference}", done_at=timezone.now(),
    )  # fmt: skip
    _enter(payment, news, actor, amount, made)
    events.record(order.pk, "refund.done", actor=actor, refunds=[made.pk], amount=str(amount))
    gift_cards.follow(order, all_back=not any(p.refundable for p in order.payments.all()))
    return True


def _charged_back(order: Order, payment: Payment, news: News, actor: str) -> bool:
    amount = _amount(news)
    _check_room(payment, amount, payment.captured - payment.charged_back)
    _enter(payment, news, actor, amount)
    _record(order, "payment.charged_back", payment, amount, actor)
    gift_cards.follow(order, all_back=not any(p.refundable for p in order.payments.all()))
    trouble.review(
        order, actor=actor, handle=trouble.handle_of(payment.pk),
        reason=f"the customer's bank took {in_words(amount, payment.currency)} back ({payment})",
    )  # fmt: skip
    return True


def _won(order: Order, payment: Payment, news: News, actor: str) -> bool:
    _check_room(payment, _amount(news), payment.charged_back)
    _enter(payment, news, actor, _amount(news))
    _record(order, "payment.captured", payment, _amount(news), actor)
    return True


def _expired(order: Order, payment: Payment, news: News, actor: str) -> bool:
    if _is_late(payment, news) or payment.state != P.AUTHORIZED:
        return False
    outcome.expired(order, payment, actor=actor, error=news.reason, at=news.at)
    return True


def _failed(order: Order, payment: Payment, news: News, actor: str) -> bool:
    if _is_late(payment, news) or payment.state not in {P.PENDING, P.AUTHORIZED}:
        return False
    rest = _rest(payment)
    _enter(payment, news, actor, rest)
    outcome.failing(order, payment, amount=str(rest), error=news.reason, actor=actor)
    return True


_NEW: dict[str, Callable[[Order, Payment, News, str], bool]] = {
    K.AUTHORIZE: _authorized,
    K.CAPTURE: _captured,
    K.VOID: _voided,
    K.REFUND: _refunded,
    K.EXPIRE: _expired,
    K.FAIL: _failed,
    K.CHARGEBACK: _charged_back,
    K.CHARGEBACK_WON: _won,
}
