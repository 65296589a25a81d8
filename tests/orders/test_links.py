"""Customer links: random, stored as a hash, gone after their time."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from orders import links
from orders.models import CustomerLink


def token_of(url: str) -> str:
    return url.removesuffix("/").rpartition("/")[2]


@pytest.fixture
def order(company):
    return company.place(("TEE", 1))


def test_a_link_leads_to_the_page_of_its_order(order, company, settings):
    settings.PUBLIC_URL = "https://shop.example/"
    company.place(("MUG", 1))
    url = links.make(order)
    assert url.startswith("https://shop.example/track/")
    assert url.endswith("/")
    assert links.find(token_of(url)) == order


def test_the_token_is_not_in_the_database(order):
    token = token_of(links.make(order))
    row = CustomerLink.objects.values().get()
    assert token not in str(row)
    assert links.find(row["token_hash"]) is None


def test_every_link_has_its_own_token_of_more_than_128_bits(order):
    tokens = {token_of(links.make(order)) for _ in range(20)}
    assert len(tokens) == 20
    assert min(map(len, tokens)) * 6 >= 128  # a character of base64 holds 6 bits
    assert {links.find(token) for token in tokens} == {order}


@pytest.mark.parametrize("token", ["", "x", "é" * 40, "a" * 100_000, "\ud800", "\x00", "' OR 1=1"])
def test_a_wrong_token_opens_nothing(order, token):
    links.make(order)
    assert links.find(token) is None


def test_one_changed_character_opens_nothing(order):
    token = token_of(links.make(order))
    assert links.find(token[:-1] + ("A" if token[-1] != "A" else "B")) is None


def test_a_link_opens_until_it_expires_after_180_days(order):
    token = token_of(links.make(order))
    start = timezone.now()
    with time_machine.travel(start + timedelta(days=179, hours=23), tick=False):
        assert links.find(token) == order
    with time_machine.travel(start + timedelta(days=180, seconds=1), tick=False):
        assert links.find(token) is None


def test_a_right_a_wrong_and_an_expired_token_cost_one_statement_each(
    order, django_assert_num_queries
):
    right = token_of(links.make(order))
    expired = token_of(links.make(order))
    CustomerLink.objects.filter(token_hash=links._hash(expired)).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    for token in (right, expired, "wrong"):
        with django_assert_num_queries(1):
            links.find(token)
