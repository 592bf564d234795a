"""From raw chains to the posterior of every quantity, and predictions from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from gendsl.emit.sites import sequence_of
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.runtime.draws import Batch, chunks, event_rank
from gendsl.runtime.program import Executable
from gendsl.semantics.moving import followers
from gendsl.semantics.supports import is_discrete

__all__ = [
    "complete",
    "known_mask",
    "merged",
    "one_step_ahead",
    "param_value",
    "recovered",
    "site_values",
    "unknown_sites",
]

Arrays = dict[str, np.ndarray]


def merged(parts: list[Arrays]) -> Arrays:
    """Chunks of draws one after the other."""
    return {n: np.concatenate([p[n] for p in parts]) for n in parts[0]} if parts else {}


def site_values(batch: Batch, trace: Trace, names: list[str], count: int) -> Arrays:
    """Natural values of variables at the sites of a batched trace."""
    found: Arrays = {}
    for name in names:
        if name not in trace.nodes:
            continue
        variable = batch.executable.model.variable(name)
        found[name] = _array(batch.natural(variable, _value(trace, name), count))
    return found


def _value(trace: Trace, site: str) -> Tensor:
    value: Tensor = trace.nodes[site]["value"]  # type: ignore[assignment]
    return value


def _array(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy())


def _sites(
    executable: Executable, raw: Mapping[str, np.ndarray], batch: Batch
) -> dict[str, Tensor]:
    """Raw draws of sites, (draw, ...), as batched tensors."""
    values: dict[str, Tensor] = {}
    for site, draws in raw.items():
        event = event_rank(executable.model, site)
        owner = site.removesuffix("_missing")
        if owner in executable.program.completed:
            event = len(executable.model.variable(owner).type.event)
        values[site] = batch.padded(torch.as_tensor(draws), event)
    return values


def complete(
    executable: Executable,
    noncentred: tuple[str, ...],
    raw: Mapping[str, np.ndarray],
    *,
    discrete: bool,
    seed: int,
    without: frozenset[str] = frozenset(),
    centredness: Mapping[str, Tensor] | None = None,
    params: Mapping[str, Tensor] | None = None,
    count: int | None = None,
) -> Arrays:
    """The posterior of every latent, imputed entry and let, from draws of the sampled sites.

    Args:
        executable: the program and its data.
        noncentred: latents that were sampled as standard variables.
        raw: draws of the sampled sites, (draw, ...).
        discrete: whether summed-out latents are to be recovered.
        seed: of their recovery.
        without: lets that are not wanted.
        centredness: of the standard variables that are centred in part.
        params: values of params, as the program holds them.
        count: how many draws there are; by default as `raw` has.
    """
    model = executable.model
    names = [v.name for v in model.of_role("latent", "let") if v.name not in without]
    batch = Batch(executable, noncentred, followers(model), centredness or {})
    count = len(next(iter(raw.values()))) if count is None else count
    parts: list[Arrays] = []
    torch.manual_seed(seed)
    for piece in chunks(count, 2 * batch.width()):
        length = piece.stop - piece.start
        values = _sites(executable, {n: d[piece] for n, d in raw.items()}, batch)
        if discrete:
            trace = batch.recover(length, values, params or {})
        else:
            trace = batch.trace(length, values, params or {})
        found = site_values(batch, trace, names, length)
        found |= _imputed(batch, trace, length)
        parts.append(found)
    return merged(parts)


def _imputed(batch: Batch, trace: Trace, count: int) -> Arrays:
    """Draws of missing entries of covariates, (draw, entry), entries in the order of the data."""
    found: Arrays = {}
    for name in batch.executable.program.imputed:
        site = f"{name}_missing"
        known = batch.executable.arguments.get(dict(batch.executable.program.known)[name])
        if site not in trace.nodes or known is None:
            continue
        variable, value = batch.executable.model.variable(name), _value(trace, site)
        if not _is_whole(batch, variable):
            value = _placed(batch, variable, value, ~known)
        natural = batch.natural(variable, value, count)
        entries = _array(natural[:, ~known])
        whole = is_discrete(variable.type.support)
        found[site] = entries.astype(np.int64) if whole else entries
    return found


def _is_whole(batch: Batch, variable: ir.Variable) -> bool:
    """Whether the site of missing values has a place for known ones too."""
    return is_discrete(variable.type.support) or (
        variable.name in batch.executable.program.completed
    )


def _placed(batch: Batch, variable: ir.Variable, entries: Tensor, gaps: Tensor) -> Tensor:
    """Draws of missing entries where they belong in the program's tensor; 0 elsewhere."""
    tied = tied_axes(variable)
    lead = variable.type.event[: len(variable.type.event) - tied]
    apart = replace(variable, type=replace(variable.type, event=lead))
    aligned = batch.batched(apart, gaps[None])[0]
    own = entries.shape[entries.dim() - tied :]
    count = entries.shape[0]
    whole = torch.zeros((count, *aligned.shape, *own), dtype=entries.dtype)
    whole[:, aligned] = entries.reshape((count, -1, *own))
    return whole


def unknown_sites(batch: Batch, draws: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Natural draws of latents and of imputed entries as batched tensors of their sites."""
    model, program = batch.executable.model, batch.executable.program
    found: dict[str, Tensor] = {}
    imputed = {f"{n}_missing": n for n in program.imputed}
    for name, value in draws.items():
        if name not in imputed:
            found[name] = batch.batched(model.variable(name), value)
            continue
        variable = model.variable(imputed[name])
        known = batch.executable.arguments.get(dict(program.known)[variable.name])
        if known is not None:
            found[name] = _entries(batch, variable, torch.as_tensor(value), ~known)
    return found


def _entries(batch: Batch, variable: ir.Variable, entries: Tensor, gaps: Tensor) -> Tensor:
    """Draws (draw, entry, ...) of missing entries as the site of the program has them."""
    tied, count = tied_axes(variable), entries.shape[0]
    own = entries.shape[entries.dim() - tied :]
    given = batch.executable.arguments[dict(batch.executable.program.observed)[variable.name]]
    if _is_whole(batch, variable):
        whole = given.expand(count, *given.shape).clone()
        whole[:, gaps] = entries.to(whole.dtype)
        return batch.batched(variable, whole)
    whole = torch.zeros((count, *gaps.shape, *own), dtype=entries.dtype)
    whole[:, gaps] = entries
    lead = variable.type.event[: len(variable.type.event) - tied]
    apart = replace(variable, type=replace(variable.type, event=lead))
    aligned = batch.batched(apart, gaps[None])[0]
    inside = batch.batched(variable, whole)[:, aligned]
    return inside.reshape((count, *(1,) * (batch.executable.nesting - 1), -1, *own))


def recovered(
    executable: Executable,
    posterior: Mapping[str, np.ndarray],
    params: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    *,
    seed: int,
    draws: int,
) -> Arrays:
    """Draws of the summed-out latents from their exact posterior, all else at a point."""
    model, batch = executable.model, Batch(executable)
    names = [v.name for v in model.of_role("latent") if v.name not in posterior]
    fixed = {n: param_value(batch, model.variable(n), v) for n, v in params.items()}
    parts: list[Arrays] = []
    torch.manual_seed(seed)
    for piece in chunks(draws, 2 * batch.width()):
        length = piece.stop - piece.start
        values = unknown_sites(batch, {n: d[piece] for n, d in posterior.items()})
        trace = batch.recover(length, values, fixed)
        found = site_values(batch, trace, names, length)
        found |= {n: v for n, v in _imputed(batch, trace, length).items() if n not in posterior}
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


def one_step_ahead(
    batch: Batch, trace: Trace, variable: ir.Variable, first: int, count: int
) -> np.ndarray:
    """One-step-ahead draws of a variable along a sequence, NaN at the steps that are given."""
    sequence = sequence_of(batch.executable.model, variable)
    right = batch.executable.program.layout.depths[sequence] - 1 + len(variable.type.event)
    value = _drawn(trace, variable.name)
    size = batch.executable.sizes[sequence]
    first = min(first, size)
    masked = value.shape[-1 - right] == size
    pads = [0, 0] * right + [0 if masked else first, 0]
    whole = torch.nn.functional.pad(value, pads, value=float("nan"))
    whole.narrow(-1 - right, 0, first).fill_(float("nan"))
    for equation in variable.equations:
        if equation.step is not None and equation.step < size:
            here = _drawn(trace, f"{variable.name}[{equation.step}]")
            whole.narrow(-1 - right, equation.step, 1).copy_(here)
    return _array(batch.natural(variable, whole, count))


def _drawn(trace: Trace, site: str) -> Tensor:
    """A fresh draw from the law of a site."""
    law: Any = trace.nodes[site]["fn"]
    drawn: Tensor = law.sample().to(torch.get_default_dtype())
    return drawn
