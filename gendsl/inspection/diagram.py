"""The plate diagram of a model as SVG, by the conventions of the textbooks.

A latent is a white ellipse, an observed variable a shaded one (half shaded if entries may be
missing), with a double outline if it is discrete and a broken one if it is computed. An input is
a shaded box, a param a dot, an energy a black square. Plates are rounded rectangles. A broken
arrow leads from what only chooses a member, a dotted one from the past.
"""

from __future__ import annotations

from math import hypot
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import networkx as nx

from gendsl.inspection.layout import Layout, PlacedEdge, PlacedNode, PlacedPlate, lay_out
from gendsl.inspection.routing import Curve
from gendsl.inspection.shapes import LABEL_SIZE, RING

__all__ = ["describe_node", "plate_diagram_svg"]

ARROW = 8.0
SPREAD = 3.3

RULES = {
    "text": 'font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, '
    '"DejaVu Sans", sans-serif; fill: #1b2530; text-anchor: middle',
    ".name": "font-style: italic; font-size: 14px",
    ".family": "font-size: 9.5px; fill: #5b6875",
    ".energy .family": "font-size: 11px",
    ".lag": "font-size: 9.5px; font-style: italic; fill: #5b6875",
    ".plate rect": "fill: #5b7a99; fill-opacity: 0.05; stroke: #8496a8; stroke-width: 1.2",
    ".plate text": "font-size: 11px; fill: #4a5a6a; text-anchor: end",
    ".outline": "fill: #fff; stroke: #1b2530; stroke-width: 1.4",
    ".observed .outline, .half": "fill: #cdd8e3",
    ".observed .partly": "fill: #fff",
    ".ring": "fill: none; stroke: #1b2530; stroke-width: 0.8",
    ".let .outline": "stroke-dasharray: 4.5 3",
    ".input .outline": "fill: #eef2f6; stroke: #8496a8; stroke-width: 1.1",
    ".param .outline, .energy .outline": "fill: #1b2530; stroke: none",
    ".edge path": "fill: none; stroke: #3c4a58; stroke-width: 1.15",
    ".edge polygon": "fill: #3c4a58",
    ".index path": "stroke-dasharray: 5 3.5",
    ".past path": "stroke-dasharray: 1.5 3; stroke-linecap: round",
}
"""How things look; written with the class of the picture in front, for pages with several."""


def _style() -> str:
    lines = []
    for selector, rule in RULES.items():
        scoped = ", ".join(f".gendsl-plates {part}" for part in selector.split(", "))
        lines.append(f"{scoped} {{ {rule} }}")
    return "\n".join(lines)


def _n(value: float) -> str:
    """A coordinate, short and the same everywhere."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "-0" if value <= -0.05 else "0", 1)


def _path(curve: Curve, *, cut: float = 0.0) -> str:
    """The curve as path data, its last `cut` units left out."""
    parts = []
    for number, (a, b, c, d) in enumerate(curve):
        if number == 0:
            parts.append(f"M{_n(a[0])},{_n(a[1])}")
        if number == len(curve) - 1 and cut:
            ux, uy = _direction(curve)
            d = d[0] - ux * cut, d[1] - uy * cut
            c = c[0] - ux * cut, c[1] - uy * cut
        points = " ".join(f"{_n(x)},{_n(y)}" for x, y in (b, c, d))
        parts.append(f"C{points}")
    return "".join(parts)


def _direction(curve: Curve) -> tuple[float, float]:
    """The direction in which the curve ends."""
    *_, c, d = curve[-1]
    dx, dy = d[0] - c[0], d[1] - c[1]
    length = hypot(dx, dy) or 1.0
    return dx / length, dy / length


def _arrow(curve: Curve) -> str:
    x, y = curve[-1][3]
    ux, uy = _direction(curve)
    bx, by = x - ux * ARROW, y - uy * ARROW
    points = [(x, y), (bx - uy * SPREAD, by + ux * SPREAD), (bx + uy * SPREAD, by - ux * SPREAD)]
    return f'<polygon points="{" ".join(f"{_n(px)},{_n(py)}" for px, py in points)}"/>'


def _edge(edge: PlacedEdge, kinds: tuple[str, ...]) -> str:
    how = {"index": "index", "lag": "past"}.get(kinds[0])
    tooltip = {
        "index": f"{edge.tail} chooses the member in {edge.head}",
        "lag": f"{edge.head} depends on earlier {edge.tail}",
    }.get(kinds[0], f"{edge.head} depends on {edge.tail}")
    directed = edge.kind != "energy"
    path = _path(edge.curve, cut=ARROW - 1 if directed else 0.0)
    arrow = _arrow(edge.curve) if directed else ""
    css = f"edge {how}" if how else "edge"
    return f'<g class="{css}"><title>{escape(tooltip)}</title><path d="{path}"/>{arrow}</g>'


def _plate(plate: PlacedPlate) -> str:
    area, spot = plate.area, plate.label_area
    size = f'width="{_n(area.right - area.left)}" height="{_n(area.bottom - area.top)}"'
    baseline = (spot.top + spot.bottom) / 2 + LABEL_SIZE * 0.35
    word = "sequence" if plate.ordered else "plate"
    return (
        f'<g class="plate"><title>{escape(f"{word} {plate.label}")}</title>'
        f'<rect x="{_n(area.left)}" y="{_n(area.top)}" {size} rx="9"/>'
        f'<text x="{_n(spot.right)}" y="{_n(baseline)}">{escape(plate.label)}</text></g>'
    )


def describe_node(attributes: dict[str, Any], name: str) -> str:
    """What a tooltip says of a node: its role, type, distribution and place."""
    if attributes["role"] == "energy":
        lines = [name]
    else:
        missing = "?" if attributes["optional"] else ""
        lines = [f"{attributes['role']} {name}: {attributes['type']}{missing}"]
    if attributes["family"] is not None:
        lines.append(f"~ {attributes['family']}")
    if attributes["doc"]:
        lines.append(str(attributes["doc"]))
    if attributes["line"] is not None:
        lines.append(f"line {attributes['line']}: {attributes['text']}")
    return "\n".join(lines)


def _outline(node: PlacedNode, attributes: dict[str, Any]) -> list[str]:
    x, y, rx, ry = node.x, node.y, node.shape.rx, node.shape.ry
    if node.shape.form in ("box", "square"):
        corner = ' rx="7"' if node.shape.form == "box" else ""
        return [
            f'<rect class="outline" x="{_n(x - rx)}" y="{_n(y - ry)}" '
            f'width="{_n(2 * rx)}" height="{_n(2 * ry)}"{corner}/>'
        ]
    half = attributes["role"] == "observed" and attributes["optional"]
    css = "outline partly" if half else "outline"
    place = f'cx="{_n(x)}" cy="{_n(y)}"'
    parts = [f'<ellipse class="{css}" {place} rx="{_n(rx)}" ry="{_n(ry)}"/>']
    if half:
        parts.append(
            f'<path class="half" d="M{_n(x)},{_n(y - ry + 0.7)}'
            f'A{_n(rx - 0.7)},{_n(ry - 0.7)} 0 0 1 {_n(x)},{_n(y + ry - 0.7)}Z"/>'
        )
    if attributes["discrete"] and attributes["role"] in ("latent", "observed"):
        parts.append(f'<ellipse class="ring" {place} rx="{_n(rx - RING)}" ry="{_n(ry - RING)}"/>')
    return parts


def _node(node: PlacedNode, attributes: dict[str, Any]) -> str:
    parts = [f'<g class="{attributes["role"]}">']
    parts.append(f"<title>{escape(describe_node(attributes, node.name))}</title>")
    if node.shape.loop:
        a, b, c, d = ((px + node.x, py + node.y) for px, py in node.shape.loop_path())
        curve = ((a, b, c, d),)
        path = _path(curve, cut=ARROW - 1)
        parts.append(f'<g class="edge"><path d="{path}"/>{_arrow(curve)}</g>')
    parts += _outline(node, attributes)
    for word in node.shape.words:
        baseline = node.y + word.y + word.size * 0.35
        parts.append(
            f'<text class="{word.style}" x="{_n(node.x + word.x)}" y="{_n(baseline)}">'
            f"{escape(word.text)}</text>"
        )
    return "".join([*parts, "</g>"])


def _draw(layout: Layout, graph: nx.DiGraph) -> str:
    title = f"Plate diagram of {graph.graph['name']}"
    width, height = _n(layout.width), _n(layout.height)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="gendsl-plates" '
            f'width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" aria-label={quoteattr(title)}>',
            f"<title>{escape(title)}</title>",
            f"<style>\n{_style()}\n</style>",
            f'<rect width="{width}" height="{height}" rx="6" fill="#fff"/>',
            *map(_plate, layout.plates),
            *(_edge(e, graph.edges[e.tail, e.head]["kinds"]) for e in layout.edges),
            *(_node(node, graph.nodes[node.name]) for node in layout.nodes),
            "</svg>\n",
        ]
    )


def plate_diagram_svg(graph: nx.DiGraph) -> str:
    """The plate diagram of a graph of `build_graph`, as one SVG document."""
    return _draw(lay_out(graph), graph)
