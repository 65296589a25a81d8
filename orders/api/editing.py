"""Changes orders over REST: previewed, applied once, every version readable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import Conflict, Problems, idempotent
from config.payload import Strict, Units
from orders import editing
from orders.api.cancel import REPEATABLE
from orders.api.orders import OneOrder
from orders.editing import versions
from orders.editing.actions import ActionsField, in_our_skus, plain, together
from orders.keys import channel_of
from orders.models import Order, OrderChange, OrderVersion
from orders.payload import Flag, Text


class ChangePayload(Strict):
    """What is to be changed: all of it or nothing."""

    actions = ActionsField()
    based_on = Units(
        min_value=1, required=False, help_text="the version this was made for; another is refused"
    )
    reason = Text(200)
    dry_run = Flag(default=False, help_text="tell what would happen, and change nothing")


class SumsRow(serializers.Serializer):
    """What an order costs without what was canceled."""

    subtotal = serializers.CharField()
    discount = serializers.CharField()
    shipping = serializers.CharField()
    tax = serializers.CharField()
    total = serializers.CharField()


class EffectRow(serializers.Serializer):
    """What becomes of units of a line."""

    line = serializers.IntegerField()
    sku = serializers.CharField()
    units = serializers.IntegerField()
    what = serializers.ChoiceField(
        ["added", "waits", "released", "asked_back", "rerouted", "stays"]
    )
    words = serializers.CharField()


class PreviewRow(serializers.Serializer):
    """What a change does. A positive balance is what the customer still owes afterwards."""

    order = serializers.CharField()
    version = serializers.IntegerField(help_text="the version it is made for")
    currency = serializers.CharField()
    before = SumsRow()
    after = SumsRow()
    difference = serializers.CharField()
    balance_before = serializers.CharField()
    balance_after = serializers.CharField()
    refunded = serializers.CharField(help_text="what goes back because of the change")
    promised_before = serializers.DateTimeField(allow_null=True)
    promised_after = serializers.DateTimeField(allow_null=True)
    effects = EffectRow(many=True)
    warnings = serializers.ListField(child=serializers.CharField())


class OrderChangeRow(serializers.ModelSerializer):
    """A change that was applied, or is stored to be applied."""

    actions = serializers.SerializerMethodField()
    preview = PreviewRow()

    class Meta:
        model = OrderChange
        fields = ["id", "state", "based_on", "version", "reason", "source", "actor", "created_at",
                  "applied_at", "actions", "preview"]  # fmt: skip

    @extend_schema_field(ActionsField())
    def get_actions(self, change: OrderChange) -> list[dict[str, Any]]:
        return together(change.actions, change.contact)


class VersionLine(serializers.Serializer):
    """What stands at a position: units that were not canceled, and what they cost."""

    position = serializers.IntegerField()
    external_id = serializers.CharField()
    sku = serializers.CharField()
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    canceled = serializers.IntegerField()
    unit_price = serializers.CharField()
    discount = serializers.CharField()
    tax = serializers.CharField()
    total = serializers.CharField()


class VersionDelivery(serializers.Serializer):
    """How it reaches the customer."""

    method = serializers.CharField()
    service = serializers.CharField()
    location = serializers.CharField(allow_null=True)
    wanted_on = serializers.DateField(allow_null=True)


class VersionGroup(VersionDelivery):
    """One more destination."""

    key = serializers.CharField()


class VersionAmounts(serializers.Serializer):
    """What it costs, without what was canceled."""

    subtotal = serializers.CharField()
    discount_total = serializers.CharField()
    shipping_total = serializers.CharField()
    shipping_tax = serializers.CharField()
    tax_total = serializers.CharField()
    total = serializers.CharField()


class VersionHead(serializers.Serializer):
    """A version in the list."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    current = serializers.BooleanField()


class VersionRow(VersionHead):
    """An order as it read at one version; addresses are null once the person was erased."""

    currency = serializers.CharField()
    lines = VersionLine(many=True)
    delivery = VersionDelivery()
    deliveries = VersionGroup(many=True)
    amounts = VersionAmounts()
    promised_at = serializers.DateTimeField(allow_null=True)
    shipping_address = serializers.DictField(child=serializers.CharField(), allow_null=True)
    addresses = serializers.DictField(
        child=serializers.DictField(child=serializers.CharField()), required=False,
        help_text="of the other deliveries, by key",
    )  # fmt: skip


class ChangesView(OneOrder):
    """POST changes the order, or (dry_run) tells what that would do; GET lists its changes.

    An action names its `type`; lines are meant by their position. More units of a line become a
    line of their own; fewer are canceled. What somebody picked already stays where it is.
    """

    @extend_schema(responses=OrderChangeRow(many=True))
    def get(self, request: Request, reference: str) -> Response:
        rows = self.order(reference).changes.filter(state=OrderChange.State.APPLIED)
        return Response(OrderChangeRow(rows.order_by("version"), many=True).data)

    @extend_schema(
        request=ChangePayload,
        responses={
            201: OrderChangeRow,
            200: OpenApiResponse(PreviewRow, description="of a dry run"),
        },
        parameters=REPEATABLE,
    )
    def post(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        payload = ChangePayload(data=request.data)
        payload.is_valid(raise_exception=True)
        given, channel = payload.validated_data, channel_of(request)
        wanted = plain(in_our_skus(channel, given["actions"]))
        common: dict[str, Any] = {"order_id": order.pk, "actions": wanted, "actor": channel.code,
                  "based_on": given.get("based_on")}  # fmt: skip

        def effect() -> tuple[int, dict[str, Any]]:
            change = editing.apply(**common, reason=given["reason"], source="api")
            return status.HTTP_201_CREATED, dict(OrderChangeRow(change).data)

        with problems():
            if given["dry_run"]:
                return Response(editing.preview(**common).as_json())
            return idempotent(request, effect)


class VersionsView(OneOrder):
    """Every version of an order, the oldest first."""

    @extend_schema(responses=VersionHead(many=True))
    def get(self, request: Request, reference: str) -> Response:
        order = self.order(reference)
        rows = [versions.shown(order, version) for version in versions.all_of(order)]
        return Response(VersionHead(rows, many=True).data)


class VersionView(OneOrder):
    """An order as it read at one version."""

    @extend_schema(responses=VersionRow)
    def get(self, request: Request, reference: str, number: int) -> Response:
        order = self.order(reference)
        return Response(versions.shown(order, _version(order, number)))


def _version(order: Order, number: int) -> OrderVersion:
    for version in versions.all_of(order):
        if version.number == number:
            return version
    raise NotFound(f"{order} has no version {number}.")


@contextmanager
def problems() -> Iterator[None]:
    """Domain exceptions as problem answers."""
    try:
        yield
    except editing.Stale as error:
        raise Conflict(str(error), "version_changed") from error
    except editing.TooFew as error:
        raise Problems("insufficient_stock", _rows(error), status_code=409) from error
    except editing.NotNow as error:
        raise Problems("not_possible_now", _rows(error), status_code=409) from error
    except editing.EditRefused as error:
        raise Problems("invalid", _rows(error), status_code=400) from error


def _rows(error: editing.EditRefused) -> list[tuple[str, str, str]]:
    return [(p.pointer, p.code, p.detail) for p in error.problems]
