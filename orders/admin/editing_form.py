"""The form that edits an order: what stands now as its first values, what differs as actions."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms as plain_forms
from django.http import QueryDict

from config import forms
from inventory.models import Location
from orders.editing import sheet
from orders.editing.versions import ADDRESS, plain
from orders.models import Order
from orders.money import rounded

NEW_LINES = 3
PICKED_UP = (Order.Delivery.PICKUP, Order.Delivery.SHIP_TO_STORE)


def amount(**options: Any) -> plain_forms.DecimalField:
    """An amount of money, typed."""
    attrs = {"class": " ".join(forms.BASE_INPUT_CLASSES), "step": "any", "inputmode": "decimal"}
    return plain_forms.DecimalField(
        max_digits=14, decimal_places=4, widget=plain_forms.NumberInput(attrs=attrs), **options
    )


def _day(**options: Any) -> plain_forms.DateField:
    attrs = {"type": "date", "class": " ".join(forms.BASE_INPUT_CLASSES)}
    widget = plain_forms.DateInput(attrs=attrs, format="%Y-%m-%d")
    return plain_forms.DateField(widget=widget, **options)


class LineForm(forms.Form):
    """One line as it is."""

    quantity = forms.Number(min_value=0, label="Units", help_text="0 removes it")
    discount = amount(required=False, label="Further discount")
    substitute = forms.Text(max_length=64, required=False, label="Replace by SKU")

    def __init__(self, item: sheet.Item, data: QueryDict | None, *, currency: str) -> None:
        super().__init__(
            data, prefix=f"line{item.position}", initial={"quantity": item.units}
        )  # fmt: skip
        self.item = item
        self.price = plain(item.head.unit_price, currency)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("substitute") and "quantity" in self.changed_data:
            self.add_error("quantity", "replace the units, or change their number: not both")
        return data

    def actions(self) -> list[dict[str, Any]]:
        """What the line's fields ask for."""
        data, line = self.cleaned_data, self.item.position
        found: list[dict[str, Any]] = []
        if data["substitute"]:
            found.append({"type": "substitute", "line": line, "sku": data["substitute"].strip()})
        elif data["quantity"] == 0:
            return [{"type": "remove", "line": line}]
        elif data["quantity"] != self.item.units:
            found.append({"type": "quantity", "line": line, "quantity": data["quantity"]})
        if data["discount"] and not data["substitute"]:
            found.append({"type": "price", "line": line, "discount": data["discount"]})
        return found


class NewLineForm(forms.Form):
    """A product that is added; empty for none."""

    sku = forms.Text(max_length=64, required=False, label="SKU")
    quantity = forms.Number(min_value=1, required=False, label="Units")
    unit_price = amount(
        required=False, min_value=0, label="Unit price", help_text="its own if empty"
    )
    tax = amount(required=False, min_value=0, label="Tax")

    def __init__(self, number: int, data: QueryDict | None) -> None:
        super().__init__(data, prefix=f"new{number}")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not data.get("sku") and any(data.get(n) is not None for n in ("quantity", "unit_price")):
            self.add_error("sku", "which product?")
        return data

    def actions(self) -> list[dict[str, Any]]:
        """The product, when there is one."""
        data = self.cleaned_data
        if not data["sku"]:
            return []
        given = {n: data[n] for n in ("unit_price", "tax") if data[n] is not None}
        return [{"type": "add_line", "sku": data["sku"].strip(),
                 "quantity": data["quantity"] or 1, **given}]  # fmt: skip


class RestForm(forms.Form):
    """Where it goes, and what is not a line."""

    name = forms.Text(max_length=200, required=False)
    line1 = forms.Text(max_length=200, required=False, label="Street")
    line2 = forms.Text(max_length=200, required=False, label="Street, second line")
    postcode = forms.Text(max_length=20, required=False)
    city = forms.Text(max_length=100, required=False)
    region = forms.Text(max_length=100, required=False)
    country = forms.Text(max_length=2, required=False, help_text="two letters, e.g. FR")
    phone = forms.Text(max_length=40, required=False)
    method = forms.Choice(choices=Order.Delivery.choices, label="Delivery")
    location = forms.Choice(required=False, label="Store", help_text="for pick-up")
    service = forms.Choice(
        choices=[("standard", "standard"), ("express", "express")], label="Speed"
    )
    wanted_on = _day(required=False, label="Not before")
    shipping = amount(min_value=0, label="Shipping costs")
    appeasement = amount(required=False, min_value=0, label="Give back as a gesture")
    gesture = forms.Text(max_length=200, required=False, label="What for")
    reason = forms.Text(
        max_length=200, required=False, label="Why the order is changed",
        help_text="for the people of the house",
    )  # fmt: skip

    def __init__(self, order: Order, data: QueryDict | None) -> None:
        super().__init__(data, prefix="rest", initial=_now(order))
        stores = Location.objects.filter(active=True, can_pickup=True).order_by("name")
        self.fields["location"].choices = [  # type: ignore[attr-defined]
            ("", "none"), *stores.values_list("code", "name"),
        ]  # fmt: skip
        self.order = order

    def clean_appeasement(self) -> Decimal | None:
        return self.cleaned_data["appeasement"] or None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("appeasement") and not data.get("gesture"):
            self.add_error("gesture", "say what the gesture is for")
        if data.get("method") in PICKED_UP and not data.get("location"):
            self.add_error("location", "which store?")
        return data

    def actions(self) -> list[dict[str, Any]]:
        """What differs from how the order is now."""
        data, changed = self.cleaned_data, set(self.changed_data)
        found: list[dict[str, Any]] = []
        if changed & set(ADDRESS):
            address = {name: data[name] for name in ADDRESS}
            found.append({"type": "address", "shipping_address": address})
        way = [name for name in ("method", "location", "service", "wanted_on") if name in changed]
        if way:
            values: dict[str, Any] = {name: data[name] for name in way}
            found.append({"type": "delivery", **values, "method": data["method"]})
        if "shipping" in changed:
            found.append({"type": "shipping", "amount": data["shipping"]})
        if data["appeasement"]:
            found.append(
                {"type": "appeasement", "amount": data["appeasement"], "reason": data["gesture"]}
            )
        return found


def _now(order: Order) -> dict[str, Any]:
    contact = getattr(order, "contact", None)
    store = order.pickup_location
    return {
        **{name: getattr(contact, name, "") for name in ADDRESS},
        "method": order.delivery, "location": store.code if store else "",
        "service": order.service, "wanted_on": order.wanted_on,
        "shipping": rounded(order.shipping_total, order.currency),
    }  # fmt: skip


class EditForm:
    """All of it: a form per line, rows for new lines, and the rest."""

    def __init__(self, order: Order, data: QueryDict | None = None) -> None:
        read = sheet.read(order)
        self.order = order
        self.lines = [
            LineForm(item, data, currency=order.currency)
            for item in read.items.values()
            if item.units
        ]
        self.new = [NewLineForm(n, data) for n in range(NEW_LINES)]
        self.rest = RestForm(order, data)
        self.problems: list[str] = []

    @property
    def forms(self) -> list[Any]:
        return [*self.lines, *self.new, self.rest]

    def is_valid(self) -> bool:
        """Whether every field makes sense by itself, and something was changed."""
        valid = [form.is_valid() for form in self.forms]
        if all(valid) and not self.actions():
            self.problems = ["Nothing is changed yet."]
        return all(valid) and not self.problems

    def actions(self) -> list[dict[str, Any]]:
        """The actions that the fields ask for."""
        return [action for form in self.forms for action in form.actions()]

    @property
    def reason(self) -> str:
        return self.rest.cleaned_data["reason"]


def carried(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of the form, to be sent again from the next page."""
    own = ("line", "new", "rest")
    return [(name, str(value)) for name, value in data.items() if name.startswith(own)]
