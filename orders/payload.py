"""The canonical order payload: what POST /api/v1/orders takes and every connector produces."""

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from config.api import Problems, check_texts
from config.payload import Items, Strict, Units
from orders.models import Order
from orders.money import is_country, is_currency, rounded

MAX_LINES = 200
MAX_QUANTITY = 10_000
NOTHING = Decimal("0.0000")  # as a given zero is read, so that leaving it out is the same order
MAX_METADATA = 100
MOST_AHEAD = timedelta(days=730)
MAX_AMOUNT = Decimal(10) ** 10  # what a money column holds, in whole units of a currency
_AMOUNT = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


class Money(serializers.DecimalField):
    """An amount as plain text ("12.50") or as a JSON number, never negative."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=14, decimal_places=4, min_value=0, coerce_to_string=True, **options
        )

    def to_internal_value(self, data: Any) -> Any:
        written = type(data) is str and not _AMOUNT.fullmatch(data)
        if written or type(data) not in (str, int, float, Decimal):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false; not 1, not "yes"."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class Degrees(serializers.FloatField):
    """A coordinate written as a JSON number."""

    def to_internal_value(self, data: Any) -> float:
        if type(data) not in (int, float) or not math.isfinite(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class Zoned(serializers.DateTimeField):
    """A time with its zone."""

    def enforce_timezone(self, value: datetime) -> datetime:
        if timezone.is_naive(value):
            raise serializers.ValidationError("needs a time zone, e.g. 2026-11-23T10:00:00Z")
        return super().enforce_timezone(value)


class Moment(Zoned):
    """A time with its zone; not in the future, not before shops had channels."""

    def to_internal_value(self, value: Any) -> Any:
        moment = super().to_internal_value(value)
        if moment > timezone.now() + timedelta(days=1) or moment.year < 2000:
            raise serializers.ValidationError("is not a believable time for an order")
        return moment


class Day(serializers.DateField):
    """A day on which somebody wants something; within two years."""

    def to_internal_value(self, value: Any) -> Any:
        day = super().to_internal_value(value)
        if day.year < 2000 or day > timezone.now().date() + MOST_AHEAD:
            raise serializers.ValidationError("is not a believable day for a delivery")
        return day


class Code(serializers.CharField):
    """What something is called elsewhere: text that can be seen, compared and typed again."""

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not text.isprintable():
            raise serializers.ValidationError("holds characters that cannot be seen")
        return text


class Text(serializers.CharField):
    """Text that may be empty and may be left out."""

    def __init__(self, length: int, **options: Any) -> None:
        options.setdefault("allow_blank", True)
        options.setdefault("default", "")
        super().__init__(max_length=length, **options)


class Address(Strict):
    """Where goods or bills go."""

    name = Text(200)
    line1 = Text(200)
    line2 = Text(200)
    city = Text(100)
    region = Text(100)
    postcode = Text(20)
    country = serializers.CharField(min_length=2, max_length=2)
    phone = Text(40)
    latitude = Degrees(min_value=-90, max_value=90, required=False, allow_null=True)
    longitude = Degrees(min_value=-180, max_value=180, required=False, allow_null=True)

    def validate_country(self, value: str) -> str:
        if not is_country(value):
            raise serializers.ValidationError(
                f"{value!r} is not an ISO 3166-1 country code such as FR"
            )
        return value


class CustomerPayload(Strict):
    """Who buys; all of it may be unknown at a till."""

    email = serializers.EmailField(allow_blank=True, default="", max_length=254)
    name = Text(200)
    phone = Text(40)


class DeliveryPayload(Strict):
    """How it reaches the customer."""

    method = serializers.ChoiceField(Order.Delivery.choices, default="ship")
    location = serializers.CharField(allow_null=True, default=None, max_length=32)
    service = serializers.ChoiceField(["standard", "express"], default="standard")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["method"] != Order.Delivery.SHIP and not attrs["location"]:
            raise serializers.ValidationError(
                {"location": "names the store where the order is picked up"}
            )
        return attrs


class DeliveryGroupPayload(DeliveryPayload):
    """One more destination; lines name it by its key."""

    key = Code(max_length=40)
    address = Address(allow_null=True, default=None)
    wanted_on = Day(allow_null=True, default=None)
    gift = Flag(default=False)
    gift_message = Text(1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["method"] == Order.Delivery.SHIP and attrs["address"] is None:
            raise serializers.ValidationError({"address": "is needed to ship"})
        return super().validate(attrs)


class LinePayload(Strict):
    """One product of the order; discount and tax are the whole line's."""

    external_id = Code(max_length=100, allow_blank=True, default="")
    sku = Code(max_length=64)
    name = Text(200)
    quantity = Units(min_value=1, max_value=MAX_QUANTITY)
    unit_price = Money()
    discount = Money(default=NOTHING)
    tax = Money(default=NOTHING)
    delivery = Code(
        max_length=40, required=False, help_text="key of one of `deliveries`; else the order's own"
    )
    together = Code(
        max_length=40, required=False, help_text="lines with the same word leave in one parcel"
    )


class PaymentPayload(Strict):
    """Money the channel authorized or took, or that is paid later (pending: cash on delivery)."""

    reference = Code(max_length=100)
    method = serializers.CharField(max_length=40)
    amount = Money()
    state = serializers.ChoiceField(["pending", "authorized", "captured"])
    expires_at = Zoned(required=False, help_text="when the authorization ends")
    gift_card = Code(
        max_length=64, required=False, write_only=True, help_text="code of the card that pays"
    )


class PromisePayload(Strict):
    """What the customer was promised in the cart."""

    token = Code(max_length=20_000, help_text="of the option chosen in POST /api/v1/promises")


class OrderPayload(Strict):
    """One order. total = quantity x unit_price - discount_total + shipping_total (+ tax_total)."""

    external_id = Code(max_length=100)
    placed_at = Moment(allow_null=True, default=None)
    currency = serializers.CharField(min_length=3, max_length=3)
    test = Flag(default=False)
    tax_included = Flag(default=True)
    customer = CustomerPayload(default={"email": "", "name": "", "phone": ""})
    shipping_address = Address(allow_null=True, default=None)
    billing_address = Address(allow_null=True, default=None)
    delivery = DeliveryPayload(default={"method": "ship", "location": None, "service": "standard"})
    line_items = LinePayload(many=True, allow_empty=False)
    discount_total = Money(default=NOTHING)
    shipping_total = Money(default=NOTHING)
    shipping_tax = Money(default=NOTHING)
    tax_total = Money(default=NOTHING)
    total = Money()
    payments = PaymentPayload(many=True, default=[], max_length=20)  # type: ignore[call-arg]
    tags = Items(child=serializers.CharField(max_length=60), default=[], max_length=50)
    note = Text(2000)
    metadata = serializers.DictField(default={})
    commission = Money(required=False, help_text="what the marketplace keeps")
    gift = Flag(required=False, help_text="no prices in the parcel")
    gift_message = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    ship_together = Flag(required=False, help_text="in one parcel, or not until that is possible")
    wanted_on = Day(required=False, allow_null=True)
    ship_by = Zoned(required=False, allow_null=True, help_text="the marketplace's limit")
    deliver_by = Zoned(required=False, allow_null=True, help_text="the marketplace's promise")
    sold_at = serializers.CharField(
        max_length=32, required=False, allow_null=True, help_text="the store that took the order"
    )
    changed_at = Moment(
        required=False, allow_null=True, help_text="the channel's own time of its newest change"
    )
    deliveries = DeliveryGroupPayload(many=True, required=False, max_length=20)  # type: ignore[call-arg]
    basket = serializers.UUIDField(
        allow_null=True, default=None, help_text="token of the basket that holds its units"
    )
    promise = PromisePayload(required=False, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        # Looked at before the lines are: a hundred thousand of them must cost nothing.
        lines = data.get("line_items") if isinstance(data, Mapping) else None
        if isinstance(lines, list) and len(lines) > MAX_LINES:
            raise serializers.ValidationError(
                {"line_items": f"has {len(lines)} lines; an order has at most {MAX_LINES}"}
            )
        return super().to_internal_value(data)

    def validate_currency(self, value: str) -> str:
        if not is_currency(value):
            raise serializers.ValidationError(f"{value!r} is not an ISO 4217 code such as EUR")
        return value

    def validate_payments(self, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
        references = [payment["reference"] for payment in value]
        if len(set(references)) != len(references):
            raise serializers.ValidationError("two payments have the same reference")
        if any(not payment["amount"] for payment in value):
            raise serializers.ValidationError("a payment of nothing is no payment")
        if any("gift_card" in payment and payment["state"] != "captured" for payment in value):
            raise serializers.ValidationError("what a gift card pays is captured at once")
        return value

    def validate_metadata(self, value: dict[str, Any]) -> dict[str, Any]:
        if len(value) > MAX_METADATA:
            raise serializers.ValidationError(
                f"has {len(value)} names, at most {MAX_METADATA} are taken"
            )
        try:
            check_texts(value)  # files bring what the API's parser would have refused
        except Problems as error:
            raise serializers.ValidationError(error.problems[0][2]) from None
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        _check_amounts(attrs)
        _check_groups(attrs)
        ships = attrs["delivery"]["method"] == Order.Delivery.SHIP
        if ships and attrs["shipping_address"] is None:
            raise serializers.ValidationError({"shipping_address": "is needed to ship"})
        return attrs


def _check_groups(attrs: Mapping[str, Any]) -> None:
    keys = [group["key"] for group in attrs.get("deliveries", ())]
    if len(set(keys)) != len(keys):
        raise serializers.ValidationError({"deliveries": "two of them have the same key"})
    wrong: Any = {
        i: {"delivery": f"{line['delivery']!r} is the key of none of the deliveries"}
        for i, line in enumerate(attrs["line_items"])
        if "delivery" in line and line["delivery"] not in keys
    }
    if wrong:
        raise serializers.ValidationError({"line_items": wrong})


def _check_amounts(attrs: Mapping[str, Any]) -> None:
    currency = attrs["currency"]
    gross = sum((x["quantity"] * x["unit_price"] for x in attrs["line_items"]), Decimal(0))
    if rounded(gross, currency) >= MAX_AMOUNT:
        raise serializers.ValidationError({"line_items": f"are worth {MAX_AMOUNT:,} or more"})
    fine: Any = {
        i: {"amount": f"is finer than the smallest unit of {currency}"}
        for i, payment in enumerate(attrs["payments"])
        if payment["amount"] != rounded(payment["amount"], currency)
    }
    if fine:
        raise serializers.ValidationError({"payments": fine})


@cache
def _form() -> OrderPayload:
    return OrderPayload()


def validated(data: Any) -> dict[str, Any]:
    """The payload checked and in our types; raises serializers.ValidationError naming each field.

    One unbound serializer serves every order of a process: copying its forty fields anew for each
    took a tenth of the time of a capture. Validation keeps no state on it.
    """
    return dict(_form().run_validation(data))
