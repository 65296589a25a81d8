"""The watch list: which promises may break, why, what a person does about it, how many are kept."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment.work import tracking
from orders import outlook, promise_moves
from orders.models import Allocation, Notification, Order
from orders.tasks import move_promises
from routing import watch
from tests.fulfillment import stage
from tests.orders.door import read
from tests.orders.supply import backordering, supply
from tests.routing.scenes import bring, queue_when_short, route, work

LIST = "/admin/promises/"


def promised(order: Order, **ago) -> Order:
    """As if it had been promised for then."""
    order.promised_at = timezone.now() + timedelta(**ago)
    order.save(update_fields=["promised_at"])
    return order


def state(order: Order) -> str | None:
    return outlook.of([order.pk])[order.pk].state


def reasons(tab: str) -> list[str]:
    return [reason for row in watch.look(tab).rows for reason in row.reasons]


def routed(company) -> Order:
    order = company.place(("TEE", 1))
    route(order)
    return order


def test_an_order_on_its_way_through_the_house_keeps_its_promise(client, company):
    order = routed(company)
    body = read(client, company, f"/api/v1/orders/{order.number}").json()["promise"]
    assert body["state"] == "kept"
    assert body["expected_at"] <= body["promised_at"]
    assert body["window"]["latest"] == order.promised_at.date().isoformat()
    page = read(client, company, "/api/v1/orders?include=promise").json()["results"]
    assert [row["promise"] for row in page] == [body]
    assert all(not watch.look(tab).rows for tab in watch.TABS)


def test_work_that_arrives_later_than_promised_is_at_risk_and_says_why(company):
    order = promised(routed(company), hours=5)
    assert state(order) == "at_risk"
    (row,) = watch.look("at_risk").rows
    assert row.who == ("Lyon store",)
    assert "1 unit not accepted yet at Lyon store: leaves" in row.reasons[0]
    assert row.reasons[0].endswith("after the promise")


def test_work_that_must_leave_within_the_hour_is_at_risk(company):
    order = routed(company)
    day = datetime(2026, 9, 7, tzinfo=UTC)  # a Monday; the store's cut-off is 15:00, 13:00 UTC
    order.promised_at = day.replace(day=8, hour=18)
    order.save()
    Allocation.objects.update(since=day.replace(hour=8))
    one = outlook.of([order.pk], now=day.replace(hour=9))[order.pk]
    assert (one.state, one.leave_by) == ("kept", day.replace(hour=13))
    (row,) = watch.look("at_risk", now=day.replace(hour=12, minute=30)).rows
    assert row.reasons == ("1 unit must leave Lyon store until Mon 7 Sep, 15:00, not accepted yet",)
    after = outlook.of([order.pk], now=day.replace(hour=14))[order.pk]
    assert (after.state, after.expected.date()) == ("at_risk", day.replace(day=9).date())


def test_a_promise_that_has_passed_is_late_until_the_parcel_is_there(company):
    row = stage.asked(company, ("TEE", 1))
    order = promised(row.order, hours=3)
    assert state(order) != "late"
    promised(order, hours=-3)
    assert state(order) == "late"
    assert reasons("late")[-1] == "was promised 3\xa0hours ago"
    parcel = stage.shipped(row)
    assert state(order) == "late"  # it left, but it cannot be there yet
    assert reasons("late")[0].startswith("1 unit left Lyon store and arrives ")
    tracking.track(parcel_id=parcel.pk, status="delivered", at=timezone.now(), actor="ups")
    assert not watch.look("late").rows  # nothing is left to do
    assert state(order) == "late"
    promised(order, hours=1)  # as if it had been there before: that time passes changes nothing
    later = timezone.now() + timedelta(hours=2)
    assert outlook.of([order.pk], now=later)[order.pk].state == "kept"


def test_a_promise_that_has_passed_is_late_also_where_nobody_knows_the_day(company):
    order = promised(company.place(("TEE", 1)), hours=-3)
    assert outlook.of([order.pk])[order.pk].expected is None
    assert (state(order), reasons("late")) == ("late", ["was promised 3\xa0hours ago"])


def test_what_has_no_stock_point_is_listed_after_a_moment_with_its_reason(company):
    queue_when_short(company)
    order = company.place(("SOLD", 2))
    route(order)
    assert not watch.look("waiting").rows
    Allocation.objects.update(since=timezone.now() - timedelta(minutes=20))
    (row,) = watch.look("waiting").rows
    assert row.reasons == ("2 units without a stock point for 20\xa0minutes: no point has it free",)
    assert row.can_route
    assert row.who == ()


def test_what_waits_for_supply_with_a_date_is_no_alarm(company):
    supply(backordering(company), 5)
    order = company.place(("SOLD", 1))
    Allocation.objects.update(since=timezone.now() - timedelta(days=1))
    assert state(order) == "kept"
    assert not watch.look("waiting").rows


def test_a_person_moves_a_promise_and_the_customer_is_told_once(console, company, mailoutbox):
    order = promised(routed(company), hours=5)
    day = (timezone.now() + timedelta(days=4)).date()
    url = f"{LIST}{order.pk}/move/"
    assert "Promised for" in console.get(url).content.decode()
    for _ in range(2):
        answer = console.post(url, {"day": str(day), "reason": "strike"})
    assert "is promised for" in answer.content.decode()  # the second time it is that day already
    order.refresh_from_db()
    assert order.promised_at.date() == day
    work("notify")
    assert Notification.objects.filter(template="promise_changed").count() == 1
    assert "takes longer than we promised" in mailoutbox[-1].body
    assert state(order) == "moved"
    assert watch.look("moved").rows[0].reasons == ("moved to a later day: the customer was told",)
    words = console.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    assert "because strike" in words


@pytest.mark.parametrize("days", [-1, 400])
def test_a_promise_moves_only_to_a_day_that_makes_sense(console, company, days):
    order = company.place(("TEE", 1))
    day = (timezone.now() + timedelta(days=days)).date()
    answer = console.post(f"{LIST}{order.pk}/move/", {"day": str(day), "reason": "x"})
    assert "Choose a day from today" in answer.content.decode()
    assert Order.objects.get(pk=order.pk).promised_at == order.promised_at


def test_a_promise_moves_by_itself_only_when_it_is_certain(company):
    row = stage.asked(company, ("TEE", 1))
    order = promised(row.order, hours=5)
    assert promise_moves.move_certain() == 0  # a person may still hurry it
    stage.shipped(stage.until(row, "packed"))
    move_promises()
    order.refresh_from_db()
    assert order.promised_at > timezone.now() + timedelta(hours=5)
    assert state(order) == "moved"
    assert promise_moves.move_certain() == 0


def test_the_list_shows_counts_reasons_and_actions(console, company):
    queue_when_short(company)
    late, waits = promised(routed(company), hours=-3), company.place(("SOLD", 1))
    Allocation.objects.filter(order=waits).update(since=timezone.now() - timedelta(hours=2))
    page = console.get(LIST).content.decode()
    assert late.number in page
    assert waits.number not in page
    assert f'href="/admin/promises/{late.pk}/move/"' in page
    waiting = console.get(LIST, {"look": "waiting"}).content.decode()
    assert f'href="/admin/promises/{waits.pk}/route/"' in waiting
    bring(company, "SOLD", "LYON", 5)
    console.post(f"{LIST}{waits.pk}/route/")
    work("route")
    assert waits.allocations.get().location.code == "LYON"


def test_the_list_takes_as_many_statements_for_many_orders_as_for_one(company):
    counts = []
    for more in (1, 4):
        for _ in range(more):
            promised(routed(company), hours=5)
        with CaptureQueriesContext(connection) as seen:
            watch.look("at_risk")
        counts.append(len(seen))
    assert counts == [2, 2]


def test_the_share_kept_counts_what_customers_had_in_time_and_opens_its_orders(console, company):
    now = timezone.now()
    orders = [promised(routed(company), days=-1) for _ in range(4)]
    for order, delivered in zip(orders, (-25, -26, -2, None), strict=True):
        row = order.allocations.get()
        if delivered is not None:
            work_row = order.fulfillment_orders.model.objects.create(
                order=order, location=row.location, state="done"
            )
            order.parcels.model.objects.create(
                order=order, location=row.location, fulfillment_order=work_row,
                delivered_at=now + timedelta(hours=delivered),
            )  # fmt: skip
            order.allocations.update(state="delivered", reservation=None)
    share = watch.kept(7)
    assert (share.kept, share.late, share.due, share.percent) == (2, 2, 4, 50.0)
    page = console.get(f"{LIST}kept/").content.decode()
    assert [order.number in page for order in orders] == [False, False, True, True]
    assert "50.0 %" in page
    assert watch.kept(7, now=now - timedelta(days=30)).percent is None
