"""The replayed company in the terms of the engine: services, lines, candidates."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from routing.engine import Candidate, Destination, Emission, Line, Service, Tariff
from tests.benchmarks.replay.world import World

# What the replay charges, and the engine is told: vans average diesel and artics with their
# well-to-tank part, as routing emissions of the product; the engine's own defaults.
EMISSION = Emission()


def money(amount: float) -> Decimal:
    return Decimal(round(float(amount) * 10_000)).scaleb(-4)


def services(world: World) -> tuple[Service, ...]:
    """The one carrier of the set."""
    rates = world.rates
    tariff = Tariff(
        bands=tuple(
            (float(km), float(kg * 1000), money(rates.price[row, column]))
            for row, km in enumerate(rates.km_edges[1:])
            for column, kg in enumerate(rates.kg_edges[1:])
        ),
        per_extra_kg=money(rates.per_extra_kg),
        per_extra_1000_km=money(rates.per_extra_1000_km),
    )
    return (Service(1, "parcel", "Parcel", tariff=tariff, emission=EMISSION),)


def lines(world: World, numbers: Sequence[int]) -> list[Line]:
    """Order lines as one unit each: a line is not divided, so its units are one piece.

    `product` is the place of the line in `numbers`.
    """
    return [
        Line(
            key=number,
            product=at,
            quantity=1,
            weight_g=round(
                float(world.kg[world.line_product[number]] * world.line_units[number]) * 1000
            ),
            unit_price=money(line_value(world, number)),
        )
        for at, number in enumerate(numbers)
    ]


def line_value(world: World, number: int) -> float:
    return float(world.price[world.line_product[number]] * world.line_units[number])


def destination(world: World, order: int) -> Destination:
    return Destination(float(world.order_lat[order]), float(world.order_lng[order]))


def candidate(world: World, point: int, free: Mapping[int, int], **more: object) -> Candidate:
    points = world.points
    is_warehouse = bool(points.warehouse[point])
    return Candidate(
        key=point,
        code=str(point),
        name=str(point),
        kind="warehouse" if is_warehouse else "store",
        is_central=is_warehouse,
        lat=float(points.lat[point]),
        lng=float(points.lng[point]),
        free=free,
        handling_order=money(points.pick_parcel[point]),
        handling_line=money(points.pick_line[point]),
        **more,  # type: ignore[arg-type]
    )
