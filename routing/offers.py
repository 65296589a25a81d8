"""Work that is offered to several stock points: the first to take it has it.

One of them has the work from the first moment, as always; the others may take it from there until
it was accepted. Every change of an open offer happens under the lock of its order, or is a
conditional update of what is open still.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, Value, When
from django.utils import timezone

from orders import events, lifecycle
from orders.models import Allocation, Order
from routing import engine, giving
from routing.kept import Judged
from routing.models import Decision, Offer, OpenOffer
from routing.replay import dumps

S, State = Allocation.State, OpenOffer.State


class Gone(Exception):
    """The offer is not open any more."""

    def __init__(self, offer: OpenOffer) -> None:
        self.offer = offer
        super().__init__(f"{offer.order} is gone: another stock point was faster, or its time ran "
                         "out")  # fmt: skip


# Stock points with a system of their own are asked for work, they do not look for it here.
# What the slices were offered as before they came back is over.
_OPEN = """
WITH g AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%s::json) AS g(
        order_id bigint, decision_id bigint, slices bigint[], places bigint[], most int,
        at timestamptz, until timestamptz)
), over_ AS (
    UPDATE routing_openoffer o SET state = 'missed', ended_at = g.at
      FROM g WHERE o.order_id = g.order_id AND o.state = 'open' AND o.slices && g.slices
)
INSERT INTO routing_openoffer (order_id, decision_id, location_id, slices, state, offered_at,
                               expires_at)
SELECT g.order_id, g.decision_id, p.id, g.slices, 'open', g.at, g.until
  FROM g CROSS JOIN LATERAL (
    SELECT l.id, k.n FROM unnest(g.places) WITH ORDINALITY AS k(id, n)
      JOIN inventory_location l ON l.id = k.id AND l.active AND l.online AND l.wms_url = ''
     ORDER BY k.n LIMIT g.most) AS p
 ORDER BY g.decision_id, p.n
"""


def open_to_others(given: Iterable[tuple[Judged, Decision]]) -> None:
    """Offer what one stock point was given to the next best as well, as many as its rule says.

    They are those that could send all of it alone, by what they would have cost more. What was
    split, or goes over a counter, is offered to nobody else. In the decisions' transaction; at
    most one statement.
    """
    rows = [_offered(row, decision) for row, decision in given if _is_open(row)]
    if rows:
        with connection.cursor() as cursor:
            cursor.execute(_OPEN, [dumps(rows).decode()])


def _is_open(row: Judged) -> bool:
    rule = row.verdict.rule
    if rule is None or rule["offer_to"] < 2 or row.shot.part.is_pickup:
        return False
    return row.outcome == Decision.Outcome.ROUTED and len({p.location for p in row.placed}) == 1


def _offered(row: Judged, decision: Decision) -> dict[str, Any]:
    rule = row.verdict.rule or {}
    able = [
        one for one in engine.considered(decision.result)
        if one["status"] == "possible" and one["solo"] and one["solo"]["complete"]
    ]  # fmt: skip
    able.sort(key=lambda one: (one["gap"] is None, Decimal(one["gap"] or 0), one["key"]))
    minutes = rule["accept_minutes"]
    return {
        "order_id": decision.order_id, "decision_id": decision.pk, "at": decision.at,
        "slices": sorted(one.piece.pk for one in row.placed),
        "places": [one["key"] for one in able], "most": rule["offer_to"] - 1,
        "until": None if minutes is None else decision.at + timedelta(minutes=minutes),
    }  # fmt: skip


def take(*, offer_id: int, actor: str) -> Decision:
    """A stock point takes what is open to it; its claim moves there, and the other offers end.

    Raises OpenOffer.DoesNotExist, Gone when somebody was faster, giving.CannotGive when the stock
    point cannot send it (any more).
    """
    with transaction.atomic():
        order = lifecycle.lock(
            OpenOffer.objects.values_list("order_id", flat=True).get(pk=offer_id)
        )
        offer = OpenOffer.objects.select_related("location", "decision").get(pk=offer_id)
        offer.order = order
        pieces = _live(offer)
        if not pieces:
            raise Gone(offer)
        first = pieces[0].location
        _end(offer, State.TAKEN)
        end(order, pieces)
        decision = giving.give(
            order, pieces, offer.location_id, cause="claimed", actor=actor,
            sentence=_sentence(offer), instead_of=offer.decision,
        )  # fmt: skip
        if first is not None:
            events.record(
                order.pk, "allocation.claimed", actor=actor, location=offer.location.code,
                from_locations=[first.code], units=sum(piece.quantity for piece in pieces),
            )  # fmt: skip
    return decision


def _sentence(offer: OpenOffer) -> str:
    asked = OpenOffer.objects.filter(decision=offer.decision).count() + 1
    return f"{offer.location.name} took it: it was open to {asked} stock points, the first has it."


def _live(offer: OpenOffer) -> list[Allocation]:
    """The slices that may be taken; none when somebody has any of them in hand.

    None either when they were given to anybody since: that is offered by itself.
    """
    if offer.state != State.OPEN:
        return []
    if offer.expires_at is not None and offer.expires_at <= timezone.now():
        return []
    offers = Offer.objects.filter(order=offer.order, slices__overlap=offer.slices)
    if offers.filter(decision_id__gt=offer.decision_id).exists():
        return []
    given = Offer.objects.filter(decision=offer.decision).values_list("location_id", flat=True)
    left = Allocation.objects.filter(order=offer.order, pk__in=offer.slices)
    pieces = list(left.exclude(state=S.CANCELED).select_related("location").order_by("id"))
    theirs = set(given)
    for piece in pieces:
        if piece.state != S.ALLOCATED or piece.handed_over or piece.location_id not in theirs:
            return []
    return pieces


def _end(offer: OpenOffer, state: str) -> None:
    """Raises Gone when it ended in the meantime."""
    now = timezone.now()
    ended = OpenOffer.objects.filter(pk=offer.pk, state=State.OPEN).update(
        state=state, ended_at=now
    )
    if not ended:
        raise Gone(offer)


def end(order: Order, pieces: Sequence[Allocation], *, now: datetime | None = None) -> None:
    """Slices of a locked order were taken on, or away: who had not taken them has missed them.

    Where the time to do so is over `now`, it ran out.
    """
    now = now or timezone.now()
    OpenOffer.objects.filter(
        order=order, state=State.OPEN, slices__overlap=[piece.pk for piece in pieces]
    ).update(
        ended_at=now,
        state=Case(
            When(expires_at__lte=now, then=Value(State.EXPIRED)), default=Value(State.MISSED)
        ),
    )  # fmt: skip


# Whoever changes offers otherwise has their order locked; those are left to the next sweep.
_SWEEP = """
WITH over_ AS (
    SELECT o.id FROM routing_openoffer o
     WHERE o.state = 'open'
       AND (o.expires_at <= %(now)s
            OR NOT EXISTS (SELECT 1 FROM orders_allocation a JOIN routing_offer f
                               ON f.decision_id = o.decision_id AND f.location_id = a.location_id
                            WHERE a.id = ANY(o.slices) AND a.state = 'allocated')
            OR EXISTS (SELECT 1 FROM routing_offer n
                        WHERE n.order_id = o.order_id AND n.decision_id > o.decision_id
                          AND n.slices && o.slices OFFSET 0))
     ORDER BY o.id FOR NO KEY UPDATE OF o SKIP LOCKED
)
UPDATE routing_openoffer o
   SET state = CASE WHEN o.expires_at <= %(now)s THEN 'expired' ELSE 'missed' END,
       ended_at = %(now)s
  FROM over_ WHERE o.id = over_.id
"""


def sweep(now: datetime) -> int:
    """End offers whose time ran out, or whose units went elsewhere. One statement; how many."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, {"now": now})
        return cursor.rowcount
