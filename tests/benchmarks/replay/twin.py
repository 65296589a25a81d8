"""A generated set of the shape of a real one: cities that few share, goods that few sell.

Seeded, so it is the same everywhere. Prices follow a formula fitted to real parcels (9.51 + 6.75
per 1000 km + 1.29 per kg + 1.11 per 1000 km and kg), days in transit a published table.
"""

import numpy as np

from tests.benchmarks.replay.world import Floats, Ints, Points, Rates, Truth, World

ORDERS_PER_DAY = 500
DAYS = 54
CYCLE_DAYS = 9
STORES, WAREHOUSES, PRODUCTS, CITIES = 120, 2, 1200, 60
KM = np.array([0, 50, 150, 300, 500, 800, 1200, 1800, 2500, 5000.0])
KG = np.array([0, 0.3, 1, 2, 3, 5, 8, 12, 20, 30, 100.0])
TRANSIT = np.array([3.1, 4.5, 7.6, 9.0, 10.9, 12.0, 14.6, 17.0, 18.5])
SPREAD = np.array([1.1, 1.2, 0.8, 0.8, 0.7, 0.7, 0.6, 0.6, 0.5])
LINES = np.array([0.63, 0.21, 0.08, 0.035, 0.018, 0.011, 0.007, 0.004, 0.003, 0.002])
UNITS = np.array([0.78, 0.15, 0.07])


def generate(seed: int = 11) -> World:
    """27,000 orders of 54 days, 122 points, 1,200 products."""
    draw = np.random.default_rng(seed)
    orders = ORDERS_PER_DAY * DAYS
    centers = draw.uniform((-30.0, -55.0), (-3.0, -36.0), size=(CITIES, 2))
    sizes = 1.0 / np.arange(1, CITIES + 1)
    lat, lng = _places(draw, centers, sizes, orders)
    at = draw.choice(orders, STORES, replace=False)
    store_lat = np.concatenate([centers[[0, 2], 0], lat[at]])
    store_lng = np.concatenate([centers[[0, 2], 1], lng[at]])
    popular = draw.permutation(1.0 / np.arange(40, PRODUCTS + 40))
    popular /= popular.sum()
    price = np.round(np.exp(draw.normal(4.0, 0.9, PRODUCTS)), 2)
    season = draw.random(PRODUCTS) < 1 / 3
    stock = _stock(draw, popular)
    stock[:, season] *= 2  # for all days: it is not topped up
    expected = np.where(np.arange(len(stock))[:, None] < WAREHOUSES, 0.0, stock * 1.1)
    expected = expected * draw.gamma(0.5, 2.0, expected.shape)  # some sell out, some stay
    size = draw.choice(len(LINES), orders, p=LINES / LINES.sum()) + 1
    line_order = np.repeat(np.arange(orders), size)
    products = np.concatenate([draw.choice(PRODUCTS, n, replace=False, p=popular) for n in size])
    return World(
        points=_points(draw, store_lat, store_lng),
        truth=_truth(draw),
        rates=_rates(),
        kg=np.round(np.exp(draw.normal(-0.4, 1.2, PRODUCTS)), 3).clip(0.05, 30.0),
        price=price,
        season=season,
        stock=stock,
        walkin_forecast=expected * np.exp(draw.normal(0.0, 0.4, expected.shape)),
        walkins=_walkins(draw, expected),
        order_day=np.repeat(np.arange(DAYS), ORDERS_PER_DAY),
        order_minute=np.sort(draw.integers(0, 1440, (DAYS, ORDERS_PER_DAY)), axis=1).ravel(),
        order_lat=lat,
        order_lng=lng,
        promise_days=draw.choice([10.0, 11.0, 14.0, 22.0, 25.0], orders),
        line_order=line_order,
        line_product=products,
        line_units=draw.choice(3, len(products), p=UNITS) + 1,
        days=DAYS,
        cycle_days=CYCLE_DAYS,
    )


def _places(
    draw: np.random.Generator, centers: Floats, sizes: Floats, count: int
) -> tuple[Floats, Floats]:
    city = draw.choice(len(centers), count, p=sizes / sizes.sum())
    places = centers[city] + draw.normal(0.0, 0.35, (count, 2))
    return places[:, 0].copy(), places[:, 1].copy()


def _points(draw: np.random.Generator, lat: Floats, lng: Floats) -> Points:
    is_warehouse = np.arange(STORES + WAREHOUSES) < WAREHOUSES
    per_day = np.where(is_warehouse, 0, 3 + draw.poisson(2.0, len(lat)))
    per_day[:WAREHOUSES] = 275, 125
    return Points(
        warehouse=is_warehouse,
        lat=lat,
        lng=lng,
        per_day=per_day,
        pick_parcel=np.where(is_warehouse, 3.2, 4.2),
        pick_line=np.where(is_warehouse, 0.6, 1.05),
    )


def _stock(draw: np.random.Generator, popular: Floats) -> Ints:
    held = draw.random((STORES + WAREHOUSES, PRODUCTS)) < np.minimum(0.08 + popular * 120, 0.9)
    held[:WAREHOUSES] = draw.random((WAREHOUSES, PRODUCTS)) < 0.66
    units = draw.geometric(1 / 2.3, held.shape)
    share = popular * PRODUCTS * 11.3
    units[:WAREHOUSES] = 1 + draw.poisson(np.stack([share * 1.2, share * 0.6]))
    return np.where(held, units, 0).astype(np.intp)


def _walkins(draw: np.random.Generator, expected: Floats) -> Ints:
    counts = draw.poisson(expected)
    point, product = np.nonzero(counts)
    times = counts[point, product]
    point, product = np.repeat(point, times), np.repeat(product, times)
    day = draw.integers(0, DAYS, len(point))
    minute = draw.integers(9 * 60, 20 * 60, len(point))
    order = np.lexsort((minute, day))
    return np.column_stack([day, minute, point, product])[order]


def _truth(draw: np.random.Generator) -> Truth:
    is_warehouse = np.arange(STORES + WAREHOUSES) < WAREHOUSES
    good, bad = draw.beta(18, 2, len(is_warehouse)), draw.beta(5, 5, len(is_warehouse))
    accepts = np.where(draw.random(len(is_warehouse)) < 0.15, bad, good)
    later = np.where(draw.random(len(is_warehouse)) < 0.15, bad, accepts)
    return Truth(
        processing_days=np.where(is_warehouse, 0.8, draw.gamma(4.0, 0.44, len(is_warehouse))),
        acceptance=np.where(is_warehouse, 0.995, accepts),
        acceptance_late=np.where(is_warehouse, 0.995, later),
        transit_factor=draw.gamma(30.0, 1 / 30, len(is_warehouse)),
    )


def _rates() -> Rates:
    km, kg = (KM[:-1] + KM[1:])[:, None] / 2000, (KG[:-1] + KG[1:])[None, :] / 2
    return Rates(
        km_edges=KM,
        kg_edges=KG,
        price=np.round(9.51 + 6.75 * km + 1.29 * kg + 1.11 * km * kg, 2),
        per_extra_kg=1.29,
        per_extra_1000_km=6.75,
        transit_days=TRANSIT,
        transit_spread=SPREAD,
    )
