"""What the operations of a tape do to entries: act on each, move them, or sum them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gendsl.runtime.native.entrywise import ENTRYWISE
from gendsl.runtime.tracing import Argument, Operation, Ref, Step, map_refs

__all__ = ["is_entrywise", "is_movement", "name_of", "operands", "summed_axes"]

ENTRYWISE_NAMES = frozenset(ENTRYWISE) - {"log_sigmoid_forward:1"} | {
    *("clamp", "bitwise_and", "bitwise_or", "bitwise_not", "clamp_min", "clamp_max"),
    *("special_ndtri", "logit", "erfinv", "special_i0e", "special_i1e", "polygamma"),
}
"""Operations whose every result entry is a function of the entries at that place alone."""

MOVEMENTS = frozenset(
    {
        *("reshape", "view", "unsafe_view", "expand", "expand_copy", "squeeze", "unsqueeze"),
        *("permute", "transpose", "t", "numpy_T", "slice", "select", "flip", "roll", "repeat"),
        *("index", "index_select", "gather", "diagonal", "alias", "clone"),
    }
)
"""Operations whose every result entry is an entry of their first argument."""


def name_of(op: Operation) -> str:
    """``mul`` for `aten.mul.Tensor`; a part of several results as ``max:0``."""
    position = getattr(op, "position", None)
    schema = op._schema if position is None else op.op._schema
    name = str(schema.name).removeprefix("aten::").removeprefix("_")
    return name if position is None else f"{name}:{position}"


def operands(step: Step) -> list[tuple[int, Argument]]:
    """The tensors and references among the arguments, with their places."""
    return [(k, a) for k, a in enumerate(step.args) if isinstance(a, (Ref, Tensor))]


def is_entrywise(step: Step) -> bool:
    """Whether it acts on each entry by itself, its tensors spread over the result's shape."""
    if name_of(step.op) not in ENTRYWISE_NAMES or _refs_within(step.kwargs):
        return False
    return not any(_refs_within(a) for a in step.args if not isinstance(a, Ref))


def is_movement(step: Step) -> bool:
    """Whether it takes entries of its first argument from places that never change."""
    first, *rest = step.args
    return (
        name_of(step.op) in MOVEMENTS
        and isinstance(first, Ref)
        and not _refs_within(rest)
        and not step.kwargs
    )


def summed_axes(step: Step, rank: int) -> tuple[tuple[int, ...], bool] | None:
    """The axes that a sum or mean sums over, and whether they stay with size 1."""
    if name_of(step.op) not in ("sum", "mean", "amax", "amin") or step.kwargs.get("dtype"):
        return None
    given: Sequence[int] | int | None = step.args[1] if len(step.args) > 1 else None
    keep = bool(step.args[2]) if len(step.args) > 2 else bool(step.kwargs.get("keepdim", False))
    if isinstance(given, int):
        given = [given]
    axes = tuple(sorted(a % max(1, rank) for a in given)) if given else tuple(range(rank))
    return axes, keep


def _refs_within(value: Argument) -> bool:
    found: list[Ref] = []
    map_refs(value, found.append)
    return bool(found)
