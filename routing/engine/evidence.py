"""What a decision can tell about every candidate, worked out when somebody asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

import numpy as np

from . import plan, rules
from .cost import CostModel
from .exact import Exactly
from .sort import Ranking
from .types import (
    NOTHING,
    Candidate,
    Considered,
    Elimination,
    Line,
    Plan,
    SingleBest,
    Solo,
    Terms,
    decimal,
)

Sent = tuple[tuple[int, int], ...]  # (line key, units), by line key
Place = tuple[int | None, tuple[str, float, float] | None]


@dataclass(frozen=True, slots=True)
class PlanEvidence:
    """The costs a plan was made from, and the exact search when there was one."""

    model: CostModel
    made: Plan
    searched: Exactly | None
    ranking: Ranking | None = None

    def considered(self) -> tuple[Considered, ...]:
        screening = self.model.screening
        solos: list[Solo | None] = [None] * len(screening.candidates)
        gaps: list[tuple[Decimal | None, Sent]] = [(None, ())] * len(screening.candidates)
        live = zip(screening.live.tolist(), self._solos(), self._gaps(), strict=True)
        for at, solo, gap in live:
            solos[at], gaps[at] = solo, gap
        chosen = {parcel.candidate: parcel.lines for parcel in self.made.parcels}
        all_of_it = zip(
            screening.candidates,
            screening.km.tolist(),
            rules.eliminations(screening),
            solos,
            gaps,
            self._places(),
            strict=True,
        )
        return tuple(
            self._considered(
                point,
                km,
                out,
                solo,
                (NOTHING, chosen[point.key]) if point.key in chosen else gap,
                place,
            )
            for point, km, out, solo, gap, place in all_of_it
        )

    def single_best(self) -> SingleBest | None:
        model = self.model
        if not len(model.live):
            return None
        units = model.most(model.quantity)
        cost = model.totals(rows=np.arange(len(units)), units=units) - model.split
        value, count = units @ model.price, units.sum(axis=1)
        best = cost if self.ranking is None else self.ranking.place
        row = int(np.lexsort((best, -count, -value))[0])
        point = model.points[row]
        complete = bool((units[row] == model.quantity).all())
        return SingleBest(point.key, point.code, point.name, decimal(cost[row]), complete)

    def _considered(  # noqa: PLR0917 (one candidate's columns)
        self,
        point: Candidate,
        km: float,
        out: tuple[Elimination, ...],
        solo: Solo | None,
        gap: tuple[Decimal | None, Sent],
        place: Place,
    ) -> Considered:
        behind, would_send = gap
        chosen = would_send and any(one.candidate == point.key for one in self.made.parcels)
        return Considered(
            point.key,
            point.code,
            point.name,
            point.kind,
            km if km == km else None,  # noqa: PLR0124 (nan: a place is not known)
            "eliminated" if solo is None else "chosen" if chosen else "possible",
            out,
            solo,
            behind,
            self._on_shipping(behind),
            would_send,
            *place,
        )

    def _places(self) -> list[Place]:
        """Which each candidate is in the order of the policy's criteria, and why not the first."""
        found: list[Place] = [(None, None)] * len(self.model.screening.candidates)
        if self.ranking is None:
            return found
        live, place = self.model.live.tolist(), self.ranking.place.tolist()
        chosen = {parcel.candidate for parcel in self.made.parcels}
        used = [row for row, one in enumerate(self.model.points) if one.key in chosen]
        first = min(used, key=place.__getitem__, default=None)
        for row, at in enumerate(live):
            behind = None
            if first is not None and place[row] > place[first]:
                behind = self.ranking.behind(row, first)
            found[at] = place[row] + 1, behind
        return found

    def _on_shipping(self, gap: Decimal | None) -> Decimal | None:
        economic = self.model.policy.economic
        if gap is None or not economic:
            return None
        if economic == 1.0:
            return gap
        return (gap / Decimal(economic)).quantize(NOTHING, rounding=ROUND_CEILING)

    def _solos(self) -> list[Solo]:
        model = self.model
        units = model.most(model.quantity)
        complete = (units == model.quantity).all(axis=1).tolist()
        terms, services, grams = model.priced(rows=np.arange(len(units)), units=units)
        days = model.days[services, np.arange(len(units))]
        columns = (units, terms, terms.sum(axis=1), services, days, grams)
        rows = zip(*(column.tolist() for column in columns), complete, strict=True)
        by = model.carriage.services
        return [
            Solo(
                units_by_key(model.screening.lines, sent),
                Terms(*map(decimal, costs)),
                decimal(total),
                full,
                by[service].key,
                by[service].name,
                int(of_days),
                model.kg_co2(row=row, service=service, grams=weight),
            )
            for row, (sent, costs, total, service, of_days, weight, full) in enumerate(rows)
        ]

    def _gaps(self) -> list[tuple[Decimal | None, Sent]]:
        if self.searched is None:
            return [(None, ())] * len(self.model.live)
        _, problem, solution = self.searched
        totals, states = plan.forced(problem, solution)
        digits = problem.lattice.digits[states].tolist()
        gaps = (totals - solution.total).tolist()
        lines = self.model.screening.lines
        return [
            (None, ()) if gap == float("inf") else (decimal(gap), units_by_key(lines, sent))
            for gap, sent in zip(gaps, digits, strict=True)
        ]


def units_by_key(lines: Sequence[Line], units: Sequence[float]) -> Sent:
    sent = [(line.key, int(some)) for line, some in zip(lines, units, strict=True) if some]
    return tuple(sorted(sent) if len(sent) > 1 else sent)
