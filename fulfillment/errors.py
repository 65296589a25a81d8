"""Domain exceptions of work in words for people, and as problem answers for machines."""

from collections.abc import Iterator
from contextlib import contextmanager

from config.api import Conflict, Problems
from config.status import IllegalMove, MovedMeanwhile
from fulfillment import work
from fulfillment.models import FulfillmentOrder
from inventory.ledger import ClaimGone, NotEnough
from routing.giving import CannotGive
from routing.offers import Gone

F = FulfillmentOrder.State

CODES: dict[type[Exception], str] = {
    work.TakenAway: "taken_away",
    work.NotInOrder: "not_in_order",
    work.TooMany: "too_many",
    work.NotAsked: "not_asked",
    work.OnHold: "on_hold",
    work.TrackingTaken: "tracking_taken",
    work.OtherTracking: "already_shipped",
    work.WrongWayOut: "wrong_way_out",
    work.NotForStore: "not_for_store",
    work.NotArrived: "not_arrived",
    IllegalMove: "illegal_move",
    MovedMeanwhile: "moved_meanwhile",
    NotEnough: "not_enough_stock",
    ClaimGone: "moved_meanwhile",
    Gone: "gone",
    CannotGive: "cannot_give",
}
CONFLICTS = tuple(CODES)
EXPECTED: tuple[type[Exception], ...] = (*CONFLICTS, work.NeedsTracking, work.UnknownLine)

NEXT_STEP = {
    F.NEW: "Accept this order first.",
    F.ACCEPTED: "Pick every item first.",
    F.PICKED: "Pack it first.",
    F.PACKED: "It is packed already.",
    F.READY: "It waits at the counter already.",
    F.DONE: "It has left already.",
}


def in_words(error: Exception) -> str:
    """One sentence that tells the person at the counter what is the matter and what to do."""
    if isinstance(error, IllegalMove) and error.current in NEXT_STEP:
        return NEXT_STEP[F(error.current)]
    if isinstance(error, NotEnough):
        return (
            "The books say this stock point does not have these units. Count the shelf and tell "
            "your manager: the stock must be corrected before this can leave."
        )
    if isinstance(error, MovedMeanwhile | ClaimGone):
        return "Somebody else changed this order a moment ago. Look again, then repeat."
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}." if words else "That did not work."


@contextmanager
def as_problems() -> Iterator[None]:
    """Domain exceptions become problem answers: 409 for a conflict, 400 naming a bad field."""
    try:
        yield
    except work.NeedsTracking as error:
        rows = [(f"/{name.replace(' ', '_')}", "required", "is missing") for name in error.missing]
        raise Problems("invalid", rows, status_code=400) from error
    except work.UnknownLine as error:
        raise Problems(
            "invalid", [("/lines", "unknown_line", str(error))], status_code=400
        ) from error
    except work.InFuture as error:
        raise Problems("invalid", [("/at", "in_future", str(error))], status_code=400) from error
    except CONFLICTS as error:
        raise Conflict(str(error), CODES[type(error)]) from error
