"""What a channel can promise: its pool's stock, less what orders already wait for."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple

from django.db import connection
from django.utils import timezone

from inventory import availability, history, supplies, waterfall
from inventory.availability import Availability, Place, Sellable
from inventory.models import PoolLocation, Product
from inventory.waterfall import Facts, Incoming, Step
from orders.models import Basket, ChannelStock, SalesChannel

# Units promised in queues: slices that hold no claim, by the pool they are to be served from.
# They are few among all that ever were, which PostgreSQL cannot know: it would join whole tables
# of history. So each is looked up by itself (OFFSET 0 keeps a part of a query as it is written).
WAITING = """
SELECT n.pool_id, n.product_id, sum(a.quantity)::int AS units
  FROM orders_allocation a
 CROSS JOIN LATERAL (
    SELECT c.pool_id, l.product_id
      FROM orders_orderline l
      JOIN orders_order o ON o.id = l.order_id AND NOT o.test
      JOIN orders_saleschannel c ON c.id = o.channel_id
     WHERE l.id = a.line_id OFFSET 0) n
 WHERE a.state = 'queued' AND a.reservation_id IS NULL
 GROUP BY n.pool_id, n.product_id
"""


class UnknownPlace(Exception):
    """The stock point is none of the channel's pool."""


def points(
    channel: SalesChannel, skus: Sequence[str], *, basket: Basket | None = None
) -> dict[str, Sellable]:
    """Where units for a new order of the channel may be claimed, and how many stay untouched.

    What the basket holds may be claimed, too.
    """
    own = None if basket is None else basket.pk
    return availability.points(pool=channel.pool_id, skus=skus, waiting=WAITING, basket=own)


def available(channel: SalesChannel, skus: Sequence[str]) -> list[Availability]:
    """What the channel can promise of these SKUs now; unknown SKUs are left out. One statement."""
    found = availability.available(pool=channel.pool_id, skus=skus, waiting=WAITING)
    return found if channel.active else [replace(row, places=()) for row in found]


# --- by place and by day -------------------------------------------------------------------------


class Spot(NamedTuple):
    """Units that can be promised from one stock point alone, and of these for pick-up there."""

    code: str
    available: int
    pickup: int


@dataclass(frozen=True)
class Offer:
    """Units of one SKU that can be promised in all, and from each stock point alone."""

    sku: str
    available: int
    spots: tuple[Spot, ...]

    def only(self, code: str) -> "Offer":
        """The offer of one stock point alone."""
        spots = tuple(spot for spot in self.spots if spot.code == code)
        return Offer(self.sku, sum(spot.available for spot in spots), spots)


def offers(
    channel: SalesChannel, skus: Sequence[str], *, location: str | None = None,
    on: date | None = None,
) -> list[Offer]:  # fmt: skip
    """What can be promised of each SKU: in all or from one stock point, now or until a day.

    `on` counts supply that can be worked on by that day, too: its date, the sender's usual
    lateness, and a day to put it away. Unknown SKUs are left out. Raises UnknownPlace.
    """
    if location is not None:
        _check_place(channel, location)
    found = available(channel, skus)
    coming = _coming(channel, found, on) if on is not None else {}
    made = [_offer(row, coming.get(row.sku, ())) for row in found]
    return made if location is None else [offer.only(location) for offer in made]


def _check_place(channel: SalesChannel, code: str) -> None:
    pool = PoolLocation.objects.filter(pool=channel.pool_id, location__code=code)
    if not pool.exists():
        raise UnknownPlace(code)


def _coming(
    channel: SalesChannel, found: Sequence[Availability], on: date
) -> dict[str, list[supplies.Coming]]:
    ready = defaultdict(list)
    for due in _supplies(channel, [row.product for row in found]):
        if _ready(due) <= on:
            ready[due.sku].append(due)
    return ready


def _supplies(channel: SalesChannel, products: Sequence[int]) -> list[supplies.Coming]:
    """Supplies with a date that the channel may promise from; a product not sold has none."""
    if not channel.active:
        return []
    sold = Product.objects.filter(pk__in=products, active=True).values_list("pk", flat=True)
    coming = supplies.coming(pool=channel.pool_id, products=list(sold))
    return [due for due in coming if due.eta is not None]


def _ready(due: supplies.Coming) -> date:
    ready = due.ready_at(timezone.now())
    return ready.date() if ready else date.max


def _offer(found: Availability, coming: Sequence[supplies.Coming]) -> Offer:
    places = _with_coming(found.places, coming) if coming else found.places
    total = max(sum(place.free for place in places) - found.kept, 0)
    spots = [
        Spot(code, units := min(free, total), units if can_pickup else 0)
        for code, free, can_pickup in places
    ]
    return Offer(found.sku, total, tuple(spots))


def _with_coming(places: Sequence[Place], coming: Sequence[supplies.Coming]) -> Sequence[Place]:
    known = {place.code: place for place in places}
    for due in coming:
        code = due.point.code
        free = known[code].free if code in known else 0
        known[code] = Place(code, free + due.room, due.point.can_pickup)
    return [known[code] for code in sorted(known)]


# --- explained -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """Units that can be promised in all from stock and what is due until a day."""

    day: date
    units: int


@dataclass(frozen=True)
class Explained:
    """Why a channel can promise what it can of a product, now or as of `at`."""

    channel: SalesChannel
    product: Product
    at: datetime | None
    facts: Facts
    steps: tuple[Step, ...]
    told: ChannelStock | None
    incoming: tuple[Incoming, ...]
    by_day: tuple[Due, ...]

    @property
    def available(self) -> int:
        """Units that can be promised."""
        return self.steps[-1].left


def explained(channel: SalesChannel, product: Product, *, at: datetime | None = None) -> Explained:
    """The waterfall of a product in a channel; of a past moment without what is on its way."""
    if at is not None:
        facts = _facts_at(channel, product, at)
        return Explained(channel, product, at, facts, waterfall.steps(facts), None, (), ())
    facts = Facts(
        rows=waterfall.rows_now(product=product.pk, pool=channel.pool_id),
        threshold=waterfall.threshold_now(product=product.pk, pool=channel.pool_id),
        waiting=_waiting_now(channel, product),
        sold=product.active and channel.active,
    )
    incoming = tuple(waterfall.incoming(product=product.pk, pool=channel.pool_id))
    told = ChannelStock.objects.filter(channel=channel, product=product).first()
    return Explained(
        channel, product, None, facts, waterfall.steps(facts), told, incoming,
        _by_day(channel, product, facts),
    )  # fmt: skip


def _by_day(channel: SalesChannel, product: Product, facts: Facts) -> tuple[Due, ...]:
    """What can be promised until each day on which units of a supply can be worked on."""
    total = sum(row.free for row in facts.rows) - facts.threshold - facts.waiting
    found: dict[date, int] = {}
    for due in sorted(_supplies(channel, [product.pk]), key=_ready):
        total += due.room
        found[_ready(due)] = max(total, 0)
    return tuple(Due(day, units) for day, units in found.items())


def _waiting_now(channel: SalesChannel, product: Product) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT units FROM ({WAITING}) w WHERE pool_id = %s AND product_id = %s",
            [channel.pool_id, product.pk],
        )
        found = cursor.fetchone()
    return found[0] if found else 0


# --- as of any moment ----------------------------------------------------------------------------

# The history of a slice begins when it waits without a claim; where it ends, data is null.
_CHANNEL_AT = """
SELECT (data ->> 'pool_id')::bigint, (data ->> 'active')::bool FROM inventory_settinghistory
 WHERE "table" = 'orders_saleschannel' AND row_id = %(channel)s AND at <= %(at)s
 ORDER BY at DESC, id DESC LIMIT 1
"""
_WAITING_AT = """
SELECT coalesce(sum((was.data ->> 'units')::int), 0)::int
  FROM (SELECT DISTINCT row_id FROM inventory_settinghistory
         WHERE "table" = 'orders_allocation' AND data ->> 'product_id' IS NOT NULL
           AND (data ->> 'product_id')::bigint = %(product)s AND at <= %(at)s) known
 CROSS JOIN LATERAL (
    SELECT data FROM inventory_settinghistory
     WHERE "table" = 'orders_allocation' AND row_id = known.row_id AND at <= %(at)s
     ORDER BY at DESC, id DESC LIMIT 1) was
 CROSS JOIN LATERAL (
    SELECT data FROM inventory_settinghistory
     WHERE "table" = 'orders_saleschannel' AND row_id = (was.data ->> 'channel_id')::bigint
       AND at <= %(at)s ORDER BY at DESC, id DESC LIMIT 1) channel
 WHERE (channel.data ->> 'pool_id')::bigint = %(pool)s
"""


def _facts_at(channel: SalesChannel, product: Product, at: datetime) -> Facts:
    with connection.cursor() as cursor:
        cursor.execute(_CHANNEL_AT, {"channel": channel.pk, "at": at})
        found = cursor.fetchone()
        if found is None:  # there was no such channel yet
            return Facts((), 0, 0, sold=False)
        pool, active = found
        cursor.execute(_WAITING_AT, {"product": product.pk, "pool": pool, "at": at})
        waiting = cursor.fetchone()[0]
    facts = history.facts_at(product=product.pk, pool=pool, at=at, waiting=waiting)
    return facts if active else replace(facts, sold=False)
