"""How much of an order is answered: sparse `fields`, and what `include` puts beside them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from config.api import shown
from orders import queries
from orders.models import Allocation, Hold, Order, OrderEvent, OrderLine, Payment

# What can be included, and what it takes to read it: each one statement or two for any number of
# orders. `slices` come inside `lines`. Personal data is in `contact` only.
_SLICES = Allocation.objects.select_related("location", "reservation__supply").order_by("id")
_LINES = OrderLine.objects.select_related("bundle", "group").order_by("position", "component")
INCLUDES: dict[str, tuple[str | Prefetch, ...]] = {
    "lines": (Prefetch("lines", _LINES),),
    "slices": (Prefetch("lines__allocations", _SLICES),),
    "bundles": ("bundles",),
    "groups": ("delivery_groups__pickup_location",),
    "holds": (Prefetch("holds", Hold.objects.order_by("id")),),
    "payments": (Prefetch("payments", Payment.objects.order_by("id")),),
    "shipments": ("parcels__location", "parcels__lines__allocation__line"),
    "events": (Prefetch("events", OrderEvent.objects.order_by("id")),),
    "notes": ("notes",),
    "contact": ("contact", "delivery_groups"),
    "promise": (),  # orders.outlook, one statement for a page
}
_PLACES = {"pickup_location": "pickup_location", "sold_at": "sold_at"}


@dataclass(frozen=True)
class Shape:
    """The fields and includes that an answer has; `fields` None: all of them."""

    fields: frozenset[str] | None
    include: frozenset[str]

    def has(self, name: str) -> bool:
        """Whether a field, or something to include, is answered."""
        if name in INCLUDES:
            return name in self.include
        return self.fields is None or name in self.fields

    def reading(self, orders: QuerySet[Order]) -> QuerySet[Order]:
        """The orders with all that the answer shows, in a fixed number of statements."""
        orders = orders.select_related("channel", *(p for f, p in _PLACES.items() if self.has(f)))
        if self.has("fulfillment_status"):
            orders = queries.with_states(orders)
        if self.has("updated_at"):
            newest = OrderEvent.objects.filter(order=OuterRef("pk")).order_by("-id").values("at")
            orders = orders.annotate(updated_at=Coalesce(Subquery(newest[:1]), F("received_at")))
        if self.has("payment_status"):
            orders = queries.with_payment_sums(orders)
        for name, lookups in INCLUDES.items():
            if name in self.include:
                orders = orders.prefetch_related(*lookups)
        return orders


def shape(request: Request, *, known: Collection[str], default: Sequence[str] = ()) -> Shape:
    """The shape that a request asks for; raises ValidationError naming what does not exist."""
    fields = _names(request, "fields", known)
    include = _names(request, "include", INCLUDES)
    if include is None:
        include = frozenset(default)
    if "slices" in include:
        include |= {"lines"}
    return Shape(fields, include)


def _names(request: Request, parameter: str, known: Collection[str]) -> frozenset[str] | None:
    given = request.query_params.get(parameter)
    if given is None:
        return None
    names = [name.strip() for name in given.split(",") if name.strip()]
    wrong = [name for name in names if name not in known]
    if wrong:
        words = f"there is no {shown(wrong[0])}; known are: {', '.join(sorted(known))}"
        raise ValidationError({parameter: ErrorDetail(words, "unknown_name")})
    return frozenset(names)


def parameters(known: Sequence[str], *, default: str) -> list[OpenApiParameter]:
    """The two parameters as the document describes them."""
    listed: dict[str, Any] = {"explode": False, "style": "form"}
    return [
        OpenApiParameter(
            "fields", {"type": "array", "items": {"type": "string", "enum": list(known)}},
            description="only these, separated by commas; without it, all", **listed,
        ),
        OpenApiParameter(
            "include", {"type": "array", "items": {"type": "string", "enum": list(INCLUDES)}},
            description=f"these beside them; without it, {default}", **listed,
        ),
    ]  # fmt: skip
