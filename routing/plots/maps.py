"""A map: places, the legs between them, and the countries behind."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from django.utils.safestring import SafeString

from . import world
from .svg import LARGE_TEXT, LETTER, SMALL_TEXT, WIDTH, Box, markup, path, picture, put

Role = Literal["goal", "chosen", "possible", "out", "many"]
HEIGHT = 420
MARGIN = 44.0
LEAST_SPAN = math.radians(1.2)  # about 90 km in Europe: a town alone is no map
MOST_NAMES = 14
RADIUS = {"goal": 6.0, "chosen": 7.0, "possible": 4.5, "out": 3.5, "many": 2.5}
_ORDER: tuple[Role, ...] = ("many", "out", "possible", "chosen", "goal")


@dataclass(frozen=True)
class Place:
    """A point with its name; `words` is said when it is pointed at, `size` makes it larger."""

    name: str
    lat: float
    lng: float
    role: Role
    words: str = ""
    size: float = 1.0

    @property
    def radius(self) -> float:
        return RADIUS[self.role] * self.size


@dataclass(frozen=True)
class Leg:
    """From one place to another, by their numbers; `weight` 0..1 makes it thicker."""

    start: int
    end: int
    chosen: bool = False
    words: str = ""
    weight: float = 0.0


class View(NamedTuple):
    """Which part of Mercator's map is shown, and how large."""

    frame: Box  # radians, y to the south
    scale: float  # units of the picture per radian


class Name(NamedTuple):
    """Where a place's name is written."""

    text: str
    x: float
    y: float
    anchor: str
    box: Box


def draw(
    key: str, *, places: Sequence[Place], legs: Sequence[Leg] = (), title: str, desc: str
) -> SafeString:
    """The map that shows these places, but for those `out_of_sight`; nothing when there is none."""
    if not places:
        return SafeString("")
    spots, view = _laid_out(places)
    svg = picture(key, height=HEIGHT, title=title, desc=desc)
    put(svg, "rect", class_="plot-water", width=WIDTH, height=HEIGHT)
    land = "".join(path(ring, closed=True) for ring in world.outlines(view.frame, view.scale))
    put(svg, "path", class_="plot-land", d=land, fill_rule="evenodd")
    for leg in sorted(legs, key=lambda leg: leg.chosen):
        _draw_leg(svg, leg, spots)
    for at in sorted(_seen(spots), key=lambda at: _ORDER.index(places[at].role)):
        place, (x, y) = places[at], spots[at]
        dot = put(svg, "circle", class_=f"plot-place plot-{place.role}", cx=x, cy=y,
                  r=float(place.radius))  # fmt: skip
        put(dot, "title", f"{place.name}: {place.words}" if place.words else place.name)
    _write_names(svg, places, spots)
    return markup(svg)


def out_of_sight(places: Sequence[Place]) -> int:
    """How many places that are out lie beyond the edges, which are drawn around the others."""
    return len(places) - len(_seen(_laid_out(places)[0])) if places else 0


def _seen(spots: Sequence[tuple[float, float]]) -> list[int]:
    return [at for at, (x, y) in enumerate(spots) if 0 <= x <= WIDTH and 0 <= y <= HEIGHT]


def _draw_leg(svg: object, leg: Leg, spots: Sequence[tuple[float, float]]) -> None:
    (x, y), (to_x, to_y) = spots[leg.start], spots[leg.end]
    # A shallow bow, so that a leg there and one back are two lines.
    bow_x, bow_y = (x + to_x) / 2 + (to_y - y) * 0.08, (y + to_y) / 2 - (to_x - x) * 0.08
    width = 1.0 + 5.0 * leg.weight if leg.weight else 4.0 if leg.chosen else 1.0
    line = put(
        svg, "path", class_="plot-leg plot-leg-chosen" if leg.chosen else "plot-leg",  # type: ignore[arg-type]
        d=f"M{x:.1f} {y:.1f}Q{bow_x:.1f} {bow_y:.1f} {to_x:.1f} {to_y:.1f}", stroke_width=width,
    )  # fmt: skip
    if leg.words:
        put(line, "title", leg.words)


# --- what is shown -------------------------------------------------------------------------------


def _laid_out(places: Sequence[Place]) -> tuple[list[tuple[float, float]], View]:
    """Where the places are in the picture, and the part of the world that it shows."""
    flat = [world.project(place.lat, place.lng) for place in places]
    points = list(zip(_unrolled([x for x, _ in flat]), [-y for _, y in flat], strict=True))
    shown = [
        point for place, point in zip(places, points, strict=True) if place.role != "out"
    ] or points
    left, right = _span([x for x, _ in shown])
    top, bottom = _span([y for _, y in shown])
    scale = min((WIDTH - 2 * MARGIN) / (right - left), (HEIGHT - 2 * MARGIN) / (bottom - top))
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    half_x, half_y = WIDTH / 2 / scale, HEIGHT / 2 / scale
    frame = Box(middle_x - half_x, middle_y - half_y, middle_x + half_x, middle_y + half_y)
    spots = [((x - frame.left) * scale, (y - frame.top) * scale) for x, y in points]
    return spots, View(frame, scale)


def _unrolled(xs: Sequence[float]) -> list[float]:
    """Longitudes without the jump at the date line: the widest empty stretch is left out."""
    around = sorted(set(xs))
    gaps = [
        ((after - before) % world.TURN or world.TURN, after)
        for before, after in zip([around[-1], *around[:-1]], around, strict=True)
    ]
    start = max(gaps)[1]
    turn = world.TURN
    return [x if x >= start else x + turn for x in xs]


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    missing = max(LEAST_SPAN - (high - low), 0.0) / 2
    return low - missing, high + missing


# --- names ---------------------------------------------------------------------------------------


def _write_names(
    svg: object, places: Sequence[Place], spots: Sequence[tuple[float, float]]
) -> None:
    """Names that do not cover each other: first as large as a phone needs them, then, beside
    those, the ones that only fit where there is room for smaller letters."""
    named = [at for at, place in enumerate(places) if place.role in ("goal", "chosen", "possible")]
    named.sort(key=lambda at: (-_ORDER.index(places[at].role), at))
    named = named[:MOST_NAMES]
    dots = [
        Box(x - p.radius, y - p.radius, x + p.radius, y + p.radius)
        for p, (x, y) in zip(places, spots, strict=True)
        if p.role != "many"
    ]
    always = _placed(named, places, spots, dots, LARGE_TEXT)
    more = _placed(
        [at for at in named if at not in always], places, spots,
        [*dots, *(name.box for name in always.values())], SMALL_TEXT,
    )  # fmt: skip
    for kind, names in (("", always), (" plot-wide", more)):
        for name in names.values():
            put(svg, "text", name.text, class_=f"plot-name{kind}", x=name.x, y=name.y,  # type: ignore[arg-type]
                text_anchor=name.anchor)  # fmt: skip


def _placed(
    named: Sequence[int], places: Sequence[Place], spots: Sequence[tuple[float, float]],
    taken: Sequence[Box], size: float,
) -> dict[int, Name]:  # fmt: skip
    found: dict[int, Name] = {}
    boxes = list(taken)
    picture_box = Box(0, 0, WIDTH, HEIGHT)
    for at in named:
        for name in _around(places[at], *spots[at], size):
            if picture_box.holds(name.box) and not any(name.box.meets(box) for box in boxes):
                found[at] = name
                boxes.append(name.box)
                break
    return found


def _around(place: Place, x: float, y: float, size: float) -> list[Name]:
    """Where a name may stand: right of its place, left, above, below."""
    wide, off = LETTER * size * len(place.name), place.radius + 4
    up, down = 0.75 * size, 0.25 * size  # of a line of text, around its base line
    spots = [
        (x + off, y + down, "start", x + off), (x - off, y + down, "end", x - off - wide),
        (x, y - off - down, "middle", x - wide / 2), (x, y + off + up, "middle", x - wide / 2),
    ]  # fmt: skip
    return [
        Name(place.name, at_x, at_y, anchor, Box(left, at_y - up, left + wide, at_y + down))
        for at_x, at_y, anchor, left in spots
    ]
