r"""The sum over all paths of a chain, as one operation of a recording; its adjoint is another.

A path $z_1, \dots, z_T$ of $K$ states weighs
$\exp(s_{z_1} + \sum_t p_t(z_{t-1}, z_t) + \sum_t x_t(z_t))$. The operation gives the log of the
sum of all weights; its gradient are the probabilities of states and of pairs of states, by forward
filtering and backward smoothing. Second derivatives are those of the same recursion in torch. A
potential of minus infinity, or below -1e29, is impossible.
"""

from __future__ import annotations

import ctypes
import math
import os
from functools import cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from gendsl.runtime.native import NotNative
from gendsl.runtime.native.build import loaded
from gendsl.runtime.native.entrywise import PREAMBLE
from gendsl.runtime.native.paths import MOST_STATES, path_source, room

__all__ = ["drawn", "drawn_paths", "filtered", "log_sum_of_paths"]

IMPOSSIBLE = -1e30
"""Stands for minus infinity where gradients are taken in torch."""


def log_sum_of_paths(start: Tensor, pair: Tensor, single: Tensor) -> Tensor:
    """The log of the sum of the weights of all paths, for each of B chains, (B,).

    Args:
        start: potentials of the first state, (B, K), or (1, K) for all chains.
        pair: of neighbouring states, (B, T - 1, K, K); sizes 1 for all chains or all steps.
        single: of each state, (K, B, T), or (K, 1, T).
    """
    members = max(start.shape[0], pair.shape[0], single.shape[1])
    found: Tensor = _value(members, start, pair, single)
    return found


@cache
def _library(states: int) -> ctypes.CDLL | None:
    """The operations as machine code, where that can be had."""
    if os.environ.get("GENDSL_NATIVE", "1") == "0" or states > MOST_STATES:
        return None
    try:
        return loaded(f"{PREAMBLE}\n{path_source(states, exported=True)}")
    except NotNative:
        return None


@torch.library.custom_op("gendsl::paths", mutates_args=())
def _value(members: int, start: Tensor, pair: Tensor, single: Tensor) -> Tensor:
    """The values (B,)."""
    library = _compiled(start)
    if library is None:
        alpha = _alpha(*_whole(members, start, pair, single))
        return _impossible(torch.logsumexp(alpha[:, -1], -1))
    return _forward(library, members, start, pair, single)[0].to(start.dtype)


@torch.library.custom_op("gendsl::paths_adjoint", mutates_args=())
def _adjoint(members: int, start: Tensor, pair: Tensor, single: Tensor, grad: Tensor) -> Tensor:
    """The cotangents of start, pair and single one after the other, flat."""
    library = _compiled(start)
    if library is None:
        return _smoothed(members, start, pair, single, grad)
    value, work, own, sizes = _forward(library, members, start, pair, single)
    out = torch.empty(start.numel() + pair.numel() + single.numel(), dtype=torch.float64)
    cotangent = grad.detach().to(torch.float64).contiguous()
    function = getattr(library, f"paths_{start.shape[-1]}_call_adjoint")
    arrays = [*own, value, work, cotangent, out]
    function(*map(ctypes.c_long, sizes), *(ctypes.c_void_p(a.data_ptr()) for a in arrays))
    return out.to(start.dtype)


def _compiled(start: Tensor) -> ctypes.CDLL | None:
    return _library(start.shape[-1]) if start.device.type == "cpu" else None


def _forward(
    library: ctypes.CDLL, members: int, start: Tensor, pair: Tensor, single: Tensor
) -> tuple[Tensor, Tensor, list[Tensor], tuple[int, ...]]:
    """The values, what the adjoint needs, the potentials as C has them, and their sizes."""
    own = [a.detach().to(torch.float64).contiguous() for a in (start, pair, single)]
    batches = start.shape[0], pair.shape[0], pair.shape[1], single.shape[1]
    sizes = (members, single.shape[2], *batches)
    value = torch.empty(members, dtype=torch.float64)
    work = torch.empty(room(sizes, start.shape[-1]), dtype=torch.float64)
    function = getattr(library, f"paths_{start.shape[-1]}_call_forward")
    arrays = [*own, value, work]
    function(*map(ctypes.c_long, sizes), *(ctypes.c_void_p(a.data_ptr()) for a in arrays))
    return value, work, own, sizes


# The same in torch


def _whole(members: int, start: Tensor, pair: Tensor, single: Tensor) -> tuple[Tensor, Tensor]:
    """(B, K) potentials of the first step, and (B, T - 1, K, K) of all others."""
    states, length = start.shape[-1], single.shape[2]
    emitted = single.permute(1, 2, 0)
    rest = (pair + emitted[:, 1:, None, :]).expand(members, length - 1, states, states)
    first = (start + emitted[:, 0]).expand(members, states)
    return first.clamp(min=IMPOSSIBLE), rest.clamp(min=IMPOSSIBLE)


def filtered(start: Tensor, rest: Tensor) -> Tensor:
    """The log of the sum over all paths that end in each state at each step, (B, T, K).

    In blocks of about the square root of the steps, which are contracted side by side.

    Args:
        start: potentials of the first step, (B, K).
        rest: of all others, (B, T - 1, K, K).
    """
    members, steps, states, _ = rest.shape
    if steps == 0:
        return start[:, None]
    size = math.isqrt(steps)
    blocks = -(-steps // size)
    if blocks * size > steps:
        same = torch.full((states, states), IMPOSSIBLE).fill_diagonal_(0.0)
        more = same.to(rest).expand(members, blocks * size - steps, states, states)
        rest = torch.cat([rest, more], 1)
    inside = rest.reshape(members, blocks, size, states, states)
    product = inside[:, :, 0]
    products = [product]
    for step in range(1, size):
        product = torch.logsumexp(product[..., None] + inside[:, :, step, None], -2)
        products.append(product)
    last, before = start, []
    for block in range(blocks):
        before.append(last)
        last = torch.logsumexp(last[..., None] + product[:, block], -2)
    found = torch.stack(before, 1)[:, :, None, :, None] + torch.stack(products, 2)
    found = torch.logsumexp(found, -2).reshape(members, blocks * size, states)
    return torch.cat([start[:, None], found[:, :steps]], 1)


def _alpha(start: Tensor, rest: Tensor) -> Tensor:
    return filtered(start, rest)


def _impossible(value: Tensor) -> Tensor:
    return torch.where(value < IMPOSSIBLE / 2, -math.inf, value)


def _smoothed(members: int, start: Tensor, pair: Tensor, single: Tensor, grad: Tensor) -> Tensor:
    """The adjoint by the probabilities of states and of pairs of them."""
    first, rest = _whole(members, start, pair, single)
    alpha = filtered(first, rest)
    beta = filtered(torch.zeros_like(first), rest.flip(1).mT).flip(1)
    total = torch.logsumexp(alpha[:, -1], -1)[:, None, None]
    lost = _impossible(total) == -math.inf
    weight = grad[:, None, None]
    states = torch.where(lost, 0.0, torch.exp(alpha + beta - total) * weight)
    both = alpha[:, :-1, :, None] + rest + beta[:, 1:, None, :] - total[..., None]
    pairs = torch.where(lost[..., None], 0.0, torch.exp(both) * weight[..., None])
    parts = states[:, 0], pairs, states.permute(2, 0, 1)
    found = [p.sum_to_size(a.shape) for p, a in zip(parts, (start, pair, single), strict=True)]
    return torch.cat([f.reshape(-1) for f in found])


# Gradients


def _split(flat: Tensor, like: tuple[Tensor, ...]) -> list[Tensor]:
    ends = list(accumulate(a.numel() for a in like))
    parts = zip(ends, like, strict=True)
    return [flat[end - a.numel() : end].reshape(a.shape) for end, a in parts]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    own = ctx.saved_tensors
    return (None, *_split(_adjoint(ctx.members, *own, grad), own))


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
    ctx.members = inputs[0]
    ctx.save_for_backward(*inputs[1:])


def _backward_twice(ctx: Any, along: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    """The gradient of the product of the adjoint with `along`."""
    *own, grad = ctx.saved_tensors
    with torch.enable_grad():
        leaves = [a.detach().requires_grad_() for a in (*own, grad)]
        alpha = filtered(*_whole(ctx.members, *leaves[:3]))
        total = (torch.logsumexp(alpha[:, -1], -1) * leaves[3]).sum()
        slopes = torch.autograd.grad(total, leaves[:3], create_graph=True)
        parts = _split(along, tuple(own))
        product = sum(((s * p).sum() for s, p in zip(slopes, parts, strict=True)), 0.0 * total)
        found = torch.autograd.grad(product, leaves)
    return (None, *found)


_value.register_autograd(_backward, setup_context=_setup)
_adjoint.register_autograd(_backward_twice, setup_context=_setup)


# Paths drawn at random


def drawn_paths(start: Tensor, pair: Tensor, single: Tensor, chains: Tensor) -> Tensor:
    """Paths (path, T), each from the posterior of one of the chains, whose numbers are given.

    Forward filtering, backward sampling (Scott, Bayesian methods for hidden Markov models, Journal
    of the American Statistical Association 97, 2002).

    Args:
        start: as for `log_sum_of_paths`.
        pair: likewise.
        single: likewise.
        chains: (path,).
    """
    members = max(start.shape[0], pair.shape[0], single.shape[1])
    alpha = _filtered(members, start, pair, single)
    own = chains if members > 1 else torch.zeros_like(chains)
    which = own if pair.shape[0] > 1 else torch.zeros_like(own)
    state = drawn(alpha[own, -1])
    path = [state]
    for step in range(single.shape[2] - 2, -1, -1):
        moves = pair[:, step if pair.shape[1] > 1 else 0]
        state = drawn(alpha[own, step] + moves[which, :, state])
        path.append(state)
    return torch.stack(path[::-1], -1)


def _filtered(members: int, start: Tensor, pair: Tensor, single: Tensor) -> Tensor:
    """The log of the sum over all paths that end in each state, up to a constant, (B, T, K)."""
    library = _compiled(start)
    if library is None:
        return filtered(*_whole(members, start, pair, single))
    _, work, _, sizes = _forward(library, members, start, pair, single)
    length, states = sizes[1], start.shape[-1]
    own = 2 * length * states + length + 1
    rows = work[work.numel() - members * own :].reshape(members, own)
    found = rows[:, : length * states].reshape(members, length, states)
    in_logs = rows[:, -1, None, None] != 0
    return torch.where(in_logs, found, torch.log(found.abs())).to(start.dtype)


def drawn(logits: Tensor) -> Tensor:
    """A number in each row, by the logs of their weights."""
    top = logits.amax(-1, keepdim=True)
    weights = torch.exp(logits - torch.where(torch.isfinite(top), top, 0.0)).cumsum(-1)
    point = torch.rand(weights.shape[:-1], dtype=weights.dtype) * weights[..., -1]
    return (point.unsqueeze(-1) >= weights).sum(-1).clamp(max=weights.shape[-1] - 1)
