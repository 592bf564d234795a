"""A step of training against Pyro's own objectives for the emitted program, at the same draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyro
import pytest
import torch
from discrete_cases import DISCRETE
from pyro.distributions import constraints
from pyro.infer import Trace_ELBO, TraceEnum_ELBO, TraceMeanField_ELBO

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


def with_gaps(x, count, *, tied=False):
    """The same with so many values missing, or so many vectors."""
    found = np.array(x, dtype=float)
    flat = found.reshape(-1, found.shape[-1] if tied else 1)
    flat[RNG.choice(len(flat), count, replace=False)] = np.nan
    return found


BINARY, REAL3 = bits(N, 4), reals(N, 3)
SHARES = RNG.dirichlet([1, 1, 1], size=(2, N))
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
    "autoregressive_decoder": (
        """net decode: (real[4], real[2]) -> causal real[4] = made(hidden=[8])
        latent z[n]: real[2] ~ Normal(0, 1)
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(x, z))""",
        {"x": BINARY},
    ),
    "autoregressive_prior": (
        """net prior: real[2] -> causal (loc: real[2], scale: positive[2]) = made(hidden=[8])
        net decode: real[2] -> real[4] = mlp(hidden=[8])
        latent z[n]: real[2] ~ Normal(prior(z))
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(z))""",
        {"x": BINARY},
    ),
    "flows": (
        """net decode: real[2] -> real[4] = mlp(hidden=[8])
        net encode: real[4] -> (loc: real[2], scale: positive[2]) = mlp(hidden=[8])
        flow posterior: real[2] | real[4] = autoregressive(spline(bins=4), layers=2, hidden=[8])
        flow prior: real[2] = coupling(affine, layers=2, hidden=[8])
        latent z[n]: real[2] ~ Normal(0, 1) |> prior
        observe x[n]: binary[4] ~ Bernoulli(logits=decode(z))
        guide z ~ Normal(encode(x)) |> posterior(x)""",
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
    "gaps": (
        """plate m  dim L = 2
        net f: real[L] -> real[3] = mlp(hidden=[4])
        net g: real[L] -> simplex[3] = mlp(hidden=[4])
        latent z[n, m]: real[L] ~ Normal(0, 1)
        observe x[m, n]: real[3]? ~ Normal(f(z), 1)
        observe y[m, n]: simplex[3]? ~ Dirichlet(1 + g(z))""",
        {"x": with_gaps(reals(2, N, 3), 7), "y": with_gaps(SHARES, 5, tied=True)},
    ),
    "drawn_where_missing": (
        """net f: real[2] -> real[3] = mlp(hidden=[4])
        net g: real -> real = mlp(hidden=[4])
        latent z[n] ~ Normal(0, 1)
        observe c[n]: real[2]? ~ Normal(g(z), 1)
        observe p[n]: positive? ~ LogNormal(z, 1)
        observe x[n]: real[3] ~ Normal(f(c) * p, 1)""",
        {
            "c": with_gaps(reals(N, 2), 5),
            "p": with_gaps(RNG.gamma(2, size=(N, 1)), 3)[:, 0],
            "x": REAL3,
        },
    ),
    "product_with_gaps": (
        """dim L = 2
        net da: real[L] -> real[3] = mlp(hidden=[4])
        net db: real[L] -> real[4] = mlp(hidden=[4])
        net ea: real[3] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        net eb: real[4]? -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        latent z[n]: real[L] ~ Normal(0, 1)
        observe a[n]: real[3]? ~ Normal(da(z), 1)
        observe b[n]: binary[4]? ~ Bernoulli(logits=db(z))
        guide z ~ Product(Normal(0, 1), Normal(ea(a)), Normal(eb(b)))""",
        {"a": with_gaps(reals(N, 3), 7), "b": with_gaps(bits(N, 4), 5)},
    ),
    "deep_markov": (
        """sequence t  dim L = 2  dim H = 3
        net step: real[L] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        net emit: real[L] -> real[4] = mlp(hidden=[4])
        latent z[n, 0]: real[L] ~ Normal(0, 1)
        latent z[n, t]: real[L] ~ Normal(step(z[t-1]))
        observe x[n, t]: binary[4] ~ Bernoulli(logits=emit(z))
        net future: real[t, 4] -> real[t, H] = rnn(hidden=3, direction=backward)
        net combine: (real[L], real[H]) -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        let h[n]: real[t, H] = future(collect(x, t))
        guide z[n, 0] ~ Normal(combine(zeros(L), h[t=0]))
        guide z[n, t] ~ Normal(combine(z[t-1], h[t]))""",
        {"x": bits(N, 5, 4)},
    ),
    "automatic_deep_markov": (
        """sequence t  dim L = 2
        net step: real[L] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        net emit: real[L] -> real[4] = mlp(hidden=[4])
        latent z[n, 0]: real[L] ~ Normal(0, 1)
        latent z[n, t]: real[L] ~ Normal(step(z[t-1]))
        observe x[n, t]: binary[4] ~ Bernoulli(logits=emit(z))""",
        {"x": bits(N, 5, 4)},
    ),
    "ragged": (
        """sequence t[n]  dim L = 2
        net step: real[L] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        net emit: real[L] -> real[4] = mlp(hidden=[4])
        latent z[n, 0]: real[L] ~ Normal(0, 1)
        latent z[n, t]: real[L] ~ Normal(step(z[t-1]))
        observe x[n, t]: binary[4] ~ Bernoulli(logits=emit(z))""",
        {"x": [bits(1 + i % 5, 4) for i in range(N)]},
    ),
    "recurrent": (
        """sequence t  dim L = 2  dim H = 3
        net prior: real[H] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        net emit: (real[L], real[H]) -> real[4] = mlp(hidden=[4])
        net next: (real[H], real[4], real[L]) -> real[H] = mlp(hidden=[4], output=tanh)
        net encode: (real[4], real[H]) -> (loc: real[L], scale: positive[L]) = mlp(hidden=[4])
        latent z[n, 0]: real[L] ~ Normal(0, 1)
        latent z[n, t]: real[L] ~ Normal(prior(h[t-1]))
        let h[n, 0]: real[H] = next(zeros(H), x[t=0], z[t=0])
        let h[n, t]: real[H] = next(h[t-1], x, z)
        observe x[n, 0]: binary[4] ~ Bernoulli(logits=emit(z[t=0], zeros(H)))
        observe x[n, t]: binary[4] ~ Bernoulli(logits=emit(z, h[t-1]))
        guide z[n, 0] ~ Normal(encode(x[t=0], zeros(H)))
        guide z[n, t] ~ Normal(encode(x, h[t-1]))""",
        {"x": bits(N, 5, 4)},
    ),
    "own_steps": (
        """sequence t
        param s: positive = 1
        latent a ~ Normal(0, 1)
        latent z[n, 0] ~ Normal(0, 1)
        latent z[n, t] ~ Normal(a * z[t-1], s)
        param m[t]: real = 0
        guide z[n, 0] ~ Normal(x[t=0], 1)
        guide z[n, t] ~ Normal(m + a * z[t-1] + 0.1 * x[t-1], exp(x))
        observe x[n, t] ~ Normal(z, 0.5)
        infer svi""",
        {"x": reals(N, 4)},
    ),
    "missing": (
        """latent w: real[2] ~ Normal(0, 1)
        param s: positive = 1
        input x[n]: real[2]
        observe y[n]: real? ~ Normal(x @ w, s)""",
        {"x": reals(N, 2), "y": np.where(np.arange(N) % 3 == 0, np.nan, reals(N))},
    ),
}


CASES |= DISCRETE


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
        sites = self.inference.light.sites(arguments, 1, count, total, training=True)
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
        if name in DISCRETE:
            nesting = ready.compiled.program.layout.max_plate_nesting
            objective = TraceEnum_ELBO(max_plate_nesting=nesting)
        arguments, count, total = ready.arguments(5 if batch == "some" else N)
        if batch == "some" and count == total:
            pytest.skip("its data are not taken in batches")
        if kl == "auto" and name in DEPENDENT | DISCRETE.keys():
            pytest.skip("Pyro takes its analytic divergences for mean fields only")
        loss = ready.loss(arguments, count, total, kl=kl)
        reference = ready.reference(objective, arguments, count, total)
        assert float(loss.detach()) == pytest.approx(float(reference.detach()), rel=1e-5)
        assert_equal_gradients(ready, loss, reference)


SEQUENTIAL = ("deep_markov", "automatic_deep_markov", "ragged", "recurrent", "own_steps")
DEPENDENT = frozenset({"hierarchical", *SEQUENTIAL})


PRINTED = ("experts", "guided_codes", "guided_mixture", "guided_parts")
"""With discrete latents, which Pyro itself sums out."""


@pytest.mark.parametrize(
    "name",
    [
        *("vae", "schools", "hierarchical", "written_guide", "gaps", "product_with_gaps"),
        *("deep_markov", "recurrent", *PRINTED),
    ],
)
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
        nesting = ready.compiled.program.layout.max_plate_nesting
        objective = TraceEnum_ELBO(max_plate_nesting=nesting) if name in PRINTED else Trace_ELBO()
        found = objective.loss(namespace["model"], namespace["guide"], **given) / total
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
