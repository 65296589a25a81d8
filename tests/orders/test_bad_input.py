"""Bad input at the channels' door: named, refused with words, and nothing written."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.api import MAX_BODY_BYTES
from tests.cast import payload
from tests.orders import door
from tests.orders.door import problem, put, quickly, send

LINE = "/line_items/0"


@pytest.fixture(autouse=True)
def _nothing_is_written(client, company):
    client.get("/livez")  # warm: a first request loads every url
    before = door.rows()
    yield
    assert door.rows() == before


def refused(client, company, path, value):
    """POST an order with one value changed."""
    return send(client, company, put(payload(("TEE", 2), ("MUG", 1)), path, value))


# --- not JSON, or JSON that means two things -----------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "required"),
        (b"{", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"order=1", "not JSON"),
        (b"null", "expected a dictionary|no data|null"),
        (b"[]", "expected a dictionary"),
        (b'"text"', "expected a dictionary"),
        (b"7", "expected a dictionary"),
        (b'{"note": "\xff"}', "not UTF-8"),
        (b'{"note": "\xed\xa0\x80"}', "not UTF-8"),
        (json.dumps({"note": "x"}).encode("utf-16"), "not UTF-8|not JSON"),
        (b'{"note": "a\x00b"}', "not JSON"),
        (b'{"total": NaN}', "NaN is not a JSON number"),
        (b'{"total": -Infinity}', "Infinity is not a JSON number"),
        (b'{"total": 1e1000000}', "too large"),
        (b'{"metadata": {"x": -1e999}}', "too large"),
        (b'{"total": ' + b"9" * 5000 + b"}", "thousands of digits"),
        (b'{"total": "1", "total": "2"}', "'total' stands twice"),
        (b'{"metadata": {"a": [{"b": 1, "b": 1}]}}', "'b' stands twice"),
        (b"[" * 100_000, "nested deeper"),
        (b"[" * 500 + b"]" * 500, "nested deeper"),
        (b'{"metadata": ' + b'{"a":' * 2000 + b"1" + b"}" * 2001, "nested deeper"),
    ],
)
def test_a_body_that_cannot_be_read_says_why(client, company, body, words):
    with quickly():
        said = problem(send(client, company, body), 400)
    assert re.search(words, said["detail"], re.I), said["detail"]


def test_a_hundred_thousand_keys_of_which_two_are_the_same_cost_no_time(client, company):
    keys = ",".join(f'"{i:x}":1' for i in range(90_000))
    with quickly():
        said = problem(send(client, company, f'{{{keys},"15f8f":1}}'.encode()), 400)
    assert "'15f8f' stands twice" in said["detail"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"note": "a\x00b"}, "/note"),
        ({"note": "a\ud800b"}, "/note"),
        ({"tags": ["fine", "\udfff"]}, "/tags/1"),
        ({"metadata": {"gift": {"card": ["\x00"]}}}, "/metadata/gift/card/0"),
        ({"metadata": {"bad\ud800key": 1}}, "/metadata/bad?key"),
        ({"a/b~c\x00": 1}, "/a~1b~0c?"),
    ],
)
def test_a_nul_or_half_a_character_is_pointed_at(client, company, change, pointer):
    problem(send(client, company, payload() | change), 400, "invalid_text", pointer)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/xml", "text/plain", "text/html", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x", "application/json; charset=utf-16",
        "application/json; charset=latin-1", "application/json; charset=bogus", "nonsense",
    ],
)  # fmt: skip
def test_only_json_in_utf_8_is_read(client, company, content_type):
    body = json.dumps(payload()).encode()
    problem(send(client, company, body, content_type=content_type), 415, "unsupported_media_type")


def test_a_charset_that_is_utf_8_may_be_said(client, company):
    typed = 'application/json; charset="UTF-8"'
    problem(send(client, company, {}, content_type=typed), 400, "invalid")


# --- too much ------------------------------------------------------------------------------------


def test_a_body_over_the_limit_is_413(client, company):
    padded = payload() | {"note": "x" * MAX_BODY_BYTES}
    problem(send(client, company, padded), 413, "too_large")


@pytest.mark.parametrize("lines", [201, 10_000, 100_000])
def test_too_many_lines_are_refused_before_any_is_looked_at(client, company, lines):
    data = payload() | {"line_items": [{}] * lines}
    with quickly(), CaptureQueriesContext(connection) as seen:
        said = problem(send(client, company, data), 400, "invalid", "/line_items")
    assert f"has {lines} lines" in said["detail"]
    assert [q["sql"].split()[0] for q in seen] == ["SELECT"]  # the key
    assert "orders_apikey" in seen[0]["sql"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/tags", ["x"] * 100_000),
        ("/payments", [{}] * 100_000),
        ("/metadata", {str(i): i for i in range(50_000)}),
    ],
)
def test_other_lists_are_counted_first_too(client, company, path, value):
    with quickly():
        problem(refused(client, company, path, value), 400, "invalid", path)


# --- one value ----------------------------------------------------------------------------------

QUANTITIES = [0, -1, -5, 1.5, 1.0, "1", "", True, None, [], {}, 10_001, 2**31, 2**63, 10**60]


@pytest.mark.parametrize("quantity", QUANTITIES, ids=repr)
def test_a_quantity_is_a_whole_number_from_1(client, company, quantity):
    problem(refused(client, company, f"{LINE}/quantity", quantity), 400, "invalid",
            f"{LINE}/quantity")  # fmt: skip


@pytest.mark.parametrize(
    "amount",
    [-1, "-0.01", "1e5", "1E-2", "1,50", "1_000", "١٢", "+5", " ", "", "NaN", "Infinity", True,
     None, [], "0.00001", "99999999999.00", 1e300, "9" * 2000],
    ids=lambda v: repr(v)[:20],
)  # fmt: skip
@pytest.mark.parametrize("field", ["unit_price", "discount", "tax"])
def test_an_amount_is_a_plain_number_from_0(client, company, field, amount):
    problem(refused(client, company, f"{LINE}/{field}", amount), 400, "invalid", f"{LINE}/{field}")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/currency", "XYZ"),
        ("/currency", "eur"),
        ("/currency", "EURO"),
        ("/currency", None),
        ("/shipping_address/country", "ZZ"),
        ("/shipping_address/country", "FRA"),
        ("/shipping_address/country", ""),
        ("/shipping_address/latitude", 91),
        ("/shipping_address/latitude", "48.1"),
        ("/shipping_address/longitude", "nan"),
        ("/shipping_address/longitude", True),
        ("/shipping_address/line1", ""),
        ("/shipping_address/city", " "),
        ("/shipping_address/line1", "x" * 201),
        ("/shipping_address", "Lyon"),
        ("/shipping_address", None),
        ("/customer", None),
        ("/customer/email", "ana"),
        ("/customer/email", "x" * 300 + "@example.org"),
        ("/customer/name", "x" * 10_000),
        ("/customer/name", {"first": "Ana"}),
        ("/external_id", ""),
        ("/external_id", "x" * 101),
        ("/external_id", "X-1\u202e"),
        ("/external_id", "X\n1"),
        ("/line_items", []),
        ("/line_items", "TEE"),
        ("/line_items", {"0": {}}),
        ("/line_items/1", None),
        ("/line_items/1", "TEE"),
        (f"{LINE}/sku", ""),
        (f"{LINE}/sku", "x" * 65),
        (f"{LINE}/sku", "TEE\u200b"),
        ("/test", "yes"),
        ("/test", 1),
        ("/tax_included", None),
        ("/delivery/method", "drone"),
        ("/delivery/service", ""),
        ("/delivery", "ship"),
        ("/payments/0/state", "refunded"),
        ("/payments/0/amount", "-1.00"),
        ("/payments/0/amount", "1.001"),
        ("/payments/0/reference", ""),
        ("/payments/0/method", None),
        ("/payments", {}),
        ("/payments", [{"reference": "a", "method": "card", "amount": "0", "state": "captured"}]),
        ("/tags", "sale"),
        ("/tags/0", "x" * 61),
        ("/tags", ["x"] * 51),
        ("/note", "x" * 2001),
        ("/metadata", []),
        ("/metadata", "x"),
    ],
    ids=lambda v: repr(v)[:30],
)
def test_a_value_that_cannot_be_is_pointed_at(client, company, path, value):
    data = payload(("TEE", 2), ("MUG", 1), tags=["sale"])
    problem(send(client, company, put(data, path, value)), 400, "invalid", path)


@pytest.mark.parametrize(
    "when",
    [
        "2026-11-23", "2026-11-23T10:00:00", "2026-03-29T02:30:00", "yesterday", "", 1700000000,
        "0001-01-01T00:00:00+14:00", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00",
        "10000-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", [], True,
    ],
    ids=repr,
)  # fmt: skip
def test_a_time_has_a_zone_and_is_believable(client, company, when):
    problem(refused(client, company, "/placed_at", when), 400, "invalid", "/placed_at")


def test_a_time_of_the_day_after_tomorrow_is_not_believed(client, company):
    when = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    problem(refused(client, company, "/placed_at", when), 400, "invalid", "/placed_at")


@pytest.mark.parametrize("name", ["id", "status", "channel", "paid", "lineitems", "a.b", "a/b"])
def test_a_field_nobody_knows_is_an_error_and_no_default(client, company, name):
    pointer = "/" + name.replace("/", "~1")
    said = problem(send(client, company, payload() | {name: 1}), 400, "invalid", pointer)
    assert said["errors"][0]["code"] == "unknown_field"


def test_a_field_nobody_knows_inside_is_pointed_at(client, company):
    problem(refused(client, company, f"{LINE}/qty", 1), 400, "invalid", f"{LINE}/qty")


def test_missing_fields_are_all_named(client, company):
    problem(send(client, company, {}), 400, "invalid", "/external_id", "/currency", "/line_items",
            "/total")  # fmt: skip


def test_every_bad_line_is_named(client, company):
    data = put(payload(("TEE", 1), ("MUG", 1), ("BAG", 1)), "/line_items/0/quantity", 0)
    put(data, "/line_items/2/sku", None)
    problem(send(client, company, data), 400, "invalid", "/line_items/0/quantity",
            "/line_items/2/sku")  # fmt: skip


# --- what is wrong only together -----------------------------------------------------------------


def test_unknown_skus_are_named_by_their_lines(client, company):
    company.products["MUG"].active = False
    company.products["MUG"].save()
    data = payload(("TEE", 1), ("NOPE", 1), ("MUG", 1))
    said = problem(send(client, company, data), 400, "invalid", "/line_items/1/sku",
                   "/line_items/2/sku")  # fmt: skip
    assert {error["code"] for error in said["errors"]} == {"unknown_sku"}
    assert "'NOPE'" in said["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"/total": "44.89"}, ["/total"]),
        ({"/total": "44.91"}, ["/total"]),
        ({"/shipping_total": "5.00"}, ["/total"]),
        ({"/tax_total": "1.00"}, ["/tax_total"]),
        ({f"{LINE}/tax": "1.00"}, ["/tax_total"]),
        ({"/tax_included": False, "/tax_total": "1.00", f"{LINE}/tax": "1.00"}, ["/total"]),
        ({f"{LINE}/discount": "40.01"}, [f"{LINE}/discount", "/discount_total"]),
        ({f"{LINE}/discount": "5.00"}, ["/discount_total"]),
        ({"/discount_total": "100.00"}, ["/discount_total", "/total"]),
        ({"/tax_total": "1.00", "/total": "1.00"}, ["/tax_total", "/total"]),
        ({"/total": "44.901"}, ["/total"]),
        ({f"{LINE}/tax": "0.0001", "/tax_total": "0.0001"}, ["/tax_total", f"{LINE}/tax"]),
    ],
)
def test_totals_that_do_not_add_up_name_each_figure(client, company, changes, pointers):
    data = payload(("TEE", 2))
    for path, value in changes.items():
        put(data, path, value)
    problem(send(client, company, data), 400, "invalid", *pointers)


def test_a_currency_without_cents_has_none(client, company):
    data = payload(("TEE", 1), currency="JPY", payments=[])
    pointers = ("/shipping_total", "/total")
    problem(send(client, company, data), 400, "invalid", *pointers)


def test_more_money_than_a_column_holds_is_refused_before_it_gets_there(client, company):
    price, quantity = Decimal("9999999999.00"), 2
    data = payload(("TEE", quantity), payments=[], shipping_total="0.00")
    put(data, f"{LINE}/unit_price", str(price))
    data |= {"discount_total": str(price), "total": str(price)}
    problem(send(client, company, data), 400, "invalid", "/line_items")


def test_two_payments_with_one_reference_are_refused(client, company):
    data = payload(("TEE", 1))
    data["payments"] *= 2
    problem(send(client, company, data), 400, "invalid", "/payments")


def test_pick_up_names_a_store_that_can(client, company):
    for location in (None, "", "NOWHERE", "WH"):
        data = payload(delivery={"method": "pickup", "location": location, "service": "standard"})
        problem(send(client, company, data), 400, "invalid", "/delivery/location")


def test_more_than_there_is_is_a_conflict_that_names_the_line(client, company):
    said = problem(send(client, company, payload(("TEE", 1), ("CAP", 3))), 409,
                   "insufficient_stock", "/line_items/1/quantity")  # fmt: skip
    assert "2 of 3 units of CAP can be promised" in said["detail"]
