"""What the page of a kept order shows: its reasons in words, what it says, ours beside theirs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from orders import inbound, money
from orders.document import as_payload
from orders.models import InboundOrder

MOST_EFFECTS = 10
MOST_VALUES = 300  # of a document that cannot be read
Figure = tuple[str, str]  # where, and what: both in words
_PLACES = {
    "line_items": "line", "Items": "line", "shipping_address": "shipping address",
    "billing_address": "billing address", "customer": "customer", "delivery": "delivery",
    "deliveries": "delivery", "payments": "payment",
}  # fmt: skip
_WORDS = {
    "sku": "SKU", "SKU": "SKU", "external_id": "order number", "line1": "street",
    "line2": "second address line", "email": "e-mail", "OrderNumber": "order number",
}  # fmt: skip
_ORDER = (
    ("placed_at", "ordered"), ("discount_total", "discount"), ("shipping_total", "shipping"),
    ("tax_total", "tax"), ("total", "total"), ("commission", "commission"), ("note", "note"),
    ("tags", "tags"), ("gift_message", "gift message"), ("wanted_on", "not before"),
    ("ship_by", "ship by"), ("deliver_by", "deliver by"),
)  # fmt: skip
_ADDRESS = ("name", "line1", "line2", "postcode", "city", "region", "country", "phone")
_AMOUNTS = frozenset({"discount_total", "shipping_total", "tax_total", "total", "commission"})


@dataclass(frozen=True)
class Pair:
    """One figure on both sides; an empty text where a side does not have it."""

    where: str
    what: str
    ours: str
    theirs: str

    @property
    def differs(self) -> bool:
        return self.ours != self.theirs


def context(row: InboundOrder) -> dict[str, Any]:
    """The template's words; nothing but the facts is left of a settled row."""
    if row.state != InboundOrder.State.OPEN:
        return {"row": row}
    told = [in_words(problem) for problem in row.problems]
    try:
        theirs = figures(inbound.payload_for(row))
    except inbound.CannotPick:
        return {"row": row, "reasons": told, "says": _as_it_came(row.document)}
    if row.order is None:
        says = [(f"{where}: {what}", text) for (where, what), text in theirs.items()]
        return {"row": row, "reasons": told, "says": says}
    pairs = compared(figures(as_payload(row.order)), theirs)
    return {"row": row, "reasons": told, "pairs": pairs,
            "differences": sum(pair.differs for pair in pairs)}  # fmt: skip


def compared(ours: Mapping[Figure, str], theirs: Mapping[Figure, str]) -> list[Pair]:
    """Both sides, figure by figure, those that differ first."""
    pairs = [
        Pair(where, what, ours.get((where, what), ""), theirs.get((where, what), ""))
        for where, what in dict.fromkeys([*ours, *theirs])
    ]
    return sorted(pairs, key=lambda pair: not pair.differs)


def figures(payload: Mapping[str, Any]) -> dict[Figure, str]:
    """What an order says, in words, in the order in which people read it."""
    currency = payload["currency"]
    found: dict[Figure, str] = {}
    for line in payload["line_items"]:
        where = f"line {line['sku']}"
        while (where, "units") in found:
            where += " (again)"
        found[where, "units"] = f"{line['quantity']} at {_plain(line['unit_price'])} {currency}"
    for name, what in _ORDER:
        value = payload.get(name)
        if name in _AMOUNTS and (value or name != "commission"):
            found["order", what] = f"{money.text(Decimal(value or 0), currency)} {currency}"
        else:
            found["order", what] = _said(value)
    delivery = payload["delivery"]
    method = delivery["method"].replace("_", " ")
    found["delivery", "method"] = f"{method} {delivery['location'] or ''}".strip()
    found["delivery", "speed"] = delivery["service"]
    for name in ("name", "email", "phone"):
        found["customer", _WORDS.get(name, name)] = payload["customer"][name]
    # A stored order has one phone, whoever's it was.
    address = {"phone": payload["customer"]["phone"]} if payload["shipping_address"] else {}
    address |= {n: v for n, v in (payload["shipping_address"] or {}).items() if v}
    for name in _ADDRESS:
        found["shipping address", _WORDS.get(name, name)] = _said(address.get(name))
    return {figure: text for figure, text in found.items() if text}


def _plain(amount: Decimal) -> str:
    """Without the zeros behind the cents."""
    cents = amount.quantize(Decimal("0.01"))
    return str(cents if cents == amount else amount.normalize())


def _said(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def in_words(problem: Mapping[str, str]) -> str:
    """A problem as a person reads it: `line 2, SKU: no active product has SKU 'X'`."""
    place = _place(problem["pointer"])
    return f"{place}: {problem['detail']}" if place else problem["detail"]


def _place(pointer: str) -> str:
    steps = [step for step in pointer.split("/") if step]
    words: list[str] = []
    for step in steps:
        if step.isdecimal() and words:
            words[-1] += f" {int(step) + 1}"
        else:
            words.append(_PLACES.get(step) or _WORDS.get(step) or step.replace("_", " "))
    return ", ".join(words)


def consequences(row: InboundOrder, *, actor: str) -> str:
    """What taking theirs would do, for the page that asks; or why it cannot be done."""
    if row.state != InboundOrder.State.OPEN or row.order is None:
        return "Somebody decided about it meanwhile."
    try:
        shown = inbound.preview(row, actor=actor)
    except inbound.CannotPick as error:
        return f"This cannot be taken over: {error}"
    if shown is None:
        return "Nothing of our order has to change."
    effects = [f"{e.units} x {e.sku}: {e.words}." for e in shown.effects[:MOST_EFFECTS]]
    total = f"Its total becomes {shown.after.total} {shown.currency} (now {shown.before.total})."
    return " ".join([f"Our order {row.order.number} is changed.", total, *effects, *shown.warnings])


def outcome(row: InboundOrder) -> str:
    """What became of a row, for the person who decided about it."""
    name = row.external_id or "The order without a number"
    if row.state == InboundOrder.State.OPEN:
        why = in_words(row.problems[0]) if row.problems else row.get_kind_display()
        return f"{name} still cannot be taken: {why}"
    if row.order and row.state == InboundOrder.State.PLACED:
        return f"{name} is taken: it is order {row.order.number}."
    return f"{name}: {row.get_state_display()}."


def _as_it_came(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The values of a document that cannot be read, each with its place."""
    found: list[tuple[str, str]] = []
    todo: list[tuple[str, Any]] = [("", dict(document))]
    while todo and len(found) < MOST_VALUES:
        place, value = todo.pop(0)
        if isinstance(value, dict):
            inside = f"{place}, " if place else ""
            todo[:0] = [(f"{inside}{name}", inner) for name, inner in value.items()]
        elif isinstance(value, list):
            todo[:0] = [(f"{place} {n}", inner) for n, inner in enumerate(value, 1)]
        elif value not in (None, ""):
            found.append((place, str(value)))
    return found
