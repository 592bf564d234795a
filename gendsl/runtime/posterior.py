"""From raw chains to the posterior of every quantity, and predictions from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from gendsl.ir import nodes as ir
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.program import Executable

__all__ = ["complete", "known_mask", "merged", "param_value", "predictive", "site_values"]

Arrays = dict[str, np.ndarray]


def merged(parts: list[Arrays]) -> Arrays:
    """Chunks of draws one after the other."""
    return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]} if parts else {}


def site_values(
    batch: Batch, trace: Trace, names: list[str], count: int
) -> Arrays:
    """Natural values of variables at the sites of a batched trace."""
    found: Arrays = {}
    for name in names:
        if name not in trace.nodes:
            continue
        variable = batch.executable.model.variable(name)
        value = trace.nodes[name]["value"]
        natural = batch.natural(variable, value, count)
        found[name] = np.array(natural.detach().cpu().numpy())
    return found


def _sites(executable: Executable, raw: Mapping[str, np.ndarray], batch: Batch) -> dict[str, Tensor]:
    """Raw draws of sites, (draw, ...), as batched tensors."""
    values: dict[str, Tensor] = {}
    for site, draws in raw.items():
        event = _event_rank(executable.model, site)
        values[site] = batch.padded(torch.as_tensor(draws), event)
    return values


def _event_rank(model: ir.Model, site: str) -> int:
    """The event rank of a site: of its variable, also for ``theta_decentered``."""
    for variable in model.variables:
        if site in (variable.name, f"{variable.name}_decentered"):
            return len(variable.type.event)
    return 0


def complete(
    executable: Executable,
    noncentred: tuple[str, ...],
    raw: Mapping[str, np.ndarray],
    *,
    discrete: bool,
    seed: int,
    without: frozenset[str] = frozenset(),
) -> Arrays:
    """The posterior of every latent, imputed entry and let, from draws of the sampled sites.

    Args:
        executable: the program and its data.
        noncentred: latents that were sampled as standard variables.
        raw: draws of the sampled sites, (draw, ...).
        discrete: whether summed-out latents are to be recovered.
        seed: of their recovery.
        without: lets that are not wanted.
    """
    model = executable.model
    names = [v.name for v in model.of_role("latent", "let") if v.name not in without]
    batch = Batch(executable, noncentred)
    count = len(next(iter(raw.values())))
    parts: list[Arrays] = []
    torch.manual_seed(seed)
    for piece in chunks(count, 2 * batch.width()):
        length = piece.stop - piece.start
        values = _sites(executable, {n: d[piece] for n, d in raw.items()}, batch)
        if discrete:
            trace = batch.recover(length, values, {})
        else:
            trace = batch.trace(length, values, {})
        found = site_values(batch, trace, names, length)
        found |= _imputed(batch, trace, length)
        parts.append(found)
    return merged(parts)


def _imputed(batch: Batch, trace: Trace, count: int) -> Arrays:
    """Draws of missing entries of covariates, as vectors over the missing entries."""
    found: Arrays = {}
    for name in batch.executable.program.imputed:
        site = f"{name}_missing"
        if site not in trace.nodes:
            continue
        value = trace.nodes[site]["value"]
        variable = batch.executable.model.variable(name)
        known = dict(batch.executable.program.known)[name]
        mask = batch.executable.arguments.get(known)
        if mask is None:
            continue
        entries = int((~mask).sum())
        if value.shape[-1] == entries and variable.name not in _enumerable(trace, name):
            found[site] = np.array(value.reshape(count, entries).detach().cpu().numpy())
        else:
            natural = batch.natural(variable, value, count)
            found[site] = np.array(natural[:, ~mask].detach().cpu().numpy())
    return found


def _enumerable(trace: Trace, name: str) -> tuple[str, ...]:
    return (name,) if f"{name}_known" in trace.nodes else ()


def predictive(
    executable: Executable,
    posterior: Mapping[str, np.ndarray],
    params: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    *,
    seed: int,
    draws: int = 1,
) -> Arrays:
    """Draws of every observed variable (and let), one for each draw of the posterior.

    Args:
        executable: the program with the data to predict for.
        posterior: natural draws (draw, ...) of the latents, sized for these data.
        params: natural values of params.
        known: for latents with new members, a mask over their axes of those that the fit knew.
        seed: of the draws.
        draws: how many, where the posterior has none because all that is unknown is a param.
    """
    model, program = executable.model, executable.program
    windows = {n for n, _ in program.windows}
    drawn = frozenset(n for n, _ in program.observed if n not in windows)
    free = executable.without(drawn)
    batch = Batch(free)
    names = [v.name for v in model.of_role("observed", "let")]
    count = len(next(iter(posterior.values()))) if posterior else draws
    masks = {n: known_mask(batch, model.variable(n), mask) for n, mask in known.items()}
    fixed = {n: param_value(batch, model.variable(n), v) for n, v in params.items()}
    torch.manual_seed(seed)
    parts: list[Arrays] = []
    for piece in chunks(count, 2 * batch.width()):
        length = piece.stop - piece.start
        values = {
            n: batch.batched(model.variable(n), d[piece]) for n, d in posterior.items()
        }
        trace = batch.trace(length, values, fixed, masks)
        wanted = [n for n in names if n not in windows]
        latents = [v.name for v in model.of_role("latent")]
        found = site_values(batch, trace, wanted + latents, length)
        for name, first in program.windows:
            found[name] = _ahead(batch, trace, model.variable(name), first, length)
        parts.append(found)
    return merged(parts)


def known_mask(batch: Batch, variable: ir.Variable, mask: np.ndarray) -> Tensor:
    """A mask over the axes of a variable as a batched tensor without event axes."""
    scalar = replace(variable, type=replace(variable.type, event=()))
    return batch.batched(scalar, mask[None])


def param_value(batch: Batch, variable: ir.Variable, natural: np.ndarray) -> Tensor:
    """A param in the shape that the program gives it: no draws, plates at their depths."""
    layout = batch.executable.program.layout
    value = batch.batched(variable, natural[None])[0]
    depth = layout.depth(variable.type.plates)
    drop = batch.executable.nesting - depth
    return value.reshape(value.shape[drop:])


def _ahead(
    batch: Batch, trace: Trace, variable: ir.Variable, first: int, count: int
) -> np.ndarray:
    """One-step-ahead draws of a variable with lags, NaN at the steps that are given."""
    site = trace.nodes[variable.name]
    value = site["fn"].sample()
    depths = batch.executable.program.layout.depths
    sequence = next(
        p for p in variable.axes if batch.executable.model.axis(p).kind == "sequence"
    )
    pads = [0, 0] * (depths[sequence] - 1 + len(variable.type.event)) + [first, 0]
    whole = torch.nn.functional.pad(value.to(torch.get_default_dtype()), pads, value=float("nan"))
    return np.array(batch.natural(variable, whole, count).detach().cpu().numpy())

