"""Run plans that start per batch: as soon as so many new orders of their channels wait."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from orders import holds
from orders.models import Allocation, SalesChannel
from routing.models import Run, RunPlan
from routing.runs import control, plans
from routing.tasks import start_runs
from tests.cast import change_rules
from tests.routing import scenes

NOON = datetime(2027, 3, 28, 12, 5, 20, tzinfo=UTC)
LOOK = timedelta(seconds=60)  # the plans are looked at at least as often


@pytest.fixture
def clock(company):
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def looked(clock) -> list[str]:
    """What began at the next look: the causes."""
    clock.shift(LOOK)
    seen = set(Run.objects.values_list("pk", flat=True))
    start_runs()
    return list(Run.objects.exclude(pk__in=seen).order_by("pk").values_list("cause", flat=True))


def test_a_plan_starts_as_soon_as_so_many_orders_of_its_channels_wait(clock, company):
    b2b = SalesChannel.objects.create(code="b2b", name="B2B", kind="b2b", pool=company.pool)
    batch = RunPlan.objects.create(name="Batch", when_waiting=2)
    batch.channels.add(company.web)
    RunPlan.objects.create(name="Others", when_waiting=1).channels.add(b2b)
    RunPlan.objects.create(name="Off", when_waiting=1, active=False)
    Allocation.objects.filter(order=company.place(("TEE", 1))).update(
        queue="unfillable", next_action_at=NOON
    )
    company.place(("TEE", 1), ("MUG", 1))  # two slices are one order
    assert looked(clock) == []
    company.place(("TEE", 1))
    assert looked(clock) == ["2 orders wait"]
    assert Run.objects.get().plan == batch
    clock.shift(timedelta(seconds=5))
    for _ in range(2):
        company.place(("TEE", 1))
    assert looked(clock) == []  # its run is open still
    control.stop(Run.objects.get())
    assert looked(clock) == ["2 orders wait"]


def test_orders_that_a_run_had_to_leave_do_not_start_the_next_one(clock, company):
    RunPlan.objects.create(name="Batch", when_waiting=1)
    change_rules(when="run")
    order = company.place(("TEE", 1))
    holds.place(order_id=order.pk, handle="fraud:1", type="fraud", reason="odd", actor="lea")
    clock.shift(timedelta(seconds=5))
    scenes.work("route")  # the order is known to be on hold by now
    assert looked(clock) == ["1 order waits"]
    scenes.work("run")
    run = Run.objects.get()
    assert (run.state, run.skipped) == ("done", 1)
    assert [queue for queue, _, _ in scenes.waiting(order)] == ["routing"]
    assert [looked(clock) for _ in range(3)] == [[], [], []]
    company.place(("TEE", 1))
    assert looked(clock) == ["1 order waits"]


def test_the_timetable_starts_a_plan_per_batch_at_the_latest(clock, company):
    plan = RunPlan.objects.create(name="Both", every_minutes=15, when_waiting=3)
    company.place(("TEE", 1))
    assert looked(clock) == []
    clock.move_to(NOON + timedelta(minutes=9))
    assert looked(clock) == ["timetable"]
    assert plans.next_time(plan, after=NOON) == NOON.replace(minute=15, second=0)
    assert plans.next_time(RunPlan(when_waiting=3), after=NOON) is None
    assert not plans.is_due(RunPlan(when_waiting=3), now=NOON)


def test_orders_are_counted_in_one_statement_for_all_plans(clock, company):
    company.place(("TEE", 1))
    counts = []
    for names in (["Hourly"], ["A"], ["B", "C", "D"]):
        for name in names:
            said = {"every_minutes": 60} if name == "Hourly" else {"when_waiting": 2}
            RunPlan.objects.create(name=name, **said)
        with CaptureQueriesContext(connection) as seen:
            assert plans.start_due() == []
        counts.append(len(seen))
    assert counts == [1, 2, 2]  # without such plans nothing is counted


def test_the_database_keeps_plans_that_never_start_out(company):
    for wrong in ({}, {"every_minutes": 5, "cron": "0 5 * * *"}, {"when_waiting": 0},
                  {"every_minutes": 5, "cron": "0 5 * * *", "when_waiting": 9}):  # fmt: skip
        with pytest.raises(IntegrityError, match="run_plan_"), transaction.atomic():
            RunPlan.objects.create(name="Wrong", **wrong)


def test_the_form_says_what_is_missing_and_the_list_when_a_plan_starts(console, company):
    new, rows = reverse("admin:routing_runplan_add"), reverse("admin:routing_runplan_changelist")

    def add(name: str, **said: str) -> str:
        plan = {"name": name, "active": "on", "joint": "on", "sort": "oldest", **said}
        return console.post(new, plan, follow=True).content.decode()

    assert "or how many orders have to wait: else it never starts" in add("None")
    zero = add("Zero", when_waiting="0")
    assert "greater than or equal to 1" in zero
    assert "never starts" not in zero
    assert "not both" in add("Both", every_minutes="5", cron="0 5 * * *", when_waiting="9")
    assert not RunPlan.objects.exists()
    add("Batch", when_waiting="200")
    add("Quarter", every_minutes="15", when_waiting="1")
    add("Night", cron="0 5 * * *")
    page = console.get(rows).content.decode()
    assert page.count("when 200 orders wait") == 2  # alone: as when, and as next
    assert "every 15 minutes, or when 1 order waits" in page
    assert page.count(", or when") == 2
