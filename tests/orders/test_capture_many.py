"""Many orders in one call: each with an answer of its own, in the statements of one."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory.models import Stock
from orders.models import InboundOrder, Order, SalesChannel
from reports.invariants import violations
from tests.cast import payload
from tests.orders.door import problem, rows
from tests.races.crowd import at_once

URL = "/api/v1/orders/bulk"


def post(client, company, *orders, **headers):
    return client.post(
        URL, json.dumps({"orders": orders}), content_type="application/json",
        headers={"Authorization": f"Bearer {company.web_key}", **headers},
    )  # fmt: skip


def outcomes(answer):
    assert answer.status_code == 200, answer.content
    return [result["outcome"] for result in answer.json()["results"]]


def clean():
    found = {name: rows for name, rows in violations().items() if rows}
    assert not found


def test_one_bad_order_stops_no_other(client, company):
    wrong = payload(("TEE", 1)) | {"total": "1.00"}
    answer = post(
        client, company, payload(("TEE", 1), external_id="a"), wrong, payload(("NOPE", 1)),
        payload(("SOLD", 1)), {"external_id": "x"}, payload(("MUG", 2), external_id="b"),
    )  # fmt: skip
    assert outcomes(answer) == ["created", "refused", "refused", "refused", "refused", "created"]
    results = answer.json()["results"]
    assert results[1]["errors"][0]["pointer"] == "/total"
    assert results[2]["errors"][0]["code"] == "unknown_sku"
    assert results[3]["errors"][0]["code"] == "insufficient_stock"
    assert {e["pointer"] for e in results[4]["errors"]} >= {"/line_items", "/total"}
    assert results[5]["order"]["promise"][0]["location"] == "LYON"
    assert Order.objects.count() == 2
    clean()


def test_five_hundred_orders_take_the_statements_of_one(client, live_company):
    def statements(count, name):
        orders = [payload(("TEE", 1), ("MUG", 1)) for _ in range(count)]
        with CaptureQueriesContext(connection) as seen:
            answer = post(client, live_company, *orders, **{"Idempotency-Key": name})
        assert set(outcomes(answer)) == {"created"}
        return len(seen)

    statements(1, "warm")
    assert statements(1, "one") == statements(20, "twenty")


def test_what_is_left_goes_to_the_first_who_ask(client, company):
    orders = [payload(("CAP", 1), external_id=f"o{i}") for i in range(4)]
    answer = post(client, company, *orders)
    assert outcomes(answer) == ["created", "created", "refused", "refused"]
    assert sum(Stock.objects.values_list("reserved", flat=True)) == 2
    clean()


def test_the_same_call_again_makes_nothing_new_whatever_is_left(client, company):
    orders = [payload(("CAP", 2), external_id="o1"), payload(("TEE", 1), external_id="o2")]
    first = post(client, company, *orders)
    before = rows()
    again = post(client, company, *orders)
    assert outcomes(again) == ["same", "same"]
    promised = [[r["order"] for r in answer.json()["results"]] for answer in (first, again)]
    assert promised[0] == promised[1]
    assert rows() == before


def test_an_order_in_other_words_waits_for_a_person(client, company):
    post(client, company, payload(("TEE", 1), external_id="o1"))
    answer = post(client, company, payload(("TEE", 2), external_id="o1"))
    assert outcomes(answer) == ["differs"]
    kept = InboundOrder.objects.get()
    assert (kept.kind, kept.state, kept.external_id) == ("differs", "open", "o1")
    assert kept.order.external_id == "o1"


def test_an_external_id_twice_in_one_call_is_one_order(client, company):
    same = payload(("TEE", 1), external_id="o1")
    answer = post(client, company, same, same, payload(("MUG", 1), external_id="o1"))
    assert outcomes(answer) == ["created", "same", "differs"]
    assert Order.objects.count() == 1


@pytest.mark.parametrize("body", [{}, {"orders": []}, {"orders": [{}] * 501}, {"rows": [{}]}, []])
def test_a_call_that_is_no_list_of_orders_is_refused_whole(client, company, body):
    answer = client.post(
        URL, json.dumps(body), content_type="application/json",
        headers={"Authorization": f"Bearer {company.web_key}"},
    )  # fmt: skip
    problem(answer, 400)


@pytest.mark.django_db(transaction=True)
def test_calls_at_once_sell_each_unit_once(client, live_company):
    """Ten TEE in Lyon, ten in Paris, a hundred in each warehouse; 300 are wanted by three."""

    def call(n):
        orders = [payload(("TEE", 5), ("MUG", 1), external_id=f"{n}-{i}") for i in range(20)]
        return lambda: outcomes(post(client, live_company, *orders))

    found = [one for answer in at_once(*(call(n) for n in range(3))) for one in answer]
    sold = found.count("created")
    assert sold == 44, found  # 220 units in fives
    assert found.count("refused") == 16
    clean()


@pytest.mark.django_db(transaction=True)
def test_the_same_orders_at_once_are_placed_once(client, live_company):
    orders = [payload(("TEE", 1), external_id=f"o{i}") for i in range(10)]
    answers = at_once(*[lambda: outcomes(post(client, live_company, *orders))] * 3)
    assert sorted(one for answer in answers for one in answer) == ["created"] * 10 + ["same"] * 20
    assert Order.objects.count() == 10
    clean()


def test_what_nothing_covers_waits_where_the_channel_queues(client, company):
    SalesChannel.objects.update(on_shortage="queue")
    answer = post(client, company, payload(("SOLD", 2)), payload(("CAP", 3)))
    assert outcomes(answer) == ["created", "created"]
    parts = [r["order"]["promise"] for r in answer.json()["results"]]
    assert [p["location"] for p in parts[0]] == [None]
    assert sorted((p["quantity"], p["location"] is None) for p in parts[1]) == [
        (1, False), (1, False), (1, True),
    ]  # fmt: skip
    clean()
