"""Purchase orders, notices and receipts by REST: up to 1,000 rows, each with its answer."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import Stock, Supply
from orders.keys import COMPANY_SCOPES
from orders.models import ApiKey
from tests.orders.door import problem

TODAY = timezone.now().date()
URL = "/api/v1/supplies"


@pytest.fixture
def erp(company, client):
    _, key = ApiKey.objects.create_key(name="erp", scopes=COMPANY_SCOPES)

    def call(rows, what="", **headers):
        headers = {"Authorization": f"Bearer {key}"} | headers
        body = rows if isinstance(rows, dict) else {"rows": rows}
        return client.post(URL + what, json.dumps(body), content_type="application/json",
                           headers=headers)  # fmt: skip

    call.key = key
    return call


def line(**changes):
    return {
        "reference": "PO-1", "sku": "TEE", "location": "WH", "quantity": 10,
        "eta": (TODAY + timedelta(days=7)).isoformat(),
    } | changes  # fmt: skip


def without(row, *names):
    return {name: value for name, value in row.items() if name not in names}


def receipt(**changes):
    return without(line(quantity=4, key="r-1") | changes, "eta")


def outcomes(answer):
    assert answer.status_code == 200, answer.content
    return [row["outcome"] for row in answer.json()["results"]]


def test_a_line_is_made_then_changed_and_the_same_twice_is_nothing(erp, company):
    assert outcomes(erp([line(supplier="RIGA"), line(sku="MUG")])) == ["created", "created"]
    assert outcomes(erp([line(), line(sku="MUG", quantity=9)])) == ["unchanged", "changed"]
    row = Supply.objects.get(product__sku="MUG")
    assert (row.quantity, row.first_quantity) == (9, 10)
    assert Supply.objects.get(product__sku="TEE").supplier.code == "RIGA"


def test_one_bad_row_stops_no_other_and_is_named(erp, company):
    answer = erp([line(sku="NOPE"), line(), line(quantity=-1), line(location="X"), line(), {}])
    assert outcomes(answer) == ["refused", "created", "refused", "refused", "refused", "refused"]
    codes = [[p["code"] for p in row["problems"]] for row in answer.json()["results"]]
    assert codes[0] == ["unknown_sku"]
    assert codes[3] == ["unknown_location"]
    assert codes[4] == ["given_twice"]
    assert answer.json()["outcomes"] == {"created": 1, "refused": 5}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (line(quantity=1.0), "quantity"),
        (line(quantity=True), "quantity"),
        (line(quantity=2**31), "quantity"),
        (line(eta="9999-12-31"), "eta"),
        (line(eta=None), "eta"),
        (line(kind="oversell"), "eta"),
        (line(kind="return"), "kind"),
        (line(reference="A\nB"), "reference"),
        (line(reference="x" * 41), "reference"),
        (line(paid=1), "paid"),
    ],
)
def test_a_row_that_cannot_be_is_refused_by_field(erp, row, field):
    (result,) = erp([row]).json()["results"]
    assert [p["pointer"] for p in result["problems"]] == [f"/{field}"]
    assert not Supply.objects.exists()


def test_an_oversell_limit_has_no_date(erp):
    assert outcomes(erp([line(kind="oversell", eta=None)])) == ["created"]


def test_receipts_are_booked_once_in_parts_and_over(erp, company):
    erp([line()])
    first = [receipt(), receipt(key="r-2", quantity=3, refused=1)]
    assert outcomes(erp(first, "/receipts")) == ["booked", "booked"]
    assert outcomes(erp(first, "/receipts")) == ["known", "known"]
    stock = Stock.objects.get(product__sku="TEE", location__code="WH")
    assert (stock.on_hand, stock.damaged) == (107, 1)
    row = Supply.objects.get()
    assert (row.received, row.refused, row.state) == (7, 1, "open")
    erp([receipt(key="r-3", quantity=5)], "/receipts")
    row.refresh_from_db()
    assert (row.received, row.quantity, row.state) == (12, 10, "received")
    assert outcomes(erp([line(quantity=20)])) == ["refused"]


def test_the_first_unit_of_a_product_at_a_place_makes_its_row(erp, company):  # case 53
    erp([line(sku="SOLD")])
    assert outcomes(erp([receipt(sku="SOLD", quantity=1)], "/receipts")) == ["booked"]
    assert Stock.objects.get(product__sku="SOLD", location__code="WH").on_hand == 1


def test_receipts_of_lines_that_are_not_there_or_canceled_are_refused(erp, company):
    erp([line()])
    erp([line(quantity=0)])
    assert Supply.objects.get().state == "canceled"
    answer = erp([receipt(), receipt(reference="PO-2", key="b"), receipt(refused=9, key="c")],
                 "/receipts")  # fmt: skip
    assert outcomes(answer) == ["refused"] * 3
    codes = [row["problems"][0]["code"] for row in answer.json()["results"]]
    assert codes == ["ended", "no_line", "invalid"]


def test_a_notice_takes_its_units_off_the_line_and_the_line_stays_whole(erp, company):
    erp([line()])
    soon = (TODAY + timedelta(days=2)).isoformat()
    said = line(notice="ASN-1", quantity=4, eta=soon)
    assert outcomes(erp([said], "/notices")) == ["created"]
    assert outcomes(erp([said], "/notices")) == ["changed"]
    figures = dict(Supply.objects.values_list("notice", "quantity"))
    assert figures == {"": 6, "ASN-1": 4}
    assert outcomes(erp([line()])) == ["unchanged"]  # the ERP still says ten
    erp([said | {"quantity": 3}], "/notices")
    assert dict(Supply.objects.values_list("notice", "quantity")) == {"": 7, "ASN-1": 3}
    assert outcomes(erp([said | {"reference": "PO-9"}], "/notices")) == ["refused"]
    assert outcomes(erp([receipt(notice="ASN-1", quantity=3)], "/receipts")) == ["booked"]
    assert Supply.objects.get(notice="ASN-1").state == "received"


def test_hundreds_of_lines_take_as_many_statements_as_two(erp, company):
    def statements(rows, what=""):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert erp(rows, what).status_code == 200
        return len(seen)

    few = [line(reference=f"A{n}") for n in range(2)]
    many = [line(reference=f"B{n}") for n in range(300)]
    assert statements(few) == statements(many)
    late = (TODAY + timedelta(days=9)).isoformat()
    assert statements([row | {"eta": late} for row in few]) == statements(
        [row | {"eta": late} for row in many]
    )
    said = [row | {"notice": "N", "quantity": 2} for row in many]
    assert statements([row | {"notice": "N", "quantity": 2} for row in few], "/notices") == (
        statements(said, "/notices")
    )
    arrived = [receipt(reference=row["reference"], key=row["reference"]) for row in many]
    some = [receipt(reference=row["reference"], key=row["reference"]) for row in few]
    assert statements(some, "/receipts") == statements(arrived, "/receipts")


def test_a_stock_point_speaks_for_itself_and_a_channel_not_at_all(erp, company, client):
    key = company.location_key("LYON")
    own = {"Authorization": f"Bearer {key}"}
    rows = [line(), line(location="LYON")]
    answer = erp(rows, **own)
    assert outcomes(answer) == ["refused", "created"]
    assert answer.json()["results"][0]["problems"][0]["code"] == "not_yours"
    erp([line()])
    listed = client.get(URL, headers=own).json()["results"]
    assert [row["location"] for row in listed] == ["LYON"]
    problem(erp(rows, Authorization=f"Bearer {company.web_key}"), 403)


def test_the_list_says_what_is_promised_and_free(erp, company, client):
    erp([line(quantity=3), line(reference="PO-2")])
    Supply.objects.filter(reference="PO-1").update(claimed=2)
    headers = {"Authorization": f"Bearer {erp.key}"}
    (row,) = client.get(f"{URL}?reference=PO-1&state=open", headers=headers).json()["results"]
    assert (row["claimed"], row["free"], row["sku"]) == (2, 1, "TEE")
    problem(client.get(f"{URL}?refrence=PO-1", headers=headers), 400)


def test_a_repeated_call_is_answered_again(erp, company):
    erp([line()])
    key = {"Idempotency-Key": "k"}
    first = erp([receipt()], "/receipts", **key)
    assert erp([receipt()], "/receipts", **key).json() == first.json()
    assert Supply.objects.get().received == 4


@pytest.mark.parametrize("body", [{}, {"rows": []}, {"rows": {}}, {"rows": [1]}, {"row": []}])
def test_bodies_that_are_no_rows_break_nothing(erp, body):
    assert erp(body).status_code in {200, 400}
    assert erp({"rows": [line()] * 1001}).status_code == 400
