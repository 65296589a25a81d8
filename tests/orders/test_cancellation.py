"""What is canceled, how late, by whom, in which parts, and what comes back for it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from config.models import OutboxRow
from fulfillment import work
from inventory import ledger
from inventory.models import Reservation, Stock
from orders import cancellation, holds, tasks
from orders.cancellation import CannotCancel, NothingToCancel, TooLate, UnknownLine
from orders.models import Allocation, Notification, Order, OrderBundle, OrderLine, SalesChannel
from reports.invariants import violations
from tests.fulfillment import stage
from tests.fulfillment.stage import asked, states, stock
from tests.orders.door import problem, send
from tests.orders.journeys import send_all
from tests.races.crowd import at_once


def cancel(order, **changes):
    values = {"reason": "customer", "actor": "lea"}
    return cancellation.cancel(order_id=order.pk, **(values | changes))


def check():
    assert not {name: rows for name, rows in violations().items() if rows}


def line(order, sku):
    return order.lines.get(sku=sku).pk


@pytest.fixture
def company(company):
    for sku in ("TEE", "BAG"):
        ledger.post([ledger.Entry(company.products[sku].pk, company.locations["LYON"].pk, "receipt",
                                  on_hand=100 - stock(company, sku, "LYON")[0])],
                    actor="test")  # fmt: skip
    return company


# --- whole orders --------------------------------------------------------------------------------


def test_every_place_gets_back_what_it_held(company):  # case 15
    order = company.place(("CAP", 2))
    assert [stock(company, "CAP", place) for place in ("LYON", "PARIS")] == [(1, 1), (1, 1)]
    assert cancel(order).units == 2
    assert [stock(company, "CAP", place) for place in ("LYON", "PARIS")] == [(1, 0), (1, 0)]
    order.refresh_from_db()
    assert order.state == "canceled"
    check()


def test_after_a_partial_shipment_only_the_rest_is_released(company):  # case 17
    row = asked(company, ("TEE", 10), ("BAG", 10))
    tee, bag = row.lines.order_by("id")
    work.refuse(fulfillment_order_id=row.pk, reason="too_busy", actor="lea",
                keep={tee.pk: 7, bag.pk: 6})  # fmt: skip
    stage.shipped(row)
    assert cancel(row.order).units == 7
    assert states(row.order) == {"shipped": 13, "canceled": 7}
    assert stock(company, "TEE", "LYON") == (93, 0)
    assert stock(company, "BAG", "LYON") == (94, 0)
    stage.drain()
    check()


def test_what_waits_without_a_claim_is_canceled_without_one(company):  # case 19
    SalesChannel.objects.update(on_shortage="queue")
    company.web.refresh_from_db()
    order = company.place(("SOLD", 2))
    assert cancel(order).units == 2
    assert not Reservation.objects.exists()
    check()


@pytest.mark.parametrize("step", ["new", "accepted", "picked", "packed"])
def test_whatever_was_begun_ends_and_the_shelf_is_whole(company, step):
    row = asked(company, ("BAG", 2))
    if step != "new":
        stage.until(row, step)
    cancel(row.order)
    stage.drain()
    row.refresh_from_db()
    assert (row.state, stock(company, "BAG", "LYON")) == ("canceled", (100, 0))
    check()


def test_what_has_left_cannot_be_canceled(company):
    row = asked(company, ("BAG", 1))
    stage.shipped(row)
    with pytest.raises(NothingToCancel, match="they are shipped"):
        cancel(row.order)
    assert stage.kinds(row.order).count("order.canceled") == 0


def test_canceled_twice_is_canceled_once(company):
    order = company.place(("BAG", 1))
    cancel(order)
    with pytest.raises(NothingToCancel, match="they are canceled"):
        cancel(order)
    assert stage.kinds(order).count("order.canceled") == 1


# --- lines and parts of lines --------------------------------------------------------------------


def test_one_line_goes_and_the_other_one_stays(company):
    order = company.place(("BAG", 2), ("TEE", 3))
    done = cancel(order, lines={line(order, "TEE"): 3}, reason="price")
    assert (done.units, done.kept) == (3, ())
    assert stock(company, "TEE", "LYON") == (100, 0)
    assert stock(company, "BAG", "LYON") == (100, 2)
    order.refresh_from_db()
    assert order.state == "open"
    assert set(order.allocations.values_list("line__sku", "state", "cancel_reason")) == {
        ("TEE", "canceled", "price"), ("BAG", "queued", ""),
    }  # fmt: skip
    check()


def test_one_of_two_packed_units_is_canceled_and_the_other_one_leaves(company):  # cases 107, 109
    row = stage.until(asked(company, ("TEE", 2)), "packed")
    cancel(row.order, lines={line(row.order, "TEE"): 1})
    assert states(row.order) == {"packed": 1, "canceled": 1}
    assert stage.shipped(row).lines.get().quantity == 1
    assert stock(company, "TEE", "LYON") == (99, 0)
    stage.drain()
    check()


def test_units_that_are_least_far_go_first(company):
    row = asked(company, ("TEE", 4))
    tee = row.lines.get()
    work.accept(fulfillment_order_id=row.pk, actor="lea")
    work.refuse(fulfillment_order_id=row.pk, reason="too_busy", actor="lea", keep={tee.pk: 2})
    cancel(row.order, lines={line(row.order, "TEE"): 3})
    assert states(row.order) == {"accepted": 1, "canceled": 3}


def test_all_or_nothing_unless_what_is_possible_is_wanted(company):
    order = company.place(("TEE", 2), ("BAG", 1))
    wanted = {line(order, "TEE"): 5, line(order, "BAG"): 1}
    with pytest.raises(CannotCancel, match="line 1: 3 are not there"):
        cancel(order, lines=wanted)
    assert states(order) == {"queued": 3}
    done = cancel(order, lines=wanted, partial=True)
    assert done.units == 3
    assert [(k.units, k.code) for k in done.kept] == [(3, "canceled")]


def test_a_line_of_another_order_is_unknown(company):
    other, order = company.place(("TEE", 1)), company.place(("TEE", 1))
    with pytest.raises(UnknownLine):
        cancel(order, lines={line(other, "TEE"): 1})
    assert states(other) == states(order) == {"queued": 1}


def test_a_reason_that_nobody_knows_cancels_nothing(company):
    order = company.place(("TEE", 1))
    with pytest.raises(ValueError, match="'mood' is no reason"):
        cancel(order, reason="mood")
    assert states(order) == {"queued": 1}


@pytest.fixture
def kit(company) -> Order:
    """Three kits of two TEEs and a BAG, and a MUG beside them."""
    order = company.place(("TEE", 6), ("BAG", 3), ("MUG", 1))
    tee, bag, _ = order.lines.order_by("position")
    bundle = OrderBundle.objects.create(
        order=order, position=tee.position, product=company.products["CAP"], sku="KIT", name="Kit",
        quantity=3, unit_price=Decimal(120), total=Decimal(360),
    )  # fmt: skip
    for component, part in enumerate((tee, bag), start=1):
        OrderLine.objects.filter(pk=part.pk).update(
            bundle=bundle, position=tee.position, component=component
        )
    return order


def test_a_bundle_takes_its_components_along_in_proportion(kit):
    position = kit.bundles.get().position
    assert cancel(kit, positions={position: 2}).units == 6
    left = Allocation.objects.filter(order=kit, state="queued")
    assert set(left.values_list("line__sku", "quantity")) == {("TEE", 2), ("BAG", 1), ("MUG", 1)}
    assert [(p.name, p.units) for p in cancellation.open_positions(kit)] == [("Kit", 1), ("Mug", 1)]
    check()


def test_no_more_bundles_go_than_all_their_parts_allow(kit):
    cancel(kit, lines={line(kit, "BAG"): 2})
    with pytest.raises(CannotCancel):
        cancel(kit, positions={kit.bundles.get().position: 2})
    done = cancel(kit, positions={kit.bundles.get().position: 2}, partial=True)
    assert (done.units, [k.units for k in done.kept]) == (3, [1])


# --- how late ------------------------------------------------------------------------------------

STEPS = ["queued", "allocated", "accepted", "picked", "packed"]


def at_step(company, step):
    if step == "queued":
        return company.place(("BAG", 1))
    row = asked(company, ("BAG", 1))
    return (row if step == "allocated" else stage.until(row, step)).order


@pytest.mark.parametrize("until", ["never", *STEPS])
@pytest.mark.parametrize("step", ["queued", "accepted", "packed"])
def test_a_channel_cancels_until_the_phase_it_may(company, until, step):
    SalesChannel.objects.update(cancel_until=until)
    order = at_step(company, step)
    if until in STEPS and STEPS.index(step) <= STEPS.index(until):
        assert cancel(order, by="channel").units == 1
        return
    with pytest.raises(TooLate) as caught:
        cancel(order, by="channel", partial=True)
    assert [(k.units, k.code) for k in caught.value.kept] == [(1, "too_late")]
    assert states(order) == {step: 1}
    assert cancel(order, by="staff").units == 1


@pytest.mark.parametrize(("until", "by"), [("soon", "channel"), ("", "customer"), ("queued", "me")])
def test_a_rule_or_a_caller_that_nobody_knows_cancels_nothing(company, until, by):
    SalesChannel.objects.update(cancel_until=until)
    order = at_step(company, "allocated")
    with pytest.raises(TooLate):
        cancel(order, by=by)


def test_what_waits_at_the_counter_is_canceled_until_it_leaves(company):
    row = stage.until(stage.for_pickup(company, ("BAG", 1)), "ready")
    SalesChannel.objects.update(cancel_until="picked")
    with pytest.raises(TooLate, match="ready for pick-up"):
        cancel(row.order, by="customer")
    SalesChannel.objects.update(cancel_until="packed")
    assert cancel(row.order, by="customer").units == 1


def test_units_too_far_stop_the_whole_unless_the_possible_is_wanted(company):
    SalesChannel.objects.update(cancel_until="allocated")
    row = asked(company, ("TEE", 2))
    tee = row.lines.get()
    stage.until(row, "accepted")
    work.refuse(fulfillment_order_id=row.pk, reason="too_busy", actor="lea", keep={tee.pk: 1})
    with pytest.raises(TooLate, match="are accepted"):
        cancel(row.order, by="channel")
    done = cancel(row.order, by="channel", partial=True)
    assert (done.units, [(k.units, k.code) for k in done.kept]) == (1, [(1, "too_late")])


# --- over REST -----------------------------------------------------------------------------------


def call(client, company, order, body, **headers):
    url = f"/api/v1/orders/{order.external_id}/cancel"
    return send(client, company, body, url=url, **headers)


def test_a_channel_cancels_some_units(client, company):
    order = company.place(("BAG", 2), ("TEE", 3))
    body = {"reason": "duplicate", "note": "by mistake", "lines": [{"line": 2, "quantity": 1}]}
    answer = call(client, company, order, body, **{"Idempotency-Key": "k1"})
    assert answer.json() == {
        "number": order.number, "canceled_units": 1, "requested_units": 0, "kept": [],
    }  # fmt: skip
    again = call(client, company, order, body, **{"Idempotency-Key": "k1"})
    assert again.json() == answer.json()
    assert states(order) == {"queued": 4, "canceled": 1}
    event = order.events.get(kind="order.canceled").data
    assert (event["reason"], event["note"]) == ("duplicate", "by mistake")


def test_words_in_place_of_a_reason_are_a_note(client, company):
    order = company.place(("BAG", 2))
    assert call(client, company, order, {"reason": "no longer loved"}).json()["canceled_units"] == 2
    event = order.events.get(kind="order.canceled").data
    assert (event["reason"], event["note"]) == ("other", "no longer loved")


def test_what_cannot_be_canceled_is_pointed_at(client, company):
    order = company.place(("BAG", 2), ("TEE", 3))
    cancel(order, lines={line(order, "BAG"): 2})
    lines = [{"line": 2, "quantity": 1}, {"line": 1, "quantity": 2}]
    body = problem(call(client, company, order, {"lines": lines}), 409, "not_all", "/lines/1")
    assert body["errors"][0]["code"] == "canceled"
    done = call(client, company, order, {"lines": lines, "partial": True}).json()
    assert (done["canceled_units"], done["kept"][0]["line"], done["kept"][0]["quantity"]) == (
        1, 1, 2,
    )  # fmt: skip
    lines[1]["line"] = 3
    problem(call(client, company, order, {"lines": lines}), 400, "invalid", "/lines/1/line")


def test_too_late_is_said_with_what_is_too_far(client, company):
    SalesChannel.objects.update(cancel_until="queued")
    order = at_step(company, "picked")
    body = problem(call(client, company, order, {}), 409, "too_late", "/")
    assert "1 are picked: too late" in body["detail"]
    cancel(order)
    problem(call(client, company, order, {}), 409, "nothing_to_cancel")


@pytest.mark.parametrize(("body", "pointer"), [
    ({"lines": []}, "/lines"),
    ({"lines": [{"line": 1, "quantity": 0}]}, "/lines/0/quantity"),
    ({"lines": [{"line": 1, "quantity": 1.5}]}, "/lines/0/quantity"),
    ({"lines": [{"line": 1}]}, "/lines/0/quantity"),
    ({"lines": [{"line": 1, "quantity": 1}] * 2}, "/lines"),
    ({"partial": "yes"}, "/partial"),
    ({"reasons": "customer"}, "/reasons"),
])  # fmt: skip
def test_a_wrong_body_cancels_nothing(client, company, body, pointer):
    order = company.place(("TEE", 1))
    problem(call(client, company, order, body), 400, "invalid", pointer)
    assert states(order) == {"queued": 1}


# --- from the page -------------------------------------------------------------------------------


def test_staff_cancel_items_from_the_page(company, console):
    order = company.place(("BAG", 2), ("TEE", 3))
    url = reverse("admin:orders_order_cancel_items", args=[order.pk])
    assert "at most 3" in console.get(url).content.decode()
    empty = console.post(url, {"reason": "stock", "note": ""}).content.decode()
    assert "Say of at least one item" in empty
    bag, tee = (row.position for row in order.lines.order_by("position"))
    form = {"reason": "stock", "note": "broken", f"units_{tee}": "2", f"units_{bag}": ""}
    assert console.post(url, form).status_code == 302
    assert states(order) == {"queued": 3, "canceled": 2}
    event = order.events.get(kind="order.canceled")
    assert (event.actor, event.data["reason"], event.data["note"]) == ("boss", "stock", "broken")


# --- the customer is told ------------------------------------------------------------------------


def test_each_cancellation_is_told_with_its_own_items_and_why(company, post):
    order = company.place(("BAG", 1), ("TEE", 3))
    cancel(order, lines={line(order, "TEE"): 2}, reason="stock", note="for us only")
    send_all()
    cancel(order, reason="customer")
    send_all()
    first, second = Notification.objects.filter(template="canceled").order_by("id")
    assert first.subject == f"Part of your Maestro Demo Company order {order.number} was canceled"
    assert "2 x Tee" in first.body
    assert "we do not have it any more" in first.body
    assert "for us only" not in first.body
    assert second.subject == f"Your Maestro Demo Company order {order.number} was canceled"
    assert "1 x Tee" in second.body
    assert "2 x Tee" not in second.body


# --- what stays unfillable -----------------------------------------------------------------------


@pytest.fixture
def unfillable(company) -> Order:
    """Two units that found no stock point six days ago, and one that did; five days are allowed."""
    SalesChannel.objects.update(on_shortage="queue", cancel_unfillable_days=5)
    company.web.refresh_from_db()
    order = company.place(("SOLD", 2), ("BAG", 1))
    stage.drain()
    Allocation.objects.filter(queue="unfillable").update(since=timezone.now() - timedelta(days=6))
    return order


def test_what_stays_unfillable_is_canceled_and_the_rest_goes_on(company, unfillable):
    newer = company.place(("SOLD", 1))
    stage.drain()
    tasks.cancel_unfillable()
    assert states(unfillable) == {"allocated": 1, "canceled": 2}
    assert states(newer) == {"queued": 1}
    event = unfillable.events.get(kind="order.canceled")
    assert (event.actor, event.data["reason"]) == ("system", "unfillable")
    assert OutboxRow.objects.filter(topic="notify", payload__event="order.canceled").count() == 1
    check()


def test_no_channel_without_days_and_nothing_on_hold_is_given_up(company, unfillable):
    holds.place(order_id=unfillable.pk, type="manual", handle="h", reason="r", actor="lea")
    assert cancellation.cancel_unfillable(timezone.now())["units"] == 0
    holds.resolve(hold_id=unfillable.holds.get().pk, actor="lea")
    SalesChannel.objects.update(cancel_unfillable_days=None)
    assert cancellation.cancel_unfillable(timezone.now())["units"] == 0
    SalesChannel.objects.update(cancel_unfillable_days=5)
    assert cancellation.cancel_unfillable(timezone.now()) == {"orders": 1, "units": 2, "failed": 0}


def test_an_order_that_fails_stops_no_other(company, unfillable, caplog):
    broken = company.place(("MUG", 1))  # keeps its claim, and the books lost count of it
    Allocation.objects.filter(order=broken).update(
        queue="unfillable", since=timezone.now() - timedelta(days=9)
    )
    Stock.objects.filter(product__sku="MUG").update(reserved=0)
    result = cancellation.cancel_unfillable(timezone.now())
    assert result == {"orders": 1, "units": 2, "failed": 1}
    assert f"order {broken.pk} could not be canceled" in caplog.text
    assert states(broken) == {"queued": 1}


# --- races ---------------------------------------------------------------------------------------


def test_the_same_units_are_canceled_once_by_two_people(live_company):
    for _ in range(3):
        order = live_company.place(("TEE", 3))
        calls = [lambda order=order: cancel(order, lines={line(order, "TEE"): 2})] * 2
        results = at_once(*calls)
        assert sorted(type(r).__name__ for r in results) == ["Canceled", "CannotCancel"]
        assert states(order) == {"queued": 1, "canceled": 2}
    check()
