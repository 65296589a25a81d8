"""What every connector speaks: a mapped order, or everything that keeps it from being mapped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

MOST_PROBLEMS = 50  # of one order; a broken export repeats itself, and a person reads the list


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that cannot be mapped.

    `field` is where in the source: a JSON path (`line_items[1].sku`) or a column name. `value` is
    what stands there, shortened for display. `row` and `column` are set for files only; rows are
    counted as a spreadsheet counts them, the header being row 1.
    """

    field: str
    value: str
    reason: str
    row: int | None = None
    column: str | None = None

    def __str__(self) -> str:
        where = f"row {self.row}, {self.field}" if self.row is not None else self.field
        said = f" ({self.value})" if self.value else ""
        return f"{where}{said}: {self.reason}"

    @property
    def pointer(self) -> str:
        """The JSON pointer of the path: line_items[1].sku is /line_items/1/sku."""
        return "/" + self.field.replace("[", "/").replace("]", "").replace(".", "/")

    @property
    def words(self) -> str:
        """The reason with the value that stands there."""
        return f"{self.value}: {self.reason}" if self.value else self.reason


class CannotMap(Exception):
    """An order, or a whole file, cannot be mapped; `problems` has every reason that was found.

    `source_id` is the order as its source calls it (empty for a whole file), `rows` its rows.
    """

    def __init__(
        self, problems: Sequence[Problem], *, source_id: str = "", rows: tuple[int, ...] = ()
    ) -> None:
        self.problems = list(problems)
        self.source_id = source_id
        self.rows = rows
        super().__init__("; ".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Mapped:
    """An order read from a file: the canonical payload, its rows, and what its source calls it."""

    payload: dict[str, Any]
    rows: tuple[int, ...]
    source_id: str


class FileConnector(Protocol):
    """A module that reads one file format of orders.

    It yields one `Mapped` or one `CannotMap` per order, as it goes. It raises `CannotMap` only
    when the file itself cannot be read on: what was yielded before stands.
    """

    def read(self, stream: BinaryIO) -> Iterator[Mapped | CannotMap]: ...


class WebhookConnector(Protocol):
    """A module that reads one order as its source pushes it; raises `CannotMap`."""

    def order_from_webhook(self, payload: Mapping[str, Any]) -> dict[str, Any]: ...

    def verify(self, body: bytes, header: str, secret: str) -> bool: ...


class Problems:
    """Collects what is wrong while mapping goes on; the same thing is noted once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}
        self._more = 0

    def __len__(self) -> int:
        return len(self._found) + self._more

    def add(
        self,
        field: str,
        value: object,
        reason: str,
        *,
        row: int | None = None,
        column: str | None = None,
    ) -> None:
        """Note one problem."""
        problem = Problem(field, shown(value), reason, row, column)
        if problem not in self._found and len(self._found) >= MOST_PROBLEMS:
            self._more += 1
        else:
            self._found[problem] = None

    def error(self, *, source_id: str = "", rows: tuple[int, ...] = ()) -> CannotMap:
        """What was collected, as the exception to raise or to yield."""
        found = list(self._found)
        if self._more:
            found.append(Problem("", "", f"and {self._more} more problems"))
        return CannotMap(found, source_id=source_id, rows=rows)

    def raise_if_any(self, *, source_id: str = "") -> None:
        """Raises CannotMap when something was noted."""
        if len(self):
            raise self.error(source_id=source_id)


def shown(value: object, longest: int = 80) -> str:
    """A value as a person may see it in a list of problems: short, and safe to store and print."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a very long number"
    text = (
        str(value).encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")
    )
    text = " ".join(text[: longest * 2].split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
