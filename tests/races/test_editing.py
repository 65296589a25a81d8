"""Edits at the same moment as other edits, shipping and canceling: one order of events, no loss."""

import pytest

from fulfillment import work
from fulfillment.models import FulfillmentOrder
from orders import cancellation, editing
from orders.models import Allocation, Order
from reports.invariants import violations
from tests.fulfillment import stage
from tests.races.crowd import at_once, deadlocks
from tests.routing import scenes

pytestmark = pytest.mark.django_db(transaction=True)


def add(order, sku, **more):
    actions = [{"type": "add_line", "sku": sku, "quantity": 1}]
    return lambda: editing.apply(order_id=order.pk, actions=actions, actor="x", **more)


def units(order):
    rows = Allocation.objects.filter(order=order).exclude(state="canceled")
    return sum(rows.values_list("quantity", flat=True))


def check():
    stage.drain()
    broken = {name: rows for name, rows in violations().items() if rows}
    assert not broken


def test_of_two_edits_for_the_same_version_one_wins_and_the_other_hears_of_it(live_company):
    order = live_company.place(("TEE", 1))
    calls = [add(order, sku, based_on=1) for sku in ("MUG", "BAG", "TEE", "CAP")]
    answers = at_once(*calls)
    lost = [a for a in answers if isinstance(a, editing.Stale)]
    assert len(lost) == 3
    assert Order.objects.get(pk=order.pk).version == 2
    assert units(order) == 2
    assert order.changes.count() == 1
    check()


def test_edits_without_a_version_all_count(live_company):
    order = live_company.place(("TEE", 1))
    answers = at_once(*[add(order, "MUG") for _ in range(4)])
    assert not [a for a in answers if isinstance(a, Exception)]
    assert Order.objects.get(pk=order.pk).version == 5
    assert order.versions.count() == 5
    check()


def test_units_are_shipped_or_taken_off_never_both(live_company):
    row = stage.asked(live_company, ("TEE", 2))
    stage.until(row, "packed")
    remove = [{"type": "remove", "line": 1}, {"type": "add_line", "sku": "MUG", "quantity": 1}]
    edited, shipped = at_once(
        lambda: editing.apply(order_id=row.order_id, actions=remove, actor="x"),
        lambda: work.ship(fulfillment_order_id=row.pk, carrier="ups", tracking_number="1",
                          actor="lea"),
    )  # fmt: skip
    assert isinstance(edited, Exception) != isinstance(shipped, Exception)
    left = Allocation.objects.filter(order=row.order, state="shipped").exists()
    assert left == isinstance(edited, editing.NotNow)
    check()


def test_an_order_is_canceled_or_edited_first_and_no_claim_is_lost(live_company):
    order = live_company.place(("TEE", 2))
    more = [{"type": "quantity", "line": 1, "quantity": 4}]
    edited, canceled = at_once(
        lambda: editing.apply(order_id=order.pk, actions=more, actor="x"),
        lambda: cancellation.cancel(order_id=order.pk, reason="customer", actor="lea"),
    )
    assert not isinstance(canceled, Exception)
    assert canceled.units == (2 if isinstance(edited, editing.NotNow) else 4)
    assert Order.objects.get(pk=order.pk).state == "canceled"
    assert not FulfillmentOrder.objects.filter(order=order, state="new").exists()
    check()


def test_edits_that_swap_the_same_products_of_many_orders_do_not_deadlock(live_company):
    stage.only(live_company, "LYON")
    for sku in ("TEE", "MUG"):  # enough that nobody has to wait for what another gives back
        scenes.bring(live_company, sku, "LYON", 3)
    before = deadlocks()
    there = [live_company.place(("TEE", 1)) for _ in range(3)]
    back = [live_company.place(("MUG", 1)) for _ in range(3)]
    swaps = [(order, "MUG") for order in there] + [(order, "TEE") for order in back]
    answers = at_once(*[
        lambda order=order, sku=sku: editing.apply(
            order_id=order.pk, actor="x",
            actions=[{"type": "substitute", "line": 1, "sku": sku}],
        )
        for order, sku in swaps
    ])  # fmt: skip
    assert not [a for a in answers if isinstance(a, Exception)], answers
    assert deadlocks() == before
    check()
