"""A picker's shift on a phone: sign in, accept, scan, pack, ship; with and without scripts."""

import pytest

from fulfillment.models import FulfillmentOrder
from tests.fulfillment.stage import asked, for_pickup, shipped, states, until

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


def order(company, *items, **changes) -> FulfillmentOrder:
    row = asked(company, *items, **changes)
    for line in row.order.lines.select_related("product"):
        line.name = line.product.name
        line.save()
    return row


def sign_in(page):
    page.goto("/store/")
    page.fill("#id_username", "lea")
    page.fill("#id_password", "a long password")
    page.click("button:has-text('Sign in')")
    page.wait_for_selector(".tabs")


def scan(page, code):
    """As a scanner does: keys, then Enter, wherever the focus is."""
    page.keyboard.type(code)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_shift_by_scanner(company, open_page, keep, dark):
    mode = "dark" if dark else "light"
    row = order(company, ("BAG", 1), ("TEE", 2), ("MUG", 1))
    order(company, ("MUG", 1))
    page = open_page(dark=dark, has_touch=True)
    page.goto("/store/")
    keep(page, f"store-login-360-{mode}")
    sign_in(page)
    keep(page, f"store-board-360-{mode}")

    page.click(f"text={row.number}")
    keep(page, f"store-new-360-{mode}")
    page.click("button:has-text('Accept')")
    page.wait_for_selector("#scan")
    keep(page, f"store-picking-360-{mode}")
    for i, code in enumerate(("TEE", company.products["BAG"].gtin, "MUG"), 1):
        scan(page, code)
        page.wait_for_selector(f"text={i} of 4")
    scan(page, "CAP")
    page.wait_for_selector("text=CAP is not in this order")
    keep(page, f"store-wrong-scan-360-{mode}")
    scan(page, "TEE")

    page.click("button:has-text('Packed')")
    page.wait_for_selector("#tracking")
    keep(page, f"store-packed-360-{mode}")
    page.fill("#carrier", "Colissimo")
    page.fill("#tracking", "6A12345678901")
    page.click("text=Handed to the carrier")
    page.wait_for_selector("text=Next order")
    keep(page, f"store-done-360-{mode}")
    assert states(row.order) == {"shipped": 4}
    page.click("text=Next order")
    page.click(".tabs >> text=Done today")
    page.wait_for_selector(f"text={row.number}")


def test_quick_scans_are_all_counted(company, open_page):
    row = until(order(company, ("MUG", 4), ("TEE", 4)), "accepted")
    page = open_page()
    sign_in(page)
    page.goto(f"/store/work/{row.pk}/")
    page.wait_for_selector("#code:focus")

    for code in ["MUG", "TEE"] * 4:
        scan(page, code)

    page.wait_for_selector("button:has-text('Packed')")
    assert states(row.order) == {"picked": 8}
    assert page.is_hidden("#scan")


def test_refusing_a_part(company, open_page, keep):
    row = order(company, ("BAG", 2), ("TEE", 1))
    page = open_page()
    sign_in(page)
    page.goto(f"/store/work/{row.pk}/")
    page.click("text=We cannot do it")
    page.check("text=Damaged")
    page.fill(f"[name=keep_{row.lines.get(allocation__line__sku='BAG').pk}]", "1")
    page.fill(f"[name=keep_{row.lines.get(allocation__line__sku='TEE').pk}]", "1")
    page.locator("text=Why?").scroll_into_view_if_needed()
    keep(page, "store-refuse-360-light")
    page.click("text=Pass it on")
    page.wait_for_selector("text=Passed on")

    assert states(row.order) == {"allocated": 2, "queued": 1}


def test_the_whole_work_without_scripts(company, open_page):
    row = order(company, ("MUG", 1))
    page = open_page(java_script_enabled=False)
    sign_in(page)
    page.click(f"text={row.number}")
    page.click("button:has-text('Accept')")
    page.fill("#code", "MUG")
    page.press("#code", "Enter")
    page.click("button:has-text('Packed')")
    page.fill("#carrier", "UPS")
    page.fill("#tracking", "1Z-1")
    page.press("#tracking", "Enter")
    page.wait_for_selector("text=Handed over")

    assert states(row.order) == {"shipped": 1}


def test_a_pick_up_by_keyboard_alone(company, open_page, keep):
    row = until(for_pickup(company, ("BAG", 1)), "packed")
    page = open_page()
    sign_in(page)
    page.goto(f"/store/work/{row.pk}/")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Ready for pick-up":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#name")
    keep(page, "store-ready-360-light")
    page.press("#name", "Enter")
    page.wait_for_selector("text=All done")

    assert states(row.order) == {"collected": 1}


def test_new_work_appears_by_itself(company, open_page):
    page = open_page()
    page.clock.install()
    sign_in(page)
    page.wait_for_selector("text=Nothing new")
    row = order(company, ("MUG", 1))
    page.clock.run_for(25_000)

    page.wait_for_selector(f"text={row.number}")
    assert page.title().startswith("(1)")


def test_the_board_on_a_desk(company, open_page, keep):
    for sku in ("BAG", "TEE", "CAP", "MUG", "BAG"):
        order(company, (sku, 1))
    until(for_pickup(company, ("TEE", 2)), "accepted")
    shipped(order(company, ("MUG", 1)))
    page = open_page(width=1280, height=800)
    sign_in(page)

    keep(page, "store-board-1280-light")
    assert page.locator(".card.work").count() == 5
