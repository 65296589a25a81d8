"""The watch list: promises that may break or broke, why in words, and until when they can be kept.

And how many were kept: `kept` over the orders whose promised moment lies in the last days.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince

from orders import outlook
from orders.models import Allocation, Order
from orders.outlook import AT_RISK, DONE_AT, IS_MOVED, LATE, MOVED, Outlook, Part

WAITING = "waiting"
TABS = {
    LATE: "late", AT_RISK: "at risk", WAITING: "waiting without a place", MOVED: "moved",
}  # fmt: skip
EMPTY = {
    LATE: "No promise is broken by what is in the house: nothing open is later than promised.",
    AT_RISK: "Every open order arrives in time as things are, and no work must leave within the"
    " hour.",
    WAITING: "Every unit that is not waiting for supply has its stock point.",
    MOVED: "No open order was promised a later day. Move a promise from an order at risk, and the"
    " customer is told once.",
}
SHOWN = 50
MOST_BROKEN = 200
DAYS = (7, 30)
FORMULA = (
    "orders that the customer had, or could collect, until the moment first promised ÷ orders whose"
    " promised moment lies in these days; moved to a later day counts as not kept; test and"
    " canceled orders, and those whose carrier never said that they arrived, are left out"
)
_STATES = dict(Allocation.State.choices)
_QUEUES = dict(Allocation.Queue.choices)


@dataclass(frozen=True)
class Watched:
    """An order of the watch list. `who` are stock points that have its work."""

    order: Order
    outlook: Outlook = field(repr=False)
    reasons: tuple[str, ...]
    who: tuple[str, ...]

    @property
    def leave_by(self) -> str:
        """Until when it must leave, on the stock point's clock; empty: nothing keeps the promise,
        or nothing is to leave."""
        by = self.outlook.leave_by
        return _time(by) if by else ""

    @property
    def can_route(self) -> bool:
        """Whether routing by hand would do something."""
        return any(part.state == Allocation.State.QUEUED for part in self.outlook.parts)


@dataclass(frozen=True)
class WatchList:
    """One tab of the list, and how many orders stand in each."""

    rows: tuple[Watched, ...]
    counts: Mapping[str, int]
    is_cut: bool  # there may be more open orders than outlook.MOST: those promised first are here


def look(tab: str, *, page: int = 1, now: datetime | None = None) -> WatchList:
    """Orders of a tab, the most urgent first. Two statements, however many orders are open."""
    now = now or timezone.now()
    open_ = outlook.at_work(now=now)
    by_tab = _by_tab(open_)
    found = sorted(by_tab[tab], key=lambda one: _urgency(one, now))
    shown = found[SHOWN * (page - 1) : SHOWN * page]
    orders = Order.objects.select_related("channel").in_bulk([one.order for one in shown])
    rows = tuple(_watched(orders[one.order], one) for one in shown if one.order in orders)
    counts = {name: len(found) for name, found in by_tab.items()}
    return WatchList(rows, counts, is_cut=len(open_) == outlook.MOST)


def _by_tab(found: Sequence[Outlook]) -> dict[str, list[Outlook]]:
    tabs: dict[str, list[Outlook]] = {name: [] for name in TABS}
    for one in found:
        if one.state in tabs:
            tabs[one.state].append(one)
        if one.waiting:
            tabs[WAITING].append(one)
    return tabs


def _urgency(one: Outlook, now: datetime) -> tuple[datetime, int]:
    far = now + timedelta(days=3650)
    return min(filter(None, (one.leave_by, one.promised)), default=far), one.order


def _watched(order: Order, one: Outlook) -> Watched:
    who = dict.fromkeys(
        part.point.name for part in one.parts if part.is_placed and part.point is not None
    )
    return Watched(order, one, tuple(_reasons(one)), tuple(who))


# --- in words -------------------------------------------------------------------------------------


def _reasons(one: Outlook) -> Iterator[str]:
    for part in one.waiting:
        why = part.reason or _QUEUES[part.queue]
        yield f"{_units(part)} without a stock point for {timesince(part.since, one.now)}: {why}"
    for part, day in one.delayed():
        yield _delay(part, day, one)
    for part, day in one.overdue():
        if not any(part is late for late, _ in one.delayed()):
            there = date_format(day, "D j M")
            yield f"{_units(part)} left {_name(part)} to arrive {there}: ask its carrier"
    for part, by in one.pressing():
        if not any(part is late for late, _ in one.delayed()):
            yield f"{_units(part)} must leave {_name(part)} until {_time(by)}, {_now(part)}"
    if one.promised is not None and one.promised < one.now and one.state == LATE:
        yield f"was promised {timesince(one.promised, one.now)} ago"
    elif one.moved:
        yield "moved to a later day: the customer was told"


def _delay(part: Part, day: datetime, one: Outlook) -> str:
    arrives = f"arrives {date_format(day, 'D j M')}"
    if one.promised is not None:
        late = (day.date() - one.promised.astimezone(day.tzinfo).date()).days
        arrives += f", {late} day{'' if late == 1 else 's'} after the promise" if late else ""
    if part.has_left:
        return f"{_units(part)} left {_name(part)} and {arrives}"
    leaves = date_format(part.leaves(one.now), "D j M")
    return f"{_units(part)} {_now(part)} at {_name(part)}: leaves {leaves}, {arrives}"


def _units(part: Part) -> str:
    return f"{part.units} unit{'' if part.units == 1 else 's'}"


def _name(part: Part) -> str:
    return part.point.name if part.point else "nowhere"


def _now(part: Part) -> str:
    return "not accepted yet" if part.state == Allocation.State.ALLOCATED else _STATES[part.state]


def _time(moment: datetime) -> str:
    return f"{date_format(moment, 'D j M')}, {moment:%H:%M}"


# --- how many are kept ----------------------------------------------------------------------------

# Orders promised within the days, found by the index of promised days; what became of each.
_DUE = f"""
WITH due AS MATERIALIZED (
    SELECT o.id, o.promised_at FROM orders_order o
     WHERE o.promised_at >= %(since)s AND o.promised_at < %(now)s
       AND NOT o.test AND o.state <> 'canceled'
), fate AS (
    SELECT o.id, o.promised_at,
           CASE WHEN {IS_MOVED} THEN 'moved' WHEN u.here THEN 'late'
                WHEN u.on_the_way OR f.at IS NULL THEN 'unknown'
                WHEN f.at <= o.promised_at THEN 'kept' ELSE 'late' END AS became, f.at
      FROM due o
     CROSS JOIN LATERAL (
        SELECT bool_or(a.state IN ('queued', 'allocated', 'accepted', 'picked', 'packed')) AS here,
               bool_or(a.state = 'shipped') AS on_the_way
          FROM orders_allocation a WHERE a.order_id = o.id OFFSET 0) u
     CROSS JOIN LATERAL (SELECT {DONE_AT} AS at OFFSET 0) f
)
"""
_COUNTS = f"{_DUE} SELECT became, count(*) FROM fate GROUP BY became"
_ROWS = f"""{_DUE}
SELECT f.id, f.became, f.promised_at, f.at FROM fate f
 WHERE f.became IN ('late', 'moved') ORDER BY f.promised_at DESC, f.id DESC LIMIT %(most)s
"""


@dataclass(frozen=True)
class Kept:
    """What became of the promises of the last days; `unknown`: no carrier said it arrived."""

    days: int
    kept: int
    late: int
    moved: int
    unknown: int

    @property
    def due(self) -> int:
        """Orders that the share is of."""
        return self.kept + self.late + self.moved

    @property
    def percent(self) -> float | None:
        """kept ÷ due, in percent; None: nothing was due."""
        return round(100 * self.kept / self.due, 1) if self.due else None


@dataclass(frozen=True)
class Broken:
    """A promise that was not kept. `at`: when all of it was there; None: it is not yet."""

    order: Order
    became: str
    promised: datetime
    at: datetime | None


def kept(days: int, *, now: datetime | None = None) -> Kept:
    """Share of the promises of the last days that were kept. One statement."""
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, _period(days, now))
        found.update(dict(cursor.fetchall()))
    return Kept(days, *(found[name] for name in ("kept", "late", "moved", "unknown")))


def broken(days: int, *, now: datetime | None = None) -> list[Broken]:
    """The promises of the last days that were not kept, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {**_period(days, now), "most": MOST_BROKEN})
        rows = cursor.fetchall()
    orders = Order.objects.select_related("channel").in_bulk([row[0] for row in rows])
    return [Broken(orders[pk], *rest) for pk, *rest in rows]


def _period(days: int, now: datetime | None) -> dict[str, datetime]:
    now = now or timezone.now()
    return {"now": now, "since": now - timedelta(days=days)}


def local(moment: datetime) -> datetime:
    """A moment on the company's clock."""
    return moment.astimezone(ZoneInfo(settings.COMPANY_TIME_ZONE))
