"""Typed expressions to Python: every result is batch-safe on the left."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from gendsl.emit import axes
from gendsl.emit import pycode as py
from gendsl.emit.functions import solution
from gendsl.emit.setting import Setting, Step, Window
from gendsl.ir import nodes as ir
from gendsl.ir.gaps import mask
from gendsl.ir.traversal import references
from gendsl.library.functions import FUNCTIONS
from gendsl.library.functions.spec import FunctionSpec, Kind
from gendsl.types import Size, ValueType

__all__ = ["Emitter"]

DistributionCode = Callable[[ir.Distribution, tuple[Size, ...]], ast.expr]


@dataclass(slots=True)
class Emitter:
    """Emits the expressions of one model.

    Attributes:
        setting: what is known of the model.
        distribution: emits a distribution whose draws have a given event shape.
    """

    setting: Setting
    distribution: DistributionCode | None = None

    def expr(self, expr: ir.Expr) -> ast.expr:
        """Python code for `expr`: a tensor, or a number where it depends on nothing."""
        step = self.setting.step
        if step is not None and not step.recurs(expr):
            return py.mark(self._steady(expr, step), expr.span)
        return py.mark(self._expr(expr), expr.span)

    def _steady(self, expr: ir.Expr, step: Step) -> ast.expr:
        """Inside a loop along a sequence, a value that does not recur: a part made before it."""
        with self.setting.stepping(None), self.setting.apart(step.before):
            if step.sequence not in expr.type.plates:
                return self._expr(expr)
            key = expr, step.first
            if key not in step.parts:
                names = self.setting.names.variables
                wish = names[expr.name] if isinstance(expr, ir.Reference) else "part"
                name = step.parts[key] = self.setting.names.extra(f"{wish}_steps")
                window = Window(step.sequence, step.first) if step.first else None
                with self.setting.within(window):
                    whole = self._expr(expr)
                rank = len(expr.type.event)
                dim = py.number(-(self.setting.layout.depths[step.sequence] + rank))
                split = py.call("torch.split", whole, py.number(1), dim)
                step.before.append(py.assign(name, split, expr.span))
        number: ast.expr = py.name(step.number)
        if step.first:
            number = ast.BinOp(number, ast.Sub(), py.number(step.first))
        return ast.Subscript(py.name(step.parts[key]), number, ast.Load())

    def tensor(self, expr: ir.Expr) -> ast.expr:
        """Python code for `expr` as a tensor, also when it is a number."""
        code = self.expr(expr)
        if not self.setting.is_number(expr):
            return code
        return py.call("torch.tensor", _as_float(expr, code))

    def number(self, expr: ir.Expr) -> ast.expr:
        """Python code for `expr`; a whole number as a float, where its type would count."""
        code = self.expr(expr)
        return _as_float(expr, code) if self.setting.is_number(expr) else code

    def whole(self, expr: ir.Expr, plate: str) -> ast.expr:
        """Python code for a value that is looked at along the whole of `plate`."""
        window = self.setting.window
        if window is None or window.sequence != plate:
            return self.expr(expr)
        with self.setting.within(None):
            return self.expr(expr)

    def _expr(self, expr: ir.Expr) -> ast.expr:
        setting = self.setting
        match expr:
            case ir.Constant(value=value):
                return py.number(value)
            case ir.SizeNumber(size=size):
                return setting.size(size)
            case ir.Reference(name=name) if setting.step is not None:
                return setting.step.at(name)
            case ir.Reference(name=name):
                code = py.name(setting.names.variables[name])
                return setting.windowed(code, expr.type.plates, len(expr.type.event))
            case ir.MemberNumber():
                return axes.member_numbers(setting, expr)
            case ir.Apply() | ir.NetCall():
                return self._net(expr) if isinstance(expr, ir.NetCall) else self._apply(expr)
            case ir.Stack():
                return self._stack(expr)
            case ir.LogProb(distribution=distribution, value=value):
                assert self.distribution is not None
                law = self.distribution(distribution, value.type.event)
                return py.call(py.attribute(law, "log_prob"), self.tensor(value))
            case ir.OdeInt():
                return solution(setting, expr, self.number, self.tensor)
            case _:
                return self._of_axes(expr)

    def _of_axes(
        self, expr: ir.Reduce | ir.Gather | ir.Select | ir.Lag | ir.Spread | ir.Collect
    ) -> ast.expr:
        setting = self.setting
        match expr:
            case ir.Reduce(value=value, axis=axis):
                code = axes.reduced(setting, expr, self._along(value, axis))
                return setting.once(expr.function, code) if self._is_kept(expr) else code
            case ir.Gather(value=value, axis=axis, index=index):
                return axes.gathered(setting, expr, self._along(value, axis), self.expr(index))
            case ir.Select(value=ir.Reference(name=name), axis=axis, at=at) if (
                setting.step is not None and axis == setting.step.sequence
            ):
                return ast.Subscript(py.name(setting.step.lists[name]), py.number(at), ast.Load())
            case ir.Select(value=value, axis=axis):
                return axes.selected(setting, expr, self._along(value, axis))
            case ir.Lag(value=value):
                assert isinstance(value, ir.Reference)
                if setting.step is not None:
                    return setting.step.at(value.name, expr.steps)
                return axes.lagged(setting, expr, py.name(setting.names.variables[value.name]))
            case ir.Spread(value=value):
                code = axes.spread(setting, expr, self.expr(value))
                return setting.windowed(code, frozenset({expr.plate}), len(expr.type.event))
            case ir.Collect(value=value, plate=plate):
                return axes.collected(setting, expr, self.whole(value, plate))
            case _:
                assert_never(expr)

    def _is_kept(self, expr: ir.Reduce) -> bool:
        """Whether a reduction is one number of the data of the fit, whatever is predicted."""
        mentioned = references(expr.value)
        fixed = bool(mentioned) and self.setting.fixed.issuperset(mentioned)
        return fixed and isinstance(expr.axis, str) and not expr.type.plates

    def _along(self, value: ir.Expr, axis: str | int | None) -> ast.expr:
        return self.whole(value, axis) if isinstance(axis, str) else self.expr(value)

    # Networks

    def _net(self, expr: ir.NetCall) -> ast.expr:
        """A call of a net; one that gives several values is made once for a statement."""
        setting = self.setting
        call = expr.net, expr.args, setting.window, setting.step is not None
        if not expr.part or call not in setting.results:
            masked = setting.masked.get(expr.net, frozenset())
            args = [self._argument(a, masked=i in masked) for i, a in enumerate(expr.args)]
            code = py.call(setting.names.nets[expr.net], *args, lengths=self._lengths(expr))
            if not expr.part:
                return code
            setting.results[call] = name = setting.names.extra(f"{expr.net}_values")
            setting.before.append(py.assign(name, code, expr.span))
        return ast.Subscript(py.name(setting.results[call]), py.text(expr.part), ast.Load())

    def _lengths(self, call: ir.NetCall) -> ast.expr | None:
        """Up to where a net is to read sequences that are ragged."""
        if call.net not in self.setting.readers:
            return None
        sizes = [s.name for a in call.args for s in a.type.event if s.name is not None]
        name = next((self.setting.lengths[n] for n in sizes if n in self.setting.lengths), None)
        return None if name is None else py.name(self.setting.names.variables[name])

    def _argument(self, arg: ir.Expr, *, masked: bool) -> ast.expr:
        """An argument of a net; with `masked` a pair: its values, and which are known."""
        value = self.tensor(arg)
        if not masked:
            return value
        known = mask(arg, frozenset(self.setting.gaps))
        if known is None:
            return self.setting.helper("complete", value)
        return ast.Tuple([value, self.expr(known)], ast.Load())

    # Functions

    def _apply(self, expr: ir.Apply) -> ast.expr:
        match expr.function:
            case "add":
                return self._signed(expr, "neg", ast.Add(), ast.Sub())
            case "mul":
                return self._signed(expr, "reciprocal", ast.Mult(), ast.Div())
            case "zeros" | "ones" | "eye":
                return py.call(f"torch.{expr.function}", *(self.expr(a) for a in expr.args))
            case "full":
                return self._full(expr)
            case "concat":
                return self._concat(expr)
            case "where":
                return self._where(expr)
            case "clip":
                return self._clip(expr)
            case _:
                return self._function(expr)

    def _function(self, expr: ir.Apply) -> ast.expr:
        spec = FUNCTIONS[expr.function]
        if self.setting.is_number(expr):
            return self._folded(spec, spec.scalar, expr.args, [self.expr(a) for a in expr.args])
        template = spec.expression(tuple(len(a.type.event) for a in expr.args))
        alone = len(expr.args) == 1
        if spec.kind is Kind.SHAPED:  # whose expressions take every argument as it is
            args = [self.tensor(a) if alone else self._as_it_is(a) for a in expr.args]
        else:
            args = [self._operand(a, expr, as_tensor=alone) for a in expr.args]
        return self._folded(spec, template, expr.args, args)

    def _as_it_is(self, arg: ir.Expr) -> ast.expr:
        """An argument of a shaped function; a size stays a whole number."""
        return self.expr(arg) if isinstance(arg, ir.SizeNumber) else self.number(arg)

    def _folded(
        self, spec: FunctionSpec, template: str, args: tuple[ir.Expr, ...], code: list[ast.expr]
    ) -> ast.expr:
        """The template filled; a variadic one from the left."""
        tensors = [not self.setting.is_number(a) or len(args) == 1 for a in args]
        if not spec.variadic:
            params = (*spec.params, *spec.optional)[: len(args)]
            given = frozenset(p for p, t in zip(params, tensors, strict=True) if t)
            return py.fill(template, dict(zip(params, code, strict=True)), given)
        first, second = spec.params
        total, total_tensor = code[0], tensors[0]
        for arg, is_tensor in zip(code[1:], tensors[1:], strict=True):
            given = frozenset({first} if total_tensor else ()) | ({second} if is_tensor else set())
            total = py.fill(template, {first: total, second: arg}, given)
            total_tensor = True
        return total

    def _operand(self, arg: ir.Expr, whole: ir.Expr, *, as_tensor: bool = False) -> ast.expr:
        """An operand with as many event axes as the result, where it has none."""
        code = self.tensor(arg) if as_tensor else self.expr(arg)
        rank = len(whole.type.event)
        scalar = not arg.type.event and rank and not self.setting.is_number(arg)
        return self.setting.lifted(code, rank) if scalar and self.setting.varies(arg) else code

    def _signed(
        self, expr: ir.Apply, inverse: str, plus: ast.operator, minus: ast.operator
    ) -> ast.expr:
        """``a + b - c`` and ``a * b / c``."""
        if self.setting.step is not None:
            expr = _steady_together(expr, self.setting.step)
        terms: list[tuple[bool, ast.expr]] = []
        for arg in expr.args:
            if isinstance(arg, ir.Apply) and arg.function == inverse:
                terms.append((True, self._operand(arg.args[0], expr)))
            else:
                terms.append((False, self._operand(arg, expr)))
        return _chained(terms, inverse, plus, minus)

    def _where(self, expr: ir.Apply) -> ast.expr:
        condition, then, otherwise = expr.args
        if self.setting.is_number(expr):
            return self._function(expr)
        branches = [self._operand(a, expr) for a in (then, otherwise)]
        if self.setting.is_number(then) and self.setting.is_number(otherwise):
            branches = [_as_float(a, c) for a, c in zip((then, otherwise), branches, strict=True)]
        test = self._truth(condition, expr)
        return py.call("torch.where", test, *branches)

    def _truth(self, condition: ir.Expr, whole: ir.Expr) -> ast.expr:
        """A condition as a tensor of truth values."""
        code = self._operand(condition, whole)
        if self.setting.is_number(condition):
            return py.call("torch.tensor", ast.Compare(code, [ast.NotEq()], [py.number(0)]))
        match code:
            case ast.BinOp(left=ast.Compare() as compared, op=ast.Mult(), right=ast.Constant()):
                return compared
        return ast.Compare(code, [ast.NotEq()], [py.number(0)])

    def _clip(self, expr: ir.Apply) -> ast.expr:
        value, low, high = expr.args
        numbers = self.setting.is_number(low) and self.setting.is_number(high)
        if not numbers or self.setting.is_number(value):
            return self._function(expr)
        limits = {"min": self.expr(low), "max": self.expr(high)}
        return py.call("torch.clamp", self.expr(value), **limits)

    def _concat(self, expr: ir.Apply) -> ast.expr:
        rank = len(expr.type.event)
        items = [self.expr(a) for a in expr.args]
        if not any(self.setting.varies(a) for a in expr.args):
            return py.call("torch.cat", ast.List(items, ast.Load()), dim=py.number(-rank))
        return self.setting.helper("joined", *items, event=py.number(rank))

    def _full(self, expr: ir.Apply) -> ast.expr:
        *sizes, value = expr.args
        shape = [self.expr(s) for s in sizes]
        if self.setting.is_number(value):
            return py.call("torch.full", py.tuple_of(shape), self.number(value))
        return ast.BinOp(self._operand(value, expr), ast.Mult(), py.call("torch.ones", *shape))

    def _stack(self, expr: ir.Stack) -> ast.expr:
        if all(self.setting.is_number(i) for i in expr.items):
            items = [self.number(i) for i in expr.items]
            return py.call("torch.tensor", ast.List(items, ast.Load()))
        rank = len(expr.type.event)
        tensors = [self.tensor(i) for i in expr.items]
        alike = len({i.type.plates for i in expr.items}) == 1 and not any(
            self.setting.is_number(i) for i in expr.items
        )
        within = self.setting.step is not None  # whose steps need not be alike
        if alike and not within and all(isinstance(i, ir.Lag) for i in expr.items):
            return py.call("torch.stack", ast.List(tensors, ast.Load()), dim=py.number(-rank))
        together = py.call("torch.broadcast_tensors", *tensors)
        return py.call("torch.stack", together, dim=py.number(-rank))


def _steady_together(expr: ir.Apply, step: Step) -> ir.Apply:
    """A sum or product with the terms that do not recur as one term."""
    steady = [a for a in expr.args if not step.recurs(a)]
    along = any(step.sequence in a.type.plates for a in steady)
    if len(steady) < 2 or len(steady) == len(expr.args) or not along:
        return expr
    plates = frozenset[str]().union(*(a.type.plates for a in steady))
    event = max((a.type.event for a in steady), key=len)
    type_ = ValueType(plates, event, expr.type.support)
    whole = ir.Apply(expr.function, tuple(steady), type_, span=expr.span)
    rest = tuple(a for a in expr.args if step.recurs(a))
    return ir.Apply(expr.function, (whole, *rest), expr.type, span=expr.span)


def _as_float(expr: ir.Expr, code: ast.expr) -> ast.expr:
    """A number as a float, so that no tensor of whole numbers comes of it."""
    if isinstance(expr, ir.Constant):
        return py.number(float(expr.value))
    return py.call("float", code)


def _chained(
    terms: list[tuple[bool, ast.expr]], inverse: str, plus: ast.operator, minus: ast.operator
) -> ast.expr:
    """Terms one after the other, in chunks where there are many; a leading inverse written out."""
    if len(terms) > py.CHUNK:
        chunks = [
            (False, _chained(terms[i : i + py.CHUNK], inverse, plus, minus))
            for i in range(0, len(terms), py.CHUNK)
        ]
        return _chained(chunks, inverse, plus, minus)
    inverted, total = terms[0]
    if inverted:
        total = py.fill(FUNCTIONS[inverse].torch, {"x": total})
    for inverted, term in terms[1:]:
        total = ast.BinOp(total, minus if inverted else plus, term)
    return total
