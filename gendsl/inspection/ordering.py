"""Left and right in a plate diagram: columns for the plates, an order for each row.

The nodes of one set of plates form a *region*. Regions are put into an order in which those of
each plate are consecutive, as far as that is possible: then the plate is one box. Otherwise it
is several boxes of the same label. With `n` regions there are ``2 n + 1`` *slots*: odd ones are
the regions' own, even ones lie between them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise, permutations

import networkx as nx

from gendsl.inspection.layering import Layers
from gendsl.inspection.shapes import Shape

__all__ = ["Arrangement", "Box", "arrange"]

EXHAUSTIVE = 6
"""Up to this many regions all orders are tried."""

RELUCTANCE = 0.1
"""What a move must gain, in crossings: the order of the text is kept if nothing speaks against."""

Region = frozenset[str]


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a plate.

    Attributes:
        plate: whose box it is.
        members: the nodes inside.
        start: the first of its regions.
        end: the last of its regions.
        first: its top row.
        last: its bottom row.
    """

    plate: str
    members: frozenset[str]
    start: int
    end: int
    first: int
    last: int

    def covers(self, slot: int) -> bool:
        """Whether `slot` lies between its sides."""
        return 2 * self.start < slot < 2 * self.end + 2

    def spans(self, row: int) -> bool:
        """Whether it reaches over `row`."""
        return self.first <= row <= self.last


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Rows in order, with the slot of each node and bend, and the boxes, outer before inner."""

    rows: tuple[tuple[str, ...], ...]
    slots: Mapping[str, int]
    boxes: tuple[Box, ...]


def _plates_of(graph: nx.DiGraph) -> dict[str, Region]:
    return {name: frozenset(plates) for name, plates in graph.nodes(data="plates")}


def _runs(plate: str, order: Iterable[Region]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for i, region in enumerate(order):
        if plate not in region:
            continue
        if runs and runs[-1][1] == i - 1:
            runs[-1] = (runs[-1][0], i)
        else:
            runs.append((i, i))
    return runs


def _pulls(graph: nx.DiGraph) -> dict[tuple[Region, Region], float]:
    """How strongly regions want to be near each other: edges, and half for common parents."""
    plates = _plates_of(graph)
    pulls: dict[tuple[Region, Region], float] = {}

    def pull(a: str, b: str, weight: float) -> None:
        one, other = plates[a], plates[b]
        if one and other and one != other:
            pulls[one, other] = pulls.get((one, other), 0.0) + weight

    for tail, head in graph.edges:
        pull(tail, head, 1.0)
    for name in graph:
        if not plates[name]:
            for a, b in pairwise(graph.successors(name)):
                pull(a, b, 0.5)
    return pulls


def _region_orders(graph: nx.DiGraph) -> list[tuple[Region, ...]]:
    """Good orders of the regions, best first."""
    pulls = _pulls(graph)
    regions = list(dict.fromkeys(r for r in _plates_of(graph).values() if r))
    plates = sorted(frozenset[str]().union(*regions))

    def cost(order: tuple[Region, ...]) -> float:
        place = {region: i for i, region in enumerate(order)}
        boxes = sum(len(_runs(plate, order)) for plate in plates)
        return 1000.0 * boxes + sum(w * abs(place[a] - place[b]) for (a, b), w in pulls.items())

    if len(regions) <= EXHAUSTIVE:
        return sorted(permutations(regions), key=cost)
    best = tuple(regions)
    while True:
        tries = [
            (*rest[:j], region, *rest[j:])
            for i, region in enumerate(best)
            for rest in [(*best[:i], *best[i + 1 :])]
            for j in range(len(best))
        ]
        better = min(tries, key=cost)
        if cost(better) >= cost(best):
            return [best]
        best = better


def _boxes(
    graph: nx.DiGraph, order: tuple[Region, ...], row_of: Mapping[str, int]
) -> tuple[Box, ...]:
    plates = _plates_of(graph)
    boxes = []
    for plate in graph.graph["axes"]:
        for start, end in _runs(plate, order):
            inside = set(order[start : end + 1])
            members = frozenset(name for name in graph if plates[name] in inside)
            rows = [row_of[name] for name in members]
            boxes.append(Box(plate, members, start, end, min(rows), max(rows)))
    return tuple(sorted(boxes, key=lambda box: -len(box.members)))


def _legal_slots(
    graph: nx.DiGraph, layers: Layers, boxes: tuple[Box, ...], count: int
) -> dict[str, list[int]]:
    """The slots where each node and bend may be: inside what it must, outside what it must not.

    A bend is inside the boxes that both ends of its edge are in, and outside those that
    neither is in.
    """
    ends = {name: (name, name) for name in graph}
    for link in layers.links:
        ends.update((bend, (link.tail, link.head)) for bend in link.chain[1:-1])
    legal = {}
    for item, (tail, head) in ends.items():
        spanning = [box for box in boxes if box.spans(layers.row_of[item])]
        must = {box for box in spanning if tail in box.members and head in box.members}
        may = {box for box in spanning if tail in box.members or head in box.members}
        legal[item] = [
            slot
            for slot in range(2 * count + 1)
            if must <= {box for box in spanning if box.covers(slot)} <= may
        ]
    return legal


class _Sifter:
    """Rows that are improved by moving one item at a time to where edges cross least."""

    def __init__(
        self,
        layers: Layers,
        legal: Mapping[str, list[int]],
        home: Mapping[str, int],
        shapes: Mapping[str, Shape],
    ) -> None:
        self.rows = [list(row) for row in layers.rows]
        self.legal = legal
        self.shapes = shapes
        self.above: dict[str, list[str]] = {item: [] for row in layers.rows for item in row}
        self.below: dict[str, list[str]] = {item: [] for row in layers.rows for item in row}
        for link in layers.links:
            for top, bottom in pairwise(link.chain):
                self.below[top].append(bottom)
                self.above[bottom].append(top)
        self.slot = dict(home)
        self._settle_slots()
        for row in self.rows:
            row.sort(key=lambda item: self.slot[item])
        self.place: dict[str, int] = {}
        self.middle: dict[str, float] = {}
        for number in range(len(self.rows)):
            self._index(number)

    def _settle_slots(self) -> None:
        """Give free items the legal slot nearest to their neighbours', a few times over."""
        free = [item for item in self.legal if item not in self.slot]
        for _ in range(4):
            for item in free:
                near = [
                    self.slot[n] for n in self.above[item] + self.below[item] if n in self.slot
                ]
                legal = self.legal[item]
                if not near:
                    self.slot.setdefault(item, legal[0])
                    continue
                target = sum(near) / len(near)
                self.slot[item] = min(legal, key=lambda slot: (abs(slot - target), slot))

    def _index(self, number: int) -> None:
        right = 0.0
        for i, item in enumerate(self.rows[number]):
            shape = self.shapes.get(item)
            width = shape.extent.right - shape.extent.left + 24 if shape is not None else 24.0
            self.place[item] = i
            self.middle[item] = right + width / 2
            right += width
        for item in self.rows[number]:
            self.middle[item] -= right / 2

    def _crossings(self, number: int, item: str) -> float:
        """The crossings of the edges of `item`, and a little for their length."""
        cost = 0.0
        for near in (self.above, self.below):
            for other in self.rows[number]:
                if other == item:
                    continue
                left = self.place[other] < self.place[item]
                for a in near[item]:
                    for b in near[other]:
                        if a != b and (self.place[b] < self.place[a]) != left:
                            cost += 1.0
            cost += sum(abs(self.middle[a] - self.middle[item]) for a in near[item]) / 400
        return cost

    def _sift(self, number: int, item: str) -> bool:
        """Move `item` to its best legal place; whether that is an improvement."""
        row = self.rows[number]
        start, start_slot = row.index(item), self.slot[item]
        best = (self._crossings(number, item) - RELUCTANCE, start, start_slot)
        row.remove(item)
        edges = [self.slot[other] for other in row]
        for slot in self.legal[item]:
            for i in range(len(row) + 1):
                if (i and edges[i - 1] > slot) or (i < len(row) and edges[i] < slot):
                    continue
                row.insert(i, item)
                self._index(number)
                found = self._crossings(number, item) + abs(slot - start_slot) * 1e-4
                if found < best[0]:
                    best = (found, i, slot)
                row.remove(item)
        row.insert(best[1], item)
        self.slot[item] = best[2]
        self._index(number)
        return best[1:] != (start, start_slot)

    def improve(self, rounds: int = 12) -> float:
        """Sift until nothing moves; the cost that is left."""
        for _ in range(rounds):
            moved = False
            for number in range(len(self.rows)):
                for item in list(self.rows[number]):
                    moved |= self._sift(number, item)
            if not moved:
                break
        return sum(self._crossings(n, item) for n, row in enumerate(self.rows) for item in row)


def arrange(graph: nx.DiGraph, layers: Layers, shapes: Mapping[str, Shape]) -> Arrangement:
    """Order the rows of `graph`, with few crossings and every plate in as few boxes as can be."""
    plates = _plates_of(graph)
    found: list[tuple[float, Arrangement]] = []
    fewest = None
    for order in _region_orders(graph)[:4]:
        boxes = _boxes(graph, order, layers.row_of)
        fewest = len(boxes) if fewest is None else fewest
        if len(boxes) > fewest:
            break
        home = {name: 2 * order.index(plates[name]) + 1 for name in graph if plates[name]}
        sifter = _Sifter(layers, _legal_slots(graph, layers, boxes, len(order)), home, shapes)
        cost = sifter.improve()
        rows = tuple(map(tuple, sifter.rows))
        found.append((round(cost, 6), Arrangement(rows, sifter.slot, boxes)))
    return min(found, key=lambda pair: pair[0])[1]
