"""Automatic guides of latents whose steps along a sequence are tied to one another.

Given the step before it, a state depends on no earlier data, and on all that are at its own step
and later. So a network reads the data backward, and a second one combines what it has read with
the state before: the structured inference network of Krishnan, Shalit and Sontag, and faithful
inversion (`gendsl.inference.guiding`) of the unrolled model. Where the model's own past comes in
through recurring lets, these take the place of the state before.

References:
    Structured inference networks for nonlinear state space models (Krishnan, Shalit, Sontag,
    AAAI 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from gendsl.graph.recursion import scans, ties
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions, walk
from gendsl.types import REAL, Size, ValueType

__all__ = ["Inversion", "SequentialGuide", "inversion"]

WIDTH = 128
"""Of the state of the network that reads the data, where the model's networks tell no width."""

Options = tuple[tuple[str, ir.NetOption], ...]


@dataclass(frozen=True, slots=True)
class SequentialGuide:
    """Networks, a let, and for each equation the parameters of the law.

    Attributes:
        nets: that reads the data backward, and that combines.
        lets: what was read, for each step.
        steps: for each literal step the parameters, and under None those of the general one.
        first: the first step of the general equation.
        words: what the law is computed from.
    """

    nets: tuple[ir.Net, ...]
    lets: tuple[ir.Variable, ...]
    steps: dict[int | None, tuple[tuple[str, ir.Expr], ...]]
    first: int
    words: str


@dataclass(frozen=True, slots=True)
class Inversion:
    """What the law of a latent at a step is computed from.

    Attributes:
        latent: which.
        sequence: along which its steps are tied.
        lags: earlier values.
        read: data along the sequence, of which later steps matter too.
        beside: what does not change along the sequence.
    """

    latent: ir.Variable
    sequence: str
    lags: tuple[ir.Lag, ...]
    read: tuple[ir.Variable, ...]
    beside: tuple[ir.Variable, ...]

    def guide(
        self,
        outputs: tuple[tuple[str, ValueType], ...],
        sized: tuple[str, Options],
        fresh: Callable[[str], str],
    ) -> SequentialGuide:
        """The networks and their calls.

        Args:
            outputs: the parameters of the law, without plates.
            sized: the architecture of the network that combines, and its options.
            fresh: makes a name that is not taken.
        """
        span, name = self.latent.span, self.latent.name
        nets: list[ir.Net] = []
        lets: list[ir.Variable] = []
        if self.read:
            let, net = self._future(fresh(f"later_{name}"), fresh(f"future_{name}"), sized[1])
            lets.append(let)
            nets.append(net)
        first = max((lag.steps for lag in self.lags), default=0)
        combine = fresh(f"combine_{name}")
        steps: dict[int | None, tuple[tuple[str, ir.Expr], ...]] = {}
        for step in (*range(first), None):
            args = tuple(self._arguments(step, lets))
            plates = frozenset[str]().union(*(a.type.plates for a in args))
            steps[step] = tuple(
                (part, ir.NetCall(combine, args, part, replace(t, plates=plates), span=span))
                for part, t in outputs
            )
        general = self._arguments(None, lets)
        inputs = tuple(replace(a.type, plates=frozenset()) for a in general)
        nets.append(ir.Net(combine, inputs, outputs, *sized, span=span))
        return SequentialGuide(tuple(nets), tuple(lets), steps, first, self._words())

    def _words(self) -> str:
        back = {lag.steps for lag in self.lags}
        earlier = dict.fromkeys(f"`{n}`" for lag in self.lags for n in references(lag))
        parts = []
        if earlier:
            when = "the step before" if back == {1} else f"up to {max(back)} steps before"
            parts.append(f"{', '.join(earlier)} at {when}")
        if self.read:
            data = ", ".join(f"`{v.name}`" for v in self.read)
            parts.append(f"{data} at this step and later ones")
        parts += [f"`{v.name}`" for v in self.beside]
        return " and ".join(parts)

    def _future(self, let: str, name: str, options: Options) -> tuple[ir.Variable, ir.Net]:
        """What a backward network has read at each step."""
        span, along = self.latent.span, Size.named(self.sequence)
        hidden = dict(options).get("hidden")
        width = hidden[0] if isinstance(hidden, tuple) and hidden else WIDTH
        args = []
        for variable in self.read:
            type_ = variable.type
            event = (along, *type_.event)
            type_ = ValueType(type_.plates - {self.sequence}, event, type_.support)
            value = ir.Reference(variable.name, variable.type, span=span)
            args.append(ir.Collect(value, self.sequence, type_, span=span))
        plates = frozenset[str]().union(*(a.type.plates for a in args))
        out = ValueType(frozenset(), (along, Size.of(width)), REAL)
        net = ir.Net(
            name,
            tuple(replace(a.type, plates=frozenset()) for a in args),
            (("", out),),
            "gru",
            (("hidden", width), ("direction", "backward")),
            span=span,
        )
        type_ = replace(out, plates=plates)
        call = ir.NetCall(name, tuple(args), "", type_, span=span)
        axes = tuple(a for a in self.latent.axes if a in plates)
        equation = ir.Equation(None, call, span=span)
        return ir.Variable(let, "let", axes, type_, (equation,), span=span), net

    def _arguments(self, step: int | None, lets: Sequence[ir.Variable]) -> list[ir.Expr]:
        """Those of the network that combines, at a literal step or at the general one."""
        span = self.latent.span
        args: list[ir.Expr] = [lag if step is None else _at(lag, step) for lag in self.lags]
        args += [ir.Reference(v.name, v.type, span=span) for v in self.beside]
        for let in lets:
            read = ir.Reference(let.name, let.type, span=span)
            event = let.type.event[1:]
            if step is None:
                plates = let.type.plates | {self.sequence}
                type_ = ValueType(plates, event, REAL)
                args.append(ir.Spread(read, 0, self.sequence, type_, span=span))
            else:
                type_ = ValueType(let.type.plates, event, REAL)
                args.append(ir.Select(read, 0, step, type_, span=span))
        return args


def _at(lag: ir.Lag, step: int) -> ir.Expr:
    """An earlier value at a literal step; zeros before the first."""
    event = lag.type.event
    type_ = ValueType(lag.type.plates - {lag.sequence}, event, lag.type.support)
    if step >= lag.steps:
        return ir.Select(lag.value, lag.sequence, step - lag.steps, type_, span=lag.span)
    if not event:
        return ir.Constant(0.0, ValueType())
    sizes = tuple(ir.SizeNumber(s, ValueType()) for s in event)
    return ir.Apply("zeros", sizes, ValueType(frozenset(), event, REAL), span=lag.span)


def inversion(
    model: ir.Model, latent: ir.Variable, neighbours: Sequence[ir.Variable], before: frozenset[str]
) -> Inversion | None:
    """What the law of a latent is computed from at each step; None if its steps are not tied.

    Args:
        model: the model.
        latent: of it.
        neighbours: what its posterior can depend on, steps aside.
        before: the latents that are drawn before it.
    """
    along = [a for a in latent.axes if model.axis(a).kind == "sequence"]
    tied = ties(model, latent)
    if len(along) != 1 or along[0] not in tied:
        return None
    (sequence,) = along
    lags = tuple(_lags(model, latent, sequence, before))
    read = tuple(v for v in neighbours if sequence in v.axes)
    beside = tuple(v for v in neighbours if sequence not in v.axes)
    if not (lags or read or beside):
        return None
    return Inversion(latent, sequence, lags, read, beside)


def _lags(
    model: ir.Model, latent: ir.Variable, sequence: str, before: frozenset[str]
) -> Iterator[ir.Lag]:
    """The earlier values that the law of a latent, or what recurs with it, is given by."""
    recurring = [v for group in scans(model) for v in group]
    names = {v.name for v in recurring}
    with_it = [v for v in recurring if latent.name in _above(model, v)]
    of_law = names & set(references(*variable_expressions(latent)))
    chosen = [latent, *with_it, *(v for v in recurring if v.name in of_law)]
    known = before | {latent.name} | {v.name for v in model.of_role("input", "observed")}
    seen: set[tuple[str, int]] = set()
    for variable in chosen:
        for expr in walk(*variable_expressions(variable)):
            if not isinstance(expr, ir.Lag) or expr.sequence != sequence:
                continue
            assert isinstance(expr.value, ir.Reference)
            name = expr.value.name
            needs = _above(model, model.variable(name)) if name not in known else set()
            latents = {n for n in needs if model.variable(n).role == "latent"}
            able = name in known or (name in names and latents <= known)
            if able and expr.type.plates <= latent.type.plates and (name, expr.steps) not in seen:
                seen.add((name, expr.steps))
                yield expr


def _above(model: ir.Model, variable: ir.Variable) -> set[str]:
    """The variables that a let is computed from, through other lets."""
    found: set[str] = set()
    stack = [variable]
    while stack:
        for name in references(*variable_expressions(stack.pop())):
            if name not in found:
                found.add(name)
                other = model.variable(name)
                if other.role == "let":
                    stack.append(other)
    return found
