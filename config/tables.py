"""Rows out of uploaded CSV and XLSX files: bounded, streamed, and honest about what they hold."""

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import PurePath
from typing import BinaryIO

from config.jobs import FileProblem

MAX_ROWS = 100_000
MAX_COLUMNS = 50
MAX_UNPACKED = 50 * 1024 * 1024
MAX_MEMBERS = 1000
MAX_RATIO = 100
ENCODINGS = ("utf-8-sig", "cp1252")

Row = tuple[int, dict[str, object]]


def read(stream: BinaryIO, name: str, *, columns: tuple[str, ...]) -> Iterator[Row]:
    """Rows as (row number, {column: value}); the header is row 1 and must name `columns`.

    CSV values are text; XLSX values keep their type, so that a code that became a number shows.
    Raises FileProblem for a file that is not a plain table or is too large.
    """
    ending = PurePath(name).suffix.lower()
    if ending == ".xlsx":
        rows = _xlsx(stream)
    elif ending in {".csv", ".txt"}:
        rows = _csv(stream)
    else:
        raise FileProblem(f"{name}: a file ending in .csv or .xlsx was expected.")
    return _named(rows, columns)


def _named(rows: Iterator[list[object]], columns: tuple[str, ...]) -> Iterator[Row]:
    header = [str(cell or "").strip().lower() for cell in next(rows, [])]
    missing = [name for name in columns if name not in header]
    if missing:
        raise FileProblem(
            f"Row 1 must name the columns {', '.join(columns)}; missing: {', '.join(missing)}."
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise FileProblem(f"Row 1 names {', '.join(twice)} twice.")
    for number, cells in enumerate(rows, start=2):
        if number > MAX_ROWS + 1:
            raise FileProblem(f"The file has more than {MAX_ROWS} rows; split it.")
        if any(cell not in (None, "") for cell in cells):
            yield number, dict(zip(header, cells, strict=False))


def _csv(stream: BinaryIO) -> Iterator[list[object]]:
    head = stream.read(64 * 1024)
    stream.seek(0)
    if head.startswith((b"PK", b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head:
        raise FileProblem("This is not a CSV text file in UTF-8 or Windows encoding.")
    text = io.TextIOWrapper(stream, encoding=_encoding(stream), newline="")
    first = text.readline()
    text.seek(0)
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield list(row)
    except (csv.Error, UnicodeDecodeError) as error:
        raise FileProblem(f"Near row {reader.line_num}: {error}.") from None


def _encoding(stream: BinaryIO) -> str:
    for encoding in ENCODINGS:
        stream.seek(0)
        try:
            for chunk in io.TextIOWrapper(_Open(stream), encoding=encoding):
                del chunk
        except UnicodeDecodeError:
            continue
        finally:
            stream.seek(0)
        return encoding
    raise FileProblem("The text is neither UTF-8 nor Windows encoding (CP1252).")


class _Open(io.RawIOBase):
    """Lends a stream to a wrapper that would close it."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self.stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _xlsx(stream: BinaryIO) -> Iterator[list[object]]:
    _check_zip(stream)
    from openpyxl import load_workbook  # noqa: PLC0415  (slow to import, rarely needed)

    try:
        book = load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        # Bounds are given, so one cell in the last corner of the sheet costs nothing.
        for row in sheet.iter_rows(max_row=MAX_ROWS + 2, max_col=MAX_COLUMNS, values_only=True):
            yield list(row)
    except FileProblem:
        raise
    except Exception as error:
        raise FileProblem(f"This is not a plain XLSX file ({type(error).__name__}).") from None


def _check_zip(stream: BinaryIO) -> None:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile:
        raise FileProblem("This is not an XLSX file.") from None
    finally:
        stream.seek(0)
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members) or 1
    if unpacked > MAX_UNPACKED or len(members) > MAX_MEMBERS or unpacked / packed > MAX_RATIO:
        raise FileProblem("The XLSX file unpacks to far more than a stock file holds.")
    if any(member.filename.endswith("vbaProject.bin") for member in members):
        raise FileProblem("The XLSX file holds macros; save it as a plain workbook.")
