"""Operations in place, where what they overwrite is used by nothing else.

The gradient of `clamp` overwrites a comparison. Where values change in place a recorded step is
left much as it is, so it pays to be rid of that. So does that of a sigmoid, in second derivatives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Graph, Node

from gendsl.runtime.variational.reshaping import shape_of

__all__ = ["leave_unwritten"]

aten = torch.ops.aten

NEW = frozenset(
    getattr(getattr(aten, name), kind)
    for name in ("ge", "gt", "le", "lt", "eq", "ne")
    for kind in ("Scalar", "Tensor")
)
"""Operations whose values lie in memory of their own."""

PLAIN: Mapping[Any, Any] = {
    aten.logical_and_.default: aten.logical_and.default,
    aten.logical_or_.default: aten.logical_or.default,
}
"""What gives the values of an operation in place."""


def leave_unwritten(graph: Graph) -> None:
    """Have such operations give their values in memory of their own."""
    for node in list(graph.nodes):
        first = node.args[0] if node.target in PLAIN else None
        if isinstance(first, Node) and first.target in NEW and len(first.users) == 1:
            node.target = PLAIN[node.target]
        less = _less(graph, node)
        if less is not None:
            node.replace_all_uses_with(less)
            filled = node.args[0]
            for gone in (node, filled, filled.args[0]):  # nothing else uses them
                graph.erase_node(gone)


def _less(graph: Graph, node: Node) -> Node | None:
    """A number less a tensor, which second derivatives write into memory that they have filled."""
    filled = node.args[0] if node.target is aten.sub_.Tensor and len(node.args) == 2 else None
    if not isinstance(filled, Node) or filled.target is not aten.fill_.Scalar or node.kwargs:
        return None
    empty, number = filled.args
    if not isinstance(empty, Node) or empty.target is not aten.empty_like.default:
        return None
    other = node.args[1]
    if len(filled.users) > 1 or len(empty.users) > 1 or shape_of(other) != shape_of(node):
        return None
    with graph.inserting_before(node):
        made = graph.call_function(aten.rsub.Scalar, (other, number))
    made.meta = dict(node.meta)
    return made
