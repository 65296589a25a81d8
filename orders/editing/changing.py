"""preview() and apply(): one transaction does all actions of an edit, or none of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from orders import events, lifecycle, payments, validation
from orders.capture.claiming import Claimed
from orders.editing import destination, goods, prices, promising, versions
from orders.editing.actions import Action, apart, validated
from orders.editing.destination import Moved
from orders.editing.errors import EditRefused, NotNow, Stale, TooFew
from orders.editing.goods import Dropped, Goods
from orders.editing.preview import Money, Preview, effects, made, sums
from orders.editing.prices import Author
from orders.editing.sheet import Sheet, read
from orders.models import Order, OrderChange, Refund
from orders.problems import Problem

MONEY = {"price", "shipping", "appeasement"}


@dataclass(frozen=True)
class Done:
    """What an edit did: the event's figures and the preview."""

    preview: Preview
    difference: Decimal
    told: dict[str, Any]


def preview(*, order_id: int, actions: Any, actor: str, based_on: int | None = None) -> Preview:
    """What apply() would do, to the cent and the stock point; nothing is changed.

    The same code runs in a transaction (or savepoint) that is rolled back. Raises as apply() does.
    """
    wanted = validated(actions)
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        check_version(order, based_on)
        shown = _do(order, wanted, Author(actor, "", order.version + 1)).preview
        transaction.set_rollback(True)
    return shown


def apply(
    *,
    order_id: int,
    actions: Any,
    actor: str,
    reason: str = "",
    source: str = "console",
    based_on: int | None = None,
    draft: OrderChange | None = None,
) -> OrderChange:
    """Change an order: all actions or none, as its next version.

    actions: JSON as docs/api.md describes it. based_on: the version the change was made for.
    draft: the stored change that is applied with this. Raises ValidationError for actions that are
    none, Stale when the order was changed meanwhile, EditRefused, NotNow where the units are too
    far, TooFew where stock is missing.
    """
    wanted = validated(actions)
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        check_version(order, based_on)
        versions.keep_first(order)
        version = order.version + 1
        done = _do(order, wanted, Author(actor, reason, version))
        change = _written(order, wanted, done, draft, reason=reason, source=source, actor=actor)
        events.record(
            order.pk, "order.changed", actor=actor, change=change.pk, version=version,
            reason=reason, **done.told,
        )  # fmt: skip
        if any(action["type"] == "address" for action in wanted):
            validation.rerun(order.pk, actor=actor)
        lifecycle.close_if_ended(order, actor=actor)
    return change


def check_version(order: Order, based_on: int | None) -> None:
    """Raises Stale when a locked order is no longer at the version a change was made for."""
    if based_on is not None and based_on != order.version:
        changes = versions.since(order, based_on)
        raise Stale(based_on=based_on, current=order.version, changes=changes)


def _written(
    order: Order, wanted: Sequence[Action], done: Done, draft: OrderChange | None, *,
    reason: str, source: str, actor: str,
) -> OrderChange:  # fmt: skip
    now = timezone.now()
    rows, personal = apart(wanted)
    change = draft or OrderChange(order=order, based_on=order.version)
    change.state, change.version, change.applied_at = (
        OrderChange.State.APPLIED, order.version + 1, now,
    )  # fmt: skip
    change.actions, change.contact, change.preview = rows, personal, done.preview.as_json()
    change.difference, change.reason = done.difference, reason
    change.source, change.actor = source, actor
    change.save()
    order.version += 1
    order.save(update_fields=["version"])
    versions.keep(order, number=order.version, actor=actor, at=now)
    return change


# --- the actions ---------------------------------------------------------------------------------


def _do(order: Order, actions: Sequence[Action], author: Author) -> Done:
    """Do the actions on a locked order: where it goes, then units, then prices, then its money."""
    if order.state != Order.State.OPEN:
        raise NotNow([Problem("/actions", "ended", f"{order} is {order.get_state_display()}")])
    now = timezone.now()
    prices.check_precision(order, actions)
    before = read(order)
    was = _money(before)
    wanted = goods.wanted(before, actions)
    moved = destination.change(before, actions, actor=author.actor)
    dropped, claimed = _exchange(before, wanted, author)
    refunds = _price(read(order), actions, author)
    prices.sum_up(order)
    after = read(order)
    if not any(item.units for item in after.items.values()):
        raise NotNow([Problem("/actions", "nothing_left", "leaves nothing: cancel the order")])
    _check_refunds(order, actions)
    promised_before = promising.promise_anew(after, moved, claimed, actor=author.actor, now=now)
    if moved.day_changed:
        promising.schedule(after, claimed, actor=author.actor, now=now)
    if dropped:
        payments.capture_shipped(order, actor=author.actor)
    payments.after_change(order, actor=author.actor)
    is_ = _money(after)
    shown = made(
        order, was, is_, version=order.version, promised_before=promised_before,
        effects=effects(after, dropped, moved, claimed),
        warnings=tuple([*_refund_words(refunds), *promising.cannot_be_collected(
            after, moved.again)]),
    )  # fmt: skip
    difference = is_.total - was.total
    if not (moved.destinations or _does_something(shown)):
        raise EditRefused([Problem("/actions", "no_change", "change nothing")])
    return Done(shown, difference, _told(actions, wanted, moved, difference))


def _exchange(before: Sheet, wanted: Goods, author: Author) -> tuple[list[Dropped], Claimed | None]:
    """Cancel and add units; stock rows are taken in one order before either."""
    order = before.order
    wares = incoming = None
    if wanted.additions:
        wares = goods.check(order.channel, before, wanted.additions)
        incoming = goods.arriving(before, order.channel, wanted.additions, wares)
        if wanted.drops:
            goods.lock_stock(before, wanted, incoming, wares)
    dropped = goods.cancel(order, wanted.drops, note=author.reason, actor=author.actor)
    if wares is None or incoming is None:
        return dropped, None
    if dropped:  # what was given up just now is free
        wares = goods.check(order.channel, before, wanted.additions)
    try:
        return dropped, goods.add(before, incoming, wares, actor=author.actor, now=timezone.now())
    except TooFew as error:
        raise TooFew([_at_its_action(p, wanted) for p in error.problems]) from None


def _at_its_action(problem: Problem, wanted: Goods) -> Problem:
    """Capture points at its own lines; whoever edits knows actions."""
    index = int(problem.pointer.split("/")[2])
    return Problem(f"{wanted.additions[index].pointer}/quantity", problem.code, problem.detail)


def _price(sheet: Sheet, actions: Sequence[Action], author: Author) -> Decimal:
    """Do the actions on amounts; returns what was refunded as gestures."""
    refunded = Decimal(0)
    for i, action in enumerate(actions):
        pointer = f"/actions/{i}"
        if action["type"] == "price":
            item = goods.item_of(sheet, action, pointer)
            prices.reprice(sheet, item, action, author, pointer=pointer)
        elif action["type"] == "shipping":
            prices.set_shipping(sheet.order, action, author)
        elif action["type"] == "appeasement" and prices.appease(
            sheet, action, author, number=i, pointer=pointer
        ):
            refunded += action["amount"]
    return refunded


def _check_refunds(order: Order, actions: Sequence[Action]) -> None:
    for i, action in enumerate(actions):
        if action["type"] in MONEY:
            prices.check_refunds(order, pointer=f"/actions/{i}")
            return


def _money(sheet: Sheet) -> Money:
    order = sheet.order
    shown, total = sums(sheet)
    back = Refund.objects.filter(payment__order=order).exclude(state=Refund.State.ERRORED)
    refunded = back.aggregate(s=Sum("amount"))["s"] or Decimal(0)
    return Money(shown, total, payments.balance(order), refunded)


def _refund_words(amount: Decimal) -> list[str]:
    return ["The gesture goes back to the customer; the price stays."] if amount else []


def _does_something(shown: Preview) -> bool:
    return bool(shown.before != shown.after or shown.effects or Decimal(shown.refunded))


def _told(
    actions: Sequence[Action], wanted: Goods, moved: Moved, difference: Decimal
) -> dict[str, Any]:
    return {
        "actions": sorted({action["type"] for action in actions}),
        "difference": str(difference),
        "units_added": sum(one.quantity for one in wanted.additions),
        "units_removed": sum(one.units for one in wanted.drops),
        "units_rerouted": sum(piece.quantity for piece in moved.again),
    }
