"""Operations in place, where what they overwrite is used by nothing else.

The gradient of `clamp` overwrites a comparison. Where values change in place a recorded step is
left much as it is, so it pays to be rid of that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.fx import Graph, Node

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
