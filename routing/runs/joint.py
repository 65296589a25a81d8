"""Orders of a run planned together, so that scarce stock and full days go where they save most.

Only plans that send everything of an order are kept: who has to go without something is decided
about by the rules, after the others.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils import timezone

from routing.claims import Spot, Units
from routing.engine import joint
from routing.models import Run
from routing.runs import competing, swaps
from routing.runs.swaps import Wish

TOGETHER = 5_000  # orders of one plan
GAP = 0.005  # near enough to the best possible
SECONDS = 40.0  # then the best plan so far is taken


@dataclass(frozen=True)
class Plans:
    """A plan for each order; none at all: every order is decided by itself, first come.

    saved: what all of them together cost less than one by one. gap: how far from the best
    possible they are at most, as a share.
    """

    wishes: Mapping[int, Wish] = field(default_factory=dict)
    free: Mapping[Spot, int] = field(default_factory=dict)
    saved: Decimal | None = None
    gap: float = 0.0

    def batches(
        self, orders: Sequence[int], *, size: int
    ) -> Iterator[tuple[Sequence[int], Mapping[int, Units]]]:
        """The orders in batches that can be carried out one after the other, with their plans.

        Last come those without a plan, or whose plan cannot be carried out in a batch.
        """
        batch: list[int] = []
        planned = {order: self.wishes[order] for order in orders if order in self.wishes}
        left = dict.fromkeys(orders)
        for knot in swaps.knots(planned, self.free, most=size):
            if len(batch) + len(knot) > size:
                yield self._with_plans(batch)
                batch = []
            batch += knot
            for order in knot:
                del left[order]
        if batch:
            yield self._with_plans(batch)
        rest = list(left)
        for first in range(0, len(rest), size):
            yield rest[first : first + size], {}

    def _with_plans(self, batch: Sequence[int]) -> tuple[Sequence[int], Mapping[int, Units]]:
        return batch, {order: self.wishes[order].units for order in batch}

    def figures(self, run: Run, places: Mapping[int, set[int]], *, cost: Decimal) -> dict[str, Any]:
        """What a batch adds to gain and gap of its run.

        `places`: where its orders are sent from, `cost`: what they cost. What the plans save counts
        as far as they were carried out.
        """
        if self.saved is None:
            return {}
        carried = sum(
            order in self.wishes and self.wishes[order].places == some
            for order, some in places.items()
        )
        saved = self.saved * carried / max(len(self.wishes), 1)
        before = run.cost if run.gap is not None else Decimal(0)
        gap = self.gap
        if before + cost:
            gap = ((run.gap or 0.0) * float(before) + gap * float(cost)) / float(before + cost)
        return {"single_cost": (run.single_cost or run.cost) + cost + saved, "gap": gap}


def plan(orders: Sequence[int]) -> Plans:
    """Plan orders together. Reads without a lock: who is faster is seen when they are routed."""
    until = time.monotonic() + SECONDS
    found = competing.read(orders, now=timezone.now())
    answer = joint.solve(
        [draft.problem for draft in found.drafts], found.stock, found.parcels, gap=GAP,
        unit_capacity=found.units, deadline=lambda: until - time.monotonic(),
    )  # fmt: skip
    wishes = {
        draft.shot.order.pk: swaps.wish(
            draft.units(made), needs=draft.needs(made), holds=draft.holds
        )
        for draft, made in zip(found.drafts, answer.plans, strict=True)
        if draft.is_whole(made)
    }
    saved = Decimal(round(answer.one_by_one - answer.total)) / 10_000
    return Plans(wishes, found.free, saved=saved, gap=answer.gap)
