"""What was learned from outcomes: how likely a stock point refuses a line."""

import time
from collections.abc import Mapping
from datetime import timedelta
from threading import Lock

from django.db import connection
from django.utils import timezone

DAYS = 30
KEEP_SECONDS = 300.0
# A stock point nobody knows yet counts as one that refused 1 of 20 lines: the estimate is the
# mean of a Beta(1, 19) prior after its own record, so a few lines move it little and hundreds a
# lot. McKinsey puts the stock accuracy of stores at 70 to 90 %; what they sell from their shelves
# finds its way into the rate within a few weeks.
PRIOR_REFUSED, PRIOR_LINES = 1.0, 20.0
UNKNOWN = PRIOR_REFUSED / PRIOR_LINES

_RECORD = """
SELECT location_id, sum(offered), sum(refused)
  FROM (SELECT location_id, sum(lines) AS offered, 0 AS refused
          FROM routing_offer WHERE day > %(since)s::date GROUP BY location_id
        UNION ALL
        SELECT location_id, 0, count(*)
          FROM routing_refusal WHERE at > %(since)s GROUP BY location_id) AS record
 GROUP BY location_id
"""

_lock = Lock()
_kept: tuple[float, Mapping[int, float]] | None = None


def refusal_rates() -> Mapping[int, float]:
    """Chance per stock point (id) that it refuses a line, over the last 30 days.

    (refused lines + 1) / (offered lines + 20), at most 1; who is missing has no record and counts
    as UNKNOWN. Read at most every five minutes per process, so that no routing scans history.
    """
    global _kept  # noqa: PLW0603  (one reading shared by the threads of a process)
    with _lock:
        now = time.monotonic()
        if _kept is None or now - _kept[0] > KEEP_SECONDS:
            _kept = (now, _read())
        return _kept[1]


def forget() -> None:
    """Read again at the next question."""
    global _kept  # noqa: PLW0603
    _kept = None


def _read() -> dict[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(_RECORD, {"since": timezone.now() - timedelta(days=DAYS)})
        return {
            location: min((float(refused) + PRIOR_REFUSED) / (float(offered) + PRIOR_LINES), 1.0)
            for location, offered, refused in cursor.fetchall()
        }
