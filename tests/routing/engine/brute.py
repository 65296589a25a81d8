"""The routing objective spelled out slowly: every way to share units out, one by one.

Written from the documentation of the engine and not from its code: scalar loops, no numpy.
Amounts are whole numbers of 1/10000.
"""

import math
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from routing.engine import Candidate, Destination, Emission, Line, Policy, Service, Tariff

MONEY = 10_000
Sent = dict[int, tuple[int, ...]]  # candidate key -> units per line
Rank = tuple[int, int, int]  # lower is better: -value, -units, cost


class World(NamedTuple):
    lines: list[Line]
    candidates: list[Candidate]
    destination: Destination
    policy: Policy
    services: list[Service]


def km(world: World, point: Candidate) -> float | None:
    there = world.destination
    if None in (there.lat, there.lng, point.lat, point.lng):
        return None
    here, aim = math.radians(point.lat), math.radians(there.lat)
    across = math.radians(point.lng - there.lng)
    chord = (
        math.sin((here - aim) / 2) ** 2 + math.cos(here) * math.cos(aim) * math.sin(across / 2) ** 2
    )
    return round(2000 * 6371.0088 * math.asin(math.sqrt(min(chord, 1.0)))) / 1000


def counted_km(world: World, point: Candidate) -> float:
    """A point without a place is as far as the farthest that may send something."""
    own = km(world, point)
    if own is not None:
        return own
    known = [km(world, other) for other in world.candidates if any(usable(world, other))]
    return max((one for one in known if one is not None), default=0.0)


def usable(world: World, point: Candidate) -> list[int]:
    """Free units per line after the hard rules."""
    policy, nothing = world.policy, [0] * len(world.lines)
    if not (point.can_ship and point.online and point.open and point.allowed):
        return nothing
    by = serving(world, point)
    if point.capacity_left == 0 or not by:
        return nothing
    if policy.max_km is not None and world.destination.lat is not None:
        far = km(world, point)
        if far is None or far > policy.max_km:
            return nothing
    return [
        0
        if line.key in point.excluded
        or point.free.get(line.product, 0) < policy.min_free_units
        or (line.dangerous and not any(one.dangerous_goods for one in by))
        else point.free.get(line.product, 0)
        for line in world.lines
    ]


def days_by(world: World, point: Candidate, by: Service) -> int | None:
    return point.lead_days[world.services.index(by)] if point.lead_days else 0


def serving(world: World, point: Candidate) -> list[Service]:
    """The services that fetch there, go so far and are in time, by key."""
    distance, policy = km(world, point), world.policy
    found = []
    for by in sorted(world.services, key=lambda by: by.key):
        days, reach = days_by(world, point, by), by.transit[-1][0]
        if days is None or (reach < math.inf and (distance is None or distance > reach)):
            continue
        promised = policy.promise_days if policy.in_time else None
        if promised is None or days <= promised + policy.relax_days:
            found.append(by)
    return found


def tariff_price(tariff: Tariff, distance: float, grams: int) -> tuple[float, float]:
    """The price of the step, and of the kilometers beyond the last step."""
    last = max(band[0] for band in tariff.bands)
    reach = [band for band in tariff.bands if band[0] >= min(distance, last)]
    fitting = [band for band in reach if band[1] >= grams]
    extra_km = max(distance - last, 0) / 1000 * float(tariff.per_extra_1000_km)
    if fitting:
        return float(fitting[0][2]), extra_km
    top = max(band[1] for band in reach)
    heaviest = next(band for band in reach if band[1] == top)
    return float(heaviest[2]) + (grams - top) / 1000 * float(tariff.per_extra_kg), extra_km


def terms(world: World, point: Candidate, units: tuple[int, ...]) -> dict[str, int]:
    """Of a parcel by the service that makes it cheapest."""
    return by_service(world, point, units)[1]


def by_service(
    world: World, point: Candidate, units: tuple[int, ...]
) -> tuple[Service, dict[str, int]]:
    policy = world.policy
    sent = [(line, some) for line, some in zip(world.lines, units, strict=True) if some]
    logistical = policy.logistical * MONEY
    same = {
        "handling": round(logistical * float(point.handling_order))
        + round(logistical * float(point.handling_line)) * len(sent),
        "central": 0 if point.is_central else round(logistical * float(policy.central_bonus)),
        "overstock": overstock(world, point, sent),
        "last_unit": last_unit(world, point, sent),
        "workload": round(logistical * float(policy.workload_cost) * point.load),
        "refusal": round(logistical * float(policy.refusal_cost) * point.refusal_rate) * len(sent),
    }
    ways = []
    for by in serving(world, point):
        if by.dangerous_goods or not any(line.dangerous for line, _ in sent):
            ways.append((by, {**same, **carried(world, point, by, sent)}))
    return min(ways, key=lambda way: sum(way[1].values()))


def carried(
    world: World, point: Candidate, by: Service, sent: list[tuple[Line, int]]
) -> dict[str, int]:
    policy, distance = world.policy, counted_km(world, point)
    grams = sum(some * line.weight_g for line, some in sent)
    price, extra = tariff_price(by.tariff, distance, grams)
    late = 0
    if policy.promise_days is not None:
        late = max((days_by(world, point, by) or 0) - policy.promise_days, 0)
    rate = policy.ecological * float(policy.co2_price_per_kg) * MONEY
    per_gram = kg_per_gram(by.emission, distance) * rate
    return {
        "shipping": round(policy.economic * price * MONEY) + round(policy.economic * extra * MONEY),
        "co2": round(per_gram * grams + by.emission.kg_fixed_per_parcel * rate),
        "lateness": round(policy.logistical * MONEY * float(policy.late_penalty_per_day) * late),
    }


def last_unit(world: World, point: Candidate, sent: list[tuple[Line, int]]) -> int:
    cost = 0
    for wanted in {line.product for line, _ in sent}:
        taken = sum(some for line, some in sent if line.product == wanted)
        price = min(int(line.unit_price * MONEY) for line in world.lines if line.product == wanted)
        if taken >= max(point.free.get(wanted, 0), point.on_shelf.get(wanted, 0)):
            cost += round(world.policy.retail * float(world.policy.last_unit_cost) * price)
    return cost


def kg_per_gram(emission: Emission, distance: float) -> float:
    van = min(distance, emission.last_mile_km)
    truck = distance - van
    tkm = van * emission.kg_per_tkm_last_mile + truck * emission.kg_per_tkm_linehaul
    return tkm * (emission.detour_factor / 1e6)


def overstock(world: World, point: Candidate, sent: list[tuple[Line, int]]) -> int:
    credit = 0
    for wanted in {line.product for line, _ in sent}:
        taken = sum(some for line, some in sent if line.product == wanted)
        price = min(int(line.unit_price * MONEY) for line in world.lines if line.product == wanted)
        share = world.policy.retail * float(world.policy.overstock_relief)
        credit -= round(share * price * min(taken, max(point.overstock.get(wanted, 0), 0)))
    return credit


def split_penalty(world: World) -> int:
    return round(world.policy.logistical * float(world.policy.split_penalty) * MONEY)


def cost(world: World, plan: Sent) -> int:
    points = {point.key: point for point in world.candidates}
    parcels = sum(sum(terms(world, points[key], units).values()) for key, units in plan.items())
    return parcels + split_penalty(world) * max(len(plan) - 1, 0)


def rank(world: World, plan: Sent) -> Rank:
    """Lower is better: most value, most units, lowest cost."""
    value = sum(part_value(world, units) for units in plan.values())
    return (-value, -sum(map(sum, plan.values())), cost(world, plan))


def part_value(world: World, units: Iterable[int]) -> int:
    pairs = zip(units, world.lines, strict=True)
    return sum(some * int(line.unit_price * MONEY) for some, line in pairs)


def plans(world: World) -> list[tuple[Rank, Sent]]:
    """Every plan the rules allow, the empty one too, with its rank."""
    split = split_penalty(world)
    found: list[tuple[Rank, Sent]] = [((0, 0, 0), {})]
    for point in world.candidates:
        offers = [
            (rank(world, {point.key: units}), units)
            for units in vectors(world, point)
            if any(units)
        ]
        more = []
        for (value, count, price), plan in found:
            price_before = price + split if plan else price
            for own, units in offers:
                longer = {**plan, point.key: units}
                if fits(world, longer):
                    total = (value + own[0], count + own[1], price_before + own[2])
                    more.append((total, longer))
        found += more
    return [(total, plan) for total, plan in found if allowed(world, plan)]


def vectors(world: World, point: Candidate) -> list[tuple[int, ...]]:
    """Everything one point may send, nothing too."""
    free = usable(world, point)
    ranges = [range(min(f, line.quantity) + 1) for f, line in zip(free, world.lines, strict=True)]
    return [units for units in product(*ranges) if _within(world, point, units)]


def _within(world: World, point: Candidate, units: tuple[int, ...]) -> bool:
    taken: dict[int, int] = {}
    for line, some in zip(world.lines, units, strict=True):
        taken[line.product] = taken.get(line.product, 0) + some
    return all(some <= point.free.get(wanted, 0) for wanted, some in taken.items() if some)


def fits(world: World, plan: Sent) -> bool:
    limit = 1 if world.policy.split == "never" else world.policy.max_parcels
    if limit is not None and len(plan) > limit:
        return False
    sums = map(sum, zip(*plan.values(), strict=True))
    return all(some <= line.quantity for some, line in zip(sums, world.lines, strict=False))


def allowed(world: World, plan: Sent) -> bool:
    """Parts are the parcels and what could be sent but is not; one part is always allowed."""
    limit = world.policy.min_part_value
    if limit is None or not plan:
        return True
    left = []
    for at, line in enumerate(world.lines):
        have = sum(usable(world, point)[at] for point in world.candidates)
        left.append(min(have, line.quantity) - sum(units[at] for units in plan.values()))
    parts = [*plan.values()] + ([tuple(left)] if any(left) else [])
    return len(parts) == 1 or all(part_value(world, part) >= limit * MONEY for part in parts)
