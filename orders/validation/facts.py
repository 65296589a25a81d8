"""What checks must know beside the order itself, read in one statement for any number of orders.

Looks at the newest orders of a person only, so its cost does not grow with their history.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from psycopg.types.json import Jsonb

from orders.models import Order, SalesChannel

PEOPLE, BASKETS, PRODUCTS = "people", "baskets", "products"  # kinds of facts
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NEWEST = 50  # orders of an e-mail address, phone number or address that are looked at

_FACTS = """
WITH given AS (
    SELECT * FROM jsonb_to_recordset(%(given)s) AS g(n int, at timestamptz, email text, phone text,
        line1 text, postcode text, external_id text)
), seen AS (
    SELECT g.n, 'email' AS by, c.order_id FROM given g CROSS JOIN LATERAL (
        SELECT order_id FROM orders_ordercontact
         WHERE email = g.email ORDER BY order_id DESC LIMIT %(newest)s) c
     WHERE g.email <> ''
    UNION ALL
    SELECT g.n, 'phone', c.order_id FROM given g CROSS JOIN LATERAL (
        SELECT order_id FROM orders_ordercontact
         WHERE phone_key = g.phone AND phone_key <> '' ORDER BY order_id DESC LIMIT %(newest)s) c
     WHERE g.phone <> ''
    UNION ALL
    SELECT g.n, 'address', c.order_id FROM given g CROSS JOIN LATERAL (
        SELECT order_id FROM orders_ordercontact
         WHERE lower(line1) = g.line1 AND postcode = g.postcode AND line1 <> ''
         ORDER BY order_id DESC LIMIT %(newest)s) c
     WHERE g.line1 <> ''
), earlier AS (
    SELECT s.n, s.by, o.id, o.state, g.at - o.placed_at AS ago
      FROM seen s JOIN given g USING (n) JOIN orders_order o ON o.id = s.order_id
     WHERE NOT o.test AND o.id < coalesce(%(own)s::bigint, o.id + 1)
       AND NOT (o.channel_id = %(channel)s AND o.external_id = g.external_id)
)
SELECT 'people', n, by, count(*) FILTER (WHERE ago >= interval '0' AND ago < interval '1 hour'),
       count(*) FILTER (WHERE ago >= interval '0' AND ago < interval '1 day'), NULL::jsonb
  FROM earlier GROUP BY n, by
UNION ALL
SELECT 'baskets', e.n, NULL, e.id, NULL, jsonb_object_agg(b.sku, b.units)
  FROM (SELECT DISTINCT n, id FROM earlier
         WHERE by <> 'address' AND state <> 'canceled'
           AND ago BETWEEN - make_interval(hours => %(hours)s)
                       AND make_interval(hours => %(hours)s)) e
 CROSS JOIN LATERAL (
    SELECT sku, sum(quantity) AS units
      FROM (SELECT sku, quantity FROM orders_orderline WHERE order_id = e.id AND bundle_id IS NULL
            UNION ALL SELECT sku, quantity FROM orders_orderbundle WHERE order_id = e.id) x
     GROUP BY sku) b
 WHERE %(hours)s > 0
 GROUP BY e.n, e.id
UNION ALL
SELECT 'products', NULL, p.sku, NULL, NULL, jsonb_build_object('price', p.price::text,
       'age_limit', greatest(p.age_limit, c.age_limit),
       'dangerous_goods', coalesce(nullif(p.dangerous_goods, ''), c.dangerous_goods, ''))
  FROM inventory_product p
  LEFT JOIN LATERAL (
    SELECT max(q.age_limit) AS age_limit,
           string_agg(DISTINCT nullif(q.dangerous_goods, ''), ', ') AS dangerous_goods
      FROM inventory_bundlecomponent b JOIN inventory_product q ON q.id = b.product_id
     WHERE b.bundle_id = p.id) c ON p.is_bundle
 WHERE p.sku = ANY(%(skus)s)
 ORDER BY 1, 2, 3, 4
"""


class Listed(NamedTuple):
    """A product as we list it; a bundle has the strictest limits of its components."""

    price: Decimal
    age_limit: int | None
    dangerous_goods: str


@dataclass
class Facts:
    """What is known around one order. Empty where no enabled check asked."""

    currency: str  # of the channel's prices
    recent: dict[str, tuple[int, int]] = field(default_factory=dict)  # by: within hour, within day
    first: bool = False  # nobody with this e-mail address ordered before
    same_basket: list[str] = field(default_factory=list)  # what other orders are called
    products: Mapping[str, Listed] = field(default_factory=dict)


@dataclass(frozen=True)
class _Asked:
    """An order as its person and its basket are compared."""

    external_id: str
    at: datetime
    email: str
    phone: str  # as OrderContact.phone_key
    line1: str
    postcode: str
    basket: Mapping[str, int]
    test: bool

    def in_common(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """What other orders may have in common with it."""
        if self.email:
            yield "email", (self.email,)
        if self.phone:
            yield "phone", (self.phone,)
        if self.line1:
            yield "address", (self.line1, self.postcode)


def gather(
    channel: SalesChannel,
    orders: Sequence[Mapping[str, Any]],
    kinds: frozenset[str],
    *,
    hours: int,
    now: datetime,
    own: int | None = None,
) -> list[Facts]:
    """The facts of the given kinds for each order. No statement when there are no kinds.

    `hours` is how far back the same basket is looked for. `own` is the id when the one order is
    stored already: then only orders before it count.
    """
    if not kinds:
        return [Facts(channel.currency)] * len(orders)
    asked = [_asked(order, now) for order in orders]
    people = kinds & {PEOPLE, BASKETS}
    rows = _read(channel, asked if people else [], orders if PRODUCTS in kinds else [],
                 hours=hours if BASKETS in kinds else 0, own=own)  # fmt: skip
    products = {
        sku: Listed(Decimal(row["price"]), row["age_limit"], row["dangerous_goods"])
        for kind, _, sku, _, _, row in rows
        if kind == PRODUCTS
    }
    facts = [Facts(channel.currency, first=bool(one.email), products=products) for one in asked]
    if people:
        _add_stored(facts, asked, rows)
        _add_same_call(facts, asked, hours=hours if BASKETS in kinds else 0)
    return facts


def _asked(order: Mapping[str, Any], now: datetime) -> _Asked:
    address, customer = order["shipping_address"] or {}, order["customer"]
    digits = "".join(c for c in address.get("phone") or customer["phone"] if "0" <= c <= "9")
    believable = len(digits) > 6 and len(set(digits)) > 2  # not 0000000
    basket: Counter[str] = Counter()
    for line in order["line_items"]:
        basket[line["sku"]] += line["quantity"]
    return _Asked(
        external_id=order["external_id"], at=order["placed_at"] or now,
        email=customer["email"].lower(), phone=digits[::-1] if believable else "",
        line1=address.get("line1", "").lower(), postcode=address.get("postcode", ""),
        basket=basket, test=order["test"],
    )  # fmt: skip


def _read(
    channel: SalesChannel,
    asked: Sequence[_Asked],
    orders: Sequence[Mapping[str, Any]],
    *,
    hours: int,
    own: int | None,
) -> list[Any]:
    given: Any = Jsonb([
        {"n": n, "at": one.at.isoformat(), "external_id": one.external_id, "email": one.email,
         "phone": one.phone, "line1": one.line1, "postcode": one.postcode}
        for n, one in enumerate(asked)
    ])  # fmt: skip
    skus = sorted({line["sku"] for order in orders for line in order["line_items"]})
    with connection.cursor() as cursor:
        cursor.execute(_FACTS, {"given": given, "newest": NEWEST, "own": own, "hours": hours,
                                "channel": channel.pk, "skus": skus})  # fmt: skip
        return [(*row, document and json.loads(document)) for *row, document in cursor.fetchall()]


def _add_stored(facts: Sequence[Facts], asked: Sequence[_Asked], rows: Sequence[Any]) -> None:
    for kind, n, by, a, b, basket in rows:
        if kind == PEOPLE:
            facts[n].recent[by] = (a, b)
            facts[n].first = facts[n].first and by != "email"
        elif kind == BASKETS and basket == asked[n].basket:
            facts[n].same_basket.append(Order(pk=a).number)


def _add_same_call(facts: Sequence[Facts], asked: Sequence[_Asked], *, hours: int) -> None:
    """Orders that came earlier in the same call are not stored yet, but count the same."""
    before: dict[tuple[str, tuple[str, ...]], list[_Asked]] = {}
    for found, one in zip(facts, asked, strict=True):
        repeated: set[str] = set()
        for by, key in one.in_common():
            others = before.setdefault((by, key), [])
            _count(found, by, one, others[-NEWEST:])
            if by != "address" and hours:
                repeated |= {other.external_id for other in others[-NEWEST:]
                             if _repeats(one, other, hours=hours)}  # fmt: skip
            if not one.test:
                others.append(one)
        found.same_basket += sorted(repeated)


def _count(found: Facts, by: str, one: _Asked, others: Sequence[_Asked]) -> None:
    ages = [one.at - other.at for other in others]
    hour, day = found.recent.get(by, (0, 0))
    found.recent[by] = (
        hour + sum(timedelta(0) <= age < HOUR for age in ages),
        day + sum(timedelta(0) <= age < DAY for age in ages),
    )
    found.first = found.first and not (by == "email" and others)


def _repeats(one: _Asked, other: _Asked, *, hours: int) -> bool:
    return one.basket == other.basket and abs(one.at - other.at) <= timedelta(hours=hours)
