"""A decision as JSON: everything that is kept of it. Money and kg are strings, km are numbers."""

from typing import Any

from .explain import UNFILLED, explain, sentence
from .types import Considered, Decision, Elimination, Parcel, Plan, Terms

Json = dict[str, Any]
Sent = tuple[tuple[int, int], ...]


def to_json(decision: Decision) -> Json:
    """The whole decision with its words. Equal inputs give equal JSON."""
    words = explain(decision)
    best = decision.single_best
    return {
        "version": decision.version,
        "sentence": sentence(decision),
        "plan": _plan(decision.plan),
        "considered": [
            _considered(one, said) for one, said in zip(decision.considered, words, strict=True)
        ],
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


def _considered(one: Considered, words: str) -> Json:
    return {
        "key": one.key,
        "code": one.code,
        "name": one.name,
        "kind": one.kind,
        "km": one.km,
        "status": one.status,
        "eliminations": [_elimination(out) for out in one.eliminations],
        "solo": one.solo
        and {
            "lines": _sent(one.solo.lines),
            "terms": _terms(one.solo.terms),
            "total": str(one.solo.total),
            "complete": one.solo.complete,
            "service": one.solo.service,
            "service_name": one.solo.service_name,
            "days": one.solo.days,
            "kg_co2": str(one.solo.kg_co2),
        },
        "gap": None if one.gap is None else str(one.gap),
        "shipping_gap": None if one.shipping_gap is None else str(one.shipping_gap),
        "would_send": _sent(one.would_send),
        "place": one.place,
        "behind": one.behind and list(one.behind),
        "words": words,
    }


def _elimination(out: Elimination) -> Json:
    return {
        "rule": out.rule,
        "line": out.line,
        "value": out.value,
        "limit": out.limit,
        "words": out.words,
    }


def _terms(terms: Terms) -> Json:
    return {name: str(amount) for name, amount in terms.items()}


def _sent(lines: Sent) -> list[Json]:
    return [{"line": key, "units": units} for key, units in lines]
