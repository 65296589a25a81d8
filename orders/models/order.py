"""What was bought, by whom, and where it goes.

An order's fulfillment and payment statuses are computed (orders/queries.py), never stored.
"""

from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Lower, Reverse
from django.utils import timezone

from inventory.models import Location, Product
from orders.models.channels import SalesChannel

NUMBER_BASE = 100_000


def number_of(order_id: int) -> str:
    """What staff and customers call an order."""
    return f"M{NUMBER_BASE + order_id}"


def money(**options: Any) -> models.DecimalField:
    """An amount in the order's currency; four places hold every ISO minor unit."""
    return models.DecimalField(max_digits=14, decimal_places=4, **options)


class Customer(models.Model):
    """A person who buys; known by e-mail address, in lower case.

    Who turned out to be somebody else is `merged_into` them: the address stays here, so that their
    next order finds its way. An erased customer has no address, only a mark of having been there.
    """

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    tier = models.CharField(
        max_length=20, blank=True, default="", db_default="",
        help_text="gold, silver ...: rules of routing may ask for it",
    )  # fmt: skip
    created_at = models.DateTimeField(default=timezone.now)
    merged_into = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="merged"
    )
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")), name="customer_not_itself"
            )
        ]

    def __str__(self) -> str:
        return f"erased customer {self.pk}" if self.erased_at else self.email


class Order(models.Model):
    """One purchase, once per (channel, external id)."""

    class State(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"
        CANCELED = "canceled", "canceled"

    class Delivery(models.TextChoices):
        SHIP = "ship", "ship to address"
        PICKUP = "pickup", "pick up in store"
        SHIP_TO_STORE = "ship_to_store", "ship to store"

    channel = models.ForeignKey(
        SalesChannel, on_delete=models.PROTECT, related_name="orders", db_index=False
    )
    external_id = models.CharField(max_length=100)
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.PROTECT, related_name="orders"
    )
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    currency = models.CharField(max_length=3)
    tax_included = models.BooleanField(default=True)
    subtotal = money(help_text="quantity x unit price, before discounts")
    discount_total = money(default=0)
    shipping_total = money(default=0)
    shipping_tax = money(default=0)
    tax_total = money(default=0)
    total = money()
    commission = money(
        default=0, db_default=0, help_text="what the marketplace keeps; no part of the total"
    )
    delivery = models.CharField(max_length=13, choices=Delivery, default=Delivery.SHIP)
    pickup_location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="pickups"
    )
    sold_at = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="sold_orders",
        help_text="the store whose till or tablet took the order",
    )  # fmt: skip
    service = models.CharField(max_length=12, default="standard")
    ship_together = models.BooleanField(
        default=False,
        db_default=False,
        help_text="in one parcel, or not at all until that is possible",
    )
    gift = models.BooleanField(default=False, db_default=False, help_text="no prices in the parcel")
    wanted_on = models.DateField(null=True, blank=True, help_text="not delivered before")
    ship_by = models.DateTimeField(
        null=True, blank=True, help_text="the marketplace wants it handed over until then"
    )
    deliver_by = models.DateTimeField(
        null=True, blank=True, help_text="the marketplace promised it until then"
    )
    placed_at = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    promised_at = models.DateTimeField(
        null=True, blank=True, help_text="delivered or ready for pick-up until then"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=20, default="api", help_text="api, shopify, shopify-csv")
    payload_hash = models.CharField(max_length=64)
    channel_changed_at = models.DateTimeField(
        null=True, blank=True, help_text="the channel's own time of the newest change we know"
    )
    version = models.PositiveIntegerField(
        default=1, db_default=1, help_text="counts applied changes"
    )
    risk = models.PositiveSmallIntegerField(null=True, blank=True, help_text="0 to 100")
    findings = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        blank=True,
        help_text="what the channel's checks found at the last look",
    )
    test = models.BooleanField(default=False, help_text="holds no stock, is never sent")
    tags = ArrayField(models.CharField(max_length=60), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "external_id"], name="order_once"),
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_not_negative"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-placed_at", "-id"]),
            models.Index(fields=["external_id"]),
            models.Index(fields=["customer"]),
            models.Index(fields=["placed_at"], condition=Q(state="open"), name="order_open"),
            models.Index(fields=["channel", "-id"], name="order_list"),
            models.Index(fields=["channel", "source", "-id"], name="order_source"),
            models.Index(fields=["channel", "total"], name="order_total"),
            models.Index(
                fields=["channel", "delivery", "-id"],
                condition=~Q(delivery="ship"),
                name="order_not_shipped",
            ),
            models.Index(fields=["channel", "-id"], condition=Q(test=True), name="order_test"),
            BrinIndex(fields=["received_at"], name="order_received", autosummarize=True),
            BrinIndex(
                fields=["promised_at"],
                name="order_promised",
                autosummarize=True,
                pages_per_range=16,
            ),
            GinIndex(fields=["tags"], condition=~Q(tags=[]), name="order_tags"),
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What staff and customers call the order."""
        return number_of(self.pk or 0)


class Address(models.Model):
    """Who and where something goes to; the coordinates are those of the place, where known."""

    name = models.CharField(max_length=200, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    line1 = models.CharField(max_length=200, blank=True)
    line2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=100, blank=True)
    region = models.CharField(max_length=100, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    country = models.CharField(max_length=2, blank=True)
    lat = models.FloatField(null=True, blank=True)
    lng = models.FloatField(null=True, blank=True)

    class Meta:
        abstract = True


class OrderContact(Address):
    """The personal data of one order, apart from everything else so that it can be erased."""

    order = models.OneToOneField(
        Order, primary_key=True, on_delete=models.CASCADE, related_name="contact"
    )
    email = models.EmailField(blank=True)
    billing = models.JSONField(default=dict, blank=True)
    note = models.TextField(blank=True)
    gift_message = models.TextField(blank=True, default="", db_default="")
    phone_key = models.GeneratedField(
        expression=Reverse(
            models.Func(F("phone"), Value(r"\D"), Value(""), Value("g"), function="regexp_replace")
        ),
        output_field=models.CharField(max_length=40), db_persist=True,
        help_text="its digits from the last to the first: people leave out country codes",
    )  # fmt: skip

    class Meta:
        indexes: ClassVar = [
            # Ended by the order, newest first: checks look at a person's newest orders only.
            models.Index(
                fields=["email", "-order"], name="contact_email",
                opclasses=["text_pattern_ops", "int8_ops"],
            ),
            models.Index(
                fields=["phone_key", "-order"], name="contact_phone",
                opclasses=["text_pattern_ops", "int8_ops"], condition=~Q(phone_key=""),
            ),
            models.Index(
                Lower("line1"), "postcode", F("order").desc(), name="contact_address",
                condition=~Q(line1=""),
            ),
            GinIndex(SearchVector("name", config="simple"), name="contact_name"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name or self.email


class DeliveryGroup(Address):
    """A second, third ... destination of an order; lines without a group go to the order's own."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="delivery_groups")
    key = models.CharField(max_length=40, help_text="what the channel calls it")
    delivery = models.CharField(max_length=13, choices=Order.Delivery, default=Order.Delivery.SHIP)
    pickup_location = models.ForeignKey(
        Location, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    service = models.CharField(max_length=12, default="standard")
    wanted_on = models.DateField(null=True, blank=True)
    gift = models.BooleanField(default=False)
    gift_message = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "key"], name="delivery_group_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_delivery_display()} {self.city or self.pickup_location or ''}".strip()


class OrderBundle(models.Model):
    """A kit as it was bought; its components are lines of the order, and their sums are its own."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="bundles")
    position = models.PositiveIntegerField()
    external_id = models.CharField(max_length=100, blank=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = money()
    discount = money(default=0)
    tax = money(default=0)
    total = money()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "position"], name="bundle_position_once"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="bundle_quantity_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"


class OrderLine(models.Model):
    """What was bought of one product, with its own share of every discount.

    `position` is the place among what the customer bought; the components of a bundle have the
    bundle's, and count from 1.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    component = models.PositiveSmallIntegerField(default=0, db_default=0)
    bundle = models.ForeignKey(
        OrderBundle, null=True, blank=True, on_delete=models.CASCADE, related_name="lines"
    )
    group = models.ForeignKey(
        DeliveryGroup, null=True, blank=True, on_delete=models.PROTECT, related_name="lines"
    )
    together = models.CharField(
        max_length=40,
        blank=True,
        default="",
        db_default="",
        help_text="lines with the same word leave in one parcel",
    )
    external_id = models.CharField(max_length=100, blank=True)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="order_lines")
    sku = models.CharField("SKU", max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = money()
    discount = money(default=0, help_text="of the whole line, order-wide shares included")
    tax = money(default=0, help_text="of the whole line")
    total = money(help_text="what the customer pays for the whole line, tax included")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["order", "position", "component"], name="line_position_once"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="line_quantity_positive"),
            models.CheckConstraint(condition=Q(total__gte=0), name="line_total_not_negative"),
            models.CheckConstraint(
                condition=Q(bundle=None, component=0) | Q(bundle__isnull=False, component__gt=0),
                name="line_component_of_bundle",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["sku", "-order"], name="line_sku"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.sku}"
