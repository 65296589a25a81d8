"""When a stock point is open, and on which day a parcel leaves it. Pure functions on plain data.

All times are the stock point's own. Hours go from and to people as "10:00-13:00, 14:00-19:00",
and are kept as {"mon": [["10:00", "13:00"], ["14:00", "19:00"]], ...}; nothing kept at all means
Monday to Friday, all day.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from inventory.models.places import WEEKDAYS

Interval = tuple[time, time]
SpecialDay = tuple[date, time | None, time | None]  # opens and closes; None: closed all day
Week = dict[str, list[list[str]]]
NAMES = dict(
    zip(
        WEEKDAYS,
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
        strict=True,
    )
)
MOST_DAYS = 366  # hours without any open day end the search
MOST_INTERVALS = 6
ALL_DAY: tuple[Interval, ...] = ((time.min, time.max),)
_DAY = timedelta(days=1)
_CLOCK = re.compile(r"([01]?\d|2[0-4])[:.]([0-5]\d)")


@dataclass(frozen=True)
class Hours:
    """A stock point's week from Monday on, its cut-offs, and the days that are not like others."""

    week: tuple[tuple[Interval, ...], ...]
    cutoffs: tuple[time, ...]
    special: Mapping[date, tuple[Interval, ...]]

    def on(self, day: date) -> tuple[Interval, ...]:
        """When it is open on a day; empty: closed."""
        found = self.special.get(day)
        return self.week[day.weekday()] if found is None else found

    def cutoff(self, day: date) -> time | None:
        """Until when an order leaves the same day, never after closing; None: it is closed."""
        open_ = self.on(day)
        return min(self.cutoffs[day.weekday()], open_[-1][1]) if open_ else None


def is_open(hours: Hours, local: datetime) -> bool:
    """Whether it is open at a moment of its own clock."""
    clock = local.time()
    return any(opens <= clock < closes for opens, closes in hours.on(local.date()))


def opens_next(hours: Hours, local: datetime) -> datetime | None:
    """The moment itself when it is open, else when it opens next; None: not within a year."""
    if is_open(hours, local):
        return local
    day = local.date()
    for ahead in range(MOST_DAYS):
        for opens, _ in hours.on(day + ahead * _DAY):
            if ahead or opens > local.time():
                return datetime.combine(day + ahead * _DAY, opens, tzinfo=local.tzinfo)
    return None


def hand_over_day(hours: Hours, local: datetime, *, lead_days: int = 0) -> date:
    """The day a parcel leaves that is asked for now: open, before the cut-off, after lead days."""
    day = local.date()
    cutoff = hours.cutoff(day)
    wait = lead_days if cutoff is not None and local.time() <= cutoff else lead_days + 1
    for _ in range(MOST_DAYS):
        if not wait:
            break
        day += _DAY
        wait -= bool(hours.on(day))
    return day


# --- as the database has it ----------------------------------------------------------------------

# Special days by stock point (none: everybody's), from the day before %(today)s on.
SPECIAL = """
    SELECT location_id, json_agg(json_build_array(date, opens, closes))::text AS days
      FROM inventory_specialday
     WHERE date BETWEEN %(today)s::date - 1 AND %(today)s::date + 90 GROUP BY location_id
"""
# What `read` wants, of a stock point `l` and the special days `special`; empty for an ordinary one.
CALENDAR = """
    CASE WHEN l.opening_hours = '{}' AND l.cutoffs = '{}'
          AND NOT EXISTS (SELECT 1 FROM special d
                           WHERE d.location_id IS NULL OR d.location_id = l.id)
         THEN ''
         ELSE concat_ws(E'\\n', l.opening_hours::text, l.cutoffs::text,
              coalesce((SELECT days FROM special d WHERE d.location_id IS NULL), '[]'),
              coalesce((SELECT days FROM special d WHERE d.location_id = l.id), '[]')) END
"""


@lru_cache(maxsize=4096)
def read(calendar: str, cutoff: time) -> Hours:
    """The hours of a calendar as CALENDAR writes it: read once, however often it is asked."""
    week, cutoffs, everybodys, own = map(json.loads, calendar.split("\n") if calendar else _PLAIN)
    return known(
        week, cutoff=cutoff, cutoffs=cutoffs,
        special=[(date.fromisoformat(day), _time(opens), _time(closes))
                 for day, opens, closes in [*everybodys, *own]],
    )  # fmt: skip


_PLAIN = ("{}", "{}", "[]", "[]")


def known(
    week: Mapping[str, Any], *, cutoff: time, cutoffs: Mapping[str, str],
    special: Sequence[SpecialDay] = (),
) -> Hours:  # fmt: skip
    """As `make`, but hours that nobody can read stop no order: they count as not known."""
    try:
        return make(week, cutoff=cutoff, cutoffs=cutoffs, special=special)
    except (ValueError, TypeError, AttributeError):
        return make({}, cutoff=cutoff, cutoffs={}, special=special)


def make(
    week: Mapping[str, Sequence[Sequence[str]]],
    *,
    cutoff: time,
    cutoffs: Mapping[str, str],
    special: Sequence[SpecialDay] = (),
) -> Hours:
    """Hours from what is kept; of two special days on one date the later in the list counts."""
    days = [week.get(day, ()) for day in WEEKDAYS] if week else None
    return Hours(
        week=tuple(tuple((_clock(a), _clock(b)) for a, b in day) for day in days)
        if days is not None
        else (ALL_DAY,) * 5 + ((), ()),
        cutoffs=tuple(_clock(cutoffs[day]) if day in cutoffs else cutoff for day in WEEKDAYS),
        special={day: ((opens, closes),) if opens and closes else ()
                 for day, opens, closes in special},
    )  # fmt: skip


def _time(text: str | None) -> time | None:
    return None if text is None else time.fromisoformat(text)


def _clock(text: str) -> time:
    return time.max if text == "24:00" else time.fromisoformat(text)


# --- as people write it --------------------------------------------------------------------------


class WrongHours(ValueError):
    """Hours nobody can keep; `problems` says per weekday, or under "", what is wrong."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.problems = dict(problems)
        super().__init__("; ".join(f"{NAMES.get(d, d)}: {words}" for d, words in problems.items()))


def check_week(value: Any) -> Week:
    """Opening hours as they are kept, times written in full. Raises WrongHours."""
    found, problems = {}, _unknown(value)
    for day in WEEKDAYS if isinstance(value, Mapping) else ():
        if day in value:
            try:
                found[day] = _intervals(value[day])
            except ValueError as error:
                problems[day] = str(error)
    if problems:
        raise WrongHours(problems)
    return found


def check_cutoffs(value: Any) -> dict[str, str]:
    """Cut-offs of single weekdays as they are kept. Raises WrongHours."""
    found, problems = {}, _unknown(value)
    for day in WEEKDAYS if isinstance(value, Mapping) else ():
        if day in value:
            try:
                found[day] = _written(value[day])
            except ValueError as error:
                problems[day] = str(error)
    if problems:
        raise WrongHours(problems)
    return found


def from_words(text: str) -> list[list[str]]:
    """One day's hours from "10:00-13:00, 14:00-19:00"; empty or "closed": none.

    Raises ValueError with words.
    """
    plain = text.strip().lower().replace("\N{EN DASH}", "-")
    if plain in {"", "closed"}:
        return []
    parts = [part for part in re.split(r"[,;]", plain) if part.strip()]
    return _intervals([[side.strip() for side in part.split("-")] for part in parts])


def in_words(day: Sequence[Sequence[str]]) -> str:
    """One day's hours as people write them; empty: closed."""
    return ", ".join(f"{opens}-{closes}" for opens, closes in day)


def _unknown(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {"": f"must be an object by weekday: {', '.join(WEEKDAYS)}"}
    names = sorted(set(map(str, value)) - set(WEEKDAYS))[:10]
    return {name[:20]: f"is no weekday; they are {', '.join(WEEKDAYS)}" for name in names}


def _intervals(value: Any) -> list[list[str]]:
    if not isinstance(value, list) or len(value) > MOST_INTERVALS:
        raise ValueError(f"needs a list of at most {MOST_INTERVALS} openings")
    found: list[list[str]] = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("each opening is a start and an end, e.g. 10:00-19:00")
        opens, closes = map(_written, pair)
        if closes <= opens:
            raise ValueError(f"{opens}-{closes} ends before it begins")
        if found and opens < found[-1][1]:
            raise ValueError(
                f"{opens}-{closes} begins before {found[-1][1]}, when the one before ends"
            )
        found.append([opens, closes])
    return found


def _written(value: Any) -> str:
    found = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or (found[1] == "24" and found[2] != "00"):
        raise ValueError(f"{str(value)[:20]!r} is no time like 10:00")
    return f"{int(found[1]):02}:{found[2]}"
