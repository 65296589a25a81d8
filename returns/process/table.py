"""Which state of a return may follow which, and what its functions share."""

from collections.abc import Collection
from typing import Any

from config.status import IllegalMove
from orders import events, lifecycle
from returns.models import Return

S = Return.State
# Money may go back before the goods are here, when staff say why. Goods of a refunded return may
# still arrive and be inspected: that does not undo the refund.
MOVES: dict[str, frozenset[str]] = {
    S.REQUESTED: frozenset({S.APPROVED, S.DECLINED, S.CANCELED}),
    S.APPROVED: frozenset({S.RECEIVED, S.REFUNDED, S.CANCELED}),
    S.RECEIVED: frozenset({S.RECEIVED, S.INSPECTED, S.REFUNDED}),
    S.INSPECTED: frozenset({S.RECEIVED, S.REFUNDED}),
    S.REFUNDED: frozenset({S.REFUNDED}),
    S.DECLINED: frozenset(),
    S.CANCELED: frozenset(),
}


class Refused(Exception):
    """A return cannot go on like this; nothing was changed.

    `code` names the kind for machines; `field` is what was asked wrongly, if one thing was, and
    `line_id` the line it was asked of: an order line's id in request(), a return line's elsewhere.
    """

    code = "refused"
    field = ""
    line_id: int | None = None


class UnknownLine(Refused):
    """Lines that this order or return does not have."""

    code = "unknown_line"

    def __init__(self, lines: Collection[int]) -> None:
        self.lines = sorted(lines)
        super().__init__(f"there is no such line here: {', '.join(map(str, self.lines))}")


class BadQuantity(Refused):
    """A quantity nobody can send back."""

    code = "bad_quantity"
    field = "quantity"

    def __init__(self, line_id: int, quantity: int) -> None:
        self.line_id, self.quantity = line_id, quantity
        super().__init__(f"{quantity} is not a number of units")


def locked(return_id: int) -> Return:
    """A return as it is under the lock of its order; `.order` is the locked row.

    Raises Return.DoesNotExist.
    """
    order_id = Return.objects.values_list("order_id", flat=True).get(pk=return_id)
    order = lifecycle.lock(order_id)
    rma = Return.objects.select_related("location").get(pk=return_id)
    rma.order = order
    return rma


def check_may(rma: Return, to: str) -> None:
    """Raises IllegalMove, naming the moves that are legal."""
    legal = MOVES[rma.state]
    if to not in legal:
        raise IllegalMove(rma.number, rma.state, to, legal)


def record(rma: Return, kind: str, *, actor: str, **data: Any) -> None:
    """Write the one event of a change to the order's timeline; `data` is ids and figures."""
    data = {"return": rma.pk, "number": rma.number, **data}
    events.record(rma.order_id, f"return.{kind}", actor=actor, **data)
