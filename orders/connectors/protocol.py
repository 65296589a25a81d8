"""What a connector is: a small class that knows one shop system. docs/connectors.md shows one.

It asks the other side and reads what it says; it never touches orders or stock. Placing, keeping
what cannot be placed, cursors, back-off and telling again are the same for all of them
(orders/polling.py, orders/inbound.py, orders/telling.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from django.utils.module_loading import import_string

if TYPE_CHECKING:  # connectors read models only through what they are given
    from orders.models import Connection, SalesChannel
    from orders.publishing import Figure

# code -> dotted path of the class. A code is kept in the database: it is never reused.
CONNECTORS: dict[str, str] = {
    "custom_store": "orders.connectors.custom_store.CustomStore",
    "shopify": "orders.connectors.shopify_admin.ShopifyAdmin",
}


class ConnectionFailed(Exception):
    """The other side cannot be spoken to, or makes no sense as a whole; it is asked again later."""


class NotOffered(Exception):
    """This shop system cannot be told that."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One order as the other side gave it.

    `document` is JSON and is kept when the order cannot be taken, so everything `read` needs must
    be in it. `external_id` may be empty when even that cannot be found. `canceled`: the channel
    canceled it, there is nothing to place.
    """

    external_id: str
    document: dict[str, Any]
    canceled: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """What one request brought. `cursor` is where the next one goes on; JSON, kept with the page's
    orders. `more`: there is more to ask for now."""

    orders: Sequence[Pulled]
    cursor: dict[str, Any]
    more: bool


@dataclass(frozen=True, slots=True)
class ShippedLine:
    """Units of one line of the customer's order in a parcel; a bundle counts as its components."""

    external_id: str
    sku: str
    name: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """A parcel that left. `key` is the same however often it is told; `complete`: with it, nothing
    of the order is left to send. `metadata` is the order's."""

    key: str
    external_id: str
    carrier: str
    service: str
    tracking_number: str
    shipped_at: datetime
    lines: tuple[ShippedLine, ...]
    metadata: Mapping[str, Any]
    address: Mapping[str, str]
    complete: bool


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing a connection of this kind is asked for, beside address, user and secret.

    `kind`: text, number, flag, or choice (then `choices` has value and words).
    """

    name: str
    label: str
    help: str = ""
    default: Any = ""
    kind: str = "text"
    choices: tuple[tuple[str, str], ...] = ()


class Connector(Protocol):
    """One shop system. Every call but `read` may speak to the outside and is never made inside a
    transaction; it raises ConnectionFailed (or what config.outgoing raises) when that fails."""

    code: str  # the source of the orders it pulls
    title: str
    sources: tuple[str, ...]  # of orders that this shop system knows and is told about
    user_label: str  # what the connection's user is called there; empty: it has none
    secret_label: str
    settings: tuple[Setting, ...]
    tells_shipped: bool
    tells_stock: bool

    def pull(self, connection: "Connection", cursor: dict[str, Any]) -> Page:
        """The next page of orders that are new or changed since the cursor (empty at first).

        Must overlap in time with what came before: placing the same order again does nothing,
        missing one is forever.
        """
        ...

    def read(self, document: dict[str, Any], *, channel: "SalesChannel") -> dict[str, Any]:
        """The canonical order payload of a document; raises orders.connectors.base.CannotMap."""
        ...

    def tell_shipped(self, connection: "Connection", shipment: Shipment) -> None:
        """Tell that a parcel left; told again when it is not known whether it was heard."""
        ...

    def tell_stock(self, connection: "Connection", figures: "Sequence[Figure]") -> None:
        """Tell what can be promised now; raises NotOffered where that does not exist."""
        ...

    def test(self, connection: "Connection") -> str:
        """Ask something harmless; returns words for the person who tests the connection."""
        ...


@cache
def connector(code: str) -> Connector:
    """The connector of a code; raises KeyError for one that does not exist (any more)."""
    made: Connector = import_string(CONNECTORS[code])()
    return made


def setting(asked: Sequence[Setting], connection: "Connection | None", name: str) -> Any:
    """What a connection was set to, or the default of what its connector asks."""
    found = connection.settings.get(name) if connection else None
    if found is not None:
        return found
    return next(one.default for one in asked if one.name == name)


def titles() -> list[tuple[str, str]]:
    """Codes and titles, as a form offers them."""
    return sorted(((code, connector(code).title) for code in CONNECTORS), key=lambda c: c[1])
