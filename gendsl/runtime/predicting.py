"""Predictions: observed variables drawn anew, and series continued beyond what a fit knew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.emit.sites import has_children, sequence_of
from gendsl.graph.recursion import held
from gendsl.ir import nodes as ir
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.generation import Generation, legal_values
from gendsl.runtime.posterior import (
    known_mask,
    merged,
    one_step_ahead,
    param_value,
    site_values,
    unknown_sites,
)
from gendsl.runtime.program import Executable

__all__ = ["continued", "first_steps", "predictive"]

Arrays = dict[str, np.ndarray]


def predictive(
    executable: Executable,
    posterior: Mapping[str, np.ndarray],
    params: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    *,
    seed: int,
    draws: int = 1,
    given: frozenset[str] = frozenset(),
    missing: Mapping[str, np.ndarray] | None = None,
) -> Arrays:
    """Draws of every observed variable (and let), one for each draw of the posterior.

    Args:
        executable: the program with the data to predict for.
        posterior: natural draws (draw, ...) of the latents, sized for these data.
        params: natural values of params.
        known: for latents with new members, a mask over their axes of those that the fit knew.
        seed: of the draws.
        draws: how many, where the posterior has none because all that is unknown is a param.
        given: observed variables that keep their values.
        missing: masks of the values that are not given; a series goes on from there.

    Raises:
        DataError: GD914, what is unknown of a series is not its end alone.
    """
    model, program = executable.model, executable.program
    windows = {n for n, _ in program.windows}
    start = first_steps(model, frozenset(windows), known, missing or {}, executable.sizes)
    drawn = frozenset(n for n, _ in program.observed if n not in windows and n not in given)
    free = _with_placeholders(executable.without(drawn))
    batch = Batch(free)
    names = [v.name for v in model.of_role("observed", "let")]
    count = len(next(iter(posterior.values()))) if posterior else draws
    masks = {n: known_mask(batch, model.variable(n), mask) for n, mask in known.items()}
    fixed = {n: param_value(batch, model.variable(n), v) for n, v in params.items()}
    torch.manual_seed(seed)
    parts: list[Arrays] = []
    for piece in chunks(count, 2 * batch.width()):
        length = piece.stop - piece.start
        own = {n: d[piece] for n, d in posterior.items()}
        latents = [v.name for v in model.of_role("latent")]
        if start:
            parts.append(continued(free, own, fixed, known, length, start, names + latents))
            continue
        values = unknown_sites(batch, own)
        trace = batch.trace(length, values, fixed, masks)
        wanted = [n for n in names if n not in windows]
        found = site_values(batch, trace, wanted + latents, length)
        for name, first in program.windows:
            found[name] = one_step_ahead(batch, trace, model.variable(name), first, length)
        parts.append(found)
    return merged(parts)


def _with_placeholders(executable: Executable) -> Executable:
    """The program with some values for the observed variables that it cannot draw itself.

    Nothing depends on those that may be left out, so that any values do.
    """
    program, arguments = executable.program, dict(executable.arguments)
    for name, _ in program.windows:
        argument = dict(program.observed)[name]
        if arguments.get(argument) is None:
            arguments[argument] = legal_values(executable, executable.model.variable(name))
    return replace(executable, arguments=arguments)


def first_steps(
    model: ir.Model,
    windows: frozenset[str],
    known: Mapping[str, np.ndarray],
    missing: Mapping[str, np.ndarray],
    sizes: Mapping[str, int],
) -> dict[str, int]:
    """For each sequence along which a series goes on, the first step that is to be drawn.

    Args:
        model: the model.
        windows: observed variables that recur, or have no distribution at the first steps.
        known: masks over the axes of latents with new members, of those that the fit knew.
        missing: masks of missing values of observed variables.
        sizes: of the axes.

    Raises:
        DataError: GD914, what is unknown is not the end of the series alone.
    """
    apart = held(model)
    unknown = {n: ~mask for n, mask in known.items() if n in apart}
    needed = {n for n in windows if has_children(model, n)}
    for name in needed & set(missing):
        variable = model.variable(name)
        entries = tuple(range(len(variable.axes), missing[name].ndim))
        unknown[name] = np.asarray(missing[name].any(axis=entries))
    going_on = {sequence_of(model, model.variable(n)) for n in unknown}
    found: dict[str, int] = {}
    wrong: list[Diagnostic] = []
    for name, mask in unknown.items():
        variable = model.variable(name)
        sequence = sequence_of(model, variable)
        position = variable.axes.index(sequence)
        others = tuple(i for i in range(mask.ndim) if i != position)
        some, every = np.asarray(mask.any(axis=others)), np.asarray(mask.all(axis=others))
        start = int(np.argmax(some)) if some.any() else len(some)
        if not start or not every[start:].all() or found.setdefault(sequence, start) != start:
            wrong.append(_not_the_end(variable, sequence))
        elif name in windows:
            first = min((e.first for e in variable.equations if e.step is None), default=0)
            literal = {e.step for e in variable.equations}
            without = [s for s in range(start, min(first, len(some))) if s not in literal]
            wrong += [_without_law(variable, without[0])] if without else []
    for name in sorted(needed - set(missing)):  # what is given later would go unheard
        variable = model.variable(name)
        sequence = sequence_of(model, variable)
        if sequence in going_on and found.get(sequence, sizes[sequence]) < sizes[sequence]:
            wrong.append(_not_the_end(variable, sequence))
    if wrong:
        raise DataError(wrong, model.source)
    return found


def _without_law(variable: ir.Variable, step: int) -> Diagnostic:
    return Diagnostic(
        "GD914",
        f"`{variable.name}` has no distribution at step {step}, from which its series would have "
        "to be drawn",
        variable.span,
        help="give its values up to the first step at which its equation holds",
    )


def _not_the_end(variable: ir.Variable, sequence: str) -> Diagnostic:
    return Diagnostic(
        "GD914",
        f"`{variable.name}` recurs along `{sequence}`; this version continues a series at its "
        "end, for all that recurs from the same step on, but cannot fill gaps or draw new series "
        "yet",
        variable.span,
        help="give the values up to some step, and leave out all that come later",
    )


def continued(
    executable: Executable,
    posterior: Mapping[str, np.ndarray],
    params: Mapping[str, torch.Tensor],
    known: Mapping[str, np.ndarray],
    count: int,
    start: Mapping[str, int],
    names: list[str],
) -> Arrays:
    """Natural draws of variables, series continued from their steps `start` on.

    Observed values before these are kept; there, the variables that recur are drawn one step ahead
    of them.
    """
    model, program = executable.model, executable.program
    windows = dict(program.windows)
    free = executable.without(frozenset(n for n, _ in program.observed if n not in windows))
    masks = {a: None if n in program.imputed else True for n, a in program.known}
    arguments = {**free.arguments, **{a: m for a, m in masks.items() if a in free.arguments}}
    batch = Batch(replace(free, arguments=arguments))
    fresh = {n: known_mask(batch, model.variable(n), m) for n, m in known.items()}
    fresh = {n: m for n, m in fresh.items() if n not in held(model)}
    generation = Generation(batch.executable, count, params=params, start=start, known=fresh)
    for name in windows:
        given = free.arguments.get(dict(program.observed)[name])
        if given is not None:
            generation.before(name, given)
    generation.values.update(unknown_sites(batch, posterior))
    trace = generation.run()
    found = site_values(batch, trace, [n for n in names if n not in windows], count)
    for name, first in windows.items():
        drawn = np.array(generation.observed[name].cpu().numpy())
        variable = model.variable(name)
        sequence = sequence_of(model, variable)
        ahead = one_step_ahead(batch, trace, variable, first, count)
        steps = [slice(None)] * drawn.ndim
        steps[1 + variable.axes.index(sequence)] = slice(0, start.get(sequence))
        drawn[tuple(steps)] = ahead[tuple(steps)]
        found[name] = drawn
    return found
