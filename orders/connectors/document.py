"""Reading a JSON document whose shape nobody guarantees: values with the path to them."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orders.connectors import values
from orders.connectors.base import Problems, shown

_IDENTIFIER = re.compile(r"\d{1,19}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a document. Reading never raises: what does not fit is noted with its path."""

    value: Any
    path: str
    problems: Problems

    def at(self, key: str) -> "Place":
        """The place under a key; its value is None when there is none."""
        inside = self.value.get(key) if isinstance(self.value, dict) else None
        return Place(inside, f"{self.path}.{key}" if self.path else key, self.problems)

    def has(self, key: str) -> bool:
        """Whether the document has this key here, with whatever value."""
        return isinstance(self.value, dict) and key in self.value

    def note(self, reason: str) -> None:
        """Note a problem with what stands here."""
        self.problems.add(self.path, self.value, reason)

    def is_object(self) -> bool:
        """Whether an object stands here; anything else than nothing is noted."""
        if isinstance(self.value, dict):
            return True
        if self.value is not None:
            self.note("is not an object")
        return False

    def each(self) -> list["Place"]:
        """The objects of the list that stands here; nothing counts as an empty list."""
        return [place for place in self._entries() if place.is_object()]

    def texts(self) -> list[str]:
        """The non-empty texts of the list that stands here."""
        return [text for text in (place.text() for place in self._entries()) if text]

    def _entries(self) -> list["Place"]:
        if self.value is None:
            return []
        if not isinstance(self.value, list):
            self.note("is not a list")
            return []
        return [Place(v, f"{self.path}[{i}]", self.problems) for i, v in enumerate(self.value)]

    def text(self, *, required: bool = False) -> str:
        """The text here, trimmed; a whole number counts as text, nothing as an empty one."""
        value = self.value
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
            value = str(value)
        if value is not None and not isinstance(value, str):
            self.note("is not a text")
            return ""
        text = (value or "").strip()
        wrong = values.unusable(text) or ("is missing" if required and not text else "")
        if wrong:
            self.note(wrong)
            return ""
        return text

    def remark(self) -> str:
        """Text that is only kept: what cannot be stored is left out instead of being noted."""
        if self.value is None or isinstance(self.value, dict | list):
            return ""
        text = self.value if isinstance(self.value, str) else shown(self.value)
        return "" if values.unusable(text) else text.strip()

    def flag(self) -> bool:
        """True or false; nothing is false."""
        if isinstance(self.value, str) and self.value.lower() in ("true", "false"):
            return self.value.lower() == "true"
        if self.value is not None and not isinstance(self.value, bool):
            self.note("is neither true nor false")
        return self.value is True

    def whole(self) -> int | None:
        """A count of units; None when there is none (then nothing is noted) or it is not one."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.note("is not a whole number")
            return None
        if not 0 <= self.value <= values.LARGEST_QUANTITY:
            self.note(f"is not between 0 and {values.LARGEST_QUANTITY:,}")
            return None
        return self.value

    def identifier(self) -> str:
        """A positive number of up to 19 digits, as text: no digit of it is lost on the way."""
        value = self.value
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**19:
            return str(value)
        if isinstance(value, str) and _IDENTIFIER.fullmatch(value.strip()):
            return value.strip()
        if isinstance(value, float | Decimal):
            self.note("arrived as a decimal number, so digits may be lost; parse it as an integer")
        else:
            self.note("is missing" if value is None else "is not an id")
        return ""

    def coordinate(self, limit: int) -> float | None:
        """Degrees within ±limit, or None: a wrong point is no reason to refuse an order."""
        degrees = values.amount(self.value)
        return float(degrees) if degrees is not None and abs(degrees) <= limit else None
