"""Files that are no plain tables, or want too much: refused whole, quickly, and with words."""

import io
import re
import struct
import time
import tracemalloc
import zipfile

import pytest
from openpyxl import Workbook

from config import tables
from config.jobs import FileProblem
from config.models import Job, JobRow
from inventory.models import StockMovement
from tests.uploads import csv, open_rows, outcomes, repacked, saved, upload, xlsx

GOOD = ("TEE", "WH", 90)
SHEET = "xl__worksheets__sheet1.xml"
NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def refused(console, content: bytes, name: str = "levels.xlsx") -> str:
    """The words with which the whole file is refused; nothing of it is kept."""
    moved = StockMovement.objects.count()
    started = time.thread_time()
    job = upload(console, "stock", content, name)
    assert time.thread_time() - started < 10
    assert job.state == Job.State.FAILED, outcomes(job)
    assert (JobRow.objects.count(), open_rows()) == (0, 0)
    assert StockMovement.objects.count() == moved
    assert job.message.endswith(".")
    return job.message


# --- CSV -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'sku,location,quantity\nTEE,WH,1\n"MUG,WH,2\nBAG,WH,3\n',
         "Row 3: a quotation mark is opened in this row and never closed"),
        (b'sku,location,quantity\nTEE,WH,1\n"' + b"MUG,WH,2\n" * 20_000,
         "Row 3: a quotation mark is opened in this row and never closed"),
        (b'sku,location,quantity\n"TEE"x,WH,1\n', "Row 2: quotation marks stand in it"),
        (b"sku,location,quantity\nTEE,WH,\x00\n", "Line 2 holds a NUL"),
        (b"sku,location,quantity\n" + b"x" * 200_000, "Line 2 is longer than 100,000 characters"),
        (b"," * 5_000_000, "longer than"),
        (b"sku,place,quantity\nTEE,WH,1\n", "missing: location"),
        (b"TEE,WH,1\n", "missing: sku, location, quantity"),
        (b"sku,location,quantity,SKU\nTEE,WH,1,TEE\n", "Row 1 names sku twice"),
        (b"sku,location,quantity," + b",".join(b"c%d" % i for i in range(60)) + b"\n",
         "more than 50 columns"),
        ("sku,location,quantity\nTEE,WH,1\n".encode("utf-16"), "UTF-16"),
        (b"sku,location,quantity\nTEE,WH,\x81\n", "neither UTF-8 nor Windows"),
        (b"MZ\x90\x00\x03\x00\x00", "missing|NUL|neither"),
        (b"<html><body>Sign in</body></html>", "missing"),
        (b"%PDF-1.7\n", "missing"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600, "old or password-protected"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_says_what_it_is(console, company, content, words):
    assert re.search(words, refused(console, content, "levels.csv"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_any_line_end_and_separator_will_do(console, company, end, separator):
    lines = ["sku,location,quantity", "TEE,WH,90", "", "MUG,WH,40"]
    content = end.join(lines).replace(",", separator).encode()
    job = upload(console, "stock", content)
    assert outcomes(job) == {
        2: ("ready", "", "100 → 90 at WH"),
        4: ("ready", "", "50 → 40 at WH"),
    }


def test_a_cell_over_two_lines_is_one_row(console, company):
    content = b'note,sku,location,quantity\n"two\nlines",TEE,WH,90\nx,MUG,WH,-1\n'
    job = upload(console, "stock", content)
    assert {number: row[0] for number, row in outcomes(job).items()} == {2: "ready", 3: "failed"}


def test_a_file_of_too_many_rows_is_refused_in_bounded_memory(console, company, monkeypatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 3)
    rows = [("TEE", "WH", 1), ("MUG", "WH", 1), ("BAG", "WH", 1), ("CAP", "WH", 1)]
    assert "more than 3 rows" in refused(console, csv(*rows), "levels.csv")
    assert upload(console, "stock", csv(*rows[:3])).state == "preview"


def test_a_million_rows_are_read_as_a_stream():
    content = io.BytesIO(b"sku,location,quantity\n" + b"TEE,WH,1\n" * 1_000_000)
    tracemalloc.start()
    with pytest.raises(FileProblem, match="more than 100,000 rows"):
        for _ in tables.read(content, columns=("sku", "location", "quantity")):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


# --- XLSX ----------------------------------------------------------------------------------------


def test_a_name_does_not_decide_what_a_file_is(console, company):
    assert outcomes(upload(console, "stock", xlsx(GOOD), "levels.csv"))[2][0] == "ready"
    assert outcomes(upload(console, "stock", csv(GOOD), "levels.xlsx"))[2][0] == "ready"
    assert outcomes(upload(console, "stock", csv(GOOD), "../../etc/x.exe"))[2][0] == "ready"
    stored = [job.file.name for job in Job.objects.all()]
    assert all(re.fullmatch(r"jobs/[0-9a-f]{32}", name) for name in stored), stored


def test_one_cell_in_the_last_corner_costs_no_time(console, company):
    book = Workbook()
    sheet = book.active
    for row in (("sku", "location", "quantity"), GOOD):
        sheet.append(row)
    sheet["XFD1048576"] = 1
    assert "more than 100,000 rows" in refused(console, saved(book))


def test_a_cell_far_to_the_right_is_not_looked_at(console, company):
    book = Workbook()
    sheet = book.active
    for row in (("sku", "location", "quantity"), GOOD):
        sheet.append(row)
    sheet["XFD2"] = 1
    assert outcomes(upload(console, "stock", saved(book)))[2][0] == "ready"


def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(console, company):
    bomb = repacked(xlsx(GOOD), **{SHEET: b" " * (60 * 1024 * 1024)})
    assert len(bomb) < 200_000
    assert "unpacks to far more" in refused(console, bomb)


def test_a_workbook_that_is_packed_too_tightly_is_refused(console, company):
    assert "unpacks to far more" in refused(console, repacked(xlsx(GOOD), extra=b" " * 4_000_000))


def test_a_workbook_of_too_many_parts_is_refused(console, company):
    parts = {f"part{i}": b"" for i in range(1001)}
    assert "unpacks to far more" in refused(console, repacked(xlsx(GOOD), **parts))


def test_sizes_that_lie_do_not_help(console, company):
    """The archive says its sheet has 100 bytes; it has 60 million."""
    bomb = bytearray(repacked(xlsx(GOOD), **{SHEET: b" " * (60 * 1024 * 1024)}))
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as archive:
        size = struct.pack("<I", archive.getinfo(SHEET.replace("__", "/")).file_size)
    while (at := bomb.find(size)) >= 0:
        bomb[at : at + 4] = struct.pack("<I", 100)
    assert "cannot be read" in refused(console, bytes(bomb))


def test_a_workbook_with_macros_is_refused(console, company):
    macro = repacked(xlsx(GOOD), **{"xl__vbaProject.bin": b"x"})
    assert "holds macros" in refused(console, macro)


@pytest.mark.parametrize(
    "document",
    [
        f'<!DOCTYPE w [<!ENTITY a "{"x" * 1000}"><!ENTITY b "{"&a;" * 1000}">'
        f'<!ENTITY c "{"&b;" * 1000}">]><worksheet {NAMESPACE}><sheetData><row r="1"><c r="A1"'
        ' t="inlineStr"><is><t>&c;</t></is></c></row></sheetData></worksheet>',
        f"<worksheet {NAMESPACE}><sheetData><row",
        "<html/>",
        "",
    ],
    ids=["entity bomb", "cut off", "html", "empty"],
)
def test_a_workbook_with_a_broken_sheet_is_refused(console, company, document):
    said = refused(console, repacked(xlsx(GOOD), **{SHEET: document.encode()}))
    assert "cannot be read" in said or "missing" in said


def test_nothing_outside_the_file_is_fetched(console, company, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("TEE")
    document = (
        f'<!DOCTYPE w [<!ENTITY x SYSTEM "{secret.as_uri()}">]><worksheet {NAMESPACE}><sheetData>'
        '<row r="1"><c r="A1" t="inlineStr"><is><t>&x;</t></is></c></row></sheetData></worksheet>'
    )
    said = refused(console, repacked(xlsx(GOOD), **{SHEET: document.encode()}))
    assert "TEE" not in said


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"PK\x03\x04" + b"x" * 1000])
def test_what_only_begins_like_a_workbook_is_refused(console, company, content):
    assert refused(console, content) == "This is not an XLSX file."


def test_a_workbook_without_its_parts_is_refused(console, company):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../evil", "x")
    assert "cannot be read" in refused(console, out.getvalue())


def test_the_first_sheet_that_can_be_seen_is_read(console, company):
    book = Workbook()
    book.active.title = "Hidden"
    book.active.append(("sku", "location", "quantity"))
    book.active.append(("NOPE", "WH", 1))
    book.active.sheet_state = "hidden"
    sheet = book.create_sheet("Levels")
    sheet.append(("sku", "location", "quantity"))
    sheet.append(GOOD)
    book.active = 1
    assert outcomes(upload(console, "stock", saved(book)))[2][0] == "ready"


def test_a_formula_counts_as_nothing_until_it_was_calculated(console, company):
    job = upload(console, "stock", xlsx(("TEE", "WH", "=40+50"), ('="TEE"', "WH", 1)))
    assert [row[:2] for row in outcomes(job).values()] == [
        ("failed", "quantity"),
        ("failed", "sku"),
    ]


def test_merged_cells_leave_their_other_rows_without_a_code(console, company):
    book = Workbook()
    sheet = book.active
    for row in (("sku", "location", "quantity"), GOOD, (None, "LYON", 5)):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    found = outcomes(upload(console, "stock", saved(book)))
    assert found[2][0] == "ready"
    assert found[3] == ("failed", "sku", "is empty")
