"""VQ-VAE: gradients against a hand-written layer, codebooks against k-means, and refusals."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pyro.infer import Trace_ELBO
from scipy.cluster.vq import kmeans2
from torch.distributions import Normal

import gendsl
from gendsl.compiler import replan
from gendsl.diagnostics import DataError
from gendsl.runtime.backend import tensors
from gendsl.runtime.objectives import Clock
from gendsl.runtime.plates import PRIMITIVES
from gendsl.runtime.program import executable, load_program
from gendsl.runtime.variational import learning, quantising, recorded
from gendsl.runtime.variational.fitting import learned_for
from gendsl.runtime.variational.learning import prepare, unvalidated
from gendsl.runtime.variational.objective import objective_of

VQVAE = """
model VQVAE
plate image  plate code = 6  dim S = 4  dim C = 3  dim D = 8
param codebook[code]: real[C]
net encode: real[D] -> real[S, C] = mlp(hidden=[10])
net decode: real[S, C] -> real[D] = mlp(hidden=[10])
latent k[image]: index(code)[S] ~ Categorical(logits = zeros(code))
observe x[image]: real[D] ~ Normal(decode(codebook[k]), 0.3)
guide k = nearest(encode(x), codebook, code)
"""
X = np.random.default_rng(0).normal(size=(40, 8))
FIT = {"progress": False, "seed": 1, "draws": 5, "dtype": "float64"}


@contextmanager
def ready(text=VQVAE, data=None, **options):
    """A prepared model, its objective, and codes away from their start."""
    model = gendsl.compile(text)
    compiled = replan(model.compiled.checked, "svi", options)
    bound = model.bind({"x": X} if data is None else data)
    with tensors(torch.float64, torch.device("cpu"), 1), unvalidated():
        learned = learned_for(compiled.plan, compiled.checked.ir, bound.sizes)
        program = executable(
            compiled.program,
            compiled.checked.ir,
            bound,
            torch.float64,
            torch.device("cpu"),
            nets=learned.nets,
        )
        inference = prepare(program, compiled.checked.ir, compiled.plan, learned)
        quantising.begin(inference.light, inference.rows, compiled.checked.ir, learned, 1)
        objective = objective_of(compiled.plan, compiled.checked.ir)
        yield SimpleNamespace(
            compiled=compiled, learned=learned, inference=inference, objective=objective
        )


def step(it, count, memory=None):
    rows = it.inference.rows
    part = {n: t[:count] for n, t in rows.arrays.items()}
    arguments = rows.arguments(part, count)
    sites = it.inference.light.sites(arguments, 1, count, rows.total, training=True)
    return it.objective(sites, Clock(0, 0.0), {} if memory is None else memory), arguments


def by_hand(it, count, commitment):
    """The loss of van den Oord et al. (2017), equation 3, and its parts."""
    x = torch.tensor(X[:count])
    encoded, book = it.learned.nets["encode"](x), it.learned.free["codebook"]
    index = torch.cdist(encoded, book).argmin(-1)
    chosen = book[index]
    quantised = encoded + (chosen - encoded).detach()
    likelihood = Normal(it.learned.nets["decode"](quantised), 0.3).log_prob(x).sum(-1)
    codebook = (encoded.detach() - chosen).square().sum((-1, -2))
    committed = (encoded - chosen.detach()).square().sum((-1, -2))
    rate = 4 * np.log(6)
    loss = (-likelihood + rate + codebook + commitment * committed).mean()
    return loss, likelihood.mean() - rate, index


@pytest.mark.parametrize(("commitment", "count"), [(0.25, 40), (2.0, 7)])
def test_gradients_are_those_of_the_paper(commitment, count):
    with ready(commitment=commitment) as it:
        found, _ = step(it, count)
        expected, bound, _ = by_hand(it, count, commitment)
        nets = [p for net in it.learned.nets.values() for p in net.parameters()]
        leaves = [*it.learned.free.values(), *nets]
        ours = torch.autograd.grad(found.loss, leaves)
        theirs = torch.autograd.grad(expected, leaves)
        torch.testing.assert_close(found.loss, expected)
        assert float(found.bound) == pytest.approx(float(bound.detach()))
        for a, b in zip(ours, theirs, strict=True):
            assert bool((b != 0).any())
            torch.testing.assert_close(a, b)


def test_each_term_trains_its_own_part():
    """Decoder by the first, encoder by the first and third, codebook by the second alone."""
    with ready(commitment=0) as it:
        reached = {}
        for name, weight in (("likelihood", 0.0), ("codebook", 1.0), ("commitment", 1.0)):
            kept = [
                replace(p, weight=weight * (p.name == f"{name}.k")) for p in it.objective.penalties
            ]
            weights = {"kl": 1.0, "log_likelihood": float(name == "likelihood")}
            it.objective = replace(it.objective, weights=weights, penalties=tuple(kept))
            loss = step(it, 40)[0].loss
            groups = {n: list(net.parameters()) for n, net in it.learned.nets.items()}
            groups["codebook"] = list(it.learned.free.values())
            grads = {
                n: torch.autograd.grad(loss, p, allow_unused=True, retain_graph=True)
                for n, p in groups.items()
            }
            reached[name] = {
                n for n, g in grads.items() if any(v is not None and bool(v.any()) for v in g)
            }
    assert reached == {
        "likelihood": {"encode", "decode"},
        "codebook": {"codebook"},
        "commitment": {"encode"},
    }


def test_the_bound_is_that_of_pyro_for_the_emitted_program():
    with ready() as it:
        found, arguments = step(it, 40)
        given = SimpleNamespace(**{**vars(PRIMITIVES), "param": it.learned.param})
        program, ir = it.compiled.program, it.compiled.checked.ir
        functions = [load_program(program, ir, given, name) for name in ("model", "guide")]
        arguments = {**arguments, program.nets: it.learned.nets}
        loss = Trace_ELBO().differentiable_loss(*functions, **arguments)
        assert float(found.bound) == pytest.approx(-float(loss.detach()) / 40, rel=1e-9)


def test_codebooks_that_move():
    """N_i = g N_i + (1 - g) n_i and the same of sums, members their ratio (appendix A.1)."""
    with ready(codebook="ema", ema_decay=0.9) as it:
        memory, often, total = {}, np.zeros(6), np.zeros((6, 3))
        for count in (40, 12, 25):
            _, _, index = by_hand(it, count, 0.25)
            encoded = it.learned.nets["encode"](torch.tensor(X[:count])).detach().numpy()
            taken = np.eye(6)[index.numpy().ravel()]
            often = 0.9 * often + 0.1 * taken.sum(0)
            total = 0.9 * total + 0.1 * taken.T @ encoded.reshape(-1, 3)
            found, _ = step(it, count, memory)
            assert torch.autograd.grad(
                found.loss, [it.learned.free["codebook"]], allow_unused=True
            ) == (None,)
            quantising.settle(it.objective, memory, it.learned)
            used = often > 0
            book = it.learned.values(("codebook",))["codebook"]
            np.testing.assert_allclose(book[used], total[used] / often[used, None], rtol=1e-10)


def test_members_that_are_hardly_taken_begin_anew():
    with ready(codebook="ema", ema_decay=0.5, restart=1.0) as it:
        it.learned.assign("codebook", torch.cat([torch.zeros(1, 3), torch.full((5, 3), 90.0)]))
        memory = {}
        step(it, 40, memory)
        quantising.settle(it.objective, memory, it.learned)
        vectors = it.learned.nets["encode"](torch.tensor(X)).detach().reshape(-1, 3)
        book = it.learned.free["codebook"].detach()
        near = torch.cdist(book[1:], vectors).min(-1).values
        assert float(near.max()) < 1e-7
        torch.testing.assert_close(book[0], vectors.mean(0))


KMEANS = """
model KMeans
plate n  plate code = 4  dim D = 2
param codebook[code]: real[D]
param s: positive = 1
latent k[n]: index(code) ~ Categorical(logits = zeros(code))
observe x[n]: real[D] ~ Normal(codebook[k], s)
guide k = nearest(x, codebook, code)
infer svi(codebook=ema, ema_decay=0, epochs=40, learning_rate=0.05)
"""


def test_without_networks_it_is_k_means():
    """All rows at once and no decay: Lloyd's algorithm, from the same start."""
    rng = np.random.default_rng(3)
    centres = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [5.0, 5.0]])
    x = centres[rng.integers(0, 4, 120)] + rng.normal(size=(120, 2))
    with ready(KMEANS, {"x": x}) as it:
        start = it.learned.values(("codebook",))["codebook"]
    model = gendsl.compile(KMEANS)
    found = model.fit({"x": x}, **FIT)
    book, labels = kmeans2(x, start, iter=40, minit="matrix")
    np.testing.assert_allclose(found.estimate.codebook, book, atol=1e-9)
    np.testing.assert_array_equal(found.encode().k, labels)
    error = ((x - book[labels]) ** 2).sum(-1)
    assert float(found.history["commitment.k"][-1]) == pytest.approx(error.mean())
    scale = float(found.estimate.s)
    bound = -error / (2 * scale**2) - np.log(2 * np.pi * scale**2) - np.log(4)
    assert found.score(particles=2).elbo.mean == pytest.approx(bound.mean(), rel=1e-6)
    assert "4 of 4 codes of `k` are used" in str(found.summary().verdict)
    counts = np.bincount(labels) / 120
    assert found.tree.attrs["perplexity k"] == pytest.approx(
        np.exp(-(counts * np.log(counts)).sum())
    )


OPTIONS = {"epochs": 8, "batch_size": 16, "learning_rate": 0.01, "codebook": "ema", "restart": 0.5}


def test_a_resumed_training_has_the_same_codebook(tmp_path, monkeypatch):
    made, call = learning.training_options, learning._Step.__call__
    monkeypatch.setattr(
        learning, "training_options", lambda *a, **k: replace(made(*a, **k), checkpoint_every=5)
    )
    model = gendsl.compile(VQVAE)
    whole = model.fit({"x": X}, **FIT, **OPTIONS)

    def killed(self, batch, state):
        if state.step == 13:
            raise KeyError
        return call(self, batch, state)

    with monkeypatch.context() as patch:
        patch.setattr(learning._Step, "__call__", killed)
        with pytest.raises(KeyError):
            model.fit({"x": X}, **FIT, **OPTIONS, checkpoint=tmp_path / "kept")
    resumed = model.fit({"x": X}, **FIT, **OPTIONS, checkpoint=tmp_path / "kept", resume=True)
    for name, array in whole.learned.arrays().items():
        assert array.tobytes() == resumed.learned.arrays()[name].tobytes(), name


def test_recorded_steps_lead_to_the_same_weights(monkeypatch):
    options = {"epochs": 10, "batch_size": 20, "learning_rate": 0.01}
    model = gendsl.compile(VQVAE)
    plain = model.fit({"x": X}, **FIT, **options).learned.arrays()
    monkeypatch.setattr(recorded, "WORTH_RECORDING", 1)
    made, found = recorded.Recorded, []
    monkeypatch.setattr(recorded, "Recorded", lambda *a: found.append(made(*a)) or found[-1])
    again = model.fit({"x": X}, **FIT, **options).learned.arrays()
    assert len(found) == 1
    for name, array in plain.items():
        np.testing.assert_allclose(again[name], array, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["gradient", "ema"])
def test_what_a_fit_is_used_for(kind, tmp_path):
    """Bars of four pixels: two of four codes tell four images apart."""
    rng = np.random.default_rng(4)
    bars = np.kron(np.eye(2), np.ones(4))[rng.integers(0, 2, 200)]
    x = bars + 0.1 * rng.normal(size=bars.shape)
    options = {"epochs": 60, "batch_size": 50, "learning_rate": 0.01, "codebook": kind}
    found = gendsl.compile(VQVAE).fit({"x": x}, **FIT, **options)
    code = found.encode()
    assert set(code) == {"k"}
    assert code.k.dtype.kind == "i"
    rebuilt = found.reconstruct().x.to_numpy()
    assert np.abs(rebuilt - bars).mean() < 0.15
    np.testing.assert_allclose(found.decode(code).x, rebuilt)
    assert set(found.generate(3, seed=2)) == {"k", "x"}
    scored = found.score(particles=3)
    assert scored.terms["kl.k"].mean == pytest.approx(4 * np.log(6))
    assert not scored.points
    assert scored.log_likelihood.mean == pytest.approx(scored.elbo.mean)
    found.save(tmp_path / "kept")
    again = gendsl.load_fit(tmp_path / "kept")
    np.testing.assert_array_equal(again.encode({"x": x[:5]}).k, code.k[:5])


GRID = """
model Grid
plate image  plate code = 16
param codebook[code]: real[5]
net encode: real[8, 8, 1] -> real[2, 2, 5] = conv_encoder(hidden=[4, 4])
net decode: real[2, 2, 5] -> real[8, 8, 1] = conv_decoder(hidden=[4, 4])
latent k[image]: index(code)[2, 2] ~ Categorical(logits = zeros(code))
observe x[image]: real[8, 8, 1] ~ Normal(decode(codebook[k]), 0.3)
guide k = nearest(encode(x), codebook, code)
"""


def test_codes_on_a_grid():
    x = np.random.default_rng(5).normal(size=(20, 8, 8, 1))
    found = gendsl.compile(GRID).fit({"x": x}, epochs=3, **FIT)
    assert found.encode().k.shape == (20, 2, 2)
    assert found.reconstruct().x.shape == x.shape


def test_a_table_may_have_no_plate():
    """The codebook as a matrix, indexed by `index(K)`."""
    text = VQVAE.replace("plate code = 6", "dim K = 6").replace("[code]: real[C]", ": real[K, C]")
    text = text.replace("index(code)", "index(K)").replace("zeros(code)", "zeros(K)")
    with ready(text.replace(", codebook, code)", ", codebook)")) as it:
        found, _ = step(it, 40)
        expected, _, _ = by_hand(it, 40, 0.25)
        torch.testing.assert_close(found.loss, expected)
        book = it.learned.free["codebook"]
        ours, theirs = (torch.autograd.grad(v, [book])[0] for v in (found.loss, expected))
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"bound": "iwae"}, "`bound` is elbo for them"),
        ({"restart": 1.0}, "`restart` is for codebooks that move: `codebook = ema`"),
        ({"ema_decay": 0.5}, "`codebook = ema`"),
    ],
)
def test_options_that_do_not_go_together(options, why):
    with pytest.raises(DataError) as caught:
        gendsl.compile(VQVAE).fit({"x": X}, **FIT, **options)
    (found,) = caught.value.diagnostics
    assert found.code == "GD865"
    assert why in found.message


IMAGES = """
model Images
plate image  plate code = 64  dim S = 16  dim C = 16  dim D = 784
param codebook[code]: real[C]
net encode: real[D] -> real[S, C] = mlp(hidden=[256])
net decode: real[S, C] -> real[D] = mlp(hidden=[256])
latent k[image]: index(code)[S] ~ Categorical(logits = zeros(code))
observe x[image]: real[D] ~ Normal(decode(codebook[k]), 0.2)
guide k = nearest(encode(x), codebook, code)
infer svi(codebook=ema, epochs=20, batch_size=100)
"""


@pytest.mark.slow
def test_digits(shared_data):
    """12 bytes an image: squared error 0.024 a pixel, against 0.065 of the mean image."""
    with np.load(shared_data / "mnist.npz") as arrays:
        x, new = arrays["x"][:4000] / 255, arrays["xt"][:1000] / 255
    found = gendsl.compile(IMAGES).fit({"x": x}, seed=1, progress=False, draws=2)
    rebuilt = found.reconstruct({"x": new}).x.to_numpy()
    assert ((rebuilt - new) ** 2).mean() < 0.027 < ((x.mean(0) - new) ** 2).mean() / 2
    assert found.tree.attrs["codes_used k"] == 64
    assert found.tree.attrs["perplexity k"] > 55


def test_options_of_codebooks_need_one():
    text = "model M\nplate n\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)\n"
    with pytest.raises(DataError, match="no guide takes the nearest member"):
        gendsl.compile(text).fit({"y": [0.0, 1.0]}, infer="svi", commitment=1.0, progress=False)
