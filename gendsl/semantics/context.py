"""What typing an expression needs to know, handed down through the modules of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.semantics.layers import Weighted
from gendsl.semantics.report import Poisoned, Report
from gendsl.semantics.scope import Scope
from gendsl.semantics.sizes import Sizes
from gendsl.source import NOWHERE, Span
from gendsl.syntax import ast
from gendsl.types import Size, ValueType

__all__ = ["Context", "Declared", "Nesting", "Site"]


@dataclass(frozen=True, slots=True)
class Declared:
    """What is known of a value's type before its equations are typed.

    Attributes:
        axes: its plates and sequences, in the order of the data's axes.
        type: None while it waits for an equation to determine it.
        claimed: the type was written down, not inferred.
        optional: ``?``: values may be missing.
        lower: an expression bound, when the type's bound depends on other quantities.
        upper: likewise.
    """

    axes: tuple[str, ...]
    type: ValueType | None
    claimed: bool = False
    optional: bool = False
    lower: ir.Expr | None = None
    upper: ir.Expr | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """The equation being typed: whose it is, which plates its left side declares, which step."""

    name: str
    plates: frozenset[str]
    span: Span
    step: int | None = None


@dataclass(slots=True)
class Nesting:
    """How deep the typer is in an expression, and how much it has put in place of calls.

    Attributes:
        level: the depth, bodies of functions included.
        written: expressions typed for the sake of calls, and the operations they stand for.
    """

    level: int = 0
    written: int = 0


@dataclass(slots=True)
class Context:
    """The state of typing one model.

    Attributes:
        scope: the declared names.
        report: the findings.
        typed: the expression typer itself: the modules of this package are mutually
            recursive through it and import each other one way only.
        declared: what is known of each value.
        poisoned: values and functions that have been reported; whatever needs one of them
            is given up silently.
        assumed: types that a recursion took for granted, by name.
        blamed: variables that have been found unfit, and for what.
        sizes: what the text says of sizes.
        nets: those whose declarations are right.
        weighted: those of them whose weights are latents, as arithmetic of these.
        locals: the arguments of the function whose body is being typed.
        points: what covariance functions are functions of, where they do not say.
        site: the equation being typed.
        calls: the functions whose bodies are being typed, outermost first.
        outermost: the call in the text for whose sake they are.
        weights: how many operations each result of a function stands for, by identity.
        nesting: how deep the typer is.
    """

    scope: Scope
    report: Report
    typed: Callable[[Context, ast.Expr], ir.Expr]
    declared: dict[str, Declared] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    assumed: dict[str, ValueType] = field(default_factory=dict)
    blamed: set[tuple[str, object]] = field(default_factory=set)
    sizes: Sizes = field(default_factory=Sizes)
    nets: dict[str, ir.Net] = field(default_factory=dict)
    weighted: dict[str, Weighted] = field(default_factory=dict)
    locals: Mapping[str, ir.Expr] = field(default_factory=dict)
    points: ir.Expr | None = None
    site: Site | None = None
    calls: tuple[str, ...] = ()
    outermost: ast.Expr | None = None
    weights: dict[int, tuple[ir.Expr, int, int]] = field(default_factory=dict)
    nesting: Nesting = field(default_factory=Nesting)

    def at(self, site: Site) -> Context:
        """The same state, typing the equation `site`."""
        return replace(self, site=site)

    def inside(
        self, function: str, locals: Mapping[str, ir.Expr], call: ast.Expr | None
    ) -> Context:
        """The same state, inside the body of `function`, which sees only its arguments."""
        calls = (*self.calls, function)
        return replace(self, locals=locals, points=None, calls=calls, outermost=call)

    def all_typed(self, exprs: Iterable[ast.Expr]) -> tuple[ir.Expr, ...]:
        """Type several expressions and report the mistakes of all of them.

        Raises:
            Poisoned: at least one of them is wrong.
        """
        done: list[ir.Expr] = []
        failed = False
        for expr in exprs:
            try:
                done.append(self.typed(self, expr))
            except Poisoned:
                failed = True
        if failed:
            raise Poisoned
        return tuple(done)

    def agree(self, a: tuple[Size, ...], b: tuple[Size, ...]) -> bool:
        """Whether two event shapes are the same."""
        return len(a) == len(b) and all(map(self.sizes.agree, a, b))

    def blame(self, expr: ir.Expr, what: object) -> None:
        """Note that a variable is unfit for something; say so only once.

        Raises:
            Poisoned: the same has been noted, and reported, before.
        """
        if isinstance(expr, ir.Reference) and expr.name not in self.locals:
            if (expr.name, what) in self.blamed:
                raise Poisoned
            self.blamed.add((expr.name, what))

    def label(self, expr: ir.Expr, text: str) -> tuple[Label, ...]:
        """A label where the variable that `expr` is was declared; none for anything else."""
        if not isinstance(expr, ir.Reference):
            return ()
        local = self.locals.get(expr.name)
        if local is not None and local.span == NOWHERE:
            return ()
        return self.scope.label(expr.name, text)
