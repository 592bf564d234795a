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
from pyro.infer import config_enumerate
from pyro.poutine.messenger import Messenger
from pyro.poutine.trace_struct import Trace
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from gendsl.runtime.elimination import Evaluator
from gendsl.runtime.forward import every_path
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
    """

    def __init__(
        self,
        executable: Executable,
        noncentred: tuple[str, ...] = (),
        moving: FollowSupport | None = None,
    ) -> None:
        """Trace the program once, to learn its sites."""
        self.executable = executable
        self.noncentred = noncentred
        self.moving = {} if moving is None else dict.fromkeys(followers(executable.model), moving)
        self.function = self._function(frozenset())
        function = self.function
        with WithParams({}) as params, pyro.validation_enabled(is_validate=False):
            prototype = poutine.trace(function).get_trace()  # a claim may fail at a prior draw
        self.params = {n: start for n, (start, _) in params.seen.items()}
        self.unknowns = _unknowns(prototype, params)
        self._evaluator: Evaluator | None = None
        if any(_is_enumerated(site) for site in prototype.nodes.values()):
            self._sum_out()

    def _function(self, given: frozenset[str]) -> Callable[[], None]:
        """The program, with hidden Markov chains that are not `given` summed out."""
        function: Callable[[], None] = self.executable.run
        if any(c.name not in given for c in self.executable.program.chains):
            run = function

            def function() -> None:
                with every_path(self.executable, given):
                    run()

        return noncentred(following(function, self.moving), self.noncentred)

    def _sum_out(self) -> None:
        """Switch to summing discrete sites out, by Pyro's tensor variable elimination."""
        nesting = self.executable.nesting
        first = -1 - nesting - 2 * len(self.executable.program.chains)
        function = poutine.enum(config_enumerate(self.function), first_available_dim=first)
        with WithParams({}), pyro.validation_enabled(is_validate=False):
            trace = _without_empty(poutine.trace(function).get_trace())
        if not any(_is_enumerated(site) for site in trace.nodes.values()):
            return  # all that would be summed out stands in empty plates, and adds 0
        self.function = function
        self._evaluator = Evaluator(trace, nesting)

    @property
    def sums(self) -> bool:
        """Whether it sums anything out."""
        return self._evaluator is not None

    @property
    def size(self) -> int:
        """The number of unconstrained coordinates."""
        return sum(u.size for u in self.unknowns)

    def trace(self, values: Mapping[str, Tensor]) -> Trace:
        """The trace of the program at `values` of latents and params."""
        params = {u.name: values[u.name] for u in self.unknowns if u.param and u.name in values}
        latents = {n: v for n, v in values.items() if n not in params}
        function = self.function
        given = frozenset(c.name for c in self.executable.program.chains if c.name in latents)
        if given:
            function = self._function(given)
        with WithParams(params):
            return poutine.trace(poutine.condition(function, data=latents)).get_trace()

    def log_prob(self, values: Mapping[str, Tensor]) -> Tensor:
        """The log density at `values` on their own scale, without any Jacobian; a scalar."""
        trace = self.trace(values)
        if self._evaluator is None:
            return torch.as_tensor(trace.log_prob_sum())
        log_prob: Tensor = self._evaluator.log_prob(_without_empty(trace))
        return log_prob

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

    def potential(self, unconstrained: Mapping[str, Tensor]) -> Tensor:
        """Minus the log density of the unconstrained coordinates, Jacobian included."""
        total = torch.zeros(())
        values: dict[str, Tensor] = {}
        for u in self.unknowns:
            point = unconstrained[u.name]
            total = total + 0.0 * point.sum()  # a flat unknown still has a gradient
            values[u.name] = u.transform(point)
            if not u.param:
                jacobian = u.transform.log_abs_det_jacobian(point, values[u.name])
                total = total + jacobian.sum()
        return -(self.log_prob(values) + total)


def _without_empty(trace: Trace) -> Trace:
    """The trace without what stands in empty plates, which Pyro cannot contract."""
    sites: list[tuple[str, Any]] = list(trace.nodes.items())
    for name, site in sites:
        if site["type"] == "sample" and 0 in getattr(site["fn"], "batch_shape", ()):
            trace.remove_node(name)
    trace.compute_log_prob()
    for name, site in list(trace.nodes.items()):
        entries: Any = site.get("log_prob")
        if isinstance(entries, Tensor) and entries.numel() == 0:
            trace.remove_node(name)
    return trace


def is_latent(site: Any) -> bool:  # noqa: ANN401  a message of Pyro's
    """Whether a site of a trace draws a latent."""
    return site["type"] == "sample" and not site["is_observed"] and not site_is_subsample(site)


def _is_enumerated(site: Any) -> bool:  # noqa: ANN401
    return is_latent(site) and site["fn"].has_enumerate_support


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
    return Unknown(name, shape, transform, transform.inverse_shape(shape), param)
