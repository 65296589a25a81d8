"""The customer's pages: what they tell, what they hide, and what a double click does."""

import re
from datetime import timedelta
from urllib.parse import urlparse

import pytest
from django.test import Client
from django.utils import timezone

from orders import cancellation, links
from orders.models import CustomerLink, Notification, SalesChannel
from returns import policy, process
from returns.models import Return
from tests.returns import journeys


def page_of(order) -> str:
    return urlparse(links.make(order)).path


def text(answer) -> str:
    plain = re.sub(r"<style.*?</style>|<[^>]+>", " ", answer.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", plain)


def key_of(answer) -> str:
    return re.search(r'name="key" value="([^"]+)"', answer.content.decode())[1]


def form(order, quantity=1, **changes):
    line = order.lines.get().pk
    return {f"units_{line}": quantity, "reason": "unwanted", "note": ""} | changes


@pytest.fixture
def order(company):
    return journeys.deliver(company.place(("BAG", 2)))


# --- what it tells -------------------------------------------------------------------------------


def test_the_page_follows_the_order_from_the_promise_to_the_door(client, company):
    order = company.place(("TEE", 2))
    page = page_of(order)
    words = text(client.get(page))
    assert "We have your order" in words
    assert "Arrives by" in words
    journeys.deliver(order)
    words = text(client.get(page))
    assert "Your order has arrived" in words
    assert "Arrives by" not in words
    parcel = order.parcels.get()
    assert f"It came from {parcel.location.name}" in words
    assert parcel.tracking_number in words


def test_a_late_order_says_that_it_is_late(client, company):
    order = company.place(("TEE", 1))
    order.promised_at = timezone.now() - timedelta(days=2)
    order.save()
    assert "is late. We are sorry." in text(client.get(page_of(order)))


def test_what_was_canceled_and_given_back_is_told(client, company):
    order = journeys.buy(company, ("BAG", 3, "10.00"))
    journeys.deliver(order, units=1)
    cancellation.cancel(order_id=order.pk, reason="other", note="internal words", actor="lea")
    words = text(client.get(page_of(order)))
    assert "2 canceled" in words
    assert "Given back for what was canceled" in words
    assert "−€20.00" in words
    assert "internal words" not in words


def test_messages_that_were_sent_are_listed(client, order):
    for n, state in enumerate(["sent", "suppressed"]):
        Notification.objects.create(
            order=order, template="shipped", dedupe_key=f"k{n}", subject=f"It was {state}",
            recipient="ana@example.org", state=state, sent_at=timezone.now(), trigger="x",
        )  # fmt: skip
    words = text(client.get(page_of(order)))
    assert "It was sent" in words
    assert "It was suppressed" not in words


def test_a_refunded_return_says_how_much(client, company, order):
    rma = journeys.come_back(order, company.locations["WH"], BAG=1)
    page = page_of(order)
    assert "Everything has arrived." in text(client.get(page))
    process.refund(return_id=rma.pk, actor="lea")
    words = text(client.get(page))
    assert "€80.00 went back the way you paid." in words
    assert f"Given back for return {rma.number}" in words
    assert "1 came back" in words


def test_the_page_takes_the_same_statements_whatever_the_lines(
    client, company, django_assert_max_num_queries
):
    order = journeys.deliver(company.place(("BAG", 1), ("TEE", 2), ("MUG", 3)))
    for sku in ("BAG", "TEE", "MUG"):
        journeys.send_back(order, **{sku: 1})
    page = page_of(order)
    client.get(page)
    with django_assert_max_num_queries(20):
        client.get(page)


# --- canceling -----------------------------------------------------------------------------------


def test_a_customer_cancels_some_of_what_has_not_left(client, company):
    order = company.place(("BAG", 2), ("TEE", 1))
    page = page_of(order)
    assert "Cancel items" in text(client.get(page))
    assert "2 can be canceled" in text(client.get(f"{page}cancel/"))
    bag, tee = order.lines.order_by("position").values_list("position", flat=True)
    none = client.post(f"{page}cancel/", {f"units_{bag}": 0, f"units_{tee}": 0})
    assert "Choose at least one item" in text(none)
    answer = client.post(f"{page}cancel/", {f"units_{bag}": 1, f"units_{tee}": 0}, follow=True)
    assert "It is canceled" in text(answer)
    event = order.events.get(kind="order.canceled")
    assert (event.actor, event.data["reason"], event.data["units"]) == ("customer", "customer", 1)
    assert set(order.allocations.filter(state="queued").values_list("line__sku", "quantity")) == {
        ("BAG", 1), ("TEE", 1),
    }  # fmt: skip


def test_what_a_customer_asks_for_twice_is_canceled_once(client, company):
    order = company.place(("BAG", 2))
    page = page_of(order)
    sent = {f"units_{order.lines.get().position}": 2}
    client.post(f"{page}cancel/", sent)
    assert "Nothing can be canceled any more" in text(client.post(f"{page}cancel/", sent))
    assert order.events.filter(kind="order.canceled").count() == 1


def test_a_customer_cancels_no_later_than_the_channel_allows(client, company):
    order = company.place(("BAG", 1))
    SalesChannel.objects.update(cancel_until="never")
    page = page_of(order)
    assert "Cancel items" not in text(client.get(page))
    sent = {f"units_{order.lines.get().position}": 1}
    assert "Nothing can be canceled any more" in text(client.post(f"{page}cancel/", sent))
    assert order.allocations.get().state == "queued"


# --- what it hides -------------------------------------------------------------------------------


def test_the_page_shows_the_city_and_nothing_more_of_the_address(client, order):
    html = client.get(page_of(order)).content.decode()
    assert "Lyon" in html
    for secret in ("ana@example.org", "République", "69001", "+33", "Živić"):
        assert secret not in html


@pytest.mark.parametrize("path", ["", "return/", "returns/{}/cancel/", "cancel/"])
def test_nothing_is_kept_found_or_told_to_other_sites(client, order, path):
    rma = journeys.send_back(order, BAG=1)
    answer = client.get(page_of(order) + path.format(rma.pk))
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert "noindex" in answer["X-Robots-Tag"]
    # A form under "no-referrer" would be sent with `Origin: null`, which the CSRF check refuses.
    assert answer["Referrer-Policy"] == ("same-origin" if path else "no-referrer")


def test_every_wrong_link_gets_the_same_page(client, company, order):
    good, other = page_of(order), page_of(company.place(("TEE", 1)))
    foreign = Return.objects.get(pk=journeys.send_back(order, BAG=1).pk)
    expired = page_of(order)
    CustomerLink.objects.order_by("-id").filter(order=order).first().delete()
    wrong = ["/track/x/", "/track/%00/", f"/track/{'a' * 300}/", expired, f"{good[:-2]}/",
             f"/track/x/returns/{foreign.pk}/cancel/", "/track/x/return/",
             "/track/x/cancel/",
             f"{other}returns/{foreign.pk}/cancel/", f"{other}returns/{9**30}/cancel/"]  # fmt: skip
    answers = [client.get(path) for path in wrong]
    assert {a.status_code for a in answers} == {404}
    assert len({text(a) for a in answers}) == 1
    assert client.get(good).status_code == 200


def test_a_wrong_link_costs_one_look_up(client, db, django_assert_num_queries):
    with django_assert_num_queries(1):
        client.get("/track/wrong/")


def test_words_of_customers_are_shown_as_words(client, order):
    rma = process.request(
        order_id=order.pk, lines=[(order.lines.get().pk, 1)], reason="other", by="customer",
        note="<script>alert(1)</script>",
    )  # fmt: skip
    process.decline(return_id=rma.pk, reason="<b>worn</b>", actor="lea")
    html = client.get(page_of(order)).content.decode()
    assert "<script>alert" not in html
    assert "&lt;b&gt;worn&lt;/b&gt;" in html


# --- sending back --------------------------------------------------------------------------------


def test_a_customer_asks_for_a_return(client, order):
    page = page_of(order)
    assert "Return items" in text(client.get(page))
    answer = client.get(f"{page}return/")
    data = form(order, 1, note="too blue", key=key_of(answer))
    answer = client.post(f"{page}return/", data, follow=True)
    rma = Return.objects.get()
    assert (rma.requested_by, rma.note, rma.lines.get().expected) == ("customer", "too blue", 1)
    assert f"Your return {rma.number} is requested." in text(answer)
    assert "We look at it and write to you." in text(answer)


def test_the_same_form_sent_twice_asks_once(client, order):
    page = page_of(order)
    data = form(order, 2, key=key_of(client.get(f"{page}return/")))
    first = client.post(f"{page}return/", data)
    again = client.post(f"{page}return/", data)
    assert first.status_code == again.status_code == 302
    assert Return.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"quantity": 0}, "Choose at least one item"),
        ({"quantity": 3}, "not one of the available choices"),
        ({"quantity": "x"}, "not one of the available choices"),
        ({"reason": ""}, "Choose a reason"),
        ({"reason": "because"}, "not one of the available choices"),
        ({"note": "a\x00"}, "Null characters"),
        ({"note": "x" * 1001}, "at most 1000 characters"),
    ],
)
def test_a_bad_form_says_what_is_missing(client, order, changes, words):
    url = f"{page_of(order)}return/"
    answer = client.post(url, form(order, **changes, key=key_of(client.get(url))))
    assert answer.status_code == 200
    assert words in text(answer)
    assert not Return.objects.exists()


@pytest.mark.parametrize("key", ["", "\x00", "x" * 5000])
def test_a_form_without_its_key_is_not_taken(client, order, key):
    answer = client.post(f"{page_of(order)}return/", form(order, key=key))
    assert answer.status_code == 200
    assert not Return.objects.exists()


def test_what_was_taken_meanwhile_is_told_on_the_form(client, order):
    url = f"{page_of(order)}return/"
    data = form(order, 2, key=key_of(client.get(url)))
    journeys.send_back(order, BAG=1)
    answer = client.post(url, data)
    assert "not one of the available choices" in text(answer)
    assert Return.objects.count() == 1


def test_when_nothing_can_come_back_the_page_says_why(client, company):
    order = company.place(("TEE", 1))
    page = page_of(order)
    assert "Return items" not in text(client.get(page))
    assert "it has not left us yet" in text(client.get(f"{page}return/"))
    journeys.deliver(order, at=timezone.now() - timedelta(days=policy.RETURN_WINDOW_DAYS + 2))
    assert "Return items" not in text(client.get(page))
    assert "the return time ended on" in text(client.get(f"{page}return/"))


def test_a_form_from_elsewhere_is_refused(order):
    strict = Client(enforce_csrf_checks=True)
    page = page_of(order)
    key = key_of(strict.get(f"{page}return/"))
    assert strict.post(f"{page}return/", form(order, key=key)).status_code == 403
    assert not Return.objects.exists()


def test_a_customer_cancels_a_return_until_it_arrives(client, company, order):
    page, rma = page_of(order), journeys.send_back(order, BAG=1)
    cancel = f"{page}returns/{rma.pk}/cancel/"
    assert f"Cancel return {rma.number}?" in text(client.get(cancel))
    assert Return.objects.get().state == "approved"
    for _ in range(2):
        assert "is canceled." in text(client.post(cancel, follow=True))
    assert Return.objects.get().state == "canceled"
    arrived = journeys.come_back(order, company.locations["WH"], BAG=1)
    answer = client.post(f"{page}returns/{arrived.pk}/cancel/", follow=True)
    assert "cannot be canceled any more" in text(answer)


def test_an_approved_return_names_the_nearest_stores(client, company, order):
    journeys.send_back(order, BAG=1)
    words = text(client.get(page_of(order)))
    assert words.index("Lyon store") < words.index("Paris store")
    assert "Riga" not in words
