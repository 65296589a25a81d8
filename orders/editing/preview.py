"""What an edit does, told before it does it: money, promise, and what becomes of every unit."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orders.capture.claiming import Claimed
from orders.editing.destination import Moved
from orders.editing.goods import Dropped
from orders.editing.sheet import Sheet
from orders.models import Allocation, Order
from orders.money import text


@dataclass(frozen=True)
class Sums:
    """What an order costs without what was canceled; amounts as text in its currency."""

    subtotal: str
    discount: str
    shipping: str
    tax: str
    total: str


@dataclass(frozen=True)
class Effect:
    """What becomes of units of a line.

    `what`: added, waits, released, asked_back, rerouted or stays.
    """

    line: int
    sku: str
    units: int
    what: str
    words: str


@dataclass(frozen=True)
class Preview:
    """The whole of it. A positive balance is what the customer still owes afterwards."""

    order: str
    version: int
    currency: str
    before: Sums
    after: Sums
    difference: str
    balance_before: str
    balance_after: str
    refunded: str
    promised_before: str | None
    promised_after: str | None
    effects: tuple[Effect, ...]
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As it is stored with the change and told over REST."""
        return {**asdict(self), "effects": [asdict(one) for one in self.effects],
                "warnings": list(self.warnings)}  # fmt: skip


@dataclass(frozen=True)
class Money:
    """The figures of a locked order at one moment."""

    sums: Sums
    total: Decimal
    balance: Decimal
    refunded: Decimal


def sums(sheet: Sheet) -> tuple[Sums, Decimal]:
    """What stands of the order, and its total as a figure."""
    order = sheet.order
    parts = [sheet.amounts(item) for item in sheet.items.values()]
    nothing = Decimal(0)
    kept = any(item.left(line) for item in sheet.items.values() for line in item.lines)
    shipping = order.shipping_total if kept else nothing
    tax = order.shipping_tax if kept else nothing
    total = sum((one.total for one in parts), shipping)
    total += nothing if order.tax_included else tax
    figures = (
        sum((one.gross for one in parts), nothing), sum((one.discount for one in parts), nothing),
        shipping, sum((one.tax for one in parts), tax), total,
    )  # fmt: skip
    return Sums(*(text(figure, order.currency) for figure in figures)), total


def effects(
    sheet: Sheet, dropped: Sequence[Dropped], moved: Moved, claimed: Claimed | None
) -> tuple[Effect, ...]:
    """What becomes of units: those given up, new ones, those routed again, those that stay."""
    return (*_dropped(dropped), *_added(sheet, claimed), *_moved(sheet, moved))


def _dropped(dropped: Sequence[Dropped]) -> Iterator[Effect]:
    for one in dropped:
        if one.ended:
            words = "canceled; its stock is free again"
            yield Effect(one.position, one.sku, one.ended, "released", words)
        if one.asked:
            words = "the warehouse is asked to let go of it"
            yield Effect(one.position, one.sku, one.asked, "asked_back", words)


def _added(sheet: Sheet, claimed: Claimed | None) -> Iterator[Effect]:
    if claimed is None:
        return
    positions = {line.pk: line.position for line in sheet.lines}
    lines = claimed.written.lines
    items = claimed.incoming.items
    for piece, _ in claimed.held:
        words = f"stock is held at {piece.point.name}"
        yield Effect(positions[lines[piece.index]], piece.sku, piece.quantity, "added", words)
    for wait in claimed.awaited:
        eta = f", expected {wait.coming.eta:%-d %b}" if wait.coming.eta else ""
        words = f"waits for {wait.coming.reference}{eta}"
        yield Effect(positions[lines[wait.index]], wait.sku, wait.quantity, "waits", words)
    if claimed.incoming.is_test:
        for pk, one in zip(lines, items, strict=True):
            yield Effect(positions[pk], one.sku, one.quantity, "added", "a test holds no stock")
        return
    for left in claimed.missing:
        words = "nothing is free now: it waits"
        yield Effect(positions[lines[left.index]], left.sku, left.quantity, "waits", words)


def _moved(sheet: Sheet, moved: Moved) -> Iterator[Effect]:
    lines = {line.pk: line for line in sheet.lines}
    for what, slices, said in (
        ("rerouted", moved.again, "is routed again; its stock stays held"),
        ("stays", moved.stay, "is being prepared there and stays"),
    ):
        for piece in slices:
            line = lines[piece.line_id]
            yield Effect(line.position, line.sku, piece.quantity, what, _at(piece, said))


def _at(piece: Allocation, said: str) -> str:
    return f"{piece.location.name}: {said}" if piece.location else said


def made(
    order: Order, was: Money, is_: Money, *, version: int, promised_before: datetime | None,
    effects: tuple[Effect, ...], warnings: tuple[str, ...],
) -> Preview:  # fmt: skip
    """Put it together."""
    currency = order.currency
    return Preview(
        order=order.number, version=version, currency=currency, before=was.sums, after=is_.sums,
        difference=text(is_.total - was.total, currency),
        balance_before=text(was.balance, currency), balance_after=text(is_.balance, currency),
        refunded=text(is_.refunded - was.refunded, currency),
        promised_before=_moment(promised_before),
        promised_after=_moment(order.promised_at),
        effects=effects, warnings=warnings,
    )  # fmt: skip


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
