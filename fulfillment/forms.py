"""What people type on the store pages."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.validators import RegexValidator

from fulfillment import work
from fulfillment.board import Card
from fulfillment.models import Parcel
from routing import reasons


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


@dataclass(frozen=True)
class Wanted:
    """An item of the card that other orders of the stock point want, too."""

    name: str
    sku: str
    others: list[work.Other]


class RefuseForm(forms.Form):
    """Why, how many units of each line can be given all the same, and what happens to others.

    `too`: ids of work of other orders that is refused with it, as the page showed it.
    """

    reason = forms.ChoiceField(error_messages={"required": "Choose a reason."})
    note = forms.CharField(max_length=200, required=False)
    too = forms.CharField(
        max_length=2000, required=False, validators=[RegexValidator(r"^\d{1,18}(,\d{1,18})*$")]
    )

    def __init__(self, card: Card, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card = card
        self.reasons = reasons.offered()
        field = self.fields["reason"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(reason.code, reason.name) for reason in self.reasons]
        lines = [line.allocation.line for line in card.lines]
        others = work.wanting(card.row, {line.product_id for line in lines})
        items = {line.product_id: line for line in lines}
        self.wanted = [Wanted(items[pk].name, items[pk].sku, them) for pk, them in others.items()]
        for line in card.lines:
            self.fields[f"keep_{line.pk}"] = forms.IntegerField(
                min_value=0, max_value=line.quantity, required=False, initial=0,
                label=line.allocation.line.name,
            )  # fmt: skip

    @property
    def all_too(self) -> str:
        """What `too` says for all others."""
        works = sorted({other.work for one in self.wanted for other in one.others})
        return ",".join(map(str, works))

    def refused_too(self) -> tuple[list[int], set[int]]:
        """Work that is refused with it, and the products of which this one gives up units."""
        works = [int(pk) for pk in self.cleaned_data["too"].split(",") if pk]
        kept = self.keep()
        short = [line for line in self.card.lines if kept[line.pk] < line.quantity]
        return works, {line.allocation.line.product_id for line in short}

    def keep(self) -> dict[int, int]:
        """Units that can be given, by line id."""
        return {line.pk: self.cleaned_data[f"keep_{line.pk}"] or 0 for line in self.card.lines}


WEIGHT_WORDS = (
    "Write the weight in whole grams, from 1 to 1000000, as 1250 for 1.25 kg; or leave it empty."
)


class ShipForm(forms.Form):
    """Who carries it, under which number, and what it weighs with its packaging, if weighed."""

    carrier = forms.CharField(
        max_length=Parcel._meta.get_field("carrier").max_length,
        error_messages={"required": "Say which carrier takes it."},
    )
    tracking_number = forms.CharField(
        max_length=Parcel._meta.get_field("tracking_number").max_length,
        error_messages={"required": "Scan or type the tracking number on the label."},
    )
    weight_g = forms.IntegerField(
        min_value=1, max_value=Parcel.HEAVIEST_G, required=False,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), WEIGHT_WORDS),
    )  # fmt: skip


class CollectForm(forms.Form):
    """Who came for it."""

    name = forms.CharField(max_length=100, error_messages={"required": "Write down who took it."})
