"""The runner: work of the topic "run". Batch after batch, until no order of the scope is left.

A batch is one transaction and is counted right after it. Who dies in between leaves batches or
nothing: what was decided waits no longer, so the next lease goes on with the rest, and counts what
was not counted from the decisions themselves. After its turn a run stands behind the other work
that is due.
"""

import logging
import time
from collections.abc import Mapping, Sequence

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection, transaction
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from config.status import move
from orders import lifecycle
from orders.models import Allocation
from routing import decide
from routing.claims import Units
from routing.models import Run, Sort
from routing.queues import MAX_REASON
from routing.runs import control, counting, joint, scope
from routing.runs.figures import left_out_words

log = logging.getLogger(__name__)

BATCH = 200  # orders of one transaction
TURN_SECONDS = 20.0  # then other work has its turn
LONGEST_SECONDS = 60.0  # of a turn whose orders were planned together; a task may take 90
AHEAD_SECONDS = 5.0  # until a run that waits for another looks again
CAUSE = "run"


def handle(row: OutboxRow) -> outbox.Finish | None:
    """Work on a run for one turn; what is left of it is a row of work of its own."""
    outbox.renew(row)  # rows that were claimed together wait for each other
    run = Run.objects.select_related("plan", "created_by").get(pk=row.subject)
    try:
        return _turn(run, row)
    except (outbox.Later, outbox.LeaseLost, SoftTimeLimitExceeded):
        raise
    except Exception as error:
        words = f"{type(error).__name__}: {error}"[: control.MAX_ERROR]
        if row.attempts < outbox.topics()[control.TOPIC].max_attempts:
            words = f"It stopped at a fault and is tried again. {words}"
            Run.objects.filter(pk=run.pk, state__in=Run.OPEN).update(error=words)
            raise
        log.exception("run %s failed", run.pk)
        run.refresh_from_db()
        if run.state in Run.OPEN:
            control.fail(run, words)
    return None


def _turn(run: Run, row: OutboxRow) -> outbox.Finish | None:
    began = time.monotonic()
    if run.state == Run.State.WAITING:
        ahead = control.begin(run)
        if ahead is not None:
            raise outbox.Later(f"waits for {ahead}, which has orders of the same channels",
                               seconds=AHEAD_SECONDS)  # fmt: skip
    if row.attempts > 1:  # somebody died with it, maybe before he counted
        counting.recount(run)
    while run.state == Run.State.RUNNING:
        by_id = not run.joint and run.sort == Sort.OLDEST  # else all that wait are read to sort
        group = scope.next_orders(run, limit=BATCH if by_id else joint.TOGETHER)
        if not group.orders:
            counting.recount(run)
            move(run, Run.State.DONE, allowed=control.MOVES, ended_at=timezone.now(), error="")
            return None
        _group(run, row, group, until=began + LONGEST_SECONDS)
        if run.state == Run.State.RUNNING and time.monotonic() > began + TURN_SECONDS:
            return lambda: control.go_on(run, row)
    return None


def _group(run: Run, row: OutboxRow, group: scope.Group, *, until: float) -> None:
    """Route orders that are looked at together, batch by batch, and go on behind them.

    Stops in between when the run is stopped or the time is over; what is left comes again.
    """
    plans = joint.plan(group.orders) if run.joint else joint.Plans()
    for batch, given in plans.batches(group.orders, size=BATCH):
        outbox.renew(row)
        _route(run, batch, given)
        counting.add(run, batch, plans)
        if run.state != Run.State.RUNNING or time.monotonic() > until:
            return
    counting.go_behind(run, group)


def _route(run: Run, orders: Sequence[int], plans: Mapping[int, Units]) -> None:
    """Route these orders; what an order breaks, it breaks for itself only.

    When the database is gone, the whole batch is tried again.
    """
    actor = run.created_by.get_username() if run.created_by else decide.ACTOR
    try:
        decide.route_many(orders, cause=CAUSE, actor=actor, run=run, plans=plans)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:
        if not connection.is_usable():
            raise
        if len(orders) == 1:
            log.exception("run %s leaves order %s out", run.pk, orders[0])
            _leave_out(run, orders[0], f"{type(error).__name__}: {error}")
            return
        half = len(orders) // 2
        _route(run, orders[:half], plans)
        _route(run, orders[half:], plans)


def _leave_out(run: Run, order: int, words: str) -> None:
    """Write down on the slices that wait why the run could not route them."""
    with transaction.atomic():
        lifecycle.lock(order)
        waiting = Allocation.objects.filter(
            order=order, state=Allocation.State.QUEUED,
            queue__in=[Allocation.Queue.ROUTING, Allocation.Queue.UNFILLABLE],
        )  # fmt: skip
        waiting.update(queue_reason=f"{left_out_words(run)}{words}".replace("\0", "")[:MAX_REASON])
