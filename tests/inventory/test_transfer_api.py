"""Transfers over REST: who may do what, each figure counted once, errors that name their field."""

import json

import pytest

from inventory.models import Stock, Transfer
from orders.keys import COMPANY_SCOPES
from orders.models import ApiKey

URL = "/api/v1/transfers"


@pytest.fixture
def call(client, company):
    """call("POST", path, body, key=...) as the company's own system unless another key is given."""
    _, erp = ApiKey.objects.create_key(name="ERP", scopes=COMPANY_SCOPES)

    def send(method, path="", body=None, *, key=erp, **headers):
        return client.generic(
            method, f"{URL}{path}", json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}", **headers},
        )  # fmt: skip

    return send


def wanted(**changes):
    lines = [{"sku": "TEE", "quantity": 10}, {"sku": "MUG", "quantity": 2}]
    return {"reference": "ERP-7", "source": "WH", "destination": "LYON", "lines": lines} | changes


def on_the_road(call, **changes):
    assert call("POST", "", wanted(**changes)).status_code == 201
    assert call("POST", "/ERP-7/confirm").status_code == 200
    answer = call("POST", "/ERP-7/ship")
    assert answer.status_code == 200, answer.content
    return answer.json()


def tee(body):
    return next(line for line in body["lines"] if line["sku"] == "TEE")


def problem(answer):
    """(status, code or the one entry's pointer and code)."""
    body = answer.json()
    if body["errors"]:
        entry = body["errors"][0]
        return answer.status_code, entry["pointer"], entry["code"]
    return answer.status_code, body["code"]


def test_a_transfer_goes_all_its_way_over_rest(call, company):
    answer = call("POST", "", wanted(eta="2026-12-01", note="for Christmas"))
    assert answer.status_code == 201
    body = answer.json()
    assert (body["state"], body["source"], body["destination"]) == ("draft", "WH", "LYON")
    assert (body["eta"], body["note"], body["created_by"]) == ("2026-12-01", "for Christmas", "ERP")
    assert tee(call("POST", "/ERP-7/confirm").json())["held"] == 10
    body = call("POST", "/ERP-7/ship").json()
    assert (body["state"], tee(body)["sent"], tee(body)["in_transit"]) == ("shipped", 10, 10)
    lines = [{"sku": "TEE", "received": 7, "refused": 3}, {"sku": "MUG", "received": 1}]
    body = call("POST", "/ERP-7/receive", {"lines": lines}).json()
    assert (body["state"], tee(body)["in_transit"]) == ("partly", 0)
    body = call("POST", "/ERP-7/close").json()
    assert body["state"] == "closed"
    assert [(line["sku"], line["lost"]) for line in body["lines"]] == [("MUG", 1), ("TEE", 0)]
    assert call("GET", "/ERP-7").json() == body


def test_a_receipt_sent_again_counts_once_with_and_without_a_key(call, company):
    on_the_road(call)
    body = {"lines": [{"sku": "TEE", "received": 4}]}
    first = call("POST", "/ERP-7/receive", body, **{"Idempotency-Key": "k1"})
    again = call("POST", "/ERP-7/receive", body, **{"Idempotency-Key": "k1"})
    assert (again.json(), again["Idempotent-Replayed"]) == (first.json(), "true")
    assert tee(call("POST", "/ERP-7/receive", body).json())["received"] == 4
    lyon = Stock.objects.get(product=company.products["TEE"], location=company.locations["LYON"])
    assert lyon.on_hand == 14


def test_a_part_is_sent_and_the_rest_later_or_never(call):
    call("POST", "", wanted())
    call("POST", "/ERP-7/confirm")
    body = call("POST", "/ERP-7/ship", {"lines": [{"sku": "TEE", "sent": 6}]}).json()
    assert (tee(body)["sent"], tee(body)["held"]) == (6, 4)
    body = call("POST", "/ERP-7/ship", {"lines": [], "rest": "never"}).json()
    assert (tee(body)["sent"], tee(body)["held"]) == (6, 0)


def test_the_list_is_narrowed_by_state_and_ends(call):
    on_the_road(call)
    call("POST", "", wanted(reference="", source="RIGA"))

    def references(query):
        return [row["reference"] for row in call("GET", query).json()["results"]]

    assert references("?state=shipped") == ["ERP-7"]
    assert len(references("?destination=LYON")) == 2
    assert references("?source=WH") == ["ERP-7"]
    assert references("?destination=WH") == []
    assert call("GET", "?stat=draft").status_code == 400


# --- who may --------------------------------------------------------------------------------------


def test_the_source_ships_the_destination_receives_and_others_see_nothing(call, company):
    wh, lyon, paris = (company.location_key(code) for code in ("WH", "LYON", "PARIS"))
    call("POST", "", wanted())
    assert call("POST", "/ERP-7/confirm", key=lyon).status_code == 403
    assert call("POST", "/ERP-7/confirm", key=wh).status_code == 200
    assert call("POST", "/ERP-7/ship", key=lyon).status_code == 403
    assert call("POST", "/ERP-7/ship", key=wh).status_code == 200
    body = {"lines": [{"sku": "TEE", "received": 10}]}
    assert call("POST", "/ERP-7/receive", body, key=wh).status_code == 403
    assert call("POST", "/ERP-7/receive", body, key=lyon).status_code == 200
    assert call("POST", "/ERP-7/close", key=wh).status_code == 403
    for path in ("", "/confirm", "/ship", "/receive", "/close", "/cancel"):
        method = "POST" if path else "GET"
        hidden = call(method, f"/ERP-7{path}", body, key=paris)
        unknown = call(method, f"/ERP-8{path}", body, key=paris)
        assert hidden.status_code == unknown.status_code == 404
    assert call("GET", key=paris).json()["results"] == []
    assert len(call("GET", key=lyon).json()["results"]) == 1


def test_a_stock_point_asks_only_for_transfers_of_its_own(call, company):
    paris, lyon = company.location_key("PARIS"), company.location_key("LYON")
    assert call("POST", "", wanted(), key=paris).status_code == 403
    assert call("POST", "", wanted(), key=lyon).status_code == 201


def test_a_channel_has_no_say_in_transfers(call, company):
    assert call("GET", key=company.web_key).status_code == 403
    assert call("POST", "", wanted(), key=company.web_key).status_code == 403


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"lines": []}, "/lines", "empty"),
        ({"lines": [{"sku": "TEE", "quantity": 0}]}, "/lines/0/quantity", "min_value"),
        ({"lines": [{"sku": "TEE", "quantity": "5"}]}, "/lines/0/quantity", "invalid"),
        ({"lines": [{"sku": "NO", "quantity": 1}]}, "/lines/0/sku", "unknown_sku"),
        ({"lines": [{"sku": "TEE", "quantity": 1}] * 2}, "/lines/1/sku", "given_twice"),
        ({"lines": [{"sku": "TEE", "quantity": 1}] * 1001}, "/lines", "max_length"),
        ({"source": "NO"}, "/source", "unknown_location"),
        ({"destination": "WH"}, "/flow", "bad_ends"),
        ({"flow": "receive_only"}, "/flow", "bad_ends"),
        ({"flow": "teleport"}, "/flow", "invalid_choice"),
        ({"reference": "a/b"}, "/reference", "bad_reference"),
        ({"eta": "soon"}, "/eta", "invalid"),
        ({"state": "closed"}, "/state", "unknown_field"),
    ],
)
def test_a_bad_request_names_its_field(call, changes, pointer, code):
    assert problem(call("POST", "", wanted(**changes))) == (400, pointer, code)
    assert not Transfer.objects.exists()


def test_a_reference_is_taken_once(call):
    call("POST", "", wanted())
    assert problem(call("POST", "", wanted())) == (409, "reference_taken")


def test_promised_units_are_not_claimed(call, company):
    lines = [{"sku": "CAP", "quantity": 2}]
    call("POST", "", wanted(source="LYON", destination="WH", lines=lines))
    answer = call("POST", "/ERP-7/confirm")
    assert problem(answer) == (409, "not_free")
    assert "CAP: 2 wanted, 1 free" in answer.json()["detail"]


def test_figures_that_fall_or_pass_what_was_asked_point_at_their_line(call):
    on_the_road(call)
    lines = [{"sku": "MUG", "sent": 2}, {"sku": "TEE", "sent": 9}]
    answer = call("POST", "/ERP-7/ship", {"lines": lines})
    assert problem(answer) == (400, "/lines/1/sent", "counted_more")
    answer = call("POST", "/ERP-7/ship", {"lines": [{"sku": "TEE", "sent": 11}]})
    assert problem(answer) == (400, "/lines/0/sent", "too_many")
    call("POST", "/ERP-7/receive", {"lines": [{"sku": "TEE", "refused": 2}]})
    answer = call("POST", "/ERP-7/receive", {"lines": [{"sku": "TEE", "refused": 1}]})
    assert problem(answer) == (400, "/lines/0/refused", "counted_more")
    answer = call("POST", "/ERP-7/receive", {"lines": [{"sku": "BAG", "received": 1}]})
    assert problem(answer) == (400, "/lines/0/sku", "unknown_sku")


def test_an_illegal_move_names_the_legal_ones(call):
    on_the_road(call)
    answer = call("POST", "/ERP-7/cancel")
    assert problem(answer) == (409, "illegal_move")
    assert "allowed is closed, partly, shipped" in answer.json()["detail"]
