"""What an order's promise looks like once the moment has passed, and whose is looked at first."""

from datetime import timedelta

from django.utils import timezone

from fulfillment.work import tracking
from orders import outlook
from routing import watch
from tests.fulfillment import stage


def test_what_its_carrier_follows_is_late_when_it_should_be_there_and_is_not(company):
    parcel = stage.shipped(stage.asked(company, ("TEE", 1)))
    before = outlook.of([parcel.order_id])[parcel.order_id]
    later = max(before.promised, before.expected) + timedelta(days=2)
    assert outlook.of([parcel.order_id], now=later)[parcel.order_id].state == "kept"  # nobody knows
    assert not watch.look("late", now=later).rows
    told = timezone.now() + timedelta(minutes=1)
    tracking.track(parcel_id=parcel.pk, status="out_for_delivery", at=told, actor="ups")
    assert outlook.of([parcel.order_id])[parcel.order_id].state == "kept"
    assert outlook.of([parcel.order_id], now=later)[parcel.order_id].state == "late"
    (row,) = watch.look("late", now=later).rows
    assert row.reasons[0].startswith("1 unit left Lyon store to arrive ")
    assert row.reasons[0].endswith(": ask its carrier")
    tracking.track(parcel_id=parcel.pk, status="delivered", at=told, actor="ups")
    assert outlook.of([parcel.order_id], now=later)[parcel.order_id].state == "kept"


def test_of_more_orders_than_are_looked_at_those_promised_first_are(company, monkeypatch):
    monkeypatch.setattr(outlook, "MOST", 2)
    orders = [company.place(("TEE", 1)) for _ in range(3)]
    for order, days in zip(orders, (3, 1, 2), strict=True):
        order.promised_at = timezone.now() + timedelta(days=days)
        order.save()
    assert {one.order for one in outlook.at_work()} == {orders[1].pk, orders[2].pk}
    assert watch.look("late").is_cut
    monkeypatch.setattr(outlook, "MOST", 4)
    assert not watch.look("late").is_cut
