"""Canceling an order, or some of what was bought, from its page."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse

from config import forms
from config.console import ActionVariant, action, found
from orders import cancellation
from orders.admin.links import order_page
from orders.models import Order

TEXT = (
    "Units that have not left are canceled, and what was captured for them goes back. What a "
    "warehouse's own system has already is asked for first: the warehouse decides."
)
FIELD = "units_"


class CancelForm(forms.Form):
    """Why something is canceled."""

    reason = forms.Choice(choices=list(cancellation.REASONS.items()))
    note = forms.Text(max_length=200, required=False, help_text="customers do not see it")


class ItemsForm(CancelForm):
    """The same for some of what was bought."""

    def clean(self) -> dict:
        data = super().clean() or {}
        if not self.errors and not _wanted(data):
            raise ValidationError("Say of at least one item how many units are canceled.")
        return data


def _items_form(order: Order) -> type[forms.Form]:
    """The form, with a number of units for each position of which something is left."""
    fields = {
        f"{FIELD}{one.position}": forms.Number(
            label=f"{one.name} ({one.sku})", min_value=0, max_value=one.units, required=False,
            help_text=f"at most {one.units}",
        )
        for one in cancellation.open_positions(order)
    }  # fmt: skip
    return type("OrderItemsForm", (ItemsForm,), fields)


class CancelActions:
    """The actions of the order's page."""

    admin_site: Any

    @action(
        description="Cancel", permissions=["handle"], url_path="cancel", icon="cancel",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def cancel_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)
        return self._cancel(
            request, order, form=CancelForm, title=f"Cancel {order}", submit="Cancel the order"
        )

    @action(
        description="Cancel items", permissions=["handle"], url_path="cancel-items",
        icon="remove_shopping_cart",
    )  # fmt: skip
    def cancel_items(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)
        return self._cancel(
            request, order, form=_items_form(order), title=f"Cancel items of {order}",
            submit="Cancel these items",
        )  # fmt: skip

    def _cancel(
        self, request: HttpRequest, order: Order, *, form: type[forms.Form], title: str, submit: str
    ) -> HttpResponse:
        def effect(data: dict) -> str:
            done = cancellation.cancel(
                order_id=order.pk, reason=data["reason"], note=data["note"],
                positions=_wanted(data) if issubclass(form, ItemsForm) else None,
                actor=request.user.get_username(),
            )  # fmt: skip
            return _said(order, done)

        return forms.ask(
            request, site=self.admin_site, title=title, form=form, effect=effect, text=TEXT,
            back=order_page(order), submit=submit, danger=True,
            errors=(cancellation.CannotCancel, cancellation.UnknownLine),
        )  # fmt: skip


def _wanted(data: dict) -> dict[int, int]:
    return {
        int(name.removeprefix(FIELD)): units
        for name, units in data.items()
        if name.startswith(FIELD) and units
    }


def _said(order: Order, done: cancellation.Canceled) -> str:
    words = []
    if done.units:
        words.append(f"{done.units} units of {order} were canceled.")
    if done.requested:
        words.append(f"The warehouse is asked to let go of {done.requested} units.")
    return " ".join(words)
