"""Typed expressions to Python: every result is batch-safe on the left."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from gendsl.emit import pycode as py
from gendsl.emit.layout import Layout, Names
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references
from gendsl.library.functions import FUNCTIONS
from gendsl.source import Span
from gendsl.types import Size

__all__ = ["Emitter", "Window"]

FULL = ast.Slice()


@dataclass(frozen=True, slots=True)
class Window:
    """The steps of a sequence at which an equation with lags holds: from `first` on."""

    sequence: str
    first: int


@dataclass(slots=True)
class Emitter:
    """Emits the expressions of one model.

    Attributes:
        layout: where plates stand.
        names: what things are called.
        batched: variables whose tensors may have dimensions on the left of their plates.
        data: variables that are data, in the order of their axes.
        used: names of the prelude functions that were needed.
        window: set while an equation with lags is emitted.
        distribution: emits a distribution whose draws have a given event shape.
    """

    layout: Layout
    names: Names
    batched: frozenset[str]
    data: frozenset[str]
    used: set[str] = field(default_factory=set)
    window: Window | None = None
    distribution: Callable[[ir.Distribution, tuple[Size, ...]], ast.expr] | None = None

    # What is known of an expression

    def is_number(self, expr: ir.Expr) -> bool:
        """Whether `expr` is emitted as a plain Python number."""
        match expr:
            case ir.Constant() | ir.SizeNumber():
                return True
            case ir.Apply(function=function, args=args):
                spec = FUNCTIONS[function]
                return bool(spec.scalar) and all(self.is_number(a) for a in args)
            case _:
                return False

    def needs_axes(self, expr: ir.Expr) -> bool:
        """Whether a scalar `expr` must be given event axes to combine with a vector."""
        return bool(expr.type.plates) or any(n in self.batched for n in references(expr))

    def size(self, size: Size) -> ast.expr:
        """A size as a Python expression."""
        terms: list[ast.expr] = []
        for names, coefficient in size.terms:
            factors: list[ast.expr] = [py.name(self.names.sizes[n]) for n in names]
            if coefficient != 1 or not factors:
                factors.insert(0, py.number(coefficient))
            terms.append(py.join(ast.Mult(), factors))
        return py.join(ast.Add(), terms) if terms else py.number(0)

    def lifted(self, code: ast.expr, axes: int, own: int = 0) -> ast.expr:
        """``code[..., None]`` with `axes` new axes before its own `own` event axes."""
        if not axes:
            return code
        news: list[ast.expr] = [ast.Constant(None)] * axes
        return py.index(code, ast.Constant(...), *news, *[FULL] * own)

    # Expressions

    def expr(self, expr: ir.Expr) -> ast.expr:
        """Python code for `expr`."""
        code = self._expr(expr)
        return mark(code, expr.span)

    def _expr(self, expr: ir.Expr) -> ast.expr:
        match expr:
            case ir.Constant(value=value):
                return py.number(value)
            case ir.SizeNumber(size=size):
                return self.size(size)
            case ir.Reference():
                return self._windowed(py.name(self.names.variables[expr.name]), expr)
            case ir.MemberNumber(plate=plate):
                numbers = py.call("torch.arange", py.call("float", py.name(self.names.sizes[plate])))
                lifted = self.lifted(numbers, self.layout.depths[plate] - 1)
                return self._windowed(lifted, expr)
            case ir.Apply():
                return self._apply(expr)
            case ir.Reduce():
                return self._reduce(expr)
            case ir.Gather():
                return self._gather(expr)
            case ir.Select():
                return self._select(expr)
            case ir.Lag():
                return self._lag(expr)
            case ir.Spread(value=value, axis=axis, plate=plate):
                rank = len(value.type.event)
                self.used.add("spread")
                return py.call(
                    "spread",
                    self.expr(value),
                    py.number(axis - rank),
                    py.number(self.layout.depths[plate]),
                    py.number(rank),
                )
            case ir.Collect(value=value, plate=plate):
                self.used.add("collect")
                depth, rank = self.layout.depths[plate], len(value.type.event)
                return py.call("collect", self.expr(value), py.number(depth), py.number(rank))
            case ir.Stack():
                return self._stack(expr)
            case ir.LogProb(distribution=distribution, value=value):
                assert self.distribution is not None
                law = self.distribution(distribution, value.type.event)
                return py.call(py.attribute(law, "log_prob"), self.tensor(value))
            case _:
                assert_never(expr)

    def tensor(self, expr: ir.Expr) -> ast.expr:
        """Python code for `expr` as a tensor, also when it is a number."""
        code = self.expr(expr)
        if not self.is_number(expr):
            return code
        return py.call("torch.tensor", py.call("float", code))

    def _windowed(self, code: ast.expr, expr: ir.Expr) -> ast.expr:
        if self.window is None or self.window.sequence not in expr.type.plates:
            return code
        return self._along(code, expr, py.slice_from(self.window.first))

    def _along(self, code: ast.expr, expr: ir.Expr, key: ast.Slice) -> ast.expr:
        """``code`` sliced along the window's sequence."""
        assert self.window is not None
        right = self.layout.depths[self.window.sequence] - 1 + len(expr.type.event)
        return py.index(code, ast.Constant(...), key, *[FULL] * right)

    def _lag(self, expr: ir.Lag) -> ast.expr:
        assert self.window is not None
        assert isinstance(expr.value, ir.Reference)
        key = py.slice_from(self.window.first - expr.steps, -expr.steps)
        return self._along(py.name(self.names.variables[expr.value.name]), expr, key)

    def _apply(self, expr: ir.Apply) -> ast.expr:
        spec = FUNCTIONS[expr.function]
        if self.is_number(expr):
            args = [self.expr(a) for a in expr.args]
            return self._folded(spec.scalar, spec.params, args, variadic=spec.variadic)
        if expr.function in ("zeros", "ones", "full", "eye"):
            return self._filled(expr)
        if expr.function == "add":
            return self._sum(expr)
        if expr.function == "mul":
            return self._product(expr)
        if expr.function == "concat":
            return self._concat(expr)
        template = spec.expression(tuple(len(a.type.event) for a in expr.args))
        tensors = len(expr.args) == 1
        args = [self._operand(a, expr, as_tensor=tensors) for a in expr.args]
        code = self._folded(template, spec.params, args, variadic=spec.variadic)
        return code if self.is_number(expr.args[0]) else simplified(code)

    def _folded(
        self, template: str, params: tuple[str, ...], args: list[ast.expr], *, variadic: bool
    ) -> ast.expr:
        if not variadic:
            return py.fill(template, dict(zip(params, args, strict=True)))
        total = args[0]
        for arg in args[1:]:
            total = py.fill(template, {params[0]: total, params[1]: arg})
        return total

    def _operand(self, arg: ir.Expr, whole: ir.Expr, *, as_tensor: bool = False) -> ast.expr:
        """An operand with as many event axes as the result, where it has none."""
        code = self.tensor(arg) if as_tensor else self.expr(arg)
        rank = len(whole.type.event)
        scalar = not arg.type.event and rank and not self.is_number(arg)
        return self.lifted(code, rank) if scalar and self.needs_axes(arg) else code

    def _sum(self, expr: ir.Apply) -> ast.expr:
        terms: list[tuple[bool, ast.expr]] = []
        for arg in expr.args:
            if isinstance(arg, ir.Apply) and arg.function == "neg" and not self.is_number(arg):
                terms.append((True, self._operand(arg.args[0], expr)))
            else:
                terms.append((False, self._operand(arg, expr)))
        return _signed(terms, ast.Add(), ast.Sub(), "neg")

    def _product(self, expr: ir.Apply) -> ast.expr:
        terms: list[tuple[bool, ast.expr]] = []
        for arg in expr.args:
            if isinstance(arg, ir.Apply) and arg.function == "reciprocal":
                terms.append((True, self._operand(arg.args[0], expr)))
            else:
                terms.append((False, self._operand(arg, expr)))
        return _signed(terms, ast.Mult(), ast.Div(), "reciprocal")

    def _concat(self, expr: ir.Apply) -> ast.expr:
        rank = len(expr.type.event)
        items = [self.expr(a) for a in expr.args]
        if rank == 1 and not any(self.needs_axes(a) for a in expr.args):
            return py.call("torch.cat", ast.List(items, ast.Load()), py.number(-1))
        self.used.add("joined")
        return py.call("joined", *items, event=py.number(rank))

    def _filled(self, expr: ir.Apply) -> ast.expr:
        if expr.function == "full":
            *sizes, value = expr.args
            ones = py.call("torch.ones", *(self.expr(s) for s in sizes))
            return ast.BinOp(self._operand(value, expr), ast.Mult(), ones)
        return py.call(f"torch.{expr.function}", *(self.expr(a) for a in expr.args))

    def _reduce(self, expr: ir.Reduce) -> ast.expr:
        rank = len(expr.value.type.event)
        code = self.expr(expr.value)
        if isinstance(expr.axis, str):
            dim, keep = -(self.layout.depths[expr.axis] + rank), True
        elif expr.axis is None:
            code = code if rank == 1 else py.call(py.attribute(code, "flatten"), py.number(-rank))
            dim, keep = -1, False
        else:
            dim, keep = expr.axis - rank, False
        values = {"x": code, "dim": py.number(dim), "keepdim": ast.Constant(keep)}
        return py.fill(FUNCTIONS[expr.function].torch, values)

    def _select(self, expr: ir.Select) -> ast.expr:
        code, rank = self.expr(expr.value), len(expr.value.type.event)
        if isinstance(expr.axis, str):
            key: ast.expr = py.slice_from(expr.at, expr.at + 1 or None)
            right = self.layout.depths[expr.axis] - 1 + rank
        else:
            key, right = py.number(expr.at), rank - expr.axis - 1
        return py.index(code, ast.Constant(...), key, *[FULL] * right)

    def _gather(self, expr: ir.Gather) -> ast.expr:
        value, chosen = expr.value, expr.index
        code, index = self.expr(value), self.expr(chosen)
        rank = len(value.type.event)
        if self._is_plain(expr):
            return py.index(code, ast.Constant(...), index, *[FULL] * rank)
        self.used.add("take")
        if isinstance(expr.axis, str):
            dim, kept, plate = -(self.layout.depths[expr.axis] + rank), rank, True
        else:
            dim, kept, plate = expr.axis - rank, rank - 1, False
        return py.call(
            "take",
            code,
            index,
            py.number(dim),
            event=py.number(kept) if kept else None,
            index_event=py.number(len(chosen.type.event)) if chosen.type.event else None,
            plate=None if plate else ast.Constant(False),
        )

    def _is_plain(self, expr: ir.Gather) -> bool:
        """Whether torch's own indexing does it: one plate at depth 1, a vector of data."""
        value, index = expr.value, expr.index
        return (
            isinstance(expr.axis, str)
            and value.type.plates == {expr.axis}
            and self.layout.depths[expr.axis] == 1
            and isinstance(index, ir.Reference)
            and index.name in self.data
            and index.name not in self.batched
            and len(index.type.plates) == 1
            and self.layout.depth(index.type.plates) == 1
            and not index.type.event
        )

    def _stack(self, expr: ir.Stack) -> ast.expr:
        if all(self.is_number(i) for i in expr.items):
            items = [py.call("float", self.expr(i)) if not isinstance(i, ir.Constant)
                     else py.number(float(i.value)) for i in expr.items]
            return py.call("torch.tensor", ast.List(items, ast.Load()))
        tensors = [self.tensor(i) for i in expr.items]
        rank = len(expr.type.event)
        together = py.call("torch.broadcast_tensors", *tensors)
        return py.call("torch.stack", together, dim=py.number(-rank))


def mark(code: ast.expr, span: Span) -> ast.expr:
    """Remember which place of the model text the code comes from."""
    if not hasattr(code, "gen_span"):
        code.gen_span = span  # type: ignore[attr-defined]
    return code


def _signed(
    terms: list[tuple[bool, ast.expr]], plus: ast.operator, minus: ast.operator, inverse: str
) -> ast.expr:
    """``a + b - c``; a leading inverse is written out."""
    if len(terms) > py.CHUNK:
        chunks = [
            (False, _signed(terms[i : i + py.CHUNK], plus, minus, inverse))
            for i in range(0, len(terms), py.CHUNK)
        ]
        return _signed(chunks, plus, minus, inverse)
    inverted, total = terms[0]
    if inverted:
        total = py.fill(FUNCTIONS[inverse].torch, {"x": total})
    for inverted, term in terms[1:]:
        total = ast.BinOp(total, minus if inverted else plus, term)
    return total


def simplified(code: ast.expr) -> ast.expr:
    """``torch.where(torch.as_tensor((a < b) * 1.0 != 0), ...)`` as ``torch.where(a < b, ...)``."""
    match code:
        case ast.Call(
            args=[
                ast.Call(
                    args=[
                        ast.Compare(
                            left=ast.BinOp(
                                left=ast.Compare() as inner, op=ast.Mult(), right=ast.Constant()
                            )
                        )
                    ]
                ),
                *rest,
            ]
        ):
            code.args = [inner, *rest]
            return code
        case _:
            return code
