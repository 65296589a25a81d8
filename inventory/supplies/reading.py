"""What can be promised from supplies, and in words what a change of one would do."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from inventory import hours
from inventory.availability import StockPoint
from inventory.models import Supply

PUT_AWAY = timedelta(days=1)  # from arrival until a parcel can be made of it


@dataclass(frozen=True)
class Coming:
    """A supply with units left to promise; `late` is the sender's usual lateness in days.

    `point` is where it arrives. Without `eta` nobody knows when.
    """

    supply: int
    sku: str
    reference: str
    room: int
    eta: date | None
    late: int
    point: StockPoint

    def ready_at(self, now: datetime) -> datetime | None:
        """When its units can be worked on: the date, never before today, the usual lateness and
        a day to put them away."""
        if self.eta is None:
            return None
        zone = ZoneInfo(self.point.timezone)
        first = max(self.eta, now.astimezone(zone).date())
        return datetime.combine(first + timedelta(days=self.late) + PUT_AWAY, time.min, zone)


_READ = f"""
WITH special AS MATERIALIZED ({hours.SPECIAL})
SELECT s.id, p.sku, s.reference, s.quantity - s.received - s.claimed, s.eta,
       coalesce(v.days_late_p80, 0), s.product_id, l.id, l.code, l.name, l.is_central, l.lat,
       l.lng, l.timezone, l.cutoff, l.lead_days, l.can_ship, l.can_pickup, {hours.CALENDAR}
  FROM inventory_supply s
  JOIN inventory_product p ON p.id = s.product_id
  JOIN inventory_location l ON l.id = s.location_id
  LEFT JOIN inventory_supplier v ON v.location_id = s.supplier_id
"""
_PLACE = ("code", "name", "is_central", "lat", "lng", "timezone", "cutoff", "lead_days",
          "can_ship", "can_pickup", "calendar")  # fmt: skip
_COMING = f"""{_READ}
  JOIN inventory_poollocation m ON m.location_id = s.location_id AND m.pool_id = %(pool)s
 WHERE s.state = 'open' AND s.promisable AND s.product_id = ANY(%(products)s)
   AND l.active AND l.online AND s.quantity - s.received - s.claimed > 0
 ORDER BY s.eta NULLS LAST, s.id
"""


def coming(*, pool: int, products: Sequence[int]) -> list[Coming]:
    """What the pool can promise of these products from supplies, the earliest first."""
    return _read(_COMING, pool=pool, products=list(products))


def supplies(ids: Collection[int]) -> dict[int, Coming]:
    """These supplies, whatever is left of them."""
    found = _read(f"{_READ} WHERE s.id = ANY(%(ids)s)", ids=list(ids))
    return {one.supply: one for one in found}


def _read(sql: str, **params: Any) -> list[Coming]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {**params, "today": timezone.now().date()})
        return [_coming(row) for row in cursor.fetchall()]


def _coming(row: tuple) -> Coming:
    supply, sku, reference, room, eta, late, product, location, *place = row
    where: dict[str, Any] = dict(zip(_PLACE, place, strict=True))
    point = StockPoint(product=product, location=location, free=room, **where)
    return Coming(supply, sku, reference, room, eta, ceil(late), point)


_LOSING = """
SELECT count(DISTINCT owner_id), coalesce(sum(least(quantity, %(over)s - newer)), 0) FROM (
    SELECT owner_id, quantity,
           sum(quantity) OVER (ORDER BY owner_id DESC, id DESC) - quantity AS newer
      FROM inventory_reservation WHERE supply_id = %(supply)s) AS claim
 WHERE newer < %(over)s
"""


def words_of_change(supply: Supply, *, quantity: int | None = None, eta: date | None = None) -> str:
    """Who is hit when the supply gets this quantity or date, before it does."""
    said = []
    left = max((supply.quantity if quantity is None else quantity) - supply.received, 0)
    over = supply.claimed - left
    if over > 0:
        with connection.cursor() as cursor:
            cursor.execute(_LOSING, {"supply": supply.pk, "over": over})
            orders, units = cursor.fetchone()
        owner = f"{supply.owner} looks after them" if supply.owner else "nobody owns this line yet"
        said.append(
            f"{_count(orders, 'order')} {'loses' if orders == 1 else 'lose'}"
            f" {_count(units, 'unit')}, the newest first; what no other stock or supply covers"
            f" becomes unfillable; {owner}."
        )
    if eta and supply.eta and eta != supply.eta and supply.claimed:
        days = abs((eta - supply.eta).days)
        said.append(
            f"{_count(supply.claimed, 'promised unit')} would come {_count(days, 'day')}"
            f" {'later' if eta > supply.eta else 'earlier'}; customers whose date moves are told"
            " once."
        )
    return " ".join(said) or "No promise is hit."


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
