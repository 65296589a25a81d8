"""Parts of money always sum to the whole, in every currency there is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.money import is_country, is_currency, minor_unit, of_units, rounded, share, text

D = Decimal
currencies = st.sampled_from(["EUR", "JPY", "KWD"])
weights = st.lists(
    st.one_of(st.integers(0, 10_000), st.decimals(0, 10**9, places=4)), min_size=1, max_size=12
)


@st.composite
def amounts(draw):
    """A currency, and an amount of it in whole minor units."""
    currency = draw(currencies)
    return currency, draw(st.integers(0, 10**12)) * minor_unit(currency)


@given(amounts(), weights)
def test_shares_sum_to_the_whole_and_each_is_within_a_minor_unit_of_its_due(amount, weights):
    currency, total = amount
    parts = share(total, weights, currency)
    assert sum(parts) == total
    assert all(part == rounded(part, currency) and part >= 0 for part in parts)
    whole = sum(D(w) for w in weights)
    if whole:
        exact = [total * D(w) / whole for w in weights]
        assert all(abs(p - x) < minor_unit(currency) * D("1.001")
                   for p, x in zip(parts, exact, strict=True))  # fmt: skip
        assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0)


@given(amounts(), st.integers(1, 40), st.data())
def test_units_taken_in_any_portions_sum_to_the_line(amount, quantity, data):
    currency, total = amount
    first, portions = 0, []
    while first < quantity:
        count = data.draw(st.integers(1, quantity - first))
        portions.append(
            of_units(total, quantity=quantity, first=first, count=count, currency=currency)
        )
        first += count
    assert sum(portions) == total
    assert all(portion == rounded(portion, currency) for portion in portions)


def test_a_discount_on_one_unit_of_three_is_shared_by_all():  # case 127
    parts = [of_units(D(25), quantity=3, first=i, count=1, currency="EUR") for i in range(3)]
    assert parts == [D("8.34"), D("8.33"), D("8.33")]


def test_two_units_of_one_euro_sixty_seven():  # case 129
    parts = [of_units(D("1.67"), quantity=2, first=i, count=1, currency="EUR") for i in (0, 1)]
    assert parts == [D("0.84"), D("0.83")]


@pytest.mark.parametrize(
    ("currency", "total", "parts"),
    [("JPY", "5800", ["1934", "1933", "1933"]), ("KWD", "1.234", ["0.412", "0.411", "0.411"]),
     ("EUR", "10.00", ["3.34", "3.33", "3.33"])],
)  # fmt: skip
def test_each_currency_is_cut_at_its_own_unit(currency, total, parts):  # case 137
    assert [text(part, currency) for part in share(D(total), [1, 1, 1], currency)] == parts


def test_where_nothing_weighs_anything_all_share_alike():
    assert share(D("0.05"), [0, 0], "EUR") == [D("0.03"), D("0.02")]


def test_nobody_shares_nothing():
    assert share(D(0), [], "EUR") == []


@pytest.mark.parametrize(
    ("amount", "expected"), [("0.125", "0.13"), ("-0.125", "-0.13"), ("0.1249", "0.12")]
)
def test_halves_are_rounded_away_from_zero(amount, expected):
    assert rounded(D(amount), "EUR") == D(expected)


def test_codes_are_known_in_capitals_only():
    assert is_currency("EUR")
    assert is_country("FR")
    assert not any(is_currency(code) for code in ("eur", "EURO", "XXZ", ""))
    assert not any(is_country(code) for code in ("fr", "XX", "FRA", ""))
