"""The ways of the edges in a plate diagram, and places for the labels of the plates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import hypot

from gendsl.inspection.coordinates import STRIP, Placement
from gendsl.inspection.layering import Link
from gendsl.inspection.ordering import Box
from gendsl.inspection.shapes import LABEL_SIZE, Rect, Shape, text_width

__all__ = ["Curve", "Router", "label_place", "sample", "touches"]

Point = tuple[float, float]
Curve = tuple[tuple[Point, Point, Point, Point], ...]
"""Cubic pieces, each from its first point to its last."""

STEPS = 24
CELL = 7.0
CLOSE = 26.0
"""Nearer than this to their ends edges may run together."""

TIP = 1.5
"""Between the point of an arrow and the outline."""


def sample(curve: Curve) -> Iterator[Point]:
    """Points along `curve`, near enough to each other to see what it touches."""
    for a, b, c, d in curve:
        for i in range(STEPS + 1):
            t = i / STEPS
            p, q, r, s = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            yield (
                p * a[0] + q * b[0] + r * c[0] + s * d[0],
                p * a[1] + q * b[1] + r * c[1] + s * d[1],
            )


def touches(point: Point, center: Point, shape: Shape, margin: float) -> bool:
    """Whether `point` is in the outline or a text of a node, or nearer than `margin`."""
    x, y = point[0] - center[0], point[1] - center[1]
    here = Rect(x, y, x, y)
    if not shape.extent.overlaps(here, margin):
        return False
    if shape.holds(here, margin):
        return True
    return any(word.area.overlaps(here, min(margin, 1.0)) for word in shape.words)


def _line(a: Point, b: Point) -> tuple[Point, Point, Point, Point]:
    (x, y), (u, v) = a, b
    return a, (x + (u - x) / 3, y + (v - y) / 3), (x + 2 * (u - x) / 3, y + 2 * (v - y) / 3), b


@dataclass(frozen=True, slots=True)
class _Surroundings:
    placement: Placement
    shapes: Mapping[str, Shape]

    def end(self, name: str, towards: Point, gap: float) -> Point:
        """Where a line from `name` towards a point leaves its outline."""
        x, y = self.placement.centers[name]
        dx, dy = self.shapes[name].border(towards[0] - x, towards[1] - y, gap)
        return x + dx, y + dy

    def fault(self, curve: Curve, link: Link) -> float:
        """How bad a curve is: through other nodes, or through plates of neither end."""
        points = list(sample(curve))
        cost = 0.0
        for name, shape in self.shapes.items():
            center = self.placement.centers[name]
            if name in (link.tail, link.head):
                continue
            cost += 100.0 * any(touches(point, center, shape, 4.0) for point in points)
        for box, area in self.placement.boxes.items():
            if link.tail not in box.members and link.head not in box.members:
                cost += 5.0 * any(area.overlaps(Rect(x, y, x, y), 3.0) for x, y in points)
        return cost


def _direct(at: _Surroundings, top: str, bottom: str, gaps: tuple[float, float]) -> Curve:
    a, b = at.placement.centers[top], at.placement.centers[bottom]
    return (_line(at.end(top, b, gaps[0]), at.end(bottom, a, gaps[1])),)


def _bowed(
    at: _Surroundings, top: str, bottom: str, gaps: tuple[float, float], bow: float
) -> Curve:
    (ax, ay), (bx, by) = at.placement.centers[top], at.placement.centers[bottom]
    one = (ax + (bx - ax) * 0.25 + bow, ay + (by - ay) * 0.3)
    two = (ax + (bx - ax) * 0.75 + bow, ay + (by - ay) * 0.7)
    return ((at.end(top, one, gaps[0]), one, two, at.end(bottom, two, gaps[1])),)


def _smooth(at: _Surroundings, link: Link, gaps: tuple[float, float]) -> Curve:
    """A curve through the bends, without corners (Catmull and Rom)."""
    middles = [at.placement.centers[item] for item in link.chain]
    points = [
        at.end(link.chain[0], middles[1], gaps[0]),
        *middles[1:-1],
        at.end(link.chain[-1], middles[-2], gaps[1]),
    ]
    ghosts = [points[0], *points, points[-1]]
    return tuple(
        (
            b,
            (b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6),
            (c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6),
            c,
        )
        for a, b, c, d in zip(ghosts, ghosts[1:], ghosts[2:], ghosts[3:], strict=False)
    )


def _strict(
    at: _Surroundings, link: Link, gaps: tuple[float, float], rows: Mapping[str, int]
) -> Curve:
    """Straight down beside the nodes of a row, and across only between rows: touches none."""
    pieces = []
    bands = at.placement.bands
    for upper, lower in pairwise(link.chain):
        (x, _), (u, _) = at.placement.centers[upper], at.placement.centers[lower]
        above, below = bands[rows[upper]][1], bands[rows[lower]][0]
        start, stop = (x, above), (u, below)
        if upper in at.shapes:
            lean = max(-9.0, min(9.0, (u - x) / 4))
            start = at.end(upper, (x + lean, above), gaps[0])
        else:
            pieces.append(_line((x, bands[rows[upper]][0]), start))
        if lower in at.shapes:
            lean = max(-9.0, min(9.0, (x - u) / 4))
            stop = at.end(lower, (u + lean, below), gaps[1])
        middle = (above + below) / 2
        pieces.append((start, (start[0], middle), (stop[0], middle), stop))
    return tuple(pieces)


def _arched(
    at: _Surroundings, top: str, bottom: str, gaps: tuple[float, float], steep: float
) -> Curve:
    """A curve that leaves and arrives upright."""
    (ax, ay), (bx, by) = at.placement.centers[top], at.placement.centers[bottom]
    reach = (by - ay) * steep
    start, stop = at.end(top, (ax, by), gaps[0]), at.end(bottom, (bx, ay), gaps[1])
    return ((start, (ax, start[1] + reach), (bx, stop[1] - reach), stop),)


def _choices(
    at: _Surroundings, link: Link, gaps: tuple[float, float], rows: Mapping[str, int]
) -> Iterator[Curve]:
    """Curves for an edge, in the order of preference."""
    top, bottom = link.chain[0], link.chain[-1]
    if rows[top] == rows[bottom]:
        yield _bowed(at, top, bottom, gaps, 0.0)
        return
    if not link.upwards:
        yield _direct(at, top, bottom, gaps)
    for bow in (34.0, -34.0, 60.0, -60.0) if link.upwards else (16.0, -16.0, 32.0, -32.0):
        yield _bowed(at, top, bottom, gaps, bow)
    if len(link.chain) > 2:
        yield _smooth(at, link, gaps)
    for steep in (0.3, 0.5, 0.7, 0.9):
        yield _arched(at, top, bottom, gaps, steep)
    yield _strict(at, link, gaps, rows)


class Router:
    """Finds the ways of edges one after the other, apart from each other where that can be."""

    def __init__(
        self, placement: Placement, shapes: Mapping[str, Shape], rows: Mapping[str, int]
    ) -> None:
        """Start without edges."""
        self._at = _Surroundings(placement, shapes)
        self._rows = rows
        self._used: set[tuple[int, int]] = set()

    def route(self, link: Link) -> Curve:
        """The best curve for an edge, from its tail to its head.

        Straight if that touches no other node, crosses no foreign plate and does not run
        along an earlier edge; else bowed, smoothly through its bends, or down its own lane.
        """
        tip = 0.0 if link.kind == "energy" else TIP
        gaps = (tip, 0.0) if link.upwards else (0.0, tip)
        best, least = None, float("inf")
        for number, curve in enumerate(_choices(self._at, link, gaps, self._rows)):
            if 0.4 * number < least:
                cost = 0.4 * number + self._at.fault(curve, link) + self._crowding(curve)
                if cost < least:
                    best, least = curve, cost
        assert best is not None
        self._used |= _cells(best)
        if link.upwards:
            return tuple((d, c, b, a) for a, b, c, d in reversed(best))
        return best

    def _crowding(self, curve: Curve) -> float:
        """How much of a curve runs along earlier ones."""
        cells = _cells(curve)
        return 0.5 * max(0, len(cells & self._used) - 2)


def _cells(curve: Curve) -> set[tuple[int, int]]:
    """The places that `curve` passes through, its ends left out."""
    (ax, ay), (bx, by) = curve[0][0], curve[-1][3]
    return {
        (round(x / CELL), round(y / CELL))
        for x, y in sample(curve)
        if hypot(x - ax, y - ay) > CLOSE and hypot(x - bx, y - by) > CLOSE
    }


def label_place(
    box: Box, text: str, boxes: Mapping[Box, Rect], curves: list[Curve], taken: list[Rect]
) -> Rect:
    """The place for the label of `box`: in the strip at its foot, as far right as is clear."""
    area = boxes[box]
    width = text_width(text, LABEL_SIZE)
    bottom = area.bottom - 2.0
    points = [p for curve in curves for p in sample(curve)]
    near = [p for p in points if bottom - STRIP < p[1] < area.bottom]
    best, least = None, float("inf")
    right = area.right - 8.0
    shift = 0.0
    while shift == 0.0 or right - shift - width >= area.left + 8.0:
        spot = Rect(right - shift - width, bottom - STRIP + 2.0, right - shift, bottom)
        cost = shift * 0.01
        cost += 40.0 * sum(spot.overlaps(other, 2.0) for other in taken)
        cost += 3.0 * any(spot.overlaps(Rect(x, y, x, y), 1.0) for x, y in near)
        for other, place in boxes.items():
            if other == box or not spot.overlaps(place, 6.0):
                continue
            cost += 20.0 * (not place.contains(spot.grown(6.0)))
            cost += 6.0 * (not box.members <= other.members)
        if cost < least:
            best, least = spot, cost
        shift += 6.0
    assert best is not None
    return best
