"""Rows of a CSV file as shops and spreadsheets really save them; streaming, in bounded memory.

UTF-8 with or without a byte order mark, or Windows CP1252; separated by comma, semicolon or tab;
line ends of any system. A quotation mark that is never closed, or a row longer than any order,
spoils that row only: reading goes on with the next line.
"""

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from orders.connectors.base import CannotMap, Problem

LONGEST_ROW = 130_000  # characters; below the csv module's own limit of 131,072 for one field
MOST_LINES = 500  # line breaks within one row
MOST_BROKEN = 100  # rows; more than that and the file is not worth reading
_CHUNK = 1 << 16
_BREAK = re.compile(r"\r\n|\r|\n")
_SEPARATOR_LINE = re.compile(r"sep=(.)", re.I)
_UNCLOSED = "a quotation mark opened in this row is never closed"
_MISQUOTED = "has quotation marks that do not belong together"
_TOO_LONG = f"is longer than {LONGEST_ROW:,} characters"
_UNREADABLE = (
    (b"PK\x03\x04", "is an Excel workbook; save it as CSV UTF-8"),
    (b"\xff\xfe", "is saved as UTF-16 (Unicode text); save it as CSV UTF-8"),
    (b"\xfe\xff", "is saved as UTF-16 (Unicode text); save it as CSV UTF-8"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row, counted as a spreadsheet counts; `fault` says why its cells cannot be trusted."""

    number: int
    cells: tuple[str, ...]
    fault: str = ""

    def is_blank(self) -> bool:
        """Whether nothing is in this row."""
        return not self.fault and not any(cell.strip() for cell in self.cells)


def unreadable(reason: str, *, row: int | None = None) -> CannotMap:
    """The error of a file that cannot be read on."""
    return CannotMap([Problem("file", "", reason, row)])


def rows(stream: BinaryIO) -> Iterator[tuple[Row, str]]:
    """Every row with the file's separator, the header included.

    Raises CannotMap when the file is no CSV, or too much of it is broken.
    """
    lines = _lines(_text(stream))
    first = next(lines, None)
    if first is None:
        return
    declared = _SEPARATOR_LINE.fullmatch(first.text)
    separator = declared[1] if declared else _separator(first.text)
    queue = deque([] if declared else [first])
    number = broken = 0
    while (start := queue.popleft() if queue else next(lines, None)) is not None:
        number += 1
        row = _row(number, start, queue, lines, separator)
        broken += bool(row.fault)
        if broken > MOST_BROKEN:
            raise unreadable(
                f"has more than {MOST_BROKEN} broken rows; export it again", row=number
            )
        yield row, separator


# --- characters ----------------------------------------------------------------------------------


def _text(stream: BinaryIO) -> Iterator[str]:
    """Decode as UTF-8, or as CP1252 when most of the first bytes beyond ASCII are no UTF-8.

    Single wrong bytes come through as lone surrogates, so that only their cell is refused.
    """
    data = stream.read(_CHUNK)
    while len(data) < 4 and (more := stream.read(_CHUNK)):
        data += more
    for magic, reason in _UNREADABLE:
        if data.startswith(magic):
            raise unreadable(reason)
    certain = data.startswith(codecs.BOM_UTF8)  # that it is UTF-8
    data = data.removeprefix(codecs.BOM_UTF8)
    chunk = stream.read(_CHUNK)
    while data or chunk:
        try:
            text, used = codecs.utf_8_decode(data, "strict", not chunk)
        except UnicodeDecodeError:
            text, used = codecs.utf_8_decode(data, "surrogateescape", not chunk)
            if not certain and _is_mostly_wrong(text):
                yield from _windows_text(data, chunk, stream)
                return
        certain = certain or not text.isascii()
        yield text
        data = data[used:] + chunk
        chunk = stream.read(_CHUNK) if chunk else b""


def _is_mostly_wrong(text: str) -> bool:
    beyond = [character for character in text if not character.isascii()]
    return sum("\udc80" <= character <= "\udcff" for character in beyond) * 2 > len(beyond)


def _windows_text(data: bytes, chunk: bytes, stream: BinaryIO) -> Iterator[str]:
    yield data.decode("cp1252", "surrogateescape")
    while chunk:
        yield chunk.decode("cp1252", "surrogateescape")
        chunk = stream.read(_CHUNK)


@dataclass(frozen=True, slots=True)
class _Line:
    """A physical line; of one that is too long only the beginning is kept."""

    text: str
    too_long: bool = False


def _lines(texts: Iterator[str]) -> Iterator[_Line]:
    rest, too_long = "", False
    for text in texts:
        # A carriage return at the very end may be half of a line end.
        *whole, rest = _BREAK.split(rest + text)
        if text.endswith("\r"):
            rest = whole.pop() + "\r" if whole else rest
        for line in whole:
            yield _Line(line, too_long or len(line) > LONGEST_ROW)
            too_long = False
        if len(rest) > LONGEST_ROW:
            too_long = True
            rest = rest[:1000] + ("\r" if rest.endswith("\r") else "")
    if rest:
        yield _Line(rest.removesuffix("\r"), too_long)


def _separator(header: str) -> str:
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t", key=bare.count)


# --- rows ----------------------------------------------------------------------------------------


def _row(
    number: int, start: _Line, queue: deque[_Line], lines: Iterator[_Line], separator: str
) -> Row:
    """The row that begins with `start`; lines read in vain are put back into `queue`."""
    if start.too_long:
        return _faulty(number, start, separator, _TOO_LONG)
    taken = [start]
    quoted = _in_quotes(start.text, separator, quoted=False)
    length = len(start.text)
    while quoted:
        following = queue.popleft() if queue else next(lines, None)
        if following is not None:
            taken.append(following)
            length += len(following.text) + 1
        if (
            following is None
            or following.too_long
            or length > LONGEST_ROW
            or len(taken) > MOST_LINES
        ):
            queue.extendleft(reversed(taken[1:]))
            return _faulty(number, start, separator, _UNCLOSED)
        quoted = _in_quotes(following.text, separator, quoted=True)
    text = "\n".join(line.text for line in taken)
    try:
        cells = next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error:
        queue.extendleft(reversed(taken[1:]))
        return _faulty(number, start, separator, _MISQUOTED)
    return Row(number, tuple(cells))


def _faulty(number: int, start: _Line, separator: str, reason: str) -> Row:
    return Row(number, tuple(start.text[:1000].split(separator)[:200]), reason)


def _in_quotes(line: str, separator: str, *, quoted: bool) -> bool:
    """Whether a quoted cell is still open at the end of this line."""
    at = line.find('"')
    while at >= 0:
        if not quoted:
            quoted = at == 0 or line[at - 1] == separator
        elif line[at + 1 : at + 2] == '"':
            at += 1
        else:
            quoted = False
        at = line.find('"', at + 1)
    return quoted
