"""Outlines of countries within a box of a map, from the table beside this file."""

import gzip
import json
import math
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .svg import Box

Floats = NDArray[np.float64]
Points = list[tuple[float, float]]

_TABLE = Path(__file__).with_name("data") / "countries.json.gz"
NORTHERNMOST = 83.7  # degrees; Mercator's map has no pole
TURN = 2 * math.pi
STEP = 1.5


class Ring(NamedTuple):
    """A closed line on Mercator's map, x and y in radians, y to the north."""

    x: Floats
    y: Floats


def project(lat: float, lng: float) -> tuple[float, float]:
    """A point of the globe on Mercator's map."""
    lat = max(-NORTHERNMOST, min(NORTHERNMOST, lat))
    return math.radians(lng), math.asinh(math.tan(math.radians(lat)))


def outlines(frame: Box, scale: float) -> list[Points]:
    """Closed lines of the countries in a picture of `frame`'s size, y downward.

    `frame` holds the edges of the map in radians (top and bottom to the south, as negative y);
    `scale` is units of the picture per radian. What nobody could see is left out: points closer
    than STEP units to the last one, islands that are not larger.
    """
    found, speck = [], 2 * STEP / scale
    for turn in (-TURN, 0.0, TURN):  # a map across the date line shows both ends of the world
        for ring in _rings():
            x, y = ring.x + turn, -ring.y
            box = Box(x.min(), y.min(), x.max(), y.max())
            if not box.meets(frame) or max(box.right - box.left, box.bottom - box.top) < speck:
                continue
            points = _thinned((x - frame.left) * scale, (y - frame.top) * scale)
            if not frame.holds(box):
                points = _clipped(points, frame, scale)
            if len(points) > 2:
                found.append(points)
    return found


@lru_cache(maxsize=1)
def _rings() -> list[Ring]:
    with gzip.open(_TABLE, "rt", encoding="utf-8") as file:
        table: dict[str, Any] = json.load(file)
    arcs = [_arc(steps, table) for steps in table["arcs"]]
    return [_ring(ring, arcs) for polygon in table["polygons"] for ring in polygon]


def _arc(steps: list[list[int]], table: dict[str, Any]) -> Floats:
    degrees = np.cumsum(steps, axis=0) * table["scale"] + table["translate"]
    north = np.radians(np.clip(degrees[:, 1], -NORTHERNMOST, NORTHERNMOST))
    return np.column_stack([np.radians(degrees[:, 0]), np.arcsinh(np.tan(north))])


def _ring(numbers: list[int], arcs: list[Floats]) -> Ring:
    parts = [arcs[n] if n >= 0 else arcs[~n][::-1] for n in numbers]
    points = np.concatenate([part[:-1] for part in parts])
    return Ring(points[:, 0], points[:, 1])


def _thinned(x: Floats, y: Floats) -> Points:
    kept: Points = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        if not kept or abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= STEP:
            kept.append(point)
    return kept


def _clipped(points: Points, frame: Box, scale: float) -> Points:
    """Sutherland-Hodgman against a little more than the picture, so that its edge shows no line."""
    far = ((frame.right - frame.left) * scale + 8, (frame.bottom - frame.top) * scale + 8)
    for axis in (0, 1):
        for edge, sign in ((-8.0, 1), (far[axis], -1)):
            points = _cut(points, axis, edge, sign)
    return points


def _cut(points: Points, axis: int, edge: float, sign: int) -> Points:
    kept: Points = []
    for at, point in enumerate(points):
        before = points[at - 1]
        inside, was = sign * (point[axis] - edge) >= 0, sign * (before[axis] - edge) >= 0
        if inside != was:
            share = (edge - before[axis]) / (point[axis] - before[axis])
            other = before[1 - axis] + share * (point[1 - axis] - before[1 - axis])
            kept.append((edge, other) if axis == 0 else (other, edge))
        if inside:
            kept.append(point)
    return kept
