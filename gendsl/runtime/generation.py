"""Drawing from models that recur along a sequence: step by step, each given those before it.

A program weighs all steps at once, given their values. Run on the first steps alone, with those
that are known, it also has the law of the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyro
import torch
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from gendsl.emit.sites import sequence_of, window_of
from gendsl.graph.recursion import held, recurrent
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.ir.traversal import references, variable_expressions, walk
from gendsl.runtime.data.checking import placeholder
from gendsl.runtime.draws import Batch
from gendsl.runtime.posterior import site_values
from gendsl.runtime.program import Executable
from gendsl.types import Index, Size

__all__ = ["Generation", "drawn", "legal_values"]


def drawn(batch: Batch, names: list[str], count: int) -> dict[str, np.ndarray]:
    """Natural draws of variables from the model, the observed ones left out of its data."""
    executable = batch.executable
    if not executable.program.windows and not held(executable.model):
        return site_values(batch, batch.trace(count, {}, {}), names, count)
    generation = Generation(executable, count)
    found = site_values(batch, generation.run(), names, count)
    return found | {n: v.cpu().numpy() for n, v in generation.observed.items() if n in names}


@dataclass
class Generation:
    """Draws of one model, made step by step.

    Attributes:
        executable: the program with its inputs, observed variables left out.
        count: how many draws.
        values: batched draws of latents so far.
        observed: natural draws ``(draw, ...)`` of observed variables that recur, so far.
        params: values of params.
        start: for each sequence, the first step that is not known already.
        known: batched masks of the members of latents that `values` has draws for.
    """

    executable: Executable
    count: int
    values: dict[str, Tensor] = field(default_factory=dict)
    observed: dict[str, Tensor] = field(default_factory=dict)
    params: Mapping[str, Tensor] = field(default_factory=dict)
    start: Mapping[str, int] = field(default_factory=dict)
    known: Mapping[str, Tensor] = field(default_factory=dict)
    _set: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Learn once which variables the program takes the values of, instead of drawing them."""
        if not self._set:
            windows = frozenset(n for n, _ in self.executable.program.windows)
            self._set = windows | held(self._model)

    def run(self) -> Trace:
        """Draw everything; the last trace has the values of all variables but `observed`."""
        model, known = self._model, set(self.values)
        self._placeholders()
        self._renew()
        circles = {name: group for group in recurrent(model) for name in group}
        done: set[str] = set()
        for variable in model.variables:
            name = variable.name
            if not variable.random or name in done or (name in known and not self._ends(variable)):
                continue
            if name in circles:
                self._settle(circles[name] | done)
                self._along(circles[name])
                done |= circles[name]
            elif self._is_set(variable):
                self._settle({name} | done)
                self._at_once(variable)
                done.add(name)
        return self._trace(self.executable, final=True)

    def before(self, name: str, natural: Tensor) -> None:
        """Give the values of an observed variable up to the first step that is drawn."""
        self.observed[name] = natural.expand(self.count, *natural.shape).clone()

    @property
    def _model(self) -> ir.Model:
        return self.executable.model

    def _is_set(self, variable: ir.Variable) -> bool:
        """Whether the program takes the values of a variable instead of drawing them."""
        return variable.name in self._set

    def _placeholders(self) -> None:
        """Some legal value for everything that the program must be given."""
        batch = Batch(self.executable)
        for variable in self._model.of_role("latent", "observed"):
            if not self._is_set(variable) or variable.name in (*self.values, *self.observed):
                continue
            whole = legal_values(self.executable, variable)
            some = whole.expand(self.count, *whole.shape).clone()
            if variable.role == "latent":
                self.values[variable.name] = batch.batched(variable, some)
            else:
                self.observed[variable.name] = some

    def _renew(self) -> None:
        """Draw members of latents that are not known from their conditional priors."""
        if self.known:
            trace = self._trace(self.executable)
            self.values |= {name: _site(trace, name) for name in self.known}
            self.known = {}

    def _settle(self, waiting: set[str] | frozenset[str]) -> None:
        """Keep the draws of what comes before the variables `waiting`."""
        free = [v for v in self._model.of_role("latent") if not self._is_set(v)]
        free = [v for v in free if v.name not in self.values and v.name not in waiting]
        if not free:
            return
        above = self._above(waiting)
        trace = self._trace(self.executable)
        for variable in free:
            if variable.name in above:
                self.values[variable.name] = _site(trace, variable.name)

    def _above(self, names: set[str] | frozenset[str]) -> frozenset[str]:
        """What the variables `names` depend on."""
        found, stack = set[str](), list(names)
        while stack:
            for name in references(*variable_expressions(self._model.variable(stack.pop()))):
                if name not in found:
                    found.add(name)
                    stack.append(name)
        return frozenset(found)

    # Steps

    def _along(self, group: frozenset[str]) -> None:
        """Draw a group of variables that recur, one step after the other."""
        members = [v for v in self._model.variables if v.name in group and v.random]
        if not members:
            return
        for v in members:
            if v.name not in self.values and v.name not in self.observed:
                self._blank(v)
        sequence = sequence_of(self._model, members[0])
        whole = self._spans(group, sequence)
        modelled = {v.name: set(self._modelled(v, sequence)) for v in members}
        for step in range(self.start.get(sequence, 0), self.executable.sizes[sequence]):
            for variable in members:
                if step not in modelled[variable.name]:
                    continue
                shorter = self if whole else self._cut(sequence, step + 1)
                trace = shorter._trace(shorter.executable)
                self._write(variable, sequence, step, shorter._law_at(trace, variable, step))

    def _blank(self, variable: ir.Variable) -> None:
        """A place for the draws of a latent that the program could draw itself."""
        value = _site(self._trace(self.executable), variable.name)
        self.values[variable.name] = value.clone()

    def _law_at(self, trace: Trace, variable: ir.Variable, step: int) -> Tensor:
        """A batched draw of a variable at one step, of size 1 along the sequence."""
        sequence = sequence_of(self._model, variable)
        right = self._right(variable, sequence)
        literal = f"{variable.name}[{step}]"
        if literal in trace.nodes:
            return _drawn(trace, literal)
        window = window_of(self._model, variable)
        drawn = _drawn(trace, self._general(variable))
        size = self.executable.sizes[sequence]
        if drawn.dim() <= right or drawn.shape[-1 - right] == 1:
            return drawn
        first = window.first if window is not None and drawn.shape[-1 - right] < size else 0
        return drawn.narrow(-1 - right, step - first, 1)

    def _general(self, variable: ir.Variable) -> str:
        """The site of the general equation of a variable."""
        if variable.role == "observed" or not self._is_set(variable):
            return variable.name
        window = window_of(self._model, variable)
        return f"{variable.name} from {window.first if window is not None else 0}"

    def _right(self, variable: ir.Variable, sequence: str) -> int:
        """How many dimensions stand right of a sequence in a batched value."""
        depth = self.executable.program.layout.depths[sequence]
        return depth - 1 + len(variable.type.event)

    def _write(self, variable: ir.Variable, sequence: str, step: int, drawn: Tensor) -> None:
        right = self._right(variable, sequence)
        if variable.role == "latent":
            place = self.values[variable.name].narrow(-1 - right, step, 1)
            place.copy_(drawn.expand_as(place))
            return
        natural = self.observed[variable.name].narrow(1 + variable.axes.index(sequence), step, 1)
        batch = Batch(replace(self.executable, sizes={**self.executable.sizes, sequence: 1}))
        natural.copy_(batch.natural(variable, drawn, self.count))

    def _at_once(self, variable: ir.Variable) -> None:
        """Draw all steps of a variable that depends on earlier values of others alone."""
        trace = self._trace(self.executable)
        sequence = sequence_of(self._model, variable)
        for step in self._modelled(variable, sequence):
            self._write(variable, sequence, step, self._law_at(trace, variable, step))

    def _ends(self, variable: ir.Variable) -> bool:
        """Whether a variable is known up to some step alone."""
        return self._is_set(variable) and not self.start.keys().isdisjoint(variable.axes)

    def _modelled(self, variable: ir.Variable, sequence: str) -> list[int]:
        """The steps at which a variable has an equation, from the first that is not known on."""
        literal = {e.step for e in variable.equations}
        first = min((e.first for e in variable.equations if e.step is None), default=0)
        steps = range(self.start.get(sequence, 0), self.executable.sizes[sequence])
        return [s for s in steps if s in literal or s >= first]

    # Runs

    def _trace(self, executable: Executable, *, final: bool = False) -> Trace:
        """Run the program; what still has a placeholder may give laws that are not legal."""
        nesting, layout = executable.nesting, executable.program.layout
        arguments = dict(executable.arguments)
        for name, value in self.observed.items():
            variable = executable.model.variable(name)
            missing = nesting - layout.depth(variable.type.plates)
            shape = value.shape[:1] + (1,) * missing + value.shape[1:]
            arguments[dict(executable.program.observed)[name]] = value.reshape(shape)
        batch = Batch(replace(executable, arguments=arguments))
        if not final or self._has_empty_windows(executable):  # torch cannot verify laws of none
            with pyro.validation_enabled(is_validate=False):
                return batch.trace(self.count, self.values, self.params, self.known)
        return batch.trace(self.count, self.values, self.params, self.known)

    def _has_empty_windows(self, executable: Executable) -> bool:
        """Whether some general equation holds at none of the steps."""
        windows = (window_of(self._model, v) for v in self._model.variables if v.random)
        return any(w.first >= executable.sizes[w.sequence] > 0 for w in windows if w is not None)

    def _spans(self, group: frozenset[str], sequence: str) -> bool:
        """Whether a sequence cannot be cut short for a group: it is looked at as a whole.

        Data may point into it, or its length be that of vectors; what the group depends on may
        combine all of its steps.
        """
        if sequence not in dict(self.executable.program.sizes):
            return True
        size = Size.named(sequence)
        for v in self._model.variables:
            pointed = isinstance(v.type.support, Index) and v.type.support.size == size
            drawn = v.role in ("latent", "param")
            if pointed or (drawn and any(_mentions(s, sequence) for s in v.type.event)):
                return True
        above = [self._model.variable(n) for n in self._above(group) | group]
        exprs = (x for v in above for x in variable_expressions(v))
        return any(_looks_along(e, sequence) for e in walk(*exprs))

    def _cut(self, sequence: str, length: int) -> Generation:
        """The same for the first steps of a sequence alone."""
        model, program = self._model, self.executable.program
        arguments = dict(self.executable.arguments)
        arguments[dict(program.sizes)[sequence]] = length
        for name, argument in program.inputs:
            if argument in arguments:
                variable = model.variable(name)
                arguments[argument] = _shortened(arguments[argument], variable, sequence, length)
        values = dict(self.values)
        for name, value in values.items():
            variable = model.variable(name)
            if sequence in variable.axes:
                right = self._right(variable, sequence)
                values[name] = value.narrow(-1 - right, 0, length)
        observed = {
            n: _shortened(v, model.variable(n), sequence, length, before=1)
            for n, v in self.observed.items()
        }
        sizes = {**self.executable.sizes, sequence: length}
        executable = replace(self.executable, arguments=arguments, sizes=sizes)
        return replace(self, executable=executable, values=values, observed=observed)


def legal_values(executable: Executable, variable: ir.Variable) -> Tensor:
    """A legal value of a variable at every member of its axes, in natural layout."""
    sizes = dict(executable.sizes)
    event = [s.evaluate(sizes) for s in variable.type.event]
    tied = len(event) - tied_axes(variable)
    entry = placeholder(variable.type.support, tuple(event[tied:]))
    shape = [sizes[a] for a in variable.axes] + event
    whole = isinstance(variable.type.support, Index)
    kind = torch.long if whole else torch.get_default_dtype()
    return torch.as_tensor(np.broadcast_to(entry, shape).copy()).to(kind)


def _shortened(
    value: Tensor, variable: ir.Variable, sequence: str, length: int, before: int = 0
) -> Tensor:
    """The first steps of a natural value, `before` dimensions in front of its axes."""
    names = [*variable.axes, *(s.name for s in variable.type.event)]
    for position, name in enumerate(names):
        if name == sequence:
            value = value.narrow(before + position, 0, length)
    return value


def _mentions(size: Size, sequence: str) -> bool:
    return any(sequence in names for names, _ in size.terms)


def _looks_along(expr: ir.Expr, sequence: str) -> bool:
    """Whether an expression depends on all the steps of a sequence, or on how many there are."""
    match expr:
        case (
            ir.Reduce(axis=str() as axis)
            | ir.Select(axis=str() as axis)
            | ir.Gather(axis=str() as axis)
        ):
            return axis == sequence
        case ir.Collect(plate=plate):
            return plate == sequence
        case ir.SizeNumber(size=size):
            return _mentions(size, sequence)
        case _:
            return False


def _site(trace: Trace, name: str) -> Tensor:
    value: Tensor = trace.nodes[name]["value"]  # type: ignore[assignment]
    return value


def _drawn(trace: Trace, name: str) -> Tensor:
    """A fresh draw from the law of a site."""
    law = trace.nodes[name]["fn"]
    drawn: Tensor = law.sample()  # type: ignore[attr-defined]
    return drawn
