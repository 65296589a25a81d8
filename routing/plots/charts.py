"""Charts of cost against CO2e."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from django.utils.safestring import SafeString

from .svg import WIDTH, markup, path, picture, put

HEIGHT = 340
LEFT, RIGHT, TOP, BOTTOM = 74.0, 22.0, 40.0, 62.0
TICKS = 4
MOST_DOTS = 400  # more are drawn as a grid of cells, darker where there are more
CELL = 14.0


@dataclass(frozen=True)
class Mark:
    """A point of a chart; `words` is said when it is pointed at, `kind` is its color."""

    x: float
    y: float
    words: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Axes:
    """From figures to the picture; the ticks lie on round figures."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def x(self, value: float) -> float:
        share = (value - self.xs[0]) / (self.xs[-1] - self.xs[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.ys[0]) / (self.ys[-1] - self.ys[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def trade_off(
    key: str, *, marks: Sequence[Mark], title: str, desc: str, x_words: str, y_words: str
) -> SafeString:
    """The plans between which nothing is both cheaper and cleaner; "chosen" is the one taken."""
    svg, axes = _begin(key, marks, title, desc, x_words, y_words)
    curve = sorted((mark for mark in marks if mark.kind != "aside"), key=lambda m: (m.x, -m.y))
    if len(curve) > 1:
        points = [(axes.x(mark.x), axes.y(mark.y)) for mark in curve]
        put(svg, "path", class_="plot-curve", d=path(points))
    for mark in sorted(marks, key=lambda mark: mark.kind == "chosen"):
        _dot(svg, axes, mark, radius=8.0 if mark.kind == "chosen" else 5.0)
    return markup(svg)


def scatter(
    key: str, *, marks: Sequence[Mark], title: str, desc: str, x_words: str, y_words: str
) -> SafeString:
    """Many points; as a grid of cells when dots would hide each other."""
    svg, axes = _begin(key, marks, title, desc, x_words, y_words)
    if len(marks) <= MOST_DOTS:
        for mark in marks:
            _dot(svg, axes, mark, radius=4.0)
        return markup(svg)
    cells = Counter((int(axes.x(m.x) // CELL), int(axes.y(m.y) // CELL)) for m in marks)
    most = max(cells.values())
    for (column, row), count in sorted(cells.items()):
        share = 0.15 + 0.85 * math.log1p(count) / math.log1p(most)
        cell = put(svg, "rect", class_="plot-cell", x=column * CELL, y=row * CELL, width=CELL - 1,
                   height=CELL - 1, fill_opacity=f"{share:.2f}")  # fmt: skip
        put(cell, "title", f"{count} orders")
    return markup(svg)


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Round figures from at most `low` to at least `high`: steps of 1, 2 or 5 times ten to n."""
    if high <= low:
        low, high = low - abs(low) * 0.05 - 0.005, high + abs(high) * 0.05 + 0.005
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(n * step for n in range(first, last + 1))


def _begin(  # noqa: PLR0917
    key: str, marks: Sequence[Mark], title: str, desc: str, x_words: str, y_words: str
) -> tuple[Element, Axes]:
    svg = picture(key, height=HEIGHT, title=title, desc=desc)
    axes = Axes(_ticks([mark.x for mark in marks]), _ticks([mark.y for mark in marks]))
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, text in _texts(axes.xs):
        put(
            svg, "path", class_="plot-grid", d=path([(axes.x(value), TOP), (axes.x(value), bottom)])
        )
        put(svg, "text", text, class_="plot-tick", x=axes.x(value), y=bottom + 24.0,
            text_anchor="middle")  # fmt: skip
    for value, text in _texts(axes.ys):
        put(
            svg, "path", class_="plot-grid", d=path([(LEFT, axes.y(value)), (right, axes.y(value))])
        )
        put(svg, "text", text, class_="plot-tick", x=LEFT - 8, y=axes.y(value) + 6.0,
            text_anchor="end")  # fmt: skip
    put(svg, "text", y_words, class_="plot-axis", x=6.0, y=24.0)
    put(svg, "text", x_words, class_="plot-axis", x=right, y=HEIGHT - 10.0, text_anchor="end")
    return svg, axes


def _ticks(values: Sequence[float]) -> tuple[float, ...]:
    return ticks(min(values), max(values)) if values else (0.0, 1.0)


def _texts(values: Sequence[float]) -> list[tuple[float, str]]:
    step = values[1] - values[0]
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    write: Callable[[float], str] = lambda value: f"{value:,.{places}f}"  # noqa: E731
    return [(value, write(value)) for value in values]


def _dot(svg: Element, axes: Axes, mark: Mark, *, radius: float) -> None:
    kind = f" plot-{mark.kind}" if mark.kind else ""
    dot = put(svg, "circle", class_=f"plot-dot{kind}", cx=axes.x(mark.x), cy=axes.y(mark.y),
              r=radius)  # fmt: skip
    if mark.words:
        put(dot, "title", mark.words)
