"""Rounding and sharing out of money: parts always sum to the whole."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import pycountry
from babel.numbers import format_currency, get_currency_precision


@cache
def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01 for EUR, 1 for JPY, 0.001 for KWD (ISO 4217)."""
    return Decimal(1).scaleb(-get_currency_precision(currency))


@cache
def is_currency(code: str) -> bool:
    """Whether this is an ISO 4217 code, in capitals."""
    return code.isupper() and pycountry.currencies.get(alpha_3=code) is not None


@cache
def is_country(code: str) -> bool:
    """Whether this is an ISO 3166-1 alpha-2 code, in capitals."""
    return code.isupper() and pycountry.countries.get(alpha_2=code) is not None


def rounded(amount: Decimal, currency: str) -> Decimal:
    """The amount in whole minor units, halves away from zero."""
    return amount.quantize(minor_unit(currency), ROUND_HALF_UP)


def share(total: Decimal, weights: Sequence[Decimal | int], currency: str) -> list[Decimal]:
    """Share `total` by weight so that the parts sum to it exactly (largest remainder first)."""
    whole = sum(Decimal(w) for w in weights)
    if not weights:
        return []
    if whole == 0:
        return share(total, [1] * len(weights), currency)
    unit = minor_unit(currency)
    units = int((total / unit).to_integral_value(ROUND_HALF_UP))
    exact = [units * Decimal(w) / whole for w in weights]
    parts = [int(x) for x in exact]
    order = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: units - sum(parts)]:
        parts[i] += 1
    return [part * unit for part in parts]


def of_units(total: Decimal, *, quantity: int, first: int, count: int, currency: str) -> Decimal:
    """What units `first` .. `first + count - 1` of a line paid; all units together paid `total`.

    Whatever the order in which units are taken, the parts sum to the line (cases 127 and 129).
    """
    parts = share(total, [1] * quantity, currency)
    return sum(parts[first : first + count], Decimal(0))


def text(amount: Decimal, currency: str) -> str:
    """The amount as the API writes it: a string with the currency's own decimals."""
    return str(rounded(amount, currency))


def in_words(amount: Decimal, currency: str, locale: str = "en_US") -> str:
    """The amount as people of a locale read it."""
    return format_currency(amount, currency, locale=locale)
