"""What a customer fills in to send things back."""

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from django import forms

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


def _units(room: Room) -> forms.Field:
    label = f"How many of {room.name}"
    if room.open > MOST_CHOICES:
        return forms.IntegerField(label=label, required=False, min_value=0, max_value=room.open)
    choices = [(0, "Keep")] if room.open == 1 else [(0, "None")]
    choices += [(n, "Send back" if room.open == 1 else str(n)) for n in range(1, room.open + 1)]
    return forms.TypedChoiceField(
        label=label, required=False, choices=choices, coerce=int, empty_value=None
    )
