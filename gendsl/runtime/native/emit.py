"""From the steps of a tape to statements.

Every number is a double, truth values too. Views cost nothing; whatever computes entries becomes a
statement of its own, and `schedule` joins statements over the same indices to one loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from torch import Tensor

from gendsl.runtime.native.accesses import Access, access_of
from gendsl.runtime.native.constants import Constants, plain_number
from gendsl.runtime.native.entrywise import ENTRYWISE, template
from gendsl.runtime.native.finish import finished, rooms
from gendsl.runtime.native.loops import Lazy, View, contiguous, literal
from gendsl.runtime.native.products import product_of
from gendsl.runtime.native.spreading import spread
from gendsl.runtime.native.statements import Item, Raw, Statement
from gendsl.runtime.native.untranslated import NotNative
from gendsl.runtime.tracing import Argument, Operation, Ref, Step, Tape, map_refs

__all__ = ["CEmitter", "NotNative", "Operand", "Pieces"]


class Pieces:
    """Zeros with arrays in them, not in memory yet.

    Attributes:
        shape: of the whole.
        parts: arrays, and the same places of the whole by offset and strides.
    """

    def __init__(
        self, shape: tuple[int, ...], parts: list[tuple[View, int, tuple[int, ...]]]
    ) -> None:
        """Take what is not zero."""
        self.shape = shape
        self.parts = parts


Operand = View | str
"""An array, or a number."""


class _Code(list[Item]):
    """Statements in order; text that is appended is raw C."""

    def append(self, item: Item | str) -> None:
        super().append(Raw(item) if isinstance(item, str) else item)


class CEmitter:
    """Translates one tape.

    Attributes:
        code: the statements so far.
        constants: the arrays that the function is given.
        sizes: how many numbers each array holds that statements write, by its name.
        rooms: where in the workspace each of them starts, once all is finished.
        room: how many numbers the workspace holds.
        included: functions that it calls, by name.
        values_beside: what else was computed with the result of a step, for the next step.
    """

    def __init__(self, tape: Tape) -> None:
        """Count how often each result is used."""
        self.tape = tape
        self.code = _Code()
        self.constants = Constants()
        self.sizes: dict[str, int] = {}
        self.included: dict[str, str] = {}
        self.values_beside: dict[int, View] = {}
        self.rooms: dict[str, int] = {}
        self.room = 0
        self.values: dict[int, Operand | Pieces] = {0: whole("x", tape.samples[0].shape)}
        self.uses: Counter[int] = Counter()
        self.makers: dict[str, Statement | None] = {}
        for step in tape.steps:
            map_refs((step.args, step.kwargs), lambda r: self.uses.update([r.number]))

    # Operands

    def operand(self, value: Argument) -> Operand:
        """What an argument of a step is in C."""
        match value:
            case Ref():
                return self._settled(value.number)
            case Tensor() if value.dtype.is_complex:
                raise NotNative("a complex number")
            case Tensor() if value.dim() == 0:
                return self.constants.number(value)
            case Tensor():
                return self.constants.view(value)
            case bool() | int() | float() if plain_number(value) or isinstance(value, int):
                return literal(value)
            case float():
                return self.constants.scalar(value)
            case _:
                raise NotNative(f"an argument of {type(value).__name__}")

    def _settled(self, number: int) -> Operand:
        """A result in memory."""
        value = self.values[number]
        if isinstance(value, Pieces):
            out = self.new(value.shape)
            self.assemble(out, value)
            self.values[number] = value = out
        return value

    def pieces(self, value: Argument) -> Pieces | None:
        """A result that is zero but for some arrays, if it is known to be."""
        found = self.values.get(value.number) if isinstance(value, Ref) else None
        return found if isinstance(found, Pieces) else None

    def assemble(self, out: View, value: Pieces) -> None:
        """Put arrays into zeros."""
        counts = np.zeros(max(1, prod(out.shape)), np.int64)
        for view, offset, strides in value.parts:
            np.lib.stride_tricks.as_strided(
                counts[offset:], view.shape, [8 * s for s in strides]
            ).__iadd__(1)
        disjoint = counts.max() <= 1
        if not disjoint or counts.min() == 0:
            self.fill(out, Lazy("0", (), out.shape))
        for view, offset, strides in value.parts:
            into = View(out.buffer, out.offset + offset, view.shape, strides)
            if disjoint:
                self.fill(into, view)
            else:
                self.fill(into, Lazy("({0} + {1})", (into, view), view.shape))

    def into(self, out: View, value: Argument) -> None:
        """Put a result where it belongs."""
        pieces = self.pieces(value)
        if pieces is not None:
            self.assemble(out, pieces)
        else:
            self.fill(out, self.view(value).expanded(out.shape))

    def view(self, value: Argument) -> View:
        """An argument as an array in memory."""
        operand = self.operand(value)
        if isinstance(operand, View):
            return operand
        return self.stored(Lazy(operand, (), ()))

    def new(self, shape: Sequence[int]) -> View:
        """Room for an array."""
        name = f"w{len(self.sizes)}_"
        self.sizes[name] = max(1, prod(shape))
        return whole(name, shape)

    def stored(self, lazy: Lazy) -> View:
        """An expression computed into memory of its own."""
        out = self.new(lazy.shape)
        self.fill(out, lazy)
        return out

    def computed(self, op: str, operands: Sequence[Operand], shape: tuple[int, ...]) -> View:
        """An operation on entries; axes along which nothing changes are left out."""
        if op == "({0} / {1})" and isinstance(operands[1], View):
            if self.constants.holds(operands[1]):
                op, operands = "({0} * {1})", [operands[0], self.constants.inverse(operands[1])]
        views = [o.expanded(shape) if not isinstance(o, str) else o for o in operands]
        moving = [v for v in views if isinstance(v, View)]
        own = (
            tuple(n if any(v.strides[a] for v in moving) else 1 for a, n in enumerate(shape))
            if prod(shape)
            else shape
        )
        out = self.new(own)
        self.fill(
            out, Lazy(op, tuple(v if isinstance(v, str) else _cut(v, own) for v in views), own)
        )
        return out.expanded(shape)

    def fill(self, out: View, lazy: Lazy | View) -> None:
        """Compute an expression into a place of its shape."""
        if isinstance(lazy, View):
            lazy = Lazy("{0}", (lazy,), lazy.shape)
        if not prod(out.shape):
            return
        args = tuple(v if isinstance(v, str) else access_of(v) for v in lazy.views)
        self.add(Statement(lazy.code, access_of(out), args, out.shape))

    def add(self, statement: Statement) -> None:
        """One more statement, short axes of its loop unrolled."""
        again = statement.out.buffer in self.makers
        self.makers[statement.out.buffer] = None if again else statement
        for part in spread(self, statement):
            self.code.append(part)

    # Steps

    def run(self, translate: Callable[[CEmitter, str, Step, int], Operand | Pieces]) -> None:
        """Translate every step."""
        for number, step in enumerate(self.tape.steps, start=1):
            name = _name(step.op)
            if name == "add" and self._sum_of_pieces(step, number):
                continue
            if name in ENTRYWISE or name == "clamp":
                op, args = template(name, step)
                shape = self.shape(number)
                self.values[number] = self.computed(op, [self.operand(a) for a in args], shape)
            else:
                self.values[number] = translate(self, name, step, number)

    def _sum_of_pieces(self, step: Step, number: int) -> bool:
        """Whether a sum of two arrays that are mostly zero could be left as it is."""
        found = [self.pieces(a) for a in step.args[:2]]
        if len(step.args) != 2 or any(p is None for p in found) or step.kwargs:
            return False
        one, other = found
        assert one is not None
        assert other is not None
        if one.shape != other.shape or one.shape != self.shape(number):
            return False
        self.values[number] = Pieces(one.shape, one.parts + other.parts)
        return True

    def finish(self, outputs: Sequence[View]) -> list[str]:
        """All statements in C, in parts; afterwards `rooms` and `room` are known."""
        texts = finished(self.code, [v.buffer for v in outputs])
        self.rooms, self.room = rooms([*texts, *(v.buffer for v in outputs)], self.sizes)
        return texts

    def arrays(self, pattern: str = "double *restrict {name} = w + {place};") -> list[str]:
        """Declarations of the arrays in the workspace."""
        return [pattern.format(name=name, place=at) for name, at in self.rooms.items()]

    def shape(self, number: int) -> tuple[int, ...]:
        """The shape of the result of a step."""
        return tuple(self.tape.samples[number].shape)

    def combined(self, code: str, args: Sequence[Argument], shape: tuple[int, ...]) -> Lazy:
        """An expression of operands, each repeated to `shape`."""
        return Lazy(code, tuple(self.view(a).expanded(shape) for a in args), shape)

    def reduced(self, value: Argument, axes: Sequence[int], fold: str) -> View:
        """A reduction over `axes`, which are gone."""
        return self.folded(self.view(value), axes, fold)

    def folded(self, view: View, axes: Sequence[int], fold: str) -> View:
        """The same of an array."""
        rank = len(view.shape)
        gone = {a % rank for a in axes} if rank else set()
        kept = [a for a in range(rank) if a not in gone]
        out = self.new([view.shape[a] for a in kept])
        if not prod(view.shape):
            start = {"sum": "0", "prod": "1", "max": "(-INFINITY)", "min": "INFINITY"}[fold]
            self.fill(out, Lazy(start, (), out.shape))
            return out
        again = prod(view.shape[a] for a in gone if view.strides[a] == 0) if fold != "prod" else 1
        still = {a for a in gone if view.shape[a] > 1 and (view.strides[a] or fold == "prod")}
        used = [a for a in range(rank) if a in kept or a in still]
        cut = _along(view, used)
        target = out
        if again > 1 and fold == "sum":
            target = self.new(out.shape)
        strides = iter(target.strides)
        into = [0 if a in still else next(strides) for a in used]
        if not still:
            self.fill(target, cut)
        else:
            self._fold(Access(target.buffer, 0, tuple(into)), cut, fold)
        if target is not out:
            self.fill(out, Lazy("({0} * {1})", (target, literal(again)), out.shape))
        return out

    def _fold(self, into: Access, view: View, fold: str) -> None:
        strides = tuple(0 if n == 1 else s for n, s in zip(view.shape, into.strides, strict=True))
        out = Access(into.buffer, into.offset, strides)
        maker = self.makers.get(view.buffer)
        if fold == "sum" and maker is not None and not maker.fold:
            product = product_of(self, maker, access_of(view), view.shape, out)
            if product is not None:
                self.code.append(product)
                return
        self.add(Statement("{0}", out, (access_of(view),), view.shape, fold))


SAME = {
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_not": "logical_not",
    "true_divide": "div",
}
"""Operations that differ from another in nothing that counts here."""


def _cut(view: View, shape: tuple[int, ...]) -> View:
    """Some axes of an array at their first place."""
    return View(view.buffer, view.offset, shape, view.strides)


def _along(view: View, axes: Sequence[int]) -> View:
    return View(
        view.buffer,
        view.offset,
        tuple(view.shape[a] for a in axes),
        tuple(view.strides[a] for a in axes),
    )


def whole(name: str, shape: Sequence[int]) -> View:
    """All of a buffer."""
    return View(name, 0, tuple(shape), contiguous(shape))


def _name(op: Operation) -> str:
    """``mul`` for `aten.mul.Tensor`; a part of several results as ``max:0``."""
    position = getattr(op, "position", None)
    schema = op.op._schema if position is not None else op._schema
    name = str(schema.name).removeprefix("aten::").removeprefix("_")
    name = SAME.get(name, name)
    return name if position is None else f"{name}:{position}"
