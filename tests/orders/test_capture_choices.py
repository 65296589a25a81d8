"""What an order may be: kits, a channel's own SKUs, tests, several destinations, gift cards."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from inventory.models import BundleComponent, Product, Reservation
from orders.models import ChannelSku, Customer, Hold, Order, OrderLine, PaymentEntry, SalesChannel
from orders.payments import gift_cards
from reports.invariants import violations
from tests.cast import payload
from tests.orders.door import problem, send

LYON = {"line1": "1 rue Garibaldi", "city": "Lyon", "postcode": "69003", "country": "FR"}


def placed(client, company, data):
    answer = send(client, company, data)
    assert answer.status_code == 201, answer.content
    assert not {name: rows for name, rows in violations().items() if rows}
    return Order.objects.get(external_id=data["external_id"]), answer.json()


@pytest.fixture
def kit(company):
    """Two tees and a mug, sold as one; the tees make up three quarters of its price."""
    row = Product.objects.create(sku="KIT", name="Welcome kit", price=40, is_bundle=True)
    BundleComponent.objects.create(
        bundle=row, product=company.products["TEE"], quantity=2, share=Decimal(3)
    )
    BundleComponent.objects.create(
        bundle=row, product=company.products["MUG"], quantity=1, share=Decimal(1)
    )
    return row


def test_a_kit_is_sold_as_one_and_taken_from_its_components(client, company, kit):
    data = payload(("KIT", 3), ("MUG", 1))
    data["line_items"][0]["unit_price"] = "13.33"
    data |= {"discount_total": "1.00", "total": str(Decimal("48.49") + data_shipping(data))}
    order, answer = placed(client, company, data)
    (bundle,) = order.bundles.all()
    parts = list(order.lines.filter(bundle=bundle).order_by("component"))
    assert [(p.sku, p.quantity, p.position, p.component) for p in parts] == [
        ("TEE", 6, 1, 1), ("MUG", 3, 1, 2),
    ]  # fmt: skip
    assert sum(p.total for p in parts) == bundle.total
    assert sum(p.discount for p in parts) == bundle.discount
    assert order.lines.get(bundle=None).position == 2
    assert {(p["line"], p["sku"]) for p in answer["promise"]} == {
        (1, "TEE"), (1, "MUG"), (2, "MUG"),
    }  # fmt: skip
    assert sum(Reservation.objects.values_list("quantity", flat=True)) == 10


def data_shipping(data):
    return Decimal(data.get("shipping_total", "0"))


def test_a_kit_with_too_few_components_is_refused_at_its_own_line(client, company, kit):
    data = payload(("KIT", 200))
    problem(send(client, company, data), 409, "insufficient_stock", "/line_items/0/quantity",
            "/line_items/0/quantity")  # fmt: skip


def test_a_channel_may_have_names_of_its_own_for_products(client, company):
    SalesChannel.objects.update(own_skus=True)
    ChannelSku.objects.create(channel=company.web, sku="B00-TEE", product=company.products["TEE"])
    ChannelSku.objects.create(channel=company.web, sku="MUG", product=company.products["BAG"])
    data = payload(("B00-TEE", 1), ("MUG", 1))
    order, _ = placed(client, company, data)
    assert [line.sku for line in order.lines.order_by("position")] == ["TEE", "BAG"]
    problem(send(client, company, payload(("B00-MUG", 1))), 400, "invalid", "/line_items/0/sku")


@pytest.mark.parametrize("by", ["order", "channel"])
def test_a_test_order_holds_no_stock_and_is_never_sent(client, company, by):
    SalesChannel.objects.update(sandbox=by == "channel")
    data = payload(("TEE", 2)) | {"test": by == "order"}
    order, answer = placed(client, company, data)
    assert order.test
    assert answer["promised_at"]
    assert answer["holds"] == ["test"]
    assert not Reservation.objects.exists()
    free = client.get("/api/v1/availability?sku=TEE",
                      headers={"Authorization": f"Bearer {company.web_key}"}).json()  # fmt: skip
    assert free[0]["available"] == 220
    assert send(client, company, data).json() == answer


def test_lines_go_to_the_destinations_they_name(client, company):
    data = payload(("TEE", 1), ("MUG", 1), ("BAG", 1))
    data["deliveries"] = [
        {"key": "aunt", "address": {**LYON, "city": "Riga", "country": "LV", "postcode": "LV-1010"},
         "gift": True, "gift_message": "Happy birthday"},
        {"key": "counter", "method": "pickup", "location": "PARIS"},
    ]  # fmt: skip
    data["line_items"][1]["delivery"] = "aunt"
    data["line_items"][2]["delivery"] = "counter"
    order, answer = placed(client, company, data)
    assert [part["location"] for part in answer["promise"]] == ["LYON", "RIGA", "PARIS"]
    aunt = order.delivery_groups.get(key="aunt")
    assert (aunt.gift, aunt.gift_message, aunt.city) == (True, "Happy birthday", "Riga")
    assert OrderLine.objects.get(group=aunt).sku == "MUG"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"deliveries": [{"key": "a"}]}, "/deliveries/0/address"),
        ({"deliveries": [{"key": "a", "method": "pickup"}]}, "/deliveries/0/location"),
        ({"deliveries": [{"key": "a", "method": "pickup", "location": "WH"}]},
         "/deliveries/0/location"),
        ({"sold_at": "NOWHERE"}, "/sold_at"),
        ({"delivery": {"method": "ship_to_store"}}, "/delivery/location"),
        ({"commission": "1.001"}, "/commission"),
    ],
)  # fmt: skip
def test_choices_that_cannot_be_are_named(client, company, changes, pointer):
    problem(send(client, company, payload(("TEE", 1)) | changes), 400, None, pointer)


def test_a_line_names_a_destination_that_is_there(client, company):
    data = payload(("TEE", 1))
    data["line_items"][0]["delivery"] = "aunt"
    problem(send(client, company, data), 400, None, "/line_items/0/delivery")


def test_an_order_for_a_later_day_waits_for_it_and_keeps_its_units(client, company):
    day = (timezone.now() + timedelta(days=20)).date()
    order, answer = placed(client, company, payload(("TEE", 1)) | {"wanted_on": str(day)})
    hold = Hold.objects.get(order=order)
    assert hold.type == "scheduled"
    assert timezone.now() < hold.release_at < timezone.now() + timedelta(days=20)
    assert answer["promised_at"][:10] == str(day)
    assert Reservation.objects.count() == 1


def test_marketplace_orders_bring_their_commission_and_limits(client, company):
    limit = (timezone.now() + timedelta(days=1)).isoformat()
    order, _ = placed(
        client, company,
        payload(("TEE", 1)) | {"commission": "2.40", "ship_by": limit, "sold_at": "PARIS"},
    )  # fmt: skip
    assert (order.commission, order.sold_at.code) == (Decimal("2.40"), "PARIS")
    assert order.ship_by.isoformat()[:16] == limit[:16]


def paid(data, **payment):
    return data | {"payments": [{"reference": "p", "method": "card", "amount": data["total"],
                                 "state": "captured"} | payment]}  # fmt: skip


@pytest.mark.parametrize(
    ("state", "kinds"),
    [("pending", []), ("authorized", ["authorize"]), ("captured", ["authorize", "capture"])],
)
def test_the_ledger_of_payments_begins_with_the_order(client, company, state, kinds):
    placed(client, company, paid(payload(("TEE", 1)), state=state))
    assert list(PaymentEntry.objects.order_by("id").values_list("kind", flat=True)) == kinds


def test_a_gift_card_pays_once_and_only_what_it_holds(client, company):
    data = paid(payload(("TEE", 1)), method="gift_card")
    card, code = gift_cards.issue(amount=Decimal(data["total"]), currency="EUR", actor="lea")
    data["payments"][0]["gift_card"] = code
    placed(client, company, data)
    card.refresh_from_db()
    assert card.balance == 0
    again = data | {"external_id": "again"}
    problem(send(client, company, again), 400, "invalid", "/payments/0/gift_card")
    assert Order.objects.count() == 1


def test_orders_of_somebody_who_was_merged_go_to_the_survivor(client, company):
    survivor = Customer.objects.create(email="ana@example.org", name="Ana")
    Customer.objects.create(email="ana@work.example", merged_into=survivor)
    who = {"email": "Ana@Work.example", "name": "Ana", "phone": ""}
    order, _ = placed(client, company, payload(("TEE", 1), customer=who))
    assert order.customer == survivor


def test_leaving_a_choice_out_is_the_same_order_as_its_default(client, company):
    data = payload(("TEE", 1))
    placed(client, company, data)
    spelled = json.loads(json.dumps(data)) | {"gift": False, "commission": "0", "deliveries": []}
    assert send(client, company, spelled).status_code == 200
