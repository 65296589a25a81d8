"""Whether the customer can be reached."""

from collections.abc import Iterator, Mapping
from typing import Any

import phonenumbers

from orders.validation.facts import Facts
from orders.validation.params import Params
from orders.validation.verdict import Finding

NEEDS = {"any": (), "email": ("email",), "phone": ("phone",), "both": ("email", "phone")}
NAMES = {"email": "an e-mail address", "phone": "a phone number"}


def find(order: Mapping[str, Any], params: Params, facts: Facts) -> list[Finding]:
    """What is missing of e-mail and phone, and phone numbers that cannot be."""
    return [
        Finding("contact", pointer, code, words) for pointer, code, words in _wrong(order, params)
    ]


def _wrong(order: Mapping[str, Any], params: Params) -> Iterator[tuple[str, str, str]]:
    phones = dict(numbers(order))
    have = {"email": order["customer"]["email"], "phone": next(iter(phones.values()), "")}
    if params["needs"] == "any" and not any(have.values()):
        yield "/customer/email", "needed", "an e-mail address or a phone number is needed"
    for name in NEEDS[params["needs"]]:
        if not have[name]:
            yield f"/customer/{name}", "needed", f"{NAMES[name]} is needed"
    if params["valid_phone"]:
        region = (order["shipping_address"] or order["billing_address"] or {}).get("country")
        for pointer, number in phones.items():
            if not is_phone(number, region):
                yield pointer, "format", "is not a phone number"


def numbers(order: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(pointer, number) of the phone numbers of an order: the address's, then the customer's."""
    address = order["shipping_address"] or {}
    if address.get("phone"):
        yield "/shipping_address/phone", address["phone"]
    if order["customer"]["phone"] and order["customer"]["phone"] != address.get("phone"):
        yield "/customer/phone", order["customer"]["phone"]


def is_phone(number: str, region: str | None) -> bool:
    """Whether it can be one, with its country's code or as people of the region write it."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
