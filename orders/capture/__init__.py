"""An order from any channel becomes ours, once per (channel, external id).

One transaction: the order's rows, its claims on stock, its slices, what blocks it, its first event
and the work that follows from it. The number of statements depends neither on the number of lines
nor, for many orders, on theirs.
"""

from orders.capture.amounts import check, line_totals
from orders.capture.errors import AlreadyPlaced, InsufficientStock, Refused
from orders.capture.incoming import where
from orders.capture.placing import Answer, Part, Placed, place, place_many
from orders.capture.rows import payload_hash
from orders.problems import Problem

__all__ = [
    "AlreadyPlaced",
    "Answer",
    "InsufficientStock",
    "Part",
    "Placed",
    "Problem",
    "Refused",
    "check",
    "line_totals",
    "payload_hash",
    "place",
    "place_many",
    "where",
]
