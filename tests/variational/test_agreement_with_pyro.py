"""A step of training against Pyro's own objectives for the emitted program, at the same draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyro
import pytest
import torch
from pyro.distributions import constraints
from pyro.infer import Trace_ELBO, TraceMeanField_ELBO

import gendsl
from gendsl.compiler import replan
from gendsl.runtime.backend import tensors
from gendsl.runtime.objectives import Elbo
from gendsl.runtime.plates import PRIMITIVES
from gendsl.runtime.program import executable, load_program
from gendsl.runtime.variational.fitting import learned_for
from gendsl.runtime.variational.learning import prepare, unvalidated

RNG = np.random.default_rng(5)
N = 12


def bits(*shape):
    return RNG.integers(0, 2, shape)


def reals(*shape):
    return RNG.normal(size=shape)


BINARY, REAL3 = bits(N, 4), reals(N, 3)
CASES = {
    "vae": (
        """net decode: real[2] -> real[4] = mlp(hidden=[8])
        latent z[n]: real[2] ~ Normal(0, 1)
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(z))""",
        {"x": BINARY},
    ),
    "conditional": (
        """plate k = 3
        input c[n]: index(k)
        net decode: (real[2], index(k)) -> real[4] = mlp(hidden=[8])
        latent z[n]: real[2] ~ Normal(0, 1)
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(z, c))""",
        {"x": BINARY, "c": RNG.integers(0, 3, N)},
    ),
    "hierarchical": (
        """net upper: real[2] -> (loc: real[3], scale: positive[3]) = mlp(hidden=[8])
        net lower: real[3] -> real[4] = mlp(hidden=[8])
        latent top[n]: real[2] ~ Normal(0, 1)
        latent z[n]: real[3] ~ Normal(upper(top))
        observe x[n]: binary[4] ~ Bernoulli(logits=lower(z))""",
        {"x": BINARY},
    ),
    "schools": (
        """input sigma[n]: positive
        latent mu ~ Normal(0, 5)
        latent tau ~ HalfNormal(5)
        latent theta[n] ~ Normal(mu, tau)
        observe y[n] ~ Normal(theta, sigma)
        infer svi""",
        {
            "y": [28.0, 8, -3, 7, -1, 1, 18, 12],
            "sigma": [15.0, 10, 16, 11, 9, 11, 10, 18],
        },
    ),
    "bounded": (
        """latent p: simplex[3] ~ Dirichlet([1, 2, 3])
        latent u: unit ~ Beta(2, 2)
        latent c: ordered[2] ~ Normal(0, 2)
        latent r: positive[2] ~ Gamma(2, 1)
        observe y[n]: index(3) ~ Categorical(p)
        observe b[n]: binary ~ Bernoulli(u)
        observe o[n]: index(3) ~ OrderedLogistic(0, c)
        observe v[n]: positive[2] ~ Gamma(r, 1)
        infer svi""",
        {
            "y": RNG.integers(0, 3, N),
            "b": bits(N),
            "o": RNG.integers(0, 3, N),
            "v": RNG.gamma(2.0, size=(N, 2)),
        },
    ),
    "amortised_positive": (
        """net rate: positive -> positive[3] = mlp(hidden=[4])
        latent m ~ Normal(0, 1)
        latent z[n]: positive ~ LogNormal(m, 1)
        param s: positive = 1
        observe x[n]: real[3] ~ Normal(rate(z), s)""",
        {"x": REAL3},
    ),
    "written_guide": (
        """net decode: real -> real[3] = mlp(hidden=[4])
        net encode: real[3] -> (loc: real, scale: positive) = mlp(hidden=[4])
        latent z[n] ~ Normal(0, 1)
        guide z ~ Normal(encode(x))
        param s: positive = 1
        observe x[n]: real[3] ~ Normal(decode(z), s)""",
        {"x": REAL3},
    ),
    "two_plates": (
        """plate m
        net f: real -> real = mlp(hidden=[4])
        latent a[m] ~ Normal(0, 1)
        latent b[n] ~ Normal(0, 1)
        observe y[m, n] ~ Normal(f(a) + b, 1)
        infer svi""",
        {"y": reals(3, N)},
    ),
    "missing": (
        """latent w: real[2] ~ Normal(0, 1)
        param s: positive = 1
        input x[n]: real[2]
        observe y[n]: real? ~ Normal(x @ w, s)""",
        {"x": reals(N, 2), "y": np.where(np.arange(N) % 3 == 0, np.nan, reals(N))},
    ),
}


class Ready:
    """A model with data, its networks and params moved off their starting values."""

    def __init__(self, name):
        text, data = CASES[name]
        model = gendsl.compile(f"model M\nplate n\n{text}\n")
        self.compiled = replan(model.compiled.checked, "svi", {})
        self.ir = self.compiled.checked.ir
        self.bound = model.bind(data)
        self.torch = tensors(torch.float64, torch.device("cpu"), 1)

    def __enter__(self):
        self.torch.__enter__()
        compiled = self.compiled
        self.learned = learned_for(compiled.plan, self.ir, self.bound.sizes)
        ready = executable(
            compiled.program,
            self.ir,
            self.bound,
            torch.float64,
            torch.device("cpu"),
            nets=self.learned.nets,
        )
        with unvalidated():
            self.inference = prepare(ready, self.ir, compiled.plan, self.learned)
        with torch.no_grad():
            for free in self.learned.free.values():
                free += 0.3 * torch.randn_like(free)
        return self

    def __exit__(self, *error):
        self.torch.__exit__(*error)

    def leaves(self):
        nets = [p for net in self.learned.nets.values() for p in net.parameters()]
        return [*self.learned.free.values(), *nets]

    def arguments(self, count):
        rows = self.inference.rows
        if rows.plate is None:
            return self.inference.everything(), 1, 1
        part = {n: t[:count] for n, t in rows.arrays.items()}
        return rows.arguments(part, count), count, rows.total

    def loss(self, arguments, count, total, **options):
        torch.manual_seed(3)
        sites = self.inference.light.sites(arguments, 1, count, total)
        return Elbo(**options)(sites).loss

    def programs(self, count, total):
        """Model and guide under Pyro's handlers, with its own scaling of a part of the rows."""
        plate = self.inference.rows.plate

        def part(name, size, *, dim):
            if name == plate:
                return pyro.plate(name, total, subsample=torch.arange(count), dim=dim)
            return PRIMITIVES.plate(name, size, dim=dim)

        given = SimpleNamespace(**{**vars(PRIMITIVES), "plate": part, "param": self.learned.param})
        program = self.compiled.program
        return (
            load_program(program, self.ir, given),
            load_program(program, self.ir, given, "guide"),
        )

    def reference(self, objective, arguments, count, total):
        model, guide = self.programs(count, total)
        nets = self.inference.light.program.nets
        given = arguments if nets is None else {**arguments, nets: self.learned.nets}
        torch.manual_seed(3)
        return objective.differentiable_loss(model, guide, **given) / total


def assert_equal_gradients(ready, loss, reference):
    leaves = ready.leaves()
    ours = torch.autograd.grad(loss, leaves, allow_unused=True)
    theirs = torch.autograd.grad(reference, leaves, allow_unused=True)
    assert any(g is not None and bool((g != 0).any()) for g in theirs)
    for leaf, a, b in zip(leaves, ours, theirs, strict=True):
        zero = torch.zeros_like(leaf)
        a, b = zero if a is None else a, zero if b is None else b
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-8)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pyro tells of divergences without formulas
@pytest.mark.parametrize("batch", ["all", "some"])
@pytest.mark.parametrize("kl", ["sampled", "auto"])
@pytest.mark.parametrize("name", CASES)
def test_loss_and_gradient(name, kl, batch):
    objective = Trace_ELBO() if kl == "sampled" else TraceMeanField_ELBO()
    with Ready(name) as ready:
        arguments, count, total = ready.arguments(5 if batch == "some" else N)
        if batch == "some" and count == total:
            pytest.skip("its data are not taken in batches")
        if kl == "auto" and name in DEPENDENT:
            pytest.skip("Pyro takes its analytic divergences for mean fields only")
        loss = ready.loss(arguments, count, total, kl=kl)
        reference = ready.reference(objective, arguments, count, total)
        assert float(loss.detach()) == pytest.approx(float(reference.detach()), rel=1e-5)
        assert_equal_gradients(ready, loss, reference)


DEPENDENT = frozenset({"hierarchical"})


@pytest.mark.parametrize("name", ["vae", "schools", "hierarchical", "written_guide"])
def test_printed_program(name):
    """The text of `pyro_source` by itself, with Pyro's own store of params."""
    with Ready(name) as ready:
        arguments, count, total = ready.arguments(N)
        loss = float(ready.loss(arguments, count, total, kl="sampled").detach())
        pyro.clear_param_store()
        store = pyro.get_param_store()
        for param, value in ready.learned.free.items():
            constraint = (
                constraints.positive if param.endswith(("scale", "s")) else constraints.real
            )
            store.setdefault(param, lambda p=param: ready.learned.param(p).detach(), constraint)
            assert torch.allclose(store._params[param], value)
        namespace = {"__name__": "printed"}
        exec(ready.compiled.program.source, namespace)
        nets = ready.compiled.program.nets
        given = arguments if nets is None else {**arguments, nets: ready.learned.nets}
        torch.manual_seed(3)
        found = Trace_ELBO().loss(namespace["model"], namespace["guide"], **given) / total
        pyro.clear_param_store()
    assert found == pytest.approx(loss, rel=1e-5)


def test_batches_are_unbiased():
    """The mean of the gradient over all batches of one partition is that of all rows."""
    with Ready("written_guide") as ready:
        rows, leaves = ready.inference.rows, ready.leaves()

        def gradient(start, stop):
            part = {n: t[start:stop] for n, t in rows.arrays.items()}
            sites = ready.inference.light.sites(
                rows.arguments(part, stop - start), 1, stop - start, rows.total
            )
            return Elbo()(sites).loss

        torch.manual_seed(1)
        parts = [gradient(s, s + 4) for s in range(0, N, 4)]
        torch.manual_seed(1)  # the draws of three batches are those of all rows, one after another
        whole = gradient(0, N)
        mean = torch.stack(parts).mean()
        assert float(mean.detach()) == pytest.approx(float(whole.detach()), rel=1e-9)
        for a, b in zip(
            torch.autograd.grad(mean, leaves), torch.autograd.grad(whole, leaves), strict=True
        ):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
