"""The typed intermediate representation: what a model says, with every name resolved.

Expressions carry their `ValueType`; the supports in them are static hulls. Spans are
ignored by comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gendsl.ir.learned import FlowBody, Net, NetOption
from gendsl.ir.node import Node
from gendsl.source import NOWHERE, Source, Span
from gendsl.types import Size, ValueType

__all__ = [
    "Apply",
    "Axis",
    "Collect",
    "Constant",
    "Distribution",
    "Energy",
    "Equation",
    "Expr",
    "FlowBody",
    "Gather",
    "Guide",
    "InferRequest",
    "Lag",
    "Lambda",
    "LogProb",
    "MemberNumber",
    "Model",
    "Net",
    "NetCall",
    "NetOption",
    "Node",
    "OdeInt",
    "Reduce",
    "Reference",
    "Select",
    "SizeNumber",
    "Spread",
    "Stack",
    "Variable",
]


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A literal number."""

    value: int | float
    type: ValueType


@dataclass(frozen=True, slots=True)
class Reference(Node):
    """The value of a variable."""

    name: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class MemberNumber(Node):
    """The name of a plate or sequence, alone: the member's number, from 0."""

    plate: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class SizeNumber(Node):
    """The size of an axis (or arithmetic of sizes) as a number."""

    size: Size
    type: ValueType


@dataclass(frozen=True, slots=True)
class Apply(Node):
    """A function of the function table, applied.

    ``add`` and ``mul`` are n-ary; subtraction is ``add(a, neg(b))`` and division is
    ``mul(a, reciprocal(b))``, so that long chains stay flat.
    """

    function: str
    args: tuple[Expr, ...]
    type: ValueType


@dataclass(frozen=True, slots=True)
class Reduce(Node):
    """A reduction over a plate (a name), an event axis (a position) or all event axes (None)."""

    function: str
    value: Expr
    axis: str | int | None
    type: ValueType


@dataclass(frozen=True, slots=True)
class Gather(Node):
    """``value[index]``: the plate (a name) or event axis (a position) `axis` replaced.

    The plates of value and index unite; the event shape of the index comes first, before
    what is left of the value's.
    """

    value: Expr
    axis: str | int
    index: Expr
    type: ValueType


@dataclass(frozen=True, slots=True)
class Select(Node):
    """One literal entry of a plate (a name) or event axis (a position); negative from the end."""

    value: Expr
    axis: str | int
    at: int
    type: ValueType


@dataclass(frozen=True, slots=True)
class Lag(Node):
    """``value[t - steps]``: the value along `sequence`, `steps` (at least 1) members earlier."""

    value: Expr
    sequence: str
    steps: int
    type: ValueType


@dataclass(frozen=True, slots=True)
class Spread(Node):
    """``weights[component]``: the event axis at position `axis` spread over `plate`."""

    value: Expr
    axis: int
    plate: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class Collect(Node):
    """``collect(x, p)``: a plate gathered into a new first event axis."""

    value: Expr
    plate: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class Stack(Node):
    """``[a, b, c]``: values of one event shape along a new first event axis."""

    items: tuple[Expr, ...]
    type: ValueType


@dataclass(frozen=True, slots=True)
class LogProb(Node):
    """``log_prob(d, x)``."""

    distribution: Distribution
    value: Expr
    type: ValueType


@dataclass(frozen=True, slots=True)
class Lambda(Node):
    """A function as an argument: its body sees `params` alone, no variables and no plates."""

    name: str
    params: tuple[Reference, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class OdeInt(Node):
    """``odeint(f, z0, t0, ts, args...)``: states along a new first event axis, that of `times`.

    The body of `function` is no subexpression: its references are to parameters. `options` are
    those that the text gives.
    """

    function: Lambda
    state: Expr
    start: Expr
    times: Expr
    args: tuple[Expr, ...]
    type: ValueType
    options: tuple[tuple[str, int | float], ...] = ()


@dataclass(frozen=True, slots=True)
class NetCall(Node):
    """``decode(z)``; `part` is what is taken of a net that gives several values, else empty."""

    net: str
    args: tuple[Expr, ...]
    part: str
    type: ValueType


Expr = (
    Constant
    | Reference
    | MemberNumber
    | SizeNumber
    | Apply
    | Reduce
    | Gather
    | Select
    | Lag
    | Spread
    | Collect
    | Stack
    | LogProb
    | OdeInt
    | NetCall
)


@dataclass(frozen=True, slots=True)
class Distribution(Node):
    """A distribution of the table with its arguments, by parameter name.

    `type` is that of a draw: the plates of the arguments, the whole event shape, and the
    support before any narrowing by the variable's declared type. `parts` are the distributions
    that a wrapper (`Mixture`, `Censored`) is made of; a mixture of one part whose parameters
    live on the plate `over` is mixed over its members. A push-forward (`Pipe`) has one part, the
    base, whose draws pass the flows that `maps` calls, in order.
    """

    name: str
    args: tuple[tuple[str, Expr], ...]
    type: ValueType
    parts: tuple[Distribution, ...] = ()
    over: str | None = None
    maps: tuple[NetCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Axis(Node):
    """A plate, a sequence or a dim. `size` is None when data decide it.

    A ragged sequence has an `owner`, the plate of whose members each has its own number of steps,
    and an input that says it, `lengths`; its size is that of the longest.
    """

    name: str
    kind: Literal["plate", "sequence", "dim"]
    size: Size | None = None
    owner: str | None = None
    lengths: str | None = None


Role = Literal["input", "param", "latent", "observed", "let"]


@dataclass(frozen=True, slots=True)
class Equation(Node):
    """One equation of a variable: ``~ distribution`` or ``= value``.

    `step` is the literal step of a sequence that it holds at, None for the general one.
    `first` is the first step of the sequence at which the general equation holds (the largest
    lag in it, or after the literal steps). `sequence` is that of a literal step.
    """

    distribution: Distribution | None = None
    value: Expr | None = None
    step: int | None = None
    first: int = 0
    sequence: str | None = None


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """A named quantity.

    Attributes:
        role: what it is; `observed` is given as data, `latent` is inferred.
        axes: its plates and sequences in the order of the data's axes, before event axes.
        type: plates are those of `axes`; the support is the declared one (or the
            distribution's when none was declared).
        equations: empty for inputs and params without initial value and for undirected
            variables; several only along a sequence.
        optional: ``?``: entries may be missing.
        lower: an expression for a lower bound that depends on other quantities.
        upper: likewise.
        initial: a param's initial value.
        doc: the comment that trails the declaration.
    """

    name: str
    role: Role
    axes: tuple[str, ...]
    type: ValueType
    equations: tuple[Equation, ...] = ()
    optional: bool = False
    lower: Expr | None = None
    upper: Expr | None = None
    initial: Expr | None = None

    @property
    def random(self) -> bool:
        """Whether it is a latent or an observed variable."""
        return self.role in ("latent", "observed")


@dataclass(frozen=True, slots=True)
class Energy(Node):
    """A term that multiplies the density by exp(-value), summed over the value's plates."""

    value: Expr


@dataclass(frozen=True, slots=True)
class Guide(Node):
    """The family the author gives for the posterior of a latent.

    `equation` is the general one; `literal` are those at single steps of a sequence.
    """

    name: str
    equation: Equation
    literal: tuple[Equation, ...] = ()

    @property
    def equations(self) -> tuple[Equation, ...]:
        """All equations, the general one last."""
        return (*self.literal, self.equation)


@dataclass(frozen=True, slots=True)
class InferRequest(Node):
    """``infer nuts(chains=4)``: a method and its options as constants or words."""

    method: str
    options: tuple[tuple[str, float | int | str], ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """A whole model; variables stand in an order in which each comes after what it needs.

    `span` is that of the model's name. The weights of the nets `weighted` are latents.
    """

    name: str
    doc: str
    axes: tuple[Axis, ...]
    variables: tuple[Variable, ...]
    energies: tuple[Energy, ...]
    guides: tuple[Guide, ...]
    infer: InferRequest | None
    source: Source = field(compare=False, repr=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    nets: tuple[Net, ...] = ()
    weighted: tuple[Net, ...] = ()

    def axis(self, name: str) -> Axis:
        """The axis called `name`."""
        return next(a for a in self.axes if a.name == name)

    def variable(self, name: str) -> Variable:
        """The variable called `name`."""
        return next(v for v in self.variables if v.name == name)

    def net(self, name: str) -> Net:
        """The net called `name`."""
        return next(n for n in self.nets if n.name == name)

    def of_role(self, *roles: Role) -> tuple[Variable, ...]:
        """The variables with one of `roles`, in order."""
        return tuple(v for v in self.variables if v.role in roles)
