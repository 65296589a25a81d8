"""Small worlds to route in: by hand, and drawn at random."""

from decimal import Decimal

from hypothesis import strategies as st

from routing.engine import (
    Candidate,
    Decision,
    Destination,
    Emission,
    Line,
    Policy,
    Service,
    Tariff,
    route,
)

from .brute import World

HERE = Destination(45.0, 9.0, "IT")
FLAT = Tariff(bands=((float("inf"), float("inf"), Decimal("5.00")),))


def service(key: int = 1, tariff: Tariff = FLAT, **changes: object) -> Service:
    usual = {"code": f"s{key}", "name": f"Service {key}", "emission": Emission()}
    return Service(key=key, tariff=tariff, **{**usual, **changes})


def line(key: int = 1, **changes: object) -> Line:
    usual = {"product": key, "quantity": 1, "weight_g": 500, "unit_price": Decimal("20.00")}
    return Line(key=key, **{**usual, **changes})


def point(key: int, free: dict[int, int], **changes: object) -> Candidate:
    usual = {
        "code": f"P{key}",
        "name": f"Point {key}",
        "kind": "store",
        "is_central": False,
        "lat": 45.0 + key / 10,
        "lng": 9.0,
        "handling_order": Decimal("1.00"),
    }
    return Candidate(key=key, free=free, **{**usual, **changes})


def world(
    lines: list[Line],
    points: list[Candidate],
    *,
    tariff: Tariff = FLAT,
    emission: Emission | None = None,
    **changes: object,
) -> World:
    """By one delivery service, unless `services` are given."""
    usual = {
        "destination": HERE,
        "policy": Policy(),
        "services": [service(tariff=tariff, emission=emission or Emission())],
    }
    return World(lines=lines, candidates=points, **{**usual, **changes})


def decide(one: World) -> Decision:
    return route(**one._asdict())


def sent(decision: Decision) -> dict[int, dict[int, int]]:
    return {parcel.candidate: dict(parcel.lines) for parcel in decision.plan.parcels}


def money(lowest: int = 0, highest: int = 2000) -> st.SearchStrategy[Decimal]:
    return st.integers(lowest, highest).map(lambda cents: Decimal(cents) / 100)


@st.composite
def worlds(draw: st.DrawFn, *, most_points: int = 4) -> World:
    lines = draw(_lines())
    services = draw(_services())
    points = draw(_points(lines, most_points, len(services)))
    place = st.one_of(st.none(), st.floats(40, 50).map(lambda at: round(at, 3)))
    known = draw(st.sampled_from([True, True, True, False]))
    return World(
        lines=lines,
        candidates=points,
        destination=HERE if known else Destination(draw(place) and None, None, "IT"),
        policy=draw(_policies()),
        services=services,
    )


@st.composite
def _lines(draw: st.DrawFn) -> list[Line]:
    quantities = draw(
        st.sampled_from([[1], [2], [5], [1, 1], [1, 2], [2, 2], [1, 1, 1], [2, 1, 1], [1] * 4])
    )
    return [
        Line(
            key=10 - at,
            product=draw(st.integers(1, 3)),
            quantity=quantity,
            weight_g=draw(st.sampled_from([0, 100, 400, 900, 2500, 11000])),
            unit_price=draw(money(0, 9000)),
            dangerous=draw(st.sampled_from([False] * 9 + [True])),
        )
        for at, quantity in enumerate(quantities)
    ]


@st.composite
def _points(draw: st.DrawFn, lines: list[Line], most: int, services: int) -> list[Candidate]:
    few = st.fixed_dictionaries({product: st.sampled_from([1, 0, 2, 3]) for product in (1, 2, 3)})
    often = st.sampled_from([True] * 15 + [False])
    day = st.sampled_from([0, 1, 2, 3, 4, None]) if services > 1 else st.integers(0, 4)
    days = st.one_of(st.tuples(*[day] * services), st.just(()))
    return [
        Candidate(
            key=key,
            code=f"P{key}",
            name=f"Point {key}",
            kind="store",
            is_central=draw(st.booleans()),
            lat=draw(st.one_of(st.none(), st.sampled_from([44.9, 45.0, 46.0, 48.5, 52.0]))),
            lng=draw(st.sampled_from([8.0, 9.0, 9.4])),
            free=draw(few),
            handling_order=draw(money(0, 500)),
            handling_line=draw(money(0, 200)),
            capacity_left=draw(st.sampled_from([None] * 8 + [1, 0])),
            open=draw(often),
            can_ship=draw(often),
            online=draw(often),
            lead_days=draw(days),
            overstock=draw(few),
            excluded=draw(st.sampled_from([frozenset()] * 4 + [frozenset([lines[0].key])])),
            refusal_rate=draw(st.sampled_from([0.0, 0.1, 0.37, 1.0])),
            load=draw(st.sampled_from([0.0, 0.33, 1.0])),
            allowed=draw(often),
            on_shelf=draw(st.sampled_from([{}, {}, {1: 4}])),
        )
        for key in draw(st.sampled_from([range(1, most + 1), range(most, 0, -1), range(7, 9)]))
    ]


@st.composite
def _policies(draw: st.DrawFn) -> Policy:
    weight = st.sampled_from([1.0, 1.0, 0.0, 0.5, 3.0])
    return Policy(
        economic=draw(weight),
        ecological=draw(weight),
        logistical=draw(weight),
        retail=draw(weight),
        co2_price_per_kg=draw(money()),
        central_bonus=draw(money(0, 300)),
        overstock_relief=draw(st.sampled_from([Decimal(0), Decimal("0.05"), Decimal("0.5")])),
        split_penalty=draw(money(0, 300)),
        max_parcels=draw(st.sampled_from([None, None, 1, 2, 3])),
        max_km=draw(st.sampled_from([None, None, None, 150.0])),
        late_penalty_per_day=draw(money(0, 300)),
        promise_days=draw(st.sampled_from([None, 0, 2])),
        refusal_cost=draw(money(0, 900)),
        min_part_value=draw(st.sampled_from([None, None, None, Decimal(20), Decimal(100)])),
        min_free_units=draw(st.sampled_from([0, 0, 0, 2])),
        last_unit_cost=draw(st.sampled_from([Decimal(0), Decimal("0.07"), Decimal("0.4")])),
        workload_cost=draw(money(0, 300)),
        in_time=draw(st.sampled_from([False] * 3 + [True])),
        relax_days=draw(st.sampled_from([0, 0, 1])),
    )


@st.composite
def _services(draw: st.DrawFn) -> list[Service]:
    """One to three, in any order; one goes only so far, one takes no dangerous goods."""
    electric = Emission(kg_fixed_per_parcel=0.2, kg_per_tkm_last_mile=0.27625)
    reach = draw(st.sampled_from([60.0, 200.0, float("inf")]))
    found = [
        service(5, draw(_tariffs())),
        service(3, draw(_tariffs()), emission=electric, transit=((reach, 1),)),
        service(4, draw(_tariffs()), dangerous_goods=False),
    ][: draw(st.integers(1, 3))]
    return draw(st.permutations(found))


@st.composite
def _tariffs(draw: st.DrawFn) -> Tariff:
    """Steps in any direction: a heavier parcel may be cheaper, or far dearer than two."""
    reaches = draw(st.sampled_from([[1000.0], [50.0, 500.0], [20.0, 120.0, 400.0]]))
    bands = []
    for reach in reaches:
        for weight in draw(st.sampled_from([[1000], [500, 2000], [300, 1000, 30000]])):
            bands.append((reach, weight, draw(money(100, 3000))))
    return Tariff(
        bands=tuple(bands), per_extra_kg=draw(money(0, 500)), per_extra_1000_km=draw(money(0, 900))
    )
