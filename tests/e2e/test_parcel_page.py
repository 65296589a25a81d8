"""A parcel that comes to the store for a customer, and a gift, on a phone and on a desk."""

import pytest

from fulfillment.models import FulfillmentOrder
from tests.cast import payload
from tests.e2e.test_store_page import sign_in
from tests.fulfillment.stage import asked, drain, only, shipped, states

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TO_LYON = {"method": "ship_to_store", "location": "LYON", "service": "standard"}


@pytest.fixture
def company(live_company):
    live_company.user("lea", "LYON")
    return live_company


def sent(company, number):
    order = company.place(("TEE", 2), ("MUG", 1), delivery=TO_LYON)
    drain()
    return shipped(FulfillmentOrder.objects.get(order=order), number)


@pytest.mark.parametrize(
    ("width", "dark"), [(360, False), (1280, True)], ids=["phone", "desk in the dark"]
)
def test_a_parcel_is_scanned_in_and_handed_out(company, open_page, keep, width, dark):
    only(company, "WH")
    first, second = sent(company, "JD0146000011"), sent(company, "JD0146000012")
    page = open_page(width=width, dark=dark)
    sign_in(page)
    keep(page, f"store-parcels-home-{width}")
    page.click("text=Parcels for customers")
    keep(page, f"store-parcels-{width}")

    page.keyboard.type("JD0146000011")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=The customer is told")
    keep(page, f"store-parcel-here-{width}")
    page.fill("#name", "Ana Živić")
    page.click("button:has-text('Collected')")
    page.wait_for_selector("text=All done")
    keep(page, f"store-parcel-collected-{width}")
    assert states(first.order) == {"collected": 3}

    page.click("text=Next parcel")
    page.wait_for_selector("#code:focus")
    page.keyboard.type("WRONG-1")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Put it aside")
    keep(page, f"store-parcel-unknown-{width}")
    page.click(f"text={second.order.number}")
    page.click("button:has-text('It is here')")
    page.wait_for_selector("text=The customer is told")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_gift_is_packed_without_prices(company, open_page, keep, width):
    row = asked(
        company, ("BAG", 2), ("MUG", 1), gift=True, ship_together=True, sold_at="PARIS",
        gift_message="Happy birthday, dear Bo!\nMay it carry you far.\nAna",
    )  # fmt: skip
    items = payload(("MUG", 1))["line_items"]
    company.place(line_items=items, delivery=TO_LYON, total="14.40", payments=[])
    drain()
    page = open_page(width=width)
    sign_in(page)
    keep(page, f"store-gift-board-{width}")
    page.click(f"text={row.number}")
    keep(page, f"store-gift-{width}")
    page.click("text=Print the gift slip")
    page.wait_for_selector("button:has-text('Print')")
    keep(page, f"store-gift-slip-{width}")
    page.emulate_media(media="print")
    keep(page, f"store-gift-slip-print-{width}")
