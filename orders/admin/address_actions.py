"""Addresses to check: the form that puts them right, on the order's page and on its hold's."""

from typing import Any

from django import forms as django_forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.text import capfirst
from pycountry import countries
from unfold.widgets import UnfoldBooleanSwitchWidget

from config import forms
from config.console import action, found
from orders import addresses, holds, validation
from orders.admin.links import order_page
from orders.models import Hold, Order, OrderContact

LABELS = {
    "name": "Name", "line1": "Street and number", "line2": "More of the address", "city": "City",
    "region": "Region or state", "postcode": "Postcode", "country": "Country", "phone": "Phone",
}  # fmt: skip
NEEDED = ("line1", "city", "postcode", "country")  # what the rules of a country are about
QUEUE = {"type__exact": Hold.Type.ADDRESS.value, "state__exact": Hold.State.OPEN.value}


class AddressActions:
    """For the order's page; it is shown while a hold of the address waits (orders/page.py)."""

    admin_site: Any

    @action(
        description="Fix the address", permissions=["handle"], url_path="address",
        icon="edit_location_alt",
    )  # fmt: skip
    def fix_address(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order.objects.select_related("channel"), object_id)
        return _ask(request, self.admin_site, order, back=order_page(order))

    @action(
        description="Check again", permissions=["handle"], url_path="check", icon="rule",
    )  # fmt: skip
    def check_again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(_: dict) -> str:
            verdict = validation.rerun(order.pk, actor=request.user.get_username())
            found_ = "; ".join(finding.sentence for finding in verdict.findings)
            return f"{order} was checked: {found_ or 'nothing is wrong'}."

        return forms.ask(
            request, site=self.admin_site, title=f"Check {order} again", form=forms.Form,
            effect=effect, back=order_page(order), submit="Check now",
            text="By the rules that its channel has today. Holds follow what is found: none is "
            "placed twice, and what a person has to decide stays for a person.",
        )  # fmt: skip


class HoldAddressActions:
    """For the page of a hold; afterwards the queue of addresses comes again."""

    admin_site: Any

    @action(
        description="Fix the address", permissions=["handle"], url_path="address",
        icon="edit_location_alt",
    )  # fmt: skip
    def fix_address(self, request: HttpRequest, object_id: int) -> HttpResponse:
        hold = found(Hold.objects.select_related("order__channel"), object_id)
        queue = f"{reverse('admin:orders_hold_changelist')}?{urlencode(QUEUE)}"
        return _ask(request, self.admin_site, hold.order, back=queue)


def _ask(request: HttpRequest, site: Any, order: Order, *, back: str) -> HttpResponse:
    form = _form(order)

    def effect(data: dict) -> str:
        fixed = addresses.fix(
            order_id=order.pk, addresses=form.read(data), anyway=data["anyway"],
            actor=request.user.get_username(), user=request.user,
        )  # fmt: skip
        if fixed.held:
            return f"{order} is saved, and still on hold: {'; '.join(fixed.wrong)}"
        return f"The address of {order} is saved; it goes on unless another hold blocks it."

    return forms.ask(
        request, site=site, title=f"Fix the address of {order}", form=form, effect=effect,
        back=back, submit="Save the address",
        errors=(addresses.OrderEnded, holds.MayNotResolve),
    )  # fmt: skip


class AddressForm(forms.Form):
    """The addresses of one order; what is wrong stands at its field, before and after."""

    order: Order
    keys: tuple[str, ...]  # of the destinations, in the order of the fields' numbers

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for i, address in enumerate(self.read(data).values()):
            wrong = {} if data["anyway"] else addresses.problems(self.order, address)
            for part, words in wrong.items():
                self.add_error(f"{part}_{i}", f"{capfirst(words)}.")
        return data

    @classmethod
    def read(cls, data: dict) -> dict[str, dict[str, str]]:
        """The addresses of the form, by destination."""
        return {
            key: {part: data.get(f"{part}_{i}", "") for part in addresses.PARTS}
            for i, key in enumerate(cls.keys)
        }


def _form(order: Order) -> type[AddressForm]:
    """The form of this order, filled with what is known."""
    known = addresses.of(order)
    fields: dict[str, Any] = {"order": order, "keys": tuple(known)}
    for i, (key, address) in enumerate(known.items()):
        wrong = addresses.problems(order, address)
        for part in addresses.PARTS:
            field = _field(part, address[part])
            field.label = f"{key}: {LABELS[part]}" if key else LABELS[part]
            if part in NEEDED:
                field.problems = [f"{capfirst(wrong[part])}."] if part in wrong else []  # type: ignore[attr-defined]
            fields[f"{part}_{i}"] = field
    fields["anyway"] = django_forms.BooleanField(
        label="Save it as it is, and let the order go on", required=False,
        widget=UnfoldBooleanSwitchWidget(), help_text="when you know better than the rules",
    )  # fmt: skip
    return type("FilledAddressForm", (AddressForm,), fields)


def _field(part: str, value: str) -> django_forms.Field:
    if part == "country":
        names = sorted((row.name, row.alpha_2) for row in countries)
        choices = [("", "not known"), *((code, name) for name, code in names)]
        return forms.Choice(choices=choices, required=False, initial=value)
    column: Any = OrderContact._meta.get_field(part)
    return forms.Text(max_length=column.max_length, required=False, initial=value)
