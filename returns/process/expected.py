"""Units on their way back: expected from the approval on, seen by whoever looks at future stock."""

from datetime import timedelta

from django.utils import timezone

from inventory import supplies
from inventory.models import Location
from returns.models import Return
from returns.process.table import S

USUAL_DAYS = 14  # from the approval until the goods are back


def announce(rma: Return, *, actor: str) -> None:
    """A return was approved: its units are expected where they left from, if that takes returns."""
    place = _place(rma)
    if place is None:
        return
    supplies.expect_return(
        rma.number, _units(rma, "expected"), location=place, actor=actor,
        eta=(rma.decided_at or timezone.now()).date() + timedelta(days=USUAL_DAYS),
    )  # fmt: skip


def follow(rma: Return) -> None:
    """Goods arrived: fewer are expected."""
    supplies.follow_return(rma.number, _units(rma, "received"))


def end(rma: Return) -> None:
    """The return is over. Of one that was refunded ahead of its goods they are still expected."""
    if rma.state == S.CANCELED or rma.received_at is not None:
        supplies.end_return(rma.number)


def _units(rma: Return, count: str) -> dict[int, int]:
    units: dict[int, int] = {}
    for product, number in rma.lines.values_list("order_line__product", count):
        units[product] = units.get(product, 0) + number
    return units


def _place(rma: Return) -> int | None:
    taking = Location.objects.filter(active=True, can_receive_returns=True)
    left = taking.filter(parcels__order=rma.order_id).order_by("-parcels__id")
    central = taking.filter(is_central=True).order_by("pk")
    return left.values_list("pk", flat=True).first() or (
        central.values_list("pk", flat=True).first()
    )
