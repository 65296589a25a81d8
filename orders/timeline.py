"""The timeline of an order in words: what happened, where, by whom."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Q
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.text import Truncator

from inventory.models import Location
from orders import cancellation
from orders.models import Attachment, Hold, Notification, Order, OrderEvent, OrderNote
from orders.money import in_words

HOUSE = {"system", "routing", "fulfillment", "notifications", "clock"}
BAD = ("refused", "unfillable", "backorder.lost", "order.canceled", "declined", "suppressed",
       "payment.failed", "payment.expired", "charged_back", "refund.failed")  # fmt: skip
WAITS = (
    "backorder.moved", "promise.changed", "hold.opened", "requeued", "withdrawn",
    "refund.requested", "cancel.requested", "payment.due",
)  # fmt: skip
GOOD = ("delivered", "collected", "order.closed", "hold.resolved", "return.refunded",
        "payment.captured", "refund.done")  # fmt: skip
CHANGES = {  # actions of an edit, as one reads them
    "add_line": "a product more", "remove": "a line less", "quantity": "another quantity",
    "substitute": "another product", "address": "another address", "delivery": "another delivery",
    "price": "another price", "appeasement": "an appeasement", "shipping": "other shipping costs",
}  # fmt: skip
TOLD_BESIDE = frozenset({"return", "number", "notification", "template"})


@dataclass(frozen=True)
class Entry:
    """One line of the timeline, ready to be shown. `level` is good, bad, waits or plain."""

    at: datetime
    kind: str
    words: str
    actor: str
    level: str
    message: Notification | None = None


@dataclass
class _Known:
    """What the words need beside an event's own figures."""

    order: Order
    places: dict[Any, str] = field(default_factory=dict)
    holds: dict[int, Hold] = field(default_factory=dict)
    messages: dict[int, Notification] = field(default_factory=dict)
    notes: dict[int, OrderNote] = field(default_factory=dict)
    files: dict[int, Attachment] = field(default_factory=dict)

    def place(self, key: Any) -> str:
        return self.places.get(key, str(key)) if key else "a stock point"

    def all_of(self, keys: Iterable[Any]) -> str:
        names = [self.place(key) for key in keys]
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)

    def money(self, amount: Any) -> str:
        try:
            return in_words(Decimal(str(amount)), self.order.currency)
        except InvalidOperation:
            return str(amount)


Data = Mapping[str, Any]
Words = Callable[[Data, _Known], str]


def entries(
    order: Order, *, holds: Iterable[Hold] = (), messages: Iterable[Notification] = (),
    notes: Iterable[OrderNote] = (), files: Iterable[Attachment] = (),
) -> list[Entry]:  # fmt: skip
    """Every event of the order, newest first. Two statements, however long the story is."""
    events = list(order.events.order_by("-id"))
    known = _Known(
        order, _places(events, order), {h.pk: h for h in holds}, {m.pk: m for m in messages},
        {n.pk: n for n in notes}, {f.pk: f for f in files},
    )  # fmt: skip
    return [
        Entry(
            at=event.at, kind=event.kind, words=told(event, known), actor=_actor(event, known),
            level=_level(event.kind), message=known.messages.get(event.data.get("notification")),
        )
        for event in events
    ]  # fmt: skip


def told(event: OrderEvent, known: _Known) -> str:
    """One event as a sentence; a kind nobody wrote words for shows its own figures."""
    words = WORDS.get(event.kind)
    if words is None:
        figures = ", ".join(f"{k} {v}" for k, v in event.data.items() if k not in TOLD_BESIDE)
        return event.kind.replace(".", " ").replace("_", " ") + (f": {figures}" if figures else "")
    return words(event.data, known)


def _places(events: Iterable[OrderEvent], order: Order) -> dict[Any, str]:
    ids: set[int] = set()
    codes = {event.actor for event in events}
    for event in events:
        data = event.data
        for key in [data.get("location"), *data.get("locations", ()),
                    *data.get("from_locations", ())]:  # fmt: skip
            (ids if isinstance(key, int) else codes).add(key)
    rows = Location.objects.filter(Q(pk__in=ids) | Q(code__in=codes - {None}))
    found: dict[Any, str] = {}
    for pk, code, name in rows.values_list("pk", "code", "name"):
        found[pk] = found[code] = name
    return {**found, order.channel.code: found.get(order.channel.code, order.channel.name)}


def _actor(event: OrderEvent, known: _Known) -> str:
    return "Maestro" if event.actor in HOUSE else known.places.get(event.actor, event.actor)


def _level(kind: str) -> str:
    if kind.endswith(BAD):
        return "bad"
    if kind.endswith(WAITS):
        return "waits"
    return "good" if kind.endswith(GOOD) else "plain"


def _units(data: Data) -> str:
    count = data.get("units", 0)
    return f"{count} unit" if count == 1 else f"{count} units"


def _because(data: Data) -> str:
    reason = str(data.get("words") or data.get("reason") or "").replace("_", " ")
    return f": {reason}" if reason else ""


def _received(data: Data, known: _Known) -> str:
    held = known.all_of(data.get("from_locations") or ())
    until = parse_datetime(data["promised_at"]) if data.get("promised_at") else None
    parts = [f"Received for {known.money(data.get('total', known.order.total))}"]
    if held:
        parts.append(f"stock held at {held}")
    if until:
        parts.append(f"promised until {date_format(until, 'D j M')}")
    if cart := data.get("cart_promised_at"):
        parts.append(f"the cart had promised {_day_in_words(cart)}")
    if missing := data.get("missing_units"):
        parts.append(f"{_units({'units': missing})} without stock")
    if awaited := data.get("awaited_units"):
        parts.append(f"{_units({'units': awaited})} on the way to us")
    return "; ".join(parts)


def _changed(data: Data, known: _Known) -> str:
    if fields := data.get("fields"):  # an address put right: no version of its own
        names = sorted({str(field).rsplit("/", 1)[-1] for field in fields})
        return f"Changed {', '.join(names)}{_because(data)}"
    what = [CHANGES.get(action, action) for action in data.get("actions") or ()]
    parts = [f"Changed to version {data.get('version')}: {', '.join(what)}"]
    difference = Decimal(str(data.get("difference") or 0))
    if difference:
        sign = "+" if difference > 0 else "−"
        parts.append(f"total {sign}{known.money(abs(difference))}")
    if again := data.get("units_rerouted"):
        parts.append(f"{_units({'units': again})} to be routed again")
    return "; ".join(parts) + _because(data)


def _checked(data: Data, known: _Known) -> str:
    found = data.get("findings") or 0
    risk = f", risk {data['risk']} of 100" if data.get("risk") is not None else ""
    what = "nothing found" if not found else "1 finding" if found == 1 else f"{found} findings"
    return f"Checked again: {what}{risk}"


def _why(data: Data) -> str:
    """The reason of a cancellation and the note beside it."""
    reason = str(data.get("reason") or "")
    words = [cancellation.REASONS.get(reason, reason.replace("_", " ")), data.get("note") or ""]
    shown = ", ".join(word for word in words if word)
    return f": {shown}" if shown else ""


def _promise(data: Data, known: _Known) -> str:
    before = f" instead of {_day_in_words(data['before'])}" if data.get("before") else ""
    cause = str(data.get("reference") or "")
    because = cause if " " in cause or data.get("moved") else f"{cause} moved"
    return f"Promised until {_day_in_words(data.get('promised_at'))}{before}, because {because}"


def _noted(data: Data, known: _Known) -> str:
    note = known.notes.get(data.get("note", 0))
    return f"Note: {Truncator(note.text).chars(100)}" if note else "Wrote a note"


def _attached(data: Data, known: _Known) -> str:
    file = known.files.get(data.get("attachment", 0))
    return f"Attached {file.name}" if file else "Attached a file"


def _tagged(data: Data, known: _Known) -> str:
    parts = []
    if added := data.get("added"):
        parts.append(f"tagged {', '.join(added)}")
    if removed := data.get("removed"):
        parts.append(f"no longer tagged {', '.join(removed)}")
    return "; ".join(parts).capitalize() or "Tags changed"


def _day_in_words(moment: Any) -> str:
    day = parse_datetime(str(moment)) if moment else None
    return date_format(day, "D j M") if day else "an unknown day"


def _hold_opened(data: Data, known: _Known) -> str:
    hold = known.holds.get(data.get("hold", 0))
    return f"Put on hold, {hold.get_type_display()}: {hold.reason}" if hold else "Put on hold"


def _hold_resolved(data: Data, known: _Known) -> str:
    hold = known.holds.get(data.get("hold", 0))
    return f"Hold resolved: {hold.reason}" if hold else "Hold resolved"


def _shipped(data: Data, known: _Known) -> str:
    tracking = f", tracking number {data['tracking']}" if data.get("tracking") else ""
    carrier = f" with {data['carrier']}" if data.get("carrier") else ""
    return f"Left {known.place(data.get('location'))}{carrier}{tracking}"


def _message(data: Data, known: _Known) -> str:
    message = known.messages.get(data.get("notification", 0))
    template = str(data.get("template", "message")).replace("_", " ")
    return f"Customer told: {message.subject if message and message.subject else template}"


def _not_told(data: Data, known: _Known) -> str:
    return f"Customer not told, {str(data.get('template', '')).replace('_', ' ')}{_because(data)}"


def _inspected(data: Data, known: _Known) -> str:
    grades = data.get("grades")
    found = ", ".join(f"{n} × {g}" for g, n in grades.items()) if isinstance(grades, dict) else ""
    return f"Return {data.get('number', '')} inspected" + (f": {found}" if found else "")


def _refunded(data: Data, known: _Known) -> str:
    early = ", ahead of the goods" if data.get("without_goods") else ""
    amount = known.money(data.get("amount", 0))
    return f"Return {data.get('number', '')}: {amount} given back for {_units(data)}{early}"


WORDS: dict[str, Words] = {
    "order.received": _received,
    "order.routed": lambda d, k: f"Routed {_units(d)} to {k.all_of(d.get('locations') or ())}",
    "backorder.filled": lambda d, k: f"{_units(d)} that waited for supply can be sent now",
    "backorder.moved": lambda d, k: f"{_units(d)} of {d.get('reference')} wait for another supply",
    "backorder.promised": lambda d, k: f"{_units(d)} wait for {d.get('reference')} now",
    "backorder.lost": lambda d, k: (
        f"{_units(d)} lost {d.get('reference')}: it brings fewer than were promised"
    ),
    "promise.changed": _promise,
    "order.unfillable": lambda d, k: f"No stock point can serve {_units(d)}{_because(d)}",
    "order.changed": _changed,
    "order.checked": _checked,
    "order.canceled": lambda d, k: f"Canceled {_units(d)}{_why(d)}",
    "cancel.requested": lambda d, k: f"The warehouse is asked to let go of {_units(d)}{_why(d)}",
    "cancel.refused": lambda d, k: f"The warehouse keeps {_units(d)}{_because(d)}",
    "order.closed": lambda d, k: "Closed: every unit has arrived or was canceled",
    "allocation.refused": lambda d, k: (
        f"{_units(d)} taken back from {k.place(d.get('location'))} to be routed again{_because(d)}"
    ),
    "allocation.requeued": lambda d, k: (
        f"{_units(d)} lost {k.place(d.get('location'))} and wait to be routed again{_because(d)}"
    ),
    "allocation.claimed": lambda d, k: (
        f"{k.place(d.get('location'))} took {_units(d)} that were open to several stock points,"
        f" before {k.all_of(d.get('from_locations') or ())} accepted them"
    ),
    "fulfillment.requested": lambda d, k: f"{k.place(d.get('location'))} asked to send {_units(d)}",
    "fulfillment.cancel_requested": lambda d, k: (
        f"{k.place(d.get('location'))} asked to let go of {_units(d)}"
    ),
    "fulfillment.withdrawn": lambda d, k: f"Work taken back from {k.place(d.get('location'))}",
    "fulfillment.accepted": lambda d, k: f"{k.place(d.get('location'))} accepted the work",
    "fulfillment.refused": lambda d, k: (
        f"{k.place(d.get('location'))} refused {_units(d)}{_because(d)}"
    ),
    "fulfillment.picked": lambda d, k: f"{k.place(d.get('location'))} picked {_units(d)}",
    "fulfillment.packed": lambda d, k: f"{k.place(d.get('location'))} packed its parcel",
    "parcel.shipped": _shipped,
    "parcel.tracked": lambda d, k: f"Carrier says: {str(d.get('status', '')).replace('_', ' ')}",
    "parcel.delivered": lambda d, k: "Parcel delivered",
    "parcel.arrived": lambda d, k: f"Parcel arrived at {k.place(d.get('location'))}",
    "pickup.ready": lambda d, k: f"Ready for pick-up at {k.place(d.get('location'))}",
    "pickup.collected": lambda d, k: f"Collected by the customer at {k.place(d.get('location'))}",
    "hold.opened": _hold_opened,
    "hold.resolved": _hold_resolved,
    "payment.authorized": lambda d, k: f"Payment of {k.money(d.get('amount', 0))} authorized",
    "payment.captured": lambda d, k: f"Payment of {k.money(d.get('amount', 0))} captured",
    "payment.voided": lambda d, k: f"{k.money(d.get('amount', 0))} of the authorization let go",
    "payment.expired": lambda d, k: (
        f"The authorization of {k.money(d.get('amount', 0))} has run out"
    ),
    "payment.failed": lambda d, k: f"Payment of {k.money(d.get('amount', 0))} failed{_because(d)}",
    "payment.charged_back": lambda d, k: (
        f"The customer's bank took {k.money(d.get('amount', 0))} back{_because(d)}"
    ),
    "payment.due": lambda d, k: f"The customer owes {k.money(d.get('amount', 0))}",
    "refund.requested": lambda d, k: f"Refund of {k.money(d.get('amount', 0))} asked{_because(d)}",
    "refund.done": lambda d, k: f"{k.money(d.get('amount', 0))} given back",
    "refund.failed": lambda d, k: f"Refund of {k.money(d.get('amount', 0))} failed{_because(d)}",
    "note.added": _noted,
    "attachment.added": _attached,
    "tags.changed": _tagged,
    "customer.merged": lambda d, k: "Belongs to another customer now, who is the same person",
    "customer.erased": lambda d, k: "Personal data erased",
    "message.sent": _message,
    "message.suppressed": _not_told,
    "return.requested": lambda d, k: (
        f"Return {d.get('number', '')} of {_units(d)} asked for{_because(d)}"
    ),
    "return.approved": lambda d, k: f"Return {d.get('number', '')} approved",
    "return.declined": lambda d, k: f"Return {d.get('number', '')} declined{_because(d)}",
    "return.canceled": lambda d, k: f"Return {d.get('number', '')} canceled",
    "return.received": lambda d, k: (
        f"Return {d.get('number', '')}: {_units(d)} arrived at {k.place(d.get('location'))}"
    ),
    "return.inspected": _inspected,
    "return.refunded": _refunded,
}
