"""What is learned as points: params, on the scale without bounds, and networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from pyro.distributions.transforms import biject_to
from torch import Tensor, nn
from torch.distributions import constraints

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.runtime.flows.written import flow_of
from gendsl.runtime.nets import NetError, Port, build
from gendsl.runtime.variational.causal_nets import verify_causal
from gendsl.runtime.variational.probing import supplied_nets
from gendsl.source import Source

__all__ = ["Learned", "built_nets"]


def built_nets(
    nets: tuple[ir.Net, ...],
    sizes: Mapping[str, int],
    source: Source,
    given: Mapping[str, object] | None = None,
) -> dict[str, nn.Module]:
    """A module with new weights for each net; of those without architecture one that is `given`.

    Raises:
        DataError: GD222, a signature with these sizes does not suit its architecture; GD866 or
            GD867, the modules that are given are not those that the model needs; GD890, one that
            is declared causal is not.
    """
    modules = supplied_nets(nets, given or {}, sizes, source)
    found: dict[str, nn.Module] = {}
    for net in nets:
        if net.flow is not None:
            found[net.name] = _built_flow(net, sizes, source)
            continue
        if net.architecture is None:
            found[net.name] = modules[net.name]
            continue
        inputs = [Port.of(t, sizes, optional=i in net.optional) for i, t in enumerate(net.inputs)]
        outputs = {n: Port.of(t, sizes) for n, t in net.outputs}
        try:
            options = dict(net.options)
            found[net.name] = build(net.architecture, options, inputs, outputs, causal=net.causal)
        except NetError as error:
            message = f"with the sizes of these data `{net.name}` cannot be built: {error}"
            raise DataError([Diagnostic("GD222", message, net.span)], source) from None
    wrong = verify_causal(nets, found, sizes)
    if wrong:
        raise DataError(wrong, source)
    return found


def _built_flow(net: ir.Net, sizes: Mapping[str, int], source: Source) -> nn.Module:
    try:
        return flow_of(net, sizes)
    except NetError as error:
        message = f"with the sizes of these data `{net.name}` cannot be built: {error}"
        raise DataError([Diagnostic("GD222", message, net.span)], source) from None


class Learned:
    """Params and networks, whose entries a training changes in place.

    Attributes:
        nets: the networks, by name.
        free: the coordinates of params, by name: leaves that require a gradient.
        state: what a training leaves beside them, such as Markov chains, by name.
    """

    def __init__(self, nets: Mapping[str, nn.Module]) -> None:
        """Begin with networks; params are added when a program first asks for them."""
        self.nets = dict(nets)
        self.free: dict[str, Tensor] = {}
        self.state: dict[str, Tensor] = {}
        self._maps: dict[str, Callable[[Tensor], Tensor]] = {}

    def param(
        self,
        name: str,
        initial: Callable[[], Tensor] | Tensor | None = None,
        constraint: constraints.Constraint = constraints.real,
    ) -> Tensor:
        """The value of a param; it begins at `initial`."""
        if name not in self._maps:
            transform = biject_to(constraint)
            if name not in self.free:
                start = initial() if callable(initial) else initial
                assert start is not None
                self.free[name] = transform.inv(start).detach().clone().requires_grad_()
            self._maps[name] = transform
        value: Tensor = self._maps[name](self.free[name])
        return value

    def assign(self, name: str, value: Tensor) -> None:
        """Give a param another value, on its own scale."""
        with torch.no_grad():
            transform, free = self._maps[name], self.free[name]
            shaped = value.to(free).reshape(transform(free).shape)
            free.copy_(transform.inv(shaped))  # type: ignore[attr-defined]

    def values(self, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Values of params, on their own scale."""
        with torch.no_grad():
            return {
                n: self._maps[n](self.free[n]).cpu().numpy().copy()
                for n in names
                if n in self._maps
            }

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything as arrays: ``param/<name>``, ``net/<name>/<entry>``, ``state/<name>``."""
        found = {f"param/{n}": t.detach().cpu().numpy().copy() for n, t in self.free.items()}
        for name, net in self.nets.items():
            for entry, tensor in net.state_dict().items():
                found[f"net/{name}/{entry}"] = tensor.detach().cpu().numpy().copy()
        for name, tensor in self.state.items():
            found[f"state/{name}"] = tensor.detach().cpu().numpy().copy()
        return found

    def load(self, arrays: Mapping[str, np.ndarray], params: frozenset[str]) -> None:
        """Take back what `arrays` gave.

        Args:
            arrays: as `arrays` gave them.
            params: the names of all params.

        Raises:
            KeyError: something is absent or unknown.
            RuntimeError: a network has entries of other shapes.
            TypeError: something is not made of numbers.
        """
        states: dict[str, dict[str, Tensor]] = {n: {} for n in self.nets}
        if params != {n.removeprefix("param/") for n in arrays if n.startswith("param/")}:
            raise KeyError("param")
        for key, array in arrays.items():
            kind, _, rest = key.partition("/")
            if kind == "param":
                self.free[rest] = torch.as_tensor(np.array(array)).requires_grad_()
                self._maps.pop(rest, None)
            elif kind == "state":
                self.state[rest] = torch.as_tensor(np.array(array))
            else:
                name, _, entry = rest.partition("/")
                states[name][entry] = torch.as_tensor(np.array(array))
        for name, state in states.items():
            self.nets[name].load_state_dict(state)
