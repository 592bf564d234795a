"""Operations on axes to Python: reductions, gathers, selections, spreads, collections, lags."""

from __future__ import annotations

import ast

from gendsl.emit import pycode as py
from gendsl.emit.setting import ELLIPSIS, FULL, Setting
from gendsl.ir import nodes as ir
from gendsl.library.functions import FUNCTIONS

__all__ = ["collected", "gathered", "lagged", "member_numbers", "reduced", "selected", "spread"]

WITHOUT_TUPLES = ("median", "prod")
"""Reductions of torch that take one axis at a time."""


def _dim(setting: Setting, axis: str | int, rank: int) -> int:
    """The dimension, from the right, of a plate or of an event axis of a value of rank `rank`."""
    return -(setting.layout.depths[axis] + rank) if isinstance(axis, str) else axis - rank


def reduced(setting: Setting, expr: ir.Reduce, code: ast.expr) -> ast.expr:
    """A reduction; that of a plate leaves a dimension of size 1 behind."""
    rank = len(expr.value.type.event)
    template = FUNCTIONS[expr.function].torch
    if isinstance(expr.axis, str):
        dim: ast.expr = py.number(_dim(setting, expr.axis, rank))
        return py.fill(template, {"x": code, "dim": dim, "keepdim": ast.Constant(value=True)})
    if expr.axis is not None:
        dim = py.number(_dim(setting, expr.axis, rank))
    elif rank == 0:
        code, dim = setting.lifted(code, 1), py.number(-1)
    elif rank == 1 or expr.function not in WITHOUT_TUPLES:
        dims = [py.number(d) for d in range(-rank, 0)]
        dim = dims[0] if rank == 1 else py.tuple_of(dims)
    else:
        code, dim = py.call(py.attribute(code, "flatten"), py.number(-rank)), py.number(-1)
    filled = py.fill(template, {"x": code, "dim": dim, "keepdim": ast.Constant(value=False)})
    return _without_keepdim(filled)


def _without_keepdim(code: ast.expr) -> ast.expr:
    """``keepdim=False`` is the default."""
    for node in ast.walk(code):
        if isinstance(node, ast.Call):
            node.keywords = [k for k in node.keywords if not _is_default(k)]
    return code


def _is_default(keyword: ast.keyword) -> bool:
    value = keyword.value
    return keyword.arg == "keepdim" and isinstance(value, ast.Constant) and value.value is False


def selected(setting: Setting, expr: ir.Select, code: ast.expr) -> ast.expr:
    """One entry; a plate leaves a dimension of size 1 behind."""
    rank = len(expr.value.type.event)
    if isinstance(expr.axis, str):
        return setting.along(expr.axis, code, py.slice_from(expr.at, expr.at + 1 or None), rank)
    return py.index(code, ELLIPSIS, py.number(expr.at), *[FULL] * (rank - expr.axis - 1))


def gathered(setting: Setting, expr: ir.Gather, code: ast.expr, index: ast.expr) -> ast.expr:
    """``value[index]``."""
    rank, index_rank = len(expr.value.type.event), len(expr.index.type.event)
    if _is_plain(setting, expr):
        return py.index(code, ELLIPSIS, index, *[FULL] * rank)
    plate = isinstance(expr.axis, str)
    kept = rank if plate else rank - 1
    ranks = {"event": kept, "index_event": index_rank}
    return setting.helper(
        "take",
        code,
        index,
        py.number(_dim(setting, expr.axis, rank)),
        **{word: py.number(r) if r else None for word, r in ranks.items()},
        plate=None if plate else ast.Constant(value=False),
    )


def _is_plain(setting: Setting, expr: ir.Gather) -> bool:
    """Whether torch's own indexing does it: one plate at depth 1, a vector of data."""
    value, index = expr.value, expr.index
    return (
        isinstance(expr.axis, str)
        and value.type.plates == {expr.axis}
        and setting.layout.depths[expr.axis] == 1
        and isinstance(index, ir.Reference)
        and index.name in setting.data - setting.batched
        and len(index.type.plates) == 1
        and setting.layout.depth(index.type.plates) == 1
        and not index.type.event
    )


def spread(setting: Setting, expr: ir.Spread, code: ast.expr) -> ast.expr:
    """An event axis as a plate."""
    rank = len(expr.value.type.event)
    depth = setting.layout.depths[expr.plate]
    if rank == 1 and depth == 1 and not setting.varies(expr.value):
        return code
    return setting.helper(
        "spread", code, py.number(expr.axis - rank), py.number(depth), py.number(rank)
    )


def collected(setting: Setting, expr: ir.Collect, code: ast.expr) -> ast.expr:
    """A plate as the first event axis."""
    rank = len(expr.value.type.event)
    depth = setting.layout.depths[expr.plate]
    return setting.helper("collect", code, py.number(depth), py.number(rank))


def member_numbers(setting: Setting, expr: ir.MemberNumber) -> ast.expr:
    """0, 1, 2, ... along a plate, as floats."""
    last = py.call("float", py.name(setting.names.sizes[expr.plate]))
    numbers = py.call("torch.arange", last)
    lifted = setting.lifted(numbers, setting.layout.depths[expr.plate] - 1)
    return setting.windowed(lifted, expr.type.plates, 0)


def lagged(setting: Setting, expr: ir.Lag, code: ast.expr) -> ast.expr:
    """Earlier values along a sequence, at the steps of the window; else NaN before the first."""
    rank, window = len(expr.type.event), setting.window
    assert isinstance(expr.value, ir.Reference)
    if expr.value.name in setting.earlier:
        return py.name(setting.earlier[expr.value.name])  # its window is masked, never cut
    right = py.number(-(setting.layout.depths[expr.sequence] + rank))
    if window is not None and window.sequence == expr.sequence and window.masked:
        return setting.helper("earlier", code, py.number(expr.steps), right)
    if window is not None and window.sequence == expr.sequence:
        key = py.slice_from(window.first - expr.steps, -expr.steps)
        return setting.along(expr.sequence, code, key, rank)
    return setting.helper("lagged", code, py.number(expr.steps), right)
