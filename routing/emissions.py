"""CO2e of parcels: what the decision planned, and what came of it when they left.

One formula for both (engine.Emission has its source):

    kg = fixed + tonnes x detour x (last mile's factor x first km + linehaul's x the other km)

Planned is by the plan's service and weights; actual is by who took the parcel, by its weight when
somebody weighed it, and over the distance to where it went. A carrier that tells its own figure is
believed. What a figure was made from is kept beside it, so it can be made again after tariffs and
factors have changed. Nothing is sent to who collects over the counter: that is 0 kg, and the
customer's own way is not counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from config.geo import Point, distance_km
from inventory.models import Location
from orders.destinations import Destination
from orders.models import Allocation

CARRIER, SCALE, BOOKS, COUNTER = "carrier", "scale", "books", "counter"
BASIS = {  # what a figure rests on, in words
    CARRIER: "the carrier's own figure",
    SCALE: "weighed, and the factors of its service",
    BOOKS: "the products' weights, and the factors of its service",
    COUNTER: "collected over the counter: nothing was sent",
}
FORMULA = (
    "kg = fixed per parcel + tonnes × road factor × (factor of the last mile × its km"
    " + factor of the linehaul × the other km)"
)

# The slices' newest offers here, once each; and every service with its carrier and factors. A
# decision older than the figure on its offer has it in its plan.
_FACTS = """
WITH given AS (
    SELECT DISTINCT ON (s.id) s.id, f.id AS offer, f.decision_id, f.kg_co2, f.service
      FROM unnest(%(slices)s::bigint[]) AS s(id)
      JOIN routing_offer f ON f.order_id = %(order)s AND f.location_id = %(location)s
                          AND s.id = ANY(f.slices)
     ORDER BY s.id, f.id DESC
), offer AS (
    SELECT DISTINCT ON (offer) offer, service, coalesce(kg_co2, (
               SELECT sum((p.parcel ->> 'kg_co2')::float)
                 FROM routing_decision d,
                      jsonb_array_elements(d.result -> 'plan' -> 'parcels') AS p(parcel)
                WHERE d.id = given.decision_id AND p.parcel ->> 'code' = %(code)s)) AS kg
      FROM given
), service AS (
    SELECT s.code, s.carrier, %(speed)s = ANY(s.serves) AS is_fit,
           row_number() OVER (ORDER BY NOT s.active, s.position, s.id) AS rank,
           json_build_object('service', s.code, 'fixed', e.kg_fixed_per_parcel,
               'last_mile', m.kg_per_tkm + m.wtt_kg_per_tkm,
               'linehaul', h.kg_per_tkm + h.wtt_kg_per_tkm,
               'last_mile_km', e.last_mile_km, 'detour', e.detour_factor,
               'source', m.source || ', ' || m.year) AS factors
      FROM orders_deliveryservice s
      JOIN routing_serviceemission e ON e.service_id = s.id
      JOIN routing_emissionfactor m ON m.id = e.last_mile_id
      JOIN routing_emissionfactor h ON h.id = e.linehaul_id
)
SELECT (SELECT sum(kg) FROM offer),
       (SELECT factors FROM service
         ORDER BY carrier <> '' AND lower(carrier) = lower(%(carrier)s) DESC,
                  code = (SELECT max(service) FROM offer) DESC NULLS LAST, is_fit DESC, rank
         LIMIT 1),
       (SELECT array[g.lat, g.lng]::float[] FROM (
            SELECT lat, lng FROM inventory_location WHERE id = %(store)s UNION ALL
            SELECT lat, lng FROM orders_deliverygroup
             WHERE id = %(group)s AND %(store)s::bigint IS NULL UNION ALL
            SELECT lat, lng FROM orders_ordercontact
             WHERE order_id = %(order)s AND %(group)s::bigint IS NULL AND %(store)s::bigint IS NULL
       ) AS g WHERE g.lat IS NOT NULL AND g.lng IS NOT NULL)
"""


@dataclass(frozen=True)
class Trip:
    """A parcel's way: what was planned for it, and what its own figure is made from."""

    planned: float | None
    basis: Mapping[str, Any]

    @property
    def service(self) -> str:
        """Code of the delivery service it goes by, as far as that is known."""
        return str(self.basis.get("service", ""))

    @property
    def km(self) -> float | None:
        """Great-circle distance; None when a place is not known."""
        return self.basis.get("km")


def of_parcel(
    *, destination: Destination, location: Location, slices: Sequence[Allocation], carrier: str,
) -> Trip:  # fmt: skip
    """What is known of a parcel with these slices that leaves here with a carrier. One statement.

    It goes by the service of that carrier, else by the planned one, else by the first one of the
    order's speed.
    """
    group = destination.group
    with connection.cursor() as cursor:
        cursor.execute(
            _FACTS,
            {
                "order": destination.order.pk, "location": location.pk, "code": location.code,
                "slices": [piece.pk for piece in slices], "carrier": carrier,
                "speed": destination.speed, "store": destination.place_id,
                "group": None if group is None else group.pk,
            },
        )  # fmt: skip
        planned, factors, goal = cursor.fetchone()
    if destination.is_over_counter(location.pk):
        return Trip(planned, {"how": COUNTER})
    if factors is None or goal is None:
        return Trip(planned, {})
    km = distance_km(location, Point(goal[0], goal[1], "exact"))
    return Trip(planned, {**factors, "how": BOOKS, "km": round(km, 1)})


def kg(basis: Mapping[str, Any], grams: int) -> float | None:
    """The figure of a parcel, to 0.0001 kg; None when nothing is known to make it from."""
    how = basis.get("how")
    if how == COUNTER:
        return 0.0
    if how == CARRIER:
        return float(basis["kg"])
    if how is None:
        return None
    km = float(basis["km"])
    first = min(km, basis["last_mile_km"])
    per_tonne = basis["detour"] * (basis["last_mile"] * first + basis["linehaul"] * (km - first))
    return round(basis["fixed"] + grams / 1e6 * per_tonne, 4)


def told(
    basis: Mapping[str, Any], *, weighed: bool = False, carriers_kg: float | None = None
) -> dict[str, Any]:
    """The basis once the parcel was weighed, or its carrier has told its own figure."""
    if carriers_kg is not None:
        return {**basis, "how": CARRIER, "kg": carriers_kg}
    if weighed and basis.get("how") == BOOKS:
        return {**basis, "how": SCALE}
    return dict(basis)


def words(basis: Mapping[str, Any], grams: int) -> str:
    """The formula with this parcel's figures in it, and the source of its factors."""
    how = basis.get("how")
    if how is None:
        return "not known: no place or no service to count from"
    if how in (COUNTER, CARRIER):
        return BASIS[how]
    km = float(basis["km"])
    first = min(km, basis["last_mile_km"])
    return (
        f"{basis['fixed']:g} + {grams / 1e6:g} t × {basis['detour']:g} × "
        f"({basis['last_mile']:.4f} × {first:g} km + {basis['linehaul']:.4f} × {km - first:g} km); "
        f"{BASIS[how]}; {basis['source']}"
    )
