"""Addresses that were wrong: put right by a person, and the order is looked at again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction

from orders import document, events, holds, lifecycle, validation
from orders.capture import where
from orders.models import DeliveryGroup, Hold, Order, OrderContact
from orders.validation.address import wrong_parts
from orders.validation.table import settings

CHECK = "address"
MAIN = ""  # the order's own destination; others go by their group's key
PARTS = document.ADDRESS
OPEN = Hold.State.OPEN


@dataclass(frozen=True)
class Fixed:
    """What came of it: the fields that changed, what is still wrong in words, and whether a hold
    of the address is still open."""

    changed: tuple[str, ...]
    wrong: tuple[str, ...]
    held: bool


class OrderEnded(Exception):
    """Nothing of the order will be sent any more."""

    def __init__(self, order: Order) -> None:
        self.order = order
        super().__init__(f"{order} is {order.state}: nothing of it is sent any more")


def of(order: Order) -> dict[str, dict[str, str]]:
    """The addresses that an order is shipped to, by delivery group; its own under ""."""
    rows = _rows(order)
    return {key: {part: getattr(row, part) for part in PARTS} for key, row in rows.items()}


def problems(order: Order, address: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with an address by the rules of the order's channel: part -> words."""
    by_country = any(one.params["by_country"] for one in settings(order.channel)
                     if one.name == CHECK)  # fmt: skip
    return {part: words for part, _, words in wrong_parts(address, by_country=by_country)}


def fix(
    *,
    order_id: int,
    addresses: Mapping[str, Mapping[str, str]],
    actor: str,
    user: AbstractBaseUser | AnonymousUser | None = None,
    anyway: bool = False,
) -> Fixed:
    """Save addresses (by group, see `of`), find them on the map and look at the order again.

    Holds of the address end when nothing is wrong any more, or `anyway`, when a person says
    that it is fine as it is. Records `order.changed` with the names of the fields.
    Raises OrderEnded, Order.DoesNotExist, KeyError for a group that nothing is shipped to,
    holds.MayNotResolve.
    """
    with transaction.atomic():
        order = lifecycle.lock(order_id)
        if order.state != Order.State.OPEN:
            raise OrderEnded(order)
        rows = _rows(order)
        changed = tuple(
            f"{_pointer(key)}/{part}"
            for key, address in addresses.items()
            for part in _save(rows[key], address)
        )
        if changed:
            events.record(
                order.pk, "order.changed", actor=actor, fields=list(changed), reason="address fixed"
            )
        verdict = validation.rerun(order.pk, actor=actor)
        wrong = tuple(one.sentence for one in verdict.findings if one.check == CHECK)
        open_ = _open(order)
        if anyway or not wrong:  # also what somebody placed by hand
            for hold in open_:
                holds.resolve(hold_id=hold.pk, actor=actor, user=user)
            open_ = []
    return Fixed(changed, wrong, bool(open_))


def waits(order: Order) -> bool:
    """Whether a hold of the address waits for a person."""
    return bool(_open(order))


def _open(order: Order) -> list[Hold]:
    return list(order.holds.filter(type=Hold.Type.ADDRESS, state=OPEN))


def _rows(order: Order) -> dict[str, OrderContact | DeliveryGroup]:
    rows: dict[str, OrderContact | DeliveryGroup] = {}
    contact = OrderContact.objects.filter(order=order).first()
    if order.delivery == Order.Delivery.SHIP and contact is not None:
        rows[MAIN] = contact
    groups = order.delivery_groups.filter(delivery=Order.Delivery.SHIP).order_by("id")
    return rows | {group.key: group for group in groups}


def _save(row: OrderContact | DeliveryGroup, address: Mapping[str, str]) -> Iterable[str]:
    """The names of the parts that changed."""
    changed = [part for part in PARTS if part in address and getattr(row, part) != address[part]]
    if not changed:
        return ()
    values: dict[str, Any] = {part: address[part] for part in changed}
    at = where({part: values.get(part, getattr(row, part)) for part in PARTS})
    values |= {"lat": at and at.lat, "lng": at and at.lng}
    type(row)._default_manager.filter(pk=row.pk).update(**values)
    return changed


def _pointer(key: str) -> str:
    return f"deliveries/{key}/address" if key else "shipping_address"
