"""How long parcels travel: the delivery services of the house, read at most once a minute."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

from orders.models import DeliveryService

KEEP_SECONDS = 60.0
STANDARD, EXPRESS = "standard", "express"
COUNTER = ""  # the speed of what is collected where it lies: it does not travel
# Where no service reaches, or there are none: working days by distance. Ours, from no carrier's
# sheet: (up to km, days).
TRANSIT_DAYS: tuple[tuple[float, int], ...] = ((300, 1), (1000, 2), (2500, 4), (float("inf"), 7))


@dataclass(frozen=True)
class Service:
    """An active delivery service; `transit` is (up to km, working days), ascending."""

    pk: int
    code: str
    name: str
    carrier: str
    serves: tuple[str, ...]
    transit: tuple[tuple[float, int], ...]
    dangerous_goods: bool

    def days(self, km: float) -> int | None:
        """Working days on the road; None: it does not go as far."""
        return next((days for up_to, days in self.transit if km <= up_to), None)


_lock = Lock()
_kept: tuple[float, tuple[Service, ...]] | None = None


def active() -> tuple[Service, ...]:
    """The active services by position. Read at most once a minute per process: every order asks."""
    global _kept  # noqa: PLW0603  (one reading shared by the threads of a process)
    with _lock:
        now = time.monotonic()
        if _kept is None or now - _kept[0] > KEEP_SECONDS:
            _kept = (now, tuple(_read()))
        return _kept[1]


def forget() -> None:
    """Read again at the next question."""
    global _kept  # noqa: PLW0603
    _kept = None


def serving(speed: str) -> tuple[Service, ...]:
    """Who keeps a speed that an order asks for, by position."""
    return tuple(one for one in active() if speed in one.serves)


def transit_days(km: float, speed: str = STANDARD) -> int:
    """Working days on the road for a distance.

    Express goes with the fastest service that serves it and reaches there, everything else with
    the first by position that does.
    """
    if speed == COUNTER:
        return 0
    days = [found for one in serving(speed) if (found := one.days(km)) is not None]
    if not days:
        return next(days for up_to, days in TRANSIT_DAYS if km <= up_to)
    return min(days) if speed == EXPRESS else days[0]


def _read() -> Iterable[Service]:
    rows = DeliveryService.objects.filter(active=True).order_by("position", "id")
    for row in rows:
        yield Service(
            row.pk, row.code, row.name, row.carrier, tuple(row.serves),
            tuple((float("inf") if km is None else float(km), days) for km, days in row.transit),
            row.dangerous_goods,
        )  # fmt: skip
