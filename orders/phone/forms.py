"""What staff fill in for a customer on the phone."""

import re
import secrets
from decimal import Decimal
from typing import Any

import pycountry
from django import forms as django_forms
from django.forms import formset_factory
from unfold.widgets import UnfoldAdminTextInputWidget

from config import forms
from inventory.models import Location
from orders.models import Order, SalesChannel

MOST_LINES = 50
_TOKEN = re.compile(r"P-[0-9A-F]{12}", re.ASCII)
CARD, COD, LATER = "card", "cash_on_delivery", "later"


def new_token() -> str:
    """The external id of the order that this form will become: sent twice, it is one order."""
    return f"P-{secrets.token_hex(6).upper()}"


def _amount(**options: Any) -> django_forms.DecimalField:
    attrs = {"inputmode": "decimal", "autocomplete": "off"}
    return django_forms.DecimalField(
        min_value=Decimal(0), max_digits=12, decimal_places=4, required=False,
        widget=UnfoldAdminTextInputWidget(attrs=attrs), **options,
    )  # fmt: skip


class PhoneOrder(forms.Form):
    """Everything but the lines. Names of fields are the payload's where there is one."""

    token = django_forms.CharField(widget=django_forms.HiddenInput)
    channel = forms.Choice()
    email = django_forms.EmailField(
        required=False, label="E-mail", widget=UnfoldAdminTextInputWidget(attrs={"type": "email"})
    )
    name = forms.Text(max_length=200, required=False)
    phone = forms.Text(max_length=40, required=False)
    method = forms.Choice(label="Delivery", choices=Order.Delivery.choices)
    location = forms.Choice(
        label="Store", required=False, help_text="for pick-up and ship to store"
    )
    service = forms.Choice(choices=[("standard", "standard"), ("express", "express")])
    line1 = forms.Text(label="Street and number", max_length=200, required=False)
    line2 = forms.Text(label="Address, more", max_length=200, required=False)
    postcode = forms.Text(max_length=20, required=False)
    city = forms.Text(max_length=100, required=False)
    region = forms.Text(max_length=100, required=False)
    country = forms.Choice(required=False)
    discount = _amount(help_text="on the whole order, besides the lines' own")
    shipping = _amount()
    payment = forms.Choice(
        choices=[(COD, "cash on delivery"), (CARD, "card, paid already"), (LATER, "pays later")]
    )
    reference = forms.Text(
        label="Card payment's reference", max_length=100, required=False,
        help_text="what the card terminal or the payment page showed",
    )  # fmt: skip
    note = forms.LongText(label="What the customer asks for", max_length=2000, required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = {
            "channel": [(c.code, c.name) for c in channels()],
            "location": [("", "-"), *stores()],
            "country": [("", "-"), *sorted(
                ((c.alpha_2, c.name) for c in pycountry.countries), key=lambda row: row[1]
            )],
        }  # fmt: skip
        for name, values in choices.items():
            self.fields[name].choices = values  # type: ignore[attr-defined]

    def clean_token(self) -> str:
        token = self.cleaned_data["token"]
        if not _TOKEN.fullmatch(token):
            raise django_forms.ValidationError("Open the page again: this form is not from here.")
        return token

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("payment") == CARD and not data.get("reference"):
            self.add_error("reference", "A card payment needs its reference.")
        if data.get("method") not in (None, Order.Delivery.SHIP) and not data.get("location"):
            self.add_error("location", "Choose the store.")
        if data.get("method") == Order.Delivery.SHIP and not data.get("country"):
            self.add_error("country", "Choose the country.")
        return data


class LineForm(forms.Form):
    """One product; an empty SKU is no line."""

    sku = forms.Text(label="SKU", max_length=64, required=False)
    quantity = forms.Number(label="Units", min_value=1, max_value=10_000, initial=1, required=False)
    unit_price = _amount(label="Unit price", help_text="empty: the product's")
    discount = _amount(label="Discount", help_text="of the line")

    def clean_sku(self) -> str:
        return str(self.cleaned_data["sku"]).strip()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("sku") and "quantity" in data and not data["quantity"]:
            self.add_error("quantity", "How many?")
        return data


Lines = formset_factory(
    LineForm, extra=1, max_num=MOST_LINES, absolute_max=MOST_LINES + 1, validate_max=True
)


def channels() -> list[SalesChannel]:
    """Channels that take orders, those for the phone first."""
    active = SalesChannel.objects.filter(active=True).order_by("name")
    return sorted(active, key=lambda channel: channel.kind != SalesChannel.Kind.PHONE)


def stores() -> list[tuple[str, str]]:
    """Stores where orders are picked up: (code, name)."""
    rows = Location.objects.filter(can_pickup=True, active=True).order_by("name")
    return list(rows.values_list("code", "name"))
