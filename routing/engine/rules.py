"""Hard rules: what takes a candidate out before any cost is looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

from .distance import km_to
from .network import CANNOT_SHIP, CLOSED, NO_CAPACITY, NOT_OF_RULE, NOT_ONLINE, Network
from .types import BadInput, Candidate, Destination, Elimination, Line, Policy

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOO_FAR = "too_far"
NO_SERVICE = "no_service"
NOT_IN_TIME = "not_in_time"
NO_STOCK = "no_stock"
BELOW_MIN_FREE = "below_min_free"
REFUSED_BEFORE = "refused_before"
DANGEROUS_GOODS = "dangerous_goods"


@dataclass(slots=True)
class Screening:
    """The lines by product and key, and what the rules leave of the network's candidates.

    `live` are the candidates that may still send something; `usable` has their rows, one column
    per line. `serves` says which services may fetch a parcel at which candidate.
    """

    network: Network
    lines: tuple[Line, ...]
    policy: Policy
    km: Floats  # (candidates,) nan where a place is not known
    destination_known: bool
    serves: Bools  # (services, candidates) goes there and is in time
    all_serve: bool  # every service does everywhere
    staying: Bools  # (candidates,) that no rule takes out altogether
    free: Floats  # (lines, candidates) free units of the line's product
    refused: Bools | None  # (lines, candidates), None when nobody has refused anything
    live: NDArray[np.intp]  # (live,) indexes of candidates
    usable: Floats  # (live, lines) free units for the line after the rules, not cut to its need

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return self.network.points


def screen(
    *, network: Network, lines: Sequence[Line], destination: Destination, policy: Policy
) -> Screening:
    """Apply the rules. Raises BadInput for doubled line keys and negative quantities."""
    wanted = _sorted_lines(lines)
    km = km_to(network.places, destination)
    known = destination.lat is not None and destination.lng is not None
    staying = network.able
    if policy.max_km is not None and known:
        staying = staying & (km <= policy.max_km)  # nan, not known to be near enough, is out
    serves = _serves(network, km, policy)
    all_serve = serves is network.fetched and network.all_fetched
    if not (all_serve or (network.some_go_everywhere and _latest(policy) is None)):
        staying = staying & np.logical_or.reduce(serves, axis=0)
    free = network.counts("free", [line.product for line in wanted])
    refused = _refused(wanted, network)
    usable = np.where(free < policy.min_free_units, 0.0, free) if policy.min_free_units else free
    if refused is not None:
        usable = np.where(refused, 0.0, usable)
    if any(line.dangerous for line in wanted):
        usable = np.where(_not_taken(wanted, network, serves), 0.0, usable)
    (live,) = (staying & np.logical_or.reduce(usable, axis=0)).nonzero()
    return Screening(
        network=network,
        lines=wanted,
        policy=policy,
        km=km,
        destination_known=known,
        serves=serves,
        all_serve=all_serve,
        staying=staying,
        free=free,
        refused=refused,
        live=live,
        usable=usable.take(live, axis=1).T,
    )


def _goes(network: Network, km: Floats) -> Bools:
    """(services, candidates) whether the service fetches there and goes as far as needed."""
    if not network.carriage.is_bounded:
        return network.fetched
    reach = network.carriage.reach_km
    near: Bools = km <= reach
    if not network.all_placed or (len(km) and isnan(km[0])):  # a place, or the destination
        near |= np.isinf(reach)
    return near if network.all_fetched else near & network.fetched


def _serves(network: Network, km: Floats, policy: Policy) -> Bools:
    goes = _goes(network, km)
    latest = _latest(policy)
    return goes if latest is None else goes & (network.days <= latest)


def _latest(policy: Policy) -> int | None:
    """The last day that is in time, None when that is no rule."""
    if not policy.in_time or policy.promise_days is None:
        return None
    return policy.promise_days + policy.relax_days


def _not_taken(lines: Sequence[Line], network: Network, serves: Bools) -> Bools:
    """(lines, candidates) dangerous goods where no service takes them."""
    taken = np.logical_or.reduce(serves & network.carriage.takes_dangerous[:, None], axis=0)
    return np.logical_and.outer([line.dangerous for line in lines], ~taken)


def eliminations(screening: Screening) -> list[tuple[Elimination, ...]]:
    """Per candidate, every rule that took it out, or took some of its lines out."""
    found: list[list[Elimination]] = [[] for _ in screening.candidates]
    for rule, gone in _out(screening).items():
        for at in np.flatnonzero(gone).tolist():
            found[at].append(_altogether(screening, at, rule))
    free = screening.free.T.tolist()
    refused = None if screening.refused is None else screening.refused.T.tolist()
    not_taken = _not_taken(screening.lines, screening.network, screening.serves).T.tolist()
    for at in np.flatnonzero(screening.staying).tolist():
        key = screening.candidates[at].key
        if screening.lines and not any(free[at]):
            found[at].append(_elimination(key, NO_STOCK))
        else:
            found[at].extend(
                _by_line(screening, key, free[at], refused and refused[at], not_taken[at])
            )
    return [tuple(of_one) for of_one in found]


def _out(screening: Screening) -> dict[str, Bools]:
    """Per rule the candidates that it takes out altogether, by the order of the rules."""
    network, policy, km = screening.network, screening.policy, screening.km
    out = dict(network.out)
    if policy.max_km is not None and screening.destination_known:
        out[TOO_FAR] = ~(km <= policy.max_km)
    goes: Bools = np.logical_or.reduce(_goes(network, km), axis=0)
    out[NO_SERVICE] = ~goes
    out[NOT_IN_TIME] = goes & ~np.logical_or.reduce(screening.serves, axis=0)
    return out


def _by_line(
    screening: Screening,
    key: int,
    free: list[float],
    refused: list[bool] | None,
    not_taken: list[bool],
) -> Iterator[Elimination]:
    limit = screening.policy.min_free_units
    for column, line in enumerate(screening.lines):
        units = int(free[column])
        if refused is not None and refused[column]:
            yield _elimination(key, REFUSED_BEFORE, line=line.key)
        if not_taken[column]:
            yield _elimination(key, DANGEROUS_GOODS, line=line.key)
        if units == 0:
            yield _elimination(key, NO_STOCK, 0, line=line.key)
        elif units < limit:
            yield _elimination(key, BELOW_MIN_FREE, units, limit, line=line.key)


def _altogether(screening: Screening, at: int, rule: str) -> Elimination:
    network = screening.network
    value: float | int | None = None
    limit: float | int | None = None
    km = float(screening.km[at])
    if rule == NO_CAPACITY:
        value, limit = network.capacity[at], 1
    elif rule == TOO_FAR:
        value, limit = None if np.isnan(km) else km, screening.policy.max_km
    elif rule == NO_SERVICE and network.carriage.is_bounded:
        reach = float(network.carriage.reach_km.max())
        if km > reach:
            value, limit = km, reach
    elif rule == NOT_IN_TIME:
        goes = _goes(network, screening.km)[:, at]
        value, limit = int(network.days[goes, at].min()), _latest(screening.policy)
    return _elimination(network.points[at].key, rule, value, limit)


_WORDS = {
    NOT_OF_RULE: "is not let in by the rule",
    CANNOT_SHIP: "does not ship",
    NOT_ONLINE: "does not take online orders",
    CLOSED: "is closed",
    NO_CAPACITY: "has no capacity left",
    NO_SERVICE: "has no delivery service to there",
    NO_STOCK: "has no stock of it",
    REFUSED_BEFORE: "refused it before",
    DANGEROUS_GOODS: "has no delivery service for dangerous goods",
}


def _elimination(
    key: int,
    rule: str,
    value: float | None = None,
    limit: float | None = None,
    line: int | None = None,
) -> Elimination:
    if rule == NO_STOCK and line is None:
        return Elimination(key, rule, 0, limit, line, "has no stock of any line")
    words = _WORDS.get(rule, "")
    if rule == TOO_FAR:
        how_far = "an unknown distance" if value is None else f"{value:.0f} km"
        words = f"is {how_far} away, the limit is {limit:g} km"
    elif rule == NO_SERVICE and value is not None:
        words = f"is {value:.0f} km away, no delivery service goes beyond {limit:g} km"
    elif rule == NOT_IN_TIME:
        words = f"delivers in {_days(value)} at best, the limit is {_days(limit)}"
    elif rule == BELOW_MIN_FREE:
        words = f"has {value} free, too few to count on: the limit is {limit}"
    return Elimination(key, rule, value, limit, line, words)


def _days(days: float | None) -> str:
    return f"{days:.0f} day" if days == 1 else f"{days:.0f} days"


def _sorted_lines(lines: Sequence[Line]) -> tuple[Line, ...]:
    if len({line.key for line in lines}) != len(lines):
        raise BadInput("line keys must differ", [line.key for line in lines])
    for line in lines:
        if line.quantity < 0 or line.weight_g < 0 or line.unit_price < 0:
            raise BadInput("a line's quantity, weight and price can't be negative", line)
    return tuple(
        sorted(
            (line for line in lines if line.quantity > 0),
            key=lambda line: (line.product, line.key),
        )
    )


def _refused(lines: Sequence[Line], network: Network) -> Bools | None:
    if network.excluded is None:
        return None
    table = [[line.key in excluded for excluded in network.excluded] for line in lines]
    return np.array(table, dtype=bool).reshape(len(lines), len(network.points))
