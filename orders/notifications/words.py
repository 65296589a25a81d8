"""Dates, addresses and names as people read them; subject and bodies of a message."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pycountry
from babel.core import get_global
from babel.dates import format_date, format_time
from django.conf import settings
from django.template.loader import render_to_string

from orders.models import Order, OrderContact

LOCALE = "en_US"
LONGEST_NAME = 60
LONGEST_SUBJECT = 180
DAYS = {
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday",
    "sat": "Saturday", "sun": "Sunday",
}  # fmt: skip
_EMPTY_LINES = re.compile(r"\n{3,}")
# Controls, line and paragraph ends, and the marks that turn the direction of what follows.
_BREAKING = {"Cc", "Zl", "Zp", "Cs"}
_TURNING = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True)
class Letter:
    """A message in words: one line of subject, plain text, HTML."""

    subject: str
    text: str
    html: str


def render(template: str, *, subject: str, facts: Mapping[str, Any]) -> Letter:
    """Put the facts into the words of templates/mail/<template>; `subject` is a format string."""
    text = render_to_string(f"mail/{template}.txt", dict(facts)).strip() + "\n"
    return Letter(
        subject=one_line(subject.format_map(facts))[:LONGEST_SUBJECT],
        text=_EMPTY_LINES.sub("\n\n", text),
        html=render_to_string(f"mail/{template}.html", dict(facts)),
    )


def one_line(text: str) -> str:
    """The text without line breaks, control characters and doubled spaces."""
    plain = "".join(
        " " if unicodedata.category(c) in _BREAKING or c in _TURNING else c for c in text
    )
    return " ".join(plain.split())


def salutation(name: str) -> str:
    """The name to greet by, or nothing: strangers order in other people's names to advertise."""
    plain = one_line(name)
    looks_like_a_link = any(mark in plain for mark in "/:@<>[]") or "www." in plain.lower()
    return "" if looks_like_a_link or len(plain) > LONGEST_NAME else plain


def day(moment: datetime, *, zone: ZoneInfo, now: datetime) -> str:
    """'Thursday, November 26', with the year when it is another one."""
    local = moment.astimezone(zone)
    pattern = "EEEE, MMMM d"
    if local.year != now.astimezone(zone).year:
        pattern += ", y"
    return format_date(local.date(), pattern, locale=LOCALE)


def date_in_words(day_: date) -> str:
    """'Thursday, November 26'."""
    return format_date(day_, "EEEE, MMMM d", locale=LOCALE)


def zone_of(order: Order, contact: OrderContact | None) -> ZoneInfo:
    """The time zone the customer lives by: the pick-up point's, the country's, the company's."""
    if order.pickup_location is not None:
        return ZoneInfo(order.pickup_location.timezone)
    company = ZoneInfo(settings.COMPANY_TIME_ZONE)
    if contact is None or not contact.country:
        return company
    zones = zones_of_country(contact.country)
    if len(zones) > 1 and contact.lng is not None:
        return _nearest(zones, contact.lng, order.placed_at)
    return zones[0] if zones and company not in zones else company


def zones_of_country(country: str) -> list[ZoneInfo]:
    """The time zones of an ISO 3166 country (CLDR), by name."""
    territories = get_global("zone_territories")
    return [ZoneInfo(name) for name in sorted(territories) if territories[name] == country]


def _nearest(zones: Iterable[ZoneInfo], longitude: float, at: datetime) -> ZoneInfo:
    # The sun crosses 15 degrees an hour; borders of zones are near enough to that for a date.
    return min(zones, key=lambda zone: abs(_hours(zone, at) - longitude / 15))


def _hours(zone: ZoneInfo, at: datetime) -> float:
    offset = at.astimezone(zone).utcoffset()
    return offset.total_seconds() / 3600 if offset is not None else 0.0


def address(place: Any, *, name: str = "") -> list[str]:
    """The lines of a postal address, of an order's contact or of a stock point."""
    if place.country == "US":
        city = f"{place.city}, {place.region} {place.postcode}"
    else:
        city = f"{place.postcode} {place.city}"
    lines = [name, place.line1, getattr(place, "line2", ""), city.strip(" ,")]
    lines.append(country(place.country))
    return [plain for plain in map(one_line, lines) if plain]


def country(code: str) -> str:
    """The name of an ISO 3166 country."""
    found = pycountry.countries.get(alpha_2=code) if code else None
    return getattr(found, "common_name", found.name) if found else code


def opening_hours(hours: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(day, hours) for the week; nothing when none are known or they cannot be read."""
    if not hours:
        return []
    try:
        return [(name, _day_hours(hours.get(key) or [])) for key, name in DAYS.items()]
    except (TypeError, ValueError, AttributeError):
        return []  # a message without opening hours is better than no message


def _day_hours(spans: Iterable[tuple[str, str]]) -> str:
    words = [f"{_clock(start)} to {_clock(end)}" for start, end in spans]
    return ", ".join(words) or "closed"


def _clock(text: str) -> str:
    return format_time(time.fromisoformat(text), "h:mm a", locale=LOCALE)
