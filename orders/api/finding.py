"""What a list of orders may be narrowed by. Every way of looking is backed by an index."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework.exceptions import ValidationError

from config.api import MomentFilter
from orders import queries
from orders.models import Allocation, Hold, Order, OrderContact, OrderEvent, OrderLine

LEAST_DIGITS = 6
ANY = "any"
S = Allocation.State
_WORKED_AT = (S.ACCEPTED, S.PICKED, S.PACKED, S.READY)
_BEFORE = (S.QUEUED, S.ALLOCATED, *_WORKED_AT)
_LEFT = (S.SHIPPED, S.DELIVERED, S.COLLECTED)


def _some(*states: str) -> Q:
    """Orders with units in one of these states."""
    return Q(Exists(Allocation.objects.filter(order=OuterRef("pk"), state__in=states)))


# What queries.fulfillment_status() says of an order, as conditions.
STATUSES: dict[str, Callable[[], Q]] = {
    "unrouted": lambda: _some(S.QUEUED) & ~_some(*_WORKED_AT, *_LEFT),
    "routed": lambda: _some(S.ALLOCATED) & ~_some(S.QUEUED, *_WORKED_AT, *_LEFT),
    "in_progress": lambda: _some(*_WORKED_AT) & ~_some(*_LEFT),
    "partially_shipped": lambda: _some(*_BEFORE) & _some(*_LEFT),
    "shipped": lambda: _some(S.SHIPPED) & ~_some(*_BEFORE, S.DELIVERED),
    "partially_delivered": lambda: _some(S.SHIPPED) & _some(S.DELIVERED) & ~_some(*_BEFORE),
    "delivered": lambda: _some(S.DELIVERED, S.COLLECTED) & ~_some(*_BEFORE, S.SHIPPED),
    "canceled": lambda: _some(S.CANCELED) & ~_some(*_BEFORE, *_LEFT),
}


class YesNo(django_filters.TypedChoiceFilter):
    """true or false; anything else is an error."""

    def __init__(self, *args: Any, **options: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(*args, choices=choices, coerce=lambda text: text == "true", **options)


class Amount(django_filters.NumberFilter):
    """An amount as orders have them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, max_digits=14, decimal_places=4, min_value=0, **options)


class OrderFilter(django_filters.FilterSet):
    """An unknown parameter is refused; several narrow together."""

    state = django_filters.ChoiceFilter(choices=Order.State.choices)
    fulfillment_status = django_filters.ChoiceFilter(
        choices=[(status, status) for status in STATUSES], method="by_status"
    )
    delivery = django_filters.ChoiceFilter(choices=Order.Delivery.choices)
    external_id = django_filters.CharFilter()
    number = django_filters.CharFilter(method="by_number")
    email = django_filters.CharFilter(method="by_email")
    phone = django_filters.CharFilter(method="by_phone")
    sku = django_filters.CharFilter(method="by_sku")
    tag = django_filters.CharFilter(method="by_tag")
    hold = django_filters.ChoiceFilter(
        choices=[(ANY, "any open hold"), *Hold.Type.choices], method="by_hold"
    )
    queue = django_filters.ChoiceFilter(choices=Allocation.Queue.choices, method="by_queue")
    location = django_filters.CharFilter(method="by_location")
    source = django_filters.CharFilter()
    test = YesNo()
    placed_since = MomentFilter("placed_at", lookup_expr="gte")
    placed_until = MomentFilter("placed_at", lookup_expr="lt")
    received_since = MomentFilter("received_at", lookup_expr="gte")
    received_until = MomentFilter("received_at", lookup_expr="lt")
    promised_since = MomentFilter("promised_at", lookup_expr="gte")
    promised_until = MomentFilter("promised_at", lookup_expr="lt")
    updated_since = MomentFilter(method="by_news")
    total_min = Amount("total", lookup_expr="gte")
    total_max = Amount("total", lookup_expr="lte")

    class Meta:
        model = Order
        fields: Sequence[str] = ()

    def by_status(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return orders.filter(STATUSES[value]())

    def by_number(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        pk = queries.parse_number(value)
        if pk is None:
            raise ValidationError({name: "is not an order number, e.g. M100001"})
        return orders.filter(pk=pk)

    def by_email(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return _in(orders, OrderContact.objects.filter(email=value.lower()))

    def by_phone(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        """Its last digits decide: some write the country code, and some a 0 before the number."""
        digits = re.sub(r"\D", "", value, flags=re.ASCII).lstrip("0")
        if len(digits) < LEAST_DIGITS:
            raise ValidationError({name: f"needs at least {LEAST_DIGITS} digits"})
        found = OrderContact.objects.filter(phone_key__startswith=digits[::-1])
        return _in(orders, found.exclude(phone_key=""))

    def by_sku(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return _in(orders, OrderLine.objects.filter(sku=value))

    def by_tag(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return orders.filter(~Q(tags=[]), tags__contains=[value])

    def by_hold(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        holds = Hold.objects.filter(state=Hold.State.OPEN)
        return _in(orders, holds if value == ANY else holds.filter(type=value))

    def by_queue(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        waiting = Allocation.objects.filter(state=Allocation.State.QUEUED, queue=value)
        return _in(orders, waiting)

    def by_location(self, orders: QuerySet[Order], name: str, value: str) -> QuerySet[Order]:
        return _in(orders, Allocation.objects.filter(location__code=value))

    def by_news(self, orders: QuerySet[Order], name: str, value: Any) -> QuerySet[Order]:
        return _in(orders, OrderEvent.objects.filter(at__gte=value))


def _in(orders: QuerySet[Order], rows: QuerySet[Any]) -> QuerySet[Order]:
    """The orders that have one of these rows."""
    return orders.filter(pk__in=rows.values("order"))
