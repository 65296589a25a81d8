"""Future stock: what is on its way, what is promised from it, what arrives, how reliable it is.

reading.py      what can be promised from supplies, and what a change of one would do
changing.py     lines of purchase orders, shipping notices and limits come in, change and end
receiving.py    units arrive: in parts, too many, refused
reliability.py  how late and how short a sender has been
returning.py    units that customers announced to send back

Who waits for a supply is known to the orders: what a change means for them is written as work
"supply" of the supply and done by orders/backorders.py.
"""

from inventory.supplies.changing import (
    Ended,
    Line,
    Notice,
    cancel,
    change,
    close_complete,
    notices,
    upsert,
)
from inventory.supplies.reading import Coming, coming, supplies, words_of_change
from inventory.supplies.receiving import NO_DELIVERY, NotReceived, Receipt, receive
from inventory.supplies.reliability import measure
from inventory.supplies.returning import end_return, expect_return, follow_return

__all__ = [
    "NO_DELIVERY",
    "Coming",
    "Ended",
    "Line",
    "NotReceived",
    "Notice",
    "Receipt",
    "cancel",
    "change",
    "close_complete",
    "coming",
    "end_return",
    "expect_return",
    "follow_return",
    "measure",
    "notices",
    "receive",
    "supplies",
    "upsert",
    "words_of_change",
]
