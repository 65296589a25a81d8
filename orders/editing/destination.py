"""What an edit does to where an order goes: address, way of delivery, store, day.

Units that no stock point accepted go back to the queue with their claims and are routed anew. What
is accepted or picked stays where it is; what is packed, or with a warehouse's own system, has the
old address on it already, so nothing is changed then.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.models import Location
from orders import capture, events, lifecycle
from orders.destinations import Destination
from orders.editing.actions import Action
from orders.editing.errors import EditRefused, NotNow
from orders.editing.sheet import Sheet
from orders.models import Allocation, DeliveryGroup, Order, OrderContact
from orders.problems import Problem

S, Queue = Allocation.State, Allocation.Queue
SHIP = Order.Delivery.SHIP
TOO_LATE = (S.PACKED, S.READY, S.SHIPPED)
ADDRESS = ("name", "line1", "line2", "city", "region", "postcode", "country", "phone")
REASON = "its destination was changed"


@dataclass
class Moved:
    """Slices of changed destinations: those routed again, and those that stay where they are."""

    destinations: set[int | None] = field(default_factory=set)  # ids of groups, None: the order's
    again: list[Allocation] = field(default_factory=list)
    stay: list[Allocation] = field(default_factory=list)
    day_changed: bool = False


def change(sheet: Sheet, actions: Sequence[Action], *, actor: str) -> Moved:
    """Do the address and delivery actions of an edit. Raises EditRefused and NotNow."""
    moved = Moved()
    wanted = [
        (i, action) for i, action in enumerate(actions) if action["type"] in {"address", "delivery"}
    ]
    for i, action in wanted:
        pointer = f"/actions/{i}"
        to = _destination(sheet, action, pointer)
        slices = [p for p in _slices(sheet, to) if p.state not in lifecycle.ENDED]
        day, changed = to.wanted_on, _set(to, action, slices, pointer)
        if changed:
            _check_not_too_late(slices, pointer)
            moved.destinations.add(to.group.pk if to.group else None)
            moved.day_changed |= to.wanted_on != day
    _route_again(sheet, moved, actor=actor)
    return moved


def _destination(sheet: Sheet, action: Action, pointer: str) -> Destination:
    key = action.get("delivery")
    if not key:
        return Destination(sheet.order)
    group = sheet.order.delivery_groups.filter(key=key).first()
    if group is None:
        raise EditRefused([
            Problem(f"{pointer}/delivery", "unknown_delivery",
                    f"{key!r} is the key of none of the order's deliveries")
        ])  # fmt: skip
    return Destination(sheet.order, group)


def _slices(sheet: Sheet, to: Destination) -> list[Allocation]:
    group = to.group.pk if to.group else None
    return [
        piece
        for item in sheet.items.values()
        for line in item.lines
        if line.group_id == group
        for piece in item.of(line)
    ]


def _check_not_too_late(slices: Sequence[Allocation], pointer: str) -> None:
    problems = [
        Problem(pointer, "too_late", f"{p.quantity} of it {_verb(p)} {p.get_state_display()}"
                f" at {p.location.name if p.location else 'no stock point'} already")
        for p in slices
        if p.state in TOO_LATE
    ] + [
        Problem(pointer, "handed_over", f"{p.quantity} of it {_verb(p)} with the system of"
                f" {p.location.name if p.location else 'a warehouse'}, which has the old"
                " destination: cancel there first")
        for p in slices
        if p.handed_over and p.state not in TOO_LATE
    ]  # fmt: skip
    if problems:
        raise NotNow(problems)


def _verb(piece: Allocation) -> str:
    return "is" if piece.quantity == 1 else "are"


def _set(to: Destination, action: Action, slices: Sequence[Allocation], pointer: str) -> bool:
    """Change the destination; returns whether anything is different now."""
    if action["type"] == "address":
        return _set_address(to, action["shipping_address"])
    return _set_delivery(to, action, slices, pointer)


def _set_address(to: Destination, address: Mapping[str, Any]) -> bool:
    at = capture.where(address)
    values = {name: address[name] for name in ADDRESS} | {
        "lat": at and at.lat, "lng": at and at.lng,
    }  # fmt: skip
    contact = to.contact or OrderContact(order=to.order)
    for name in ("name", "phone"):  # nobody says that there is none any more
        values[name] = values[name] or getattr(contact, name)
    return _write(contact, values)


def _set_delivery(
    to: Destination, action: Action, slices: Sequence[Allocation], pointer: str
) -> bool:
    method = action.get("method", to.delivery)
    store = _store(to, action, method, pointer)
    if method == SHIP and not (to.contact and to.contact.line1):
        raise EditRefused([
            Problem(pointer, "address_needed", "there is no address to ship to: change that, too")
        ])  # fmt: skip
    if (method, store and store.pk) != (to.delivery, to.place_id):
        _check_can_go(slices, method, store, pointer)
    return _write(
        to.order if to.group is None else to.group,
        {
            "delivery": method, "pickup_location": store,
            "service": action.get("service", to.service),
            "wanted_on": action.get("wanted_on", to.wanted_on),
        },
    )  # fmt: skip


def _write(row: Order | OrderContact | DeliveryGroup, values: Mapping[str, Any]) -> bool:
    changed = [name for name, value in values.items() if getattr(row, name) != value]
    for name in changed:
        setattr(row, name, values[name])
    if changed and row._state.adding:
        row.save()
    elif changed:
        row.save(update_fields=changed)
    return bool(changed)


def _store(to: Destination, action: Action, method: str, pointer: str) -> Location | None:
    """The store it is collected from; None where it is shipped."""
    if method == SHIP:
        return None
    code = action.get("location") or (to.place.code if to.place else None)
    found = Location.objects.filter(code=code, active=True, can_pickup=True).first()
    if found is None:
        words = f"{code!r} is not a stock point with pick-up" if code else "names the store"
        raise EditRefused([Problem(f"{pointer}/location", "unknown_location", words)])
    return found


def _check_can_go(
    slices: Sequence[Allocation], method: str, store: Location | None, pointer: str
) -> None:
    """What somebody prepares already must be able to leave from there in the new way."""
    problems = []
    for piece in slices:
        place = piece.location
        if piece.state not in {S.ACCEPTED, S.PICKED} or place is None:
            continue
        here = store is not None and place.pk == store.pk
        fits = here if method == Order.Delivery.PICKUP else here or place.can_ship
        if not fits:
            words = f"cannot be collected at {store}" if store else "cannot be shipped from there"
            problems.append(
                Problem(pointer, "too_late",
                        f"{piece.quantity} of it {_verb(piece)} being prepared at {place.name}"
                        f" and {words}")
            )  # fmt: skip
    if problems:
        raise NotNow(problems)


def _route_again(sheet: Sheet, moved: Moved, *, actor: str) -> None:
    """Put routed slices back into the queue with their claims; waiting ones are looked at anew."""
    lines = {line.pk: line.group_id for line in sheet.lines}
    slices = [p for p in sheet.slices if moved.destinations and lines[p.line_id]
              in moved.destinations]  # fmt: skip
    routed = [p for p in slices if p.state == S.ALLOCATED]
    waiting = [p for p in slices if p.state == S.QUEUED and p.queue != Queue.BACKORDER]
    moved.stay = [p for p in slices if p.state in {S.ACCEPTED, S.PICKED}]
    moved.again = [*routed, *waiting]
    if moved.again:
        lifecycle.move_slices(
            moved.again, S.QUEUED, queue=Queue.ROUTING, queue_reason=REASON, next_action_at=None
        )
    by_place: dict[str, list[Allocation]] = defaultdict(list)
    for piece in routed:
        by_place[piece.location.code if piece.location else ""].append(piece)
    events.record_many(
        [
            (sheet.order.pk, "allocation.requeued",
             {"location": code, "reason": REASON, "slices": [p.pk for p in pieces],
              "units": sum(p.quantity for p in pieces)})
            for code, pieces in sorted(by_place.items())
        ],
        actor=actor,
    )  # fmt: skip
