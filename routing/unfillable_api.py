"""REST: the queue of what no stock point can serve, for the company's own systems."""

from typing import Any

import django_filters
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import CursorPages, Problems
from config.payload import Strict
from orders.api.finding import YesNo
from routing import unfillable
from routing.models import UnfillableSlice
from routing.run_api import SCOPE

KINDS = [
    *((kind, words) for kind, (words, _) in unfillable.KINDS.items()),
    (unfillable.OTHER, "other reasons"),
]


class UnfillableRow(serializers.ModelSerializer):
    """Units that wait for stock or a person: why, how long, whose they are and what comes next.

    `line` is the line's position in the order. `next_action`: retry, they are routed again at
    `next_action_at` or when stock comes; person, somebody has to decide. At `cancel_at` they are
    canceled if nothing else came of it.
    """

    order = serializers.CharField(source="order.number")
    channel = serializers.CharField(source="order.channel.code")
    line = serializers.IntegerField(source="line.position")
    sku = serializers.CharField(source="line.sku")
    name = serializers.CharField(source="line.name")
    kind = serializers.ChoiceField(choices=KINDS)
    reason = serializers.CharField(source="queue_reason")
    owner = serializers.CharField(source="owner.username", default=None, allow_null=True)
    age_seconds = serializers.SerializerMethodField()
    refusals = serializers.IntegerField(
        source="attempt", help_text="how often stock points refused, or did not answer in time"
    )
    next_action = serializers.SerializerMethodField()
    next_action_at = serializers.SerializerMethodField()

    class Meta:
        model = UnfillableSlice
        fields = ["id", "order", "channel", "line", "sku", "name", "quantity", "kind", "reason",
                  "owner", "since", "age_seconds", "refusals", "next_action", "next_action_at",
                  "cancel_at"]  # fmt: skip

    def get_age_seconds(self, piece: UnfillableSlice) -> int:
        return max(int((timezone.now() - piece.since).total_seconds()), 0)

    @extend_schema_field(serializers.ChoiceField(choices=["retry", "person"]))
    def get_next_action(self, piece: UnfillableSlice) -> str:
        return "person" if _needs_person(piece) else "retry"

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_next_action_at(self, piece: UnfillableSlice) -> str | None:
        at = None if _needs_person(piece) else piece.next_action_at
        return serializers.DateTimeField().to_representation(at) if at else None


def _needs_person(piece: UnfillableSlice) -> bool:
    return piece.kind in unfillable.PERSON_DECIDES  # type: ignore[attr-defined]


class UnfillableFilter(django_filters.FilterSet):
    """What the queue may be narrowed by."""

    kind = django_filters.ChoiceFilter(choices=KINDS, help_text="why they wait")
    owner = django_filters.CharFilter("owner__username", help_text="username of who has them")
    assigned = YesNo("owner", lookup_expr="isnull", exclude=True)
    channel = django_filters.CharFilter("order__channel__code", help_text="code of the channel")

    class Meta:
        model = UnfillableSlice
        fields = ["kind", "owner", "assigned", "channel"]


class LongestWaitFirst(CursorPages):
    """In the order of the queue's own index. A batch puts thousands there at one moment."""

    ordering = ("since", "id")  # type: ignore[assignment]  # the stubs know one column only
    offset_cutoff = 1_000_000

    def is_position(self, text: str) -> bool:
        try:
            moment = parse_datetime(text)
        except ValueError:
            return False
        return moment is not None and not is_naive(moment)


def _listed() -> QuerySet[UnfillableSlice]:
    return unfillable.listed().select_related("order__channel", "line", "owner")


class UnfillableView(ListAPIView):
    """What no stock point can serve as things are, the longest wait first."""

    scope = SCOPE
    serializer_class = UnfillableRow
    filterset_class = UnfillableFilter
    pagination_class = LongestWaitFirst

    def get_queryset(self) -> QuerySet[UnfillableSlice]:
        return _listed()


class OwnerPayload(Strict):
    """Who looks after them from now on; null: nobody."""

    owner = serializers.CharField(
        max_length=150, allow_null=True, help_text="username of an active member of the staff"
    )


class OneUnfillableView(APIView):
    """Units of the queue: read them, or say who looks after them."""

    scope = SCOPE

    @extend_schema(responses=UnfillableRow)
    def get(self, request: Request, pk: int) -> Response:
        return Response(UnfillableRow(_find(pk)).data)

    @extend_schema(request=OwnerPayload, responses=UnfillableRow)
    def patch(self, request: Request, pk: int) -> Response:
        """Assign them to somebody, or to nobody."""
        payload = OwnerPayload(data=request.data)
        payload.is_valid(raise_exception=True)
        unfillable.assign([_find(pk).pk], owner=_person(payload.validated_data["owner"]))
        return Response(UnfillableRow(_find(pk)).data)


def _find(pk: int) -> UnfillableSlice:
    piece = _listed().filter(pk=pk).first()
    if piece is None:
        raise NotFound(f"No units {pk} are unfillable now.")
    return piece


def _person(name: str | None) -> Any:
    if name is None:
        return None
    staff = get_user_model().objects.filter(is_active=True, is_staff=True, username=name)
    found = staff.values_list("pk", flat=True).first()
    if found is None:
        words = f"no active member of the staff has the username {name!r}"
        raise Problems("invalid", [("/owner", "unknown_owner", words)], status_code=400)
    return found
