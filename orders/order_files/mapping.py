"""Which column of a file holds what: guessed from names, chosen by a person, kept by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orders.models import ColumnMapping
from orders.order_files.fields import CHOICES, FIELDS


@dataclass(frozen=True)
class Columns:
    """Our field -> their column (in lower case), and what holds for all orders of the file."""

    columns: Mapping[str, str]
    choices: Mapping[str, str]
    currency: str = ""
    country: str = ""

    @classmethod
    def of(cls, row: ColumnMapping) -> "Columns":
        """A saved mapping; a choice that is newer than it has its usual value."""
        usual = {choice.name: choice.values[0][0] for choice in CHOICES}
        said = {name: str(value) for name, value in row.defaults.items() if value}
        choices = {name: said.get(name, value) for name, value in usual.items()}
        return cls(row.columns, choices, said.get("currency", ""), said.get("country", ""))

    def missing_in(self, header: Sequence[str]) -> list[str]:
        """Columns the mapping names that the file does not have."""
        return sorted({column for column in self.columns.values() if column not in header})


def problems(columns: Mapping[str, str]) -> dict[str, str]:
    """Our field -> why the mapping cannot be used like this."""
    found = {
        name: "is needed"
        for name, field in FIELDS.items()
        if field.required and not columns.get(name)
    }
    if not columns.get("pickup_location") and not columns.get("ship_line1"):
        found["ship_line1"] = "is needed, or a store where orders are picked up"
    return found


def guess(header: Sequence[str]) -> dict[str, str]:
    """Our field -> the column whose name says so; a column is meant once."""
    plain = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in reversed(header)}
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name, field in FIELDS.items():
        for spelling in (name.replace("_", ""), *field.names):
            column = plain.get(spelling)
            if column and column not in taken:
                found[name] = column
                taken.add(column)
                break
    return found
