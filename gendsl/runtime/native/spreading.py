"""Short axes of a statement are unrolled: one statement over the long axes for each place.

A mixture of three components then needs loops over the rows alone, which join to one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from gendsl.runtime.native.accesses import Access
from gendsl.runtime.native.loops import View
from gendsl.runtime.native.statements import FOLDS, Statement

if TYPE_CHECKING:
    from gendsl.runtime.native.emit import CEmitter

__all__ = ["spread"]

TINY = 6
"""Spaces of so many indices have no loop."""

SHORT = 8
"""The longest axis that is unrolled."""

LANES = 16
"""Statements that one becomes, at most."""

LONG_CODE = 20_000
"""Once there are so many statements nothing more is unrolled."""


def spread(c: CEmitter, statement: Statement) -> Iterator[Statement]:
    """The same computation with short axes unrolled, axes of size 1 gone."""
    statement = _kept(statement, [a for a, n in enumerate(statement.shape) if n != 1])
    if statement.fold in FOLDS and all(statement.out.strides):
        statement = replace(statement, fold="")
    axes = _unrolled(statement.shape) if len(c.code) < LONG_CODE else []
    if not axes:
        yield statement
        return
    rest = [a for a in range(len(statement.shape)) if a not in axes]
    statement = replace(
        statement, args=tuple(_arranged(c, a, statement.shape, axes, rest) for a in statement.args)
    )
    gone = {a for a in axes if statement.fold in FOLDS and not statement.out.strides[a]}
    if gone:
        yield from _folded(c, statement, axes, rest, gone)
        return
    for place in product(*(range(statement.shape[a]) for a in axes)):
        yield _constant_index(c, _lane(statement, axes, place))


def _unrolled(shape: Sequence[int]) -> list[int]:
    if prod(shape) <= TINY:
        return list(range(len(shape)))
    longest = max(range(len(shape)), key=lambda a: shape[a])
    found: list[int] = []
    for a in sorted(range(len(shape)), key=lambda a: shape[a]):
        lanes = prod(shape[k] for k in (*found, a))
        if a != longest and shape[a] <= SHORT and lanes <= LANES:
            found.append(a)
    return sorted(found)


def _kept(statement: Statement, axes: Sequence[int]) -> Statement:
    args = tuple(a.along(axes) if isinstance(a, Access) else a for a in statement.args)
    shape = tuple(statement.shape[a] for a in axes)
    return replace(statement, out=statement.out.along(axes), args=args, shape=shape)


def _lane(statement: Statement, axes: Sequence[int], place: Sequence[int]) -> Statement:
    """The statement at one place of the unrolled axes."""

    def at(access: Access) -> Access:
        for axis, k in sorted(zip(axes, place, strict=True), reverse=True):
            access = access.at(axis, k)
        return access

    args = tuple(at(a) if isinstance(a, Access) else a for a in statement.args)
    shape = tuple(n for a, n in enumerate(statement.shape) if a not in axes)
    return replace(statement, out=at(statement.out), args=args, shape=shape)


def _folded(
    c: CEmitter, statement: Statement, axes: Sequence[int], rest: Sequence[int], gone: set[int]
) -> Iterator[Statement]:
    """A reduction over short axes, perhaps over long ones as well."""
    kept = [a for a in axes if a not in gone]
    combined = FOLDS[statement.fold][1]
    later = any(not statement.out.strides[a] for a in rest)
    for outer in product(*(range(statement.shape[a]) for a in kept)):
        lanes = []
        for inner in product(*(range(statement.shape[a]) for a in sorted(gone))):
            pairs = [*zip(kept, outer, strict=True), *zip(sorted(gone), inner, strict=True)]
            lane = _lane(statement, [a for a, _ in pairs], [k for _, k in pairs])
            lanes.append(_constant_index(c, lane))
        out = _fresh(c, lanes[0].shape) if later else lanes[0].out
        yield replace(lanes[0], out=out, fold="")
        for lane in lanes[1:]:
            value = _fresh(c, lane.shape)
            yield replace(lane, out=value, fold="")
            yield Statement(combined, out, (out, value), lane.shape)
        if later:
            yield Statement("{0}", lanes[0].out, (out,), lanes[0].shape, statement.fold)


def _fresh(c: CEmitter, shape: tuple[int, ...]) -> Access:
    view = c.new(shape)
    return Access(view.buffer, 0, view.strides)


def _constant_index(c: CEmitter, lane: Statement) -> Statement:
    """Indices that are known, where there is no loop, are moves."""
    if lane.shape:
        return lane

    def known(access: Access) -> Access:
        offset, left = access.offset, []
        for index, stride in access.terms:
            if index.terms or index.buffer[0] != "n":
                left.append((index, stride))
                continue
            place = c.constants.values(View(index.buffer, index.offset, (), ()))
            offset += int(place) * stride
        return replace(access, offset=offset, terms=tuple(left))

    args = tuple(known(a) if isinstance(a, Access) else a for a in lane.args)
    return replace(lane, out=known(lane.out), args=args)


def _arranged(
    c: CEmitter,
    arg: Access | str,
    shape: tuple[int, ...],
    axes: Sequence[int],
    rest: Sequence[int],
) -> Access | str:
    """Constants with the unrolled axes outermost in memory."""
    if isinstance(arg, str) or arg.terms or not rest:
        return arg
    view = View(arg.buffer, arg.offset, shape, arg.strides)
    last = arg.strides[rest[-1]]
    if arg.buffer[0] not in "cn" or last in (0, 1) or not c.constants.holds(view):
        return arg
    found = c.constants.arranged(view, [*axes, *rest])
    return Access(found.buffer, found.offset, found.strides)
