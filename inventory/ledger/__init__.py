"""The only writer of stock.

Every change is one statement: the stock rows are locked in (product, location) order, changed
under their condition, and each entry is written to the append-only ledger with what it left behind.
"""

from inventory.ledger.claims import (
    Claim,
    ClaimGone,
    Reserved,
    move,
    release,
    reserve,
    split,
    take,
)
from inventory.ledger.entries import Entry, NotEnough, post
from inventory.ledger.levels import Level, SafetyLevel, set_levels, set_safety

__all__ = [
    "Claim",
    "ClaimGone",
    "Entry",
    "Level",
    "NotEnough",
    "Reserved",
    "SafetyLevel",
    "move",
    "post",
    "release",
    "reserve",
    "set_levels",
    "set_safety",
    "split",
    "take",
]
