"""What a new house decides by until its managers say otherwise."""

from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from routing.engine import Emission
from routing.models import EmissionFactor, RuleSet, TariffBand

NAME = "Standard"

# Parcels in EUR by great-circle distance and weight. Ours, of the size of public business tariffs
# for ground parcels in Europe: the step is the parcel itself, distance and weight come on top.
GRAMS = (1_000, 2_000, 5_000, 10_000, 20_000, 31_500)
TARIFF = {
    50: ("3.90", "4.20", "5.10", "6.40", "8.90", "12.50"),
    150: ("4.30", "4.70", "5.70", "7.20", "10.20", "14.40"),
    300: ("4.70", "5.20", "6.40", "8.30", "12.00", "17.00"),
    600: ("5.50", "6.20", "7.90", "10.40", "15.30", "21.80"),
    1_000: ("6.90", "7.90", "10.20", "13.60", "20.10", "28.60"),
    2_000: ("9.80", "11.40", "14.90", "20.00", "29.60", "42.00"),
    4_000: ("14.50", "17.20", "22.80", "30.90", "46.00", "65.00"),
}


def seed() -> RuleSet:
    """Make the default rule set, tariff and emission factor where there are none yet.

    Called again it changes nothing: what people have set is theirs. Returns the active default.
    """
    with transaction.atomic():
        _seed_tariff()
        _seed_emission()
        known = RuleSet.objects.filter(name=NAME)
        active = known.filter(state=RuleSet.State.ACTIVE).first() or known.first()
        if active is None:
            active = RuleSet.objects.create(
                name=NAME, state=RuleSet.State.ACTIVE, activated_at=timezone.now()
            )
    return active


def _seed_tariff() -> None:
    if TariffBand.objects.exists():
        return
    TariffBand.objects.bulk_create(
        TariffBand(max_km=km, max_g=grams, price=Decimal(price))
        for km, prices in TARIFF.items()
        for grams, price in zip(GRAMS, prices, strict=True)
    )


def _seed_emission() -> None:
    if EmissionFactor.objects.exists():
        return
    factor = Emission()
    EmissionFactor.objects.create(
        name="parcel",
        kg_fixed_per_parcel=factor.kg_fixed_per_parcel,
        kg_per_tkm_last_mile=factor.kg_per_tkm_last_mile,
        kg_per_tkm_linehaul=factor.kg_per_tkm_linehaul,
        last_mile_km=factor.last_mile_km,
        detour_factor=factor.detour_factor,
        source=factor.source,
        year=factor.year,
    )
