"""One product that everybody wants: its units are shared out, and not one is sold twice."""

import pytest
from django.urls import reverse

from inventory import ledger
from inventory.ledger import hot
from inventory.models import Reservation, Stock, StockMovement
from orders import offer
from reports.invariants import violations
from tests.races import crowd


@pytest.fixture
def shelf(company):
    return company.products["TEE"].pk, company.locations["LYON"].pk


def row(shelf):
    return Stock.objects.get(product_id=shelf[0], location_id=shelf[1])


def shares(shelf):
    rows = Reservation.objects.filter(owner_type="hot", product_id=shelf[0])
    return sorted(rows.values_list("quantity", flat=True))


def want(shelf, units, ref=0):
    claim = ledger.Claim(ref, *shelf, units, 1, hot=True)
    return ledger.reserve([claim], owner_type="basket", actor="test")


def balanced():
    return not {n for n, rows in violations().items() if rows and n[:3] in ("I01", "I02", "I03")}


def test_the_free_units_are_shared_out_evenly_and_counted_as_reserved(shelf):
    assert hot.split(product=shelf[0], location=shelf[1], shares=4, actor="lea") == 10
    assert shares(shelf) == [2, 2, 3, 3]
    assert (row(shelf).reserved, row(shelf).hot) == (10, 4)
    assert StockMovement.objects.last().reason == "hot sale"
    assert balanced()


def test_more_shares_than_units_leave_the_empty_ones_out(shelf):
    hot.split(product=shelf[0], location=shelf[1], shares=16, actor="lea")
    assert shares(shelf) == [1] * 10


def test_what_is_not_free_is_not_for_sale(shelf):
    ledger.reserve([ledger.Claim(0, *shelf, 10, 1)], owner_type="basket", actor="test")
    with pytest.raises(ledger.NotEnough):
        hot.split(product=shelf[0], location=shelf[1], shares=4, actor="lea")


def test_a_row_is_split_once(shelf):
    hot.split(product=shelf[0], location=shelf[1], shares=2, actor="lea")
    with pytest.raises(ledger.NotEnough):
        hot.split(product=shelf[0], location=shelf[1], shares=2, actor="lea")


def test_a_buyer_cuts_his_units_off_a_share_and_the_stock_row_does_not_move(shelf):
    hot.split(product=shelf[0], location=shelf[1], shares=2, actor="lea")
    got = want(shelf, 2)[0]
    assert (got.location, got.quantity) == (shelf[1], 2)
    assert shares(shelf) == [3, 5]
    assert row(shelf).reserved == 10
    assert balanced()


def test_a_share_can_be_taken_whole(shelf):
    hot.split(product=shelf[0], location=shelf[1], shares=2, actor="lea")
    assert want(shelf, 5)
    assert shares(shelf) == [5]
    assert balanced()


def test_a_claim_larger_than_any_share_ends_the_sale_and_the_next_try_is_served(shelf):
    hot.split(product=shelf[0], location=shelf[1], shares=5, actor="lea")
    assert want(shelf, 3) == {}
    assert (row(shelf).hot, row(shelf).reserved, shares(shelf)) == (0, 0, [])
    assert ledger.reserve([ledger.Claim(0, *shelf, 3, 1)], owner_type="basket", actor="test")
    assert balanced()


def test_the_end_of_the_sale_gives_back_what_was_not_sold(shelf):
    hot.split(product=shelf[0], location=shelf[1], shares=4, actor="lea")
    want(shelf, 2)
    hot.join(product=shelf[0], location=shelf[1], actor="lea")
    assert (row(shelf).hot, row(shelf).reserved) == (0, 2)
    assert balanced()


@pytest.mark.django_db(transaction=True)
def test_forty_buyers_of_ten_units_get_exactly_ten(live_company):
    shelf = live_company.products["TEE"].pk, live_company.locations["LYON"].pk
    hot.split(product=shelf[0], location=shelf[1], shares=4, actor="lea")
    results = crowd.at_once(*[lambda: len(want(shelf, 1))] * 40)
    assert sum(results) == 10, results
    assert (row(shelf).reserved, shares(shelf)) == (10, [])
    assert balanced()


def test_a_hot_sale_begins_and_ends_in_the_console(console, shelf):
    url = reverse("admin:inventory_stock_hot_sale", args=[row(shelf).pk])
    assert "10 units of TEE" in console.post(url, {"shares": 4}, follow=True).content.decode()
    assert row(shelf).hot == 4
    assert "is over" in console.post(url, follow=True).content.decode()
    assert (row(shelf).hot, row(shelf).reserved) == (0, 0)


def test_what_is_in_shares_can_be_promised(company, shelf):
    hot.split(product=shelf[0], location=shelf[1], shares=4, actor="lea")
    assert offer.available(company.web, ["TEE"])[0].available == 220
    order = company.place(("TEE", 2), delivery={"method": "pickup", "location": "LYON",
                                                "service": "standard"})  # fmt: skip
    assert order.allocations.get().location_id == shelf[1]
    assert row(shelf).reserved == 10
    assert balanced()
