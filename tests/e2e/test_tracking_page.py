"""A customer follows an order and sends part of it back, by keyboard, on a phone and a desk."""

from datetime import timedelta
from urllib.parse import urlparse

import pytest
from django.utils import timezone

from orders import cancellation, links
from orders.models import Notification
from returns import process
from returns.models import Return
from tests.fulfillment.stage import for_pickup, until
from tests.returns import journeys

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = {"360": {"width": 360, "height": 1500}, "desk": {"width": 1200, "height": 1300}}
NAMES = {
    "BAG": ("Weekender bag, waxed canvas", "Forest", "One size"),
    "TEE": ("Organic cotton tee", "Navy", "M"),
    "MUG": ("Enamel mug", "Cream", ""),
}


@pytest.fixture
def order(live_company):
    for sku, (name, color, size) in NAMES.items():
        product = live_company.products[sku]
        product.name, product.color, product.size = name, color, size
        product.save()
    order = live_company.place(("BAG", 1), ("TEE", 3), ("MUG", 2))
    for line in order.lines.select_related("product"):
        line.name = line.product.name
        line.save()
    return order


def path(order) -> str:
    return urlparse(links.make(order)).path


def written(order, *subjects):
    for n, subject in enumerate(subjects):
        Notification.objects.create(
            order=order, template="x", dedupe_key=f"{order.pk}:{n}", subject=subject, trigger="x",
            state="sent", sent_at=timezone.now() - timedelta(hours=9 - n),
        )  # fmt: skip


@pytest.mark.parametrize("name", ["360-light", "360-dark", "desk-light", "desk-dark"])
def test_an_order_is_followed_to_the_door_and_sent_back(live_company, order, open_page, keep, name):
    size, mode = name.split("-")
    page = open_page(dark=mode == "dark", **WIDTHS[size])
    home = path(order)
    page.goto(home)
    assert page.inner_text("h1") == "We have your order"
    keep(page, f"track-waiting-{name}")

    parcel = journeys.ship(journeys.work_of(order)[0])
    written(
        order, f"Your order {order.number} at Maestro", f"Parcel 1 of {order.number} is on its way"
    )
    page.reload()
    assert page.inner_text(".way .now .what") == "On its way"
    keep(page, f"track-shipped-{name}")
    journeys.work.track(
        parcel_id=parcel.pk, status="out_for_delivery", at=timezone.now(), actor="dhl"
    )
    page.reload()
    assert "Out for delivery" in page.inner_text(".card")

    journeys.deliver(order)
    page.reload()
    assert page.inner_text("h1") == "Your order has arrived"
    keep(page, f"track-delivered-{name}")

    page.click("text=Return items")
    keep(page, f"track-form-{name}")
    page.click("text=Ask for the return")
    assert "Choose a reason." in page.inner_text("form")
    keep(page, f"track-form-wrong-{name}")
    page.select_option("select[id^=id_units_] >> nth=1", "2")
    page.select_option("#id_reason", "too_small")
    page.fill("#id_note", "Two sizes up would be right.")
    page.click("text=Ask for the return")
    rma = Return.objects.get()
    assert f"Your return {rma.number} is requested." in page.inner_text("#content")
    keep(page, f"track-requested-{name}")

    process.approve(return_id=rma.pk, actor="lea")
    page.goto(home)
    page.click("text=Where to bring it")
    assert "Lyon store" in page.inner_text("details")
    keep(page, f"track-approved-{name}")
    rma = journeys.arrive(rma, live_company.locations["LYON"])
    process.refund(return_id=rma.pk, actor="lea")
    page.goto(home)
    assert "€40.00 went back the way you paid." in page.inner_text("#returns")
    keep(page, f"track-refunded-{name}")


def test_everything_works_by_keyboard_alone_and_without_scripts(order, open_page):
    page = open_page(java_script_enabled=False)
    journeys.deliver(order)
    page.goto(path(order))
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/return/")
    for _ in range(3):  # the way back is a link before the form; then the first line
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Cancel this return")
    rma = Return.objects.get()
    assert (rma.lines.get().expected, rma.reason) == (1, "too_small")

    page.click("text=Cancel this return")
    page.click("button:has-text('Cancel the return')")
    page.wait_for_selector("text=is canceled.")
    rma.refresh_from_db()
    assert rma.state == "canceled"


def test_what_is_canceled_and_late_is_told(live_company, order, open_page, keep):
    journeys.deliver(journeys.buy(live_company, ("TEE", 1, "20.00")))
    order = journeys.buy(live_company, ("BAG", 3, "80.00"), shipping="4.90")
    journeys.deliver(order, units=1)
    journeys.process.request(
        order_id=order.pk, lines=[(order.lines.get().pk, 1)], reason="other", by="customer"
    )
    declined = order.returns.get()
    process.decline(return_id=declined.pk, reason="It was worn for weeks.", actor="lea")
    order.promised_at = timezone.now() - timedelta(days=2)
    order.save()
    page = open_page(**WIDTHS["360"])
    page.goto(path(order))
    assert "is late. We are sorry." in page.inner_text("header.stack")
    assert "It was worn for weeks." in page.inner_text("#returns")
    keep(page, "track-late-360")
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    page.reload()
    assert "2 canceled" in page.inner_text(".lines")
    keep(page, "track-canceled-360")


def test_a_pick_up_is_ready_and_collected(live_company, open_page, keep):
    row = until(for_pickup(live_company, ("TEE", 1)), "ready")
    page = open_page(**WIDTHS["360"])
    page.goto(path(row.order))
    assert page.inner_text("h1") == "Your order is ready for pick-up"
    keep(page, "track-pickup-360")
    journeys.work.collect(fulfillment_order_id=row.pk, name="Ana", actor="lea")
    page.reload()
    assert page.inner_text("h1") == "You have collected your order"


def test_a_wrong_link_says_what_to_do(live_company, open_page, keep):
    page = open_page()
    assert page.goto("/track/nonsense/").status == 404
    keep(page, "track-wrong-360")
