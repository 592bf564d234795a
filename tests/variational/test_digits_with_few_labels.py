"""Digits of which a few have labels: better classified with the others than without."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

import gendsl

TEXT = """
model Digits
plate image  plate digit = 10  dim L = {latent}  dim D = {pixels}
net decode: (real[L], index(digit)) -> real[D] = mlp(hidden=[{hidden}])
net classify: real[D] -> real[digit] = mlp(hidden=[{hidden}])
latent z[image]: real[L] ~ Normal(0, 1)
observe label[image]: index(digit)? ~ Categorical(logits = zeros(digit))
observe x[image]: binary[D] ~ Bernoulli(logits = decode(z, label))
guide label ~ Categorical(logits=classify(x))
"""


def few(labels, each, rng, total):
    """Numbers of rows: first so many of each digit, then others up to a total."""
    order = rng.permutation(len(labels))
    chosen = np.concatenate([order[labels[order] == k][:each] for k in range(10)])
    rest = np.setdiff1d(order, chosen, assume_unique=True)
    return np.concatenate([chosen, rest[: total - len(chosen)]]), len(chosen)


def errors(x, label, known, test, truth, *, latent, hidden, **options):
    """Shares of test images that are wrong: with all rows, and of two classifiers with labels."""
    text = TEXT.format(latent=latent, hidden=hidden, pixels=x.shape[1])
    given = np.where(np.arange(len(x)) < known, label, np.nan)
    common = {"seed": 0, "schedule": "cosine", "draws": 1, "progress": False}
    fit = gendsl.compile(text).fit({"x": x, "label": given}, **common, **options)
    found = [fit.encode({"x": test})["label"].to_numpy()]
    for plain in (
        LogisticRegression(max_iter=2000),
        MLPClassifier((hidden,), max_iter=1000, random_state=0),
    ):
        found.append(plain.fit(x[:known], label[:known]).predict(test))
    return [float((one != truth).mean()) for one in found]


def test_small_digits():
    """8 x 8 digits, 5 labels of each; the standard error of a share is 0.018."""
    digits = load_digits()
    x, label, rng = (digits.data > 7).astype(float), digits.target, np.random.default_rng(0)
    order = rng.permutation(len(x))
    test, train = order[:500], order[500:]
    rows, known = few(label[train], 5, rng, len(train))
    rows = train[rows]
    semi, *plain = errors(
        x[rows],
        label[rows],
        known,
        x[test],
        label[test],
        latent=4,
        hidden=64,
        epochs=60,
        batch_size=128,
        learning_rate=0.008,
    )
    assert semi < min(plain) - 0.01
    assert semi < 0.21


@pytest.mark.slow
def test_handwritten_digits_with_a_hundred_labels(shared_data):
    """14 x 14 binary images, 10 labels of each digit; the figures of docs/networks.md."""
    with np.load(shared_data / "mnist.npz") as found:
        images, label, test, truth = (found[n] for n in ("x", "y", "xt", "yt"))

    def halved(a):
        return (a.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196) > 100).astype(float)

    rows, known = few(label, 10, np.random.default_rng(0), 10_000)
    semi, *plain = errors(
        halved(images[rows]),
        label[rows],
        known,
        halved(test[:5000]),
        truth[:5000],
        latent=16,
        hidden=128,
        epochs=30,
        batch_size=100,
        learning_rate=0.003,
        supervision=5,
    )
    assert min(plain) > 0.26
    assert semi < 0.24
