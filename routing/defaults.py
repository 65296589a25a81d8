"""What a new house decides by until its managers say otherwise."""

from decimal import Decimal
from typing import NamedTuple

from django.db import transaction

from orders.models import DeliveryService
from routing import rules
from routing.models import (
    EmissionFactor,
    RefusalReason,
    Rule,
    RuleSet,
    ServiceEmission,
    TariffBand,
)

NAME = "Standard"
SOURCE = "UK Government (DESNZ/DEFRA) conversion factors, freighting goods"
YEAR = 2025

# Parcels in EUR by great-circle distance and weight. Ours, of the size of public business tariffs
# for ground parcels in Europe: the step is the parcel itself, distance and weight come on top.
Tariff = dict[int, tuple[str, ...]]

GRAMS = (1_000, 2_000, 5_000, 10_000, 20_000, 31_500)
TARIFF: Tariff = {
    50: ("3.90", "4.20", "5.10", "6.40", "8.90", "12.50"),
    150: ("4.30", "4.70", "5.70", "7.20", "10.20", "14.40"),
    300: ("4.70", "5.20", "6.40", "8.30", "12.00", "17.00"),
    600: ("5.50", "6.20", "7.90", "10.40", "15.30", "21.80"),
    1_000: ("6.90", "7.90", "10.20", "13.60", "20.10", "28.60"),
    2_000: ("9.80", "11.40", "14.90", "20.00", "29.60", "42.00"),
    4_000: ("14.50", "17.20", "22.80", "30.90", "46.00", "65.00"),
}
VAN_TARIFF: Tariff = {20: ("4.10", "4.40", "5.40", "6.80", "9.40", "13.20"),
              60: ("4.80", "5.20", "6.30", "7.90", "10.90", "15.30")}  # fmt: skip
EXPRESS_FACTOR = Decimal("1.9")  # of the ordinary tariff

# kg CO2e per tonne-km: driving, and making the energy (well to tank).
FACTORS = {
    "van": ("Van, average, unknown fuel", "van", 0.63823, 0.15335),
    "electric-van": ("Van, average, battery", "van", 0.21992, 0.05633),
    "rigid": ("Rigid truck, average laden", "truck", 0.19748, 0.04332),
    "artic": ("Articulated truck, average laden", "truck", 0.07800, 0.01823),
    "truck": ("All trucks, average laden", "truck", 0.10163, 0.02359),
    "rail": ("Freight train", "rail", 0.02779, 0.00691),
    "air": ("Domestic flight, with radiative forcing", "air", 4.60397, 0.57429),
}


class Service(NamedTuple):
    """A delivery service as it is seeded."""

    name: str
    serves: list[str]  # speeds it keeps
    transit: list[list[int | None]]  # working days by distance
    legs: tuple[str, str]  # factors of the last mile and of the linehaul
    tariff: Tariff


SERVICES = {
    "parcel": Service(
        "Parcel", ["standard"], [[300, 1], [1000, 2], [2500, 4], [None, 7]], ("van", "artic"),
        TARIFF,
    ),
    "express": Service(
        "Express parcel", ["standard", "express"], [[1000, 1], [2500, 2], [None, 3]],
        ("van", "rigid"),
        {km: tuple(str(Decimal(price) * EXPRESS_FACTOR) for price in prices)
         for km, prices in TARIFF.items()},
    ),
    "evan": Service(
        "Electric van", ["standard"], [[60, 1]], ("electric-van", "electric-van"), VAN_TARIFF
    ),
}  # fmt: skip

# code: name, what it says of the stock, where blocked units go, whether somebody counts
REASONS = {
    "not_found": ("not found on the shelf", "block", "missing", True),
    "all_gone": ("none left at all", "block_all", "missing", True),
    "damaged": ("damaged", "block", "damaged", True),
    "too_busy": ("no time today", "none", "missing", False),
    "closed": ("closed", "none", "missing", False),
    "other": ("other", "none", "missing", False),
    "timeout": ("not accepted in time", "none", "missing", False),
}
AUTOMATIC = ("timeout",)  # nobody chooses them


def seed() -> RuleSet:
    """Make default rules, services, tariffs, factors and reasons where there are none yet.

    Called again it changes nothing: what people have set is theirs. Returns the active default.
    """
    with transaction.atomic():
        seed_reasons()
        if not DeliveryService.objects.exists():
            _seed_services()
        known = RuleSet.objects.filter(name=NAME)
        active = known.filter(state=RuleSet.State.ACTIVE).first() or known.first()
        if active is None:
            active = RuleSet.objects.create(name=NAME)
            Rule.objects.create(rule_set=active)
            active = rules.activate(rule_set_id=active.pk)
    return active


def seed_reasons() -> None:
    """Why stock points may say no."""
    if RefusalReason.objects.exists():
        return
    RefusalReason.objects.bulk_create(
        RefusalReason(
            code=code, name=name, effect=effect, bucket=bucket, asks_count=counts, position=place,
            automatic=code in AUTOMATIC,
        )
        for place, (code, (name, effect, bucket, counts)) in enumerate(REASONS.items(), 1)
    )  # fmt: skip


def seed_factors() -> dict[str, EmissionFactor]:
    """The factors of vehicles, by code."""
    EmissionFactor.objects.bulk_create(
        (
            EmissionFactor(
                code=code, name=name, mode=mode, kg_per_tkm=kg, wtt_kg_per_tkm=wtt,
                source=SOURCE, year=YEAR,
            )
            for code, (name, mode, kg, wtt) in FACTORS.items()
        ),
        ignore_conflicts=True,
    )  # fmt: skip
    return {factor.code: factor for factor in EmissionFactor.objects.all()}


def _seed_services() -> None:
    factors = seed_factors()
    for place, (code, about) in enumerate(SERVICES.items(), 1):
        service = DeliveryService.objects.create(
            code=code, name=about.name, serves=about.serves, transit=about.transit, position=place
        )
        near, far = about.legs
        ServiceEmission.objects.create(
            service=service, last_mile=factors[near], linehaul=factors[far]
        )
        TariffBand.objects.bulk_create(
            TariffBand(service=service, max_km=km, max_g=grams, price=Decimal(price))
            for km, prices in about.tariff.items()
            for grams, price in zip(GRAMS, prices, strict=True)
        )
