"""Changes of shape in recorded steps."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Graph, Node

__all__ = ["args_of", "reshaped", "shape_of"]

aten = torch.ops.aten

RESHAPES = frozenset(
    {
        aten.view.default,
        aten._unsafe_view.default,
        aten.unsqueeze.default,
        aten.squeeze.dim,
        aten.squeeze.default,
    }
)
"""Operations that keep the order of all entries."""

VIEWS = frozenset({aten.view.default, aten._unsafe_view.default})


def shape_of(node: object) -> tuple[int, ...] | None:
    """The shape of what an operation gives; None where it is unknown or no tensor."""
    if not isinstance(node, Node):
        return None
    meta: Any = node.meta.get("tensor_meta")
    return tuple(meta.shape) if hasattr(meta, "shape") else None


def args_of(node: Node) -> tuple[Any, ...]:
    """The arguments of an operation; what torch says of their types names everything there is."""
    return node.args


def _in_order(node: object) -> bool:
    """Whether an operation gives the entries of its argument in their order."""
    if not isinstance(node, Node):
        return False
    if node.target in RESHAPES:
        return True
    sizes = shape_of(args_of(node)[0]) if node.target is aten.permute.default else None
    if sizes is None:
        return False
    moved = [d for d in args_of(node)[1] if sizes[d] > 1]
    return moved == sorted(moved)


def reshaped(graph: Graph, node: Node) -> Node | None:
    """Changes of the shape as one change, or none where they end where they began."""
    if not _in_order(node) or shape_of(node) is None:
        return None
    inner = args_of(node)[0]
    plain = node.target in VIEWS and not _in_order(inner)
    while isinstance(inner, Node) and _in_order(inner):
        if shape_of(inner) == shape_of(node):
            return inner
        inner = args_of(inner)[0]
    if not isinstance(inner, Node) or shape_of(inner) is None:
        return None
    if shape_of(inner) == shape_of(node):
        return inner
    if plain:
        return None
    made = graph.call_function(aten.view.default, (inner, list(shape_of(node) or ())))
    made.meta = dict(node.meta)
    return made
