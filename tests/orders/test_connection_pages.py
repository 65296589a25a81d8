"""Shop systems in the console: made, tested, switched on; a secret goes in and never comes out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from orders.models import Connection, Order
from tests.orders.custom_store import PASSWORD, USER, StoreServer

PAGE = "/admin/orders/connection/"
SAID = {
    "every_minutes": "10", "user": USER, "secret": "", "pulls": "yes", "pushes_fulfillment": "no",
    "auto_update": "yes", "setting_take": "paid, ready", "setting_cancel": "void",
    "setting_skip": "shipped", "setting_unpaid_methods": "", "setting_first_days": "3",
    "setting_overlap_minutes": "",
}  # fmt: skip


@pytest.fixture
def store(settings):
    settings.OUTGOING_PRIVATE_ALLOWED = True
    with StoreServer() as store:
        yield store


@pytest.fixture
def link(company, store) -> Connection:
    return Connection.objects.create(
        channel=company.web, connector="custom_store", url=store.url, user=USER, secret=PASSWORD
    )


def test_a_shop_system_is_made_given_its_secret_tested_and_switched_on(console, company, store):
    said = {"channel": company.web.pk, "connector": "custom_store", "url": store.url}
    console.post(f"{PAGE}new/", said)
    link = Connection.objects.get()
    assert not link.active
    answer = console.post(f"{PAGE}{link.pk}/test/")
    assert "answered 401: who are you?" in answer.content.decode()

    console.post(f"{PAGE}{link.pk}/settings/", {**SAID, "url": store.url, "secret": PASSWORD})
    link.refresh_from_db()
    assert (link.secret, link.every_minutes, link.pushes_fulfillment) == (PASSWORD, 10, False)
    assert link.settings == {"take": "paid, ready", "cancel": "void", "skip": "shipped",
                             "first_days": 3, "auto_update": True}  # fmt: skip
    answer = console.post(f"{PAGE}{link.pk}/test/", follow=True)
    assert "It answered: 0 orders of the last 24 hours." in answer.content.decode()

    store.add("ONE", timezone.now())
    console.post(f"{PAGE}{link.pk}/run/")
    assert OutboxRow.objects.filter(topic="pull").count() == 0  # it is still off
    console.post(f"{PAGE}{link.pk}/switch/")
    console.post(f"{PAGE}{link.pk}/run/")
    OutboxRow.objects.filter(topic="pull").update(next_at=timezone.now() - timedelta(hours=1))
    outbox.drain("pull")
    assert Order.objects.get().external_id == "ONE"


def test_a_secret_is_never_shown_and_stays_when_it_is_not_given_anew(console, link):
    for page in ("", f"{link.pk}/change/", f"{link.pk}/settings/"):
        assert PASSWORD not in console.get(f"{PAGE}{page}").content.decode()
    console.post(f"{PAGE}{link.pk}/settings/", {**SAID, "url": link.url})
    link.refresh_from_db()
    assert link.secret == PASSWORD


def test_an_address_inside_the_house_is_refused(console, link, settings):
    settings.OUTGOING_PRIVATE_ALLOWED = False
    answer = console.post(
        f"{PAGE}{link.pk}/settings/", {**SAID, "url": "http://169.254.169.254/latest"}
    )
    assert "not on the open internet" in answer.content.decode()
    link.refresh_from_db()
    assert "169.254" not in link.url


def test_starting_over_is_asked_for_twice_and_forgets_the_cursor(console, link):
    Connection.objects.update(cursor={"until": "2026-11-23T10:00:00+00:00"})
    assert "Start over" in console.get(f"{PAGE}{link.pk}/start-over/").content.decode()
    link.refresh_from_db()
    assert link.cursor
    console.post(f"{PAGE}{link.pk}/start-over/")
    link.refresh_from_db()
    assert link.cursor == {}


def test_one_that_fails_is_on_the_home_page_and_says_why(console, link):
    Connection.objects.update(failures=2, last_error="shop.example answered 503")
    assert "shop systems that cannot be reached" in console.get("/admin/").content.decode().lower()
    html = console.get(f"{PAGE}?condition=failing").content.decode()
    assert "shop.example answered 503" in html


def test_who_may_only_look_changes_nothing(client, company, link):
    client.force_login(company.user("lea", is_staff=True))
    assert client.get(PAGE).status_code == 403
    for verb in ("settings", "run", "start-over", "switch", "remove", "test"):
        assert client.post(f"{PAGE}{link.pk}/{verb}/", {**SAID, "url": link.url}).status_code != 200
    link.refresh_from_db()
    assert (link.active, link.every_minutes) == (True, 5)


def test_removing_one_keeps_its_orders(console, company, link):
    order = company.place(("TEE", 1))
    console.post(f"{PAGE}{link.pk}/remove/")
    assert Connection.objects.count() == 0
    assert Order.objects.get() == order
