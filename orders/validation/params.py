"""Parameters of checks: their names in SalesChannel.checks, defaults, bounds and words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Number:
    """A whole number within bounds."""

    name: str
    label: str
    default: int
    help: str = ""
    least: int = 0
    most: int = 100


@dataclass(frozen=True)
class Flag:
    """Yes or no."""

    name: str
    label: str
    default: bool
    help: str = ""


@dataclass(frozen=True)
class Choice:
    """One of a few, (code, words)."""

    name: str
    label: str
    default: str
    choices: tuple[tuple[str, str], ...]
    help: str = ""


@dataclass(frozen=True)
class Word:
    """One line of text, maybe empty."""

    name: str
    label: str
    default: str
    help: str = ""


@dataclass(frozen=True)
class Countries:
    """ISO 3166-1 alpha-2 codes."""

    name: str
    label: str
    default: tuple[str, ...] = ()
    help: str = ""


Param = Number | Flag | Choice | Word | Countries
