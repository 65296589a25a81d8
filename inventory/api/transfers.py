"""REST for transfers: the source ships, the destination receives, the company's systems do all."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import django_filters
from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.api import Conflict, Problems, idempotent, own_location
from config.payload import Items, Strict, Units
from config.status import IllegalMove, MovedMeanwhile
from inventory import transfers
from inventory.ledger import ClaimGone, NotEnough
from inventory.models import Location, Product, Reservation, Transfer, TransferLine
from inventory.transfers import MOST_LINES, MOST_UNITS, Arrived

SCOPE = "stock"
REPEATABLE = [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)]
CONFLICTS = (transfers.NotFree, transfers.NothingSent, transfers.NotOurs, transfers.ReferenceTaken)
Flow = Transfer.Flow

# --- answers -------------------------------------------------------------------------------------


class TransferLineRow(serializers.ModelSerializer):
    """Units of one product: asked for, claimed at the source now, sent, and what became of them."""

    sku = serializers.CharField(source="product.sku")
    name = serializers.CharField(source="product.name")
    held = serializers.IntegerField(help_text="claimed at the source and not yet sent")
    in_transit = serializers.IntegerField(help_text="on the road")

    class Meta:
        model = TransferLine
        fields = ["sku", "name", "quantity", "held", "sent", "received", "refused", "lost",
                  "in_transit"]  # fmt: skip


class TransferRow(serializers.ModelSerializer):
    """A transfer with its lines."""

    source = serializers.CharField(  # type: ignore[assignment]  # a column of ours
        source="source.code", default=None, allow_null=True
    )
    destination = serializers.CharField(source="destination.code", default=None, allow_null=True)
    lines = TransferLineRow(many=True)

    class Meta:
        model = Transfer
        fields = ["reference", "flow", "source", "destination", "state", "eta", "note",
                  "created_by", "created_at", "shipped_at", "closed_at", "lines"]  # fmt: skip


def visible(request: Request) -> QuerySet[Transfer]:
    """The transfers from and to the caller's stock point, or all; whole, in two statements."""
    here = own_location(request)
    claims = Reservation.objects.filter(owner_type=transfers.OWNER, owner_id=OuterRef("pk"))
    held = claims.order_by().values("owner_id").annotate(units=Sum("quantity")).values("units")
    lines = (
        TransferLine.objects.select_related("product", "transfer")
        .annotate(held=Coalesce(Subquery(held), 0))
        .order_by("product__sku")
    )
    rows = Transfer.objects.select_related("source", "destination")
    rows = rows.prefetch_related(Prefetch("lines", lines))
    return rows if here is None else rows.filter(Q(source=here) | Q(destination=here))


class TransferFilter(django_filters.FilterSet):
    """What the list of transfers may be narrowed by."""

    state = django_filters.ChoiceFilter(choices=Transfer.State.choices)
    source = django_filters.CharFilter("source__code", help_text="code of the stock point")
    destination = django_filters.CharFilter("destination__code", help_text="code of it")

    class Meta:
        model = Transfer
        fields = ["state", "source", "destination"]


# --- what is asked -------------------------------------------------------------------------------


class TransferAsked(Strict):
    """Units of one product that are to move."""

    sku = serializers.CharField(max_length=64)
    quantity = Units(min_value=1, max_value=MOST_UNITS)


class TransferPayload(Strict):
    """A transfer to make. Ship only has no destination of ours, receive only no source."""

    reference = serializers.CharField(
        max_length=40, default="", allow_blank=True, help_text="yours; empty: we number it"
    )
    flow = serializers.ChoiceField(Flow.choices, default=Flow.BOTH)
    source = serializers.CharField(  # type: ignore[assignment]  # a column of ours
        max_length=32, default=None, allow_null=True
    )
    destination = serializers.CharField(max_length=32, default=None, allow_null=True)
    eta = serializers.DateField(default=None, allow_null=True)
    note = serializers.CharField(max_length=200, default="", allow_blank=True)
    lines = Items(child=TransferAsked(), allow_empty=False, max_length=MOST_LINES)


class TransferSent(Strict):
    """All units of a product that left so far."""

    sku = serializers.CharField(max_length=64)
    sent = Units(min_value=0, max_value=MOST_UNITS)


class TransferShipPayload(Strict):
    """What left, earlier shipments included; without lines everything does."""

    lines = Items(child=TransferSent(), required=False, max_length=MOST_LINES)
    rest = serializers.ChoiceField(
        [("later", "later"), ("never", "never")], default="later",
        help_text="what becomes of units that are not sent: they stay claimed, or are given back",
    )  # fmt: skip


class TransferReceived(Strict):
    """All units of a product that arrived so far; a figure that is left out stays as it is."""

    sku = serializers.CharField(max_length=64)
    received = Units(min_value=0, max_value=MOST_UNITS, required=False, help_text="sellable")
    refused = Units(min_value=0, max_value=MOST_UNITS, required=False, help_text="arrived damaged")


class TransferReceivePayload(Strict):
    """What arrived, earlier receipts included; more than was sent is taken too."""

    lines = Items(child=TransferReceived(), allow_empty=False, max_length=MOST_LINES)


def _valid(serializer: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    payload = serializer(data=request.data)
    payload.is_valid(raise_exception=True)
    return dict(payload.validated_data)


# --- errors --------------------------------------------------------------------------------------


@contextmanager
def as_problems(pointers: Mapping[int, str] | None = None) -> Iterator[None]:
    """Domain exceptions as problem answers; `pointers` name where a line stands in the request."""
    try:
        yield
    except (IllegalMove, MovedMeanwhile) as error:
        raise Conflict(str(error), "illegal_move") from error
    except (NotEnough, ClaimGone) as error:
        words = "the books do not hold these units any more; look at the transfer again"
        raise Conflict(words, "not_enough_stock") from error
    except CONFLICTS as error:
        raise Conflict(str(error), error.code) from error
    except transfers.Refused as error:
        pointer = f"{(pointers or {}).get(error.line_id or 0, '')}/{error.field}"
        raise Problems("invalid", [(pointer, error.code, str(error))], status_code=400) from error


def _by_sku(rows: list[Mapping[str, Any]], known: Mapping[str, int]) -> dict[int, int]:
    """Where each product or line stands in the request; refuses SKUs unknown or given twice."""
    seen: dict[str, int] = {}
    problems = []
    for i, row in enumerate(rows):
        sku = row["sku"]
        if sku not in known:
            problems.append((f"/lines/{i}/sku", "unknown_sku", f"no product {sku!r} here"))
        elif sku in seen:
            problems.append((f"/lines/{i}/sku", "given_twice", f"{sku!r} stands twice"))
        seen[sku] = i
    if problems:
        raise Problems("invalid", problems, status_code=400)
    return {known[sku]: i for sku, i in seen.items()}


# --- doors ---------------------------------------------------------------------------------------


class TransfersView(ListAPIView):
    """Transfers from and to the caller's stock point, newest first."""

    scope = SCOPE
    serializer_class = TransferRow
    filterset_class = TransferFilter

    def get_queryset(self) -> QuerySet[Transfer]:
        if getattr(self, "swagger_fake_view", False):
            return Transfer.objects.none()
        return visible(self.request)

    @extend_schema(request=TransferPayload, responses={201: TransferRow}, parameters=REPEATABLE)
    def post(self, request: Request) -> Response:
        """Make a draft; no stock moves before it is confirmed."""
        here = own_location(request)
        payload = _valid(TransferPayload, request)
        ends = {name: _place(payload, name) for name in ("source", "destination")}
        if here is not None and here not in {place.pk for place in ends.values() if place}:
            raise PermissionDenied("This key's stock point is neither source nor destination.")
        lines = payload.pop("lines")
        known = Product.objects.filter(sku__in=[row["sku"] for row in lines])
        at = _by_sku(lines, dict(known.values_list("sku", "pk")))
        units = {product: lines[i]["quantity"] for product, i in at.items()}

        def effect() -> tuple[int, dict[str, Any]]:
            row = transfers.create(**payload | ends, units=units, actor=_actor(request))
            return 201, dict(TransferRow(visible(request).get(pk=row.pk)).data)

        with as_problems():
            return idempotent(request, effect)


def _place(payload: Mapping[str, Any], name: str) -> Location | None:
    code = payload[name]
    place = Location.objects.filter(code=code).first() if code else None
    if code and place is None:
        raise Problems("invalid", [(f"/{name}", "unknown_location", f"no stock point {code!r}")],
                       status_code=400)  # fmt: skip
    return place


def _actor(request: Request) -> str:
    return str(request.auth.name)  # type: ignore[union-attr]


class OneTransfer(APIView):
    """Finds a transfer that the caller may see, and says who may press which button."""

    scope = SCOPE

    def find(self, request: Request, reference: str, *, end: str = "") -> Transfer:
        """The transfer; `end` is the stock point that must be the caller's own.

        The other end's button is 403, a transfer of others 404 like one that does not exist.
        """
        rows = visible(request)
        known = transfers.REFERENCE.fullmatch(reference)
        row = rows.filter(reference=reference).first() if known else None
        if row is None:
            raise NotFound(f"No transfer {reference[:40]!r} here.")
        here = own_location(request)
        mine = {"source": row.source_id, "destination": row.destination_id}
        if end and here is not None and (mine[end] or mine[_OTHER[end]]) != here:
            raise PermissionDenied(f"Only its {end} may do this.")
        return row

    def press(
        self, request: Request, row: Transfer, button: Callable[..., Transfer],
        pointers: Mapping[int, str] | None = None, **values: Any,
    ) -> Response:  # fmt: skip
        """Press one button and answer with the transfer as it is then."""

        def effect() -> tuple[int, dict[str, Any]]:
            button(transfer_id=row.pk, actor=_actor(request), **values)
            return 200, dict(TransferRow(visible(request).get(pk=row.pk)).data)

        with as_problems(pointers):
            return idempotent(request, effect)


_OTHER = {"source": "destination", "destination": "source"}


class TransferView(OneTransfer):
    """One transfer with its lines."""

    @extend_schema(responses=TransferRow)
    def get(self, request: Request, reference: str) -> Response:
        return Response(TransferRow(self.find(request, reference)).data)


class ConfirmTransferView(OneTransfer):
    """Claims the units at the source, all or nothing; again: what was taken away meanwhile."""

    @extend_schema(request=None, responses=TransferRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        row = self.find(request, reference, end="source")
        return self.press(request, row, transfers.confirm)


class ShipTransferView(OneTransfer):
    """Units leave the source and are on the road."""

    @extend_schema(request=TransferShipPayload, responses=TransferRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        row = self.find(request, reference, end="source")
        payload = _valid(TransferShipPayload, request)
        final, lines = payload["rest"] == "never", payload.get("lines")
        if lines is None:
            return self.press(request, row, transfers.ship, final=final)
        at = _by_sku(lines, _lines(row))
        sent = {pk: lines[i]["sent"] for pk, i in at.items()}
        return self.press(request, row, transfers.ship, _pointers(at), sent=sent, final=final)


class ReceiveTransferView(OneTransfer):
    """Units arrive at the destination."""

    @extend_schema(request=TransferReceivePayload, responses=TransferRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        row = self.find(request, reference, end="destination")
        lines = _valid(TransferReceivePayload, request)["lines"]
        at = _by_sku(lines, _lines(row))
        known = {line.pk: line for line in row.lines.all()}
        arrived = {pk: _arrived(known[pk], lines[i]) for pk, i in at.items()}
        return self.press(request, row, transfers.receive, _pointers(at), arrived=arrived)


class CloseTransferView(OneTransfer):
    """Nothing more will come: what is still on the road is lost."""

    @extend_schema(request=None, responses=TransferRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        row = self.find(request, reference, end="destination")
        return self.press(request, row, transfers.close)


class CancelTransferView(OneTransfer):
    """Gives the claims back; only before anything was sent."""

    @extend_schema(request=None, responses=TransferRow, parameters=REPEATABLE)
    def post(self, request: Request, reference: str) -> Response:
        row = self.find(request, reference, end="source")
        return self.press(request, row, transfers.cancel)


def _lines(row: Transfer) -> dict[str, int]:
    return {line.product.sku: line.pk for line in row.lines.all()}


def _arrived(line: TransferLine, row: Mapping[str, Any]) -> Arrived:
    return Arrived(row.get("received", line.received), row.get("refused", line.refused))


def _pointers(at: Mapping[int, int]) -> dict[int, str]:
    return {pk: f"/lines/{i}" for pk, i in at.items()}
