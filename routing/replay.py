"""Decisions again: what went into the engine, as JSON to keep, and the same answer from it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson

from routing import engine
from routing.models import Decision

Json = dict[str, Any]
Bands = tuple[tuple[float, float, Decimal], ...]

_LINE = ["key", "product", "quantity", "weight_g", "unit_price"]
_CANDIDATE = [
    "key", "code", "name", "kind", "is_central", "lat", "lng", "free", "handling_order",
    "handling_line", "capacity_left", "open", "can_ship", "online", "lead_days", "overstock",
    "excluded", "refusal_rate",
]  # fmt: skip
_MONEY_OF_POLICY = (
    "co2_price_per_kg", "central_bonus", "overstock_relief", "split_penalty",
    "late_penalty_per_day", "refusal_cost", "min_part_value",
)  # fmt: skip


@dataclass(frozen=True)
class Inputs:
    """All that the engine sees of an order; nothing else moves its answer."""

    lines: tuple[engine.Line, ...]
    candidates: tuple[engine.Candidate, ...]
    destination: engine.Destination
    policy: engine.Policy
    bands: Bands
    emission: engine.Emission

    def route(self) -> engine.Decision:
        """Ask the engine. Raises engine.BadInput and engine.BadTariff."""
        return engine.route(
            self.lines, self.candidates, self.destination, self.policy, tariff(self.bands),
            self.emission,
        )  # fmt: skip

    def to_json(self) -> Json:
        """Plain JSON: money as strings, lines and candidates as rows under their column names."""
        return {
            "lines": {"columns": _LINE, "rows": [_line_row(line) for line in self.lines]},
            "candidates": {
                "columns": _CANDIDATE,
                "rows": [_candidate_row(one) for one in self.candidates],
            },
            "destination": asdict(self.destination),
            "policy": _texts(asdict(self.policy)),
            "tariff": [[km, grams, str(price)] for km, grams, price in self.bands],
            "emission": asdict(self.emission),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Inputs":
        """What `to_json` wrote."""
        policy = kept["policy"]
        amounts = {
            name: None if policy[name] is None else Decimal(policy[name])
            for name in _MONEY_OF_POLICY
        }
        return cls(
            lines=tuple(_line(row) for row in _rows(kept["lines"])),
            candidates=tuple(_candidate(row) for row in _rows(kept["candidates"])),
            destination=engine.Destination(**kept["destination"]),
            policy=engine.Policy(**{**policy, **amounts}),
            bands=tuple((km, grams, Decimal(price)) for km, grams, price in kept["tariff"]),
            emission=engine.Emission(**kept["emission"]),
        )


def replay(decision: Decision) -> Json:
    """What the engine of today answers to a decision's inputs.

    Equal to `decision.result` to the last byte of its JSON while `decision.engine_version` is
    `engine.ENGINE_VERSION`. A decision that never reached the engine (no rule set, refused too
    often) answers with what it kept.
    """
    if "candidates" not in decision.inputs:
        return decision.result
    answer = engine.to_json(Inputs.from_json(decision.inputs).route())
    return orjson.loads(dumps(answer))


def dumps(value: Any) -> bytes:
    """JSON as decisions are kept."""
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS)


@lru_cache(maxsize=16)
def tariff(bands: Bands) -> engine.Tariff:
    """The tariff of these bands; its tables are built once per process."""
    return engine.Tariff(bands=bands)


def _line_row(line: engine.Line) -> list[Any]:
    return [line.key, line.product, line.quantity, line.weight_g, str(line.unit_price)]


def _candidate_row(one: engine.Candidate) -> list[Any]:
    return [
        one.key, one.code, one.name, one.kind, one.is_central, one.lat, one.lng,
        list(one.free.items()), str(one.handling_order), str(one.handling_line),
        one.capacity_left, one.open, one.can_ship, one.online, one.lead_days,
        list(one.overstock.items()), sorted(one.excluded), one.refusal_rate,
    ]  # fmt: skip


def _texts(values: Json) -> Json:
    return {k: str(v) if isinstance(v, Decimal) else v for k, v in values.items()}


def _rows(table: Mapping[str, Any]) -> list[Json]:
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]


def _line(row: Json) -> engine.Line:
    return engine.Line(**{**row, "unit_price": Decimal(row["unit_price"])})


def _candidate(row: Json) -> engine.Candidate:
    return engine.Candidate(
        **{
            **row,
            "free": dict(row["free"]),
            "overstock": dict(row["overstock"]),
            "excluded": frozenset(row["excluded"]),
            "handling_order": Decimal(row["handling_order"]),
            "handling_line": Decimal(row["handling_line"]),
        }
    )
