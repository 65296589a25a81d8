"""What a carrier asks for a parcel: weight and distance steps."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MONEY = 10_000  # the engine counts money in ten-thousandths


class BadTariff(ValueError):
    """The bands cannot be read; `band` is the first one that is wrong, if any."""

    def __init__(self, message: str, band: tuple[float, float, Decimal] | None = None) -> None:
        super().__init__(message)
        self.band = band


@dataclass(frozen=True, slots=True)
class Grid:
    """The bands as tables: one row per distance step, one column per weight step."""

    km_edges: NDArray[np.float64]  # (rows,) upper ends, ascending
    gram_edges: NDArray[np.float64]  # (columns,) upper ends, ascending
    base: NDArray[np.float64]  # (rows, columns + 1) in 1/10000; last column: beyond every weight
    heaviest: NDArray[np.float64]  # (rows,) grams up to which the row needs no extrapolation
    per_gram: float  # in 1/10000, beyond `heaviest`
    per_km: float  # in 1/10000, beyond the last distance step

    def row_of(self, km: NDArray[np.float64]) -> NDArray[np.intp]:
        """The distance step of each distance; beyond the last step, the last."""
        return np.minimum(np.searchsorted(self.km_edges, km), len(self.km_edges) - 1)

    def far(self, km: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the kilometers beyond the last step add, in 1/10000."""
        return np.maximum(km - self.km_edges[-1], 0.0) * self.per_km

    def by_weight(self, grams: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, len(grams)) prices in 1/10000, without the part of `far`."""
        price = self.base[:, np.searchsorted(self.gram_edges, grams)]
        if self.per_gram and grams.max(initial=0.0) > self.heaviest.min():
            price = price + np.maximum(grams - self.heaviest[:, None], 0.0) * self.per_gram
        return price


@dataclass(frozen=True)
class Tariff:
    """A rate card: `bands` of (max km, max grams, price), in ascending order.

    A parcel costs the first band that reaches as far and carries as much as it needs. Beyond the
    heaviest such band each further kilogram adds `per_extra_kg`, beyond the last distance each
    further 1000 km adds `per_extra_1000_km`, both in proportion. Keep one Tariff for many orders:
    its tables are built once.
    """

    bands: tuple[tuple[float, float, Decimal], ...]
    per_extra_kg: Decimal = Decimal(0)
    per_extra_1000_km: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        if not self.bands:
            raise BadTariff("a tariff needs at least one band")
        for band in self.bands:
            if not (band[0] > 0 and band[1] > 0 and band[2].is_finite()):
                raise BadTariff("a band needs a distance, a weight and a price", band)
        for before, after in pairwise(self.bands):
            if before[:2] >= after[:2]:
                raise BadTariff("bands must ascend by distance, then weight", after)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.bands, self.per_extra_kg, self.per_extra_1000_km))

    @cached_property
    def grid(self) -> Grid:
        km_edges = sorted({band[0] for band in self.bands})
        gram_edges = sorted({band[1] for band in self.bands})
        rows = [self._row(edge, gram_edges) for edge in km_edges]
        return Grid(
            km_edges=_floats(km_edges),
            gram_edges=_floats(gram_edges),
            base=np.array([prices for prices, _ in rows], dtype=np.float64),
            heaviest=_floats(heaviest for _, heaviest in rows),
            per_gram=float(self.per_extra_kg) * MONEY / 1000,
            per_km=float(self.per_extra_1000_km) * MONEY / 1000,
        )

    def _row(self, km: float, gram_edges: list[float]) -> tuple[list[float], float]:
        reach = [band for band in self.bands if band[0] >= km]
        heaviest = max(reach, key=lambda band: band[1])  # max keeps the first, so the nearest
        prices = []
        for grams in [*gram_edges, float("inf")]:
            band = next((band for band in reach if band[1] >= grams), heaviest)
            prices.append(float(round(band[2] * MONEY)))
        return prices, heaviest[1]


def _floats(values: Iterable[float]) -> NDArray[np.float64]:
    return np.array(list(values), dtype=np.float64)
