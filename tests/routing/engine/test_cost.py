"""The terms of a cost."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.engine import BadTariff, Emission, Network, Policy, Tariff
from routing.engine.cost import CostModel
from routing.engine.rules import screen

from .worlds import FLAT, decide, line, point, sent, world, worlds

STEPS = Tariff(
    bands=(
        (50.0, 1000, Decimal("4.00")),
        (50.0, 5000, Decimal("6.00")),
        (500.0, 1000, Decimal("5.00")),
        (500.0, 5000, Decimal("8.00")),
        (500.0, 20000, Decimal("15.00")),
    ),
    per_extra_kg=Decimal("0.50"),
    per_extra_1000_km=Decimal("10.00"),
)


@pytest.mark.parametrize(
    ("lat", "grams", "price"),
    [
        (45.0, 1, "4.0000"),
        (45.0, 1000, "4.0000"),
        (45.0, 1001, "6.0000"),
        (45.0, 6000, "15.0000"),  # no near band carries it, the next one that does
        (46.0, 1000, "5.0000"),
        (46.0, 20000, "15.0000"),
        (46.0, 23000, "16.5000"),  # 3 kg beyond the heaviest
        (50.0, 1000, "5.5598"),  # 55.975 km beyond the last
        (50.0, 21000, "16.0598"),
    ],
)
def test_a_parcel_costs_the_first_band_that_reaches_and_carries_it(lat, grams, price):
    one = world([line(weight_g=grams)], [point(1, {1: 1}, lat=lat)], tariff=STEPS)
    assert decide(one).plan.terms.shipping == Decimal(price)


@pytest.mark.parametrize(
    "bands",
    [
        (),
        ((0.0, 1000, Decimal(1)),),
        ((10.0, 1000, Decimal("NaN")),),
        ((50.0, 1000, Decimal(1)), (10.0, 1000, Decimal(1))),
        ((50.0, 1000, Decimal(1)), (50.0, 1000, Decimal(2))),
    ],
)
def test_a_tariff_that_cannot_be_read_is_refused(bands):
    with pytest.raises(BadTariff):
        Tariff(bands=bands)


def test_co2_is_tonnes_times_kilometers_times_factor_in_two_legs():
    emission = Emission(
        kg_fixed_per_parcel=0.2,
        kg_per_tkm_last_mile=0.8,
        kg_per_tkm_linehaul=0.1,
        last_mile_km=30,
        detour_factor=1.5,
    )
    policy = Policy(co2_price_per_kg=Decimal("0.10"))
    one = world(
        [line(weight_g=20_000)], [point(1, {1: 1}, lat=50.0)], policy=policy, emission=emission
    )
    plan = decide(one).plan
    kg = 0.2 + 0.02 * 1.5 * (30 * 0.8 + 525.975 * 0.1)
    assert float(plan.kg_co2) == pytest.approx(kg, abs=0.0001)
    assert float(plan.terms.co2) == pytest.approx(kg * 0.10, abs=0.0001)


PLAIN = {"handling_order": Decimal(0), "lat": 45.0}


@pytest.mark.parametrize(
    ("policy", "worse", "better", "term"),
    [
        (Policy(), {"handling_order": Decimal("0.01")}, {}, "handling"),
        (Policy(), {"handling_line": Decimal("0.01")}, {}, "handling"),
        (Policy(co2_price_per_kg=Decimal(10)), {"lat": 46.0}, {}, "co2"),
        (Policy(central_bonus=Decimal("0.50")), {}, {"is_central": True}, "central"),
        (Policy(overstock_relief=Decimal("0.1")), {}, {"overstock": {1: 1}}, "overstock"),
        (
            Policy(late_penalty_per_day=Decimal(1), promise_days=2),
            {"lead_days": (3,)},
            {"lead_days": (2,)},
            "lateness",
        ),
        (Policy(last_unit_cost=Decimal("0.1")), {}, {"on_shelf": {1: 2}}, "last_unit"),
        (Policy(workload_cost=Decimal(2)), {"load": 0.9}, {"load": 0.8}, "workload"),
        (Policy(refusal_cost=Decimal(7)), {"refusal_rate": 0.5}, {"refusal_rate": 0.4}, "refusal"),
    ],
)
def test_each_term_can_decide_and_a_weight_of_zero_takes_it_out(policy, worse, better, term):
    points = [point(1, {1: 1}, **{**PLAIN, **worse}), point(2, {1: 1}, **{**PLAIN, **better})]
    decision = decide(world([line()], points, policy=policy))
    assert list(sent(decision)) == [2]
    first, second = (getattr(one.solo.terms, term) for one in decision.considered)
    assert first > second
    assert decision.considered[0].gap == first - second
    no_weight = replace(policy, ecological=0.0, logistical=0.0, retail=0.0)
    assert list(sent(decide(world([line()], points, policy=no_weight)))) == [1]


def test_amounts_of_the_terms():
    policy = Policy(
        economic=2.0,
        logistical=0.5,
        retail=3.0,
        central_bonus=Decimal("0.40"),
        overstock_relief=Decimal("0.10"),
        split_penalty=Decimal("1.00"),
        late_penalty_per_day=Decimal("2.00"),
        promise_days=1,
        refusal_cost=Decimal("8.00"),
    )
    sender = point(
        1,
        {1: 3, 2: 1},
        handling_line=Decimal("0.30"),
        lead_days=(4,),
        refusal_rate=0.25,
        overstock={1: 2},
    )
    lines = [line(1, quantity=3), line(2), line(3)]
    plan = decide(world(lines, [sender, point(2, {3: 1})], policy=policy)).plan
    terms = plan.parcels[0].terms
    assert terms.shipping == Decimal("10.00")  # 2 x 5.00
    assert terms.handling == Decimal("0.80")  # 0.5 x (1.00 + 2 x 0.30)
    assert terms.central == Decimal("0.20")  # 0.5 x 0.40
    assert terms.overstock == Decimal("-12.00")  # 3 x 0.10 x 20.00 x 2 units
    assert terms.lateness == Decimal("3.00")  # 0.5 x 2.00 x 3 days
    assert terms.refusal == Decimal("2.00")  # 0.5 x 8.00 x 0.25 x 2 lines
    assert terms.split == 0
    assert plan.parcels[1].terms.split == Decimal("0.50")
    assert plan.terms.split == Decimal("0.50")


def test_a_split_penalty_joins_what_shipping_would_part():
    apart = [
        point(1, {1: 1}, handling_order=Decimal(0)),
        point(2, {2: 1}, handling_order=Decimal(0)),
        point(3, {1: 1, 2: 1}, handling_order=Decimal("5.50")),
    ]
    lines = [line(1), line(2)]
    assert len(decide(world(lines, apart, tariff=FLAT)).plan.parcels) == 2
    joined = decide(world(lines, apart, policy=Policy(split_penalty=Decimal("0.51"))))
    assert sent(joined) == {3: {1: 1, 2: 1}}


@settings(max_examples=200, deadline=None)
@given(worlds(), st.data())
def test_one_parcel_costs_in_plain_numbers_what_many_cost_in_tables(one, data):
    network = Network(one.candidates, one.services)
    screening = screen(
        network=network, lines=one.lines, destination=one.destination, policy=one.policy
    )
    model = CostModel(screening)
    units = [
        [float(data.draw(st.integers(0, some.quantity))) for some in screening.lines]
        for _ in model.live
    ]
    if not any(map(any, units)):
        return
    priced = model.priced(rows=np.arange(len(units)), units=np.array(units))
    for row, (terms, service, grams) in enumerate(
        zip(*(column.tolist() for column in priced), strict=True)
    ):
        assert model.priced_alone(row=row, units=units[row]) == (terms, service, grams)
