"""Counting on a phone: by scan and by thumb, through a basement without a network."""

import pytest

from inventory import counts
from inventory.models import CountEntry
from tests.e2e.test_store_page import scan, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def company(live_company):
    live_company.user("lea", "LYON")
    for sku, name, color, size in (
        ("BAG", "Weekender bag, waxed canvas", "Forest", "One size"),
        ("MUG", "Enamel mug", "Cream", ""),
        ("TEE", "Organic cotton tee", "Navy", "M"),
    ):
        product = live_company.products[sku]
        product.name, product.color, product.size = name, color, size
        product.save()
    return live_company


def found(section):
    return dict(CountEntry.objects.filter(section=section).values_list("line__product__sku",
                                                                       "found"))  # fmt: skip


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_section_is_counted_through_a_network_that_comes_and_goes(company, open_page, keep, dark):
    mode = "dark" if dark else "light"
    count = counts.start(
        location=company.locations["LYON"].pk, kind="selective", actor="max",
        products=[company.products[sku].pk for sku in ("TEE", "MUG")],
        cause="refused: not found on the shelf", sections=("Sales floor", "Back room"),
    )  # fmt: skip
    floor = count.sections.order_by("id")[0]
    page = open_page(dark=dark, has_touch=True)
    sign_in(page)
    keep(page, f"count-home-360-{mode}")
    page.click("text=To count")
    keep(page, f"count-list-360-{mode}")
    page.click("text=2 products")
    keep(page, f"count-sections-360-{mode}")
    page.click("button:has-text('Start counting') >> nth=0")
    page.wait_for_selector("#figure[data-ready]")

    for _ in range(3):
        scan(page, "TEE")
    page.click("[data-sku=TEE] .more")
    page.fill("[data-sku=MUG] input[name=found]", "24")
    page.keyboard.press("Enter")
    page.wait_for_timeout(700)
    assert found(floor) == {"TEE": 4, "MUG": 24}

    page.context.set_offline(True)
    page.focus("[data-sku=MUG] input[name=found]")
    scan(page, company.products["BAG"].gtin)  # into the wrong field
    page.click("[data-sku=MUG] .less")
    page.wait_for_selector("text=No network")
    keep(page, f"count-offline-360-{mode}")
    assert found(floor) == {"TEE": 4, "MUG": 24}
    page.click("text=This section is counted")
    page.wait_for_selector("text=still on this phone")
    page.context.set_offline(False)
    page.wait_for_selector("[data-sku=BAG]")
    page.wait_for_selector("#waiting", state="hidden")
    assert found(floor) == {"TEE": 4, "MUG": 23, "BAG": 1}

    scan(page, "NOPE")
    page.wait_for_selector("text=no product has this SKU")
    keep(page, f"count-section-360-{mode}")
    page.click("text=This section is counted")
    page.wait_for_selector("text=counted,")
    keep(page, f"count-done-360-{mode}")
    floor.refresh_from_db()
    assert floor.submitted_at is not None
