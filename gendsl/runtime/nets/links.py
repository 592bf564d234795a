"""Links: from the real numbers that a network computes to the support of an output."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.architectures import Port
from gendsl.library.architectures.supports import FLOOR
from gendsl.types import REAL, Interval, Structured

__all__ = ["FLOOR", "OUTPUTS", "Link"]

OUTPUTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": torch.relu,
    "softplus": functional.softplus,
}
"""What the option `output` may apply to real outputs."""

_POSITIVE: Mapping[str, Callable[[Tensor], Tensor]] = {
    "softplus": functional.softplus,
    "exp": torch.exp,
}


class Link(nn.Module):
    """The map from raw numbers to values of an output.

    Attributes:
        raw: the event shape of the raw numbers. Axes in front of those that the support ties
            together are the output's own.

    Args:
        port: the output.
        output: applied to real outputs.
        positive: the link of positive ones.
    """

    def __init__(self, port: Port, *, output: str = "none", positive: str = "softplus") -> None:
        super().__init__()
        event = tuple(n for n in port.event if n is not None)
        self.support = port.support
        self.output = output
        self.positive = positive
        self.event = event
        self.size = event[-1] if port.tied else 1
        self.raw = event
        self.kind = self.support.kind if isinstance(self.support, Structured) else ""
        if port.tied == 2:
            unit = "correlation" in self.kind
            self.raw = (*event[:-2], self.size * (self.size - 1 if unit else self.size + 1) // 2)
            self.where: Tensor
            self.empty: Tensor
            where, empty = _triangle(self.size, unit=unit)
            self.register_buffer("where", where, persistent=False)
            self.register_buffer("empty", empty, persistent=False)

    def forward(self, raw: Tensor) -> Tensor:
        """The values, `... + event`, of raw numbers `... + raw`."""
        support = self.support
        if isinstance(support, Interval):
            return self._interval(raw, support.lower, support.upper)
        if isinstance(support, Structured):
            if support.event_dim == 2:
                return self._matrix(raw)
            return self._vector(raw, support)
        raise TypeError(f"no link to {support}")

    def _above(self, raw: Tensor) -> Tensor:
        above: Tensor = _POSITIVE[self.positive](raw) + FLOOR
        return above

    def _interval(self, raw: Tensor, lower: float, upper: float) -> Tensor:
        if self.support == REAL:
            return OUTPUTS[self.output](raw)
        if math.isinf(upper):
            return lower + self._above(raw)
        if math.isinf(lower):
            return upper - self._above(raw)
        return lower + (upper - lower) * (FLOOR + (1 - 2 * FLOOR) * torch.sigmoid(raw))

    def _vector(self, raw: Tensor, support: Structured) -> Tensor:
        match support.kind:
            case "simplex":
                return (1 - FLOOR) * torch.softmax(raw, -1) + FLOOR / self.size
            case "zero_sum":
                return raw - raw.mean(-1, keepdim=True)
            case "unit_vector":
                return raw * torch.rsqrt((raw * raw).sum(-1, keepdim=True) + FLOOR**2)
            case "ordered":
                return _ordered(raw, support.lower, support.upper)
        raise TypeError(f"no link to {support}")

    def _matrix(self, raw: Tensor) -> Tensor:
        n = self.size
        rows = raw.index_select(-1, self.where)
        lower: Tensor = torch.where(self.empty, 0.0, rows).reshape(*raw.shape[:-1], n, n)
        eye = torch.eye(n, dtype=raw.dtype, device=raw.device)
        if "correlation" in self.kind:
            lower = lower + eye
            lower = lower * torch.rsqrt((lower * lower).sum(-1, keepdim=True))
        else:
            lower = torch.where(eye.bool(), functional.softplus(lower) + FLOOR, lower)
        return lower if self.kind.startswith("cholesky") else lower @ lower.mT


def _triangle(n: int, *, unit: bool) -> tuple[Tensor, Tensor]:
    """Where each entry of a lower triangle stands among raw numbers, and which have none."""
    where, empty, at = [], [], 0
    for row in range(n):
        for column in range(n):
            used = column < row or (column == row and not unit)
            where.append(at if used else 0)
            empty.append(not used)
            at += used
    return torch.tensor(where), torch.tensor(empty)


def _ordered(raw: Tensor, lower: float, upper: float) -> Tensor:
    """Increasing numbers, the differences at least `FLOOR` unless both ends bound them."""
    if math.isfinite(lower) and math.isfinite(upper):
        # Each entry takes a share of what is left, so that equal shares are raw numbers of 0.
        count = raw.shape[-1]
        left = torch.arange(count, 0, -1, dtype=raw.dtype, device=raw.device)
        share = FLOOR + (1 - 2 * FLOOR) * torch.sigmoid(raw - torch.log(left))
        return lower + (upper - lower) * (1 - torch.cumprod(1 - share, -1))
    if math.isfinite(upper):
        return upper - torch.cumsum((functional.softplus(raw) + FLOOR).flip(-1), -1).flip(-1)
    steps = functional.softplus(raw) + FLOOR
    if math.isfinite(lower):
        return lower + torch.cumsum(steps, -1)
    return torch.cumsum(torch.cat((raw[..., :1], steps[..., 1:]), -1), -1)
