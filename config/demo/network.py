"""The demo company's stock points, and what its suppliers have on the way to them.

The points are in locations.csv: streets and coordinates are real places, the shops in them are
not. Plain data, no Django.
"""

import csv
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal, cast

Kind = Literal["warehouse", "store", "supplier", "distributor"]
OpeningHours = dict[str, list[list[str]]]

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class LocationSpec:
    """A stock point. Hours are local to `timezone`, "HH:MM"; handling costs in EUR."""

    code: str
    name: str
    kind: Kind
    is_central: bool
    line1: str
    city: str
    region: str
    postcode: str
    country: str
    lat: float
    lng: float
    timezone: str
    opening_hours: OpeningHours
    cutoff: str
    lead_days: int
    can_ship: bool
    can_pickup: bool
    can_ship_to_store: bool
    can_receive_returns: bool
    capacity_per_day: int | None
    handling_order: Decimal
    handling_line: Decimal


@dataclass(frozen=True)
class SupplySpec:
    """One line of a purchase order; (reference, sku) is unique, a reference has several lines."""

    reference: str
    supplier_code: str
    location_code: str
    sku: str
    quantity: int
    eta_days_from_now: int


# Days -> intervals. A day that is not named is closed; "10:00-13:00 15:30-19:30" has a siesta.
_HOURS: dict[str, dict[str, str]] = {
    "fr": {"mon-sat": "10:00-19:30"},
    "fr-small": {"tue-fri": "10:00-13:00 14:00-19:00", "sat": "10:00-19:00"},
    "fr-sunday": {"mon-sat": "10:00-20:00", "sun": "11:00-19:00"},
    "de": {"mon-sat": "10:00-20:00"},
    "de-short": {"mon-fri": "10:00-19:00", "sat": "10:00-18:00"},
    "nl": {
        "mon": "12:00-18:00",
        "tue-wed": "10:00-18:00",
        "thu": "10:00-21:00",
        "fri-sat": "10:00-18:00",
        "sun": "12:00-17:00",
    },
    "be": {"mon-sat": "10:00-18:30"},
    "es": {"mon-sat": "10:00-14:00 17:00-20:30"},
    "es-all-day": {"mon-sat": "10:00-21:00", "sun": "12:00-20:00"},
    "pt": {"mon-sat": "10:00-20:00", "sun": "10:00-19:00"},
    "it": {"mon-sat": "10:00-19:30", "sun": "11:00-19:00"},
    "it-small": {"mon": "15:30-19:30", "tue-sat": "10:00-13:00 15:30-19:30"},
    "at": {"mon-fri": "10:00-19:00", "sat": "09:30-18:00"},
    "ch": {"mon-wed": "09:00-19:00", "thu-fri": "09:00-20:00", "sat": "09:00-18:00"},
    "north": {"mon-fri": "10:00-19:00", "sat": "10:00-17:00", "sun": "11:00-16:00"},
    "pl": {"mon-fri": "10:00-20:00", "sat": "10:00-18:00"},
    "gb": {"mon-sat": "10:00-19:00", "sun": "12:00-18:00"},
    "us": {"mon-sat": "10:00-20:00", "sun": "11:00-18:00"},
    "warehouse": {"mon-fri": "06:00-22:00", "sat": "07:00-14:00"},
    "office": {"mon-thu": "08:00-17:00", "fri": "08:00-14:00"},
}  # fmt: skip

# What a shop's labor costs per order and per line picked, EUR.
_STORE_HANDLING = {
    "CH": ("3.90", "0.95"), "DK": ("3.40", "0.85"), "SE": ("3.20", "0.80"), "US": ("3.10", "0.75"),
    "GB": ("2.90", "0.70"), "IE": ("2.90", "0.70"), "PL": ("1.50", "0.35"), "PT": ("1.60", "0.40"),
    "ES": ("1.90", "0.50"), "IT": ("2.20", "0.55"),
}  # fmt: skip
_DEFAULT_STORE_HANDLING = ("2.60", "0.65")

# What those who ship on our behalf make or trade in; what they do not, they cannot send.
SUPPLIES: dict[str, tuple[str, ...]] = {
    "SU-GUIMARAES": ("apparel", "home"),
    "SU-ELCHE": ("shoes",),
    "SU-PRATO": ("accessories", "beauty"),
    "SU-BURSA": ("apparel", "accessories"),
    "DI-HAMBURG": ("home", "beauty", "toys"),
    "DI-POZNAN": ("outdoor", "toys", "shoes"),
}

_OTHER_HANDLING = {
    "warehouse": ("0.95", "0.15"), "supplier": ("2.40", "0.30"), "distributor": ("1.80", "0.25"),
}  # fmt: skip


def purchase_orders(
    *, categories: Mapping[str, str], wanted: Collection[str] = (), seed: int = 1
) -> Iterator[SupplySpec]:
    """60 lines of 15 purchase orders on their way from the four suppliers.

    `categories` is SKU -> category; each supplier sends only what it makes. SKUs in `wanted` that a
    supplier makes are ordered for certain, so that what is sold out comes back.
    """
    rng = random.Random(f"purchase-orders-{seed}")
    suppliers = [spec.code for spec in LOCATIONS if spec.kind == "supplier"]
    destinations = ("WH-CENTRAL", "WH-CENTRAL", "WH-SOUTH", "WH-CENTRAL", "WH-US")
    urgent = sorted(wanted)
    ordered: set[str] = set()
    for number in range(15):
        supplier = suppliers[number % len(suppliers)]
        own = [s for s in sorted(categories) if categories[s] in SUPPLIES[supplier]]
        first = [sku for sku in urgent if sku in set(own) and sku not in ordered][:4]
        others = [sku for sku in own if sku not in ordered and sku not in first]
        skus = first + rng.sample(others, 4 - len(first))
        ordered.update(skus)
        eta = rng.randint(2, 45)
        for sku in skus:
            yield SupplySpec(
                reference=f"PO-{4101 + number}",
                supplier_code=supplier,
                location_code=destinations[number % len(destinations)],
                sku=sku,
                quantity=12 * rng.randint(2, 20),
                # Parts of an order come late: usually with the rest, sometimes a week or two on.
                eta_days_from_now=eta + rng.choice((0, 0, 0, 7, 14)),
            )


def _hours(template: str) -> OpeningHours:
    """All seven days of a template, each a list of [from, to]."""
    hours: OpeningHours = {day: [] for day in WEEKDAYS}
    for days, text in _HOURS[template].items():
        first, _, last = days.partition("-")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last or first)
        for day in WEEKDAYS[begin : end + 1]:
            hours[day] = [interval.split("-") for interval in text.split()]
    return hours


def _location(row: Mapping[str, str]) -> LocationSpec:
    """One row of locations.csv. A store of capacity 0 is too small to pack: it hands over only."""
    kind, store = cast(Kind, row["kind"]), row["kind"] == "store"
    store_handling = _STORE_HANDLING.get(row["country"], _DEFAULT_STORE_HANDLING)
    per_order, per_line = store_handling if store else _OTHER_HANDLING[kind]
    capacity = int(row["capacity_per_day"]) if row["capacity_per_day"] else None
    address = ("code", "name", "line1", "city", "region", "postcode", "country", "timezone")
    return LocationSpec(
        **{column: row[column] for column in address},
        kind=kind,
        is_central=row["code"] == "WH-CENTRAL",
        lat=float(row["lat"]),
        lng=float(row["lng"]),
        opening_hours=_hours(row["hours"]),
        cutoff=row["cutoff"],
        lead_days=int(row["lead_days"]),
        can_ship=capacity != 0,
        can_pickup=store,
        can_ship_to_store=store,
        can_receive_returns=kind in {"store", "warehouse"},
        capacity_per_day=capacity,
        handling_order=Decimal(per_order),
        handling_line=Decimal(per_line),
    )


def _read() -> tuple[LocationSpec, ...]:
    path = Path(__file__).with_name("locations.csv")
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(map(_location, csv.DictReader(file)))


# 3 warehouses, 40 stores, 4 suppliers, 2 distributors.
LOCATIONS: tuple[LocationSpec, ...] = _read()
