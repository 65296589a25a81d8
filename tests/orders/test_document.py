"""A stored order reads like the payload it came from."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import BundleComponent, Product
from orders import capture, document
from orders.models import Order
from tests import cast
from tests.cast import payload


@pytest.fixture
def box(company):
    """A kit of two shirts and a mug."""
    box = Product.objects.create(sku="BOX", name="Box", price=Decimal(40), is_bundle=True)
    for sku, quantity in (("TEE", 2), ("MUG", 1)):
        BundleComponent.objects.create(
            bundle=box, product=company.products[sku], quantity=quantity, share=quantity
        )
    return box


def bought(data):
    """The payload with every line's discount as it is stored: its share of the order's included."""
    order = cast.validated(data)
    for line, (discount, _) in zip(order["line_items"], capture.line_totals(order), strict=True):
        line["discount"] = discount
    return order


def read(order):
    return document.as_payload(Order.objects.get(pk=order.pk))


def test_a_plain_order_comes_back_as_it_was_sent(company):
    data = payload(("TEE", 3), ("MUG", 1), tags=["vip"], note="ring twice", metadata={"a": [1]})
    data["placed_at"] = "2026-01-02T10:00:00.123Z"
    data["billing_address"] = {**data["shipping_address"], "city": "Paris"}
    data["discount_total"], data["total"] = "10.00", "64.40"
    data["payments"] = [{"reference": "p", "method": "card", "state": "captured", "amount": "64.4"}]
    expected = bought(data)
    expected["shipping_address"]["phone"] = expected["customer"]["phone"]  # stored once
    assert read(company.place(**data)) == expected
    assert sum(line["discount"] for line in expected["line_items"]) == Decimal(10)


def test_everything_that_may_be_chosen_comes_back(company, box):
    data, soon = payload(("BOX", 2), ("TEE", 1)), timezone.now() + timedelta(days=9)
    address = {**data["shipping_address"], "name": "Bo", "line1": "2 rue Neuve", "phone": "+331"}
    data["line_items"][0] |= {"unit_price": "40.00", "delivery": "gift"}
    data["line_items"][1] |= {"together": "a", "discount": "1.00"}
    data |= {
        "placed_at": "2026-01-02T10:00:00Z", "discount_total": "5.00", "shipping_total": "0.00",
        "total": "95.00",
        "commission": "3.10", "ship_together": True, "gift": True, "gift_message": "hi",
        "wanted_on": f"{soon:%Y-%m-%d}", "ship_by": f"{soon:%Y-%m-%dT10:00:00Z}",
        "deliver_by": f"{soon:%Y-%m-%dT20:00:00Z}", "changed_at": "2026-01-03T10:00:00Z",
        "sold_at": "LYON", "customer": {"email": "ana@example.org", "name": "Ana", "phone": "1"},
        "delivery": {"method": "pickup", "location": "LYON", "service": "standard"},
        "shipping_address": None,
        "deliveries": [
            {"key": "gift", "method": "ship", "service": "express", "address": address,
             "gift": True, "gift_message": "for Bo", "wanted_on": None, "location": None},
            {"key": "shop", "method": "ship_to_store", "location": "PARIS", "address": None},
        ],
        "payments": [{"reference": "cod", "method": "cash", "state": "pending", "amount": "95.00"}],
    }  # fmt: skip
    placed = company.place(**data)
    assert placed.lines.count() == 3  # the kit's two components, and the shirt
    assert read(placed) == bought(data)


def test_what_was_canceled_and_voided_since_does_not_change_what_was_bought(company):
    order = company.place(("TEE", 2))
    before = read(order)
    order.allocations.update(state="canceled", queue="", reservation=None)
    assert read(order) == before
    order.payments.update(state="voided", captured=0)
    assert read(order) == before | {"payments": []}


def test_an_erased_person_leaves_the_order(company):
    order = company.place(("TEE", 2))
    order.contact.delete()
    found = read(order)
    assert (found["shipping_address"], found["billing_address"]) == (None, None)
    assert found["line_items"][0]["sku"] == "TEE"


def test_it_is_read_in_as_many_statements_however_long_the_order_is(company):
    counts = []
    for lines in (1, 30):
        order = company.place(*[("TEE", 1)] * lines)
        with CaptureQueriesContext(connection) as seen:
            assert len(document.as_payload(order)["line_items"]) == lines
        counts.append(len(seen))
    assert counts == [5, 5]
