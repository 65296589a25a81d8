"""Messages in the console: found by their order, explained, never edited."""

import pytest

from orders.models import Notification
from tests.orders.journeys import send_all

LIST = "/admin/orders/notification/"


@pytest.fixture
def sent(company, post):
    order = company.place(("TEE", 1), external_id="#1001")
    other = {"email": "bo@example.org", "name": "Bo", "phone": ""}
    company.place(("TEE", 1), customer=other, test=True)
    send_all()
    return order


@pytest.mark.parametrize("term", ["#1001", "ana@example.org", "ANA@example.org", "number"])
def test_messages_are_found_by_their_order(admin_client, sent, term):
    answer = admin_client.get(LIST, {"q": sent.number if term == "number" else term})
    assert [m.order for m in answer.context["cl"].result_list] == [sent]


def test_a_search_for_nothing_we_know_finds_nothing(admin_client, sent):
    assert admin_client.get(LIST, {"q": "bo"}).context["cl"].result_count == 0


def test_messages_are_filtered_by_kind(admin_client, sent):
    counts = [
        admin_client.get(LIST, {"template": name}).context["cl"].result_count
        for name in ("confirmation", "shipped")
    ]
    assert counts == [2, 0]


def test_each_message_says_why_it_was_sent_or_not(admin_client, sent):
    page = admin_client.get(LIST).content.decode()
    assert "because of order.received" in page
    assert "test order" in page


def test_a_message_is_read_only(admin_client, sent):
    message = Notification.objects.get(state="sent")
    url = f"{LIST}{message.pk}/change/"
    page = admin_client.get(url).content.decode()
    assert "Hello Ana Živić," in page
    assert admin_client.post(url, {"state": "pending"}).status_code == 403
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{message.pk}/delete/", {"post": "yes"}).status_code == 403
