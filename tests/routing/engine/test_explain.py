"""Words: short, and true."""

import json
import re
from dataclasses import replace
from decimal import Decimal

import pytest

from routing.engine import ENGINE_VERSION, Policy, considered, explain, route, to_json
from routing.engine.types import Considered

from .worlds import decide, line, point, sent, world


def priced(key: int, price: str, free: dict[int, int] | None = None, **changes: object):
    names = {1: "Lyon", 2: "Paris", 3: "Nice"}
    own = {"handling_order": Decimal(price), "name": names[key], "lat": 45.0 + key, **changes}
    return point(key, free or {1: 1}, **own)


def test_the_nearest_of_several_with_the_runner_up():
    decision = decide(world([line()], [priced(1, "1.40"), priced(2, "2.52"), priced(3, "9")]))
    assert explain.sentence(decision) == (
        "Lyon was chosen: nearest of 3 points that hold everything, 6.40 in all; "
        "Paris would have cost 1.12 more."
    )


def test_the_best_of_several_when_another_is_nearer():
    decision = decide(world([line()], [priced(1, "3"), priced(2, "3"), priced(3, "1.40")]))
    assert explain.sentence(decision) == (
        "Nice was chosen: best of 3 points that hold everything, 6.40 in all; "
        "Lyon would have cost 1.60 more."
    )


def test_the_only_point():
    decision = decide(world([line()], [priced(1, "1"), priced(2, "1", open=False)]))
    assert explain.sentence(decision) == (
        "Lyon was chosen: the only point that holds everything, 6.00 in all."
    )


def test_a_split_says_that_it_is_one():
    lines = [line(1), line(2)]
    decision = decide(world(lines, [priced(1, "1"), priced(2, "1", {2: 1})]))
    assert explain.sentence(decision) == (
        "Split into 2 parcels, from Lyon and Paris: no point holds everything, 12.00 in all."
    )


def test_a_split_that_saves_says_how_much():
    points = [priced(1, "0"), priced(2, "0", {2: 1}), priced(3, "7.25", {1: 1, 2: 1})]
    decision = decide(world([line(1), line(2)], points))
    assert explain.sentence(decision) == (
        "Split into 2 parcels, from Lyon and Paris: 2.25 cheaper than Nice alone, 10.00 in all."
    )


def test_what_is_left_behind_is_said():
    decision = decide(world([line(1), line(2, quantity=2)], [priced(1, "1")]))
    assert explain.sentence(decision) == (
        "Lyon was chosen: the only point that holds as much of it, 6.00 in all; "
        "2 units not sent, because no point has it free."
    )
    assert decision.plan.words == "1 parcel from Lyon; 1 line not sent in full"


def test_nothing_sent_says_why():
    points = [priced(1, "1", open=False), priced(2, "1", {1: 0}), priced(3, "1", {1: 0})]
    decision = decide(world([line()], points))
    assert explain.sentence(decision) == (
        "Nothing can be sent: the points that have it may not send it "
        "(has no stock of any line: 2, is closed: 1)."
    )


def test_every_candidate_has_its_words():
    points = [priced(1, "1"), priced(2, "1.42"), priced(3, "1", open=False)]
    assert explain.explain(decide(world([line()], points))) == (
        "Lyon sends 1 unit.",
        "Paris would have won if shipping had been more than 0.42 cheaper.",
        "Nice is closed.",
    )


@pytest.mark.parametrize(
    ("loser", "policy", "words"),
    [
        ("1.00", Policy(), "would have done as well; equals are taken in a fixed order"),
        ("6.01", Policy(), "is 5.01 behind, more than all of its shipping (5.00)"),
        (
            "1.25",
            Policy(economic=2.0),
            "would have won if shipping had been more than 0.13 cheaper",
        ),
        ("1.25", Policy(economic=0.0), "would have won if its parcel had counted 0.25 less"),
    ],
)
def test_counterfactuals(loser, policy, words):
    decision = decide(world([line()], [priced(1, "1"), priced(2, loser)], policy=policy))
    assert explain.counterfactual(decision.considered[1]) == f"Paris {words}"


def test_a_point_that_holds_a_part_would_have_taken_part():
    points = [priced(1, "1", {1: 1, 2: 1}), priced(2, "1"), priced(3, "1", {2: 1})]
    lines = [line(1), line(2)]
    paris = decide(world(lines, points)).considered[1]
    assert paris.would_send == ((1, 1),)
    assert paris.gap == Decimal("6.00")
    only_part = decide(world(lines, points, policy=Policy(max_parcels=1))).considered[1]
    assert only_part.gap is None
    assert explain.counterfactual(only_part) == "Paris has only part of it"


def test_the_words_of_a_counterfactual_come_true():
    lines = [line(1, weight_g=3000), line(2, weight_g=800, quantity=2)]
    stock = [{1: 1, 2: 2}, {1: 1, 2: 1}, {2: 3}, {1: 4, 2: 4}]
    prices = ["2.00", "0.70", "1.10", "3.33"]
    points = [
        point(key, free, handling_order=Decimal(price))
        for key, (free, price) in enumerate(zip(stock, prices, strict=True))
    ]
    one = world(lines, points)
    losers = [loser for loser in decide(one).considered if loser.status == "possible"]
    assert len(losers) >= 2
    for loser in losers:
        amount = Decimal(
            re.search(r"(\d+\.\d\d) (cheaper|behind)", explain.counterfactual(loser))[1]
        )
        assert sent(decide(one)) == sent(_cheaper(one, loser, amount - Decimal("0.02")))
        assert loser.key in sent(_cheaper(one, loser, amount + Decimal("0.01")))


def _cheaper(one, loser: Considered, amount: Decimal):
    changed = [
        replace(candidate, handling_order=candidate.handling_order - amount)
        if candidate.key == loser.key
        else candidate
        for candidate in one.candidates
    ]
    return decide(one._replace(candidates=changed))


def test_json_has_the_whole_decision_in_plain_values():
    one = world([line(1, quantity=2)], [priced(1, "1.40"), priced(2, "2"), priced(3, "1", {1: 3})])
    kept = json.loads(json.dumps(to_json(decide(one)), allow_nan=False))
    assert kept["version"] == ENGINE_VERSION
    assert re.fullmatch("[0-9a-f]{12}", ENGINE_VERSION)
    assert kept["plan"]["total"] == "6.0000"
    assert kept["plan"]["parcels"][0]["lines"] == [{"line": 1, "units": 2}]
    assert [one["status"] for one in considered(kept)] == ["possible", "possible", "chosen"]
    assert considered(kept)[0]["gap"] == "6.4000"
    assert considered(kept)[0]["solo"]["complete"] is False
    assert kept["single_best"]["name"] == "Nice"
    assert kept["sentence"].startswith("Nice was chosen")
    assert sum(map(Decimal, kept["plan"]["terms"].values())) == Decimal(kept["plan"]["total"])


def test_inputs_may_be_given_by_name():
    one = world([line()], [priced(1, "1")])
    by_name = route(**one._asdict())
    assert to_json(by_name) == to_json(decide(one))
