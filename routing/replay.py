"""Decisions again: what went into the engine, as JSON to keep, and the same answer from it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from routing import engine
from routing.models import Decision

Json = dict[str, Any]
Bands = tuple[tuple[float, float, Decimal], ...]

_CANDIDATE = tuple(field.name for field in fields(engine.Candidate))
_LINE = tuple(field.name for field in fields(engine.Line))
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
            "lines": {"columns": list(_LINE), "rows": [_row(x, _LINE) for x in self.lines]},
            "candidates": {
                "columns": list(_CANDIDATE),
                "rows": [_row(x, _CANDIDATE) for x in self.candidates],
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
    return json.loads(dumps(answer))


def dumps(value: Any) -> str:
    """JSON as decisions are kept."""
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=16)
def tariff(bands: Bands) -> engine.Tariff:
    """The tariff of these bands; its tables are built once per process."""
    return engine.Tariff(bands=bands)


def _row(thing: Any, names: Sequence[str]) -> list[Any]:
    return [_plain(getattr(thing, name)) for name in names]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return sorted(value.items())
    if isinstance(value, frozenset):
        return sorted(value)
    return value


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
