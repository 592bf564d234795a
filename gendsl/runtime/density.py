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
from pyro.infer.mcmc.util import TraceEinsumEvaluator
from pyro.infer.reparam import LocScaleReparam
from pyro.infer.reparam.reparam import Reparam
from pyro.poutine.messenger import Messenger
from pyro.poutine.trace_struct import Trace
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from gendsl.runtime.program import Executable

__all__ = ["Density", "Unknown", "WithParams"]


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
    """

    def __init__(self, executable: Executable, noncentred: tuple[str, ...] = ()) -> None:
        """Trace the program once, to learn its sites."""
        function: Callable[[], None] = executable.run
        if noncentred:
            config: dict[str, Reparam] = {n: LocScaleReparam(centered=0.0) for n in noncentred}
            function = poutine.reparam(function, config=config)
        self.function = function
        self.executable = executable
        with WithParams({}) as params, pyro.validation_enabled(is_validate=False):
            prototype = poutine.trace(function).get_trace()  # a claim may fail at a prior draw
        self.params = {n: start for n, (start, _) in params.seen.items()}
        self.unknowns = _unknowns(prototype, params)
        self._evaluator: TraceEinsumEvaluator | None = None
        if any(_is_enumerated(site) for site in prototype.nodes.values()):
            self._sum_out()

    def _sum_out(self) -> None:
        """Switch to summing discrete sites out, by Pyro's tensor variable elimination."""
        nesting = self.executable.nesting
        function = poutine.enum(config_enumerate(self.function), first_available_dim=-1 - nesting)
        with WithParams({}), pyro.validation_enabled(is_validate=False):
            trace = _without_empty(poutine.trace(function).get_trace())
        if not any(_is_enumerated(site) for site in trace.nodes.values()):
            return  # all that would be summed out stands in empty plates, and adds 0
        self.function = function
        self._evaluator = TraceEinsumEvaluator(
            trace, has_enumerable_sites=True, max_plate_nesting=nesting
        )

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
        with WithParams(params):
            return poutine.trace(poutine.condition(self.function, data=latents)).get_trace()

    def log_prob(self, values: Mapping[str, Tensor]) -> Tensor:
        """The log density at `values` on their own scale, without any Jacobian; a scalar."""
        trace = self.trace(values)
        if self._evaluator is None:
            return torch.as_tensor(trace.log_prob_sum())
        log_prob: Tensor = self._evaluator.log_prob(_without_empty(trace))
        return log_prob

    def constrain(self, unconstrained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values on their own scale."""
        return {u.name: u.transform(unconstrained[u.name]) for u in self.unknowns}

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


def _is_latent(site: Any) -> bool:  # noqa: ANN401  a message of Pyro's
    return site["type"] == "sample" and not site["is_observed"] and not site_is_subsample(site)


def _is_enumerated(site: Any) -> bool:  # noqa: ANN401
    return _is_latent(site) and site["fn"].has_enumerate_support


def _unknowns(trace: Trace, params: WithParams) -> tuple[Unknown, ...]:
    seen = params.seen.items()
    found = [_unknown(n, start.shape, limits, param=True) for n, (start, limits) in seen]
    for name, site in trace.nodes.items():
        message: Any = site
        if _is_latent(message) and not _is_enumerated(message):
            shape = message["value"].shape
            found.append(_unknown(name, shape, message["fn"].support, param=False))
    return tuple(found)


def _unknown(
    name: str, shape: torch.Size, support: constraints.Constraint, *, param: bool
) -> Unknown:
    transform = biject_to(support)
    return Unknown(name, shape, transform, transform.inverse_shape(shape), param)
