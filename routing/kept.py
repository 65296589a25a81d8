"""Decisions as they are kept: all of what was asked and answered, with the offers made by it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import connection

from orders.models import Allocation
from routing import bases, capacity, engine
from routing.bases import Base
from routing.claims import Lost, Placed
from routing.models import Decision
from routing.replay import Json, dumps
from routing.snapshot import Snapshot
from routing.walk import Sent, Verdict

Outcome = Decision.Outcome


@dataclass(frozen=True)
class Judged:
    """A verdict about an order, with the slices it places and those it leaves waiting."""

    shot: Snapshot = field(repr=False)
    verdict: Verdict
    placed: Sequence[Placed]
    left: Sequence[Allocation]

    @property
    def outcome(self) -> str:
        """One of Decision.Outcome."""
        if not self.placed:
            return Outcome.UNFILLABLE
        return Outcome.PARTIAL if self.left else Outcome.ROUTED


# The slices are at their stock points by then. What an older offer had brought to the same place is
# counted with the new one.
_NOT_GIVEN_HERE = """
AND NOT EXISTS (SELECT 1 FROM offered o
                 WHERE o.order_id = f.order_id AND o.location_id = f.location_id
                   AND a.id = ANY(o.slices::bigint[]))
"""

# What a day has taken is counted after its stock points were locked (claims.lock_capacity), so
# this statement sees all that another worker gave out before. Offers of one batch are counted
# together: all of them are within the limits, or none is written.
_INSERT = f"""
WITH fresh AS (
    INSERT INTO routing_decisionbase (hash, data)
    SELECT hash, data FROM json_to_recordset(%(bases)s::json) AS b(hash text, data jsonb)
     ORDER BY hash
        ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash
    RETURNING id, hash
), given AS (
    SELECT g.*, nextval(pg_get_serial_sequence('routing_decision', 'id')) AS id,
           coalesce((SELECT f.id FROM fresh f WHERE f.hash = g.base),
                    (SELECT b.id FROM routing_decisionbase b WHERE b.hash = g.base)) AS base_id
      FROM json_to_recordset(%(rows)s::json) AS g(
           n int, order_id bigint, rule_set_id bigint, rule_id bigint, outcome text, sentence text,
           inputs jsonb, result jsonb, attempts jsonb, cost numeric, kg_co2 float8, base text)
), decision AS (
    INSERT INTO routing_decision (id, order_id, at, cause, rule_set_id, rule_id, run_id,
        engine_version, outcome, sentence, base_id, inputs, result, attempts, probability, cost,
        kg_co2)
    SELECT id, order_id, %(at)s, %(cause)s, rule_set_id, rule_id, %(run)s, %(version)s, outcome,
           sentence, base_id, inputs, result, attempts, 1, cost, kg_co2
      FROM given ORDER BY n
), offered AS (
    SELECT g.order_id, g.id AS decision_id, o.*, c.orders AS max_orders, c.units AS max_units,
           c.shared
      FROM unnest((SELECT %(of)s::int[]), (SELECT %(location)s::bigint[]),
                  (SELECT %(day)s::date[]), (SELECT %(slices)s::text[]), (SELECT %(lines)s::int[]),
                  (SELECT %(units)s::int[]), (SELECT %(delivery)s::text[]),
                  (SELECT %(service)s::text[]), (SELECT %(kg)s::float8[]),
                  (SELECT %(accept_by)s::timestamptz[]))
        AS o(n, location_id, day, slices, lines, units, delivery, service, kg, accept_by)
      JOIN given g USING (n)
     CROSS JOIN LATERAL inventory_capacity_of(o.location_id, o.day, o.delivery) AS c
), wanted AS (
    SELECT location_id, day, shared, min(delivery) AS delivery, min(max_orders) AS orders,
           min(max_units) AS units, count(*) AS more_orders, sum(units) AS more
      FROM offered WHERE max_orders IS NOT NULL OR max_units IS NOT NULL
     GROUP BY location_id, day, shared, CASE WHEN shared THEN '' ELSE delivery END
), full_ AS (
    SELECT c.location_id
      FROM wanted c CROSS JOIN {capacity.load(given_anew=_NOT_GIVEN_HERE)} AS load
     WHERE load.orders + c.more_orders > c.orders OR load.units + c.more > c.units
), offer AS (
    INSERT INTO routing_offer (order_id, decision_id, location_id, day, slices, lines, units,
                               delivery, service, kg_co2, accept_by, capacity, capacity_units)
    SELECT order_id, decision_id, location_id, day, slices::bigint[], lines, units, delivery,
           service, kg, accept_by, max_orders, max_units
      FROM offered WHERE NOT EXISTS (SELECT 1 FROM full_)
)
SELECT array(SELECT id FROM given ORDER BY n), array(SELECT location_id FROM full_),
       (SELECT count(*) FROM given WHERE base IS NOT NULL AND base_id IS NULL)
"""


def keep(
    rows: Sequence[Judged], *, cause: str, run: int | None = None
) -> list[Decision]:  # fmt: skip
    """Write decisions whole, with an offer per stock point. One statement whatever their number.

    Raises Lost when a stock point's day is full by now; what was written is to be rolled back.
    """
    decisions = [_decision(row, cause, run) for row in rows]
    shared = [bases.of(row.verdict.inputs) if row.verdict.inputs else None for row in rows]
    offers = [offer for n, row in enumerate(rows, 1) for offer in _offers(n, row)]
    fresh = bases.unknown(base for base in shared if base is not None)
    params: dict[str, Any] = {
        **{name: [offer[i] for offer in offers] for i, name in enumerate(_OFFER)},
        "rows": dumps(
            [_row(n, *pair) for n, pair in enumerate(zip(decisions, shared, strict=True), 1)]
        ).decode(),
        "bases": dumps([{"hash": base.hash, "data": base.data} for base in fresh]).decode(),
        "at": rows[0].shot.now, "cause": cause[:60], "run": run, "version": engine.ENGINE_VERSION,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, params)
        ids, full, missing = cursor.fetchone()
    if missing:  # somebody cleared away what this process took for kept
        bases.forget()
        raise Lost("inputs that decisions share were not there")
    if full:
        raise Lost("a stock point has no capacity left today")
    bases.remember(fresh)
    for decision, pk in zip(decisions, ids, strict=True):
        decision.pk = pk
    return decisions


def _decision(row: Judged, cause: str, run: int | None) -> Decision:
    verdict, rules = row.verdict, row.shot.rule_set
    return Decision(
        order=row.shot.order, at=row.shot.now, cause=cause[:60], run_id=run,
        rule_set_id=rules["id"] if rules else None,
        rule_id=verdict.rule["id"] if verdict.rule else None,
        engine_version=engine.ENGINE_VERSION, outcome=row.outcome, sentence=verdict.sentence,
        inputs=_inputs(verdict), result=verdict.result,
        attempts=[one.to_json() for one in verdict.attempts], cost=verdict.cost,
        kg_co2=verdict.kg_co2,
    )  # fmt: skip


def _row(n: int, decision: Decision, base: Base | None) -> Json:
    # One text for all of them: an array would be escaped value by value, which takes longer than
    # everything else about a decision.
    return {
        "n": n, "order_id": decision.order_id, "rule_set_id": decision.rule_set_id,
        "rule_id": decision.rule_id, "outcome": decision.outcome, "sentence": decision.sentence,
        "inputs": decision.inputs, "result": decision.result, "attempts": decision.attempts,
        "cost": None if decision.cost is None else str(decision.cost), "kg_co2": decision.kg_co2,
        "base": None if base is None else base.hash,
    }  # fmt: skip


def _inputs(verdict: Verdict) -> Json:
    if verdict.inputs is not None:
        return verdict.inputs.own_json()
    return {"lines": {"columns": ["key", "quantity"], "rows": [list(row) for row in verdict.asked]}}


_OFFER = ("of", "location", "day", "slices", "lines", "units", "delivery", "service", "kg",
          "accept_by")  # fmt: skip


def _offers(n: int, row: Judged) -> list[tuple[Any, ...]]:
    """An offer of decision `n` per stock point, as _OFFER names the columns."""
    by_place: dict[int, list[Allocation]] = defaultdict(list)
    for one in row.placed:
        by_place[one.location].append(one.piece)
    minutes = row.verdict.rule["accept_minutes"] if row.verdict.rule else None
    accept_by = None if minutes is None else row.shot.now + timedelta(minutes=minutes)
    return [
        (
            n, place, row.shot.day(place), _array(piece.pk for piece in pieces),
            len({piece.line_id for piece in pieces}), sum(piece.quantity for piece in pieces),
            row.shot.part.method, *row.verdict.sends.get(place, Sent("", 0.0)), accept_by,
        )
        for place, pieces in sorted(by_place.items())
    ]  # fmt: skip


def _array(ids: Iterable[int]) -> str:
    return f"{{{','.join(map(str, sorted(ids)))}}}"
