"""A cart and what is known around it, read in two statements: goods and days, then stock."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from config.geo import Point
from inventory.availability import Sellable
from orders import offer
from orders.models import Basket, SalesChannel
from routing import capacity
from routing.models import Rule


class UnknownGoods(Exception):
    """No active product has these SKUs; `places` are their places in the cart."""

    def __init__(self, places: Sequence[int]) -> None:
        self.places = list(places)
        super().__init__(f"items {self.places}")


@dataclass(frozen=True)
class Asked:
    """What a shop asks: (its SKU, units) of each item, where to, and whose basket."""

    items: tuple[tuple[str, int], ...]
    country: str
    postcode: str
    region: str
    at: Point | None
    basket: UUID | None = None
    value: Decimal | None = None
    ship_together: bool = False  # in one parcel or not at all


@dataclass(frozen=True)
class Good:
    """Units of one stocked product that the cart holds; components of kits stand for themselves."""

    product: int
    sku: str
    units: int
    weight_g: int
    price: Decimal
    category: str
    dangerous: bool


@dataclass(frozen=True)
class Day:
    """What of a stock point's day is left for a delivery: None is no limit; `load` 0 to 1."""

    orders: int | None = None
    units: int | None = None
    load: float = 0.0


FREE_DAY = Day()


@dataclass(frozen=True)
class Cart:
    """A cart at one moment. `over` are units above target, by (stock point, product)."""

    channel: SalesChannel
    asked: Asked
    now: datetime
    goods: tuple[Good, ...]
    sellable: Mapping[str, Sellable]
    over: Mapping[tuple[int, int], int] = field(repr=False)
    days: Mapping[tuple[int, str], Day] = field(repr=False)  # (stock point, delivery)

    @property
    def value(self) -> Decimal:
        """What the shop says it is worth, else by our prices."""
        worth = sum((good.price * good.units for good in self.goods), Decimal(0))
        return worth if self.asked.value is None else self.asked.value

    @property
    def units(self) -> dict[str, int]:
        """Units by our SKU."""
        return {good.sku: good.units for good in self.goods}

    def can_have(self, good: Good) -> int:
        """Units of a good that stock can promise in all."""
        return min(good.units, self.sellable[good.sku].available)

    def meets(self, rule: Rule, method: str, speed: str) -> bool:
        """Whether a rule is for the order that the cart would become.

        A cart has no customer, no tags and no promise yet: rules that ask for them are for others.
        """
        countries = {country.lower() for country in rule.countries}
        regions = {region.lower() for region in rule.regions}
        return all([
            not rule.channel_kinds or self.channel.kind in rule.channel_kinds,
            not rule.deliveries or method in rule.deliveries,
            not rule.services or speed in rule.services,
            rule.min_total is None or self.value >= rule.min_total,
            rule.max_total is None or self.value <= rule.max_total,
            not countries or self.asked.country.lower() in countries,
            not regions or self.asked.region.lower() in regions,
            not rule.categories or any(good.category in rule.categories for good in self.goods),
            not rule.tiers and not rule.tags_any and rule.promised_within_days is None,
        ])  # fmt: skip

    def day(self, place: int, delivery: str) -> Day:
        """What is left of a stock point's day."""
        return self.days.get((place, delivery), FREE_DAY)


# The cart's SKUs in our words (kits as their components), the basket, what is above target in the
# channel's pool, and what is given away of the day of stock points that have a limit.
_FACTS = f"""
WITH asked AS (
    SELECT u.n, coalesce(p.sku, u.sku) AS sku, u.units
      FROM unnest(%(skus)s::text[], %(units)s::int[]) WITH ORDINALITY AS u(sku, units, n)
      LEFT JOIN orders_channelsku c
             ON %(own)s AND c.channel_id = %(channel)s AND c.sku = u.sku
      LEFT JOIN inventory_product p ON p.id = c.product_id
), found AS (
    SELECT a.n, a.units, p.id, p.is_bundle FROM asked a
      JOIN inventory_product p ON p.sku = a.sku AND p.active
), item AS (
    SELECT n, id, units FROM found WHERE NOT is_bundle
     UNION ALL
    SELECT f.n, b.product_id, f.units * b.quantity FROM found f
      JOIN inventory_bundlecomponent b ON b.bundle_id = f.id WHERE f.is_bundle
), good AS (
    SELECT min(i.n) AS n, p.id, p.sku, sum(i.units)::int AS units, p.weight_g, p.price::text,
           p.category, p.dangerous_goods <> '' AS dangerous
      FROM item i JOIN inventory_product p ON p.id = i.id AND p.active GROUP BY p.id
), place AS (
    SELECT l.id, d.method, y.day, c.orders, c.units, c.shared
      FROM inventory_poollocation m
      JOIN inventory_location l ON l.id = m.location_id AND l.active AND l.online
     CROSS JOIN (VALUES ('ship'), ('pickup')) AS d(method)
     CROSS JOIN LATERAL (SELECT (%(now)s::timestamptz AT TIME ZONE l.timezone)::date AS day) AS y
     CROSS JOIN LATERAL inventory_capacity_of(l.id, y.day, d.method) AS c
     WHERE m.pool_id = %(pool)s
       AND (l.capacity_per_day IS NOT NULL
            OR EXISTS (SELECT 1 FROM inventory_capacity x WHERE x.location_id = l.id))
), given AS (
    SELECT c.location_id, c.method, c.orders, c.units, load.orders AS gone, load.units AS out
      FROM (SELECT id AS location_id, method, method AS delivery, day, orders, units, shared,
                   1 AS more_orders, (SELECT sum(units) FROM good) AS more
              FROM place WHERE orders IS NOT NULL OR units IS NOT NULL) AS c
     CROSS JOIN {capacity.LOAD} AS load
)
SELECT (SELECT json_agg(json_build_array(id, sku, units, weight_g, price, category, dangerous)
                        ORDER BY n, id) FROM good)::text,
       (SELECT json_agg(n) FROM (SELECT i.n FROM item i JOIN inventory_product p ON p.id = i.id
                                  GROUP BY i.n HAVING bool_and(p.active)) AS whole)::text,
       (SELECT b.id FROM orders_basket b WHERE b.token = %(basket)s::uuid
           AND b.channel_id = %(channel)s AND b.expires_at > now()),
       (SELECT json_agg(json_build_array(s.location_id, s.product_id, o.units))
          FROM inventory_poollocation m
          JOIN inventory_stock s ON s.location_id = m.location_id
           AND s.product_id IN (SELECT id FROM good)
         CROSS JOIN LATERAL (
               SELECT s.on_hand - s.unavailable - s.reserved - s.target AS units) o
         WHERE m.pool_id = %(pool)s AND o.units > 0)::text,
       (SELECT json_agg(g) FROM given g)::text
"""


def read(channel: SalesChannel, asked: Asked, *, now: datetime) -> Cart:
    """Everything about a cart. Two statements. Raises UnknownGoods."""
    params: dict[str, Any] = {
        "skus": [sku for sku, _ in asked.items], "units": [units for _, units in asked.items],
        "own": channel.own_skus, "channel": channel.pk, "pool": channel.pool_id,
        "basket": asked.basket, "now": now,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, params)
        goods, known, basket, over, days = cursor.fetchone()
    places = set(json.loads(known or "[]"))
    unknown = [i for i in range(len(asked.items)) if i + 1 not in places]
    if unknown:
        raise UnknownGoods(unknown)
    found = tuple(_good(*row) for row in json.loads(goods))
    skus = sorted(good.sku for good in found)
    return Cart(
        channel=channel, asked=asked, now=now, goods=found,
        sellable=offer.points(channel, skus, basket=Basket(pk=basket) if basket else None),
        over={(place, product): units for place, product, units in json.loads(over or "[]")},
        days={(row["location_id"], row["method"]): _day(row) for row in json.loads(days or "[]")},
    )  # fmt: skip


def _good(product: int, sku: str, units: int, weight_g: int, price: str, *rest: Any) -> Good:
    category, dangerous = rest
    return Good(product, sku, units, weight_g, Decimal(price), category, dangerous)


def _day(row: Mapping[str, Any]) -> Day:
    shares = [
        row[given] / row[most] if row[most] else 1.0
        for most, given in (("orders", "gone"), ("units", "out"))
        if row[most] is not None
    ]
    return Day(
        orders=None if row["orders"] is None else max(row["orders"] - row["gone"], 0),
        units=None if row["units"] is None else max(row["units"] - row["out"], 0),
        load=min(max(shares, default=0.0), 1.0),
    )
