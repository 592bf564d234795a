"""Case D12: strings of four letters of three, by models that see more or less of what went before.

Each has a likelihood that it must reach and cannot surpass without seeing what it must not.
"""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gendsl

DATA = Path(os.environ.get("GENDSL_DATA", Path(__file__).parents[3] / "shared" / "data"))
CASES = DATA / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="needs the shared data")

SATURATED = """model Saturated
plate row  sequence t = 4  dim V = 3
net f: index(V)[t] -> causal real[t, V] = made(hidden=[256])
observe w[row, t]: index(V) ~ Categorical(logits=f(collect(w, t))[t])
infer mle(held_out=0, weight_decay=0, epochs=30, learning_rate=0.003, batch_size=256)
"""
INDEPENDENT = """model Independent
plate row  sequence t = 4  plate a = 3
param p[t]: simplex[a]
observe w[row, t]: index(a) ~ Categorical(p[t])
"""
BIGRAM = """model Bigram
plate row  sequence t = 4  plate a = 3
param first: simplex[a]
param next[{axes}]: simplex[a]
observe w[row, 0]: index(a) ~ Categorical(first)
observe w[row, t]: index(a) ~ Categorical(next[{at}])
"""
SHORT = {
    "nll_independent": INDEPENDENT,
    "nll_shared_bigram": BIGRAM.format(axes="a", at="w[row, t-1]"),
    "nll_positionwise_bigram": BIGRAM.format(axes="t, a", at="t, w[row, t-1]"),
}


def case():
    expected = json.loads((CASES / "expected.json").read_text())["D12"]
    return pd.read_csv(CASES / "d12.csv").to_numpy(), expected


@pytest.mark.parametrize("which", SHORT)
def test_short_memories_reach_their_likelihood_and_no_more(which):
    w, expected = case()
    fit = gendsl.compile(SHORT[which]).fit({"w": w}, seed=0, progress=False)
    assert -fit.tree.attrs["log_prob"] / len(w) == pytest.approx(expected[which], abs=1e-6)
    if which == "nll_shared_bigram":
        table = fit.tree["estimate"]["next"].to_numpy().reshape(3, 3)
        assert table == pytest.approx(np.array(expected["shared_transition_mle"]), abs=1e-4)


def test_a_causal_network_reaches_the_joint_table_and_no_more():
    w, expected = case()
    fit = gendsl.compile(SATURATED).fit({"w": w}, seed=0, progress=False)
    found = -float(fit.log_prob({"w": w}).mean())
    best = expected["nll_saturated"]
    assert best - 1e-4 <= found <= best + 0.02

    strings = np.array(list(itertools.product(range(3), repeat=4)))
    table = np.exp(fit.log_prob({"w": strings}).to_numpy())
    assert table.sum() == pytest.approx(1.0, abs=1e-5)

    drawn = fit.generate(20_000, seed=1).w.to_numpy()
    counts = np.bincount(drawn @ [27, 9, 3, 1], minlength=81) / len(drawn)
    # Of 81 cells 20000 draws are off by sqrt(2 / pi) sum(sqrt(p (1 - p) / n)) / 2 <= 0.026.
    assert 0.5 * np.abs(counts - table).sum() < 0.03
