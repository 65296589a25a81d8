"""REST: gift cards that a channel sold, and what is left on one."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, Problems
from config.payload import Strict, Units
from orders import queries
from orders.api.rows import InCurrency
from orders.keys import channel_of
from orders.models import GiftCard, Order, OrderLine, SalesChannel
from orders.money import is_currency
from orders.payload import Code, Money, Zoned
from orders.payments import gift_cards

SHORTEST = 12  # characters of a code that is not guessed


class CardPayload(Strict):
    """A card that the channel sold or gave away; its code is kept as a hash only."""

    code = Code(max_length=64)
    amount = Money()
    currency = serializers.CharField(min_length=3, max_length=3)
    expires_at = Zoned(required=False, allow_null=True)
    order = Code(max_length=100, required=False, help_text="the order that bought it")
    line = Units(min_value=1, max_value=2**31 - 1, required=False, help_text="position in it")

    def validate_code(self, value: str) -> str:
        if len(gift_cards.normal(value)) < SHORTEST:
            raise serializers.ValidationError(
                f"has fewer than {SHORTEST} letters and digits, it could be guessed"
            )
        return value

    def validate_currency(self, value: str) -> str:
        if not is_currency(value):
            raise serializers.ValidationError(f"{value!r} is not an ISO 4217 code such as EUR")
        return value

    def validate(self, attrs: Any) -> Any:
        if ("order" in attrs) != ("line" in attrs):
            raise serializers.ValidationError({"line": "and order name the purchase together"})
        return attrs


class CodePayload(Strict):
    """The code of a card; in the body, because addresses are written into logs."""

    code = Code(max_length=64)


class CardRow(InCurrency):
    """A card, without its code."""

    usable = serializers.SerializerMethodField()

    class Meta:
        model = GiftCard
        fields = ["ending", "currency", "balance", "active", "expires_at", "usable"]
        amounts = ("balance",)

    def get_usable(self, card: GiftCard) -> bool:
        return gift_cards.is_usable(card)


class GiftCardsView(APIView):
    """Registers a card that was sold; the same code with the same amount again changes nothing."""

    scope = "payments"

    @extend_schema(request=CardPayload, responses={201: CardRow, 200: CardRow})
    def post(self, request: Request) -> Response:
        payload = CardPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        wanted = payload.validated_data
        channel = channel_of(request)
        line = _line(channel, wanted["order"], wanted["line"]) if "order" in wanted else None
        try:
            card, new = gift_cards.register(
                code=wanted["code"], amount=wanted["amount"], currency=wanted["currency"],
                expires_at=wanted.get("expires_at"), line=line, actor=channel.code,
            )  # fmt: skip
        except gift_cards.CodeTaken as error:
            raise Conflict(str(error), "code_taken") from error
        except ValueError as error:
            row = ("/amount", "invalid", str(error))
            raise Problems("invalid", [row], status_code=400) from error
        code = status.HTTP_201_CREATED if new else status.HTTP_200_OK
        return Response(CardRow(card).data, status=code)


def _line(channel: SalesChannel, reference: str, position: int) -> OrderLine:
    unknown = ("/order", "unknown_order", "no order of this channel is called so")
    try:
        order = queries.by_reference(Order.objects.filter(channel=channel), reference)
    except Order.DoesNotExist:
        raise Problems("invalid", [unknown], status_code=400) from None
    line = order.lines.filter(position=position).first()
    if line is None:
        unknown = ("/line", "unknown_line", f"{order} has no line {position}")
        raise Problems("invalid", [unknown], status_code=400)
    return line


class GiftCardBalanceView(APIView):
    """What is left on a card."""

    scope = "payments"

    @extend_schema(request=CodePayload, responses=CardRow)
    def post(self, request: Request) -> Response:
        payload = CodePayload(data=request.data)
        payload.is_valid(raise_exception=True)
        channel_of(request)
        card = gift_cards.find(payload.validated_data["code"])
        if card is None:
            raise NotFound("No gift card has this code.")
        return Response(CardRow(card).data)
