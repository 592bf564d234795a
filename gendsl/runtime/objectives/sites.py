"""What an objective is computed from: densities of the model and of the guide at the same draws.

Rows are the members of the plate that is taken in batches; particles are independent draws of all
latents for the same rows. Distributions keep the layout of the emitted program: plates stand at
fixed dimensions from the right, particles in front of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Literal

from pyro.distributions import Delta
from torch import Tensor
from torch.distributions import Distribution, Independent

__all__ = ["Gate", "Layout", "ObjectiveError", "Site", "Sites"]


class ObjectiveError(ValueError):
    """An objective that these sites do not allow; the message says why, and what would do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where plates stand in the shape of a batch.

    Attributes:
        depth: the number of dimensions of plates; particles stand at `-depth - 1`.
        row: the dimension of the rows, negative; None if there is no such plate.
    """

    depth: int = 1
    row: int | None = -1

    def __post_init__(self) -> None:
        if self.row is not None and not -self.depth <= self.row <= -1:
            raise ValueError(f"dimension {self.row} is not among {self.depth} plates")

    def entries(self, x: Tensor, event: int, *, local: bool) -> Tensor:
        """`x` as (particles or 1, rows or 1, the rest), where its last `event` axes are no plates.

        Raises:
            ObjectiveError: there are more axes than particles and plates.
        """
        rank = self.depth + 1 + event
        if x.ndim > rank:
            found = tuple(x.shape)
            raise ObjectiveError(f"the shape {found} has more than {rank} axes: particles, plates")
        x = x.reshape((1,) * (rank - x.ndim) + tuple(x.shape))
        if self.row is None or not local:
            return x.reshape(x.shape[0], 1, prod(x.shape[1:]))
        x = x.movedim(self.depth + 1 + self.row, 1)
        return x.reshape(x.shape[0], x.shape[1], prod(x.shape[2:]))

    def collapse(self, x: Tensor, event: int, *, local: bool) -> Tensor:
        """The sum of `x` over all but particles and rows: (particles or 1, rows or 1)."""
        return self.entries(x, event, local=local).sum(-1)

    def spread(self, x: Tensor, event: int, *, local: bool) -> Tensor:
        """(particles, rows) as a shape that broadcasts against values with `event` event axes."""
        shape = [x.shape[0]] + [1] * (self.depth + event)
        if local and self.row is not None:
            shape[self.depth + 1 + self.row] = x.shape[1]
        return x.reshape(shape)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A random variable at the draws of one batch.

    Attributes:
        name: its name in the model.
        observed: whether it is in the data (a further factor of the density counts as observed).
        value: its value, the very tensor that the density was computed from.
        log_p: the model's log density, (particles or 1, rows): summed over all else.
        log_q: the guide's, of the same kind of shape; None where observed.
        p: the model's distribution of it; None for a further factor.
        q: the guide's; None where observed.
        local: whether it is in the plate of the rows. One that is not has 1 row.
        p_parents: the latents on which `p` depends, itself if through a lag.
        q_parents: the latents on which `q` depends.
        pathwise: whether gradients go through the value; None: whether `q` has `rsample`.
        past: whether `p` and `q` at later steps of a sequence are given the draws at earlier ones.
        summed: whether all values of it were tried and densities are expectations over these:
            "guide", under the guide; "model", under its law given all else, which has no guide and
            leaves `log_p` as the expectation of log p less that of the logarithm of that law.
        over: the mean over the values of summed latents of something of the guide's law of this
            one that has them on further dimensions, in front of all others; `event` axes come
            last. None where there are none.
    """

    name: str
    observed: bool
    value: Tensor
    log_p: Tensor
    log_q: Tensor | None = None
    p: Distribution | None = None
    q: Distribution | None = None
    local: bool = True
    p_parents: frozenset[str] = frozenset()
    q_parents: frozenset[str] = frozenset()
    pathwise: bool | None = None
    past: bool = False
    summed: Literal["", "guide", "model"] = ""
    over: Callable[[Tensor, int], Tensor] | None = None

    def mean(self, x: Tensor, event: int) -> Tensor:
        """`x`, with `event` event axes, without the values of summed latents: see `over`."""
        return x if self.over is None else self.over(x, event)

    @property
    def reparameterised(self) -> bool:
        """Whether gradients go through the value."""
        if self.pathwise is not None:
            return self.pathwise
        return self.q is not None and bool(self.q.has_rsample)

    @property
    def latent(self) -> tuple[Distribution, Tensor]:
        """The guide's distribution and log density.

        Raises:
            ObjectiveError: it has none.
        """
        if self.q is None or self.log_q is None:
            raise ObjectiveError(f"{self.name} has no guide")
        return self.q, self.log_q


class Gate:
    """Lets values through, and weighs the gradients that come back by the importance of a draw.

    The doubly reparameterised gradient needs it where the guide of one latent depends on another:
    the guide goes on with the value itself, and the model is run with `gate(value)`.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.weights: Tensor | None = None

    def __call__(self, value: Tensor, event: int, *, local: bool) -> Tensor:
        """The same value, with `event` event axes."""
        passed = value.view_as(value)
        self.watch(passed, event, local=local)
        return passed

    def watch(self, value: Tensor, event: int, *, local: bool) -> None:
        """Weigh the gradients that arrive at `value` itself."""

        def weigh(gradient: Tensor) -> Tensor:
            if self.weights is None:
                return gradient
            return gradient * self.layout.spread(self.weights, event, local=local)

        if value.requires_grad:
            value.register_hook(weigh)


@dataclass(frozen=True, slots=True, eq=False)
class Sites:
    """All random variables at the draws of one batch.

    Attributes:
        sites: observed variables and latents.
        particles: the number of draws for each row.
        rows: the number of rows in the batch.
        total: the number of rows in the data.
        layout: how `p`, `q` and `value` are laid out.
        probabilities: (particles, rows) where particles are not draws but all the values of
            discrete latents: how probable the guide takes each to be. None: 1 / particles.
        scores: gives, for each latent, the guide's log density at the same values cut from the
            graph, so that its gradient is the score. Needed where the guide of one latent depends
            on another one.
        gate: what the values went through on their way to the model, if anything.
    """

    sites: Mapping[str, Site]
    particles: int
    rows: int
    total: int
    layout: Layout = field(default_factory=Layout)
    probabilities: Tensor | None = None
    scores: Callable[[], Mapping[str, Tensor]] | None = None
    gate: Gate | None = None

    def __post_init__(self) -> None:
        """Check shapes.

        Raises:
            ObjectiveError: a log density has another shape than (particles, rows).
        """
        if not (self.particles >= 1 and 1 <= self.rows <= self.total):
            wrong = f"{self.particles} particles, {self.rows} rows of {self.total}"
            raise ObjectiveError(f"there cannot be {wrong}")
        for site in self:
            rows = self.rows if site.local else 1
            for density in (site.log_p, site.log_q):
                if density is None:
                    continue
                found = tuple(density.shape)
                if found not in ((self.particles, rows), (1, rows)):
                    expected = (self.particles, rows)
                    message = f"the log density of {site.name} has shape {found}, not {expected}"
                    raise ObjectiveError(message)
            if site.summed != "model" and not site.observed and None in (site.log_q, site.q):
                raise ObjectiveError(f"{site.name} is a latent without a guide")

    def __iter__(self) -> Iterator[Site]:
        """The sites, in the order they are given in."""
        return iter(self.sites.values())

    def __getitem__(self, name: str) -> Site:
        """The site called `name`."""
        return self.sites[name]

    @property
    def latents(self) -> tuple[Site, ...]:
        """The sites that have a guide."""
        return tuple(s for s in self if not s.observed and s.summed != "model")

    @property
    def marginalised(self) -> tuple[Site, ...]:
        """Latents that are summed out of the model."""
        return tuple(site for site in self if site.summed == "model")

    @property
    def observed(self) -> tuple[Site, ...]:
        """The sites that are in the data."""
        return tuple(site for site in self if site.observed)

    @property
    def points(self) -> tuple[str, ...]:
        """Continuous latents whose guide is a point: with these no objective is a bound."""
        return tuple(s.name for s in self._fixed if s.value.is_floating_point())

    @property
    def choices(self) -> tuple[str, ...]:
        """Discrete latents whose guide is one value, which leaves a bound a bound."""
        return tuple(s.name for s in self._fixed if not s.value.is_floating_point())

    @property
    def _fixed(self) -> list[Site]:
        return [site for site in self.latents if isinstance(_inner(site.q), Delta)]

    def later(self, name: str) -> frozenset[str]:
        """The latents whose guides depend on `name`, directly or not."""
        found: set[str] = set()
        while True:
            more = {
                s.name
                for s in self.latents
                if s.name not in found and s.q_parents & ({name} | found)
            }
            if not more:
                return frozenset(found)
            found |= more

    def mean(self, x: Tensor) -> Tensor:
        """The mean over particles of (particles or 1, rows or 1, ...): (rows or 1, ...)."""
        if self.probabilities is None:
            return x.mean(0)
        shape = (*self.probabilities.shape, *(1 for _ in x.shape[2:]))
        return (x * self.probabilities.reshape(shape)).sum(0)

    def per_row(self, x: Tensor, *, local: bool) -> Tensor:
        """The mean of `x` over particles, for a row of the data: a number.

        Terms outside the plate of the rows count once for all the data.
        """
        if local:
            return self.mean(x).mean()
        if self.probabilities is not None and self.rows > 1 and x.shape[0] > 1:
            raise ObjectiveError("values of latents are tried for each row by itself")
        return self.mean(x).mean() / self.total

    def independent_rows(self, what: str) -> None:
        """Ensure that nothing outside the plate of the rows depends on latents within it.

        Raises:
            ObjectiveError: something does; `what` needs rows that are independent.
        """
        local = {site.name for site in self.latents if site.local}
        for site in self:
            tied = sorted(local & (site.p_parents | site.q_parents))
            if tied and not site.local:
                raise ObjectiveError(
                    f"{what} takes rows one by one, but {site.name} depends on all of {tied[0]}"
                )

    def detached(self) -> Sites:
        """The same with densities and values that are cut from the graph."""
        sites = {
            site.name: replace(
                site,
                value=site.value.detach(),
                log_p=site.log_p.detach(),
                log_q=None if site.log_q is None else site.log_q.detach(),
            )
            for site in self
        }
        return replace(self, sites=sites)

    def batch_shape(self, site: Site) -> tuple[int, ...]:
        """The shape of the plates of a latent, in front of them 1 for the particles."""
        q, _ = site.latent
        shape = tuple(site.value.shape[: site.value.ndim - len(q.event_shape)])
        shape = shape[max(0, len(shape) - self.layout.depth - 1) :]  # values of summed latents
        padded = (1,) * (self.layout.depth + 1 - len(shape)) + shape
        return (1, *padded[1:])


def _inner(d: Distribution | None) -> Distribution | None:
    """A distribution without the axes that it declares to be one event."""
    while isinstance(d, Independent):
        d = d.base_dist
    return d
