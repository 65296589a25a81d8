"""Great circles between a destination and many places."""

from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from .types import Destination

Floats = NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0088  # mean radius, IUGG


def on_sphere(lat: Sequence[float | None], lng: Sequence[float | None]) -> Floats:
    """(3, places) points of the unit sphere; nan where a place is not known."""
    up = np.radians(np.array(lat, dtype=np.float64))
    across = np.radians(np.array(lng, dtype=np.float64))
    level = np.cos(up)
    return np.array([level * np.cos(across), level * np.sin(across), np.sin(up)])


def km_to(places: Floats, destination: Destination) -> Floats:
    """(places,) km from points `on_sphere`, to the meter; nan where a place is not known.

    Twice the arc sine of half the chord: exact for near places, too.
    """
    if destination.lat is None or destination.lng is None:
        return np.full(places.shape[1], np.nan)
    up, across = radians(destination.lat), radians(destination.lng)
    level = cos(up)
    way = places - np.array([[level * cos(across)], [level * sin(across)], [sin(up)]])
    way *= way
    half = np.sqrt(np.add.reduce(way, axis=0))
    half *= 0.5
    np.minimum(half, 1.0, out=half)
    km = np.arcsin(half, out=half)
    km *= 2000 * EARTH_RADIUS_KM
    np.rint(km, out=km)
    km /= 1000
    return km


def distances_km(
    *, lat: Sequence[float | None], lng: Sequence[float | None], destination: Destination
) -> Floats:
    """Great circles in km to the meter; nan where a place is not known."""
    return km_to(on_sphere(lat, lng), destination)
