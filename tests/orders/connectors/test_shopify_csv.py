import io
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orders.connectors.base import CannotMap, Mapped
from orders.connectors.shopify_csv import read
from tests.orders.connectors import samples
from tests.orders.connectors.samples import assert_adds_up, file, mapped, refused, results, table

BAD, RESAVED = "orders_export_one_bad_row.csv", "orders_export_resaved.csv"


def of_order(rows: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    return [row for row in rows if row["Name"] == name]


def only(name: str, **cells: str) -> bytes:
    """The export with cells of an order's first row changed; the other orders stay."""

    def change(rows: list[dict[str, str]]) -> None:
        of_order(rows, name)[0].update({k.replace("_", " "): v for k, v in cells.items()})

    return table(change)


# --- the samples ---------------------------------------------------------------------------------


def test_the_export_becomes_twelve_orders_that_add_up():
    found = results(file())
    assert [result.source_id for result in found] == [f"#{n}" for n in range(1101, 1113)]
    for result in found:
        assert isinstance(result, Mapped), result
        assert_adds_up(result.payload)
        samples.assert_taken(result.payload)


def test_rows_are_counted_as_a_spreadsheet_counts_them():
    by_name = {result.source_id: result.rows for result in results(file())}
    assert by_name["#1101"] == (2,)
    assert by_name["#1102"] == (3, 4, 5)  # its first row spans several lines of text
    assert by_name["#1112"] == (26,)


def test_an_order_over_several_rows_is_mapped_field_by_field():
    order = mapped(file())["#1102"]
    assert order["external_id"] == "7410991465102"
    assert order["placed_at"] == "2026-11-02T10:12:40+01:00"
    assert order["shipping_address"] == {
        "name": "Anna Schulz, Schulz & Söhne GmbH", "line1": "Hauptstraße 9, Hinterhaus",
        "line2": "3. Stock", "city": "Görlitz", "region": "", "postcode": "02826",
        "country": "DE", "phone": "",
    }  # fmt: skip
    assert order["note"] == 'Bitte "leise" klingeln,\ndas Baby schläft.'
    assert order["metadata"]["note_attributes"] == {
        "delivery-date": "2026-11-06", "gift": "yes; with card",
    }  # fmt: skip
    assert order["line_items"][1] == {
        "external_id": "7410991465102-2", "sku": "SCF-0006-RED", "name": "Merino Scarf - Red",
        "quantity": 2, "unit_price": "39.00", "discount": "0.00", "tax": "10.63",
    }  # fmt: skip
    assert (order["discount_total"], order["total"]) == ("40.57", "234.83")
    assert order["metadata"]["discount_codes"] == ["AUTUMN15"]


def test_whether_prices_include_tax_follows_from_the_sums():
    orders = mapped(file())
    assert orders["#1101"]["tax_included"] is True
    assert orders["#1103"]["tax_included"] is False
    assert [line["tax"] for line in orders["#1103"]["line_items"]] == ["7.90", "10.57", "5.31"]


def test_taxes_of_the_order_are_shared_by_value_over_its_taxable_lines():
    content = table(lambda rows: of_order(rows, "#1103")[1].update({"Lineitem taxable": "false"}))
    order = mapped(content)["#1103"]
    assert [line["tax"] for line in order["line_items"]] == ["14.22", "0.00", "9.56"]
    assert order["tax_total"] == "23.78"


def test_tax_without_a_taxable_line_is_the_tax_of_shipping():
    content = table(lambda rows: of_order(rows, "#1101")[0].update({"Lineitem taxable": "false"}))
    order = mapped(content)["#1101"]
    assert (order["shipping_tax"], order["line_items"][0]["tax"]) == ("5.80", "0.00")


def test_line_discounts_and_shipping_discounts_find_their_place():
    orders = mapped(file())
    assert [line["discount"] for line in orders["#1109"]["line_items"]] == ["8.90", "0.00"]
    assert orders["#1110"]["discount_total"] == "0.00"  # the code took 4.90 off the shipping
    before = mapped(only("#1110", Shipping="4.90", Total="74.30"))["#1110"]
    assert (before["shipping_total"], before["total"]) == ("0.00", "74.30")


def test_line_discounts_that_do_not_fit_are_shared_as_the_orders():
    content = only("#1109", Lineitem_discount="50.00")
    order = mapped(content)["#1109"]
    assert order["discount_total"] == "8.90"
    assert [line["discount"] for line in order["line_items"]] == ["0.00", "0.00"]


def test_pickup_has_a_store_for_a_shipping_method_and_no_address():
    order = mapped(file(), pickup_locations={"Milano Duomo": "MI-01"})["#1104"]
    assert order["shipping_address"] is None
    assert order["delivery"] == {"method": "pickup", "location": "MI-01", "service": "standard"}


def test_payments_follow_the_financial_status():
    orders = mapped(file())
    states = {
        name: [(p["amount"], p["state"], p["method"]) for p in order["payments"]]
        for name, order in orders.items()
    }
    assert states["#1101"] == [("34.80", "captured", "Shopify Payments")]
    assert states["#1106"] == [("417.00", "authorized", "Gift Card + Shopify Payments")]
    assert states["#1107"] == []  # cash on delivery
    assert states["#1108"] == [("100.00", "captured", "Shopify Payments")]
    assert orders["#1101"]["payments"][0]["reference"] == "rIw4Example1101"


def test_yen_have_no_cents_and_the_test_gateway_makes_a_test_order():
    orders = mapped(file())
    assert orders["#1105"]["total"] == "23200"
    assert orders["#1105"]["delivery"]["service"] == "express"
    assert [name for name, order in orders.items() if order["test"]] == ["#1111"]
    assert orders["#1112"]["placed_at"] == "2026-11-12T23:59:59+00:00"
    assert orders["#1112"]["customer"]["phone"] == "+33 1 99 00 12 34"


def test_one_bad_row_stops_only_its_order():
    found = results(file(BAD))
    assert [type(result) for result in found] == [Mapped, CannotMap, Mapped]
    error = found[1]
    assert (error.source_id, error.rows) == ("#1102", (3, 4, 5))
    assert [(p.row, p.column, p.value) for p in error.problems] == [
        (4, "Lineitem sku", ""),
        (4, "Lineitem quantity", "1.5"),
    ]


def test_a_file_resaved_by_a_european_spreadsheet_reads_the_same():
    original, resaved = mapped(file()), results(file(RESAVED))
    assert [result.source_id for result in resaved] == ["#1101", "#1102", "#1108", "#1109"]
    for result in resaved[:3]:
        expected = original[result.source_id]
        assert {**result.payload, "metadata": {}} == {**expected, "metadata": {}}
    (problem,) = resaved[3].problems
    assert (problem.row, problem.column, problem.value) == (7, "Id", "7,41099E+12")
    assert "as Shopify exported it" in problem.reason


# --- how files are saved -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "save",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: b"sep=,\r\n" + text.encode(),
        lambda text: text.encode() + b"\n\n,,,\n",
        lambda text: text.rstrip("\n").encode(),
    ],
    ids=["byte order mark", "CRLF", "CR", "sep= line", "blank rows", "no last line end"],
)
def test_ways_of_saving_make_no_difference(save):
    assert mapped(save(file().decode())) == mapped(file())


def test_cp1252_is_told_from_utf8_by_its_first_accent():
    western = "".join(c for c in file().decode() if c.encode("cp1252", "ignore"))
    assert mapped(western.encode("cp1252"))["#1106"]["customer"]["name"] == "Sofía López"


def test_one_wrong_byte_at_the_start_does_not_make_a_utf8_file_cp1252():
    found = results(file().replace(b"rue", b"\x80ue", 1))
    assert [r.source_id for r in found if isinstance(r, CannotMap)] == ["#1101"]
    assert found[1].payload["shipping_address"]["city"] == "Görlitz"


def test_a_wrong_byte_in_utf8_spoils_its_own_order_only():
    content = file().replace("Görlitz".encode(), b"G\xf6rlitz", 1)
    found = [result.source_id for result in results(content) if isinstance(result, CannotMap)]
    assert found == ["#1102"]
    assert "save the file as UTF-8" in samples.told(refused(content)["#1102"])[0][1]


@pytest.mark.parametrize(
    ("text", "comma", "expected"),
    [
        ("1234.50", False, "1234.50"),
        ("1,234.50", False, "1234.50"),
        ("12,50", False, "12.50"),
        ("1.234,50", True, "1234.50"),
        ("1 234,50", True, "1234.50"),
        ("1\u202f234,50", True, "1234.50"),
        ("12.50", True, "12.50"),
        ("12", True, "12.00"),
    ],
)
def test_amounts_are_read_as_spreadsheets_write_them(text, comma, expected):
    name = RESAVED if comma else "orders_export.csv"
    content = file(name).decode("cp1252" if comma else "utf-8")
    mark, separator = ("29,90", ";") if comma else ("29.90", ",")
    quoted = f'"{text}"' if separator in text else text
    header, first, *_ = content.splitlines(keepends=True)
    first = first.replace(mark, quoted).replace("34,80" if comma else "34.80", "@TOTAL@")
    first = first.replace("5,80" if comma else "5.80", "0").replace(
        "4,90" if comma else "4.90", "0"
    )
    (order,) = mapped((header + first.replace("@TOTAL@", quoted)).encode()).values()
    assert order["line_items"][0]["unit_price"] == expected
    assert order["total"] == expected


@pytest.mark.parametrize("text", ["1,234", "€ 12.50", "1.2.3", "١٢", "1e3", "0.001", "-5.00", "--"])
def test_amounts_that_can_be_read_in_two_ways_or_none_are_refused(text):
    problems = refused(only("#1101", Total=text))["#1101"].problems
    assert [(p.row, p.column) for p in problems] == [(2, "Total")]


@pytest.mark.parametrize(("name", "text"), [("orders_export.csv", "1,234"), (RESAVED, "1.234")])
def test_one_separator_before_three_digits_is_refused_in_dinars_too(name, text):
    content = file(name).decode("cp1252" if name == RESAVED else "utf-8")
    content = content.replace("EUR", "KWD", 1).replace("34,80", text).replace("34.80", f'"{text}"')
    problems = refused(content.encode())["#1101"].problems
    assert [(p.column, "two ways" in p.reason) for p in problems] == [("Total", True)]


# --- broken files --------------------------------------------------------------------------------


def test_an_unclosed_quote_spoils_its_own_order_only():
    content = file().replace(b"#1103,jordan", b'#1103,"jordan', 1)
    found = refused(content)
    assert list(found) == ["#1103"]
    (problem,) = found["#1103"].problems
    assert (problem.row, "quotation marks" in problem.reason) == (6, True)
    assert len(results(content)) == 12


@pytest.mark.parametrize(
    ("name", "cell"), [("#1101", "camille"), ("#1102", "Enamel Mug"), ("#1109", "Court Sneaker")]
)
def test_rows_after_an_unclosed_quote_are_read_again(name, cell):
    before, inside = file().split(f"{name},".encode(), 1)
    content = before + f"{name},".encode() + inside.replace(cell.encode(), f'"{cell}'.encode(), 1)
    assert list(refused(content)) == [name]
    assert len(results(content)) == 12


def test_what_is_left_of_a_broken_row_stays_with_its_order():
    content = file().replace(b'"Hauptstra', b'"x"Hauptstra', 1)
    assert list(refused(content)) == ["#1102"]
    assert len(results(content)) == 12


def test_a_broken_row_below_the_first_says_nothing_of_the_sums():
    content = file().replace(b"Merino Scarf - Red", b'"Merino "Scarf', 1)
    (problem,) = refused(content)["#1102"].problems
    assert (problem.row, problem.reason) == (4, "has quotation marks that do not belong together")


def test_a_stream_that_drips_is_read_the_same():
    class Drip(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(1)

    content = file().replace(b"\n", b"\r\n")
    assert [result.rows for result in read(Drip(content))] == [r.rows for r in results(file())]


def test_an_unclosed_quote_in_the_last_row_is_found():
    content = file().rstrip(b"\n") + b'"'
    content = content.replace(b"#1112,camille", b'#1112,"camille', 1)
    assert list(refused(content)) == ["#1112"]


def test_a_five_megabyte_cell_spoils_its_own_order_and_no_memory():
    huge = b"z" * 5_000_000
    content = file().replace(b"12 rue des Lilas", huge, 1)
    stream = io.BytesIO(content)
    tracemalloc.start()
    found = list(read(stream))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [r.source_id for r in found if isinstance(r, CannotMap)] == ["#1101"]
    assert "longer than" in found[0].problems[0].reason
    assert peak < 3_000_000


def test_a_file_is_read_as_far_as_it_is_asked_for():
    header, first = file().split(b"\n")[:2]
    stream = io.BytesIO(header + b"\n" + (first + b"\n") * 20_000)
    rows = read(io.BytesIO(file() + stream.getvalue()[len(header) + 1 :]))
    assert next(rows).source_id == "#1101"
    endless = io.BytesIO(file() + b"\n" * 10_000_000)
    assert next(read(endless)).source_id == "#1101"
    assert endless.tell() < 1_000_000


def test_a_nul_is_refused_where_it_stands():
    error = refused(file().replace(b"Classic Tee - Black / M", b"Classic\x00Tee", 1))["#1101"]
    assert [(p.row, p.column, p.reason) for p in error.problems] == [
        (2, "Lineitem name", "contains a NUL character")
    ]


def test_rows_of_an_order_that_stand_apart_are_a_problem():
    found = refused(table(lambda rows: rows.append(rows.pop(2))))
    assert any("must stand together" in why for _, why in samples.told(found["#1102"]))
    assert list(found) == ["#1102"]


def test_a_separator_without_quotes_is_noticed():
    error = refused(file().replace(b"Milano Duomo", b"Milano, Duomo", 1))["#1104"]
    assert any("cells under 79 columns" in why for _, why in samples.told(error))


def test_an_order_filled_down_is_fine_unless_it_contradicts_itself():
    def fill(rows):
        head, *below = of_order(rows, "#1103")
        for row in below:
            row.update({"Id": head["Id"], "Total": head["Total"], "Currency": "USD"})

    assert mapped(table(fill)) == mapped(file())
    found = refused(table(lambda rows: of_order(rows, "#1103")[2].update({"Total": "9.99"})))
    assert [(p.row, p.column) for p in found["#1103"].problems] == [(8, "Total")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"PK\x03\x04rest", "Excel workbook"),
        ("Name,Id".encode("utf-16"), "UTF-16"),
        (b'"Name,Id\n1,2', "never closed"),
        (b"x" * 200_000, "longer than"),
    ],
)
def test_a_file_that_is_no_export_says_what_it_is(content, reason):
    with pytest.raises(CannotMap, match=reason):
        results(content)


def test_missing_and_repeated_columns_are_all_named():
    content = file().replace(b"Lineitem sku", b"SKU", 1).replace(b",Id,", b",Vendor,", 1)
    with pytest.raises(CannotMap) as refusal:
        results(content)
    assert [(p.row, p.column, p.reason) for p in refusal.value.problems] == [
        (1, "Lineitem sku", "this column is missing"),
        (1, "Id", "this column is missing"),
        (1, "Vendor", "this column is there twice"),
    ]


def test_too_many_rows_stop_the_file_after_what_was_read():
    rows = read(io.BytesIO(file()), max_rows=8)
    assert [next(rows).source_id for _ in range(3)] == ["#1101", "#1102", "#1103"]
    with pytest.raises(CannotMap, match="more than 8 rows"):
        next(rows)


def test_a_file_of_broken_rows_is_given_up():
    header = file().split(b"\n")[0]
    with pytest.raises(CannotMap, match="broken rows"):
        results(header + b"\n" + b'#1,"x\n' * 5_000)


# --- orders that cannot be mapped ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "column", "reason"),
    [
        ({"Id": ""}, "Id", "is empty"),
        ({"Id": "gid://1"}, "Id", "not an order id"),
        ({"Cancelled_at": "2026-11-03 10:00:00 +0100"}, "Cancelled at", "was canceled"),
        ({"Financial_Status": "refunded"}, "Financial Status", "refunded in full"),
        ({"Financial_Status": "voided"}, "Financial Status", "voided"),
        ({"Financial_Status": "partially_refunded"}, "Financial Status", "which lines"),
        ({"Financial_Status": "partially_paid", "Outstanding_Balance": ""},
         "Outstanding Balance", "is empty"),
        ({"Refunded_Amount": "5.00"}, "Refunded Amount", "which lines"),
        ({"Fulfillment_Status": "partial"}, "Fulfillment Status", "send them again"),
        ({"Lineitem_fulfillment_status": "fulfilled"}, "Lineitem fulfillment status", "again"),
        ({"Lineitem_sku": "8,00123E+12"}, "Lineitem sku", "scientific"),
        ({"Lineitem_quantity": "0"}, "Lineitem quantity", "whole number"),
        ({"Lineitem_requires_shipping": "false"}, "Lineitem requires shipping", "shipped"),
        ({"Currency": "euros"}, "Currency", "ISO 4217"),
        ({"Created_at": "02/11/2026 09:50"}, "Created at", "as Shopify exported it"),
        ({"Created_at": "2026-11-02 09:50:26"}, "Created at", "no time zone"),
        ({"Subtotal": "99.00"}, "Subtotal", "more than the lines cost: 29.90"),
        ({"Total": "36.00"}, "Total", "neither Subtotal 29.90 + Shipping 4.90 + Taxes 5.80"),
        ({"Duties": "3.00", "Total": "37.80"}, "Total", "Duties 3.00"),
        ({"Duties": "3.00"}, "Total", "Duties 3.00"),
        ({"Shipping_Country": "Atlantis"}, "Shipping Country", "not a country"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_named_with_row_and_column(cells, column, reason):
    found = refused(only("#1101", **cells))
    assert list(found) == ["#1101"]
    assert [(2, column)] == [(p.row, p.column) for p in found["#1101"].problems]
    assert reason in found["#1101"].problems[0].reason


def test_everything_wrong_with_an_order_is_told_at_once():
    content = only("#1101", Id="1E+12", Currency="euros", Lineitem_sku="", Created_at="?")
    columns = {problem.column for problem in refused(content)["#1101"].problems}
    assert columns == {"Id", "Currency", "Lineitem sku", "Created at"}


def test_duties_on_top_are_shared_like_taxes():
    order = mapped(only("#1103", Duties="10.00", Total="313.58"))["#1103"]
    assert_adds_up(order)
    assert (order["tax_total"], order["metadata"]["duties"]) == ("33.78", "10.00")


# --- whatever comes ------------------------------------------------------------------------------


def outcome(content: bytes) -> list[Mapped | CannotMap]:
    """All results; a file that cannot be read on ends with its error."""
    found = []
    try:
        for result in read(io.BytesIO(content)):
            found.append(result)
    except CannotMap as error:
        found.append(error)
    for result in found:
        if isinstance(result, Mapped):
            assert_adds_up(result.payload)
        else:
            assert result.problems
    return found


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_rows_or_a_refusal(noise, with_header):
    outcome((file().split(b"\n")[0] + b"\n" if with_header else b"") + noise)


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(samples.FILES),
    st.integers(0, 11_000),
    st.integers(0, 40),
    st.binary(max_size=6) | st.sampled_from([b'"', b"\n", b"\r", b",", b";", b"\x00", b'""', b"'"]),
)
def test_a_damaged_export_still_gives_orders_that_add_up(name, at, gone, noise):
    content = file(name)
    at %= len(content)
    header_end = content.index(b"\n")
    found = outcome(content[:at] + noise + content[at + gone :])
    if at > header_end and b'"' not in noise and b'"' not in content[at : at + gone]:
        assert any(isinstance(result, Mapped) for result in found)
