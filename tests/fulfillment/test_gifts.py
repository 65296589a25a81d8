"""Gifts: what is printed, what is not, and who is told."""

import pytest
from django.test import Client
from django.utils import timezone

from fulfillment.connectors.message import message
from fulfillment.models import FulfillmentOrder
from tests.cast import payload
from tests.fulfillment.stage import asked, drain, only, until

WORDS = "Happy birthday!\n<b>Your</b> Bo & Ana"


@pytest.fixture
def lea(company) -> Client:
    client = Client()
    client.force_login(company.user("lea", "LYON"))
    return client


def page(client, row, part="") -> str:
    answer = client.get(f"/store/work/{row.pk}/{part}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_gift_travels_without_prices_and_with_its_words(company, lea):
    row = until(asked(company, ("BAG", 2), gift=True, gift_message=WORDS), "packed")
    assert "no prices in the parcel" in page(lea, row)
    paper = page(lea, row, "slip/")
    assert "A gift for you" in paper
    assert "Happy birthday!<br>&lt;b&gt;Your&lt;/b&gt; Bo &amp; Ana" in paper
    assert "Bag" in paper
    for price in ("80.00", "160", "€"):
        assert price not in paper
    told = message(row, event="fulfillment.requested")
    assert (told["gift"], told["gift_message"]) == (True, WORDS)
    assert "price" not in str(told).lower()


def test_any_other_parcel_says_what_was_paid_for_what_is_in_it(company, lea):
    row = asked(company, ("BAG", 2), ("MUG", 1))
    paper = page(lea, row, "slip/")
    assert "Packing slip" in paper
    assert "€160.00" in paper
    assert "€9.50" in paper
    assert "1 rue de la République" in paper


def test_one_order_a_gift_for_one_of_two_people(company, lea):
    only(company, "LYON")
    items = payload(("BAG", 1), ("MUG", 1))["line_items"]
    items[1]["delivery"] = "bo"
    group = {
        "key": "bo", "method": "ship", "gift": True, "gift_message": "For Bo",
        "address": {"name": "Bo", "line1": "3 quai", "city": "Lyon", "postcode": "69002",
                    "country": "FR"},
    }  # fmt: skip
    order = company.place(("BAG", 1), ("MUG", 1), deliveries=[group], line_items=items)
    drain()
    papers = {
        row.group and row.group.key: page(lea, row, "slip/")
        for row in FulfillmentOrder.objects.filter(order=order).select_related("group")
    }
    assert "€80.00" in papers[None]
    assert "Mug" not in papers[None]
    assert "For Bo" in papers["bo"]
    assert "€" not in papers["bo"]


def test_other_stores_do_not_see_the_slip(company):
    row = asked(company, ("BAG", 1), gift=True)
    client = Client()
    client.force_login(company.user("max", "PARIS"))
    assert client.get(f"/store/work/{row.pk}/slip/").status_code == 404


def test_what_leaves_in_one_parcel_and_where_it_was_sold_is_on_the_page(company, lea):
    today = timezone.now().date()
    row = asked(company, ("BAG", 1), ("MUG", 1), ship_together=True, sold_at="PARIS",
                wanted_on=today.isoformat())  # fmt: skip
    seen = page(lea, row)
    assert "Everything leaves in one parcel" in seen
    assert "sold at Paris store" in seen
    assert f"Wanted on {today:%a} {today.day} {today:%b}" in seen
    assert "One parcel" in lea.get("/store/").content.decode()
