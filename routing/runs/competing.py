"""What the waiting orders of a run compete for, read without a lock: all of it as if nobody had
claimed a thing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from orders.models import Order
from routing import engine, parts, snapshot
from routing.claims import Spot, Units
from routing.engine import joint
from routing.engine import rules as hard_rules
from routing.engine.cost import CostModel, to_units
from routing.models.rules import MOST_ATTEMPTS
from routing.replay import Inputs
from routing.snapshot import Snapshot, World

UNFILLED = Decimal(50)  # what a unit left without stock counts as, beside its price


@dataclass(frozen=True)
class Draft:
    """An order that may be planned with others; `lines` as in its problem."""

    shot: Snapshot
    problem: joint.Problem
    lines: Sequence[engine.Line]

    def units(self, plan: Mapping[int, Sequence[int]]) -> Units:
        """A plan (location -> units of each line) as units of each line."""
        units: dict[int, dict[int, int]] = defaultdict(dict)
        for location, counts in plan.items():
            for line, count in zip(self.lines, counts, strict=True):
                if count:
                    units[line.key][location] = count
        return units

    def needs(self, plan: Mapping[int, Sequence[int]]) -> dict[Spot, int]:
        """What the plan asks of each spot."""
        needs: dict[Spot, int] = defaultdict(int)
        for location, counts in plan.items():
            for line, count in zip(self.lines, counts, strict=True):
                needs[location, line.product] += count
        return needs

    @property
    def holds(self) -> dict[Spot, int]:
        """What the order has claimed itself."""
        return {
            (location, product): units
            for location, products in self.shot.own.items()
            for product, units in products.items()
        }

    def is_whole(self, plan: Mapping[int, Sequence[int]]) -> bool:
        """Whether the plan sends everything."""
        sent = [sum(counts) for counts in zip(*plan.values(), strict=True)]
        return sent == [line.quantity for line in self.lines]


@dataclass(frozen=True)
class Competing:
    """The orders that can be planned together, and what there is for them."""

    drafts: Sequence[Draft]
    # That nobody has claimed; below zero, where more was claimed than may be promised now.
    free: Mapping[Spot, int] = field(default_factory=dict)
    stock: Mapping[Spot, int] = field(default_factory=dict)  # and with their own claims
    parcels: Mapping[int, int] = field(default_factory=dict)
    units: Mapping[int, int] = field(default_factory=dict)


def read(orders: Sequence[int], *, now: datetime) -> Competing:
    """What these orders compete for. Left out are those that only their own rules can decide
    about: several parts, pick-ups, an order of preference instead of costs, or offered too often.
    """
    found = Order.objects.filter(pk__in=orders, state=Order.State.OPEN).order_by("pk")
    shots = [shot for shot in snapshot.take_many(list(found), now=now) if _competes(shot)]
    if not shots:
        return Competing(())
    world = shots[0].world
    free = _free(world, shots)
    for shot in shots:
        for location, products in shot.own.items():
            for product, units in products.items():
                world.claim(location, product, -units)
    drafts = [draft for shot in shots if (draft := _draft(shot)) is not None]
    days = {place: day for (place, method), day in world.days.items() if method == "ship"}
    return Competing(
        drafts=drafts,
        free=free,
        stock={spot: max(units, 0) for spot, units in _free(world, shots).items()},
        parcels={
            place: max(day.orders - day.given_orders, 0)
            for place, day in days.items() if day.orders is not None
        },
        units={
            place: max(day.units - day.given_units, 0)
            for place, day in days.items() if day.units is not None
        },
    )  # fmt: skip


def _competes(shot: Snapshot) -> bool:
    if not shot.waiting or not shot.rules or shot.rule_set is None:
        return False
    most = min(shot.rule_set["max_attempts"], MOST_ATTEMPTS)
    return (
        parts.is_one(shot.order, shot.waiting)
        and not shot.part.is_pickup
        and not shot.rules[0]["sort"]
        and all(one.piece.attempt < most for one in shot.waiting)
    )


def _free(world: World, shots: Sequence[Snapshot]) -> dict[Spot, int]:
    """Units of each product that every pool of these orders may promise: what one of them may
    promise beyond that is left to the rules, after the plans."""
    buffers: dict[int, int] = {}
    for shot in shots:
        for place, buffer in shot.channel.members.items():
            buffers[place] = max(buffers.get(place, buffer), buffer)
    return {
        (place, product): units - safety - buffers[place]
        for place, products in world.stock.items() if place in buffers
        for product, (units, safety, _) in products.items()
    }  # fmt: skip


def _draft(shot: Snapshot) -> Draft | None:
    try:
        inputs = replace(shot, own={}).inputs(shot.waiting, shot.rules[0])
        model = _model(inputs)
    except (engine.BadInput, engine.BadTariff):
        return None  # its own decision says what is wrong
    lines = model.screening.lines
    penalty = [to_units(line.unit_price + UNFILLED) for line in lines]
    policy = inputs.policy
    if policy.split != "cheapest":  # in one parcel; who cannot be is left to the rules
        policy = replace(policy, max_parcels=1, whole=True)
    problem = joint.problem(shot.order.pk, model, policy, penalty)
    return None if problem is None else Draft(shot, problem, lines)


def _model(inputs: Inputs) -> CostModel:
    return CostModel(
        hard_rules.screen(
            network=engine.Network(inputs.candidates, inputs.services), lines=inputs.lines,
            destination=inputs.destination, policy=inputs.policy,
        )
    )  # fmt: skip
