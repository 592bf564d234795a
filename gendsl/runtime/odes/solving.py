r"""Initial value problems $\dot z = f(t, z, a)$, $z(t_0) = z_0$, solved at given times.

The adaptive method of Dormand and Prince, of order 5, whose steps end at the times asked for.
The gradients with respect to $z_0$ and $a$ are those of the numerical solution with its steps
held, by the adjoint of each step; with respect to the times they are those of the solution,
$\partial z(t) / \partial t = f$. Second derivatives are differences of gradients. Everything is
computed in float64 on the CPU.

References:
    Solving Ordinary Differential Equations I (Hairer, Norsett, Wanner, 1993), II.4 and II.5
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from gendsl.runtime.odes import stepping
from gendsl.runtime.odes.rhs import RIGHT_SIDES, RightSide, Slope, right_side
from gendsl.runtime.shapes import broadcast_shapes
from gendsl.runtime.tracing import Untraceable

__all__ = ["odeint"]

DIFFERENCE = 1e-4
"""How far apart gradients are compared for second derivatives, relative to what they are of."""

FINE = 1e-11
"""The tolerance of these gradients."""


def odeint(
    function: Slope,
    z0: Tensor | float,
    t0: Tensor | float,
    times: Tensor,
    args: Sequence[Tensor | float] = (),
    *,
    ranks: Sequence[int],
    known_times: bool = True,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    max_steps: int = 10_000,
) -> Tensor:
    """The states at `times`, ``(*batch, T, *state)``.

    Where no solution is found (more than `max_steps` steps between two times, a state that is
    not finite) it is NaN; where distributions check their parameters this is an error instead.

    Args:
        function: the right-hand side, of a time, a state and the arguments, of event shapes
            ``()``, ``state``, ...; it must be batch-safe.
        z0: the state at `t0`, ``(*batch, *state)``.
        t0: where it starts, ``(*batch,)``.
        times: ``(*batch, T)``, in any order, none before `t0`.
        args: further arguments, each with its batch axes.
        ranks: how many event axes the state and each argument have.
        known_times: whether `times` and `t0` are data, so that a time before `t0` is an error.
        rtol: the error of a step, relative to the state.
        atol: the same for states near 0.
        max_steps: between two times.

    Raises:
        ValueError: a known time lies before `t0`, or no solution was found.
        RuntimeError: the right-hand side cannot be recorded with its derivatives.
    """
    values = [torch.as_tensor(v) for v in (z0, t0, times, *args)]
    dtype, device = torch.get_default_dtype(), values[2].device
    values = [v.to(dtype) if v.dtype != dtype else v for v in values]
    events = [ranks[0], 0, 1, *ranks[1:]]
    own = [tuple(v.shape[v.dim() - r :]) for v, r in zip(values, events, strict=True)]
    batches = [v.shape[: v.dim() - r] for v, r in zip(values, events, strict=True)]
    batch = broadcast_shapes(*batches)
    if known_times:
        _verify_times(values[1], values[2])
    try:
        side = right_side(function, own[0], tuple(own[3:]))
    except Untraceable as error:
        raise RuntimeError(f"the slope cannot be differentiated: {error}") from error
    members = prod(batch)
    flat = [
        v.expand(batch + e).reshape(members, prod(e)) for v, e in zip(values, own, strict=True)
    ]
    arguments = torch.cat(flat[3:], -1) if len(flat) > 3 else flat[0].new_zeros(members, 0)
    if side.library is None and members:
        side.prepare(members)
    solved: Tensor = _solve(
        side.key, rtol, atol, max_steps, flat[0], flat[1][:, 0], flat[2], arguments
    )
    result = solved.reshape(*batch, *own[2], *own[0]).to(device)
    if Distribution._validate_args and not bool(torch.isfinite(result).all()):
        raise ValueError(_unsolved(result, ranks[0], max_steps))
    return result


def _verify_times(t0: Tensor, times: Tensor) -> None:
    """Raise where a time lies before the start."""
    early = times < t0[..., None]
    if not bool(early.any()):
        return
    entries = early.reshape(-1, early.shape[-1]).any(0).nonzero().flatten().tolist()
    first = float(times.expand(early.shape)[early][0])
    start = float(t0[..., None].expand(early.shape)[early][0])
    named = ", ".join(map(str, entries[:5])) + (", ..." if len(entries) > 5 else "")
    which = f"entry {named}" if len(entries) == 1 else f"entries {named}"
    raise ValueError(
        f"the time {first:g} lies before the start of the solution, {start:g} "
        f"({which} of the times, counted from 0)"
    )


def _unsolved(result: Tensor, rank: int, max_steps: int) -> str:
    bad = ~torch.isfinite(result.detach()).flatten(result.dim() - rank - 1).all(-1)
    where = f" for {int(bad.sum())} of {bad.numel()} states" if bad.numel() > 1 else ""
    return (
        f"no solution of the differential equation was found in {max_steps} steps from one time "
        f"to the next{where}: it is stiff, has no bounds, or needs a larger `max_steps`"
    )


# The operations


@torch.library.custom_op("gendsl::odeint", mutates_args=())
def _solve(
    key: str, rtol: float, atol: float, most: int, z0: Tensor, t0: Tensor, ts: Tensor, p: Tensor
) -> Tensor:
    """States ``(batch, T * state)`` of flat problems: a row of every tensor is one of them."""
    return _run("solve", key, (rtol, atol, most), [z0, t0, ts, p])


@torch.library.custom_op("gendsl::odeint_adjoint", mutates_args=())
def _adjoint(
    key: str,
    rtol: float,
    atol: float,
    most: int,
    z0: Tensor,
    t0: Tensor,
    ts: Tensor,
    p: Tensor,
    grad: Tensor,
) -> Tensor:
    """The cotangents of z0, t0, ts and p side by side, ``(batch, state + 1 + T + p)``."""
    return _run("adjoint", key, (rtol, atol, most), [z0, t0, ts, p, grad])


def _run(
    name: str, key: str, options: tuple[float, float, int], arrays: Sequence[Tensor]
) -> Tensor:
    side = RIGHT_SIDES[key]
    first = arrays[0]
    own = [a.detach().to("cpu", torch.float64).contiguous() for a in arrays]
    batch, count = own[2].shape
    width = count * side.size
    if name == "adjoint":
        width = side.size + 1 + count + own[3].shape[1]
    out = torch.zeros(batch, width, dtype=torch.float64, device="cpu")
    if batch and count:
        _compute(name, side, options, own, out)
    return out.to(first.device, first.dtype)


def _compute(
    name: str,
    side: RightSide,
    options: tuple[float, float, int],
    own: Sequence[Tensor],
    out: Tensor,
) -> None:
    if side.library is None:
        solver = stepping.solve if name == "solve" else stepping.adjoint
        out.copy_(solver(side, options, *own))
        return
    function = getattr(side.library, f"{side.key}_{name}")
    function.restype = None
    batch, count = own[2].shape
    rtol, atol, most = options
    function(
        ctypes.c_long(batch),
        ctypes.c_long(count),
        *(ctypes.c_void_p(a.data_ptr()) for a in own),
        ctypes.c_double(rtol),
        ctypes.c_double(atol),
        ctypes.c_long(most),
        ctypes.c_void_p(out.data_ptr()),
    )


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    z0, t0, ts, p = ctx.saved_tensors
    found = _adjoint(*ctx.options, z0, t0, ts, p, grad)
    state, times = z0.shape[1], z0.shape[1] + 1 + ts.shape[1]
    own = found[:, :state], found[:, state], found[:, state + 1 : times], found[:, times:]
    return None, None, None, None, *own


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ANN401
    ctx.options = inputs[:4]
    ctx.save_for_backward(*inputs[4:])


def _backward_twice(ctx: Any, along: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
    r"""Of $g^T J v$, with the cotangent $v$ in the place of the inputs: differences along $v$.

    The gradient in the inputs is that of $g^T J$ along $v$, for second derivatives are
    symmetric; that in $g$ is $J v$.
    """
    (key, rtol, _, most), (*inputs, grad) = ctx.options, ctx.saved_tensors
    point = torch.cat([i.reshape(len(i), -1) for i in inputs], -1)
    largest = (along.abs() / point.abs().clamp(min=1e-3)).amax(-1, keepdim=True)
    size = torch.where(largest > 0, DIFFERENCE / largest, 1.0)
    sizes = [i.reshape(len(i), -1).shape[1] for i in inputs]
    slopes, states = [], []
    for sign in (1, -1):
        parts = (point + sign * size * along).split(sizes, -1)
        moved = [p.reshape(i.shape) for p, i in zip(parts, inputs, strict=True)]
        options = key, min(rtol, FINE), 1e-3 * FINE, most
        slopes.append(_adjoint(*options, *moved, grad))
        states.append(_solve(*options, *moved))
    second = ((slopes[0] - slopes[1]) / (2 * size)).split(sizes, -1)
    own = [s.reshape(i.shape) for s, i in zip(second, inputs, strict=True)]
    return None, None, None, None, *own, (states[0] - states[1]) / (2 * size)


_solve.register_autograd(_backward, setup_context=_setup)
_adjoint.register_autograd(_backward_twice, setup_context=_setup)
