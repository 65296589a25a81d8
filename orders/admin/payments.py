"""Money of orders in the console: payments with their ledgers, refunds, questions to gateways."""

import uuid
from typing import Any

from django import forms as django_forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from config import forms
from config.console import (
    ReadOnlyAdmin,
    ReadOnlyTabularInline,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    tabs,
)
from config.status import IllegalMove
from orders import lifecycle, payments
from orders.admin.links import order_link
from orders.models import Payment, PaymentEntry, Refund
from orders.money import in_words
from orders.payments import CannotRefund, asking, gateways

LEVELS = {
    "captured": "success", "done": "success", "authorized": "info", "pending": "info",
    "failed": "danger", "errored": "danger", "expired": "danger", "voided": "warning",
}  # fmt: skip


def amount(**options: Any) -> django_forms.DecimalField:
    """An amount of money."""
    widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    return django_forms.DecimalField(widget=widget, max_digits=14, decimal_places=4, **options)


def refund_form(most: Any, currency: str) -> type[forms.Form]:
    """How much goes back, and why; at most what is left."""
    fields = {
        "amount": amount(
            label=f"Amount, in {currency}", help_text=f"{in_words(most, currency)} is left"
        ),
        "reason": forms.Text(max_length=200, help_text="the customer may read it"),
    }
    return type("RefundForm", (forms.Form,), fields)


def state_badge(thing: Payment | Refund | PaymentEntry) -> SafeString:
    """Its state, in the color of how things are."""
    return badge(LEVELS[thing.state], thing.get_state_display())


class EntryInline(ReadOnlyTabularInline):
    """The ledger of a payment."""

    model = PaymentEntry
    fields = ("kind", "state_", "sum_", "asked", "done", "provider_reference", "actor", "error")
    readonly_fields = fields
    ordering = ("id",)
    verbose_name_plural = "ledger"
    hide_title = True

    @display(description="state")
    def state_(self, entry: PaymentEntry) -> SafeString:
        return state_badge(entry)

    @display(description="amount")
    def sum_(self, entry: PaymentEntry) -> str:
        return in_words(entry.amount, entry.payment.currency)

    @display(description="since, UTC")
    def asked(self, entry: PaymentEntry) -> str:
        return moment(entry.created_at)

    @display(description="done, UTC")
    def done(self, entry: PaymentEntry) -> str:
        return moment(entry.done_at)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    """Money of orders."""

    list_display = ("order_", "reference", "method", "state_", "amount_", "captured_", "refunded_",
                    "created")  # fmt: skip
    list_display_links = ("reference",)
    empty_words = "Payments come with the orders of channels, and through POST /payments/events."
    list_filter = ("state", "method", "gateway", "currency")
    list_select_related = ("order",)
    search_fields = ("reference", "order__external_id")
    ordering = ("-id",)
    fields = (
        "order_", "reference", "method", "gateway_", "gift_card", "state_", "amount_", "asked_for",
        "captured_", "refunded_", "taken_back", "runs_out", "created",
    )  # fmt: skip
    readonly_fields = fields
    inlines = (EntryInline,)
    actions_detail = ("give_back", "capture_again")

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what would do something to this payment."""
        actions = super().get_actions_detail(request, object_id)
        payment = found(Payment, object_id) if actions else None
        can = {"give_back"} if payment and payment.refundable else set()
        if payment and payment.state == Payment.State.FAILED and gateways.can_ask(payment):
            can.add("capture_again")
        return [a for a in actions if a.action_name.removeprefix("orders_payment_") in can]

    @display(description="order", ordering="order")
    def order_(self, payment: Payment) -> SafeString:
        return order_link(payment.order)

    @display(description="state", ordering="state")
    def state_(self, payment: Payment) -> SafeString:
        return state_badge(payment)

    @display(description="amount", ordering="amount")
    def amount_(self, payment: Payment) -> str:
        return in_words(payment.amount, payment.currency)

    @display(description="captured", ordering="captured")
    def captured_(self, payment: Payment) -> str:
        return in_words(payment.captured, payment.currency)

    @display(description="given back", ordering="refunded")
    def refunded_(self, payment: Payment) -> str:
        return in_words(payment.refunded, payment.currency)

    @display(description="asked for at the gateway")
    def asked_for(self, payment: Payment) -> str:
        return in_words(payment.capturing, payment.currency)

    @display(description="taken back by the customer's bank")
    def taken_back(self, payment: Payment) -> str:
        return in_words(payment.charged_back, payment.currency)

    @display(description="authorized until, UTC")
    def runs_out(self, payment: Payment) -> str:
        return moment(payment.expires_at)

    @display(description="since, UTC", ordering="created_at")
    def created(self, payment: Payment) -> str:
        return moment(payment.created_at)

    @display(description="gateway")
    def gateway_(self, payment: Payment) -> str:
        known = gateways.GATEWAYS.get(payment.gateway)
        return known.title if known else payment.gateway or "none: the channel moves the money"

    # --- actions ---

    @action(description="Refund", permissions=["handle"], url_path="refund", icon="undo")
    def give_back(self, request: HttpRequest, object_id: int) -> HttpResponse:
        payment = found(Payment.objects.select_related("order"), object_id)

        def effect(data: dict) -> str:
            with transaction.atomic():
                payments.refund(
                    order=lifecycle.lock(payment.order_id), amount=data["amount"],
                    reason=data["reason"], key=f"gesture:{uuid.uuid4().hex}", only=payment.pk,
                    actor=request.user.get_username(),
                )  # fmt: skip
            return f"{in_words(data['amount'], payment.currency)} of {payment.order} goes back."

        return forms.ask(
            request, site=self.admin_site, title=f"Give back money of {payment}", effect=effect,
            form=refund_form(payment.refundable, payment.currency), submit="Give it back",
            back=reverse("admin:orders_payment_change", args=[payment.pk]), danger=True,
            errors=(CannotRefund, ValueError),
            text="A gesture: no goods move. For goods that come back, refund their return.",
        )  # fmt: skip

    @action(description="Capture again", permissions=["handle"], url_path="capture", icon="replay")
    def capture_again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        payment = found(Payment.objects.select_related("order"), object_id)

        def effect(_: dict) -> str:
            payments.capture_again(payment_id=payment.pk, actor=request.user.get_username())
            return "The gateway is asked again for what has left; the ledger shows its answer."

        return forms.ask(
            request, site=self.admin_site, title=f"Capture {payment} again", form=forms.Form,
            effect=effect, submit="Ask the gateway", errors=(IllegalMove,),
            back=reverse("admin:orders_payment_change", args=[payment.pk]),
            text="The payment counts as authorized again until the gateway answers.",
        )  # fmt: skip


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin):
    """Money that goes back."""

    empty_words = "Nothing was given back. Refunds follow from cancellations and returns."
    list_display = ("order_", "payment", "amount_", "state_", "reason", "actor", "created")
    list_display_links = ("payment",)
    list_filter = ("state", "currency")
    list_select_related = ("payment__order",)
    search_fields = ("payment__reference", "payment__order__external_id")
    ordering = ("-id",)
    fields = ("order_", "payment", "amount_", "state_", "reason", "error_", "actor", "created",
              "done")  # fmt: skip
    readonly_fields = fields
    actions_detail = ("try_again",)

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        failed = Refund.objects.filter(state=Refund.State.ERRORED).count()
        return [
            tabs(request, label="State", parameter="state__exact", choices=Refund.State.choices,
                 counts={Refund.State.ERRORED: failed}, alarms=(Refund.State.ERRORED,))
        ]  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """What failed can be tried again."""
        actions = super().get_actions_detail(request, object_id)
        failed = actions and found(Refund, object_id).state == Refund.State.ERRORED
        return actions if failed else []

    @display(description="order")
    def order_(self, refund: Refund) -> SafeString:
        return order_link(refund.payment.order)

    @display(description="amount", ordering="amount")
    def amount_(self, refund: Refund) -> str:
        return in_words(refund.amount, refund.currency)

    @display(description="state", ordering="state")
    def state_(self, refund: Refund) -> SafeString:
        return state_badge(refund)

    @display(description="what the gateway said")
    def error_(self, refund: Refund) -> str:
        return refund.entry.error or "-"

    @display(description="asked, UTC", ordering="created_at")
    def created(self, refund: Refund) -> str:
        return moment(refund.created_at)

    @display(description="done, UTC", ordering="done_at")
    def done(self, refund: Refund) -> str:
        return moment(refund.done_at)

    @action(description="Try again", permissions=["handle"], url_path="again", icon="replay")
    def try_again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        refund = found(Refund.objects.select_related("payment"), object_id)
        words = in_words(refund.amount, refund.currency)

        def effect(_: dict) -> str:
            payments.again(refund_id=refund.pk, actor=request.user.get_username())
            return f"The gateway is asked again to give back {words}."

        return forms.ask(
            request, site=self.admin_site, title=f"Give back {words} again", form=forms.Form,
            effect=effect, submit="Ask the gateway", errors=(IllegalMove, CannotRefund),
            back=reverse("admin:orders_refund_changelist"),
            text="A new refund of the same payment; this one stays in the list as failed.",
        )  # fmt: skip


@admin.register(PaymentEntry)
class PaymentEntryAdmin(ReadOnlyAdmin):
    """Every line of every payment's ledger; what a gateway still owes us an answer for."""

    empty_words = "Nothing moved yet. Entries follow from orders, parcels, refunds and gateways."
    list_display = ("payment", "kind", "state_", "amount_", "since", "provider_reference", "error")
    list_filter = ("state", "kind")
    list_select_related = ("payment",)
    search_fields = ("key", "provider_reference", "payment__reference")
    ordering = ("-id",)
    fields = ("payment", "kind", "state_", "amount_", "key", "provider_reference", "since",
              "error", "actor")  # fmt: skip
    readonly_fields = fields
    actions_detail = ("ask_again",)

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        waiting = PaymentEntry.objects.filter(state=PaymentEntry.State.PENDING).count()
        return [
            tabs(request, label="State", parameter="state__exact",
                 choices=PaymentEntry.State.choices,
                 counts={PaymentEntry.State.PENDING: waiting})
        ]  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what waits for an answer is asked for again."""
        actions = super().get_actions_detail(request, object_id)
        pending = PaymentEntry.State.PENDING
        return actions if actions and found(PaymentEntry, object_id).state == pending else []

    @display(description="state", ordering="state")
    def state_(self, entry: PaymentEntry) -> SafeString:
        return state_badge(entry)

    @display(description="amount", ordering="amount")
    def amount_(self, entry: PaymentEntry) -> str:
        return in_words(entry.amount, entry.payment.currency)

    @display(description="since, UTC", ordering="created_at")
    def since(self, entry: PaymentEntry) -> str:
        return moment(entry.created_at)

    @action(description="Ask again", permissions=["handle"], url_path="ask", icon="replay")
    def ask_again(self, request: HttpRequest, object_id: int) -> HttpResponse:
        entry = found(PaymentEntry, object_id)

        def effect(_: dict) -> str:
            asking.put(entry, again=int(timezone.now().timestamp()))
            return "The gateway is asked again, under the same key."

        return forms.ask(
            request, site=self.admin_site, title=f"Ask again: {entry}", form=forms.Form,
            effect=effect, submit="Ask the gateway",
            back=reverse("admin:orders_paymententry_change", args=[entry.pk]),
            text="A gateway does nothing twice under one key; it tells how the first one ended.",
        )  # fmt: skip
