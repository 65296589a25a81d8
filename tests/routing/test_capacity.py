"""What a day can take, in orders and units, by weekday and delivery: kept exactly, whoever asks."""

from collections import Counter
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection

from inventory.models import Capacity, Location
from orders import cancellation
from routing.engine import considered
from routing.models import Offer
from tests.races.crowd import at_once, deadlocks
from tests.routing import scenes
from tests.routing.scenes import places, route, waiting

MONDAY = datetime(2026, 9, 7, 9, tzinfo=UTC)


def take(company, place="LYON", **figures):
    return Capacity.objects.create(location=company.locations[place], **figures)


def pick_up(company, *items, place="LYON"):
    return company.place(
        *(items or [("TEE", 1)]),
        delivery={"method": "pickup", "location": place, "service": "standard"},
    )


def limits(company, method, day="2026-09-07", place="LYON"):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM inventory_capacity_of(%s, %s, %s)",
                       [company.locations[place].pk, day, method])  # fmt: skip
        return cursor.fetchone()


def only(company, place):
    """Orders can be served from one place alone."""
    Location.objects.exclude(code=place).update(can_ship=False)


def test_the_most_exact_row_counts(company):
    Location.objects.filter(code="LYON").update(capacity_per_day=9)
    assert limits(company, "ship") == (9, None, False)
    assert limits(company, "pickup") == (None, None, False)
    take(company, orders=8)
    assert limits(company, "ship") == limits(company, "pickup") == (8, None, True)
    take(company, delivery="ship", orders=7)
    assert limits(company, "ship") == (7, None, False)
    assert limits(company, "pickup") == (8, None, False)
    take(company, weekday=0, orders=6, units=60)
    assert limits(company, "ship") == limits(company, "pickup") == (6, 60, True)
    take(company, weekday=0, delivery="ship", units=50)
    assert limits(company, "ship") == (None, 50, False)
    assert limits(company, "pickup") == (6, 60, False)
    assert limits(company, "ship", day="2026-09-08") == (7, None, False)


def test_a_weekdays_capacity_holds_on_that_weekday_only(company):
    only(company, "LYON")
    take(company, weekday=0, orders=1)
    with time_machine.travel(MONDAY, tick=False):
        first, second = company.place(("TEE", 1)), company.place(("TEE", 1))
        route(first)
        route(second)
    assert places(first) == {("allocated", "LYON"): 1}
    assert waiting(second)[0][0] == "unfillable"
    with time_machine.travel(MONDAY.replace(day=8), tick=False):
        route(second, cause="retried")
    assert places(second) == {("allocated", "LYON"): 1}


def test_a_day_limited_in_units_gives_out_no_more_units(company):
    take(company, units=5)
    orders = [company.place(("TEE", 2)) for _ in range(3)]
    for order in orders:
        route(order)
    at = sum((places(order) for order in orders), Counter())
    assert 4 <= at["allocated", "LYON"] <= 5
    assert sum(at.values()) == 6
    scenes.check()


def test_an_order_larger_than_the_units_left_is_not_tried_in_vain(company):
    """It goes elsewhere, or what the day still takes is sent: it is decided at the first look."""
    only(company, "LYON")
    take(company, units=3)
    order = company.place(("TEE", 4), ("MUG", 1))
    decision = route(order)
    assert decision.outcome == "partial"
    assert places(order)["allocated", "LYON"] == 3
    scenes.check()


def test_who_is_full_in_units_says_so(company):
    take(company, units=0)
    decision = route(company.place(("TEE", 1)))
    about = {row["code"]: row["words"] for row in considered(decision.result)}
    assert "capacity" in about["LYON"]


def test_pick_ups_have_a_capacity_of_their_own(company):
    take(company, delivery="pickup", orders=1)
    first, second, parcel = pick_up(company), pick_up(company), company.place(("TEE", 1))
    for order in (first, second, parcel):
        route(order)
    assert places(first) == places(parcel) == {("allocated", "LYON"): 1}
    assert waiting(second)[0][0] == "unfillable"
    assert set(Offer.objects.values_list("delivery", "capacity")) == {("pickup", 1), ("ship", None)}


def test_parcels_and_pick_ups_share_a_row_for_any_delivery(company):
    only(company, "LYON")
    take(company, orders=1)
    fetched, parcel = pick_up(company), company.place(("TEE", 1))
    route(fetched)
    route(parcel)
    assert places(fetched) == {("allocated", "LYON"): 1}
    assert waiting(parcel)[0][0] == "unfillable"
    cancellation.cancel(order_id=fetched.pk, reason="customer", actor="test")
    route(parcel, cause="retried")
    assert places(parcel) == {("allocated", "LYON"): 1}


def test_a_capacity_that_is_lowered_takes_nothing_back_and_alarms_nobody(company):
    row = take(company, orders=3)
    for _ in range(3):
        route(company.place(("TEE", 1)))
    row.orders = 1
    row.save()
    scenes.check()
    late = company.place(("TEE", 1))
    route(late)
    assert ("allocated", "LYON") not in places(late)


@pytest.mark.django_db(transaction=True)
def test_of_many_orders_at_once_ten_admits_exactly_ten(live_company):
    before = deadlocks()
    take(live_company, orders=10)
    scenes.bring(live_company, "TEE", "LYON", 30)
    orders = [live_company.place(("TEE", 1)) for _ in range(16)]
    queues = [orders[n::8] for n in range(8)]
    at_once(*[lambda mine=mine: [route(order) for order in mine] for mine in queues])
    at = [code for order in orders for (state, code) in places(order) if state == "allocated"]
    assert len(at) == 16
    assert at.count("LYON") == 10
    assert deadlocks() == before
    scenes.check()


@pytest.mark.django_db(transaction=True)
def test_units_are_kept_exactly_by_workers_at_once(live_company):
    take(live_company, units=7)
    orders = [live_company.place(("TEE", 2)) for _ in range(8)]
    at_once(*[lambda order=order: route(order) for order in orders])
    at = sum(units for order in orders for (state, code), units in places(order).items()
             if (state, code) == ("allocated", "LYON"))  # fmt: skip
    assert at in {6, 7}
    scenes.check()
