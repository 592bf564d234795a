"""Solutions of differential equations: closed forms, scipy, finite differences, both solvers."""

from __future__ import annotations

import math

import numpy as np
import pyro
import pytest
import torch
from scipy.integrate import solve_ivp

from gendsl.runtime.backend import tensors
from gendsl.runtime.native.build import _compiler
from gendsl.runtime.native.emit import NotNative
from gendsl.runtime.odes import odeint
from gendsl.runtime.odes.rhs import right_side

DOUBLE = torch.float64, torch.device("cpu"), 0
LOOSE = {"known_times": False}


def compiler() -> bool:
    try:
        return bool(_compiler())
    except NotNative:
        return False


NATIVE = pytest.mark.skipif(not compiler(), reason="no C compiler")
SOLVERS = [pytest.param("1", marks=NATIVE, id="c"), pytest.param("0", id="torch")]


@pytest.fixture(params=SOLVERS)
def solver(request, monkeypatch):
    """Each test runs on both solvers."""
    monkeypatch.setenv("GENDSL_NATIVE", request.param)
    with tensors(*DOUBLE):
        yield request.param


def decay(t, z, k):
    return -k * z


def oscillator(t, z, w):
    return torch.stack([z[..., 1], -(w**2) * z[..., 0]], -1)


def logistic(t, z, r, top):
    return r * z * (1 - z / top)


def driven(t, z, a):
    return a * torch.cos(t) + 0.0 * z


def lotka(t, z, th):
    hare = (th[..., 0] - th[..., 1] * z[..., 1]) * z[..., 0]
    lynx = (-th[..., 2] + th[..., 3] * z[..., 0]) * z[..., 1]
    return torch.stack([hare, lynx], -1)


def leaf(*values):
    return torch.tensor(values[0] if len(values) == 1 else values).requires_grad_()


# Closed forms: the equation, and its solution as a function of (z0, t0, ts, args).
CLOSED = {
    "decay": (decay, 0, lambda z, t0, ts, k: z * torch.exp(-k * (ts - t0)), 2.0, [0.7]),
    "logistic": (
        logistic,
        0,
        lambda z, t0, ts, r, top: top / (1 + (top / z - 1) * torch.exp(-r * (ts - t0))),
        0.3,
        [1.3, 2.5],
    ),
    "driven": (
        driven,
        0,
        lambda z, t0, ts, a: z + a * (torch.sin(ts) - torch.sin(t0)),
        0.5,
        [1.7],
    ),
    "oscillator": (
        oscillator,
        1,
        lambda z, t0, ts, w: torch.stack(
            [
                z[0] * torch.cos(w * (ts - t0)) + z[1] / w * torch.sin(w * (ts - t0)),
                z[1] * torch.cos(w * (ts - t0)) - w * z[0] * torch.sin(w * (ts - t0)),
            ],
            -1,
        ),
        [1.0, -0.5],
        [2.3],
    ),
}


@pytest.mark.parametrize("name", CLOSED)
def test_values_and_gradients_are_those_of_the_closed_form(name, solver):
    function, rank, closed, start, args = CLOSED[name]
    z0, t0, ts = leaf(start), leaf(0.4), leaf(0.4, 3.0, 0.9, 0.9, 1.0, 2.2)
    others = [leaf(a) for a in args]
    ranks = [rank, *[0] * len(args)]
    got = odeint(function, z0, t0, ts, others, ranks=ranks, **LOOSE)
    wanted = closed(z0, t0, ts, *others)
    torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-8)
    weights = torch.linspace(0.5, 1.5, got.numel()).reshape(got.shape)
    unknowns = [z0, t0, ts, *others]
    found = torch.autograd.grad((weights * got).sum(), unknowns)
    true = torch.autograd.grad((weights * wanted).sum(), unknowns)
    for a, b in zip(found, true, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def test_second_derivatives_are_those_of_the_closed_form(solver):
    def both(x):
        z0, k, end = x[0], x[1], x[2:]
        got = odeint(decay, z0, 0.0, end, [k], ranks=(0, 0), **LOOSE)
        return got.sum(), (z0 * torch.exp(-k * end)).sum()

    x = torch.tensor([2.0, 0.7, 0.5, 1.5])
    hessian = torch.autograd.functional.hessian
    got, wanted = (hessian(lambda x, i=i: both(x)[i], x) for i in (0, 1))
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


THETA = [0.55, 0.028, 0.8, 0.024]


def test_lotka_volterra_is_scipys(solver):
    times = np.arange(1.0, 21.0)

    def slope(t, z):
        return [(THETA[0] - THETA[1] * z[1]) * z[0], (-THETA[2] + THETA[3] * z[0]) * z[1]]

    wanted = solve_ivp(
        slope, (0, 20), [33.0, 6.0], t_eval=times, method="DOP853", rtol=1e-11, atol=1e-11
    ).y.T
    z0, theta = torch.tensor([33.0, 6.0]), torch.tensor(THETA)
    got = odeint(lotka, z0, 0.0, torch.tensor(times), [theta], ranks=(1, 1))
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-7)
    fine = odeint(
        lotka, z0, 0.0, torch.tensor(times), [theta], ranks=(1, 1), rtol=1e-11, atol=1e-13
    )
    np.testing.assert_allclose(fine.numpy(), wanted, rtol=1e-9)


def test_gradients_are_finite_differences(solver):
    """Of the same steps: the adjoint is exact for the scheme, not only for the equation."""
    z0, theta = leaf(33.0, 6.0), leaf(*THETA)
    times = torch.tensor([0.5, 1.5])

    def total(z, th):
        return odeint(lotka, z, 0.0, times, [th], ranks=(1, 1), rtol=1e-10).log().sum()

    found = torch.autograd.grad(total(z0, theta), [z0, theta])
    for place, got in enumerate(found):
        point = [z0.detach(), theta.detach()]
        for i in range(len(got)):
            step = torch.zeros_like(point[place])
            step[i] = 1e-5 * float(point[place][i])
            ends = [
                float(total(*(p + s * step if k == place else p for k, p in enumerate(point))))
                for s in (1, -1)
            ]
            slope = (ends[0] - ends[1]) / (2 * float(step[i]))
            assert float(got[i]) == pytest.approx(slope, rel=1e-6, abs=1e-7)


@NATIVE
def test_c_and_torch_agree(monkeypatch):
    def everything():
        generator = torch.Generator().manual_seed(0)
        spread = torch.rand(3, 4, generator=generator) * 0.2 + 0.9
        theta = (torch.tensor(THETA) * spread).requires_grad_()
        z0, t0, ts = leaf(33.0, 6.0), leaf(0.3), leaf(5.0, 1.0, 0.3, 9.0, 1.0)
        states = odeint(lotka, z0, t0, ts, [theta], ranks=(1, 1), **LOOSE)
        total = (states.log() ** 2).sum()
        return [states.detach(), *torch.autograd.grad(total, [z0, t0, ts, theta])]

    with tensors(*DOUBLE):
        monkeypatch.setenv("GENDSL_NATIVE", "1")
        assert right_side(lotka, (2,), ((4,),)).library is not None
        compiled = everything()
        monkeypatch.setenv("GENDSL_NATIVE", "0")
        assert right_side(lotka, (2,), ((4,),)).library is None
        for a, b in zip(compiled, everything(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_batches_stand_on_the_left_and_do_not_meet(solver):
    z0 = torch.tensor([[[1.0]], [[2.0]], [[4.0]]]).squeeze(-1)  # (3, 1) of scalars
    k = torch.tensor([0.5, 3.0])
    t0 = torch.tensor([[0.0], [0.1], [0.2]])
    times = torch.tensor([2.0, 1.0, 0.2])
    got = odeint(decay, z0, t0, times, [k], ranks=(0, 0))
    assert got.shape == (3, 2, 3)
    wanted = z0[..., None] * torch.exp(-k[:, None] * (times - t0[..., None]))
    torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-8)


QUIET = {"is_validate": False}
STEPS = {"ranks": (0, 0), "max_steps": 300}


def test_a_member_that_fails_breaks_no_other(solver):
    rates, times = leaf(1.0, 1e9, 2.0), torch.tensor([0.5, 1.0])
    with pyro.validation_enabled(**QUIET):
        got = odeint(decay, 1.0, 0.0, times, [rates], **STEPS)
    alive = got[[0, 2]]
    wanted = torch.exp(-rates[[0, 2], None] * times)
    torch.testing.assert_close(alive, wanted, rtol=1e-8, atol=1e-8)
    assert bool(torch.isnan(got[1]).all())
    (slope,) = torch.autograd.grad(alive.sum(), rates)
    assert bool(torch.isfinite(slope[[0, 2]]).all())


def blow_up(t, z, a):
    return a * z**2


@pytest.mark.parametrize(
    ("function", "argument"), [(blow_up, 1.0), (decay, math.nan), (decay, 1e9)]
)
def test_no_solution_is_nan_in_a_density_and_an_error_elsewhere(function, argument, solver):
    times, a = torch.tensor([0.5, 2.0]), torch.tensor(argument)
    with pyro.validation_enabled(**QUIET):
        got = odeint(function, 1.0, 0.0, times, [a], **STEPS)
    assert bool(torch.isnan(got[1]))
    with pytest.raises(ValueError, match="no solution of the differential equation"):
        odeint(function, 1.0, 0.0, times, [a], **STEPS)


def test_times_before_the_start_are_refused_if_they_are_data(solver):
    times, k = torch.tensor([0.5, 2.0, 0.7]), torch.tensor(1.0)
    with pytest.raises(ValueError, match=r"0.5 lies before .* 1 \(entries 0, 2 of the times"):
        odeint(decay, 1.0, 1.0, times, [k], ranks=(0, 0))
    with pyro.validation_enabled(**QUIET):
        got = odeint(decay, 1.0, 1.0, times, [k], ranks=(0, 0), **LOOSE)
    assert bool(torch.isnan(got).any())


def test_no_times_no_members_and_a_start_alone(solver):
    k = torch.tensor(1.0)
    assert odeint(decay, 1.0, 0.0, torch.zeros(0), [k], ranks=(0, 0)).shape == (0,)
    none = odeint(decay, torch.zeros(0), 0.0, torch.ones(2), [k], ranks=(0, 0))
    assert none.shape == (0, 2)
    start = odeint(decay, 3.0, 1.5, torch.full((2,), 1.5), [k], ranks=(0, 0))
    assert start.tolist() == [3.0, 3.0]


def test_float32_is_solved_in_float64():
    with tensors(torch.float32, torch.device("cpu"), 0):
        z0, k = torch.tensor(2.0, requires_grad=True), torch.tensor(0.7)
        got = odeint(decay, z0, 0.0, torch.tensor([1.0]), [k], ranks=(0, 0))
        assert got.dtype == torch.float32
        assert got.tolist() == pytest.approx([2 * math.exp(-0.7)], rel=1e-6)
        (slope,) = torch.autograd.grad(got.sum(), z0)
        assert slope.dtype == torch.float32


def scaled(factor):
    def slope(t, z, a):
        return factor * a * z

    return slope


def test_right_sides_are_known_by_what_they_compute(solver):
    """Numbers of the enclosing program count, the identity of the function does not."""
    first, again, other = (right_side(scaled(f), (), ((),)) for f in (2, 2, 3))
    assert first.key == again.key != other.key
    a, times = torch.tensor(0.5), torch.tensor([1.0])
    for factor in (2, 3):
        got = odeint(scaled(factor), 1.0, 0.0, times, [a], ranks=(0, 0))
        assert float(got) == pytest.approx(math.exp(factor * 0.5), rel=1e-7)
