"""One thing wrong with an order, as everybody who looks at orders says it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """Where (a JSON pointer), what kind, and in words."""

    pointer: str
    code: str
    detail: str
