"""What delivery services ask and emit, as tables: one row per service, built once for many orders.

The distance steps of all tariffs are laid over each other, and so are their weight steps; so one
search finds the step of a distance, or of a weight, for all services at once.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import inf

import numpy as np
from numpy.typing import NDArray

from .types import BadInput, Service

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


class Carriage:
    """The services by key. Columns of one number per service have the shape (services, 1).

    A step is a distance step of one service; steps of all services are numbered through.
    """

    def __init__(self, services: Sequence[Service]) -> None:
        self.order = sorted(range(len(services)), key=lambda at: services[at].key)
        self.services = tuple(services[at] for at in self.order)
        if len({service.key for service in self.services}) != len(self.services):
            raise BadInput("service keys must differ", [one.key for one in self.services])
        self.takes_dangerous = np.array([s.dangerous_goods for s in self.services], dtype=bool)
        self.reach_km = _column([service.reach_km for service in self.services])
        self.is_bounded = bool(np.isfinite(self.reach_km).any())
        self._set_emissions()
        self._set_tariffs()

    def _set_emissions(self) -> None:
        emissions = [service.emission for service in self.services]
        self.kg_fixed = _column([one.kg_fixed_per_parcel for one in emissions])
        self.van = _column([one.kg_per_tkm_last_mile for one in emissions])
        self.truck = _column([one.kg_per_tkm_linehaul for one in emissions])
        self.van_km = _column([one.last_mile_km for one in emissions])
        self.detour_per_gram = _column([one.detour_factor / 1e6 for one in emissions])

    def _set_tariffs(self) -> None:
        grids = [service.tariff.grid for service in self.services]
        self.last_km = _column([grid.km_edges[-1] for grid in grids])
        self.per_km = _column([grid.per_km for grid in grids])
        self.km_edges = _all_edges([grid.km_edges for grid in grids])
        self.gram_edges = _all_edges([grid.gram_edges for grid in grids])
        beyond = np.append(self.km_edges, np.inf)
        first = np.cumsum([0, *(len(grid.km_edges) for grid in grids)])
        self._step = np.array(
            [start + grid.row_of(beyond) for start, grid in zip(first[:-1], grids, strict=True)],
            dtype=np.intp,
        ).reshape(len(grids), len(beyond))
        heavier = np.append(self.gram_edges, np.inf)
        prices = [grid.base[:, np.searchsorted(grid.gram_edges, heavier)] for grid in grids]
        self._price = np.concatenate(prices).T.copy() if grids else np.zeros((1, 0))
        self._heaviest = np.concatenate([grid.heaviest for grid in grids] or [np.zeros(0)])
        per_gram = [np.full(len(grid.km_edges), grid.per_gram) for grid in grids]
        self._per_gram = np.concatenate(per_gram or [np.zeros(0)])
        priced = self._heaviest[self._per_gram > 0]
        self._extra_from = float(priced.min(initial=np.inf))

    def steps(self, km: Floats) -> Ints:
        """(services, places) the distance step of each place by each service."""
        return self._step.take(self.km_edges.searchsorted(km), axis=1)

    def far(self, km: Floats) -> Floats:
        """(services, places) what the kilometers beyond the last step add, in 1/10000."""
        far = km - self.last_km
        np.maximum(far, 0.0, out=far)
        far *= self.per_km
        return far

    def prices(self, grams: Floats) -> Floats:
        """(len(grams), steps) prices in 1/10000, without the part of `far`."""
        price = self._price.take(self.gram_edges.searchsorted(grams), axis=0)
        if self._extra_from < inf and len(grams) and np.maximum.reduce(grams) > self._extra_from:
            price += np.maximum(grams[:, None] - self._heaviest, 0.0) * self._per_gram
        return price

    def kg_per_gram(self, km: Floats) -> Floats:
        """(services, places) kg CO2e of each gram, beside the fixed part."""
        van = np.minimum(km, self.van_km)
        truck = km - van
        truck *= self.truck
        van *= self.van
        van += truck
        van *= self.detour_per_gram
        return van


@lru_cache(maxsize=64)
def carriage(services: tuple[Service, ...]) -> Carriage:
    return Carriage(services)


def _column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=np.float64).reshape(len(values), 1)


def _all_edges(edges: Sequence[Floats]) -> Floats:
    return np.unique(np.concatenate([*edges, np.zeros(0)]))
