"""From inputs to a decision: rules, costs, the plan, and the evidence kept beside it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from . import exact, explain, rules
from .cost import CostModel, to_units
from .evidence import PlanEvidence, units_by_key
from .repair import Repair, one_parcel_is_proven_best
from .rules import Floats
from .tariff import Tariff
from .types import (
    NOTHING,
    Candidate,
    Decision,
    Destination,
    Emission,
    Line,
    Parcel,
    Plan,
    Policy,
    Terms,
    Unfilled,
    decimal,
)
from .version import ENGINE_VERSION

# How large an order is planned exactly: 12 lines of 1, 7 of 2, 5 of 3, 3 of 10 or 1 of 700 units.
ROOM = exact.Room(ways=300_000, cells=2_500_000)


def route(  # noqa: PLR0917 (by position or by keyword: the six things a decision is made from)
    lines: Sequence[Line],
    candidates: Sequence[Candidate],
    destination: Destination,
    policy: Policy,
    tariff: Tariff,
    emission: Emission,
) -> Decision:
    """The cheapest plan that sends as much of the lines as the rules and the stock allow.

    Exact over all ways to share units out, as long as the order is within ROOM; beyond it the
    plan says `exact=False`, unless it can be proven best. The answer depends on nothing but the
    arguments, not even on their order. Raises BadInput.
    """
    screening = rules.screen(
        lines=lines, candidates=candidates, destination=destination, policy=policy
    )
    model = CostModel(screening=screening, policy=policy, tariff=tariff, emission=emission)
    made, searched = plan_of(model, policy)
    evidence = PlanEvidence(model=model, made=made, searched=searched)
    return Decision(plan=made, version=ENGINE_VERSION, evidence=evidence)


def plan_of(model: CostModel, policy: Policy) -> tuple[Plan, exact.Exactly | None]:
    """The plan for prepared costs; and the exact search it was found by, if it was."""
    found = _search(model, policy)
    return _plan(model, found), found.searched


class Found(NamedTuple):
    """A plan in rows and units; and the exact search, when it was found by one."""

    draft: exact.Draft
    is_exact: bool
    searched: exact.Exactly | None = None


def _search(model: CostModel, policy: Policy) -> Found:
    found = _cheapest(model, policy)
    if policy.whole and not np.array_equal(sum(found.draft.values()), model.quantity):
        return Found(draft={}, is_exact=found.is_exact)
    return found


def _cheapest(model: CostModel, policy: Policy) -> Found:
    wanted = np.minimum(model.quantity, model.usable.sum(axis=0))
    if not wanted.any():
        return Found(draft={}, is_exact=True)
    limit = policy.max_parcels
    min_part = None if policy.min_part_value is None else to_units(policy.min_part_value)
    single_units = np.ones(len(wanted))
    if exact.fits(model, wanted=wanted, chunks=single_units, room=ROOM):
        searched = exact.solve(
            model, wanted=wanted, chunks=single_units, limit=limit, min_part=min_part
        )
        return Found(draft=searched.draft, is_exact=True, searched=searched)
    draft = Repair(model=model, wanted=wanted, limit=limit, min_part=min_part).best()
    return Found(draft=draft, is_exact=_is_proven(model, draft, wanted))


def _is_proven(model: CostModel, draft: exact.Draft, wanted: Floats) -> bool:
    if len(draft) != 1 or not np.array_equal(next(iter(draft.values())), wanted):
        return False
    total = float(model.totals(rows=np.array(list(draft)), units=wanted[None, :])[0])
    return one_parcel_is_proven_best(model=model, wanted=wanted, total=total)


# --- the plan ---------------------------------------------------------------------------------


def _plan(model: CostModel, found: Found) -> Plan:
    parcels = _parcels(model, found.draft)
    sent: dict[int, int] = {}
    for parcel in parcels:
        for key, units in parcel.lines:
            sent[key] = sent.get(key, 0) + units
    unfilled = tuple(
        Unfilled(
            line.key,
            line.quantity - sent.get(line.key, 0),
            _why(model, column, anything_sent=bool(parcels)),
        )
        for column, line in enumerate(model.screening.lines)
        if sent.get(line.key, 0) < line.quantity
    )
    terms = _add([parcel.terms for parcel in parcels])
    return Plan(
        parcels=parcels,
        unfilled=tuple(sorted(unfilled)),
        total=terms.total,
        terms=terms,
        exact=found.is_exact,
        words=explain.plan_words(
            parcels=parcels,
            unfilled=len(unfilled),
            exact=found.is_exact,
            destination_known=model.screening.destination_known,
        ),
    )


def _parcels(model: CostModel, draft: exact.Draft) -> tuple[Parcel, ...]:
    if not draft:
        return ()
    rows = np.array(sorted(draft), dtype=np.intp)
    units = np.array([draft[row] for row in rows.tolist()])
    terms = model.terms(rows=rows, units=units)
    terms[1:, 5] = model.split
    grams = units @ model.grams
    return tuple(
        _parcel(model, row, units[at].tolist(), terms[at].tolist(), float(grams[at]))
        for at, row in enumerate(rows.tolist())
    )


def _parcel(
    model: CostModel, row: int, units: list[float], terms: list[float], grams: float
) -> Parcel:
    point = model.points[row]
    return Parcel(
        candidate=point.key,
        lines=units_by_key(model.screening.lines, units),
        terms=Terms(*map(decimal, terms)),
        km=_known(model.screening.km[model.screening.live[row]]),
        kg_co2=model.kg_co2(row, grams),
        weight_g=int(grams),
        code=point.code,
        name=point.name,
    )


def _known(km: float) -> float | None:
    return None if np.isnan(km) else float(km)


def _add(several: Sequence[Terms]) -> Terms:
    if len(several) == 1:
        return several[0]
    columns = zip(*[[amount for _, amount in terms.items()] for terms in several], strict=True)
    return Terms(*[sum(column, NOTHING) for column in columns])


def _why(model: CostModel, column: int, *, anything_sent: bool) -> str:
    """Why units of a line stay behind: a code of explain.UNFILLED."""
    screening, policy = model.screening, model.policy
    line = screening.lines[column]
    usable = model.usable[:, column].sum()
    if usable == 0:
        free_somewhere = any(point.free.get(line.product, 0) > 0 for point in screening.candidates)
        return explain.RULED_OUT if free_somewhere else explain.NO_STOCK
    product = next(at for at, columns in enumerate(model.products) if column in columns)
    asked = max(model.quantity[model.products[product]].sum(), line.quantity)
    if min(float(usable), float(model.free_of(product).sum())) < asked:
        return explain.NOT_ENOUGH
    if policy.whole:
        return explain.NOT_TOGETHER
    if policy.min_part_value is not None and not (anything_sent and policy.max_parcels):
        return explain.PART_TOO_SMALL
    return explain.TOO_MANY_PARCELS if policy.max_parcels else explain.NOT_ENOUGH
