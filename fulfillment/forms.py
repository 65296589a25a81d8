"""What people type on the store pages."""

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from fulfillment.board import Card
from fulfillment.models import Parcel
from routing.models import Refusal


class LoginForm(AuthenticationForm):
    """Name and password, with room for fingers."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "This name and password do not fit together. Capital letters matter.",
    }


class ScanForm(forms.Form):
    """One scanned or typed code; the token makes a repeated message count once."""

    code = forms.CharField(
        max_length=64, error_messages={"required": "Scan a barcode, or type the SKU.",
                                       "max_length": "This is not a barcode of ours."}
    )  # fmt: skip
    token = forms.CharField(max_length=40, required=False)


class TrackingForm(forms.Form):
    """The number on the label of a parcel that came in."""

    code = forms.CharField(
        max_length=Parcel._meta.get_field("tracking_number").max_length,
        error_messages={"required": "Scan or type the tracking number on the label.",
                        "max_length": "This is not a tracking number."},
    )  # fmt: skip


class RefuseForm(forms.Form):
    """Why, and how many units of each line can be given all the same."""

    reason = forms.ChoiceField(
        choices=Refusal.Reason.choices, error_messages={"required": "Choose a reason."}
    )
    note = forms.CharField(max_length=200, required=False)

    def __init__(self, card: Card, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card = card
        for line in card.lines:
            self.fields[f"keep_{line.pk}"] = forms.IntegerField(
                min_value=0, max_value=line.quantity, required=False, initial=0,
                label=line.allocation.line.name,
            )  # fmt: skip

    def keep(self) -> dict[int, int]:
        """Units that can be given, by line id."""
        return {line.pk: self.cleaned_data[f"keep_{line.pk}"] or 0 for line in self.card.lines}


class ShipForm(forms.Form):
    """Who carries it, under which number."""

    carrier = forms.CharField(
        max_length=Parcel._meta.get_field("carrier").max_length,
        error_messages={"required": "Say which carrier takes it."},
    )
    tracking_number = forms.CharField(
        max_length=Parcel._meta.get_field("tracking_number").max_length,
        error_messages={"required": "Scan or type the tracking number on the label."},
    )


class CollectForm(forms.Form):
    """Who came for it."""

    name = forms.CharField(max_length=100, error_messages={"required": "Write down who took it."})
