"""The one way to change a status: a table of allowed moves and a conditional update."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models

Moves = Mapping[str, frozenset[str]]


class IllegalMove(Exception):
    """The move is not in the table; `legal` names the moves that are."""

    def __init__(self, thing: str, current: str, to: str, legal: Iterable[str]) -> None:
        self.thing, self.current, self.to = thing, current, to
        self.legal = sorted(legal)
        allowed = ", ".join(self.legal) or "nothing, it is final"
        super().__init__(f"{thing} is {current}: it cannot become {to}; allowed is {allowed}")


class MovedMeanwhile(Exception):
    """Somebody else changed the thing between reading and writing; read it again."""


def move(thing: models.Model, to: str, *, allowed: Moves, **changes: Any) -> None:
    """Move `thing.state` to `to` and apply `changes`, if the table allows it and nobody was first.

    Raises IllegalMove or MovedMeanwhile; the database decides with a conditional update.
    """
    current: str = thing.state  # type: ignore[attr-defined]
    legal = allowed.get(current, frozenset())
    if to not in legal:
        raise IllegalMove(str(thing), current, to, legal)
    updated = (
        type(thing)
        ._base_manager.filter(pk=thing.pk, state=current)
        .update(**{"state": to, **changes})
    )
    if updated != 1:
        raise MovedMeanwhile(f"{thing} is no longer {current}")
    for name, value in {"state": to, **changes}.items():
        setattr(thing, name, value)


def sources(to: str, *, allowed: Moves) -> list[str]:
    """The states from which `to` may be reached."""
    return sorted(state for state, targets in allowed.items() if to in targets)
