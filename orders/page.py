"""What the order's page in the console shows, read in a fixed number of statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import prefetch_related_objects
from django.urls import reverse

from orders import addresses, lifecycle, notes, queries, timeline
from orders.models import (
    Allocation,
    DeliveryGroup,
    Hold,
    InboundOrder,
    Order,
    OrderBundle,
    OrderLine,
    PaymentEntry,
    Refund,
)
from orders.money import in_words
from orders.validation import Finding

S = Allocation.State
LEVELS = {
    S.QUEUED: "warning", S.SHIPPED: "success", S.DELIVERED: "success", S.COLLECTED: "success",
    S.CANCELED: "danger",
}  # fmt: skip
STATUS_LEVELS = {
    "unrouted": "warning", "routed": "info", "in_progress": "info", "partially_shipped": "info",
    "shipped": "success", "partially_delivered": "success", "delivered": "success",
    "canceled": "danger",
}  # fmt: skip
PAYMENT_LEVELS = {
    "paid": "success", "authorized": "info", "partially_paid": "warning", "none": "warning",
    "voided": "danger", "refunded": "info", "partially_refunded": "info",
    "pending": "info", "overcharged": "warning", "payment_problem": "danger",
}  # fmt: skip


def context(order: Order, *, user: AbstractBaseUser | AnonymousUser) -> dict[str, Any]:
    """Everything the page's template asks for; the order's lines are read once for all."""
    may_handle = user.has_perm("orders.change_order")  # type: ignore[union-attr]
    prefetch_related_objects([order], "lines", "payments")
    slices = list(
        order.allocations.select_related(
            "line", "location", "reservation__supply__location"
        ).order_by("line__position", "id")
    )
    holds = list(order.holds.order_by("id"))
    messages = list(order.notifications.order_by("-id"))
    remarks = notes.of(order, user=user)
    status = queries.fulfillment_status({piece.state for piece in slices})
    payment = queries.payment_status(order)
    return {
        "order": order,
        "status": status.replace("_", " "), "status_level": STATUS_LEVELS[status],
        "payment": payment.replace("_", " "), "payment_level": PAYMENT_LEVELS[payment],
        "total": in_words(order.total, order.currency),
        "units": sum(line.quantity for line in order.lines.all()),
        "next": next_step(slices, holds),
        "slices": [(piece, _slice_level(piece)) for piece in slices],
        "decisions": order.decisions.select_related("rule_set").order_by("-id"),  # type: ignore[attr-defined]
        "holds": holds,
        "findings": [Finding(**row) for row in order.findings],
        "open_holds": [hold for hold in holds if hold.state == Hold.State.OPEN],
        "parcels": _parcels(order, slices),
        "payments": order.payments.all(),
        "entries": PaymentEntry.objects.filter(payment__order=order)
                   .select_related("payment").order_by("id"),
        "refunds": Refund.objects.filter(payment__order=order).order_by("id"),
        "items": items(order), "groups": _groups(order),
        "risk_level": _risk_level(order.risk),
        "conflicts": order.inbound.filter(state=InboundOrder.State.OPEN).count(),
        **remarks, "tags_known": notes.suggested_tags() if may_handle else [],
        "returns": order.returns.select_related("location").order_by("id"),  # type: ignore[attr-defined]
        "may_handle": may_handle,
        "return_url": _return_url(order, slices, user),
        "messages_sent": messages,
        "timeline": timeline.entries(
            order, holds=holds, messages=messages, notes=remarks["notes"],
            files=remarks["attachments"],
        ),
    }  # fmt: skip


@dataclass(frozen=True)
class Item:
    """What was bought: a line, or a bundle with the lines that it was stocked as."""

    bought: OrderLine | OrderBundle
    components: tuple[OrderLine, ...]
    group: DeliveryGroup | None


def items(order: Order) -> list[Item]:
    """What was bought, as the customer sees it; bundles and groups are read when there are some."""
    lines = sorted(order.lines.all(), key=lambda line: (line.position, line.component))
    groups = {group.pk: group for group in _groups(order)}
    bundled = any(line.bundle_id for line in lines)
    bundles = {bundle.pk: bundle for bundle in order.bundles.all()} if bundled else {}
    found: dict[int, Item] = {}
    for line in lines:
        group = groups.get(line.group_id or 0)
        bundle = bundles.get(line.bundle_id or 0)
        if bundle is None:
            found[line.position] = Item(line, (), group)
        else:
            known = found.get(line.position, Item(bundle, (), group))
            found[line.position] = Item(bundle, (*known.components, line), group)
    return list(found.values())


def _groups(order: Order) -> list[DeliveryGroup]:
    if not any(line.group_id for line in order.lines.all()):
        return []
    prefetch_related_objects([order], "delivery_groups__pickup_location")
    return list(order.delivery_groups.all())


def _parcels(order: Order, slices: Sequence[Allocation]) -> list[Any]:
    """The order's parcels; what is in them is among its slices, which are read already."""
    parcels = order.parcels.select_related("location").prefetch_related("lines")  # type: ignore[attr-defined]
    known = {piece.pk: piece for piece in slices}
    found = list(parcels.order_by("id"))
    for parcel in found:
        for line in parcel.lines.all():
            line.allocation = known[line.allocation_id]
    return found


def _risk_level(risk: int | None) -> str:
    return "success" if not risk or risk < 30 else "warning" if risk < 70 else "danger"


NEXT = {  # what waits in a queue -> what a person can do; the first that applies is shown
    Allocation.Queue.UNFILLABLE:
        "Some units found no stock point. They are tried again when stock comes; or cancel them.",
    Allocation.Queue.PICKUP_REFUSED:
        "The pick-up store refused. Ask the customer, then cancel or route now.",
    Allocation.Queue.BACKORDER:
        "Some units wait for supply. They are sent on by themselves when it arrives.",
    Allocation.Queue.ROUTING:
        "A worker routes it within seconds, or the next run where a rule lets it wait.",
}  # fmt: skip


def next_step(slices: Sequence[Allocation], holds: Sequence[Hold]) -> str:
    """What a person can do now, in one sentence; empty when nothing waits for a person."""
    if any(hold.state == Hold.State.OPEN for hold in holds):
        return "On hold: nothing it blocks goes on until somebody resolves it."
    if any(piece.cancel_quantity for piece in slices):
        return "A warehouse was asked to let go of some units and has not answered yet."
    queues = {piece.queue for piece in slices}
    return next((words for queue, words in NEXT.items() if queue in queues), "")


def can(order: Order) -> set[str]:
    """Which of the page's actions would do something; `order` as queries.with_states() reads it."""
    states = set(order.slice_states)  # type: ignore[attr-defined]
    possible = {"order_versions"}
    if order.state == Order.State.OPEN:
        possible |= {"edit_order", "hold_order", "check_again"}
        if addresses.waits(order):
            possible.add("fix_address")
    if S.QUEUED in states:
        possible.add("route_again")
    if states & set(lifecycle.CANCELABLE):
        possible |= {"cancel_order", "cancel_items"}
    if any(payment.refundable for payment in order.payments.all()):
        possible.add("refund_order")
    return possible


def _slice_level(piece: Allocation) -> str:
    if piece.queue in {Allocation.Queue.UNFILLABLE, Allocation.Queue.PICKUP_REFUSED}:
        return "danger"
    return LEVELS.get(S(piece.state), "info")


def _return_url(
    order: Order, slices: Sequence[Allocation], user: AbstractBaseUser | AnonymousUser
) -> str:
    left = any(piece.state in lifecycle.LEFT for piece in slices)
    if not left or not user.has_perm("returns.change_return"):  # type: ignore[union-attr]
        return ""
    return f"{reverse('admin:returns_return_new_return')}?{urlencode({'order': order.number})}"
