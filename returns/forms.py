"""What a customer fills in to send things back, or to cancel what has not left."""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from django import forms

from orders.cancellation import Position
from returns.models import Return
from returns.process import Refused
from returns.returnable import Room

MOST_CHOICES = 20
KEY = "page:{}"


class ReturnForm(forms.Form):
    """Units of each line that may come back, a reason, a note, and the key that makes it once."""

    reason = forms.ChoiceField(
        choices=[("", "Choose a reason"), *Return.Reason.choices],
        error_messages={"required": "Choose a reason."},
    )
    note = forms.CharField(
        label="Anything we should know?", required=False, max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, rooms: Iterable[Room], **options: Any) -> None:
        super().__init__(*args, **options)
        self.rooms = {room.line.pk: room for room in rooms if room.open}
        for pk, room in self.rooms.items():
            self.fields[f"units_{pk}"] = _units(room)

    def lines(self) -> Iterator[tuple[Room, forms.BoundField]]:
        """Each line that may come back, with its field."""
        for pk, room in self.rooms.items():
            yield room, self[f"units_{pk}"]

    def clean(self) -> dict[str, Any]:
        """At least one unit."""
        cleaned = super().clean() or {}
        if not self.errors and not self.wanted(cleaned):
            self.add_error(None, "Choose at least one item to send back.")
        return cleaned

    def wanted(self, cleaned: dict[str, Any]) -> list[tuple[int, int]]:
        """Pairs (order line, units) that were chosen."""
        units = [(pk, cleaned.get(f"units_{pk}") or 0) for pk in self.rooms]
        return [(pk, n) for pk, n in units if n]

    def refuse(self, error: Refused) -> None:
        """Show a refusal where it belongs, in a sentence."""
        field = f"units_{error.line_id}"
        words = str(error)
        self.add_error(field if field in self.fields else None, f"{words[:1].upper()}{words[1:]}.")


class CancelForm(forms.Form):
    """Units of each thing that can still be canceled; all of them, unless fewer are chosen."""

    def __init__(self, *args: Any, positions: Iterable[Position], **options: Any) -> None:
        super().__init__(*args, **options)
        self.positions = {one.position: one for one in positions}
        for key, one in self.positions.items():
            self.fields[f"units_{key}"] = _choice(one.name, one.units, "Cancel", initial=one.units)

    def lines(self) -> Iterator[tuple[Position, forms.BoundField]]:
        """Each thing that can be canceled, with its field."""
        for key, one in self.positions.items():
            yield one, self[f"units_{key}"]

    def clean(self) -> dict[str, Any]:
        """At least one unit."""
        cleaned = super().clean() or {}
        if not self.errors and not self.wanted(cleaned):
            self.add_error(None, "Choose at least one item to cancel.")
        return cleaned

    def wanted(self, cleaned: dict[str, Any]) -> dict[int, int]:
        """Units that were chosen, by position."""
        units = {key: cleaned.get(f"units_{key}") or 0 for key in self.positions}
        return {key: n for key, n in units.items() if n}


def _units(room: Room) -> forms.Field:
    return _choice(room.name, room.open, "Send back")


def _choice(name: str, most: int, do: str, *, initial: int | None = None) -> forms.Field:
    label = f"How many of {name}"
    if most > MOST_CHOICES:
        return forms.IntegerField(
            label=label, required=False, min_value=0, max_value=most, initial=initial
        )
    choices = [(0, "Keep" if most == 1 else "None")]
    choices += [(n, do if most == 1 else str(n)) for n in range(1, most + 1)]
    return forms.TypedChoiceField(
        label=label, required=False, choices=choices, coerce=int, empty_value=None, initial=initial
    )
