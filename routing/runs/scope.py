"""Which orders a run is about, and which other runs are about some of the same."""

from collections.abc import Sequence

from django.db import connection
from django.db.models import Q, QuerySet

from orders.models import SalesChannel
from routing.models import Run

# Slices that wait are few among all that ever were, which PostgreSQL cannot know: it takes them
# from their own index first, and looks up the channel of one order at a time (OFFSET 0 keeps it
# so). What began to wait after the run did waits for the next one, or a run might never end.
_ORDERS = """
WITH waiting AS MATERIALIZED (
    SELECT a.order_id FROM orders_allocation a
     WHERE a.state = 'queued' AND a.since <= %(since)s
       AND (a.queue = 'routing' OR a.queue = 'unfillable' AND a.next_action_at <= %(since)s)
), open AS (
    SELECT DISTINCT order_id AS id FROM waiting WHERE order_id > %(after)s ORDER BY 1
)
SELECT w.id FROM open w
 CROSS JOIN LATERAL (
    SELECT 1 FROM orders_order o
     WHERE o.id = w.id AND o.state = 'open'
       AND (%(channels)s::bigint[] = '{}' OR o.channel_id = ANY(%(channels)s::bigint[]))
    OFFSET 0) AS o
 ORDER BY w.id LIMIT %(limit)s
"""


def next_orders(run: Run, *, limit: int | None) -> list[int]:
    """Ids of the next orders of a run that has begun, in their order; all that are left for None.

    Those that wait to be routed, and those without a stock point whose next look is due.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _ORDERS,
            {
                "since": run.started_at, "after": run.cursor, "channels": run.channels,
                "limit": limit,
            },
        )  # fmt: skip
        return [order for (order,) in cursor.fetchall()]


def overlapping(run: Run) -> QuerySet[Run]:
    """Open runs beside this one that are about orders of the same channels."""
    others = Run.objects.filter(state__in=Run.OPEN).exclude(pk=run.pk)
    if run.channels:
        others = others.filter(Q(channels__overlap=run.channels) | Q(channels=[]))
    return others


def ahead_of(run: Run) -> Run | None:
    """The run that this one has to wait for: it runs, or it was asked for before."""
    others = overlapping(run).filter(Q(state=Run.State.RUNNING) | Q(pk__lt=run.pk))
    return others.select_related("plan").order_by("pk").first()


def in_words(channels: Sequence[int]) -> str:
    """The names of channels; none is all of them."""
    if not channels:
        return "all channels"
    names = dict(SalesChannel.objects.filter(pk__in=channels).values_list("pk", "name"))
    return ", ".join(sorted(names.get(pk, f"channel {pk}") for pk in channels))
