"""REST: the money of an order, refunds without goods, and what providers tell of payments."""

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, Problems, idempotent
from config.payload import Row, Strict, each
from orders import lifecycle, payments, queries
from orders.api.orders import OneOrder
from orders.api.rows import InCurrency
from orders.keys import channel_of
from orders.models import Order, Payment, PaymentEntry, Refund, SalesChannel
from orders.money import text
from orders.payload import Code, Moment, Money, Text, Zoned
from orders.payments import due, told

SCOPE = "payments"
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]

# --- what is answered ----------------------------------------------------------------------------


class EntryRow(serializers.ModelSerializer):
    """One line of a payment's ledger; `key` is what a gateway got as its Idempotency-Key."""

    amount = serializers.SerializerMethodField()

    class Meta:
        model = PaymentEntry
        fields = ["kind", "state", "amount", "key", "provider_reference", "provider_at",
                  "created_at", "done_at", "error"]  # fmt: skip

    def get_amount(self, entry: PaymentEntry) -> str:
        return text(entry.amount, entry.payment.currency)


class PaymentRow(InCurrency):
    """A payment: figures that are sums of its entries."""

    gift_card = serializers.CharField(
        source="gift_card.ending", default=None, allow_null=True, help_text="the code's end"
    )
    entries = EntryRow(many=True)

    class Meta:
        model = Payment
        fields = ["reference", "method", "gateway", "gift_card", "state", "currency", "amount",
                  "capturing", "captured", "refunded", "charged_back", "refundable", "expires_at",
                  "created_at", "entries"]  # fmt: skip
        amounts = ("amount", "capturing", "captured", "refunded", "charged_back", "refundable")


class RefundRow(InCurrency):
    """Money on its way back (pending), there (done), or refused by the provider (errored)."""

    payment = serializers.CharField(source="payment.reference")

    class Meta:
        model = Refund
        fields = ["id", "payment", "amount", "currency", "state", "reason", "created_at", "done_at"]
        amounts = ("amount",)


class MoneyOfOrder(serializers.Serializer):
    """What an order costs now, what is owed (below zero: too much was paid), and who paid what."""

    number = serializers.CharField()
    external_id = serializers.CharField()
    currency = serializers.CharField()
    payment_status = serializers.CharField()
    due = serializers.CharField()
    balance = serializers.CharField()
    payments = PaymentRow(many=True)
    refunds = RefundRow(many=True)


class PaymentsView(OneOrder):
    """The money of an order, with every entry of its payments."""

    @extend_schema(responses=MoneyOfOrder)
    def get(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        entries = PaymentEntry.objects.select_related("payment").order_by("id")
        rows = order.payments.select_related("gift_card").order_by("id")
        mine = Refund.objects.filter(payment__order=order).select_related("payment").order_by("id")
        return Response({
            "number": order.number, "external_id": order.external_id, "currency": order.currency,
            "payment_status": queries.payment_status(order),
            "due": text(due.amount_due(order), order.currency),
            "balance": text(due.balance(order), order.currency),
            "payments": PaymentRow(rows.prefetch_related(Prefetch("entries", entries)),
                                   many=True).data,
            "refunds": RefundRow(mine, many=True).data,
        })  # fmt: skip


# --- refunds -------------------------------------------------------------------------------------


class GesturePayload(Strict):
    """Money that goes back without goods: a gesture. Stock does not move."""

    amount = Money()
    reason = Code(max_length=200)


class RefundsAnswer(serializers.Serializer):
    """The refunds that were made, one for each payment it was taken from, and what is left."""

    refunds = RefundRow(many=True)
    refundable = serializers.CharField()


@contextmanager
def as_problems() -> Iterator[None]:
    """Domain exceptions of money as problem answers."""
    try:
        yield
    except payments.OverRefund as error:
        raise Conflict(str(error), "over_refund") from error
    except payments.CannotRefund as error:
        raise Conflict(str(error), "on_hold") from error
    except ValueError as error:
        raise Problems("invalid", [("/amount", "invalid", str(error))], status_code=400) from error


class RefundsView(OneOrder):
    """Gives money back, from the order's payments in the order they were made."""

    scope = SCOPE

    @extend_schema(request=GesturePayload, responses={201: RefundsAnswer}, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        found = self.order(reference)
        payload = GesturePayload(data=request.data)
        payload.is_valid(raise_exception=True)
        wanted = payload.validated_data

        def effect() -> tuple[int, dict[str, Any]]:
            order = lifecycle.lock(found.pk)
            made = payments.refund(
                order=order, amount=wanted["amount"], reason=wanted["reason"],
                key=f"gesture:{uuid.uuid4().hex}", actor=channel_of(request).code,
            )  # fmt: skip
            return status.HTTP_201_CREATED, _refunded(order, made)

        with as_problems():
            return idempotent(request, effect)


def _refunded(order: Order, made: list[Refund]) -> dict[str, Any]:
    left = sum((payment.refundable for payment in order.payments.all()), due.NOTHING)
    rows = RefundRow(made, many=True).data
    return {"refunds": [dict(row) for row in rows], "refundable": text(left, order.currency)}


# --- news ----------------------------------------------------------------------------------------


class NewsPayload(Strict):
    """One fact about a payment. `at` is when it happened, by the provider's clock.

    `key` names the entry it answers, where a gateway was asked. A payment that the order does not
    have yet begins with authorize or capture, and needs its method.
    """

    order = Code(max_length=100, help_text="the channel's own id of the order, or our number")
    payment = Code(max_length=100, help_text="reference of the payment")
    kind = serializers.ChoiceField(PaymentEntry.Kind.choices)
    amount = Money(required=False, allow_null=True)
    provider_reference = Code(max_length=80, help_text="the provider's own id of this fact")
    at = Moment()
    method = Text(40)
    key = Text(120)
    reason = Text(200)
    expires_at = Zoned(required=False, allow_null=True, help_text="of an authorization")


class NewsListPayload(serializers.Serializer):
    """Up to 1,000 facts, each with an answer of its own."""

    rows = NewsPayload(many=True)


class NewsProblem(serializers.Serializer):
    """What is wrong with a row."""

    pointer = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class NewsResult(serializers.Serializer):
    """What became of a row: already_known and late ones changed nothing."""

    row = serializers.IntegerField(help_text="counted from 0")
    outcome = serializers.ChoiceField(["applied", "already_known", "late", "refused"])
    problems = NewsProblem(many=True)


class NewsResults(serializers.Serializer):
    """An answer for each row, in the order of the rows."""

    applied = serializers.IntegerField()
    already_known = serializers.IntegerField()
    late = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = NewsResult(many=True)


class PaymentEventsView(APIView):
    """Takes what a provider tells of payments: each fact once, whenever it comes.

    Rows are independent of each other; sending all of them again is safe.
    """

    scope = SCOPE

    @extend_schema(request=NewsListPayload, responses=NewsResults)
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        results = [_result(channel, row) for row in each(request.data, NewsPayload)]
        counts = Counter(result["outcome"] for result in results)
        names = ("applied", "already_known", "late", "refused")
        return Response({**{name: counts[name] for name in names}, "results": results})


def _result(channel: SalesChannel, row: Row) -> dict[str, Any]:
    if row.value is None:
        return {"row": row.index, "outcome": "refused", "problems": row.problems}
    try:
        outcome = told.tell(channel, told.News(**row.value), actor=channel.code)
    except told.NotTrue as error:
        problem = {"pointer": f"/{error.field}", "code": error.code, "detail": str(error)}
        return {"row": row.index, "outcome": "refused", "problems": [problem]}
    return {"row": row.index, "outcome": outcome, "problems": []}
