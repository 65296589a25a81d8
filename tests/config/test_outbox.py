"""Work that must happen, happens: once, in order, after failures, and without a broker."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from django.core.management import call_command
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from kombu import Connection

from config import flows, outbox, tasks
from config.management.commands import relay
from config.models import JobRun, OutboxRow
from config.outbox import Topic
from tests.races.crowd import at_once

HERE = "tests.config.test_outbox"
PAST = datetime(2020, 1, 1, tzinfo=UTC)
heard: list[str] = []
problems: list[Exception] = []  # what the next handlers raise


def note(row):
    """A local handler: its effect is a row of its own."""
    if problems:
        raise problems.pop(0)
    JobRun.objects.create(job=f"effect of {row.cause}", slot=timezone.now())


def call(row):
    """An external handler: tells the world, then says what to write."""
    if problems:
        raise problems.pop(0)
    heard.append(row.cause)
    return lambda: JobRun.objects.create(job=f"effect of {row.cause}", slot=timezone.now())


@pytest.fixture(autouse=True)
def _own_topics():
    heard.clear()
    problems.clear()
    outbox.load(
        topics={
            "local": Topic(f"{HERE}.note", max_attempts=3),
            "world": Topic(f"{HERE}.call", external=True, lease_seconds=150, max_attempts=3),
        },
        rings={},
    )
    yield
    outbox.load(topics=flows.TOPICS, rings=flows.RINGS)


@pytest.fixture
def put(db):
    """Writes due work."""

    def put(cause="c", *, topic="local", subject=1):
        outbox.put(topic=topic, subject=subject, cause=cause)
        due()
        return OutboxRow.objects.get(topic=topic, subject=subject, cause=cause)

    return put


def due():
    """Let the time of all open work come (a test's transaction stops the database's clock)."""
    OutboxRow.objects.filter(done_at=None).update(next_at=PAST + timedelta(seconds=1) * F("id"))


def effects():
    return [job.removeprefix("effect of ") for job in
            JobRun.objects.order_by("id").values_list("job", flat=True)]  # fmt: skip


def wait_of(row):
    row.refresh_from_db()
    return (row.next_at - timezone.now()).total_seconds()


# --- done once -----------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["local", "world"])
def test_work_is_done_once_with_its_effect(put, topic):
    row = put(topic=topic)
    assert outbox.drain(topic) == 1
    row.refresh_from_db()
    assert row.done_at
    assert row.lease_token is None
    due()
    assert outbox.drain(topic) == 0
    assert effects() == ["c"]


def test_the_same_cause_asks_once(put):
    first, again = put("event:1"), put("event:1")
    assert first.pk == again.pk
    put("event:2")
    assert OutboxRow.objects.count() == 2


def test_work_is_written_with_its_cause_or_not_at_all(db):
    with transaction.atomic():
        outbox.put(topic="local", subject=1, cause="c")
        transaction.set_rollback(True)
    assert not OutboxRow.objects.exists()


def test_a_flow_table_that_rings_a_topic_nobody_works_on_is_refused():
    with pytest.raises(ValueError, match="nobody"):
        outbox.load(topics={}, rings={"order.received": ("nobody",)})


# --- lease and fence -----------------------------------------------------------------------------


def test_leased_work_is_nobody_elses_until_the_lease_ends(put):
    row = put(topic="world")
    (mine,) = outbox.claim("world", limit=10)
    assert mine.attempts == 1
    assert 100 < wait_of(row) < 200
    assert outbox.claim("world", limit=10) == []
    due()
    (other,) = outbox.claim("world", limit=10)
    assert other.attempts == 2
    assert other.lease_token != mine.lease_token


@pytest.mark.parametrize("topic", ["local", "world"])
def test_a_worker_that_wakes_after_its_lease_changes_nothing(put, topic):
    put(topic=topic)
    (late,) = outbox.claim(topic, limit=1)
    due()
    (other,) = outbox.claim(topic, limit=1)
    assert not outbox.work(late)
    assert effects() == []
    assert OutboxRow.objects.get().lease_token == other.lease_token
    assert outbox.work(other)
    assert not outbox.work(late)
    assert effects() == ["c"]


def test_a_failure_of_a_late_worker_does_not_end_the_lease_of_the_other(put):
    put()
    (late,) = outbox.claim("local", limit=1)
    due()
    (other,) = outbox.claim("local", limit=1)
    problems.append(ValueError("late"))
    assert not outbox.work(late)
    row = OutboxRow.objects.get()
    assert (row.lease_token, row.last_error) == (other.lease_token, "")


def test_a_lease_can_be_renewed_by_its_owner_alone(put):
    row = put(topic="world")
    (late,) = outbox.claim("world", limit=1)
    due()
    outbox.renew(late)
    assert wait_of(row) > 100
    due()
    outbox.claim("world", limit=1)
    with pytest.raises(outbox.LeaseLost):
        outbox.renew(late)


def test_workers_at_once_share_the_work_and_do_none_twice(transactional_db):
    outbox.put_many(("local", n, "c", {}) for n in range(30))
    done = at_once(*[lambda: outbox.drain("local", batch=3)] * 4)
    assert sum(done) == 30
    assert len(effects()) == 30


# --- failure -------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["local", "world"])
def test_failed_work_says_why_and_is_tried_again_later_and_later(put, topic):
    row = put(topic=topic)
    waits = []
    for _ in range(2):
        problems.append(ValueError("the printer is on fire"))
        assert outbox.drain(topic) == 0
        waits.append(wait_of(row))
        due()
    assert row.last_error == "ValueError: the printer is on fire"
    assert row.lease_token is None
    assert 3 < waits[0] < 6.5 < waits[1] < 12.5
    assert outbox.drain(topic) == 1
    row.refresh_from_db()
    assert row.last_error == ""


def test_waits_double_and_end_at_an_hour():
    waits = [outbox.backoff_seconds(n) for n in (1, 2, 3, 20, 60)]
    for wait, about in zip(waits, (5, 10, 20, 3600, 3600), strict=True):
        assert 0.8 * about <= wait <= 1.2 * about


def test_work_that_fails_for_good_is_put_aside_until_a_person_retries_it(put):
    row = put()
    for n in range(3):
        problems.append(ValueError(str(n)))
        due()
        outbox.drain("local")
    row.refresh_from_db()
    assert row.dead_at
    due()
    assert outbox.due() == {}
    assert outbox.drain("local") == 0
    assert outbox.retry([row.pk]) == 1
    row.refresh_from_db()
    assert (row.attempts, row.dead_at) == (0, None)
    due()
    assert outbox.drain("local") == 1


def test_what_is_done_is_not_retried(put):
    row = put()
    outbox.drain("local")
    assert outbox.retry([row.pk]) == 0
    assert effects() == ["c"]


def test_work_that_kills_every_worker_is_put_aside_too(put):
    row = put()
    for _ in range(3):  # claimed, and never heard of again
        assert len(outbox.claim("local", limit=1)) == 1
        due()
    assert outbox.drain("local") == 0
    row.refresh_from_db()
    assert row.dead_at
    assert "ended without an answer" in row.last_error
    assert effects() == []


def test_an_error_that_no_database_can_keep_is_still_written_down(put):
    row = put()
    problems.append(ValueError("NUL \0 in the words"))
    outbox.drain("local")
    row.refresh_from_db()
    assert row.last_error == "ValueError: NUL  in the words"


def test_later_is_no_failure(put):
    row = put(topic="world")
    for _ in range(5):
        problems.append(outbox.Later("the shop is closed"))
        assert outbox.drain("world") == 0
        assert 10 < wait_of(row) < 20
        assert (row.last_error, row.attempts) == ("the shop is closed", 0)
        due()
    assert outbox.drain("world") == 1


def test_what_the_world_heard_is_told_again_when_the_books_were_not_written(put, monkeypatch):
    row = put(topic="world")
    monkeypatch.setattr(JobRun.objects, "create", _fail)
    assert outbox.drain("world") == 0
    monkeypatch.undo()
    due()
    assert outbox.drain("world") == 1
    assert heard == ["c", "c"]  # under the same row, which is its key
    assert effects() == ["c"]
    row.refresh_from_db()
    assert row.done_at


def _fail(**_):
    raise OSError("disk full")


# --- order ---------------------------------------------------------------------------------------


def test_work_of_one_subject_keeps_its_order(put):
    put("first", subject=7)
    put("second", subject=7)
    put("other", subject=8)
    problems.append(ValueError("not now"))
    outbox.drain("local", batch=1)
    assert effects() == ["other"]  # the second waits for the first
    due()
    outbox.drain("local")
    assert effects() == ["other", "first", "second"]


def test_one_that_was_put_aside_does_not_stop_those_behind_it(put):
    first = put("first")
    put("second")
    OutboxRow.objects.filter(pk=first.pk).update(dead_at=timezone.now())
    assert outbox.drain("local") == 1
    assert effects() == ["second"]


def test_topics_do_not_wait_for_each_other(put):
    put("a", topic="local")
    put("b", topic="world")
    assert outbox.claim("local", limit=1)
    assert outbox.drain("world") == 1


# --- relay and drain -----------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _one_connection(monkeypatch):
    monkeypatch.setattr(relay, "close_old_connections", lambda: None)  # the test's own


@pytest.fixture
def bells(monkeypatch):
    rung = []
    monkeypatch.setattr(tasks.drain, "apply_async", lambda args, **how: rung.append((args, how)))
    monkeypatch.setattr(relay, "drain", tasks.drain)
    return rung


@pytest.mark.parametrize(("rows", "expected"), [(1, 1), (45, 3), (500, 4)])
def test_the_relay_rings_a_bell_per_twenty_rows_and_at_most_four(db, bells, rows, expected):
    outbox.put_many(("local", n, "c", {}) for n in range(rows))
    due()
    call_command("relay", once=True)
    assert [args for args, _ in bells] == [("local",)] * expected
    assert all(how["expires"] == 5 and how["retry"] is False for _, how in bells)


def test_with_the_broker_away_the_relay_says_so_and_goes_on(put, monkeypatch, caplog):
    put()
    away = Connection("redis://127.0.0.1:1/0", transport_options={"max_retries": 0})
    real = tasks.drain.apply_async
    monkeypatch.setattr(tasks.drain, "apply_async",
                        lambda args, **how: real(args, connection=away, **how))  # fmt: skip
    monkeypatch.setattr(relay.time, "sleep", lambda _: None)
    look = relay.Command().look
    look()
    look()
    assert caplog.text.count("broker away") == 2
    assert OutboxRow.objects.filter(done_at=None).count() == 1


def test_without_any_broker_work_is_done_in_this_process(put, capsys):
    put("a")
    put("b", topic="world")
    call_command("drain")
    assert "2 rows of work done" in capsys.readouterr().out
    assert sorted(effects()) == ["a", "b"]


def test_work_of_a_topic_that_is_no_more_stops_nobody(put, bells, caplog):
    put("old", topic="retired")
    put("new")
    call_command("relay", once=True)
    assert [args for args, _ in bells] == [("local",)]
    assert "unknown topic retired" in caplog.text
    assert outbox.drain_all() == 1


def test_a_bell_that_a_worker_hears_drains_the_topic(put):
    put()
    tasks.drain("local")
    assert effects() == ["c"]


def test_a_worker_whose_time_is_over_gives_back_what_it_has_not_begun(put):
    first, *others = [put(f"c{n}", topic="world", subject=n) for n in range(3)]
    problems.append(SoftTimeLimitExceeded())
    with pytest.raises(SoftTimeLimitExceeded):
        tasks.drain("world")
    assert wait_of(first) > 3
    assert (first.attempts, first.lease_token) == (1, None)
    assert first.last_error.startswith("SoftTimeLimitExceeded")
    for row in others:
        assert wait_of(row) <= 0
        assert (row.attempts, row.lease_token, row.last_error) == (0, None, "")
    due()
    tasks.drain("world")
    assert heard == ["c0", "c1", "c2"]


# --- periodic jobs -------------------------------------------------------------------------------


def test_of_two_schedulers_one_takes_the_slot(transactional_db):
    def run():
        with tasks.once("sweep", every_seconds=3600) as slot:
            if slot is not None:
                slot.result = {"swept": 3}
            return slot is not None

    with time_machine.travel(datetime(2026, 5, 4, 10, 20, tzinfo=UTC), tick=False):
        assert sorted(at_once(*[run] * 4)) == [False, False, False, True]
    row = JobRun.objects.get()
    assert row.slot == datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
    assert row.finished_at
    assert row.result == {"swept": 3}


def test_the_next_slot_is_a_new_one(db):
    for minute in (0, 59, 60):
        with (
            time_machine.travel(
                datetime(2026, 5, 4, 10, 0, tzinfo=UTC) + timedelta(minutes=minute)
            ),
            tasks.once("sweep", every_seconds=3600),
        ):
            pass
    assert [run.slot.hour for run in JobRun.objects.order_by("slot")] == [10, 11]


def test_finished_work_is_forgotten_after_a_month_and_open_work_never(put):
    old, fresh, waiting = put("old"), put("fresh"), put("waiting")
    long_ago = timezone.now() - timedelta(days=31)
    OutboxRow.objects.filter(pk=old.pk).update(done_at=long_ago)
    OutboxRow.objects.filter(pk=fresh.pk).update(done_at=timezone.now())
    OutboxRow.objects.filter(pk=waiting.pk).update(created_at=long_ago)
    tasks.prune()
    assert set(OutboxRow.objects.values_list("cause", flat=True)) == {"fresh", "waiting"}
    assert JobRun.objects.get(job="prune").result["work"] == 1
