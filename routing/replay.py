"""Decisions again: what went into the engine, as JSON to keep, and the same answer from it.

Inputs are kept in two parts: the base, which many decisions have in common (what stock points are,
the policy, the services with their tariffs), and an order's own. Decisions of before there were
several delivery services are whole, and are read as they are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import orjson

from routing import engine
from routing.models import Decision

Json = dict[str, Any]
Rows = dict[str, Any]  # {"columns": [...], "rows": [[...], ...]}

_LINE = ["key", "product", "quantity", "weight_g", "unit_price", "dangerous", "category"]
POINT = [  # of a candidate, the same for many orders
    "key", "code", "name", "kind", "is_central", "lat", "lng", "handling_order", "handling_line",
    "open", "can_ship", "online", "allowed",
]  # fmt: skip
_STATE = [  # of a candidate, for this order and at this moment
    "key", "free", "capacity_left", "lead_days", "overstock", "excluded", "refusal_rate", "load",
    "on_shelf",
]  # fmt: skip
_MONEY_OF_POLICY = (
    "co2_price_per_kg", "central_bonus", "overstock_relief", "split_penalty",
    "late_penalty_per_day", "refusal_cost", "min_part_value", "last_unit_cost", "workload_cost",
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """All that the engine sees of an order; nothing else moves its answer."""

    lines: tuple[engine.Line, ...]
    candidates: tuple[engine.Candidate, ...]
    destination: engine.Destination
    policy: engine.Policy
    services: tuple[engine.Service, ...]
    given: engine.Given | None = None  # the plan, where it was made for many orders together

    def route(self) -> engine.Decision:
        """Ask the engine. Raises engine.BadInput and engine.BadTariff."""
        if self.given is not None:
            return engine.follow(
                self.lines, self.candidates, self.destination, self.policy, self.services,
                self.given,
            )  # fmt: skip
        return engine.route(
            self.lines, self.candidates, self.destination, self.policy, self.services
        )

    def trade_off(self) -> tuple[engine.TradePoint, ...]:
        """What less CO2e would cost. Raises engine.BadInput and engine.BadTariff."""
        return engine.trade_off(
            self.lines, self.candidates, self.destination, self.policy, self.services
        )

    def to_json(self) -> Json:
        """Both parts in one: plain JSON, money as strings, rows under their column names."""
        return {**self.base_json(), **self.own_json()}

    def base_json(self) -> Json:
        """What orders of the same rule from the same stock points have in common."""
        policy = asdict(self.policy)
        del policy["promise_days"]
        return {
            "candidates": {"columns": POINT, "rows": [_point_row(one) for one in self.candidates]},
            "policy": _texts(policy),
            "services": [_service_json(service) for service in self.services],
        }

    def own_json(self) -> Json:
        """What is this order's own."""
        return {
            "lines": {"columns": _LINE, "rows": [_line_row(line) for line in self.lines]},
            "points": {"columns": _STATE, "rows": [_state_row(one) for one in self.candidates]},
            "destination": asdict(self.destination),
            "promise_days": self.policy.promise_days,
            **({} if self.given is None else {"given": _given_rows(self.given)}),
        }

    @classmethod
    def from_json(cls, own: Mapping[str, Any], base: Mapping[str, Any] | None = None) -> "Inputs":
        """What `to_json` wrote; or `own_json` and `base_json`."""
        kept = {**(base or {}), **own}
        candidates = _rows(kept["candidates"])
        if "tariff" in kept:  # of before there were several services
            services: tuple[engine.Service, ...] = (_only_service(kept),)
            candidates = [{**row, "lead_days": [row["lead_days"]]} for row in candidates]
            policy = kept["policy"]
        else:
            services = tuple(service(row) for row in kept["services"])
            states = {row["key"]: row for row in _rows(kept["points"])}
            candidates = [{**row, **states[row["key"]]} for row in candidates]
            policy = {**kept["policy"], "promise_days": kept["promise_days"]}
        return cls(
            lines=tuple(_line(row) for row in _rows(kept["lines"])),
            candidates=tuple(_candidate(row) for row in candidates),
            destination=engine.Destination(**kept["destination"]),
            policy=_policy(policy),
            services=services,
            given=_given(kept["given"]) if "given" in kept else None,
        )


def _given_rows(given: engine.Given) -> list[list[int]]:
    return [
        [line, key, units]
        for line, places in sorted(given.items())
        for key, units in sorted(places.items())
    ]


def _given(rows: Iterable[list[int]]) -> engine.Given:
    given: dict[int, dict[int, int]] = {}
    for line, key, units in rows:
        given.setdefault(line, {})[key] = units
    return given


def replay(decision: Decision) -> Json:
    """What the engine of today answers to a decision's inputs.

    Equal to `decision.result` to the last byte of its JSON while `decision.engine_version` is
    `engine.ENGINE_VERSION`. A decision that never reached the engine (no rule set, refused too
    often) answers with what it kept.
    """
    inputs = whole(decision)
    if "candidates" not in inputs:
        return decision.result
    answer = engine.to_json(Inputs.from_json(inputs).route())
    return orjson.loads(dumps(answer))


def whole(decision: Decision) -> Json:
    """All of a decision's inputs, with what it shares with others."""
    return {**(decision.base.data if decision.base else {}), **decision.inputs}


def dumps(value: Any) -> bytes:
    """JSON as decisions are kept."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)


def service(row: Mapping[str, Any]) -> engine.Service:
    """A delivery service from JSON: as kept, or as SQL built it under the same names.

    `transit` has null for any distance. Raises engine.BadTariff.
    """
    emission = row["emission"]
    return engine.Service(
        key=row["key"],
        code=row["code"],
        name=row["name"],
        tariff=_tariff(row["tariff"], row.get("extra", ("0", "0"))),
        emission=engine.Emission(**emission) if emission else engine.Emission(),
        transit=tuple((float("inf") if km is None else km, days) for km, days in row["transit"]),
        dangerous_goods=row["dangerous_goods"],
    )


def _service_json(one: engine.Service) -> Json:
    transit = [[None if km == float("inf") else km, days] for km, days in one.transit]
    return {
        "key": one.key,
        "code": one.code,
        "name": one.name,
        "tariff": [[km, grams, str(price)] for km, grams, price in one.tariff.bands],
        "extra": [str(one.tariff.per_extra_kg), str(one.tariff.per_extra_1000_km)],
        "emission": asdict(one.emission),
        "transit": transit,
        "dangerous_goods": one.dangerous_goods,
    }


def _only_service(kept: Mapping[str, Any]) -> engine.Service:
    tariff, emission = _tariff(kept["tariff"]), engine.Emission(**kept["emission"])
    return engine.Service(key=0, code="parcel", name="Parcel", tariff=tariff, emission=emission)


def _tariff(bands: Iterable[Any], extra: Iterable[str] = ("0", "0")) -> engine.Tariff:
    """`extra`: what a kilogram, and 1000 km, beyond the last step add."""
    per_kg, per_1000_km = map(Decimal, extra)
    return engine.Tariff(
        tuple((km, grams, Decimal(price)) for km, grams, price in bands), per_kg, per_1000_km
    )


def _line_row(line: engine.Line) -> list[Any]:
    return [
        line.key, line.product, line.quantity, line.weight_g, str(line.unit_price),
        line.dangerous, line.category,
    ]  # fmt: skip


def _point_row(one: engine.Candidate) -> list[Any]:
    return [
        one.key, one.code, one.name, one.kind, one.is_central, one.lat, one.lng,
        str(one.handling_order), str(one.handling_line), one.open, one.can_ship, one.online,
        one.allowed,
    ]  # fmt: skip


def _state_row(one: engine.Candidate) -> list[Any]:
    return [
        one.key, list(one.free.items()), one.capacity_left, list(one.lead_days),
        list(one.overstock.items()), sorted(one.excluded), one.refusal_rate, one.load,
        list(one.on_shelf.items()),
    ]  # fmt: skip


def _texts(values: Json) -> Json:
    return {k: str(v) if isinstance(v, Decimal) else v for k, v in values.items()}


def _rows(table: Rows) -> list[Json]:
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def _line(row: Json) -> engine.Line:
    return engine.Line(**{**row, "unit_price": Decimal(row["unit_price"])})


def _policy(kept: Mapping[str, Any]) -> engine.Policy:
    amounts = {
        name: None if kept[name] is None else Decimal(kept[name])
        for name in _MONEY_OF_POLICY
        if name in kept
    }
    return engine.Policy(**{**kept, **amounts, "sort": tuple(kept.get("sort", ()))})


def _candidate(row: Json) -> engine.Candidate:
    return engine.Candidate(
        **{
            **row,
            "free": dict(row["free"]),
            "lead_days": tuple(row["lead_days"]),
            "overstock": dict(row["overstock"]),
            "on_shelf": dict(row.get("on_shelf", ())),
            "excluded": frozenset(row["excluded"]),
            "handling_order": Decimal(row["handling_order"]),
            "handling_line": Decimal(row["handling_line"]),
        }
    )
