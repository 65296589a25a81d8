"""Unfillable units are looked at again when there is a reason to."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from config.models import JobRun, OutboxRow
from orders.models import Allocation
from routing import queues, rules
from routing.models import Decision, RuleSet
from routing.tasks import retry_unfillable
from tests.cast import change_rule_sets
from tests.routing import scenes
from tests.routing.scenes import places, refuse, route
from tests.routing.test_decide import limit, pick_up


@pytest.fixture
def order(company):
    """Its product is sold out."""
    scenes.queue_when_short(company)
    order = company.place(("SOLD", 1))
    route(order)
    return order


def test_an_unfillable_unit_is_routed_when_stock_appears(company, order):
    scenes.all_due()
    scenes.bring(company, "SOLD", "WH", 3)
    retry_unfillable()
    scenes.work("route")
    assert places(order) == {("allocated", "WH"): 1}
    scenes.check()


def test_without_stock_nothing_is_rung_and_the_next_look_comes_later(company, order):
    scenes.all_due()
    before = timezone.now()
    assert queues.retry_due() == {"due": 1, "rung": 0, "supplies": 0}
    assert order.allocations.get().next_action_at >= before + timedelta(minutes=5)


def test_what_is_not_due_yet_is_left_alone_until_its_stock_comes(company, order):
    scenes.take_away(company, "TEE", "WH")
    scenes.bring(company, "TEE", "WH", 3)
    assert queues.retry_due() == {"due": 0, "rung": 0, "supplies": 0}
    scenes.bring(company, "SOLD", "WH", 3)
    assert queues.retry_due() == {"due": 1, "rung": 1, "supplies": 0}
    scenes.take_away(company, "SOLD", "WH")
    scenes.work("route")
    Decision.objects.update(at=timezone.now() + queues.LATE)  # it was looked at after that
    assert queues.retry_due() == {"due": 0, "rung": 0, "supplies": 0}


def test_stock_at_a_place_that_refused_the_line_is_no_reason(company):
    order = company.place(("CAP", 1))
    route(order)
    refuse(order, "LYON")
    refuse(order, "PARIS")
    scenes.all_due()
    scenes.bring(company, "CAP", "LYON", 5)
    assert queues.retry_due()["rung"] == 0
    scenes.all_due()
    scenes.bring(company, "CAP", "WH", 5)
    assert queues.retry_due()["rung"] == 1


def test_what_was_refused_too_often_waits_for_a_person(company):
    change_rule_sets(max_attempts=1)
    order = company.place(("TEE", 1))
    route(order)
    refuse(order, "LYON")
    scenes.all_due()
    assert queues.retry_due() == {"due": 1, "rung": 0, "supplies": 0}


def test_a_unit_that_has_its_claim_is_tried_again_without_free_stock(company):
    for place in ("LYON", "PARIS", "WH", "RIGA"):
        limit(company, place, 0)
    order = company.place(("CAP", 1))
    route(order)
    scenes.all_due()
    limit(company, "LYON", 5)
    assert queues.retry_due()["rung"] == 1
    scenes.work("route")
    assert places(order) == {("allocated", "LYON"): 1}


def test_a_pickup_only_counts_on_its_own_store(company):
    scenes.queue_when_short(company)
    order = company.place(("SOLD", 1), delivery=pick_up("PARIS"))
    route(order)
    scenes.bring(company, "SOLD", "LYON", 3)
    scenes.all_due()
    assert queues.retry_due()["rung"] == 0
    scenes.bring(company, "SOLD", "PARIS", 3)
    scenes.all_due()
    assert queues.retry_due()["rung"] == 1


def test_the_wait_grows_with_the_time_that_was_waited(company, order):
    now = timezone.now()
    Allocation.objects.update(since=now - timedelta(minutes=20), next_action_at=now)
    queues.retry_due()
    wait = order.allocations.get().next_action_at - now
    assert timedelta(minutes=19) < wait < timedelta(minutes=22)


def test_a_new_rule_set_frees_the_orders_that_waited_for_one(company):
    RuleSet.objects.update(state="archived")
    order = company.place(("TEE", 1))
    route(order)
    draft = rules.new_version(rule_set_id=company.rules.pk)
    rules.activate(rule_set_id=draft.pk)
    scenes.work("rules")
    queues.retry_due()
    scenes.work("route")
    assert places(order) == {("allocated", "LYON"): 1}


def test_two_schedulers_run_a_slot_once(company, order):
    scenes.bring(company, "SOLD", "WH", 3)
    with time_machine.travel(datetime(2027, 3, 3, 12, 0, tzinfo=UTC), tick=False):
        retry_unfillable()
        scenes.all_due()
        retry_unfillable()
    assert JobRun.objects.get(job="retry_unfillable").result == {
            "due": 1, "rung": 1, "closed": 0, "supplies": 0,
        }  # fmt: skip
    assert OutboxRow.objects.filter(topic="route", cause__startswith="retry:").count() == 1
