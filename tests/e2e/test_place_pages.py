"""Stock points, pools and rules in a browser: at a desk, on a phone, light and dark."""

import pytest
from django.urls import reverse

from inventory import stock_rules
from inventory.models import Capacity, Location, SpecialDay, StockRule

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = {"desk": {"width": 1360, "height": 1000}, "360": {"width": 360, "height": 900}}
WEEK = {day: [["10:00", "13:00"], ["14:00", "19:00"]] for day in ("tue", "wed", "thu", "fri")}


@pytest.fixture
def scene(live_company, django_user_model):
    """A store with hours, capacity and a holiday; two rules."""
    django_user_model.objects.create_superuser("ada", password="a long password")
    lyon = live_company.locations["LYON"]
    Location.objects.filter(pk=lyon.pk).update(opening_hours=WEEK, cutoffs={"fri": "12:00"})
    Capacity.objects.create(location=lyon, weekday=5, delivery="ship", orders=20, units=60)
    SpecialDay.objects.create(location=lyon, date="2026-12-25", name="Christmas Day")
    StockRule.objects.create(name="Stores keep two", kind="safety", units=2,
                             location_kinds=["store"], updated_by="ada")  # fmt: skip
    StockRule.objects.create(name="Web keeps five mugs", kind="threshold", units=5, skus=["MUG"])
    stock_rules.apply()
    return live_company


@pytest.fixture
def enter(open_page):
    """A signed-in window."""

    def window(size: str, *, dark: bool = False):
        page = open_page(dark=dark, **SIZES[size])
        page.goto("/admin/")
        page.fill("#id_username", "ada")
        page.fill("#id_password", "a long password")
        page.keyboard.press("Enter")
        page.wait_for_selector(".oms-tiles")
        return page

    return window


@pytest.mark.parametrize(("size", "dark"), [("desk", False), ("360", True)])
def test_every_page_fits_the_screen(scene, enter, keep, size, dark):
    page = enter(size, dark=dark)
    lyon = scene.locations["LYON"].pk
    for name, url in {
        "places": reverse("admin:inventory_location_changelist"),
        "place": reverse("admin:inventory_location_change", args=[lyon]),
        "close": reverse("admin:inventory_location_close", args=[lyon]),
        "pool": reverse("admin:inventory_stockpool_change", args=[scene.pool.pk]),
        "rules": reverse("admin:inventory_stockrule_changelist"),
        "rule": reverse("admin:inventory_stockrule_add"),
        "holidays": reverse("admin:inventory_specialday_changelist"),
    }.items():
        page.goto(url)
        keep(page, f"stock-{name}-{size}")
        if name == "place":
            page.locator("#id_mon_hours").scroll_into_view_if_needed()
            keep(page, f"stock-hours-{size}")
            page.locator("#capacities-group").scroll_into_view_if_needed()
            keep(page, f"stock-capacity-{size}")


def test_a_rule_counts_while_it_is_filled_in(scene, enter):
    page = enter("desk")
    page.goto(reverse("admin:inventory_stockrule_add"))
    count = page.locator("[data-live-count]")
    page.select_option("#id_kind", "safety")
    page.fill("#id_skus", "TEE, MUG")
    page.wait_for_function(
        "document.querySelector('[data-live-count]').textContent.startsWith('8 stock rows of 2')"
    )
    page.check("input[name=location_kinds][value=store]")
    page.wait_for_function(
        "document.querySelector('[data-live-count]').textContent.startsWith('4 stock rows')"
    )
    page.fill("#id_skus", "NOPE")
    page.wait_for_function(
        "document.querySelector('[data-live-count]').textContent.includes('No product has')"
    )
    assert count.get_attribute("aria-live") == "polite"
