"""Money of orders as a ledger: what was authorized, captured, given back and taken back.

What an order costs follows from its units (due.py). Payments bring it: captured as parcels leave
(capturing.py), given back (refunds.py), told of by channels (told.py), asked for at gateways
(gateways.py, asking.py). Nothing here talks to the outside with a lock held.
"""

from orders.payments.asking import handle
from orders.payments.capturing import capture_again, capture_shipped
from orders.payments.changes import after_change
from orders.payments.due import amount_due, balance, gross_captured, shipping
from orders.payments.refunds import (
    CannotRefund,
    OverRefund,
    RefundOnHold,
    again,
    handle_settle,
    refund,
    settle,
)

__all__ = [
    "CannotRefund",
    "OverRefund",
    "RefundOnHold",
    "after_change",
    "again",
    "amount_due",
    "balance",
    "capture_again",
    "capture_shipped",
    "gross_captured",
    "handle",
    "handle_settle",
    "refund",
    "settle",
    "shipping",
]
