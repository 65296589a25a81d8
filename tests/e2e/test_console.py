"""The console in a browser, as operations staff use it: desk and phone, light and dark."""

import pytest

from config import outbox
from fulfillment.models import FulfillmentOrder
from orders import holds
from tests.fulfillment.stage import until
from tests.returns import journeys

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = {"desk": {"width": 1360, "height": 850}, "360": {"width": 360, "height": 740}}
SCREENS = [(size, dark) for size in SIZES for dark in (False, True)]
IDS = [f"{size}-{'dark' if dark else 'light'}" for size, dark in SCREENS]


@pytest.fixture
def story(live_company, django_user_model):
    """A returned order, one at work, one on hold, one that nobody can serve, one just in."""
    live_company.web.on_shortage = "queue"
    live_company.web.save()
    django_user_model.objects.create_superuser("ada", password="a long password")
    told = journeys.deliver(live_company.place(("TEE", 2), ("MUG", 1)))
    journeys.send_back(told, TEE=1)
    working = live_company.place(("BAG", 1))
    outbox.drain("route")
    outbox.drain("work")
    until(FulfillmentOrder.objects.get(order=working), "accepted")
    blocked = live_company.place(("CAP", 1))
    held = {"type": "manual", "handle": "h", "reason": "The customer asked us to call first",
            "blocks": ["route", "ship"], "actor": "ada"}  # fmt: skip
    holds.place(order_id=blocked.pk, **held)
    live_company.place(("SOLD", 1))
    outbox.drain("route")
    live_company.place(("MUG", 2))
    return told, blocked


@pytest.fixture
def enter(open_page):
    """A signed-in window; every error that the browser reports ends the test."""
    said = []

    def window(size: str = "desk", *, dark: bool = False):
        page = open_page(dark=dark, **SIZES[size])
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.on(
            "response", lambda r: said.append(f"{r.status} {r.url}") if r.status > 399 else None
        )
        page.goto("/admin/")
        page.fill("#id_username", "ada")
        page.fill("#id_password", "a long password")
        page.keyboard.press("Enter")
        page.wait_for_selector(".oms-tiles")
        return page

    yield window
    assert said == []


@pytest.mark.parametrize(("size", "dark"), SCREENS, ids=IDS)
def test_the_console_at_every_width(story, enter, keep, size, dark):
    name = f"{size}-{'dark' if dark else 'light'}"
    page = enter(size, dark=dark)
    assert page.locator("[data-stage=on_hold] .oms-figure").inner_text() == "1"
    assert page.get_attribute("[data-stage=unfillable]", "data-level") == "danger"
    keep(page, f"console-home-{name}")

    for part, path in (
        ("orders", "/admin/orders/order/"),
        ("order", f"/admin/orders/order/{story[0].pk}/change/"),
        ("on-hold", f"/admin/orders/order/{story[1].pk}/change/"),
        ("hold-form", f"/admin/orders/order/{story[0].pk}/hold/"),
        ("managers", "/admin/managers/"),
        ("stock", "/admin/inventory/stock/"),
        ("availability", "/admin/availability/?q=TEE"),
        ("published-stock", "/admin/orders/channelstock/"),
        ("work", "/admin/config/outboxrow/"),
        ("invariants", "/admin/invariants/"),
        ("empty", "/admin/config/job/"),
    ):
        page.goto(path)
        keep(page, f"console-{part}-{name}")


def test_a_tile_leads_to_the_hold_and_the_hold_is_resolved(story, enter):
    page = enter()
    page.click("[data-stage=on_hold]")
    page.click(f"text={story[1].number}")
    page.click("button:has-text('Resolve')")
    page.wait_for_selector("text=is resolved")

    assert "Hold resolved" in page.inner_text(".oms-entry >> nth=0")
    assert page.locator("button:has-text('Resolve')").count() == 0


def test_an_order_is_canceled_by_keyboard(story, enter):
    page = enter()
    page.goto(f"/admin/orders/order/{story[1].pk}/change/")
    page.focus("a[href$='/cancel/']")
    page.keyboard.press("Enter")
    page.focus("[name=note]")
    page.keyboard.type("changed mind")
    page.keyboard.press("Enter")

    page.wait_for_selector("text=1 units of")
    assert page.inner_text("[aria-label=Summary] [data-status] >> nth=0").lower() == "canceled"


def test_tabs_narrow_the_list_and_keep_the_search(story, enter):
    page = enter()
    page.goto("/admin/orders/order/?q=ana%40example.org")
    page.click(".oms-tabs >> text=Unfillable")
    page.wait_for_url("**stage=unfillable**")

    assert "q=ana" in page.url
    assert page.locator("#result_list tbody").count() == 1
    page.click(".oms-tabs >> text=Pick-up refused")
    page.wait_for_selector("text=Nothing matches")
