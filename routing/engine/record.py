"""A decision as JSON: everything that is kept of it. Money and kg are strings, km are numbers.

Candidates are rows under the names of their columns: of 50 of them half the JSON would be names.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .explain import UNFILLED, explain, sentence
from .types import TERM_NAMES, Considered, Decision, Parcel, Plan, Solo, Terms

Json = dict[str, Any]
Row = list[Any]

_NAMES = {
    "columns": [
        "key", "code", "name", "kind", "km", "status", "eliminations", "solo", "gap",
        "shipping_gap", "would_send", "place", "behind", "words",
    ],
    "eliminations": ["rule", "line", "value", "limit", "words"],
    "solo": ["lines", "terms", "total", "complete", "service", "service_name", "days", "kg_co2"],
    "terms": list(TERM_NAMES),
}  # fmt: skip


def to_json(decision: Decision) -> Json:
    """The whole decision with its words. Equal inputs give equal JSON."""
    words = explain(decision)
    best = decision.single_best
    return {
        "version": decision.version,
        "sentence": sentence(decision),
        "plan": _plan(decision.plan),
        "considered": {
            **_NAMES,
            "rows": [_row(one, said) for one, said in zip(decision.considered, words, strict=True)],
        },
        "single_best": best
        and {
            "key": best.key,
            "code": best.code,
            "name": best.name,
            "total": str(best.total),
            "complete": best.complete,
        },
    }


def _plan(plan: Plan) -> Json:
    return {
        "total": str(plan.total),
        "terms": _terms(plan.terms),
        "kg_co2": str(plan.kg_co2),
        "exact": plan.exact,
        "words": plan.words,
        "parcels": [_parcel(parcel) for parcel in plan.parcels],
        "unfilled": [
            {"line": one.line, "units": one.units, "why": one.why, "words": UNFILLED[one.why]}
            for one in plan.unfilled
        ],
    }


def _parcel(parcel: Parcel) -> Json:
    return {
        "candidate": parcel.candidate,
        "code": parcel.code,
        "name": parcel.name,
        "lines": _sent(parcel.lines),
        "terms": _terms(parcel.terms),
        "total": str(parcel.total),
        "km": parcel.km,
        "kg_co2": str(parcel.kg_co2),
        "weight_g": parcel.weight_g,
        "service": parcel.service,
        "service_code": parcel.service_code,
        "service_name": parcel.service_name,
        "days": parcel.days,
    }


def _row(one: Considered, words: str) -> Row:
    return [
        one.key, one.code, one.name, one.kind, one.km, one.status,
        [[out.rule, out.line, out.value, out.limit, out.words] for out in one.eliminations],
        one.solo and _solo(one.solo), _text(one.gap), _text(one.shipping_gap), one.would_send,
        one.place, one.behind, words,
    ]  # fmt: skip


def _solo(solo: Solo) -> Row:
    return [
        solo.lines, [str(amount) for _, amount in solo.terms.items()], str(solo.total),
        solo.complete, solo.service, solo.service_name, solo.days, str(solo.kg_co2),
    ]  # fmt: skip


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def considered(result: Mapping[str, Any]) -> list[Json]:
    """The candidates of a kept decision, each under the names of `Considered`.

    Reads tables as `to_json` writes them, and lists of objects as it wrote them before.
    """
    table = result.get("considered", [])
    if isinstance(table, list):
        return table
    return [_read(dict(zip(table["columns"], row, strict=True)), table) for row in table["rows"]]


def _read(row: Json, table: Mapping[str, Any]) -> Json:
    row["eliminations"] = [
        dict(zip(table["eliminations"], out, strict=True)) for out in row["eliminations"]
    ]
    row["would_send"] = _sent(row["would_send"])
    if row["solo"] is not None:
        solo = dict(zip(table["solo"], row["solo"], strict=True))
        solo["lines"] = _sent(solo["lines"])
        solo["terms"] = dict(zip(table["terms"], solo["terms"], strict=True))
        row["solo"] = solo
    return row


def _terms(terms: Terms) -> Json:
    return {name: str(amount) for name, amount in terms.items()}


def _sent(lines: Iterable[Sequence[int]]) -> list[Json]:
    return [{"line": key, "units": units} for key, units in lines]
