"""Runs: orders that wait are routed together, by a timetable or by hand, and nothing gets lost."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.urls import reverse
from django.utils import timezone

from config import outbox, tasks
from config.models import JobRun, OutboxRow
from orders.models import Allocation, Order, SalesChannel
from routing import decide
from routing.models import Decision, Offer, Run, RunPlan
from routing.runs import control, counting, figures, joint, plans, runner, swaps
from routing.tasks import start_runs
from tests.cast import change_rule_sets, change_rules, payload
from tests.routing import scenes
from tests.routing.scenes import places, waiting
from tests.routing.test_decide import limit
from tests.routing.test_races import together

NOON = datetime(2027, 3, 28, 12, 0, tzinfo=UTC)  # the day on which Europe's clocks change


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cron(line: str, after: str) -> datetime:
    return plans.next_time(RunPlan(cron=line), after=at(after))


# --- the timetable -------------------------------------------------------------------------------


def test_a_plan_of_every_n_minutes_keeps_to_the_grid_of_utc():
    plan = RunPlan(every_minutes=15)
    assert plans.next_time(plan, after=at("2027-03-28T12:07:09")) == at("2027-03-28T12:15")
    assert plans.next_time(plan, after=at("2027-03-28T12:15:00")) == at("2027-03-28T12:30")
    # Clocks that jump from 1:00 to 2:00 in Lisbon change nothing.
    assert plans.next_time(plan, after=at("2027-03-28T00:59:59")) == at("2027-03-28T01:00")
    assert plans.next_time(RunPlan(every_minutes=1440), after=NOON) == at("2027-03-29T00:00")


def test_a_cron_line_says_the_next_time():
    assert cron("0 6,14 * * 1-5", "2027-03-26T14:00") == at("2027-03-29T06:00")  # Friday, Monday
    assert cron("*/20 * * * *", "2027-03-28T01:39:59") == at("2027-03-28T01:40")
    assert cron("30 2 * * *", "2027-03-28T00:00") == at("2027-03-28T02:30")  # a gap in Berlin
    assert cron("0 0 29 2 *", "2097-01-01T00:00") == at("2104-02-29T00:00")
    assert cron("0 12 1 * sun", "2027-03-26T00:00") == at("2027-03-28T12:00")  # either of them


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 6 * *", "has five parts"),
        ("61 * * * *", "The minute may be 0 to 59"),
        ("0 6 * * 7", "The weekday may be 0 (Sunday) to 6"),
        ("0 6 31 2 *", "Such a day never comes"),
    ],
)
def test_a_cron_line_that_cannot_be_is_refused_in_words(line, words):
    with pytest.raises(plans.BadCron, match=words.replace("(", r"\(").replace(")", r"\)")):
        plans.read_cron(line)


def test_a_plan_starts_once_when_it_is_due(company):
    plan = RunPlan.objects.create(name="Hourly", every_minutes=60)
    RunPlan.objects.create(name="Off", every_minutes=60, active=False)
    with time_machine.travel(NOON - timedelta(minutes=20), tick=False) as clock:
        start_runs()
        assert not Run.objects.exists()
        clock.move_to(NOON + timedelta(seconds=40))
        start_runs()
        start_runs()  # a second scheduler
        (run,) = Run.objects.all()
        assert (run.plan, run.cause, run.joint) == (plan, "timetable", True)
        assert JobRun.objects.filter(job="start_runs", result__started=1).count() == 1
        with pytest.raises(control.AlreadyOpen, match="Hourly is open already"):
            control.start(plan=plan, cause="manual")
        clock.move_to(NOON + timedelta(minutes=61))
        start_runs()
        assert Run.objects.count() == 1  # it is open still
        control.stop(run)
        clock.move_to(NOON + timedelta(minutes=62))
        start_runs()
        assert Run.objects.count() == 2
        clock.move_to(NOON + timedelta(hours=9, minutes=30))  # the scheduler was away for hours
        plan.refresh_from_db()
        assert not plans.is_due(RunPlan(cron="0 15 * * *", last_started_at=NOON), now=NOON)
        plan = RunPlan(cron="0 15 * * *", last_started_at=NOON)
        assert not plans.is_due(plan, now=at("2027-03-28T21:30"))  # too late by far
        assert plans.is_due(plan, now=at("2027-03-28T15:40"))


# --- the runner ----------------------------------------------------------------------------------


def run_of(orders: int, company, **changes) -> Run:
    """A run over so many orders, not begun."""
    for _ in range(orders):
        company.place(("TEE", 1))
    return control.start(**{"cause": "manual", "joint": False, **changes})


def work(times: int = 1) -> None:
    for _ in range(times):
        scenes.work("run")


def state(run: Run) -> tuple[str, int, int, int]:
    run.refresh_from_db()
    return run.state, run.total, run.done, run.routed


def decided(run: Run) -> int:
    """Orders of the run's decisions, of which no order has two."""
    found = Decision.objects.filter(run=run)
    assert found.values("order").distinct().count() == found.count()
    return found.count()


def test_a_run_routes_what_waits_in_its_channels(company):
    other = SalesChannel.objects.create(code="b2b", name="B2B", kind="b2b", pool=company.pool)
    run = run_of(3, company, channels=[company.web.pk])
    elsewhere = control.start(cause="manual", joint=False, channels=[other.pk])
    work()
    assert state(run) == ("done", 3, 3, 3)
    assert state(elsewhere) == ("done", 0, 0, 0)
    decisions = Decision.objects.filter(run=run)
    assert decided(run) == 3
    assert {(d.cause, d.rule_set, d.rule_set.version) for d in decisions} == {
        ("run", company.rules, 1)
    }
    assert run.cost == sum(d.cost for d in decisions)
    assert run.kg_co2 == pytest.approx(sum(d.kg_co2 for d in decisions))
    assert (run.parcels, run.skipped, run.ended_at is not None) == (3, 0, True)
    scenes.check()


def test_who_dies_in_the_middle_loses_nothing_and_repeats_nothing(company, monkeypatch):
    monkeypatch.setattr(runner, "BATCH", 2)
    run, real = run_of(5, company), decide.route_many
    calls = []

    def dies(orders, **kwargs):
        many = real(orders, **kwargs)
        calls.append(orders)
        if len(calls) == 2:
            raise KeyboardInterrupt  # the process is gone before it could count
        return many

    monkeypatch.setattr(decide, "route_many", dies)
    with pytest.raises(KeyboardInterrupt):
        work()
    assert state(run) == ("running", 5, 2, 2)
    work()
    assert state(run) == ("done", 5, 5, 5)
    assert decided(run) == 5
    assert [len(orders) for orders in calls] == [2, 2, 1]
    scenes.check()


def test_after_its_turn_a_run_stands_behind_other_work_and_can_be_stopped(company, monkeypatch):
    monkeypatch.setattr(runner, "BATCH", 2)
    monkeypatch.setattr(runner, "TURN_SECONDS", 0)
    run = run_of(5, company)
    work()
    assert state(run) == ("running", 5, 2, 2)
    assert OutboxRow.objects.filter(topic="run", done_at=None).count() == 1
    control.stop(run)
    work(2)
    assert state(run) == ("stopped", 5, 2, 2)
    control.resume(run)
    late = company.place(("TEE", 1))  # waits for the next one
    work(3)
    assert state(run) == ("done", 5, 5, 5)
    assert waiting(late)
    scenes.check()


def test_a_run_waits_for_one_of_the_same_channels(company):
    first = control.start(cause="manual", channels=[company.web.pk])
    second = control.start(cause="manual")
    row = OutboxRow.objects.get(topic="run", subject=second.pk)
    with pytest.raises(outbox.Later, match=f"waits for run {first.pk}, which has orders of"):
        runner.handle(leased(row))
    work(2)
    assert [state(run)[0] for run in (first, second)] == ["done", "done"]


def test_of_runs_that_are_due_at_once_a_worker_takes_one_after_the_other(company, monkeypatch):
    other = SalesChannel.objects.create(code="b2b", name="B2B", kind="b2b", pool=company.pool)
    run = run_of(2, company, channels=[company.web.pk])
    second = control.start(cause="manual", joint=False, channels=[other.pk])
    real, leases = decide.route_many, []

    def slow(orders, **kwargs):
        leases.append(OutboxRow.objects.filter(topic="run").exclude(lease_token=None).count())
        if len(leases) == 1:
            raise SoftTimeLimitExceeded
        return real(orders, **kwargs)

    monkeypatch.setattr(decide, "route_many", slow)
    OutboxRow.objects.filter(topic="run").update(next_at=at("2020-01-01"))
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.drain("run")
    assert (state(run)[0], state(second)[0], leases) == ("running", "waiting", [1])
    rows = OutboxRow.objects.filter(topic="run").order_by("subject")
    assert list(rows.values_list("attempts", flat=True)) == [1, 0]
    rows.update(next_at=at("2020-01-01"))
    tasks.drain("run")
    assert (state(run), state(second)) == (("done", 2, 2, 2), ("done", 0, 0, 0))
    assert leases == [1, 1]


def leased(row: OutboxRow) -> OutboxRow:
    OutboxRow.objects.filter(pk=row.pk).update(next_at=at("2020-01-01"))
    (mine,) = [one for one in outbox.claim(row.topic, limit=10) if one.pk == row.pk]
    return mine


def test_an_order_that_breaks_is_left_out_with_its_reason(company, monkeypatch):
    run, real = run_of(5, company), decide.route_many
    bad = Allocation.objects.order_by("order_id")[2].order

    def breaks(orders, **kwargs):
        if bad.pk in orders:
            raise ValueError("no such weight")
        return real(orders, **kwargs)

    monkeypatch.setattr(decide, "route_many", breaks)
    work()
    assert state(run) == ("done", 5, 5, 4)
    assert run.skipped == 1
    assert waiting(bad) == [
        ("routing", f"left out of run {run.pk}: ValueError: no such weight", 1)
    ]  # fmt: skip
    scenes.check()


def test_a_run_whose_work_is_given_up_says_why_and_goes_on_later(company, monkeypatch):
    run = run_of(2, company)
    monkeypatch.setattr(runner.scope, "next_orders", lambda *_, **__: 1 / 0)
    work(5)
    assert state(run)[0] == "failed"
    assert "ZeroDivisionError" in run.error
    monkeypatch.undo()
    control.resume(run)
    OutboxRow.objects.filter(topic="run").update(dead_at=timezone.now(), done_at=None,
                                                 last_error="every worker ended")  # fmt: skip
    assert control.fail_abandoned() == 1
    run.refresh_from_db()
    assert (run.state, run.error) == ("failed", "every worker ended")
    control.resume(run)
    work()
    assert state(run) == ("done", 2, 2, 2)


def test_a_store_that_closes_the_tap_gets_nothing_more_and_keeps_what_it_has(company, monkeypatch):
    """Case 83."""
    monkeypatch.setattr(runner, "BATCH", 1)
    run, real = run_of(4, company), decide.route_many

    def noon(orders, **kwargs):
        if Decision.objects.filter(run=run).count() == 2:
            limit(company, "LYON", 0)
        return real(orders, **kwargs)

    monkeypatch.setattr(decide, "route_many", noon)
    work()
    found = [list(places(d.order)) for d in Decision.objects.filter(run=run).order_by("pk")]
    assert found[:2] == [[("allocated", "LYON")]] * 2
    assert all(place != [("allocated", "LYON")] for place in found[2:])
    assert len(found) == 4
    scenes.check()


# --- together ------------------------------------------------------------------------------------


def test_orders_that_wait_for_each_others_units_are_carried_out_together():
    def wish(*, takes=(), gives=()):
        return swaps.Wish({}, {(spot, 1): 1 for spot in takes}, {(spot, 1): 1 for spot in gives})

    wishes = {
        1: wish(takes=[10], gives=[20]),  # swaps with 2
        2: wish(takes=[20], gives=[10]),
        3: wish(takes=[30], gives=[40]),  # after 4, which after 5
        4: wish(takes=[50], gives=[30]),
        5: wish(takes=[60], gives=[50]),
        6: wish(takes=[70]),  # nobody gives it up
        7: wish(),
    }
    found = list(swaps.knots(wishes, {(60, 1): 1}, most=2))
    assert found == [[5], [7], [4], [3], [1, 2]]
    assert [1, 2] not in list(swaps.knots(wishes, {}, most=1))


def in_paris(company, *items):
    address = {**payload()["shipping_address"], "city": "Paris", "postcode": "75001"}
    return company.place(*items, shipping_address=address)


@pytest.fixture
def scarce(company):
    """The last two caps are in Lyon and far away in Riga, the customers in Paris and in Lyon."""
    scenes.take_away(company, "CAP", "PARIS")
    scenes.bring(company, "CAP", "RIGA", 1)
    orders = in_paris(company, ("CAP", 1)), company.place(("CAP", 1))
    Order.objects.update(promised_at=None)  # nobody was promised what he got first
    return orders


def routed(*, joint: bool) -> Run:
    run = control.start(cause="manual", joint=joint)
    work()
    run.refresh_from_db()
    assert (run.state, run.done, run.routed) == ("done", 2, 2)
    scenes.check()
    return run


def test_first_come_the_scarce_unit_goes_to_who_gains_less_by_it(scarce):
    run = routed(joint=False)
    assert [list(places(order)) for order in scarce] == [
        [("allocated", "LYON")], [("allocated", "RIGA")]
    ]  # fmt: skip
    assert (run.single_cost, run.gap) == (None, None)


def test_together_it_goes_where_it_saves_most(scarce):
    run = routed(joint=True)
    assert [list(places(order)) for order in scarce] == [
        [("allocated", "RIGA")], [("allocated", "LYON")]
    ]  # fmt: skip
    assert 1 < run.single_cost - run.cost < 3  # parcels of 11 and 5 for 7 and 11, and their CO2e
    assert run.gap == pytest.approx(0, abs=1e-6)
    assert "cheaper than one by one; nothing better is possible" in figures.gain_words(run)


def test_runs_at_once_do_not_exceed_a_days_capacity(live_company):
    company, web = live_company, live_company.web
    limit(company, "LYON", 3)
    other = SalesChannel.objects.create(code="b2b", name="B2B", kind="b2b", pool=company.pool)
    for company.web in (web, other):
        for _ in range(4):
            company.place(("TEE", 1))
        control.start(cause="manual", channels=[company.web.pk])
    together(*[lambda: outbox.drain("run", batch=1)] * 2)
    assert list(Run.objects.values_list("state", "routed")) == [("done", 4)] * 2
    assert Offer.objects.filter(location=company.locations["LYON"]).count() == 3
    scenes.check()


def test_a_run_asks_who_is_promised_first_or_pays_most_and_goes_on_behind_them(
    company, monkeypatch
):
    monkeypatch.setattr(runner, "BATCH", 1)
    monkeypatch.setattr(runner, "TURN_SECONDS", 0)
    monkeypatch.setattr(runner.joint, "TOGETHER", 2)  # so each sort has several turns
    orders = [company.place(("TEE", units)) for units in (1, 3, 2, 1, 3)]
    asked, now = [], timezone.now()
    for order, days in zip(orders, (5, None, 2, 2, 9), strict=True):
        order.promised_at = None if days is None else now + timedelta(days=days)
        order.save()
    monkeypatch.setattr(decide, "route_many", lambda ids, **_: asked.extend(ids))
    for sort, is_joint, sequence in (
        ("promise", False, (2, 3, 0, 4, 1)), ("value", False, (1, 4, 2, 0, 3)),
        ("oldest", False, (0, 1, 2, 3, 4)), ("oldest", True, (0, 1, 2, 3, 4)),
    ):  # fmt: skip
        asked.clear()
        run = control.start(cause="manual", joint=is_joint, sort=sort)
        work(6)
        assert state(run)[:3] == ("done", 5, 5)
        if not is_joint:
            assert asked == [orders[n].pk for n in sequence]
        assert sorted(asked) == sorted(order.pk for order in orders)


def test_a_run_leaves_alone_who_has_no_hope_and_comes_when_there_is_one(company):
    scenes.queue_when_short(company)
    change_rule_sets(max_attempts=1)
    refused, sold_out = company.place(("TEE", 1)), company.place(("SOLD", 1))
    for order in (refused, sold_out):
        scenes.route(order)
    ((_, place),) = places(refused)
    scenes.refuse(refused, place)
    assert waiting(refused)[0][1].endswith("a person decides")
    before = Decision.objects.count()
    scenes.all_due()
    assert state(run_now())[:3] == ("done", 0, 0)
    assert Decision.objects.count() == before
    scenes.bring(company, "SOLD", "PARIS", 1)
    assert state(run_now()) == ("done", 1, 1, 1)
    assert places(sold_out) == {("allocated", "PARIS"): 1}


def run_now() -> Run:
    run = control.start(cause="manual", joint=False)
    work()
    return run


def test_who_stops_a_run_in_the_middle_finds_each_order_counted_once(company, monkeypatch):
    monkeypatch.setattr(runner, "BATCH", 2)
    run, real = run_of(4, company), decide.route_many

    def stops(orders, **kwargs):
        many = real(orders, **kwargs)
        control.stop(Run.objects.get(pk=run.pk))  # between a batch and its count
        return many

    monkeypatch.setattr(decide, "route_many", stops)
    work()
    assert state(run) == ("stopped", 4, 2, 2)
    monkeypatch.undo()
    orders = list(Decision.objects.filter(run=run).values_list("order", flat=True))
    control.resume(run)
    Run.objects.filter(pk=run.pk).update(state="running")
    counting.add(Run.objects.get(pk=run.pk), orders, joint.Plans())  # as if they came again
    assert state(run) == ("running", 4, 4, 4)
    control.stop(run)
    assert state(run) == ("stopped", 4, 2, 2)
    assert run.parcels == 2


# --- the console ---------------------------------------------------------------------------------


def page(console, url: str, data: dict | None = None) -> str:
    answer = console.get(url) if data is None else console.post(url, data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_plan_is_written_and_run_and_its_figures_open_their_rows(console, company):
    plan = {"name": "Night", "active": "on", "joint": "on", "sort": "promise",
            "channels": [company.web.pk]}  # fmt: skip
    new = reverse("admin:routing_runplan_add")
    assert "Say every how many minutes" in page(console, new, plan)
    assert "The hour may be 0 to 23" in page(console, new, {**plan, "cron": "0 25 * * *"})
    both = {**plan, "cron": "0 5 * * *", "every_minutes": "5"}
    assert "Say either every how many" in page(console, new, both)
    page(console, new, {**plan, "cron": "0  5 * * *"})
    night = RunPlan.objects.get()
    assert night.cron == "0 5 * * *"
    assert "0 5 * * *" in page(console, reverse("admin:routing_runplan_changelist"))

    order = company.place(("TEE", 1))
    shown = page(console, reverse("admin:routing_runplan_run_now", args=[night.pk]), {})
    run = Run.objects.get()
    assert 'http-equiv="refresh"' in shown
    assert "Night, by boss" in shown
    url = reverse("admin:routing_runplan_run_now", args=[night.pk])
    assert "is open already: it ends first" in page(console, url, {})
    work()
    shown = page(console, reverse("admin:routing_run_change", args=[run.pk]))
    assert "1 order in" in shown
    assert 'http-equiv="refresh"' not in shown
    (rows,) = re.findall(r'href="([^"]*outcome__exact=routed)"', shown)
    assert order.number in page(console, rows.replace("&amp;", "&"))
    assert "Night, by boss" in page(console, reverse("admin:routing_run_changelist"))


def test_a_run_is_started_stopped_and_taken_up_by_hand(console, company):
    company.place(("TEE", 1))
    url = reverse("admin:routing_run_new_run")
    page(console, url, {"channels": [company.web.pk]})
    first = Run.objects.get()
    assert (first.channels, first.joint, first.cause) == ([company.web.pk], False, "manual")
    shown = page(console, url, {})
    second = Run.objects.latest("pk")
    assert f"run {first.pk}</a>, which has orders of the same channels" in shown
    page(console, reverse("admin:routing_run_stop_run", args=[second.pk]), {})
    assert state(second)[0] == "stopped"
    page(console, reverse("admin:routing_run_resume_run", args=[second.pk]), {})
    work(2)
    assert (state(first)[0], state(second)[0]) == ("done", "done")
    stop = page(console, reverse("admin:routing_run_stop_run", args=[second.pk]), {})
    assert "it cannot become stopped" in stop


def test_rules_that_let_orders_wait_without_a_plan_are_told(console, company):
    change_rules(when="run")
    url = reverse("admin:routing_runplan_changelist")
    assert "Rules of Web shop let orders wait" in page(console, url)
    RunPlan.objects.create(name="Hourly", every_minutes=60)
    assert "let orders wait" not in page(console, url)
