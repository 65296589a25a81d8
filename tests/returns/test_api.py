"""Returns over REST: a channel asks and pays, a stock point receives and inspects."""

import json

import pytest

from inventory.models import StockPool
from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, SalesChannel
from returns.models import Return
from tests.returns import journeys

URL = "/api/v1/returns"


@pytest.fixture
def order(company):
    return journeys.deliver(
        journeys.buy(company, ("BAG", 3, "89.99"), ("TEE", 1, "20.00"), external_id="X-7")
    )


@pytest.fixture
def call(client, company):
    """call("POST", path, body, key=...) as the web channel unless another key is given."""

    def send(method, path="", body=None, *, key=None, **headers):
        return client.generic(
            method, f"{URL}{path}", json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {key or company.web_key}", **headers},
        )  # fmt: skip

    return send


def wish(quantity=3, line=1, **changes):
    lines = [{"line": line, "quantity": quantity}]
    return {"order": "X-7", "lines": lines, "reason": "unwanted", "note": ""} | changes


def ask(call, **changes):
    answer = call("POST", "", wish(**changes))
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_return_goes_all_its_way_over_rest(call, order, company):
    number = ask(call)["number"]
    wh = company.location_key("WH")
    assert call("POST", f"/{number}/approve").json()["state"] == "approved"
    lines = [{"line": 1, "received": 2}]
    body = call("POST", f"/{number}/receive", {"lines": lines}, key=wh).json()
    assert (body["state"], body["location"], body["lines"][0]["received"]) == ("received", "WH", 2)
    lines = [{"line": 1, "grades": {"A": 1, "C": 1}}]
    body = call("POST", f"/{number}/inspect", {"lines": lines}, key=wh).json()
    assert body["state"] == "inspected"
    assert [u["disposition"] for u in body["lines"][0]["units"]] == ["restock", "quarantine"]
    body = call("POST", f"/{number}/refund", {}).json()
    assert (body["state"], body["refund_amount"]) == ("refunded", "179.98")
    assert journeys.stock("BAG", company.locations["WH"]) == (2, 0, 1, 1)


def test_a_line_is_named_by_position_or_by_the_channels_own_id(call, order):
    assert ask(call, line=2, quantity=1)["lines"][0]["sku"] == "TEE"
    assert ask(call, line="L0", quantity=1)["lines"][0]["sku"] == "BAG"
    answer = call("POST", "", wish(line="L9"))
    assert answer.json()["errors"][0]["pointer"] == "/lines/0/line"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"lines": []}, "/lines"),
        ({"lines": [{"line": 1, "quantity": 0}]}, "/lines/0/quantity"),
        ({"lines": [{"line": 1, "quantity": 1.0}]}, "/lines/0/quantity"),
        ({"lines": [{"line": 1, "quantity": "1"}]}, "/lines/0/quantity"),
        ({"lines": [{"line": True, "quantity": 1}]}, "/lines/0/line"),
        ({"lines": [{"line": 1, "quantity": 4}]}, "/lines/0/quantity"),
        ({"lines": [{"line": 1, "quantity": 1}] * 201}, "/lines"),
        ({"reason": "because"}, "/reason"),
        ({"refund": 5}, "/refund"),
        ({"note": "a\x00b"}, "/note"),
    ],
)
def test_a_bad_wish_names_its_field_and_writes_nothing(call, order, changes, pointer):
    answer = call("POST", "", wish(**changes))
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Return.objects.exists()


def test_units_another_return_holds_are_a_conflict(call, order):
    ask(call, quantity=2)
    answer = call("POST", "", wish(quantity=2))
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many")


def test_a_repeat_with_its_key_has_no_second_effect(call, order):
    first = call("POST", "", wish(quantity=1), **{"Idempotency-Key": "k1"})
    again = call("POST", "", wish(quantity=1), **{"Idempotency-Key": "k1"})
    assert first.json() == again.json()
    assert Return.objects.count() == 1


def test_an_illegal_move_names_the_legal_ones(call, order):
    number = ask(call)["number"]
    answer = call("POST", f"/{number}/refund", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
    assert "approved, canceled, declined" in answer.json()["detail"]


def test_a_refund_above_the_units_share_is_refused_in_words(call, order, company):
    rma = journeys.come_back(order, company.locations["WH"], BAG=2)
    answer = call("POST", f"/{rma.number}/refund", {"amount": "269.97"})
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"pointer": "/amount", "code": "over_share",
         "detail": "at most €179.98: that is what the 2 units that came back cost"}
    ]  # fmt: skip
    assert journeys.given_back(order) == 0


def test_a_refund_before_the_goods_needs_a_reason(call, order):
    rma = journeys.send_back(order, BAG=1)
    assert call("POST", f"/{rma.number}/refund", {}).json()["code"] == "goods_not_here"
    answer = call("POST", f"/{rma.number}/refund", {"without_goods": "lost by the carrier"})
    assert answer.json()["refund_amount"] == "89.99"


def test_a_decline_carries_its_words(call, order):
    number = ask(call)["number"]
    assert call("POST", f"/{number}/decline", {}).status_code == 400
    body = call("POST", f"/{number}/decline", {"reason": "worn"}).json()
    assert (body["state"], body["decline_reason"]) == ("declined", "worn")


@pytest.mark.parametrize("path", ["", "/approve", "/decline", "/cancel", "/refund"])
def test_another_channels_return_does_not_exist(call, order, path):
    number = ask(call)["number"]
    other = SalesChannel.objects.create(
        code="app", name="App", kind="mobile", pool=StockPool.objects.get()
    )
    _, key = ApiKey.objects.create_key(name="app", channel=other, scopes=CHANNEL_SCOPES)
    method = "POST" if path else "GET"
    theirs = call(method, f"/{number}{path}", {"reason": "x"}, key=key)
    nobodys = call(method, f"/R999999{path}", {"reason": "x"}, key=key)
    assert theirs.status_code == nobodys.status_code == 404
    assert call("POST", "", wish(), key=key).status_code == 404
    assert call("GET", "", key=key).json()["results"] == []


def test_each_key_opens_only_its_own_doors(call, order, company):
    rma = journeys.send_back(order, BAG=1)
    lines = {"lines": [{"line": 1, "received": 1}]}
    assert call("POST", f"/{rma.number}/receive", lines).status_code == 403
    wh = company.location_key("WH")
    assert call("POST", f"/{rma.number}/approve", key=wh).status_code == 403
    assert call("POST", f"/{rma.number}/refund", {}, key=wh).status_code == 403
    _, poor = ApiKey.objects.create_key(name="poor", channel=company.web, scopes=["orders"])
    assert call("GET", f"/{rma.number}", key=poor).status_code == 403


def test_a_stock_point_sees_what_may_arrive_and_nothing_else(call, order, company):
    ask(call, quantity=1)
    coming = journeys.send_back(order, BAG=1)
    answer = call("GET", "", key=company.location_key("RIGA"))
    assert [row["number"] for row in answer.json()["results"]] == [coming.number]


def test_the_list_is_narrowed_by_state_and_order(call, order):
    ask(call, quantity=1)
    coming = journeys.send_back(order, BAG=1)
    for query, many in [("?state=approved", 1), ("?order=X-7", 2), ("?order=X-8", 0)]:
        assert len(call("GET", query).json()["results"]) == many
    assert call("GET", "?state=lost").status_code == 400
    assert call("GET", f"/{coming.pk}").json()["number"] == coming.number


def test_the_list_takes_the_same_statements_whatever_its_length(
    call, order, django_assert_max_num_queries
):
    for _ in range(3):
        journeys.send_back(order, BAG=1)
    with django_assert_max_num_queries(6):
        assert len(call("GET").json()["results"]) == 3


def test_what_arrived_is_counted_in_all_so_a_repeat_receives_once(call, order, company):
    rma = journeys.send_back(order, BAG=3)
    wh = company.location_key("WH")
    for received in (1, 1, 3):
        lines = [{"line": 1, "received": received}]
        answer = call("POST", f"/{rma.number}/receive", {"lines": lines}, key=wh)
        assert answer.json()["lines"][0]["received"] == received
    fewer = call("POST", f"/{rma.number}/receive", {"lines": [{"line": 1, "received": 2}]}, key=wh)
    assert fewer.json()["errors"][0]["pointer"] == "/lines/0/received"


def test_a_place_that_takes_no_returns_says_so(call, order, company):
    rma = journeys.send_back(order, BAG=1)
    company.locations["RIGA"].can_receive_returns = False
    company.locations["RIGA"].save()
    answer = call("POST", f"/{rma.number}/receive", {"lines": [{"line": 1, "received": 1}]},
                  key=company.location_key("RIGA"))  # fmt: skip
    assert (answer.status_code, answer.json()["code"]) == (409, "no_returns_here")
