"""The layout of a plate diagram: where nodes, plates, edges and texts are.

Layered from top to bottom (Sugiyama), with rectangles for plates, which may be nested or cross
each other: a node lies inside a rectangle exactly if it is in the plate. No external program is
used, and the same graph always has the same layout.

References:
    Methods for visual understanding of hierarchical system structures (Sugiyama et al., 1981)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import networkx as nx

from gendsl.inspection.coordinates import MARGIN, label_rooms, place
from gendsl.inspection.layering import Link, assign_layers
from gendsl.inspection.ordering import Box, arrange
from gendsl.inspection.routing import Curve, Router, label_place, sample, touches
from gendsl.inspection.shapes import Rect, Shape, Words, shape_of

__all__ = [
    "Layout",
    "PlacedEdge",
    "PlacedNode",
    "PlacedPlate",
    "lay_out",
    "plate_labels",
    "verify_layout",
]


ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class PlacedNode:
    """A node with its middle."""

    name: str
    x: float
    y: float
    shape: Shape
    plates: frozenset[str]

    @property
    def area(self) -> Rect:
        """All that the node takes."""
        return self.shape.extent.moved(self.x, self.y)

    @property
    def outline(self) -> Rect:
        """The rectangle around its outline."""
        rx, ry = self.shape.rx, self.shape.ry
        return Rect(self.x - rx, self.y - ry, self.x + rx, self.y + ry)


@dataclass(frozen=True, slots=True)
class PlacedPlate:
    """A rectangle of a plate with its label; most plates have just one."""

    plate: str
    area: Rect
    label: str
    label_area: Rect
    ordered: bool


@dataclass(frozen=True, slots=True)
class PlacedEdge:
    """An edge with its curve, from tail to head."""

    tail: str
    head: str
    kind: str
    curve: Curve


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture, ready to be drawn; plates stand before those inside them."""

    width: float
    height: float
    nodes: tuple[PlacedNode, ...]
    plates: tuple[PlacedPlate, ...]
    edges: tuple[PlacedEdge, ...]


def plate_labels(graph: nx.DiGraph) -> dict[str, str]:
    """What stands on each plate: its name, and its size where the text gives it."""
    labels = {}
    for name, axis in graph.graph["axes"].items():
        owner = f"[{axis['owner']}]" if axis["owner"] else ""
        size = f" = {axis['size']}" if axis["size"] is not None else ""
        labels[name] = f"{name}{owner}{size}"
    return labels


def lay_out(graph: nx.DiGraph) -> Layout:
    """Lay out a graph of `build_graph`.

    Plates whose label an edge runs through are widened, a few times at most.
    """
    shapes = {name: shape_of(graph, name) for name in graph}
    labels = plate_labels(graph)
    layers = assign_layers(graph, shapes)
    arrangement = arrange(graph, layers, shapes)
    crowded: Counter[Box] = Counter()
    found: list[tuple[int, Layout]] = []
    for _ in range(ATTEMPTS):
        rooms = label_rooms(arrangement.boxes, labels, crowded)
        placement = place(layers, arrangement, shapes, rooms)
        router = Router(placement, shapes, layers.row_of)
        curves = {link: router.route(link) for link in sorted(layers.links, key=_importance)}
        nodes = tuple(
            PlacedNode(name, *placement.centers[name], shapes[name], frozenset(plates))
            for name, plates in graph.nodes(data="plates")
        )
        plates = _placed_plates(graph, labels, placement.boxes, curves, nodes)
        edges = tuple(PlacedEdge(k.tail, k.head, k.kind, curve) for k, curve in curves.items())
        crossed = _crossed_labels(plates, edges)
        found.append((len(crossed), _fitted(nodes, plates, edges)))
        if not crossed:
            break
        crowded.update(box for i, box in enumerate(placement.boxes) if i in crossed)
    return min(found, key=lambda pair: pair[0])[1]


def _crossed_labels(
    plates: tuple[PlacedPlate, ...], edges: tuple[PlacedEdge, ...]
) -> frozenset[int]:
    """The plates, by number, whose label an edge runs through."""
    points = [Rect(x, y, x, y) for edge in edges for x, y in sample(edge.curve)]
    return frozenset(
        i
        for i, plate in enumerate(plates)
        if any(plate.label_area.overlaps(point) for point in points)
    )


def _importance(link: Link) -> tuple[bool, int]:
    return link.upwards, len(link.chain)


def _placed_plates(
    graph: nx.DiGraph,
    labels: Mapping[str, str],
    boxes: Mapping[Box, Rect],
    curves: Mapping[Link, Curve],
    nodes: tuple[PlacedNode, ...],
) -> tuple[PlacedPlate, ...]:
    placed = []
    taken = [node.area for node in nodes]
    for box, area in boxes.items():
        text = labels[box.plate]
        spot = label_place(box, text, boxes, list(curves.values()), taken)
        taken.append(spot)
        ordered = graph.graph["axes"][box.plate]["kind"] == "sequence"
        placed.append(PlacedPlate(box.plate, area, text, spot, ordered))
    return tuple(placed)


def _fitted(
    nodes: tuple[PlacedNode, ...],
    plates: tuple[PlacedPlate, ...],
    edges: tuple[PlacedEdge, ...],
) -> Layout:
    """The layout on a canvas that just holds it."""
    areas = [node.area for node in nodes] + [plate.area for plate in plates]
    areas += [Rect(x, y, x, y) for edge in edges for x, y in sample(edge.curve)]
    if not areas:
        return Layout(2 * MARGIN, 2 * MARGIN, (), (), ())
    dx = round(MARGIN - min(a.left for a in areas), 1)
    dy = round(MARGIN - min(a.top for a in areas), 1)
    width = max(a.right for a in areas) + dx + MARGIN
    height = max(a.bottom for a in areas) + dy + MARGIN
    return Layout(
        round(width),
        round(height),
        tuple(PlacedNode(n.name, n.x + dx, n.y + dy, n.shape, n.plates) for n in nodes),
        tuple(
            PlacedPlate(
                p.plate, p.area.moved(dx, dy), p.label, p.label_area.moved(dx, dy), p.ordered
            )
            for p in plates
        ),
        tuple(PlacedEdge(e.tail, e.head, e.kind, _moved(e.curve, dx, dy)) for e in edges),
    )


def _moved(curve: Curve, dx: float, dy: float) -> Curve:
    return tuple(
        (
            (a[0] + dx, a[1] + dy),
            (b[0] + dx, b[1] + dy),
            (c[0] + dx, c[1] + dy),
            (d[0] + dx, d[1] + dy),
        )
        for a, b, c, d in curve
    )


def verify_layout(layout: Layout) -> list[str]:
    """What is wrong with a layout, in sentences; empty if it is right.

    Nodes, labels and texts do not overlap and lie on the canvas; texts fit into their
    outlines; a node is inside a rectangle exactly if it is in the plate; plates without a
    common node do not touch; no edge passes through a node that it does not belong to.
    """
    return [
        *_node_faults(layout),
        *_plate_faults(layout),
        *_label_faults(layout),
        *_edge_faults(layout),
    ]


def _node_faults(layout: Layout) -> Iterator[str]:
    canvas = Rect(0, 0, layout.width, layout.height)
    for one, other in combinations(layout.nodes, 2):
        if one.area.overlaps(other.area):
            yield f"nodes `{one.name}` and `{other.name}` overlap"
    for node in layout.nodes:
        if not canvas.contains(node.area):
            yield f"node `{node.name}` is not on the canvas"
        if node.shape.form in ("ellipse", "box"):
            inside = (word for word in node.shape.words if word.style != "lag")
            yield from (
                f"text `{word.text}` is wider than node `{node.name}`"
                for word in inside
                if not node.shape.holds(word.area, 1.5)
            )
        yield from _text_faults(node.name, node.shape.words)


def _text_faults(name: str, words: tuple[Words, ...]) -> Iterator[str]:
    for one, other in combinations(words, 2):
        if one.area.overlaps(other.area, -3.5):
            yield f"texts `{one.text}` and `{other.text}` of node `{name}` overlap"


def _plate_faults(layout: Layout) -> Iterator[str]:
    for node in layout.nodes:
        for plate in layout.plates:
            member = plate.plate in node.plates
            if not member and plate.area.overlaps(node.area):
                yield f"node `{node.name}` reaches into plate `{plate.plate}`"
        for name in sorted(node.plates):
            boxes = [plate for plate in layout.plates if plate.plate == name]
            if sum(box.area.contains(node.area) for box in boxes) != 1:
                yield f"node `{node.name}` is not inside plate `{name}`"
    for one, other in combinations(layout.plates, 2):
        shared = any(
            one.area.contains(node.area) and other.area.contains(node.area)
            for node in layout.nodes
        )
        if one.area.overlaps(other.area) and not shared:
            yield f"plates `{one.plate}` and `{other.plate}` overlap without a common node"


def _label_faults(layout: Layout) -> Iterator[str]:
    for plate in layout.plates:
        if not plate.area.contains(plate.label_area):
            yield f"label `{plate.label}` is not inside its plate"
        for node in layout.nodes:
            if plate.label_area.overlaps(node.area):
                yield f"label `{plate.label}` overlaps node `{node.name}`"
    for one, other in combinations(layout.plates, 2):
        if one.label_area.overlaps(other.label_area):
            yield f"labels `{one.label}` and `{other.label}` overlap"


def _edge_faults(layout: Layout) -> Iterator[str]:
    for edge in layout.edges:
        points = list(sample(edge.curve))
        for node in layout.nodes:
            if node.name not in (edge.tail, edge.head) and any(
                touches(point, (node.x, node.y), node.shape, 0.0) for point in points
            ):
                yield f"edge `{edge.tail}` -> `{edge.head}` passes through node `{node.name}`"
