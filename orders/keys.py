"""Who is calling: API keys of channels and of stock points, and what they may do."""

from typing import TYPE_CHECKING, Any, cast

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import (
    AuthenticationFailed,
    NotAuthenticated,
    PermissionDenied,
    Throttled,
)
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from config import throttle
from inventory.models import Location
from orders.models import ApiKey, SalesChannel

if TYPE_CHECKING:  # DRF's views import this module through the settings
    from rest_framework.views import APIView

CHANNEL_SCOPES = ["orders", "availability", "returns", "payments", "webhooks"]
LOCATION_SCOPES = ["fulfillment", "returns", "stock"]
COMPANY_SCOPES = ["stock", "routing"]  # the company's own: ERP, WMS of several stock points


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer <key>`; request.auth is the ApiKey with its channel or location."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[None, ApiKey] | None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme != self.keyword or not secret.strip().isascii():
            raise AuthenticationFailed("Send the key as 'Authorization: Bearer <key>'.")
        try:
            key = cast(ApiKey, ApiKey.objects.get_from_key(secret.strip()))
        except ApiKey.DoesNotExist:
            raise AuthenticationFailed("This key is unknown or was revoked.") from None
        if key.has_expired:
            raise AuthenticationFailed("This key has expired.")
        if key.channel is not None and not key.channel.active:
            raise AuthenticationFailed("This channel is switched off.")
        rate = throttle.of_key(request._request, key.prefix, key.per_minute)
        if rate and rate.over:
            raise Throttled(rate.reset, f"More than {rate.limit} requests in a minute.")
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class HasScope(BasePermission):
    """The view names the scope it needs; a view without one is closed."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiKey):
            raise NotAuthenticated("Send the key as 'Authorization: Bearer <key>'.")
        scope = getattr(view, "scope", None)
        if scope is None or scope not in request.auth.scopes:
            raise PermissionDenied(f"This key lacks the scope {scope!r}.")
        return True


class ApiKeyScheme(OpenApiAuthenticationExtension):
    """How the key appears in the OpenAPI document."""

    target_class = "orders.keys.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


def channel_of(request: Request | HttpRequest) -> SalesChannel:
    """The channel of the caller's key; 403 for a stock point's key."""
    channel = request.auth.channel  # type: ignore[union-attr]
    if channel is None:
        raise PermissionDenied("This is a stock point's key; a channel's is needed.")
    return channel


def location_of(request: Request | HttpRequest) -> Location:
    """The stock point of the caller's key; 403 for a channel's key."""
    location = request.auth.location  # type: ignore[union-attr]
    if location is None:
        raise PermissionDenied("This is a channel's key; a stock point's is needed.")
    return location
