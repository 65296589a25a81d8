"""Holds of an order over REST: a channel sees all, places and resolves its customers' own."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import Conflict, idempotent, shown
from config.payload import Strict
from config.status import IllegalMove
from orders import holds, lifecycle
from orders.api.orders import OneOrder
from orders.keys import channel_of
from orders.models import Hold
from orders.payload import Zoned

REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]
PREFIX = "customer:"  # of handles that channels choose: they never meet those of the house


class HoldRow(serializers.ModelSerializer):
    """What blocks an order; `mine`: the channel placed it and may resolve it."""

    mine = serializers.SerializerMethodField()

    class Meta:
        model = Hold
        fields = ["handle", "type", "reason", "blocks", "state", "placed_at", "release_at",
                  "resolved_at", "mine"]  # fmt: skip

    def get_mine(self, hold: Hold) -> bool:
        return _is_mine(hold, self.context["channel"])


class HoldPayload(Strict):
    """Why the order is to wait; the same handle again is the same hold."""

    handle = serializers.RegexField(
        r"^[A-Za-z0-9._-]{1,40}\Z", help_text="the channel's own word for it, unique per order"
    )
    reason = serializers.CharField(max_length=300)
    release_at = Zoned(
        required=False, allow_null=True, default=None, help_text="it resolves itself then"
    )


def _is_mine(hold: Hold, channel: str) -> bool:
    return hold.type == Hold.Type.CUSTOMER and hold.placed_by == channel


class HoldsView(OneOrder):
    """GET lists the order's holds, oldest first; POST places one that its customer asked for."""

    @extend_schema(responses=HoldRow(many=True))
    def get(self, request: Request, reference: str) -> Response:
        rows = self.order(reference).holds.order_by("id")
        context = {"channel": channel_of(request).code}
        return Response(HoldRow(rows, many=True, context=context).data)

    @extend_schema(
        request=HoldPayload, responses={201: HoldRow, 200: HoldRow}, parameters=REPEATABLE
    )
    def post(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        payload = HoldPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        wanted, channel = payload.validated_data, channel_of(request).code
        handle = PREFIX + wanted.pop("handle")

        def effect() -> tuple[int, dict[str, Any]]:
            lifecycle.lock(order.pk)
            known = order.holds.filter(handle=handle).exists()
            hold = holds.place(
                order_id=order.pk, type=Hold.Type.CUSTOMER, handle=handle, actor=channel, **wanted
            )
            code = status.HTTP_200_OK if known else status.HTTP_201_CREATED
            return code, dict(HoldRow(hold, context={"channel": channel}).data)

        try:
            return idempotent(request, effect)
        except holds.OrderEnded as error:
            raise Conflict(str(error), "order_ended") from error


class ResolveHoldView(OneOrder):
    """Resolves a hold that the channel placed; the order goes on unless another one blocks it."""

    @extend_schema(request=None, responses=HoldRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str, handle: str) -> Response:
        hold = self.order(reference).holds.filter(handle=handle).first()
        channel = channel_of(request).code
        if hold is None:
            raise NotFound(f"No hold {shown(handle)} of this order.")
        if not _is_mine(hold, channel):
            raise PermissionDenied("Only holds that this channel placed can be resolved here.")
        hold_id = hold.pk

        def effect() -> tuple[int, dict[str, Any]]:
            holds.resolve(hold_id=hold_id, actor=channel)
            fresh = Hold.objects.get(pk=hold_id)
            return status.HTTP_200_OK, dict(HoldRow(fresh, context={"channel": channel}).data)

        try:
            return idempotent(request, effect)
        except IllegalMove as error:
            raise Conflict(str(error), "illegal_move") from error
