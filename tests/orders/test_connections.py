"""Shops that are asked for their orders: all of them in, once, whatever happens between pages."""

import json
import sys
import threading
import types
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory.models import BundleComponent, Product
from orders import polling, publishing
from orders.connectors import protocol
from orders.models import ChannelSku, Connection, InboundOrder, Order, SalesChannel
from orders.tasks import pull_orders
from tests.fulfillment import stage
from tests.orders.custom_store import PASSWORD, USER, StoreServer


@pytest.fixture
def store(settings):
    settings.OUTGOING_PRIVATE_ALLOWED = True
    with StoreServer() as store:
        yield store


@pytest.fixture
def link(company, store) -> Connection:
    SalesChannel.objects.filter(pk=company.web.pk).update(on_shortage="queue")
    return Connection.objects.create(
        channel=company.web, connector="custom_store", url=store.url, user=USER, secret=PASSWORD,
        next_at=timezone.now() - timedelta(minutes=1),
    )  # fmt: skip


def pull(link: Connection) -> None:
    """Ask it now, and everything that follows from it."""
    polling.run_now(link, cause=f"test {OutboxRow.objects.count()}")
    OutboxRow.objects.filter(topic="pull").update(next_at=timezone.now() - timedelta(hours=1))
    outbox.drain("pull")
    link.refresh_from_db()


def ago(**span: int) -> datetime:
    return timezone.now() - timedelta(**span)


def change(made: dict, **changes) -> None:
    """The shop changes an order, now."""
    made |= {"LastModified": f"{timezone.now():%m/%d/%Y %H:%M}", **changes}


def numbers() -> list[str]:
    return sorted(Order.objects.values_list("external_id", flat=True))


# --- all of them, once ---------------------------------------------------------------------------


def test_53_orders_with_one_arriving_between_pages_and_two_at_the_last_mark_are_in_once(
    link, store
):
    start = ago(hours=10)
    for n in range(53):
        store.add(f"W-{n:02}", start + timedelta(minutes=n))

    def arrive(page: int) -> None:
        if page == 2 and len(store.orders) == 53:
            store.add("LATE", start + timedelta(minutes=1))  # moves all pages behind it by one

    store.before_page = arrive
    pull(link)
    assert len(numbers()) == 54
    mark = datetime.fromisoformat(link.cursor["until"])

    store.add("MARK-1", mark)
    store.add("MARK-2", mark)
    pull(link)
    assert len(numbers()) == 56
    assert {"LATE", "MARK-1", "MARK-2"} <= set(numbers())
    assert InboundOrder.objects.count() == 0
    pull(link)
    assert len(numbers()) == 56


def test_an_order_that_changes_between_pages_hides_no_other_one(link, store):
    start = ago(hours=10)
    made = [store.add(f"W-{n:02}", start + timedelta(minutes=n)) for n in range(41)]

    def change(page: int) -> None:
        if page == 2:  # the oldest one leaves the window: all behind it move up by one
            made[0]["LastModified"] = (
                (timezone.now() + timedelta(hours=1)).astimezone(UTC).strftime("%m/%d/%Y %H:%M")
            )

    store.before_page = change
    pull(link)
    assert len(numbers()) == 41


def test_orders_of_weeks_ago_come_in_day_by_day(link, store):
    Connection.objects.update(settings={"first_days": 20})
    for days in (19, 10, 1):
        store.add(f"D-{days}", ago(days=days))
    pull(link)
    assert numbers() == ["D-1", "D-10", "D-19"]
    assert len(store.asked) > 19


def test_a_worker_that_dies_between_orders_and_cursor_places_nothing_twice(link, store):
    store.add("ONE", ago(hours=1))
    pull(link)
    Connection.objects.update(cursor={})
    pull(link)
    assert numbers() == ["ONE"]


def test_a_person_who_starts_over_meanwhile_is_not_overruled(link, store, monkeypatch):
    store.add("ONE", ago(hours=1))
    real = polling.take

    def take(link, orders):
        polling.start_over(link)
        return real(link, orders)

    Connection.objects.update(cursor={"until": ago(hours=2).isoformat()})
    monkeypatch.setattr(polling, "take", take)
    pull(link)
    assert (numbers(), link.cursor) == (["ONE"], {})


# --- one that cannot be taken --------------------------------------------------------------------


def test_a_poisonous_order_waits_with_its_reason_and_never_stops_the_rest(link, store):
    at = ago(minutes=5)
    store.add("GOOD-1", at)
    store.add("NO-SKU", at, Items=[{"SKU": "NOBODY-HAS-IT", "Name": "?", "Quantity": "1",
                                    "UnitPrice": "20.00"}])  # fmt: skip
    store.add("HALF", at, Items=[{"SKU": "TEE", "Quantity": "1.5", "UnitPrice": "20.00"}])
    store.add("", at)
    store.add("ODD", at, OrderStatus="being considered")
    store.add("SUM", at, OrderTotal="99.00")
    store.add("GOOD-2", at)
    pull(link)

    assert numbers() == ["GOOD-1", "GOOD-2"]
    kept = {row.external_id: row for row in InboundOrder.objects.all()}
    assert {name: row.kind for name, row in kept.items()} == {
        "NO-SKU": "refused", "HALF": "unreadable", "": "unreadable", "ODD": "unreadable",
        "SUM": "unreadable",
    }  # fmt: skip
    assert kept["NO-SKU"].problems[0]["code"] == "unknown_sku"
    assert kept["HALF"].problems[0]["pointer"] == "/Items/0/Quantity"
    assert "25.00" in kept["SUM"].problems[0]["detail"]
    assert link.last_error == ""

    pull(link)  # the overlap brings them again: the same rows, one more attempt
    assert InboundOrder.objects.count() == 5
    assert set(InboundOrder.objects.values_list("attempts", flat=True)) == {2}


def test_a_fault_nobody_thought_of_keeps_that_order_only(link, store, monkeypatch):
    real = polling.capture.place

    def place(**given):
        if given["order"]["external_id"] == "CURSED":
            raise ZeroDivisionError
        return real(**given)

    monkeypatch.setattr(polling.capture, "place", place)
    for number in ("FIRST", "CURSED", "LAST"):
        store.add(number, ago(hours=1))
    pull(link)
    assert numbers() == ["FIRST", "LAST"]
    [kept] = InboundOrder.objects.all()
    assert kept.external_id == "CURSED"
    assert "ZeroDivisionError" in kept.problems[0]["detail"]


def test_what_the_shop_puts_right_leaves_the_queue_by_itself(link, store):
    made = store.add("ONE", ago(hours=1), OrderTotal="99.00")
    pull(link)
    assert InboundOrder.objects.get().state == "open"
    change(made, OrderTotal="25.00")
    pull(link)
    kept = InboundOrder.objects.get()
    assert (kept.state, kept.document) == ("placed", {})
    assert kept.order == Order.objects.get(external_id="ONE")


# --- changed and canceled at the shop ------------------------------------------------------------


def test_an_order_changed_at_the_shop_waits_for_a_person(link, store):
    made = store.add("ONE", ago(hours=2))
    pull(link)
    change(made, OrderTotal="45.00")
    made["Items"][0]["Quantity"] = "2"
    pull(link)
    kept = InboundOrder.objects.get()
    assert (kept.kind, kept.order.external_id) == ("differs", "ONE")
    assert kept.order.lines.get().quantity == 1


def test_an_older_state_of_an_order_is_old_news(link, store):
    made = store.add("ONE", ago(hours=1))
    pull(link)
    made |= {"OrderTotal": "45.00", "LastModified": f"{ago(hours=3):%m/%d/%Y %H:%M}"}
    made["Items"][0]["Quantity"] = "2"
    polling.start_over(link)
    pull(link)
    assert InboundOrder.objects.count() == 0


def test_a_connection_may_apply_changes_at_once(link, store):
    Connection.objects.update(settings={"auto_update": True})
    made = store.add("ONE", ago(hours=2))
    pull(link)
    change(made, OrderTotal="45.00")
    made["Items"][0]["Quantity"] = "2"
    pull(link)
    pull(link)
    order = Order.objects.get()
    assert (str(order.total), order.version) == ("45.0000", 2)
    assert InboundOrder.objects.count() == 0


def test_an_order_canceled_at_the_shop_is_canceled_and_one_never_taken_is_forgotten(link, store):
    one = store.add("ONE", ago(hours=2))
    bad = store.add("BAD", ago(hours=2), OrderTotal="1.00")
    pull(link)
    assert InboundOrder.objects.get().state == "open"
    change(one, OrderStatus="cancelled")
    change(bad, OrderStatus="cancelled")
    pull(link)
    pull(link)
    assert Order.objects.get().state == "canceled"
    assert InboundOrder.objects.get().state == "dismissed"


def test_a_cancel_that_comes_too_late_waits_for_a_person(link, store, company):
    stage.only(company, "LYON")
    one = store.add("ONE", ago(hours=2))
    pull(link)
    stage.drain()
    stage.shipped(Order.objects.get().fulfillment_orders.get())
    change(one, OrderStatus="cancelled")
    pull(link)
    kept = InboundOrder.objects.get()
    assert kept.kind == "differs"
    assert "canceled at the channel" in kept.problems[0]["detail"]


# --- when and how it is asked --------------------------------------------------------------------


def test_only_connections_that_are_due_are_rung_and_only_once(link):
    pull_orders()
    assert polling.ring() == 0
    assert OutboxRow.objects.filter(topic="pull").count() == 1
    link.refresh_from_db()
    assert link.next_at > timezone.now() + timedelta(minutes=4)


@pytest.mark.parametrize("change", [{"active": False}, {"pulls": False}])
def test_a_connection_that_is_switched_off_is_not_asked(link, store, change):
    Connection.objects.update(**change)
    assert polling.ring() == 0
    pull(link)
    assert store.asked == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, b"out of order"), "answered 500: out of order"),
        ((302, b""), "answered 302"),
        ((200, b"<html><body>Welcome</body></html>"), "begins with html"),
        ((200, b"not xml at all"), "cannot be read as XML"),
        ((200, b'<!DOCTYPE x [<!ENTITY a "b">]><Orders pages="1">&a;</Orders>'), "as XML"),
        ((200, b'<Orders pages="many"/>'), "number of pages"),
    ],
)  # fmt: skip
def test_a_shop_that_fails_is_asked_again_later_and_the_page_says_why(link, store, answer, words):
    store.answer = answer
    pull(link)
    assert words in link.last_error
    assert link.failures == 1
    assert link.next_at > timezone.now() + timedelta(minutes=7)
    store.answer = None
    store.add("ONE", ago(hours=1))
    pull(link)
    assert (numbers(), link.failures, link.last_error) == (["ONE"], 0, "")


def test_an_answer_without_end_is_refused(link, store, monkeypatch):
    monkeypatch.setattr("orders.connectors.custom_store.MAX_BYTES", 1000)
    store.answer = (200, b"<Orders>" + b" " * 5000 + b"</Orders>")
    pull(link)
    assert "more than 1,000 bytes" in link.last_error


def test_an_address_inside_the_house_is_not_called(link, store, settings):
    settings.OUTGOING_PRIVATE_ALLOWED = False
    pull(link)
    assert "not on the open internet" in link.last_error
    assert store.asked == []


# --- what the shop is told -----------------------------------------------------------------------


def told(store, parcel: int = 0):
    outbox.drain("tell_channel")
    query, notice = store.notices[parcel]
    items = [(i.findtext("LineItemID"), i.findtext("SKU"), i.findtext("Quantity"))
             for i in notice.iter("Item")]  # fmt: skip
    return query, notice, items


def test_the_shop_is_told_of_a_parcel_with_its_own_line_ids(link, store, company):
    stage.only(company, "LYON")
    store.add("ONE", ago(hours=2))
    pull(link)
    stage.drain()
    stage.shipped(Order.objects.get().fulfillment_orders.get(), "1Z-9")
    query, notice, items = told(store)
    assert query["order_number"] == "ONE"
    assert (query["carrier"], query["tracking_number"]) == ("ups", "1Z-9")
    assert notice.findtext("OrderID") == "id-ONE"
    assert notice.findtext("Recipient/City") == "Paris"
    assert items == [("ONE-1", "TEE", "1")]
    outbox.drain("tell_channel")
    assert len(store.notices) == 1


def test_a_bundle_is_told_in_the_shops_words_with_the_parcel_that_completes_it(
    link, store, company
):
    kit = Product.objects.create(sku="KIT", name="Kit", is_bundle=True)
    for sku in ("TEE", "MUG"):
        BundleComponent.objects.create(
            bundle=kit, product=company.products[sku], quantity=1, share="0.5"
        )
    ChannelSku.objects.create(channel=company.web, sku="THEIR-KIT", product=kit)
    SalesChannel.objects.update(own_skus=True)
    store.add("ONE", ago(hours=2), OrderTotal="65.00",
              Items=[{"SKU": "THEIR-KIT", "Name": "Kit", "Quantity": "2", "UnitPrice": "30.00",
                      "LineItemID": "L1"}])  # fmt: skip
    stage.only(company, "LYON")
    pull(link)
    stage.drain()
    stage.shipped(Order.objects.get().fulfillment_orders.get())
    assert told(store)[2] == [("L1", "THEIR-KIT", "2")]


def test_orders_of_other_doors_and_channels_without_connection_tell_nobody(link, store, company):
    task = stage.asked(company, ("TEE", 1))  # placed by hand: the shop never heard of it
    stage.shipped(task)
    assert outbox.drain("tell_channel") == 1
    link.delete()
    stage.shipped(stage.asked(company, ("TEE", 1)), "1Z-2")
    assert outbox.drain("tell_channel") == 1
    assert store.notices == []


def test_a_shop_that_is_away_is_told_later(link, store, company):
    stage.only(company, "LYON")
    store.add("ONE", ago(hours=2))
    pull(link)
    stage.drain()
    stage.shipped(Order.objects.get().fulfillment_orders.get())
    store.answer = (503, b"closed")
    outbox.drain("tell_channel")
    row = OutboxRow.objects.get(topic="tell_channel")
    assert "503" in row.last_error
    store.answer = None
    OutboxRow.objects.filter(pk=row.pk).update(next_at=ago(hours=1))
    assert len(told(store)[2]) == 1


# --- another shop system -------------------------------------------------------------------------


@pytest.fixture
def corner_shop(settings, monkeypatch):
    """The connector of docs/connectors.md, as it stands there, and a shop for it."""
    settings.OUTGOING_PRIVATE_ALLOWED = True
    text = Path("docs/connectors.md").read_text()
    module = types.ModuleType("corner_shop")
    exec(text.partition("```python\n")[2].partition("```")[0], module.__dict__)
    monkeypatch.setitem(sys.modules, "corner_shop", module)
    monkeypatch.setitem(protocol.CONNECTORS, "corner_shop", "corner_shop.CornerShop")
    order = {
        "id": 7, "ordered_at": "2026-11-20T10:00:00Z", "email": "ada@example.com", "name": "Ada",
        "street": "1 Rue de Rivoli", "city": "Paris", "zip": "75001", "country": "FR",
        "lines": [{"id": 1, "sku": "TEE", "quantity": 2, "price": "20.00"}], "total": "40.00",
    }  # fmt: skip
    pages = {1: {"orders": [order]}, 2: {"orders": [{"id": 8, "lines": [3]}], "last_page": True}}
    told = []

    class Shop(BaseHTTPRequestHandler):
        def do_GET(self):
            page = int(parse_qs(urlsplit(self.path).query)["page"][0])
            self.say(json.dumps(pages[page]).encode())

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append((self.path, self.headers["Idempotency-Key"], json.loads(body)))
            self.say(b"")

        def say(self, body: bytes):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """The test says what it needs."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()


def test_the_connector_of_the_manual_works_as_it_stands_there(company, corner_shop):
    url, told = corner_shop
    link = Connection.objects.create(channel=company.web, connector="corner_shop", url=url)
    assert "1 orders" in protocol.connector("corner_shop").test(link)
    stage.only(company, "LYON")
    pull(link)
    assert (link.last_error, numbers()) == ("", ["7"])
    assert InboundOrder.objects.get().external_id == "8"
    stage.drain()
    parcel = stage.shipped(Order.objects.get().fulfillment_orders.get(), "1Z-7")
    outbox.drain("tell_channel")
    assert told == [("/orders/7/shipments", f"parcel-{parcel.pk}",
                     {"carrier": "ups", "tracking": "1Z-7", "lines": {"1": 2}})]  # fmt: skip


class Teller:
    """A shop system that hears about stock."""

    heard: list = []

    def tell_stock(self, connection, figures):
        self.heard.append((connection.channel.code, {f.sku: f.available for f in figures}))


def test_a_shop_system_that_can_is_told_the_stock_once(company, monkeypatch):
    monkeypatch.setitem(protocol.CONNECTORS, "teller", f"{__name__}.Teller")
    Teller.heard = []
    Connection.objects.create(
        channel=company.web, connector="teller", url="https://shop.example/", pushes_stock=True
    )
    publishing.publish_all()
    outbox.drain("stock_delta")
    [(channel, figures)] = Teller.heard
    assert (channel, figures["TEE"]) == ("web", 220)
    company.place(("TEE", 2))
    publishing.publish_all()
    outbox.drain("stock_delta")
    assert Teller.heard[1:] == [("web", {"TEE": 218})]
