"""Counts: what is decided about differences, and what is counted next."""

import pytest

from config.status import IllegalMove
from inventory import counts, ledger
from tests.inventory.counting import all_hold

# --- review --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("units", "percent", "accepted"), [
    (0, 0, {"BAG"}), (1, 0, {"BAG", "MUG"}), (0, 20, {"BAG", "MUG"}), (3, 0, {"BAG", "MUG", "TEE"}),
    (0, 30, {"BAG", "MUG", "TEE"}),
])  # fmt: skip
def test_differences_inside_the_tolerance_need_no_decision(shop, units, percent, accepted):
    count = shop.start("TEE", "MUG", "BAG", tolerance_units=units, tolerance_percent=percent)
    shop.find(count, TEE=13, MUG=4, BAG=5)
    shop.hand_in(count)

    lines = count.lines.filter(decision="accept", decided_by="tolerance")
    assert set(lines.values_list("product__sku", flat=True)) == accepted


def test_the_ladder_says_what_each_threshold_would_do(shop):
    count = shop.count(TEE=8, MUG=4, BAG=10, CAP=1)

    steps = [(s.units, s.accept_lines, s.accept_units, s.again_lines, s.again_units)
             for s in counts.ladder(count)]  # fmt: skip
    assert steps == [(1, 1, 1, 2, 7), (2, 2, 3, 1, 5), (5, 3, 8, 0, 0)]
    assert str(counts.ladder(count)[0].accept_value) == "9.50"
    sums = counts.sums(count)
    assert (sums.lines, sums.differing, sums.open, sums.more, sums.less) == (4, 3, 3, 5, 3)

    assert counts.decide_up_to(count_id=count.pk, units=2, by="max") == (2, 1)
    count.refresh_from_db()
    assert count.state == "counting"


def test_a_line_is_counted_again_where_it_was_found_and_the_first_figure_is_kept(shop):
    count = shop.start("TEE", "MUG", sections=("Aisle", "Back room"))
    aisle, back = count.sections.order_by("id")
    shop.find(count, MUG=2, section=aisle)
    shop.find(count, TEE=7, section=back)
    shop.hand_in(count)
    counts.decide(count_id=count.pk, lines=[shop.line(count, "MUG").pk], decision="reject", by="m")
    assert counts.recount(count_id=count.pk, lines=[shop.line(count, "TEE").pk], by="max") == 1

    assert [s.submitted_at is None for s in count.sections.order_by("id")] == [False, True]
    assert shop.row(count, "TEE").found is None
    shop.find(count, TEE=10, section=back, by="max")
    shop.hand_in(count)
    row = shop.row(count, "TEE")
    assert (row.first_found, row.found, row.decision) == (7, 10, "accept")
    assert shop.row(count, "MUG").decision == "reject"
    shop.post(count)
    all_hold()


def test_a_decision_is_taken_in_review_only(shop):
    count = shop.start("TEE")
    line = [shop.line(count, "TEE").pk]
    with pytest.raises(IllegalMove):
        counts.decide(count_id=count.pk, lines=line, decision="accept", by="max")
    with pytest.raises(IllegalMove):
        counts.recount(count_id=count.pk, lines=line, by="max")
    with pytest.raises(ValueError, match="recount"):
        counts.decide(count_id=count.pk, lines=line, decision="recount", by="max")
    with pytest.raises(IllegalMove):
        shop.post(count)
    counts.cancel(count_id=count.pk, actor="max")
    with pytest.raises(IllegalMove):
        shop.find(count, TEE=1)


def test_a_canceled_count_changes_nothing(shop):
    count = shop.count(TEE=1)
    counts.cancel(count_id=count.pk, actor="max")
    counts.cancel(count_id=count.pk, actor="max")
    with pytest.raises(IllegalMove):
        shop.post(count)
    assert shop.stock("TEE").on_hand == 10


def test_statements_do_not_grow_with_the_lines(shop, django_assert_max_num_queries):
    count = shop.start("TEE", "MUG", "BAG", "CAP")
    with django_assert_max_num_queries(12):
        shop.find(count, TEE=1, MUG=1, BAG=1, CAP=0)
    shop.hand_in(count)
    shop.accept_all(count)
    with django_assert_max_num_queries(16):
        shop.post(count)


# --- what to count next --------------------------------------------------------------------------


def proposed(shop, **options):
    return {p.sku: p for p in counts.proposal(location=shop.place.pk, **options)}


def test_what_moves_most_and_holds_most_is_counted_first(shop):
    for _ in range(5):
        shop.move("MUG", 1)
        shop.move("MUG", -1)
    ranked = [p.sku for p in counts.proposal(location=shop.place.pk)]
    assert ranked == ["MUG", "TEE", "BAG", "CAP"]
    mug = proposed(shop)["MUG"]
    assert mug.movements == 12  # opening, ten moves, and one for never counted
    assert mug.chance == pytest.approx(1 - 0.99**12)
    assert mug.at_risk == pytest.approx(5 * mug.chance)


def test_what_was_not_found_comes_first(shop):
    ledger.post([ledger.Entry(shop.sku("CAP"), shop.place.pk, "block", unavailable=1,
                              bucket="missing")], actor="test")  # fmt: skip
    cap = proposed(shop)["CAP"]
    assert (cap.free, cap.missing) == (0, 1)
    assert cap.chance > 0.5
    assert next(iter(proposed(shop))) == "CAP"


def test_what_was_counted_and_what_is_being_counted_is_not_proposed(shop):
    count = shop.count(TEE=10)
    assert "TEE" not in proposed(shop)
    shop.post(count)
    assert "TEE" not in proposed(shop)
    shop.move("TEE", -1)
    assert proposed(shop)["TEE"].movements == 1


def test_the_error_rate_is_learned_from_the_places_own_counts(shop):
    for _ in range(9):
        shop.move("TEE", 1)
    count = shop.count(TEE=3)
    shop.accept_all(count)
    shop.post(count)
    # one line was wrong, after ten movements
    assert proposed(shop)["BAG"].rate == pytest.approx((1 + 1) / (100 + 10))


def test_the_proposal_is_one_statement(shop, django_assert_num_queries):
    with django_assert_num_queries(1):
        counts.proposal(location=shop.place.pk, limit=2)
    assert len(proposed(shop, limit=2)) == 2
