"""Hidden Markov chains of a model: what the runtime needs to sum them out along a sequence."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from gendsl.emit import pycode as py
from gendsl.emit.arguments import Arguments, computed_sizes
from gendsl.emit.rendering import rendered
from gendsl.emit.setting import Setting
from gendsl.emit.sites import sequence_of
from gendsl.graph.recursion import chained, lagged_names
from gendsl.ir import nodes as ir
from gendsl.types import Index, Interval, Size

__all__ = ["Chain", "chains_of", "summing"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A discrete latent whose steps are tied to one another: a hidden Markov chain.

    Attributes:
        name: the latent, and the site of its states.
        before: the site of its states one step earlier; None if nothing depends on them.
        sequence: along which it runs.
        states: how many values it has.
        lowest: the least of them.
    """

    name: str
    before: str | None
    sequence: str
    states: Size
    lowest: int


def chains_of(model: ir.Model) -> tuple[Chain, ...]:
    """The hidden Markov chains of a model, in its order."""
    lagged = lagged_names(model)
    found = []
    for v in chained(model):
        support = v.type.support
        assert isinstance(support, (Index, Interval))
        if isinstance(support, Index):
            states, lowest = support.size, 0
        else:
            lowest = int(support.lower)
            states = Size.of(int(support.upper) - lowest + 1)
        before = f"{v.name} before" if v.name in lagged else None
        found.append(Chain(v.name, before, sequence_of(model, v), states, lowest))
    return tuple(found)


def summing(
    model: ir.Model,
    setting: Setting,
    arguments: Arguments,
    steps: tuple[tuple[str, int], ...],
    *,
    always: bool,
) -> str:
    """Code that sums the discrete latents out of a program that runs by itself.

    Args:
        model: the model.
        setting: what things are called, and where plates stand.
        arguments: of the program, in `data`.
        steps: for each site of a literal step, the step.
        always: also where there are no chains; else the text is then empty.
    """
    rows: list[ast.expr] = []
    depths, sizes = setting.layout.depths, setting.names.sizes
    for chain in chains_of(model):
        variable = model.variable(chain.name)
        row = [py.text(chain.name), ast.Constant(chain.before), setting.size(chain.states)]
        row += [py.number(chain.lowest), py.text(chain.sequence)]
        row.append(py.number(depths[chain.sequence]))
        row.append(ast.Constant(isinstance(variable.type.support, Index)))
        rows.append(py.tuple_of(row))
    if not rows and not always:
        return ""
    code: list[ast.stmt] = []
    for _, argument in arguments.sizes:
        given = ast.Subscript(py.name("data"), py.text(argument), ast.Load())
        code.append(ast.Assign([ast.Name(argument, ast.Store())], given))
    code += computed_sizes(model, setting, closed=False)
    along = {n: sequence_of(model, model.variable(n.rpartition("[")[0])) for n, _ in steps}
    keys: list[ast.expr | None] = [py.text(n) for n, _ in steps]
    pairs: list[ast.expr] = [py.tuple_of([py.number(s), py.text(along[n])]) for n, s in steps]
    sequences = sorted({*along.values(), *(c.sequence for c in chains_of(model))})
    names: list[ast.expr | None] = [py.text(n) for n in sequences]
    lengths = ast.Dict(names, [py.name(sizes[n]) for n in sequences])
    nesting = py.number(max(1, setting.layout.max_plate_nesting))
    rest = [ast.Dict(keys, pairs), lengths, ast.List(rows, ast.Load())]
    paths = py.call("summing_out", nesting, *rest)
    code.append(ast.Assign([ast.Name("summed", ast.Store())], paths))
    return "\n".join(rendered(statement) for statement in code)
