"""The promise before the order: by which ways a cart can reach its customer, and until when.

Three statements at most, whatever is in the cart: what is known of the goods and of the stock
points' days, the stock with its calendars, and supplies when stock is short. Rules, tariffs and
services are remembered for a minute (routing/house.py). Nothing is written, nothing is held: what
stock allows when the order is placed decides (orders/capture/agreed.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np

from config.geo import Point, distance_km
from inventory import supplies
from inventory.availability import StockPoint
from inventory.models import Location
from orders import promise, promise_tokens
from orders.backorders.promising import share_out
from orders.models import Order, SalesChannel
from orders.services import EXPRESS, STANDARD
from routing import carts, engine, house, learning
from routing.carts import Asked, Cart, Good, UnknownGoods
from routing.house import House, Ruled

__all__ = ["Asked", "Missing", "Option", "Parcel", "UnknownGoods", "options"]

NEAREST_PICKUPS = 5
NEAREST_STORES = 3  # that a parcel may be sent to
CENT = Decimal("0.01")
WORTH_OFFERING = Decimal("0.99")  # of the CO2e of the cheapest plan: less of a saving is noise
Ship = Order.Delivery
NOTHING = Decimal(0)


@dataclass(frozen=True)
class Parcel:
    """What one stock point would give; `service` None: it is handed out there.

    `cost` is ours: shipping by the tariff and handling.
    """

    location: str
    location_name: str
    items: tuple[tuple[str, int], ...]  # (SKU, units)
    service: engine.Service | None
    km: float | None
    leaves: date
    arrives: datetime
    shipping: Decimal
    handling: Decimal
    kg_co2: Decimal


@dataclass(frozen=True)
class Missing:
    """Units that no stock covers; `expected` is when supply brings them to the customer."""

    sku: str
    quantity: int
    expected: datetime | None = None
    supply: str | None = None
    location: str | None = None


@dataclass(frozen=True)
class Option:
    """One way to the customer. `until` is the whole promise; None: part of it has no day."""

    method: str
    speed: str
    plan: str  # cheapest, greenest
    store: Location | None
    parcels: tuple[Parcel, ...]
    missing: tuple[Missing, ...]
    token: str | None = field(default=None, repr=False)
    today: bool = False  # of pick-up: it is ready on the day it is asked for

    @property
    def until(self) -> datetime | None:
        """When the last unit is with the customer."""
        days = [parcel.arrives for parcel in self.parcels]
        days += [one.expected for one in self.missing if one.expected is not None]
        return None if any(one.expected is None for one in self.missing) else max(days)

    @property
    def window(self) -> tuple[date, date]:
        """The days of the first and of the last arrival that are known."""
        days = [parcel.arrives.date() for parcel in self.parcels]
        days += [one.expected.date() for one in self.missing if one.expected is not None]
        return min(days), max(days)

    def km_to_store(self, at: Point | None) -> float | None:
        """How far the customer's store is from somewhere."""
        if self.store is None or at is None:
            return None
        return round(distance_km(self.store, at), 1)

    @property
    def shipping(self) -> Decimal:
        """What the carriers ask."""
        return sum((parcel.shipping for parcel in self.parcels), NOTHING)

    @property
    def handling(self) -> Decimal:
        """What picking and packing cost."""
        return sum((parcel.handling for parcel in self.parcels), NOTHING)

    @property
    def kg_co2(self) -> Decimal:
        """Of all parcels."""
        return sum((parcel.kg_co2 for parcel in self.parcels), NOTHING)


def options(channel: SalesChannel, asked: Asked, *, now: datetime) -> list[Option]:
    """Every way the cart can go, per method: shipped by speed, cheapest and greenest; collected in
    the nearest stores that have all of it; sent to the nearest stores.

    An option may lack units: then it says which, and when supply brings them; not where all of it
    leaves together. Raises UnknownGoods.
    """
    desk = _Desk(carts.read(channel, asked, now=now), house.known(), learning.refusal_rates())
    found = [*_shipped(desk), *_collected(desk), *_sent_to_stores(desk)]
    return [replace(option, token=_token(desk, option)) for option in found]


@dataclass
class _Desk:
    """A cart beside the house, and what is worked out of both once."""

    cart: Cart
    house: House
    refusals: Mapping[int, float]
    networks: dict[Any, engine.Network] = field(default_factory=dict)

    @cached_property
    def points(self) -> dict[int, StockPoint]:
        """One stock point of each place that has anything free: its calendar and abilities."""
        found: dict[int, StockPoint] = {}
        for good in self.cart.goods:
            for point in self.cart.sellable[good.sku].points:
                if point.location in self.house.places:  # not: opened within the last minute
                    found.setdefault(point.location, point)
        return found

    @cached_property
    def ids(self) -> dict[str, int]:
        """The same places by code."""
        return {point.code: key for key, point in self.points.items()}

    @cached_property
    def free(self) -> dict[int, dict[int, int]]:
        """Free units by place and product."""
        found: dict[int, dict[int, int]] = {place: {} for place in self.points}
        for good in self.cart.goods:
            for point in self.cart.sellable[good.sku].points:
                if point.location in found:
                    found[point.location][good.product] = point.free
        return found

    @cached_property
    def leaves(self) -> dict[int, tuple[date, datetime]]:
        """By place: the day that a parcel leaves, and the time it is there."""
        found = {}
        for key, point in self.points.items():
            local = promise.local_time(self.cart.now, point.timezone)
            found[key] = promise.hand_over(point, local), local
        return found

    @cached_property
    def coming(self) -> list[supplies.Coming]:
        """What is on its way of goods that are short."""
        products = [good.product for good in self.cart.goods]
        return supplies.coming(pool=self.cart.channel.pool_id, products=products)

    @cached_property
    def lines(self) -> list[engine.Line]:
        """The goods as the engine takes them, no more of each than stock can promise."""
        return [
            engine.Line(
                key=good.product, product=good.product, quantity=self.cart.can_have(good),
                weight_g=good.weight_g, unit_price=good.price, dangerous=good.dangerous,
                category=good.category,
            )
            for good in self.cart.goods
        ]  # fmt: skip

    def arrives(self, place: int, service: engine.Service, km: float) -> datetime:
        """When a parcel that is asked for now arrives; as from the farthest if it is beyond."""
        days = (days for up_to, days in service.transit if km <= up_to)
        leaves, local = self.leaves[place]
        return promise.delivered(leaves, next(days, service.transit[-1][1]), zone=local.tzinfo)

    def network(
        self, services: tuple[engine.Service, ...], ruled: Ruled, *, at: Point | None,
        store: Location | None,
    ) -> engine.Network:  # fmt: skip
        """The places as the engine takes them, prepared once for all ways that see them alike.

        A store that parcels are sent to may give from its own shelf, though it sends nothing.
        """
        own = None
        if store is not None and store.pk in self.points:
            days = self.cart.day(store.pk, "ship"), self.cart.day(store.pk, "pickup")
            point = self.points[store.pk]
            own = store.pk if days[0] != days[1] or point.can_ship != point.can_pickup else None
        by_days = "fastest" in ruled.rule.sort
        key = (services, ruled.rule.pk, own, at if by_days else None)
        if key not in self.networks:
            candidates = [self._candidate(place, ruled, own=own == place) for place in self.points]
            if by_days:
                candidates = [self._timed(one, services, at) for one in candidates]
            self.networks[key] = engine.Network(candidates, services)
        return self.networks[key]

    def _candidate(self, key: int, ruled: Ruled, *, own: bool) -> engine.Candidate:
        point, place = self.points[key], self.house.places[key]
        day = self.cart.day(key, "pickup" if own else "ship")
        over = self.cart.over
        return engine.Candidate(
            key=key, code=point.code, name=point.name, kind=place.kind,
            is_central=point.is_central, lat=point.lat, lng=point.lng,
            free=_within(self.free[key], day.units, self.cart.goods),
            handling_order=place.handling_order, handling_line=place.handling_line,
            capacity_left=day.orders, load=day.load,
            can_ship=point.can_pickup if own else point.can_ship, allowed=ruled.lets_in(place),
            overstock={
                good.product: over[key, good.product]
                for good in self.cart.goods if (key, good.product) in over
            },
            refusal_rate=self.refusals.get(key, learning.UNKNOWN),
        )  # fmt: skip

    def _timed(
        self, one: engine.Candidate, services: Sequence[engine.Service], at: Point | None
    ) -> engine.Candidate:
        km, today = promise.km(self.points[one.key], at), self.cart.now.date()
        days = (self.arrives(one.key, service, km).date() for service in services)
        return replace(one, lead_days=tuple((day - today).days for day in days))


# --- shipped --------------------------------------------------------------------------------------


def _shipped(desk: _Desk) -> list[Option]:
    found = []
    for speed in (STANDARD, EXPRESS):
        at = desk.cart.asked.at
        way = _Way(desk, Ship.SHIP, speed, at, None)
        found += way.options()
    return found


def _sent_to_stores(desk: _Desk) -> list[Option]:
    found = []
    stores = [place for place in desk.house.places.values() if place.can_ship_to_store]
    for store in _nearest(stores, desk.cart.asked.at)[:NEAREST_STORES]:
        at = Point(store.lat, store.lng, "exact")
        found += _Way(desk, Ship.SHIP_TO_STORE, STANDARD, at, store).options(greenest=False)
    return found


def _nearest(stores: Iterable[Location], at: Point | None) -> list[Location]:
    return sorted(stores, key=lambda s: (0.0 if at is None else distance_km(s, at), s.code))


@dataclass
class _Way:
    """A cart on its way to one destination at one speed."""

    desk: _Desk
    method: str
    speed: str
    at: Point | None
    store: Location | None

    def options(self, *, greenest: bool = True) -> list[Option]:
        """The plan by the channel's rules, and the one of least CO2e where it is another."""
        services = self.desk.house.serving(self.speed)
        if not services:
            return []
        best = self._best(services)
        if best is None or not best.parcels or (best.missing and self.is_whole):
            return []
        found = [best]
        if greenest:
            green = self._plan(services, self._fitting()[0], green=True)
            better = green.kg_co2 <= best.kg_co2 * WORTH_OFFERING
            if better and len(green.missing) <= len(best.missing):
                found.append(green)
        return found

    @property
    def is_whole(self) -> bool:
        """Whether it leaves in one parcel or not at all."""
        return self.desk.cart.asked.ship_together

    def _best(self, services: tuple[engine.Service, ...]) -> Option | None:
        """By the first rule that fits; when it leaves something, by those it passes on to."""
        option = None
        for ruled in self._fitting():
            option = self._plan(services, ruled)
            if not option.missing or ruled.rule.otherwise != "next":
                break
        return option

    def _fitting(self) -> list[Ruled]:
        rules = self.desk.house.rules_of(self.desk.cart.channel.pk)
        return [one for one in rules if self.desk.cart.meets(one.rule, self.method, self.speed)]

    def _plan(
        self, services: tuple[engine.Service, ...], ruled: Ruled, *, green: bool = False
    ) -> Option:
        lat, lng = (self.at.lat, self.at.lng) if self.at else (None, None)
        to = engine.Destination(lat, lng, self.desk.cart.asked.country)
        policy = ruled.policy
        if green:
            policy = replace(
                policy, economic=0.0, logistical=0.0, retail=0.0, ecological=1.0,
                co2_price_per_kg=Decimal(1), sort=(),
            )  # fmt: skip
        if self.is_whole:
            policy = replace(policy, max_parcels=1, whole=True)
        network = self.desk.network(services, ruled, at=self.at, store=self.store)
        made = engine.route_in(network, self.desk.lines, to, policy).plan
        known = {service.key: service for service in services}
        parcels = tuple(self._parcel(one, known[one.service]) for one in made.parcels)
        return Option(
            self.method, self.speed, "greenest" if green else "cheapest", self.store, parcels,
            _missing(self.desk, parcels, at=self.at, speed=self.speed),
        )  # fmt: skip

    def _parcel(self, one: engine.Parcel, service: engine.Service) -> Parcel:
        desk, point = self.desk, self.desk.points[one.candidate]
        place = desk.house.places[one.candidate]
        km = promise.km(point, self.at)
        sku = {good.product: good.sku for good in desk.cart.goods}
        return Parcel(
            location=point.code, location_name=point.name,
            items=tuple((sku[product], units) for product, units in one.lines),
            service=service, km=one.km, leaves=desk.leaves[one.candidate][0],
            arrives=desk.arrives(one.candidate, service, km),
            shipping=price(service.tariff, km, one.weight_g),
            handling=_handling(place, len(one.lines)), kg_co2=one.kg_co2,
        )  # fmt: skip


def _within(free: Mapping[int, int], left: int | None, goods: Sequence[Good]) -> dict[int, int]:
    """Free units of a place; of a day limited in units no more than are left of it."""
    if left is None:
        return dict(free)
    found = {}
    for good in goods:
        found[good.product] = min(free.get(good.product, 0), good.units, left)
        left -= found[good.product]
    return found


def price(tariff: engine.Tariff, km: float, grams: int) -> Decimal:
    """What the tariff asks for a parcel, to the cent."""
    far, heavy = np.array([km]), np.array([float(grams)])
    grid = tariff.grid
    units = grid.by_weight(heavy)[grid.row_of(far)[0], 0] + grid.far(far)[0]
    return Decimal(round(float(units))).scaleb(-4).quantize(CENT)


def _handling(place: Location, lines: int) -> Decimal:
    return (place.handling_order + place.handling_line * lines).quantize(CENT)


# --- collected ------------------------------------------------------------------------------------


def _collected(desk: _Desk) -> list[Option]:
    """The nearest stores that have all of it on their shelf."""
    goods = desk.cart.goods
    if any(desk.cart.can_have(good) < good.units for good in goods):
        return []
    stores = [
        place
        for key, point in desk.points.items()
        if point.can_pickup and (place := desk.house.places.get(key))
        and _has_all(desk, key) and _takes(desk, key)
    ]  # fmt: skip
    return [
        _counter(desk, store) for store in _nearest(stores, desk.cart.asked.at)[:NEAREST_PICKUPS]
    ]


def _has_all(desk: _Desk, place: int) -> bool:
    free = desk.free[place]
    return all(free.get(good.product, 0) >= good.units for good in desk.cart.goods)


def _takes(desk: _Desk, place: int) -> bool:
    day = desk.cart.day(place, "pickup")
    units = sum(good.units for good in desk.cart.goods)
    return day.orders != 0 and (day.units is None or day.units >= units)


def _counter(desk: _Desk, store: Location) -> Option:
    leaves, local = desk.leaves[store.pk]
    point, at = desk.points[store.pk], desk.cart.asked.at
    parcel = Parcel(
        location=store.code, location_name=store.name,
        items=tuple((good.sku, good.units) for good in desk.cart.goods), service=None,
        km=None if at is None else distance_km(store, at), leaves=leaves,
        arrives=promise.ready(point, leaves, zone=local.tzinfo), shipping=NOTHING,
        handling=_handling(store, len(desk.cart.goods)), kg_co2=NOTHING,
    )  # fmt: skip
    today = leaves == local.date()
    return Option(Ship.PICKUP, STANDARD, "cheapest", store, (parcel,), (), today=today)


# --- what is missing ------------------------------------------------------------------------------


def _missing(
    desk: _Desk, parcels: Sequence[Parcel], *, at: Point | None, speed: str
) -> tuple[Missing, ...]:
    """Units that no parcel brings, and when supply does, where the channel promises that."""
    given: dict[str, int] = {}
    for parcel in parcels:
        for sku, units in parcel.items:
            given[sku] = given.get(sku, 0) + units
    wanted = [
        promise.Wanted(i, good.sku, good.units - given.get(good.sku, 0))
        for i, good in enumerate(desk.cart.goods)
        if given.get(good.sku, 0) < good.units
    ]
    if not wanted:
        return ()
    refuses = desk.cart.channel.on_shortage == SalesChannel.OnShortage.REFUSE
    shares, rest = ([], wanted) if refuses else share_out(wanted, desk.coming, None)
    return (
        *(
            Missing(
                want.sku, units,
                promise.arrival_of(one, at=at, now=desk.cart.now, speed=speed),
                one.reference, one.point.code,
            )
            for want, one, units in shares
        ),
        *(Missing(want.sku, want.quantity) for want in rest),
    )  # fmt: skip


# --- the token ------------------------------------------------------------------------------------


def _token(desk: _Desk, option: Option) -> str | None:
    """What the shop sends with the order; None: not everything has a day."""
    if option.until is None:
        return None
    cart = desk.cart
    return promise_tokens.sign(
        promise_tokens.Promised(
            channel=cart.channel.pk, method=option.method, service=option.speed,
            location=option.store.code if option.store else None, until=option.until,
            units=cart.units, basket=cart.asked.basket,
            parcels=tuple((desk.ids[p.location], p.items) for p in option.parcels),
            country=cart.asked.country if option.method == Ship.SHIP else "",
            postcode=cart.asked.postcode if option.method == Ship.SHIP else "",
        )
    )  # fmt: skip
