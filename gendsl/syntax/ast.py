"""The syntax tree of a `.gen` file: frozen nodes, equal when their meaning is.

Every node keeps the span of its text, which comparison ignores. Chains of additions and
multiplications are n-ary, so that a sum of thousands of terms stays flat.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gendsl.source import NOWHERE, Source, Span

__all__ = [
    "Argument", "Bool", "Call", "Chain", "Compare", "ConditionalExpr", "DimDecl", "Energy",
    "Expr", "Flow", "Fn", "Guide", "IndexItem", "Infer", "Input", "Latent", "Let", "ListExpr",
    "Member", "ModelDecl", "NamedType", "Name", "Net", "Node", "NumberExpr", "Observe", "Param",
    "Parameter", "Pipe", "PlateDecl", "Power", "Program", "RecordType", "Signature", "Statement",
    "Subscript", "Target", "TupleType", "TypeExpr", "Unary", "Use",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Anything in the tree."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


# Expressions


@dataclass(frozen=True, slots=True)
class NumberExpr(Node):
    """A number; `text` is how it was written."""

    value: int | float
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name, wherever one may stand."""

    id: str


@dataclass(frozen=True, slots=True)
class ListExpr(Node):
    """``[a, b, c]``."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Argument(Node):
    """An argument of a call; `keyword` is None for a positional one."""

    keyword: Name | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``f(a, b, key = c)``; `function` is a name or a member (``p.decode``)."""

    function: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Member(Node):
    """``p.decode``."""

    value: Expr
    name: Name


@dataclass(frozen=True, slots=True)
class IndexItem(Node):
    """One entry of a subscript; `axis` is set in ``x[p = 3]``."""

    axis: Name | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Subscript(Node):
    """``alpha[county_of]``, ``z[t-1]``, ``x[p = 3]``."""

    value: Expr
    items: tuple[IndexItem, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``-x``, ``+x`` or ``not x``."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """A left-associative run of one precedence: ``a + b - c`` or ``a * b / c @ d``.

    `rest` holds (operator, operand) pairs; the operators are all of {+, -} or all of
    {*, /, @}.
    """

    first: Expr
    rest: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Power(Node):
    """``base ** exponent``, right-associative."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """``left op right`` with one of ``== != < <= > >=``; comparisons do not chain."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Bool(Node):
    """``a and b and c`` or ``a or b``."""

    op: str
    operands: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class ConditionalExpr(Node):
    """``then if condition else otherwise``."""

    then: Expr
    condition: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True)
class Pipe(Node):
    """``base |> f |> g``: only where a distribution may stand."""

    base: Expr
    stages: tuple[Expr, ...]


Expr = (
    NumberExpr
    | Name
    | ListExpr
    | Call
    | Member
    | Subscript
    | Unary
    | Chain
    | Power
    | Compare
    | Bool
    | ConditionalExpr
    | Pipe
)


# Types


@dataclass(frozen=True, slots=True)
class NamedType(Node):
    """``real(0, 1)[D]?``: word, bounds or category count, event shape, missing allowed."""

    name: Name
    arguments: tuple[Expr, ...] = ()
    shape: tuple[Expr, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True)
class TupleType(Node):
    """``(real[L], index(digit))``: several unnamed arguments, of a net or a context."""

    items: tuple[NamedType, ...]


@dataclass(frozen=True, slots=True)
class RecordType(Node):
    """``(loc: real[L], scale: positive[L])``."""

    fields: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Parameter(Node):
    """``name: type``, in a record or in the head of a `fn`."""

    name: Name
    type: NamedType


TypeExpr = NamedType | TupleType | RecordType


@dataclass(frozen=True, slots=True)
class Signature(Node):
    """``A -> causal B``."""

    domain: TypeExpr
    codomain: TypeExpr
    causal: bool = False


# Statements


@dataclass(frozen=True, slots=True)
class Target(Node):
    """The left side ``z[song, t]``; its subscripts are axis names or literal steps."""

    name: Name
    subscripts: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelDecl(Node):
    """``model Name``; `doc` is the comment above it, without the hash signs."""

    name: Name
    doc: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class PlateDecl(Node):
    """``plate word[doc] = 5``, or a `sequence`, which has an order."""

    name: Name
    owner: Name | None
    size: Expr | None
    ordered: bool


@dataclass(frozen=True, slots=True)
class DimDecl(Node):
    """``dim L = 20``."""

    name: Name
    size: Expr | None


@dataclass(frozen=True, slots=True)
class Input(Node):
    """``input floor[house]: real``."""

    target: Target
    type: TypeExpr


@dataclass(frozen=True, slots=True)
class Param(Node):
    """``param W: real[D, H] = 0``."""

    target: Target
    type: TypeExpr | None
    initial: Expr | None


@dataclass(frozen=True, slots=True)
class Latent(Node):
    """``latent mu: real ~ Normal(0, 5)``; without a distribution, undirected."""

    target: Target
    type: TypeExpr | None
    distribution: Expr | None


@dataclass(frozen=True, slots=True)
class Observe(Node):
    """``observe y[n] ~ D``, ``observe x: T`` (undirected) or ``observe x = e``."""

    target: Target
    type: TypeExpr | None
    distribution: Expr | None
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Let(Node):
    """``let eta[n]: real = e``."""

    target: Target
    type: TypeExpr | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Net(Node):
    """``net f: A -> B = mlp(hidden=[10]) ~ Normal(0, 1)``; body and prior are optional."""

    name: Name
    signature: Signature
    body: Expr | None
    prior: Expr | None


@dataclass(frozen=True, slots=True)
class Flow(Node):
    """``flow f: real[2] | (real[C], index(k)) = coupling(...)``."""

    name: Name
    type: TypeExpr
    context: TypeExpr | None
    body: Expr | None


@dataclass(frozen=True, slots=True)
class Energy(Node):
    """``energy E(x)``."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Guide(Node):
    """``guide z[song, t] ~ D`` or ``guide k = e``."""

    target: Target
    distribution: Expr | None
    value: Expr | None


@dataclass(frozen=True, slots=True)
class Infer(Node):
    """``infer nuts(chains=4)``; the method is a name or a call of one."""

    method: Expr


@dataclass(frozen=True, slots=True)
class Fn(Node):
    """``fn decay(t: real, k: positive): real = exp(-k * t)``."""

    name: Name
    parameters: tuple[Parameter, ...]
    result: TypeExpr | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Use(Node):
    """``use p: real[D] | index(k)`` (a law) or ``use g: A -> B`` (a function)."""

    name: Name
    type: TypeExpr | None
    context: TypeExpr | None
    signature: Signature | None


Statement = (
    ModelDecl
    | PlateDecl
    | DimDecl
    | Input
    | Param
    | Latent
    | Observe
    | Let
    | Net
    | Flow
    | Energy
    | Guide
    | Infer
    | Fn
    | Use
)


@dataclass(frozen=True, slots=True)
class Comment(Node):
    """A comment: its text from ``#`` on, and whether it stands on a line of its own."""

    text: str
    own_line: bool


@dataclass(frozen=True, slots=True)
class Program(Node):
    """A whole file."""

    statements: tuple[Statement, ...]
    source: Source = field(compare=False, repr=False)
    comments: tuple[Comment, ...] = field(default=(), compare=False, repr=False)
