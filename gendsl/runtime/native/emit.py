"""From the steps of a tape to the body of a C function.

Every number is a double, truth values and indices too. Views cost nothing; operations on single
entries are fused into the loop that needs their result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

from gendsl.runtime.native.entrywise import ENTRYWISE
from gendsl.runtime.native.loops import Lazy, View, contiguous, literal, loops
from gendsl.runtime.tracing import Argument, Operation, Ref, Step, Tape, map_refs

__all__ = ["CEmitter", "NotNative", "Operand"]

Operand = View | Lazy | str
"""An array, an expression, or a number."""

FUSED = 12
"""An expression over more arrays than this is computed before it is used."""


class NotNative(Exception):
    """An operation has no translation to C; the message names it."""


class CEmitter:
    """Translates one tape.

    Attributes:
        code: the statements so far.
        constants: the arrays that the function is given.
        room: how many numbers its workspace holds.
        rooms: where in it each array starts, by its name.
        included: functions that it calls, by name.
    """

    def __init__(self, tape: Tape) -> None:
        """Count how often each result is used."""
        self.tape = tape
        self.code: list[str] = []
        self.constants: list[Tensor] = []
        self.room = 0
        self.rooms: dict[str, int] = {}
        self.included: dict[str, str] = {}
        self.values: dict[int, Operand] = {0: _whole("x", tape.samples[0].shape)}
        self.uses: Counter[int] = Counter()
        everything = [(s.args, s.kwargs) for s in tape.steps]
        map_refs(everything, lambda r: self.uses.update([r.number]))
        map_refs([tape.value, tape.gradient], lambda r: self.uses.update([r.number, r.number]))
        self._held: dict[int, View] = {}

    def arrays(self) -> list[str]:
        """Declarations of the arrays in the workspace."""
        return [f"double *restrict {name} = w + {at};" for name, at in self.rooms.items()]

    # Operands

    def operand(self, value: Argument) -> Operand:
        """What an argument of a step is in C."""
        match value:
            case Ref():
                return self.values[value.number]
            case Tensor() if value.dtype.is_complex:
                raise NotNative("a complex number")
            case Tensor() if value.numel() == 1 and value.dim() == 0:
                return literal(value.item())
            case Tensor():
                return self._constant(value)
            case bool() | int() | float():
                return literal(value)
            case _:
                raise NotNative(f"an argument of {type(value).__name__}")

    def _constant(self, value: Tensor) -> View:
        if id(value) not in self._held:
            name = f"c{len(self.constants)}"
            self.constants.append(value)
            self._held[id(value)] = _whole(name, value.shape)
        return self._held[id(value)]

    def view(self, value: Argument) -> View:
        """An argument as an array in memory."""
        operand = self.operand(value)
        if isinstance(operand, View):
            return operand
        if isinstance(operand, str):
            operand = Lazy(operand, (), ())
        return self.stored(operand)

    def new(self, shape: Sequence[int]) -> View:
        """Room for an array."""
        name = f"w{self.room}_"
        self.rooms[name] = self.room
        self.room += max(1, prod(shape))
        return _whole(name, shape)

    def stored(self, lazy: Lazy) -> View:
        """An expression computed into memory."""
        out = self.new(lazy.shape)
        self.fill(out, lazy)
        return out

    def fill(self, out: View, lazy: Lazy | View) -> None:
        """Compute an expression into a place of its shape."""
        if isinstance(lazy, View):
            lazy = Lazy("{0}", (lazy,), lazy.shape)
        head, entries, tail = loops(out.shape, (out, *lazy.views))
        self.code.append(f"{head}{entries[0]} = {lazy.code.format(*entries[1:])}; {tail}")

    # Steps

    def run(self, translate: Callable[[CEmitter, str, Step, int], Operand]) -> None:
        """Translate every step."""
        for number, step in enumerate(self.tape.steps, start=1):
            name = _name(step.op)
            if name in ENTRYWISE or name in ("clamp", "bitwise"):
                result: Operand = self._entrywise(name, step, number)
            else:
                result = translate(self, name, step, number)
            self.values[number] = result

    def shape(self, number: int) -> tuple[int, ...]:
        """The shape of the result of a step."""
        return tuple(self.tape.samples[number].shape)

    def _entrywise(self, name: str, step: Step, number: int) -> Operand:
        lazy = self.combined(_template(name, step), step.args, self.shape(number))
        if self.uses[number] == 1 and len(lazy.views) <= FUSED:
            return lazy
        return self.stored(lazy)

    def combined(self, template: str, args: Sequence[Argument], shape: tuple[int, ...]) -> Lazy:
        """An expression of operands, each repeated to `shape`."""
        codes: list[str] = []
        views: list[View] = []
        for argument in args:
            if argument is None or isinstance(argument, (torch.dtype, str)):
                continue
            operand = self.operand(argument)
            if isinstance(operand, Lazy) and (
                prod(operand.shape) < prod(shape) or template.count(f"{{{len(codes)}}}") > 1
            ):
                operand = self.stored(operand)
            if isinstance(operand, str):
                codes.append(operand)
            elif isinstance(operand, View):
                codes.append(f"{{{len(views)}}}")
                views.append(operand.expanded(shape))
            else:
                moved = [f"{{{len(views) + k}}}" for k in range(len(operand.views))]
                codes.append(operand.code.format(*moved))
                views += [v.expanded(shape) for v in operand.views]
        return Lazy(template.format(*codes), tuple(views), shape)

    def reduced(self, value: Argument, axes: Sequence[int], start: str, update: str) -> View:
        """A reduction over `axes`; `update` combines ``s`` with the entry ``{0}``."""
        operand = self.operand(value)
        if isinstance(operand, str):
            operand = Lazy(operand, (), ())
        if isinstance(operand, View):
            operand = Lazy("{0}", (operand,), operand.shape)
        return self.reduced_lazy(operand, axes, start, update)

    def reduced_lazy(self, operand: Lazy, axes: Sequence[int], start: str, update: str) -> View:
        """The same of an expression."""
        rank = len(operand.shape)
        gone = {a % rank for a in axes} if rank else set()
        kept = [a for a in range(rank) if a not in gone]
        out = self.new([operand.shape[a] for a in kept])
        outer = [_along(v, kept) for v in operand.views]
        head, entries, tail = loops(out.shape, (out, *outer), "o", "")
        inner_axes = sorted(gone)
        inner = [
            View(
                f"(&{e})",
                0,
                tuple(v.shape[a] for a in inner_axes),
                tuple(v.strides[a] for a in inner_axes),
            )
            for e, v in zip(entries[1:], operand.views, strict=True)
        ]
        pragma = "#pragma omp simd reduction(+:s)" if update == "s += {0};" else ""
        sizes = tuple(operand.shape[a] for a in inner_axes)
        into, deep, end = loops(sizes, inner, "r", pragma)
        body = update.format(operand.code.format(*deep))
        self.code.append(
            f"{head}{{ double s = {start}; {into}{body} {end} {entries[0]} = s; }}{tail}"
        )
        return out


def _along(view: View, axes: Sequence[int]) -> View:
    return View(
        view.buffer,
        view.offset,
        tuple(view.shape[a] for a in axes),
        tuple(view.strides[a] for a in axes),
    )


def _whole(name: str, shape: Sequence[int]) -> View:
    return View(name, 0, tuple(shape), contiguous(shape))


def _name(op: Operation) -> str:
    """``mul`` for `aten.mul.Tensor`; a part of several results as ``max:0``."""
    position = getattr(op, "position", None)
    schema = op.op._schema if position is not None else op._schema
    name = str(schema.name).removeprefix("aten::").removeprefix("_")
    bits = {"bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_not": "logical_not"}
    name = bits.get(name, name)
    return name if position is None else f"{name}:{position}"


def _template(name: str, step: Step) -> str:
    """The expression of an operation, its special arguments taken into account."""
    if step.kwargs.get("alpha", 1) != 1 or (name in ("add", "sub") and len(step.args) > 2):
        raise NotNative(f"{name} with a factor")
    if name == "div" and "rounding_mode" in step.kwargs:
        raise NotNative("rounding division")
    if name == "softplus" and len(step.args) > 1:
        raise NotNative("softplus with parameters")
    if name == "pow" and isinstance(step.args[1], (int, float)):
        powers = {
            2: "({0} * {0})",
            3: "({0} * {0} * {0})",
            -1: "(1 / {0})",
            -2: "(1 / ({0} * {0}))",
            0.5: "sqrt({0})",
            -0.5: "(1 / sqrt({0}))",
        }
        return powers.get(step.args[1], "pow({0}, {1})")
    if name == "clamp":
        low, high = ((*step.args[1:], None, None))[:2]
        low, high = step.kwargs.get("min", low), step.kwargs.get("max", high)
        code = "{0}"
        for bound, sign in ((low, "<"), (high, ">")):
            if isinstance(bound, (int, float)):
                code = f"gen_{'max' if sign == '<' else 'min'}({code}, {literal(bound)})"
            elif bound is not None:
                raise NotNative("clamp between tensors")
        return code
    return ENTRYWISE[name]
