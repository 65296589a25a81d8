"""Where a count may go next, its lock, and what can stand in its way."""

from collections.abc import Sequence

from config.status import IllegalMove
from inventory.models import Count, CountSection

S = Count.State
MOVES: dict[str, frozenset[str]] = {
    S.CREATED: frozenset({S.COUNTING, S.CANCELED}),
    S.COUNTING: frozenset({S.REVIEW, S.CANCELED}),
    S.REVIEW: frozenset({S.COUNTING, S.POSTED, S.CANCELED}),
    S.POSTED: frozenset(),
    S.CANCELED: frozenset(),
}


class FullCountOpen(Exception):
    """Everything is being counted there already."""

    def __init__(self, count: Count) -> None:
        self.count = count
        super().__init__(f"everything at {count.location} is being counted already ({count})")


class InOtherHands(Exception):
    """Somebody else counts this section; who wants it has to take it over."""

    def __init__(self, section: CountSection) -> None:
        self.section, self.counter, self.since = section, section.counter, section.taken_at
        super().__init__(f"{section.name} is with {section.counter}: take it over to go on")


class SectionClosed(Exception):
    """The section was handed in; it has to be taken again before anything is changed in it."""

    def __init__(self, section: CountSection) -> None:
        self.section = section
        super().__init__(f"{section.name} was handed in; take it again to change it")


class SectionsOpen(Exception):
    """Sections of the count were not handed in yet."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        super().__init__(f"not handed in yet: {', '.join(self.names)}")


class NothingCounted(Exception):
    """Not one product of the count was counted."""

    def __init__(self, count: Count) -> None:
        super().__init__(f"nothing was counted yet in {count}")


class Uncounted(Exception):
    """Products of a full count were found nowhere; somebody has to say that they are at 0."""

    def __init__(self, lines: int) -> None:
        self.lines = lines
        super().__init__(f"{lines} products of the books were not found anywhere: count them, or"
                         " say that none is there")  # fmt: skip


class Impossible(Exception):
    """More has left since the count than it found: it cannot be right."""

    def __init__(self, skus: Sequence[str]) -> None:
        self.skus = list(skus)
        super().__init__(f"more has left since than was counted of {', '.join(self.skus[:20])}:"
                         " count again, or leave the books as they are")  # fmt: skip


def lock(count_id: int) -> Count:
    """Lock a count in a transaction; everything that changes it begins with this.

    Raises Count.DoesNotExist.
    """
    return Count.objects.select_for_update(no_key=True, of=("self",)).get(pk=count_id)


def check_in(count: Count, states: Sequence[str], to: str) -> None:
    """Raise IllegalMove unless the count is in one of the states from which `to` is done."""
    if count.state not in states:
        raise IllegalMove(str(count), count.state, to, MOVES[count.state])
