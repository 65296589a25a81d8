"""Where units of an order go, and how: the order's own destination, or a delivery group's."""

from dataclasses import dataclass
from datetime import date

from inventory.models import Location
from orders import services
from orders.models import Allocation, DeliveryGroup, Order, OrderContact

PICKUP, SHIP_TO_STORE = Order.Delivery.PICKUP, Order.Delivery.SHIP_TO_STORE


@dataclass(frozen=True)
class Destination:
    """One destination of an order; `group` None: the order's own."""

    order: Order
    group: DeliveryGroup | None = None

    @property
    def _own(self) -> Order | DeliveryGroup:
        return self.order if self.group is None else self.group

    @property
    def delivery(self) -> str:
        """One of Order.Delivery."""
        return self._own.delivery

    @property
    def service(self) -> str:
        """How fast, as the channel said it."""
        return self._own.service

    @property
    def speed(self) -> str:
        """The same as orders.services counts days: what is collected where it lies travels not."""
        return services.COUNTER if self.delivery == PICKUP else self.service

    @property
    def wanted_on(self) -> date | None:
        """The day before which it must not come."""
        return self._own.wanted_on

    @property
    def place_id(self) -> int | None:
        """The store it is collected from; None: it goes to an address."""
        return None if self.delivery == Order.Delivery.SHIP else self._own.pickup_location_id

    @property
    def place(self) -> Location | None:
        """The store it is collected from; None: it goes to an address."""
        return None if self.delivery == Order.Delivery.SHIP else self._own.pickup_location

    @property
    def contact(self) -> OrderContact | DeliveryGroup | None:
        """Whose it is, and their address; None: the personal data are erased."""
        return getattr(self.order, "contact", None) if self.group is None else self.group

    @property
    def gift(self) -> bool:
        """No prices in the parcel."""
        return self._own.gift

    @property
    def gift_message(self) -> str:
        """Words to print for who gets it."""
        return self.contact.gift_message if self.contact else ""

    def is_over_counter(self, location_id: int | None) -> bool:
        """Whether goods of this stock point are handed out there, and travel in no parcel."""
        if self.delivery == SHIP_TO_STORE:
            return location_id == self.place_id
        return self.delivery == PICKUP


def of(piece: Allocation) -> Destination:
    """Where a slice goes; without a statement when its order and its line's group were read."""
    return Destination(piece.order, piece.line.group)
