"""Changes that are stored with their preview, to be applied or discarded later."""

from typing import Any

from django.db import transaction

from orders.editing import changing
from orders.editing.actions import apart, together, validated
from orders.editing.errors import NotOpen
from orders.models import OrderChange

State = OrderChange.State


def draft(
    *, order_id: int, actions: Any, actor: str, reason: str = "", source: str = "console",
    based_on: int | None = None,
) -> OrderChange:  # fmt: skip
    """Store a change with its preview; the order stays as it is. Raises as changing.apply()."""
    wanted = validated(actions)
    shown = changing.preview(order_id=order_id, actions=actions, actor=actor, based_on=based_on)
    rows, personal = apart(wanted)
    return OrderChange.objects.create(
        order_id=order_id, actions=rows, contact=personal, preview=shown.as_json(),
        based_on=shown.version, difference=shown.difference, reason=reason, source=source,
        actor=actor,
    )  # fmt: skip


def apply_draft(*, change_id: int, actor: str) -> OrderChange:
    """Apply a stored change to the version it was made for. Raises NotOpen, Stale, and as apply.

    Two who press the button together: the order's lock lets one go first, and the version refuses
    the other.
    """
    with transaction.atomic():
        change = _open(change_id)
        return changing.apply(
            order_id=change.order_id, actions=together(change.actions, change.contact),
            actor=actor, reason=change.reason, source=change.source, based_on=change.based_on,
            draft=change,
        )  # fmt: skip


def discard(*, change_id: int) -> None:
    """Throw a stored change away. Raises NotOpen."""
    updated = OrderChange.objects.filter(pk=change_id, state=State.DRAFT).update(
        state=State.DISCARDED
    )
    if not updated:
        _open(change_id)


def _open(change_id: int) -> OrderChange:
    change = OrderChange.objects.get(pk=change_id)
    if change.state != State.DRAFT:
        raise NotOpen(f"the change was {change.get_state_display()} before")
    return change
