"""What a customer sees of an order: where every unit is, in words; no address and no e-mail."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db.models import Prefetch
from django.utils import timezone

from config.geo import Point, distance_km
from fulfillment.models import Parcel, ParcelLine
from inventory.models import Location
from orders import lifecycle, queries
from orders.destinations import SHIP_TO_STORE, Destination
from orders.models import (
    Allocation,
    DeliveryGroup,
    Notification,
    Order,
    OrderContact,
    OrderLine,
    Refund,
)
from orders.money import in_words
from orders.notifications import words
from returns.models import Return, ReturnLine
from returns.returnable import name_of, rooms

A = Allocation.State
T = Parcel.Tracking
BACKORDER = Allocation.Queue.BACKORDER
PLACES_TO_BRING = 3

HEADLINES = {
    "unrouted": "We have your order",
    "routed": "Your order is being prepared",
    "in_progress": "Your order is being prepared",
    "partially_shipped": "Part of your order is on its way",
    "shipped": "Your order is on its way",
    "partially_delivered": "Part of your order has arrived",
    "delivered": "Your order has arrived",
    "canceled": "Your order was canceled",
}


@dataclass(frozen=True)
class Step:
    """One point of a progress line; state is done, now, bad or empty for what is to come."""

    title: str
    state: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Shipment:
    """Units that travel together: where they are, and the way behind and before them."""

    title: str
    sentence: str
    steps: Sequence[Step]
    items: Sequence[tuple[int, str]]
    carrier: str = ""
    tracking_number: str = ""
    to: str = ""  # where it goes, when not all of the order goes there


@dataclass(frozen=True)
class Bought:
    """One line of the order, with what became of its units."""

    quantity: int
    name: str
    total: str
    notes: Sequence[str]


@dataclass(frozen=True)
class MoneyBack:
    """Money that went back, and what for."""

    amount: str
    why: str
    at: datetime
    failed: bool


@dataclass(frozen=True)
class SentBack:
    """A return in words, with what was announced, and whether the customer may still drop it."""

    rma: Return
    title: str
    sentence: str
    tone: str
    items: Sequence[tuple[int, str]]
    may_cancel: bool


@dataclass(frozen=True)
class Tracking:
    """The whole page."""

    order: Order
    zone: ZoneInfo
    headline: str
    promise: str
    late: bool
    city: str
    shipments: Sequence[Shipment]
    bought: Sequence[Bought]
    shipping: str
    total: str
    money_back: Sequence[MoneyBack]
    returns: Sequence[SentBack]
    places: Sequence[Location]
    messages_sent: Sequence[Notification]
    may_return: bool


def of(order: Order, *, now: datetime) -> Tracking:
    """Read the page of an order, in a number of statements that does not depend on its size."""
    contact = OrderContact.objects.filter(order=order).first()
    zone = words.zone_of(order, contact)
    slices = list(
        order.allocations.select_related(
            "line__product", "line__group__pickup_location", "location", "reservation__supply"
        ).order_by("id")
    )
    parcels = _parcels(order)
    room = rooms(order, now=now)
    sent_back = _returns(order)
    shipping = order.shipping_total + (0 if order.tax_included else order.shipping_tax)
    status = queries.fulfillment_status({piece.state for piece in slices})
    arrived = any(piece.state in (A.DELIVERED, A.COLLECTED) for piece in slices)
    return Tracking(
        order=order,
        zone=zone,
        headline=_headline(order, status, slices),
        promise=_promise(order, slices, zone=zone, now=now),
        late=order.promised_at is not None and now > order.promised_at,
        city=contact.city if contact else "",
        shipments=[
            *_waiting(order, slices),
            *_on_the_way_to_us(order, slices),
            *(_parcel(order, p) for p in parcels),
        ],
        bought=_bought(order, slices, sent_back),
        shipping=in_words(shipping, order.currency) if shipping else "",
        total=in_words(order.total, order.currency),
        money_back=_money_back(order),
        returns=[_sent_back(rma, order.currency) for rma in sent_back],
        places=_places(contact) if any(r.state == Return.State.APPROVED for r in sent_back) else [],
        messages_sent=list(
            order.notifications.filter(state=Notification.State.SENT).order_by("sent_at", "id")
        ),
        may_return=arrived and any(r.open for r in room.values()),
    )


# --- the top of the page -------------------------------------------------------------------------


def _headline(order: Order, status: str, slices: Iterable[Allocation]) -> str:
    if any(piece.state == A.READY for piece in slices) and order.delivery != Order.Delivery.SHIP:
        return "Your order is ready for pick-up"
    if status == "delivered" and all(p.state in (A.COLLECTED, A.CANCELED) for p in slices):
        return "You have collected your order"
    if status == "partially_shipped" and all(piece.state != A.SHIPPED for piece in slices):
        return HEADLINES["partially_delivered"]
    return HEADLINES[status]


def _promise(order: Order, slices: Iterable[Allocation], *, zone: ZoneInfo, now: datetime) -> str:
    """Until when it comes; nothing when all of it has come, is ready, or was canceled."""
    there = (A.DELIVERED, A.COLLECTED, A.CANCELED, A.READY)
    if order.promised_at is None or all(piece.state in there for piece in slices):
        return ""
    day = words.day(order.promised_at, zone=zone, now=now)
    if now > order.promised_at:
        return f"It was to arrive by {day} and is late. We are sorry."
    verb = "Arrives" if order.delivery == Order.Delivery.SHIP else "Ready for you"
    return f"{verb} by {day}"


# --- parcels and what is not in one yet ----------------------------------------------------------


def _parcels(order: Order) -> list[Parcel]:
    lines = ParcelLine.objects.select_related("allocation__line__product").order_by("id")
    parcels = Parcel.objects.filter(order=order).select_related(
        "location", "destination", "fulfillment_order__group__pickup_location"
    )
    return list(parcels.prefetch_related(Prefetch("lines", lines)).order_by("id"))


def _parcel(order: Order, parcel: Parcel) -> Shipment:
    title, sentence = _parcel_words(parcel)
    return Shipment(
        title=title,
        sentence=sentence,
        steps=_parcel_steps(order, parcel),
        items=_items((line.allocation.line, line.quantity) for line in parcel.lines.all()),
        carrier=words.one_line(parcel.carrier),
        tracking_number=words.one_line(parcel.tracking_number),
        to=_to(parcel.fulfillment_order.group),
    )


def _to(group: DeliveryGroup | None) -> str:
    """Where a second destination is, without saying whose."""
    if group is None:
        return ""
    store = group.pickup_location
    return words.one_line(store.name if store else group.city)


def _parcel_words(parcel: Parcel) -> tuple[str, str]:
    place = words.one_line(parcel.location.name)
    if parcel.destination is not None:
        return _store_words(parcel, place, words.one_line(parcel.destination.name))
    return {
        T.PRE_TRANSIT: ("Handed to the carrier", f"It left {place}."),
        T.IN_TRANSIT: ("On its way", f"It left {place}."),
        T.OUT_FOR_DELIVERY: ("Out for delivery", f"From {place}: it comes today."),
        T.DELIVERED: ("Delivered", f"It came from {place}."),
        T.RETURN_TO_SENDER: (
            "Going back to us",
            f"The carrier could not deliver it and brings it back to {place}.",
        ),
        T.FAILURE: ("Delivery failed", "The carrier will tell you how it goes on."),
        T.COLLECTED: ("Collected", f"You took it at {place}."),
    }[Parcel.Tracking(parcel.tracking_status)]


def _store_words(parcel: Parcel, place: str, store: str) -> tuple[str, str]:
    """Of a parcel that is collected in a store."""
    if parcel.delivered_at is not None:
        return "Collected", f"You took it at {store}."
    if parcel.arrived_at is not None:
        return "Ready for pick-up", f"It waits for you at {store}. Please bring your order number."
    if parcel.tracking_status in (T.FAILURE, T.RETURN_TO_SENDER):
        return "Delayed", f"It did not reach {store}. We take care of it."
    return f"On its way to {store}", f"It left {place}. We write to you when it is there."


def _parcel_steps(order: Order, parcel: Parcel) -> list[Step]:
    ordered = Step("Ordered", "done", order.placed_at)
    if parcel.tracking_status == T.COLLECTED and parcel.destination is None:
        return [ordered, Step("Prepared", "done"), Step("Ready", "done"),
                Step("Collected", "done", parcel.delivered_at)]  # fmt: skip
    left = Step("Shipped", "done", parcel.shipped_at)
    status = parcel.tracking_status
    if parcel.destination is not None:
        return [ordered, left, *_store_steps(parcel)]
    if status == T.DELIVERED:
        came = Step("Delivered", "done", parcel.delivered_at)
        return [ordered, left, Step("On its way", "done"), came]
    if status in (T.FAILURE, T.RETURN_TO_SENDER):
        bad = Step("Failed" if status == T.FAILURE else "Going back", "bad", parcel.tracking_at)
        return [ordered, left, bad, Step("Delivered")]
    title = "Out today" if status == T.OUT_FOR_DELIVERY else "On its way"
    return [ordered, left, Step(title, "now"), Step("Delivered")]


def _store_steps(parcel: Parcel) -> list[Step]:
    if parcel.arrived_at is None:
        return [Step("In the store", "now"), Step("Collected")]
    here = Step("In the store", "now" if parcel.delivered_at is None else "done", parcel.arrived_at)
    taken = "" if parcel.delivered_at is None else "done"
    return [here, Step("Collected", taken, parcel.delivered_at)]


def _waiting(order: Order, slices: Iterable[Allocation]) -> list[Shipment]:
    """Units that have not left, together with those that wait at the same place alike."""
    groups: dict[tuple[int | None, bool, int | None], list[Allocation]] = defaultdict(list)
    for piece in slices:
        if piece.state not in (*lifecycle.LEFT, A.CANCELED) and piece.queue != BACKORDER:
            at = None if piece.state == A.QUEUED else piece.location_id
            groups[at, piece.state == A.READY, piece.line.group_id].append(piece)
    return [_waiting_group(order, pieces) for pieces in groups.values()]


def _on_the_way_to_us(order: Order, slices: Iterable[Allocation]) -> list[Shipment]:
    """Units that wait for a delivery to us, together with those that come on the same day."""
    days: dict[date | None, list[Allocation]] = defaultdict(list)
    for piece in slices:
        if piece.queue == BACKORDER:
            supply = piece.reservation.supply if piece.reservation else None
            days[supply.eta if supply else None].append(piece)
    ends = ("Shipped", "Delivered") if order.delivery == Order.Delivery.SHIP else (
        "Ready", "Collected")  # fmt: skip
    return [
        Shipment(
            title="On its way to us",
            sentence=_expected(day),
            steps=[Step("Ordered", "done", order.placed_at), Step("Comes to us", "now"),
                   *(Step(end) for end in ends)],
            items=_items((piece.line, piece.quantity) for piece in pieces),
        )
        for day, pieces in sorted(days.items(), key=lambda pair: (pair[0] is None, pair[0]))
    ]  # fmt: skip


def _expected(day: date | None) -> str:
    then = "We send it on as soon as it is here."
    if day is None:
        return f"We do not know the day yet. {then}"
    if day < timezone.now().date():
        return f"It should have reached us already. {then}"
    return f"We expect it on {words.date_in_words(day)}. {then}"


def _waiting_group(order: Order, pieces: Sequence[Allocation]) -> Shipment:
    place = pieces[0].location if pieces[0].state != A.QUEUED else None
    group = pieces[0].line.group
    to = Destination(order, group)
    ready = pieces[0].state == A.READY
    ordered = Step("Ordered", "done", order.placed_at)
    prepared = Step("Prepared", "done" if ready else "now" if place else "")
    ends = [Step("Shipped"), Step("Delivered")]
    if ready or to.is_over_counter(place.pk if place else None):
        ends = [Step("Ready", "now" if ready else ""), Step("Collected")]
    elif to.delivery == SHIP_TO_STORE:
        ends = [Step("In the store"), Step("Collected")]
    title, sentence = _waiting_words(place, ready=ready)
    return Shipment(
        title=title,
        sentence=sentence,
        steps=[ordered, prepared, *ends],
        items=_items((piece.line, piece.quantity) for piece in pieces),
        to=_to(group),
    )


def _waiting_words(place: Location | None, *, ready: bool) -> tuple[str, str]:
    if place is None:
        return "Getting ready", "We are choosing where it is sent from."
    name = words.one_line(place.name)
    if ready:
        return "Ready for pick-up", f"It waits for you at {name}. Please bring your order number."
    return "Being prepared", f"{name} is getting it ready."


def _items(units: Iterable[tuple[OrderLine, int]]) -> list[tuple[int, str]]:
    sums: dict[int, int] = defaultdict(int)
    lines = {}
    for line, quantity in units:
        sums[line.pk] += quantity
        lines[line.pk] = line
    ordered = sorted(lines.values(), key=lambda line: (line.position, line.component))
    return [(sums[line.pk], name_of(line)) for line in ordered]


# --- what was bought, and money ------------------------------------------------------------------


def _bought(order: Order, slices: Iterable[Allocation], returns: Iterable[Return]) -> list[Bought]:
    canceled: dict[int, int] = defaultdict(int)
    for piece in slices:
        if piece.state == A.CANCELED:
            canceled[piece.line_id] += piece.quantity
    back: dict[int, int] = defaultdict(int)
    for sent in (sent for rma in returns for sent in rma.lines.all()):
        back[sent.order_line_id] += sent.received
    found = []
    for line in order.lines.select_related("product").order_by("position"):
        notes = [
            f"{units} {what}"
            for units, what in ((canceled[line.pk], "canceled"), (back[line.pk], "came back"))
            if units
        ]
        total = in_words(line.total, order.currency)
        found.append(Bought(line.quantity, name_of(line), total, notes))
    return found


def _money_back(order: Order) -> list[MoneyBack]:
    refunds = Refund.objects.filter(payment__order=order).order_by("id")
    return [
        MoneyBack(
            in_words(refund.amount, refund.currency), _why(refund),
            refund.done_at or refund.created_at, refund.state == Refund.State.ERRORED,
        )
        for refund in refunds
    ]  # fmt: skip


def _why(refund: Refund) -> str:
    # The reason is a note among staff; what it was for is told from what made it.
    kind, _, rest = refund.key.partition(":")
    if kind == "return":
        return f"for return {Return(pk=int(rest.partition('/')[0])).number}"
    return "for what was canceled" if kind == "settle" else ""


# --- returns -------------------------------------------------------------------------------------


def _returns(order: Order) -> list[Return]:
    lines = ReturnLine.objects.select_related("order_line__product").order_by(
        "order_line__position"
    )
    return list(order.returns.prefetch_related(Prefetch("lines", lines)).order_by("id"))


def _sent_back(rma: Return, currency: str) -> SentBack:
    title, sentence, tone = _return_words(rma, currency)
    lines = rma.lines.all()
    return SentBack(
        rma=rma,
        title=title,
        sentence=sentence,
        tone=tone,
        items=_items((line.order_line, line.expected) for line in lines),
        may_cancel=rma.state in (Return.State.REQUESTED, Return.State.APPROVED),
    )


def _return_words(rma: Return, currency: str) -> tuple[str, str, str]:
    s, given = Return.State, in_words(rma.refund_amount, currency)
    paid = f"{given} went back the way you paid." if rma.refund_amount else "No money went back."
    return {
        s.REQUESTED: ("Requested", "We look at it and write to you.", "info"),
        s.APPROVED: (
            "Approved",
            f"Write {rma.number} on the parcel, or name it at the counter.",
            "accent",
        ),
        s.DECLINED: ("Declined", words.one_line(rma.decline_reason), "bad"),
        s.RECEIVED: ("Arrived", f"{_arrived(rma)} We are having a look.", "info"),
        s.INSPECTED: ("Inspected", f"{_arrived(rma)} The refund comes next.", "info"),
        s.REFUNDED: ("Refunded" if rma.refund_amount else "Closed", paid, "good"),
        s.CANCELED: ("Canceled", "You need not do anything.", ""),
    }[s(rma.state)]


def _arrived(rma: Return) -> str:
    expected = sum(line.expected for line in rma.lines.all())
    received = sum(line.received for line in rma.lines.all())
    if received == expected:
        return "Everything has arrived."
    return f"{received} of {expected} items have arrived."


def _places(contact: OrderContact | None) -> list[Location]:
    """Stores that take returns, the nearest first; in the customer's country when it is known."""
    stores = Location.objects.filter(
        active=True, can_receive_returns=True, kind=Location.Kind.STORE
    )
    if contact is None or contact.lat is None or contact.lng is None:
        return list(stores.order_by("code")[:PLACES_TO_BRING])
    here = Point(contact.lat, contact.lng, "exact")
    near = stores.filter(country=contact.country)
    return sorted(near, key=lambda store: distance_km(store, here))[:PLACES_TO_BRING]
