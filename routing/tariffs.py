"""Tariffs of delivery services: prices by distance and weight, replaced as a whole."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import BinaryIO

from django.db import transaction

from config import tables
from orders.models import DeliveryService
from routing.models import TariffBand

Prices = Mapping[tuple[int, int], Decimal]  # by (up to km, up to grams)
COLUMNS = ("up_to_km", "up_to_g", "price")
MOST = 2_000_000_000
MOST_PRICE = Decimal("999999.99")
MOST_BANDS = 2_000


class BadTariff(Exception):
    """The file is no tariff; the words say which row and why."""


def replace(service: DeliveryService, prices: Prices) -> int:
    """Let a service cost this from now on; decisions keep the tariff they were made by.

    Returns how many prices are new or changed.
    """
    with transaction.atomic():
        DeliveryService.objects.select_for_update().get(pk=service.pk)
        known = {(band.max_km, band.max_g): band for band in service.bands.all()}  # type: ignore[attr-defined]
        gone = [band.pk for at, band in known.items() if at not in prices]
        TariffBand.objects.filter(pk__in=gone).delete()
        changed = [
            TariffBand(service=service, max_km=km, max_g=grams, price=price)
            for (km, grams), price in prices.items()
            if (km, grams) not in known or known[km, grams].price != price
        ]
        TariffBand.objects.bulk_create(
            changed, update_conflicts=True, unique_fields=["service", "max_km", "max_g"],
            update_fields=["price"],
        )  # fmt: skip
    return len(changed)


def read(file: BinaryIO) -> dict[tuple[int, int], Decimal]:
    """The prices of a CSV or XLSX file. Raises BadTariff, or FileProblem for what is no table."""
    prices: dict[tuple[int, int], Decimal] = {}
    for row in tables.read(file, columns=COLUMNS):
        km, grams = (whole(row.cells.get(name), name, row.number) for name in COLUMNS[:2])
        if row.fault:
            raise BadTariff(f"Row {row.number} {row.fault}.")
        if (km, grams) in prices:
            raise BadTariff(f"Row {row.number}: {km} km and {grams} g have a price above.")
        prices[km, grams] = price(row.cells.get("price"), row.number)
        if len(prices) > MOST_BANDS:
            raise BadTariff(f"The file has more than {MOST_BANDS:,} prices.")
    if not prices:
        raise BadTariff("The file has no row below its first one.")
    return prices


def whole(value: object, name: str, row: int) -> int:
    """A distance or a weight. Raises BadTariff."""
    number = _decimal(value)
    if number is None or number != int(number) or not 0 < number <= MOST:
        raise BadTariff(f"Row {row}, {name}: {value!r} is not a whole number above 0.")
    return int(number)


def price(value: object, row: int) -> Decimal:
    """An amount with at most two places. Raises BadTariff."""
    number = _decimal(value)
    if number is None or not 0 <= number <= MOST_PRICE:
        raise BadTariff(f"Row {row}, price: {value!r} is not an amount.")
    return number.quantize(Decimal("0.01"))


def _decimal(value: object) -> Decimal | None:
    try:
        number = Decimal(str(value).strip().replace(",", "."))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
