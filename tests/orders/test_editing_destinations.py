"""Where an order goes is changed as long as nobody has it in hand."""

from datetime import timedelta

import pytest

from fulfillment.models import FulfillmentOrder
from orders import cancellation, editing
from orders.models import Allocation, ChannelSku, Hold
from tests.fulfillment import stage
from tests.orders.door import problem, read
from tests.orders.edits import add, change, check, edit, fresh, look, units
from tests.orders.journeys import send_all

# --- where it goes -------------------------------------------------------------------------------

RIGA = {"name": "Ana", "line1": "Brīvības 1", "city": "Riga", "postcode": "LV-1010",
        "country": "LV"}  # fmt: skip


def move(address=RIGA):
    return {"type": "address", "shipping_address": address}


def test_routed_units_go_back_to_the_queue_with_their_claim_and_accepted_ones_stay(company):
    order = company.place(("TEE", 1))
    stage.drain()
    routed = Allocation.objects.get(order=order)
    claim = routed.reservation_id
    shown = look(order, move())
    assert [e.what for e in shown.effects] == ["rerouted"]
    edit(order, move())
    waiting = Allocation.objects.get(order=order)
    assert (waiting.state, waiting.queue, waiting.reservation_id) == ("queued", "routing", claim)
    assert stage.kinds(order).count("allocation.requeued") == 1
    stage.drain()
    now = Allocation.objects.get(order=order)
    assert (now.state, now.location.code) == ("allocated", "RIGA")
    task = FulfillmentOrder.objects.get(order=order, state="new")
    stage.until(task, "accepted")
    shown = edit(order, move({**RIGA, "line1": "Brīvības 2"})).preview
    assert [e["what"] for e in shown["effects"]] == ["stays"]
    assert Allocation.objects.get(order=order).state == "accepted"
    check()


def test_a_packed_parcel_has_its_address_on_it(client, company):
    row = stage.asked(company, ("TEE", 1))
    stage.until(row, "packed")
    answer = change(client, company, row.order, move())
    body = problem(answer, 409, "not_possible_now", "/actions/0")
    assert "packed at Lyon store already" in body["detail"]
    answer = change(client, company, row.order, {"type": "delivery", "service": "express"})
    problem(answer, 409, "not_possible_now", "/actions/0")


def test_what_a_warehouse_system_has_is_not_changed_behind_its_back(client, company):
    row = stage.asked(company, ("TEE", 2))
    Allocation.objects.filter(order=row.order).update(handed_over=True)
    problem(change(client, company, row.order, move()), 409, "not_possible_now", "/actions/0")
    swap = {"type": "substitute", "line": 1, "sku": "MUG"}
    problem(change(client, company, row.order, swap), 409, "not_possible_now", "/actions/0/line")
    shown = edit(row.order, {"type": "quantity", "line": 1, "quantity": 1}).preview
    assert [(e["what"], e["units"]) for e in shown["effects"]] == [("asked_back", 1)]
    assert Allocation.objects.get(order=row.order).cancel_quantity == 1
    assert look(row.order, {"type": "remove", "line": 1}, add("MUG")).effects[0].units == 1


def test_shipping_becomes_pick_up_and_back(company):
    order = company.place(("TEE", 1), ("MUG", 1))
    stage.drain()
    pickup = {"type": "delivery", "method": "pickup", "location": "PARIS"}
    shown = look(order, pickup)
    edit(order, pickup)
    stage.drain()
    assert fresh(order).pickup_location.code == "PARIS"
    places = set(order.allocations.values_list("state", "location__code"))
    assert places == {("allocated", "PARIS")}
    assert shown.warnings == ("2 units must be found at Paris store (PARIS), or wait as"
                              " unfillable",)  # fmt: skip
    task = FulfillmentOrder.objects.get(order=order, state="new")
    stage.until(task, "accepted")
    with pytest.raises(editing.NotNow, match="cannot be collected at Lyon"):
        edit(order, {**pickup, "location": "LYON"})
    edit(order, {"type": "delivery", "method": "ship"})
    assert set(order.allocations.values_list("state", flat=True)) == {"accepted"}
    check()


def test_a_later_day_is_promised_told_and_waited_for(company, post):
    order = company.place(("TEE", 1))
    stage.drain()
    day = (order.promised_at + timedelta(days=30)).date()
    shown = edit(order, {"type": "delivery", "wanted_on": str(day)}).preview
    assert fresh(order).promised_at.date() == day
    assert shown["promised_after"] > shown["promised_before"]
    assert Hold.objects.get(order=order, handle="scheduled").state == "open"
    assert stage.kinds(order).count("promise.changed") == 1
    send_all()
    texts = [m["Subject"] for m in post.mails]
    assert sum("was changed" in text for text in texts) == 1
    assert not any("new date" in text for text in texts)
    edit(order, {"type": "delivery", "wanted_on": None})
    assert Hold.objects.get(order=order, handle="scheduled").state == "resolved"
    assert fresh(order).promised_at.date() < day
    check()


def test_the_customer_reads_what_the_order_is_now(company, post):
    order = company.place(("TEE", 2))
    edit(order, {"type": "quantity", "line": 1, "quantity": 1}, add("MUG", name="Blue mug"))
    send_all()
    (mail,) = [m for m in post.mails if "was changed" in m["Subject"]]
    body = mail.get_body(("plain",)).get_content()
    assert "1 x Tee: €20.00" in body
    assert "1 x Blue mug: €9.50" in body
    assert "10.50 less than before" in body
    assert not any("canceled" in m["Subject"] for m in post.mails)


def test_an_ended_order_is_not_changed(client, company):
    order = company.place(("TEE", 1))
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    problem(change(client, company, order, add("MUG")), 409, "not_possible_now", "/actions")


def test_what_has_left_cannot_be_taken_off(client, company):
    row = stage.asked(company, ("TEE", 2))
    stage.shipped(row)
    answer = change(client, company, row.order, {"type": "quantity", "line": 1, "quantity": 1})
    body = problem(answer, 409, "not_possible_now", "/actions/0/quantity")
    assert "2 of 2 have left already" in body["detail"]
    assert change(client, company, row.order, add("MUG")).status_code == 201
    check()


def test_a_channel_changes_in_its_own_skus(client, company):
    company.web.own_skus = True
    company.web.save()
    ChannelSku.objects.create(channel=company.web, sku="M-1", product=company.products["MUG"])
    order = company.place(("TEE", 1))
    assert change(client, company, order, add("M-1")).status_code == 201
    assert units(order) == {"TEE": 1, "MUG": 1}


def test_other_channels_orders_are_not_there(client, company):
    order = company.place(("TEE", 1))
    key = company.location_key("LYON")
    url = f"/api/v1/orders/{order.number}/changes"
    assert read(client, company, url, key).status_code == 403
    assert read(client, company, "/api/v1/orders/M1/versions").status_code == 404
