"""Why an order is not taken."""

from collections.abc import Sequence

from orders.problems import Problem


class Refused(Exception):
    """The order cannot be taken as it is; nothing was written. `problems` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{p.pointer}: {p.detail}" for p in problems))


class InsufficientStock(Refused):
    """The order is fine, the stock is not there, and the channel does not queue."""


class AlreadyPlaced(Exception):
    """The channel sent this external id before; `same` tells whether with the same content."""

    def __init__(self, order_id: int, external_id: str, *, same: bool) -> None:
        self.order_id, self.external_id, self.same = order_id, external_id, same
        super().__init__(f"order {external_id} was placed before")
