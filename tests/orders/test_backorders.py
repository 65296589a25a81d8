"""Units that wait for supply: promised with a date, fed oldest first, taken from the newest."""

from datetime import timedelta

import pytest

from config import outbox
from config.models import OutboxRow
from inventory import ledger, supplies
from inventory.models import Reservation, Supplier, Supply
from orders import cancellation, capture
from orders.models import Order
from routing import queues
from tests.fulfillment import stage
from tests.orders.supply import TODAY, backordering, receive, settle, sound, stock, supply, units
from tests.races.crowd import at_once, deadlocks
from tests.races.test_last_units import buying


@pytest.fixture
def selling(company):
    """The web channel sells from Lyon alone and promises what is on its way."""
    return backordering(company)


@pytest.fixture
def live(live_company):
    return backordering(live_company)


def test_what_is_on_its_way_is_promised_with_its_date(selling):
    row = supply(selling, 3)
    order = selling.place(("SOLD", 2))
    assert units(order) == [(2, "backorder", None)]
    row.refresh_from_db()
    assert row.claimed == 2
    assert order.promised_at.date() >= row.eta + timedelta(days=2)  # put away, and a day's way
    stage.drain()
    assert units(order) == [(2, "backorder", None)]
    sound()


def test_an_older_order_is_fed_first_and_nothing_is_free_in_between(selling):  # case 55
    row = supply(selling, 5)
    first, second = selling.place(("SOLD", 3)), selling.place(("SOLD", 2))
    receive(row, 4)
    assert stock(selling).free == 0
    settle()
    assert units(first) == [(3, "routing", "LYON")]
    assert units(second) == [(1, "routing", "LYON"), (1, "backorder", None)]
    assert (stock(selling).free, row.claimed) == (0, 5)
    row.refresh_from_db()
    assert (row.claimed, row.received, row.state) == (1, 4, "open")
    stage.drain("route", "work")
    assert units(first) == [(3, "allocated", "LYON")]
    sound()


def test_the_oldest_are_fed_across_purchase_orders(selling):  # case 55
    late, soon = supply(selling, 3, reference="PO-1"), supply(selling, 2, reference="PO-2", days=20)
    first, second = selling.place(("SOLD", 3)), selling.place(("SOLD", 2))
    receive(soon, 2)
    settle()
    assert units(first) == [(2, "routing", "LYON"), (1, "backorder", None)]
    assert units(second) == [(2, "backorder", None)]
    late.refresh_from_db()
    assert late.claimed == 3
    assert set(second.allocations.values_list("reservation__supply", flat=True)) == {late.pk}
    soon.refresh_from_db()
    assert (soon.state, soon.claimed) == ("received", 0)
    sound()


def test_a_correction_downward_fills_nothing(selling):  # case 55
    supply(selling, 5)
    order = selling.place(("SOLD", 3))
    lyon, product = selling.locations["LYON"].pk, selling.products["SOLD"].pk
    ledger.post([ledger.Entry(product, lyon, "found", on_hand=1)], actor="t")
    ledger.post([ledger.Entry(product, lyon, "adjustment", on_hand=-1)], actor="t")
    assert queues.retry_due()["supplies"] == 0
    settle()
    assert units(order) == [(3, "backorder", None)]


def test_stock_that_turns_up_before_the_supply_goes_to_the_oldest(selling):
    row = supply(selling, 5)
    first, second = selling.place(("SOLD", 3)), selling.place(("SOLD", 2))
    lyon, product = selling.locations["LYON"].pk, selling.products["SOLD"].pk
    ledger.post([ledger.Entry(product, lyon, "adjustment", on_hand=4)], actor="t")
    assert queues.retry_due()["supplies"] == 1
    settle()
    assert units(first) == [(3, "routing", "LYON")]
    assert units(second) == [(1, "routing", "LYON"), (1, "backorder", None)]
    row.refresh_from_db()
    assert row.claimed == 1
    sound()


def test_refused_units_are_damaged_stock_and_cost_the_newest_their_promise(selling):
    boss = selling.user("boss")
    row = supply(selling, 5)
    Supply.objects.update(owner=boss)
    first, second = selling.place(("SOLD", 3)), selling.place(("SOLD", 2))
    receive(row, 5, refused=2)
    settle()
    there = stock(selling)
    assert (there.on_hand, there.damaged, there.free) == (5, 2, 0)
    assert units(first) == [(3, "routing", "LYON")]
    lost = second.allocations.get()
    assert (lost.queue, lost.owner, lost.reservation) == ("unfillable", boss, None)
    assert lost.next_action_at
    assert lost.queue_reason == "PO-1 brings fewer than were promised"
    row.refresh_from_db()
    assert (row.state, row.received, row.refused, row.claimed) == ("received", 5, 2, 0)
    sound()


def test_a_supply_that_shrinks_takes_from_the_newest_what_no_other_supply_covers(selling):
    row, other = supply(selling, 5), supply(selling, 3, reference="PO-2", days=30)
    first, second = selling.place(("SOLD", 2)), selling.place(("SOLD", 3))
    third = selling.place(("SOLD", 2))
    row.refresh_from_db()
    assert supplies.words_of_change(row, quantity=1).startswith("2 orders lose 4 units")
    supplies.change(row.pk, quantity=1, actor="t")
    settle()
    assert units(first) == [(1, "backorder", None), (1, "backorder", None)]
    assert [u[:2] for u in units(second)] == [(3, "unfillable")]
    assert units(third) == [(2, "backorder", None)]
    other.refresh_from_db()
    row.refresh_from_db()
    assert (row.claimed, other.claimed) == (1, 3)
    sound()


def test_a_canceled_supply_keeps_nothing_and_ends(selling):
    row = supply(selling, 5)
    order = selling.place(("SOLD", 2))
    receive(row, 1)
    settle()
    supplies.cancel(row.pk, actor="t")
    settle()
    row.refresh_from_db()
    assert (row.state, row.claimed, row.first_quantity) == ("received", 0, 5)
    assert [u[:2] for u in units(order)] == [(1, "routing"), (1, "unfillable")]
    with pytest.raises(supplies.Ended, match="PO-1 was received already"):
        supplies.cancel(row.pk, actor="t")
    sound()


def test_canceling_an_order_gives_the_promise_back(selling):
    row = supply(selling, 3)
    order = selling.place(("SOLD", 2))
    cancellation.cancel(order_id=order.pk, reason="customer", actor="t")
    row.refresh_from_db()
    assert (row.claimed, Reservation.objects.count()) == (0, 0)
    sound()


def test_an_order_canceled_while_its_units_are_held_leaves_them_to_the_next(selling):
    row = supply(selling, 5)
    first, second = selling.place(("SOLD", 3)), selling.place(("SOLD", 2))
    receive(row, 3)
    cancellation.cancel(order_id=first.pk, reason="customer", actor="t")
    settle()
    assert units(second) == [(2, "routing", "LYON")]
    assert stock(selling).free == 1
    sound()


def test_a_channel_that_back_orders_refuses_what_neither_stock_nor_supply_covers(selling):
    supply(selling, 1)
    with pytest.raises(capture.InsufficientStock, match="1 of 2 units of SOLD can be promised"):
        selling.place(("SOLD", 2))


def test_a_channel_that_queues_promises_what_is_on_its_way_and_queues_the_rest(company):
    backordering(company, "queue")
    supply(company, 1)
    order = company.place(("SOLD", 3))
    assert units(order) == [(2, "routing", None), (1, "backorder", None)]
    stage.drain()
    sound()


def test_a_channel_that_refuses_promises_nothing_that_is_not_there(company):
    backordering(company, "refuse")
    supply(company, 5)
    with pytest.raises(capture.InsufficientStock):
        company.place(("SOLD", 1))


def test_stock_goes_first_and_the_rest_waits(selling):
    supply(selling, 5, sku="BAG")
    order = selling.place(("BAG", 7))
    assert units(order) == [(5, "routing", "LYON"), (2, "backorder", None)]
    stage.drain()
    assert units(order) == [(5, "allocated", "LYON"), (2, "backorder", None)]
    sound()


def test_supplies_outside_the_pool_or_not_to_be_promised_are_left_alone(selling):
    supply(selling, 5, reference="PO-1", code="RIGA")
    supply(selling, 5, reference="PO-2", promisable=False)
    with pytest.raises(capture.InsufficientStock):
        selling.place(("SOLD", 1))


def test_an_oversell_limit_is_a_number(selling):  # case 13
    row = supply(selling, 3, reference="oversell", days=None, kind="oversell")
    orders = [selling.place(("SOLD", 1)) for _ in range(3)]
    with pytest.raises(capture.InsufficientStock):
        selling.place(("SOLD", 1))
    row.refresh_from_db()
    assert (row.claimed, orders[0].promised_at) == (3, None)
    sound()


# --- dates ---------------------------------------------------------------------------------------


def test_a_slip_moves_the_promise_once_and_says_so(selling):
    row = supply(selling, 5)
    order, early = selling.place(("SOLD", 2)), selling.place(("BAG", 1))
    before = order.promised_at
    for _ in range(2):
        supply(selling, 5, days=24)
        settle()
    order.refresh_from_db()
    assert (order.promised_at - before).days in (13, 14, 15)
    event = order.events.get(kind="promise.changed")
    assert event.data["reference"] == "PO-1"
    assert not early.events.filter(kind="promise.changed").exists()
    assert OutboxRow.objects.filter(topic="notify", subject=order.pk,
                                    payload__event="promise.changed").count() == 1  # fmt: skip
    row.refresh_from_db()
    assert row.first_eta == TODAY + timedelta(days=10)


def test_an_earlier_date_is_promised_only_when_nothing_else_is_open(selling):
    supply(selling, 9, sku="BAG", days=30)
    mixed, alone = selling.place(("BAG", 6)), selling.place(("BAG", 2))
    supply(selling, 9, sku="BAG", days=5)
    settle()
    assert Order.objects.get(pk=mixed.pk).promised_at == mixed.promised_at  # five are from stock
    assert Order.objects.get(pk=alone.pk).promised_at < alone.promised_at


def test_the_senders_usual_lateness_is_in_the_promise(selling):
    riga = selling.locations["RIGA"]
    supply(selling, 9, supplier=riga.pk)
    on_time = selling.place(("SOLD", 1)).promised_at
    Supplier.objects.create(location=riga, lines=5, days_late=3, days_late_p80=6.2)
    late = selling.place(("SOLD", 1)).promised_at
    assert 7 <= (late - on_time).days <= 9


def test_lateness_and_shortness_are_measured_when_a_line_closes(selling):
    riga = selling.locations["RIGA"]
    for n, days in enumerate((0, -2, -5)):
        row = supply(selling, 10, reference=f"PO-{n}", days=days, supplier=riga.pk)
        receive(row, 10 if n else 5, key=f"k{n}")
        supplies.cancel(row.pk, actor="t") if not n else None
    found = Supplier.objects.get(location=riga)
    assert (found.lines, found.days_late_p80) == (3, 5)
    assert found.days_late == pytest.approx(7 / 3)
    assert found.short == pytest.approx(5 / 30)


# --- at the same moment --------------------------------------------------------------------------


def test_eight_buyers_of_three_units_on_their_way_get_three(live):
    row = supply(live, 3)
    results = at_once(*[buying(live.web, ("SOLD", 1)) for _ in range(8)])
    names = sorted(type(r).__name__ for r in results)
    assert names == ["InsufficientStock"] * 5 + ["Placed"] * 3
    row.refresh_from_db()
    assert row.claimed == 3
    sound()


def test_an_oversell_limit_of_three_takes_three_of_four_at_once(live):  # case 13
    supply(live, 3, reference="oversell", days=None, kind="oversell")
    results = at_once(*[buying(live.web, ("SOLD", 1)) for _ in range(4)])
    assert sorted(type(r).__name__ for r in results) == ["InsufficientStock"] + ["Placed"] * 3
    sound()


def test_a_receipt_a_cancellation_and_a_buyer_at_once_lose_no_unit(live):
    for n in range(4):
        row = supply(live, 4, reference=f"PO-{n}")
        first, second = live.place(("SOLD", 2)), live.place(("SOLD", 2))
        results = at_once(
            lambda row=row: receive(row, 3),
            lambda first=first: cancellation.cancel(
                order_id=first.pk, reason="customer", actor="t"
            ),
            lambda row=row: outbox.drain("supply"),
            buying(live.web, ("SOLD", 1)),
        )
        assert not [r for r in results if isinstance(r, Exception)
                    and not isinstance(r, capture.InsufficientStock)], results  # fmt: skip
        stage.drain("supply", "route", "work")
        assert [u[1] for u in units(second)] == ["allocated"]
        sound()
        for order in Order.objects.filter(state="open"):
            cancellation.cancel(order_id=order.pk, reason="customer", actor="t")
        there = stock(live)
        ledger.post([ledger.Entry(there.product_id, there.location_id, "adjustment",
                                  on_hand=-there.on_hand)], actor="t")  # fmt: skip
        supplies.cancel(row.pk, actor="t")
        stage.drain("supply")


def test_shrinking_races_with_a_receipt_and_with_the_work_on_both(live):
    before = deadlocks()
    for n in range(4):
        row = supply(live, 5, reference=f"PO-{n}")
        orders = [live.place(("SOLD", 1)) for _ in range(5)]
        results = at_once(
            lambda row=row: receive(row, 2),
            lambda row=row: supplies.change(row.pk, quantity=3, actor="t"),
            lambda: outbox.drain("supply"),
            lambda: outbox.drain("supply"),
        )
        assert not [r for r in results if isinstance(r, Exception)], results
        stage.drain("supply")
        queues_ = [o.allocations.get().queue for o in orders]
        assert queues_ == ["routing", "routing", "backorder", "unfillable", "unfillable"]
        sound()
        for order in orders:
            cancellation.cancel(order_id=order.pk, reason="customer", actor="t")
        there = stock(live)
        ledger.post([ledger.Entry(there.product_id, there.location_id, "adjustment",
                                  on_hand=-there.on_hand)], actor="t")  # fmt: skip
        supplies.cancel(row.pk, actor="t")
    assert deadlocks() == before


def test_the_same_receipt_twice_at_once_is_booked_once(live):
    row = supply(live, 5)
    results = at_once(*[lambda: receive(row, 2, key="once") for _ in range(2)])
    assert sorted(results) == [[False], [True]]
    assert stock(live).on_hand == 2
    sound()
