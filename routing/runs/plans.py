"""The timetable of runs: every so many minutes, or as a cron line says.

Both are meant in UTC, so no hour comes twice or not at all. Who starts every n minutes starts on
the grid of UTC (every 15 minutes: at 0, 15, 30 and 45), so a plan does not drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from celery.schedules import ParseException, crontab
from django.db import connection
from django.utils import timezone

from routing.models import Run, RunPlan
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


def next_time(plan: RunPlan, *, after: datetime) -> datetime:
    """When the plan is due the first time after this moment. Raises BadCron."""
    if plan.every_minutes:
        step = plan.every_minutes * MINUTE
        return EPOCH + ((after - EPOCH) // step + 1) * step
    return _next_of(read_cron(plan.cron), after)


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
    return plan.active and next_time(plan, after=since) <= now


def start_due() -> list[Run]:
    """Start every plan that is due and has no open run; the runs that began."""
    now = timezone.now()
    started = []
    for plan in RunPlan.objects.filter(active=True).order_by("pk"):
        if not is_due(plan, now=now):
            continue
        try:
            started.append(control.start(plan=plan, cause="timetable"))
        except control.AlreadyOpen:
            continue  # it begins when that one has ended
    return started


# A channel is covered by the active rule set of its own, else by one without channels; the set
# activated last decides (as in the snapshot of an order).
_LEFT_WAITING = """
SELECT c.name FROM orders_saleschannel c
 CROSS JOIN LATERAL (
    SELECT s.id FROM routing_ruleset s
      LEFT JOIN routing_ruleset_channels y ON y.ruleset_id = s.id AND y.saleschannel_id = c.id
     WHERE s.state = 'active'
       AND (y.id IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM routing_ruleset_channels z WHERE z.ruleset_id = s.id))
     ORDER BY y.id IS NULL, s.activated_at DESC, s.id DESC LIMIT 1) s
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
