"""What an edit may do: a list of actions, each a JSON object that names its type.

A line is meant by its position. The line's components are meant with it when it is a bundle.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers

from config.payload import Items, Strict, Units
from orders.models import ChannelSku, Order, SalesChannel
from orders.payload import MAX_QUANTITY, NOTHING, Address, Code, Day, Money, Text

MOST_ACTIONS = 200
PERSONAL = "shipping_address"  # kept apart from the rest, to be erased with the person

Action = dict[str, Any]


class SignedMoney(Money):
    """An amount that may be below zero."""

    def __init__(self, **options: Any) -> None:
        super(Money, self).__init__(
            max_digits=14, decimal_places=4, coerce_to_string=True, **options
        )


def _type(name: str) -> serializers.ChoiceField:
    return serializers.ChoiceField([name])


class AddLineAction(Strict):
    """Add units of a product or bundle; without a price, at the product's own."""

    type = _type("add_line")
    sku = Code(max_length=64)
    quantity = Units(min_value=1, max_value=MAX_QUANTITY)
    unit_price = Money(required=False)
    discount = Money(default=NOTHING)
    tax = Money(default=NOTHING)
    name = Text(200)
    external_id = Code(max_length=100, allow_blank=True, default="")
    delivery = Code(max_length=40, required=False)


class RemoveAction(Strict):
    """Cancel what has not left of a line."""

    type = _type("remove")
    line = Units(min_value=1)


class QuantityAction(Strict):
    """Set the units of a line. More become a line of their own at the line's price; `discount` and
    `tax` are those of the added units (without: no discount, tax at the line's rate)."""

    type = _type("quantity")
    line = Units(min_value=1)
    quantity = Units(min_value=1, max_value=MAX_QUANTITY)
    discount = Money(required=False)
    tax = Money(required=False)


class SubstituteAction(Strict):
    """Replace units of a line (all that can be canceled) by another product.

    They cost what the replaced ones did unless a price is given.
    """

    type = _type("substitute")
    line = Units(min_value=1)
    sku = Code(max_length=64)
    quantity = Units(min_value=1, max_value=MAX_QUANTITY, required=False)
    unit_price = Money(required=False)


class AddressAction(Strict):
    """Send it elsewhere. `delivery` is the key of one of several deliveries."""

    type = _type("address")
    shipping_address = Address()
    delivery = Code(max_length=40, required=False)

    def validate_shipping_address(self, value: dict[str, Any]) -> dict[str, Any]:
        empty = [name for name in ("line1", "city") if not value[name]]
        if empty:
            raise serializers.ValidationError(dict.fromkeys(empty, "is needed to ship"))
        return value


class DeliveryAction(Strict):
    """Deliver it another way; what is left out stays. `delivery` as for an address."""

    type = _type("delivery")
    method = serializers.ChoiceField(Order.Delivery.choices, required=False)
    location = serializers.CharField(max_length=32, required=False, allow_null=True)
    service = serializers.ChoiceField(["standard", "express"], required=False)
    wanted_on = Day(required=False, allow_null=True)
    delivery = Code(max_length=40, required=False)


class PriceAction(Strict):
    """Change what a line costs: a further discount (signed), another unit price, or both.

    `tax` is the signed change of the line's tax; without it the tax keeps its rate.
    """

    type = _type("price")
    line = Units(min_value=1)
    discount = SignedMoney(default=NOTHING)
    unit_price = Money(required=False)
    tax = SignedMoney(required=False)


class ShippingAction(Strict):
    """Set the shipping costs; without `tax` it keeps its rate."""

    type = _type("shipping")
    amount = Money()
    tax = Money(required=False)


class AppeasementAction(Strict):
    """Give money back as a gesture; what is not captured yet is made cheaper instead."""

    type = _type("appeasement")
    amount = Money()
    reason = serializers.CharField(max_length=200)

    def validate_amount(self, value: Decimal) -> Decimal:
        if not value:
            raise serializers.ValidationError("is an amount above zero")
        return value


KINDS: dict[str, type[Strict]] = {
    "add_line": AddLineAction, "remove": RemoveAction, "quantity": QuantityAction,
    "substitute": SubstituteAction, "address": AddressAction, "delivery": DeliveryAction,
    "price": PriceAction, "shipping": ShippingAction, "appeasement": AppeasementAction,
}  # fmt: skip
ONCE = {"remove", "quantity", "substitute", "price"}  # per line
ONCE_IN_ALL = {"shipping"}


@extend_schema_field(
    PolymorphicProxySerializer(
        component_name="EditAction",
        serializers=dict(KINDS),
        resource_type_field_name="type",
    )
)
class ActionField(serializers.Field):
    """One action, read by the serializer of its type."""

    def to_internal_value(self, data: Any) -> Action:
        kind = data.get("type") if isinstance(data, Mapping) else None
        if not isinstance(kind, str) or kind not in KINDS:
            raise serializers.ValidationError({"type": f"is one of {', '.join(KINDS)}"})
        return dict(KINDS[kind]().run_validation(data))

    def to_representation(self, value: Action) -> Action:
        return value


class ActionsField(Items):
    """One to 200 actions that do not speak of the same thing twice."""

    child = ActionField()

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=1, max_length=MOST_ACTIONS, **options)

    def to_internal_value(self, data: Any) -> list[Action]:
        actions = super().to_internal_value(data)
        seen: set[tuple[str, Any]] = set()
        for i, action in enumerate(actions):
            for about in _about(action):
                if about in seen:
                    raise serializers.ValidationError(
                        {str(i): f"{about[0]} {about[1]} is there twice"}
                    )
                seen.add(about)
        return actions


def _about(action: Action) -> list[tuple[str, Any]]:
    kind = action["type"]
    if kind in ONCE:
        units = "units of line" if kind != "price" else "the price of line"
        return [(units, action["line"])]
    if kind in {"address", "delivery"}:
        return [(f"the {kind} of", action.get("delivery") or "the order")]
    return [("the", kind)] if kind in ONCE_IN_ALL else []


class _Actions(Strict):
    actions = ActionsField()


def validated(actions: Any) -> list[Action]:
    """The actions checked and in our types; raises ValidationError naming each field."""
    return list(_Actions().run_validation({"actions": actions})["actions"])


def plain(actions: Sequence[Action]) -> list[Action]:
    """The actions as JSON holds them."""
    return json.loads(json.dumps(list(actions), cls=DjangoJSONEncoder))


def apart(actions: Sequence[Action]) -> tuple[list[Action], dict[str, Any]]:
    """Plain actions without personal data, and that by the place of its action."""
    rows = plain(actions)
    personal = {str(i): row.pop(PERSONAL) for i, row in enumerate(rows) if PERSONAL in row}
    return rows, personal


def together(actions: Sequence[Action], personal: Mapping[str, Any]) -> list[Action]:
    """The opposite of apart()."""
    return [
        {**row, PERSONAL: personal[str(i)]} if str(i) in personal else dict(row)
        for i, row in enumerate(actions)
    ]


def in_our_skus(channel: SalesChannel, actions: Sequence[Action]) -> list[Action]:
    """The actions of a channel that has SKUs of its own, with ours instead."""
    theirs = {action["sku"] for action in actions if "sku" in action}
    if not channel.own_skus or not theirs:
        return list(actions)
    rows = ChannelSku.objects.filter(channel=channel, sku__in=theirs)
    known = dict(rows.values_list("sku", "product__sku"))
    return [
        {**action, "sku": known.get(action["sku"], action["sku"])} if "sku" in action else action
        for action in actions
    ]
