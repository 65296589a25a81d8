"""Slices that are called back, and given again: perhaps to the same stock point."""

import pytest
from django.db import transaction

from fulfillment import board, work
from fulfillment.models import FulfillmentLine, FulfillmentOrder
from inventory.models import Capacity, Location
from orders import editing, lifecycle
from orders.models import Hold
from routing import offers
from routing.models import OpenOffer
from tests.cast import change_rules
from tests.fulfillment.stage import drain
from tests.routing import scenes
from tests.routing.scenes import places, route, waiting


@pytest.fixture
def pair(company):
    """A TEE and a MUG that leave in one parcel."""
    return company.place(("TEE", 1), ("MUG", 1), ship_together=True)


def call_back(order) -> None:
    """One of its slices waits for a stock point again."""
    with transaction.atomic():
        lifecycle.lock(order.pk)
        piece = order.allocations.order_by("id").first()
        lifecycle.move_slices([piece], "queued", queue="routing", queue_reason="edited")


def test_the_same_place_counts_it_once_against_its_day(company, pair):
    Location.objects.exclude(code="LYON").update(can_ship=False)
    Capacity.objects.create(location=company.locations["LYON"], orders=2)
    route(pair)
    call_back(pair)
    route(pair, cause="changed")
    assert places(pair) == {("allocated", "LYON"): 2}
    second, third = company.place(("TEE", 1)), company.place(("TEE", 1))
    route(second)
    route(third)
    assert places(second) == {("allocated", "LYON"): 1}
    assert waiting(third)
    scenes.check()


def test_what_was_never_refused_is_given_as_often_as_it_comes_back(pair):
    route(pair)
    for _ in range(4):
        call_back(pair)
        route(pair, cause="changed")
    assert not waiting(pair)
    assert set(pair.allocations.values_list("attempt", flat=True)) == {0}


def test_others_are_offered_it_once_and_what_they_were_offered_before_is_over(company, pair):
    change_rules(offer_to=3, accept_minutes=15)
    drain()
    first = list(OpenOffer.objects.values_list("pk", flat=True))
    call_back(pair)
    route(pair, cause="changed")
    drain()
    assert set(OpenOffer.objects.filter(pk__in=first).values_list("state", flat=True)) == {"missed"}
    offer = OpenOffer.objects.filter(state="open").earliest("pk")
    assert [card.offer for card in board.open_offers(offer.location, now=offer.offered_at)] == [
        offer
    ]
    with pytest.raises(offers.Gone):
        work.claim(offer_id=first[0], actor="mia")
    work.claim(offer_id=offer.pk, actor="mia")
    assert places(pair) == {("accepted", offer.location.code): 2}
    scenes.check()


def test_a_line_more_leaves_in_the_same_parcel_by_one_piece_of_work(company):
    order = company.place(("TEE", 1), ship_together=True)
    drain()
    editing.apply(
        order_id=order.pk, actor="lea",
        actions=[{"type": "add_line", "sku": "MUG", "quantity": 1}],
    )  # fmt: skip
    Hold.objects.update(state="resolved")
    scenes.work("route", "work")
    old, new = FulfillmentOrder.objects.filter(order=order).order_by("pk")
    assert (old.state, new.state) == ("canceled", "new")
    assert old.decision_id < new.decision_id
    asked = FulfillmentLine.objects.filter(open=True, fulfillment_order=new)
    assert {line.allocation.line.sku for line in asked} == {"TEE", "MUG"}
    assert not FulfillmentLine.objects.filter(open=True, fulfillment_order=old).exists()
