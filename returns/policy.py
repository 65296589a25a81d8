"""The rules of returns, as tables and pure functions: until when, how often, and what next."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from returns.models import ReturnedUnits

RETURN_WINDOW_DAYS = 30
MAX_RETURNS_PER_ORDER = 20  # asked for by the customer: a link that leaked cannot fill the tables

_D = ReturnedUnits.Disposition
_G = ReturnedUnits.Grade
DISPOSITION: dict[str, str] = {
    _G.A: _D.RESTOCK,
    _G.B: _D.RESTOCK,
    _G.C: _D.QUARANTINE,
    _G.D: _D.SCRAP,
}


def last_moment(
    delivered_at: datetime, *, zone: ZoneInfo, days: int = RETURN_WINDOW_DAYS
) -> datetime:
    """When the window closes: at the end of the local day `days` after the day of delivery."""
    day = delivered_at.astimezone(zone).date() + timedelta(days=days + 1)
    return datetime.combine(day, time.min, tzinfo=zone)
