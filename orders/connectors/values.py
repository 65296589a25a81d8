"""Single values as sources write them: amounts, moments, countries, text. Nothing here raises."""

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

import pycountry

from orders.money import is_currency, minor_unit

LARGEST_QUANTITY = 1_000_000  # of one line; keeps every sum of an order exact

_AMOUNT = re.compile(r"-?\d{1,12}(?:\.\d{1,18})?")
_EUROPEAN = re.compile(r"-?(?:\d{1,12}|\d{1,3}(?:\.\d{3}){1,3}),\d{1,3}")
_AMERICAN = re.compile(r"-?\d{1,3}(?:,\d{3}){1,3}\.\d{1,3}")
_AMBIGUOUS = re.compile(r"-?\d{1,3}(?:[.,]\d{3}){1,3}")
_GROUPING = re.compile(r"(?<=\d)[\s\u00a0\u202f'’](?=\d{3})")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_SPACED_OFFSET = re.compile(r"(\d) (?:(UTC)|([+-]\d{2}:?\d{2}))$")
_EXPRESS = re.compile(
    r"\b(?:express|expr[eè]s|espresso|overnight|next[ -]?day|same[ -]?day|24 ?h|urgent)\b", re.I
)
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d{1,3}")


def amount(value: object) -> Decimal | None:
    """A plain decimal: a JSON string or number. None when it is not one."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, int) and value.bit_length() > 64:
        return None
    text = str(value).strip()
    return Decimal(text) if _AMOUNT.fullmatch(text) and text.isascii() else None


def written_amount(text: str, *, decimal_comma: bool) -> Decimal | None:
    """An amount as a spreadsheet may have written it again: `1234.50`, `1.234,50`, `1 234,50`.

    `decimal_comma` says that the file's numbers use one. None when it is no amount, or when one
    separator before three digits leaves open whether it means thousands.
    """
    text = _GROUPING.sub("", text.strip())
    if not text.isascii():
        return None
    if _EUROPEAN.fullmatch(text) and (decimal_comma or not _AMBIGUOUS.fullmatch(text)):
        return Decimal(text.replace(".", "").replace(",", "."))
    if _AMERICAN.fullmatch(text):
        return Decimal(text.replace(",", ""))
    if _AMOUNT.fullmatch(text) and not (decimal_comma and _AMBIGUOUS.fullmatch(text)):
        return Decimal(text)
    return None


def is_scientific(text: str) -> bool:
    """Whether a spreadsheet turned a long number into `6.86615E+12`: its digits are lost."""
    return _SCIENTIFIC.fullmatch(text) is not None


def digits(currency: str) -> int:
    """Decimals of a currency's minor unit: 2 for EUR, 0 for JPY; 2 for a code that is none."""
    if not is_currency(currency):
        return 2
    exponent = minor_unit(currency).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 2


def plain(value: Decimal, currency: str) -> str:
    """An amount in whole minor units as the payload writes it: `12.50`, in JPY `1200`."""
    return f"{value + 0:.{digits(currency)}f}"  # + 0 makes -0.00 a 0.00


def moment(text: str) -> datetime | None:
    """An ISO 8601 time, or Shopify's `2026-10-07 09:50:26 +0200`. None when it is not one.

    A time without an offset comes back naive: the caller says what that means.
    """
    text = _SPACED_OFFSET.sub(lambda m: m[1] + (m[3] or "Z"), text.strip())
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 2200 else None


@lru_cache(maxsize=512)
def country(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code of a code or an English name; None when it is neither.

    Two letters are taken as they are (Kosovo's XK is in use and in no list).
    """
    if _COUNTRY.fullmatch(text):
        return text.upper()
    try:
        return str(pycountry.countries.lookup(text).alpha_2)
    except LookupError:
        return None


def unusable(text: str) -> str:
    """Why a text cannot be stored, or an empty string."""
    if "\x00" in text:
        return "contains a NUL character"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "contains bytes that are not text; save the file as UTF-8"
    return ""


def service(*names: str) -> str:
    """Our service level of a shipping method's names: express or standard."""
    return "express" if any(_EXPRESS.search(name) for name in names) else "standard"


def one_line(text: str) -> str:
    """Text for a label: line breaks within it become commas."""
    parts = (part.strip(" \t,") for part in re.split(r"[\r\n\u2028\u2029\x0b\x0c\x85]+", text))
    return ", ".join(part for part in parts if part)
