"""Gift cards in the console; a code is shown once, when it is made."""

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from config import forms
from config.console import (
    ReadOnlyAdmin,
    ReadOnlyTabularInline,
    action,
    badge,
    display,
    found,
    moment,
)
from orders.admin.links import order_link
from orders.admin.payments import amount
from orders.models import GiftCard, GiftCardEntry
from orders.money import in_words, is_currency
from orders.payments import gift_cards


class CardForm(forms.Form):
    """A card to give away or to sell at the counter."""

    amount = amount()
    currency = forms.Text(min_length=3, max_length=3, initial="EUR")
    expires_at = forms.Moment(required=False, label="Good until, UTC", help_text="empty: for ever")

    def clean_currency(self) -> str:
        code = str(self.cleaned_data["currency"]).upper()
        if not is_currency(code):
            raise ValidationError(f"{code} is no ISO 4217 code such as EUR.")
        return code


class CardEntryInline(ReadOnlyTabularInline):
    """Every change of the balance."""

    model = GiftCardEntry
    fields = ("amount_", "order_", "at_", "actor")
    readonly_fields = fields
    ordering = ("id",)
    verbose_name_plural = "changes of the balance"
    hide_title = True

    @display(description="amount")
    def amount_(self, entry: GiftCardEntry) -> str:
        return in_words(entry.amount, entry.card.currency)

    @display(description="order")
    def order_(self, entry: GiftCardEntry) -> SafeString | str:
        return order_link(entry.order) if entry.order else "-"

    @display(description="at, UTC")
    def at_(self, entry: GiftCardEntry) -> str:
        return moment(entry.at)


@admin.register(GiftCard)
class GiftCardAdmin(ReadOnlyAdmin):
    """Balances that their holders may pay with."""

    list_display = ("ending_", "balance_", "state_", "expires", "created")
    list_filter = ("active", "currency")
    search_fields = ("=ending", "bought_with__order__external_id")
    search_help_text = "the last four characters, or the order"
    ordering = ("-id",)
    empty_words = "No gift card was issued. Issue one here, or let a channel register what it sold."
    fields = ("ending_", "balance_", "state_", "bought", "expires", "created")
    readonly_fields = fields
    inlines = (CardEntryInline,)
    actions_list = ("issue_card",)
    actions_detail = ("switch_card",)

    @display(description="card", ordering="ending")
    def ending_(self, card: GiftCard) -> str:
        return f"…{card.ending}"

    @display(description="balance", ordering="balance")
    def balance_(self, card: GiftCard) -> str:
        return in_words(card.balance, card.currency)

    @display(description="state")
    def state_(self, card: GiftCard) -> SafeString:
        if not card.active:
            return badge("danger", "switched off")
        if gift_cards.is_usable(card):
            return badge("success", "usable")
        return badge("warning", "empty" if not card.balance else "expired")

    @display(description="bought with")
    def bought(self, card: GiftCard) -> SafeString | str:
        line = card.bought_with
        return order_link(line.order) if line else "-"

    @display(description="good until, UTC", ordering="expires_at")
    def expires(self, card: GiftCard) -> str:
        return moment(card.expires_at)

    @display(description="issued, UTC", ordering="created_at")
    def created(self, card: GiftCard) -> str:
        return moment(card.created_at)

    @action(
        description="Issue a gift card", permissions=["handle"], url_path="issue",
        icon="add_card",
    )  # fmt: skip
    def issue_card(self, request: HttpRequest) -> HttpResponse:
        def effect(data: dict) -> str:
            card, code = gift_cards.issue(
                amount=data["amount"], currency=data["currency"], expires_at=data["expires_at"],
                actor=request.user.get_username(),
            )  # fmt: skip
            words = in_words(card.balance, card.currency)
            return f"A card of {words} is issued. Its code, shown only now: {code}"

        return forms.ask(
            request, site=self.admin_site, title="Issue a gift card", form=CardForm,
            effect=effect, submit="Issue the card", errors=(ValueError,),
            back=reverse("admin:orders_giftcard_changelist"),
            text="The code is shown once and stored nowhere: hand it on at once.",
        )  # fmt: skip

    @action(
        description="Switch off or on", permissions=["handle"], url_path="switch",
        icon="power_settings_new",
    )  # fmt: skip
    def switch_card(self, request: HttpRequest, object_id: int) -> HttpResponse:
        card = found(GiftCard, object_id)
        on = not card.active

        def effect(_: dict) -> str:
            gift_cards.switch([card.pk], active=on)
            return f"{card} is switched {'on' if on else 'off'}."

        return forms.ask(
            request, site=self.admin_site, form=forms.Form, effect=effect, danger=not on,
            title=f"Switch {card} {'on' if on else 'off'}?",
            submit="Switch it on" if on else "Switch it off",
            back=reverse("admin:orders_giftcard_change", args=[card.pk]),
            text="Its balance can be paid with again." if on
            else "Nobody can pay with it. Its balance stays, and refunds still reach it.",
        )  # fmt: skip
