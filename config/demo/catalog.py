"""2,000 products of the demo company: styles, their variants, barcodes, and how they sell.

Deterministic: the same seed gives the same catalog in every process. Plain data, no Django.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import islice

from config.demo import network
from config.demo.assortment import COLORS, KINDS, LINES, SIZES, Kind
from config.demo.network import LOCATIONS, SUPPLIES, SupplySpec

PRODUCTS = 2000
DEMO_DAY = date(2026, 11, 2)  # "today" for the seasons, unless another day is given

_KIND = {kind.code: kind for kind in KINDS}
_GTIN_SPACE = 99_999_999_977  # a prime, so that multiplying walks through it without a repeat


@dataclass(frozen=True)
class ProductSpec:
    """One SKU. Grams and millimeters are of the packed article, the price is EUR with tax."""

    sku: str
    gtin: str
    style: str
    name: str
    color: str
    size: str
    category: str
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int
    price: Decimal
    season_end: date | None


@dataclass(frozen=True)
class _Style:
    """One article in all its colors and sizes; `season` counts from the current one (0)."""

    number: int
    kind: Kind
    name: str
    colors: tuple[str, ...]
    price: Decimal
    season: int | None

    @property
    def code(self) -> str:
        return f"{self.kind.code}-{self.number:04d}"


# The first six are fixed: documentation, tests and demonstrations call them by name.
_FIXED: tuple[_Style, ...] = (
    _Style(1, _KIND["TEE"], "Alba Cotton Tee", ("BLK", "WHT", "NVY"), Decimal("19.95"), None),
    _Style(2, _KIND["JKT"], "Nevis Quilted Jacket", ("NVY", "OLV"), Decimal("129.00"), 0),
    _Style(3, _KIND["SNK"], "Lido Leather Sneaker", ("WHT", "BLK"), Decimal("79.95"), None),
    _Style(4, _KIND["BAG"], "Rialto Leather Tote Bag", ("TAN", "BLK"), Decimal("149.00"), None),
    _Style(5, _KIND["MUG"], "Visby Stoneware Mug", ("",), Decimal("9.95"), None),
    _Style(6, _KIND["SCF"], "Glen Wool Scarf", ("RED", "GRY"), Decimal("29.95"), 0),
)  # fmt: skip
FIXED_STYLES = tuple(style.code for style in _FIXED)


@lru_cache(maxsize=4)
def products(*, seed: int = 1, today: date = DEMO_DAY) -> tuple[ProductSpec, ...]:
    """Exactly 2,000 products. `today` only moves the seasons' ends."""
    return tuple(islice(_variants(seed, today), PRODUCTS))


def packed_g(goods_g: int, *, rng: random.Random) -> int:
    """What a scale shows in grams: the goods, a carton of 60 g or more, and some filling."""
    return round(60 + goods_g * rng.uniform(1.03, 1.12))


@lru_cache(maxsize=4)
def popularity(*, seed: int = 1) -> dict[str, float]:
    """SKU -> share of units sold, summing to 1: few styles sell much, most sell little.

    Zipf's law over styles (exponent 0.9), then the usual sizes, then the first colors.
    """
    rng = random.Random(f"popularity-{seed}")
    groups: dict[str, list[ProductSpec]] = {}
    for product in products(seed=seed):
        groups.setdefault(product.style, []).append(product)
    ranked = sorted(groups)
    rng.shuffle(ranked)
    weights = {}
    for rank, style in enumerate(ranked, start=1):
        colors = list(dict.fromkeys(p.color for p in groups[style]))
        sizes = SIZES[_KIND[style[:3]].sizes]
        for product in groups[style]:
            by_size = sizes[product.size][1]
            by_color = 1 / (1 + 0.6 * colors.index(product.color))
            weights[product.sku] = rank**-0.9 * by_size * by_color
    total = sum(weights.values())
    return {p.sku: weights[p.sku] / total for p in products(seed=seed)}


def _variants(seed: int, today: date) -> Iterator[ProductSpec]:
    """Products of one style after another, without end."""
    serial = 0
    for style in _styles(seed):
        for color in style.colors:
            for size in SIZES[style.kind.sizes]:
                serial += 1
                yield _product(style, color, size, _gtin(seed, serial), today)


def _styles(seed: int) -> Iterator[_Style]:
    yield from _FIXED
    rng = random.Random(f"catalog-{seed}")
    taken = {style.name for style in _FIXED}
    shares = [kind.share for kind in KINDS]
    number = len(_FIXED)
    while True:
        kind = rng.choices(KINDS, shares)[0]
        name = f"{rng.choice(LINES)} {rng.choice(kind.materials)} {kind.noun}"
        if name in taken:
            continue
        taken.add(name)
        number += 1
        colors = (
            rng.sample(sorted(COLORS), rng.randint(1, kind.colors)) if kind.colors > 1 else [""]
        )
        price = Decimal(rng.randint(*kind.price)) - Decimal(rng.choice(("0.05", "0.10", "0.01")))
        season = rng.choices((0, 1, -1, None), (50, 15, 15, 20))[0] if kind.seasonal else None
        yield _Style(number, kind, name, tuple(colors), price, season)


def _product(style: _Style, color: str, size: str, gtin: str, today: date) -> ProductSpec:
    factor = SIZES[style.kind.sizes][size][0]
    length, width, height = style.kind.box_mm
    labels = [label for label in (COLORS.get(color, ""), size) if label]
    return ProductSpec(
        sku="-".join(part for part in (style.code, color, size) if part),
        gtin=gtin,
        style=style.code,
        name=", ".join([style.name, *labels]),
        color=COLORS.get(color, ""),
        size=size,
        category=style.kind.category,
        weight_g=round(style.kind.weight_g * factor),
        length_mm=length,
        width_mm=width,
        height_mm=round(height * factor),
        price=style.price,
        season_end=None if style.season is None else _season_end(today, style.season),
    )


def _season_end(today: date, offset: int) -> date:
    """The day a season ends: winter goods leave on January 31, summer goods on July 31."""
    # Half-years since year 0; a season that ends today is still on.
    half = 2 * today.year + (0 if today <= date(today.year, 1, 31) else 1)
    if today > date(today.year, 7, 31):
        half = 2 * today.year + 2
    year, summer = divmod(half + offset, 2)
    return date(year, 7, 31) if summer else date(year, 1, 31)


def _gtin(seed: int, serial: int) -> str:
    """A GTIN-13 of the prefixes 200 to 299, which GS1 leaves to shops for use inside them.

    The last digit makes the weighted sum (1, 3, 1, 3 ...) a multiple of 10 (GS1 General
    Specifications, 7.9).
    """
    body = f"{200_000_000_000 + (serial * 48_271_807 + seed * 7919) % _GTIN_SPACE}"
    total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(body))
    return f"{body}{-total % 10}"


# --- where it lies --------------------------------------------------------------------------------


@dataclass(frozen=True)
class StockSpec:
    """Opening stock of one SKU at one stock point: units there, kept back, and wanted there."""

    sku: str
    location_code: str
    on_hand: int
    safety: int
    target: int


# Warehouse -> (share of the assortment it holds, depth relative to the central one).
_WAREHOUSES = {"WH-CENTRAL": (0.97, 1.0), "WH-SOUTH": (0.75, 0.5), "WH-US": (0.60, 0.35)}
_SOLD_OUT, _SCARCE = 6, 12


def sold_out(*, seed: int = 1) -> tuple[str, ...]:
    """The few SKUs that nobody has."""
    return _short(seed)[:_SOLD_OUT]


def scarce(*, seed: int = 1) -> tuple[str, ...]:
    """SKUs of which two stores have one unit each and nobody else any: two of them must split."""
    return _short(seed)[_SOLD_OUT:]


def purchase_orders(*, seed: int = 1) -> Iterator[SupplySpec]:
    """What is on its way, among it the SKUs that are sold out (those that a supplier makes)."""
    categories = {product.sku: product.category for product in products(seed=seed)}
    return network.purchase_orders(categories=categories, wanted=sold_out(seed=seed), seed=seed)


def opening_stock(*, seed: int = 1) -> Iterator[StockSpec]:
    """About 20,000 rows, each (sku, location_code) at most once, on_hand always above zero."""
    rng = random.Random(f"stock-{seed}")
    short = set(_short(seed))
    goods = [product for product in products(seed=seed) if product.sku not in short]
    pairs = _scarce_places(rng, scarce(seed=seed))
    for location in LOCATIONS:
        if location.kind == "warehouse":
            yield from _warehouse(rng, location.code, goods, seed)
        elif location.kind == "store":
            yield from _store(rng, location.code, goods, seed)
            yield from (
                StockSpec(sku, code, 1, 0, 1) for sku, code in pairs if code == location.code
            )
        else:
            yield from _outside(rng, location.code, goods, seed)


def _short(seed: int) -> tuple[str, ...]:
    candidates = [p.sku for p in products(seed=seed) if p.style not in FIXED_STYLES]
    return tuple(random.Random(f"short-{seed}").sample(candidates, _SOLD_OUT + _SCARCE))


def _scarce_places(rng: random.Random, skus: tuple[str, ...]) -> list[tuple[str, str]]:
    stores = [spec.code for spec in LOCATIONS if spec.kind == "store" and spec.can_ship]
    return [(sku, code) for sku in skus for code in rng.sample(stores, 2)]


def _warehouse(
    rng: random.Random, code: str, goods: list[ProductSpec], seed: int
) -> Iterator[StockSpec]:
    share, depth = _WAREHOUSES[code]
    weights = popularity(seed=seed)
    for product in goods:
        if product.style not in FIXED_STYLES and rng.random() > share:
            continue
        target = 12 + round(depth * 40_000 * weights[product.sku])
        on_hand = max(1, round(target * rng.triangular(0.3, 1.6, 1.0)))
        yield StockSpec(product.sku, code, on_hand, min(5, target // 20), target)


def _store(
    rng: random.Random, code: str, goods: list[ProductSpec], seed: int
) -> Iterator[StockSpec]:
    """Some 250 to 400 SKUs: the better sellers more likely, their size runs with holes."""
    weights = popularity(seed=seed)
    wanted = rng.randint(250, 400)
    for group in _by_appeal(rng, goods, weights):
        for product in group:
            if rng.random() < 0.22:  # this size is gone
                continue
            wanted -= 1
            yield _shelf(rng, product, code, weights[product.sku])
        if wanted <= 0:
            return


def _by_appeal(
    rng: random.Random, goods: list[ProductSpec], weights: dict[str, float]
) -> list[list[ProductSpec]]:
    """Styles by color, the popular ones likely first; the fixed ones are in every store.

    Weighted order without replacement by keys u^(1/w) (Efraimidis and Spirakis, 2006).
    """
    groups: dict[tuple[str, str], list[ProductSpec]] = {}
    for product in goods:
        groups.setdefault((product.style, product.color), []).append(product)
    keys = {
        key: (
            key[0] in FIXED_STYLES,
            rng.random() ** (1 / sum(weights[p.sku] for p in group) ** 0.5),
        )
        for key, group in groups.items()
    }
    return [groups[key] for key in sorted(groups, key=lambda key: keys[key], reverse=True)]


def _shelf(rng: random.Random, product: ProductSpec, code: str, weight: float) -> StockSpec:
    """One SKU on a store's shelf; one in ten is far too much of it, more so after the season."""
    target = max(1, min(12, round(1 + 900 * weight + rng.random())))
    past = product.season_end is not None and product.season_end < DEMO_DAY
    if rng.random() < (0.35 if past else 0.08):
        on_hand = target * rng.randint(3, 6) + rng.randint(1, 4)
    else:
        on_hand = max(1, round(target * rng.triangular(0.2, 1.5, 0.9)))
    return StockSpec(product.sku, code, on_hand, 1 if target >= 3 else 0, target)


def _outside(
    rng: random.Random, code: str, goods: list[ProductSpec], seed: int
) -> Iterator[StockSpec]:
    """What a supplier or distributor offers us of the categories it trades in."""
    weights = popularity(seed=seed)
    offered = [product for product in goods if product.category in SUPPLIES[code]]
    for product in rng.sample(offered, min(len(offered), rng.randint(320, 460))):
        target = 24 + round(12_000 * weights[product.sku])
        on_hand = max(1, round(target * rng.triangular(0.4, 1.4, 1.0)))
        yield StockSpec(product.sku, code, on_hand, 0, target)
