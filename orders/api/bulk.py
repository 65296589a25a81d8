"""Many orders of a channel in one call, each with an answer of its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import LargeJSONParser, idempotent
from config.payload import Row, each
from orders import capture, inbound
from orders.api.rows import OrderAnswer, answer, answers_again
from orders.keys import channel_of
from orders.models import InboundOrder, Order, SalesChannel
from orders.payload import OrderPayload

MOST = 500
DIFFERS = "was placed before with other content"


class BulkPayload(serializers.Serializer):
    """Up to 500 orders."""

    orders = OrderPayload(many=True)


class BulkProblem(serializers.Serializer):
    """One thing wrong with one of the orders."""

    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkRow(serializers.Serializer):
    """What became of one order: the answer it would have got alone, or what is wrong with it."""

    index = serializers.IntegerField(help_text="its place in the call, from 0")
    external_id = serializers.CharField(allow_null=True)
    outcome = serializers.ChoiceField(["created", "same", "differs", "refused"])
    order = OrderAnswer(allow_null=True)
    errors = BulkProblem(many=True)  # type: ignore[assignment]  # fields leave the class


class BulkAnswer(serializers.Serializer):
    """How many orders are new, and what became of each."""

    created = serializers.IntegerField()
    results = BulkRow(many=True)


class BulkView(APIView):
    """Places up to 500 orders; one that cannot be taken stops no other."""

    scope = "orders"
    parser_classes = [LargeJSONParser]

    @extend_schema(
        request=BulkPayload,
        responses={200: BulkAnswer},
        parameters=[OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)],
    )
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        rows = each(request.data, OrderPayload, key="orders", most=MOST)
        differing: list[dict[str, Any]] = []

        def effect() -> tuple[int, dict[str, Any]]:
            del differing[:]
            results = _place(channel, rows, differing)
            created = sum(result["outcome"] == "created" for result in results)
            return status.HTTP_200_OK, {"created": created, "results": results}

        response = idempotent(request, effect)
        for one in differing:  # a person picks
            inbound.keep(channel=channel, source="api", kind=InboundOrder.Kind.DIFFERS, **one)
        return response


def _place(
    channel: SalesChannel, rows: Sequence[Row], differing: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    good = [row.value for row in rows if row.value is not None]
    placed = iter(
        capture.place_many(
            channel=channel, orders=good, source="api", actor=channel.code, now=timezone.now()
        )
    )
    answers = [None if row.value is None else next(placed) for row in rows]
    known = answers_again(
        Order.objects.filter(
            pk__in=[a.order_id for a in answers if isinstance(a, capture.AlreadyPlaced) and a.same]
        )
    )
    return [_result(row, given, known, differing) for row, given in zip(rows, answers, strict=True)]


def _result(
    row: Row,
    given: capture.Answer | None,
    known: Mapping[int, Mapping[str, Any]],
    differing: list[dict[str, Any]],
) -> dict[str, Any]:
    order = row.value
    result: dict[str, Any] = {
        "index": row.index, "external_id": order and order["external_id"], "outcome": "refused",
        "order": None, "errors": row.problems,
    }  # fmt: skip
    if order is None or given is None:
        return result
    if isinstance(given, capture.Placed):
        return {**result, "outcome": "created", "order": answer(order, given)}
    if isinstance(given, capture.Refused):
        return {**result, "errors": [vars(problem) for problem in given.problems]}
    if given.same:
        return {**result, "outcome": "same", "order": known[given.order_id]}
    problem = capture.Problem("/external_id", "order_differs", DIFFERS)
    differing.append({"external_id": order["external_id"], "document": order,
                      "problems": [problem], "order": given.order_id})  # fmt: skip
    return {**result, "outcome": "differs", "errors": [vars(problem)]}
