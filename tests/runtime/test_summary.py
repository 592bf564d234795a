"""Summaries and verdicts on draws whose quality is known."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from gendsl.diagnostics import DataError
from gendsl.runtime.diagnosis import diagnose, sampler_facts
from gendsl.runtime.results import build_tree
from gendsl.runtime.summary import summarise
from gendsl.runtime.verdict import Verdict

CHAINS, DRAWS = 4, 1000


def normal(*shape, seed=0, chains=CHAINS, draws=DRAWS):
    return np.random.default_rng(seed).normal(size=(chains, draws, *shape))


def autoregressive(correlation, seed=0, chains=CHAINS, draws=DRAWS):
    steps = normal(seed=seed, chains=chains, draws=draws)
    for t in range(1, draws):
        steps[:, t] = correlation * steps[:, t - 1] + np.sqrt(1 - correlation**2) * steps[:, t]
    return steps


def fitted(posterior, stats=None, supports=None, **attrs):
    groups = {"posterior": posterior} | ({"sample_stats": stats} if stats is not None else {})
    return build_tree(groups, {}, {}, attrs, supports=supports)


def judged(posterior, stats=None, supports=None, **attrs) -> Verdict:
    return summarise(fitted(posterior, stats, supports, **attrs), kind="mcmc").verdict


# --- an independent implementation of the reference formulas -------------------------------


def split(x):
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]])


def normal_scores(x):
    ranks = stats.rankdata(x).reshape(x.shape)
    return stats.norm.ppf((ranks - 3 / 8) / (x.size + 1 / 4))


def plain_r_hat(x):
    n = x.shape[1]
    within = x.var(axis=1, ddof=1).mean()
    between = n * x.mean(axis=1).var(ddof=1)
    return np.sqrt(((n - 1) / n * within + between / n) / within)


def reference_r_hat(x):
    halves = split(x)
    folded = abs(halves - np.median(halves))
    return max(plain_r_hat(normal_scores(halves)), plain_r_hat(normal_scores(folded)))


def reference_ess(x):
    """Geyer's initial monotone sequence on the chain-averaged autocorrelations, by the book."""
    m, n = x.shape
    centred = x - x.mean(axis=1, keepdims=True)
    covariance = np.array(
        [(centred[:, : n - t] * centred[:, t:]).sum(axis=1) / n for t in range(n)]
    )
    within = (covariance[0] * n / (n - 1)).mean()
    total = within * (n - 1) / n + (x.mean(axis=1).var(ddof=1) if m > 1 else 0)
    rho = 1 - (within - covariance.mean(axis=1)) / total
    rho[0] = 1
    pairs, last = [], np.inf
    t = 0
    while t + 1 < n - 3:
        pair = rho[t] + rho[t + 1]
        if pair < 0:
            break
        last = min(last, pair)
        pairs.append(last)
        t += 2
    tail = max(rho[t], 0) if t < n else 0
    return m * n / max(-1 + 2 * sum(pairs) + tail, 1 / np.log10(m * n))


def reference_tail(x, low, high):
    return min(reference_ess(split((x <= np.quantile(x, q)).astype(float))) for q in (low, high))


ARRAYS = {
    "independent": normal(),
    "autoregressive": autoregressive(0.7),
    "antithetic": autoregressive(-0.4),
    "heavy tails": np.random.default_rng(1).standard_t(2, (4, 500)),
    "shifted": normal(draws=300) + np.array([0, 0, 0, 1.0])[:, None],
    "wider": normal(draws=301) * np.array([1, 1, 1, 2.0])[:, None],
    "counts": np.random.default_rng(2).poisson(2, (3, 400)),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_diagnostics_agree_with_the_reference_formulas(name):
    x = ARRAYS[name]
    row = diagnose(fitted({"x": x})["posterior"].to_dataset(), 0.9).table.iloc[0]
    assert row.r_hat == pytest.approx(reference_r_hat(x), rel=1e-9)
    assert row.ess_bulk == pytest.approx(reference_ess(normal_scores(split(x))), rel=0.02)
    assert row.ess_tail == pytest.approx(reference_tail(x, 0.05, 0.95), rel=0.02)
    by_hand = x.std(ddof=1) / np.sqrt(reference_ess(split(x.astype(float))))
    assert row.mcse_mean == pytest.approx(by_hand, rel=0.02)


def test_monte_carlo_errors_are_those_of_repeated_runs():
    for correlation in (0.6, -0.6):
        runs = [autoregressive(correlation, seed=s, draws=400) for s in range(200)]
        table = diagnose(fitted({"x": runs[0]})["posterior"].to_dataset(), 0.9).table
        assert table.mcse_mean[0] == pytest.approx(np.std([r.mean() for r in runs]), rel=0.3)
        assert table.mcse_sd[0] == pytest.approx(np.std([r.std() for r in runs]), rel=0.3)


# --- verdicts -----------------------------------------------------------------------------


def test_independent_draws_are_good():
    stats = {"diverging": np.zeros((CHAINS, DRAWS), bool), "energy": normal(seed=9)}
    verdict = judged({"mu": normal(), "theta": normal(3, seed=1)}, stats)
    assert verdict.status == "good"
    assert verdict.exit_status == 0
    (sentence,) = verdict.sentences
    assert sentence.startswith("4 chains of 1000 draws agree: the largest R-hat is 1.00")
    assert "; no divergences." in sentence
    assert "posterior standard deviation" in sentence


def test_divergences_are_not_claimed_absent_where_nothing_counted_them():
    assert "divergences" not in str(judged({"mu": normal()}))


def test_slow_chains_ask_for_caution():
    verdict = judged({"mu": autoregressive(0.9)})
    assert verdict.status == "caution"
    assert any("below 400 (100 a chain) for 1 of 1" in s for s in verdict.sentences)


def test_very_slow_chains_are_not_to_be_trusted():
    verdict = judged({"mu": autoregressive(0.999)})
    assert verdict.status == "do not trust"
    assert verdict.exit_status == 3


def test_a_shifted_chain_is_not_to_be_trusted():
    shifted = normal() + np.array([0, 0, 0, 1.0])[:, None]
    verdict = judged({"calm": normal(seed=3), "tau": shifted})
    assert verdict.status == "do not trust"
    assert "R-hat exceeds 1.01 for 1 of 2 quantities, most for tau (1." in verdict.sentences[0]


def test_a_chain_of_another_spread_is_found():
    wider = normal() * np.array([1, 1, 1, 3.0])[:, None]
    assert judged({"tau": wider}).status == "do not trust"


@pytest.mark.parametrize(("count", "status"), [(2, "caution"), (400, "do not trust")])
def test_divergences_are_counted(count, status):
    diverging = np.zeros((CHAINS, DRAWS), bool)
    diverging.flat[:count] = True
    verdict = judged({"mu": normal()}, {"diverging": diverging})
    assert verdict.status == status
    assert verdict.sentences[0].startswith(f"{count} of 4000 transitions diverged (")
    assert "target_accept_prob" in verdict.sentences[0]


def test_low_energy_information_asks_for_caution():
    verdict = judged({"mu": normal()}, {"energy": np.cumsum(normal(seed=4), axis=1)})
    assert verdict.status == "caution"
    assert "E-BFMI is below 0.3 in chains 0, 1, 2, 3" in verdict.sentences[0]


def test_energy_information_is_that_of_its_definition():
    energy = normal(seed=5)
    facts = sampler_facts(fitted({"mu": normal()}, {"energy": energy}))
    expected = [np.mean(np.diff(e) ** 2) / e.var(ddof=1) for e in energy]
    assert facts.bfmi == pytest.approx(expected)


def test_a_few_cut_trajectories_are_told_but_tolerated():
    depth = np.full((CHAINS, DRAWS), 4)
    depth[0, :3] = 10
    verdict = judged({"mu": normal()}, {"tree_depth": depth}, max_tree_depth=10)
    assert verdict.status == "good"
    assert any(s.startswith("3 of 4000 trajectories") for s in verdict.sentences)
    verdict = judged({"mu": normal()}, {"reached_max_treedepth": depth > 3})
    assert verdict.status == "caution"


def test_draws_that_are_not_numbers_are_not_to_be_trusted():
    broken = normal(2)
    broken[2, 7, 1] = np.nan
    verdict = judged({"theta": broken})
    assert verdict.status == "do not trust"
    assert "theta[1]" in verdict.sentences[0]
    assert "theta[0]" not in verdict.sentences[0]


def test_a_constant_continuous_quantity_is_not_to_be_trusted():
    verdict = judged({"mu": normal(), "tau": np.full((CHAINS, DRAWS), 0.5)})
    assert verdict.status == "do not trust"
    assert "tau had the same value in every draw" in verdict.sentences[0]


def test_a_chain_that_never_moved_is_found():
    stuck = normal()
    stuck[2] = 0.0
    verdict = judged({"mu": stuck})
    assert verdict.status == "do not trust"
    assert any(s.startswith("Chain 2 never moved (mu") for s in verdict.sentences)


def test_a_certain_discrete_quantity_is_no_alarm():
    verdict = judged({"mu": normal(), "on": np.ones((CHAINS, DRAWS), int)})
    assert verdict.status == "good"
    assert any("on had one value in every draw" in s for s in verdict.sentences)
    table = summarise(fitted({"on": np.ones((CHAINS, DRAWS), int)}), kind="mcmc").table
    assert np.isnan(table.r_hat["on"])
    assert table["mean"]["on"] == 1


def test_fixed_entries_of_a_matrix_are_no_alarm():
    lower = np.tril(normal(2, 2))
    assert judged({"L": lower}).status == "good"


def test_one_chain_asks_for_caution_and_is_compared_with_itself():
    assert judged({"mu": normal(chains=1)}).status == "caution"
    drifting = normal(chains=1) + np.linspace(0, 3, DRAWS)
    assert judged({"mu": drifting}).status == "do not trust"


def test_too_few_draws_are_not_to_be_trusted():
    verdict = judged({"mu": normal(draws=3)})
    assert verdict.status == "do not trust"
    assert "too few" in verdict.sentences[0]


def test_one_draw_is_summarised():
    assert judged({"mu": normal(chains=1, draws=1)}).status == "do not trust"


def test_discrete_chains_that_disagree_are_found():
    on = np.zeros((CHAINS, DRAWS), int)
    on[0] = 1
    assert judged({"on": on}).status == "do not trust"


# --- tables -------------------------------------------------------------------------------


def test_table_has_a_labelled_row_an_entry():
    tree = build_tree(
        {"posterior": {"theta": normal(2), "a": normal(2, 2), "mu": normal()}},
        {"theta": ("school",), "a": ("school", "")},
        {"school": np.array(["Choate", "Exeter"])},
        {"method": "nuts"},
    )
    summary = summarise(tree, kind="mcmc")
    labels = ["theta[Choate]", "theta[Exeter]", "a[Choate, 0]", "a[Choate, 1]"]
    assert [*summary.table.index] == [*labels, "a[Exeter, 0]", "a[Exeter, 1]", "mu"]
    expected = tree["posterior"]["a"].sel(school="Exeter")[..., 0].mean()
    assert summary.table["mean"]["a[Exeter, 0]"] == pytest.approx(float(expected))
    assert [*summarise(tree, kind="mcmc", var_names=["mu"]).table.index] == ["mu"]


def test_interval_is_equal_tailed_and_named_by_its_ends():
    draws = normal()
    table = summarise(fitted({"x": draws}), kind="mcmc", ci_prob=0.8).table
    assert [*table.columns[2:4]] == ["10%", "90%"]
    assert table["10%"]["x"] == pytest.approx(np.quantile(draws, 0.1))
    table = summarise(fitted({"x": draws}), kind="mcmc", ci_prob=0.95).table
    assert [*table.columns[2:4]] == ["2.5%", "97.5%"]


def test_interval_of_counts_ends_at_counts():
    counts = np.random.default_rng(0).poisson(3.0, (CHAINS, DRAWS))
    table = summarise(fitted({"k": counts}), kind="mcmc").table
    assert table["5%"]["k"] == round(table["5%"]["k"])


def test_categories_have_probabilities_and_no_mean():
    z = np.random.default_rng(0).integers(0, 2, (CHAINS, DRAWS, 1))
    tree = build_tree(
        {"posterior": {"z": z, "theta": normal(2)}},
        {"theta": ("school",)},
        {"school": np.array(["A", "B"])},
        {},
        supports={"z": "index(school)"},
    )
    table = summarise(tree, kind="mcmc", var_names=["z"]).table
    assert [*table.index] == ["P(z[0] = A)", "P(z[0] = B)"]
    assert table["mean"].sum() == pytest.approx(1)
    assert table["sd"].isna().all()


def test_verdict_is_on_all_variables():
    shifted = normal() + np.array([0, 0, 0, 1.0])[:, None]
    summary = summarise(fitted({"a": normal(), "b": shifted}), kind="mcmc", var_names=["a"])
    assert summary.verdict.status == "do not trust"


def test_text_names_columns_and_gives_no_more_digits_than_are_known():
    text = str(summarise(fitted({"x": 3 + normal()}, method="nuts"), kind="mcmc"))
    assert text.startswith("Posterior, estimated from 4 chains of 1000 draws (nuts).")
    assert "equal-tailed 90 % interval" in text
    row = next(line for line in text.splitlines() if line.startswith("x "))
    assert len(row.split()[1]) == len("3.00")
    assert "verdict: good" in text


def test_terminal_table_shows_labels_as_they_are_and_cuts_no_number():
    console = Console(width=80, record=True, file=io.StringIO())
    tree = build_tree(
        {"posterior": {"theta": normal(1)}},
        {"theta": ("school",)},
        {"school": np.array(["[bold]A school with a long name"])},
        {},
    )
    console.print(summarise(tree, kind="mcmc"))
    text = console.export_text()
    assert "theta[[bold]A" in text
    row = next(line for line in text.splitlines() if "theta[[" in line)
    assert len(row.split()[-1]) == len("1.000")


def test_long_tables_are_cut_with_a_note():
    summary = summarise(fitted({"x": normal(100, draws=100)}), kind="mcmc")
    assert len(summary.table) == 100
    assert "and 40 more rows" in str(summary)


def test_notebook_table_is_escaped():
    tree = build_tree(
        {"posterior": {"x": normal(1)}}, {"x": ("a",)}, {"a": np.array(["<script>"])}, {}
    )
    assert "<script>" not in summarise(tree, kind="mcmc")._repr_html_()


# --- exact results and point estimates ----------------------------------------------------


def exact_tree(evidence=-3.5):
    return build_tree(
        {
            "exact_probabilities": {
                "rain": np.array([0.25, 0.75]),
                "state": np.array([[0.1, 0.2, 0.7], [1.0, 0.0, 0.0]]),
                "count": np.array([0.5, 0.5]),
            }
        },
        {"state": ("day",)},
        {"state_value": np.array(["low", "mid", "high"]), "count_value": np.array([2, 4])},
        {"log_evidence": evidence},
    )


def test_exact_table():
    summary = summarise(exact_tree(), kind="exact")
    table = summary.table
    assert table["mean"]["rain"] == pytest.approx(0.75)
    assert table["sd"]["rain"] == pytest.approx(np.sqrt(0.75 * 0.25))
    assert table["mean"]["count"] == pytest.approx(3)
    assert table["mode"]["state[0]"] == "high"
    assert table["P(mode)"]["state[1]"] == 1
    assert np.isnan(table["mean"]["state[0]"])
    assert summary.verdict.status == "good"
    assert "exact" in summary.caption
    assert "log evidence, -3.5" in str(summary)


def test_impossible_data_are_not_to_be_trusted():
    assert summarise(exact_tree(-np.inf), kind="exact").verdict.status == "do not trust"


def test_independent_draws_have_errors_but_no_r_hat():
    draws = normal(chains=1)
    summary = summarise(fitted({"mu": draws}), kind="exact")
    assert "r_hat" not in summary.table
    assert summary.table.mcse_mean["mu"] == pytest.approx(draws.std(ddof=1) / np.sqrt(DRAWS))
    assert summary.verdict.status == "good"


def point_tree(**attrs):
    facts = {"converged": 1, "gradient_norm": 1e-7, "hessian_positive_definite": 1} | attrs
    return build_tree(
        {
            "estimate": {"w": np.array([1.0, 2.0]), "sigma": np.array(0.5)},
            "standard_error": {"w": np.array([0.1, 0.2])},
        },
        {},
        {},
        facts,
    )


def test_point_table():
    summary = summarise(point_tree(method="maximum likelihood"), kind="point")
    table = summary.table
    assert table["estimate"]["w[1]"] == 2
    assert table["95%"]["w[0]"] == pytest.approx(1 + 1.6449 * 0.1, abs=1e-4)
    assert np.isnan(table["std_error"]["sigma"])
    assert summary.verdict.status == "good"
    assert "(maximum likelihood)" in summary.caption


@pytest.mark.parametrize(
    ("attrs", "status"),
    [
        ({"converged": 0}, "do not trust"),
        ({"gradient_norm": 0.5}, "caution"),
        ({"hessian_positive_definite": 0}, "caution"),
    ],
)
def test_optimisers_are_believed_when_they_complain(attrs, status):
    assert summarise(point_tree(**attrs), kind="point").verdict.status == status


def test_estimate_that_is_no_number_is_not_to_be_trusted():
    tree = build_tree({"estimate": {"w": np.array([np.nan])}}, {}, {}, {"converged": 1})
    assert summarise(tree, kind="point").verdict.status == "do not trust"


def test_an_axis_without_members_has_no_rows():
    summary = summarise(fitted({"mu": normal(), "theta": normal(0)}), kind="mcmc")
    assert [*summary.table.index] == ["mu"]
    assert summary.verdict.status == "good"
    assert str(summarise(fitted({"theta": normal(0)}), kind="mcmc"))


def test_nothing_to_summarise_is_told():
    with pytest.raises(DataError, match="nothing to summarise"):
        summarise(fitted({}), kind="mcmc")


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"kind": "mcmc", "var_names": ["thta"]}, "GD811", "did you mean 'theta'"),
        ({"kind": "mcmc", "ci_prob": 1.5}, "GD813", "1.5"),
        ({"kind": "point"}, "GD812", "estimate"),
    ],
)
def test_refusals(arguments, code, words):
    with pytest.raises(DataError, match=words) as caught:
        summarise(fitted({"theta": normal()}), **arguments)
    assert caught.value.diagnostics[0].code == code
