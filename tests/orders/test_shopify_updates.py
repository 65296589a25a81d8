"""Shopify's webhooks about orders that were placed: each has its effect once, in any order."""

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from config.models import OutboxRow
from inventory.models import Product, Reservation
from orders import cancellation, inbound
from orders.models import (
    Connection,
    InboundOrder,
    Order,
    Payment,
    Refund,
    SalesChannel,
)
from tests.fulfillment import stage
from tests.orders.connectors import samples
from tests.orders.door import problem
from tests.orders.test_shopify_webhook import signed
from tests.races import crowd

CHANGES = samples.FOLDER / "changes"
STORY = [  # topic, sample: in the order in which the shop made them
    ("orders/create", "1_placed"),
    ("orders/edited", "2_edited"),
    ("orders/updated", "3_updated_more"),
    ("orders/paid", "4_updated_paid"),
    ("refunds/create", "5_refunded"),
    ("orders/updated", "6_updated_less"),
    ("orders/cancelled", "7_canceled"),
    ("refunds/create", "8_refunded_rest"),
]
_ids = itertools.count()


def sample(file: str, /, **changes: Any) -> dict[str, Any]:
    return json.loads((CHANGES / f"{file}.json").read_text()) | changes


def say(client, topic: str, document: dict[str, Any], *, message: str = "") -> Any:
    """One message at the address for all topics; each has an id of its own unless given."""
    body = json.dumps(document).encode()
    return client.generic(
        "POST", "/api/v1/shopify/web/webhooks", body, content_type="application/json",
        headers={"X-Shopify-Hmac-Sha256": signed(body), "X-Shopify-Topic": topic,
                 "X-Shopify-Webhook-Id": message or f"message-{next(_ids)}"},
    )  # fmt: skip


def tell(client, *names: str) -> list[str]:
    """These samples, one after the other; returns what became of each."""
    topics = {name: topic for topic, name in STORY}
    outcomes = []
    for name in names:
        answer = say(client, topics[name], sample(name))
        assert answer.status_code in {200, 202}, answer.content
        outcomes.append(answer.json()["outcome"])
    return outcomes


def units(order: Order) -> dict[str, int]:
    """Units by SKU that stay with the order."""
    found: dict[str, int] = {}
    for piece in order.allocations.exclude(state="canceled").select_related("line"):
        found[piece.line.sku] = found.get(piece.line.sku, 0) + piece.quantity
    return found


def money() -> tuple[Decimal, Decimal]:
    """What was captured and what went back, over all payments."""
    rows = Payment.objects.values_list("captured", "refunded")
    return sum(r[0] for r in rows), sum(r[1] for r in rows)


def euro(text: str) -> Decimal:
    return Decimal(text)


# --- the whole story -----------------------------------------------------------------------------


def test_an_order_is_placed_edited_paid_refunded_and_canceled_as_the_shop_tells(client, shopify):
    assert tell(client, "1_placed") == ["placed"]
    order = Order.objects.get()
    assert (units(order), money()) == ({"TEE-0001-BLK-M": 2, "MUG-0005": 1}, (euro("79.20"), 0))

    assert tell(client, "2_edited", "3_updated_more") == ["nothing", "changed"]
    order.refresh_from_db()
    assert (units(order)["MUG-0005"], order.total, order.version) == (2, euro("93.70"), 2)
    assert order.holds.get(state="open").type == "payment"  # the new mug is not paid yet

    assert tell(client, "4_updated_paid") == ["changed"]
    assert money() == (euro("93.70"), 0)
    assert not order.holds.filter(state="open").exists()

    assert tell(client, "5_refunded", "6_updated_less") == ["refunded", "known"]
    assert units(order) == {"TEE-0001-BLK-M": 1, "MUG-0005": 2}
    assert money() == (euro("93.70"), euro("29.90"))

    assert tell(client, "7_canceled", "8_refunded_rest") == ["canceled", "refunded"]
    order.refresh_from_db()
    assert (order.state, units(order)) == ("canceled", {})
    assert money() == (euro("93.70"), euro("93.70"))
    assert not Reservation.objects.exists()
    assert InboundOrder.objects.filter(state="open").count() == 0


def test_every_message_twice_and_the_story_told_again_changes_nothing_more(client, shopify):
    for n, (topic, name) in enumerate(STORY):
        for _ in range(2):  # Shopify's own repeat has the same id
            assert say(client, topic, sample(name), message=f"m-{n}").status_code in {200, 202}
    before = (money(), Refund.objects.count(), Order.objects.get().events.count())
    again = tell(client, *[name for _, name in STORY])
    assert not {"placed", "changed", "canceled", "kept"} & set(again), again
    assert (money(), Refund.objects.count(), Order.objects.get().events.count()) == before
    assert InboundOrder.objects.filter(state="open").count() == 0


@pytest.mark.parametrize(
    "names",
    [
        ["3_updated_more", "1_placed", "4_updated_paid", "6_updated_less", "5_refunded"],
        ["4_updated_paid", "3_updated_more", "5_refunded", "6_updated_less", "1_placed"],
        ["1_placed", "4_updated_paid", "6_updated_less", "3_updated_more", "5_refunded"],
    ],
)
def test_in_any_order_the_newest_words_win(client, shopify, names):
    tell(client, *names)
    order = Order.objects.get()
    assert units(order) == {"TEE-0001-BLK-M": 1, "MUG-0005": 2}
    assert money() == (euro("93.70"), euro("29.90"))
    assert order.total - Refund.objects.get().amount == euro("63.80") or order.total == euro(
        "63.80"
    )
    assert InboundOrder.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_same_news_by_several_messages_at_once_has_one_effect(client, shopify):
    tell(client, "4_updated_paid")
    documents = [("orders/updated", sample("6_updated_less"))] * 3
    documents += [("refunds/create", sample("5_refunded"))] * 3
    answers = crowd.at_once(
        *[lambda topic=topic, one=one: say(Client(), topic, one) for topic, one in documents]
    )
    assert {answer.status_code for answer in answers} == {200}, answers
    assert units(Order.objects.get()) == {"TEE-0001-BLK-M": 1, "MUG-0005": 2}
    assert money() == (euro("93.70"), euro("29.90"))
    assert (Refund.objects.count(), InboundOrder.objects.count()) == (1, 0)


def test_an_order_canceled_before_it_came_is_not_placed(client, shopify):
    assert tell(client, "7_canceled", "1_placed", "3_updated_more") == ["nothing", "late", "late"]
    assert Order.objects.count() == 0
    assert InboundOrder.objects.filter(state="open").count() == 0


# --- what was changed on both sides --------------------------------------------------------------


def test_what_staff_canceled_here_is_not_bought_again_by_an_old_tag(client, shopify):
    tell(client, "1_placed")
    order = Order.objects.get()
    line = order.lines.get(sku="MUG-0005")
    cancellation.cancel(order_id=order.pk, reason="stock", actor="Mary", lines={line.pk: 1})
    tagged = sample("1_placed", updated_at="2026-11-20T09:30:00+01:00")
    assert say(client, "orders/updated", tagged).json()["outcome"] == "known"
    tagged |= {"updated_at": "2026-11-20T09:31:00+01:00", "tags": "web, vip"}
    assert say(client, "orders/updated", tagged).json()["outcome"] == "kept"
    assert units(order) == {"TEE-0001-BLK-M": 2}
    row = InboundOrder.objects.get()
    assert (row.kind, row.order, row.state) == ("differs", order, "open")
    assert "changed here" in row.problems[0]["detail"]


def test_an_edit_of_units_that_left_waits_for_a_person(client, shopify):
    tell(client, "1_placed")
    order = Order.objects.get()
    order.allocations.update(state="shipped", queue="", reservation=None)
    answer = say(client, "orders/updated", sample("6_updated_less"))
    assert (answer.status_code, answer.json()["outcome"]) == (202, "kept")
    assert InboundOrder.objects.get().kind == "differs"


def test_a_new_address_is_taken_over(client, shopify):
    tell(client, "1_placed")
    moved = sample("1_placed", updated_at="2026-11-20T09:30:00+01:00")
    moved["shipping_address"] |= {"address1": "3 quai Saint-Vincent", "zip": "69001"}
    assert say(client, "orders/updated", moved).json()["outcome"] == "changed"
    contact = Order.objects.get().contact
    assert (contact.line1, contact.postcode) == ("3 quai Saint-Vincent", "69001")


def test_what_we_told_the_shop_comes_back_as_nothing_new(client, shopify):
    tell(client, "1_placed")
    sent = sample("1_placed", updated_at="2026-11-21T09:30:00+01:00", fulfillment_status="partial")
    sent["line_items"][0] |= {"fulfillment_status": "fulfilled", "fulfillable_quantity": 0}
    assert say(client, "orders/updated", sent).json()["outcome"] == "known"
    sent |= {"updated_at": "2026-11-21T10:30:00+01:00", "fulfillment_status": "fulfilled"}
    assert say(client, "orders/updated", sent).json()["outcome"] == "known"
    assert (Order.objects.get().version, InboundOrder.objects.count()) == (1, 0)


def test_an_order_of_before_our_time_is_none_of_our_business(client, shopify):
    old = sample("1_placed", fulfillment_status="fulfilled")
    assert say(client, "orders/updated", old).json()["outcome"] == "nothing"
    assert say(client, "refunds/create", sample("5_refunded")).json()["outcome"] == "nothing"
    assert (Order.objects.count(), InboundOrder.objects.count()) == (0, 0)


# --- cancels -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "ours"),
    [("customer", "customer"), ("inventory", "stock"), ("fraud", "fraud"), ("declined", "other"),
     (None, "other"), ("a new one", "other")],
)  # fmt: skip
def test_a_cancel_keeps_its_reason_and_gives_the_stock_back(client, shopify, said, ours):
    tell(client, "1_placed")
    assert Reservation.objects.exists()
    answer = say(client, "orders/cancelled", sample("7_canceled", cancel_reason=said))
    assert answer.json()["outcome"] == "canceled"
    order = Order.objects.get()
    assert order.state == "canceled"
    assert order.events.get(kind="order.canceled").data["reason"] == ours
    assert not Reservation.objects.exists()


def test_a_cancel_that_is_too_late_is_kept_and_answered_well(client, shopify):
    tell(client, "1_placed")
    SalesChannel.objects.update(cancel_until="never")
    answer = say(client, "orders/cancelled", sample("7_canceled"))
    assert (answer.status_code, answer.json()["outcome"]) == (202, "kept")
    assert "too late" in answer.json()["detail"]
    row = InboundOrder.objects.get()
    assert (row.kind, row.problems[0]["code"]) == ("differs", "too_late")
    assert Order.objects.get().state == "open"


# --- refunds -------------------------------------------------------------------------------------


def test_a_refund_of_more_than_the_units_is_written_down_once(client, shopify):
    tell(client, "4_updated_paid", "6_updated_less")  # we note 29.90 as going back for the tee
    assert money() == (euro("93.70"), euro("29.90"))
    refund = sample("5_refunded")
    refund["transactions"][0]["amount"] = "34.80"  # and its shipping
    for _ in range(2):
        assert say(client, "refunds/create", refund).json()["outcome"] == "refunded"
    assert money() == (euro("93.70"), euro("34.80"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"amount": "500.00"}, "too_much"), ({"currency": "USD"}, "invalid"),
     ({"amount": None}, "invalid")],
)  # fmt: skip
def test_a_refund_that_cannot_be_is_kept_for_a_person(client, shopify, changes, code):
    tell(client, "1_placed")
    refund = sample("5_refunded", refund_line_items=[])
    refund["transactions"][0] |= changes
    answer = say(client, "refunds/create", refund)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "kept")
    assert InboundOrder.objects.get().problems[0]["code"] == code
    assert money() == (euro("79.20"), 0)


def test_a_refund_of_goods_that_came_back_cancels_nothing(client, shopify):
    tell(client, "1_placed")
    refund = sample("5_refunded")
    refund["refund_line_items"][0]["restock_type"] = "return"
    assert say(client, "refunds/create", refund).json()["outcome"] == "refunded"
    assert (sum(units(Order.objects.get()).values()), money()[1]) == (3, euro("29.90"))


# --- doors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["orders-updated", "orders-cancelled", "refunds-create"])
def test_each_topic_has_an_address_and_asks_for_the_signature(client, shopify, name):
    body = json.dumps(sample("1_placed", order_id=1)).encode()
    url = f"/api/v1/shopify/web/{name}"
    problem(client.generic("POST", url, body, content_type="application/json"), 401)
    signature = {"X-Shopify-Hmac-Sha256": signed(body)}
    answer = client.generic("POST", url, body, content_type="application/json", headers=signature)
    assert answer.status_code == 200, answer.content


def test_a_topic_nobody_listens_to_is_answered_well(client, shopify):
    assert say(client, "carts/update", {"id": 1}).json()["outcome"] == "nothing"


def test_an_edit_rings_the_shop_that_is_asked_for_orders(client, shopify):
    link = Connection.objects.create(channel=shopify, connector="shopify", url="https://x.example")
    answer = say(client, "orders/edited", sample("2_edited"))
    assert "asked" in answer.json()["detail"]
    assert OutboxRow.objects.get(topic="pull").subject == link.pk


def test_a_kept_document_is_tried_again_and_placed(client, shopify):
    unknown = sample("1_placed")
    unknown["line_items"][1]["sku"] = "MUG-NEW"
    assert say(client, "orders/create", unknown).json()["outcome"] == "kept"
    row = InboundOrder.objects.get()
    Product.objects.filter(sku="MUG-0005").update(sku="MUG-NEW")
    inbound.retry(row.pk, actor="Mary")
    assert Order.objects.get().source == "shopify"
    assert stage.kinds(Order.objects.get())[0] == "order.received"
