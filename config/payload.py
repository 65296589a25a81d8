"""What a call may hold: strict objects, whole units, and many rows with an answer for each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField, empty

from config.problems import flat

MAX_ROWS = 1000


class Strict(serializers.Serializer):
    """A serializer that refuses fields it does not know: a typo is an error, not a default.

    Reads what DRF's own does, for fields without a `source` and callers that are no HTML forms: a
    field that is left out costs next to nothing. Orders come by the hundred, with most left out.
    """

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)  # says what was expected
        if not data.keys() <= self._names:
            unknown = sorted(set(data) - self._names)
            raise serializers.ValidationError(
                {name: serializers.ErrorDetail("unknown field", "unknown_field")
                 for name in unknown[:20]}
            )  # fmt: skip
        found: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, one, check in self._steps:
            try:
                value = _value(one, data.get(name, empty))
                found[name] = value if check is None else check(value)
            except SkipField:
                pass
            except ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise ValidationError(errors)
        return found

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.fields)

    @cached_property
    def _steps(self) -> list[tuple[str, serializers.Field, Callable[[Any], Any] | None]]:
        return [
            (name, one, getattr(self, f"validate_{name}", None))
            for name, one in self.fields.items()
            if not one.read_only
        ]


def _value(one: serializers.Field, given: Any) -> Any:
    if given is empty and not one.required:
        return one.get_default()
    return one.run_validation(given)


class Units(serializers.IntegerField):
    """A whole number of units written as a JSON integer: no 1.0, no "1", no true."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Items(serializers.ListField):
    """A list that is counted before its entries are looked at."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length and len(data) > self.max_length:
            raise serializers.ValidationError(
                f"has {len(data)} entries, at most {self.max_length} are taken", "max_length"
            )
        return super().to_internal_value(data)


@dataclass(frozen=True)
class Row:
    """One row of a call: its validated values, or what is wrong with it (None then)."""

    index: int
    value: Mapping[str, Any] | None
    problems: list[dict[str, str]] = field(default_factory=list)


def each(
    data: Any,
    serializer: type[serializers.Serializer],
    *,
    key: str = "rows",
    most: int = MAX_ROWS,
) -> list[Row]:
    """Validate every row of `{key: [...]}` by itself, so that one bad row stops no other.

    Raises ValidationError when there are no rows, or more than `most`, or other keys.
    """
    rows = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(rows, list) or not 0 < len(rows) <= most or set(data) != {key}:
        raise ValidationError({key: f"send {{{key!r}: [...]}} with 1 to {most} rows"})
    form = serializer()  # one for all rows: copying its fields anew for each is most of the work
    return [_row(form, index, row) for index, row in enumerate(rows)]


def _row(form: serializers.Serializer, index: int, row: Any) -> Row:
    try:
        return Row(index, form.run_validation(row))
    except ValidationError as error:
        return Row(index, None, list(flat(error.detail)))
