"""Which orders a run is about, and which other runs are about some of the same."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from orders.models import SalesChannel
from routing.models import Run, Sort
from routing.queues import HOPE

# What orders are sorted by, then by id; the smallest comes first.
_BY = {
    Sort.OLDEST: "0",
    Sort.PROMISE: "coalesce(extract(epoch FROM o.promised_at), 'infinity')",
    Sort.VALUE: "-o.total",
}

# Slices that wait are few among all that ever were, which PostgreSQL cannot know: it takes them
# from their own index first, and looks up the channel of one order at a time (OFFSET 0 keeps it
# so). What began to wait after the run did waits for the next one, or a run might never end.
# What is unfillable and has no hope waits on: a decision more would say the same. Hope is looked up
# last, for as many orders as are asked for; by age even the orders are.
_ORDERS = """
WITH waiting AS MATERIALIZED (
    SELECT a.order_id, a.queue = 'routing' AS is_new FROM orders_allocation a
     WHERE a.state = 'queued' AND a.since <= %(since)s
       AND (a.queue = 'routing' OR a.queue = 'unfillable' AND a.next_action_at <= %(since)s)
), open AS (
    SELECT order_id AS id, bool_or(is_new) AS is_new FROM waiting
     WHERE order_id > %(from)s GROUP BY 1 ORDER BY 1
), sorted AS (
    SELECT w.id, w.is_new, o.key FROM open w
     CROSS JOIN LATERAL (
        SELECT {by}::float8 AS key, o.state, o.channel_id FROM orders_order o
         WHERE o.id = w.id OFFSET 0) AS o
     WHERE o.state = 'open' AND (o.key, w.id) > (%(position)s::float8, %(after)s)
       AND (%(channels)s::bigint[] = '{{}}' OR o.channel_id = ANY(%(channels)s::bigint[]))
     ORDER BY {order}
)
SELECT w.id, w.key FROM sorted w
 WHERE w.is_new OR EXISTS (
    SELECT 1 FROM (SELECT * FROM orders_allocation a WHERE a.order_id = w.id OFFSET 0) d
     WHERE d.state = 'queued' AND d.queue = 'unfillable'
       AND d.since <= %(since)s AND d.next_action_at <= %(since)s AND {hope})
 ORDER BY {order} LIMIT %(limit)s
"""
_SORTED = {
    sort: _ORDERS.format(by=by, hope=HOPE, order="id" if sort == Sort.OLDEST else "key, id")
    for sort, by in _BY.items()
}


class Group(NamedTuple):
    """Ids of orders in the sort of their run, and what the last of them is sorted by."""

    orders: list[int]
    position: float | None


def next_orders(run: Run, *, limit: int | None) -> Group:
    """The next orders of a run that has begun; all that are left for None.

    Those that wait to be routed, and those without a stock point whose next look is due and may
    find one.
    """
    begun = run.position is not None
    with connection.cursor() as cursor:
        cursor.execute(
            _SORTED[Sort(run.sort)],
            {
                "since": run.started_at, "now": timezone.now(), "channels": run.channels,
                "position": run.position if begun else float("-inf"), "after": run.cursor,
                "from": run.cursor if run.sort == Sort.OLDEST else 0, "limit": limit,
            },
        )  # fmt: skip
        rows = cursor.fetchall()
    return Group([order for order, _ in rows], rows[-1][1] if rows else None)


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
