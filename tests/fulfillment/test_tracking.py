"""What carriers tell, late and out of order."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from fulfillment import work
from tests.fulfillment.stage import asked, drain, kinds, only, shipped, states


@pytest.fixture
def parcel(company):
    return shipped(asked(company, ("BAG", 1)))


def track(parcel, status, minutes):
    outcome = work.track(parcel_id=parcel.pk, status=status, actor="ups",
                         at=parcel.shipped_at + timedelta(minutes=minutes))  # fmt: skip
    parcel.refresh_from_db()
    return outcome


def test_delivered_ends_the_units_and_the_order(parcel):
    track(parcel, "delivered", 30)

    parcel.order.refresh_from_db()
    assert states(parcel.order) == {"delivered": 1}
    assert parcel.order.state == "closed"
    assert parcel.delivered_at == parcel.shipped_at + timedelta(minutes=30)


def test_a_late_older_fact_never_moves_a_parcel_back(parcel):
    track(parcel, "delivered", 30)

    assert not track(parcel, "in_transit", 10).changed
    assert not track(parcel, "out_for_delivery", 45).changed
    assert parcel.tracking_status == "delivered"


def test_facts_in_the_wrong_order_still_end_delivered(parcel):
    track(parcel, "out_for_delivery", 40)

    assert track(parcel, "delivered", 35).changed
    assert not track(parcel, "pre_transit", 1).changed
    assert states(parcel.order) == {"delivered": 1}


def test_delivered_twice_is_delivered_once(parcel):
    track(parcel, "delivered", 30)

    assert not track(parcel, "delivered", 31).changed
    assert kinds(parcel.order).count("parcel.delivered") == 1


def test_returned_as_undeliverable_and_delivered_again_counts_one_unit(parcel):
    track(parcel, "delivered", 10)
    track(parcel, "return_to_sender", 20)
    track(parcel, "delivered", 30)

    assert parcel.tracking_status == "delivered"
    assert states(parcel.order) == {"delivered": 1}
    assert kinds(parcel.order).count("parcel.delivered") == 1


def test_one_delivered_parcel_of_two_keeps_the_order_open(company):
    only(company, "WH", "LYON")
    order = company.place(("BAG", 1), ("TEE", 20))
    drain()
    first, second = (
        shipped(row, f"1Z-{i}") for i, row in enumerate(order.fulfillment_orders.order_by("id"))
    )
    track(first, "delivered", 1)
    order.refresh_from_db()
    assert order.state == "open"

    track(second, "delivered", 1)
    order.refresh_from_db()
    assert order.state == "closed"


def test_a_fact_from_the_future_is_refused(parcel):
    with pytest.raises(work.InFuture):
        work.track(parcel_id=parcel.pk, status="delivered", actor="ups",
                   at=timezone.now() + timedelta(days=2))  # fmt: skip


def test_what_no_carrier_says_is_refused(parcel):
    with pytest.raises(ValueError, match="collected"):
        work.track(parcel_id=parcel.pk, status="collected", at=datetime.now(UTC), actor="ups")
