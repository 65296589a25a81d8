"""Shopify's webhook at the door: signed over the raw body, mapped, and placed like any order."""

import base64
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest

from inventory.models import Location
from orders.models import InboundOrder, Order, SalesChannel
from tests.orders import door
from tests.orders.conftest import SECRET
from tests.orders.connectors import samples
from tests.orders.door import problem

PLACED = [name for name in samples.WEBHOOKS if name != "order_unmappable.json"]


def signed(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def knock(client, body: bytes, *, signature: str | None = None, channel="web", **headers: str):
    given = signed(body) if signature is None else signature
    return client.generic(
        "POST", f"/api/v1/shopify/{channel}/orders-create", body, content_type="application/json",
        headers={"X-Shopify-Hmac-Sha256": given, "X-Shopify-Topic": "orders/create", **headers},
    )  # fmt: skip


def document(name: str, **changes: Any) -> bytes:
    return json.dumps(samples.changed(name, **changes), ensure_ascii=False, indent=1).encode()


@pytest.mark.parametrize("name", PLACED)
def test_a_sample_becomes_the_order_it_says(client, shopify, name):
    sample = samples.webhook(name)
    pickup = name == "order_pickup.json"
    if pickup:
        Location.objects.filter(code="LYON").update(name=sample["shipping_lines"][0]["title"])

    answer = knock(client, samples.file(name))

    assert answer.status_code == 201, answer.content
    order = Order.objects.get()
    assert (order.external_id, order.source, order.channel) == (
        str(sample["id"]),
        "shopify",
        shopify,
    )
    tip = sum(Decimal(x["price"]) for x in sample["line_items"] if "tip_payment_gateway" in x)
    told = sample.get("current_total_price") or sample["total_price"]
    assert order.total in (Decimal(told) - tip, Decimal(sample["total_price"]) - tip)
    assert sum(part["quantity"] for part in answer.json()["promise"]) == sum(
        order.lines.values_list("quantity", flat=True)
    )
    assert {part["location"] for part in answer.json()["promise"]} <= {"LYON", "PARIS"}
    assert order.pickup_location == (Location.objects.get(code="LYON") if pickup else None)


def test_the_same_webhook_again_is_answered_with_the_same_number(client, shopify):
    body = samples.file("order_simple_eur.json")
    first = knock(client, body)
    before = door.rows()
    again = knock(client, body, **{"X-Shopify-Webhook-Id": "b54557e4", "Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert door.rows() == before | {"IdempotencyKey": 1}  # the message's id


@pytest.mark.parametrize(
    "signature",
    ["", "nonsense", "=" * 44, "é", signed(b"{}"),
     signed(samples.file("order_simple_eur.json"), "another secret")],
)  # fmt: skip
def test_a_wrong_signature_is_401_and_nothing_is_read(client, shopify, signature):
    before = door.rows()
    answer = knock(client, samples.file("order_simple_eur.json"), signature=signature)
    problem(answer, 401, "authentication_failed")
    assert answer["WWW-Authenticate"]
    assert door.rows() == before


def test_the_signature_is_over_the_raw_bytes_and_not_over_what_they_mean(client, shopify):
    raw = samples.file("order_simple_eur.json")
    respaced = json.dumps(json.loads(raw)).encode()
    assert respaced != raw
    problem(knock(client, respaced, signature=signed(raw)), 401)
    assert knock(client, respaced).status_code == 201


@pytest.mark.parametrize(
    ("channel", "changes"),
    [("nobody", {}), ("web", {"shopify_secret": ""}), ("web", {"active": False})],
)
def test_a_shop_that_is_not_one_takes_no_webhook(client, shopify, channel, changes):
    SalesChannel.objects.update(**changes)
    body = samples.file("order_simple_eur.json")
    for secret in (SECRET, ""):
        problem(knock(client, body, signature=signed(body, secret), channel=channel), 401)


def kept(answer) -> InboundOrder:
    """The order of an answer that says it waits for a person: Shopify must not send it again."""
    assert (answer.status_code, answer.json()["outcome"]) == (202, "kept"), answer.content
    assert not Order.objects.exists()
    return InboundOrder.objects.get()


def test_what_cannot_be_mapped_waits_for_a_person_and_names_every_field(client, shopify):
    row = kept(knock(client, samples.file("order_unmappable.json")))
    pointers = {"/line_items/1/sku", "/line_items/2/sku", "/shipping_address/country"}
    assert pointers <= {problem["pointer"] for problem in row.problems}
    assert (row.kind, row.state, row.connector) == ("unreadable", "open", "shopify")
    assert row.document == samples.webhook("order_unmappable.json")


@pytest.mark.parametrize(
    ("changes", "kind", "pointer"),
    [
        ({"line_items__0__sku": None}, "unreadable", "/line_items/0/sku"),
        ({"line_items__0__quantity": "2"}, "unreadable", "/line_items/0/quantity"),
        ({"currency": "EURO"}, "unreadable", "/currency"),
        ({"total_price_set__shop_money__amount": "1.00"}, "unreadable", "/total_price"),
        ({"line_items__0__sku": "NOT-OURS"}, "refused", "/line_items/0/sku"),
        ({"email": "not an address", "contact_email": None}, "unreadable", "/customer/email"),
        ({"shipping_address__city": ""}, "refused", "/shipping_address/city"),
        ({"created_at": "2999-01-01T00:00:00Z", "processed_at": None}, "unreadable", "/created_at"),
        ({"processed_at": "2199-01-01T00:00:00Z"}, "unreadable", "/placed_at"),
        ({"id": 6.5e12}, "unreadable", "/id"),
    ],
)
def test_a_field_that_is_wrong_is_named_in_the_queue(client, shopify, changes, kind, pointer):
    row = kept(knock(client, document("order_simple_eur.json", **changes)))
    assert row.kind == kind
    assert pointer in [problem["pointer"] for problem in row.problems], row.problems


def test_an_order_put_right_at_the_shop_leaves_the_queue(client, shopify):
    wrong = document("order_simple_eur.json", line_items__0__sku="NOT-OURS")
    kept(knock(client, wrong))
    assert knock(client, document("order_simple_eur.json")).status_code == 201
    assert InboundOrder.objects.get().state == "placed"


def test_an_order_that_breaks_us_is_kept_and_answered(client, shopify, monkeypatch):
    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("orders.capture.place", broken)
    row = kept(knock(client, document("order_simple_eur.json")))
    assert row.problems[0]["code"] == "fault"


@pytest.mark.parametrize("wrong", ["a\x00b", "a\ud800b"])
def test_a_text_that_cannot_be_stored_is_kept_without_what_is_wrong(client, shopify, wrong):
    body = json.dumps(samples.changed("order_simple_eur.json", note=wrong)).encode()
    row = kept(knock(client, body))
    assert "/note" in [problem["pointer"] for problem in row.problems]
    assert row.document["note"] in {"a\ufffdb", "a?b"}


@pytest.mark.parametrize("topic", ["orders/updated", "orders/cancelled", "refunds/create"])
def test_an_id_that_is_none_breaks_nothing(client, shopify, topic):
    for wrong in ("a\x00b", None, {}, -1):
        body = json.dumps({"id": wrong, "order_id": wrong, "cancel_reason": "\x00"}).encode()
        answer = client.generic(
            "POST", "/api/v1/shopify/web/webhooks", body, content_type="application/json",
            headers={"X-Shopify-Hmac-Sha256": signed(body), "X-Shopify-Topic": topic},
        )  # fmt: skip
        assert answer.status_code in {200, 202}, answer.content


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 50_000, b'{"id": NaN}']
)
def test_a_body_that_is_no_order_is_refused_even_when_signed(client, shopify, body):
    answer = knock(client, body)
    problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}


def test_a_body_over_the_limit_is_413(client, shopify):
    problem(knock(client, b" " * (1024 * 1024 + 1)), 413, "too_large")


def test_the_same_order_in_other_words_changes_nothing(client, shopify):
    knock(client, document("order_simple_eur.json"))
    again = knock(client, document("order_simple_eur.json", note="changed"))
    assert again.status_code == 200
    assert (Order.objects.get().version, InboundOrder.objects.count()) == (1, 0)
