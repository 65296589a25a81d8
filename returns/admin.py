"""The console's view of returns: what waits for whom, and one button per step."""

from typing import Any

from django.db.models import Prefetch, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.dataclasses import UnfoldAction

from config import forms
from config.console import ReadOnlyAdmin, action, display, register
from config.status import IllegalMove, MovedMeanwhile
from inventory.ledger import NotEnough
from inventory.models import Location
from orders import queries
from orders.models import Order
from orders.money import in_words
from orders.payments import CannotRefund
from returns import process, staff_forms
from returns.models import Return, ReturnedUnits
from returns.returnable import rooms

S = Return.State
MAY = ("handle",)  # see config.console
EXPECTED_ERRORS = (process.Refused, IllegalMove, MovedMeanwhile, CannotRefund, NotEnough)
BADGES = {
    S.REQUESTED: "warning", S.APPROVED: "info", S.RECEIVED: "warning", S.INSPECTED: "warning",
    S.REFUNDED: "success", S.DECLINED: "danger", S.CANCELED: "danger",
}  # fmt: skip
NEXT = {
    S.REQUESTED: "Approve or decline it.",
    S.APPROVED: "Wait for the goods, then receive them at the stock point where they arrive.",
    S.RECEIVED: "Inspect the goods: they are not for sale until then. The refund may go first.",
    S.INSPECTED: "Refund it.",
    S.REFUNDED: "Nothing: the money is back.",
    S.DECLINED: "Nothing: the customer was told why.",
    S.CANCELED: "Nothing.",
}
# Which buttons make sense when; the functions behind them decide again.
BUTTONS = {
    "approve_return": (S.REQUESTED,),
    "decline_return": (S.REQUESTED,),
    "receive_goods": (S.APPROVED, S.RECEIVED, S.INSPECTED, S.REFUNDED),
    "inspect_goods": (S.RECEIVED, S.REFUNDED),
    "refund_money": (S.APPROVED, S.RECEIVED, S.INSPECTED),
    "cancel_return": (S.REQUESTED, S.APPROVED),
}


def _who(request: HttpRequest) -> str:
    return request.user.get_username()


def _page(rma: Return) -> str:
    return reverse("admin:returns_return_change", args=[rma.pk])


@register(Return)
class ReturnAdmin(ReadOnlyAdmin):
    """Returns, newest first."""

    list_display = ("number_", "order_", "state_", "units", "reason", "requested_at", "arrived_at",
                    "given_back")  # fmt: skip
    list_filter = ("state", "reason", "location", "order__channel")
    list_select_related = ("order", "location")
    search_fields = ("order__external_id", "lines__order_line__sku")
    search_help_text = "return (R1), order (M100001), the channel's order id or SKU"
    ordering = ("-id",)
    actions_list = ("new_return",)
    actions_detail = tuple(BUTTONS)
    fieldsets = (
        (None, {"fields": ("summary",)}),
        ("Goods", {"fields": ("goods",)}),
        ("Timeline", {"fields": ("timeline",)}),
    )
    readonly_fields = ("summary", "goods", "timeline")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Return]:
        return (
            super()
            .get_queryset(request)
            .annotate(expected_=Sum("lines__expected"), received_=Sum("lines__received"))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Return], search_term: str
    ) -> tuple[QuerySet[Return], bool]:
        term = search_term.strip().upper()
        digits = term.removeprefix("R")
        if term.startswith("R") and digits.isascii() and digits.isdigit() and len(digits) < 19:
            return queryset.filter(pk=int(digits)), False
        order = queries.parse_number(term) if term.startswith("M") else None
        if order is not None:
            return queryset.filter(order_id=order), False
        return super().get_search_results(request, queryset, search_term)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[UnfoldAction]:
        """Only the buttons that make sense now."""
        state = Return.objects.filter(pk=object_id).values_list("state", flat=True).first()
        fitting = {f"returns_return_{name}" for name, when in BUTTONS.items() if state in when}
        found = super().get_actions_detail(request, object_id)
        return [button for button in found if button.action_name in fitting]

    # --- the list ---

    @display(description="return", ordering="id")
    def number_(self, rma: Return) -> str:
        return rma.number

    @display(description="order", ordering="order_id")
    def order_(self, rma: Return) -> SafeString:
        url = reverse("admin:orders_order_change", args=[rma.order_id])
        return format_html('<a href="{}">{}</a>', url, rma.order.number)

    @display(description="state", ordering="state")
    def state_(self, rma: Return) -> SafeString:
        words = rma.get_state_display()
        return format_html('<span data-status="{}">{}</span>', BADGES[S(rma.state)], words)

    @display(description="units arrived")
    def units(self, rma: Return) -> str:
        return f"{rma.received_ or 0} of {rma.expected_ or 0}"  # type: ignore[attr-defined]

    @display(description="arrived at")
    def arrived_at(self, rma: Return) -> str:
        return rma.location.name if rma.location else ""

    @display(description="given back", ordering="refund_amount")
    def given_back(self, rma: Return) -> str:
        if rma.state != S.REFUNDED:
            return ""
        return in_words(rma.refund_amount, rma.order.currency)

    # --- the page ---

    def _part(self, name: str, rma: Return, **context: Any) -> SafeString:
        return render_to_string(f"admin/returns/{name}.html", {"rma": rma, **context})

    @display(description="")
    def summary(self, rma: Return) -> SafeString:
        offer = process.proposal(rma)
        return self._part(
            "summary", rma, next=NEXT[S(rma.state)], badge=BADGES[S(rma.state)],
            given_back=in_words(rma.refund_amount, rma.order.currency),
            proposed=in_words(offer.most, rma.order.currency),
        )  # fmt: skip

    @display(description="")
    def goods(self, rma: Return) -> SafeString:
        units = ReturnedUnits.objects.filter(quantity__gt=0).select_related("location")
        lines = rma.lines.select_related("order_line").order_by("order_line__position")
        rows = lines.prefetch_related(Prefetch("units", units.order_by("location__code", "grade")))
        return self._part("goods", rma, rows=rows)

    @display(description="")
    def timeline(self, rma: Return) -> SafeString:
        events = rma.order.events.filter(kind__startswith="return.", data__return=rma.pk)
        return self._part("timeline", rma, rows=events.order_by("id"))

    # --- the buttons ---

    def _ask(self, request: HttpRequest, rma: Return, **options: Any) -> HttpResponse:
        return forms.ask(
            request, site=self.admin_site, back=_page(rma), errors=EXPECTED_ERRORS, **options
        )

    @action(description="Approve", url_path="approve", icon="check", permissions=MAY)
    def approve_return(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rma = get_object_or_404(Return, pk=object_id)

        def effect(_: dict) -> str:
            process.approve(return_id=rma.pk, actor=_who(request))
            return f"{rma} is approved; the customer is told."

        return self._ask(
            request, rma, title=f"Approve {rma}", form=forms.Form, effect=effect,
            submit="Approve", text="The customer may send the goods, or bring them to a store.",
        )  # fmt: skip

    @action(description="Decline", url_path="decline", icon="block", permissions=MAY)
    def decline_return(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rma = get_object_or_404(Return, pk=object_id)

        def effect(data: dict) -> str:
            process.decline(return_id=rma.pk, reason=data["reason"], actor=_who(request))
            return f"{rma} is declined; the customer is told why."

        return self._ask(
            request, rma, title=f"Decline {rma}", form=staff_forms.DeclineForm, effect=effect,
            submit="Decline", danger=True,
        )  # fmt: skip

    @action(description="Cancel", url_path="cancel", icon="cancel", permissions=MAY)
    def cancel_return(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rma = get_object_or_404(Return, pk=object_id)

        def effect(_: dict) -> str:
            process.cancel(return_id=rma.pk, actor=_who(request))
            return f"{rma} is canceled."

        return self._ask(
            request, rma, title=f"Cancel {rma}", form=forms.Form, effect=effect, submit="Cancel it",
            danger=True, text="The customer keeps the goods, and may ask again.",
        )  # fmt: skip

    @action(description="Receive goods", url_path="receive", icon="inventory", permissions=MAY)
    def receive_goods(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rma = get_object_or_404(Return.objects.select_related("location"), pk=object_id)

        def effect(data: dict) -> str:
            place = Location.objects.get(code=data["location"])
            arrived = staff_forms.of_lines("arrived", data)
            process.receive(return_id=rma.pk, location=place, arrived=arrived, actor=_who(request))
            return f"{sum(arrived.values())} units of {rma} are at {place}, held until inspected."

        return self._ask(
            request, rma, title=f"Receive {rma}", form=staff_forms.receive_form(rma),
            effect=effect, submit="Received",
            text="They are on hand at once, and for sale only after inspection.",
        )  # fmt: skip

    @action(description="Inspect", url_path="inspect", icon="search_check", permissions=MAY)
    def inspect_goods(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rma = get_object_or_404(Return.objects.select_related("location"), pk=object_id)
        place = staff_forms.place_to_inspect(rma) or rma.location
        if place is None:
            self.message_user(request, str(process.NothingArrived(rma)), "warning")
            return HttpResponseRedirect(_page(rma))

        def effect(data: dict) -> str:
            grades = staff_forms.of_lines("grades", data)
            process.inspect(return_id=rma.pk, grades=grades, location=place, actor=_who(request))
            return f"The goods of {rma} at {place} are graded."

        return self._ask(
            request, rma, title=f"Inspect {rma} at {place}",
            form=staff_forms.inspect_form(rma, place), effect=effect, submit="Graded",
        )  # fmt: skip

    @action(description="Refund", url_path="refund", icon="payments", permissions=MAY)
    def refund_money(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rma = get_object_or_404(Return.objects.select_related("order"), pk=object_id)

        def effect(data: dict) -> str:
            done = process.refund(return_id=rma.pk, actor=_who(request), **data)
            return f"{in_words(done.refund_amount, rma.order.currency)} goes back for {rma}."

        return self._ask(
            request, rma, title=f"Refund {rma}", form=staff_forms.refund_form(rma), effect=effect,
            submit="Refund",
        )  # fmt: skip

    @action(description="New return", url_path="new", icon="add", permissions=MAY)
    def new_return(self, request: HttpRequest) -> HttpResponse:
        """Asks which order (also ?order=M100001), then what comes back."""
        reference = request.GET.get("order", "")
        order = _order(reference)
        if order is None:
            return self._ask_order(request)
        back = reverse("admin:orders_order_change", args=[order.pk])

        def effect(data: dict) -> str:
            units = staff_forms.of_lines("units", data)
            rma = process.request(
                order_id=order.pk, lines=[(pk, n) for pk, n in units.items() if n],
                reason=data["reason"], note=data["note"], override=data.get("override", ""),
                by=_who(request),
            )  # fmt: skip
            return f"{rma} was made; approve it when the goods may come."

        return forms.ask(
            request, site=self.admin_site, title=f"Return items of {order}", effect=effect,
            form=staff_forms.request_form(rooms(order, now=timezone.now()).values()), back=back,
            submit="Make the return", errors=EXPECTED_ERRORS,
        )  # fmt: skip

    def _ask_order(self, request: HttpRequest) -> HttpResponse:
        here = reverse("admin:returns_return_new_return")
        form = staff_forms.OrderForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            number = form.cleaned_data["order"].strip()
            if _order(number) is not None:
                return HttpResponseRedirect(f"{here}?{urlencode({'order': number})}")
        return forms.ask(
            request, site=self.admin_site, title="New return", form=staff_forms.OrderForm,
            effect=_unknown_order, errors=(Order.DoesNotExist,), submit="Go on",
            back=reverse("admin:returns_return_changelist"),
        )  # fmt: skip


def _order(number: str) -> Order | None:
    pk = queries.parse_number(number)
    return None if pk is None else Order.objects.filter(pk=pk).first()


def _unknown_order(data: dict) -> str:
    raise Order.DoesNotExist(f"there is no order {data['order']}")
