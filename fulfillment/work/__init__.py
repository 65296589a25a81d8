"""Getting it out of the door: one function per button.

Each locks the order, moves the slices of the fulfillment order, and writes one event, all in one
transaction. Pressing a button twice answers with what is there and has no second effect.
"""

from fulfillment.work.arriving import NotArrived, NotForStore, arrive, hand_out
from fulfillment.work.asking import NotAsked, answer_cancel, handle_ask
from fulfillment.work.leaving import (
    NeedsTracking,
    OnHold,
    OtherTracking,
    TrackingTaken,
    WrongWayOut,
    collect,
    ready,
    ship,
)
from fulfillment.work.others import Other, refuse_too, wanting
from fulfillment.work.picking import (
    NotInOrder,
    TooMany,
    UnknownLine,
    accept,
    pack,
    pick_all,
    refuse,
    scan,
)
from fulfillment.work.requests import handle_sync, put_back_all, ship_by, sync
from fulfillment.work.task import MOVES, REFUSABLE, Outcome, TakenAway
from fulfillment.work.tracking import InFuture, track
from fulfillment.work.unwanted import put_back
from fulfillment.work.waiting import claim, take_back, take_back_due

__all__ = [
    "MOVES",
    "REFUSABLE",
    "InFuture",
    "NeedsTracking",
    "NotArrived",
    "NotAsked",
    "NotForStore",
    "NotInOrder",
    "OnHold",
    "Other",
    "OtherTracking",
    "Outcome",
    "TakenAway",
    "TooMany",
    "TrackingTaken",
    "UnknownLine",
    "WrongWayOut",
    "accept",
    "answer_cancel",
    "arrive",
    "claim",
    "collect",
    "hand_out",
    "handle_ask",
    "handle_sync",
    "pack",
    "pick_all",
    "put_back",
    "put_back_all",
    "ready",
    "refuse",
    "refuse_too",
    "scan",
    "ship",
    "ship_by",
    "sync",
    "take_back",
    "take_back_due",
    "track",
    "wanting",
]
