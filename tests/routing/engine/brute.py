"""The routing objective spelled out slowly: every way to share units out, one by one.

Written from the documentation of the engine and not from its code: scalar loops, no numpy.
Amounts are whole numbers of 1/10000.
"""

import math
from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

from routing.engine import Candidate, Destination, Emission, Line, Policy, Tariff

MONEY = 10_000
Sent = dict[int, tuple[int, ...]]  # candidate key -> units per line
Rank = tuple[int, int, int]  # lower is better: -value, -units, cost


class World(NamedTuple):
    lines: list[Line]
    candidates: list[Candidate]
    destination: Destination
    policy: Policy
    tariff: Tariff
    emission: Emission


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
    if not (point.can_ship and point.online and point.open) or point.capacity_left == 0:
        return nothing
    if policy.max_km is not None and world.destination.lat is not None:
        far = km(world, point)
        if far is None or far > policy.max_km:
            return nothing
    return [
        0
        if line.key in point.excluded or point.free.get(line.product, 0) < policy.min_free_units
        else point.free.get(line.product, 0)
        for line in world.lines
    ]


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
    policy, distance = world.policy, counted_km(world, point)
    sent = [(line, some) for line, some in zip(world.lines, units, strict=True) if some]
    price, extra = tariff_price(
        world.tariff, distance, sum(some * line.weight_g for line, some in sent)
    )
    logistical = policy.logistical * MONEY
    late = 0
    if policy.promise_days is not None:
        late = max(point.lead_days - policy.promise_days, 0)
    return {
        "shipping": round(policy.economic * price * MONEY) + round(policy.economic * extra * MONEY),
        "handling": round(logistical * float(point.handling_order))
        + round(logistical * float(point.handling_line)) * len(sent),
        "co2": co2(world, distance, sent),
        "central": 0 if point.is_central else round(logistical * float(policy.central_bonus)),
        "overstock": overstock(world, point, sent),
        "lateness": round(logistical * float(policy.late_penalty_per_day) * late),
        "refusal": round(logistical * float(policy.refusal_cost) * point.refusal_rate) * len(sent),
    }


def kg_per_gram(emission: Emission, distance: float) -> float:
    van = min(distance, emission.last_mile_km)
    truck = distance - van
    tkm = van * emission.kg_per_tkm_last_mile + truck * emission.kg_per_tkm_linehaul
    return tkm * emission.detour_factor / 1e6


def co2(world: World, distance: float, sent: list[tuple[Line, int]]) -> int:
    rate = world.policy.ecological * float(world.policy.co2_price_per_kg) * MONEY
    per_gram = kg_per_gram(world.emission, distance) * rate
    moving = sum(round(per_gram * (some * line.weight_g)) for line, some in sent)
    return round(rate * world.emission.kg_fixed_per_parcel) + moving


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
    limit = world.policy.max_parcels
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
