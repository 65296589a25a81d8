"""Stock points as columns: what of them is the same for many orders, prepared once."""

from collections.abc import Mapping, Sequence
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from .carriage import Carriage, carriage
from .distance import on_sphere
from .types import BadInput, Candidate, Service

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NOT_OF_RULE = "not_of_rule"
CANNOT_SHIP = "cannot_ship"
NOT_ONLINE = "not_online"
CLOSED = "closed"
NO_CAPACITY = "no_capacity"

_COLUMNS = attrgetter(
    "key", "lat", "lng", "allowed", "can_ship", "online", "open", "capacity_left", "handling_order",
    "handling_line", "is_central", "load", "refusal_rate", "lead_days", "excluded", "free",
    "overstock", "on_shelf",
)  # fmt: skip


class Network:
    """Candidates, by key, and services: all but the order and the policy.

    Raises BadInput for doubled keys, a refusal rate that is not a probability, and lead days that
    do not fit the services.
    """

    def __init__(self, candidates: Sequence[Candidate], services: Sequence[Service]) -> None:
        self.carriage: Carriage = carriage(tuple(services))
        self.points = tuple(sorted(candidates, key=attrgetter("key")))
        columns = list(zip(*map(_COLUMNS, self.points), strict=True)) or [()] * 18
        keys, lat, lng, allowed, can_ship, online, is_open, capacity = columns[:8]
        if len(set(keys)) != len(keys):
            raise BadInput("candidate keys must differ", list(keys))
        self.places = on_sphere(lat, lng)
        self.all_placed = not np.isnan(self.places).any()
        self.capacity = capacity
        self.out: dict[str, Bools] = {
            NOT_OF_RULE: ~np.array(allowed, dtype=bool),
            CANNOT_SHIP: ~np.array(can_ship, dtype=bool),
            NOT_ONLINE: ~np.array(online, dtype=bool),
            CLOSED: ~np.array(is_open, dtype=bool),
            NO_CAPACITY: np.array([n is not None and n <= 0 for n in capacity], dtype=bool),
        }
        self.able: Bools = ~np.logical_or.reduce(list(self.out.values()))
        self._set_amounts(columns[8:13])
        self._set_days(columns[13])
        self.excluded = columns[14] if any(columns[14]) else None
        self._counts = dict(zip(("free", "overstock", "on_shelf"), columns[15:], strict=True))
        self._any = {name: any(counts) for name, counts in self._counts.items()}
        self._columns: dict[tuple[str, int], Floats] = {}
        self._tables: dict[tuple[str | int, ...], Floats] = {}

    def _set_amounts(self, columns: Sequence[Sequence[object]]) -> None:
        """`amounts` (5, points): handling of a parcel and of a line, not central, load, refusal."""
        self.amounts = np.array(columns, dtype=np.float64).reshape(5, len(self.points))
        self.amounts[2] = 1.0 - self.amounts[2]
        self._at_rates: tuple[tuple[float, ...], Floats] | None = None
        rates = self.amounts[4]
        if not ((rates >= 0) & (rates <= 1)).all():
            raise BadInput("a refusal rate is not a probability", rates.tolist())

    def _set_days(self, days: Sequence[Sequence[int | None]]) -> None:
        """`days` (services, points) until arrival, nan where a service does not go."""
        count = len(self.carriage.services)
        if any(days):
            if any(len(of_one) not in (0, count) for of_one in days):
                raise BadInput(f"lead days must be one for each of {count} services", list(days))
            rows = [of_one or (0,) * count for of_one in days]
            table = np.array(rows, dtype=np.float64).reshape(len(rows), count)
            self.days = table[:, self.carriage.order].T.copy()
        else:
            self.days = np.zeros((count, len(self.points)))
        self._late: tuple[tuple[int, float], Floats] | None = None
        self.fetched = ~np.isnan(self.days)
        self.all_fetched = bool(self.fetched.all())
        endless = np.isinf(self.carriage.reach_km)[:, 0]
        self.some_go_everywhere = bool((endless & self.fetched.all(axis=1)).any())

    def at_rates(self, rates: tuple[float, ...]) -> Floats:
        """`amounts`, each times its rate, to the nearest whole number."""
        if self._at_rates is None or self._at_rates[0] != rates:
            self._at_rates = rates, np.rint(self.amounts * np.array(rates)[:, None])
        return self._at_rates[1]

    def late(self, promise_days: int, rate: float) -> Floats:
        """(services, points) what arriving after the promise costs at a rate for each day."""
        asked = promise_days, rate
        if self._late is None or self._late[0] != asked:
            days = np.fmax(self.days - promise_days, 0.0)  # nan, which does not go there, is 0
            self._late = asked, np.rint(days * rate)
        return self._late[1]

    def has_any(self, name: str) -> bool:
        """Whether some candidate has such counts: "overstock" or "on_shelf"."""
        return self._any[name]

    def counts(self, name: str, products: Sequence[int]) -> Floats:
        """(products, points) units: "free", "overstock" or "on_shelf"; none where it owes some."""
        wanted: tuple[str | int, ...] = (name, *products)
        counts = self._tables.get(wanted)
        if counts is None:
            columns = [self._column(name, product) for product in products]
            counts = np.array(columns).reshape(len(products), len(self.points))
            self._tables[wanted] = counts
        return counts

    def _column(self, name: str, product: int) -> Floats:
        column = self._columns.get((name, product))
        if column is None:
            column = _units(self._counts[name], product)
            self._columns[name, product] = column
        return column


def _units(counts: Sequence[Mapping[int, int]], product: int) -> Floats:
    units = np.array([of_one.get(product, 0) for of_one in counts], dtype=np.float64)
    return np.maximum(units, 0.0, out=units)
