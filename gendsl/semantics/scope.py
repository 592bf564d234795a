"""Which names a model declares, and what each of them is."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import chain

from gendsl.diagnostics import Label, nearest
from gendsl.semantics.report import Report
from gendsl.syntax import ast

__all__ = ["CallableDecl", "Declaration", "Scope", "ValueDecl", "build_scope"]

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

COMPARISONS = 20_000
"""How many pairs of names may be compared in all, in search of what was meant.

Each takes some microseconds: a file with thousands of unknown names stays checkable.
"""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A declared value, with its equations in the order of the text."""

    name: str
    statements: list[ValueDecl]

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
    """The names of one model; one set of declared names for all kinds.

    `weights` are the latents that the weights of a net with a prior are.
    """

    model: ast.ModelDecl
    axes: dict[str, AxisDecl] = field(default_factory=dict)
    values: dict[str, Declaration] = field(default_factory=dict)
    callables: dict[str, CallableDecl] = field(default_factory=dict)
    guides: list[ast.Guide] = field(default_factory=list)
    energies: list[ast.Energy] = field(default_factory=list)
    infers: list[ast.Infer] = field(default_factory=list)
    ambiguous: set[str] = field(default_factory=set)
    weights: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _comparisons: int = COMPARISONS

    def is_plate(self, name: str) -> bool:
        """Whether `name` is a plate or a sequence."""
        return isinstance(self.axes.get(name), ast.PlateDecl)

    def is_sequence(self, name: str) -> bool:
        """Whether `name` is a sequence."""
        axis = self.axes.get(name)
        return isinstance(axis, ast.PlateDecl) and axis.ordered

    def plates(self) -> list[str]:
        """The plates and sequences."""
        return [name for name in self.axes if self.is_plate(name)]

    def kind(self, name: str) -> str | None:
        """What is declared as `name`, in words: ``a plate``, ``an input``."""
        if name in self.values:
            word = self.values[name].keyword
        elif name in self.axes or name in self.callables:
            word = WORDS[type(self.axes.get(name) or self.callables[name])]
            if self.is_sequence(name):
                word = "sequence"
        else:
            return None
        word = {"observe": "observed variable", "fn": "function", "use": "`use`"}.get(word, word)
        return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"

    def near(self, word: str, *pools: Collection[str]) -> str | None:
        """The name in one of `pools` that was probably meant by `word`."""
        self._comparisons -= sum(map(len, pools))
        return nearest(word, chain(*pools)) if self._comparisons >= 0 else None

    def suggestion(self, word: str, *pools: Collection[str]) -> str | None:
        """A remedy that names the nearest name in `pools`, if one is near."""
        near = self.near(word, *pools)
        return f"did you mean `{near}`?" if near else None

    def label(self, name: str, text: str) -> tuple[Label, ...]:
        """A label at the declaration of `name`."""
        if name in self.values:
            return (Label(self.values[name].first.target.name.span, text),)
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


def _steps(target: ast.Target) -> Iterator[ast.NumberExpr]:
    return (s for s in target.subscripts if isinstance(s, ast.NumberExpr))


class _Equations:
    """Which equations each name has, so that another one is found out in one step."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, tuple[ast.Expr, ...]]] = set()
        self._general: set[str] = set()

    def add(self, target: ast.Target) -> bool:
        """Whether an equation goes with the earlier ones; then it is noted."""
        name = target.name.id
        general = next(_steps(target), None) is None
        if (name, target.subscripts) in self._seen or (general and name in self._general):
            return False
        self._seen.add((name, target.subscripts))
        if general:
            self._general.add(name)
        return True


def _declare(
    scope: Scope, statement: ast.Statement, name: ast.Name, seen: _Equations, report: Report
) -> None:
    word = name.id
    old = scope.values.get(word)
    if old is not None and isinstance(statement, (ast.Latent, ast.Observe, ast.Let)):
        if type(old.first) is type(statement) and seen.add(statement.target):
            old.statements.append(statement)
            return
    if word in scope.values or word in scope.axes or word in scope.callables:
        scope.ambiguous.add(word)
        report.error(
            "GD101",
            f"`{word}` is declared twice",
            name.span,
            labels=scope.label(word, f"first declared here, as {scope.kind(word)}"),
            help=_twice(old, statement),
        )
        return
    match statement:
        case ast.PlateDecl() | ast.DimDecl():
            scope.axes[word] = statement
        case ast.Net() | ast.Flow() | ast.Fn() | ast.Use():
            scope.callables[word] = statement
        case ast.Input() | ast.Param() | ast.Latent() | ast.Observe() | ast.Let():
            scope.values[word] = Declaration(word, [statement])
            seen.add(statement.target)


def _twice(old: Declaration | None, new: ast.Statement) -> str:
    if old is not None and isinstance(new, ast.Observe) and isinstance(old.first, ast.Input):
        return "data that the model explains are declared with `observe` alone: delete the `input`"
    if old is not None and type(old.first) is type(new) and not isinstance(new, ast.Input):
        return "a variable has one equation; keep one of the two"
    return f"give this {WORDS[type(new)]} another name; a model has one set of names"


def build_scope(program: ast.Program, report: Report) -> Scope:
    """Collect the declarations of `program`, reporting names that are declared twice."""
    heads = [s for s in program.statements if isinstance(s, ast.ModelDecl)]
    scope = Scope(heads[0])
    seen = _Equations()
    for statement in program.statements:
        name = _declared_name(statement)
        if name is not None:
            _declare(scope, statement, name, seen, report)
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
