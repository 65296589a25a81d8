"""between(): the actions that make an order what a channel says; applied, it is exactly that."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.models import Stock
from orders import editing, payments
from orders.capture import line_totals
from orders.editing import sheet
from orders.models import Order
from tests.cast import payload, validated
from tests.fulfillment import stage

IN_A_MONTH = str(timezone.now().date() + timedelta(days=30))
SKUS = ("TEE", "MUG", "BAG")
ADDRESSES = [
    {"name": "Ana Živić", "line1": line1, "line2": "", "city": city, "region": "",
     "postcode": postcode, "country": "FR", "phone": ""}
    for line1, city, postcode in [("1 rue de la République", "Lyon", "69001"),
                                  ("3 quai Voltaire", "Paris", "75007")]
]  # fmt: skip
DELIVERIES = [
    {"method": "ship", "location": None, "service": "standard"},
    {"method": "ship", "location": None, "service": "express"},
    {"method": "pickup", "location": "PARIS", "service": "standard"},
]

cents = st.integers(0, 300).map(lambda n: Decimal(n) / 100)
lines = st.fixed_dictionaries({
    "id": st.sampled_from(["a", "b", "c", ""]), "sku": st.sampled_from(SKUS),
    "quantity": st.integers(1, 3), "unit_price": st.sampled_from(["10.00", "9.99", "20.00"]),
    "discount": cents, "tax": cents,
})  # fmt: skip


@st.composite
def orders(draw):
    """A small order, as a channel posts it, adding up."""
    rows = draw(st.lists(lines, min_size=1, max_size=4, unique_by=lambda row: row["id"]))
    shipping, extra = draw(cents), draw(cents)
    gross = sum(row["quantity"] * Decimal(row["unit_price"]) for row in rows)
    discount = sum(row["discount"] for row in rows) + extra
    tax = sum(row["tax"] for row in rows)
    return {
        "line_items": [
            {"external_id": row["id"], "sku": row["sku"], "name": "", "quantity": row["quantity"],
             "unit_price": row["unit_price"], "discount": str(row["discount"]),
             "tax": str(row["tax"])}
            for row in rows
        ],
        "shipping_total": str(shipping), "discount_total": str(discount), "tax_total": str(tax),
        "total": str(gross - discount + shipping), "payments": [],
        "shipping_address": draw(st.sampled_from(ADDRESSES)),
        "delivery": draw(st.sampled_from(DELIVERIES)),
    }  # fmt: skip


def content_of(order):
    """What stands of an order, however many lines it is spread over."""
    order = Order.objects.get(pk=order.pk)
    read, found = sheet.read(order), {}
    for item in read.items.values():
        if not item.units:
            continue
        head, amounts = item.head, read.amounts(item)
        key = (head.external_id or head.sku, head.sku, head.unit_price)
        now = found.get(key, (0, 0, 0))
        figures = (item.units, amounts.discount, amounts.tax)
        found[key] = tuple(a + b for a, b in zip(now, figures, strict=True))
    store = order.pickup_location
    return found, order.shipping_total, payments.amount_due(order), {
        "method": order.delivery, "location": store and store.code, "service": order.service,
    }, order.contact.line1  # fmt: skip


def content(wanted):
    found = {}
    totals = line_totals(wanted)
    for line, (discount, _) in zip(wanted["line_items"], totals, strict=True):
        key = (line["external_id"] or line["sku"], line["sku"], line["unit_price"])
        now = found.get(key, (0, 0, 0))
        figures = (line["quantity"], discount, line["tax"])
        found[key] = tuple(a + b for a, b in zip(now, figures, strict=True))
    return (found, wanted["shipping_total"], wanted["total"], wanted["delivery"],
            wanted["shipping_address"]["line1"])  # fmt: skip


def follow(order, **changes):
    """Make an order what its channel says now; returns the actions it took."""
    wanted = validated(payload(**changes))
    actions = editing.between(Order.objects.get(pk=order.pk), wanted)
    if actions:
        editing.apply(order_id=order.pk, actions=actions, actor="web", source="channel")
    assert content_of(order) == content(wanted)
    assert editing.between(Order.objects.get(pk=order.pk), wanted) == []
    return actions


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(first=orders(), then=st.lists(orders(), min_size=1, max_size=3))
def test_whatever_a_channel_changes_the_order_becomes_just_that(company, first, then):
    Stock.objects.filter(on_hand__gt=0).update(on_hand=1000)
    with transaction.atomic():
        order = company.place(**first)
        for changes in then:
            follow(order, **changes)
        kept = Order.objects.get(pk=order.pk)
        rows = list(kept.lines.all())
        assert sum(row.discount for row in rows) == kept.discount_total
        assert sum(row.total for row in rows) + kept.shipping_total == kept.total
        assert all(row.total >= 0 and row.discount >= 0 for row in rows)
        transaction.set_rollback(True)


def line(sku, quantity, external_id="1", **more):
    return {"external_id": external_id, "sku": sku, "quantity": quantity, "unit_price": "10.00",
            **more}  # fmt: skip


def bought(*items, **more):
    total = sum(Decimal(row["unit_price"]) * row["quantity"] for row in items)
    return {"line_items": list(items), "total": str(total), "shipping_total": "0", "payments": [],
            **more}  # fmt: skip


@pytest.mark.parametrize(
    ("now", "types"),
    [
        (bought(line("TEE", 2)), []),
        (bought(line("TEE", 3)), ["quantity"]),
        (bought(line("TEE", 1)), ["quantity"]),
        (bought(line("MUG", 2)), ["add_line", "remove"]),
        (bought(line("TEE", 2), line("MUG", 1, "2")), ["add_line"]),
        (bought(line("TEE", 2, unit_price="9.00")), ["price"]),
        (bought(line("TEE", 2), discount_total="5.00", total="15.00"), ["price"]),
        (bought(line("TEE", 2), shipping_total="3.00", total="23.00"), ["shipping"]),
        (bought(line("TEE", 2), shipping_address=ADDRESSES[1]), ["address"]),
        (bought(line("TEE", 2), delivery=DELIVERIES[1], wanted_on=IN_A_MONTH), ["delivery"]),
        (bought(line("TEE", 2), note="x", tags=["y"], metadata={"z": 1}), []),
    ],
)
def test_the_list_is_as_short_as_it_can_be(company, now, types):
    order = company.place(**bought(line("TEE", 2)))
    actions = editing.between(order, validated(payload(**now)))
    assert sorted(action["type"] for action in actions) == types


def test_more_units_leave_the_price_of_the_others_alone(company):
    order = company.place(**bought(line("TEE", 2, discount="1.00"), discount_total="1.00",
                                   total="19.00"))  # fmt: skip
    now = bought(line("TEE", 3, discount="1.50"), discount_total="1.50", total="28.50")
    (action,) = follow(order, **now)
    assert (action["quantity"], action["discount"]) == (3, "0.5000")


def test_a_line_that_moves_to_another_delivery_is_bought_anew(company):
    groups = [{"key": "mum", "method": "ship", "location": None, "service": "standard",
               "address": ADDRESSES[1]}]  # fmt: skip
    order = company.place(**bought(line("TEE", 2), deliveries=groups))
    now = bought(line("TEE", 2, delivery="mum"), deliveries=groups)
    assert [a["type"] for a in follow(order, **now)] == ["remove", "add_line"]
    (new,) = order.lines.filter(group__key="mum")
    assert new.quantity == 2
    moved = [{**groups[0], "address": ADDRESSES[0]}]
    (action,) = follow(order, **bought(line("TEE", 2, delivery="mum"), deliveries=moved))
    assert (action["type"], action["delivery"]) == ("address", "mum")


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ({"currency": "USD"}, "in USD"),
        ({"tax_included": False}, "taxes"),
        ({"deliveries": [{"key": "x", "method": "pickup", "location": "PARIS",
                          "service": "standard", "address": None}]}, "other deliveries"),
    ],
)  # fmt: skip
def test_what_no_edit_can_do_is_said(company, now, why):
    order = company.place(**bought(line("TEE", 2)))
    with pytest.raises(editing.CannotDiff, match=why):
        editing.between(order, validated(payload(**bought(line("TEE", 1)), **now)))


def test_units_that_have_left_stay_even_when_the_channel_drops_them(company):
    row = stage.asked(company, ("TEE", 1))
    stage.shipped(row)
    now = {**payload(("MUG", 1)), "payments": []}
    actions = editing.between(row.order, validated(now))
    with pytest.raises(editing.NotNow, match="have left already"):
        editing.apply(order_id=row.order.pk, actions=actions, actor="web")
