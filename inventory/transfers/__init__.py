"""Transfers between stock points: asked for, claimed, sent, received, closed.

Every figure of a line counts all units so far, so a call that comes twice books once. Units on
the road belong to nobody's stock: they left on hand at the source and are seen by in_transit().
"""

from inventory.transfers.asking import confirm, create
from inventory.transfers.ending import cancel, close, give_way
from inventory.transfers.moving import receive, ship
from inventory.transfers.reading import (
    DIFFERENCES,
    differences,
    held,
    in_transit,
    to_receive,
    to_ship,
)
from inventory.transfers.table import (
    CAUSE,
    MOST_LINES,
    MOST_UNITS,
    MOVES,
    OWNER,
    REFERENCE,
    Arrived,
    BadEnds,
    BadLines,
    BadReference,
    CountedMore,
    NotFree,
    NothingSent,
    NotOurs,
    ReferenceTaken,
    Refused,
    TooMany,
    UnknownLine,
    locked,
)

__all__ = [
    "CAUSE",
    "DIFFERENCES",
    "MOST_LINES",
    "MOST_UNITS",
    "MOVES",
    "OWNER",
    "REFERENCE",
    "Arrived",
    "BadEnds",
    "BadLines",
    "BadReference",
    "CountedMore",
    "NotFree",
    "NotOurs",
    "NothingSent",
    "ReferenceTaken",
    "Refused",
    "TooMany",
    "UnknownLine",
    "cancel",
    "close",
    "confirm",
    "create",
    "differences",
    "give_way",
    "held",
    "in_transit",
    "locked",
    "receive",
    "ship",
    "to_receive",
    "to_ship",
]
