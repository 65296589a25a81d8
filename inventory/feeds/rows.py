"""What a row of a stock file holds, and what is wrong with one that cannot be used."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, BinaryIO, NamedTuple

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from config import tables
from config.api import shown
from config.jobs import FileProblem
from inventory.ledger import Told
from inventory.models import StockFeed, StockMovement
from inventory.models.stock import BUCKETS

MAX_UNITS = 1_000_000
MAX_NOTE = 200
_UNITS = MAX_UNITS + 1
_PLAIN = len(str(MAX_UNITS))
SKEW = timedelta(minutes=5)  # by which a sender's clock may be ahead of ours
COLUMNS = {
    StockFeed.Mode.ABSOLUTE: ("sku", "location", "quantity"),
    StockFeed.Mode.DELTA: ("sku", "location", "change"),
}
UNAVAILABLE = frozenset(BUCKETS) - {"missing"}  # that one is ours: pickers could not find them
REASONS = frozenset(StockMovement.Reason.values)


class Line(NamedTuple):
    """A row that can be used. `unavailable` are levels by bucket, for those that were told."""

    number: int
    told: Told
    unavailable: dict[str, int]


class Bad(NamedTuple):
    """A row that cannot be used: where, and what was expected."""

    number: int
    reference: str
    column: str
    words: str


class BadCell(Exception):
    """One cell that cannot be used."""

    def __init__(self, column: str, words: str) -> None:
        self.column, self.words = column, words
        super().__init__(f"{column}: {words}")


def read(stream: BinaryIO, *, mode: str, now: datetime) -> Iterator[Line | Bad]:
    """The rows of a file, one by one.

    Raises FileProblem for a file that is no table, and for one that tells two levels of a pair:
    which of them is true, nobody here can know.
    """
    reader = _Reader(mode, now)
    for row in tables.read(stream, columns=COLUMNS[StockFeed.Mode(mode)]):
        yield reader.line(row)


class _Reader:
    """Remembers the codes it has checked, for they come again, and which row told a level first."""

    def __init__(self, mode: str, now: datetime) -> None:
        self.absolute = mode == StockFeed.Mode.ABSOLUTE
        self.latest = now + SKEW
        self.codes: dict[Any, str] = {}
        self.first: dict[tuple[str, str], int] = {}
        self.all_available: dict[str, int] = {}  # one for all rows that tell nothing else

    def line(self, row: tables.Row) -> Line | Bad:
        cells = row.cells
        try:
            if row.fault:
                raise BadCell("", row.fault)
            sku, location = cells.get("sku"), cells.get("location")
            sku = self.codes.get(sku) or self.code("sku", sku)
            location = self.codes.get(location) or self.code("location", location)
            told = (self.level if self.absolute else self.change)(sku, location, cells)
            unavailable = self.all_available
            if self.absolute:
                if not UNAVAILABLE.isdisjoint(cells):
                    unavailable = _unavailable(cells, told.units)
                self.check_once(row.number, told)
        except BadCell as bad:
            named = cells.get("sku")
            reference = "" if named is None else str(named).strip()[:100]
            return Bad(row.number, reference, bad.column, bad.words)
        return Line(row.number, told, unavailable)

    def level(self, sku: str, location: str, cells: dict[str, Any]) -> Told:
        units = _level("quantity", cells.get("quantity"))
        as_of = cells.get("as_of")
        return Told(sku, location, units, self.moment(as_of) if as_of else None)

    def change(self, sku: str, location: str, cells: dict[str, Any]) -> Told:
        as_of, note = cells.get("as_of"), str(cells.get("note") or "").strip()
        if not note.isprintable() or len(note) > MAX_NOTE:
            raise BadCell("note", f"is not one line of at most {MAX_NOTE} characters")
        return Told(
            sku, location, _change(cells.get("change")), self.moment(as_of) if as_of else None,
            _reason(cells.get("reason")), note,
        )  # fmt: skip

    def code(self, column: str, value: Any) -> str:
        """Checks a code; what was checked once is right again, one text for all its rows."""
        return self.codes.setdefault(value, _code(column, value))

    def moment(self, value: Any) -> datetime | None:
        """The sender's own time, with its zone; None for a blank cell."""
        text = str(value).strip()
        if not text:
            return None
        try:
            moment = parse_datetime(text)
        except ValueError:
            moment = None
        if moment is None or is_naive(moment):
            raise BadCell(
                "as_of", f"{shown(text)} is not a time with its zone, like 2026-11-23T10:00:00Z"
            )
        if moment > self.latest:
            raise BadCell("as_of", f"{shown(text)} is in the future")
        return moment

    def check_once(self, number: int, told: Told) -> None:
        here = number * _UNITS + told.units  # as one number: a large file has many
        known = self.first.setdefault((told.sku, told.location), here)
        if known == here:
            return
        first, there = divmod(known, _UNITS)
        where = f"{told.sku} at {told.location}"
        if there != told.units:
            raise FileProblem(
                f"Row {first} says {there} of {where}, row {number} says {told.units}."
                " Nothing of the file is used; leave one of them and upload it again."
            )
        raise BadCell("sku", f"{where} stands in row {first} already")


def _code(column: str, value: Any) -> str:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadCell(column, "is empty")
    if not isinstance(value, str):
        raise BadCell(column, f"{shown(str(value))} is not text, so leading zeros may be lost; "
                              "format the column as text")  # fmt: skip
    text = value.strip()
    if tables.became_a_number(text):
        raise BadCell(column, f"{shown(text)} was turned into a number; format the column as text")
    if not text.isprintable():
        raise BadCell(column, f"{shown(text)} holds characters that no code has")
    return text


def _level(column: str, value: Any) -> int:
    if isinstance(value, str) and len(value) < _PLAIN and value.isascii() and value.isdigit():
        return int(value)  # as nearly all are written
    text = _digits(value)
    if not text.isascii() or not text.isdigit():
        raise BadCell(column, f"{shown(text)} is not a whole number of units from 0")
    return _bounded(column, text, text)


def _change(value: Any) -> int:
    text = _digits(value)
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not digits.isascii() or not digits.isdigit():
        raise BadCell("change", f"{shown(text)} is not a whole number of units, like -2 or 5")
    units = _bounded("change", digits, text)
    if not units:
        raise BadCell("change", "0 changes nothing")
    return -units if text.startswith("-") else units


def _digits(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= MAX_UNITS
    return str(int(value) if whole else "" if value is None else value).strip()


def _bounded(column: str, digits: str, text: str) -> int:
    if len(digits) > len(str(MAX_UNITS)) or int(digits) > MAX_UNITS:
        raise BadCell(column, f"{shown(text)} is more than {MAX_UNITS:,}")
    return int(digits)


def _reason(value: Any) -> str:
    reason = str(value or "").strip().lower()
    if reason and reason not in REASONS:
        raise BadCell("reason", f"{shown(reason)} is none of {', '.join(sorted(REASONS))}")
    return reason


def _unavailable(cells: dict[str, Any], units: int) -> dict[str, int]:
    told = {
        bucket: _level(bucket, cells[bucket])
        for bucket in sorted(UNAVAILABLE)
        if cells.get(bucket) not in (None, "")
    }
    check_unavailable(told, units)
    return told


def check_unavailable(told: dict[str, int], units: int) -> None:
    """Units that cannot be sold are among those that are there. Raises BadCell."""
    if sum(told.values()) > units:
        raise BadCell(next(iter(told)), f"more units than the {units} that are there")
