"""The same order again, in whatever way it comes: one order, one answer."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from config.models import IdempotencyKey, OutboxRow
from config.tasks import prune
from inventory.models import Product, Reservation, Stock, StockPool
from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, Order, OrderEvent, SalesChannel
from tests.cast import payload
from tests.orders import door
from tests.orders.door import URL, problem, send

CROWD = 20


def keyed(client, company, data, key="k-1", **headers):
    return send(client, company, data, **{"Idempotency-Key": key, **headers})


def test_the_same_key_gets_the_same_answer_and_writes_nothing(client, company):
    data = payload(("TEE", 2))
    first = keyed(client, company, data)
    before = door.rows()
    again = keyed(client, company, data)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert door.rows() == before


def test_the_same_order_in_other_spacing_is_the_same_request(client, company):
    data = payload(("TEE", 2))
    keyed(client, company, data)
    spaced = json.dumps(dict(reversed(data.items())), indent=2).encode()
    assert keyed(client, company, spaced)["Idempotent-Replayed"] == "true"


def test_a_key_used_for_another_order_is_refused(client, company):
    keyed(client, company, payload(("TEE", 2)))
    before = door.rows()
    problem(keyed(client, company, payload(("TEE", 3))), 422, "idempotency_key_reused")
    assert door.rows() == before


def test_a_key_used_at_another_path_is_refused(client, company):
    first = keyed(client, company, payload(("TEE", 1), external_id="X-1"))
    assert first.status_code == 201
    answer = keyed(client, company, {}, url=f"{URL}/X-1/cancel")
    problem(answer, 422, "idempotency_key_reused")
    assert Order.objects.get().state == "open"


def test_a_cancellation_repeated_with_its_key_is_answered_alike(client, company):
    order = company.place(("TEE", 2))
    answers = [
        keyed(client, company, {"reason": "changed my mind"}, url=f"{URL}/{order.number}/cancel")
        for _ in range(2)
    ]
    assert [answer.json()["canceled_units"] for answer in answers] == [2, 2]
    assert OrderEvent.objects.filter(kind="order.canceled").count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "x" * 300, "a\tb", "\x7f"])
def test_a_key_is_1_to_255_characters_that_can_be_seen(client, company, key):
    problem(keyed(client, company, payload(), key), 400, "invalid", "/Idempotency-Key")
    assert not Order.objects.exists()


def test_a_refused_order_does_not_use_its_key_up(client, company):
    problem(keyed(client, company, payload(("NOPE", 1))), 400)
    problem(keyed(client, company, payload(("CAP", 5))), 409, "insufficient_stock")
    assert not IdempotencyKey.objects.exists()
    assert keyed(client, company, payload(("CAP", 1))).status_code == 201


def test_keys_of_two_channels_have_nothing_to_do_with_each_other(client, company):
    app = SalesChannel.objects.create(code="app", name="App", pool=StockPool.objects.get())
    _, secret = ApiKey.objects.create_key(name="app", channel=app, scopes=CHANNEL_SCOPES)
    one = keyed(client, company, payload(("TEE", 1), external_id="X-1"))
    other = keyed(client, company, payload(("MUG", 1), external_id="X-1"),
                  Authorization=f"Bearer {secret}")  # fmt: skip
    assert (one.status_code, other.status_code) == (201, 201)
    assert one.json()["number"] != other.json()["number"]


def test_an_order_that_is_there_is_answered_with_its_number_under_any_key(client, company):
    data = payload(("TEE", 2), ("CAP", 2))
    first = keyed(client, company, data, "k-1")
    before = door.rows()
    for answer in (keyed(client, company, data, "k-2"), send(client, company, data)):
        assert answer.status_code == 200
        assert answer.json() == first.json()
    assert door.rows() == before


def test_an_order_that_is_there_is_answered_although_its_product_was_switched_off(client, company):
    data = payload(("TEE", 2))
    first = send(client, company, data)
    Product.objects.filter(sku="TEE").update(active=False)
    again = send(client, company, data)
    assert (again.status_code, again.json()) == (200, first.json())
    problem(send(client, company, payload(("TEE", 2))), 400, "invalid", "/line_items/0/sku")


def test_an_order_that_is_there_with_other_content_is_a_conflict(client, company):
    keyed(client, company, payload(("TEE", 2), external_id="X-1"), "k-1")
    before = door.rows()
    changed = payload(("TEE", 3), external_id="X-1")
    for headers in ({}, {"Idempotency-Key": "k-2"}):
        problem(send(client, company, changed, **headers), 409, "order_differs")
    assert door.rows() == before


def test_a_forgotten_key_still_makes_no_second_order(client, company):
    data = payload(("TEE", 2))
    first = keyed(client, company, data)
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=8))
    prune()
    assert not IdempotencyKey.objects.exists()
    again = keyed(client, company, data)
    assert (again.status_code, again.json()["number"]) == (200, first.json()["number"])


# --- at the same moment --------------------------------------------------------------------------


def crowd(ask: Callable[[Client, int], Any]) -> list[Any]:
    """Twenty clients ask at once."""
    start = Barrier(CROWD)

    def one(i: int) -> Any:
        client = Client()
        client.get("/livez")
        start.wait(timeout=30)
        try:
            return ask(client, i)
        finally:
            connection.close()

    with ThreadPoolExecutor(CROWD) as threads:
        return list(threads.map(one, range(CROWD)))


@pytest.mark.parametrize(
    ("key", "statuses"),
    [(lambda i: {"Idempotency-Key": "k"}, [201] * CROWD),
     (lambda i: {"Idempotency-Key": f"k-{i}"}, [200] * (CROWD - 1) + [201]),
     (lambda i: {}, [200] * (CROWD - 1) + [201])],
    ids=["one key", "a key each", "no key"],
)  # fmt: skip
def test_twenty_times_the_same_order_at_once_is_one_order(live_company, key, statuses):
    data = payload(("TEE", 2), ("CAP", 2), external_id="X-100")
    answers = crowd(lambda client, i: send(client, live_company, data, **key(i)))
    assert sorted(answer.status_code for answer in answers) == statuses
    bodies = [answer.json() for answer in answers]
    assert all(body == bodies[0] for body in bodies)
    assert Order.objects.get().external_id == "X-100"
    assert sum(Reservation.objects.values_list("quantity", flat=True)) == 4
    assert sum(Stock.objects.values_list("reserved", flat=True)) == 4
    assert OrderEvent.objects.filter(kind="order.received").count() == 1
    assert OutboxRow.objects.filter(topic="notify").count() == 1


def test_twenty_orders_with_one_external_id_are_one_order_and_conflicts(live_company):
    orders = [payload(("TEE", units), external_id="X-100") for units in (1, 2)]
    answers = crowd(lambda client, i: send(client, live_company, orders[i % 2]))
    taken = Order.objects.get().lines.get().quantity
    for i, answer in enumerate(answers):
        assert answer.status_code in ({200, 201} if 1 + i % 2 == taken else {409})
    assert sum(Reservation.objects.values_list("quantity", flat=True)) == taken
