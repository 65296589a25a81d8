"""What less CO2e would cost: the plans that are best at some price of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from .decision import route_in
from .network import Network
from .types import Candidate, Destination, Line, Plan, Policy, Service

MOST = 24  # plans; an order has a handful
DEAREST = Decimal(1_000_000)  # per kg: CO2e first, everything else second
SMALLEST_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class TradePoint:
    """A plan that is the cheapest at some price of CO2e, and no other is at its price.

    `cost` is all of the plan but its CO2e; `price` the lowest price per kg from which it is best.
    """

    cost: Decimal
    kg_co2: Decimal
    parcels: int
    words: str
    price: Decimal


def trade_off(
    lines: Sequence[Line],
    candidates: Sequence[Candidate],
    destination: Destination,
    policy: Policy,
    services: Sequence[Service],
) -> tuple[TradePoint, ...]:
    """The curve of cost over kg CO2e, from the cheapest plan to the one that emits least.

    At most 24 plans. Two plans that are best at some price draw level at one price between them;
    whatever is best there is on the curve, too, so the curve is found by halving. A policy with
    a `sort` does not weigh costs: its curve is one plan. Raises BadInput.
    """
    network = Network(candidates, services)

    def best(price: Decimal) -> Plan:
        asked = replace(policy, ecological=1.0, co2_price_per_kg=price)
        return route_in(network, lines, destination, asked).plan

    found = [(Decimal(0), best(Decimal(0))), (DEAREST, best(DEAREST))]
    plans = _between(best, found)
    curve: list[TradePoint] = []
    for price, plan in plans:
        point = TradePoint(_cost(plan), plan.kg_co2, len(plan.parcels), plan.words, price)
        if not curve or (point.kg_co2 < curve[-1].kg_co2 and point.cost > curve[-1].cost):
            curve.append(replace(point, price=_level(curve[-1], point) if curve else Decimal(0)))
    return tuple(curve)


def _between(
    best: Callable[[Decimal], Plan], ends: list[tuple[Decimal, Plan]]
) -> list[tuple[Decimal, Plan]]:
    """The plans from one end to the other, each the best at its price."""
    found, at = list(ends), 0
    while at + 1 < len(found) and len(found) < MOST:
        (_, left), (_, right) = found[at], found[at + 1]
        less, more = left.kg_co2 - right.kg_co2, _cost(right) - _cost(left)
        if less <= 0 or more <= 0:
            at += 1
            continue
        price = more / less
        middle = best(price)
        gain = _cost(left) + price * left.kg_co2 - _cost(middle) - price * middle.kg_co2
        if gain <= _rounding(price) or not right.kg_co2 < middle.kg_co2 < left.kg_co2:
            at += 1
        else:
            found.insert(at + 1, (price, middle))
    return found


def _cost(plan: Plan) -> Decimal:
    return plan.total - plan.terms.co2


def _rounding(price: Decimal) -> Decimal:
    """A gain as small as this may come from kg and money that are rounded to 1/10000."""
    return SMALLEST_STEP * (1 + price)


def _level(left: TradePoint, right: TradePoint) -> Decimal:
    return ((right.cost - left.cost) / (left.kg_co2 - right.kg_co2)).quantize(SMALLEST_STEP)
