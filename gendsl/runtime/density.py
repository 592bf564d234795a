"""The log density of a program, of values on their own scale or on the unconstrained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.distributions import constraints
from pyro.distributions.transforms import biject_to
from pyro.poutine.messenger import Messenger
from pyro.poutine.trace_struct import Trace
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from gendsl.inference.plan import Marginal
from gendsl.runtime.elimination import log_sum
from gendsl.runtime.enumerated import EveryValue, countable, every_value
from gendsl.runtime.moving import FollowSupport, following, free_site
from gendsl.runtime.noncentred import noncentred
from gendsl.runtime.program import Executable
from gendsl.semantics.moving import followers

__all__ = ["Density", "Unknown", "WithParams", "is_latent"]


class WithParams(Messenger):
    """Gives `pyro.param` sites their values, so that no global store is touched."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        """Take values by site name; a param that is not among them gets its initial value."""
        super().__init__()
        self.values = values
        self.seen: dict[str, tuple[Tensor, constraints.Constraint]] = {}

    def _pyro_param(self, msg: dict[str, Any]) -> None:
        name, initial, *_ = msg["args"]
        start = initial() if callable(initial) else initial
        limits = msg["kwargs"].get("constraint", constraints.real)
        self.seen[name] = (start, limits)
        msg["value"] = self.values.get(name, start)
        msg["done"] = True
        msg["stop"] = True


@dataclass(frozen=True)
class Unknown:
    """An unknown of a density: a continuous latent site or a param.

    Attributes:
        name: the site.
        shape: of its value.
        transform: from unconstrained values to its support.
        unconstrained_shape: of what the transform takes.
        param: learned as a point.
    """

    name: str
    shape: torch.Size
    transform: Any
    unconstrained_shape: torch.Size
    param: bool

    @property
    def size(self) -> int:
        """The number of unconstrained coordinates."""
        return self.unconstrained_shape.numel()


class Density:
    """log p(latents, observed | inputs, params), finite discrete latents summed out.

    Args:
        executable: the program and its data.
        noncentred: latents to write as location plus scale times a standard variable; their
            sites are then called ``<name>_decentered``.
        moving: how to write latents whose support depends on other unknowns; None leaves them
            on their own scale, where the bijection of one run is not that of another.
        marginals: latents that are integrated out.
        centredness: of those of `noncentred` that are centred in part, from 0 to 1.

    Attributes:
        unknowns: what the density is a function of, once those are gone.
        integrated: they, in the order of `marginals`.
        sums: whether it sums anything out.
    """

    def __init__(
        self,
        executable: Executable,
        noncentred: tuple[str, ...] = (),
        moving: FollowSupport | None = None,
        marginals: tuple[Marginal, ...] = (),
        centredness: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Trace the program once, to learn its sites."""
        self.executable = executable
        self.noncentred, self.centredness = noncentred, dict(centredness or {})
        self.moving = {} if moving is None else dict.fromkeys(followers(executable.model), moving)
        function, every = self._function(frozenset(), chains_alone=True)
        with WithParams({}) as params, pyro.validation_enabled(is_validate=False):
            prototype = poutine.trace(function).get_trace()  # a claim may fail at a prior draw
        sites = prototype.nodes.values()
        self.sums = bool(every.listed) or any(map(_is_enumerated, sites))
        self.params = {n: start for n, (start, _) in params.seen.items()}
        found = {u.name: u for u in _unknowns(prototype, params)}
        self.marginals = marginals
        gone = [n for m in marginals for n in m.variables]
        self.integrated = tuple(
            found.pop(f"{n}_decentered" if n in noncentred else n) for n in gone
        )
        self.unknowns = tuple(found.values())

    def _function(
        self, given: frozenset[str], *, chains_alone: bool = False
    ) -> tuple[Callable[[], None], EveryValue]:
        """The program, and what gives it every value of its discrete latents.

        Args:
            given: those that have theirs.
            chains_alone: whether those that are no chains are drawn instead.
        """
        every = every_value(self.executable, given, chains_alone=chains_alone)

        def listing() -> None:
            with every:
                self.executable.run()

        function = following(listing, self.moving)
        return noncentred(function, self.noncentred, self.centredness), every

    @property
    def size(self) -> int:
        """The number of unconstrained coordinates."""
        return sum(u.size for u in self.unknowns)

    def trace(self, values: Mapping[str, Tensor]) -> Trace:
        """The trace of the program at `values` of latents and params."""
        return self._traced(*self._split(values))[0]

    def _traced(
        self, params: Mapping[str, Tensor], latents: Mapping[str, Tensor]
    ) -> tuple[Trace, EveryValue]:
        function, every = self._function(frozenset(latents))
        conditioned = poutine.condition(function, data=dict(latents))
        with WithParams(params):
            return poutine.trace(conditioned).get_trace(), every

    def _split(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Params, and latents."""
        params = {u.name: values[u.name] for u in self.unknowns if u.param and u.name in values}
        return params, {n: v for n, v in values.items() if n not in params}

    def log_prob(self, values: Mapping[str, Tensor]) -> Tensor:
        """The log density at `values` on their own scale, without any Jacobian; a scalar.

        Raises:
            DataError: GD834, where a table of discrete latents would be too large.
        """
        return log_sum(*self._traced(*self._split(values)))

    def constrain(self, unconstrained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of the sites on their own scale."""
        return {u.name: u.transform(unconstrained[u.name]) for u in self.unknowns}

    def natural(self, unconstrained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same with the values of latents that move in place of their coordinates."""
        values = self.constrain(unconstrained)
        moved = [n for n in self.moving if free_site(n) in values]
        if moved:
            nodes: Mapping[str, Any] = self.trace(values).nodes
            for name in moved:
                del values[free_site(name)]
                values[name] = nodes[name]["value"]
        return values

    def unconstrain(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Unconstrained coordinates of `values`."""
        return {u.name: u.transform.inv(values[u.name]) for u in self.unknowns}

    def joint(self, unconstrained: Mapping[str, Tensor], natural: Mapping[str, Tensor]) -> Tensor:
        """The log density of unconstrained coordinates, Jacobian included, and natural values.

        Args:
            unconstrained: of every one of `unknowns`.
            natural: values on their own scale of every one that is `integrated` out.
        """
        total = torch.zeros(())
        values = dict(natural)
        for u in self.unknowns:
            point = unconstrained[u.name]
            total = total + 0.0 * point.sum()  # a flat unknown still has a gradient
            values[u.name] = u.transform(point)
            if not u.param:
                jacobian = u.transform.log_abs_det_jacobian(point, values[u.name])
                total = total + jacobian.sum()
        return self.log_prob(values) + total

    def potential(self, unconstrained: Mapping[str, Tensor]) -> Tensor:
        """Minus the log density of unconstrained coordinates, where nothing else is unknown."""
        return -self.joint(unconstrained, {})


def is_latent(site: Any) -> bool:  # noqa: ANN401  a message of Pyro's
    """Whether a site of a trace draws a latent."""
    return site["type"] == "sample" and not site["is_observed"] and not site_is_subsample(site)


def _is_enumerated(site: Any) -> bool:  # noqa: ANN401
    return is_latent(site) and countable(site["fn"])


def _unknowns(trace: Trace, params: WithParams) -> tuple[Unknown, ...]:
    seen = params.seen.items()
    found = [_unknown(n, start.shape, limits, param=True) for n, (start, limits) in seen]
    for name, site in trace.nodes.items():
        message: Any = site
        if is_latent(message) and not _is_enumerated(message):
            shape = message["value"].shape
            found.append(_unknown(name, shape, message["fn"].support, param=False))
    return tuple(found)


def _unknown(
    name: str, shape: torch.Size, support: constraints.Constraint, *, param: bool
) -> Unknown:
    transform = biject_to(support)
    entrywise = transform.domain.event_dim == transform.codomain.event_dim == 0
    free = shape if entrywise else transform.inverse_shape(shape)
    return Unknown(name, shape, transform, free, param)
