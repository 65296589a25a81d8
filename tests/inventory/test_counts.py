"""Counting while the shop goes on selling: what is posted is the difference at that moment."""

from datetime import timedelta

import pytest

from config.status import IllegalMove
from fulfillment import work
from inventory import counts, ledger
from inventory.counts import Found
from inventory.models import (
    Count,
    CountEntry,
    Reservation,
    ShelfMove,
)
from tests.fulfillment.stage import asked, shipped, states, until
from tests.inventory.counting import BY, Shop, adjusted, all_hold, now
from tests.races.crowd import at_once
from tests.routing import scenes

# --- what was sold meanwhile ---------------------------------------------------------------------


def test_a_sale_between_counting_and_submitting_is_not_booked_twice(shop):  # case 45
    shop.move("TEE", 10)  # the books say 20
    count = shop.start("TEE")
    counted = now()
    shop.move("TEE", -2, kind="till_sale")
    shop.find(count, at=counted, TEE=20)
    shop.hand_in(count)

    assert shop.row(count, "TEE").difference == 0
    assert shop.row(count, "TEE").moved == -2
    shop.post(count)
    assert adjusted(count) == []
    assert shop.stock("TEE").on_hand == 18
    all_hold()


def test_a_sale_after_submitting_is_not_booked_twice_either(shop):
    count = shop.count(TEE=9)
    shop.move("TEE", -4, kind="till_sale")
    shop.accept_all(count)
    shop.post(count)

    assert adjusted(count) == [("TEE", -1)]
    assert shop.stock("TEE").on_hand == 5


def test_units_in_a_pickers_hands_are_not_missed_on_the_shelf(shop):
    row = until(asked(shop.company, ("TEE", 2), ("MUG", 1)), "picked")
    count = shop.start("TEE")
    shop.find(count, TEE=8)
    shop.hand_in(count)

    line = shop.line(count, "TEE")
    assert (line.expected, line.off_shelf, line.decision) == (10, 2, "accept")
    shipped(row)
    shop.post(count)
    assert shop.stock("TEE").on_hand == 8
    all_hold()


@pytest.mark.parametrize("picked_first", [True, False])
def test_what_was_in_hand_is_known_as_of_the_moment_of_counting(shop, picked_first):
    """A figure that arrives after the parcel left, from a device that was offline."""
    row = until(asked(shop.company, ("TEE", 2)), "accepted")
    count = shop.start("TEE")
    if picked_first:
        until(row, "picked")
    counted = now()
    shipped(row)
    shop.find(count, at=counted, TEE=8 if picked_first else 10)

    line = shop.line(count, "TEE")
    assert (line.expected, line.off_shelf) == (10, 2 if picked_first else 0)
    assert shop.row(count, "TEE").difference == 0


def test_units_that_were_put_back_are_on_the_shelf_again(shop):
    row = until(asked(shop.company, ("TEE", 2)), "picked")
    assert set(Reservation.objects.values_list("off_shelf", flat=True)) == {True}
    count = shop.start("TEE", "MUG")
    line = row.lines.get()
    work.refuse(fulfillment_order_id=row.pk, reason="too_busy", keep={line.pk: 1}, actor=BY)
    shop.find(count, TEE=9)

    assert shop.line(count, "TEE").off_shelf == 1
    assert shop.row(count, "TEE").difference == 0


def test_what_was_in_hand_is_remembered_while_a_count_may_ask(shop):
    count = shop.start("TEE")
    shipped(until(asked(shop.company, ("TEE", 2)), "picked"))
    assert list(ShelfMove.objects.order_by("id").values_list("units", flat=True)) == [2, -2]
    later = now() + timedelta(days=3)
    assert counts.forget(later) == 0
    counts.cancel(count_id=count.pk, actor="max")
    assert counts.forget(later) == 2


def test_a_line_of_which_all_units_were_scanned_is_in_hand(shop):
    row = until(asked(shop.company, ("TEE", 1), ("MUG", 1)), "accepted")
    work.scan(fulfillment_order_id=row.pk, code="TEE", actor=BY)
    count = shop.start("TEE", "MUG")
    shop.find(count, TEE=9, MUG=5)

    assert {row.sku: row.difference for row in counts.rows(count)} == {"TEE": 0, "MUG": 0}


# --- what a count does to the books --------------------------------------------------------------


def test_a_count_below_the_promise_routes_the_newest_orders_again(shop):  # case 47
    old, new = (asked(shop.company, ("BAG", n)) for n in (3, 2))
    count = shop.count(BAG=3)
    shop.accept_all(count)
    shop.post(count)
    scenes.work("shortage", "route")

    assert (shop.stock("BAG").on_hand, shop.stock("BAG").reserved, shop.stock("BAG").free) == (
        3, 3, 0)  # fmt: skip
    assert states(old.order) == {"allocated": 3}
    assert states(new.order) == {"queued": 2}
    all_hold()


def test_the_first_unit_of_a_product_makes_its_row_and_nothing_cannot_be_lost(shop):  # case 53
    count = shop.start("TEE")
    outcome = shop.find(count, TEE=10, SOLD=1)[1]
    assert (outcome.result, outcome.added) == ("counted", True)
    shop.hand_in(count)
    shop.accept_all(count)
    shop.post(count)
    assert shop.stock("SOLD").on_hand == 1

    none = shop.start("TEE", "SOLD")
    shop.move("SOLD", -1)
    shop.find(none, TEE=10, SOLD=0)
    shop.hand_in(none)
    shop.post(none)
    assert shop.stock("SOLD").on_hand == 0
    all_hold()


def test_what_a_picker_did_not_find_comes_back_or_leaves_with_the_count(shop):
    row = asked(shop.company, ("BAG", 2))
    work.refuse(fulfillment_order_id=row.pk, reason="not_found", actor=BY)
    assert shop.stock("BAG").missing == 2

    count = Count.objects.get(location=shop.place)
    assert [line.product.sku for line in count.lines.all()] == ["BAG"]
    shop.find(count, BAG=4)  # one of the two lay elsewhere
    shop.hand_in(count)
    shop.accept_all(count)
    shop.post(count)

    stock = shop.stock("BAG")
    assert (stock.on_hand, stock.missing, stock.free) == (4, 0, 4)
    assert stock.counted_at == CountEntry.objects.get().counted_at
    all_hold()


def test_what_was_missed_after_the_count_stays_missing(shop):
    count = shop.count(BAG=5)
    row = asked(shop.company, ("BAG", 2))
    work.refuse(fulfillment_order_id=row.pk, reason="not_found", actor=BY)
    shop.post(count)

    assert (shop.stock("BAG").on_hand, shop.stock("BAG").missing) == (5, 2)
    assert Count.objects.filter(state="created", lines__product__sku="BAG").exists()


def test_no_more_is_unavailable_than_is_there(shop):
    ledger.post([ledger.Entry(shop.sku("BAG"), shop.place.pk, "block", unavailable=units,
                              bucket=bucket) for bucket, units in
                 {"damaged": 2, "quarantine": 2}.items()], actor="test")  # fmt: skip
    count = shop.count(BAG=1)
    shop.accept_all(count)
    shop.post(count)

    stock = shop.stock("BAG")
    assert (stock.on_hand, stock.damaged, stock.quarantine) == (1, 1, 0)
    scenes.work("shortage")
    all_hold()


def test_a_count_that_cannot_be_right_is_not_posted(shop):
    count = shop.count(BAG=1)
    shop.accept_all(count)
    shop.move("BAG", -3)
    with pytest.raises(counts.Impossible, match="BAG"):
        shop.post(count)
    assert shop.stock("BAG").on_hand == 2
    count.refresh_from_db()
    assert count.state == "review"


def test_posting_twice_posts_once(shop):
    count = shop.count(TEE=9)
    shop.accept_all(count)
    assert shop.post(count) is True
    assert shop.post(count) is False
    assert adjusted(count) == [("TEE", -1)]


def test_two_who_post_at_the_same_moment_post_once(live_company):
    shop = Shop(live_company)
    count = shop.count(TEE=7)
    shop.accept_all(count)

    answers = at_once(*[lambda: shop.post(count)] * 4)

    assert sorted(answers) == [False, False, False, True]
    assert shop.stock("TEE").on_hand == 7
    all_hold()


def test_what_nobody_decided_leaves_the_books_as_they_are(shop):
    count = shop.count(TEE=1, MUG=5)
    shop.post(count)

    assert adjusted(count) == []
    assert shop.line(count, "TEE").decision == "reject"
    assert shop.line(count, "MUG").decision == "accept"
    assert shop.stock("TEE").counted_at is None
    assert shop.stock("MUG").counted_at is not None


# --- asking --------------------------------------------------------------------------------------


def test_asking_is_once_per_key_and_joins_the_count_that_waits(shop):
    def ask(key, *skus):
        counts.request(location=shop.place.pk, products=[shop.sku(sku) for sku in skus],
                       cause="refused: not found", key=key)  # fmt: skip

    def lines():
        return [sorted(c.lines.values_list("product__sku", flat=True))
                for c in Count.objects.order_by("id")]  # fmt: skip

    ask("one", "TEE")
    ask("one", "MUG")
    ask("two", "TEE", "BAG")
    assert lines() == [["BAG", "TEE"]]

    count = Count.objects.get()
    shop.find(count, TEE=10)  # it is being counted now
    ask("three", "BAG")  # nobody counted it yet: it is going to be
    ask("four", "TEE")
    assert lines() == [["BAG", "TEE"], ["TEE"]]


def test_a_count_is_opened_once_per_key_and_a_full_one_once_per_place(shop):
    first = shop.start("TEE", key="k")
    assert shop.start("TEE", key="k") == first
    full = shop.start(kind="full")
    with pytest.raises(counts.FullCountOpen):
        shop.start(kind="full")
    counts.cancel(count_id=full.pk, actor="max")
    assert shop.start(kind="full") != full


@pytest.mark.parametrize(("products", "sections"), [
    ((), ("Aisle",)), (("TEE",), ()), (("TEE",), ("A", "A ")), (("TEE",), ("x" * 61,)),
    (("TEE",), ("\x00",)),
])  # fmt: skip
def test_a_count_has_products_and_sections_with_names(shop, products, sections):
    with pytest.raises(ValueError, match=r"name|products"):
        shop.start(*products, sections=sections)


def test_a_full_count_is_of_all_that_the_books_have_there(shop):
    count = shop.start(kind="full")
    skus = set(count.lines.values_list("product__sku", flat=True))
    assert skus == {"TEE", "MUG", "BAG", "CAP"}


def test_those_who_doubt_at_the_same_moment_open_one_count(live_company):
    shop = Shop(live_company)

    def ask(sku, key):
        return lambda: counts.request(location=shop.place.pk, products=[shop.sku(sku)],
                                      cause="refused: not found", key=key)  # fmt: skip

    wanted = [ask("TEE", "a"), ask("TEE", "a"), ask("MUG", "b"), ask("BAG", "c")]
    assert at_once(*wanted) == [None] * 4

    lines = Count.objects.get().lines.values_list("product__sku", flat=True)
    assert sorted(lines) == ["BAG", "MUG", "TEE"]


# --- counting ------------------------------------------------------------------------------------


def test_an_entry_is_the_sections_figure_and_the_newest_counts(shop):
    count = shop.start("TEE", sections=("Aisle", "Back room"))
    aisle, back = count.sections.order_by("id")
    first = now()
    assert shop.find(count, at=first, TEE=3)[0].result == "counted"
    assert shop.find(count, at=first, TEE=3)[0].result == "same"
    shop.find(count, at=first + timedelta(milliseconds=1), TEE=4)
    assert shop.find(count, at=first, TEE=3)[0].result == "older"
    shop.find(count, section=back, TEE=6)

    assert CountEntry.objects.get(section=aisle).found == 4
    assert shop.row(count, "TEE").found == 10
    assert shop.row(count, "TEE").sections == "Aisle 4, Back room 6"


def test_one_bad_row_stops_no_other(shop):
    count = shop.start("TEE")
    section = count.sections.get()
    gtin = shop.company.products["MUG"].gtin
    entries = [
        Found("tee", 1, now()), Found("00" + gtin, 2, now()), Found("NOPE", 1, now()),
        Found("TEE", -1, now()), Found("TEE", 10**7, now()),
        Found("TEE", 1, now() + timedelta(hours=1)), Found("TEE", 1, now() - timedelta(days=1)),
        Found("\x00", 1, now()), Found("TEE", 5, now()),
    ]  # fmt: skip
    outcomes = counts.record(section_id=section.pk, entries=entries, by=BY)

    assert [o.result for o in outcomes] == ["older", "counted", *["failed"] * 6, "counted"]
    assert all(o.words for o in outcomes if o.result == "failed")
    assert shop.row(count, "TEE").found == 5


def test_a_section_is_in_one_pair_of_hands(shop):
    count = shop.start("TEE")
    section = count.sections.get()
    counts.take(section_id=section.pk, by="lea")
    with pytest.raises(counts.InOtherHands, match="lea"):
        counts.take(section_id=section.pk, by="max")
    counts.take(section_id=section.pk, by="max", over=True)
    with pytest.raises(counts.InOtherHands, match="max"):
        shop.find(count, by="lea", TEE=1)
    with pytest.raises(counts.InOtherHands):
        counts.submit_section(section_id=section.pk, by="lea")
    counts.leave(section_id=section.pk, by="max")
    assert shop.find(count, by="lea", TEE=1)[0].result == "counted"


def test_two_who_take_a_section_at_the_same_moment_do_not_both_have_it(live_company):
    shop = Shop(live_company)
    section = shop.start("TEE").sections.get()

    answers = at_once(*[lambda by=by: counts.take(section_id=section.pk, by=by)
                        for by in ("lea", "max", "ana")])  # fmt: skip

    assert sorted(type(answer).__name__ for answer in answers) == [
        "CountSection", "InOtherHands", "InOtherHands"]  # fmt: skip


def test_what_was_handed_in_is_taken_again_before_it_changes(shop):
    count = shop.start("TEE")
    section = count.sections.get()
    shop.find(count, TEE=1)
    counts.submit_section(section_id=section.pk, by=BY)
    counts.submit_section(section_id=section.pk, by=BY)
    with pytest.raises(counts.SectionClosed):
        shop.find(count, TEE=2)
    counts.take(section_id=section.pk, by="max")
    shop.find(count, by="max", TEE=2)
    assert shop.row(count, "TEE").found == 2


def test_a_count_is_handed_in_when_its_sections_are(shop):
    count = shop.start("TEE", sections=("Aisle", "Back room"))
    with pytest.raises(IllegalMove):
        counts.submit(count_id=count.pk, by=BY)
    shop.find(count, TEE=10)
    with pytest.raises(counts.SectionsOpen, match="Aisle, Back room"):
        counts.submit(count_id=count.pk, by=BY)
    shop.hand_in(count)
    assert counts.submit(count_id=count.pk, by=BY).state == "review"
    with pytest.raises(IllegalMove):
        shop.find(count, TEE=9)


def test_a_count_of_nothing_is_not_handed_in(shop):
    count = shop.start("TEE")
    with pytest.raises(counts.NothingCounted):
        shop.hand_in(count)


def test_a_full_count_asks_before_it_takes_what_was_not_found_for_gone(shop):
    count = shop.start(kind="full")
    shop.find(count, TEE=10, MUG=5)
    with pytest.raises(counts.Uncounted, match="2 products"):
        shop.hand_in(count)
    shop.hand_in(count, rest_is_zero=True)
    shop.accept_all(count)
    shop.post(count)

    assert adjusted(count) == [("BAG", -5), ("CAP", -1)]
    all_hold()


def test_what_a_selective_count_did_not_count_stays_as_it_is(shop):
    count = shop.start("TEE", "MUG")
    shop.find(count, TEE=10)
    shop.hand_in(count)
    assert counts.sums(count).uncounted_open == 1
    assert counts.decide(count_id=count.pk, decision="accept", by="max",
                         lines=[shop.line(count, "MUG").pk]) == 0  # fmt: skip
    shop.post(count)
    assert shop.stock("MUG").on_hand == 5
    assert shop.line(count, "MUG").decision == "reject"
    all_hold()
