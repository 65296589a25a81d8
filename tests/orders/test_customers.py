"""Customers: their page, who is the same person, what we hold of them, and how it is forgotten."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from config.models import Job, JobRow
from orders import customers, notes
from orders.models import (
    Customer,
    InboundOrder,
    Notification,
    Order,
    OrderChange,
    OrderContact,
    OrderEvent,
    OrderVersion,
    Payment,
)
from reports import invariants
from tests.returns import journeys

pytestmark = pytest.mark.django_db
ANA, EVE = "ana@example.org", "eve@example.net"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


def person(email: str, name: str = "Ana Živić", phone: str = "+33 6 00 00 00 00") -> dict:
    return {"customer": {"email": email, "name": name, "phone": phone}}


def page(customer: Customer, action: str = "change") -> str:
    return reverse(f"admin:orders_customer_{action}", args=[customer.pk])


@pytest.fixture
def ana(company) -> Customer:
    company.place(("TEE", 1))
    return Customer.objects.get(email=ANA)


def test_the_page_shows_orders_totals_addresses_and_notes(console, company, ana):
    order = company.place(("MUG", 2))
    notes.write(order_id=order.pk, text="likes blue", author="sam")
    shown = console.get(page(ana))
    text = shown.content.decode()
    assert shown.context["orders"][0]["order"] == order
    assert [(n, is_open, total) for n, is_open, total, _ in shown.context["totals"]] == [
        (2, 2, "€48.80")
    ]
    assert len(shown.context["addresses"]) == 1
    assert "likes blue" in text
    assert "Maybe the same person" not in text


def test_customers_are_found_by_address_and_by_what_finds_their_orders(console, company, ana):
    company.place(("TEE", 1), **person(EVE, "Eve Moor"))
    for term, found in [("ana@", [ANA]), ("živ", [EVE, ANA]), ("W-none", []), ("EVE", [EVE])]:
        listed = console.get("/admin/orders/customer/", {"q": term}).context["cl"].result_list
        assert [c.email for c in listed] == found, term


def test_the_same_person_is_suggested_and_merged(console, company, ana):
    moved = company.place(("TEE", 1), **person(EVE))
    eve = Customer.objects.get(email=EVE)
    assert [(s.customer, s.why) for s in customers.suggestions(ana)] == [
        (eve, "same phone, same name and postcode")
    ]
    assert console.post(page(ana, "merge"), {"email": EVE}).status_code == 302

    moved.refresh_from_db()
    eve.refresh_from_db()
    assert (moved.customer, eve.merged_into) == (ana, ana)
    assert moved.events.get(kind="customer.merged").data == {"from": eve.pk, "into": ana.pk}
    assert company.place(("TEE", 1), **person(EVE)).customer == ana
    assert customers.suggestions(ana) == []
    assert console.get(page(eve)).status_code == 200

    third = company.place(("TEE", 1), **person("z@example.org", "Z", ""))
    assert customers.merge(survivor=third.customer_id, others=[ana.pk], actor="sam") == 3
    eve.refresh_from_db()
    assert eve.merged_into_id == third.customer_id


def test_a_tier_is_set_and_kept_when_two_become_one(console, company, ana):
    assert console.post(page(ana, "set_tier"), {"tier": " gold "}).status_code == 302
    assert "gold" in console.get(page(ana)).content.decode()
    company.place(("TEE", 1), **person(EVE))
    eve = Customer.objects.get(email=EVE)
    customers.merge(survivor=eve.pk, others=[ana.pk], actor="test")
    assert Customer.objects.get(pk=eve.pk).tier == "gold"
    assert not customers.set_tier(customer_id=eve.pk, tier="gold")


@pytest.mark.parametrize("email", [ANA, "nobody@example.org", EVE])
def test_a_merge_that_makes_no_sense_is_refused(console, company, ana, email):
    Customer.objects.create(email=EVE, merged_into=ana)
    answer = console.post(page(ana, "merge"), {"email": email})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not OrderEvent.objects.filter(kind="customer.merged").exists()


def test_the_export_holds_what_we_know(console, company, ana):
    order = Order.objects.get(customer=ana)
    notes.write(order_id=order.pk, text="likes blue", author="sam")
    answer = console.get(page(ana, "export_data"))
    document = json.loads(answer.content)
    assert "attachment" in answer["Content-Disposition"]
    assert document["customer"][0]["email"] == ANA
    (one,) = document["orders"]
    assert (one["number"], one["contact"][0]["city"]) == (order.number, "Lyon")
    assert one["notes"][0]["text"] == "likes blue"
    assert {"lines", "payments", "events", "parcels", "returns"} <= set(one)


def everything_kept(order: Order) -> tuple:
    """What erasure must not touch."""
    return (
        list(OrderEvent.objects.exclude(kind="customer.erased").order_by("pk").values()),
        list(Payment.objects.order_by("pk").values()), order.total,
        list(order.lines.order_by("pk").values()), list(order.allocations.order_by("pk").values()),
    )  # fmt: skip


def test_a_person_is_forgotten_everywhere_and_the_books_stay(
    console, company, ana, django_capture_on_commit_callbacks
):
    order = journeys.deliver(Order.objects.get(customer=ana))
    file = notes.attach(order_id=order.pk, file=SimpleUploadedFile("Ana.png", PNG), author="sam")
    notes.write(order_id=order.pk, text="call Ana", author="sam")
    Notification.objects.create(order=order, template="t", dedupe_key="k", recipient=ANA,
                                subject="Ana", body="Ana", trigger="x")  # fmt: skip
    OrderVersion.objects.create(
        order=order, number=1, document={}, contact={"name": "Ana"}, actor="s"
    )
    OrderChange.objects.create(
        order=order, actions=[], contact={"name": "Ana"}, based_on=1, actor="s"
    )
    inbound = {"channel": order.channel, "source": "api", "kind": "differs", "digest": "d"}
    InboundOrder.objects.create(**inbound, external_id=order.external_id, order=order,
                                document={"n": "Ana"})  # fmt: skip
    InboundOrder.objects.create(**inbound, external_id="other", document={"email": ANA})
    job = Job.objects.create(kind="orders", title="file")
    JobRow.objects.create(job=job, number=2, reference=order.external_id, outcome="created",
                          data={"n": "Ana"})  # fmt: skip
    before, stored = everything_kept(order), file.file.name

    with django_capture_on_commit_callbacks(execute=True):
        answer = console.post(page(ana, "erase"), {"email": ANA}, follow=True)
    text = answer.content.decode()
    assert f"please read those of {order.number}" in text

    ana.refresh_from_db()
    assert (ana.email, ana.name, ana.phone) == (f"erased-{ana.pk}@erased.invalid", "", "")
    kept = OrderContact.objects.values().get(pk=order.pk)
    assert not any(value for name, value in kept.items() if name != "order_id"), kept
    for model in (Notification, OrderVersion, OrderChange, InboundOrder, JobRow):
        assert "Ana" not in str(list(model.objects.values())), model
        assert ANA not in str(list(model.objects.values())), model
    assert not file.file.storage.exists(stored)
    assert not order.attachments.exists()
    assert everything_kept(order) == before
    assert order.events.get(kind="customer.erased").data == {}
    assert broken() == {}
    assert console.get(reverse("admin:orders_order_change", args=[order.pk])).status_code == 200
    assert company.place(("TEE", 1)).customer.email == ANA  # somebody new


def broken() -> dict:
    return {name: rows for name, rows in invariants.violations().items() if rows}


def test_who_waits_for_an_order_cannot_be_forgotten(console, company, ana):
    order = Order.objects.get(customer=ana)
    answer = console.post(page(ana, "erase"), {"email": ANA})
    assert f"{order.number} must be finished or canceled first" in answer.content.decode()
    wrong = console.post(page(ana, "erase"), {"email": EVE})
    assert "another address" in wrong.content.decode()
    ana.refresh_from_db()
    assert ana.erased_at is None
