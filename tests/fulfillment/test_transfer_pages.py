"""Transfers on the store's pages: counted by scan or by number, booked once, own ones alone."""

import pytest
from django.test import Client
from django.urls import reverse

from inventory import transfers
from inventory.models import Transfer
from inventory.transfers import Arrived
from tests.inventory.test_transfers import buckets, confirmed, draft, figures, line, on_the_road


@pytest.fixture
def lea(company) -> Client:
    return signed_in(company.user("lea", "LYON"))


@pytest.fixture
def ben(company) -> Client:
    return signed_in(company.user("ben", "WH"))


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def url(row, name):
    return reverse(f"store:transfer-{name}", args=[row.pk])


def words(answer) -> str:
    return answer.content.decode()


def numbers(row, **units):
    """A filled form: SKU=good, or SKU=(good, damaged)."""
    data = {}
    for sku, given in units.items():
        good, damaged = given if isinstance(given, tuple) else (given, 0)
        pk = line(row, sku).pk
        data |= {f"good_{pk}": good, f"damaged_{pk}": damaged}
    return data


def book(client, row, name, *, token="t1", follow=True, extra=None, **units):
    data = {"do": "book", "token": token, **numbers(row, **units), **(extra or {})}
    return client.post(url(row, name), data, follow=follow)


def test_the_store_sees_what_it_has_to_send_and_to_receive(company, lea):
    comes = on_the_road(company, ("TEE", 3))
    goes = confirmed(company, ("MUG", 2), source="LYON", destination="WH")
    other = on_the_road(company, ("TEE", 3), destination="PARIS")
    waits = draft(company, ("TEE", 1))
    page = words(lea.get(reverse("store:transfers")))
    assert url(comes, "receive") in page
    assert url(goes, "ship") in page
    assert other.reference not in page
    assert waits.reference not in page
    assert "1 to receive, 1 to send" in words(lea.get(reverse("store:home")))


def test_an_empty_list_says_what_will_be_there(company, lea):
    page = words(lea.get(reverse("store:transfers")))
    assert "Nothing on the way" in page
    assert "Nothing to send" in page
    assert reverse("store:transfers") in words(lea.get(reverse("store:home")))


def test_a_transfer_is_sent_by_number_and_received_by_number(company, lea, ben):
    row = confirmed(company, ("TEE", 5), ("MUG", 2))
    assert "5 units sent" in words(book(ben, row, "ship", TEE=4, MUG=1, extra={"rest": "never"}))
    assert buckets(company, "TEE", "WH") == (96, 0, 0)
    answer = words(book(lea, row, "receive", TEE=(3, 1), MUG=1))
    assert "5 units received" in answer
    assert "is complete" in answer
    assert buckets(company, "TEE", "LYON") == (14, 0, 1)


def test_the_rest_follows_later_unless_it_stays(company, ben):
    row = confirmed(company, ("TEE", 5))
    book(ben, row, "ship", TEE=2)
    assert buckets(company, "TEE", "WH") == (98, 3, 0)
    assert row.reference in words(ben.get(reverse("store:transfers")))
    book(ben, row, "ship", TEE=3, token="t2")
    assert buckets(company, "TEE", "WH") == (95, 0, 0)
    assert row.reference not in words(ben.get(reverse("store:transfers")))


def test_a_double_tap_books_once(company, lea):
    row = on_the_road(company, ("TEE", 5))
    book(lea, row, "receive", TEE=2)
    again = book(lea, row, "receive", TEE=2)
    assert "booked already" in words(again)
    assert figures(row, "TEE") == (5, 5, 2, 0, 0)


def test_two_people_who_unpack_one_transfer_both_count(company, lea):
    row = on_the_road(company, ("TEE", 5))
    ida = signed_in(company.user("ida", "LYON"))
    book(lea, row, "receive", TEE=2)
    book(ida, row, "receive", TEE=3)
    assert figures(row, "TEE") == (5, 5, 5, 0, 0)


def test_scans_count_into_the_form_and_book_nothing(company, lea):
    row = on_the_road(company, ("TEE", 5), ("MUG", 1))
    gtin = company.products["TEE"].gtin
    data = {"do": "scan", "code": gtin, **numbers(row, TEE=1, MUG=0)}
    page = words(lea.post(url(row, "receive"), data))
    assert f'name="good_{line(row, "TEE").pk}" min="0" value="2"' in page
    page = words(lea.post(url(row, "receive"), {**data, "code": "mug"}))
    assert f'name="good_{line(row, "MUG").pk}" min="0" value="1"' in page
    wrong = lea.post(url(row, "receive"), {**data, "code": "<b>' OR 1=1"})
    assert wrong.status_code == 422
    assert "&lt;b&gt;&#x27; OR 1=1 is not in this transfer" in words(wrong)
    assert figures(row, "TEE") == (5, 5, 0, 0, 0)


def test_everything_is_here_fills_in_what_is_expected(company, lea):
    row = on_the_road(company, ("TEE", 5))
    data = {"do": "fill", **numbers(row, TEE=(0, 2))}
    page = words(lea.post(url(row, "receive"), data))
    assert f'name="good_{line(row, "TEE").pk}" min="0" value="3"' in page


def test_nothing_more_will_come_closes_it(company, lea):
    row = on_the_road(company, ("TEE", 5))
    book(lea, row, "receive", TEE=4, extra={"complete": "on"})
    assert figures(row, "TEE") == (5, 5, 4, 0, 1)
    late = book(lea, row, "receive", TEE=1, token="t2")
    assert "1 unit received" in words(late)
    assert figures(row, "TEE") == (5, 5, 5, 0, 0)


def test_what_cannot_be_is_said_and_the_numbers_stay(company, lea, ben):
    row = confirmed(company, ("TEE", 5))
    answer = book(ben, row, "ship", TEE=6)
    assert answer.status_code == 409
    assert "At most 5 of TEE can be sent" in words(answer)
    assert 'value="6"' in words(answer)
    assert book(ben, row, "ship", TEE="many").status_code == 422
    assert book(ben, row, "ship", TEE=-1).status_code == 422
    assert book(ben, row, "ship", TEE=0).status_code == 409
    assert figures(row, "TEE") == (5, 0, 0, 0, 0)
    assert "At most 5" not in words(book(ben, row, "ship", TEE=5))


def test_transfers_of_others_do_not_exist(company, lea, ben):
    row = on_the_road(company, ("TEE", 5), destination="PARIS")
    mine = on_the_road(company, ("TEE", 5))
    for client, there, name in [(lea, row, "receive"), (lea, row, "ship"), (ben, mine, "receive"),
                                (lea, mine, "ship")]:  # fmt: skip
        assert client.get(url(there, name)).status_code == 404
        assert book(client, there, name, TEE=1).status_code == 404
    assert Client().get(url(mine, "receive")).status_code == 302


def test_a_transfer_that_is_over_is_not_sent_again(company, ben):
    row = on_the_road(company, ("TEE", 5))
    transfers.receive(transfer_id=row.pk, arrived={line(row, "TEE").pk: Arrived(5)}, actor="lea")
    assert book(ben, row, "ship", TEE=1).status_code == 404
    assert Transfer.objects.get().state == "closed"
