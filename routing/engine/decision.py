"""From inputs to a decision: rules, costs, the plan, and the evidence kept beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from . import exact, explain, plan, rules, sort
from .cost import SPLIT, CostModel, Ints, to_units
from .evidence import PlanEvidence, units_by_key
from .network import Network
from .repair import Repair, one_parcel_is_proven_best
from .rules import Floats
from .types import (
    NOTHING,
    BadInput,
    Candidate,
    Decision,
    Destination,
    Line,
    Parcel,
    Plan,
    Policy,
    Service,
    Terms,
    Unfilled,
    decimal,
)
from .version import ENGINE_VERSION

# How large an order is planned exactly: 12 lines of 1, 7 of 2, 5 of 3, 3 of 10 or 1 of 700 units.
ROOM = exact.Room(ways=300_000, cells=2_500_000)


Given = Mapping[int, Mapping[int, int]]  # line key -> candidate key -> units


def route(
    lines: Sequence[Line],
    candidates: Sequence[Candidate],
    destination: Destination,
    policy: Policy,
    services: Sequence[Service],
) -> Decision:
    """The cheapest plan that sends as much of the lines as the rules and the stock allow.

    Exact over all ways to share units out and all services, as long as the order is within ROOM;
    beyond it the plan says `exact=False`, unless it can be proven best. With a `Policy.sort` it is
    the first plan instead of the cheapest. The answer depends on nothing but the arguments, not
    even on their order. Raises BadInput.
    """
    return route_in(Network(candidates, services), lines, destination, policy)


def route_in(
    network: Network, lines: Sequence[Line], destination: Destination, policy: Policy
) -> Decision:
    """The same for a network that was prepared for several orders. Raises BadInput."""
    screening = rules.screen(network=network, lines=lines, destination=destination, policy=policy)
    model = CostModel(screening)
    return _decision(model, _search(model, policy))


def _decision(model: CostModel, found: "Found") -> Decision:
    made = _plan(model, found)
    evidence = PlanEvidence(model=model, made=made, searched=found.searched, ranking=found.ranking)
    return Decision(plan=made, version=ENGINE_VERSION, evidence=evidence)


def follow(  # noqa: PLR0917 (as `route`, and what was planned)
    lines: Sequence[Line],
    candidates: Sequence[Candidate],
    destination: Destination,
    policy: Policy,
    services: Sequence[Service],
    given: Given,
) -> Decision:
    """A plan that was made for many orders together, with this order's own costs and candidates.

    The decision says what the best plan for this order alone costs; when that is the same plan,
    it is the decision of `route`. Raises BadInput when the rules or the stock do not allow it.
    """
    network = Network(candidates, services)
    model = CostModel(
        rules.screen(network=network, lines=lines, destination=destination, policy=policy)
    )
    draft, own = _draft_of(model, given), _search(model, policy)
    if _are_equal(draft, own.draft):
        return _decision(model, own)
    made = _plan(model, Found(draft, is_exact=False))
    words = explain.plan_words(
        parcels=made.parcels,
        unfilled=len(made.unfilled),
        exact=True,
        destination_known=model.screening.destination_known,
    )
    evidence = PlanEvidence(model=model, made=made, searched=None, ranking=None)
    return Decision(
        plan=replace(made, words=f"{words}; planned together with other orders"),
        version=ENGINE_VERSION,
        evidence=evidence,
        alone=_plan(model, own).total,
    )


def _draft_of(model: CostModel, given: Given) -> exact.Draft:
    rows = {model.screening.candidates[at].key: row for row, at in enumerate(model.live.tolist())}
    columns = {line.key: column for column, line in enumerate(model.screening.lines)}
    draft: exact.Draft = {}
    for line, places in given.items():
        for key, units in places.items():
            if line not in columns or key not in rows:
                raise BadInput("a given plan cannot be followed", (line, key))
            row = draft.setdefault(rows[key], np.zeros(len(columns)))
            row[columns[line]] += units
    for at, sent in draft.items():
        if (sent > np.minimum(model.usable[at], model.quantity)).any():
            raise BadInput("a given plan takes more than there is", sent.tolist())
    return draft


def _are_equal(one: exact.Draft, other: exact.Draft) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(units, other[row]) for row, units in one.items()
    )


class Found(NamedTuple):
    """A plan in rows and units; how it was searched for exactly, or in what order."""

    draft: exact.Draft
    is_exact: bool
    searched: exact.Exactly | None = None
    ranking: sort.Ranking | None = None


def _search(model: CostModel, policy: Policy) -> Found:
    whole = policy.whole or policy.split == "never"
    found = _best(model, policy)
    if whole and not np.array_equal(sum(found.draft.values()), model.quantity):
        return found._replace(draft={}, searched=None)
    return found


def _best(model: CostModel, policy: Policy) -> Found:
    wanted = np.minimum(model.quantity, np.add.reduce(model.usable, axis=0))
    ranking = sort.Ranking(model) if policy.sort else None
    if not any(wanted.tolist()):
        return Found(draft={}, is_exact=True, ranking=ranking)
    limit = 1 if policy.split == "never" else policy.max_parcels
    min_part = None if policy.min_part_value is None else to_units(policy.min_part_value)
    single_units = np.ones(len(wanted))
    if not exact.fits(model, wanted=wanted, chunks=single_units, room=ROOM):
        repair = Repair(model=model, wanted=wanted, limit=limit, min_part=min_part)
        return _large(model, policy, wanted, repair, ranking)
    problem = exact.problem(
        model, wanted=wanted, chunks=single_units, limit=limit, min_part=min_part
    )
    if ranking is not None:
        path = sort.first_in_order(problem, ranking.place)
        draft = exact.draft(path, problem, single_units)
        return Found(draft=draft, is_exact=True, ranking=ranking)
    solution = plan.solve(problem)
    if policy.split == "if_needed" and len(solution.path) > 1:
        problem, solution = _in_one_if_possible(problem, solution)
    draft = exact.draft(solution.path, problem, single_units)
    return Found(draft, is_exact=True, searched=exact.Exactly(draft, problem, solution))


def _in_one_if_possible(
    problem: plan.Problem, solution: plan.Solution
) -> tuple[plan.Problem, plan.Solution]:
    """One parcel, when one can carry as much as several."""
    alone = replace(problem, limit=1)
    in_one = plan.solve(alone)
    if in_one.path and in_one.targets[0] in solution.targets:
        return alone, in_one
    return problem, solution


def _large(
    model: CostModel, policy: Policy, wanted: Floats, repair: Repair, ranking: sort.Ranking | None
) -> Found:
    """A good plan for an order that the exact one has no room for."""
    if ranking is not None:
        place = ranking.place

        def earliest(rows: Ints, value: Floats, units: Floats, _cost: Floats) -> int:
            return int(np.lexsort((place[rows], -units, -value))[0])

        draft = repair.built(earliest)
        return Found(draft, is_exact=_is_everything(draft, wanted), ranking=ranking)
    if policy.split == "if_needed":
        alone = repair.single()
        if _is_everything(alone, wanted):
            return Found(alone, is_exact=True)
    draft = repair.best()
    return Found(draft, is_exact=_is_proven(model, draft, wanted, limit=repair.limit))


def _is_everything(draft: exact.Draft, wanted: Floats) -> bool:
    return len(draft) == 1 and np.array_equal(next(iter(draft.values())), wanted)


def _is_proven(model: CostModel, draft: exact.Draft, wanted: Floats, *, limit: int) -> bool:
    if not _is_everything(draft, wanted):
        return False
    if limit == 1:
        return True
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
    parcels: list[Parcel] = []
    for row, sent in sorted(draft.items(), key=itemgetter(0)):
        units = sent.tolist()
        terms, service, grams = model.priced_alone(row=row, units=units)
        if parcels:
            terms[SPLIT] = model.split
        parcels.append(_parcel(model, row, units, terms, service, grams))
    return tuple(parcels)


def _parcel(  # noqa: PLR0917 (one row of its columns)
    model: CostModel,
    row: int,
    units: list[float],
    terms: list[float],
    service: int,
    grams: float,
) -> Parcel:
    at = int(model.live[row])
    point, by = model.screening.candidates[at], model.carriage.services[service]
    return Parcel(
        candidate=point.key,
        lines=units_by_key(model.screening.lines, units),
        terms=Terms(*map(decimal, terms)),
        km=_known(model.screening.km[at]),
        kg_co2=model.kg_co2(row=row, service=service, grams=grams),
        weight_g=int(grams),
        code=point.code,
        name=point.name,
        service=by.key,
        service_code=by.code,
        service_name=by.name,
        days=int(model.screening.network.days[service, at]),
    )


def _known(km: float) -> float | None:
    return None if isnan(km) else float(km)


def _add(several: Sequence[Terms]) -> Terms:
    if len(several) == 1:
        return several[0]
    columns = zip(*[terms.amounts() for terms in several], strict=True)
    return Terms(*[sum(column, NOTHING) for column in columns])


def _why(model: CostModel, column: int, *, anything_sent: bool) -> str:
    """Why units of a line stay behind: a code of explain.UNFILLED."""
    screening, policy = model.screening, model.policy
    line = screening.lines[column]
    usable = model.usable[:, column].sum()
    if usable == 0:
        return explain.RULED_OUT if screening.free[column].any() else explain.NO_STOCK
    product = next(at for at, columns in enumerate(model.products) if column in columns)
    asked = max(model.quantity[model.products[product]].sum(), line.quantity)
    if min(float(usable), float(model.free_of(product).sum())) < asked:
        return explain.NOT_ENOUGH
    if policy.whole or policy.split == "never":
        return explain.NOT_TOGETHER
    if policy.min_part_value is not None and not (anything_sent and policy.max_parcels):
        return explain.PART_TOO_SMALL
    return explain.TOO_MANY_PARCELS if policy.max_parcels else explain.NOT_ENOUGH
