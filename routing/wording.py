"""Rules in plain words: for which orders, who may send, what matters how much, and what if not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from inventory.models import Location
from orders.models import Order
from routing.models import Rule

DELIVERIES = {
    Order.Delivery.SHIP: "sent to an address",
    Order.Delivery.PICKUP: "picked up in a store",
    Order.Delivery.SHIP_TO_STORE: "sent to a store",
}
CHANNELS = {
    "web": "web shops", "mobile": "mobile apps", "marketplace": "marketplaces",
    "social": "social commerce", "till": "store tills", "phone": "phone and back office",
}  # fmt: skip
FACTORS = {
    "economic": "shipping cost", "ecological": "CO₂e", "logistical": "work and delays",
    "retail": "overstock and last units",
}  # fmt: skip
TIMES = {
    0.25: "a quarter as", 0.5: "half as", 0.75: "three quarters as", 1: "as", 1.25: "1¼ times as",
    1.5: "1½ times as", 2: "twice as", 2.5: "2½ times as", 3: "three times as",
}  # fmt: skip
SHORT = {0: "left out", 0.5: "at half", 1: "as it costs", 2: "twice", 3: "three times"}
SPLITS = {
    Rule.Split.CHEAPEST: "split where that is cheaper",
    Rule.Split.IF_NEEDED: "split only if needed",
    Rule.Split.NEVER: "never split",
}
MANY = 6  # names of stock points in a sentence


@dataclass(frozen=True)
class Places:
    """The stock points that a rule names, in the order they are shown."""

    only: Sequence[Location] = ()
    never: Sequence[Location] = ()


def places(rule: Rule) -> Places:
    """Those of a saved rule; prefetch `only` and `never` where there are several rules."""
    return Places(list(rule.only.all()), list(rule.never.all()))


def sentence(rule: Rule, named: Places) -> str:
    """The whole rule: whose orders go to whom, by what, in how many parcels, and what if not."""
    parts = [
        f"{orders(rule)}: {senders(rule, named)}, {choice(rule)}", parcels(rule),
        f"if it does not fit: {otherwise(rule)}", timing(rule),
    ]  # fmt: skip
    return "; ".join(part for part in parts if part) + "."


# --- for which orders ----------------------------------------------------------------------------


def orders(rule: Rule) -> str:
    """Which orders the rule is for."""
    speeds = _either(rule.services)
    subject = f"{speeds} orders".strip()
    parts = [
        _either(DELIVERIES.get(one, one) for one in rule.deliveries),
        _after("by", _either(CHANNELS.get(kind, kind) for kind in rule.channel_kinds)),
        _after("of", _either(rule.tiers), "customers"),
        _after("to", _either(rule.countries)),
        _after("in", _either(rule.regions)),
        _total(rule.min_total, rule.max_total),
        _after("with", _either(rule.categories)),
        _after("tagged", _either(rule.tags_any)),
        _after("not tagged", _either(rule.tags_none)),
    ]
    if rule.promised_within_days is not None:
        parts.append(f"promised within {_count(rule.promised_within_days, 'day')}")
    told = [part for part in parts if part]
    words = " ".join([subject, *told])
    return words[0].upper() + words[1:] if told or speeds else "All orders"


def _total(least: Decimal | None, most: Decimal | None) -> str:
    if least is not None and most is not None:
        return f"of {money(least)} to {money(most)}"
    if least is not None:
        return f"from {money(least)} up"
    return f"up to {money(most)}" if most is not None else ""


# --- who may send, and who of them does ----------------------------------------------------------


def senders(rule: Rule, named: Places) -> str:
    """Which stock points are let in."""
    kinds = dict(Location.Kind.choices)
    what = _either(kinds.get(kind, kind) for kind in rule.kinds)
    words = [f"any {what or 'stock point'}"]
    if named.only:
        words = [_names(named.only) if not what else f"{_names(named.only)} if a {what}"]
    if named.never:
        words.append(f"but {_names(named.never)}")
    if rule.max_km is not None:
        words.append(f"within {rule.max_km:g} km")
    if rule.min_free_units:
        words.append(f"with {_count(rule.min_free_units, 'free unit')} or more")
    if rule.in_time:
        words.append("in time" + _relaxed(rule.relax_days))
    return " ".join(words)


def _relaxed(days: int) -> str:
    return f" (if not all can be, up to {_count(days, 'day')} late)" if days else ""


def choice(rule: Rule) -> str:
    """Who of them comes first."""
    if rule.sort:
        labels = dict(Rule.Sort.choices)
        first, *others = (labels.get(one, one) for one in rule.sort)
        return " then ".join([f"{first} first", *others])
    words = ["cheapest first"]
    price = _number(rule.co2_price_per_kg) * Decimal(str(rule.ecological))
    words[0] += f" counting CO₂e at {money(price)} per kg" if price else " whatever the CO₂e"
    for name in ("economic", "logistical", "retail"):
        weight = getattr(rule, name)
        if weight != 1:
            words.append(f"{FACTORS[name]} {SHORT.get(weight, f'{weight:g} times')}")
    return ", ".join(words)


def factor(name: str, weight: float) -> str:
    """How important one of the four factors is, against the money it costs."""
    if weight == 0:
        return "does not count"
    return f"{TIMES.get(weight, f'{weight:g} times as')} important as what it costs in money"


def amounts(rule: Rule) -> dict[str, str]:
    """By factor, what things count as with the weights as they are."""
    hundred = Decimal(100)
    told = {
        "economic": [("10.00 of shipping", Decimal(10))],
        "ecological": [("a kg of CO₂e", rule.co2_price_per_kg)],
        "logistical": [
            ("a further parcel", rule.split_penalty), ("a day late", rule.late_penalty_per_day),
            ("a parcel not from the central warehouse", rule.central_bonus),
            ("a refused line", rule.refusal_cost), ("a parcel at a full day", rule.workload_cost),
        ],
        "retail": [
            ("a last unit of 100.00", _number(rule.last_unit_cost) * hundred),
            ("what an overstock unit of 100.00 saves", _number(rule.overstock_relief) * hundred),
        ],
    }  # fmt: skip
    return {
        name: ", ".join(
            f"{what} counts as {money(_number(value) * Decimal(str(getattr(rule, name))))}"
            for what, value in figures
            if _number(value)
        )
        for name, figures in told.items()
    }


# --- parcels, what if not, and when --------------------------------------------------------------


def parcels(rule: Rule) -> str:
    """In how many parcels."""
    words = SPLITS.get(rule.split, rule.split)  # type: ignore[call-overload]
    if rule.split == Rule.Split.NEVER:
        return words
    if rule.max_parcels:
        words += f", at most {_count(rule.max_parcels, 'parcel')}"
    if rule.min_part_value:
        words += f", each worth {money(rule.min_part_value)} or more"
    return words


def otherwise(rule: Rule) -> str:
    """What happens when nobody can send it so."""
    if rule.otherwise == Rule.Otherwise.CANCEL:
        return f"it waits, and is canceled after {_count(rule.cancel_after_days or 0, 'day')}"
    if rule.otherwise == Rule.Otherwise.FALLBACK:
        return f"{rule.fallback.name if rule.fallback else 'the fallback'} gets it"
    return {
        Rule.Otherwise.NEXT: "next rule",
        Rule.Otherwise.QUEUE: "it waits for stock or a person",
        Rule.Otherwise.BACKORDER: "it waits for what is on its way",
    }.get(rule.otherwise, rule.otherwise)  # type: ignore[call-overload]


def timing(rule: Rule) -> str:
    """When it is decided, and how it is offered; nothing for at once, to one, for ever."""
    parts = []
    if rule.when == Rule.When.RUN:
        parts.append("decided in the next run, express at once")
    if rule.offer_to > 1:
        parts.append(f"offered to {rule.offer_to} stores, the first to take it has it")
    if rule.accept_minutes:
        minutes = _count(rule.accept_minutes, "minute")
        parts.append(f"goes elsewhere if not accepted within {minutes}")
    return ", ".join(parts)


# --- figures side by side ------------------------------------------------------------------------


def facts(rule: Rule, named: Places) -> dict[str, str]:
    """Everything a rule says, by what it is about: for reading, and for comparing versions."""
    labels = {field.name: field.help_text for field in Rule._meta.concrete_fields}
    told = {
        "for": orders(rule), "who may send": senders(rule, named), "what matters": choice(rule),
        "parcels": parcels(rule), "if it does not fit": otherwise(rule),
        "when": timing(rule) or "at once",
    }  # fmt: skip
    if not rule.sort:
        for name, words in FACTORS.items():
            told[words] = factor(name, getattr(rule, name))
        for name in MONEY:
            told[str(labels[name])] = money(getattr(rule, name))
        for name in SHARES:
            told[str(labels[name])] = f"{_number(getattr(rule, name)) * 100:.3g} %"
    return told


MONEY = (
    "co2_price_per_kg", "central_bonus", "workload_cost", "split_penalty", "late_penalty_per_day",
    "refusal_cost",
)  # fmt: skip
SHARES = ("overstock_relief", "last_unit_cost")


def money(amount: Decimal | float | str | None) -> str:
    """An amount in the order's own currency, with two places."""
    return f"{_number(amount):,.2f}"


def _number(value: Decimal | float | str | None) -> Decimal:
    return Decimal(str(value or 0))


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _either(given: Iterable[str]) -> str:
    *others, last = list(given) or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _names(given: Sequence[Location]) -> str:
    names = [place.name for place in given[:MANY]]
    if len(given) > MANY:
        names.append(f"{len(given) - MANY} more")
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _after(before: str, words: str, after: str = "") -> str:
    return f"{before} {words} {after}".strip() if words else ""
