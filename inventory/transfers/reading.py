"""What is on the road, what a stock point has to do, and what went otherwise than asked."""

from collections import defaultdict
from collections.abc import Collection

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from inventory.models import Location, Reservation, Transfer, TransferLine
from inventory.transfers.table import OWNER, Flow, S, claims_of


def in_transit(products: Collection[int]) -> dict[tuple[int, int], int]:
    """Units on the road to our stock points, by (product, destination). One statement, no lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT l.product_id, t.destination_id,"
            " sum(greatest(l.sent - l.received - l.refused - l.lost, 0))"
            "  FROM inventory_transfer t JOIN inventory_transferline l ON l.transfer_id = t.id"
            " WHERE t.state IN ('confirmed', 'shipped', 'partly') AND t.destination_id IS NOT NULL"
            "   AND l.product_id = ANY(%s) AND l.sent > l.received + l.refused + l.lost"
            " GROUP BY 1, 2",
            [list(products)],
        )
        return {(product, place): int(units) for product, place, units in cursor.fetchall()}


def held(lines: Collection[int]) -> dict[int, int]:
    """Units that lines hold at their source, by line. One statement."""
    sums: dict[int, int] = defaultdict(int)
    for line, units in claims_of(lines).values_list("owner_id", "quantity"):
        sums[line] += units
    return dict(sums)


def to_ship(location: Location) -> QuerySet[Transfer]:
    """Transfers of which a stock point has something to send."""
    claims = Reservation.objects.filter(
        owner_type=OWNER, location=location, owner_id=OuterRef("lines__pk")
    )
    going = Transfer.objects.filter(source=location, state__in=(S.CONFIRMED, S.SHIPPED, S.PARTLY))
    return going.filter(Q(state=S.CONFIRMED) | Exists(claims)).distinct()


def to_receive(location: Location) -> QuerySet[Transfer]:
    """Transfers of which something is on the road to a stock point."""
    road = F("lines__received") + F("lines__refused") + F("lines__lost")
    coming = Transfer.objects.filter(destination=location, state__in=(S.SHIPPED, S.PARTLY))
    return coming.filter(lines__sent__gt=road).distinct()


# What went otherwise than asked: its words, and which lines it is true of.
DIFFERENCES: dict[str, tuple[str, Q]] = {
    "under": ("fewer sent", Q(transfer__state=S.CLOSED, sent__lt=F("quantity"))),
    "over": ("more came than were sent", Q(sent__lt=F("received") + F("refused"))
             & ~Q(transfer__flow=Flow.SHIP_ONLY)),
    "refused": ("arrived damaged", Q(refused__gt=0)),
    "lost": ("never arrived", Q(lost__gt=0)),
}  # fmt: skip


def differences(line: TransferLine) -> dict[str, int]:
    """What went otherwise with a line than it was asked, in units by DIFFERENCES."""
    closed = line.transfer.state == S.CLOSED
    units = {
        "under": line.quantity - line.sent if closed else 0,
        "over": line.received + line.refused - line.sent,
        "refused": line.refused,
        "lost": line.lost,
    }
    return {name: count for name, count in units.items() if count > 0}
