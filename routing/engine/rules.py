"""Hard rules: what takes a candidate out before any cost is looked at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from .types import BadInput, Candidate, Destination, Elimination, Line, Policy

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

CANNOT_SHIP = "cannot_ship"
NOT_ONLINE = "not_online"
CLOSED = "closed"
NO_CAPACITY = "no_capacity"
TOO_FAR = "too_far"
NO_STOCK = "no_stock"
BELOW_MIN_FREE = "below_min_free"
REFUSED_BEFORE = "refused_before"

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG

_SWITCHES = attrgetter("lat", "lng", "can_ship", "online", "open", "capacity_left", "excluded")


@dataclass(frozen=True, slots=True)
class Screening:
    """The candidates by key, the lines by product and key, and what the rules leave of them.

    `out` says per rule which candidates it takes out altogether. `live` are the candidates that
    may still send something; the matrices have their rows, one column per line.
    """

    candidates: tuple[Candidate, ...]
    lines: tuple[Line, ...]
    policy: Policy
    km: Floats  # (candidates,) nan where a place is not known
    destination_known: bool
    out: dict[str, Bools]
    staying: NDArray[np.intp]  # candidates that no rule takes out altogether
    free: Floats  # (staying, lines) free units of the line's product
    refused: Bools | None  # (staying, lines), None when nobody has refused anything
    live: NDArray[np.intp]  # (live,) indexes of candidates
    usable: Floats  # (live, lines) free units for the line after the rules, not cut to its need


def screen(
    *,
    lines: Sequence[Line],
    candidates: Sequence[Candidate],
    destination: Destination,
    policy: Policy,
) -> Screening:
    """Apply the rules. Raises BadInput for doubled keys and negative quantities."""
    wanted = _sorted_lines(lines)
    points = _sorted_candidates(candidates)
    columns = list(zip(*map(_SWITCHES, points), strict=True)) or [()] * 7
    lat, lng, can_ship, online, is_open, capacity, excluded = columns
    km = distances_km(lat=lat, lng=lng, destination=destination)
    out = {
        CANNOT_SHIP: ~np.array(can_ship, dtype=bool),
        NOT_ONLINE: ~np.array(online, dtype=bool),
        CLOSED: ~np.array(is_open, dtype=bool),
        NO_CAPACITY: np.array([left is not None and left <= 0 for left in capacity], dtype=bool),
    }
    known = destination.lat is not None and destination.lng is not None
    if policy.max_km is not None and known:
        out[TOO_FAR] = ~(km <= policy.max_km)  # nan, not known to be near enough, is out
    gone = np.logical_or.reduce(list(out.values()))
    staying = np.flatnonzero(~gone)
    stayers = points if len(staying) == len(points) else tuple(points[at] for at in staying)
    free = _free(wanted, stayers)
    refused = _refused(wanted, stayers) if any(excluded) else None
    usable = np.where(free < policy.min_free_units, 0.0, free) if policy.min_free_units else free
    if refused is not None:
        usable = np.where(refused, 0.0, usable)
    has = usable.any(axis=1)
    return Screening(
        candidates=points,
        lines=wanted,
        policy=policy,
        km=km,
        destination_known=known,
        out=out,
        staying=staying,
        free=free,
        refused=refused,
        live=staying[has],
        usable=usable[has],
    )


def distances_km(
    *,
    lat: Sequence[float | None],
    lng: Sequence[float | None],
    destination: Destination,
) -> Floats:
    """Great circles (haversine), in km to the meter; nan where a place is not known."""
    if destination.lat is None or destination.lng is None:
        return np.full(len(lat), np.nan)
    here = np.radians(np.array(lat, dtype=np.float64))
    there = np.radians(destination.lat)
    across = np.radians(np.array(lng, dtype=np.float64) - destination.lng)
    chord = np.sin((here - there) / 2) ** 2 + np.cos(here) * np.cos(there) * np.sin(across / 2) ** 2
    return np.rint(2000 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(chord, 1.0)))) / 1000


def eliminations(screening: Screening) -> list[tuple[Elimination, ...]]:
    """Per candidate, every rule that took it out, or took some of its lines out."""
    found: list[list[Elimination]] = [[] for _ in screening.candidates]
    for rule, gone in screening.out.items():
        for at in np.flatnonzero(gone):
            found[at].append(_altogether(screening, int(at), rule))
    free = screening.free.tolist()
    refused = None if screening.refused is None else screening.refused.tolist()
    for row, at in enumerate(screening.staying.tolist()):
        key = screening.candidates[at].key
        if screening.lines and not any(free[row]):
            found[at].append(_elimination(key, NO_STOCK, 0, None, None))
        else:
            found[at].extend(_by_line(screening, key, free[row], refused[row] if refused else None))
    return [tuple(of_one) for of_one in found]


def _by_line(
    screening: Screening, key: int, free: list[float], refused: list[bool] | None
) -> Iterator[Elimination]:
    limit = screening.policy.min_free_units
    for column, line in enumerate(screening.lines):
        units = int(free[column])
        if refused is not None and refused[column]:
            yield _elimination(key, REFUSED_BEFORE, None, None, line.key)
        if units == 0:
            yield _elimination(key, NO_STOCK, 0, None, line.key)
        elif units < limit:
            yield _elimination(key, BELOW_MIN_FREE, units, limit, line.key)


def _altogether(screening: Screening, at: int, rule: str) -> Elimination:
    candidate = screening.candidates[at]
    value: float | int | None = None
    limit: float | int | None = None
    if rule == NO_CAPACITY:
        value, limit = candidate.capacity_left, 1
    elif rule == TOO_FAR:
        km = float(screening.km[at])
        value, limit = None if np.isnan(km) else km, screening.policy.max_km
    return _elimination(candidate.key, rule, value, limit, None)


_WORDS = {
    CANNOT_SHIP: "does not ship",
    NOT_ONLINE: "does not take online orders",
    CLOSED: "is closed",
    NO_CAPACITY: "has no capacity left",
    NO_STOCK: "has no stock of it",
    REFUSED_BEFORE: "refused it before",
}


def _elimination(
    key: int, rule: str, value: float | None, limit: float | None, line: int | None
) -> Elimination:
    words = _WORDS.get(rule)
    if rule == NO_STOCK and line is None:
        words = "has no stock of any line"
    elif rule == TOO_FAR:
        how_far = "an unknown distance" if value is None else f"{value:.0f} km"
        words = f"is {how_far} away, the limit is {limit:g} km"
    elif rule == BELOW_MIN_FREE:
        words = f"has {value} free, too few to count on: the limit is {limit}"
    return Elimination(key, rule, value, limit, line, words or rule)


def per_product(counts: Sequence[Mapping[int, int]], products: Sequence[int]) -> Floats:
    """(counts, products) units, none for a product that a count does not have or owes."""
    units = np.empty((len(counts), len(products)))
    for column, product in enumerate(products):
        units[:, column] = [of_one.get(product, 0) for of_one in counts]
    return np.maximum(units, 0.0)


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


def _sorted_candidates(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    points = tuple(sorted(candidates, key=attrgetter("key")))
    if len({point.key for point in points}) != len(points):
        raise BadInput("candidate keys must differ", [point.key for point in points])
    return points


def _free(lines: Sequence[Line], points: Sequence[Candidate]) -> Floats:
    return per_product([point.free for point in points], [line.product for line in lines])


def _refused(lines: Sequence[Line], points: Sequence[Candidate]) -> Bools:
    keys = [line.key for line in lines]
    table = [[key in point.excluded for key in keys] for point in points]
    return np.array(table, dtype=bool).reshape(len(points), len(lines))
