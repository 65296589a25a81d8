"""When runs start: every so many minutes, or as a cron line says, and when so many orders wait.

The timetable is meant in UTC, so no hour comes twice or not at all. Who starts every n minutes
starts on the grid of UTC (every 15 minutes: at 0, 15, 30 and 45), so a plan does not drift. A plan
that starts per batch starts when that many new orders of its channels wait, at the latest by its
timetable if it has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from celery.schedules import ParseException, crontab
from django.db import connection
from django.utils import timezone

from routing.models import Run, RunPlan
from routing.rules import set_of
from routing.runs import control

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
CATCH_UP = timedelta(hours=1)  # what was missed by more than that waits for its next time
MOST_DAYS = 366 * 8 + 1  # 29 February may be eight years away
PARTS = (  # field of the parser, name for people, what it may be
    ("minute", "minute", "0 to 59"),
    ("hour", "hour", "0 to 23"),
    ("day_of_month", "day", "1 to 31"),
    ("month_of_year", "month", "1 to 12 or jan to dec"),
    ("day_of_week", "weekday", "0 (Sunday) to 6 or sun to sat"),
)


class BadCron(ValueError):
    """A cron line that cannot be used; the words say which part and what was expected."""


@dataclass(frozen=True)
class Cron:
    """The minutes, hours and days that a cron line names."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool  # day and weekday are both named: one of them is enough, as cron has it

    def is_on(self, day: date) -> bool:
        """Whether it names this day."""
        if day.month not in self.months:
            return False
        named = (day.day in self.days, day.isoweekday() % 7 in self.weekdays)
        return any(named) if self.either else all(named)


def read_cron(line: str) -> Cron:
    """What a line of five parts says. Raises BadCron."""
    parts = line.lower().split()
    if len(parts) != len(PARTS):
        raise BadCron(
            "A cron line has five parts (minute, hour, day, month, weekday),"
            f" like 0 6,14 * * 1-5; this one has {len(parts)}."
        )
    for (field, name, range_), part in zip(PARTS, parts, strict=True):
        try:
            crontab(**{field: part})
        except (ValueError, ParseException) as error:
            raise BadCron(
                f"The {name} may be {range_}, as a list, a range or */n; {part} is none of these."
            ) from error
    try:
        found = crontab.from_string(" ".join(parts))
    except ValueError as error:
        raise BadCron("Such a day never comes: no such month has so many days.") from error
    return Cron(
        minutes=tuple(sorted(found.minute)), hours=tuple(sorted(found.hour)),
        days=frozenset(found.day_of_month), months=frozenset(found.month_of_year),
        weekdays=frozenset(found.day_of_week),
        either=not parts[2].startswith("*") and not parts[4].startswith("*"),
    )  # fmt: skip


def next_time(plan: RunPlan, *, after: datetime) -> datetime | None:
    """When its timetable has it start the first time after this moment; None: it has no timetable.

    Raises BadCron.
    """
    if plan.every_minutes:
        step = plan.every_minutes * MINUTE
        return EPOCH + ((after - EPOCH) // step + 1) * step
    return _next_of(read_cron(plan.cron), after) if plan.cron else None


def _next_of(cron: Cron, after: datetime) -> datetime:
    first = after.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
    for n in range(MOST_DAYS):
        day = first.date() + n * DAY
        if not cron.is_on(day):
            continue
        for hour in cron.hours:
            for minute in cron.minutes:
                at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if at >= first:
                    return at
    raise BadCron("Such a day never comes.")


def is_due(plan: RunPlan, *, now: datetime) -> bool:
    """Whether a time of the plan has come since its last start, or at most an hour ago."""
    since = max(plan.last_started_at or now - MINUTE, now - CATCH_UP)
    at = next_time(plan, after=since)
    return plan.active and at is not None and at <= now


def start_due() -> list[Run]:
    """Start every plan that is due and has no open run; the runs that began."""
    now = timezone.now()
    active = list(RunPlan.objects.filter(active=True).order_by("pk"))
    full = _full() if any(plan.when_waiting for plan in active) else {}
    started = []
    for plan in active:
        by_time = is_due(plan, now=now)
        if not by_time and plan.pk not in full:
            continue
        cause = "timetable" if by_time else _orders_wait(full[plan.pk])
        try:
            started.append(control.start(plan=plan, cause=cause))
        except control.AlreadyOpen:
            continue  # it begins when that one has ended
    return started


# Plans without an open run for which enough orders wait, and how many are enough. Only orders that
# began to wait after the plan's last start count: those that its run had to leave (on hold, changed
# meanwhile, not routable) would have it start for ever. A run that finds an order on hold writes
# the reason down, from when it waits anew: that counts once. Slices that wait are few, and
# PostgreSQL cannot know (scope.py): they are read from their own index, and the channels of as many
# orders are looked up, one at a time, as the plan asks for.
_FULL = """
SELECT p.id, p.when_waiting FROM (
    SELECT r.id, r.when_waiting, coalesce(r.last_started_at, '-infinity') AS started,
           array(SELECT x.saleschannel_id FROM routing_runplan_channels x
                  WHERE x.runplan_id = r.id) AS channels
      FROM routing_runplan r
     WHERE r.active AND r.when_waiting IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM routing_run n
                        WHERE n.plan_id = r.id AND n.state IN ('waiting', 'running'))) p
 CROSS JOIN LATERAL (
    SELECT count(*) AS orders FROM (
        SELECT 1 FROM (
            SELECT DISTINCT a.order_id FROM orders_allocation a
             WHERE a.state = 'queued' AND a.queue = 'routing' AND a.since > p.started) w
         CROSS JOIN LATERAL (
            SELECT o.state, o.channel_id FROM orders_order o WHERE o.id = w.order_id OFFSET 0) o
         WHERE o.state = 'open' AND (p.channels = '{}' OR o.channel_id = ANY(p.channels))
         LIMIT p.when_waiting) AS enough) AS waiting
 WHERE waiting.orders = p.when_waiting
"""


def _full() -> Mapping[int, int]:
    """Ids of plans for which as many orders wait as they ask for, and how many these are."""
    with connection.cursor() as cursor:
        cursor.execute(_FULL)
        return dict(cursor.fetchall())


def in_words(plan: RunPlan) -> str:
    """When it starts: by its timetable, or when so many orders wait."""
    timetable = (
        f"every {plan.every_minutes} {'minute' if plan.every_minutes == 1 else 'minutes'}"
        if plan.every_minutes else plan.cron
    )  # fmt: skip
    return or_when_full(timetable, plan)


def or_when_full(time: str, plan: RunPlan) -> str:
    """These words for a time ("" for none), or when so many orders wait."""
    batch = f"when {_orders_wait(plan.when_waiting)}" if plan.when_waiting else ""
    return ", or ".join(words for words in (time, batch) if words)


def _orders_wait(count: int) -> str:
    return "1 order waits" if count == 1 else f"{count:,} orders wait"


_LEFT_WAITING = f"""
SELECT c.name FROM orders_saleschannel c
 CROSS JOIN LATERAL (SELECT {set_of("c.id")} AS id) s
 WHERE c.active
   AND EXISTS (SELECT 1 FROM routing_rule r WHERE r.rule_set_id = s.id AND r."when" = 'run')
   AND NOT EXISTS (
       SELECT 1 FROM routing_runplan p
         LEFT JOIN routing_runplan_channels x ON x.runplan_id = p.id
        WHERE p.active AND (x.id IS NULL OR x.saleschannel_id = c.id))
 ORDER BY c.name
"""


def without_plan() -> Sequence[str]:
    """Channels whose rules let orders wait for a run, and that no active plan covers."""
    with connection.cursor() as cursor:
        cursor.execute(_LEFT_WAITING)
        return [name for (name,) in cursor.fetchall()]
