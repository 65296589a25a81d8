"""A verdict carried out, for one order and for many: slices cut, claims moved, decisions kept.

All orders of a batch are served by the same few statements, all of them or none: see `carry_out`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orders import events, lifecycle
from orders.backorders import wait_for_supply
from orders.models import Allocation
from routing import claims, kept, offers, queues
from routing.claims import Cut, Share, Spot, Units
from routing.kept import Judged
from routing.models import Decision
from routing.models.rules import MOST_ATTEMPTS
from routing.queues import Wait
from routing.snapshot import Snapshot, Waiting
from routing.walk import Verdict, walk

Queue = Allocation.Queue
Event = tuple[int, str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """An order and what is to be done about it; `tired` slices were refused too often."""

    shot: Snapshot
    verdict: Verdict
    cuts: Sequence[Cut]  # of the slices that were asked for
    tired: Sequence[Waiting]

    @property
    def order_id(self) -> int:
        """Whose case it is."""
        return self.shot.order.pk

    @property
    def spots(self) -> set[Spot]:
        """Where its units come from."""
        products = self.shot.products()
        return {
            (place, products[cut.piece.line_id])
            for cut in self.cuts for _, place, _ in cut.parts if place is not None
        }  # fmt: skip

    @property
    def needs_more(self) -> bool:
        """Whether its rest goes somewhere else, which takes statements of its own."""
        rest = any(place is None for cut in self.cuts for _, place, _ in cut.parts)
        return self.verdict.then is not None or (rest and self.verdict.rest == "backorder")

    def waits(self, left: Sequence[Allocation]) -> list[Wait]:
        """What stays in the unfillable queue, and why."""
        rule = self.verdict.rule
        days = rule["cancel_after_days"] if rule and self.verdict.rest == "cancel" else None
        waits = [self._wait(piece, self.verdict.why(piece), days) for piece in left]
        return waits + [
            self._wait(one.piece, f"{self._tired(one.piece)}: a person decides", None)
            for one in self.tired
        ]

    def _tired(self, piece: Allocation) -> str:
        most = max(one.piece.attempt for one in self.tired)
        if self.shot.part.kept and piece.attempt < most:
            return f"leaves together with units that were refused {_times(most)}"
        return f"refused {_times(piece.attempt)}"

    def _wait(self, piece: Allocation, reason: str, days: int | None) -> Wait:
        keeps = piece.reservation_id is None or not self.shot.is_useless(piece)
        return Wait(piece, Queue.UNFILLABLE, reason, keeps=keeps, cancel_days=days)

    def rows(self, share: Share) -> list[Judged]:
        """The decisions to be kept: the rule's, and that of the fallback stock point."""
        left = [*share.left, *(one.piece for one in self.tired)]
        then = self.verdict.then
        if then is None:
            return [Judged(self.shot, self.verdict, share.placed, left)]
        fallen = [one for one in share.placed if one.location in then.places]
        mine = [one for one in share.placed if one.location not in then.places]
        first = Judged(self.shot, self.verdict, mine, [*left, *(one.piece for one in fallen)])
        return [first, Judged(self.shot, then, fallen, left)]


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def judge(shot: Snapshot, cause: str, *, plan: Units | None = None) -> Case:
    """Where the waiting slices of a snapshot should go: by its rules, or by a plan made for many.

    Writes nothing.
    """
    open_, tired = _sort_out(shot, cause)
    verdict = walk(shot, open_, plan=plan)
    pieces = [one.piece for one in open_]
    return Case(shot, verdict, claims.cuts(pieces, verdict.units()), tired)


def _sort_out(shot: Snapshot, cause: str) -> tuple[list[Waiting], list[Waiting]]:
    """Slices to route, and those that were refused as often as the rules allow.

    A person who asks for it by hand is allowed more than the rules. What leaves together tires
    together.
    """
    most = MOST_ATTEMPTS
    if shot.rule_set is not None and cause != "manual":
        most = min(shot.rule_set["max_attempts"], MOST_ATTEMPTS)
    tired = [one for one in shot.waiting if one.piece.attempt >= most]
    if shot.part.kept and tired:
        return [], list(shot.waiting)
    return [one for one in shot.waiting if one.piece.attempt < most], tired


def give(case: Case) -> None:
    """Take what a case is given out of its World: who is looked at next finds less."""
    world, shot = case.shot.world, case.shot
    products = shot.products()
    given: dict[int, int] = defaultdict(int)
    for cut in case.cuts:
        piece, product = cut.piece, products[cut.piece.line_id]
        for units, place, stays in cut.parts:
            if place is not None:
                given[place] += units
            if stays or (place is None and not shot.is_useless(piece)):
                continue
            if place is not None:
                world.claim(place, product, units)
            if piece.reservation_id is not None and piece.location_id is not None:
                world.claim(piece.location_id, product, -units)
    for place, units in given.items():
        world.give(place, shot.part.method, units)


def overdrawn(cases: Iterable[Case]) -> set[Spot]:
    """Spots of which cases take what their pools keep back, now that all of them are given.

    A plan may count on what another order gives up; only at the end it shows whether it did.
    """
    return {
        (place, product)
        for case in cases
        for cut in case.cuts
        for _, place, stays in cut.parts
        if place is not None and not stays
        and case.shot.is_overdrawn(place, product := case.shot.products()[cut.piece.line_id])
    }  # fmt: skip


def carry_out(
    cases: Sequence[Case], *, cause: str, actor: str, run: int | None = None
) -> list[Decision]:
    """Give the slices of locked orders their stock points, all or none of them.

    The number of statements does not depend on the number of orders; but one whose rest waits for
    supply comes alone. Returns the decisions, at least one per case in its order. Raises Lost when
    what a verdict counted on is gone: then what was written is to be rolled back.
    """
    claims.lock_capacity(
        place for case in cases for place in case.verdict.places if case.shot.limits(place)
    )
    shares = claims.share_out([case.cuts for case in cases])
    waits = [case.waits(share.left) for case, share in zip(cases, shares, strict=True)]
    _move(cases, shares, waits, actor=actor)
    waits = [_promise(case, some, actor=actor) for case, some in zip(cases, waits, strict=True)]
    told = [_unfillable(some) for some in waits]  # before they are put where they wait
    queues.put([wait for some in waits for wait in some], now=cases[0].shot.now)
    rows = [case.rows(share) for case, share in zip(cases, shares, strict=True)]
    decisions = kept.keep([row for of_one in rows for row in of_one], cause=cause, run=run)
    _tell(rows, told, decisions, actor=actor)
    offers.open_to_others(zip([row for of_one in rows for row in of_one], decisions, strict=True))
    return decisions


def _move(
    cases: Sequence[Case], shares: Sequence[Share], waits: Sequence[Sequence[Wait]], *, actor: str
) -> None:
    products = {line: product for case in cases for line, product in case.shot.products().items()}
    placed = [one for share in shares for one in share.placed]
    claimed = claims.repoint(
        moving=[(one, products[one.piece.line_id]) for one in placed if not one.stays],
        giving_up=[wait.piece for some in waits for wait in some if not wait.keeps], actor=actor,
    )  # fmt: skip
    lifecycle.allocate([(one.piece, one.location, claimed.get(one.piece.pk)) for one in placed])


# --- what is left --------------------------------------------------------------------------------


def _promise(case: Case, waits: list[Wait], *, actor: str) -> list[Wait]:
    """Let what holds nothing wait for supply, if the rule says so; returns what cannot."""
    if case.verdict.rest != "backorder":
        return waits
    holding = [w for w in waits if w.keeps and w.piece.reservation_id is not None]
    bare = {w.piece.line_id: w for w in waits if w not in holding}
    about = {one.piece.line_id: one for one in case.shot.waiting}
    for wait in waits:
        if wait not in holding:
            wait.piece.reservation_id = wait.piece.location_id = None  # its claim was ended
    place = case.shot.part.destination.place_id if case.shot.part.is_pickup else None
    left = wait_for_supply(
        case.shot.order,
        [(w.piece, about[w.piece.line_id].sku) for w in waits if w not in holding],
        products={one.sku: one.product for one in about.values()},
        only=None if place is None else case.shot.points[place]["code"], actor=actor,
    )  # fmt: skip
    return holding + [replace(bare[piece.line_id], piece=piece) for piece in left]


def _unfillable(waits: Sequence[Wait]) -> dict[str, Any] | None:
    """What is told of units that were not in that queue before."""
    newly = [wait for wait in waits if wait.piece.queue != Queue.UNFILLABLE]
    if not newly:
        return None
    return {"units": sum(wait.piece.quantity for wait in newly),
            "reason": "; ".join(sorted({wait.reason for wait in newly}))}  # fmt: skip


def _tell(
    rows: Sequence[Sequence[Judged]], unfillable: Sequence[Mapping[str, Any] | None],
    decisions: Sequence[Decision], *, actor: str,
) -> None:  # fmt: skip
    told: list[Event] = []
    ids = iter(decisions)
    for of_one, waiting in zip(rows, unfillable, strict=True):
        for row in of_one:
            decision = next(ids)
            if row.placed:
                told.append((decision.order_id, "order.routed", _routed(row, decision)))
        if waiting is not None:
            data = {"decision": decision.pk, **waiting}
            told.append((decision.order_id, "order.unfillable", data))
    events.record_many(told, actor=actor)


def _routed(row: Judged, decision: Decision) -> dict[str, Any]:
    return {
        "decision": decision.pk,
        "locations": sorted({row.shot.points[one.location]["code"] for one in row.placed}),
        "slices": sorted(one.piece.pk for one in row.placed),
        "units": sum(one.piece.quantity for one in row.placed),
    }
