"""Situations that break order systems, at the engine."""

from decimal import Decimal

from routing.engine import Destination, Policy, Tariff, explain

from .worlds import decide, line, point, sent, world

CHEAP_TO_SPLIT = Tariff(
    bands=((1e6, 10_000, Decimal("5.00")), (1e6, 20_000, Decimal("100.00"))),
)


def test_two_points_with_one_unit_each_send_an_order_of_two():
    decision = decide(world([line(quantity=2)], [point(1, {1: 1}), point(2, {1: 1}), point(3, {})]))
    assert sent(decision) == {1: {1: 1}, 2: {1: 1}}
    assert not decision.plan.unfilled
    assert decision.plan.exact


def test_a_line_is_not_split_when_one_point_has_it_whole():
    near, whole = point(1, {1: 1}, lat=45.0), point(2, {1: 2}, lat=48.0)
    assert sent(decide(world([line(quantity=2)], [near, whole]))) == {2: {1: 2}}


def test_lines_that_are_shipped_or_canceled_do_not_veto_a_point():
    lines = [line(1, quantity=0), line(2, quantity=0), line(3)]
    decision = decide(world(lines, [point(1, {3: 1})]))
    assert sent(decision) == {1: {3: 1}}
    assert decision.single_best.complete
    assert not decision.plan.unfilled


def test_what_nobody_has_does_not_veto_what_somebody_has():
    decision = decide(world([line(1), line(2)], [point(1, {1: 1})]))
    assert sent(decision) == {1: {1: 1}}
    assert decision.plan.unfilled == ((2, 1, explain.NO_STOCK),)


def test_parts_below_the_split_threshold_are_not_sent_apart():
    policy = Policy(min_part_value=Decimal(100))

    def parcels(*prices: int) -> int:
        lines = [line(key, unit_price=Decimal(price)) for key, price in enumerate(prices)]
        points = [point(key, {key: 1}) for key in range(len(prices))]
        return len(decide(world(lines, points, policy=policy)).plan.parcels)

    assert parcels(80, 160) == 0
    assert parcels(80, 80) == 0
    assert parcels(120, 160) == 2


def test_the_split_threshold_is_not_asked_when_one_point_has_everything():
    lines = [line(1, unit_price=Decimal(5)), line(2, unit_price=Decimal(8))]
    policy = Policy(min_part_value=Decimal(100))
    points = [point(1, {1: 1}), point(2, {2: 1}), point(3, {1: 1, 2: 1})]
    assert sent(decide(world(lines, points, policy=policy))) == {3: {1: 1, 2: 1}}
    nothing = decide(world(lines, points[:2], policy=policy))
    assert {one.why for one in nothing.plan.unfilled} == {explain.PART_TOO_SMALL}


def test_a_point_that_refused_a_line_is_not_asked_for_it_again():
    cheapest, other = point(1, {1: 1, 2: 1}, excluded=frozenset({1})), point(2, {1: 1})
    decision = decide(world([line(1), line(2)], [cheapest, other]))
    assert sent(decision) == {1: {2: 1}, 2: {1: 1}}
    (elimination,) = decision.considered[0].eliminations
    assert (elimination.rule, elimination.line) == ("refused_before", 1)


def test_two_lines_of_one_product_share_its_stock():
    lines = [line(1, product=7), line(2, product=7)]
    one = decide(world(lines, [point(1, {7: 1})]))
    assert sent(one) == {1: {1: 1}}
    assert one.plan.unfilled == ((2, 1, explain.NOT_ENOUGH),)
    assert sent(decide(world(lines, [point(1, {7: 2})]))) == {1: {1: 1, 2: 1}}


def test_a_point_sends_one_parcel_even_where_two_would_be_cheaper():
    heavy = line(quantity=2, weight_g=10_000)
    alone = decide(world([heavy], [point(1, {1: 9})], tariff=CHEAP_TO_SPLIT))
    assert alone.plan.total == Decimal("101.0000")
    helped = decide(
        world([heavy], [point(1, {1: 9}), point(2, {1: 9}, lat=52.0)], tariff=CHEAP_TO_SPLIT)
    )
    assert sent(helped) == {1: {1: 1}, 2: {1: 1}}
    assert helped.plan.total == Decimal("12.0000")


def test_a_limit_of_parcels_holds_where_more_would_be_cheaper():
    steps = ((1e6, 10_000, Decimal(5)), (1e6, 20_000, Decimal(30)), (1e6, 40_000, Decimal(200)))
    points = [point(key, {1: 9}, lat=45.0) for key in range(5)]
    one = world([line(quantity=4, weight_g=10_000)], points, tariff=Tariff(bands=steps))
    assert decide(one).plan.total == Decimal(24)
    for limit, total in ((4, 24), (3, 43), (2, 62), (1, 201)):
        plan = decide(one._replace(policy=Policy(max_parcels=limit))).plan
        assert (len(plan.parcels), plan.total) == (limit, total)


def test_more_value_is_sent_before_less_cost():
    lines = [line(1, unit_price=Decimal(50)), line(2, unit_price=Decimal(10))]
    dear = point(1, {1: 1}, handling_order=Decimal(400))
    decision = decide(world(lines, [dear, point(2, {2: 1})], policy=Policy(max_parcels=1)))
    assert sent(decision) == {1: {1: 1}}
    assert decision.plan.unfilled == ((2, 1, explain.TOO_MANY_PARCELS),)


def test_a_line_worth_nothing_is_sent_too():
    free_gift = line(2, unit_price=Decimal(0))
    decision = decide(world([line(1), free_gift], [point(1, {1: 1}), point(2, {2: 1})]))
    assert sent(decision) == {1: {1: 1}, 2: {2: 1}}


def test_without_a_destination_distance_counts_as_nothing_and_the_plan_says_so():
    far, near = point(1, {1: 1}, lat=60.0), point(2, {1: 1}, lat=45.0)
    by_distance = Tariff(bands=((10.0, 1000, Decimal(1)), (5000.0, 1000, Decimal(9))))
    policy = Policy(max_km=100)
    known = decide(world([line()], [far, near], tariff=by_distance))
    unknown = decide(
        world(
            [line()],
            [far, near],
            tariff=by_distance,
            policy=policy,
            destination=Destination(None, None),
        )
    )
    assert list(sent(known)) == [2]
    assert list(sent(unknown)) == [1]
    assert unknown.plan.terms.shipping == Decimal(1)
    assert unknown.plan.parcels[0].km is None
    assert "place is not known" in unknown.plan.words
    assert "place is not known" not in known.plan.words


def test_a_point_without_a_place_counts_as_far_as_the_farthest():
    by_distance = Tariff(bands=((100.0, 1000, Decimal(1)), (5000.0, 1000, Decimal(9))))
    nowhere = point(1, {1: 1}, lat=None, lng=None)
    both = [nowhere, point(2, {1: 1}, lat=45.1), point(3, {1: 1}, lat=52.0)]
    decision = decide(world([line()], both, tariff=by_distance))
    assert list(sent(decision)) == [2]
    assert decision.considered[0].km is None
    assert decision.considered[0].solo.terms.shipping == Decimal(9)


def test_an_order_with_nothing_left_to_send_has_an_empty_plan():
    decision = decide(world([line(quantity=0)], [point(1, {1: 1})]))
    assert decision.plan.parcels == decision.plan.unfilled == ()
    assert decision.plan.total == 0
    assert explain.sentence(decision) == "There is nothing to send."


def test_without_a_single_point_everything_is_left():
    decision = decide(world([line(quantity=3)], []))
    assert decision.plan.unfilled == ((1, 3, explain.NO_STOCK),)
    assert decision.considered == ()
    assert decision.single_best is None


def test_what_leaves_together_leaves_from_a_point_that_has_all_of_it_or_not_at_all():
    kept = Policy(max_parcels=1, whole=True)
    lines = [line(1, quantity=2), line(2)]
    apart = [point(1, {1: 2}), point(2, {1: 2, 2: 1}), point(3, {1: 5, 2: 5})]
    assert sent(decide(world(lines, apart[:2], policy=kept))) == {2: {1: 2, 2: 1}}
    nothing = decide(world(lines, [apart[0], point(2, {1: 1, 2: 1})], policy=kept))
    assert not nothing.plan.parcels
    assert {one.why for one in nothing.plan.unfilled} == {explain.NOT_TOGETHER}
    shared = [line(1, product=1, quantity=2), line(2, product=1, quantity=2)]
    assert sent(decide(world(shared, [point(1, {1: 3})], policy=kept))) == {}
    assert sent(decide(world(shared, [point(1, {1: 4})], policy=kept))) == {1: {1: 2, 2: 2}}
