"""Decisions as they are kept: asking the engine, and writing down all of it with the offers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from orders.models import Allocation
from routing import capacity, engine
from routing.claims import Lost, Placed
from routing.models import Decision
from routing.replay import Json, dumps
from routing.rules import NO_RULES
from routing.snapshot import Snapshot, Waiting

Outcome = Decision.Outcome


@dataclass(frozen=True)
class Verdict:
    """An answer: units per line and stock point, and why the rest waits."""

    sentence: str
    inputs: Json = field(repr=False)
    result: Json = field(repr=False)
    plan: Mapping[int, Mapping[int, int]]  # line -> location -> units
    reasons: Mapping[int, str]  # line -> why units of it wait
    otherwise: str = ""  # the reason of lines that are not named
    cost: Decimal | None = None
    kg_co2: Decimal | None = None

    @property
    def places(self) -> set[int]:
        """The stock points of the plan."""
        return {place for places in self.plan.values() for place in places}

    def why(self, piece: Allocation) -> str:
        """Why a slice waits, in words for its queue."""
        return self.reasons.get(piece.line_id, self.otherwise)


def ask(shot: Snapshot, waiting: Sequence[Waiting]) -> Verdict:
    """Ask the engine where the slices should go; without usable rules nothing goes anywhere."""
    if shot.rules is None:
        return _without_engine(waiting, f"{NO_RULES} covers channel {shot.order.channel.code}")
    if not waiting:
        return _without_engine(waiting, "offered as often as the rules allow: a person decides")
    try:
        inputs = shot.inputs(waiting)
        decision = inputs.route()
    except (engine.BadInput, engine.BadTariff) as error:
        return _without_engine(waiting, f"the rules cannot be used: {error}")
    result = engine.to_json(decision)
    return Verdict(
        sentence=result["sentence"],
        inputs=inputs.to_json(),
        result=result,
        plan=_plan(decision.plan),
        reasons={row["line"]: row["words"] for row in result["plan"]["unfilled"]},
        cost=decision.plan.total,
        kg_co2=decision.plan.kg_co2,
    )


def _plan(plan: engine.Plan) -> Mapping[int, Mapping[int, int]]:
    places: dict[int, dict[int, int]] = defaultdict(dict)
    for parcel in plan.parcels:
        for line, units in parcel.lines:
            places[line][parcel.candidate] = units
    return places


def _without_engine(waiting: Sequence[Waiting], words: str) -> Verdict:
    lines = [[one.piece.line_id, one.piece.quantity] for one in waiting]
    unfilled = [
        {"line": line, "units": units, "why": "not_asked", "words": words} for line, units in lines
    ]
    sentence = f"{words[0].upper()}{words[1:]}."
    return Verdict(
        sentence=sentence,
        inputs={"lines": {"columns": ["key", "quantity"], "rows": lines}},
        result={"sentence": sentence, "considered": [],
                "plan": {"parcels": [], "unfilled": unfilled}},
        plan={}, reasons={}, otherwise=words,
    )  # fmt: skip


# --- writing it down -----------------------------------------------------------------------------

# What a day has taken is counted after its stock points were locked (claims.lock_capacity), so
# this statement sees all that another worker gave out before.
_INSERT = f"""
WITH decision AS (
    INSERT INTO routing_decision (order_id, at, cause, rule_set_id, rule_id, engine_version,
        outcome, sentence, inputs, result, probability, cost, kg_co2)
    VALUES (%(order)s, %(at)s, %(cause)s, %(rule_set)s, %(rule)s, %(version)s, %(outcome)s,
        %(sentence)s, %(inputs)s, %(result)s, 1, %(cost)s, %(kg_co2)s)
    RETURNING id
), offered AS (
    SELECT o.location_id, o.day, count(*) AS slices, sum(o.units) AS units,
           count(DISTINCT o.line_id) AS lines, array_agg(o.slice_id ORDER BY o.slice_id) AS ids
      FROM unnest(%(location)s::bigint[], %(day)s::date[], %(slice)s::bigint[],
                  %(line)s::bigint[], %(units)s::int[])
        AS o(location_id, day, slice_id, line_id, units)
     GROUP BY o.location_id, o.day
), limited AS (
    SELECT o.*, c.orders AS max_orders, c.units AS max_units, c.shared
      FROM offered o
     CROSS JOIN LATERAL inventory_capacity_of(o.location_id, o.day, %(delivery)s) AS c
), offer AS (
    INSERT INTO routing_offer (order_id, decision_id, location_id, day, slices, lines, units,
                               delivery, capacity, capacity_units)
    SELECT %(order)s, d.id, o.location_id, o.day, o.ids, o.lines, o.units, %(delivery)s,
           o.max_orders, o.max_units
      FROM decision d, limited o
     WHERE o.max_orders IS NULL AND o.max_units IS NULL
        OR EXISTS (SELECT 1
             FROM (SELECT o.location_id, o.day, o.max_orders AS orders, o.max_units AS units,
                          o.shared, o.units AS more) AS c
            CROSS JOIN {capacity.LOAD} AS load
            WHERE (c.orders IS NULL OR load.orders < c.orders)
              AND (c.units IS NULL OR load.units + c.more <= c.units))
    RETURNING location_id
)
SELECT d.id, (SELECT count(*) FROM offer) = (SELECT count(*) FROM offered) FROM decision d
"""


def keep(
    shot: Snapshot, verdict: Verdict, placed: Sequence[Placed], left: Sequence[Allocation],
    *, cause: str,
) -> Decision:  # fmt: skip
    """Write the decision whole, and an offer per stock point. One statement.

    Raises Lost when a stock point's day is full by now.
    """
    decision = Decision(
        order=shot.order, at=shot.now, cause=cause[:60], engine_version=engine.ENGINE_VERSION,
        rule_set_id=shot.rules["rule_set"] if shot.rules else None,
        rule_id=shot.rules["id"] if shot.rules else None, outcome=_outcome(placed, left),
        sentence=verdict.sentence, inputs=verdict.inputs, result=verdict.result,
        cost=verdict.cost, kg_co2=None if verdict.kg_co2 is None else float(verdict.kg_co2),
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, _params(decision, shot, placed))
        decision.pk, all_offered = cursor.fetchone()
    if not all_offered:
        raise Lost("a stock point has no capacity left today")
    return decision


def _outcome(placed: Sequence[Placed], left: Sequence[Allocation]) -> str:
    if not placed:
        return Outcome.UNFILLABLE
    return Outcome.PARTIAL if left else Outcome.ROUTED


def _params(decision: Decision, shot: Snapshot, placed: Sequence[Placed]) -> dict[str, Any]:
    names = ("at", "cause", "outcome", "sentence", "cost", "kg_co2")
    return {
        **{name: getattr(decision, name) for name in names},
        "order": decision.order_id, "rule_set": decision.rule_set_id, "rule": decision.rule_id,
        "version": decision.engine_version, "delivery": shot.part.method,
        "inputs": Jsonb(decision.inputs, dumps=dumps),
        "result": Jsonb(decision.result, dumps=dumps),
        "location": [one.location for one in placed],
        "day": [shot.day(one.location) for one in placed],
        "slice": [one.piece.pk for one in placed],
        "line": [one.piece.line_id for one in placed],
        "units": [one.piece.quantity for one in placed],
    }  # fmt: skip
