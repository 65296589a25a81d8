"""Hard rules: what takes a point out, and how it is said."""

from decimal import Decimal

import pytest

from routing.engine import BadInput, Destination, Policy, distances_km

from .worlds import decide, line, point, sent, service, world


@pytest.mark.parametrize(
    ("changes", "rule", "value", "limit", "words"),
    [
        ({"can_ship": False}, "cannot_ship", None, None, "does not ship"),
        ({"online": False}, "not_online", None, None, "does not take online orders"),
        ({"open": False}, "closed", None, None, "is closed"),
        ({"capacity_left": 0}, "no_capacity", 0, 1, "has no capacity left"),
        ({"free": {1: 0}}, "no_stock", 0, None, "has no stock of any line"),
        ({"free": {1: -4}}, "no_stock", 0, None, "has no stock of any line"),
        (
            {"free": {1: 2}},
            "below_min_free",
            2,
            3,
            "has 2 free, too few to count on: the limit is 3",
        ),
        ({"allowed": False}, "not_of_rule", None, None, "is not let in by the rule"),
        ({"lead_days": (None,)}, "no_service", None, None, "has no delivery service to there"),
        (
            {"lead_days": (5,)},
            "not_in_time",
            5,
            4,
            "delivers in 5 days at best, the limit is 4 days",
        ),
        ({"excluded": frozenset({1})}, "refused_before", None, None, "refused it before"),
        ({"lat": 50.0}, "too_far", 555.975, 300, "is 556 km away, the limit is 300 km"),
        ({"lat": None}, "too_far", None, 300, "is an unknown distance away, the limit is 300 km"),
    ],
)
def test_a_rule_takes_a_point_out_and_says_why(changes, rule, value, limit, words):
    policy = Policy(min_free_units=3, max_km=300, promise_days=3, in_time=True, relax_days=1)
    out = point(1, **{"free": {1: 9}, **changes})
    decision = decide(world([line()], [out, point(2, {1: 9})], policy=policy))
    assert list(sent(decision)) == [2]
    considered = decision.considered[0]
    assert considered.status == "eliminated"
    assert considered.gap is None
    (elimination,) = considered.eliminations
    assert (elimination.rule, elimination.value, elimination.limit) == (rule, value, limit)
    assert elimination.words == words


def test_every_rule_that_takes_a_point_out_is_listed():
    out = point(1, {1: 1}, open=False, online=False, capacity_left=0)
    (considered,) = decide(world([line()], [out])).considered
    assert [one.rule for one in considered.eliminations] == ["not_online", "closed", "no_capacity"]


def test_a_rule_that_hits_some_lines_takes_only_those():
    policy = Policy(min_free_units=2)
    both = point(1, {1: 1, 2: 5})
    decision = decide(world([line(1), line(2), line(3)], [both], policy=policy))
    assert sent(decision) == {1: {2: 1}}
    assert [(one.rule, one.line) for one in decision.considered[0].eliminations] == [
        ("below_min_free", 1),
        ("no_stock", 3),
    ]
    assert {one.line: one.why for one in decision.plan.unfilled} == {1: "ruled_out", 3: "no_stock"}


def test_a_point_at_the_limits_is_in():
    policy = Policy(min_free_units=3, max_km=555.975)
    edge = point(1, {1: 3}, lat=50.0, capacity_left=1)
    assert list(sent(decide(world([line()], [edge], policy=policy)))) == [1]


def test_no_service_goes_farther_than_its_last_step():
    services = [service(1, transit=((60.0, 1),)), service(2, transit=((100.0, 1), (400.0, 2)))]
    points = [point(1, {1: 1}, lat=50.0), point(2, {1: 1}), point(3, {1: 1}, lat=None)]
    decision = decide(world([line()], points, services=services))
    assert list(sent(decision)) == [2]
    words = [considered.eliminations[0].words for considered in decision.considered[::2]]
    assert words == [
        "is 556 km away, no delivery service goes beyond 400 km",
        "has no delivery service to there",
    ]


def test_distances_are_great_circles():
    paris = Destination(48.8566, 2.3522)
    london, sydney, paris_again = distances_km(
        lat=[51.5074, -33.8688, 48.8566], lng=[-0.1278, 151.2093, 2.3522], destination=paris
    )
    assert london == pytest.approx(343.6, abs=0.1)
    assert sydney == pytest.approx(16960, rel=0.001)
    assert paris_again == 0


@pytest.mark.parametrize(
    ("lines", "points"),
    [
        ([line(1), line(1)], []),
        ([line(1, quantity=-1)], []),
        ([line(1, weight_g=-1)], []),
        ([line(1, unit_price=Decimal(-1))], []),
        ([line(1)], [point(1, {}), point(1, {})]),
        ([line(1)], [point(1, {1: 1}, refusal_rate=1.1)]),
    ],
)
def test_impossible_input_is_refused(lines, points):
    with pytest.raises(BadInput):
        decide(world(lines, points))


@pytest.mark.parametrize(
    "changes", [{"economic": -1.0}, {"retail": float("nan")}, {"max_parcels": 0}]
)
def test_an_impossible_policy_is_refused(changes):
    with pytest.raises(BadInput):
        Policy(**changes)
