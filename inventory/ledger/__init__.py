"""The only writer of stock.

Every change is one statement: the stock rows are locked in (product, location) order, changed
under their condition, and each entry is written to the append-only ledger with what it left behind.
"""

from inventory.ledger.claims import (
    ClaimGone,
    move,
    release,
    reserve,
    split,
    split_many,
    take,
)
from inventory.ledger.entries import Claim, Entry, NotEnough, Reserved, lock_rows, post
from inventory.ledger.feed import (
    Told,
    Verdict,
    see_changes,
    see_levels,
    take_changes,
    take_levels,
)
from inventory.ledger.levels import (
    Level,
    SafetyLevel,
    set_counted,
    set_levels,
    set_off_shelf,
    set_safety,
)
from inventory.ledger.supply import (
    HELD,
    SupplyClaim,
    change_supply,
    claim_supply,
    hold,
    land,
    lock_product,
    unclaim,
)

__all__ = [
    "HELD",
    "Claim",
    "ClaimGone",
    "Entry",
    "Level",
    "NotEnough",
    "Reserved",
    "SafetyLevel",
    "SupplyClaim",
    "Told",
    "Verdict",
    "change_supply",
    "claim_supply",
    "hold",
    "land",
    "lock_product",
    "lock_rows",
    "move",
    "post",
    "release",
    "reserve",
    "see_changes",
    "see_levels",
    "set_counted",
    "set_levels",
    "set_off_shelf",
    "set_safety",
    "split",
    "split_many",
    "take",
    "take_changes",
    "take_levels",
    "unclaim",
]
