"""Rules to begin with: weights for what a house may care about most, and why they are so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from routing.models import Rule


@dataclass(frozen=True)
class Preset:
    """Values of a rule; what is not named is as in any new rule."""

    name: str
    why: str
    values: Mapping[str, Any]


PRESETS = {
    "balanced": Preset(
        "Balanced", "Every factor counts as much as it costs in money.", {"last_unit_cost": "0.050"}
    ),
    "economic": Preset(
        "Economic",
        "Least shipping and handling. CO₂e and overstock decide only between equals.",
        {"ecological": 0.25, "retail": 0.25, "central_bonus": "0.00"},
    ),
    "ecological": Preset(
        "Ecological",
        "A kg of CO₂e counts as 0.60, and it is split only if needed: short ways and single"
        " parcels win.",
        {"ecological": 3.0, "split_penalty": "3.00", "split": Rule.Split.IF_NEEDED},
    ),
    "logistical": Preset(
        "Logistical (central first)",
        "The central warehouse sends what it has; stores help out, and are spared when their day"
        " is full.",
        {"logistical": 2.0, "central_bonus": "3.00", "workload_cost": "2.00", "retail": 0.5},
    ),
    "retail": Preset(
        "Retail (overstock stores first)",
        "Goods leave where there are too many of them before they are marked down, and last units"
        " stay on the shelf for customers in the store.",
        {"retail": 2.0, "overstock_relief": "0.150", "last_unit_cost": "0.100",
         "central_bonus": "0.00"},
    ),
}  # fmt: skip


def rule(code: str) -> Rule:
    """A new rule with a preset's values; a plain one for a code that does not exist."""
    preset = PRESETS.get(code)
    if preset is None:
        return Rule(name="")
    fields = {field.name: field for field in Rule._meta.concrete_fields}
    values = {name: fields[name].to_python(value) for name, value in preset.values.items()}
    return Rule(name=preset.name, **values)
