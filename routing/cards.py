"""A decision for people: the rules that were tried, the parcels, what waits, and every stock point
with why it lost."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from orders.models import OrderLine
from routing import engine, replay
from routing.models import Decision

TERMS = {  # how the engine calls them -> how people do
    "shipping": "shipping",
    "handling": "handling",
    "co2": "CO₂e",
    "central": "not central",
    "overstock": "overstock",
    "last_unit": "last unit",
    "split": "split",
    "lateness": "late",
    "workload": "busy day",
    "refusal": "may refuse",
}
RULES = {  # hard rules of the engine -> how people call them
    "not_of_rule": "not let in by the rule",
    "closed": "closed",
    "cannot_ship": "does not send",
    "not_online": "not for online orders",
    "no_capacity": "day is full",
    "too_far": "too far",
    "no_service": "no delivery service",
    "not_in_time": "not in time",
    "no_stock": "no stock",
    "below_min_free": "too few free",
    "refused_before": "refused before",
    "dangerous_goods": "dangerous goods",
}
NEAR = 6
WHAT_IF = 3


@dataclass(frozen=True)
class Item:
    """Units of one order line."""

    line: int
    sku: str
    name: str
    units: int
    words: str = ""


@dataclass(frozen=True)
class Term:
    """One part of a cost, in the order's currency."""

    name: str
    words: str
    amount: Decimal
    differs: bool = True  # from nothing, for somebody in the same table


@dataclass(frozen=True)
class Attempt:
    """A rule of the set that was tried, and why it decided or the next one was."""

    rule: str
    position: int | None
    outcome: str
    words: str


@dataclass(frozen=True)
class ParcelCard:
    """What one stock point was given; `days` until the customer has it, None: not known."""

    code: str
    name: str
    items: tuple[Item, ...]
    terms: tuple[Term, ...]
    total: Decimal
    km: float | None
    kg_co2: Decimal
    weight_g: int
    service: str
    days: int | None


@dataclass(frozen=True)
class Out:
    """A hard rule that a stock point fell out by, for one line's item or ("") altogether."""

    rule: str
    words: str
    item: str
    value: float | None
    limit: float | None
    said: str


@dataclass(frozen=True)
class PointCard:
    """A stock point that was looked at: chosen, possible, or out by a rule."""

    code: str
    name: str
    kind: str
    status: str
    km: float | None
    words: str
    terms: tuple[Term, ...]
    alone: Decimal | None
    complete: bool
    behind: Decimal | None
    service: str
    days: int | None
    outs: tuple[Out, ...]

    @property
    def behind_up(self) -> Decimal | None:
        """What it is behind, to the cent above, as the sentences have it."""
        if self.behind is None:
            return None
        return self.behind.quantize(Decimal("0.01"), rounding=ROUND_CEILING)

    @property
    def is_out(self) -> bool:
        return self.status == "eliminated"


@dataclass(frozen=True)
class Card:
    """One decision, ready to be shown."""

    decision: Decision
    currency: str
    attempts: tuple[Attempt, ...]
    parcels: tuple[ParcelCard, ...]
    waiting: tuple[Item, ...]
    points: tuple[PointCard, ...]
    note: str
    to: str  # its destination, when the order has several
    is_whole: bool  # it leaves in one parcel, or not at all

    @property
    def in_race(self) -> list[PointCard]:
        """Who could have sent something, the chosen first, then who was closest."""
        racing = [point for point in self.points if not point.is_out]
        return sorted(racing, key=_rank)

    @property
    def near(self) -> list[PointCard]:
        """The few that are worth a look at once."""
        return self.in_race[:NEAR]

    @property
    def far(self) -> list[PointCard]:
        """The others."""
        return self.in_race[NEAR:]

    @property
    def what_if(self) -> list[str]:
        """What would have had to be different for those that were closest."""
        lost = [point for point in self.in_race if point.status == "possible"]
        return [point.words for point in lost[:WHAT_IF]]

    @property
    def columns(self) -> list[tuple[str, str]]:
        """(name, words) of the terms that are not nothing for everybody."""
        used = {term.name for point in self.points for term in point.terms if term.differs}
        return [(name, words) for name, words in TERMS.items() if name in used]

    @property
    def has_services(self) -> bool:
        """Whether delivery services were compared: decisions of old know of none."""
        return any(point.service for point in self.points)

    @property
    def out(self) -> list[PointCard]:
        """Who was out before any cost was looked at."""
        return [point for point in self.points if point.is_out]

    @property
    def probability(self) -> str:
        """The chance with which this was chosen, in words."""
        chance = self.decision.probability
        return "certain" if chance >= 1 else f"chosen with a chance of {chance:.0%}"


def card(decision: Decision) -> Card:
    """The card of a decision. One statement for the order's lines."""
    rows = decision.order.lines.select_related("group__pickup_location")
    lines = {line.pk: line for line in rows}
    result, inputs = decision.result, replay.whole(decision)
    plan, policy = result.get("plan", {}), inputs.get("policy", {})
    return Card(
        decision=decision,
        currency=decision.order.currency,
        attempts=tuple(_attempt(row) for row in decision.attempts),
        parcels=tuple(_parcel(row, lines) for row in plan.get("parcels", ())),
        waiting=tuple(
            _item(row["line"], row["units"], lines, row["words"])
            for row in plan.get("unfilled", ())
        ),
        points=_points(engine.considered(result), lines),
        note=plan.get("words", ""),
        to=_destination(inputs, lines),
        is_whole=bool(policy.get("whole")) or policy.get("split") == "never",
    )


def _destination(inputs: Mapping[str, Any], lines: Mapping[int, OrderLine]) -> str:
    if all(line.group is None for line in lines.values()):
        return ""
    rows = inputs["lines"]["rows"]
    group = lines[rows[0][0]].group if rows else None
    return str(group) if group else "the order's own destination"


def _attempt(row: Mapping[str, Any]) -> Attempt:
    return Attempt(str(row["rule"]), row.get("position"), row["outcome"], row.get("words", ""))


def _rank(point: PointCard) -> tuple[bool, bool, Decimal, str]:
    missing = point.behind is None
    return point.status != "chosen", missing, point.behind or Decimal(0), point.name


def _item(line: int, units: int, lines: Mapping[int, OrderLine], words: str = "") -> Item:
    known = lines[line]
    return Item(known.position, known.sku, known.name, units, words)


def _parcel(row: Mapping[str, Any], lines: Mapping[int, OrderLine]) -> ParcelCard:
    return ParcelCard(
        code=row["code"], name=row["name"],
        items=tuple(_item(sent["line"], sent["units"], lines) for sent in row["lines"]),
        terms=_terms(row["terms"]), total=Decimal(row["total"]), km=row["km"],
        kg_co2=Decimal(row["kg_co2"]), weight_g=row["weight_g"],
        service=row.get("service_name", ""), days=row.get("days"),
    )  # fmt: skip


def _points(
    rows: Sequence[Mapping[str, Any]], lines: Mapping[int, OrderLine]
) -> tuple[PointCard, ...]:
    costs = [row["solo"]["terms"] for row in rows if row["solo"]]
    used = {name for name in TERMS if any(Decimal(terms.get(name, 0)) for terms in costs)}
    return tuple(_point(row, used, lines) for row in rows)


def _point(
    row: Mapping[str, Any], used: Collection[str], lines: Mapping[int, OrderLine]
) -> PointCard:
    solo = row["solo"]
    return PointCard(
        code=row["code"], name=row["name"], kind=row["kind"], status=row["status"], km=row["km"],
        words=row["words"], terms=_terms(solo["terms"], used) if solo else (),
        alone=Decimal(solo["total"]) if solo else None,
        complete=bool(solo and solo["complete"]),
        behind=None if row["gap"] is None else Decimal(row["gap"]),
        service=(solo or {}).get("service_name", ""), days=(solo or {}).get("days"),
        outs=tuple(_out(out, lines) for out in row["eliminations"]),
    )  # fmt: skip


def _out(row: Mapping[str, Any], lines: Mapping[int, OrderLine]) -> Out:
    line = lines.get(row["line"] or 0)
    return Out(
        rule=row["rule"], words=RULES.get(row["rule"], row["rule"].replace("_", " ")),
        item=line.sku if line else "", value=row["value"], limit=row["limit"], said=row["words"],
    )  # fmt: skip


def _terms(terms: Mapping[str, str], used: Collection[str] = tuple(TERMS)) -> tuple[Term, ...]:
    """By name, in the order of TERMS; decisions of old do not know the newer ones."""
    return tuple(
        Term(name, words, Decimal(terms.get(name, 0)), name in used)
        for name, words in TERMS.items()
    )
