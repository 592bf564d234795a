"""Flows on the data of a fit: where they begin, and whether they are what they claim to be."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from torch import Tensor, nn

from gendsl.runtime.flows.bijection import Bijection, Context
from gendsl.runtime.flows.flow import Flow, observed

__all__ = ["Violation", "begin", "begin_flows", "flows_of", "violations"]

ROWS = 32
"""Rows at which a layer is looked at."""

WHOLE = 4
"""Rows at which a whole Jacobian is, of at most so many entries as follow."""

MOST_ENTRIES = 64


@dataclass(frozen=True)
class Violation:
    """A layer that is no bijection on the data, or gives another log-determinant than its own.

    Attributes:
        flow: the name of the flow.
        layer: the number of the layer from the base on, from 1.
        kind: of layer.
        what: a clause about it.
    """

    flow: str
    layer: int
    kind: str
    what: str

    def __str__(self) -> str:
        """For messages."""
        return f"layer {self.layer} of `{self.flow}` ({self.kind}) {self.what}"


def flows_of(nets: Mapping[str, nn.Module]) -> dict[str, Flow]:
    """The flows among modules, by name."""
    return {n: m for n, m in nets.items() if isinstance(m, Flow)}


def begin_flows(flows: Sequence[Flow], run: Callable[[], object]) -> None:
    """Let layers take their first values from the data that pass them in a run."""

    def initialise(flow: Flow, number: int, x: Tensor, context: Context) -> None:
        layer = flow.layers[number]
        assert isinstance(layer, Bijection)
        layer.initialise(x)

    with torch.no_grad(), observed(flows, initialise):
        run()


def begin(model: Callable[..., object], data: Mapping[str, Any], nets: str) -> None:
    """The same for an emitted program that is run by itself.

    Args:
        model: its function.
        data: its arguments.
        nets: the argument that holds the networks.
    """
    flows = list(flows_of(data[nets]).values())

    def run() -> None:
        pyro.poutine.trace(model).get_trace(**data).compute_log_prob()

    begin_flows(flows, run)


def violations(flows: Mapping[str, Flow], run: Callable[[], object]) -> list[Violation]:
    """The layers that fail on the data that pass them in a run, in double precision."""
    found: list[Violation] = []
    names = {id(flow): name for name, flow in flows.items()}

    def look(flow: Flow, number: int, x: Tensor, context: Context) -> None:
        what = _wrong(flow.layers[number], x, context)
        if what:
            found.append(Violation(names[id(flow)], number + 1, _kind(flow.layers[number]), what))

    with torch.no_grad(), observed(list(flows.values()), look):
        run()
    return found


def _kind(layer: nn.Module) -> str:
    """What a layer is, in whatever else it stands."""
    for name in ("turned", "inner", "each"):
        within = getattr(layer, name, None)
        if isinstance(within, Bijection):
            return _kind(within)
    return type(layer).__name__.lower()


def _wrong(module: nn.Module, x: Tensor, context: Context) -> str:
    """What is wrong with a layer at some rows, in words; empty if nothing is."""
    layer: Any = copy.deepcopy(module).double()
    count = min(ROWS, len(x))
    x = x[:count].double()
    given = None if context is None else context[:count].double()
    u, log = layer.inverse(x, given)
    if not (torch.isfinite(u).all() and torch.isfinite(log).all()):
        return "gives numbers that are not finite"
    again, back = layer(u, given)
    error = float(((again - x).abs() / (1.0 + x.abs())).nan_to_num(torch.inf).max())
    if error > layer.tolerance:
        return f"is not undone by its inverse: it comes back off by {error:.2g}"
    if float((log + back).abs().nan_to_num(torch.inf).max()) > 10.0 * layer.tolerance * x.shape[1]:
        return "has different log-determinants in its two directions"
    if x.shape[1] > MOST_ENTRIES:
        return ""
    rows = min(WHOLE, count)
    part = None if given is None else given[:rows]
    with torch.enable_grad():
        whole = torch.autograd.functional.jacobian(
            lambda v: layer.inverse(v, part)[0].sum(0), x[:rows]
        )
    wanted = torch.linalg.slogdet(whole.movedim(1, 0))[1]
    off = float((wanted - log[:rows]).abs().nan_to_num(torch.inf).max())
    if off > 10.0 * layer.tolerance * x.shape[1]:
        return f"gives a log-determinant that is off by {off:.2g}"
    return ""
