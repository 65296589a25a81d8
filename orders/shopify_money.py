"""The money of Shopify orders, which is the shop's own: we write down what it tells.

One payment stands for all gateways of an order. What we noted ourselves (money that goes back
because units were canceled here) is recognized when the shop tells of it, and never noted twice.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone

from orders import lifecycle
from orders.connectors import values
from orders.connectors.shopify_webhook import payment_reference
from orders.models import Order, Payment, PaymentEntry, SalesChannel
from orders.money import in_words
from orders.payments import told
from orders.payments.told import News, NotTrue
from orders.problems import Problem

K = PaymentEntry.Kind
NOTHING = Decimal(0)
WHOLE = ("paid", "partially_paid")  # when what was captured is known from the document


# --- money that came -----------------------------------------------------------------------------


def paid(order_id: int, payload: Mapping[str, Any], *, actor: str) -> bool:
    """Write down what the customer authorized or paid since; returns whether that was anything."""
    order = Order.objects.select_related("channel").get(pk=order_id)
    status = payload["metadata"].get("financial_status")
    known = list(order.payments.order_by("id"))
    if order.state != Order.State.OPEN or not payload["payments"]:
        return False
    said = payload["payments"][0]
    if status == "authorized" and not known:
        _tell(order, said, K.AUTHORIZE, said["amount"], actor=actor)
        return True
    if status not in WHOLE:
        return False
    came = said["amount"] - _kept(order)
    if came <= 0:
        return False
    first = next((p for p in known if p.reference == said["reference"]), None)
    room = min(came, _rest(first)) if first else came
    if room > 0:
        _tell(order, said, K.CAPTURE, room, actor=actor)
    if came > room:  # for what was added to the order since: a payment of its own
        name = f"{said['reference']}-{said['amount']}"
        _tell(order, said, K.CAPTURE, came - room, actor=actor, reference=name)
    return True


def _rest(payment: Payment) -> Decimal:
    return payment.amount - payment.captured - payment.capturing


def _kept(order: Order) -> Decimal:
    """What the shop has of the customer's money, as far as it told: what only we noted as going
    back may still be with it."""
    held = F("captured") + F("capturing") - F("charged_back")
    found: Decimal = order.payments.aggregate(s=Sum(held))["s"] or NOTHING
    back = PaymentEntry.objects.filter(payment__order=order, kind=K.REFUND, state="done")
    told_of: Decimal = (
        back.exclude(provider_reference="").aggregate(s=Sum("amount"))["s"] or NOTHING
    )
    return found - told_of


def _tell(
    order: Order, said: Mapping[str, Any], kind: str, amount: Decimal, *, actor: str,
    reference: str = "",
) -> None:  # fmt: skip
    reference = reference or said["reference"]
    news = News(
        order=order.external_id, payment=reference, kind=kind, amount=amount, at=timezone.now(),
        provider_reference=f"{reference}:{said['amount']}"[:80], method=said["method"],
    )  # fmt: skip
    told.tell(order.channel, news, actor=actor)


# --- money that went back ------------------------------------------------------------------------


def given_back(
    channel: SalesChannel, order: Order, refund: Mapping[str, Any], *, actor: str
) -> list[Problem]:
    """Write down the transactions of a refund; returns those that cannot be, with the reason."""
    problems = []
    rows = refund.get("transactions")
    for i, row in enumerate(rows if isinstance(rows, list) else []):
        if not isinstance(row, Mapping) or row.get("kind") != "refund":
            continue
        if row.get("status") != "success":
            continue  # pending and failed ones moved nothing
        try:
            _went_back(channel, order, row, actor=actor)
        except NotTrue as error:
            problems.append(Problem(f"/transactions/{i}/{error.field}", error.code, str(error)))
    return problems


def _went_back(channel: SalesChannel, order: Order, row: Mapping[str, Any], *, actor: str) -> None:
    amount = values.amount(row.get("amount"))
    if amount is None or row.get("id") is None:
        raise NotTrue("amount", "invalid", "it does not say how much went back")
    if row.get("currency", order.currency) != order.currency:
        words = f"it is in {row.get('currency')}, the order in {order.currency}"
        raise NotTrue("currency", "invalid", words)
    at = values.moment(str(row.get("processed_at") or row.get("created_at") or ""))
    told_of = PaymentEntry.objects.filter(
        payment__order=order, kind=K.REFUND, provider_reference__startswith=_name(row, 0)
    )
    with transaction.atomic():
        lifecycle.lock(order.pk)
        if told_of.exists():
            return
        for n, (payment, part) in enumerate(_parts(order, amount)):
            news = News(
                order=order.external_id, payment=payment, kind=K.REFUND, amount=part,
                at=at if at and at.tzinfo else timezone.now(), provider_reference=_name(row, n),
                reason="given back by the shop",
            )  # fmt: skip
            told.tell(channel, news, actor=actor)


def _name(row: Mapping[str, Any], n: int) -> str:
    """What a transaction is called; the end keeps 12 from being the beginning of 123."""
    return f"{row['id']}/{n or ''}"[:80]


def _parts(order: Order, amount: Decimal) -> list[tuple[str, Decimal]]:
    """Amounts by payment that a refund consists of: first what we noted as going back and the shop
    did not tell of yet, then what else went back, from the payments in their order.

    Raises NotTrue when we noted more than the shop gave back: which of the two is right, a person
    has to find out.
    """
    parts, left = _unconfirmed(order, amount)
    for payment in order.payments.order_by("id"):
        part = min(left, payment.refundable)
        if part > 0:
            parts.append((payment.reference, part))
            left -= part
    if left:  # more than there is: told() says so
        parts.append((payment_reference(order.external_id), left))
    return parts


def _unconfirmed(order: Order, amount: Decimal) -> tuple[list[tuple[str, Decimal]], Decimal]:
    rows = PaymentEntry.objects.filter(
        payment__order=order, kind=K.REFUND, provider_reference="", state__in=("pending", "done")
    ).order_by("id")
    found: list[tuple[str, Decimal]] = []
    left = amount
    for payment, noted in rows.values_list("payment__reference", "amount"):
        if not left:
            break
        if noted > left:
            words = f"{in_words(noted, order.currency)} were written down as given back, the "
            raise NotTrue("amount", "differs", words + "shop gave back less")
        found.append((payment, noted))
        left -= noted
    return found, left
