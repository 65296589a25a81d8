"""A ShipStation custom store's order to the canonical payload: what is kept, what is refused."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from orders.connectors import custom_store, custom_store_order
from orders.connectors.base import CannotMap
from orders.models import Connection
from orders.payload import validated
from tests.orders.custom_store import order

AT = datetime(2026, 11, 20, 17, 5, tzinfo=UTC)
TAKEN = frozenset({"paid"})


def mapped(**changes):
    document = order("A-1", AT) | changes
    payload = custom_store_order.order_from_document(
        document, currency="EUR", taken=TAKEN, unpaid=frozenset({"cashondelivery"})
    )
    return validated(payload)


def problems(**changes) -> dict[str, str]:
    with pytest.raises(CannotMap) as caught:
        mapped(**changes)
    return {problem.field: problem.reason for problem in caught.value.problems}


def item(**changes):
    return {"SKU": "TEE", "Name": "T-shirt", "Quantity": "1", "UnitPrice": "20.00"} | changes


def test_every_field_finds_its_place():
    got = mapped(
        ShippingMethod="Express 24h", Gift="true", GiftMessage="For you", InternalNotes="fragile",
        CustomField1="one",
        Items=[item(Options=[{"Name": "Size", "Value": "L"}, {"Name": "Color", "Value": "red"}])],
    )  # fmt: skip
    assert got["external_id"] == "A-1"
    assert got["placed_at"] == got["changed_at"] == AT
    assert got["customer"] == {"email": "ada@example.com", "name": "Ada Lovelace",
                               "phone": "+33 1 23 45 67 89"}  # fmt: skip
    assert got["shipping_address"]["name"] == "Ada Lovelace, Engines"
    assert got["shipping_address"]["postcode"] == "75001"
    assert got["delivery"]["service"] == "express"
    assert (got["gift"], got["gift_message"]) == (True, "For you")
    assert got["line_items"][0]["name"] == "T-shirt (Size: L, Color: red)"
    assert got["payments"] == [
        {"reference": "A-1", "method": "Credit Card", "amount": 25, "state": "captured"}
    ]
    assert got["metadata"]["order_id"] == "id-A-1"
    assert got["metadata"]["custom_field_1"] == "one"
    assert got["metadata"]["internal_notes"] == "fragile"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("11/20/2026 17:05", AT), ("11/20/2026 5:05 PM", AT), ("11/20/2026 17:05 PM", AT),
        ("11/20/2026 17:05:00", AT), ("2026-11-20T17:05:00Z", AT), ("2026-11-20T17:05:00", AT),
        ("11/20/2026 12:05 AM", AT.replace(hour=0)), ("11/20/2026 12:05 PM", AT.replace(hour=12)),
        ("20/11/2026 17:05", None), ("soon", None), ("", None),
    ],
)  # fmt: skip
def test_times_are_read_as_shops_write_them(text, expected):
    assert custom_store_order.moment(text) == expected


def test_adjustments_are_discounts_and_extras_not_goods():
    got = mapped(
        OrderTotal="19.00",
        Items=[item(), item(SKU="", Name="SPRING", UnitPrice="-10.00", Adjustment="true"),
               item(SKU="WRAP", Name="Gift wrap", UnitPrice="2.00", Quantity="2",
                    Adjustment="True")],
    )  # fmt: skip
    assert [line["sku"] for line in got["line_items"]] == ["TEE"]
    assert (got["discount_total"], got["shipping_total"], got["total"]) == (10, 9, 19)
    assert got["metadata"]["adjustments"] == {"SPRING": "-10.00", "Gift wrap": "4.00"}


@pytest.mark.parametrize(
    ("total", "included", "taxes"),
    [("28.00", False, [1, 2]), ("25.00", True, [1, 2])],
)  # fmt: skip
def test_whether_taxes_are_on_top_the_total_says(total, included, taxes):
    items = [item(Quantity="1", UnitPrice="5.00"), item(Quantity="1", UnitPrice="10.00")]
    got = mapped(Items=items, ShippingAmount="10.00", TaxAmount="3.00", OrderTotal=total)
    assert got["tax_included"] is included
    assert [line["tax"] for line in got["line_items"]] == taxes
    assert got["tax_total"] == 3


def test_what_is_paid_on_delivery_is_not_paid_yet():
    assert mapped(PaymentMethod="Cash on Delivery")["payments"][0]["state"] == "pending"


def test_everything_that_is_wrong_is_named_at_once():
    found = problems(
        OrderNumber="", OrderStatus="lost", OrderDate="soon", CurrencyCode="TALER",
        Items=[item(SKU=""), item(Quantity="0"), item(UnitPrice="dear"), item(UnitPrice="-1")],
    )  # fmt: skip
    assert found == {
        "OrderNumber": "is missing", "OrderStatus": "is no status of orders that are sent",
        "OrderDate": "is not a time such as 11/23/2026 17:05",
        "CurrencyCode": "is not an ISO 4217 currency", "Items[0].SKU": "is missing",
        "Items[1].Quantity": "is not a whole number from 1",
        "Items[2].UnitPrice": "is not an amount such as 12.50",
        "Items[3].UnitPrice": "is below zero and the item is no adjustment",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"Items": []}, "Items"), ({"Items": "none"}, "Items"), ({"OrderTotal": ""}, "OrderTotal"),
        ({"OrderTotal": "24.99"}, "OrderTotal"), ({"Customer": ""}, "Customer.ShipTo"),
        ({"Customer": {"ShipTo": {"Country": "Narnia"}}}, "Customer.ShipTo.Country"),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_sent_as_it_is_says_why(changes, field):
    assert field in problems(**changes)


def test_documents_of_any_depth_and_namespace_are_read_without_end():
    deep = "<a>" * 900 + "</a>" * 900
    body = (
        '<x:Orders xmlns:x="urn:x" pages="1"><x:Order><x:OrderNumber> 7 </x:OrderNumber>'
        f"<Odd>{deep}</Odd><Items><Item><SKU>TEE</SKU></Item><Other/></Items></x:Order></x:Orders>"
    )
    root = custom_store._parsed(body.encode())
    document = custom_store._document(root[0])
    assert document["OrderNumber"] == "7"
    assert document["Items"] == [{"SKU": "TEE"}]


def test_windows_follow_each_other_with_an_overlap_and_end_now():
    link = Connection(settings={"first_days": 3, "overlap_minutes": 30})
    cursor, spans = {}, []
    for _ in range(10):
        at = custom_store._Cursor.of(cursor, link)
        spans.append((at.start, at.end))
        cursor, more = at.after(1, ["A"])
        if not more:
            break
    assert timezone.now() - spans[0][0] < timedelta(days=3, seconds=60)
    assert timezone.now() - spans[-1][1] < timedelta(seconds=60)
    for (_, end), (start, _) in pairwise(spans):
        assert end - start == timedelta(minutes=30)
