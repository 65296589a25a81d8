"""Orders are found by what people know of them, through indexes only."""

import pytest
from django.db import connection
from django.urls import reverse

from orders import search
from orders.models import Order, OrderContact, OrderLine

pytestmark = pytest.mark.django_db
LIST = "admin:orders_order_changelist"


@pytest.fixture
def some(company):
    """Two orders of different people, and one more of the second person."""
    ana = company.place(("TEE", 1), external_id="W-1")
    ben = {"email": "ben.moor@example.net", "name": "Ben van Moor", "phone": "+44 20 7946 0958"}
    first = company.place(("MUG", 1), ("BAG", 1), external_id="W-2", customer=ben)
    second = company.place(("MUG", 1), external_id="W-3", customer=ben)
    for order in (first, second):  # to the customer, not to whom the parcel goes
        OrderContact.objects.filter(pk=order.pk).update(name=ben["name"], phone=ben["phone"])
    return ana, first, second


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("W-2", [1]),
        ("ana@example.org", [0]),
        ("BEN.MOOR@", [2, 1]),
        ("ben.m", [2, 1]),
        ("moor", [2, 1]),
        ("moo ben", [2, 1]),
        ("živ", [0]),
        ("020 7946 0958", [2, 1]),
        ("+44 (20) 7946-0958", [2, 1]),
        ("79460958", [2, 1]),
        ("460958", [2, 1]),
        ("0958", []),
        ("BAG", [1]),
        ("MUG", [2, 1]),
        ("moor anna", []),
        ("%", []),
        ("__n.moor", []),
        ("') OR 1=1 --", []),
        ("':* | :*", []),
        ("\0", []),
        ("   ", []),
        ("9" * 40, []),
    ],
)
def test_a_term_finds_the_newest_orders_first(some, term, found):
    assert search.orders(term) == [some[i].pk for i in found]


def test_a_number_is_found_however_it_is_written(some):
    number = some[1].number
    for term in (number, number.lower(), f" {number} ", number.removeprefix("M")):
        assert search.orders(term) == [some[1].pk]


def test_every_lookup_goes_through_its_index(some):
    kinds = {"number": 1, "external_id": "x", "email": "x%", "phone": "1%", "name": "'x':*",
             "sku": "x"}  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + search.statement(kinds), kinds)
        plan = "\n".join(line for (line,) in cursor.fetchall())
    for index in ("contact_email", "contact_phone", "contact_name", "line_sku", "orders_order_pkey",
                  "orders_orde_externa"):  # fmt: skip
        assert index in plan, plan
    assert "Seq Scan" not in plan, plan


def test_a_common_name_is_answered_with_the_newest_orders(some, monkeypatch):
    monkeypatch.setattr(search, "ENOUGH", 1)
    monkeypatch.setattr(search, "NEWEST", 2)
    assert search.orders("moor") == [some[2].pk, some[1].pk]


def test_the_list_searches_and_keeps_its_filters(console, some):
    url = reverse(LIST)
    assert [o.pk for o in console.get(url, {"q": "moor"}).context["cl"].result_list] == [
        some[2].pk, some[1].pk,
    ]  # fmt: skip
    nothing = console.get(url, {"q": "moor", "state__exact": "canceled"})
    assert nothing.context["cl"].result_count == 0


def test_a_long_list_is_not_counted_to_its_end(console, company, monkeypatch):
    monkeypatch.setattr("config.saved_views.BoundedPaginator.most", 3)
    for _ in range(5):
        company.place(("TEE", 1))
    shown = console.get(reverse(LIST)).context["cl"]
    assert shown.result_count == 3
    assert Order.objects.count() == 5
    assert OrderLine.objects.count() == 5
