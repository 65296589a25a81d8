"""The canonical order payload: what POST /api/v1/orders takes and every connector produces."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers

from orders.models import Order
from orders.money import is_country, is_currency

MAX_LINES = 200
MAX_QUANTITY = 10_000
_ZONE = re.compile(r"(Z|[+-]\d{2}:?\d{2})$", re.IGNORECASE)


class Strict(serializers.Serializer):
    """A serializer that refuses fields it does not know: a typo is an error, not a default."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                raise serializers.ValidationError(
                    {name: serializers.ErrorDetail("unknown field", "unknown_field")
                     for name in unknown[:20]}
                )  # fmt: skip
        return super().to_internal_value(data)


class Units(serializers.IntegerField):
    """A whole number of units written as a JSON integer: no 1.0, no "1", no true."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Money(serializers.DecimalField):
    """An amount as a string ("12.50"), never negative."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            max_digits=14, decimal_places=4, min_value=0, coerce_to_string=True, **options
        )

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class Moment(serializers.DateTimeField):
    """A time with its zone; not in the future, not before shops had channels."""

    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, str) and not _ZONE.search(value):
            raise serializers.ValidationError("needs a time zone, e.g. 2026-11-23T10:00:00Z")
        moment = super().to_internal_value(value)
        if moment > timezone.now() + timedelta(days=1) or moment.year < 2000:
            raise serializers.ValidationError("is not a believable time for an order")
        return moment


class Text(serializers.CharField):
    """Text that may be empty and may be left out."""

    def __init__(self, length: int, **options: Any) -> None:
        super().__init__(max_length=length, **{"allow_blank": True, "default": ""} | options)


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
    latitude = serializers.FloatField(min_value=-90, max_value=90, required=False, allow_null=True)
    longitude = serializers.FloatField(
        min_value=-180, max_value=180, required=False, allow_null=True
    )

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


class LinePayload(Strict):
    """One product of the order; discount and tax are the whole line's."""

    external_id = Text(100)
    sku = serializers.CharField(max_length=64)
    name = Text(200)
    quantity = Units(min_value=1, max_value=MAX_QUANTITY)
    unit_price = Money()
    discount = Money(default=0)
    tax = Money(default=0)


class PaymentPayload(Strict):
    """Money the channel authorized or took."""

    reference = serializers.CharField(max_length=100)
    method = serializers.CharField(max_length=40)
    amount = Money()
    state = serializers.ChoiceField(["authorized", "captured"])


class OrderPayload(Strict):
    """One order. total = quantity x unit_price - discount_total + shipping_total (+ tax_total)."""

    external_id = serializers.CharField(max_length=100)
    placed_at = Moment(allow_null=True, default=None)
    currency = serializers.CharField(min_length=3, max_length=3)
    test = serializers.BooleanField(default=False)
    tax_included = serializers.BooleanField(default=True)
    customer = CustomerPayload(default={"email": "", "name": "", "phone": ""})
    shipping_address = Address(allow_null=True, default=None)
    billing_address = Address(allow_null=True, default=None)
    delivery = DeliveryPayload(default={"method": "ship", "location": None, "service": "standard"})
    line_items = LinePayload(many=True, allow_empty=False)
    discount_total = Money(default=0)
    shipping_total = Money(default=0)
    shipping_tax = Money(default=0)
    tax_total = Money(default=0)
    total = Money()
    payments = PaymentPayload(many=True, default=[], max_length=20)
    tags = serializers.ListField(child=serializers.CharField(max_length=60), default=[],
                                 max_length=50)  # fmt: skip
    note = Text(2000)
    metadata = serializers.DictField(default={})

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
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["delivery"]["method"] == Order.Delivery.SHIP:
            _check_address(attrs["shipping_address"])
        elif not attrs["delivery"]["location"]:
            raise serializers.ValidationError(
                {"delivery": {"location": "names the store where the order is picked up"}}
            )
        return attrs


def _check_address(address: Mapping[str, Any] | None) -> None:
    if address is None:
        raise serializers.ValidationError({"shipping_address": "is needed to ship"})
    empty = [name for name in ("line1", "city") if not address[name]]
    if empty:
        raise serializers.ValidationError(
            {"shipping_address": {name: "is needed to ship" for name in empty}}
        )
