"""Cancels an order over REST."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import idempotent
from orders import lifecycle
from orders.api.orders import OneOrder
from orders.api.taking import domain_errors
from orders.keys import channel_of
from orders.payload import Strict


class CancelPayload(Strict):
    """Why an order is canceled."""

    reason = serializers.CharField(max_length=200, default="asked for by the customer")


class CanceledAnswer(serializers.Serializer):
    """How many units were canceled; those that had left stay."""

    number = serializers.CharField()
    canceled_units = serializers.IntegerField()


class CancelView(OneOrder):
    """Cancels every unit that has not left yet."""

    @extend_schema(request=CancelPayload, responses=CanceledAnswer)
    def post(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        payload = CancelPayload(data=request.data)
        payload.is_valid(raise_exception=True)

        def effect() -> tuple[int, dict[str, Any]]:
            units = lifecycle.cancel(
                order_id=order.pk, reason=payload.validated_data["reason"],
                actor=channel_of(request).code,
            )  # fmt: skip
            return status.HTTP_200_OK, {"number": order.number, "canceled_units": units}

        with domain_errors():
            return idempotent(request, effect)
