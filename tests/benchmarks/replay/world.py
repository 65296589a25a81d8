"""What is replayed: points, products, orders and walk-ins as arrays.

Read from the folder that MAESTRO_BENCH_DATA names (the format is that of `twin.generate`), or
generated when it names none. Money is in units of the set's currency, places in degrees, weights
in kg. Point and product numbers are indexes; a line number is its place in the file.
"""

import csv
import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from routing.engine import Destination, distances_km

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

FOLDER = "MAESTRO_BENCH_DATA"
MINUTES_OF_DAY = 24 * 60


@dataclass(frozen=True)
class Points:
    """(points,) each; `per_day` counts parcels, the pick costs are per parcel and per line."""

    warehouse: NDArray[np.bool_]
    lat: Floats
    lng: Floats
    per_day: Ints
    pick_parcel: Floats  # with packing
    pick_line: Floats


@dataclass(frozen=True)
class Truth:
    """What happens, and no policy may read: (points,) each; acceptance changes at half time."""

    processing_days: Floats
    acceptance: Floats
    acceptance_late: Floats
    transit_factor: Floats


@dataclass(frozen=True)
class Rates:
    """Tariff by km and kg steps, and days in transit by the same km steps."""

    km_edges: Floats  # (steps + 1,) from 0
    kg_edges: Floats  # (steps + 1,) from 0
    price: Floats  # (km steps, kg steps)
    per_extra_kg: float
    per_extra_1000_km: float
    transit_days: Floats  # (km steps,) mean
    transit_spread: Floats  # (km steps,) standard deviation / mean


@dataclass(frozen=True)
class World:
    points: Points
    truth: Truth
    rates: Rates
    kg: Floats  # (products,)
    price: Floats  # (products,)
    season: NDArray[np.bool_]  # (products,) worth little after the last day
    stock: Ints  # (points, products) on hand at the start
    walkin_forecast: Floats  # (points, products) units over all days, noisy
    walkins: Ints  # (n, 4): day, minute, point, product; by time
    order_day: Ints
    order_minute: Ints
    order_lat: Floats
    order_lng: Floats
    promise_days: Floats
    line_order: Ints  # (lines,) by order
    line_product: Ints
    line_units: Ints
    days: int
    cycle_days: int  # goods without a season are topped up every so many days

    @cached_property
    def km(self) -> Floats:
        """(orders, points) great circles."""
        lat, lng = self.points.lat.tolist(), self.points.lng.tolist()
        places = zip(self.order_lat.tolist(), self.order_lng.tolist(), strict=True)
        rows = [distances_km(lat=lat, lng=lng, destination=Destination(*place)) for place in places]
        return np.array(rows).reshape(len(self.order_lat), len(lat))

    @cached_property
    def lines_of(self) -> list[range]:
        """Line numbers of each order."""
        starts = np.searchsorted(self.line_order, np.arange(len(self.order_day) + 1)).tolist()
        return [range(*pair) for pair in pairwise(starts)]


def the_world() -> World:
    """The set that the environment names, or the generated one."""
    folder = os.environ.get(FOLDER)
    if folder:
        return load(Path(folder))
    from tests.benchmarks.replay import twin

    return twin.generate()


def load(folder: Path) -> World:
    """Read a set from its files. Raises FileNotFoundError."""
    rates = json.loads((folder / "tariff.json").read_text())
    points = _columns(folder / "points.csv.gz")
    truth = _columns(folder / "truth_points.csv.gz")
    products = _columns(folder / "skus.csv.gz")
    orders = _columns(folder / "orders.csv.gz")
    lines = _columns(folder / "lines.csv.gz")
    shape = len(points["id"]), len(products["sku"])
    walkins = _columns(folder / "walkin_events.csv.gz")
    return World(
        points=Points(
            warehouse=np.array([kind == "warehouse" for kind in points["type"]]),
            lat=_floats(points["lat"]),
            lng=_floats(points["lng"]),
            per_day=_ints(points["cap_day"]),
            pick_parcel=_floats(points["pick_ship"]) + _floats(points["pack"]),
            pick_line=_floats(points["pick_line"]),
        ),
        truth=Truth(
            processing_days=_floats(truth["true_proc_days"]),
            acceptance=_floats(truth["true_accept"]),
            acceptance_late=_floats(truth["true_accept_late"]),
            transit_factor=_floats(truth["true_transit_mult"]),
        ),
        rates=_rates(rates),
        kg=_floats(products["kg"]),
        price=_floats(products["price"]),
        season=np.array([word == "True" for word in products["season_end"]]),
        stock=_table(folder / "stock.csv.gz", "qty", shape).astype(np.intp),
        walkin_forecast=_table(folder / "walkin_forecast.csv.gz", "expected_walkin", shape),
        walkins=np.column_stack([_ints(walkins[one]) for one in ("day", "minute", "point", "sku")]),
        order_day=_ints(orders["day"]),
        order_minute=_ints(orders["minute"]),
        order_lat=_floats(orders["lat"]),
        order_lng=_floats(orders["lng"]),
        promise_days=_floats(orders["promise_days"]),
        line_order=_ints(lines["order"]),
        line_product=_ints(lines["sku"]),
        line_units=_ints(lines["qty"]),
        days=int(rates["horizon_days"]),
        cycle_days=int(rates["cycle_days"]),
    )


def _rates(rates: dict[str, list[float] | dict[str, float]]) -> Rates:
    fit = rates["huber"]
    return Rates(
        km_edges=_floats(rates["dist_km"]),
        kg_edges=_floats(rates["weight_kg"]),
        price=_floats(rates["brl"]),
        per_extra_kg=fit["kg"],
        per_extra_1000_km=fit["km1000"],
        transit_days=_floats(rates["transit_mean_d"]),
        transit_spread=_floats(rates["transit_cv"]),
    )


def _columns(path: Path) -> dict[str, tuple[str, ...]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _table(path: Path, value: str, shape: tuple[int, int]) -> Floats:
    """(points, products) of a file of point, sku and value."""
    columns = _columns(path)
    table = np.zeros(shape)
    table[_ints(columns["point"]), _ints(columns["sku"])] = _floats(columns[value])
    return table


def _floats(values: Sequence[object]) -> Floats:
    return np.array(values, dtype=np.float64)


def _ints(values: Sequence[str]) -> Ints:
    return np.array(values, dtype=np.int64).astype(np.intp)
