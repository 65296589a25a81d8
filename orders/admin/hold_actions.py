"""Putting an order, or some of its units, on hold from its page."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from config import forms
from config.console import action, found
from orders import holds, lifecycle
from orders.admin.links import order_page
from orders.models import Order

AS_USUAL = ""
BLOCKS = [
    (AS_USUAL, "what holds of this type usually block"),
    ("route,release,ship", "routing, release to the stock point and shipping"),
    ("route", "routing only"),
    ("release,ship", "release to the stock point and shipping"),
    ("ship", "shipping only"),
    ("refund", "refunds only"),
    ("route,release,ship,refund", "everything"),
]
TYPES = [(name, kind.label) for name, kind in holds.TYPES.items() if kind.by_hand]


class HoldForm(forms.Form):
    """Why the order is to wait, what is to wait, and until when."""

    type = forms.Choice(choices=TYPES)
    reason = forms.Text(max_length=300)
    blocks = forms.Choice(choices=BLOCKS, required=False)
    release_at = forms.Moment(
        label="Until", required=False, help_text="UTC; without it, until somebody resolves it"
    )


def _form(order: Order) -> type[forms.Form]:
    """The form, with the order's open units to choose from when there is a choice."""
    pieces = order.allocations.exclude(state__in=lifecycle.GONE).select_related("line", "location")
    units = [
        (str(piece.pk), f"{piece.quantity} × {piece.line.name}, {piece.get_state_display()}"
                        + (f", {piece.location.name}" if piece.location else ""))
        for piece in pieces.order_by("line__position", "id")
    ]  # fmt: skip
    if len(units) < 2:
        return HoldForm
    only = forms.Several(
        label="Only these units", choices=units, required=False, help_text="none: the whole order"
    )
    return type("HoldUnitsForm", (HoldForm,), {"slices": only})


class HoldActions:
    """The action of the order's page."""

    admin_site: Any

    @action(description="Hold", permissions=["handle"], url_path="hold", icon="pause_circle")
    def hold_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)

        def effect(data: dict) -> str:
            hold = holds.place(
                order_id=order.pk, type=data["type"], reason=data["reason"],
                handle=f"{data['type']}:{timezone.now().isoformat()}",
                blocks=data["blocks"].split(",") if data["blocks"] else None,
                slices=[int(pk) for pk in data.get("slices", ())],
                release_at=data["release_at"], actor=request.user.get_username(),
            )  # fmt: skip
            what = f"{len(hold.slices)} parts of {order} are" if hold.slices else f"{order} is"
            return f"{what} on hold."

        return forms.ask(
            request, site=self.admin_site, title=f"Hold {order}", form=_form(order), effect=effect,
            back=order_page(order), submit="Place the hold", errors=(holds.OrderEnded,),
        )  # fmt: skip
