"""What a fitted model and guide are worth on data, whatever objective trained them.

Bounds are those without weights, floors and penalties. The importance-weighted bound of k draws is
below the log likelihood in expectation and rises with k, so k is a part of the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gendsl.runtime.objectives.kl import divergence_by_entry, has_entries
from gendsl.runtime.objectives.multisample import Importance, importance
from gendsl.runtime.objectives.sites import ObjectiveError, Site, Sites
from gendsl.runtime.objectives.terms import bound_terms

__all__ = [
    "ACTIVE",
    "Draw",
    "Estimate",
    "Evaluation",
    "RowBounds",
    "active_units",
    "elbo",
    "evaluate",
    "log_likelihood",
    "posterior_means",
]

Draw = Callable[[int], Sites]
"""Draws that many particles for the rows of one batch, each time anew."""

ACTIVE = 0.01
"""The variance over the data of a posterior mean above which a unit is active (Burda et al.)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over rows.

    Attributes:
        mean: per row, in nats.
        standard_error: of that mean over rows, as of a sample; None for one row.
        rows: the number of rows.
    """

    mean: float
    standard_error: float | None
    rows: int

    @property
    def total(self) -> float:
        """The sum over rows."""
        return self.mean * self.rows

    def bits_per_dimension(self, dimensions: float) -> float:
        """The negative of it in bits, for each of the numbers a row consists of.

        Raises:
            ValueError: there are none.
        """
        if dimensions < 1:
            raise ValueError(f"a row cannot have {dimensions} dimensions")
        return -self.mean / (dimensions * math.log(2.0))

    @staticmethod
    def of(rows: Tensor) -> Estimate:
        """The mean of one number for each row."""
        x = rows.detach().to(torch.float64)
        several = len(x) > 1
        error = float(x.std(correction=1)) / math.sqrt(len(x)) if several else None
        return Estimate(float(x.mean()), error, len(x))


@dataclass(frozen=True, slots=True, eq=False)
class RowBounds:
    """An importance-weighted bound for each row.

    Attributes:
        bounds: (rows,); (1,) if rows are weighted jointly, and then it is of all of them.
        effective: the effective number of draws, (sum w)^2 / sum w^2, of the same shape.
        particles: the number of draws.
        joint: whether rows are weighted jointly.
        total: the number of all rows.
    """

    bounds: Tensor
    effective: Tensor
    particles: int
    joint: bool
    total: int

    @property
    def estimate(self) -> Estimate:
        """The mean over rows; where these are weighted jointly, without an error."""
        if self.joint:
            return Estimate(float(self.bounds.sum()) / self.total, None, self.total)
        return Estimate.of(self.bounds)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The value of model and guide on data.

    Attributes:
        log_likelihood: the importance-weighted bound.
        elbo: the evidence lower bound.
        terms: its parts, "log_likelihood.x" and "kl.z".
        particles: the number of draws for each row.
        effective: the least effective number of draws of a row.
        divergences: for each latent whose entries have laws of their own the mean over rows of
            each entry's divergence; one near 0 is not used.
        active: for each latent with posterior means which of its entries are active.
        points: latents whose guide is a point, with which the numbers are no bounds.
    """

    log_likelihood: Estimate
    elbo: Estimate
    terms: Mapping[str, Estimate]
    particles: int
    effective: float
    divergences: Mapping[str, Tensor] = field(default_factory=dict)
    active: Mapping[str, Tensor] = field(default_factory=dict)
    points: tuple[str, ...] = ()


def _chunks(particles: int, chunk: int) -> Iterator[int]:
    if particles < 1 or chunk < 1:
        raise ValueError(f"there cannot be {particles} particles in chunks of {chunk}")
    for start in range(0, particles, chunk):
        yield min(chunk, particles - start)


def _stays(sites: Sites, particles: int) -> None:
    """Ensure that draws of latents outside the plate of the rows do not change between chunks."""
    if sites.particles < particles and any(not site.local for site in sites.latents):
        raise ObjectiveError(
            "latents outside the plate of the rows are drawn once: take all particles in one chunk"
        )


class _Weights:
    """Sums of importance weights, as chunks of draws come in."""

    def __init__(self, particles: int) -> None:
        self.particles = particles
        self.total: Tensor | None = None
        self.squares: Tensor | None = None
        self.last: Importance | None = None

    def add(self, sites: Sites) -> None:
        """Take in a chunk."""
        found = importance(sites)
        if not found.joint:
            _stays(sites, self.particles)
        log_w = found.log_w.to(torch.float64)
        one, two = torch.logsumexp(log_w, 0), torch.logsumexp(2 * log_w, 0)
        self.total = one if self.total is None else torch.logaddexp(self.total, one)
        self.squares = two if self.squares is None else torch.logaddexp(self.squares, two)
        self.last = found

    def bounds(self) -> RowBounds:
        """The bounds of the rows."""
        if self.total is None or self.squares is None or self.last is None:
            raise ValueError("there are no draws")
        found = self.last
        shared = 0.0 if found.joint else found.shared / found.total
        bounds = self.total - math.log(self.particles) + shared
        effective = torch.exp(2 * self.total - self.squares)
        return RowBounds(bounds, effective, self.particles, found.joint, found.total)


class _Sums:
    """Means over draws of numbers for each row, as chunks come in."""

    def __init__(self, particles: int) -> None:
        self.particles = particles
        self.values: dict[str, Tensor] = {}

    def add(self, values: Mapping[str, Tensor], count: int) -> None:
        """Take in the means over a chunk."""
        for name, value in values.items():
            held = self.values.get(name, torch.zeros_like(value))
            self.values[name] = held + value * (count / self.particles)


def log_likelihood(draw: Draw, particles: int = 1000, chunk: int = 100) -> RowBounds:
    """The importance-weighted bound of each row of a batch.

    Args:
        draw: gives sites with a number of particles.
        particles: the number of draws.
        chunk: how many are drawn at once.

    Raises:
        ObjectiveError: the sites do not allow it.
    """
    weights = _Weights(particles)
    with torch.no_grad():
        for count in _chunks(particles, chunk):
            weights.add(draw(count))
        return weights.bounds()


def elbo(draw: Draw, particles: int = 100, chunk: int = 100) -> Mapping[str, Tensor]:
    """The evidence lower bound of each row of a batch, "elbo", and its terms; each (rows,).

    Divergences are by formula where possible. What stands outside the plate of the rows is divided
    by the number of all rows.
    """
    sums = _Sums(particles)
    with torch.no_grad():
        for count in _chunks(particles, chunk):
            sums.add(_elbo_once(draw(count)), count)
    return sums.values


def _elbo_once(sites: Sites) -> dict[str, Tensor]:
    values: dict[str, Tensor] = {}
    bound: Tensor | None = None
    for term in bound_terms(sites):
        scale = 1.0 if term.local else 1.0 / sites.total
        value = sites.mean(term.value).to(torch.float64).expand(sites.rows) * scale
        gain = sites.mean(term.gain).to(torch.float64).expand(sites.rows) * scale
        values[term.name] = value
        bound = gain if bound is None else bound + gain
    return values if bound is None else values | {"elbo": bound}


def posterior_means(sites: Sites, site: Site) -> Tensor | None:
    """The guide's mean of each entry of a latent, (rows or 1, entries); None if it has none.

    Where the guide depends on other latents, the mean over the particles of these.
    """
    q, _ = site.latent
    try:
        mean = q.mean
    except NotImplementedError:
        return None
    if not mean.is_floating_point() or bool(torch.isnan(mean).any()):
        return None
    event = len(q.event_shape)
    shape = (*sites.batch_shape(site), *q.event_shape)
    mean = site.mean(mean, event)
    whole = torch.broadcast_to(mean, torch.broadcast_shapes(shape, mean.shape))
    return sites.mean(sites.layout.entries(whole, event, local=site.local))


def active_units(means: Tensor, threshold: float = ACTIVE) -> Tensor:
    """Which entries of a latent tell rows apart: (entries,), bool.

    Those whose posterior mean has a variance over the data above the threshold (Burda, Grosse and
    Salakhutdinov 2016).

    Args:
        means: (rows, entries).
        threshold: the variance, in the latent's units.
    """
    if means.ndim != 2 or len(means) < 2:
        found = tuple(means.shape)
        raise ValueError(f"a variance over rows needs means of several rows, not of shape {found}")
    return means.to(torch.float64).var(0, correction=0) > threshold


def evaluate(draws: Iterable[Draw], particles: int = 100, chunk: int = 100) -> Evaluation:
    """Evaluate batches of rows, each of which is a function that draws.

    Raises:
        ObjectiveError: a latent needs all its draws in one chunk.
        ValueError: there are no rows.
    """
    bounds: list[RowBounds] = []
    rows: dict[str, list[Tensor]] = {}
    entries: dict[str, list[Tensor]] = {}
    means: dict[str, list[Tensor]] = {}
    points: tuple[str, ...] = ()
    for draw in draws:
        weights, terms = _Weights(particles), _Sums(particles)
        by_entry, mean = _Sums(particles), _Sums(particles)
        with torch.no_grad():
            for count in _chunks(particles, chunk):
                sites = draw(count)
                weights.add(sites)
                terms.add(_elbo_once(sites), count)
                by_entry.add(_by_entry(sites), count)
                mean.add(_means(sites), count)
                points = sites.points
        bounds.append(weights.bounds())
        for all_batches, batch in ((rows, terms), (entries, by_entry), (means, mean)):
            for name, value in batch.values.items():
                all_batches.setdefault(name, []).append(value)
    if not bounds:
        raise ValueError("there are no rows to evaluate")
    parts = {name: Estimate.of(torch.cat(found)) for name, found in rows.items()}
    joined = {name: torch.cat(found) for name, found in means.items()}
    return Evaluation(
        log_likelihood=_joined(bounds).estimate,
        elbo=parts.pop("elbo"),
        terms=parts,
        particles=particles,
        effective=min(float(found.effective.min()) for found in bounds),
        divergences={name: torch.cat(found).mean(0) for name, found in entries.items()},
        active={name: active_units(found) for name, found in joined.items() if len(found) > 1},
        points=points,
    )


def _means(sites: Sites) -> dict[str, Tensor]:
    """Posterior means of the latents in the plate of the rows."""
    found = {site.name: posterior_means(sites, site) for site in sites.latents if site.local}
    return {name: mean for name, mean in found.items() if mean is not None}


def _by_entry(sites: Sites) -> dict[str, Tensor]:
    """Divergences of entries, (rows, entries), of the latents in whose laws these are separate."""
    found: dict[str, Tensor] = {}
    for site in sites.latents:
        if site.local and has_entries(site):
            value = divergence_by_entry(sites, site).value.to(torch.float64)
            found[site.name] = sites.mean(value)
    return found


def _joined(batches: list[RowBounds]) -> RowBounds:
    """The bounds of all rows."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if first.joint:
        raise ObjectiveError("rows that are weighted jointly have to be in one batch")
    bounds = torch.cat([batch.bounds for batch in batches])
    effective = torch.cat([batch.effective for batch in batches])
    return RowBounds(bounds, effective, first.particles, first.joint, first.total)
