"""The solver of `gendsl.runtime.odes.source` in torch, for machines without a C compiler.

All members of a batch step together, each with a step of its own; those that are done stand
still. The arithmetic is that of the C.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gendsl.runtime.odes.rhs import RightSide
from gendsl.runtime.odes.tableau import (
    ALPHA,
    BETA,
    ERROR,
    GROW,
    NODES,
    SAFETY,
    SHRINK,
    STAGES,
    WEIGHTS,
)

__all__ = ["adjoint", "solve"]

Options = tuple[float, float, int]


@dataclass
class _Step:
    """One step of the members in `taken`, from `t` and `z` with the slopes `k`."""

    taken: Tensor
    t: Tensor
    h: Tensor
    z: Tensor
    k: list[Tensor]


@dataclass
class _Path:
    """Integrates every member; afterwards `states` are those at the sorted times.

    `reached` is how many steps of the batch come before each of them; `failed` members have
    no solution.
    """

    side: RightSide
    options: Options
    z: Tensor
    t: Tensor
    times: Tensor
    p: Tensor
    kept: list[_Step] | None = None
    states: Tensor = field(init=False)
    reached: Tensor = field(init=False)
    failed: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Start every member at its first time."""
        batch, count = self.times.shape
        self.states = torch.full((batch, count, self.z.shape[1]), torch.nan, dtype=self.z.dtype)
        self.reached = torch.zeros(batch, count, dtype=torch.long)
        self.failed = torch.zeros(batch, dtype=torch.bool)
        self.target = torch.zeros(batch, dtype=torch.long)
        self.used = torch.zeros(batch, dtype=torch.long)
        self.done = 0

    def slope(self, t: Tensor, z: Tensor) -> Tensor:
        """The right-hand side."""
        return self.side.slope(torch.cat([t[:, None], z, self.p, torch.zeros_like(z)], 1))

    def run(self) -> None:
        """Step until every member is done or has failed."""
        rows = torch.arange(len(self.z))
        last = self.times.shape[1]
        self._arrive(rows)
        h, k = self._first(), self.slope(self.t, self.z)
        before = torch.full_like(h, 1e-4)
        rejected = torch.zeros_like(self.failed)
        while bool((active := ~self.failed & (self.target < last)).any()):
            h, k, before, rejected = self._step(active, h, k, before, rejected)
            self._arrive(rows)

    def _end(self) -> Tensor:
        return self.times.gather(1, self.target.clamp(max=self.times.shape[1] - 1)[:, None])[:, 0]

    def _arrive(self, rows: Tensor) -> None:
        """Write down the states at times that have been reached."""
        count = self.times.shape[1]
        while True:
            end = self._end()
            waiting = ~self.failed & (self.target < count)
            self.failed |= waiting & ~((end >= self.t) & torch.isfinite(end))
            there = waiting & ~self.failed & (self.t >= end)
            if not bool(there.any()):
                return
            self.states[rows[there], self.target[there]] = self.z[there]
            self.reached[rows[there], self.target[there]] = self.done
            self.target = self.target + there
            self.used = torch.where(there, 0, self.used)

    def _norm(self, value: Tensor, scale: Tensor) -> Tensor:
        return ((value / scale) ** 2).sum(1).div(max(1, value.shape[1])).sqrt()

    def _first(self) -> Tensor:
        """The first step, by the sizes of the state, its slope and its curvature."""
        rtol, atol, _ = self.options
        span = self._end() - self.t
        k = self.slope(self.t, self.z)
        scale = atol + rtol * self.z.abs()
        d0, d1 = self._norm(self.z, scale), self._norm(k, scale)
        h = torch.where((d0 < 1e-5) | (d1 < 1e-5), 1e-6, 0.01 * d0 / d1)
        h = torch.where(h > span, span, h)
        bent = self.slope(self.t + h, self.z + h[:, None] * k) - k
        d2 = self._norm(bent, scale) / h
        d = torch.where(d1 > d2, d1, d2)
        following = torch.where(d <= 1e-15, (h * 1e-3).clamp(min=1e-6), (0.01 / d) ** 0.2)
        short = torch.where(following < 100 * h, following, 100 * h)
        return torch.where(torch.isfinite(following), short, h)

    def _step(
        self, active: Tensor, h: Tensor, first: Tensor, before: Tensor, rejected: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rtol, atol, most = self.options
        end = self._end()
        left = end - self.t
        last = h >= left
        step = torch.where(last, left, torch.where(2 * h > left, 0.5 * left, h))
        stuck = ~last & (self.t + 0.1 * step == self.t)
        self.failed |= active & ((self.used >= most) | ~torch.isfinite(h) | stuck)
        active = active & ~self.failed
        k = [first]
        for j in range(1, 6):
            k.append(self.slope(self.t + NODES[j] * step, self._state(step, STAGES[j], k)))
        y = self._state(step, WEIGHTS, k)
        then = torch.where(last, end, self.t + step)
        k.append(self.slope(then, y))
        error = step[:, None] * _mixed(ERROR, k)
        error = torch.where(torch.isfinite(y), error, torch.nan)
        size = torch.where(self.z.abs() > y.abs(), self.z.abs(), y.abs())
        e = self._norm(error, atol + rtol * size)
        good = active & (e <= 1)
        if self.kept is not None:
            self.kept.append(_Step(good, self.t, step, self.z, k[:6]))
        fall = torch.where(torch.isfinite(e), e**ALPHA / SAFETY, 10.0)
        shorter = step / torch.where(fall < 1 / SHRINK, fall, 1 / SHRINK)
        factor = (e**ALPHA / before**BETA / SAFETY).clamp(1 / GROW, 1 / SHRINK)
        longer = step / factor
        longer = torch.where(rejected & (longer > step), step, longer)
        longer = torch.where((step < h) & (longer < h) & ~rejected, h, longer)
        self.t = torch.where(good, then, self.t)
        self.z = torch.where(good[:, None], y, self.z)
        self.used = self.used + active
        self.done += 1
        h = torch.where(good, longer, torch.where(active, shorter, h))
        before = torch.where(good, e.clamp(min=1e-4), before)
        return h, torch.where(good[:, None], k[6], first), before, active & ~good

    def _state(self, step: Tensor, weights: tuple[float, ...], k: list[Tensor]) -> Tensor:
        return self.z + step[:, None] * _mixed(weights, k)


def _mixed(weights: tuple[float, ...], k: list[Tensor]) -> Tensor:
    total = torch.zeros_like(k[0])
    for weight, slope in zip(weights, k, strict=False):
        if weight:
            total = total + weight * slope
    return total


def solve(
    side: RightSide, options: Options, z0: Tensor, t0: Tensor, ts: Tensor, p: Tensor
) -> Tensor:
    """The states ``(batch, T * state)``; NaN from where a member has no solution."""
    order = torch.argsort(ts, dim=1, stable=True)
    path = _Path(side, options, z0, t0, ts.gather(1, order), p)
    path.run()
    places = order[:, :, None].expand(path.states.shape)
    return torch.empty_like(path.states).scatter(1, places, path.states).flatten(1)


def adjoint(
    side: RightSide,
    options: Options,
    z0: Tensor,
    t0: Tensor,
    ts: Tensor,
    p: Tensor,
    grad: Tensor,
) -> Tensor:
    """The cotangents of z0, t0, ts and p; NaN for a member that has no solution."""
    order = torch.argsort(ts, dim=1, stable=True)
    kept: list[_Step] = []
    path = _Path(side, options, z0, t0, ts.gather(1, order), p, kept)
    path.run()
    places = order[:, :, None].expand(path.states.shape)
    given = grad.reshape(path.states.shape).gather(1, places)
    lam, gp = torch.zeros_like(z0), torch.zeros_like(p)
    for number in range(len(kept), -1, -1):
        lam = lam + torch.where((path.reached == number)[:, :, None], given, 0.0).sum(1)
        if number:
            lam, gp = _back(side, kept[number - 1], p, lam, gp)
    count = ts.shape[1]
    slopes = [path.slope(path.times[:, n], path.states[:, n]) for n in range(count)]
    moved = [(given[:, n] * s).sum(1) for n, s in enumerate(slopes)]
    sorted_times = torch.stack(moved, 1) if moved else torch.zeros_like(ts)
    gts = torch.empty_like(ts).scatter(1, order, sorted_times)
    gt0 = -(lam * path.slope(t0, z0)).sum(1)
    found = torch.cat([lam, gt0[:, None], gts, gp], 1)
    return torch.where(path.failed[:, None], torch.nan, found)


def _back(
    side: RightSide, step: _Step, p: Tensor, lam: Tensor, gp: Tensor
) -> tuple[Tensor, Tensor]:
    """Cotangents before a step, from those after it."""
    size = lam.shape[1]
    h = step.h[:, None]
    pulled: list[Tensor] = [lam] * 6
    total = torch.zeros_like(gp)
    for j in range(5, -1, -1):
        later = {m: STAGES[m][j] for m in range(j + 1, 6)}
        kappa = WEIGHTS[j] * lam
        for m, weight in later.items():
            kappa = kappa + weight * pulled[m]
        z = step.z + h * _mixed(STAGES[j], step.k)
        t = step.t + NODES[j] * step.h
        point = torch.cat([t[:, None], z, p, h * kappa], 1)
        both = side.pull(point)
        pulled[j] = both[:, :size]
        total = total + both[:, size:]
    before = lam
    for u in pulled:
        before = before + u
    taken = step.taken[:, None]
    return torch.where(taken, before, lam), torch.where(taken, gp + total, gp)
