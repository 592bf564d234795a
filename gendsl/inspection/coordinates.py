"""Positions in a plate diagram, by least squares under separation constraints.

Every demand on horizontal positions (neighbours apart, members inside, all others outside, plates
nested, crossed or apart) has the form ``x[a] + d <= x[b]`` and follows the order of the slots, so
that the demands are never contradictory.

References:
    IPSep-CoLa: an incremental procedure for separation constraint layout
        (Dwyer, Koren, Marriott, 2006)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

import networkx as nx

from gendsl.inspection.layering import Layers
from gendsl.inspection.ordering import Arrangement, Box
from gendsl.inspection.shapes import LABEL_SIZE, LINE, Rect, Shape, text_width

__all__ = ["MARGIN", "Placement", "label_rooms", "place"]

MARGIN = 20.0
NODE_GAP = 24.0
BEND_GAP = 15.0
BEND_HALF = 3.0
SIDE = 14.0
"""Between a plate's side and what is inside."""

APART = 16.0
"""Between a plate and what is outside."""

TOP = 13.0
STRIP = LABEL_SIZE * LINE + 6.0
"""The height of the strip at the bottom of a plate that holds its label."""

FOOT = STRIP + 5.0
ROW_GAP = 46.0
CLEAR = 24.0
"""Between the plates of one row and those of the next."""

UPRIGHT = 12.0
"""Edges that lean less than this are straightened."""

ROUNDS = 120
SWEEPS = 60
PRECISION = 0.02
SLUGGISH = 0.01


@dataclass(frozen=True, slots=True)
class Placement:
    """Where everything is.

    Attributes:
        centers: the middle of each node and bend.
        boxes: the rectangle of each box.
        bands: the top and bottom of each row's nodes.
    """

    centers: Mapping[str, tuple[float, float]]
    boxes: Mapping[Box, Rect]
    bands: tuple[tuple[float, float], ...]


class _Constraints:
    """Demands ``x[a] + d <= x[b]`` on numbered positions."""

    def __init__(self) -> None:
        self.index: dict[object, int] = {}
        self.least: dict[tuple[int, int], float] = {}
        self._forces: dict[tuple[int, int], float] = {}

    def variable(self, key: object) -> int:
        """The number of the position `key`."""
        return self.index.setdefault(key, len(self.index))

    def add(self, a: object, b: object, distance: float) -> None:
        """Demand that `b` is at least `distance` to the right of `a`."""
        pair = self.variable(a), self.variable(b)
        self.least[pair] = max(distance, self.least.get(pair, distance))

    def leftmost(self, start: list[float]) -> list[float]:
        """The least positions from `start` on that meet all demands exactly."""
        order = nx.DiGraph()
        order.add_nodes_from(range(len(start)))
        order.add_edges_from(self.least)
        x = list(start)
        for a in nx.topological_sort(order):
            for b in order.successors(a):
                x[b] = max(x[b], x[a] + self.least[a, b])
        return x

    def nearest(self, wanted: list[float], weights: list[float]) -> list[float]:
        """The positions nearest to `wanted` that meet all demands, nearly (Hildreth).

        Distances count by `weights`. Starts from the forces of the last call.
        """
        x = list(wanted)
        give = [1 / weight for weight in weights]
        demands = [(pair, *pair, d) for pair, d in self.least.items()]
        for (a, b), force in self._forces.items():
            x[a] -= force * give[a]
            x[b] += force * give[b]
        for _ in range(SWEEPS):
            worst = 0.0
            for pair, a, b, d in demands:
                old = self._forces.get(pair, 0.0)
                step = max((x[a] + d - x[b]) / (give[a] + give[b]), -old)
                if step:
                    self._forces[pair] = old + step
                    x[a] -= step * give[a]
                    x[b] += step * give[b]
                    worst = max(worst, abs(step) * (give[a] + give[b]))
            if worst < PRECISION:
                break
        return x


def _sides(item: str, shapes: Mapping[str, Shape]) -> tuple[float, float]:
    shape = shapes.get(item)
    if shape is None:
        return BEND_HALF, BEND_HALF
    return -shape.extent.left, shape.extent.right


def _inside(outer: Box, inner: Box) -> bool:
    """Whether the box drawn first holds the other; of two equal ones the first is the outer."""
    return inner.members <= outer.members


def label_rooms(
    boxes: tuple[Box, ...], labels: Mapping[str, str], crowded: Counter[Box]
) -> dict[Box, float]:
    """The widths that the labels need: more where an edge would run through a label."""
    return {
        box: text_width(labels[box.plate], LABEL_SIZE) + 22 + 30 * crowded[box] for box in boxes
    }


def _row_demands(
    demands: _Constraints, arrangement: Arrangement, shapes: Mapping[str, Shape]
) -> None:
    for row in arrangement.rows:
        for a, b in pairwise(row):
            gap = NODE_GAP if a in shapes and b in shapes else BEND_GAP
            demands.add(a, b, _sides(a, shapes)[1] + gap + _sides(b, shapes)[0])


def _box_demands(
    demands: _Constraints, arrangement: Arrangement, shapes: Mapping[str, Shape]
) -> None:
    for box in arrangement.boxes:
        for number in range(box.first, box.last + 1):
            for item in arrangement.rows[number]:
                left, right = _sides(item, shapes)
                slot = arrangement.slots[item]
                if box.covers(slot):
                    demands.add((box, "left"), item, SIDE + left)
                    demands.add(item, (box, "right"), SIDE + right)
                elif slot <= 2 * box.start:
                    demands.add(item, (box, "left"), APART + right)
                else:
                    demands.add((box, "right"), item, APART + left)


def _plate_demands(
    demands: _Constraints, boxes: tuple[Box, ...], rooms: Mapping[Box, float]
) -> None:
    for box in boxes:
        demands.add((box, "left"), (box, "right"), rooms[box])
    for one, other in combinations(boxes, 2):
        if _inside(one, other):
            demands.add((one, "left"), (other, "left"), SIDE)
            demands.add((other, "right"), (one, "right"), SIDE)
        elif not one.members & other.members:
            if one.first <= other.last and other.first <= one.last:
                a, b = (one, other) if one.end < other.start else (other, one)
                demands.add((a, "right"), (b, "left"), APART)
        else:
            a, b = (one, other) if one.start < other.start else (other, one)
            demands.add((a, "left"), (b, "left"), rooms[a])
            demands.add((a, "right"), (b, "right"), rooms[b])


def _springs(
    layers: Layers, demands: _Constraints, shapes: Mapping[str, Shape]
) -> list[list[tuple[int, float]]]:
    """For each position the others that it is drawn to, with weights."""
    springs: list[list[tuple[int, float]]] = [[] for _ in demands.index]

    def tie(a: object, b: object, weight: float) -> None:
        i, j = demands.variable(a), demands.variable(b)
        springs[i].append((j, weight))
        springs[j].append((i, weight))

    for link in layers.links:
        for top, bottom in pairwise(link.chain):
            tie(top, bottom, (1.0, 2.0, 8.0)[(top not in shapes) + (bottom not in shapes)])
    for key in list(demands.index):
        if isinstance(key, tuple) and key[1] == "left":
            tie(key, (key[0], "right"), 0.3)
    return springs


def _solve(demands: _Constraints, springs: list[list[tuple[int, float]]]) -> list[float]:
    """Make edges short: by their squares at first, then so that many are upright (reweighted)."""
    x = demands.leftmost([0.0] * len(springs))
    for number in range(ROUNDS):
        reweighted = number > ROUNDS // 2
        weights, wanted = [], []
        for i, ties in enumerate(springs):
            pulls = [
                (w * UPRIGHT / (UPRIGHT + abs(x[i] - x[j])) if reweighted else w, j)
                for j, w in ties
            ]
            weight = sum(w for w, _ in pulls) + SLUGGISH
            wanted.append((sum(w * x[j] for w, j in pulls) + SLUGGISH * x[i]) / weight)
            weights.append(weight)
        damped = [(old + 3 * new) / 4 for old, new in zip(x, wanted, strict=True)]
        x = demands.nearest(damped, weights)
    return [round(v, 1) for v in demands.leftmost(x)]


def _levels(boxes: tuple[Box, ...], *, top: bool) -> dict[Box, int]:
    """How many borders lie between a box's top (or bottom) and the nodes of its row."""
    levels: dict[Box, int] = {}
    for box in reversed(boxes):
        within = [
            level
            for other, level in levels.items()
            if (box.first == other.first if top else box.last == other.last)
            and (box.members & other.members)
        ]
        levels[box] = max(within, default=0) + 1
    return levels


def _heights(
    arrangement: Arrangement, shapes: Mapping[str, Shape]
) -> tuple[tuple[tuple[float, float], ...], list[float], dict[Box, tuple[float, float]]]:
    """The bands and middles of the rows, and the top and bottom of each box."""
    tops, bottoms = _levels(arrangement.boxes, top=True), _levels(arrangement.boxes, top=False)
    bands, middles = [], []
    y = MARGIN
    for number, row in enumerate(arrangement.rows):
        extents = [shapes[item].extent for item in row if item in shapes]
        starting = [tops[box] for box in arrangement.boxes if box.first == number]
        ending = [bottoms[box] for box in arrangement.boxes if box.last == number - 1]
        borders = max(starting, default=0) * TOP + max(ending, default=0) * FOOT
        y += max(ROW_GAP, borders + CLEAR) if number else borders
        middle = y - min(extent.top for extent in extents)
        bottom = middle + max(extent.bottom for extent in extents)
        bands.append((y, bottom))
        middles.append(middle)
        y = bottom
    sides = {
        box: (bands[box.first][0] - TOP * tops[box], bands[box.last][1] + FOOT * bottoms[box])
        for box in arrangement.boxes
    }
    return tuple(bands), middles, sides


def place(
    layers: Layers,
    arrangement: Arrangement,
    shapes: Mapping[str, Shape],
    rooms: Mapping[Box, float],
) -> Placement:
    """Find positions for everything; `rooms` are the least widths of the boxes."""
    demands = _Constraints()
    for row in arrangement.rows:
        for item in row:
            demands.variable(item)
    _row_demands(demands, arrangement, shapes)
    _box_demands(demands, arrangement, shapes)
    _plate_demands(demands, arrangement.boxes, rooms)
    solved = _solve(demands, _springs(layers, demands, shapes))
    x = {key: solved[i] for key, i in demands.index.items()}
    lefts = [x[item] - _sides(item, shapes)[0] for row in arrangement.rows for item in row]
    lefts += [x[box, "left"] for box in arrangement.boxes]
    shift = MARGIN - min(lefts, default=0.0)
    bands, middles, sides = _heights(arrangement, shapes)
    centers = {
        item: (round(x[item] + shift, 1), round(middles[layers.row_of[item]], 1))
        for row in arrangement.rows
        for item in row
    }
    boxes = {
        box: Rect(
            round(x[box, "left"] + shift, 1),
            round(sides[box][0], 1),
            round(x[box, "right"] + shift, 1),
            round(sides[box][1], 1),
        )
        for box in arrangement.boxes
    }
    return Placement(centers, boxes, bands)
