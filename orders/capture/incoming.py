"""Orders on their way in: where they go to, and where they may come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from config import geo
from inventory.availability import Sellable
from inventory.models import Location
from orders import promise, services
from orders.capture import agreed
from orders.capture.errors import Refused
from orders.capture.items import Bundle, Item
from orders.models import Basket, Order, SalesChannel
from orders.problems import Problem
from orders.promise_tokens import Promised
from orders.validation import Finding, Verdict

MAIN = ""  # the key of the order's own destination

Plan = tuple[list[promise.Piece], list[promise.Wanted]]


@dataclass(frozen=True)
class Destination:
    """Where units go: a point on the map, and the stock point where they are handed out.

    `only`: they are picked up there from its own shelf; `store`: they are sent there.
    """

    at: geo.Point | None
    only: str | None = None
    store: str | None = None
    wanted_on: date | None = None
    speed: str = services.STANDARD


@dataclass(eq=False)
class Incoming:
    """One order on its way in."""

    channel: SalesChannel
    order: Mapping[str, Any]  # the canonical payload, in our SKUs
    items: list[Item]
    bundles: Mapping[str, Bundle]
    places: Mapping[str, Location]  # by code: every stock point the payload names
    basket: Basket | None  # holds units for it already
    verdict: Verdict
    cart: Promised | None = None  # what was promised there
    to: dict[str, Destination] = field(init=False)

    def __post_init__(self) -> None:
        order, to = self.order, self._destination
        self.to = {MAIN: to(order["delivery"], order["shipping_address"], order.get("wanted_on"))}
        for group in order.get("deliveries", ()):
            self.to[group["key"]] = to(group, group["address"], group["wanted_on"])

    @property
    def is_test(self) -> bool:
        """Tests hold no stock and are never sent."""
        return self.order["test"] or self.channel.sandbox

    def place(self, code: str | None) -> Location | None:
        """The stock point of a code that was checked."""
        return self.places[code] if code else None

    def _destination(
        self, delivery: Mapping[str, Any], address: Mapping[str, Any] | None, day: date | None
    ) -> Destination:
        method, code, speed = delivery["method"], delivery["location"], delivery["service"]
        if method == Order.Delivery.SHIP_TO_STORE:
            place = self.places[code]
            return Destination(geo.Point(place.lat, place.lng, "exact"), None, code, day, speed)
        if method == Order.Delivery.PICKUP:
            return Destination(where(address), code, None, day, services.COUNTER)
        return Destination(where(address), None, None, day, speed)

    def wanted(self) -> list[promise.Wanted]:
        """Everything that is to be claimed, by the place of its item."""
        return [promise.Wanted(i, one.sku, one.quantity) for i, one in enumerate(self.items)]

    def plan(self, sellable: dict[str, Sellable], wanted: Sequence[promise.Wanted]) -> Plan:
        """Where to claim what is wanted, destination by destination.

        `sellable` holds less afterwards: what one destination takes, the next cannot have. What
        was promised in the cart comes from the places of the cart, as long as they have it.
        """
        as_agreed = self.cart and agreed.plan(self.cart, sellable, wanted)
        if as_agreed:
            promise.take(sellable, as_agreed[0])
            return as_agreed
        pieces: list[promise.Piece] = []
        missing: list[promise.Wanted] = []
        for key, to in self.to.items():
            part = wanted
            if len(self.to) > 1:
                part = [one for one in wanted if self.items[one.index].group == key]
            found, short = promise.choose(part, sellable, at=to.at, only=to.only, store=to.store)
            promise.take(sellable, found)
            pieces += found
            missing += short
        return pieces, missing

    def promised(
        self, pieces: Iterable[promise.Piece], awaited: Iterable[Any], *, now: datetime
    ) -> datetime | None:
        """Until when the customer has everything; None when nothing is promised."""
        pieces = list(pieces)
        days = [
            day
            for key, part in self.by_destination(pieces).items()
            if (day := promise.promised_at(
                part, at=self.to[key].at, placed=now, wanted_on=self.to[key].wanted_on,
                speed=self.to[key].speed))
        ]  # fmt: skip
        supplied = [
            promise.arrival_of(one.coming, at=to.at, now=now, speed=to.speed)
            for one in awaited
            if (to := self.to[self.items[one.index].group])
        ]
        normal = max([*days, *filter(None, supplied)], default=None)
        if self.cart is None:
            return normal
        return agreed.until(self.cart, pieces, normal, supplied, self.not_before)

    @property
    def not_before(self) -> datetime | None:
        """The end of the day before which the order is not wanted."""
        day = self.to[MAIN].wanted_on
        if day is None or self.cart is None:
            return None
        return datetime.combine(day, promise.DELIVERED_BY, self.cart.until.tzinfo)

    def findings(self, promised: datetime | None) -> list[Finding]:
        """What the checks found, and that the cart's promise does not stand."""
        found = list(self.verdict.findings)
        if self.cart is not None:
            found += agreed.moved(self.cart, promised, self.not_before)
        return found

    def by_destination(self, pieces: Iterable[promise.Piece]) -> dict[str, list[promise.Piece]]:
        """The pieces by the key of where they go."""
        found: dict[str, list[promise.Piece]] = {}
        for piece in pieces:
            found.setdefault(self.items[piece.index].group, []).append(piece)
        return found


def where(address: Mapping[str, Any] | None) -> geo.Point | None:
    """Coordinates of an address: the channel's own, or looked up offline."""
    if not address:
        return None
    if address.get("latitude") is not None and address.get("longitude") is not None:
        return geo.Point(address["latitude"], address["longitude"], "exact")
    return geo.locate(
        country=address["country"], postcode=address["postcode"], city=address["city"],
        region=address["region"],
    )  # fmt: skip


# --- the stock points that orders name -----------------------------------------------------------


def named_places(orders: Iterable[Mapping[str, Any]]) -> dict[str, Location]:
    """Every active stock point that the orders name, by code."""
    codes = {code for order in orders for code, _, _ in _named(order)}
    if not codes:
        return {}
    return {row.code: row for row in Location.objects.filter(code__in=codes, active=True)}


def check_places(order: Mapping[str, Any], places: Mapping[str, Location]) -> None:
    """Raises Refused for a stock point that is unknown, or cannot hand out what goes there."""
    problems = [
        Problem(pointer, "unknown_location", f"{code!r} is not a stock point{MUST[need]}")
        for code, pointer, need in _named(order)
        if code not in places or (need and not getattr(places[code], need))
    ]
    if problems:
        raise Refused(problems)


MUST = {"": "", "can_pickup": " with pick-up", "can_ship_to_store": " that parcels are sent to"}
NEEDS = {
    Order.Delivery.PICKUP: "can_pickup",
    Order.Delivery.SHIP_TO_STORE: "can_ship_to_store",
}


def _named(order: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(code, pointer, what it must be able to do) of the stock points an order names."""
    named = [("/delivery", order["delivery"])]
    named += [(f"/deliveries/{i}", group) for i, group in enumerate(order.get("deliveries", ()))]
    found = [
        (to["location"], f"{pointer}/location", NEEDS[to["method"]])
        for pointer, to in named
        if to["method"] in NEEDS
    ]
    if order.get("sold_at"):
        found.append((order["sold_at"], "/sold_at", ""))
    return found
