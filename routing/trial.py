"""Try before you switch on: what other rules would do with the orders that wait, or have done with
those of the last days. Nothing is written: the database itself refuses to.

Live: the waiting orders, the oldest 2,000, are decided in the order of their ids, and compete in
memory for stock and days as they would in a run, once by the rules of today and once by the others,
on the same moment.

Past: kept decisions, the newest 2,000, are made again from their inputs. Each sees the stock that
it saw then, so what one would have left to another is not in the figures.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import zip_longest
from typing import NamedTuple, cast

from django.db import connection, transaction

from orders.models import Allocation, DeliveryGroup, Order
from routing import candidates, carry, parts, rules, snapshot
from routing.models import Decision, RuleSet
from routing.reading import Channel, Row
from routing.replay import Inputs, Json, whole
from routing.snapshot import Snapshot, Waiting
from routing.walk import Verdict, walk
from routing.world import world_of

AT_ONCE = 50  # orders or decisions; more are a watched job
MOST = 2_000
BATCH = 200  # decisions of the past read at once
TODAY = "today's rules"
CENT = Decimal("0.01")


class Sends(NamedTuple):
    """Units that a stock point sends by a delivery service."""

    place: str
    service: str
    units: int


@dataclass(frozen=True)
class Answer:
    """What one order gets by one set of rules."""

    sentence: str
    rule: str
    places: tuple[Sends, ...]
    parcels: int
    units: int
    unfilled: int
    cost: Decimal
    kg_co2: float
    is_late: bool

    @property
    def fits(self) -> bool:
        """Everything is sent."""
        return self.parcels > 0 and not self.unfilled

    @property
    def words(self) -> str:
        """Who sends what, for a table."""
        said = [
            f"{units} from {place}{f' by {service}' if service else ''}"
            for place, service, units in self.places
        ]
        return ", ".join([*said, *([f"{self.unfilled} wait"] if self.unfilled else [])])


@dataclass
class Figures:
    """The same orders by one set of rules, added up; cost is what the rules count it as."""

    name: str
    orders: int = 0
    fit: int = 0
    part: int = 0
    parcels: int = 0
    units: int = 0
    unfilled: int = 0
    late: int = 0
    cost: Decimal = Decimal(0)
    kg_co2: float = 0.0
    places: dict[str, int] = field(default_factory=dict)  # parcels by stock point

    def add(self, answer: Answer) -> None:
        """Count one more order."""
        self.orders += 1
        self.fit += answer.fits
        self.part += answer.parcels > 0 and not answer.fits
        self.parcels += answer.parcels
        self.units += answer.units
        self.unfilled += answer.unfilled
        self.late += answer.is_late
        self.cost += answer.cost
        self.kg_co2 += answer.kg_co2
        for place, _, _ in answer.places:
            self.places[place] = self.places.get(place, 0) + 1

    @property
    def parcels_per_order(self) -> float | None:
        """Of the orders that something is sent of."""
        sent = self.fit + self.part
        return self.parcels / sent if sent else None


@dataclass(frozen=True)
class Change:
    """An order that the other rules send otherwise."""

    order: int
    number: str
    before: Answer
    after: Answer

    @property
    def cost(self) -> Decimal:
        """By how much it would be dearer."""
        return self.after.cost - self.before.cost

    @property
    def kg_co2(self) -> float:
        """By how much it would emit more."""
        return self.after.kg_co2 - self.before.kg_co2


@dataclass(frozen=True)
class Trial:
    """Two columns of figures and the orders that change, those that change cost most first."""

    before: Figures
    after: Figures
    changes: tuple[Change, ...]
    left_out: int = 0  # orders beyond MOST, or decisions that cannot be made again
    unchanged: tuple[Change, ...] = field(default=(), compare=False, repr=False)

    def places(self) -> list[tuple[str, int, int]]:
        """Parcels of each stock point before and after, those that change most first."""
        names = sorted({**self.before.places, **self.after.places})
        rows = [
            (name, self.before.places.get(name, 0), self.after.places.get(name, 0))
            for name in names
        ]
        return sorted(rows, key=lambda row: (-abs(row[2] - row[1]), row[0]))


@contextmanager
def reading_only() -> Iterator[None]:
    """A transaction in which PostgreSQL takes no write, and that sees one moment throughout."""
    is_first = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        level = "ISOLATION LEVEL REPEATABLE READ, " if is_first else ""
        cursor.execute(f"SET TRANSACTION {level}READ ONLY")
        yield


def waiting_orders() -> list[int]:
    """Orders with units that wait to be routed, oldest first."""
    queues = [Allocation.Queue.ROUTING, Allocation.Queue.UNFILLABLE]
    waiting = Allocation.objects.filter(state=Allocation.State.QUEUED, queue__in=queues)
    return list(waiting.values_list("order_id", flat=True).distinct().order_by("order_id"))


def live(orders: Sequence[int], *, rule_set: int, now: datetime) -> Trial:
    """What a rule set, a draft or any other, would do now with orders that wait.

    All of them compete; counted are those of channels that it would decide about.
    """
    some = sorted(set(orders))[:MOST]
    with reading_only():
        chosen = RuleSet.objects.get(pk=rule_set)
        about = rules.decided_by(rule_set)
        found = Order.objects.filter(pk__in=some, state=Order.State.OPEN)
        rows = list(found.select_related("channel", "pickup_location").order_by("pk"))
        today = _decided(rows, now=now, rule_set=None)
        other = _decided(rows, now=now, rule_set=rule_set)
    sums = _Sums(TODAY, str(chosen))
    for order in rows:
        if order.pk in today and order.channel_id in about:
            sums.add(order, today[order.pk], other[order.pk])
    return sums.trial(left_out=len(set(orders)) - len(some))


def of_order(order: Order, *, rule_set: int, now: datetime) -> Trial:
    """What a rule set would do with one order: with what waits of it, on the stock of now; when
    nothing waits that anybody could send, with its decisions, on the stock that they saw."""
    found = live([order.pk], rule_set=rule_set, now=now)
    if found.before.parcels or found.after.parcels:
        return found
    decided = past(rule_set=rule_set, now=now, order=order.pk)
    return decided if decided.before.orders else found


def since(days: int, now: datetime) -> datetime:
    """The first moment of a window of the past."""
    return now - timedelta(days=days)


def _decided(orders: Sequence[Order], *, now: datetime, rule_set: int | None) -> dict[int, Answer]:
    """What each order gets, seeing what those before it have left."""
    found = {}
    for shots in _shots(orders, now=now, rule_set=rule_set):
        verdicts = []
        for shot in shots:
            case = carry.judge(shot, "trial")
            carry.give(case)
            verdicts.append(case.verdict)
        found[shots[0].order.pk] = _answer(verdicts)
    return found


def _shots(
    orders: Sequence[Order], *, now: datetime, rule_set: int | None
) -> list[list[Snapshot]]:  # fmt: skip
    """Of each order that waits, its parts that are decided by themselves, on stock and days that
    all of them share.

    A statement for all orders, and one for the first part of all that have several, the second ...
    """
    wholes = snapshot.take_many(orders, now=now, rule_set=rule_set)
    found = {shot.order.pk: [shot] for shot in wholes if shot.waiting}
    apart = {
        pk: parts.of(shot.order, shot.waiting)
        for pk, (shot,) in found.items() if not parts.is_one(shot.order, shot.waiting)
    }  # fmt: skip
    found |= {pk: [] for pk in apart}
    for some in zip_longest(*apart.values()):
        asked = [part for part in some if part is not None]
        for shot in snapshot.take_parts(asked, now=now, rule_set=rule_set):
            found[shot.order.pk].append(shot)
    return _in_one_world([*found.values()], now)


def _in_one_world(orders: Sequence[Sequence[Snapshot]], now: datetime) -> list[list[Snapshot]]:
    """The same snapshots, which were read at one moment, seeing one stock and the same days."""
    worlds = {id(shot.world): shot.world for shots in orders for shot in shots}
    read = [world.facts for world in worlds.values()]
    if not read:
        return []
    all_ = replace(
        read[0],
        stock=[row for facts in read for row in facts.stock],
        loads=[row for facts in read for row in facts.loads],
    )  # fmt: skip
    one = world_of(all_, now)
    return [
        [replace(shot, world=replace(shot.world, stock=one.stock, days=one.days)) for shot in shots]
        for shots in orders
    ]


# --- the past ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Then:
    """A kept decision's inputs, as the walk asks them: other rules on the stock of then."""

    kept: Inputs
    shot: Snapshot  # of today: which rules are for the order, and what they say

    @property
    def rule_set(self) -> Row | None:
        return self.shot.rule_set

    @property
    def rules(self) -> tuple[Row, ...]:
        return self.shot.rules

    @property
    def channel(self) -> Channel:
        return self.shot.channel

    def waiting(self) -> list[Waiting]:
        """The lines that were to be routed, as slices of nothing."""
        return [
            Waiting(Allocation(line_id=line.key, quantity=line.quantity), line.product, "",
                    line.unit_price, line.weight_g, line.dangerous, line.category, None, "")
            for line in self.kept.lines
        ]  # fmt: skip

    def inputs(self, waiting: Sequence[Waiting], rule: Row, *, relaxed: bool = False) -> Inputs:
        """The same inputs but for the rule."""
        asked = self.shot.inputs((), rule, relaxed=relaxed)  # for the policy: no lines, no answer
        policy = replace(asked.policy, promise_days=self.kept.policy.promise_days)
        if self.kept.policy.whole and self.kept.policy.max_parcels == 1:  # it leaves together
            policy = replace(policy, whole=True, max_parcels=1)
        units = {one.piece.line_id: one.piece.quantity for one in waiting}
        return replace(
            self.kept,
            lines=tuple(replace(line, quantity=units[line.key])
                        for line in self.kept.lines if line.key in units),
            candidates=tuple(
                replace(one, allowed=candidates.lets_in(rule, location=one.key, kind=one.kind))
                for one in self.kept.candidates),
            policy=policy,
        )  # fmt: skip


def past(
    *, rule_set: int, now: datetime, days: int | None = None, order: int | None = None
) -> Trial:
    """What a rule set would have done with the decisions of the last days, or of one order.

    The newest first. Left out are decisions beyond MOST, those that never asked the engine, and
    orders of several destinations; not looked at are those of channels that it would not decide
    about.
    """
    with reading_only():
        sums = _Sums("as decided", str(RuleSet.objects.get(pk=rule_set)))
        made = Decision.objects.filter(order__channel__in=rules.decided_by(rule_set))
        if days is not None:
            made = made.filter(at__gte=since(days, now))
        if order is not None:
            made = made.filter(order=order)
        rows = made.select_related("rule", "base", "order__channel", "order__pickup_location")
        newest = list(made.order_by("-pk").values_list("pk", flat=True)[:MOST])
        left_out = made.count() - len(newest)
        for n in range(0, len(newest), BATCH):
            batch = list(rows.filter(pk__in=newest[n : n + BATCH]).order_by("-pk"))
            left_out += _redo(batch, sums, rule_set=rule_set, now=now)
    return sums.trial(left_out=left_out)


def _redo(batch: Sequence[Decision], sums: "_Sums", *, rule_set: int, now: datetime) -> int:
    """Make decisions again; returns how many cannot be."""
    orders = {row.order_id: row.order for row in batch}
    apart = set(DeliveryGroup.objects.filter(order__in=orders).values_list("order_id", flat=True))
    shots = {
        shot.order.pk: shot
        for shot in snapshot.take_many(list(orders.values()), now=now, rule_set=rule_set)
    }
    left_out = 0
    for row in batch:
        inputs = whole(row)
        if "candidates" not in inputs or row.order_id in apart:
            left_out += 1
            continue
        then = _Then(Inputs.from_json(inputs), shots[row.order_id])
        verdict = walk(cast(Snapshot, then), then.waiting())
        sums.add(row.order, _as_kept(row, then.kept), _answer([verdict]))
    return left_out


def _as_kept(row: Decision, inputs: Inputs) -> Answer:
    return _of_plans(
        [row.result["plan"]], sentence=row.sentence, rule=row.rule.name if row.rule else "",
        cost=row.cost or Decimal(0), kg_co2=row.kg_co2 or 0.0,
        is_late=_is_late(row.result["plan"], inputs),
    )  # fmt: skip


# --- comparing -----------------------------------------------------------------------------------


class _Sums:
    """Figures of both sides while they are counted, and the orders that change."""

    def __init__(self, before: str, after: str) -> None:
        self.before, self.after = Figures(before), Figures(after)
        self.changes: list[Change] = []
        self.unchanged: list[Change] = []

    def add(self, order: Order, before: Answer, after: Answer) -> None:
        """One more order, or decision, by both rules."""
        self.before.add(before)
        self.after.add(after)
        rows = self.unchanged if before.places == after.places else self.changes
        rows.append(Change(order.pk, order.number, before, after))

    def trial(self, *, left_out: int) -> Trial:
        """All of it; the changes that cost or save most first."""
        self.changes.sort(key=lambda change: (-abs(change.cost), change.order))
        return Trial(self.before, self.after, tuple(self.changes), left_out, tuple(self.unchanged))


def _answer(verdicts: Sequence[Verdict]) -> Answer:
    """Of the parts of an order, each with what its fallback gets."""
    asked = [one for verdict in verdicts for one in (verdict, verdict.then) if one is not None]
    ended = [verdict.last for verdict in verdicts]
    plans = [
        {**one.result["plan"], "unfilled": one.result["plan"]["unfilled"] if one in ended else []}
        for one in asked
    ]
    return _of_plans(
        plans,
        sentence=" ".join(dict.fromkeys(one.sentence for one in asked)),
        rule=", ".join(dict.fromkeys(one.rule["name"] for one in asked if one.rule)),
        cost=sum((one.cost or Decimal(0) for one in asked), Decimal(0)),
        kg_co2=sum(one.kg_co2 or 0.0 for one in asked),
        is_late=any(_is_late(one.result["plan"], one.inputs) for one in asked),
    )


def _of_plans(
    plans: Sequence[Json], *, sentence: str, rule: str, cost: Decimal, kg_co2: float, is_late: bool
) -> Answer:
    parcels = [row for plan in plans for row in plan["parcels"]]
    units: dict[tuple[str, str], int] = defaultdict(int)
    for row in parcels:
        sent = sum(line["units"] for line in row["lines"])
        units[row["name"], row.get("service_name", "")] += sent
    return Answer(
        sentence=sentence, rule=rule,
        places=tuple(Sends(*key, count) for key, count in sorted(units.items())),
        parcels=len(parcels), units=sum(units.values()),
        unfilled=sum(row["units"] for plan in plans for row in plan["unfilled"]),
        cost=cost.quantize(CENT), kg_co2=round(kg_co2, 4), is_late=is_late,
    )  # fmt: skip


def _is_late(plan: Json, inputs: Inputs | None) -> bool:
    """Whether one of its parcels comes after the promise."""
    promised = inputs.policy.promise_days if inputs else None
    days = [row.get("days") for row in plan["parcels"]]
    return promised is not None and any(day is not None and day > promised for day in days)
