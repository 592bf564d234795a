"""What a fit by `svi` gives: shapes, labels, reproducibility, and what is saved."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch

import gendsl
from gendsl.diagnostics import DataError
from gendsl.runtime import outcome
from gendsl.runtime.stored_files import check_sum
from gendsl.runtime.variational import fitting, using

RNG = np.random.default_rng(6)
QUICK = {"progress": False, "epochs": 15, "draws": 20, "seed": 3}

FIRST = """
model First
plate n  plate kind
dim L = 2
dim D = 3
input c[n]: index(kind)
net decode: (real[L], index(kind)) -> real[D] = mlp(hidden=[5])
param s: positive = 1
latent z[n]: real[L] ~ Normal(0, 1)
let shifted[n]: real[L] = z + 1
observe x[n]: real[D] ~ Normal(decode(z, c), s)
"""
SECOND = """
model Second
plate m = 3
plate n
dim L = 2
net decode: real[L] -> real = mlp(hidden=[5])
net encode: real[m] -> (loc: real[L], scale: positive[L]) = mlp(hidden=[5])
param w[m] = 1
latent z[n]: real[L] ~ Normal(0, 1)
guide z ~ Normal(encode(collect(y, m)))
observe y[m, n] ~ Normal(w * decode(z), 1)
"""
HIERARCHY = """
model Hierarchy
plate n
net lower: real -> real[3] = linear()
net one: real[3] -> real = linear()
net two: real -> real = linear()
latent top[n] ~ Normal(0, 1)
latent z[n] ~ Normal(top, 1)
guide z ~ Normal(one(x), 0.5)
guide top ~ Normal(two(z), 0.25)
observe x[n]: real[3] ~ Normal(lower(z), 1)
"""
KINDS = np.array(["a", "b", "c"])[np.arange(10) % 3]
X = RNG.normal(size=(10, 3))


@cache
def first(**options):
    data = {"x": X, "c": KINDS}
    return gendsl.compile(FIRST).fit(data, **{**QUICK, **options})


@cache
def second():
    return gendsl.compile(SECOND).fit({"y": X.T}, batch_size=4, **QUICK)


def linear(fit, net):
    """Weight and bias of a linear network."""
    state = fit.learned.arrays()
    found = {n.rpartition(".")[2]: a for n, a in state.items() if n.startswith(f"net/{net}/")}
    return found["weight"], found["bias"]


def all_equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[n], b[n], equal_nan=True) for n in a)


# Shapes and labels


def test_rows_on_the_first_axis():
    fit = first(batch_size=4)
    code = fit.encode()
    assert code.z.dims == code.z_sd.dims == ("n", "L")
    assert fit.posterior.z.dims == ("chain", "draw", "n", "L")
    assert fit.posterior.shifted.dims == ("chain", "draw", "n", "L")
    assert fit.reconstruct().x.dims == ("n", "D")
    assert dict(fit.generate(4, {"c": ["a", "b", "b", "c"]}).sizes) == {"n": 4, "L": 2, "D": 3}
    assert fit.estimate.s.dims == ()
    assert dict(fit.history.sizes) == {"epoch": 15}
    assert {"bound", "log_likelihood.x", "kl.z"} <= set(fit.history)


def test_rows_on_the_second_axis():
    fit = second()
    assert fit.tree.attrs["rows_of"] == "n"
    assert fit.estimate.w.dims == ("m",)
    assert fit.encode().z.dims == ("n", "L")
    assert fit.reconstruct().y.dims == ("m", "n")
    assert fit.decode({"z": np.zeros((4, 2))}).y.shape == (3, 4)
    assert fit.generate(7).y.shape == (3, 7)
    assert fit.posterior_predictive(draws=5).y.shape == (1, 5, 3, 10)


def test_each_row_has_its_own_code():
    """Rows in another order have their codes in that order, and scores of parts make the whole."""
    for fit, data, axis in ((first(), {"x": X, "c": KINDS}, 0), (second(), {"y": X.T}, 1)):
        code = fit.encode().z.to_numpy()
        order = np.array([7, 2, 9])
        some = {n: np.take(v, order, axis if n != "c" else 0) for n, v in data.items()}
        np.testing.assert_allclose(fit.encode(some).z, code[order], rtol=1e-5, atol=1e-6)


def test_rows_are_taken_in_pieces(monkeypatch):
    """Numbers that no draws enter are the same however many rows are looked at at a time."""
    fits = [(first(), {"x": X, "c": KINDS}), (second(), {"y": X.T})]
    whole = [(f.encode(d), f.score(d, particles=4).terms["kl.z"]) for f, d in fits]
    monkeypatch.setattr(using, "CHUNK", 3)
    for (fit, data), (code, divergence) in zip(fits, whole, strict=True):
        for name in code:
            np.testing.assert_allclose(fit.encode(data)[name], code[name], rtol=1e-5, atol=1e-6)
        found = fit.score(data, particles=4).terms["kl.z"]
        assert found.mean == pytest.approx(divergence.mean, rel=1e-5)
        assert found.rows == divergence.rows == 10


def test_inputs_matter():
    fit = first()
    z = np.zeros((2, 2))
    means = fit.decode({"z": z}, {"c": ["a", "b"]}).x.to_numpy()
    assert not np.allclose(means[0], means[1])
    np.testing.assert_array_equal(
        means[::-1], fit.decode({"z": z}, {"c": ["b", "a"]}).x.to_numpy()
    )


def test_decoding_is_the_network():
    fit = second()
    z = RNG.normal(size=(4, 2))
    with torch.no_grad():
        net = fit.learned.nets["decode"](torch.as_tensor(z, dtype=torch.float32)).numpy()
    expected = fit.estimate.w.to_numpy()[:, None] * net
    np.testing.assert_allclose(fit.decode({"z": z}).y, expected, rtol=1e-6)


def test_codes_of_a_hierarchy_are_marginal():
    """The mean and sd of the upper latent over draws of the lower one, in closed form."""
    fit = gendsl.compile(HIERARCHY).fit({"x": X}, dtype="float64", **QUICK)
    (one_w, one_b), (two_w, two_b) = linear(fit, "one"), linear(fit, "two")
    code = fit.encode()
    np.testing.assert_allclose(code.z, (X @ one_w.T + one_b)[:, 0], rtol=1e-9)
    np.testing.assert_allclose(code.z_sd, 0.5, rtol=1e-9)
    slope = float(two_w.squeeze())
    sd = np.hypot(0.25, 0.5 * slope)
    error = 5 * 0.5 * abs(slope) / np.sqrt(100)
    assert np.abs(code.top - (slope * code.z + float(two_b.squeeze()))).max() < error
    np.testing.assert_allclose(code.top_sd, sd, rtol=0.35)


def test_global_latents_are_encoded_and_decoded():
    text = "model M\nplate n\nlatent mu ~ Normal(0, 1)\nobserve y[n] ~ Normal(mu, 1)\ninfer svi"
    fit = gendsl.compile(text).fit({"y": [1.0, 2.0, 3.0]}, **QUICK)
    assert fit.encode().mu.dims == ()
    np.testing.assert_allclose(fit.reconstruct().y, np.full(3, float(fit.encode().mu)))
    np.testing.assert_array_equal(fit.decode({"mu": 0.5}).y, np.full(3, 0.5))


def test_rows_are_members_of_the_same_plate_for_other_data():
    """Of two plates that could be cut the larger one has the rows, and keeps them."""
    text = "model M\nplate m\nplate n\nlatent mu ~ Normal(0, 1)\nobserve y[m, n] ~ Normal(mu, 1)"
    fit = gendsl.compile(text).fit({"y": np.ones((5, 3))}, infer="svi", **QUICK)
    assert fit.tree.attrs["rows_of"] == "m"
    assert fit.score({"y": np.ones((2, 9))}, particles=3).elbo.rows == 2
    assert fit.generate(4).y.shape == (4, 3)


def test_a_plate_without_members():
    """The data say nothing, so the posterior is the prior."""
    text = (
        "model M\nplate n\nlatent mu ~ Normal(1, 2)\nobserve y[n] ~ Normal(mu, 1)\n"
        "infer svi(epochs=1200, learning_rate=0.05, schedule=cosine)"
    )
    fit = gendsl.compile(text).fit({"y": np.zeros(0)}, progress=False)
    assert float(fit.encode().mu) == pytest.approx(1.0, abs=0.1)
    assert float(fit.encode().mu_sd) == pytest.approx(2.0, rel=0.05)
    assert fit.reconstruct().y.shape == (0,)
    assert fit.score(particles=1000).log_likelihood.mean == pytest.approx(0.0, abs=0.02)


def test_batch_normalisation_of_a_single_row():
    """Ten rows in batches of nine: the last has a single row, which has no variance."""
    text = SECOND.replace("mlp(hidden=[5])", "mlp(hidden=[5], normalisation=batch)")
    fit = gendsl.compile(text).fit({"y": X.T}, batch_size=9, **QUICK)
    assert np.isfinite(fit.tree.attrs["elbo"])
    alone = fit.encode({"y": X[:1].T}).z
    np.testing.assert_allclose(alone, fit.encode().z[:1], rtol=1e-5, atol=1e-6)


def test_one_row_to_encode():
    fit = first()
    assert fit.encode({"x": X[:1], "c": KINDS[:1]}).z.shape == (1, 2)
    assert fit.score({"x": X[:1], "c": KINDS[:1]}, particles=5).elbo.standard_error is None


# Reproducibility


def test_the_seed_decides():
    one, again = first(batch_size=4), first.__wrapped__(batch_size=4)
    other = first.__wrapped__(batch_size=4, seed=4)
    assert all_equal(one.learned.arrays(), again.learned.arrays())
    assert one.posterior.to_dataset().identical(again.posterior.to_dataset())
    assert one.encode().identical(again.encode())
    assert str(one.score()) == str(again.score())
    assert one.generate(3, {"c": ["a"] * 3}).identical(again.generate(3, {"c": ["a"] * 3}))
    assert not all_equal(one.learned.arrays(), other.learned.arrays())


def test_seeds_of_scores_and_of_new_rows():
    fit, inputs = first(), {"c": ["a"] * 3}
    assert fit.generate(3, inputs, seed=1).identical(fit.generate(3, inputs, seed=1))
    assert not fit.generate(3, inputs, seed=1).equals(fit.generate(3, inputs, seed=2))
    assert fit.score(seed=1).log_likelihood != fit.score(seed=2).log_likelihood


def test_the_random_state_of_the_caller_is_left_alone():
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002  the state that is to be left alone
    before, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    fit = first.__wrapped__()
    fit.encode(), fit.score(), fit.generate(2, {"c": ["a", "b"]})
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], legacy)  # noqa: NPY002


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(dtype):
    fit = first(dtype=dtype)
    kinds = {t.dtype for t in fit.learned.free.values()}
    kinds |= {p.dtype for net in fit.learned.nets.values() for p in net.parameters()}
    assert kinds == {getattr(torch, dtype)}
    assert fit.encode().z.dtype == np.dtype(dtype)


# Saving


@pytest.mark.parametrize("name", ["first", "second"])
def test_a_saved_fit_is_the_same(name, tmp_path):
    fit = {"first": first, "second": second}[name]()
    again = gendsl.load_fit(fit.save(tmp_path / "run"))
    assert type(again) is type(fit)
    assert again.encode().identical(fit.encode())
    assert again.reconstruct().identical(fit.reconstruct())
    assert str(again.score(particles=20)) == str(fit.score(particles=20))
    assert again.posterior_predictive(draws=3).identical(fit.posterior_predictive(draws=3))
    assert str(again.summary()) == str(fit.summary())
    assert again.history.identical(fit.history)


def refused(folder):
    with pytest.raises(DataError) as caught:
        gendsl.load_fit(folder)
    return caught.value.diagnostics[0].code


def test_damaged_files_are_refused(tmp_path):
    folder = first().save(tmp_path / "run")
    path = folder / "learned.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert refused(folder) == "GD803"
    path.write_bytes(whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    assert refused(folder) == "GD804"
    path.unlink()
    assert refused(folder) in ("GD802", "GD803")


def resealed(folder):
    """The sums of the files as they now are, as one would write who replaced a file."""
    meta = json.loads((folder / "meta.json").read_text())
    meta["files"]["learned.npz"] = check_sum(folder / "learned.npz")
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    "change", ["lacking", "another shape", "unknown net", "no param", "text", "no archive"]
)
def test_weights_of_another_model_are_refused(change, tmp_path):
    folder = first().save(tmp_path / "run")
    path = folder / "learned.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    name = next(n for n in sorted(arrays) if n.endswith("weight"))
    match change:
        case "lacking":
            del arrays[name]
        case "another shape":
            arrays[name] = arrays[name][:1]
        case "unknown net":
            arrays["net/other/weight"] = arrays[name]
        case "no param":
            del arrays["param/s"]
        case "text":
            arrays[name] = np.array("text")
    if change == "no archive":
        path.write_bytes(b"no archive")
    else:
        np.savez(path, **arrays)
    resealed(folder)
    assert refused(folder) == "GD803"


# What is kept


def test_large_latents_are_left_out_with_a_note(monkeypatch):
    for module in (outcome, fitting):
        monkeypatch.setattr(module, "KEPT", 100)
    fit = first.__wrapped__(dtype="float64")
    assert "posterior" not in fit.tree.children
    assert (
        "`z`: too many entries to keep draws of; `fit.encode` gives them"
        in (fit.tree.attrs["note"])
    )
    assert fit.encode().z.shape == (10, 2)
    assert list(fit.summary().table.index) == ["s"]
    assert fit.posterior_predictive(draws=4).x.shape == (1, 4, 10, 3)


def test_large_lets_alone_are_left_out(monkeypatch):
    text = FIRST.replace("let shifted[n]: real[L] = z + 1", "let wide[n]: real[L, D] = ones(L, D)")
    for module in (outcome, fitting):
        monkeypatch.setattr(module, "KEPT", 500)
    fit = gendsl.compile(text).fit({"x": X, "c": KINDS}, **QUICK)
    assert set(fit.posterior.data_vars) == {"z"}
    assert "`wide`" in fit.tree.attrs["note"]
