"""Elements of a picture, and what maps and charts have in common."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, tostring

from django.utils.safestring import SafeString, mark_safe

# A picture's own units. It is shown as wide as there is room, at most at 1:1, so on a phone
# letters must be drawn larger to be read: the style sheet has both sizes, too.
WIDTH = 640
SMALL_TEXT, LARGE_TEXT = 14.0, 22.0
LETTER = 0.56  # width of a letter as a share of its height, on average


class Box(NamedTuple):
    """A rectangle from its upper left to its lower right corner."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Whether they have an inner point in common."""
        return (
            self.left < other.right and other.left < self.right
            and self.top < other.bottom and other.top < self.bottom
        )  # fmt: skip

    def holds(self, other: "Box") -> bool:
        """Whether the other one lies within."""
        return (
            self.left <= other.left and other.right <= self.right
            and self.top <= other.top and other.bottom <= self.bottom
        )  # fmt: skip


def picture(key: str, *, height: int, title: str, desc: str) -> Element:
    """An empty picture; `key` is unique in its page."""
    svg = Element(
        "svg", {
            "class": "plot", "viewBox": f"0 0 {WIDTH} {height}", "role": "img",
            "aria-labelledby": f"{key}-title {key}-desc",
        },
    )  # fmt: skip
    put(svg, "title", title, id=f"{key}-title")
    put(svg, "desc", desc, id=f"{key}-desc")
    return svg


def put(parent: Element, tag: str, text: str = "", **attributes: object) -> Element:
    """Add an element; `class_` is its class, numbers are written to a tenth."""
    element = SubElement(
        parent, tag, {k.rstrip("_").replace("_", "-"): _value(v) for k, v in attributes.items()}
    )
    element.text = text or None
    return element


def markup(svg: Element) -> SafeString:
    """The picture as HTML holds it. The writer escapes whatever names and words it was given."""
    return mark_safe(tostring(svg, encoding="unicode"))


def path(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """The `d` of a line through these points."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + ("Z" if closed else "")


def _value(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
