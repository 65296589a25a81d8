"""Orders come in over REST, once."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory.models import Reservation, Stock
from orders.models import Order
from tests.cast import payload

URL = "/api/v1/orders"


def post(client, company, data, **headers):
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return client.post(
        URL, body, content_type="application/json",
        headers={"Authorization": f"Bearer {company.web_key}", **headers},
    )  # fmt: skip


def test_an_order_is_answered_with_its_promise_in_one_round_trip(client, company):
    answer = post(client, company, payload(("TEE", 2), ("MUG", 1), external_id="X-1"))
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body["external_id"] == "X-1"
    assert {part["location"] for part in body["promise"]} == {"LYON"}
    assert body["promised_at"]
    assert Stock.objects.get(product__sku="TEE", location__code="LYON").reserved == 2
    assert sum(Reservation.objects.values_list("quantity", flat=True)) == 3


@pytest.mark.parametrize("lines", [1, 3, 5])
def test_capture_takes_the_same_few_statements_whatever_the_lines(client, live_company, lines):
    items = [("TEE", 1), ("MUG", 1), ("BAG", 1), ("TEE", 2), ("MUG", 2)][:lines]
    post(client, live_company, payload(("TEE", 1)))  # warm: geocoder, url patterns
    with CaptureQueriesContext(
        connection,
    ) as seen:
        answer = post(client, live_company, payload(*items), **{"Idempotency-Key": f"k{lines}"})
    assert answer.status_code == 201, answer.content
    assert len(seen) <= 12, [q["sql"][:80] for q in seen]
    assert Order.objects.count() == 2
