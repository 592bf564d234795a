"""Bounds on the log likelihood of rows, with their parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor

from gendsl.inference.flowing import dequantised_variables
from gendsl.ir import nodes as ir
from gendsl.runtime.objectives import Estimate, Evaluation, Sites, evaluate
from gendsl.runtime.variational.learning import CHUNK, Inference
from gendsl.runtime.variational.sequences import along, steps
from gendsl.runtime.variational.using import pieces
from gendsl.semantics.supports import is_discrete

__all__ = ["Score", "numbers_of_row", "score"]

ELEMENTS = 20_000_000
"""At most so many numbers of the data, times particles, at a time."""


@dataclass(frozen=True)
class Score:
    """Bounds on the log likelihood of rows, in nats.

    Attributes:
        log_likelihood: the importance-weighted bound with `particles` draws, per row.
        elbo: the evidence lower bound, per row.
        terms: its parts: ``log_likelihood.x`` is a gain, ``kl.z`` a cost.
        particles: draws for each row.
        dimensions: numbers that a row consists of.
        active: for each latent how many of its units are active (variance of the posterior mean
            over rows above 0.01; Burda et al. 2016), and of how many.
        points: latents whose guide is a point, with which these are no bounds.
        discrete: whether all that is observed is, so that bits have a meaning.
        which: which rows these are, where some of those of the fit were held out.
        steps: of the sequences of all rows together; None where there is no sequence.
        exact: whether no latent is drawn: then the bounds are the log likelihood itself.
        dequantised: whether noise is added to whole numbers, which makes that a lower bound.
        whole: whether all data count as one row, since no plate can be cut into rows.
    """

    log_likelihood: Estimate
    elbo: Estimate
    terms: Mapping[str, Estimate]
    particles: int
    dimensions: float
    active: Mapping[str, tuple[int, int]]
    points: tuple[str, ...] = ()
    discrete: bool = True
    which: str = ""
    steps: int | None = None
    exact: bool = False
    dequantised: bool = False
    whole: bool = False

    @property
    def log_likelihood_per_step(self) -> float:
        """The importance-weighted bound in nats, for each step of a sequence."""
        return self.log_likelihood.total / self.steps if self.steps else float("nan")

    @property
    def elbo_per_step(self) -> float:
        """The evidence lower bound in nats, for each step of a sequence."""
        return self.elbo.total / self.steps if self.steps else float("nan")

    @property
    def bits_per_dim(self) -> float:
        """The negative importance-weighted bound in bits, for each number of a row."""
        if not self.dimensions:
            return float("nan")
        return self.log_likelihood.bits_per_dimension(self.dimensions)

    def __str__(self) -> str:
        """A line for each number, which says what it is."""
        kind = "lower bound" if not self.points else "no bound: a guide is a point"
        unit = "nats of all data" if self.whole else "nats a row"
        rows = "" if self.whole else f", {self.log_likelihood.rows} rows"
        if self.exact:
            what = "lower bound: whole numbers are dequantised" if self.dequantised else "exact"
            exact = f"{_shown(self.log_likelihood)} {unit} ({what}{self._which})"
            return "\n".join([f"log likelihood  {exact}", *self._bits])
        lines = [
            f"log likelihood  {_shown(self.log_likelihood)} {unit} ({kind}, importance "
            f"weighted, {self.particles} particles{rows}{self._which})",
            *self._bits,
            f"ELBO            {_shown(self.elbo)} {unit}",
        ]
        if self.steps:
            lines.append(
                f"for each step   {self.log_likelihood_per_step:.4f} nats (importance weighted), "
                f"{self.elbo_per_step:.4f} nats (ELBO), {self.steps} steps"
            )
        lines += [f"  {name:<13} {_shown(term)}" for name, term in self.terms.items()]
        lines += [f"active units    {n}: {a} of {b}" for n, (a, b) in self.active.items()]
        return "\n".join(lines)

    @property
    def _which(self) -> str:
        return f", {self.which}" if self.which else ""

    @property
    def _bits(self) -> list[str]:
        if not self.discrete:
            return []
        dimensions = f"({self.dimensions:.6g} dimensions)"
        return [f"                {self.bits_per_dim:.4f} bits/dim {dimensions}"]


def _shown(value: Estimate) -> str:
    error = value.standard_error
    return f"{value.mean:.4f}" + (f" ± {error:.4f}" if error is not None else "")


def score(
    inference: Inference,
    model: ir.Model,
    sizes: Mapping[str, int],
    particles: int,
    which: str = "",
) -> Score:
    """Bounds on the log likelihood of the rows, and `which` these are."""
    rows = inference.rows
    total, axis = steps(inference, model), along(model)
    dimensions = _dimensions(model, sizes, rows.plate)
    each = max(1, dimensions) * inference.light.times
    at_a_time = max(1, min(CHUNK, ELEMENTS // (each * particles)))
    gaps: list[tuple[float, int]] = []

    def draws() -> Iterator[_Drawing]:
        for given, count in pieces(inference, at_a_time):
            gaps.append((_missing(inference, model, sizes, given), count))
            yield _Drawing(inference, given, count)

    local = all(rows.plate in v.axes for v in model.of_role("latent"))
    chunk = max(1, ELEMENTS // (each * at_a_time)) if local else particles
    found: Evaluation = evaluate(draws(), particles, min(particles, chunk))
    known = dimensions - sum(g * n for g, n in gaps) / sum(n for _, n in gaps)
    if axis is not None and axis.lengths is not None and total is not None:
        known = _up_to_ends(inference, model, axis, total)
    return Score(
        found.log_likelihood,
        found.elbo,
        found.terms,
        particles,
        known,
        {n: (int(a.sum()), len(a)) for n, a in found.active.items()},
        found.points,
        all(is_discrete(v.type.support) for v in model.of_role("observed")),
        which,
        total,
        not inference.light.inferred,
        bool(dequantised_variables(model)),
        rows.plate is None,
    )


def numbers_of_row(inference: Inference, model: ir.Model) -> float:
    """How many numbers of a row are known, of all observed variables, in the mean over rows."""
    sizes, rows = inference.light.sizes, inference.rows
    total, axis = steps(inference, model), along(model)
    if axis is not None and axis.lengths is not None and total is not None:
        return _up_to_ends(inference, model, axis, total)
    known = float(_dimensions(model, sizes, rows.plate))
    if inference.light.program.known:
        for given, count in pieces(inference, CHUNK):
            known -= _missing(inference, model, sizes, given) * count / rows.total
    return known


def _up_to_ends(inference: Inference, model: ir.Model, axis: ir.Axis, total: int) -> float:
    """How many numbers a row has where its sequences end at steps of their own, `total` in all."""
    rows, sizes = inference.rows, inference.light.sizes
    once, found = {**sizes, axis.name: 1, str(axis.owner): 1}, 0.0
    for variable in model.of_role("observed"):
        one = replace(model, variables=(variable,))
        if axis.name in variable.axes:
            found += _dimensions(one, once, rows.plate) * total / rows.total
        else:
            found += _dimensions(one, sizes, rows.plate)
    return found


def _dimensions(model: ir.Model, sizes: Mapping[str, int], plate: str | None) -> int:
    """How many numbers a row has, of all observed variables."""
    return sum(
        prod(sizes[a] for a in v.axes if a != plate)
        * prod(s.evaluate(dict(sizes)) for s in v.type.event)
        for v in model.of_role("observed")
    )


def _missing(
    inference: Inference, model: ir.Model, sizes: Mapping[str, int], given: Mapping[str, Any]
) -> float:
    """How many numbers of a row are missing, in the mean over some rows."""
    rows, gaps = inference.rows, 0.0
    for name, argument in inference.light.program.known:
        mask = given.get(argument)
        if isinstance(mask, Tensor) and mask.numel():
            one = replace(model, variables=(model.variable(name),))
            share = 1 - float(mask.to(torch.float64).mean())
            gaps += _dimensions(one, sizes, rows.plate) * share
    return gaps


@dataclass(frozen=True)
class _Drawing:
    """Draws particles for some rows."""

    inference: Inference
    arguments: Mapping[str, Any]
    rows: int

    def __call__(self, particles: int) -> Sites:
        total = self.inference.rows.total
        return self.inference.light.sites(self.arguments, particles, self.rows, total)
