"""A van comes to the store: its boxes are counted on a phone, by scanner and by thumb."""

import pytest

from tests.inventory.test_transfers import buckets, figures, on_the_road

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def scan(page, code):
    """As a scanner does: keys, then Enter, wherever the focus is."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def test_a_transfer_is_received_by_scan_and_by_thumb(live_company, open_page, keep):
    live_company.user("lea", "LYON")
    row = on_the_road(live_company, ("TEE", 3), ("MUG", 2))
    page = open_page(has_touch=True)
    page.goto("/store/")
    page.fill("#id_username", "lea")
    page.fill("#id_password", "a long password")
    page.click("button:has-text('Sign in')")
    page.click("text=1 to receive")
    page.click(f"text={row.reference}")
    keep(page, "store-transfer-360-light")

    for code in ("TEE", live_company.products["TEE"].gtin, "mug"):
        scan(page, code)
    page.wait_for_selector("text=3 of 5")
    scan(page, "BAG")
    page.wait_for_selector("text=BAG is not in this transfer")
    assert figures(row, "TEE") == (3, 3, 0, 0, 0)

    page.reload()  # what was counted is not lost
    page.wait_for_selector("text=3 of 5")
    page.click("[aria-label='One Mug more']")
    page.fill("label.damaged input >> nth=1", "1")
    page.wait_for_selector("text=5 of 5")
    keep(page, "store-transfer-counted-360-light")
    page.click("button:has-text('Receive')")
    page.wait_for_selector("text=5 units received")

    assert buckets(live_company, "TEE", "LYON") == (13, 0, 1)
    assert buckets(live_company, "MUG", "LYON") == (7, 0, 0)
