"""Shopify's webhooks of one channel, signed over the raw body."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Problems, parse_json, read_body
from inventory.models import Location
from orders.api.rows import OrderAnswer
from orders.api.taking import take
from orders.connectors import shopify_webhook
from orders.connectors.base import CannotMap
from orders.models import SalesChannel
from orders.payload import validated


class ShopifyOrderView(APIView):
    """Shopify's `orders/create` webhook of one channel, signed over the raw body."""

    authentication_classes: list = []
    permission_classes: list = []

    def get_authenticate_header(self, request: Request) -> str:
        return "X-Shopify-Hmac-Sha256"  # without any, DRF would turn 401 into 403

    @extend_schema(request=dict, responses={201: OrderAnswer, 200: OrderAnswer})
    def post(self, request: Request, channel_code: str) -> Response:
        body = read_body(request._request)
        channel = SalesChannel.objects.filter(code=channel_code, active=True).first()
        signature = request.headers.get("X-Shopify-Hmac-Sha256", "")
        secret = channel.shopify_secret if channel else ""
        if channel is None or not secret or not shopify_webhook.verify(body, signature, secret):
            raise AuthenticationFailed("The signature does not fit this shop's secret.")
        try:
            data = shopify_webhook.order_from_webhook(
                parse_json(body), pickup_locations=_pickup_codes()
            )
        except CannotMap as error:
            rows = [(p.pointer, "cannot_map", p.reason) for p in error.problems]
            raise Problems("cannot_map", rows, status_code=422) from error
        return take(request, channel, validated(data), source="shopify")


def _pickup_codes() -> dict[str, str]:
    """Shopify names a pick-up location; ours are found by that name."""
    return dict(Location.objects.filter(can_pickup=True, active=True).values_list("name", "code"))
