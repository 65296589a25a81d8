"""Accepting, refusing, picking by scan, packing."""

import pytest

from config.status import IllegalMove
from fulfillment import work
from fulfillment.models import FulfillmentLine, FulfillmentOrder
from orders import cancellation
from orders.models import Allocation
from routing.models import Refusal
from tests.fulfillment.stage import (
    ACTOR,
    asked,
    drain,
    kinds,
    only,
    shipped,
    statements,
    states,
    stock,
    until,
)


def accept(row):
    return work.accept(fulfillment_order_id=row.pk, actor=ACTOR)


def scan(row, code):
    return work.scan(fulfillment_order_id=row.pk, code=code, actor=ACTOR)


def refuse(row, **values):
    return work.refuse(
        **{"fulfillment_order_id": row.pk, "reason": "not_found", "actor": ACTOR, **values}
    )


def test_accepting_moves_the_slices_and_names_who_has_it(company):
    row = asked(company, ("BAG", 2))

    assert accept(row).changed

    row.refresh_from_db()
    assert (row.state, row.assigned_to) == ("accepted", ACTOR)
    assert states(row.order) == {"accepted": 2}


def test_accepting_twice_is_done_once(company):
    row = asked(company, ("BAG", 1))
    accept(row)

    assert not accept(row).changed
    assert kinds(row.order).count("fulfillment.accepted") == 1


def test_a_scan_counts_one_unit_by_barcode_or_sku_whatever_its_leading_zeros(company):
    row = asked(company, ("BAG", 3))
    accept(row)
    gtin = company.products["BAG"].gtin

    for code in (gtin, f" 00{gtin}\n", "bag"):
        scan(row, code)

    assert row.lines.get().picked == 3


def test_the_last_scan_finishes_picking(company):
    row = asked(company, ("BAG", 1), ("MUG", 1))
    accept(row)

    assert scan(row, "BAG").row.state == "accepted"
    assert scan(row, "MUG").row.state == "picked"
    assert states(row.order) == {"picked": 2}
    assert kinds(row.order)[-1] == "fulfillment.picked"


@pytest.mark.parametrize("code", ["MUG", "", "' OR 1=1", "9" * 64, "x" * 1000, "٣"])
def test_a_wrong_item_is_not_in_this_order(company, code):
    row = asked(company, ("BAG", 1))
    accept(row)

    with pytest.raises(work.NotInOrder, match="not in this order"):
        scan(row, code)
    assert row.lines.get().picked == 0


def test_one_unit_more_than_wanted_is_put_back(company):
    row = asked(company, ("BAG", 1), ("MUG", 1))
    accept(row)
    scan(row, "BAG")

    with pytest.raises(work.TooMany) as caught:
        scan(row, "BAG")
    assert (caught.value.sku, caught.value.wanted) == ("BAG", 1)


def test_scanning_before_accepting_is_refused(company):
    row = asked(company, ("BAG", 1))

    with pytest.raises(IllegalMove) as caught:
        scan(row, "BAG")
    assert caught.value.legal == ["accepted", "canceled", "refused"]


def test_packing_waits_for_the_last_unit(company):
    row = asked(company, ("BAG", 2))
    accept(row)
    scan(row, "BAG")

    with pytest.raises(IllegalMove):
        work.pack(fulfillment_order_id=row.pk, actor=ACTOR)


def test_packing_twice_is_done_once(company):
    row = until(asked(company, ("BAG", 2)), "packed")

    assert not work.pack(fulfillment_order_id=row.pk, actor=ACTOR).changed
    assert states(row.order) == {"packed": 2}


def test_refusing_everything_routes_it_elsewhere_and_never_back(company):
    only(company, "LYON", "PARIS")
    order = company.place(("BAG", 2))
    drain()
    first = FulfillmentOrder.objects.get(order=order)

    refuse(first, note="shelf is empty")
    drain()

    first.refresh_from_db()
    second = FulfillmentOrder.objects.exclude(pk=first.pk).get(order=order)
    assert first.state == "refused"
    assert second.location_id != first.location_id
    assert stock(company, "BAG", first.location.code) == (5, 0)
    assert stock(company, "BAG", second.location.code) == (5, 2)
    refusal = Refusal.objects.get()
    assert (refusal.quantity, refusal.reason, refusal.note) == (2, "not_found", "shelf is empty")
    refuse(second)
    drain()
    assert states(order) == {"queued": 2}


def test_refusing_twice_refuses_once(company):
    row = asked(company, ("BAG", 2))
    refuse(row)

    assert not refuse(row).changed
    assert Refusal.objects.count() == 1


def test_giving_one_of_two_splits_the_slice_and_keeps_the_rest(company):
    only(company, "LYON", "PARIS")
    order = company.place(("BAG", 2))
    drain()
    row = FulfillmentOrder.objects.get(order=order)
    accept(row)
    line = row.lines.get()

    refuse(row, keep={line.pk: 1}, reason="damaged")
    drain()

    line.refresh_from_db()
    row.refresh_from_db()
    assert (line.quantity, line.open, row.state) == (1, True, "accepted")
    assert states(order) == {"accepted": 1, "allocated": 1}
    assert sum(stock(company, "BAG", code)[1] for code in ("LYON", "PARIS")) == 2
    other = FulfillmentOrder.objects.exclude(pk=row.pk).get(order=order)
    assert other.lines.get().quantity == 1


def test_saying_again_what_can_be_given_changes_nothing(company):
    row = asked(company, ("BAG", 3))
    keep = {row.lines.get().pk: 1}
    refuse(row, keep=keep)

    assert not refuse(row, keep=keep).changed
    assert row.lines.get(open=True).quantity == 1


def test_lines_that_are_not_named_are_kept(company):
    row = asked(company, ("BAG", 1), ("MUG", 2))
    mug = row.lines.get(allocation__line__sku="MUG")

    refuse(row, keep={mug.pk: 0})

    assert [x.allocation.line.sku for x in row.lines.filter(open=True)] == ["BAG"]


def test_refusing_what_is_missing_finishes_picking_of_the_rest(company):
    row = asked(company, ("BAG", 2))
    accept(row)
    scan(row, "BAG")

    assert refuse(row, keep={row.lines.get().pk: 1}).row.state == "picked"


def test_a_line_of_other_work_cannot_be_refused_here(company):
    row = asked(company, ("BAG", 1))
    other = asked(company, ("BAG", 1))

    with pytest.raises(work.UnknownLine):
        refuse(row, keep={other.lines.get().pk: 0})


def test_what_is_packed_cannot_be_refused(company):
    row = until(asked(company, ("BAG", 1)), "packed")

    with pytest.raises(IllegalMove):
        refuse(row)


def test_an_unknown_reason_is_named(company):
    row = asked(company, ("BAG", 1))

    with pytest.raises(ValueError, match="bored"):
        refuse(row, reason="bored")


def test_a_canceled_order_is_taken_away_even_before_the_page_knows(company):
    row = asked(company, ("BAG", 1))
    cancellation.cancel(order_id=row.order_id, reason="customer", actor="test")

    with pytest.raises(work.TakenAway):
        accept(row)


def test_two_pickers_on_one_order_share_the_count(company):
    row = asked(company, ("BAG", 2))
    work.accept(fulfillment_order_id=row.pk, actor="lea")
    work.scan(fulfillment_order_id=row.pk, code="BAG", actor="lea")
    work.scan(fulfillment_order_id=row.pk, code="BAG", actor="max")

    row.refresh_from_db()
    assert (row.state, row.assigned_to) == ("picked", "lea")


def _cost_of_the_life(company, *items):
    row = asked(company, *items, at="WH")
    counts = {}
    for name, button in (("accept", work.accept), ("pick", work.pick_all), ("pack", work.pack)):
        with statements() as found:
            button(fulfillment_order_id=row.pk, actor=ACTOR)
        counts[name] = len(found)
    with statements() as found:
        shipped(row, f"T-{row.pk}")
    counts["ship"] = len(found)
    return counts


def test_statements_do_not_grow_with_lines(company):
    one = _cost_of_the_life(company, ("TEE", 1))
    many = _cost_of_the_life(company, *[(sku, 2) for sku in ("TEE", "MUG") for _ in range(10)])

    assert one == many
    assert one["accept"] <= 7
    assert one["pack"] <= 7


def test_an_accepted_line_stays_open_until_it_leaves(company):
    row = until(asked(company, ("BAG", 1)), "packed")
    assert FulfillmentLine.objects.get().open
    shipped(row)
    assert not FulfillmentLine.objects.get().open
    assert Allocation.objects.get().reservation_id is None
