"""Money of an order: what was authorized, captured, given back, and gift cards."""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from orders.models.order import Order, OrderLine, money


class GiftCard(models.Model):
    """A balance that its holder may pay with; the code is stored hashed, its end in clear."""

    code_hash = models.CharField(max_length=64, unique=True)
    ending = models.CharField(max_length=4, help_text="the last characters of the code")
    currency = models.CharField(max_length=3)
    balance = money(help_text="the sum of its entries")
    active = models.BooleanField(default=True)
    bought_with = models.ForeignKey(
        OrderLine, null=True, blank=True, on_delete=models.PROTECT, related_name="gift_cards",
        help_text="the line that sold it; refunding that line disables the card",
    )  # fmt: skip
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(balance__gte=0), name="gift_card_not_negative")
        ]

    def __str__(self) -> str:
        return f"gift card …{self.ending}"


class GiftCardEntry(models.Model):
    """One change of a gift card's balance, once per key."""

    card = models.ForeignKey(GiftCard, on_delete=models.PROTECT, related_name="entries")
    amount = money(help_text="signed")
    key = models.CharField(max_length=120, unique=True)
    order = models.ForeignKey(
        Order, null=True, blank=True, on_delete=models.PROTECT, related_name="gift_card_entries"
    )
    actor = models.CharField(max_length=100)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.amount} on {self.card}"


class Payment(models.Model):
    """Money of an order at one payment provider. Its figures are the sums of its entries.

    `gateway` is who is asked to capture, void and refund: "" is nobody (the channel did, or will).
    """

    class State(models.TextChoices):
        PENDING = "pending", "not paid yet"
        AUTHORIZED = "authorized", "authorized"
        CAPTURED = "captured", "captured"
        VOIDED = "voided", "voided"
        EXPIRED = "expired", "expired"
        FAILED = "failed", "failed"

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="payments")
    reference = models.CharField(max_length=100)
    method = models.CharField(max_length=40)
    gateway = models.CharField(max_length=20, blank=True, default="", db_default="")
    gift_card = models.ForeignKey(
        GiftCard, null=True, blank=True, on_delete=models.PROTECT, related_name="payments"
    )
    state = models.CharField(max_length=10, choices=State)
    currency = models.CharField(max_length=3)
    amount = money(help_text="authorized or to be paid")
    capturing = money(
        default=0, db_default=0, help_text="asked for at the provider, not confirmed yet"
    )
    captured = money(default=0)
    refunded = money(default=0, help_text="pending and done refunds")
    charged_back = money(default=0, db_default=0, help_text="taken back by the customer's bank")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="of the authorization")
    provider_at = models.DateTimeField(
        null=True, blank=True, help_text="the provider's own time of the newest event we know"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "reference"], name="payment_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_positive"),
            models.CheckConstraint(
                condition=Q(captured__lte=F("amount") - F("capturing")) & Q(capturing__gte=0),
                name="payment_not_over_captured",
            ),
            models.CheckConstraint(
                condition=Q(refunded__lte=F("captured")) & Q(refunded__gte=0),
                name="payment_not_over_refunded",
            ),
            models.CheckConstraint(
                condition=Q(charged_back__lte=F("captured")) & Q(charged_back__gte=0),
                name="payment_not_over_charged_back",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["expires_at"], condition=Q(state="authorized"), name="payment_expiring"
            ),
            models.Index(fields=["reference"], name="payment_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.reference}"

    @property
    def refundable(self) -> Decimal:
        """What can still be given back: what the bank took back is gone already."""
        return max(self.captured - self.refunded - self.charged_back, Decimal(0))


class Refund(models.Model):
    """Money on its way back, or there."""

    class State(models.TextChoices):
        PENDING = "pending", "pending"
        DONE = "done", "done"
        ERRORED = "errored", "failed"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    amount = money()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=200)
    key = models.CharField(max_length=100, unique=True, help_text="one key, one refund")
    actor = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_positive")
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


class PaymentEntry(models.Model):
    """One line of a payment's ledger: asked for here, or told by the provider; once per key."""

    class Kind(models.TextChoices):
        AUTHORIZE = "authorize", "authorized"
        CAPTURE = "capture", "captured"
        VOID = "void", "voided"
        REFUND = "refund", "refunded"
        EXPIRE = "expire", "expired"
        FAIL = "fail", "failed"
        CHARGEBACK = "chargeback", "charged back"
        CHARGEBACK_WON = "chargeback_won", "charge-back won"

    class State(models.TextChoices):
        PENDING = "pending", "asked for"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    payment = models.ForeignKey(Payment, on_delete=models.CASCADE, related_name="entries")
    kind = models.CharField(max_length=14, choices=Kind)
    state = models.CharField(max_length=8, choices=State)
    amount = money()
    key = models.CharField(max_length=120, unique=True, help_text="one key, one effect")
    refund = models.OneToOneField(
        Refund, null=True, blank=True, on_delete=models.CASCADE, related_name="entry"
    )
    provider_reference = models.CharField(max_length=100, blank=True)
    provider_at = models.DateTimeField(
        null=True, blank=True, help_text="the provider's own time of it"
    )
    created_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=100)

    class Meta:
        verbose_name_plural = "payment entries"
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="payment_entry_not_negative")
        ]
        indexes: ClassVar = [
            models.Index(fields=["payment", "id"]),
            models.Index(
                fields=["created_at"], condition=Q(state="pending"), name="payment_entry_pending"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"
