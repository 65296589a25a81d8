"""Units held for somebody who is still buying: for as long as the rule says, and not longer."""

import json
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from inventory import expiry, ledger
from inventory.models import Reservation, Stock
from orders import baskets
from orders.models import Basket, Order
from reports.invariants import violations
from tests import cast
from tests.races import crowd


def broken():
    return {name: rows for name, rows in violations().items() if rows}


class Shop:
    """The web shop on its REST door."""

    def __init__(self, client, company):
        self.client, self.company = client, company

    def call(self, method, path, body=None):
        return self.client.generic(
            method, f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json",
            headers={"Authorization": f"Bearer {self.company.web_key}"},
        )  # fmt: skip

    def hold(self, *items, reference="cart-1", **more):
        body = {"reference": reference, **more,
                "items": [{"sku": sku, "quantity": n} for sku, n in items]}  # fmt: skip
        return self.call("POST", "baskets", body)

    def order(self, *items, **changes):
        return self.call("POST", "orders", cast.payload(*items, **changes))


@pytest.fixture
def shop(client, company):
    return Shop(client, company)


def reserved(sku):
    return sum(Stock.objects.filter(product__sku=sku).values_list("reserved", flat=True))


def test_a_basket_holds_its_units_until_its_end(shop):
    answer = shop.hold(("TEE", 2), ("CAP", 1))
    assert answer.status_code == 200, answer.content
    held = answer.json()
    assert {(i["sku"], i["quantity"]) for i in held["items"]} == {("TEE", 2), ("CAP", 1)}
    assert (reserved("TEE"), reserved("CAP")) == (2, 1)
    basket = Basket.objects.get()
    assert basket.expires_at - basket.created_at == timedelta(minutes=10)
    assert set(Reservation.objects.values_list("expires_at", flat=True)) == {basket.expires_at}
    assert broken() == {}


def test_the_hold_of_a_channel_is_its_own(shop):
    shop.company.web.hold_minutes = 60
    shop.company.web.save()
    shop.hold(("TEE", 1))
    basket = Basket.objects.get()
    assert basket.expires_at - basket.created_at == timedelta(minutes=60)


def test_the_same_basket_again_reserves_nothing_more_and_lasts_no_longer(shop):
    first = shop.hold(("TEE", 2)).json()
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
        assert shop.hold(("TEE", 2)).json() == first
    assert reserved("TEE") == 2


def test_what_was_not_bought_is_free_after_the_end(shop):
    shop.hold(("CAP", 2))
    Basket.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    Reservation.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    assert expiry.sweep().released == 2
    assert reserved("CAP") == 0
    assert shop.hold(("CAP", 2), reference="cart-2").status_code == 200


def test_other_content_moves_only_the_difference(shop):
    until = shop.hold(("TEE", 2), ("MUG", 1)).json()["expires_at"]
    changed = shop.hold(("TEE", 3)).json()
    assert [(i["sku"], i["quantity"]) for i in changed["items"]] == [("TEE", 3)]
    assert changed["expires_at"] == until
    assert (reserved("TEE"), reserved("MUG")) == (3, 0)
    assert broken() == {}


def test_all_or_nothing_and_the_answer_says_what_can_be_had(shop):
    shop.hold(("CAP", 1))
    answer = shop.hold(("CAP", 3), ("TEE", 1), reference="cart-2")
    assert answer.status_code == 409
    (problem,) = answer.json()["errors"]
    assert problem["pointer"] == "/items/0/quantity"
    assert "1 of 3" in problem["detail"]
    assert (reserved("CAP"), reserved("TEE")) == (1, 0)
    assert Basket.objects.count() == 1


def test_a_basket_can_be_extended_but_not_for_ever(shop):
    token = shop.hold(("TEE", 1)).json()["token"]
    created = Basket.objects.get().created_at
    for minutes in (9, 18, 27, 36, 45, 54):
        with time_machine.travel(created + timedelta(minutes=minutes), tick=False):
            assert shop.call("POST", f"baskets/{token}/extend").status_code == 200
    basket, claim = Basket.objects.get(), Reservation.objects.get()
    assert basket.expires_at == claim.expires_at == created + timedelta(minutes=60)


def test_a_basket_can_be_given_up(shop):
    token = shop.hold(("TEE", 4)).json()["token"]
    assert shop.call("DELETE", f"baskets/{token}").status_code == 204
    assert shop.call("DELETE", f"baskets/{token}").status_code == 204
    assert reserved("TEE") == 0
    assert shop.call("GET", f"baskets/{token}").status_code == 404
    assert shop.call("POST", f"baskets/{token}/extend").status_code == 404


def test_a_basket_of_another_channel_is_not_there(shop, company):
    token = shop.hold(("TEE", 1)).json()["token"]
    other = company.web.__class__.objects.create(code="app", name="App", pool=company.pool)
    with pytest.raises(baskets.BasketGone):
        baskets.read(other, token)


def test_for_pick_up_units_are_held_where_they_are_fetched(shop):
    held = shop.hold(("TEE", 1), pickup="PARIS").json()
    assert [item["location"] for item in held["items"]] == ["PARIS"]


@pytest.mark.parametrize(("body", "pointer"), [
    ({"reference": "c", "items": []}, "/items"),
    ({"reference": "c", "items": [{"sku": "TEE", "quantity": 0}]}, "/items/0/quantity"),
    ({"reference": "c", "items": [{"sku": "TEE", "quantity": "1"}]}, "/items/0/quantity"),
    ({"reference": "c", "items": [{"sku": "TEE", "quantity": 1}] * 2}, "/items"),
    ({"reference": "c", "items": [{"sku": "NONE", "quantity": 1}]}, "/items"),
    ({"items": [{"sku": "TEE", "quantity": 1}]}, "/reference"),
    ({"reference": "c", "items": [{"sku": "TEE", "quantity": 1}], "minutes": 9}, "/minutes"),
])  # fmt: skip
def test_what_is_wrong_is_named(shop, body, pointer):
    answer = shop.call("POST", "baskets", body)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Basket.objects.exists()


# --- from basket to order ------------------------------------------------------------------------


def test_the_order_takes_over_the_units_of_its_basket(shop):
    token = shop.hold(("CAP", 2)).json()["token"]
    assert shop.order(("CAP", 1)).status_code == 409  # the last two are held
    answer = shop.order(("CAP", 2), basket=token)
    assert answer.status_code == 201, answer.content
    assert reserved("CAP") == 2
    assert not Basket.objects.exists()
    assert set(Reservation.objects.values_list("owner_type", "expires_at")) == {("order", None)}
    assert broken() == {}


def test_an_order_may_hold_less_or_more_than_its_basket(shop):
    token = shop.hold(("TEE", 3), ("MUG", 1)).json()["token"]
    assert shop.order(("TEE", 1), ("BAG", 1), basket=token).status_code == 201
    assert (reserved("TEE"), reserved("MUG"), reserved("BAG")) == (1, 0, 1)
    assert broken() == {}


def test_a_basket_that_is_over_is_no_reason_to_refuse_what_is_there(shop):
    token = shop.hold(("TEE", 1)).json()["token"]
    shop.call("DELETE", f"baskets/{token}")
    assert shop.order(("TEE", 1), basket=token).status_code == 201
    assert broken() == {}


def test_units_lost_between_basket_and_payment_are_not_promised(shop, company):
    """Case 5: an operator finds the shelf empty while the customer pays."""
    token = shop.hold(("CAP", 2)).json()["token"]
    for place in ("LYON", "PARIS"):
        entry = ledger.Entry(company.products["CAP"].pk, company.locations[place].pk, "adjustment",
                             on_hand=-1)  # fmt: skip
        ledger.post([entry], actor="operator")
    answer = shop.order(("CAP", 2), basket=token)
    assert answer.status_code == 409, answer.content
    assert not Order.objects.exists()


def test_the_same_order_again_is_the_same_order(shop):
    token = shop.hold(("CAP", 1)).json()["token"]
    body = cast.payload(("CAP", 1), external_id="X-1")
    first = shop.call("POST", "orders", {**body, "basket": token})
    again = shop.call("POST", "orders", {**body, "basket": token})
    assert (first.status_code, again.status_code) == (201, 200)
    assert reserved("CAP") == 1


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_basket_and_its_order_race_and_one_wins(live_company):
    company = live_company
    for n in range(8):
        held = baskets.hold(company.web, reference=f"c{n}", items={"MUG": 1}, actor="test")
        soon = timezone.now() + timedelta(milliseconds=15)
        Basket.objects.update(expires_at=soon)
        Reservation.objects.filter(owner_type="basket").update(expires_at=soon)
        token = str(held.basket.token)
        answers = crowd.at_once(
            lambda token=token: company.place(("MUG", 1), basket=token),
            expiry.sweep, expiry.sweep,
        )  # fmt: skip
        assert not [a for a in answers if isinstance(a, Exception)], answers
    expiry.sweep()
    assert reserved("MUG") == 8
    assert broken() == {}


@pytest.mark.django_db(transaction=True)
def test_ten_baskets_of_the_last_two_caps(live_company):
    def hold(n):
        try:
            return baskets.hold(live_company.web, reference=f"c{n}", items={"CAP": 1}, actor="test")
        except baskets.NotAvailable:
            return None

    answers = crowd.at_once(*[lambda n=n: hold(n) for n in range(10)])
    assert sum(isinstance(a, baskets.Held) for a in answers) == 2, answers
    assert reserved("CAP") == 2
    assert broken() == {}
