"""Baskets: hold units while somebody pays, for as long as the channel's rule says."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Problems, shown
from config.payload import Strict, Units
from orders import baskets
from orders.keys import channel_of
from orders.payload import MAX_LINES, MAX_QUANTITY, Code


class ItemPayload(Strict):
    """Units of one SKU."""

    sku = Code(max_length=64)
    quantity = Units(min_value=1, max_value=MAX_QUANTITY)


class BasketPayload(Strict):
    """The channel's own id of the basket, and everything that is to be held."""

    reference = Code(max_length=100)
    items = ItemPayload(many=True, min_length=1, max_length=MAX_LINES)  # type: ignore[call-arg]
    pickup = Code(max_length=32, required=False, allow_null=True, default=None)

    def validate_items(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        skus = [item["sku"] for item in items]
        twice = sorted({sku for sku in skus if skus.count(sku) > 1})
        if twice:
            raise serializers.ValidationError(f"{', '.join(map(shown, twice))} stands twice")
        return items


class PartAnswer(serializers.Serializer):
    """Where units are held."""

    sku = serializers.CharField()
    location = serializers.CharField()
    quantity = serializers.IntegerField()


class BasketAnswer(serializers.Serializer):
    """What is held, and until when. `token` goes into the order as `basket`."""

    token = serializers.UUIDField()
    reference = serializers.CharField()
    expires_at = serializers.DateTimeField()
    items = PartAnswer(many=True)


def _answer(held: baskets.Held, *, code: int = status.HTTP_200_OK) -> Response:
    body = {
        "token": str(held.basket.token), "reference": held.basket.reference,
        "expires_at": held.basket.expires_at,
        "items": [{"sku": sku, "location": place, "quantity": n} for sku, place, n in held.parts],
    }  # fmt: skip
    return Response(BasketAnswer(body).data, status=code)


def _short(items: list[dict[str, Any]], error: baskets.NotAvailable) -> Problems:
    problems = [
        (f"/items/{i}/quantity", "insufficient_stock",
         f"{error.free[item['sku']]} of {item['quantity']} units of {item['sku']} can be held")
        for i, item in enumerate(items)
        if item["sku"] in error.free and error.free[item["sku"]] < item["quantity"]
    ]  # fmt: skip
    return Problems("insufficient_stock", problems, status_code=status.HTTP_409_CONFLICT)


class BasketsView(APIView):
    """POST holds a basket; sent again, it holds what it says now and keeps its end."""

    scope = "orders"

    @extend_schema(request=BasketPayload, responses=BasketAnswer)
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        form = BasketPayload(data=request.data)
        form.is_valid(raise_exception=True)
        wanted = form.validated_data
        try:
            held = baskets.hold(
                channel, reference=wanted["reference"], pickup=wanted["pickup"],
                items={item["sku"]: item["quantity"] for item in wanted["items"]},
                actor=f"channel {channel.code}",
            )  # fmt: skip
        except baskets.UnknownSku as error:
            names = ", ".join(map(shown, error.skus[:10]))
            raise ValidationError({"items": f"no active product has SKU {names}"}) from None
        except baskets.NotAvailable as error:
            raise _short(wanted["items"], error) from None
        return _answer(held)


class BasketView(APIView):
    """One basket: GET reads it, DELETE gives its units back."""

    scope = "orders"

    @extend_schema(responses=BasketAnswer)
    def get(self, request: Request, token: UUID) -> Response:
        try:
            return _answer(baskets.read(channel_of(request), token))
        except baskets.BasketGone as error:
            raise NotFound(str(error)) from None

    @extend_schema(responses={204: None})
    def delete(self, request: Request, token: UUID) -> Response:
        channel = channel_of(request)
        baskets.release(channel, token, actor=f"channel {channel.code}")
        return Response(status=status.HTTP_204_NO_CONTENT)


class ExtendView(APIView):
    """POST starts the hold afresh, up to six times its length in all."""

    scope = "orders"

    @extend_schema(request=None, responses=BasketAnswer)
    def post(self, request: Request, token: UUID) -> Response:
        try:
            return _answer(baskets.extend(channel_of(request), token))
        except baskets.BasketGone as error:
            raise NotFound(str(error)) from None
