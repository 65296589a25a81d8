"""The way in for orders: one validated order is placed and answered."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import Conflict, Problems, idempotent
from orders import capture, inbound
from orders.api.rows import answer, answer_again
from orders.models import InboundOrder, Order, SalesChannel


@contextmanager
def domain_errors() -> Iterator[None]:
    """Domain exceptions as problem answers."""
    try:
        yield
    except capture.InsufficientStock as error:
        raise Problems("insufficient_stock", _rows(error), status_code=409) from error
    except capture.Refused as error:
        raise Problems("invalid", _rows(error), status_code=400) from error


def _rows(error: capture.Refused) -> list[tuple[str, str, str]]:
    return [(p.pointer, p.code, p.detail) for p in error.problems]


def take(
    request: Request, channel: SalesChannel, order: Mapping[str, Any], *, source: str
) -> Response:
    """Place a validated order and answer: 201 when new, 200 when it is there with this content."""

    def effect() -> tuple[int, dict[str, Any]]:
        placed = capture.place(
            channel=channel, order=order, source=source, actor=channel.code, now=timezone.now()
        )
        return status.HTTP_201_CREATED, answer(order, placed)

    try:
        with domain_errors():
            return idempotent(request, effect)
    except capture.AlreadyPlaced as known:
        if not known.same:
            inbound.keep(  # a person picks
                channel=channel, source=source, external_id=known.external_id,
                kind=InboundOrder.Kind.DIFFERS, document=order, problems=[], order=known.order_id,
            )  # fmt: skip
            raise Conflict(
                f"Order {known.external_id} was placed before with other content.", "order_differs"
            ) from known
        return Response(answer_again(Order.objects.get(pk=known.order_id)))
