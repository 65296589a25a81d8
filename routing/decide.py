"""Who should serve an order: lock, read, decide, re-point the claims, keep the decision.

A slice that waits keeps the claim that capture took, even when no plan may use it today:
tomorrow's capacity or a changed rule may. It loses the claim when the place has refused its line,
or when the stock is not there (routing/shortage.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, connection, transaction
from django.utils import timezone
from psycopg.errors import DeadlockDetected, LockNotAvailable

from config import outbox
from config.models import OutboxRow
from orders import lifecycle
from orders.models import Allocation, Order
from routing import carry, parts, queues, shortage, snapshot, together
from routing.carry import Case
from routing.claims import Lost, Units
from routing.models import Decision, Run
from routing.parts import Part
from routing.queues import Wait
from routing.snapshot import Snapshot, Waiting

ACTOR = "routing"
ROUNDS = 3  # what a plan counts on may be lost to somebody faster; then it is made anew
AT_ONCE = 200  # orders of a batch
# How long an order in several parts waits for a lock: in all rounds less than the second after
# which the database looks for a deadlock.
PATIENCE = "200ms"

Queue = Allocation.Queue
CAUSES = {  # what rang the bell -> what the decision says it was made for
    "order.received": "received",
    "order.changed": "changed",
    "hold.resolved": "hold resolved",
    "retry": "retried",
    "lost": "retried",
}
PATIENT = ("order.received", "order.changed", "hold.resolved", "backorder.filled")  # wait for a run


def handle_route(row: OutboxRow) -> None:
    """Work of the topic "route": give the order's waiting slices a stock point.

    What a rule leaves to the next run stays where it is; what waited for a run and saw none, what
    was refused or lost its stock, and what is retried goes at once.
    """
    event = row.payload.get("event", "")
    try:
        route(
            order_id=row.subject, cause=CAUSES.get(event, event or "manual"), actor=ACTOR,
            patient=event in PATIENT,
        )  # fmt: skip
    except Lost as lost:
        raise outbox.Later(str(lost)) from lost


def handle_shortage(row: OutboxRow) -> None:
    """Work of the topic "shortage": claims exceed what is there, the newest give way."""
    shortage.requeue(
        stock=row.subject, product=row.payload["product"], location=row.payload["location"],
        work=row.pk, actor=ACTOR,
    )  # fmt: skip


def route(*, order_id: int, cause: str, actor: str, patient: bool = False) -> Decision | None:
    """Route what waits of an order; None when nothing waits or a hold forbids it.

    `patient`: it may wait for the next run, if its rule says so. Raises Lost when what the plan
    counted on went to others three times; nothing has changed then.
    """
    with transaction.atomic(savepoint=False):
        return route_locked(lifecycle.lock(order_id), cause=cause, actor=actor, patient=patient)


def route_locked(
    order: Order, *, cause: str, actor: str, patient: bool = False, run: int | None = None
) -> Decision | None:
    """As `route`, of an order that is locked, in the caller's transaction."""
    if order.state != Order.State.OPEN:
        return None
    shot = snapshot.take(order, now=timezone.now())
    if parts.is_one(order, shot.waiting) and not shot.held:
        return _route_shot(shot, cause=cause, actor=actor, patient=patient, run=run)
    for _ in range(ROUNDS):
        try:
            with _out_of_turn():
                return _route_shot(shot, cause=cause, actor=actor, patient=patient, run=run)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable | DeadlockDetected):
                raise
        order.refresh_from_db(fields=["promised_at"])
        shot = snapshot.take(order, now=timezone.now())
    raise Lost("others work with the same stock")


@contextmanager
def _out_of_turn() -> Iterator[None]:
    """For who takes stock points and stock part by part, out of the house's order.

    Who does must not wait long while he holds what others want, or the database ends one of them.
    What is locked in here is given back with the OperationalError.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{PATIENCE}'")
        yield
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


def _route_shot(
    shot: Snapshot, *, cause: str, actor: str, patient: bool, run: int | None
) -> Decision | None:
    keep_waiting(shot, [(one, f"on hold: {why}") for one, why in shot.held], actor=actor)
    if not shot.waiting:
        return None
    if patient and shot.waits_for_run():
        _wait_for_run(shot, actor=actor)
        return None
    found = parts.of(shot.order, shot.waiting)
    if found == [shot.part] and not shot.part.kept:
        return _route_part(shot, cause=cause, actor=actor, run=run)
    decisions = [_route_by_itself(part, cause=cause, actor=actor, run=run) for part in found]
    return next((one for one in reversed(decisions) if one is not None), None)


def _route_by_itself(
    part: Part, *, cause: str, actor: str, run: int | None
) -> Decision | None:  # fmt: skip
    order = part.destination.order
    if part.kept:
        together.gather(part, actor=actor)
    shot = snapshot.take(order, now=timezone.now(), part=part)
    if part.kept and together.waits(shot, actor=actor):
        return None
    return _route_part(shot, cause=cause, actor=actor, run=run)


def _route_part(shot: Snapshot, *, cause: str, actor: str, run: int | None) -> Decision:
    lost = Lost()
    for n in range(ROUNDS):
        if n:
            shot = snapshot.take(shot.order, now=timezone.now(), part=shot.part)
        mark = transaction.savepoint()  # a plan that came too late gives its locks back
        try:
            case = carry.judge(shot, cause)
            return carry.carry_out([case], cause=cause, actor=actor, run=run)[-1]
        except Lost as again:
            transaction.savepoint_rollback(mark)
            lost = again
    raise lost


def keep_waiting(
    shot: Snapshot, slices: Iterable[tuple[Waiting, str]], *, actor: str,
    due: datetime | None = None,
) -> None:  # fmt: skip
    """Leave slices in the queue of those to route, with the reason why they are still there."""
    waits = _staying(shot, slices, due)
    queues.end_claims(waits, actor=actor, reason="refused")
    queues.put(waits, now=shot.now)


def _staying(
    shot: Snapshot, slices: Iterable[tuple[Waiting, str]], due: datetime | None = None
) -> list[Wait]:
    return [
        Wait(one.piece, Queue.ROUTING, reason, keeps=not shot.is_useless(one.piece), due=due)
        for one, reason in slices
        if one.piece.queue == Queue.ROUTING and one.piece.queue_reason != reason
    ]


def _on_hold(shot: Snapshot) -> list[Wait]:
    return _staying(shot, [(one, f"on hold: {why}") for one, why in shot.held])


def _wait_for_run(shot: Snapshot, *, actor: str) -> None:
    """What the run does not come for in time is routed by itself (queues.retry_due)."""
    slices = [(one, queues.FOR_RUN) for one in shot.waiting]
    keep_waiting(shot, slices, actor=actor, due=shot.now + queues.LONGEST_FOR_RUN)


# --- many ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Many:
    """What became of the orders of a batch, by id.

    decided: their decisions. skipped: somebody works on them, or nothing of them may be routed.
    lost: others were faster each time; they go on waiting.
    """

    decided: list[Decision]
    skipped: list[int]
    lost: list[int]


def route_many(
    orders: Sequence[int],
    *,
    cause: str,
    actor: str,
    run: Run | None = None,
    plans: Mapping[int, Units] | None = None,
) -> Many:
    """Route up to 200 orders in one transaction, by a number of statements that does not grow.

    They compete for stock and days in the order of their ids. Orders of several parts, and those
    whose rest waits for supply or falls back, are routed by themselves afterwards; so are all of
    them when what the batch counted on went to others three times. A run leaves orders alone that
    somebody else has locked. `plans`: where units go (line -> location -> units), by order.

    Takes its locks in the house's order only outside any transaction: call it there.
    """
    if len(orders) > AT_ONCE:
        raise ValueError(f"{len(orders)} orders, at most {AT_ONCE} at once")
    batch = _Batch(cause, actor, run, dict(plans or {}))
    decided, alone, skipped = batch.route(sorted(set(orders)))
    lost = []
    for order in alone:
        try:
            with transaction.atomic():
                found = batch.route_alone(order)
        except Lost:
            lost.append(order)
        else:
            if found:
                decided.append(found)
            else:
                skipped.append(order)
    return Many(decided, skipped, lost)


class _PlanLost(Exception):
    """The plans of these orders count on what is not there: they are decided about anew."""

    def __init__(self, orders: Sequence[int]) -> None:
        super().__init__(orders)
        self.orders = orders


@dataclass
class _Batch:
    cause: str
    actor: str
    run: Run | None
    plans: dict[int, Units]

    def route(self, orders: Sequence[int]) -> tuple[list[Decision], list[int], list[int]]:
        """Decisions, the orders to be routed by themselves, and those with nothing to route."""
        for _ in range(ROUNDS):
            try:
                with transaction.atomic():
                    return self._together(orders)
            except _PlanLost as lost:
                for order in lost.orders:  # the others' plans are as good as before
                    self.plans.pop(order, None)
            except Lost:
                continue
        return [], list(orders), []

    def _together(self, orders: Sequence[int]) -> tuple[list[Decision], list[int], list[int]]:
        locked = lifecycle.lock_many(orders, skip_locked=self.run is not None)
        open_ = [order for order in locked if order.state == Order.State.OPEN]
        shots = snapshot.take_many(open_, now=timezone.now())
        queues.put(
            [wait for shot in shots for wait in _on_hold(shot) if wait.keeps], now=timezone.now()
        )
        for shot in shots:
            if shot.order.pk in self.plans:
                shot.world.expect(shot.own)
        cases, alone = [], []
        for shot in shots:
            case = self._judge(shot) if shot.waiting else None
            if case is not None:
                cases.append(case)
                carry.give(case)
            elif shot.waiting or not all(wait.keeps for wait in _on_hold(shot)):
                alone.append(shot.order.pk)
        decided = self._carry_out(cases) if cases else []
        known = {*alone, *(case.order_id for case in cases)}
        return decided, alone, [order for order in orders if order not in known]

    def _judge(self, shot: Snapshot) -> Case | None:
        """None: it cannot be served along with others."""
        if shot.order.pk in self.plans:
            shot.world.expect(shot.own, sign=-1)
        if not parts.is_one(shot.order, shot.waiting):
            return None
        case = carry.judge(shot, self.cause, plan=self.plans.get(shot.order.pk))
        return None if case.needs_more else case

    def _carry_out(self, cases: Sequence[Case]) -> list[Decision]:
        run = None if self.run is None else self.run.pk
        planned = [case for case in cases if case.order_id in self.plans]
        try:
            if spots := carry.overdrawn(planned):
                raise Lost("what a pool keeps back is not given up", spots=spots)
            return carry.carry_out(cases, cause=self.cause, actor=self.actor, run=run)
        except Lost as lost:
            if orders := [case.order_id for case in planned if case.spots & lost.spots]:
                raise _PlanLost(orders) from lost
            raise

    def route_alone(self, order_id: int) -> Decision | None:
        """As `route`, but for orders that somebody works on."""
        skip = self.run is not None
        for order in lifecycle.lock_many([order_id], skip_locked=skip):
            run = None if self.run is None else self.run.pk
            return route_locked(order, cause=self.cause, actor=self.actor, run=run)
        return None
