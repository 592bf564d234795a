"""Which names a model declares, and what each of them is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gendsl.diagnostics import Label, nearest
from gendsl.semantics.report import Report
from gendsl.syntax import ast

__all__ = ["Declaration", "Scope", "build_scope"]

AxisDecl = ast.PlateDecl | ast.DimDecl
ValueDecl = ast.Input | ast.Param | ast.Latent | ast.Observe | ast.Let
CallableDecl = ast.Net | ast.Flow | ast.Fn | ast.Use

WORDS: dict[type, str] = {
    ast.Input: "input",
    ast.Param: "param",
    ast.Latent: "latent",
    ast.Observe: "observe",
    ast.Let: "let",
    ast.Net: "net",
    ast.Flow: "flow",
    ast.Fn: "fn",
    ast.Use: "use",
    ast.DimDecl: "dim",
    ast.PlateDecl: "plate",
    ast.Guide: "guide",
}
"""The keyword of each kind of declaration."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared value, with its equations in the order of the text."""

    name: str
    statements: tuple[ValueDecl, ...]

    @property
    def first(self) -> ValueDecl:
        """The first of its statements."""
        return self.statements[0]

    @property
    def keyword(self) -> str:
        """``latent``, ``observe``, ..."""
        return WORDS[type(self.first)]


@dataclass(slots=True)
class Scope:
    """The names of one model; one set of declared names for all kinds."""

    model: ast.ModelDecl
    axes: dict[str, AxisDecl] = field(default_factory=dict)
    values: dict[str, Declaration] = field(default_factory=dict)
    callables: dict[str, CallableDecl] = field(default_factory=dict)
    guides: list[ast.Guide] = field(default_factory=list)
    energies: list[ast.Energy] = field(default_factory=list)
    infers: list[ast.Infer] = field(default_factory=list)

    def is_plate(self, name: str) -> bool:
        """Whether `name` is a plate or a sequence."""
        return isinstance(self.axes.get(name), ast.PlateDecl)

    def is_sequence(self, name: str) -> bool:
        """Whether `name` is a sequence."""
        axis = self.axes.get(name)
        return isinstance(axis, ast.PlateDecl) and axis.ordered

    def names(self) -> list[str]:
        """Every declared name."""
        return [*self.axes, *self.values, *self.callables]

    def suggestion(self, word: str, candidates: Iterable[str]) -> str | None:
        """A remedy that names the nearest of `candidates`, if one is near."""
        near = nearest(word, candidates)
        return f"did you mean `{near}`?" if near else None

    def label(self, name: str, text: str) -> tuple[Label, ...]:
        """A label at the declaration of `name`."""
        if name in self.values:
            first = self.values[name].first
            return (Label(first.target.name.span, text),)
        declared = self.axes.get(name) or self.callables.get(name)
        return (Label(declared.name.span, text),) if declared else ()


def _declared_name(statement: ast.Statement) -> ast.Name | None:
    match statement:
        case ast.Input() | ast.Param() | ast.Latent() | ast.Observe() | ast.Let():
            return statement.target.name
        case ast.PlateDecl() | ast.DimDecl() | ast.Net() | ast.Flow() | ast.Fn() | ast.Use():
            return statement.name
        case _:
            return None


def _has_literal_step(target: ast.Target) -> bool:
    return any(isinstance(s, ast.NumberExpr) for s in target.subscripts)


def _another_equation(old: ValueDecl, new: ast.Statement) -> bool:
    """Whether two statements are equations of one variable along a sequence."""
    if type(old) is not type(new) or not isinstance(new, (ast.Latent, ast.Observe, ast.Let)):
        return False
    return old.target.subscripts != new.target.subscripts and (
        _has_literal_step(old.target) or _has_literal_step(new.target)
    )


def _declare(scope: Scope, statement: ast.Statement, name: ast.Name, report: Report) -> None:
    word = name.id
    old = scope.values.get(word)
    if old is not None and isinstance(statement, ValueDecl):
        if all(_another_equation(s, statement) for s in old.statements):
            scope.values[word] = Declaration(word, (*old.statements, statement))
            return
    if word in scope.names():
        keyword = WORDS[type(statement)]
        report.error(
            "GD101",
            f"`{word}` is declared twice",
            name.span,
            labels=scope.label(word, "first declared here"),
            help=f"give this {keyword} another name; a model has one set of names",
        )
        return
    match statement:
        case ast.PlateDecl() | ast.DimDecl():
            scope.axes[word] = statement
        case ast.Net() | ast.Flow() | ast.Fn() | ast.Use():
            scope.callables[word] = statement
        case ast.Input() | ast.Param() | ast.Latent() | ast.Observe() | ast.Let():
            scope.values[word] = Declaration(word, (statement,))


def build_scope(program: ast.Program, report: Report) -> Scope:
    """Collect the declarations of `program`, reporting names that are declared twice."""
    heads = [s for s in program.statements if isinstance(s, ast.ModelDecl)]
    scope = Scope(heads[0])
    for statement in program.statements:
        name = _declared_name(statement)
        if name is not None:
            _declare(scope, statement, name, report)
        elif isinstance(statement, ast.Guide):
            scope.guides.append(statement)
        elif isinstance(statement, ast.Energy):
            scope.energies.append(statement)
        elif isinstance(statement, ast.Infer):
            scope.infers.append(statement)
    for extra in scope.infers[1:]:
        report.error(
            "GD102",
            "a model has at most one `infer`",
            extra.span,
            labels=(Label(scope.infers[0].span, "the first one is here"),),
            help="keep one of them; other choices can be given to `fit(infer=...)`",
        )
    return scope
