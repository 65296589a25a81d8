"""What each message says, read from the order as it is now, in a bounded number of statements.

A message that a newer state of the order has made pointless raises NotSent (case 179). Parcels and
returns belong to rooms above; they are reached through the order's own relations.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import F, Sum, TextChoices
from django.utils import timezone

from inventory.models import Location
from orders import cancellation, payments
from orders.destinations import Destination
from orders.editing import sheet as editing
from orders.lifecycle import LEFT
from orders.models import Allocation, Order, OrderContact, Refund
from orders.money import in_words
from orders.notifications import words

Facts = dict[str, Any]
Payload = Mapping[str, Any]
S = Allocation.State
GONE = (*LEFT, S.CANCELED)
BACKORDER = Allocation.Queue.BACKORDER


class Reason(TextChoices):
    """Why a message is not sent."""

    NO_ADDRESS = "no_address", "no usable e-mail address"
    TEST_ORDER = "test_order", "test order"
    OUTDATED = "outdated", "outdated"
    REFUSED = "refused", "refused by the mail server"


class NotSent(Exception):
    """The message must not be sent: `reason` is a code of Reason, `detail` says it in words."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason.label}: {detail}" if detail else str(reason.label))


def confirmation(order: Order, _payload: Payload) -> Facts:
    """Everything that was bought, what it costs, when it comes."""
    slices = list(order.allocations.values_list("state", "reservation_id", "queue"))
    if {state for state, _, _ in slices} <= {*GONE, S.READY}:
        raise NotSent(Reason.OUTDATED, "every unit has left, is ready or was canceled")
    lines = list(order.lines.order_by("position"))
    shipping = order.shipping_total + (0 if order.tax_included else order.shipping_tax)
    return {
        "items": [
            _item(line.quantity, line.name, in_words(line.total, order.currency)) for line in lines
        ],
        "shipping": in_words(shipping, order.currency) if shipping else "",
        "tax": in_words(order.tax_total, order.currency) if order.tax_total else "",
        "total": in_words(order.total, order.currency),
        "promise": _promise(order),
        "waiting": any(state == S.QUEUED and claim is None for state, claim, _ in slices),
        "later": _later(order) if any(queue == BACKORDER for _, _, queue in slices) else [],
        "elsewhere": _elsewhere(order),
    }


def _elsewhere(order: Order) -> list[Facts]:
    """What goes to other destinations than the order's own."""
    groups = order.delivery_groups.select_related("pickup_location").prefetch_related("lines")
    return [
        {
            "items": [_item(line.quantity, line.name) for line in group.lines.all()],
            "address": _address(Destination(order, group)),
        }
        for group in groups.order_by("id")
    ]


def _address(to: Destination) -> list[str]:
    """The lines of where something goes: an address, or the store where it is collected."""
    if to.place is not None:
        return [words.one_line(to.place.name), *words.address(to.place)]
    return words.address(to.contact, name=to.contact.name) if to.contact else []


def _later(order: Order) -> list[Facts]:
    """Units that wait for supply, when some others do not: these come before the last day."""
    rest = order.allocations.exclude(queue=BACKORDER).exclude(state=S.CANCELED)
    return _units(order, [S.QUEUED], queue=BACKORDER) if rest.exists() else []


def changed(order: Order, payload: Payload) -> Facts:
    """The order as it is now, and what the change does to price and day."""
    if order.version != payload["version"]:
        raise NotSent(Reason.OUTDATED, "it was changed again since")
    told = order.changes.get(pk=payload["change"]).preview
    sheet = editing.read(order)
    items = [item for item in sheet.items.values() if item.units]
    later = (told["promised_after"] or "") > (told["promised_before"] or "")
    difference, now = Decimal(told["difference"]), told["after"]
    return {
        "items": [
            _item(item.units, item.head.name,
                  in_words(sheet.amounts(item).total, order.currency))
            for item in items
        ],
        "shipping": in_words(Decimal(now["shipping"]), order.currency),
        "total": in_words(Decimal(now["total"]), order.currency),
        "more": in_words(difference, order.currency) if difference > 0 else "",
        "less": in_words(-difference, order.currency) if difference < 0 else "",
        "promise": _promise(order),
        "later": later,
    }  # fmt: skip


def shipped(order: Order, payload: Payload) -> Facts:
    """One parcel on its way: what is in it, its tracking number, which of how many it is."""
    facts, parcel = _parcel(order, payload["parcel"])
    if parcel.delivered_at is not None:
        raise NotSent(Reason.OUTDATED, "the parcel has been delivered")
    to = Destination(order, parcel.fulfillment_order.group)
    return facts | {
        "promise": _promise(order),
        "address": _address(to),
        "store": words.one_line(to.place.name) if to.place else "",
    }


def delivered(order: Order, payload: Payload) -> Facts:
    """One parcel has arrived."""
    return _parcel(order, payload["parcel"])[0]


def _parcel(order: Order, parcel_id: int) -> tuple[Facts, Any]:
    rows = order.parcels.select_related("destination", "fulfillment_order__group__pickup_location")
    parcels = {parcel.pk: parcel for parcel in rows.order_by("pk")}
    parcel = parcels[parcel_id]
    waiting = order.allocations.exclude(state__in=GONE)
    # Units still at one place leave together; those without a place count as one parcel more.
    to_come = len(set(waiting.values_list("location_id", flat=True)))
    units = parcel.lines.values(
        name=F("allocation__line__name"), position=F("allocation__line__position")
    ).annotate(units=Sum("quantity"))
    facts = {
        "items": [_item(row["units"], row["name"]) for row in units.order_by("position")],
        "carrier": words.one_line(parcel.carrier),
        "tracking_number": words.one_line(parcel.tracking_number),
        "part": list(parcels).index(parcel_id) + 1,
        "parts": len(parcels) + to_come,
        "more_to_come": to_come > 0,
    }
    return facts, parcel


def pickup_ready(order: Order, payload: Payload) -> Facts:
    """What can be collected, where, and when that place is open."""
    work = order.fulfillment_orders.select_related("location").get(pk=payload["fulfillment_order"])
    ready = _units(order, [S.READY], location=work.location)
    if not ready:
        raise NotSent(Reason.OUTDATED, "nothing waits for the customer any more")
    return _at_counter(work.location, ready)


def store_ready(order: Order, payload: Payload) -> Facts:
    """The same of a parcel that was sent to the store."""
    facts, parcel = _parcel(order, payload["parcel"])
    if parcel.delivered_at is not None:
        raise NotSent(Reason.OUTDATED, "the parcel has been collected")
    return _at_counter(parcel.destination, facts["items"])


def _at_counter(place: Location, items: list[Facts]) -> Facts:
    return {
        "items": items,
        "place": words.one_line(place.name),
        "place_address": words.address(place),
        "opening_hours": words.opening_hours(place.opening_hours),
    }


OPEN = [state for state in S.values if state not in {S.DELIVERED, S.COLLECTED, S.CANCELED}]


def promise_changed(order: Order, payload: Payload) -> Facts:
    """The new day, and what of the order waits for it."""
    if "change" in payload:
        raise NotSent(Reason.OUTDATED, "the message about the change says it")
    by_hand = payload.get("moved", False)  # whatever it waits for
    waiting = _units(order, OPEN) if by_hand else _units(order, [S.QUEUED], queue=BACKORDER)
    now = order.promised_at and order.promised_at.isoformat()
    said = datetime.fromisoformat(payload["promised_at"])
    if not waiting or order.promised_at != said or not _promise(order):
        raise NotSent(Reason.OUTDATED, f"it is promised for {now or 'no day'} now")
    before = payload["before"] and datetime.fromisoformat(payload["before"])
    return {
        "items": waiting,
        "promise": _promise(order),
        "first": not before,
        "later": bool(before) and said > before,
        "supply": not by_hand,
        "whole": by_hand or not _units(order, set(S.values) - {S.QUEUED, S.CANCELED}),
    }


def canceled(order: Order, payload: Payload) -> Facts:
    """What does not come any more and why, what stays, and whether money goes back."""
    kept = _units(order, [state for state in S.values if state != S.CANCELED])
    return {
        "items": _units(order, [S.CANCELED], pk__in=payload["slices"]),
        "kept": kept,
        "part": "Part of your" if kept else "Your",
        "why": cancellation.TOLD.get(payload["reason"], ""),
        "money_back": order.payments.filter(refunded__gt=0).exists(),
    }


def return_approved(order: Order, payload: Payload) -> Facts:
    """What may be sent back."""
    rma = order.returns.get(pk=payload["return"])
    if rma.state != "approved":
        raise NotSent(Reason.OUTDATED, f"the return is {rma.get_state_display()}")
    return {"return_number": rma.number, "items": _return_items(rma)}


def return_declined(order: Order, payload: Payload) -> Facts:
    """What may not be sent back, and why."""
    rma = order.returns.get(pk=payload["return"])
    if rma.state != "declined":
        raise NotSent(Reason.OUTDATED, f"the return is {rma.get_state_display()}")
    return {
        "return_number": rma.number,
        "items": _return_items(rma),
        "why": words.one_line(rma.decline_reason),
    }


def refund(order: Order, payload: Payload) -> Facts:
    """How much money goes back, and the way it takes."""
    refunds = Refund.objects.filter(pk__in=payload["refunds"], payment__order=order)
    good = [r for r in refunds.select_related("payment") if r.state != Refund.State.ERRORED]
    if not good:
        raise NotSent(Reason.OUTDATED, "the refund failed")
    return {
        "amount": in_words(sum((r.amount for r in good), Decimal(0)), order.currency),
        "parts_of": [
            (words.one_line(r.payment.method), in_words(r.amount, r.currency)) for r in good
        ],
    }


def payment_problem(order: Order, payload: Payload) -> Facts:
    """A payment brought no money, and what has not left waits for it."""
    payment = order.payments.get(pk=payload["payment"])
    return _to_pay(order) | {"method": words.one_line(payment.method)}


def payment_due(order: Order, payload: Payload) -> Facts:
    """What a change of the order made it dearer is to be paid."""
    facts = _to_pay(order)
    if facts["owed"] != in_words(Decimal(payload["amount"]), order.currency):
        raise NotSent(Reason.OUTDATED, f"it is {facts['owed']} now")
    return facts


def _to_pay(order: Order) -> Facts:
    owed = payments.balance(order)
    if owed <= 0:
        raise NotSent(Reason.OUTDATED, "it has been paid")
    if not order.allocations.exclude(state__in=GONE).exists():
        raise NotSent(Reason.OUTDATED, "every unit has left or was canceled")
    return {"owed": in_words(owed, order.currency)}


def common(order: Order, contact: OrderContact | None, *, company: str, link: str) -> Facts:
    """What every message may say: order, greeting, address, and the customer's link."""
    return {
        "company": words.one_line(company),
        "number": order.number,
        "reference": words.one_line(order.external_id),
        "name": words.salutation(contact.name) if contact else "",
        "address": words.address(contact, name=contact.name) if contact else [],
        "pickup_place": words.one_line(order.pickup_location.name) if order.pickup_location else "",
        "link": link,
    }


def _promise(order: Order) -> str:
    """The promised day in the customer's words; nothing when there is none or it has passed."""
    now = timezone.now()
    if order.promised_at is None or order.promised_at < now:
        return ""
    zone = words.zone_of(order, getattr(order, "contact", None))
    return words.day(order.promised_at, zone=zone, now=now)


def _units(order: Order, states: Iterable[str], **conditions: Any) -> list[Facts]:
    units = (
        order.allocations.filter(state__in=states, **conditions)
        .values(name=F("line__name"), position=F("line__position"))
        .annotate(units=Sum("quantity"))
    )
    return [_item(row["units"], row["name"]) for row in units.order_by("position")]


def _return_items(rma: Any) -> list[Facts]:
    lines = rma.lines.select_related("order_line").order_by("order_line__position")
    return [_item(line.expected, line.order_line.name) for line in lines]


def _item(quantity: int, name: str, total: str = "") -> Facts:
    return {"quantity": quantity, "name": words.one_line(name), "total": total}
