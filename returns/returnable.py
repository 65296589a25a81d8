"""What may still come back of an order: units that left, less those in other returns, in time."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Case, F, Sum, When
from django.db.models.functions import Coalesce

from orders import lifecycle
from orders.models import Allocation, Order, OrderContact, OrderLine
from orders.notifications import words
from returns import policy
from returns.models import Return, ReturnLine

S = Allocation.State
NOT_COUNTED = (Return.State.DECLINED, Return.State.CANCELED)


@dataclass(frozen=True)
class Room:
    """How many units of one order line may come back.

    shipped: units that left us; taken: of these, in other returns; timely: of those shipped, still
    within the window, or not delivered yet; until: when the last window closes.
    """

    line: OrderLine
    shipped: int
    taken: int
    timely: int
    until: datetime | None

    @property
    def name(self) -> str:
        """What is bought of the line, in the words of a customer."""
        return name_of(self.line)

    @property
    def left(self) -> int:
        """Units that may come back if staff overlook the window."""
        return max(self.shipped - self.taken, 0)

    @property
    def open(self) -> int:
        """Units that may come back now."""
        return min(self.left, self.timely)

    @property
    def last_day(self) -> date | None:
        """The customer's last day to ask; the window closes when it is over."""
        return self.until.date() - timedelta(days=1) if self.until else None


def name_of(line: OrderLine) -> str:
    """The product's name with its color and size, unless the channel put them into the name."""
    name = words.one_line(line.name)
    known = name.casefold()
    more = [part for part in (line.product.color, line.product.size) if part]
    return ", ".join([name, *(part for part in more if part.casefold() not in known)])


def rooms(order: Order, *, now: datetime) -> dict[int, Room]:
    """The room of every line of an order, by line id; four statements whatever the lines."""
    zone = time_zone(order)
    taken = _taken(order)
    gone = _gone(order)
    return {
        line.pk: _room(line, gone[line.pk], taken.get(line.pk, 0), zone, now)
        for line in order.lines.select_related("product").order_by("position")
    }


def _room(
    line: OrderLine,
    gone: Sequence[tuple[int, datetime | None]],
    taken: int,
    zone: ZoneInfo,
    now: datetime,
) -> Room:
    ends = [(units, at and policy.last_moment(at, zone=zone)) for units, at in gone]
    return Room(
        line=line,
        shipped=sum(units for units, _ in ends),
        taken=taken,
        timely=sum(units for units, end in ends if end is None or now < end),
        until=max((end for _, end in ends if end), default=None),
    )


def time_zone(order: Order) -> ZoneInfo:
    """Where the days of the customer are counted."""
    return words.zone_of(order, OrderContact.objects.filter(order=order).first())


def _gone(order: Order) -> dict[int, list[tuple[int, datetime | None]]]:
    # The carrier's own time of delivery counts; a hand-over without a parcel counts by its scan.
    slices = Allocation.objects.filter(order=order, state__in=lifecycle.LEFT).values_list(
        "line_id",
        "quantity",
        Case(
            When(
                state__in=[S.DELIVERED, S.COLLECTED],
                then=Coalesce("parcel_line__parcel__delivered_at", F("since")),
            )
        ),
    )
    found = defaultdict(list)
    for line, units, at in slices:
        found[line].append((units, at))
    return found


def _taken(order: Order) -> dict[int, int]:
    """Units of each line that other returns hold: announced ones, or those that were settled."""
    held = Case(
        When(rma__state=Return.State.REFUNDED, then=F("settled")),
        default=F("expected"),
    )
    rows = (
        ReturnLine.objects.filter(rma__order=order)
        .exclude(rma__state__in=NOT_COUNTED)
        .values_list("order_line_id")
        .annotate(held=Sum(held))
    )
    return dict(rows)
