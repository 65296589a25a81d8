"""The order as an edit reads it: what stands at each position, and where its units are."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from orders import lifecycle
from orders.models import Allocation, DeliveryGroup, Order, OrderBundle, OrderLine
from orders.money import of_units

S = Allocation.State
NOTHING = Decimal(0)


class Amounts(NamedTuple):
    """What some units cost: total = gross - discount (+ tax, where it comes on top)."""

    gross: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal

    def plus(self, other: "Amounts") -> "Amounts":
        """The sum of both, figure by figure."""
        return Amounts(*(a + b for a, b in zip(self, other, strict=True)))


FREE = Amounts(NOTHING, NOTHING, NOTHING, NOTHING)


@dataclass
class Item:
    """What was bought at one position: a line, or a bundle with the lines of its components."""

    position: int
    head: OrderLine | OrderBundle
    lines: list[OrderLine]
    slices: dict[int, list[Allocation]] = field(default_factory=dict)  # by line

    @property
    def is_bundle(self) -> bool:
        return isinstance(self.head, OrderBundle)

    @property
    def group(self) -> DeliveryGroup | None:
        """Where it goes, when that is not the order's own destination."""
        return self.lines[0].group

    @property
    def units(self) -> int:
        """Units that stay with the order: neither canceled nor asked back. Of a bundle: wholes."""
        return self._wholes(p for line in self.lines for p in self.of(line))

    @property
    def movable(self) -> list[Allocation]:
        """Slices that can be canceled and are not about to be."""
        return [
            p
            for line in self.lines
            for p in self.of(line)
            if p.state in lifecycle.CANCELABLE and staying(p)
        ]

    @property
    def free_units(self) -> int:
        """Units that can be canceled."""
        return self._wholes(self.movable)

    def of(self, line: OrderLine) -> list[Allocation]:
        """The slices of one of its lines."""
        return self.slices.get(line.pk, [])

    def per_unit(self, line: OrderLine) -> int:
        """Units of the line in one unit of this."""
        return line.quantity // self.head.quantity

    def left(self, line: OrderLine) -> int:
        """Units of the line that were not canceled: those that money is owed for."""
        return sum(p.quantity for p in self.of(line) if p.state != S.CANCELED)

    def _wholes(self, slices: Iterable[Allocation]) -> int:
        units: dict[int, int] = defaultdict(int)
        for piece in slices:
            units[piece.line_id] += staying(piece)
        return min(units[line.pk] // self.per_unit(line) for line in self.lines)


def staying(piece: Allocation) -> int:
    """Units of a slice that are neither canceled nor asked back from a warehouse."""
    return 0 if piece.state == S.CANCELED else piece.quantity - piece.cancel_quantity


@dataclass
class Sheet:
    """A locked order with everything of it that an edit looks at; read anew after changes."""

    order: Order
    items: dict[int, Item]

    @property
    def lines(self) -> list[OrderLine]:
        return [line for item in self.items.values() for line in item.lines]

    @property
    def slices(self) -> list[Allocation]:
        return [p for item in self.items.values() for own in item.slices.values() for p in own]

    def amounts(self, item: Item) -> Amounts:
        """What the units of an item cost that were not canceled."""
        found = FREE
        for line in item.lines:
            found = found.plus(self.amounts_of(line, first=0, count=item.left(line)))
        return found

    def amounts_of(self, line: OrderLine, *, first: int, count: int) -> Amounts:
        """What units `first` .. `first + count - 1` of a line cost: their own shares.

        What is paid for a unit is what it is (money.of_units); its discount is what that leaves of
        its price.
        """
        taxed = on_top(self.order, line.tax)
        gross, tax, total = (
            of_units(
                amount, quantity=line.quantity, first=first, count=count,
                currency=self.order.currency,
            )
            for amount in (line.total + line.discount - taxed, line.tax, line.total)
        )  # fmt: skip
        return Amounts(gross, gross + on_top(self.order, tax) - total, tax, total)


def on_top(order: Order, tax: Decimal) -> Decimal:
    """The part of a tax that is paid on top of the price."""
    return NOTHING if order.tax_included else tax


def read(order: Order) -> Sheet:
    """Read an order. Three statements, however many lines it has."""
    bundles = {bundle.pk: bundle for bundle in order.bundles.all()}
    items: dict[int, Item] = {}
    rows = order.lines.select_related("group").order_by("position", "component")
    for line in rows:
        head = bundles[line.bundle_id] if line.bundle_id else line
        item = items.setdefault(line.position, Item(line.position, head, []))
        item.lines.append(line)
    by_line = {line.pk: item for item in items.values() for line in item.lines}
    for piece in order.allocations.select_related("location").order_by("id"):
        by_line[piece.line_id].slices.setdefault(piece.line_id, []).append(piece)
    return Sheet(order, items)
