"""The recorded potential and its machine code against Pyro's own evaluation."""

from __future__ import annotations

import numpy as np
import pyro
import pytest
import torch
from scipy.special import log_ndtr
from scipy.stats import norm

import gendsl
from gendsl.runtime.backend import tensors
from gendsl.runtime.density import Density
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.native import NotNative, build
from gendsl.runtime.potential import potential_of, recorded, runner
from gendsl.runtime.program import executable
from gendsl.runtime.tracing import Untraceable, record

FLOAT64, CPU = torch.float64, torch.device("cpu")
rng = np.random.default_rng(8)

MODELS = {
    "hierarchy": (
        """model M
plate g  plate n
input of[n]: index(g)
latent mu ~ Normal(0, 5)  latent tau ~ HalfCauchy(2)
latent a[g] ~ StudentT(4, mu, tau)
observe y[n] ~ Laplace(a[of], 1.5)
""",
        {"of": [0, 1, 1, 2], "y": [1.0, 2.0, 0.5, -1.0]},
    ),
    "mixture": (
        """model M
plate n  plate k = 3
latent w: simplex[k] ~ Dirichlet(2)
latent mu: ordered[k] ~ Normal(0, 3)
latent s[k] ~ Gamma(2, 1)
latent z[n]: index(k) ~ Categorical(w)
observe x[n] ~ Normal(mu[k = z], s[z])
""",
        {"x": rng.normal(size=7)},
    ),
    "counts": (
        """model M
plate n
input x[n]: real
latent a ~ Normal(0, 1)  latent r ~ Exponential(1)  latent p ~ Beta(2, 2)
observe y[n]: count ~ NegativeBinomial(mean = exp(a + 0.3 * x), concentration = r)
observe k[n]: count ~ Binomial(9, p)
observe b[n]: binary ~ Bernoulli(logits = a - x)
""",
        {
            "x": rng.normal(size=5),
            "y": [0, 3, 1, 7, 2],
            "k": [4, 9, 0, 3, 3],
            "b": [0, 1, 1, 0, 1],
        },
    ),
    "matrices": (
        """model M
plate n  dim D = 3
input X[n]: real[D]
latent b: real[D] ~ Normal(0, 1)
latent s ~ InverseGamma(3, 2)
observe y[n] ~ Normal(X @ b, s)
""",
        {"X": rng.normal(size=(6, 3)), "y": rng.normal(size=6)},
    ),
    "moving supports": (
        """model M
plate n
latent low ~ Normal(0, 1)
latent b: real(low, low + 3) ~ Normal(0, 1)
latent c ~ Uniform(low, b)
observe y[n]: real(low, inf) ~ Normal(b + c, 1)
""",
        {"y": [2.1, 1.4, 3.0]},
    ),
    "lags": (
        """model M
sequence t
latent b: real(-1, 1) ~ Uniform(-1, 1)
latent s ~ LogNormal(0, 1)
observe y[t] ~ Normal(b * y[t-1], s)
""",
        {"y": rng.normal(size=9)},
    ),
    "factors": (
        """model M
plate g  dim D = 3
latent R: correlation[D] ~ LKJ(2)
latent L: cholesky_correlation[D] ~ LKJCholesky(1.5)
latent S: covariance[D] ~ Wishart(5, R)
latent V: covariance[D] ~ InverseWishart(6, S)
latent tau: positive[D] ~ HalfStudentT(3, 1)
latent b[g]: real[D] ~ MultivariateNormal(0, scale_tril = diag(tau) @ L)
latent X: real[2, D] ~ MatrixNormal(zeros(2, D), eye(2), V)
observe y[g]: real[D] ~ MultivariateStudentT(5, b, S)
""",
        {"y": rng.normal(size=(4, 3))},
    ),
    "series and fields": (
        """model M
dim T  plate g = 4
latent s ~ Wald(1, 2)
latent phi: real[2] ~ SkewNormal(0, s, 3)
latent rho ~ Beta(2, 2)
latent w: real[T] ~ GaussianRandomWalk(s, 1)
latent f: zero_sum[g] ~ ICAR(adjacency = ones(g, g) - eye(g), scale = s)
latent c: real[g] ~ CAR(f, ones(g, g) - eye(g), rho, s)
latent e ~ ExGaussian(0, s, 1)
latent k: ordered[2] ~ Normal(0, 1)
observe z: index(3) ~ OrderedProbit(e, k)
observe y: real[T] ~ AR(phi, s, 2, intercept = mean(c))
observe x: real[T] ~ Normal(w, 0.5)
""",
        {"y": rng.normal(size=5), "x": rng.normal(size=5), "z": 1},
    ),
    "truncated": (
        """model M
plate n
latent a ~ LogNormal(0, 0.5)  latent b ~ LogNormal(0, 0.5)  latent m ~ Normal(0, 1)
observe x[n]: real(0.5, 4) ~ Gamma(a, b)
observe t[n]: real(-1, inf) ~ StudentT(2 + a, m, b)
observe z[n]: real(0, inf) ~ Normal(m, b)
observe k[n]: integer(1, inf) ~ Poisson(b)
""",
        {"x": [0.6, 3.0, 1.1], "t": [0.0, 5.0, -0.3], "z": [0.1, 0.2, 2.0], "k": [1, 2, 4]},
    ),
    "missing": (
        """model M
plate n
latent m ~ Normal(0, 1)
observe x[n]: real? ~ Normal(m, 1)
observe g[n]: binary? ~ Bernoulli(0.3)
observe y[n] ~ Normal(2 * x + g, 0.5)
""",
        {"x": [0.5, np.nan, -1.0], "g": [1, 0, np.nan], "y": [1.1, 2.0, -0.4]},
    ),
}


def density_of(name: str) -> Density:
    text, data = MODELS[name]
    model = gendsl.compile(text)
    bound = model.bind(data)
    ready = executable(model.compiled.program, model.compiled.checked.ir, bound, FLOAT64, CPU)
    return Density(ready, model.plan.noncentred, FollowSupport())


@pytest.mark.parametrize("name", MODELS)
def test_three_ways_agree(name):
    with tensors(FLOAT64, CPU, 3):
        density = density_of(name)
        potential = potential_of(density)
        assert potential.note is None
        for _ in range(5):
            point = torch.randn(density.size)
            leaf = point.clone().requires_grad_()
            from_start = 0
            parts = {}
            for u in density.unknowns:
                own = leaf[from_start : from_start + u.size]
                parts[u.name] = own.reshape(u.unconstrained_shape)
                from_start += u.size
            with pyro.validation_enabled(is_validate=False):
                value = density.potential(parts)
            (gradient,) = torch.autograd.grad(value, leaf)
            with torch.no_grad():
                fast, slope = potential.function(point)
            assert fast.item() == pytest.approx(value.item(), rel=1e-12)
            assert torch.allclose(slope, gradient, rtol=1e-10, atol=1e-10)
            if potential.native is not None:
                number, array = potential.native(point.numpy())
                assert number == pytest.approx(value.item(), rel=1e-12)
                assert np.allclose(array, gradient.numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_here_becomes_machine_code(name):
    with tensors(FLOAT64, CPU, 3):
        try:
            build(record(lambda x: (x * x).sum(), torch.randn(2)))
        except NotNative as error:
            pytest.skip(str(error))
        assert potential_of(density_of(name)).way == "machine code"


def test_normal_tails_in_machine_code():
    at = [-500.0, -40.0, -36.1, -35.9, -20.0, -1.01, -0.99, 0.0, 3.0, 30.0]
    with tensors(FLOAT64, CPU, 3):
        found = recorded(lambda x: (x[0] * torch.special.log_ndtr(x[1:])).sum(), 2)
        if found.native is None:
            pytest.skip("no C compiler")
        values = [found.native(np.array([1.0, x])) for x in at]
    np.testing.assert_allclose([v for v, _ in values], log_ndtr(at), rtol=1e-12)
    slopes = np.exp(norm.logpdf(at) - log_ndtr(at))
    np.testing.assert_allclose([g[1] for _, g in values], slopes, rtol=1e-9)


def test_a_decision_on_an_unknown_is_not_recorded():
    with tensors(FLOAT64, CPU, 0), pytest.raises(Untraceable, match="decision"):
        record(lambda x: x.sum() if float(x.sum()) > 0 else -x.sum(), torch.randn(3))


def test_what_cannot_be_recorded_is_evaluated_by_handlers_and_said():
    with tensors(FLOAT64, CPU, 0):
        found = recorded(lambda x: (x**2).sum() if float(x.detach()[0]) < 99 else x.sum(), 3)
        value, gradient = found(np.array([1.0, 2.0, 3.0]))
    assert found.way == "handlers"
    assert "slow" in (found.note or "")
    assert value == 14
    assert gradient.tolist() == [2, 4, 6]


def test_terms_without_unknowns_are_computed_beforehand():
    held = torch.arange(4.0, dtype=FLOAT64)
    with tensors(FLOAT64, CPU, 0):
        tape = record(lambda x: (x * torch.exp(held).sum() * 1.0 + 0.0).sum(), torch.randn(2))
    names = [str(s.op) for s in tape.steps]
    assert not any("exp" in n or "add" in n for n in names)
    value, gradient = runner(tape)(torch.ones(2, dtype=FLOAT64))
    total = float(torch.exp(held).sum())
    assert float(value) == pytest.approx(2 * total)
    assert gradient.tolist() == pytest.approx([total, total])


def square(x: torch.Tensor) -> torch.Tensor:
    """A batch of two well-conditioned matrices of three rows."""
    vectors = x.reshape(2, 3, 1)
    return vectors @ vectors.mT + 2.0 * torch.eye(3)


def solved(x: torch.Tensor, **options: bool) -> torch.Tensor:
    known = torch.arange(1.0, 7.0).reshape(3, 2)
    known = known if options.get("left", True) else known.mT
    return torch.linalg.solve_triangular(square(x), known, **options).sin().sum()


TAILS = [0.5, 3.0, -9.0, 35.0, -80.0, 1e4]
OPERATIONS = {
    "cholesky": lambda x: torch.linalg.cholesky(square(x)).sin().sum(),
    "lower system": lambda x: solved(x, upper=False),
    "upper system": lambda x: solved(x, upper=True),
    "system from the right": lambda x: solved(x, upper=False, left=False),
    "upper system from the right": lambda x: solved(x, upper=True, left=False),
    "system of units": lambda x: solved(x, upper=False, unitriangular=True),
    "diagonals": lambda x: (
        torch.diagonal(x.reshape(2, 3), 1) ** 2 + torch.diagonal(x.reshape(3, 2).mT, -1)
    ).sum(),
    "matrix of a diagonal": lambda x: torch.diag_embed(x, -1).cumsum(-1).sin().sum(),
    "gather": lambda x: x.view(2, 3).gather(1, torch.tensor([[2, 0], [1, 1]])).exp().sum(),
    "index": lambda x: (x[torch.tensor([0, 5, 5])] ** 3).sum(),
    "cumsum": lambda x: (x.view(2, 3).cumsum(0) * x.view(2, 3)).sum(),
    "flip": lambda x: (x.flip(0) * torch.arange(6.0)).sum().sin(),
    "max": lambda x: x.view(3, 2).max(1).values.prod(),
    "matmul": lambda x: (x.view(2, 3) @ x.view(3, 2)).pow(2).sum(),
    "batched": lambda x: torch.bmm(x.view(1, 2, 3), x.view(1, 3, 2)).sum(),
    "cat": lambda x: torch.cat([x[1:], x[:2] * 2]).cumprod(0).sum(),
    "stack": lambda x: torch.stack([x, x.exp()], 1).logsumexp(1).sum(),
    "special": lambda x: (torch.lgamma(x.abs() + 0.1) + torch.erf(x) + torch.log1p(x * x)).sum(),
    "tails of the normal": lambda x: torch.special.log_ndtr(x * torch.tensor(TAILS)).sum(),
    "where": lambda x: torch.where(x > 0, x.tanh(), x.expm1()).sum(),
    "clamp": lambda x: x.clamp(-0.5, 0.5).sigmoid().log().sum(),
    "softplus": lambda x: torch.nn.functional.softplus(x).sum() + torch.log_softmax(x, 0)[0],
    "mean": lambda x: x.view(2, 3).mean(1).prod(),
    "strided": lambda x: (x[::2] - x[1::2]).abs().sqrt().sum(),
    "transposed": lambda x: (x.view(2, 3).T.reshape(6) * torch.arange(6.0)).sum() ** 2,
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_in_machine_code(name):
    function = OPERATIONS[name]
    with tensors(FLOAT64, CPU, 4):
        found = recorded(function, 6)
        if found.native is None:
            pytest.skip("not compiled")
        for _ in range(4):
            leaf = torch.randn(6).requires_grad_()
            value = function(leaf)
            (gradient,) = torch.autograd.grad(value, leaf)
            number, array = found.native(leaf.detach().numpy())
            assert number == pytest.approx(value.item(), rel=1e-12, abs=1e-12)
            assert np.allclose(array, gradient.numpy(), rtol=1e-10, atol=1e-10)
