"""What learned fits say along sequences: new rows step by step, means given the past, steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Distribution

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.emit.sites import sequence_of, window_of
from gendsl.ir import nodes as ir
from gendsl.runtime.draws import Batch
from gendsl.runtime.generation import Generation
from gendsl.runtime.posterior import site_values
from gendsl.runtime.program import Executable, load_program
from gendsl.runtime.variational.learning import Inference

__all__ = ["along", "generated", "given_past", "mean_along", "recurs", "steps"]


def recurs(inference: Inference) -> bool:
    """Whether new rows have to be drawn step by step."""
    program = inference.light.program
    return bool(program.parts or program.windows)


def generated(
    inference: Inference, model: ir.Model, shared: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Draws of latents and observed variables, each step given those before it."""
    light = inference.light
    arguments = {**inference.everything(), **light.networks}
    function = load_program(light.program, model)
    whole = Executable(light.program, model, function, arguments, light.sizes)
    ready = whole.without(frozenset(v.name for v in model.of_role("observed")))
    batch = Batch(ready)
    values = {n: batch.batched(model.variable(n), v[None]) for n, v in shared.items()}
    names = [v.name for v in model.of_role("latent", "observed")]
    params = inference.learned.values(tuple(v.name for v in model.of_role("param")))
    given = {n: torch.as_tensor(v) for n, v in params.items()}
    generation = Generation(ready, 1, values=values, params=given)
    found = site_values(batch, generation.run(), names, 1)
    found |= {n: v.cpu().numpy() for n, v in generation.observed.items()}
    return {n: v[0] for n, v in found.items()}


def given_past(
    inference: Inference, model: ir.Model, arguments: Mapping[str, Any]
) -> frozenset[str]:
    """The observed variables whose law at a step is given by their own past, which is there.

    Raises:
        DataError: GD862, it is not.
    """
    program = inference.light.program
    names = dict(program.observed)
    for name, _ in program.windows:
        if arguments.get(names[name]) is None:
            message = f"the mean of `{name}` at a step depends on its values at earlier ones"
            remedy = "`fit.reconstruct` has them, and `fit.generate` draws them"
            span = model.variable(name).span
            raise DataError([Diagnostic("GD862", message, span, help=remedy)], model.source)
    return frozenset(names[name] for name, _ in program.windows)


def mean_along(
    inference: Inference,
    model: ir.Model,
    variable: ir.Variable,
    laws: Mapping[str, Distribution],
    means: Mapping[str, Tensor],
) -> Tensor:
    """The mean of an observed variable along a sequence, NaN at steps without an equation.

    Args:
        inference: the program.
        model: what it was made from.
        variable: which.
        laws: of all sites.
        means: of the sites of its equations.
    """
    layout, sizes = inference.light.program.layout, inference.light.sizes
    sequence, window = sequence_of(model, variable), window_of(model, variable)
    event = len(variable.type.event)
    dim = -(layout.depths[sequence] + event)
    general = means[variable.name]
    first = window.first if window is not None else 0
    shape = list(general.shape)
    shape[dim] = sizes[sequence]
    whole = general.new_full(shape, float("nan"))
    whole.narrow(dim, first, general.shape[dim]).copy_(general)
    for equation in variable.equations:
        name = f"{variable.name}[{equation.step}]"
        if equation.step is not None and name in laws:
            whole.narrow(dim, equation.step, 1).copy_(means[name])
    return whole


def along(model: ir.Model) -> ir.Axis | None:
    """The one sequence along which there are observations; None if there is none, or several."""
    names = {a for v in model.of_role("observed") for a in v.axes}
    found = [a for a in model.axes if a.kind == "sequence" and a.name in names]
    return found[0] if len(found) == 1 else None


def steps(inference: Inference, model: ir.Model) -> int | None:
    """How many steps all rows have; None where there is no sequence of observations."""
    axis, rows = along(model), inference.rows
    if axis is None or rows.plate == axis.name:
        return None
    if axis.lengths is None:
        return inference.light.sizes[axis.name] * rows.total
    argument = dict(inference.light.program.inputs)[axis.lengths]
    given = rows.arrays.get(argument, rows.fixed.get(argument))
    return None if given is None else int(given.sum())
