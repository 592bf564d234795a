"""Products of a constant matrix with a vector, by panels of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendsl.runtime.native.accesses import Access
from gendsl.runtime.native.loops import View
from gendsl.runtime.native.statements import Product, Statement

if TYPE_CHECKING:
    from gendsl.runtime.native.emit import CEmitter

__all__ = ["product_of"]

FEWEST = 9
"""Columns at least; fewer are unrolled."""


def product_of(
    c: CEmitter, maker: Statement, source: Access, shape: tuple[int, ...], out: Access
) -> Product | None:
    """A sum over one axis of a product of a constant matrix and a vector, if it is one.

    Args:
        c: the emitter.
        maker: what made the entries that are summed.
        source: these entries.
        shape: of them.
        out: where the sum goes; its stride is 0 along the axis that is summed.
    """
    if maker.op != "({0} * {1})" or source.offset or maker.out.offset:
        return None
    long = [a for a, n in enumerate(shape) if n > 1]
    if len(long) != 2 or sum(n > 1 for n in maker.shape) != 2:
        return None
    places = {
        s: a for a, (s, n) in enumerate(zip(maker.out.strides, maker.shape, strict=True)) if n > 1
    }
    axes = [places.get(source.strides[a]) for a in long]
    if None in axes or len(set(axes)) != 2:
        return None
    own = [a for a in axes if a is not None]
    args = [a.along(own) if isinstance(a, Access) else a for a in maker.args]
    return contracted(c, args, tuple(shape[a] for a in long), out.along(long))


def contracted(
    c: CEmitter, args: list[Access | str], shape: tuple[int, ...], out: Access
) -> Product | None:
    """The sum over the axis of `out` with stride 0 of a product over two axes."""
    gone = 0 if out.strides[0] == 0 else 1
    for one, other in (args, reversed(args)):
        if isinstance(one, str) or isinstance(other, str) or one.terms or other.terms:
            continue
        view = View(one.buffer, one.offset, shape, one.strides)
        if not c.constants.holds(view) or not all(one.strides):
            continue
        if other.strides[1 - gone] or not other.strides[gone]:
            continue
        return _product(c, view, gone, other.strides[gone], other, out)
    return None


def _product(
    c: CEmitter, matrix: View, gone: int, stride: int, vector: Access, out: Access
) -> Product | None:
    rows = 0 if matrix.shape[0] >= matrix.shape[1] else 1
    if matrix.shape[1 - rows] < FEWEST:
        return None
    if rows == 1:
        matrix = View(matrix.buffer, matrix.offset, matrix.shape[::-1], matrix.strides[::-1])
    over_rows = rows == gone
    name = c.constants.panels(matrix)
    room = c.new((8 * matrix.shape[1],)) if over_rows else c.new((matrix.shape[1],))
    return Product(
        name,
        matrix.shape[0],
        matrix.shape[1],
        over_rows,
        Access(vector.buffer, vector.offset, (stride,)),
        Access(out.buffer, out.offset, (out.strides[1 - gone],)),
        room.buffer,
    )
