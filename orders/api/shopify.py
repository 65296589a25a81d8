"""Shopify's webhooks of one channel, signed over the raw body."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Problems, parse_json, read_body
from orders import shopify_news
from orders.api.rows import OrderAnswer, answer, answer_again
from orders.connectors import shopify_webhook
from orders.models import Order, SalesChannel
from orders.shopify_news import OUTCOMES, Heard

HEADERS = [
    OpenApiParameter(
        "X-Shopify-Hmac-Sha256", str, OpenApiParameter.HEADER,
        description="base64 of the HMAC-SHA256 of the raw body under the channel's secret",
    ),
    OpenApiParameter(
        "X-Shopify-Webhook-Id", str, OpenApiParameter.HEADER,
        description="the same for every repeat of a message: its second arrival does nothing",
    ),
]  # fmt: skip
TOPIC = OpenApiParameter(
    "X-Shopify-Topic", str, OpenApiParameter.HEADER,
    description=f"{', '.join(shopify_news.TOPICS)}; others are taken and do nothing",
)  # fmt: skip


class HeardAnswer(serializers.Serializer):
    """What became of a webhook. Shopify repeats whatever is not 2xx and drops a webhook that is
    refused too often, so what cannot be done is kept for a person and answered 202."""

    outcome = serializers.ChoiceField(list(OUTCOMES.items()))
    detail = serializers.CharField()
    number = serializers.CharField(allow_null=True, help_text="of the order, where it is ours")


class ShopifyView(APIView):
    """A webhook of one channel: who signed it, and what it says."""

    authentication_classes: list = []
    permission_classes: list = []

    def get_authenticate_header(self, request: Request) -> str:
        return "X-Shopify-Hmac-Sha256"  # without any, DRF would turn 401 into 403

    def heard(self, request: Request, channel_code: str, topic: str) -> Heard:
        """Check the signature, read the body, and do what it says."""
        body = read_body(request._request)
        channel = SalesChannel.objects.filter(code=channel_code, active=True).first()
        signature = request.headers.get("X-Shopify-Hmac-Sha256", "")
        secret = channel.shopify_secret if channel else ""
        if channel is None or not secret or not shopify_webhook.verify(body, signature, secret):
            raise AuthenticationFailed("The signature does not fit this shop's secret.")
        document = parse_json(body, any_text=True)  # what cannot be stored is kept without it
        if not isinstance(document, dict):
            rows = [("/", "cannot_map", "the body must be a JSON object")]
            raise Problems("cannot_map", rows, status_code=422)
        message = request.headers.get("X-Shopify-Webhook-Id", "")
        return shopify_news.hear(channel, topic, document, message=message)


class ShopifyOrderView(ShopifyView):
    """Shopify's `orders/create` webhook. 201: placed; 200: it is ours already; 202: it is not
    placed, and waits for a person with its reasons where one can do something about it."""

    @extend_schema(
        request=dict, parameters=HEADERS,
        responses={201: OrderAnswer, 200: OrderAnswer, 202: HeardAnswer},
    )  # fmt: skip
    def post(self, request: Request, channel_code: str) -> Response:
        heard = self.heard(request, channel_code, "orders/create")
        if heard.placed is not None and heard.payload is not None:
            return Response(answer(heard.payload, heard.placed), status=status.HTTP_201_CREATED)
        if heard.order is None or heard.outcome == "kept":
            return Response(_answer(heard), status=status.HTTP_202_ACCEPTED)
        return Response(answer_again(Order.objects.get(pk=heard.order)))


class ShopifyNewsView(ShopifyView):
    """A webhook about an order that was placed: changed, canceled, paid back. Late ones and
    repeats do nothing again."""

    topic = ""  # of the address

    @extend_schema(request=dict, parameters=HEADERS, responses={200: HeardAnswer, 202: HeardAnswer})
    def post(self, request: Request, channel_code: str) -> Response:
        return _response(self.heard(request, channel_code, self.topic))


class ShopifyTopicView(ShopifyView):
    """All webhooks of a channel at one address, told apart by `X-Shopify-Topic`."""

    @extend_schema(
        request=dict, parameters=[*HEADERS, TOPIC],
        responses={200: HeardAnswer, 202: HeardAnswer},
    )  # fmt: skip
    def post(self, request: Request, channel_code: str) -> Response:
        topic = request.headers.get("X-Shopify-Topic", "")
        return _response(self.heard(request, channel_code, topic))


def _response(heard: Heard) -> Response:
    kept = heard.outcome == "kept"
    return Response(_answer(heard), status=status.HTTP_202_ACCEPTED if kept else status.HTTP_200_OK)


def _answer(heard: Heard) -> dict[str, Any]:
    order = Order.objects.filter(pk=heard.order).first() if heard.order else None
    return {
        "outcome": heard.outcome, "detail": heard.words, "number": order.number if order else None,
    }  # fmt: skip
