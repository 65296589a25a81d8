"""A return from the customer's wish to the money: every door calls one of these functions.

Each locks the order first, changes one thing in one transaction and records one event. Called
again with the same content each answers what is there already; none has its effect twice.
"""

from returns.process.asking import (
    NothingAsked,
    ReasonMissing,
    TooMany,
    TooManyReturns,
    UnknownReason,
    WindowOver,
    approve,
    cancel,
    decline,
    request,
)
from returns.process.goods import (
    CountedMore,
    NoReturnsHere,
    NothingArrived,
    OverGraded,
    OverReceived,
    UnknownGrade,
    inspect,
    receive,
)
from returns.process.money import (
    AlreadyRefunded,
    BadAmount,
    GoodsNotHere,
    OverShare,
    OverShipping,
    Proposal,
    proposal,
    refund,
)
from returns.process.table import MOVES, BadQuantity, Refused, UnknownLine

__all__ = [
    "MOVES",
    "AlreadyRefunded",
    "BadAmount",
    "BadQuantity",
    "CountedMore",
    "GoodsNotHere",
    "NoReturnsHere",
    "NothingArrived",
    "NothingAsked",
    "OverGraded",
    "OverReceived",
    "OverShare",
    "OverShipping",
    "Proposal",
    "ReasonMissing",
    "Refused",
    "TooMany",
    "TooManyReturns",
    "UnknownGrade",
    "UnknownLine",
    "UnknownReason",
    "WindowOver",
    "approve",
    "cancel",
    "decline",
    "inspect",
    "proposal",
    "receive",
    "refund",
    "request",
]
