"""Rows out of uploaded CSV and XLSX files: bounded, streamed, and honest about what they hold."""

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from config.jobs import FileProblem

MAX_ROWS = 100_000
MAX_COLUMNS = 50
MAX_LINE = 100_000  # characters; below the csv module's own limit for one cell
MAX_UNPACKED = 50 * 1024 * 1024
MAX_MEMBERS = 1000
MAX_RATIO = 100
ENCODINGS = ("utf-8-sig", "cp1252")
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\s*", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"\d+(?:[.,]\d+)?E\+\d+", re.IGNORECASE)
_UNREADABLE = {
    b"\xff\xfe": "This file is saved as UTF-16 (Unicode text); save it as CSV UTF-8.",
    b"\xfe\xff": "This file is saved as UTF-16 (Unicode text); save it as CSV UTF-8.",
    b"\xd0\xcf": "This is an old or password-protected Excel file; save it as .xlsx or CSV UTF-8.",
}


class Row(NamedTuple):
    """One row by column name, counted as a spreadsheet counts: the header is row 1.

    CSV values are text; XLSX values keep their type, so that a code that became a number shows.
    `fault` says why the row as a whole cannot be used.
    """

    number: int
    cells: dict[str, object]
    fault: str = ""


def read(stream: BinaryIO, *, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows below a header that must name `columns`; others may stand beside them.

    What the file is, its first bytes say: its name may be wrong. Raises FileProblem for a file
    that is no plain table or is too large.
    """
    head = stream.read(4)
    stream.seek(0)
    for magic, words in _UNREADABLE.items():
        if head.startswith(magic):
            raise FileProblem(words)
    return _named(_xlsx(stream) if head == b"PK\x03\x04" else _csv(stream), columns)


def became_a_number(text: str) -> bool:
    """Whether a spreadsheet turned a long code into 8.00123E+12: its digits are lost."""
    return _NUMBER_LIKE.fullmatch(text) is not None


def _named(rows: Iterator[list[object]], columns: tuple[str, ...]) -> Iterator[Row]:
    header = [str(cell or "").strip().lower() for cell in next(rows, [])]
    _check_header(header, columns)
    width = len(header)
    for number, cells in enumerate(rows, start=2):
        if number > MAX_ROWS + 1:
            raise FileProblem(f"The file has more than {MAX_ROWS:,} rows; split it.")
        if (not cells or _is_blank(cells[0])) and all(map(_is_blank, cells)):
            continue
        extra = len(cells) > width and not all(map(_is_blank, cells[width:]))
        fault = f"has {len(cells)} cells under {width} columns" if extra else ""
        yield Row(number, dict(zip(header, cells, strict=False)), fault)


def _check_header(header: list[str], columns: tuple[str, ...]) -> None:
    if len(header) > MAX_COLUMNS and any(header[MAX_COLUMNS:]):
        raise FileProblem(f"Row 1 names more than {MAX_COLUMNS} columns.")
    missing = [name for name in columns if name not in header]
    if missing:
        raise FileProblem(
            f"Row 1 must name the columns {', '.join(columns)}; missing: {', '.join(missing)}."
        )
    twice = sorted(name for name, count in Counter(header).items() if name and count > 1)
    if twice:
        raise FileProblem(f"Row 1 names {', '.join(twice)} twice.")


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


# --- CSV -----------------------------------------------------------------------------------------


def _csv(stream: BinaryIO) -> Iterator[list[object]]:
    text = io.TextIOWrapper(_lent(stream), encoding=_encoding(stream), newline="")
    lines = _lines(text)
    first = next(lines, "")
    declared = _SEPARATOR_LINE.fullmatch(first)
    delimiter = declared[1] if declared else max(",;\t", key=first.count)
    number = 0
    try:
        reader = csv.reader(_chained(None if declared else first, lines), delimiter=delimiter,
                            strict=True)  # fmt: skip
        for number, row in enumerate(reader, start=1):  # noqa: B007  (also of the row that fails)
            yield list(row)
    except csv.Error as error:
        raise FileProblem(f"Row {number + 1}: {_in_words(error)}.") from None


def _in_words(error: Exception) -> str:
    words = str(error)
    if "end of data" in words or "larger than" in words:
        return "a quotation mark is opened in this row and never closed"
    if "expected after" in words:
        return "quotation marks stand in it that do not belong together"
    return words


def _chained(first: str | None, rest: Iterator[str]) -> Iterator[str]:
    if first is not None:
        yield first
    yield from rest


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    for number, line in enumerate(text, start=1):
        if len(line) > MAX_LINE:
            raise FileProblem(f"Line {number} is longer than {MAX_LINE:,} characters.")
        if "\x00" in line:
            raise FileProblem(f"Line {number} holds a NUL: this is not a text file.")
        yield line


def _encoding(stream: BinaryIO) -> str:
    for encoding in ENCODINGS:
        try:
            for chunk in io.TextIOWrapper(_lent(stream), encoding=encoding):
                del chunk
        except UnicodeDecodeError:
            continue
        finally:
            stream.seek(0)
        return encoding
    raise FileProblem("The text is neither UTF-8 nor Windows encoding (CP1252).")


def _lent(stream: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(_Lent(stream))


class _Lent(io.RawIOBase):
    """Lends a stream to a wrapper that would close it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


# --- XLSX ----------------------------------------------------------------------------------------


def _xlsx(stream: BinaryIO) -> Iterator[list[object]]:
    _check_zip(stream)
    from openpyxl import load_workbook  # noqa: PLC0415  (slow to import, rarely needed)

    try:
        book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        sheet = next(sheet for sheet in book.worksheets if sheet.sheet_state == "visible")
        # Bounds are given, so one cell in the last corner of the sheet costs nothing.
        for row in sheet.iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS, values_only=True):
            yield list(row)
    except Exception as error:
        raise FileProblem(f"This XLSX file cannot be read ({type(error).__name__}).") from None


def _check_zip(stream: BinaryIO) -> None:
    # The sizes may lie, but then reading stops at them: zipfile never unpacks more than it says.
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError):
        raise FileProblem("This is not an XLSX file.") from None
    finally:
        stream.seek(0)
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members) or 1
    if unpacked > MAX_UNPACKED or len(members) > MAX_MEMBERS or unpacked / packed > MAX_RATIO:
        raise FileProblem("The XLSX file unpacks to far more than a table of this size holds.")
    if any(member.filename.lower().endswith("vbaproject.bin") for member in members):
        raise FileProblem("The XLSX file holds macros; save it as a plain workbook.")
