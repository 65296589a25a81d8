"""CSV out: never a formula in somebody's spreadsheet, and nothing else changed."""

import csv
import io

import pytest

from config.exports import csv_response, safe_cell


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1", "'＝1"),
        ("  =1", "'  =1"),
        ("\"=1", "'\"=1"),
        ("\t=1", "'\t'=1"),
        ("\x00=1", "'\x00=1"),
        ("a;=1", "a;'=1"),
        ("a; =1", "a;' =1"),
        ("two\n=1", "two\n'=1"),
    ],
)  # fmt: skip
def test_text_that_would_run_is_defused(text, written):
    assert safe_cell(text) == written


@pytest.mark.parametrize("value", ["TEE-1", "a, -5", "1 = 1", "o'clock", "", -5, 1.5, None, True])
def test_anything_else_is_written_as_it_is(value):
    assert safe_cell(value) == value


def test_a_download_reads_back_with_its_header_and_its_accents():
    answer = csv_response("x.csv", ["name", "units"], [("Živić, Ana", 5), ("=1", -5)])
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["name", "units"], ["Živić, Ana", "5"], ["'=1", "-5"],
    ]  # fmt: skip
    assert answer["Content-Disposition"] == 'attachment; filename="x.csv"'
