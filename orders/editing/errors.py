"""Why an order is not changed."""

from collections.abc import Sequence

from orders.problems import Problem


class EditRefused(Exception):
    """The change cannot be made; nothing was written. `problems` point into the actions."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(problem.detail for problem in self.problems))


class NotNow(EditRefused):
    """The change makes sense, but where the order's units are now does not allow it."""


class TooFew(EditRefused):
    """The stock is not there, and the channel does not queue."""


class Stale(Exception):
    """The change was made for an older version; `changes` says in words what happened since."""

    def __init__(self, *, based_on: int, current: int, changes: Sequence[str]) -> None:
        self.based_on, self.current, self.changes = based_on, current, list(changes)
        since = "; ".join(self.changes) or "it was changed and changed back"
        super().__init__(
            f"The change was made for version {based_on}; the order is at version {current}"
            f" now: {since}."
        )


class CannotDiff(Exception):
    """No list of actions leads from the order to the payload; says why."""


class NotOpen(Exception):
    """The stored change was applied or discarded before."""
