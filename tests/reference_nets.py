"""Networks with weights fixed by their name: one formula in numpy, and again in torch.

What the emitted program calls is the torch form, with any batch axes in front; the reference
calls the numpy form, one member of the plates at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

from gendsl.ir import nodes as ir
from gendsl.types import POSITIVE, REAL, UNIT, Structured

__all__ = ["FixedNet", "fixed_nets", "net_values"]

WIDTH = 5


def _shape(type_: ir.ValueType, sizes: Mapping[str, int]) -> tuple[int, ...]:
    return tuple(s.evaluate(sizes) for s in type_.event)


def _weights(net: ir.Net, sizes: Mapping[str, int]) -> list[np.ndarray]:
    """A matrix to the hidden units, and one from them for each value."""
    rng = np.random.default_rng(crc32(net.name.encode()))
    entries = sum(int(np.prod(_shape(t, sizes))) for t in net.inputs)
    into = rng.normal(size=(WIDTH, entries))
    outputs = [int(np.prod(_shape(t, sizes))) for _, t in net.outputs]
    return [into, *(rng.normal(size=(n, WIDTH)) for n in outputs)]


def net_values(
    net: ir.Net, sizes: Mapping[str, int], args: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """The values of a net for one member: arguments without plates."""
    into, *out_of = _weights(net, sizes)
    hidden = np.tanh(into @ np.concatenate([np.ravel(a) for a in args]))
    found: dict[str, np.ndarray] = {}
    for (name, type_), matrix in zip(net.outputs, out_of, strict=True):
        raw = (matrix @ hidden).reshape(_shape(type_, sizes))
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
        hidden = torch.tanh(torch.cat(flat, -1) @ into.T)
        found: dict[str, Tensor] = {}
        for (name, type_), matrix in zip(self.net.outputs, out_of, strict=True):
            raw = (hidden @ matrix.T).reshape(*batch, *_shape(type_, self.sizes))
            if type_.support == POSITIVE:
                raw = torch.nn.functional.softplus(raw)
            elif type_.support == UNIT:
                raw = torch.sigmoid(raw)
            elif type_.support != REAL:
                raw = torch.softmax(raw, -1)
            found[name] = raw
        return found[""] if "" in found else found


def fixed_nets(nets: Sequence[ir.Net], sizes: Mapping[str, int]) -> dict[str, nn.Module]:
    """A module for each net, by name."""
    return {n.name: FixedNet(n, sizes) for n in nets}
