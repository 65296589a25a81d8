"""The paper in a parcel: what is in it, and what it cost unless it is a gift."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from fulfillment.board import Card
from orders.models import OrderLine
from orders.money import in_words, rounded
from orders.notifications import words


@dataclass(frozen=True)
class SlipLine:
    """Units of one line of the order; `amount` is empty where no prices are shown."""

    line: OrderLine
    units: int
    amount: str


@dataclass(frozen=True)
class Slip:
    """The whole paper."""

    card: Card
    lines: list[SlipLine]
    address: list[str]
    message: str

    @property
    def has_prices(self) -> bool:
        """Whether the one who opens the parcel may see what it cost."""
        return not self.card.destination.gift


def of(card: Card) -> Slip:
    """The slip of what is in the parcel now."""
    destination = card.destination
    units: dict[int, int] = defaultdict(int)
    lines: dict[int, OrderLine] = {}
    for item in card.lines:
        units[item.allocation.line_id] += item.quantity
        lines[item.allocation.line_id] = item.allocation.line
    return Slip(
        card=card,
        lines=[
            SlipLine(line, units[pk], "" if destination.gift else _paid(line, units[pk], card))
            for pk, line in lines.items()
        ],
        address=_address(card),
        message=destination.gift_message,
    )


def _address(card: Card) -> list[str]:
    """Where it goes; only whose it is when they collect it here."""
    contact, store = card.destination.contact, card.destination.place
    name = [contact.name] if contact and contact.name else []
    if card.is_pickup:
        return name
    if store is not None:
        return [*name, store.name, *words.address(store)]
    return words.address(contact, name=contact.name) if contact else []


def _paid(line: OrderLine, units: int, card: Card) -> str:
    currency = card.row.order.currency
    return in_words(rounded(line.total * Decimal(units) / line.quantity, currency), currency)
