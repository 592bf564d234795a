"""What a calibration ranks: entries of latents and lets, and the log density.

The log density depends on the data too. Without such a quantity, a method that ignores the data
and returns the prior would pass.

References:
    Simulation-based calibration checking for Bayesian computation: the choice of test quantities
    shapes sensitivity (Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman, Vehtari, Bayesian
    Analysis, 2023).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic, nearest
from gendsl.ir import nodes as ir
from gendsl.runtime.data import BoundData
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.posterior import unknown_sites
from gendsl.runtime.program import Executable

__all__ = ["DENSITIES", "ENTRIES", "Quantity", "choose", "log_densities", "of_draws"]

SEPARATOR = re.compile(r",\s*(?=[^\[\]]*\])")
"""Between the labels of an entry."""

DENSITIES = ("lp", "log_likelihood")
"""The joint log density of all that is random, and that of the observed variables alone."""

ENTRIES = 4
"""A variable of more entries is represented by so many of them."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number that is ranked.

    Attributes:
        label: ``theta[Choate]``, or one of `DENSITIES`.
        variable: its variable; empty for a density.
        entry: where in the variable it stands.
        discrete: whether it is a whole number, so that draws may equal the truth.
    """

    label: str
    variable: str
    entry: tuple[int, ...]
    discrete: bool = False


def choose(
    model: ir.Model,
    bound: BoundData,
    probes: Sequence[Arrays],
    asked: Iterable[str] | None,
    seed: int,
) -> tuple[Quantity, ...]:
    """The quantities of a calibration.

    Args:
        model: the model.
        bound: its inputs, for sizes and labels.
        probes: draws from the model. An entry that is the same in all is not ranked.
        asked: names of latents, lets and densities, or single entries such as ``theta[3]``; all
            latents and both densities by default.
        seed: chooses among entries where there are many.

    Raises:
        DataError: GD811, an unknown name.
    """
    rng = np.random.default_rng([seed, len(model.variables)])
    asked = None if asked is None else [SEPARATOR.sub(", ", name) for name in asked]
    found: list[Quantity] = []
    entries: dict[str, list[str]] = {}
    for variable in model.of_role("latent", "let"):
        if asked is None and variable.role == "let":
            continue
        every = _entries(variable, bound, [np.asarray(p[variable.name]) for p in probes])
        entries[variable.name] = [q.label for q in every]
        if asked is not None:
            single = [q for q in every if q.label in asked and q.label != variable.name]
            if variable.name not in asked:
                found += single
                continue
        if len(every) > ENTRIES:
            places = np.sort(rng.choice(len(every), ENTRIES, replace=False))
            every = [every[i] for i in places]
        found += every
    taken = {v.name for v in model.variables}
    found += [
        Quantity(name, "", ())
        for name in DENSITIES
        if name not in taken and (asked is None or name in asked)
    ]
    _verify_known(model, asked or (), found, entries)
    return tuple(found)


def _entries(variable: ir.Variable, bound: BoundData, probes: list[np.ndarray]) -> list[Quantity]:
    """Every entry that varies."""
    shape = probes[0].shape
    whole = probes[0].dtype.kind in "biu"
    labels = [[str(v) for v in bound.labels[a]] for a in variable.axes]
    labels += [[str(i) for i in range(n)] for n in shape[len(labels) :]]
    found = []
    for entry in itertools.product(*map(range, shape)):
        values = [float(p[entry]) for p in probes]
        if len(set(values)) == 1 and len(values) > 1 and not whole:
            continue  # such as the diagonal of a correlation matrix
        where = ", ".join(names[i] for names, i in zip(labels, entry, strict=True))
        label = f"{variable.name}[{where}]" if entry else variable.name
        found.append(Quantity(label, variable.name, entry, whole))
    return found


def _verify_known(
    model: ir.Model,
    asked: Iterable[str],
    found: list[Quantity],
    entries: Mapping[str, list[str]],
) -> None:
    known = [v.name for v in model.of_role("latent", "let")] + list(DENSITIES)
    wrong = []
    for name in asked:
        if name not in known and name not in (q.label for q in found):
            labels = entries.get(name.partition("[")[0], [])[:ENTRIES]
            like = nearest(name, known)
            remedy = f"did you mean {like!r}?" if like else f"there are {', '.join(known)}"
            if labels:
                remedy = f"entries that vary are named like {', '.join(labels)}"
            message = f"a calibration has no quantity {name!r}"
            wrong.append(Diagnostic("GD811", message, help=remedy))
    if wrong:
        raise DataError(wrong)


def of_draws(
    quantities: Sequence[Quantity], values: Arrays, densities: Arrays, count: int
) -> np.ndarray:
    """``(draw, quantity)`` from natural draws of variables and the densities of each draw."""
    found = np.empty((count, len(quantities)))
    for k, q in enumerate(quantities):
        if not q.variable:
            found[:, k] = densities[q.label]
            continue
        place: tuple[slice | int, ...] = (slice(None), *q.entry)
        found[:, k] = values[q.variable][place]
    return found


def log_densities(executable: Executable, draws: Arrays) -> dict[str, np.ndarray]:
    """`DENSITIES` of each draw, everything random on its own scale, nothing summed out.

    Args:
        executable: the program with its data.
        draws: ``(draw, ...)`` of every latent and imputed entry, discrete ones included.
    """
    batch = Batch(executable)
    observed = {n for n, _ in executable.program.observed}
    count = len(next(iter(draws.values())))
    joint, likelihood = np.zeros(count), np.zeros(count)
    for piece in chunks(count, 2 * batch.width()):
        length = piece.stop - piece.start
        values = unknown_sites(batch, {n: d[piece] for n, d in draws.items()})
        trace = batch.trace(length, values, {})
        trace.compute_log_prob()
        for name, site in trace.nodes.items():
            if site["type"] != "sample":
                continue
            entries: Any = site["log_prob"]
            own = _summed(entries, length)
            joint[piece] += own
            if name.partition("[")[0] in observed:
                likelihood[piece] += own
    return {"lp": joint, "log_likelihood": likelihood}


def _summed(entries: Tensor, count: int) -> np.ndarray:
    """The sum over all dimensions but the first, which is that of the draws."""
    whole = entries.reshape(entries.shape[0], -1).sum(-1) if entries.dim() else entries[None]
    return np.asarray(torch.broadcast_to(whole, (count,)).cpu().numpy(), dtype=np.float64)
