"""Counts over REST: a device of a stock point counts, the company's system decides."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from inventory.models import Count, Stock
from orders.keys import COMPANY_SCOPES
from orders.models import ApiKey

URL = "/api/v1/counts"


@pytest.fixture
def call(client, company):
    """call("POST", path, body, key=...) as Lyon's device unless another key is given."""
    lyon = company.location_key("LYON")

    def send(method, path="", body=None, *, key=lyon, **headers):
        return client.generic(
            method, f"{URL}{path}", json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}", **headers},
        )  # fmt: skip

    return send


@pytest.fixture
def erp(company):
    return ApiKey.objects.create_key(name="ERP", scopes=COMPANY_SCOPES)[1]


def opened(call, **changes):
    answer = call("POST", "", {"location": "LYON", "skus": ["TEE", "MUG"]} | changes)
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def found(code, units, at=None):
    return {"code": code, "found": units, "counted_at": (at or timezone.now()).isoformat()}


def put(call, pk, *rows, section="Everywhere", **options):
    return call("PUT", f"/{pk}/sections/{section}/entries", {"rows": list(rows)}, **options)


def codes(answer):
    return [(entry["pointer"], entry["code"]) for entry in answer.json()["errors"]]


def lines(call, pk, **options):
    rows = call("GET", f"/{pk}/lines", **options).json()["results"]
    return {row["sku"]: row for row in rows}


def test_a_count_goes_all_its_way_over_rest(call, erp, company):
    pk = opened(call, sections=["Aisle", "Back room"], cause="spring", due_on="2026-12-01")
    rows = put(call, pk, found("TEE", 7), found(company.products["MUG"].gtin, 5), section="Aisle")
    assert [(r["result"], r["sku"]) for r in rows.json()["rows"]] == [
        ("counted", "TEE"), ("counted", "MUG")]  # fmt: skip
    put(call, pk, found("TEE", 1), section="Back room")
    for name in ("Aisle", "Back room"):
        assert call("POST", f"/{pk}/sections/{name}/submit").status_code == 200
    assert call("POST", f"/{pk}/submit", {}).json()["state"] == "review"

    assert lines(call, pk)["TEE"]["difference"] == -2
    assert lines(call, pk)["MUG"]["decision"] == "accept"
    decided = {"rows": [{"sku": "TEE", "decision": "accept"}]}
    assert call("POST", f"/{pk}/decisions", decided, key=erp).status_code == 200
    assert call("POST", f"/{pk}/post", key=erp).json()["state"] == "posted"
    assert call("POST", f"/{pk}/post", key=erp).status_code == 200
    tee = Stock.objects.get(location=company.locations["LYON"], product__sku="TEE")
    assert (tee.on_hand, lines(call, pk)["TEE"]["posted"]) == (8, -2)


def test_an_open_blind_count_says_nothing_of_the_books(call):
    pk = opened(call)
    put(call, pk, found("TEE", 7))
    row = lines(call, pk)["TEE"]
    assert (row["found"], row["expected"], row["off_shelf"], row["difference"]) == (
        7, None, None, None)  # fmt: skip

    seeing = opened(call, blind=False)
    put(call, seeing, found("TEE", 7))
    assert lines(call, seeing)["TEE"]["expected"] == 10


def test_a_bad_row_says_what_is_wrong_and_stops_no_other(call):
    pk = opened(call)
    late = timezone.now() + timedelta(hours=1)
    answer = put(
        call, pk, found("TEE", 1), found("NOPE", 1), found("MUG", -1), found("TEE", 1, late), {},
        found("TEE", 2.0), {**found("TEE", 1), "delta": 1}, found("BAG", 3),
    )  # fmt: skip
    rows = answer.json()["rows"]
    assert [row["result"] for row in rows] == ["counted", *["failed"] * 6, "counted"]
    assert [row["index"] for row in rows] == list(range(8))
    assert all(row["detail"] for row in rows if row["result"] == "failed")
    assert rows[-1]["added"] is True


def test_sending_again_changes_nothing(call):
    pk = opened(call)
    row = found("TEE", 4)
    assert put(call, pk, row).json()["rows"][0]["result"] == "counted"
    assert put(call, pk, row).json()["rows"][0]["result"] == "same"
    older = found("TEE", 3, timezone.now() - timedelta(seconds=30))
    assert put(call, pk, older).json()["rows"][0]["result"] == "older"
    assert lines(call, pk)["TEE"]["found"] == 4


@pytest.mark.parametrize(("changes", "pointer"), [
    ({"location": "MOON"}, "/location"), ({"skus": []}, "/skus"), ({"skus": ["NOPE"]}, "/skus/0"),
    ({"skus": "TEE"}, "/skus"), ({"sections": []}, "/sections"),
    ({"sections": ["A", "A"]}, "/sections"), ({"kind": "half"}, "/kind"),
    ({"tolerance_units": -1}, "/tolerance_units"), ({"tolerance_percent": True},
     "/tolerance_percent"), ({"due_on": "soon"}, "/due_on"), ({"units": 1}, "/units"),
    ({"skus": ["TEE"] * 10_001}, "/skus"),
])  # fmt: skip
def test_bad_input_names_its_field(call, changes, pointer):
    answer = call("POST", "", {"location": "LYON", "skus": ["TEE"]} | changes)
    assert answer.status_code == 400
    assert codes(answer)[0][0] == pointer
    assert not Count.objects.exists()


def test_other_peoples_counts_do_not_exist(call, company, erp):
    pk = opened(call)
    paris, web = company.location_key("PARIS"), company.web_key
    for method, path in (("GET", ""), ("GET", "/lines"), ("POST", "/submit"), ("POST", "/post"),
                         ("POST", "/cancel"), ("POST", "/sections/Everywhere/submit")):  # fmt: skip
        assert call(method, f"/{pk}{path}", {} if path == "/submit" else None,
                    key=paris).status_code == 404  # fmt: skip
        assert call(method, f"/{pk}{path}", key=web).status_code == 403
    assert put(call, pk, found("TEE", 1), key=paris).status_code == 404
    assert call("POST", "", {"location": "PARIS", "skus": ["TEE"]}).status_code == 403
    assert call("GET", "", key=paris).json()["results"] == []
    assert call("GET", "?location=LYON", key=erp).json()["results"][0]["id"] == pk


def test_what_cannot_be_done_now_says_why(call, erp):
    pk = opened(call, kind="full", skus=[])

    def code(path, body=None, **options):
        answer = call("POST", f"/{pk}{path}", body, **options)
        assert answer.status_code == 409
        return answer.json()["code"]

    assert code("/post") == "illegal_move"
    put(call, pk, found("TEE", 10))
    assert code("/submit", {}) == "sections_open"
    full = call("POST", "", {"location": "LYON", "kind": "full"})
    assert full.json()["code"] == "full_count_open"
    assert put(call, pk, found("TEE", 9), key=erp).json()["code"] == "in_other_hands"
    call("POST", f"/{pk}/sections/Everywhere/submit")
    assert put(call, pk, found("TEE", 9)).json()["code"] == "section_closed"
    assert code("/submit", {}) == "uncounted"
    assert call("POST", f"/{pk}/submit", {"rest_is_zero": True}).status_code == 200
    unknown = call("POST", f"/{pk}/decisions", {"rows": [
        {"sku": "NOPE", "decision": "accept"}, {"sku": "TEE", "decision": "accept"},
        {"sku": "TEE", "decision": "reject"}]})  # fmt: skip
    assert codes(unknown) == [("/rows/0/sku", "unknown_sku"), ("/rows/2/sku", "given_twice")]
    again = {"rows": [{"sku": "BAG", "decision": "recount"}]}
    assert call("POST", f"/{pk}/decisions", again).json()["state"] == "counting"
    assert call("POST", f"/{pk}/cancel").json()["state"] == "canceled"


def test_a_post_is_answered_once_per_key(call):
    body, key = {"location": "LYON", "skus": ["TEE"]}, {"Idempotency-Key": "k1"}
    first, again = call("POST", "", body, **key), call("POST", "", body, **key)
    assert first.json() == again.json()
    assert Count.objects.count() == 1


def test_what_to_count_next(call, erp):
    rows = call("GET", "/proposal").json()["rows"]
    assert [row["sku"] for row in rows] == ["TEE", "BAG", "MUG", "CAP"]
    assert [r["sku"] for r in call("GET", "/proposal?limit=1").json()["rows"]] == ["TEE"]
    assert call("GET", "/proposal?location=PARIS").status_code == 403
    assert call("GET", "/proposal?location=PARIS", key=erp).status_code == 200
    for wrong in ("location=MOON", "limit=0", "limit=x", "limit=1000", "top=1"):
        assert call("GET", f"/proposal?{wrong}", key=erp).status_code == 400
    assert call("GET", "/proposal", key=erp).status_code == 400
