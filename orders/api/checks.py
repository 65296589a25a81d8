"""Looks at an order again, over REST."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import idempotent
from orders import validation
from orders.api.orders import OneOrder
from orders.keys import channel_of
from orders.models import Hold


class FindingRow(serializers.Serializer):
    """One thing a check noticed; `pointer` is its place in the order as it was posted."""

    check = serializers.CharField()  # type: ignore[assignment]
    pointer = serializers.CharField()
    code = serializers.CharField()
    words = serializers.CharField()
    score = serializers.IntegerField(help_text="its part of the risk, in the fraud check")


class CheckedAnswer(serializers.Serializer):
    """What the channel's checks find now, and the types of all holds that are open."""

    number = serializers.CharField()
    risk = serializers.IntegerField(allow_null=True)
    findings = FindingRow(many=True)
    holds = serializers.ListField(child=serializers.CharField())


class CheckView(OneOrder):
    """Runs the channel's checks on an order that is there."""

    @extend_schema(
        request=None,
        responses=CheckedAnswer,
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    def post(self, request: Request, reference: str) -> Response:
        """Run the checks again: holds follow what is found; nothing is ever held twice."""
        order = self.order(reference)

        def effect() -> tuple[int, dict[str, Any]]:
            verdict = validation.rerun(order.pk, actor=channel_of(request).code)
            open_ = order.holds.filter(state=Hold.State.OPEN).order_by("id")
            return status.HTTP_200_OK, {
                "number": order.number,
                "risk": verdict.risk,
                "findings": [vars(finding) for finding in verdict.findings],
                "holds": [hold.type for hold in open_],
            }

        return idempotent(request, effect)
