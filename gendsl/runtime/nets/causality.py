"""Whether networks are strictly causal: a probe of which inputs move which outputs.

Entries of the first input, from one on, are exchanged for others: the outputs of the entries up to
that one must stay as they are. The same is asked of a copy with other weights, since a network
whose last layer begins at 0 would pass whatever its connections are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Port
from gendsl.runtime.nets.stepping import order_of
from gendsl.types import Interval

__all__ = ["MOST", "Leak", "leak_of"]

MOST = 64
"""At most so many entries of an architecture of the table are probed, evenly spread: its masks are
made by a rule. Of a network from elsewhere all are."""

ROWS = 64
"""Rows of one run."""

JITTER = 0.2
"""The standard deviation of what is added to the weights of the copy."""

TOLERANCE = 1e-5
"""Outputs that differ by less, in units of the largest, are the same but for rounding."""

Leak = tuple[int, int]
"""An entry of the outputs, and one of the first input on which it must not depend."""


def leak_of(net: nn.Module, inputs: Sequence[Port], most: int | None = None) -> Leak | None:
    """An entry of the outputs that depends on its own or a later entry of the input; or None.

    Args:
        net: a network, whose weights stay as they are.
        inputs: of its signature, all sizes known.
        most: how many entries are exchanged one after the other, evenly spread; None for all.
    """
    was = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        with torch.no_grad(), torch.random.fork_rng():
            torch.manual_seed(0)  # of every device
            for probed in _weights(net):
                found = _leak(probed, inputs, most)
                if found is not None:
                    return found
    finally:
        for module, training in was:
            module.training = training
    return None


def _weights(net: nn.Module) -> Iterator[nn.Module]:
    """The network, and a copy with other weights where it can be copied."""
    yield net
    try:
        other = copy.deepcopy(net)
    except Exception:  # noqa: BLE001  whatever a module of the caller raises
        return
    for parameter in other.parameters():
        if parameter.requires_grad and parameter.is_floating_point():
            parameter.add_(JITTER * torch.randn_like(parameter))
    yield other


def _leak(net: nn.Module, inputs: Sequence[Port], most: int | None) -> Leak | None:
    first, *others = inputs
    event = tuple(n or 0 for n in first.event)
    count = math.prod(event)
    order = order_of([net])
    order = torch.arange(count) if order is None else order.cpu()
    base, other = _values(first, event), None
    context = [_values(p, tuple(n or 0 for n in p.event)) for p in others]
    other = _different(first, base)
    many = count if most is None else min(count, most)
    places = torch.linspace(0, count - 1, many).round().long().unique()
    for part in places.split(ROWS - 1):
        rows = [base.reshape(-1)]
        for place in part.tolist():
            changed = base.reshape(-1).clone()
            changed[order[place:]] = other.reshape(-1)[order[place:]]
            rows.append(changed)
        outputs = _run(net, torch.stack(rows), event, context, count)
        for row, place in enumerate(part.tolist(), start=1):
            moved = outputs[row][order[: place + 1]] - outputs[0][order[: place + 1]]
            scale = 1 + float(outputs[0].abs().max())
            wrong = (moved.abs().amax(1) > TOLERANCE * scale).nonzero().reshape(-1)
            if len(wrong):
                at = int(wrong[0])
                return int(order[at]), _cause(net, base, other, order, at, event, context)
    return None


def _cause(
    net: nn.Module,
    base: Tensor,
    other: Tensor,
    order: Tensor,
    at: int,
    event: tuple[int, ...],
    context: list[Tensor],
) -> int:
    """The first entry in the order, not before number `at`, that moves the output of that one."""
    for part in torch.arange(at, len(order)).split(ROWS - 1):
        rows = [base.reshape(-1)]
        for place in part.tolist():
            changed = base.reshape(-1).clone()
            changed[order[place]] = other.reshape(-1)[order[place]]
            rows.append(changed)
        outputs = _run(net, torch.stack(rows), event, context, len(order))[:, order[at]]
        moved = (outputs[1:] - outputs[:1]).abs().amax(1)
        if float(moved.max()) > TOLERANCE:
            return int(order[part[int(moved.argmax())]])
    return int(order[at])


def _run(
    net: nn.Module, rows: Tensor, event: tuple[int, ...], context: list[Tensor], count: int
) -> Tensor:
    """All outputs by entry of the first input: (rows, entries, numbers)."""
    found = net(rows.reshape(-1, *event), *context)
    outputs = found.values() if isinstance(found, dict) else (found,)
    return torch.cat([o.reshape(len(rows), count, -1) for o in outputs], -1)


def _values(port: Port, event: tuple[int, ...]) -> Tensor:
    """A random legal value."""
    if port.categories is not None:
        return torch.randint(port.categories, event)
    support = port.support
    if not isinstance(support, Interval):
        return torch.softmax(torch.randn(event), -1)
    low, high = support.lower, support.upper
    if support.integer:
        start = 0 if math.isinf(low) else int(low)
        ends = 3 if math.isinf(high) else int(high) - start
        return start + torch.randint(max(1, min(ends, 3) + 1), event).to(torch.zeros(()).dtype)
    if math.isinf(low) and math.isinf(high):
        return torch.randn(event)
    if math.isinf(low) or math.isinf(high):
        away = 0.5 + torch.rand(event)
        return high - away if math.isinf(low) else low + away
    return low + (high - low) * torch.rand(event)


def _different(port: Port, base: Tensor) -> Tensor:
    """Another legal value of which no entry is the same."""
    if port.categories is not None:
        return (base + 1) % max(port.categories, 1)
    found = _values(port, tuple(base.shape))
    support = port.support
    if isinstance(support, Interval) and support.integer:
        low = 0.0 if math.isinf(support.lower) else support.lower
        up = base + 1
        return torch.where(up <= support.upper, up, torch.full_like(base, low))
    return found
