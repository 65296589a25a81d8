"""What an edit does to amounts: lines, shipping, gestures, and the order's sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from orders import payments
from orders.editing.actions import Action
from orders.editing.errors import EditRefused, NotNow
from orders.editing.sheet import FREE, Amounts, Item, Sheet, on_top
from orders.models import Adjustment, Order, OrderBundle, OrderLine, Refund
from orders.money import in_words, minor_unit, rounded, share
from orders.payments.due import SETTLE
from orders.problems import Problem

NOTHING = Decimal(0)


@dataclass(frozen=True)
class Author:
    """Who changes the order, why, and into which version."""

    actor: str
    reason: str
    version: int


def check_precision(order: Order, actions: Sequence[Action]) -> None:
    """Raises EditRefused for amounts finer than the currency; unit prices may be."""
    names = ("discount", "tax", "amount")
    problems = [
        Problem(f"/actions/{i}/{name}", "too_precise",
                f"{action[name]} is finer than the smallest unit of {order.currency}")
        for i, action in enumerate(actions)
        for name in names
        if name in action and action[name] != rounded(action[name], order.currency)
    ]  # fmt: skip
    if problems:
        raise EditRefused(problems)


# --- lines ---------------------------------------------------------------------------------------


def reprice(sheet: Sheet, item: Item, action: Action, author: Author, *, pointer: str) -> None:
    """Change what the units of an item cost that were not canceled."""
    before = sheet.amounts(item)
    if not any(item.left(line) for line in item.lines):
        raise EditRefused([Problem(f"{pointer}/line", "empty", "no unit of the line is left")])
    _set(sheet, item, _wanted(sheet, item, action, before, pointer), author)


def _wanted(sheet: Sheet, item: Item, action: Action, before: Amounts, pointer: str) -> Amounts:
    order = sheet.order
    gross = before.gross
    if "unit_price" in action:
        units = min(item.left(line) // item.per_unit(line) for line in item.lines)
        gross = rounded(action["unit_price"] * units, order.currency)
    discount = before.discount + action["discount"]
    _check_discount(before.discount, discount, gross, order, pointer)
    if "tax" in action:
        tax = before.tax + action["tax"]
    else:
        tax = at_rate(before, gross - discount, order.currency)
    if tax < NOTHING:
        raise EditRefused([Problem(f"{pointer}/tax", "out_of_range", "takes the tax below zero")])
    return Amounts(gross, discount, tax, gross - discount + on_top(order, tax))


def _check_discount(
    before: Decimal, after: Decimal, gross: Decimal, order: Order, pointer: str
) -> None:
    if NOTHING <= after <= gross:
        return
    words = f"is more than the {in_words(gross - before, order.currency)} the line costs"
    if after < NOTHING:
        words = f"takes back more than its discount of {in_words(before, order.currency)}"
    raise EditRefused([Problem(f"{pointer}/discount", "out_of_range", words)])


def at_rate(before: Amounts, net: Decimal, currency: str) -> Decimal:
    """The tax of `net` at the rate that units had before."""
    was = before.gross - before.discount
    return rounded(before.tax * net / was, currency) if was else NOTHING


def _set(sheet: Sheet, item: Item, wanted: Amounts, author: Author) -> None:
    """Give an item's remaining units these amounts; a bundle's are shared over its lines."""
    order = sheet.order
    now = [sheet.amounts_of(line, first=0, count=item.left(line)) for line in item.lines]
    for line, before, after in zip(item.lines, now, shared(wanted, now, order), strict=True):
        left = item.left(line)
        if not left:
            continue
        if after.gross != before.gross:
            line.unit_price = _unit_price(item, line, wanted, after, left)
        gross = _whole(after.gross, line, left, order.currency)
        line.tax = _whole(after.tax, line, left, order.currency)
        line.total = _whole(after.total, line, left, order.currency)
        line.discount = gross + on_top(order, line.tax) - line.total
        if after.total != before.total:
            Adjustment.objects.create(
                order=order, line=line, amount=after.total - before.total, actor=author.actor,
                reason=author.reason or "price changed", version=author.version,
            )  # fmt: skip
    OrderLine.objects.bulk_update(item.lines, ["unit_price", "discount", "tax", "total"])
    if isinstance(item.head, OrderBundle):
        sum_up_bundle(order, item.head, item.lines)


def _unit_price(item: Item, line: OrderLine, wanted: Amounts, after: Amounts, left: int) -> Decimal:
    if item.is_bundle:
        return (after.gross / left).quantize(Decimal("0.0001"))
    return (wanted.gross / left).quantize(Decimal("0.0001"))


def shared(wanted: Amounts, now: Sequence[Amounts], order: Order) -> list[Amounts]:
    """Amounts of a bundle shared over its lines, in proportion to what they were."""
    if len(now) == 1:
        return [wanted]
    gross = share(wanted.gross, [one.gross for one in now], order.currency)
    discount = share(wanted.discount, gross, order.currency)
    tax = share(wanted.tax, gross, order.currency)
    return [
        Amounts(g, d, t, g - d + on_top(order, t))
        for g, d, t in zip(gross, discount, tax, strict=True)
    ]


def _whole(amount: Decimal, line: OrderLine, left: int, currency: str) -> Decimal:
    """The amount of the whole line of which `left` units' share is this one.

    Canceled units keep a share of the line; it is the last units' (money.of_units), so that what
    is left comes out exact.
    """
    unit = minor_unit(currency)
    each, rest = divmod(int(amount / unit), left)
    return (each * line.quantity + rest) * unit


def sum_up_bundle(order: Order, bundle: OrderBundle, lines: Sequence[OrderLine]) -> None:
    """Make a bundle's figures the sums of its lines'."""
    bundle.discount = sum((line.discount for line in lines), NOTHING)
    bundle.tax = sum((line.tax for line in lines), NOTHING)
    bundle.total = sum((line.total for line in lines), NOTHING)
    gross = bundle.total + bundle.discount - on_top(order, bundle.tax)
    bundle.unit_price = (gross / bundle.quantity).quantize(Decimal("0.0001"))
    bundle.save(update_fields=["unit_price", "discount", "tax", "total"])


# --- the whole order -----------------------------------------------------------------------------


def set_shipping(order: Order, action: Action, author: Author) -> None:
    """Set the shipping costs of a locked order."""
    before = Amounts(order.shipping_total, NOTHING, order.shipping_tax, NOTHING)
    tax = action["tax"] if "tax" in action else at_rate(before, action["amount"], order.currency)
    difference = action["amount"] - order.shipping_total
    difference += on_top(order, tax) - on_top(order, order.shipping_tax)
    order.shipping_total, order.shipping_tax = action["amount"], tax
    order.save(update_fields=["shipping_total", "shipping_tax"])
    if difference:
        Adjustment.objects.create(
            order=order, line=None, amount=difference, actor=author.actor,
            reason=author.reason or "shipping changed", version=author.version,
        )  # fmt: skip


def sum_up(order: Order) -> None:
    """Make the order's figures the sums of its lines' and its shipping (invariant I10)."""
    lines = list(order.lines.all())
    order.discount_total = sum((line.discount for line in lines), NOTHING)
    order.tax_total = sum((line.tax for line in lines), order.shipping_tax)
    goods = sum((line.total for line in lines), NOTHING)
    on_goods = sum((on_top(order, line.tax) for line in lines), NOTHING)
    order.subtotal = goods + order.discount_total - on_goods
    order.total = goods + order.shipping_total + on_top(order, order.shipping_tax)
    order.save(update_fields=["subtotal", "discount_total", "tax_total", "total"])


def check_refunds(order: Order, *, pointer: str) -> None:
    """Raises NotNow when the order would cost less than what was given back for other reasons."""
    back = Refund.objects.filter(payment__order=order).exclude(state=Refund.State.ERRORED)
    given = sum((r.amount for r in back if not r.key.startswith(SETTLE)), NOTHING)
    due = payments.amount_due(order)
    if given > due:
        raise NotNow([
            Problem(pointer, "refunded",
                    f"{in_words(given, order.currency)} was given back already; the order cannot"
                    f" cost {in_words(due, order.currency)}")
        ])  # fmt: skip


# --- gestures ------------------------------------------------------------------------------------


def appease(sheet: Sheet, action: Action, author: Author, *, number: int, pointer: str) -> bool:
    """Give money back as a gesture; returns whether it is a refund.

    What was captured is refunded and the order's price stays; else its lines become cheaper.
    """
    order, amount = sheet.order, action["amount"]
    refundable = sum((p.refundable for p in order.payments.all()), NOTHING)
    if amount <= refundable:
        try:
            payments.refund(
                order=order, amount=amount, reason=action["reason"], actor=author.actor,
                key=f"change:{order.pk}:{author.version}:{number}",
            )  # fmt: skip
        except payments.CannotRefund as error:
            raise NotNow([Problem(f"{pointer}/amount", "on_hold", str(error))]) from error
        return True
    _cheapen(sheet, amount, Author(author.actor, action["reason"], author.version), pointer)
    return False


def _cheapen(sheet: Sheet, amount: Decimal, author: Author, pointer: str) -> None:
    order = sheet.order
    items = [item for item in sheet.items.values() if sheet.amounts(item).total]
    before = [sheet.amounts(item) for item in items]
    whole = sum((one.total for one in before), NOTHING)
    if amount > whole:
        raise EditRefused([
            Problem(f"{pointer}/amount", "too_large",
                    f"is more than the {in_words(whole, order.currency)} the goods cost")
        ])  # fmt: skip
    parts = share(amount, [one.total for one in before], order.currency)
    for item, was, part in zip(items, before, parts, strict=True):
        _set(sheet, item, _less(order, was, part), author)


def _less(order: Order, was: Amounts, part: Decimal) -> Amounts:
    """The amounts when the customer pays `part` less, at the same rate of tax."""
    if not was.total:
        return FREE
    total = was.total - part
    tax = rounded(was.tax * total / was.total, order.currency)
    net = total - on_top(order, tax)
    return Amounts(was.gross, was.gross - net, tax, total)
