"""REST: what a cart can be promised, before there is an order."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Problems
from config.geo import Point
from config.payload import Strict
from orders import capture, promise_tokens
from orders.api.availability import SCOPE, QuickJson
from orders.api.baskets import BasketPayload, ItemPayload
from orders.keys import channel_of
from orders.models import Order, SalesChannel
from orders.money import is_country
from orders.payload import Degrees, Flag, Money, Text
from routing import promising

MAX_ITEMS = 50


class CartDestination(Strict):
    """Where the cart goes, as closely as it is known; coordinates count most."""

    country = serializers.CharField(min_length=2, max_length=2)
    postcode = Text(20)
    city = Text(100)
    region = Text(100)
    latitude = Degrees(min_value=-90, max_value=90, required=False, allow_null=True)
    longitude = Degrees(min_value=-180, max_value=180, required=False, allow_null=True)

    def validate_country(self, value: str) -> str:
        if not is_country(value):
            raise serializers.ValidationError(
                f"{value!r} is not an ISO 3166-1 country code such as FR"
            )
        return value


class CartPayload(Strict):
    """A cart. `value` is in the channel's currency; without it, the sum of our prices."""

    items = ItemPayload(many=True, min_length=1, max_length=MAX_ITEMS)  # type: ignore[call-arg]
    destination = CartDestination()
    value = Money(required=False, allow_null=True)
    currency = serializers.CharField(min_length=3, max_length=3, required=False)
    basket = serializers.UUIDField(
        required=False, allow_null=True, help_text="token of the basket that holds its units"
    )

    ship_together = Flag(
        required=False, help_text="as the order will say it: only ways in one parcel are answered"
    )

    validate_items = BasketPayload.validate_items


class CartItemRow(serializers.Serializer):
    """Units of one of our SKUs."""

    sku = serializers.CharField()
    quantity = serializers.IntegerField()


class CartCost(serializers.Serializer):
    """What it costs us, not what the customer is asked: `internal` is always true."""

    shipping = serializers.CharField()
    handling = serializers.CharField()
    total = serializers.CharField()
    currency = serializers.CharField()
    internal = serializers.BooleanField()


class CarrierRow(serializers.Serializer):
    """The delivery service that a parcel goes with."""

    code = serializers.CharField()
    name = serializers.CharField()


class CartParcelRow(serializers.Serializer):
    """What one stock point would give; `carrier` null: it is handed out there."""

    location = serializers.CharField()
    location_name = serializers.CharField()
    items = CartItemRow(many=True)
    carrier = CarrierRow(allow_null=True)
    km = serializers.FloatField(allow_null=True)
    leaves_on = serializers.DateField()
    arrives_at = serializers.DateTimeField()
    cost = serializers.CharField()
    kg_co2e = serializers.FloatField()


class CartMissingRow(CartItemRow):
    """Units without stock; `expected_at` is when supply brings them, null: nobody knows."""

    expected_at = serializers.DateTimeField(allow_null=True)
    supply = serializers.CharField(allow_null=True)
    location = serializers.CharField(allow_null=True)


class CartStoreRow(serializers.Serializer):
    """The store where the customer collects it."""

    code = serializers.CharField()
    name = serializers.CharField()
    city = serializers.CharField()
    km = serializers.FloatField(allow_null=True)


class CartOptionRow(serializers.Serializer):
    """One way to the customer, as the order's `delivery` names it.

    `promised_at`: everything is there until then; null: part of it has no day. `earliest` and
    `latest` are the days of the first and the last arrival. `ready_today`: it can be collected
    today, until `promised_at`. `token` goes into the order as `promise.token`.
    """

    method = serializers.ChoiceField(Order.Delivery.choices)
    service = serializers.ChoiceField(["standard", "express"])
    plan = serializers.ChoiceField(["cheapest", "greenest"])
    store = CartStoreRow(allow_null=True)
    complete = serializers.BooleanField(help_text="stock covers all of it")
    promised_at = serializers.DateTimeField(allow_null=True)
    earliest = serializers.DateField()
    latest = serializers.DateField()
    ready_today = serializers.BooleanField()
    cost = CartCost()
    kg_co2e = serializers.FloatField()
    parcels = CartParcelRow(many=True)
    missing = CartMissingRow(many=True)
    token = serializers.CharField(allow_null=True)


class CartAnswer(serializers.Serializer):
    """What can be promised now. `located`: how closely the destination is known, null: not."""

    at = serializers.DateTimeField()
    tokens_expire_at = serializers.DateTimeField()
    located = serializers.ChoiceField(["exact", "city", "region", "country"], allow_null=True)
    options = CartOptionRow(many=True)


class PromisesView(APIView):
    """What a cart can be promised: every way to the customer with its days, cost and CO2e.

    Reads only: nothing is held, and sent twice it is asked twice.
    """

    scope = SCOPE
    renderer_classes = (QuickJson,)

    @extend_schema(request=CartPayload, responses=CartAnswer)
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        form = CartPayload(data=request.data)
        form.is_valid(raise_exception=True)
        cart = form.validated_data
        now = timezone.now()
        asked = _asked(channel, cart)
        try:
            found = promising.options(channel, asked, now=now)
        except promising.UnknownGoods as error:
            raise Problems("unknown_sku", [
                (f"/items/{i}/sku", "unknown_sku",
                 f"no active product has SKU {cart['items'][i]['sku']!r}")
                for i in error.places
            ], status_code=400) from None  # fmt: skip
        return Response({
            "at": now, "tokens_expire_at": now + promise_tokens.LASTS,
            "located": asked.at and asked.at.precision,
            "options": [_option(one, channel.currency, asked.at) for one in found],
        })  # fmt: skip


def _asked(channel: SalesChannel, cart: dict[str, Any]) -> promising.Asked:
    to = cart["destination"]
    if cart.get("currency", channel.currency) != channel.currency:
        words = f"is not the channel's {channel.currency}, in which rules compare values"
        raise Problems("other_currency", [("/currency", "other_currency", words)], status_code=400)
    return promising.Asked(
        items=tuple((item["sku"], item["quantity"]) for item in cart["items"]),
        country=to["country"], postcode=to["postcode"], region=to["region"],
        at=capture.where(to), basket=cart.get("basket"), value=cart.get("value"),
        ship_together=cart.get("ship_together", False),
    )  # fmt: skip


def _option(one: promising.Option, currency: str, at: Point | None) -> dict[str, Any]:
    earliest, latest = one.window
    return {
        "method": one.method, "service": one.speed, "plan": one.plan,
        "store": one.store and {
            "code": one.store.code, "name": one.store.name, "city": one.store.city,
            "km": one.km_to_store(at),
        },
        "complete": not one.missing, "promised_at": one.until,
        "earliest": earliest, "latest": latest, "ready_today": one.today,
        "cost": {
            "shipping": str(one.shipping), "handling": str(one.handling),
            "total": str(one.shipping + one.handling), "currency": currency, "internal": True,
        },
        "kg_co2e": float(one.kg_co2),
        "parcels": [_parcel(parcel) for parcel in one.parcels],
        "missing": [
            {"sku": m.sku, "quantity": m.quantity, "expected_at": m.expected, "supply": m.supply,
             "location": m.location}
            for m in one.missing
        ],
        "token": one.token,
    }  # fmt: skip


def _parcel(parcel: promising.Parcel) -> dict[str, Any]:
    carrier = parcel.service
    return {
        "location": parcel.location, "location_name": parcel.location_name,
        "items": [{"sku": sku, "quantity": units} for sku, units in parcel.items],
        "carrier": carrier and {"code": carrier.code, "name": carrier.name},
        "km": None if parcel.km is None else round(parcel.km, 1),
        "leaves_on": parcel.leaves, "arrives_at": parcel.arrives,
        "cost": str(parcel.shipping + parcel.handling), "kg_co2e": float(parcel.kg_co2),
    }  # fmt: skip
