"""The life of an order, told through its doors: channel, store, carrier, customer, staff."""

import re

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from config.models import Job
from orders.models import Allocation
from reports.invariants import violations
from returns.models import Return
from routing.tasks import retry_unfillable
from tests.cast import payload
from tests.flows.doors import Person, Rest, StoreClerk, action, link_in_mail, workers


@pytest.fixture(autouse=True)
def _mail(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


@pytest.fixture
def shop(live_company):
    return Rest(live_company.web_key)


@pytest.fixture
def boss(live_company):
    return Person(live_company.user("mia", is_staff=True, is_superuser=True))


def everything_holds():
    workers()
    assert not {name: rows for name, rows in violations().items() if rows}


def units_in(shop, sku):
    (row,) = shop("GET", f"availability?sku={sku}")
    return {place["location"]: place["available"] for place in row["locations"]}


def test_an_order_from_the_channel_to_the_refund(live_company, shop, boss):
    lea = StoreClerk(live_company.user("lea", "LYON"))
    carrier = store = Rest(live_company.location_key("LYON"))
    ana = Person()
    assert units_in(shop, "BAG") == {"LYON": 5, "PARIS": 5}

    # Ana buys two bags; the shop is told at once where they come from and until when.
    placed = shop("POST", "orders", payload(("BAG", 2), external_id="WEB-1"), expect=201)
    assert [part["location"] for part in placed["promise"]] == ["LYON"]
    assert units_in(shop, "BAG") == {"LYON": 3, "PARIS": 5}
    workers()
    assert placed["number"] in mail.outbox[-1].subject
    tracking = link_in_mail()
    ana.opens(tracking)
    assert "Arrives by" in ana.words

    # Lea finds it on the store's page, picks by scan, packs, and hands it to the carrier.
    lea.works_on(placed["number"])
    lea.presses("accept")
    lea.presses("scan", code="BAG", token="first")
    lea.presses("scan", code="BAG", token="second")
    lea.presses("pack")
    lea.presses("ship", carrier="ups", tracking_number="1Z-9")
    assert "Handed over to the carrier" in lea.words
    workers()
    assert len(mail.outbox) == 2
    order = shop("GET", "orders/WEB-1")
    assert (order["fulfillment_status"], order["payment_status"]) == ("shipped", "paid")

    # The carrier delivers, and says it twice.
    for _ in range(2):
        fact = {"status": "delivered", "at": timezone.now().isoformat()}
        carrier("POST", "parcels/ups/1Z-9/events", fact)
    workers()
    assert len(mail.outbox) == 3
    ana.opens(tracking)
    assert "Your order has arrived" in ana.words

    # One bag is not to her liking: she asks on her page, and clicks twice.
    form = ana.opens(f"{tracking}return/")
    wish = {"reason": "unwanted", "note": "", **_units_and_key(form, 1)}
    ana.sends(f"{tracking}return/", **wish)
    ana.sends(f"{tracking}return/", **wish)
    rma = Return.objects.get()
    assert rma.number in ana.words

    # Staff approve at the console; the store receives it, grades it, and the money goes back.
    boss.sends(action(rma, "approve_return"))
    workers()
    store("POST", f"returns/{rma.number}/receive", {"lines": [{"line": 1, "received": 1}]})
    store("POST", f"returns/{rma.number}/inspect", {"lines": [{"line": 1, "grades": {"A": 1}}]})
    boss.sends(action(rma, "refund_money"), amount="80.00", shipping="0")
    assert "€80.00 goes back" in boss.words
    workers()
    ana.opens(tracking)
    assert "€80.00 went back the way you paid" in ana.words

    # What is left to see: one bag sold, the other on the shelf again, every figure in its place.
    assert units_in(shop, "BAG") == {"LYON": 4, "PARIS": 5}
    order = shop("GET", "orders/WEB-1")
    assert (order["state"], order["payment_status"]) == ("closed", "partially_refunded")
    boss.opens(reverse("managers"))
    assert "€164.90" in boss.words
    assert "100.0 %" in boss.words
    kinds = [event["kind"] for event in shop("GET", "orders/WEB-1/timeline")]
    assert [kind for kind in kinds if kind.split(".")[0] in ("order", "parcel", "return")] == [
        "order.received", "order.routed", "parcel.shipped", "parcel.delivered", "order.closed",
        "return.requested", "return.approved", "return.received", "return.inspected",
        "return.refunded",
    ]  # fmt: skip
    everything_holds()


def _units_and_key(form: str, units: int) -> dict:
    field = re.search(r'name="(units_\d+)"', form)[1]
    return {field: units, "key": re.search(r'name="key" value="([^"]+)"', form)[1]}


def test_what_one_store_cannot_find_the_next_one_sends(live_company, shop):
    lea = StoreClerk(live_company.user("lea", "LYON"))
    paul = StoreClerk(live_company.user("paul", "PARIS"))
    placed = shop("POST", "orders", payload(("BAG", 1), external_id="WEB-2"), expect=201)
    workers()

    lea.works_on(placed["number"])
    lea.presses("refuse", reason="not_found", note="only the box was there",
                **_keeps_nothing(lea))  # fmt: skip
    workers()

    assert placed["number"] not in lea.opens("/store/")
    paul.works_on(placed["number"])
    for button in ("accept", "pack"):
        if button == "pack":
            paul.presses("scan", code="BAG", token="t")
        paul.presses(button)
    paul.presses("ship", carrier="ups", tracking_number="1Z-8")
    order = shop("GET", "orders/WEB-2")
    assert order["fulfillment_status"] == "shipped"
    assert units_in(shop, "BAG")["PARIS"] == 4
    everything_holds()


def _keeps_nothing(clerk: StoreClerk) -> dict:
    fields = re.findall(r'name="(keep_\d+)"', clerk.opens(clerk.work))
    return dict.fromkeys(fields, 0)


def test_what_nobody_has_waits_and_is_sent_when_a_stock_file_brings_it(live_company, shop, boss):
    live_company.web.on_shortage = "queue"
    live_company.web.save()
    shop("POST", "orders", payload(("SOLD", 1), external_id="WEB-3"), expect=201)
    workers()
    boss.opens(reverse("admin:orders_order_changelist") + "?stage=unfillable")
    assert "WEB-3" in boss.words
    everything_holds()

    # A file with the truck's load: looked at, accepted, in the books.
    file = SimpleUploadedFile("truck.csv", b"sku,location,quantity\nSOLD,LYON,4\n")
    boss.sends("/admin/config/job/upload-stock/", file=file)
    workers()
    job = Job.objects.get()
    assert (job.state, units_in(shop, "SOLD")) == ("preview", {})
    boss.sends(f"/admin/config/job/{job.pk}/apply/")
    workers()
    assert units_in(shop, "SOLD")["LYON"] >= 3

    # The next round of those that wait finds it.
    Allocation.objects.filter(queue="unfillable").update(next_action_at=timezone.now())
    retry_unfillable()
    workers()
    assert shop("GET", "orders/WEB-3")["fulfillment_status"] == "routed"
    assert units_in(shop, "SOLD") == {"LYON": 3}
    everything_holds()
