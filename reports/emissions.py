"""CO2e of what left in a period: planned beside actual, by channel, stock point and carrier."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection

from fulfillment.models import Parcel
from reports.figures import Period
from routing import emissions
from routing.models import EmissionFactor

FORMULAS: dict[str, str] = {
    "parcels": "parcels handed to a carrier or over the counter on a day of the period, by the"
               " company's time zone; test orders are left out",
    "planned": "kg CO₂e of the plan that the routing decision made, by the service and the weights"
               " it counted with",
    "actual": f"{emissions.FORMULA}, by the service of the carrier that took it, its weight and the"
              " distance to where it went; the carrier's own figure where it told one; 0 for what"
              " was collected over the counter",
    "unknown": "parcels without a figure, because no place or service was known when they left;"
               " they are in no sum of kg",
}  # fmt: skip
GROUPS = {  # what a table is by -> (id, words) of a parcel p of order o at stock point l
    "channel": ("c.id::text", "c.name"),
    "location": ("l.id::text", "l.name"),
    "carrier": ("p.carrier", "coalesce(nullif(p.carrier, ''), 'over the counter')"),
}
MOST_ORDERS = 20


@dataclass(frozen=True)
class Co2:
    """Parcels of one group; kg of those that have a figure."""

    key: str
    words: str
    orders: int
    parcels: int
    planned: float
    actual: float
    unknown: int
    both_planned: float  # of parcels that have both figures, for the comparison
    both_actual: float

    @property
    def per_parcel(self) -> float | None:
        """kg of a parcel with a figure, on average."""
        known = self.parcels - self.unknown
        return self.actual / known if known else None

    @property
    def per_order(self) -> float | None:
        """kg of an order, on average, when all its parcels have a figure."""
        return self.actual / self.orders if self.orders and not self.unknown else None

    @property
    def over_plan(self) -> float | None:
        """By which share the actual figure is above the plan, where both are known."""
        if not self.both_planned:
            return None
        return self.both_actual / self.both_planned - 1


_ROWS = """
  FROM fulfillment_parcel p
  JOIN orders_order o ON o.id = p.order_id
  JOIN orders_saleschannel c ON c.id = o.channel_id
  JOIN inventory_location l ON l.id = p.location_id
 WHERE p.shipped_at >= %(start)s AND p.shipped_at < %(end)s AND NOT o.test
"""
_SUMS = """
       count(DISTINCT p.order_id), count(*), coalesce(sum(p.kg_co2_planned), 0),
       coalesce(sum(p.kg_co2), 0), count(*) FILTER (WHERE p.kg_co2 IS NULL),
       coalesce(sum(p.kg_co2_planned) FILTER (WHERE p.kg_co2 IS NOT NULL), 0),
       coalesce(sum(p.kg_co2) FILTER (WHERE p.kg_co2_planned IS NOT NULL), 0)
"""


def total(period: Period) -> Co2:
    """All that left in the period."""
    return _read(f"SELECT '', 'all', {_SUMS} {_ROWS}", period)[0]


def by(group: str, period: Period) -> list[Co2]:
    """Per channel, location or carrier, most kg first. Raises KeyError for another group."""
    key, words = GROUPS[group]
    return _read(f"SELECT {key}, {words}, {_SUMS} {_ROWS} GROUP BY 1, 2 ORDER BY 6 DESC, 2", period)


def orders(period: Period) -> list[Co2]:
    """The orders whose parcels emitted most."""
    return _read(
        f"SELECT o.id::text, o.external_id, {_SUMS} {_ROWS} GROUP BY 1, 2"
        f" ORDER BY 6 DESC, 1 LIMIT {MOST_ORDERS}",
        period,
    )


def sources() -> list[EmissionFactor]:
    """The factors that the figures are made from, with where they come from."""
    return list(EmissionFactor.objects.all())


def parcels(period: Period) -> Iterator[Parcel]:
    """The parcels behind the figures, oldest first, read while they are asked for."""
    left = Parcel.objects.filter(
        shipped_at__gte=period.start, shipped_at__lt=period.end, order__test=False
    )
    rows = left.select_related("order__channel", "location").order_by("shipped_at", "id")
    return rows.iterator(chunk_size=1000)


def _read(sql: str, period: Period) -> list[Co2]:
    with connection.cursor() as cursor:
        cursor.execute(sql, _params(period))
        return [Co2(*row) for row in cursor.fetchall()]


def _params(period: Period) -> dict[str, Any]:
    return {"start": period.start, "end": period.end}
