"""The checks that a channel may switch on, and what its settings say of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orders.models import Hold, SalesChannel
from orders.validation import address, contact, duplicate, fraud, price, restricted
from orders.validation.facts import BASKETS, PEOPLE, PRODUCTS, Facts
from orders.validation.params import Choice, Countries, Flag, Number, Param, Params, Word
from orders.validation.verdict import Finding

OFF, ACCEPT, HOLD, REFUSE = "off", "accept", "hold", "refuse"
OUTCOMES = {
    OFF: "not checked",
    ACCEPT: "note it, accept the order",
    HOLD: "hold the order",
    REFUSE: "refuse the order",
}


@dataclass(frozen=True)
class Check:
    """One check. `default` is its outcome where a channel's settings do not name it."""

    title: str
    help: str
    default: str
    hold: str  # the type of the hold it asks for
    find: Callable[[Mapping[str, Any], Params, Facts], list[Finding]]
    params: tuple[Param, ...] = ()
    facts: frozenset[str] = frozenset()


def _score(code: str, label: str, default: int) -> Number:
    return Number(f"score_{code}", f"Score: {label}", default)


CHECKS: dict[str, Check] = {
    "address": Check(
        "Address", "Whether the post could deliver to it.", REFUSE, Hold.Type.ADDRESS, address.find,
        (
            Flag("by_country", "By the rules of the country", True,
                 "a postcode where the country has them, and one that can be its own; "
                 "otherwise only street, city and country are needed"),
        ),
    ),
    "contact": Check(
        "Contact data", "Whether the customer can be reached.", OFF, Hold.Type.CONTACT,
        contact.find,
        (
            Choice("needs", "Needed", "any", (
                ("any", "e-mail or phone"), ("email", "e-mail"), ("phone", "phone"),
                ("both", "e-mail and phone"))),
            Flag("valid_phone", "Phone numbers must be possible", True,
                 "with a country code, or as they are written in the address's country"),
        ),
    ),
    "price": Check(
        "Prices", "Whether the channel sells at our list prices.", OFF, Hold.Type.PRICE, price.find,
        (
            Number("tolerance_percent", "Tolerance in percent", 10,
                   "how far a unit price may be from the product's own price", most=1000),
            Flag("zero_allowed", "Lines may cost nothing", False, "gifts with a purchase"),
        ),
        frozenset({PRODUCTS}),
    ),
    "fraud": Check(
        "Fraud", "Signals are added up to a risk of at most 100; a score of 0 switches one off.",
        OFF, Hold.Type.FRAUD, fraud.find,
        (
            Number("hold_at", "Hold from a risk of", 50, least=1),
            Number("refuse_at", "Refuse from a risk of", 90,
                   "only if the outcome is to refuse", least=1),
            Number("per_hour", "Many orders: an hour", 3,
                   "other orders with the same e-mail, phone or address", least=1, most=50),
            Number("per_day", "Many orders: a day", 8, least=1, most=50),
            Number("high_value", "High value from", 1000, "in the channel's currency", least=1,
                   most=10**9),
            Number("many_units", "Many units of one SKU from", 10, least=2, most=10_000),
            _score("many_orders", "many orders", 40),
            _score("countries", "bill and goods go to different countries", 25),
            _score("high_value", "high value", 20),
            _score("first_express", "first order of an e-mail address, by express", 15),
            _score("many_units", "many units of one SKU", 20),
            _score("names", "e-mail does not look like the name", 10),
        ),
        frozenset({PEOPLE}),
    ),
    "duplicate": Check(
        "Duplicates", "The same customer and the same basket under another id.", OFF,
        Hold.Type.DUPLICATE, duplicate.find,
        (
            Number("hours", "Within hours", 24, "an e-mail address or phone number is a customer",
                   least=1, most=24 * 14),
        ),
        frozenset({BASKETS}),
    ),
    "restricted": Check(
        "Age and dangerous goods", "Products with an age limit or a UN number.", OFF,
        Hold.Type.RESTRICTED, restricted.find,
        (
            Word("age_proof", "Age is proven by", "",
                 "name in the order's metadata that says true, or the age in years; "
                 "empty: nothing proves it"),
            Flag("age_at_counter", "The store checks the age at pick-up", True),
            Flag("dangerous_express", "Dangerous goods may go by express", False),
            Countries("dangerous_not_to", "Dangerous goods may not go to", (),
                      "country codes, such as NO CH"),
        ),
        frozenset({PRODUCTS}),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A check as a channel has it."""

    name: str
    check: Check
    outcome: str
    params: Params


# What every channel had before it could choose: taken orders must not be refused by an upgrade.
_BEFORE = {"outcome": REFUSE, "by_country": False}


def settings(channel: SalesChannel) -> tuple[Setting, ...]:
    """The checks of a channel that are on.

    Raises ValueError for a check, a parameter or an outcome that does not exist.
    """
    if not channel.checks:
        return _DEFAULT
    return tuple(
        Setting(name, CHECKS[name], given["outcome"], given)
        for name, given in read(channel).items()
        if given["outcome"] != OFF
    )


def read(channel: SalesChannel) -> dict[str, dict[str, Any]]:
    """Outcome and every parameter of every check, as the channel has them or by default."""
    if unknown := sorted(set(channel.checks) - set(CHECKS)):
        raise ValueError(f"channel {channel.code}: no check is called {unknown[0]!r}")
    return {name: _complete(name, channel.checks.get(name)) for name in CHECKS}


def as_before(checks: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """What of complete settings has to be stored: all that is not as it is without settings."""
    return {name: given for name, given in checks.items() if given != _unset(name)}


def _unset(name: str) -> Mapping[str, Any]:
    return _BEFORE if name == "address" else {"outcome": OFF}


def _complete(name: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    check = CHECKS[name]
    params = {param.name: param.default for param in check.params}
    given = _unset(name) if given is None else given
    if unknown := sorted(set(given) - {*params, "outcome"}):
        raise ValueError(f"check {name}: no parameter is called {unknown[0]!r}")
    complete = {"outcome": check.default, **params, **given}
    if complete["outcome"] not in OUTCOMES:
        raise ValueError(f"check {name}: {complete['outcome']!r} is not an outcome")
    return complete


_DEFAULT = (Setting("address", CHECKS["address"], REFUSE, _BEFORE),)
