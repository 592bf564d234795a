"""Missing values on which others depend, under guides: labels that are summed out, and numbers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import norm

import gendsl

QUIET = {"progress": False, "dtype": "float64", "draws": 20}

WEIGHTS = np.array([0.2, 0.3, 0.5])
CENTRES = np.array([-1.5, 0.0, 2.0])
LABELS = """
model Labels
plate n  plate k = 3
input mu[k]: real
net sort: real -> real[k] = linear()
observe label[n]: index(k)? ~ Categorical([0.2, 0.3, 0.5])
observe x[n] ~ Normal(mu[label], 1)
guide label ~ Categorical(logits=sort(x))
infer svi
"""


@cache
def labelled(seed=0, rows=60):
    """The first third has labels."""
    rng = np.random.default_rng(seed)
    label = rng.choice(3, size=rows, p=WEIGHTS).astype(float)
    x = CENTRES[label.astype(int)] + rng.normal(size=rows)
    label[rows // 3 :] = np.nan
    return {"label": label, "x": x, "mu": CENTRES}


@cache
def sorted_out(**options):
    chosen = {"epochs": 300, "learning_rate": 0.3, "schedule": "cosine", "supervision": 0}
    return gendsl.compile(LABELS).fit(labelled(), seed=1, **{**chosen, **options}, **QUIET)


def joint(x):
    """log p(label, x) of each label."""
    return np.log(WEIGHTS) + norm(CENTRES, 1).logpdf(np.asarray(x)[:, None])


def test_the_bound_is_the_likelihood_of_labelled_and_unlabelled_rows():
    """The posterior of the label is a softmax of a linear function, which the guide can be."""
    given, found = labelled(), sorted_out().score(particles=1, seed=0)
    density = joint(given["x"])
    known = np.isfinite(given["label"])
    exact = logsumexp(density[~known], -1).sum()
    exact += density[known, given["label"][known].astype(int)].sum()
    assert found.elbo.mean == pytest.approx(exact / len(known), abs=2e-3)


def test_encode_gives_probabilities_of_labels():
    given = labelled()
    found = sorted_out().encode()
    known = np.isfinite(given["label"])
    exact = softmax(joint(given["x"]), -1)
    assert found["label_probability"].dims == ("n", "k")
    np.testing.assert_allclose(found["label_probability"][~known], exact[~known], atol=0.02)
    label = given["label"][known].astype(int)
    np.testing.assert_array_equal(found["label"][known], label)
    np.testing.assert_allclose(found["label_probability"][known], np.eye(3)[label])


def test_new_rows_are_classified_without_labels():
    other = labelled(seed=1)
    found = sorted_out().encode({"x": other["x"], "mu": CENTRES})
    exact = softmax(joint(other["x"]), -1)
    np.testing.assert_allclose(found["label_probability"], exact, atol=0.03)
    np.testing.assert_array_equal(found["label"], found["label_probability"].argmax("k"))


def test_draws_of_missing_labels_are_kept():
    posterior = sorted_out().posterior
    assert posterior["label_missing"].shape == (1, 20, 40)
    assert set(np.unique(posterior["label_missing"])) <= {0, 1, 2}


def test_known_labels_train_the_classifier():
    """The term is minus the mean of log q over rows, at weights that hardly change."""
    given = labelled()
    known = np.isfinite(given["label"])
    still = {"epochs": 1, "learning_rate": 1e-8, "supervision": 0.7}
    fit = sorted_out(**still)
    found = fit.encode({"x": given["x"][known], "mu": CENTRES})["label_probability"].to_numpy()
    log_q = np.log(found[np.arange(known.sum()), given["label"][known].astype(int)])
    assert float(fit.history["guide.label"][-1]) == pytest.approx(-log_q.sum() / len(known))


def test_supervision_alone_is_maximum_likelihood():
    """With a huge weight the classifier is that of the labelled rows alone."""
    given = labelled(rows=300)
    known = np.isfinite(given["label"])
    x, label = given["x"][known], given["label"][known].astype(int)
    options = {"epochs": 300, "learning_rate": 0.2, "schedule": "cosine", "supervision": 1e4}
    fit = gendsl.compile(LABELS).fit(given, seed=1, **options, **QUIET)
    found = fit.encode({"x": x, "mu": CENTRES})["label_probability"].to_numpy()
    each = np.eye(3)[label]
    # The score of a multinomial regression is zero at its maximum.
    np.testing.assert_allclose((found - each).mean(0), 0, atol=2e-3)
    np.testing.assert_allclose(((found - each) * x[:, None]).mean(0), 0, atol=4e-3)


def test_labels_go_with_latents_in_decoding():
    model = gendsl.compile("""
        model Decoded
        plate n  plate k = 2
        net decode: (real, index(k)) -> real[3] = linear()
        latent z[n] ~ Normal(0, 1)
        observe label[n]: index(k)? ~ Categorical([0.5, 0.5])
        observe x[n]: real[3] ~ Normal(decode(z, label), 1)
    """)
    rng = np.random.default_rng(0)
    label = np.where(np.arange(20) % 2, np.nan, np.arange(20) % 4 // 2)
    fit = model.fit({"x": rng.normal(size=(20, 3)), "label": label}, seed=0, epochs=2, **QUIET)
    codes = fit.encode()
    assert set(codes) == {"z", "z_sd", "label", "label_probability"}
    decoded = fit.decode(codes)["x"].to_numpy()
    np.testing.assert_allclose(fit.reconstruct()["x"], decoded, atol=1e-10)
    weights = {n.rpartition("/")[2]: w for n, w in fit.learned.arrays().items() if "/decode/" in n}
    (matrix,) = [w for w in weights.values() if w.ndim == 2]
    (bias,) = [w for w in weights.values() if w.ndim == 1]
    one = fit.decode({"z": [0.5, 0.5], "label": [0, 1]})["x"].to_numpy()
    np.testing.assert_allclose(one, [matrix @ [0.5, 1, 0] + bias, matrix @ [0.5, 0, 1] + bias])
    assert set(fit.generate(4, seed=0)) == {"z", "label", "x"}


def test_the_plan_says_what_labels_do():
    plan = str(gendsl.compile(LABELS).plan)
    assert "label: where it is missing, by the guide of the file; every value is tried" in plan
    assert "learns from it as a classifier (supervision = 1), beside the bound" in plan


def test_what_cannot_be_done_with_labels_is_refused():
    model = gendsl.compile(LABELS)
    with pytest.raises(gendsl.CompileError, match="cannot be relaxed where some of it is known"):
        model.fit(labelled(), discrete="gumbel", seed=0, **QUIET)
    plain = gendsl.compile("""
        model Plain
        plate n
        net f: real -> real = linear()
        latent z[n] ~ Normal(0, 1)
        observe x[n] ~ Normal(f(z), 1)
    """)
    with pytest.raises(gendsl.DataError, match="GD865.*no guide draws any"):
        plain.fit({"x": [0.0, 1.0]}, supervision=1, seed=0, **QUIET)
    with pytest.raises(gendsl.DataError, match="`supervision` changes the ELBO"):
        model.fit(labelled(), bound="iwae", supervision=2, seed=0, **QUIET)


def test_saved_and_loaded(tmp_path):
    fit = sorted_out()
    fit.save(tmp_path / "run")
    again = gendsl.load_fit(tmp_path / "run")
    one = {"x": [0.3], "mu": CENTRES}
    np.testing.assert_array_equal(
        fit.encode(one)["label_probability"], again.encode(one)["label_probability"]
    )


COVARIATE = """
model Covariate
plate n
param s: positive = 1
observe c[n]: real? ~ Normal(0, 1)
observe y[n] ~ Normal(2 * c + 1, 0.5)
"""


@cache
def covariates():
    rng = np.random.default_rng(3)
    c = rng.normal(size=30)
    y = 2 * c + 1 + 0.5 * rng.normal(size=30)
    c[::2] = np.nan
    return {"c": c, "y": y}


def exact_covariates(y):
    """The law of c given y: means, and the standard deviation of all of them."""
    return (y - 1) * 2 / 0.25 / (1 + 4 / 0.25), (1 + 4 / 0.25) ** -0.5


@pytest.mark.parametrize("guide", ["amortised", "own"])
def test_missing_numbers_are_inferred(guide):
    text = COVARIATE.replace("param s: positive = 1\n", "")
    if guide == "amortised":
        text += "net read: real -> (loc: real, scale: positive) = linear()\n"
        text += "guide c ~ Normal(read(y))\n"
    given = covariates()
    options = {"epochs": 500, "learning_rate": 0.1, "schedule": "cosine", "gradient": "path"}
    fit = gendsl.compile(text).fit(given, infer="svi", seed=1, **options, **QUIET)
    mean, sd = exact_covariates(given["y"])
    missing = np.isnan(given["c"])
    found = fit.encode()
    np.testing.assert_allclose(found["c"][missing], mean[missing], atol=0.01)
    np.testing.assert_allclose(found["c_sd"][missing], sd, atol=0.01)
    np.testing.assert_array_equal(found["c"][~missing], given["c"][~missing])
    np.testing.assert_array_equal(found["c_sd"][~missing], 0)
    exact = norm(1, np.sqrt(4.25)).logpdf(given["y"][missing]).sum()
    c, y = given["c"][~missing], given["y"][~missing]
    exact += (norm(0, 1).logpdf(c) + norm(2 * c + 1, 0.5).logpdf(y)).sum()
    score = fit.score(particles=2, seed=0)
    assert score.elbo.total == pytest.approx(exact, abs=0.05)
    assert fit.posterior["c_missing"].shape == (1, 20, 15)


def test_densities_at_given_values():
    """Missing numbers are unknowns of the density, missing labels are summed out of it."""
    given = covariates()
    model = gendsl.compile(COVARIATE.replace("param s: positive = 1\n", "") + "infer svi\n")
    missing = np.isnan(given["c"])
    values = np.linspace(-1, 1, missing.sum())
    c = given["c"].copy()
    c[missing] = values
    exact = (norm(0, 1).logpdf(c) + norm(2 * c + 1, 0.5).logpdf(given["y"])).sum()
    assert model.log_density({"c_missing": values}, given) == pytest.approx(exact)

    data = labelled()
    text = LABELS.replace("net sort: real -> real[k] = linear()\n", "")
    text = text.replace("sort(x)", "[0, x, 2 * x]")
    known, density = np.isfinite(data["label"]), joint(data["x"])
    exact = logsumexp(density[~known], -1).sum()
    exact += density[known, data["label"][known].astype(int)].sum()
    assert gendsl.compile(text).log_density({}, data) == pytest.approx(exact)
