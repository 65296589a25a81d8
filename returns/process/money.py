"""The money of a return: the units' own shares of what was paid, and nothing twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from config import status
from orders import payments
from orders.models import Order
from orders.money import in_words, of_units, rounded, share
from returns.models import Return, ReturnLine
from returns.process import expected
from returns.process.table import MOVES, Refused, S, check_may, locked, record

NOTHING = Decimal(0)


class GoodsNotHere(Refused):
    """Nothing arrived yet; staff may refund ahead of the goods with a reason."""

    code = "goods_not_here"

    def __init__(self, rma: Return) -> None:
        self.rma = rma
        super().__init__(
            f"nothing of {rma.number} has arrived yet; say why, to refund it all the same"
        )


class OverShare(Refused):
    """More than the units' own share of what was paid; `most` is that share."""

    code = "over_share"
    field = "amount"

    def __init__(self, most: Decimal, units: int, currency: str) -> None:
        self.most, self.units, self.currency = most, units, currency
        count = f"{units} unit that came back" if units == 1 else f"{units} units that came back"
        super().__init__(f"at most {in_words(most, currency)}: that is what the {count} cost")


class OverShipping(Refused):
    """More shipping than is left to give back; `left` is how much."""

    code = "over_shipping"
    field = "shipping"

    def __init__(self, left: Decimal, currency: str) -> None:
        self.left, self.currency = left, currency
        super().__init__(f"only {in_words(left, currency)} of shipping is left to give back")


class BadAmount(Refused):
    """Not an amount of the order's currency."""

    code = "bad_amount"
    field = "amount"

    def __init__(self, amount: Decimal, currency: str) -> None:
        self.amount, self.currency = amount, currency
        super().__init__(f"{amount} is not an amount of {currency} that can be given back")


class AlreadyRefunded(Refused):
    """The return was refunded before, with another amount."""

    code = "already_refunded"

    def __init__(self, rma: Return, currency: str) -> None:
        self.rma = rma
        amount = in_words(rma.refund_amount, currency)
        super().__init__(f"{rma.number} was refunded before: {amount}")


@dataclass(frozen=True)
class Proposal:
    """What a return can give back: units and their share by return line id, and shipping left."""

    units: Mapping[int, int]
    shares: Mapping[int, Decimal]
    shipping_left: Decimal

    @property
    def most(self) -> Decimal:
        """The units' own shares together."""
        return sum(self.shares.values(), NOTHING)


def proposal(rma: Return, *, without_goods: bool = False) -> Proposal:
    """The refund of the units that arrived, or of all that were announced.

    A unit's share is its part of its line's total, discounts and taxes included. Units that came
    back with earlier refunds count first, so that the parts of all returns sum to the line.
    """
    order = rma.order
    lines = list(rma.lines.select_related("order_line").order_by("id"))
    before = _settled_before(rma, lines)
    units = {line.pk: line.expected if without_goods else line.received for line in lines}
    shares = {
        line.pk: of_units(
            line.order_line.total, quantity=line.order_line.quantity,
            first=before.get(line.order_line_id, 0), count=units[line.pk], currency=order.currency,
        )
        for line in lines
    }  # fmt: skip
    return Proposal(units, shares, _shipping_left(order))


def _settled_before(rma: Return, lines: list[ReturnLine]) -> dict[int, int]:
    rows = (
        ReturnLine.objects.filter(order_line__in=[line.order_line_id for line in lines])
        .exclude(rma=rma)
        .values_list("order_line_id")
        .annotate(before=Sum("settled"))
    )
    return dict(rows)


def _shipping_left(order: Order) -> Decimal:
    paid = order.shipping_total + (NOTHING if order.tax_included else order.shipping_tax)
    return paid - (order.returns.aggregate(s=Sum("shipping_refund"))["s"] or NOTHING)


def refund(
    *,
    return_id: int,
    actor: str,
    amount: Decimal | None = None,
    shipping: Decimal = NOTHING,
    without_goods: str = "",
) -> Return:
    """Give back money for the units that arrived: by default exactly their share, no shipping.

    amount: less than the share, in the order's currency (0: the goods came, no money goes back).
    shipping: of the order's shipping, on top. without_goods: why staff refund everything that was
    announced although it is not here. A return is refunded once; asked again with the same figures
    it is answered as it is. Raises a Refused, IllegalMove, orders.payments.OverRefund when less is
    left of what was captured, RefundOnHold, or Return.DoesNotExist.
    """
    with transaction.atomic():
        rma = locked(return_id)
        order = rma.order
        if rma.state == S.REFUNDED:
            return _as_before(rma, amount, shipping, order.currency)
        check_may(rma, S.REFUNDED)
        offer = proposal(rma, without_goods=bool(without_goods))
        if not any(offer.units.values()):
            raise GoodsNotHere(rma)
        goods = offer.most if amount is None else amount
        _check(offer, goods, shipping, order.currency)
        total = goods + shipping
        status.move(
            rma, S.REFUNDED, allowed=MOVES, refund_amount=total, shipping_refund=shipping,
            refund_note=without_goods, refunded_at=timezone.now(),
        )  # fmt: skip
        _settle_lines(rma, offer, goods, order.currency)
        if total:
            payments.refund(
                order=order, amount=total, reason=f"return {rma.number}",
                key=f"return:{rma.pk}", actor=actor,
            )  # fmt: skip
        record(
            rma, "refunded", actor=actor,
            units=sum(offer.units.values()), amount=str(total), shipping=str(shipping),
            without_goods=bool(without_goods),
        )  # fmt: skip
        expected.end(rma)
    return rma


def _as_before(rma: Return, amount: Decimal | None, shipping: Decimal, currency: str) -> Return:
    goods = rma.refund_amount - rma.shipping_refund
    if shipping != rma.shipping_refund or (amount is not None and amount != goods):
        raise AlreadyRefunded(rma, currency)
    return rma


def _check(offer: Proposal, goods: Decimal, shipping: Decimal, currency: str) -> None:
    for amount in (goods, shipping):
        if not amount.is_finite() or amount < 0 or amount != rounded(amount, currency):
            raise BadAmount(amount, currency)
    if goods > offer.most:
        raise OverShare(offer.most, sum(offer.units.values()), currency)
    if shipping > offer.shipping_left:
        raise OverShipping(offer.shipping_left, currency)


def _settle_lines(rma: Return, offer: Proposal, goods: Decimal, currency: str) -> None:
    lines = [line for line in rma.lines.order_by("id") if offer.units[line.pk]]
    parts = share(goods, [offer.shares[line.pk] for line in lines], currency)
    for line, part in zip(lines, parts, strict=True):
        line.settled, line.refund_amount = offer.units[line.pk], part
    ReturnLine.objects.bulk_update(lines, ["settled", "refund_amount"])
