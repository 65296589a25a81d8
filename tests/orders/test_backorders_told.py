"""What channels, customers and staff are told of units that wait for supply."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.models import OutboxRow
from inventory import supplies
from inventory.models import Reservation, Supply
from orders import capture, links
from orders.backorders import settling
from orders.models import Allocation, Order, SalesChannel
from orders.notifications.words import date_in_words
from routing import queues
from tests import cast
from tests.fulfillment import stage
from tests.orders import door
from tests.orders.journeys import send_all
from tests.orders.supply import TODAY, backordering, receive, settle, sound, supply, units


@pytest.fixture
def selling(company):
    """The web channel sells from Lyon alone and promises what is on its way."""
    return backordering(company)


# --- what is told --------------------------------------------------------------------------------


def test_the_answer_and_the_order_name_the_supply_and_its_day(selling, client):
    row = supply(selling, 5, sku="BAG")
    body = cast.payload(("BAG", 6))
    placed = door.send(client, selling, body).json()
    day = row.eta.isoformat()
    assert [(p["quantity"], p["location"], p["supply"], p["expected"]) for p in placed["promise"]
            ] == [(5, "LYON", None, None), (1, None, "PO-1", day)]  # fmt: skip
    again = door.send(client, selling, body)
    assert again.status_code == 200
    assert again.json() == placed
    read = door.read(client, selling, f"{door.URL}/{body['external_id']}").json()
    waiting = [s for s in read["lines"][0]["slices"] if s["queue"] == "backorder"]
    assert [(s["supply"], s["expected"], s["queue_reason"]) for s in waiting] == [
        ("PO-1", day, "waits for PO-1")]  # fmt: skip


def test_what_a_channel_cannot_promise_is_409_as_before(selling, client):
    supply(selling, 1)
    answer = door.send(client, selling, cast.payload(("SOLD", 2)))
    door.problem(answer, 409, "insufficient_stock", "/line_items/0/quantity")
    assert not Reservation.objects.filter(supply__isnull=False).exists()


def test_a_pick_up_waits_for_supply_of_its_own_store_alone(company):
    SalesChannel.objects.update(on_shortage="backorder")
    company.web.refresh_from_db()
    supply(company, 5, code="PARIS")
    delivery = {"method": "pickup", "location": "LYON", "service": "standard"}
    with pytest.raises(capture.InsufficientStock):
        company.place(("SOLD", 1), delivery=delivery)
    row = supply(company, 5, reference="PO-2")
    order = company.place(("SOLD", 1), delivery=delivery)
    receive(row, 5)
    settle()
    assert units(order) == [(1, "routing", "LYON")]


def test_the_customer_gets_one_mail_per_new_day(selling, post):
    supply(selling, 5)
    order = selling.place(("SOLD", 2))
    send_all()
    for days in (24, 24, 31):
        supply(selling, 5, days=days)
        settle()
    send_all()
    assert post.subjects()[1:] == [f"A new date for your Maestro Demo Company order {order.number}"]
    said = " ".join(post.text().split())
    assert "We are sorry: your order" in said
    assert "2 x Sold" in said
    assert post.html().count("<strong>") == 1
    sent = order.notifications.filter(template="promise_changed").order_by("id")
    assert [n.state for n in sent] == ["suppressed", "sent"]  # the first day was overtaken


def test_the_confirmation_says_what_comes_in_a_parcel_of_its_own(selling, post):
    supply(selling, 5, sku="BAG")
    selling.place(("BAG", 6))
    send_all()
    assert "in a parcel of their own: 1 x Bag. The rest comes before." in " ".join(
        post.text().split()
    )


def test_the_customers_page_says_when_it_comes_to_us(selling, client):
    row = supply(selling, 5)
    order = selling.place(("SOLD", 2))
    page = links.make(order)
    said = " ".join(client.get(page).content.decode().split())
    assert "On its way to us" in said
    assert f"We expect it on {date_in_words(row.eta)}." in said
    Supply.objects.update(eta=TODAY - timedelta(days=1))
    assert "should have reached us already" in client.get(page).content.decode()


def test_the_console_shows_who_waits_where(selling, console):
    row = supply(selling, 5)
    order = selling.place(("SOLD", 2))
    url = reverse("admin:orders_order_change", args=[order.pk])
    said = " ".join(console.get(url).content.decode().split())
    assert "waits for PO-1" in said
    assert f"expected {row.eta.day} {row.eta:%b} at Lyon store" in said
    assert "They are sent on by themselves when it arrives." in said
    listed = console.get(reverse("admin:orders_order_changelist"), {"stage": "awaited"})
    assert order.number in listed.content.decode()


def test_nothing_short_costs_no_statement_more(selling, client):
    def statements(*items):
        body = cast.payload(*items)
        with CaptureQueriesContext(connection) as seen:
            assert door.send(client, selling, body).status_code == 201
        return len([q for q in seen if "SAVEPOINT" not in q["sql"]])

    before = statements(("TEE", 1))
    supply(selling, 5)
    assert statements(("TEE", 1), ("MUG", 1)) == before
    assert statements(("TEE", 1), ("SOLD", 1)) == before + 3  # read, claim, the new day


def test_units_that_were_unfillable_wait_for_a_new_purchase_order_before_newer_orders(company):
    backordering(company, "queue")
    first = company.place(("SOLD", 3))
    stage.drain()
    assert [u[1] for u in units(first)] == ["unfillable"]
    row = supply(company, 2)
    assert queues.retry_due()["supplies"] == 1
    OutboxRow.objects.filter(topic="supply").update(subject=row.pk)
    settle()
    assert [u[:2] for u in units(first)] == [(2, "backorder"), (1, "unfillable")]
    event = first.events.get(kind="promise.changed")
    assert event.data["before"] is None
    assert Order.objects.get(pk=first.pk).promised_at.date() > row.eta
    supply(company, 9)
    second = company.place(("SOLD", 4))
    queues.retry_due()
    settle()
    assert units(first) == [(2, "backorder", None), (1, "backorder", None)]
    receive(row, 5)
    settle()
    assert [u[1] for u in units(first)] == ["routing", "routing"]
    assert units(second) == [(2, "routing", "LYON"), (2, "backorder", None)]
    sound()


def test_many_orders_are_served_in_portions_the_oldest_first(selling, monkeypatch):
    monkeypatch.setattr("orders.backorders.settling.BATCH", 3)
    row = supply(selling, 10)
    orders = [selling.place(("SOLD", 1)) for _ in range(10)]
    receive(row, 6)
    settle()
    queues_ = [order.allocations.get().queue for order in orders]
    assert queues_ == ["routing"] * 6 + ["backorder"] * 4
    supplies.change(row.pk, quantity=7, eta=TODAY + timedelta(days=60), actor="t")
    settle()
    queues_ = [order.allocations.get().queue for order in orders]
    assert queues_ == ["routing"] * 6 + ["backorder"] + ["unfillable"] * 3
    days = {Order.objects.get(pk=order.pk).promised_at for order in orders[6:7]}
    assert min(days).date() > TODAY + timedelta(days=60)
    assert not Reservation.objects.filter(owner_type="supply").exists()
    sound()


def test_an_arrival_takes_as_many_statements_for_twenty_orders_as_for_two(selling):
    def statements(count, reference):
        row = supply(selling, count, reference=reference)
        for _ in range(count):
            selling.place(("SOLD", 1))
        receive(row, count)
        with CaptureQueriesContext(connection) as seen:
            settling.settle(row.pk, work=row.pk)
        OutboxRow.objects.filter(topic="supply").delete()
        assert not Allocation.objects.filter(queue="backorder").exists()
        return len(seen)

    assert statements(2, "PO-1") == statements(20, "PO-2") < 35
