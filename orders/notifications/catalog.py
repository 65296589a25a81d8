"""The table of messages: which event kind sends which, and what each is about.

A message is sent once per (template, what it is about), however often its event happens.
"""

from collections.abc import Callable
from dataclasses import dataclass

from config.models import OutboxRow
from orders.models import Order
from orders.notifications import facts

Read = Callable[[Order, facts.Payload], facts.Facts]


@dataclass(frozen=True)
class Message:
    """One kind of message.

    template: name of its files in templates/mail. title: what staff call it. subject: format
    string over its facts. about: id of the order, parcel, fulfillment order, return or first
    refund that it tells of, or the order with the day it is promised for now, or with its first
    canceled slice. read: its facts.
    """

    template: str
    title: str
    subject: str
    about: Callable[[OutboxRow], int | str]
    read: Read

    def key(self, row: OutboxRow) -> str:
        """The dedupe key: one key, one message, ever."""
        return f"{self.template}:{self.about(row)}"


def _order(row: OutboxRow) -> int:
    return row.subject


def _units(row: OutboxRow) -> str:
    # Not the order: units of it may be canceled one after the other.
    return f"{row.subject}:{min(row.payload['slices'])}"


def _version(row: OutboxRow) -> str:
    return f"{row.subject}:{row.payload['version']}"


def _day(row: OutboxRow) -> str:
    return f"{row.subject}:{row.payload['day']}"


def _parcel(row: OutboxRow) -> int:
    return row.payload["parcel"]


def _arrived(row: OutboxRow) -> str:
    return f"parcel:{row.payload['parcel']}"


def _pickup(row: OutboxRow) -> int:
    # Not the order: what could not be ready with the rest gets a message of its own.
    return row.payload["fulfillment_order"]


def _return(row: OutboxRow) -> int:
    return row.payload["return"]


def _refund(row: OutboxRow) -> int:
    return min(row.payload["refunds"])


def _payment(row: OutboxRow) -> int:
    return row.payload["payment"]


def _owed(row: OutboxRow) -> str:
    return f"{row.subject}:{row.payload['amount']}"


MESSAGES: dict[str, Message] = {
    "order.received": Message(
        "confirmation", "order confirmation",
        "Your {company} order {number} is confirmed", _order, facts.confirmation,
    ),
    "order.changed": Message(
        "changed", "order changed",
        "Your {company} order {number} was changed", _version, facts.changed,
    ),
    "parcel.shipped": Message(
        "shipped", "parcel shipped",
        "Your {company} order {number} is on its way", _parcel, facts.shipped,
    ),
    "parcel.delivered": Message(
        "delivered", "parcel delivered",
        "Your {company} order {number} was delivered", _parcel, facts.delivered,
    ),
    "pickup.ready": Message(
        "pickup_ready", "ready for pick-up",
        "Your {company} order {number} is ready at {place}", _pickup, facts.pickup_ready,
    ),
    "parcel.arrived": Message(
        "pickup_ready", "ready for pick-up",
        "Your {company} order {number} is ready at {place}", _arrived, facts.store_ready,
    ),
    "promise.changed": Message(
        "promise_changed", "new date",
        "A new date for your {company} order {number}", _day, facts.promise_changed,
    ),
    "order.canceled": Message(
        "canceled", "cancellation",
        "{part} {company} order {number} was canceled", _units, facts.canceled,
    ),
    "return.approved": Message(
        "return_approved", "return approved",
        "Your return {return_number} to {company} is approved", _return, facts.return_approved,
    ),
    "return.declined": Message(
        "return_declined", "return declined",
        "Your return {return_number} to {company}", _return, facts.return_declined,
    ),
    "refund.done": Message(
        "refund", "refund",
        "{amount} from {company} is on its way back to you", _refund, facts.refund,
    ),
    "payment.failed": Message(
        "payment_problem", "payment problem",
        "Your {company} order {number} could not be paid", _payment, facts.payment_problem,
    ),
    "payment.expired": Message(
        "payment_problem", "payment problem",
        "Your {company} order {number} could not be paid", _payment, facts.payment_problem,
    ),
    "payment.due": Message(
        "payment_due", "payment due",
        "{owed} to pay for your {company} order {number}", _owed, facts.payment_due,
    ),
}  # fmt: skip
