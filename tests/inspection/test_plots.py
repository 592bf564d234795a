"""Plots of results: what is on them, what is left out, and no trace in global state."""

from __future__ import annotations

import copy
import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gendsl.diagnostics import DataError
from gendsl.inspection.figure import density
from gendsl.inspection.plots import (
    plot_forest,
    plot_predictive,
    plot_rank,
    plot_trace,
    save_plots,
)
from gendsl.runtime.results import build_tree

RANDOM = np.random.default_rng(0)
SCHOOLS = np.array(["Choate", "$5 school_a", "a label that is much too long for a narrow plot"])


@pytest.fixture(autouse=True)
def _same_draws_in_any_order():
    RANDOM.bit_generator.state = np.random.default_rng(0).bit_generator.state


PLOTS = [plot_trace, plot_rank, plot_forest, plot_predictive]


def normal(*shape, chains=4, draws=200):
    return RANDOM.normal(size=(chains, draws, *shape))


def fitted(posterior=None, stats=None, supports=None):
    posterior = posterior if posterior is not None else everything()
    groups = {
        "posterior": posterior,
        "observed_data": {
            "y": RANDOM.normal(size=3),
            "x": RANDOM.gamma(2.0, size=(40, 2)),
            "k": RANDOM.poisson(3, 50),
            "on": RANDOM.integers(0, 2, 30),
            "label": RANDOM.integers(0, 4, 30),
        },
        "posterior_predictive": {
            "y": normal(3),
            "x": RANDOM.gamma(2.0, size=(4, 200, 40, 2)),
            "k": RANDOM.poisson(3, (4, 200, 50)),
            "on": RANDOM.integers(0, 2, (4, 200, 30)),
            "label": RANDOM.integers(0, 4, (4, 200, 30)),
        },
    }
    if stats is not None:
        groups["sample_stats"] = stats
    return build_tree(
        groups,
        {"theta": ("school",), "y": ("school",)},
        {"school": SCHOOLS},
        {"kind": "mcmc"},
        supports={"label": "index(4)"} | (supports or {}),
    )


def everything():
    return {"mu": normal(), "theta": normal(3), "k": RANDOM.poisson(3, (4, 200))}


def drawn(figure):
    """The figure's texts, once it has been drawn without complaint."""
    assert isinstance(figure, Figure)
    assert isinstance(figure.canvas, FigureCanvasAgg)
    figure.savefig(io.BytesIO())
    texts = [t.get_text() for t in figure.findobj(mpl.text.Text)]
    return [t for t in texts if t]


@pytest.mark.parametrize("plot", PLOTS)
def test_plots_leave_no_trace_in_global_state(plot):
    settings, backend = copy.deepcopy(dict(mpl.rcParams)), mpl.get_backend()
    tree = fitted()
    before = tree.copy(deep=True)
    drawn(plot(tree))
    assert dict(mpl.rcParams) == settings
    assert mpl.get_backend() == backend
    assert tree.identical(before)


def test_trace_has_a_row_an_entry_with_its_label():
    texts = drawn(plot_trace(fitted()))
    for label in ("mu", "theta[Choate]", r"theta[\$5 school_a]", "k", "chain 3"):
        assert label in texts


def test_trace_marks_divergences():
    diverging = np.zeros((4, 200), bool)
    diverging[1, [3, 70]] = True
    figure = plot_trace(fitted(stats={"diverging": diverging}), ["mu"])
    right = figure.axes[1]
    marks = [line for line in right.lines if line.get_marker() == "|"]
    assert [*marks[0].get_xdata()] == [3, 70]


def test_only_chosen_variables_are_shown():
    texts = drawn(plot_trace(fitted(), ["mu"]))
    assert "mu" in texts
    assert not any("theta" in t for t in texts)


@pytest.mark.parametrize(("plot", "limit"), [(plot_trace, 10), (plot_rank, 12), (plot_forest, 40)])
def test_what_is_left_out_is_said(plot, limit):
    texts = " ".join(drawn(plot(fitted({"a": normal(45, 2, draws=50)}))))
    assert f"The first {limit} quantities; {90 - limit} more are not shown." in " ".join(
        texts.split()
    )


def test_chains_that_agree_stay_in_the_band_and_others_leave_it():
    def excess(draws):
        axes = plot_rank(fitted({"x": draws})).axes[0]
        band = max(abs(axes.patches[0].get_extents().transformed(axes.transData.inverted()).y1), 0)
        return max(abs(line.get_ydata()).max() for line in axes.lines[:4]) / band

    calm = RANDOM.normal(size=(4, 1000))
    assert excess(calm) < 1.3
    assert excess(calm + np.array([0, 0, 0, 1.0])[:, None]) > 3


def test_forest_shows_quantiles_and_numbers():
    draws = 10 + normal(draws=1000)
    figure = plot_forest(fitted({"mu": draws}))
    (axes,) = figure.axes
    assert axes.lines[0].get_xdata() == pytest.approx(np.quantile(draws, [0.05, 0.95]))
    assert axes.lines[2].get_xdata() == pytest.approx([np.median(draws)])
    middle = f"{np.median(draws):.2f}  [{np.quantile(draws, 0.05):.2f}, "
    assert any(t.startswith(middle) for t in drawn(figure))


def test_forest_separates_scales():
    figure = plot_forest(fitted({"small": normal() / 1000, "large": normal() * 1000}))
    assert len(figure.axes) == 2
    assert len(plot_forest(fitted({"a": normal(), "b": normal() * 3})).axes) == 1


def test_forest_leaves_categories_out():
    z = RANDOM.integers(0, 3, (4, 200))
    texts = drawn(plot_forest(fitted({"mu": normal(), "z": z}, supports={"z": "index(3)"})))
    assert "mu" in texts
    assert "z" not in texts


def test_forest_of_point_estimates():
    tree = build_tree(
        {
            "estimate": {"w": np.array([1.0, 2.0]), "s": np.array(0.5)},
            "standard_error": {"w": np.array([0.1, np.nan])},
        },
        {},
        {},
        {"kind": "point"},
    )
    figure = plot_forest(tree)
    assert figure.axes[0].lines[0].get_xdata() == pytest.approx([1 - 0.16449, 1 + 0.16449])
    assert "normal approximation" in " ".join(drawn(figure))


def test_predictive_check_fits_its_drawing_to_the_values():
    figure = plot_predictive(fitted())
    texts = drawn(figure)
    for title in ("y  (3 values)", "x  (80 values)", "k  (50 values)", "label  (30 values)"):
        assert title in texts
    assert figure.axes[4].get_yscale() == "function"
    assert figure.axes[8].get_yscale() == "linear"


def test_predictive_frequencies_are_those_observed():
    tree = fitted()
    axes = plot_predictive(tree, "on").axes[0]
    (dots,) = [line for line in axes.lines if line.get_label() == "observed"]
    assert [*dots.get_ydata()] == [*np.bincount(tree["observed_data"]["on"])]


def test_predictive_check_leaves_missing_values_out():
    tree = build_tree(
        {
            "observed_data": {"y": np.array([1.0, np.nan, 2.0])},
            "posterior_predictive": {"y": normal(3)},
        },
        {},
        {},
        {},
    )
    assert "y  (2 values)" in drawn(plot_predictive(tree))


def test_what_cannot_be_compared_is_left_out():
    observed = {"y": np.ones(3), "new": np.ones(4), "none": np.full(2, np.nan)}
    predicted = {"y": normal(3), "new": normal(9), "none": normal(2)}
    groups = {"observed_data": observed, "posterior_predictive": predicted}
    assert len(plot_predictive(build_tree(groups, {"new": ("row",)}, {}, {})).axes) == 2


def test_impossible_statistics_are_marked():
    tree = build_tree(
        {
            "observed_data": {"y": 50 + RANDOM.normal(size=30)},
            "posterior_predictive": {"y": normal(30)},
        },
        {},
        {},
        {},
    )
    texts = drawn(plot_predictive(tree))
    assert texts.count("p = 0.00") == 3


def test_density_of_a_positive_quantity_does_not_sag_at_zero():
    values = RANDOM.exponential(size=4000)
    grid, height = density(values, -0.5, 6.0)
    inside = (grid > 0.02) & (grid < 3)
    assert np.abs(height[inside] - np.exp(-grid[inside])).max() < 0.15
    assert not height[grid < -0.02].any()
    assert np.trapezoid(height, grid) == pytest.approx(1, abs=0.05)


def test_density_of_an_unbounded_quantity_is_smooth_at_its_ends():
    values = RANDOM.normal(size=4000)
    grid, height = density(values, -6, 6)
    assert np.abs(height - np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)).max() < 0.04
    assert np.abs(np.diff(height)).max() < 0.03


@pytest.mark.parametrize("plot", PLOTS[:3])
@pytest.mark.parametrize(("chains", "draws"), [(1, 30), (2, 4), (8, 20)])
def test_few_and_many_chains(plot, chains, draws):
    drawn(plot(fitted({"x": normal(chains=chains, draws=draws)})))


def test_plots_are_written_whole(tmp_path):
    paths = save_plots(fitted(), tmp_path / "plots")
    names = ["trace.png", "rank.png", "forest.png", "predictive.png"]
    assert [p.name for p in paths] == names
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == sorted(names)
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82")


def test_equal_results_are_equal_files(tmp_path):
    tree = fitted({"mu": normal()})
    first, second = (save_plots(tree, tmp_path / name) for name in ("a", "b"))
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_only_possible_plots_are_written(tmp_path):
    def names(tree):
        return [p.stem for p in save_plots(tree, tmp_path)]

    point = build_tree({"estimate": {"w": np.ones(2)}}, {}, {}, {"kind": "point"})
    assert names(point) == ["forest"]
    single = build_tree({"posterior": {"w": normal(chains=1)}}, {}, {}, {"kind": "mcmc"})
    assert names(single) == ["trace", "forest"]
    exact = build_tree({"posterior": {"w": normal(chains=1)}}, {}, {}, {"kind": "exact"})
    assert names(exact) == ["forest"]
    constant = build_tree({"posterior": {"w": np.ones((2, 9))}}, {}, {}, {"kind": "mcmc"})
    assert names(constant) == []


def test_what_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        save_plots(fitted(), tmp_path / "file")
    assert caught.value.diagnostics[0].code == "GD809"


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (lambda: plot_trace(fitted(), ["thet"]), "GD811"),
        (lambda: plot_predictive(fitted(), ["z"]), "GD811"),
        (lambda: plot_trace(build_tree({}, {}, {}, {})), "GD812"),
        (lambda: plot_predictive(build_tree({}, {}, {}, {})), "GD812"),
        (lambda: plot_trace(fitted({"x": np.full((2, 5), np.nan)})), "GD812"),
    ],
)
def test_refusals(action, code):
    with pytest.raises(DataError) as caught:
        action()
    assert caught.value.diagnostics[0].code == code
