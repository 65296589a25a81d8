"""What checks say of an order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orders.problems import Problem

PLACES = {
    "line_items": "line", "deliveries": "delivery", "line1": "street", "email": "e-mail",
}  # fmt: skip
PLAIN = ("shipping_address", "address", "customer")  # not said before a part of theirs


@dataclass(frozen=True)
class Finding:
    """One thing a check noticed: where (a JSON pointer into the payload), what kind, in words.

    `words` follow the place ("/shipping_address/city: is needed to ship") and never repeat
    personal data: findings outlive the person's data. `score` counts in the fraud check only.
    """

    check: str
    pointer: str
    code: str
    words: str
    score: int = 0

    @property
    def sentence(self) -> str:
        """With its place in words: "line 2, unit price: is zero"."""
        steps = self.pointer.strip("/").split("/")
        named = [
            str(int(step) + 1) if step.isdigit() else PLACES.get(step, step.replace("_", " "))
            for step in [*(step for step in steps[:-1] if step not in PLAIN), steps[-1]]
        ]
        place = ", ".join(named).replace("line, ", "line ").replace("delivery, ", "delivery ")
        return f"{place}: {self.words}"


@dataclass(frozen=True)
class Wanted:
    """A hold that the findings ask for."""

    type: str
    handle: str
    reason: str
    blocks: Sequence[str]
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What follows for one order; `risk` is 0 to 100, None when fraud is not checked."""

    findings: tuple[Finding, ...] = ()
    holds: tuple[Wanted, ...] = ()
    refused: tuple[Problem, ...] = ()
    risk: int | None = None
