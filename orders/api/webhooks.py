"""REST for webhooks: where a channel's events are posted, what was posted, and once more."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, Problems, idempotent, shown
from config.payload import Items, Strict, Units
from orders.keys import channel_of
from orders.models import WebhookDelivery, WebhookEndpoint
from orders.payload import Zoned
from orders.webhooks import endpoints, message, replaying
from orders.webhooks.kinds import KINDS, TEST

SCOPE = "webhooks"
KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)
State = WebhookDelivery.State

# --- bodies ---------------------------------------------------------------------------------------


class EndpointPayload(Strict):
    """Where to post, and which events; no `kinds`: every event of the channel's orders."""

    url = serializers.URLField(max_length=200)
    kinds = Items(child=serializers.CharField(max_length=40), max_length=len(KINDS), required=False)
    description = serializers.CharField(max_length=100, required=False, allow_blank=True)


class EndpointChange(EndpointPayload):
    """What is to be different; `active` false: nothing is posted until it is true again."""

    url = serializers.URLField(max_length=200, required=False)
    active = serializers.BooleanField(required=False)


class ReplayPayload(Strict):
    """From when on; `all` also sends again what was delivered; `after`: the answer's `next`."""

    since = Zoned()
    all = serializers.BooleanField(default=False)
    after = Units(min_value=0, max_value=2**63 - 1, default=0)


# --- answers --------------------------------------------------------------------------------------


class EndpointRow(serializers.ModelSerializer):
    """An endpoint and how it does: healthy, failing, paused (asked less and less), off."""

    health = serializers.SerializerMethodField()

    class Meta:
        model = WebhookEndpoint
        fields = ["id", "url", "kinds", "description", "active", "health", "failures",
                  "failing_since", "paused_until", "disabled_reason", "old_secret_until",
                  "created_at"]  # fmt: skip

    def get_health(self, endpoint: WebhookEndpoint) -> str:
        return endpoints.health(endpoint)


class EndpointWithSecret(EndpointRow):
    """The secret is told once: when the endpoint is made, and when it is rotated."""

    class Meta(EndpointRow.Meta):
        fields = [*EndpointRow.Meta.fields, "secret"]


class DeliveryRow(serializers.ModelSerializer):
    """One message for one endpoint: `status` and `answer` are of the last attempt."""

    message = serializers.SerializerMethodField(help_text="its webhook-id")
    kind = serializers.CharField(source="event.kind", default=TEST)
    order = serializers.CharField(source="event.order.number", default=None, allow_null=True)

    class Meta:
        model = WebhookDelivery
        fields = ["id", "message", "kind", "order", "state", "attempts", "status", "answer",
                  "milliseconds", "created_at", "last_at"]  # fmt: skip

    def get_message(self, delivery: WebhookDelivery) -> str:
        return message.name(delivery)


class ReplayAnswer(serializers.Serializer):
    """How many are sent again. `next`: ask again with it as `after`; null when that was all."""

    replayed = serializers.IntegerField()
    next = serializers.IntegerField(allow_null=True)


# --- views ----------------------------------------------------------------------------------------


class EndpointsView(ListAPIView):
    """The channel's webhooks."""

    scope = SCOPE
    serializer_class = EndpointRow
    filterset_fields: list[str] = []

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        if getattr(self, "swagger_fake_view", False):
            return WebhookEndpoint.objects.none()
        return WebhookEndpoint.objects.filter(channel=channel_of(self.request))

    @extend_schema(request=EndpointPayload, responses={201: EndpointWithSecret}, parameters=[KEY])
    def post(self, request: Request) -> Response:
        channel = channel_of(request)
        given = _validated(EndpointPayload, request)

        def effect() -> tuple[int, dict[str, Any]]:
            endpoint = endpoints.create(channel=channel, **given)
            return status.HTTP_201_CREATED, EndpointWithSecret(endpoint).data

        return _answer(request, effect)


class OneEndpoint(APIView):
    """Finds an endpoint of the caller's channel; others' are 404."""

    scope = SCOPE

    def endpoint(self, pk: int) -> WebhookEndpoint:
        mine = WebhookEndpoint.objects.filter(channel=channel_of(self.request))
        found = mine.filter(pk=pk).first() if pk < 2**63 else None
        if found is None:
            raise NotFound(f"No webhook {shown(str(pk))} in this channel.")
        return found


class EndpointView(OneEndpoint):
    """One webhook: read, change, delete with its log."""

    @extend_schema(responses=EndpointRow)
    def get(self, request: Request, pk: int) -> Response:
        return Response(EndpointRow(self.endpoint(pk)).data)

    @extend_schema(request=EndpointChange, responses=EndpointRow)
    def patch(self, request: Request, pk: int) -> Response:
        endpoint = self.endpoint(pk)
        given = _validated(EndpointChange, request)
        return _answer(
            request, lambda: (200, EndpointRow(endpoints.change(endpoint, **given)).data)
        )

    @extend_schema(responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        endpoints.delete(self.endpoint(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)


class RotateView(OneEndpoint):
    """A new secret, told once; for 24 hours the old one signs beside it."""

    @extend_schema(request=None, responses=EndpointWithSecret, parameters=[KEY])
    def post(self, request: Request, pk: int) -> Response:
        endpoint = self.endpoint(pk)
        return _answer(request, lambda: (200, EndpointWithSecret(endpoints.rotate(endpoint)).data))


class TestView(OneEndpoint):
    """Sends a message of the kind webhook.test."""

    @extend_schema(request=None, responses={202: DeliveryRow}, parameters=[KEY])
    def post(self, request: Request, pk: int) -> Response:
        endpoint = self.endpoint(pk)
        return _answer(request, lambda: (202, DeliveryRow(replaying.test(endpoint)).data))


class DeliveryFilter(django_filters.FilterSet):
    """Deliveries in one state."""

    state = django_filters.ChoiceFilter(choices=State.choices)

    class Meta:
        model = WebhookDelivery
        fields = ["state"]


class DeliveriesView(OneEndpoint, ListAPIView):
    """What was posted to an endpoint, newest first; kept for 30 days."""

    serializer_class = DeliveryRow
    filterset_class = DeliveryFilter

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        if getattr(self, "swagger_fake_view", False):
            return WebhookDelivery.objects.none()
        log = WebhookDelivery.objects.filter(endpoint=self.endpoint(self.kwargs["pk"]))
        return log.select_related("event__order")


class ReplayOneView(OneEndpoint):
    """Sends one delivery again, with the id it had."""

    @extend_schema(request=None, responses={202: ReplayAnswer}, parameters=[KEY])
    def post(self, request: Request, pk: int, delivery: int) -> Response:
        endpoint = self.endpoint(pk)
        if delivery >= 2**63 or not endpoint.deliveries.filter(pk=delivery).exists():
            raise NotFound(f"No delivery {shown(str(delivery))} of this webhook.")

        def effect() -> tuple[int, dict[str, Any]]:
            return _replayed(
                replaying.replay(endpoint, ids=[delivery], states=(State.FAILED, State.SENT))
            )

        return _answer(request, effect)


class ReplayView(OneEndpoint):
    """Sends again what was given up since a moment, oldest first, at most 10,000 in one call."""

    @extend_schema(request=ReplayPayload, responses={202: ReplayAnswer}, parameters=[KEY])
    def post(self, request: Request, pk: int) -> Response:
        endpoint = self.endpoint(pk)
        given = _validated(ReplayPayload, request)
        states = (State.FAILED, State.SENT) if given["all"] else (State.FAILED,)
        return _answer(
            request,
            lambda: _replayed(
                replaying.replay(
                    endpoint, since=given["since"], after=given["after"], states=states
                )
            ),
        )


def _replayed(ids: list[int]) -> tuple[int, dict[str, Any]]:
    following = ids[-1] if len(ids) == replaying.MOST else None
    return status.HTTP_202_ACCEPTED, {"replayed": len(ids), "next": following}


def _validated(form: type[Strict], request: Request) -> dict[str, Any]:
    payload = form(data=request.data)
    payload.is_valid(raise_exception=True)
    return payload.validated_data


def _answer(request: Request, effect: Any) -> Response:
    """Run the effect once per Idempotency-Key; domain exceptions as problem answers."""
    try:
        return idempotent(request, effect)
    except endpoints.CannotListen as error:
        rows = [(f"/{error.field}", "invalid", str(error))]
        raise Problems("invalid", rows, status_code=400) from error
    except endpoints.TooMany as error:
        raise Conflict(str(error), "too_many_webhooks") from error
    except replaying.SwitchedOff as error:
        raise Conflict(str(error), "switched_off") from error
