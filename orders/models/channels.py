"""Where orders come from, who may speak for a channel or a stock point, and what a channel is told
about stock."""

import uuid
from functools import cache
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import F, Q
from django.utils import timezone
from rest_framework_api_key.models import AbstractAPIKey, BaseAPIKeyManager

from inventory.models import Location, Product, StockPool


class SalesChannel(models.Model):
    """Where orders come from, and the pool of stock it may promise."""

    class Kind(models.TextChoices):
        WEB = "web", "web shop"
        MOBILE = "mobile", "mobile app"
        MARKETPLACE = "marketplace", "marketplace"
        SOCIAL = "social", "social commerce"
        TILL = "till", "store till"
        PHONE = "phone", "phone and back office"

    class OnShortage(models.TextChoices):
        REFUSE = "refuse", "refuse the order"
        BACKORDER = "backorder", "promise what is on its way, refuse the rest"
        QUEUE = "queue", "promise what is on its way, queue the rest"

    class Phase(models.TextChoices):
        NEVER = "never", "not at all"
        QUEUED = "queued", "until it is routed"
        ALLOCATED = "allocated", "until a stock point accepts it"
        ACCEPTED = "accepted", "until it is picked"
        PICKED = "picked", "until it is packed"
        PACKED = "packed", "until it leaves"

    code = models.SlugField(max_length=32, unique=True)
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=Kind)
    pool = models.ForeignKey(StockPool, on_delete=models.PROTECT)
    currency = models.CharField(max_length=3, default="EUR")
    on_shortage = models.CharField(max_length=9, choices=OnShortage, default=OnShortage.REFUSE)
    shopify_secret = models.CharField(
        max_length=128, blank=True, help_text="signs this shop's webhooks; empty: none accepted"
    )
    hold_minutes = models.PositiveIntegerField(
        default=10, help_text="how long a basket holds its units"
    )
    stock_url = models.URLField(
        "stock address", blank=True, help_text="changes of availability are posted there"
    )
    stock_secret = models.CharField(
        max_length=128, blank=True, help_text="signs what is posted there"
    )
    own_skus = models.BooleanField(
        "SKUs of its own", default=False, help_text="its SKUs are looked up under SKUs of channels"
    )
    checks = models.JSONField(
        default=dict, blank=True,
        help_text="what is checked of its orders, and what follows (orders/validation)",
    )  # fmt: skip
    cancel_until = models.CharField(
        "may cancel", max_length=9, choices=Phase, default=Phase.PACKED,
        help_text="how far its customers' units may be when they are still canceled",
    )  # fmt: skip
    cancel_unfillable_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="units unfillable that long are canceled; empty: never"
    )
    gateway = models.CharField(
        max_length=20, blank=True,
        help_text="who captures, voids and refunds; empty: the channel itself, we only note it",
    )  # fmt: skip
    gateway_url = models.URLField("gateway's address", blank=True)
    gateway_secret = models.CharField(max_length=128, blank=True)
    sandbox = models.BooleanField(
        default=False, help_text="all its orders are tests: they hold no stock, are never sent"
    )
    active = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar = ["code"]

    def __str__(self) -> str:
        return self.name


@cache
def _usable_key_sql() -> str:
    names = [f'{alias}."{field.column}"' for alias, model in (("k", ApiKey), ("c", SalesChannel))
             for field in model._meta.concrete_fields]  # fmt: skip
    return f"""
    SELECT {", ".join(names)}
      FROM {ApiKey._meta.db_table} k
      LEFT JOIN {SalesChannel._meta.db_table} c ON c.id = k.channel_id
     WHERE k.prefix = %s AND NOT k.revoked
    """


def _read(model: type[models.Model], values: tuple) -> Any:
    """The row of a model from its columns, in the order of its fields."""
    fields = model._meta.concrete_fields
    known = [
        field.from_db_value(value, None, connection) if hasattr(field, "from_db_value") else value
        for field, value in zip(fields, values, strict=True)
    ]
    return model.from_db(connection.alias, [field.attname for field in fields], known)


class ApiKeyManager(BaseAPIKeyManager):
    """Finds a key with its channel, which every order needs, in one statement."""

    def get_from_key(self, key: str) -> "ApiKey":
        """The usable key of this secret; raises ApiKey.DoesNotExist.

        As the library's, by SQL that is made once: making it took 4 % of an order's capture.
        """
        with connection.cursor() as cursor:
            cursor.execute(_usable_key_sql(), [key.partition(".")[0]])
            row = cursor.fetchone()
        own = len(ApiKey._meta.concrete_fields)
        found: ApiKey | None = _read(ApiKey, row[:own]) if row else None
        if row is None or found is None or not found.is_valid(key):
            raise ApiKey.DoesNotExist
        found.channel = _read(SalesChannel, row[own:]) if row[own] is not None else None
        return found


class ApiKey(AbstractAPIKey):
    """A key of a channel (orders), of a stock point (its work), or of the company's own systems
    (ERP, WMS: neither). Stored hashed, shown once."""

    channel = models.ForeignKey(
        SalesChannel, null=True, blank=True, on_delete=models.CASCADE, related_name="keys"
    )
    location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.CASCADE, related_name="keys"
    )
    scopes = ArrayField(models.CharField(max_length=32), default=list)
    per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text="requests a minute; empty: as the settings say"
    )

    objects = ApiKeyManager()  # type: ignore[assignment,misc]

    class Meta(AbstractAPIKey.Meta):
        verbose_name = "API key"
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(channel=None) | Q(location=None), name="apikey_one_owner"
            )
        ]


class StaffLocation(models.Model):
    """A person who works at a stock point sees that stock point's work and nothing else's."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="staff_locations"
    )
    location = models.ForeignKey(Location, on_delete=models.CASCADE, related_name="staff")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "location"], name="staff_location_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} at {self.location}"


class Basket(models.Model):
    """Units held for somebody who is still buying; its claims are reservations that expire."""

    channel = models.ForeignKey(SalesChannel, on_delete=models.CASCADE, related_name="baskets")
    token = models.UUIDField(default=uuid.uuid4, unique=True)
    reference = models.CharField(max_length=100, help_text="the channel's own id of the basket")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "reference"], name="basket_once")
        ]
        indexes: ClassVar = [models.Index(fields=["expires_at"])]

    def __str__(self) -> str:
        return f"{self.reference} of {self.channel_id}"


class ChannelStock(models.Model):
    """What a channel should say of a product, what it was told, and what it has confirmed.

    `number` counts changes of a channel's figures in the order in which they were committed: it is
    the cursor of the feed. Written by orders/publishing.py only.
    """

    channel = models.ForeignKey(SalesChannel, on_delete=models.CASCADE, related_name="stock")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="channel_stock")
    quantity = models.PositiveIntegerField(help_text="can be promised now")
    number = models.BigIntegerField()
    changed_at = models.DateTimeField(default=timezone.now)
    sent = models.PositiveIntegerField(null=True, blank=True, help_text="last told")
    sent_number = models.BigIntegerField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    acknowledged = models.PositiveIntegerField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "published stock"
        verbose_name_plural = "published stock"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "product"], name="channel_stock_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["channel", "number"], name="channel_stock_feed"),
            models.Index(
                fields=["channel", "number"],
                condition=Q(sent_number=None) | Q(sent_number__lt=F("number")),
                name="channel_stock_unsent",
            ),
            models.Index(
                fields=["channel", "sent_number"],
                condition=Q(sent__isnull=False)
                & (Q(acknowledged=None) | ~Q(acknowledged=F("sent"))),
                name="channel_stock_unconfirmed",
            ),
            models.Index(
                fields=["channel"],
                condition=Q(acknowledged=None) | ~Q(acknowledged=F("quantity")),
                name="channel_stock_differs",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product.sku} in {self.channel}"


class StockCrossing(models.Model):
    """A product of a channel went out of stock or came back, once per crossing."""

    channel = models.ForeignKey(SalesChannel, on_delete=models.CASCADE)
    product = models.ForeignKey(Product, on_delete=models.CASCADE)
    in_stock = models.BooleanField()
    number = models.BigIntegerField(help_text="the change of the feed that crossed")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "number"], name="crossing_once")
        ]

    def __str__(self) -> str:
        return f"{self.product.sku} {'back in' if self.in_stock else 'out of'} stock"
