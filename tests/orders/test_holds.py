"""What blocks an order or some of its units, who may say so, and who may end it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from config.models import OutboxRow
from config.status import IllegalMove
from fulfillment import work
from fulfillment.models import FulfillmentOrder
from orders import cancellation, holds, lifecycle, tasks
from orders.models import Allocation, Hold, OrderEvent
from tests.fulfillment import stage
from tests.fulfillment.stage import asked, statements, states
from tests.orders.door import problem, read, send
from tests.races.crowd import at_once
from tests.routing import scenes


def hold(order, handle="fraud:1", **changes):
    values = {"type": "fraud", "reason": "odd address", "actor": "lea"}
    return holds.place(order_id=order.pk, handle=handle, **(values | changes))


def slice_of(order, sku):
    return order.allocations.get(line__sku=sku)


# --- whole orders --------------------------------------------------------------------------------


def test_an_order_on_hold_is_not_routed_until_the_last_hold_is_resolved(company):
    stage.only(company, "LYON")
    order = company.place(("BAG", 1))
    first, second = hold(order), hold(order, "address:1", type="address")
    stage.drain()
    assert states(order) == {"queued": 1}
    holds.resolve(hold_id=first.pk, actor="max")
    stage.drain()
    assert holds.blocking(order.pk, "route") == [second]
    assert states(order) == {"queued": 1}
    scenes.check()
    holds.resolve(hold_id=second.pk, actor="max")
    stage.drain()
    assert states(order) == {"allocated": 1}
    second.refresh_from_db()
    assert (second.state, second.resolved_by) == ("resolved", "max")


def test_a_hold_on_shipping_stops_the_parcel_and_nothing_before_it(company):
    row = asked(company, ("BAG", 1))
    placed = hold(row.order, blocks=["ship"])
    stage.until(row, "packed")
    with pytest.raises(work.OnHold, match="odd address"):
        stage.shipped(row)
    assert not holds.blocking(row.order_id, "route")
    holds.resolve(hold_id=placed.pk, actor="max")
    assert stage.shipped(row)


def test_routed_units_are_not_asked_for_while_a_hold_forbids_it(company):
    stage.only(company, "LYON")
    order = company.place(("BAG", 1))
    placed = hold(order, blocks=["release"])
    stage.drain()
    assert states(order) == {"allocated": 1}
    assert not FulfillmentOrder.objects.exists()
    holds.resolve(hold_id=placed.pk, actor="max")
    stage.drain()
    assert FulfillmentOrder.objects.get().state == "new"


def test_one_handle_is_placed_once_and_stays_resolved(company):
    order = company.place(("BAG", 1))
    placed = hold(order)
    assert hold(order, reason="again").pk == placed.pk
    holds.resolve(hold_id=placed.pk, actor="max")
    assert hold(order).state == "resolved"
    assert not holds.blocking(order.pk, "ship")
    assert stage.kinds(order).count("hold.opened") == 1


def test_a_handle_opens_again_only_when_that_is_said(company):
    order = company.place(("BAG", 1))
    placed = hold(order, "balance", type="payment", reason="10.00 to pay")
    holds.resolve(hold_id=placed.pk, actor="max")
    again = hold(order, "balance", type="payment", reason="12.00 to pay", again=True)
    assert (again.pk, again.state, again.resolved_by) == (placed.pk, "open", "")
    assert holds.blocking(order.pk, "ship") == [again]
    assert hold(order, "balance", type="payment", reason="9.00", again=True).reason == "9.00"
    assert stage.kinds(order).count("hold.opened") == 2


def test_a_hold_is_resolved_once(company):
    placed = hold(company.place(("BAG", 1)))
    holds.resolve(hold_id=placed.pk, actor="max")
    with pytest.raises(IllegalMove, match="is resolved"):
        holds.resolve(hold_id=placed.pk, actor="max")
    assert OrderEvent.objects.filter(kind="hold.resolved").count() == 1


def test_holds_end_with_their_order_and_an_ended_order_takes_none(company):
    order = company.place(("BAG", 1))
    hold(order)
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    assert Hold.objects.get().state == "canceled"
    with pytest.raises(holds.OrderEnded, match="is canceled"):
        hold(order, "fraud:2")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"type": "mood"}, "no type of hold"), ({"blocks": ["lunch"]}, "not lunch"),
     ({"blocks": []}, "blocks some of"), ({"slices": [1]}, "not all of the slices")],
)  # fmt: skip
def test_what_nobody_knows_is_no_hold(company, wrong, words):
    order = company.place(("BAG", 1))
    with pytest.raises(ValueError, match=words):
        hold(order, **wrong)
    assert not Hold.objects.exists()


# --- some units ----------------------------------------------------------------------------------


def test_only_the_units_on_hold_wait_while_the_others_are_routed(company):
    stage.only(company, "LYON")
    order = company.place(("BAG", 1), ("TEE", 2))
    placed = hold(order, slices=[slice_of(order, "BAG").pk])
    stage.drain()
    assert scenes.waiting(order) == [("routing", "on hold: odd address", 1)]
    assert slice_of(order, "TEE").state == "allocated"
    assert FulfillmentOrder.objects.get().lines.count() == 1
    holds.resolve(hold_id=placed.pk, actor="max")
    stage.drain()
    assert states(order) == {"allocated": 3}
    scenes.check()


def test_units_on_hold_keep_their_claim_when_others_of_the_product_are_routed(company):
    stage.only(company, "LYON")
    order = company.place(("BAG", 5))  # all that Lyon has
    kept = lifecycle.split_slice(order.allocations.get(), quantity=2)
    hold(order, slices=[kept.pk])
    stage.drain()
    assert scenes.places(order) == {("allocated", "LYON"): 3, ("queued", "LYON"): 2}
    assert scenes.claimed(order) == {"LYON": 5}
    scenes.check()


def test_only_the_parcel_with_units_on_hold_stays(company):
    order = company.place(("CAP", 2))  # one in Lyon, one in Paris
    stage.drain()
    lyon, paris = FulfillmentOrder.objects.order_by("location__code")
    for row in (lyon, paris):
        stage.until(row, "packed")
    hold(order, blocks=["ship"], slices=[paris.lines.get().allocation_id])
    assert stage.shipped(lyon)
    with pytest.raises(work.OnHold):
        stage.shipped(paris, "1Z-2")


def test_what_is_cut_off_a_slice_on_hold_is_on_hold(company):
    row = asked(company, ("BAG", 3))
    placed = hold(row.order, blocks=["ship"], slices=[row.lines.get().allocation_id])
    line = row.lines.get()
    work.refuse(fulfillment_order_id=row.pk, reason="too_busy", actor="lea", keep={line.pk: 1})
    placed.refresh_from_db()
    assert sorted(placed.slices) == sorted(row.order.allocations.values_list("pk", flat=True))
    assert len(placed.slices) == 2


# --- by the clock --------------------------------------------------------------------------------


def test_holds_end_by_the_clock_in_two_statements_however_many(company):
    stage.only(company, "LYON")
    now = timezone.now()
    orders = [company.place(("TEE", 1)) for _ in range(3)]
    for order in orders:
        hold(order, "day", type="scheduled", release_at=now - timedelta(hours=1))
    later = hold(orders[0], "later", type="scheduled", release_at=now + timedelta(hours=1))
    with statements() as made:
        assert holds.release_due(now) == 3
    assert len(made) == 2
    assert holds.release_due(now) == 0
    assert set(Hold.objects.values_list("handle", "state", "resolved_by")) == {
        ("day", "resolved", "clock"), ("later", "open", ""),
    }  # fmt: skip
    stage.drain()
    assert [states(order) for order in orders] == [
        {"queued": 1}, {"allocated": 1}, {"allocated": 1},
    ]  # fmt: skip
    assert holds.blocking(orders[0].pk, "route") == [later]


def test_the_timetable_releases_holds(company):
    order = company.place(("TEE", 1))
    hold(order, release_at=timezone.now() - timedelta(hours=1))
    tasks.release_holds()
    assert Hold.objects.get().state == "resolved"
    assert OutboxRow.objects.filter(topic="route", payload__event="hold.resolved").count() == 1


def test_a_hold_ends_once_between_two_people_and_the_clock(live_company):
    for _ in range(4):
        placed = hold(live_company.place(("TEE", 1)), release_at=timezone.now())
        results = at_once(
            lambda pk=placed.pk: holds.resolve(hold_id=pk, actor="max"),
            lambda pk=placed.pk: holds.resolve(hold_id=pk, actor="lea"),
            lambda: holds.release_due(timezone.now() + timedelta(hours=1)),
        )
        assert not [r for r in results if isinstance(r, Exception) and type(r) is not IllegalMove]
        assert OrderEvent.objects.filter(
            order_id=placed.order_id, kind="hold.resolved"
        ).count() == 1  # fmt: skip


# --- people --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("type_", "permissions", "may"), [
    ("manual", ["change_hold"], True),
    ("manual", [], False),
    ("fraud", ["change_hold"], False),
    ("fraud", ["change_hold", "resolve_fraud"], True),
    ("test", ["change_hold", "resolve_fraud", "resolve_payment"], False),
])  # fmt: skip
def test_who_may_resolve_what(company, type_, permissions, may):
    person = company.user("pat", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    placed = hold(company.place(("TEE", 1)), type=type_)
    if may:
        holds.resolve(hold_id=placed.pk, actor="pat", user=person)
    else:
        with pytest.raises(holds.MayNotResolve):
            holds.resolve(hold_id=placed.pk, actor="pat", user=person)
    placed.refresh_from_db()
    assert placed.state == ("resolved" if may else "open")


def test_staff_hold_some_units_until_a_day_from_the_page(company, console):
    order = company.place(("BAG", 1), ("TEE", 1))
    url = reverse("admin:orders_order_hold_order", args=[order.pk])
    assert "Only these units" in console.get(url).content.decode()
    form = {"type": "customer", "reason": "on holiday", "blocks": "route",
            "slices": [slice_of(order, "BAG").pk], "release_at": "2027-01-05T08:00"}  # fmt: skip
    assert console.post(url, form).status_code == 302
    placed = Hold.objects.get()
    assert (placed.type, placed.blocks, placed.placed_by) == ("customer", ["route"], "boss")
    assert placed.slices == [slice_of(order, "BAG").pk]
    assert placed.release_at.isoformat() == "2027-01-05T08:00:00+00:00"


def test_a_person_without_the_right_is_told_so(company, client):
    person = company.user("pat", is_staff=True)
    codes = ["view_hold", "change_hold", "view_order", "change_order"]
    person.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(person)
    placed = hold(company.place(("TEE", 1)))
    page = client.post(reverse("admin:orders_hold_resolve_one", args=[placed.pk])).content.decode()
    assert "needs the permission orders.resolve_fraud" in page
    placed.refresh_from_db()
    assert placed.state == "open"


# --- channels ------------------------------------------------------------------------------------


def holds_url(order, more=""):
    return f"/api/v1/orders/{order.external_id}/holds{more}"


def test_a_channel_places_and_resolves_what_its_customer_asked_for(client, company):
    order = company.place(("TEE", 1))
    body = {"handle": "holiday", "reason": "away until May", "release_at": "2027-05-01T08:00:00Z"}
    made = send(client, company, body, url=holds_url(order))
    assert made.status_code == 201
    assert made.json() | {"placed_at": 0} == {
        "handle": "customer:holiday", "type": "customer", "reason": "away until May",
        "blocks": ["route", "release", "ship"], "state": "open", "placed_at": 0,
        "release_at": "2027-05-01T08:00:00Z", "resolved_at": None, "mine": True,
    }  # fmt: skip
    assert send(client, company, body, url=holds_url(order)).status_code == 200
    assert Hold.objects.count() == 1
    assert [row["handle"] for row in read(client, company, holds_url(order)).json()] == [
        "customer:holiday"
    ]
    url = holds_url(order, "/customer:holiday/resolve")
    assert send(client, company, b"", url=url).json()["state"] == "resolved"
    problem(send(client, company, b"", url=url), 409, "illegal_move")


def test_a_channel_resolves_nothing_that_others_placed(client, company):
    order = company.place(("TEE", 1))
    hold(order, "check:fraud")
    hold(order, "customer:staff", type="customer")
    for handle in ("check:fraud", "customer:staff"):
        url = holds_url(order, f"/{handle}/resolve")
        problem(send(client, company, b"", url=url), 403)
    problem(send(client, company, b"", url=holds_url(order, "/nothing/resolve")), 404)
    assert {h.state for h in Hold.objects.all()} == {"open"}
    assert [row["mine"] for row in read(client, company, holds_url(order)).json()] == [False] * 2


@pytest.mark.parametrize(("body", "pointer"), [
    ({"reason": "r"}, "/handle"),
    ({"handle": "a b", "reason": "r"}, "/handle"),
    ({"handle": "a"}, "/reason"),
    ({"handle": "a", "reason": "r", "type": "fraud"}, "/type"),
    ({"handle": "a", "reason": "r", "release_at": "2027-05-01T08:00:00"}, "/release_at"),
])  # fmt: skip
def test_a_hold_that_cannot_be_says_where(client, company, body, pointer):
    order = company.place(("TEE", 1))
    problem(send(client, company, body, url=holds_url(order)), 400, "invalid", pointer)
    assert not Hold.objects.exists()


def test_an_order_that_ended_takes_no_hold_over_rest(client, company):
    order = company.place(("TEE", 1))
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    body = {"handle": "a", "reason": "r"}
    problem(send(client, company, body, url=holds_url(order)), 409, "order_ended")
    assert not Allocation.objects.exclude(state="canceled").exists()
