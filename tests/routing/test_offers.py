"""Time to answer, and work that is open to several stock points."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from fulfillment import work
from fulfillment.models import FulfillmentOrder
from orders import cancellation
from orders.models import OrderEvent
from reports.invariants import violations
from routing.giving import CannotGive
from routing.models import Decision, Offer, OpenOffer, Refusal, Rule
from routing.offers import Gone
from tests.cast import change_rule_sets, change_rules
from tests.fulfillment.stage import drain
from tests.races.crowd import at_once
from tests.routing import scenes
from tests.routing.scenes import claimed, places
from tests.routing.test_decide import limit

LATER = timedelta(minutes=16)


def placed(company, *items, **rule):
    """An order that its first stock point was asked for."""
    change_rules(**rule)
    order = company.place(*items)
    drain()
    return order


def work_of(order, code: str) -> FulfillmentOrder:
    return FulfillmentOrder.objects.filter(order=order, location__code=code).latest("pk")


def open_offers(order) -> dict[str, str]:
    rows = OpenOffer.objects.filter(order=order).order_by("pk")
    return dict(rows.values_list("location__code", "state"))


def sound() -> None:
    broken = {name: rows for name, rows in violations().items() if rows}
    assert not broken


# --- time to answer ------------------------------------------------------------------------------


def test_work_that_is_not_accepted_in_time_goes_elsewhere_at_once(company):
    order = placed(company, ("TEE", 1), accept_minutes=15)
    first = work_of(order, "LYON")
    offer = Offer.objects.get(order=order)
    assert first.accept_by - first.created_at == offer.accept_by - offer.decision.at

    assert work.take_back_due(timezone.now())["taken_back"] == 0
    assert work.take_back_due(timezone.now() + LATER)["taken_back"] == 1

    first.refresh_from_db()
    assert first.state == "canceled"
    refusal = Refusal.objects.get()
    assert (refusal.reason, refusal.excluded_until, refusal.actor) == ("timeout", None, "clock")
    ((state, place),) = places(order)
    assert state == "allocated"
    assert place != "LYON"
    assert work_of(order, place).state == "new"
    assert scenes.stock(company, "TEE", "LYON").unavailable == 0
    kinds = list(OrderEvent.objects.filter(order=order).values_list("kind", flat=True))
    assert "fulfillment.withdrawn" in kinds
    sound()


def test_time_to_answer_is_bounded_like_any_refusal(company):
    change_rule_sets(max_attempts=2)
    order = placed(company, ("TEE", 1), accept_minutes=15)
    for n in (1, 2, 3):
        work.take_back_due(timezone.now() + n * LATER)
    assert Refusal.objects.count() == 2
    assert scenes.waiting(order) == [("unfillable", "refused 2 times: a person decides", 1)]
    sound()


def test_time_runs_from_the_next_opening_on_and_not_for_what_a_wms_has(company):
    lyon = company.locations["LYON"]
    lyon.opening_hours = {day: [["10:00", "19:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
    lyon.save()
    with time_machine.travel("2026-03-03 20:00:00+00:00", tick=False):
        order = placed(company, ("TEE", 1), accept_minutes=15)
        row = FulfillmentOrder.objects.get(order=order, location=lyon)
        assert row.accept_by.isoformat() == "2026-03-04T09:15:00+00:00"
    order.allocations.update(handed_over=True)
    assert work.take_back_due(row.accept_by + LATER)["taken_back"] == 0


def test_accepting_at_the_moment_its_time_runs_out_ends_one_way_only(live_company):
    for _ in range(3):
        order = placed(live_company, ("TEE", 1), accept_minutes=15)
        row = FulfillmentOrder.objects.get(order=order)
        now = timezone.now() + LATER
        answers = at_once(
            lambda row=row: work.accept(fulfillment_order_id=row.pk, actor="lea"),
            lambda row=row, now=now: work.take_back(row.pk, now=now),
        )
        row.refresh_from_db()
        if isinstance(answers[0], work.TakenAway):
            assert (row.state, answers[1]) == ("canceled", True)
        else:
            assert (row.state, answers[1]) == ("accepted", False)
        assert sum(claimed(order).values()) == 1
    sound()


# --- open to several -----------------------------------------------------------------------------


def test_the_next_best_may_take_what_nobody_has_accepted(company):
    order = placed(company, ("TEE", 1), offer_to=3, accept_minutes=15)
    row = work_of(order, "LYON")
    assert row.offered_to == 3
    assert list(open_offers(order).values()) == ["open", "open"]
    ((second, _), (third, _)) = open_offers(order).items()
    offer = OpenOffer.objects.get(location__code=second)
    assert offer.expires_at == row.accept_by

    taken = work.claim(offer_id=offer.pk, actor="mia")

    assert (taken.row.location.code, taken.row.state) == (second, "accepted")
    assert places(order) == {("accepted", second): 1}
    assert claimed(order) == {second: 1}
    row.refresh_from_db()
    assert row.state == "canceled"
    assert open_offers(order) == {second: "taken", third: "missed"}
    decision = Decision.objects.latest("pk")
    assert (decision.cause, decision.rule_id) == ("claimed", Rule.objects.get().pk)
    assert "open to 3 stock points" in decision.sentence
    assert order.allocations.get().attempt == 0  # it was given, never refused
    with pytest.raises(work.TakenAway):
        work.accept(fulfillment_order_id=row.pk, actor="lea")
    sound()


def test_what_the_first_one_accepts_is_missed_by_the_others(company):
    order = placed(company, ("TEE", 1), offer_to=2)
    offer = OpenOffer.objects.get()
    work.accept(fulfillment_order_id=work_of(order, "LYON").pk, actor="lea")
    assert list(open_offers(order).values()) == ["missed"]
    with pytest.raises(Gone):
        work.claim(offer_id=offer.pk, actor="mia")


def test_only_who_can_still_send_it_may_take_it(company):
    order = placed(company, ("TEE", 1), offer_to=3)
    for offer in OpenOffer.objects.select_related("location"):
        code = offer.location.code
        scenes.take_away(company, "TEE", code)
        with pytest.raises(CannotGive, match="has not all of it free"):
            work.claim(offer_id=offer.pk, actor="mia")
        scenes.bring(company, "TEE", code, 5)
        limit(company, code, 0)
        with pytest.raises(CannotGive, match="no capacity left today"):
            work.claim(offer_id=offer.pk, actor="mia")
    assert places(order) == {("allocated", "LYON"): 1}
    assert set(open_offers(order).values()) == {"open"}
    sound()


def test_offers_end_with_their_time_and_with_their_units(company):
    order = placed(company, ("TEE", 1), offer_to=2, accept_minutes=15)
    other = placed(company, ("MUG", 1))
    cancellation.cancel(order_id=other.pk, reason="customer", actor="test")
    assert work.take_back_due(timezone.now())["ended"] == 1
    assert list(open_offers(other).values()) == ["missed"]
    first = OpenOffer.objects.get(order=order)
    work.take_back_due(timezone.now() + LATER)
    first.refresh_from_db()
    assert (first.state, first.ended_at >= first.expires_at) == ("expired", True)
    assert places(order) == {("allocated", first.location.code): 1}  # the next best: not Lyon
    assert first.location.code != "LYON"


def test_three_who_take_it_at_once_are_one(live_company):
    order = placed(live_company, ("TEE", 2), offer_to=4)
    offers = list(OpenOffer.objects.all())
    assert len(offers) == 3
    answers = at_once(
        *[lambda pk=one.pk: work.claim(offer_id=pk, actor=f"user {pk}") for one in offers]
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Gone", "Gone", "Outcome"]
    assert sorted(open_offers(order).values()) == ["missed", "missed", "taken"]
    assert sum(claimed(order).values()) == 2
    assert FulfillmentOrder.objects.filter(order=order, state="accepted").count() == 1
    sound()
