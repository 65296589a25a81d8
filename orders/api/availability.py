"""What a channel can promise now."""

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import check_parameters, shown
from inventory import availability

MAX_SKUS = 1000


class PlaceRow(serializers.Serializer):
    """Units free at one stock point of the channel's pool."""

    location = serializers.CharField()
    available = serializers.IntegerField()


class AvailabilityRow(serializers.Serializer):
    """What the channel can promise of one SKU, and where it lies."""

    sku = serializers.CharField()
    available = serializers.IntegerField()
    locations = PlaceRow(many=True)


class AvailabilityView(APIView):
    """Availability of up to 1,000 SKUs in the caller's channel, in one statement."""

    scope = "availability"

    @extend_schema(
        parameters=[OpenApiParameter("sku", str, many=True, required=True)],
        responses=AvailabilityRow(many=True),
    )
    def get(self, request: Request) -> Response:
        skus = _wanted(request)
        channel = request.auth.channel  # type: ignore[union-attr]
        if channel is None:
            raise PermissionDenied("This is a stock point's key; a channel's is needed.")
        found = {row.sku: row for row in availability.available(pool=channel.pool_id, skus=skus)}
        unknown = [shown(sku) for sku in skus if sku not in found]
        if unknown:
            raise ValidationError({"sku": f"unknown: {', '.join(unknown[:10])}"})
        return Response([_row(found[sku]) for sku in skus])


def _wanted(request: Request) -> list[str]:
    check_parameters(request, {"sku"})
    given = [sku for value in request.query_params.getlist("sku") for sku in value.split(",")]
    if not 0 < len(given) <= MAX_SKUS:
        raise ValidationError({"sku": f"name 1 to {MAX_SKUS} SKUs, as sku=A&sku=B or sku=A,B"})
    if any("\x00" in sku for sku in given):
        raise ValidationError({"sku": "holds a NUL"})
    return list(dict.fromkeys(given))


def _row(row: availability.Availability) -> dict:
    return {
        "sku": row.sku,
        "available": row.available,
        "locations": [{"location": code, "available": free} for code, free in row.locations],
    }
