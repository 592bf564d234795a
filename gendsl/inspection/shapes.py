"""How the nodes of a plate diagram look: outlines, texts and the room that they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, hypot, pi, sin, sqrt
from typing import Any, Literal

import networkx as nx

__all__ = ["RING", "Rect", "Shape", "Words", "shape_of", "text_width"]

NAME_SIZE = 14.0
SMALL_SIZE = 9.5
LABEL_SIZE = 11.0
LINE = 1.25
"""The height of a line of text in units of its size."""

RADIUS = 26.0
RING = 3.0
"""Between the two outlines of a discrete variable."""

LOOP = 17.0
"""How far the loop of a recurrent variable reaches beyond its outline."""

_WIDTHS = {
    **dict.fromkeys("ijl|.,:;'!`", 0.32),
    **dict.fromkeys("()[]frt -/\\I", 0.42),
    **dict.fromkeys("mwMWQ@%", 0.98),
    **dict.fromkeys("ABCDEFGHJKLNOPRSTUVXYZ", 0.74),
}


def text_width(text: str, size: float) -> float:
    """An upper estimate of the width of `text`, for the sans-serif fonts in common use."""
    return size * sum(_WIDTHS.get(c, 0.64 if ord(c) < 0x2E80 else 1.05) for c in text)


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle by its edges; `top` is less than `bottom`."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Rect, margin: float = 0.0) -> bool:
        """Whether the two share an area, or come nearer than `margin`."""
        return (
            self.left < other.right + margin
            and other.left < self.right + margin
            and self.top < other.bottom + margin
            and other.top < self.bottom + margin
        )

    def contains(self, other: Rect) -> bool:
        """Whether `other` lies inside."""
        return (
            self.left <= other.left
            and other.right <= self.right
            and self.top <= other.top
            and other.bottom <= self.bottom
        )

    def grown(self, by: float) -> Rect:
        """The rectangle, larger on all sides."""
        return Rect(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def moved(self, x: float, y: float) -> Rect:
        """The rectangle, shifted."""
        return Rect(self.left + x, self.top + y, self.right + x, self.bottom + y)


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text, centred at (`x`, `y`) from the middle of its node."""

    text: str
    x: float
    y: float
    size: float
    style: Literal["name", "family", "lag"]

    @property
    def area(self) -> Rect:
        """Where the text is."""
        half, rise = text_width(self.text, self.size) / 2, self.size * LINE / 2
        return Rect(self.x - half, self.y - rise, self.x + half, self.y + rise)


@dataclass(frozen=True, slots=True)
class Shape:
    """A node's outline around (0, 0), and its texts.

    Attributes:
        form: ``ellipse`` (random or deterministic), ``box`` (input), ``dot`` (param) or
            ``square`` (energy).
        rx: half the width of the outline.
        ry: half its height.
        words: the texts in and beside it.
        loop: whether an arrow leads from the node to itself.
        extent: all that the node needs: outline, texts and loop.
    """

    form: Literal["ellipse", "box", "dot", "square"]
    rx: float
    ry: float
    words: tuple[Words, ...]
    loop: bool = False
    extent: Rect = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Find the extent once."""
        areas = [w.area for w in self.words]
        areas.append(Rect(-self.rx, -self.ry, self.rx + LOOP * self.loop, self.ry))
        extent = Rect(
            min(a.left for a in areas),
            min(a.top for a in areas),
            max(a.right for a in areas),
            max(a.bottom for a in areas),
        )
        object.__setattr__(self, "extent", extent)

    def border(self, dx: float, dy: float, gap: float = 0.0) -> tuple[float, float]:
        """Where a ray from the middle in direction (dx, dy) leaves the outline, plus `gap`."""
        length = hypot(dx, dy)
        if not length:
            return 0.0, 0.0
        ux, uy = dx / length, dy / length
        if self.form in ("ellipse", "dot"):
            reach = 1 / hypot(ux / self.rx, uy / self.ry)
        else:
            reach = min(
                self.rx / abs(ux) if ux else float("inf"),
                self.ry / abs(uy) if uy else float("inf"),
            )
        return ux * (reach + gap), uy * (reach + gap)

    def holds(self, area: Rect, slack: float = 0.5) -> bool:
        """Whether `area` lies inside the outline."""
        corners = [(x, y) for x in (area.left, area.right) for y in (area.top, area.bottom)]
        rx, ry = self.rx + slack, self.ry + slack
        if self.form == "ellipse":
            return all((x / rx) ** 2 + (y / ry) ** 2 <= 1 for x, y in corners)
        return all(abs(x) <= rx and abs(y) <= ry for x, y in corners)

    def loop_path(self) -> tuple[tuple[float, float], ...]:
        """The loop as the four points of a cubic curve, from and to the outline."""

        def at(angle: float, factor: float) -> tuple[float, float]:
            return self.rx * cos(angle) * factor, -self.ry * sin(angle) * factor

        start, end = at(0.30 * pi, 1.0), at(-0.02 * pi, 1.03)
        out = self.rx + LOOP * 1.25
        return start, (out * 0.86, -self.ry * 1.25), (out, -self.ry * 0.1), end


def _ellipse_radius(words: tuple[Words, ...], ring: float) -> float:
    """The least half-width at which an ellipse of height `RADIUS` holds the words.

    They stay inside an inner outline at distance `ring`.
    """
    need = RADIUS
    for word in words:
        depth = max(abs(word.area.top), abs(word.area.bottom)) - 1.5
        chord = sqrt(max(0.05, 1 - (depth / (RADIUS - ring)) ** 2))
        need = max(need, (word.area.right + 1.0) / chord + ring)
    return round(need, 1)


def _loop_label(graph: nx.DiGraph, attributes: dict[str, Any]) -> str:
    axes = graph.graph["axes"]
    sequences = [p for p in attributes["plates"] if axes[p]["kind"] == "sequence"]
    sequence = sequences[-1] if sequences else "t"
    texts = [f"{sequence}−{steps}" for steps in attributes["lags"]]
    return ", ".join(["causal"] * attributes["causal"] + texts)


def shape_of(graph: nx.DiGraph, name: str) -> Shape:
    """The shape of the node `name`."""
    attributes = graph.nodes[name]
    role = attributes["role"]
    height = NAME_SIZE * LINE / 2
    if role == "energy":
        label = Words(name, 0, 8 + LABEL_SIZE * LINE / 2, LABEL_SIZE, "family")
        return Shape("square", 7, 7, (label,))
    if role == "param":
        width = text_width(name, NAME_SIZE)
        beside = bool(graph.pred[name])
        x, y = (9 + width / 2, 0.0) if beside else (0.0, -7 - height)
        return Shape("dot", 4.5, 4.5, (Words(name, x, y, NAME_SIZE, "name"),))
    if role == "input":
        word = Words(name, 0, 0, NAME_SIZE, "name")
        return Shape("box", max(18.0, word.area.right + 8), 14, (word,))
    family = attributes["family"]
    words: tuple[Words, ...] = (Words(name, 0, -5 if family else 0, NAME_SIZE, "name"),)
    if family:
        words += (Words(family, 0, 9, SMALL_SIZE, "family"),)
    ringed = attributes["discrete"] and role != "let"
    rx = _ellipse_radius(words, RING if ringed else 0.0)
    if not (attributes["recurrent"] or attributes["causal"]):
        return Shape("ellipse", rx, RADIUS, words)
    lag = _loop_label(graph, attributes)
    x = rx + LOOP + 4 + text_width(lag, SMALL_SIZE) / 2
    words += (Words(lag, x, -RADIUS * 0.55, SMALL_SIZE, "lag"),)
    return Shape("ellipse", rx, RADIUS, words, loop=True)
