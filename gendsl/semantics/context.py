"""What typing an expression needs to know, handed down through the modules of this package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from gendsl.ir import nodes as ir
from gendsl.semantics.report import Poisoned, Report
from gendsl.semantics.scope import Scope
from gendsl.source import Span
from gendsl.syntax import ast
from gendsl.types import Size, ValueType

__all__ = ["Context", "Declared", "Site"]


@dataclass(frozen=True, slots=True)
class Declared:
    """What is known of a value's type before its equations are typed.

    Attributes:
        axes: its plates and sequences, in the order of the data's axes.
        type: None while it waits for an equation to determine it.
        claimed: the type was written down, not inferred.
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
    """The equation being typed: whose it is and which plates its left side declares."""

    name: str
    plates: frozenset[str]
    span: Span


@dataclass(slots=True)
class Context:
    """The state of typing one model.

    `typed` is the expression typer itself: the modules of this package are mutually
    recursive through it and import each other one way only.
    """

    scope: Scope
    report: Report
    typed: Callable[[Context, ast.Expr], ir.Expr]
    declared: dict[str, Declared] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    sizes: Mapping[str, Size] = field(default_factory=dict)
    locals: Mapping[str, ir.Expr] = field(default_factory=dict)
    site: Site | None = None
    calls: tuple[str, ...] = ()

    def at(self, site: Site) -> Context:
        """The same state, typing the equation `site`."""
        return replace(self, site=site)

    def inside(self, function: str, locals: Mapping[str, ir.Expr]) -> Context:
        """The same state, inside the body of `function`, which sees only its arguments."""
        return replace(self, locals=locals, calls=(*self.calls, function))

    def all_typed(self, exprs: list[ast.Expr]) -> tuple[ir.Expr, ...]:
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

    def known(self, size: Size) -> int | None:
        """The number that `size` is, if the text says so."""
        total = size
        for _ in range(8):
            names = total.names & self.sizes.keys()
            if not names:
                return total.value
            total = _substitute(total, self.sizes)
        return total.value

    def agree(self, a: Size, b: Size) -> bool:
        """Whether two sizes are the same: one symbol, or a number and a symbol worth it."""
        if a == b:
            return True
        if a.value is None and b.value is None and a.name and b.name:
            return self._alias(a) == self._alias(b)
        known = self.known(a)
        return known is not None and known == self.known(b)

    def _alias(self, size: Size) -> Size:
        """Follow ``dim M = D`` to the symbol it stands for."""
        seen = 0
        while size.name in self.sizes and self.sizes[size.name].value is None and seen < 8:
            size, seen = self.sizes[size.name], seen + 1
        return size


def _substitute(size: Size, sizes: Mapping[str, Size]) -> Size:
    total = Size(())
    for names, coefficient in size.terms:
        product = Size.of(coefficient)
        for name in names:
            product = product * sizes.get(name, Size.named(name))
        total = total + product
    return total
