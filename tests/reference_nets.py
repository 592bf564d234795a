"""Networks and flows with weights fixed by their name: one formula in numpy, and again in torch.

What the emitted program calls is the torch form, with any batch axes in front; the reference
calls the numpy form, one member of the plates at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints

from gendsl.ir import nodes as ir
from gendsl.types import POSITIVE, REAL, UNIT, Structured

__all__ = ["FixedFlow", "FixedNet", "fixed_nets", "flow_to_base", "net_values"]

WIDTH = 5


def _shape(type_: ir.ValueType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(s.evaluate(sizes) for s in type_.event)


def _count(type_: ir.ValueType, sizes: Mapping[str, int]) -> int:
    return int(np.prod(_shape(type_, sizes)))


def _weights(net: ir.Net, sizes: Mapping[str, int]) -> list[np.ndarray]:
    """A matrix to the hidden units, and one from them for each value."""
    rng = np.random.default_rng(crc32(net.name.encode()))
    into = rng.normal(size=(WIDTH, sum(_count(t, sizes) for t in net.inputs)))
    outputs = [_count(t, sizes) for _, t in net.outputs]
    return [into, *(rng.normal(size=(n, WIDTH)) for n in outputs)]


def _seen(net: ir.Net, sizes: Mapping[str, int]) -> np.ndarray | None:
    """Which entries of all arguments each entry of the first is told of; None where all are."""
    if not net.causal:
        return None
    first, *rest = (_count(t, sizes) for t in net.inputs)
    return np.hstack([np.tri(first, k=-1, dtype=bool), np.ones((first, sum(rest)), bool)])


def net_values(
    net: ir.Net, sizes: Mapping[str, int], args: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """The values of a net for one member: arguments without plates."""
    into, *out_of = _weights(net, sizes)
    flat, seen = np.concatenate([np.ravel(a) for a in args]), _seen(net, sizes)
    told = [flat] if seen is None else [np.where(s, flat, 0.0) for s in seen]
    hidden = [np.tanh(into @ x) for x in told]
    found: dict[str, np.ndarray] = {}
    for (name, type_), matrix in zip(net.outputs, out_of, strict=True):
        parts = np.split(matrix, len(hidden))  # what each entry of the first argument decides
        raw = np.concatenate([m @ h for m, h in zip(parts, hidden, strict=True)])
        raw = raw.reshape(_shape(type_, sizes))
        match type_.support:
            case support if support == REAL:
                found[name] = raw
            case support if support == POSITIVE:
                found[name] = np.log1p(np.exp(raw))
            case support if support == UNIT:
                found[name] = 1 / (1 + np.exp(-raw))
            case Structured(kind="simplex"):
                found[name] = np.exp(raw) / np.exp(raw).sum(-1, keepdims=True)
            case support:
                raise NotImplementedError(support)
    return found


class FixedNet(nn.Module):
    """The same, of tensors with batch axes that broadcast against each other."""

    def __init__(self, net: ir.Net, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.net, self.sizes = net, dict(sizes)
        self.matrices = [torch.as_tensor(m) for m in _weights(net, sizes)]

    def forward(self, *args: Tensor) -> Tensor | dict[str, Tensor]:
        ranks = [len(t.event) for t in self.net.inputs]
        batches = [a.shape[: a.dim() - r] for a, r in zip(args, ranks, strict=True)]
        batch = torch.broadcast_shapes(*batches)
        flat = []
        for arg, rank in zip(args, ranks, strict=True):
            event = arg.shape[arg.dim() - rank :]
            wide = arg.to(torch.float64).expand(batch + event)
            flat.append(wide.reshape(*batch, event.numel()))
        into, *out_of = self.matrices
        told, seen = torch.cat(flat, -1)[..., None, :], _seen(self.net, self.sizes)
        if seen is not None:
            told = torch.where(torch.as_tensor(seen), told, 0.0)
        hidden = torch.tanh(told @ into.T)[..., None]
        found: dict[str, Tensor] = {}
        for (name, type_), matrix in zip(self.net.outputs, out_of, strict=True):
            parts = matrix.reshape(hidden.shape[-3], -1, WIDTH)
            raw = (parts @ hidden).reshape(*batch, *_shape(type_, self.sizes))
            if type_.support == POSITIVE:
                raw = torch.nn.functional.softplus(raw)
            elif type_.support == UNIT:
                raw = torch.sigmoid(raw)
            elif type_.support != REAL:
                raw = torch.softmax(raw, -1)
            found[name] = raw
        return found[""] if "" in found else found


# Flows: from x to asinh(T (x - m) / s), where m and s depend on the context and T is a triangle of
# ones on its diagonal. They mix entries, bend, and have a Jacobian at hand.


def _flow_weights(flow: ir.Net, sizes: Mapping[str, int]) -> tuple[np.ndarray, ...]:
    """The triangle, and what makes m and log s of the context and a one."""
    rng = np.random.default_rng(crc32(flow.name.encode()))
    entries = _count(flow.output(""), sizes)
    context = 1 + sum(_count(t, sizes) for t in flow.inputs)
    triangle = np.eye(entries) + np.tril(rng.normal(size=(entries, entries)), -1)
    return triangle, *(0.3 * rng.normal(size=(entries, context)) for _ in range(2))


def flow_to_base(
    flow: ir.Net, sizes: Mapping[str, int], value: np.ndarray, contexts: Sequence[np.ndarray]
) -> tuple[np.ndarray, float]:
    """Of one member the value of the base, and the log of the Jacobian determinant there."""
    triangle, to_loc, to_log_scale = _flow_weights(flow, sizes)
    context = np.concatenate([np.ones(1), *(np.ravel(c) for c in contexts)])
    log_scale = to_log_scale @ context
    mixed = triangle @ ((np.ravel(value) - to_loc @ context) / np.exp(log_scale))
    slope = 1 / np.sqrt(1 + mixed**2)
    return np.arcsinh(mixed).reshape(np.shape(value)), float(np.log(slope).sum() - log_scale.sum())


class FixedFlow(nn.Module):
    """The same as a transform from base to data, given contexts with batch axes."""

    def __init__(self, flow: ir.Net, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.ranks = [len(t.event) for t in flow.inputs]
        self.rank = len(flow.output("").event)
        self.matrices = [torch.as_tensor(m) for m in _flow_weights(flow, sizes)]

    def forward(self, *contexts: Tensor) -> Transform:
        flat = [
            c.flatten(-r) if r else c[..., None] for c, r in zip(contexts, self.ranks, strict=True)
        ]
        batch = torch.broadcast_shapes(*(f.shape[:-1] for f in flat))
        wide = [f.to(torch.float64).expand(*batch, f.shape[-1]) for f in flat]
        context = torch.cat([torch.ones(*batch, 1), *wide], -1)
        triangle, *others = self.matrices
        return _FixedTransform(triangle, *(context @ m.T for m in others), self.rank)


class _FixedTransform(Transform):
    bijective = True

    def __init__(self, triangle: Tensor, loc: Tensor, log_scale: Tensor, rank: int) -> None:
        super().__init__()
        self.triangle, self.loc, self.log_scale, self.rank = triangle, loc, log_scale, rank
        real = constraints.real
        self.domain = self.codomain = constraints.independent(real, rank) if rank else real

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        lead = len(shape) - self.rank
        batch = torch.broadcast_shapes(shape[:lead], self.loc.shape[:-1])
        return torch.Size((*batch, *shape[lead:]))

    inverse_shape = forward_shape

    def _flat(self, value: Tensor) -> Tensor:
        return value.flatten(-self.rank) if self.rank else value[..., None]

    def _call(self, x: Tensor) -> Tensor:
        mixed = torch.sinh(self._flat(x))[..., None]
        apart = torch.linalg.solve_triangular(self.triangle, mixed, upper=False)[..., 0]
        return (self.loc + apart * self.log_scale.exp()).reshape(self.forward_shape(x.shape))

    def _inverse(self, y: Tensor) -> Tensor:
        apart = (self._flat(y) - self.loc) / self.log_scale.exp()
        return torch.asinh(apart @ self.triangle.T).reshape(self.forward_shape(y.shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        del y
        return self._flat(x).cosh().log().sum(-1) + self.log_scale.sum(-1)


def fixed_nets(nets: Sequence[ir.Net], sizes: Mapping[str, int]) -> dict[str, nn.Module]:
    """A module for each net and each flow, by name."""
    return {n.name: (FixedNet if n.flow is None else FixedFlow)(n, sizes) for n in nets}
