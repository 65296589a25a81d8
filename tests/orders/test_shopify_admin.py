"""A Shopify shop spoken to over its GraphQL API: orders in once, parcels and stock told once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import ledger
from inventory.models import Location, Product
from orders import inbound, polling, publishing
from orders.connectors import shopify_admin, shopify_webhook
from orders.connectors.protocol import ConnectionFailed, Shipment, ShippedLine, connector
from orders.models import (
    ChannelSku,
    ChannelStock,
    Connection,
    InboundOrder,
    Order,
    SalesChannel,
)
from tests.fulfillment import stage
from tests.orders.connectors import samples
from tests.orders.shopify_shop import TOKEN, Shop, ShopServer
from tests.orders.test_shopify_updates import sample, say

MAPPED = [name for name in samples.WEBHOOKS if name != "order_unmappable.json"]


@pytest.fixture
def theirs(settings):
    settings.OUTGOING_PRIVATE_ALLOWED = True
    with ShopServer() as there:
        yield there


@pytest.fixture
def link(shopify, theirs) -> Connection:
    return Connection.objects.create(
        channel=shopify, connector="shopify", url=theirs.url, secret=TOKEN,
        settings={"location": "7", "first_days": 60}, pushes_stock=True,
        next_at=timezone.now() - timedelta(minutes=1),
    )  # fmt: skip


def pull(link: Connection) -> None:
    polling.run_now(link, cause=f"test {OutboxRow.objects.count()}")
    work("pull")
    link.refresh_from_db()


def work(topic: str) -> None:
    OutboxRow.objects.filter(topic=topic).update(next_at=timezone.now() - timedelta(hours=1))
    outbox.drain(topic)


# --- orders in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAPPED)
def test_an_order_is_the_same_order_whether_it_is_pushed_or_asked_for(link, theirs, name):
    document = theirs.add(samples.webhook(name))
    (pulled,) = connector("shopify").pull(link, {}).orders
    pushed = shopify_webhook.order_from_webhook(document)
    asked = shopify_webhook.order_from_webhook(pulled.document)
    for payload in (pushed, asked):
        payload["metadata"].pop("discounts", None)  # names of discounts are not asked for
        payload["metadata"].pop("landing_site_ref", None)
    assert asked == pushed


def test_all_pages_of_orders_and_of_lines_come_in_once(link, theirs, monkeypatch):
    monkeypatch.setattr(shopify_admin, "ORDERS", 3)
    monkeypatch.setattr(shopify_admin, "LINES", 1)
    for n in range(8):  # some of them changed in the same second
        theirs.add(sample("1_placed", id=1000 + n, name=f"#{n}",
                          updated_at=f"2026-11-20T09:15:0{n // 3}+01:00"))  # fmt: skip
    pull(link)
    assert Order.objects.count() == 8
    assert {o.lines.count() for o in Order.objects.all()} == {2}
    asked = len(theirs.asked)
    pull(link)
    assert (Order.objects.count(), InboundOrder.objects.count()) == (8, 0)
    assert link.last_error == ""
    assert len(theirs.asked) - asked <= 3  # nothing changed since


def test_a_page_that_takes_too_long_goes_on_after_its_last_order(link, theirs, monkeypatch):
    monkeypatch.setattr(shopify_admin, "TURN_SECONDS", -1.0)
    for n in range(3):
        theirs.add(sample("1_placed", id=1000 + n))
    pull(link)
    assert Order.objects.count() == 3
    assert theirs.names().count("MaestroChangedOrders") >= 3


def test_what_is_sent_or_canceled_there_is_not_placed_and_one_poisonous_order_waits(link, theirs):
    theirs.add(sample("1_placed", id=1, fulfillment_status="fulfilled"))
    theirs.add(sample("7_canceled", id=2))
    theirs.add(samples.webhook("order_unmappable.json"))
    theirs.add(sample("1_placed", id=3))
    pull(link)
    assert [o.external_id for o in Order.objects.all()] == ["3"]
    (row,) = InboundOrder.objects.all()
    assert (row.kind, row.external_id) == ("unreadable", "6200407320001")


def test_what_was_pushed_and_is_asked_for_again_is_one_order_and_changes_once(client, link, theirs):
    Connection.objects.update(settings={**link.settings, "auto_update": True})
    say(client, "orders/create", theirs.add(sample("1_placed")))
    pull(link)
    assert (Order.objects.count(), Order.objects.get().version) == (1, 1)
    theirs.add(sample("3_updated_more"))
    polling.start_over(link)
    pull(link)
    say(client, "orders/updated", sample("3_updated_more"))
    order = Order.objects.get()
    assert (order.version, order.total) == (2, Decimal("93.70"))
    theirs.add(sample("7_canceled"))
    polling.start_over(link)
    pull(link)
    assert Order.objects.get().state == "canceled"
    assert InboundOrder.objects.count() == 0


def test_throttled_answers_are_waited_for(link, theirs):
    theirs.add(sample("1_placed"))
    theirs.throttled = 2
    pull(link)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"secret": "stolen"}, "401"), ({"settings": {"version": "none"}}, "404")],
)
def test_a_shop_that_cannot_be_asked_is_asked_again_and_says_why(link, theirs, changes, words):
    Connection.objects.update(**changes)
    pull(link)
    assert words in link.last_error
    assert link.next_at > timezone.now()
    link.secret = TOKEN


def test_throttling_that_does_not_end_is_a_failure_for_later(link, theirs):
    theirs.throttled = 100
    pull(link)
    assert "wait" in link.last_error
    assert theirs.asked == []


def test_a_test_of_the_connection_says_which_shop_it_is(link):
    assert "Maestro Demo" in connector("shopify").test(link)


# --- parcels out ---------------------------------------------------------------------------------


def parcel(key: str, **quantities: int) -> Shipment:
    """A parcel of units by the number of the order's line."""
    lines = tuple(
        ShippedLine(external_id=f"1551890793000{n}", sku="", name="", quantity=q)
        for n, q in ((name[-1], q) for name, q in quantities.items())
    )
    return Shipment(
        key=key, external_id="6200407330001", carrier="DHL", service="standard",
        tracking_number="" if key == "bare" else f"1Z-{key}", shipped_at=timezone.now(),
        lines=lines, metadata={}, address={}, complete=False,
    )  # fmt: skip


def told(theirs: Shop) -> list[tuple[str, int]]:
    """Tracking number and units of every fulfillment there."""
    return [
        (one["trackingInfo"][0]["number"],
         sum(row["quantity"] for row in one["fulfillmentLineItems"]["nodes"]))
        for one in theirs.fulfillments.get(6200407330001, [])
    ]  # fmt: skip


def test_a_parcel_that_left_is_told_with_its_number_and_units(client, link, theirs, company):
    stage.only(company, "PARIS")
    say(client, "orders/create", theirs.add(sample("1_placed")))
    stage.drain()
    row = stage.until(Order.objects.get().fulfillment_orders.get(), "packed")
    stage.shipped(row, "1Z-9")
    stage.drain("tell_channel")
    assert told(theirs) == [("1Z-9", 3)]
    company_told = theirs.fulfillments[6200407330001][0]["trackingInfo"][0]["company"]
    assert company_told == row.parcels.get().carrier


@pytest.mark.parametrize("key", ["a", "bare"])
def test_a_parcel_whose_answer_got_lost_is_not_told_twice(link, theirs, key):
    theirs.add(sample("1_placed"))
    theirs.lose_answers = 1
    with pytest.raises(ConnectionFailed, match="502"):
        connector("shopify").tell_shipped(link, parcel(key, line1=1))
    connector("shopify").tell_shipped(link, parcel(key, line1=1))
    assert [units for _, units in told(theirs)] == [1]
    connector("shopify").tell_shipped(link, parcel("b", line1=1, line2=1))
    assert [units for _, units in told(theirs)] == [1, 2]


def test_units_that_somebody_fulfilled_there_by_hand_are_left_alone(link, theirs):
    theirs.add(sample("1_placed"))
    connector("shopify").tell_shipped(link, parcel("by-hand", line1=2, line2=1))
    connector("shopify").tell_shipped(link, parcel("ours", line1=1))
    assert told(theirs) == [("1Z-by-hand", 3)]


def test_an_order_on_hold_there_is_told_later(link, theirs):
    theirs.add(sample("1_placed"))
    theirs.on_hold.add(6200407330001)
    with pytest.raises(ConnectionFailed, match="on hold"):
        connector("shopify").tell_shipped(link, parcel("a", line1=1))
    theirs.on_hold.clear()
    connector("shopify").tell_shipped(link, parcel("a", line1=1))
    assert told(theirs) == [("1Z-a", 1)]


# --- stock out -----------------------------------------------------------------------------------


def sell(units: int, sku: str = "MUG-0005") -> None:
    """So many more of a product come to Lyon."""
    product = Product.objects.get(sku=sku)
    lyon = Location.objects.get(code="LYON")
    ledger.post([ledger.Entry(product.pk, lyon.pk, "correction", on_hand=units)], actor="test")
    publishing.publish()
    work("stock_delta")


@pytest.mark.parametrize("version", ["2026-07", "2026-01"])
def test_stock_is_set_where_the_shop_sells_it_and_is_confirmed(link, theirs, version):
    Connection.objects.update(settings={**link.settings, "version": version})
    theirs.stock = {"MUG-0005": 0, "MUG-0005-XL": 4, "TEE-0001-BLK-M": 1, "BOOK": None}
    sell(5)
    assert theirs.stock == {
        "MUG-0005": 105, "MUG-0005-XL": 4, "TEE-0001-BLK-M": 100, "BOOK": None,
    }  # fmt: skip
    assert theirs.versions == {version}
    assert not ChannelStock.objects.exclude(acknowledged__isnull=False).exists()
    sell(-5)
    sell(5)  # the same figure as before is news all the same
    assert theirs.stock["MUG-0005"] == 105


def test_stock_whose_answer_got_lost_is_told_again_and_is_the_same(link, theirs):
    theirs.stock = {"MUG-0005": 0}
    theirs.lose_answers = 1
    sell(5)
    assert not ChannelStock.objects.filter(sent__isnull=False).exists()
    work("stock_delta")
    assert theirs.stock == {"MUG-0005": 105}
    assert ChannelStock.objects.filter(acknowledged=105).exists()


def test_a_shop_with_skus_of_its_own_is_told_those(link, theirs):
    SalesChannel.objects.update(own_skus=True)
    product = Product.objects.get(sku="MUG-0005")
    ChannelSku.objects.create(channel=link.channel, sku="THEIR MUG", product=product)
    theirs.stock = {"THEIR MUG": 0, "MUG-0005": 3}
    sell(1)
    assert theirs.stock == {"THEIR MUG": 101, "MUG-0005": 3}


def test_without_a_location_no_stock_is_told_and_the_reason_is_kept(link, theirs):
    Connection.objects.update(settings={})
    theirs.stock = {"MUG-0005": 0}
    sell(1)
    assert theirs.stock == {"MUG-0005": 0}
    assert "location" in OutboxRow.objects.get(topic="stock_delta").last_error


def test_a_kept_order_that_was_asked_for_is_read_again_days_later(link, theirs):
    theirs.add(sample("1_placed"))
    Product.objects.filter(sku="MUG-0005").update(sku="RENAMED")
    pull(link)
    row = InboundOrder.objects.get(kind="refused")
    Product.objects.filter(sku="RENAMED").update(sku="MUG-0005")
    inbound.retry(row.pk, actor="Mary")
    assert Order.objects.get().lines.count() == 2
