"""A parcel on its way to a store: it arrives there, its customer is told and takes it home."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from config import outbox
from fulfillment import work
from fulfillment.models import FulfillmentOrder, Parcel
from orders import holds
from orders.models import Notification, Order
from reports.invariants import violations
from returns import tracking
from tests.cast import payload
from tests.fulfillment.stage import ACTOR, drain, kinds, only, shipped, statements, states, until

TO_LYON = {"method": "ship_to_store", "location": "LYON", "service": "standard"}


def sent(company, *items, number="1Z-1", **changes) -> Parcel:
    """A parcel from the warehouse to the store in Lyon."""
    only(company, "WH")
    order = company.place(*(items or (("TEE", 2),)), delivery=TO_LYON, **changes)
    drain()
    return shipped(FulfillmentOrder.objects.get(order=order), number)


def signed_in(company, name="lea", *codes) -> Client:
    client = Client()
    client.force_login(company.user(name, *(codes or ("LYON",))))
    return client


def words(answer) -> str:
    return answer.content.decode()


def subjects(order) -> list[str]:
    rows = Notification.objects.filter(order=order).order_by("id")
    return list(rows.values_list("template", flat=True))


def check() -> None:
    broken = {name: rows for name, rows in violations().items() if rows}
    assert not broken


def test_the_parcel_is_addressed_to_the_store_and_known_there_when_it_left(company):
    only(company, "WH")
    order = company.place(("TEE", 1), delivery=TO_LYON)
    drain()
    row = FulfillmentOrder.objects.get(order=order)
    label = APIClient()
    label.credentials(HTTP_AUTHORIZATION=f"Bearer {company.location_key('WH')}")
    asked = label.get(f"/api/v1/fulfillment-orders/{row.pk}").json()
    assert asked["delivery"] == "ship_to_store"
    assert asked["ship_to"]["name"] == "Lyon store"
    assert asked["ship_to"]["line2"] == f"for Ana Živić, {order.number}"
    assert asked["ship_to"]["email"] == ""

    lea = signed_in(company)
    assert "Nothing on the way" in words(lea.get("/store/parcels/"))
    parcel = shipped(row)
    assert parcel.destination == company.locations["LYON"]
    assert "1 on the way" in words(lea.get("/store/"))
    assert order.number in words(lea.get("/store/parcels/"))
    elsewhere = signed_in(company, "max", "PARIS")
    assert order.number not in words(elsewhere.get("/store/parcels/"))
    assert elsewhere.get(reverse("store:parcel", args=[parcel.pk])).status_code == 404


def test_from_the_label_to_the_customers_hands(company):
    parcel = sent(company)
    order = parcel.order
    lea = signed_in(company)

    answer = lea.post("/store/parcels/scan/", {"code": " 1z-1 "}, follow=True)
    assert "It is here. The customer is told." in words(answer)
    parcel.refresh_from_db()
    assert parcel.tracking_status == "available_for_pickup"
    assert states(order) == {"shipped": 2}
    outbox.drain("notify")
    assert subjects(order)[-1] == "pickup_ready"
    assert "1 at the counter" in words(lea.get("/store/"))

    nameless = lea.post(reverse("store:parcel-press", args=[parcel.pk, "collected"]), {"name": ""})
    assert nameless.status_code == 422
    press = {"name": "Ana's brother"}
    url = reverse("store:parcel-press", args=[parcel.pk, "collected"])
    assert "Collected. All done." in words(lea.post(url, press, follow=True))
    assert "nothing changed" in words(lea.post(url, press, follow=True))
    parcel.refresh_from_db()
    assert (parcel.tracking_status, parcel.received_by) == ("collected", "Ana's brother")
    assert states(order) == {"collected": 2}
    order.refresh_from_db()
    assert order.state == "closed"
    assert [k for k in kinds(order) if k.startswith(("parcel", "pickup"))] == [
        "parcel.shipped", "parcel.arrived", "pickup.collected"]  # fmt: skip
    assert kinds(order).count("pickup.collected") == 1
    outbox.drain("notify")
    assert subjects(order).count("pickup_ready") == 1
    check()


def test_the_customer_sees_where_it_is_on_the_way_to_the_store(company):
    parcel = sent(company)

    def seen():
        page = tracking.of(Order.objects.get(pk=parcel.order_id), now=timezone.now())
        shipment = page.shipments[0]
        now = [step.title for step in shipment.steps if step.state == "now"]
        return page.headline, shipment.title, now

    assert seen() == ("Your order is on its way", "On its way to Lyon store", ["In the store"])
    work.arrive(parcel_id=parcel.pk, actor=ACTOR)
    assert seen()[1:] == ("Ready for pick-up", ["In the store"])
    work.hand_out(parcel_id=parcel.pk, name="Ana", actor=ACTOR)
    assert seen() == ("You have collected your order", "Collected", [])


def test_a_label_that_is_not_expected_here_is_put_aside(company):
    sent(company)
    max_ = signed_in(company, "max", "PARIS")
    answer = max_.post("/store/parcels/scan/", {"code": "1Z-1"})
    assert answer.status_code == 404
    assert "Put it aside" in words(answer)
    assert max_.post("/store/parcels/scan/", {"code": "  "}).status_code == 422
    assert Parcel.objects.get().arrived_at is None


def test_the_carriers_word_does_not_hand_it_to_the_customer(company):
    parcel = sent(company)
    work.track(parcel_id=parcel.pk, status="delivered", at=timezone.now(), actor="ups")
    assert states(parcel.order) == {"shipped": 2}
    assert "the carrier says it is here" in words(signed_in(company).get("/store/parcels/"))

    work.arrive(parcel_id=parcel.pk, actor=ACTOR)
    later = timezone.now() + timedelta(minutes=5)
    assert not work.track(parcel_id=parcel.pk, status="in_transit", at=later, actor="ups").changed
    work.hand_out(parcel_id=parcel.pk, name="Ana", actor=ACTOR)
    assert states(parcel.order) == {"collected": 2}


def test_nothing_is_handed_out_before_it_came_nor_against_a_hold(company):
    parcel = sent(company)
    with pytest.raises(work.NotArrived):
        work.hand_out(parcel_id=parcel.pk, name="Ana", actor=ACTOR)
    work.arrive(parcel_id=parcel.pk, actor=ACTOR)
    held = holds.place(
        order_id=parcel.order_id, type="fraud", handle="x", reason="stolen card", actor="eve"
    )
    lea = signed_in(company)
    url = reverse("store:parcel-press", args=[parcel.pk, "collected"])
    refused = lea.post(url, {"name": "Ana"})
    assert refused.status_code == 409
    assert "stolen card" in words(refused)
    holds.resolve(hold_id=held.pk, actor="eve")
    assert lea.post(url, {"name": "Ana"}).status_code == 302


def test_the_stores_system_says_the_same_over_rest_and_only_the_stores(company):
    parcel = sent(company)
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {company.location_key('LYON')}")
    path = "/api/v1/parcels/ups/1Z-1"
    early = api.post(f"{path}/collected", {"name": "Ana"}, format="json")
    assert (early.status_code, early.json()["code"]) == (409, "not_arrived")
    arrived = api.post(f"{path}/arrived").json()
    assert (arrived["tracking_status"], arrived["destination"]) == ("available_for_pickup", "LYON")
    assert api.post(f"{path}/arrived").json() == arrived
    done = api.post(f"{path}/collected", {"name": "Ana"}, format="json").json()
    assert done["tracking_status"] == "collected"
    assert done["delivered_at"]
    assert states(parcel.order) == {"collected": 2}

    api.credentials(HTTP_AUTHORIZATION=f"Bearer {company.location_key('WH')}")
    assert api.post(f"{path}/arrived").status_code == 404  # it sent it, it does not take it in


def test_from_the_stores_own_shelf_it_is_a_pick_up_without_a_parcel_on_the_road(company):
    only(company, "LYON")
    order = company.place(("BAG", 1), delivery=TO_LYON)
    drain()
    row = FulfillmentOrder.objects.get(order=order)
    until(row, "packed")
    with pytest.raises(work.WrongWayOut):
        work.ship(fulfillment_order_id=row.pk, carrier="ups", tracking_number="1", actor=ACTOR)
    work.ready(fulfillment_order_id=row.pk, actor=ACTOR)
    work.collect(fulfillment_order_id=row.pk, name="Ana", actor=ACTOR)
    assert states(order) == {"collected": 1}
    check()


def test_a_group_is_asked_for_with_its_own_address_and_a_deadline_of_the_marketplace_counts(
    company,
):
    only(company, "WH")
    soon = (timezone.now() + timedelta(minutes=30)).replace(microsecond=0)
    group = {
        "key": "b", "method": "ship", "service": "express",
        "address": {"name": "Bo", "line1": "2 rue de Rivoli", "city": "Paris",
                    "postcode": "75001", "country": "FR"},
    }  # fmt: skip
    order = company.place(("TEE", 1), ("MUG", 1), deliveries=[group], ship_by=soon.isoformat(),
                          line_items=_to_group("b"))  # fmt: skip
    drain()
    rows = FulfillmentOrder.objects.filter(order=order)
    mine, theirs = rows.get(group=None), rows.get(group__key="b")
    assert [mine.ship_by, theirs.ship_by] == [soon, soon]
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {company.location_key('WH')}")
    with statements() as found:
        listed = {row["id"]: row for row in api.get("/api/v1/fulfillment-orders").json()["results"]}
    assert len(found) <= 9
    assert listed[mine.pk]["ship_to"]["name"] == "Ana Živić"
    assert listed[theirs.pk]["ship_to"]["name"] == "Bo"
    assert listed[theirs.pk]["ship_to"]["city"] == "Paris"
    assert (listed[mine.pk]["service"], listed[theirs.pk]["service"]) == ("standard", "express")
    shipped(mine, "1Z-1")
    shipped(theirs, "1Z-2")
    check()


def _to_group(key):
    items = payload(("TEE", 1), ("MUG", 1))["line_items"]
    items[1]["delivery"] = key
    return items
