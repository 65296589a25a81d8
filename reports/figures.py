"""One function per figure. Each says its formula; every number can be opened to its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

from routing import queues

FORMULAS: dict[str, str] = {
    "orders": "orders placed on the day, by the company's time zone; test orders are left out",
    "units": "units ordered in those orders, whatever became of them",
    "value": "totals of those orders in their currency, tax and shipping included",
    "fill_rate": "units handed over ÷ (units handed over + units refused) by the stock point",
    "refused": "units the stock point refused, by the day of the refusal",
}


@dataclass(frozen=True)
class Tile:
    """One stage of the funnel: how many orders are in it, and since when the oldest.

    Units that a rule leaves to the next run, or that a hold keeps, do not age: `oldest` is None
    when nothing else waits to be routed.
    """

    stage: str
    orders: int
    oldest: datetime | None


# Everything here reads open slices by partial indexes; history is not scanned. What waits for a run
# has a time until which that must have come, and is overdue from then on.
_FUNNEL = """
SELECT CASE WHEN queue = 'unfillable' THEN 'unfillable' WHEN queue = 'pickup_refused'
            THEN 'pickup_refused' WHEN queue = 'routing' THEN 'to_route'
            WHEN queue = 'backorder' THEN 'awaited'
            WHEN state = 'allocated' THEN 'routed' WHEN state IN ('accepted', 'picked')
            THEN 'picking' WHEN state IN ('packed', 'ready') THEN 'packed' END AS stage,
       count(DISTINCT order_id), min(since) FILTER (WHERE queue <> 'routing'
           OR (queue_reason <> %(for_run)s OR next_action_at <= %(now)s) AND NOT EXISTS (
               SELECT 1 FROM orders_hold h
                WHERE h.order_id = a.order_id AND h.state = 'open' AND 'route' = ANY(h.blocks)
                  AND (h.slices = '{}' OR a.id = ANY(h.slices))))
  FROM orders_allocation a
 WHERE state NOT IN ('shipped', 'delivered', 'collected', 'canceled')
 GROUP BY 1
UNION ALL
SELECT 'on_hold', count(DISTINCT order_id), min(placed_at) FROM orders_hold WHERE state = 'open'
UNION ALL
SELECT 'cancel_asked', count(DISTINCT order_id), min(cancel_requested_at) FROM orders_allocation
 WHERE cancel_requested_at IS NOT NULL
UNION ALL
SELECT 'shipped_today', count(DISTINCT order_id), min(shipped_at) FROM fulfillment_parcel
 WHERE shipped_at >= %(midnight)s
"""
FUNNEL = ("to_route", "awaited", "routed", "picking", "packed", "shipped_today", "unfillable",
          "on_hold", "pickup_refused", "cancel_asked")  # fmt: skip


def funnel(*, now: datetime) -> list[Tile]:
    """Where the orders are, in one statement; every stage is there, also with nothing in it."""
    zone = ZoneInfo(settings.COMPANY_TIME_ZONE)
    midnight = datetime.combine(now.astimezone(zone).date(), time.min, zone)
    with connection.cursor() as cursor:
        cursor.execute(_FUNNEL, {"midnight": midnight, "now": now, "for_run": queues.FOR_RUN})
        found = {stage: (count, oldest) for stage, count, oldest in cursor.fetchall()}
    return [Tile(stage, *found.get(stage, (0, None))) for stage in FUNNEL]


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both included, in the company's time zone."""

    first: date
    last: date

    @property
    def start(self) -> datetime:
        """The first moment of the period."""
        return datetime.combine(self.first, time.min, ZoneInfo(settings.COMPANY_TIME_ZONE))

    @property
    def end(self) -> datetime:
        """The first moment after the period."""
        day = self.last + timedelta(days=1)
        return datetime.combine(day, time.min, ZoneInfo(settings.COMPANY_TIME_ZONE))

    @property
    def days(self) -> list[date]:
        """Every day, oldest first."""
        count = (self.last - self.first).days + 1
        return [self.first + timedelta(days=i) for i in range(count)]


@dataclass(frozen=True)
class Sales:
    """Orders of one channel, day and currency."""

    day: date
    channel_id: int
    channel: str
    currency: str
    orders: int
    units: int
    value: Decimal


_SALES = """
SELECT (o.placed_at AT TIME ZONE %(zone)s)::date, c.id, c.name, o.currency, count(*),
       coalesce(sum(l.units), 0), sum(o.total)
  FROM orders_order o JOIN orders_saleschannel c ON c.id = o.channel_id
  JOIN LATERAL (SELECT sum(quantity) AS units FROM orders_orderline WHERE order_id = o.id) l ON true
 WHERE o.placed_at >= %(start)s AND o.placed_at < %(end)s AND NOT o.test
 GROUP BY 1, 2, 3, 4 ORDER BY 1 DESC, 3, 4
"""


def sales(period: Period) -> list[Sales]:
    """Orders, units and value per channel and day; newest day first."""
    return [Sales(*row) for row in _rows(_SALES, period)]


@dataclass(frozen=True)
class Service:
    """How a stock point served in a period."""

    location_id: int
    code: str
    name: str
    handed_over: int
    refused: int
    refusals: int

    @property
    def fill_rate(self) -> float | None:
        """Units handed over ÷ (handed over + refused); None when nothing was asked of it."""
        asked = self.handed_over + self.refused
        return self.handed_over / asked if asked else None


_SERVICE = """
SELECT l.id, l.code, l.name, coalesce(p.units, 0), coalesce(r.units, 0), coalesce(r.count, 0)
  FROM inventory_location l
  LEFT JOIN (SELECT p.location_id, sum(x.quantity) AS units FROM fulfillment_parcel p
               JOIN fulfillment_parcelline x ON x.parcel_id = p.id
              WHERE p.shipped_at >= %(start)s AND p.shipped_at < %(end)s GROUP BY 1) p
    ON p.location_id = l.id
  LEFT JOIN (SELECT location_id, sum(quantity) AS units, count(*) AS count FROM routing_refusal
              WHERE at >= %(start)s AND at < %(end)s GROUP BY 1) r ON r.location_id = l.id
 WHERE p.units IS NOT NULL OR r.units IS NOT NULL
 ORDER BY coalesce(r.units, 0) DESC, coalesce(p.units, 0) DESC, l.code
"""


def service(period: Period) -> list[Service]:
    """Fill rate and refusals per stock point; those that refused most first."""
    return [Service(*row) for row in _rows(_SERVICE, period)]


def _rows(sql: str, period: Period) -> Sequence[tuple]:
    params = {"start": period.start, "end": period.end, "zone": settings.COMPANY_TIME_ZONE}
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()
