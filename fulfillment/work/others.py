"""What else at a stock point hangs on the same goods: told before it fails, refused with it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db import OperationalError
from psycopg.errors import LockNotAvailable

from config.status import IllegalMove, MovedMeanwhile
from fulfillment.models import FulfillmentLine, FulfillmentOrder
from fulfillment.work.picking import refuse
from fulfillment.work.task import F, S, TakenAway
from inventory.ledger import ClaimGone
from orders.models.order import number_of

IN_THE_WAY = (TakenAway, IllegalMove, MovedMeanwhile, ClaimGone)


@dataclass(frozen=True)
class Other:
    """Work of another order that waits for the same product; nobody has it in hand."""

    work: int
    order: str
    units: int


def wanting(row: FulfillmentOrder, products: Collection[int]) -> dict[int, list[Other]]:
    """By product, what other orders want of it at this stock point, the oldest order first."""
    found = _lines(row.location_id, products).exclude(fulfillment_order__order=row.order_id)
    others: dict[int, dict[int, Other]] = {}
    for work, order, product, units in found.values_list(
        "fulfillment_order_id", "fulfillment_order__order_id", "allocation__line__product_id",
        "quantity",
    ):  # fmt: skip
        mine = others.setdefault(product, {})
        before = mine[work].units if work in mine else 0
        mine[work] = Other(work, number_of(order), before + units)
    return {product: list(mine.values()) for product, mine in others.items()}


def _lines(location: int, products: Collection[int]):  # type: ignore[no-untyped-def]
    return FulfillmentLine.objects.filter(
        fulfillment_order__location=location, fulfillment_order__state__in=(F.NEW, F.ACCEPTED),
        open=True, picked=0, allocation__state__in=(S.ALLOCATED, S.ACCEPTED),
        allocation__line__product__in=products,
    ).order_by("fulfillment_order__order_id", "id")  # fmt: skip


def refuse_too(
    *, location: int, works: Iterable[int], products: Collection[int], reason: str, actor: str
) -> int:
    """Refuse these products of other work here, too; returns how many pieces of work it was.

    Each in a transaction of its own, in the order of their orders. What somebody else moves on at
    this moment stays as it is.
    """
    lines: dict[int, dict[int, int]] = {}
    found = _lines(location, products).filter(fulfillment_order__in=list(works))
    for work, line in found.values_list("fulfillment_order_id", "pk"):
        lines.setdefault(work, {})[line] = 0
    return sum(_refuse(work, keep, reason=reason, actor=actor) for work, keep in lines.items())


def _refuse(work: int, keep: dict[int, int], *, reason: str, actor: str) -> bool:
    try:
        done = refuse(fulfillment_order_id=work, reason=reason, actor=actor, keep=keep)
    except IN_THE_WAY:
        return False
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        return False
    return done.changed
