"""The console's lists and pages of work and parcels open, and change nothing."""

import pytest
from django.test import Client
from django.urls import reverse

from tests.fulfillment.stage import asked, shipped


@pytest.fixture
def console(company) -> Client:
    client = Client()
    client.force_login(company.user("boss", is_staff=True, is_superuser=True))
    return client


@pytest.mark.parametrize(
    "query", ["", "?due=late", "?due=open", "?state__exact=done", "?q=F1", "?q=x"]
)
def test_the_list_of_work_opens(company, console, query):
    asked(company, ("BAG", 1))

    url = reverse("admin:fulfillment_fulfillmentorder_changelist")
    assert console.get(url + query).status_code == 200


def test_work_is_found_by_its_number(company, console):
    row, other = asked(company, ("BAG", 1)), asked(company, ("BAG", 1))

    url = reverse("admin:fulfillment_fulfillmentorder_changelist")
    text = console.get(url, {"q": row.number}).content.decode()

    assert row.order.number in text
    assert other.order.number not in text


def test_the_page_of_work_shows_its_items_and_events(company, console):
    row = asked(company, ("BAG", 1))
    shipped(row)

    url = reverse("admin:fulfillment_fulfillmentorder_change", args=[row.pk])
    text = console.get(url).content.decode()

    assert "BAG" in text
    assert "fulfillment.requested" in text
    assert "parcel.shipped" in text
    assert console.post(url, {"state": "new"}).status_code == 403


def test_parcels_open_and_are_found_by_number(company, console):
    parcel = shipped(asked(company, ("BAG", 1)), "1Z-77")

    listed = console.get(reverse("admin:fulfillment_parcel_changelist"), {"q": "1Z-77"})
    assert "1Z-77" in listed.content.decode()
    shown = console.get(reverse("admin:fulfillment_parcel_change", args=[parcel.pk]))
    assert "BAG" in shown.content.decode()
