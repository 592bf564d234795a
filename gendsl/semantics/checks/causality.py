"""Variables that reach themselves: through causal nets alone, entry after entry."""

from __future__ import annotations

from enum import IntEnum

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.ir.traversal import is_autoregressive, variable_expressions, walk
from gendsl.library.functions import FUNCTIONS
from gendsl.library.functions.spec import Kind
from gendsl.semantics.report import Report
from gendsl.source import Span

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Refuse variables that reach themselves in another way than through earlier entries."""
    for variable in model.of_role("latent", "observed"):
        if is_autoregressive(variable):
            try:
                _Own(model, variable).verify()
            except _Leak as leak:
                _refuse(model, variable, leak, report)


def _refuse(model: ir.Model, variable: ir.Variable, leak: _Leak, report: Report) -> None:
    nets = [n for n in model.nets if n.causal]
    labels = tuple(Label(n.span, f"`{n.name}` is causal") for n in nets[:1])
    if leak.later:
        report.error(
            "GD921",
            f"{leak}; this is part of the language, but this version cannot run it yet",
            leak.span,
            labels=(Label(variable.span, f"`{variable.name}` is declared here"),),
        )
        return
    report.error(
        "GD512",
        f"the law of an entry of `{variable.name}` may depend on earlier entries only, but {leak}",
        leak.span,
        labels=labels,
        help="a variable reaches itself through the first argument of a net declared `-> causal`, "
        "with operations before and after it that act on each entry by itself",
    )


class _Leak(Exception):
    """Why the law of an entry would depend on that entry, or on later ones."""

    def __init__(self, why: str, span: Span, *, later: bool = False) -> None:
        super().__init__(why)
        self.span = span
        self.later = later


class _Past(IntEnum):
    """On which entries of the variable entry i of an expression depends."""

    NONE = 0
    SO_FAR = 1
    """Those up to i."""
    BEFORE = 2
    """Those before i."""


class _Own:
    """What the expressions of a variable's equation take of the variable itself.

    Attributes:
        variable: whose equation it is.
        rank: how many event axes its entries stand on.
    """

    def __init__(self, model: ir.Model, variable: ir.Variable) -> None:
        self.model, self.variable = model, variable
        self.rank = len(variable.type.event)
        self.over = ""

    def verify(self) -> None:
        """Raise `_Leak` where an entry could depend on itself or on later ones."""
        variable = self.variable
        name, exprs = variable.name, variable_expressions(variable)
        lags = [e for e in walk(*exprs) if isinstance(e, ir.Lag) and _mentions(e, name)]
        if lags or len(variable.equations) != 1:
            why = f"`{name}` depends on its earlier entries and differs from step to step"
            raise _Leak(why, (lags or exprs)[0].span, later=True)
        if variable.optional:
            why = f"`{name}` depends on its earlier entries, and entries of it may be missing"
            raise _Leak(why, variable.span, later=True)
        (equation,) = variable.equations
        assert equation.distribution is not None
        if tied_axes(variable):
            raise _Leak("its distribution ties several entries together", equation.span)
        for bound in (variable.lower, variable.upper):
            if bound is not None and self.past(bound):
                raise _Leak("the bounds of its type depend on it", bound.span)
        self._law(equation.distribution)

    def _law(self, law: ir.Distribution) -> None:
        for _, value in law.args:
            past = self.past(value)
            if past is _Past.SO_FAR:
                raise _Leak("this depends on the entry itself", value.span)
            if past and self._apart(value):
                raise _Leak(f"this is not spread over `{self.over}`", value.span)
        for part in law.parts:
            self._law(part)

    def _apart(self, expr: ir.Expr) -> bool:
        """Whether steps of a sequence that were collected still stand on an event axis."""
        return bool(self.over) and self.over not in expr.type.plates

    def _ordered(self, expr: ir.Expr) -> int:
        """How many leading event axes of `expr` are those of the entries."""
        return self.rank + (1 if self._apart(expr) else 0)

    def past(self, expr: ir.Expr) -> _Past:
        """On which entries an expression depends."""
        name = self.variable.name
        if not _mentions(expr, name):
            return _Past.NONE
        match expr:
            case ir.Reference():
                return _Past.SO_FAR
            case ir.Apply(function=function, args=args):
                if FUNCTIONS[function].kind is Kind.ELEMENTWISE:
                    return self._together(args)
            case ir.NetCall():
                return self._net(expr)
            case ir.Collect(value=value, plate=plate):
                return self._collected(expr, value, plate)
            case _:
                found = self._of_axes(expr)
                if found is not None:
                    return found
        raise _Leak(f"this mixes entries of `{name}`", expr.span)

    def _together(self, args: tuple[ir.Expr, ...]) -> _Past:
        own = [(a, self.past(a)) for a in args]
        if len({self._apart(a) for a, past in own if past}) > 1:
            raise _Leak(f"this mixes entries of `{self.variable.name}`", args[0].span)
        return min(past for _, past in own if past)

    def _net(self, expr: ir.NetCall) -> _Past:
        net, (first, *others) = self.model.net(expr.net), expr.args
        for other in others:
            if self.past(other):
                why = f"`{net.name}` reads all of `{self.variable.name}` as a further argument"
                raise _Leak(why, other.span)
        if not net.causal:
            raise _Leak(f"`{net.name}` is not declared `-> causal`", expr.span)
        self.past(first)
        if len(first.type.event) != self._ordered(first) or not first.type.event:
            why = f"`{net.name}` orders `{first.type}`, which are not the entries of "
            raise _Leak(f"{why}`{self.variable.name}`", first.span)
        return _Past.BEFORE

    def _collected(self, expr: ir.Collect, value: ir.Expr, plate: str) -> _Past:
        past = self.past(value)
        if self.model.axis(plate).kind != "sequence" or self.over not in ("", plate):
            raise _Leak(f"this collects all of `{self.variable.name}` over `{plate}`", expr.span)
        self.over = plate
        return past

    def _of_axes(self, expr: ir.Expr) -> _Past | None:
        """The same for what is done along axes; None if it mixes entries."""
        match expr:
            case ir.Spread(value=value, axis=axis, plate=plate):
                past = self.past(value)
                back = axis == 0 and plate == self.over and self._apart(value)
                return past if back or axis >= self._ordered(value) else None
            case (
                ir.Select(value=value, axis=int() as axis)
                | ir.Reduce(value=value, axis=int() as axis)
            ):
                past = self.past(value)
                place = axis % len(value.type.event)
                return past if place >= self._ordered(value) else None
            case ir.Gather(value=value, axis=axis, index=index):
                if not _mentions(value, self.variable.name):
                    return self.past(index)
                past = self.past(value)
                inner = isinstance(axis, int) and axis >= self._ordered(value)
                alone = not _mentions(index, self.variable.name) and not index.type.event
                return past if inner and alone else None
        return None


def _mentions(expr: ir.Expr, name: str) -> bool:
    return any(isinstance(e, ir.Reference) and e.name == name for e in walk(expr))
