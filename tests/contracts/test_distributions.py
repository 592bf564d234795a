"""Laws that every distribution of the table obeys, driven by its examples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from distribution_cases import CASES, Case, in_support, nodes
from failure_budget import share
from reference_distributions import REFERENCES
from scipy import integrate, stats

from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.runtime.tails import log_between, log_cdf, log_sf
from gendsl.types import REAL, UNIT, Index, Interval, Structured

DRAWS = 5_000

every_case = pytest.mark.parametrize("case", CASES, ids=str)
proper = pytest.mark.parametrize("case", [c for c in CASES if not c.spec.improper], ids=str)
scalar_cases = [c for c in CASES if not (c.spec.improper or c.spec.discrete or c.spec.event_dim)]
scalar_continuous = pytest.mark.parametrize("case", scalar_cases, ids=str)


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def log_prob(case: Case, value: np.ndarray) -> np.ndarray:
    return case.build().log_prob(torch.as_tensor(value)).numpy()


def bounds(case: Case) -> tuple[float, float]:
    match case.support:
        case Interval(lower=lower, upper=upper):
            return lower, upper
        case Structured(kind="angle"):
            return -np.pi, np.pi
    raise AssertionError(f"{case} is not scalar and continuous")


# --- the table ------------------------------------------------------------------------------


def test_every_distribution_has_a_reference():
    assert set(REFERENCES) == set(DISTRIBUTIONS)


@pytest.mark.parametrize("spec", DISTRIBUTIONS.values(), ids=lambda s: s.name)
def test_every_form_has_an_example(spec):
    used = {case.form for case in CASES if case.spec is spec}
    assert used == set(spec.forms)


@pytest.mark.parametrize("spec", DISTRIBUTIONS.values(), ids=lambda s: s.name)
def test_every_parameter_is_in_a_form(spec):
    assert {p.name for p in spec.params} == {name for form in spec.forms for name in form.params}


@every_case
def test_example_lies_in_the_supports_of_the_parameters(case):
    for name, value in case.params.items():
        parameter = case.spec.parameter(name)
        assert value.ndim == parameter.event_dim
        if isinstance(parameter.support, Interval):
            assert in_support(value, parameter.support, value.ndim).all()


@every_case
def test_event_shape_is_as_declared(case):
    d = case.build()
    assert len(d.event_shape) == case.spec.event_dim
    assert d.batch_shape == ()


# --- the density ----------------------------------------------------------------------------


@every_case
def test_log_prob_equals_reference(case):
    value = case.draw(200).numpy()
    np.testing.assert_allclose(
        log_prob(case, value), case.reference(value), rtol=1e-10, atol=1e-12
    )


@every_case
def test_python_numbers_do_for_parameters(case):
    value = case.draw(20)
    numbers = {k: v.item() if not v.ndim else torch.tensor(v) for k, v in case.params.items()}
    built = case.build(numbers)
    np.testing.assert_array_equal(built.log_prob(value), case.build().log_prob(value))
    if not case.spec.improper:
        assert built.sample((3,)).dtype in (torch.float64, torch.int64)


@scalar_continuous
def test_density_integrates_to_one(case):
    lower, upper = bounds(case)
    middle = float(case.params.get("loc", np.median(case.draw(1001).numpy())))
    total = sum(
        integrate.quad(
            lambda x: np.exp(log_prob(case, np.array(x))), *ends, epsabs=1e-10, limit=200
        )[0]
        for ends in ((lower, middle), (middle, upper))
    )
    assert total == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize(
    "case",
    [c for c in CASES if (c.spec.discrete or c.spec.event_dim) and not c.spec.improper],
    ids=str,
)
def test_mass_sums_to_one(case):
    points, weights = nodes(case)
    total = np.sum(weights * np.exp(log_prob(case, points)))
    assert total == pytest.approx(1.0, abs=1e-9 if case.spec.discrete else 1e-6)


@every_case
def test_gradients_are_finite(case):
    value = case.draw(100)
    if not case.spec.discrete:
        value.requires_grad_()
    params = {
        k: v.requires_grad_(
            v.is_floating_point()
            and getattr(case.spec.parameter(k).support, "integer", False) is False
        )
        for k, v in case.tensors.items()
    }
    log = case.build(params).log_prob(value)
    wanted = [v for v in (value, *params.values()) if v.requires_grad]
    if case.spec.improper or not wanted:
        return
    for gradient in torch.autograd.grad(log.sum(), wanted, allow_unused=True):
        assert gradient is None or torch.isfinite(gradient).all()


# --- batches --------------------------------------------------------------------------------


def varied(case: Case, name: str, row: int) -> np.ndarray:
    """Another legal value of a parameter."""
    value, support = case.params[name], case.spec.parameter(name).support
    if isinstance(support, Structured) and support.kind == "simplex":
        return np.roll(value, row)
    if isinstance(support, Index):
        return value
    if getattr(support, "integer", False):
        return value + row
    return value * (1 - 0.1 * row) if support == UNIT else value * (1 + 0.1 * row)


@pytest.mark.parametrize(("case", "name"), [(c, n) for c in CASES for n in c.form.params], ids=str)
def test_one_parameter_may_have_more_axes_than_the_rest(case, name):
    rows = [varied(case, name, row) for row in range(3)]
    plain = {k: v.item() if not v.ndim else torch.tensor(v) for k, v in case.params.items()}
    batched = torch.tensor(np.stack(rows))[:, None]  # a plate of 3 in front of one of 1
    d = case.build({**plain, name: batched})
    torch.manual_seed(5)
    value = d.expand((3, 4)).sample()
    got = d.log_prob(value)
    for row in range(3):
        expected = case.reference(value[row].numpy(), {**case.params, name: rows[row]})
        np.testing.assert_allclose(got[row], expected, rtol=1e-10, atol=1e-12)
    assert d.sample((2,)).shape == (2, 3, 1, *d.event_shape)


# --- samples --------------------------------------------------------------------------------


@proper
def test_samples_lie_in_the_support(case):
    assert in_support(case.draw(1_000).numpy(), case.support, case.spec.event_dim).all()


def reference_cdf(case: Case):
    """The distribution function, from scipy or by summing the reference density."""
    frozen = REFERENCES[case.spec.name].frozen
    if frozen is not None:
        return frozen(**case.params).cdf
    grid = np.linspace(*bounds(case), 20_001)
    mass = integrate.cumulative_simpson(np.exp(case.reference(grid)), x=grid, initial=0.0)
    return lambda x: np.interp(x, grid, mass)


@scalar_continuous
def test_samples_agree_with_the_density(case):
    draws = case.draw(DRAWS, seed=1).numpy()
    assert stats.kstest(draws, reference_cdf(case)).pvalue > share()


def tied_matrix(case: Case) -> bool:
    """Whether a value has more free entries than a grid can have axes with many points."""
    return case.spec.event_dim == 2 and isinstance(case.support, Structured)


def features(matrices: np.ndarray) -> np.ndarray:
    """Bounded functions of the entries below the diagonal and on it, and of their products."""
    rows, columns = np.tril_indices(matrices.shape[-1])
    entries = np.tanh(matrices[:, rows, columns])
    one, other = np.tril_indices(len(rows))
    return np.concatenate([entries, entries[:, one] * entries[:, other]], 1)


@pytest.mark.parametrize("case", [c for c in CASES if tied_matrix(c)], ids=str)
def test_samples_agree_with_the_moments(case):
    points, weights = nodes(case)
    mass = weights * np.exp(case.reference(points))
    seen, expected = features(case.draw(DRAWS, seed=2).numpy()), mass @ features(points)
    free = np.ptp(seen, 0) > 1e-12
    np.testing.assert_allclose(seen[:, ~free].mean(0), expected[~free], rtol=1e-5, atol=1e-9)
    away = (seen.mean(0) - expected)[free] / seen[:, free].std(0) * np.sqrt(DRAWS)
    assert 2 * stats.norm.sf(np.abs(away)).min() > share(len(away))


def cells(case: Case, points: np.ndarray, mass: np.ndarray, draws: np.ndarray):
    """Expected and observed counts of cells that cut the first two axes at quartiles."""
    points, draws = points.reshape(len(points), -1), draws.reshape(len(draws), -1)
    varying = np.flatnonzero(np.ptp(points, 0) > 1e-12)
    points, draws = points[:, varying], draws[:, varying]
    number_of_point = np.zeros(len(points), int)
    number_of_draw = np.zeros(len(draws), int)
    for axis in range(min(points.shape[1], 2)):
        order = np.argsort(points[:, axis], kind="stable")
        cumulative = np.cumsum(mass[order])
        cuts = points[order][np.searchsorted(cumulative, np.arange(1, 8) / 8), axis]
        number_of_point = 8 * number_of_point + np.searchsorted(cuts, points[:, axis])
        number_of_draw = 8 * number_of_draw + np.searchsorted(cuts, draws[:, axis])
    expected = np.bincount(number_of_point, mass, 64) * len(draws)
    observed = np.bincount(number_of_draw, minlength=64)
    rare = expected < 5
    return (
        np.append(expected[~rare], expected[rare].sum()),
        np.append(observed[~rare], observed[rare].sum()),
    )


joint = [c for c in CASES if (c.spec.discrete or c.spec.event_dim) and not c.spec.improper]


@pytest.mark.parametrize("case", [c for c in joint if not tied_matrix(c)], ids=str)
def test_samples_agree_with_the_mass(case):
    points, weights = nodes(case, 1_000)
    mass = weights * np.exp(case.reference(points))
    expected, observed = cells(case, points, mass, case.draw(DRAWS, seed=2).numpy())
    assert expected.sum() == pytest.approx(DRAWS, rel=1e-4)
    keep = expected > 1
    assert observed[~keep].sum() <= 20
    statistic = np.sum((observed[keep] - expected[keep]) ** 2 / expected[keep])
    assert stats.chi2.sf(statistic, keep.sum() - 1) > share()


# --- flags ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [c for c in CASES if not (c.spec.event_dim or c.spec.improper)], ids=str
)
def test_has_cdf_says_the_truth(case):
    value = case.draw(50)
    if not case.spec.has_cdf:
        with pytest.raises(NotImplementedError):
            log_cdf(case.build(), value)
        return
    below, above = log_cdf(case.build(), value).exp(), log_sf(case.build(), value).exp()
    np.testing.assert_allclose(below, reference_cdf(case)(value.numpy()), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(below + above, 1.0, rtol=1e-12)


with_tails = pytest.mark.parametrize("case", [c for c in CASES if c.spec.has_cdf], ids=str)


@with_tails
def test_tails_integrate_the_density(case):
    low, high = np.quantile(case.draw(999).numpy(), [0.2, 0.9], method="inverted_cdf")
    got = log_between(case.build(), torch.tensor(low), torch.tensor(high)).exp()
    if case.spec.discrete:
        wanted = np.exp(log_prob(case, np.arange(low + 1, high + 1))).sum()
    else:
        kink = [float(case.params.get("loc", low))]
        wanted, _ = integrate.quad(
            lambda x: np.exp(log_prob(case, np.array(x))), low, high, points=kink, epsabs=1e-11
        )
    assert got.item() == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def smooth(case: Case) -> list[str]:
    """The parameters that are no whole numbers."""
    supports = {name: case.spec.parameter(name).support for name in case.params}
    return [n for n, s in supports.items() if isinstance(s, Interval) and not s.integer]


@with_tails
@pytest.mark.parametrize("tail", [log_cdf, log_sf])
def test_tails_have_gradients_in_everything(case, tail):
    names = smooth(case)
    at = {"the value": case.draw(7, seed=6), **case.tensors}
    if case.spec.discrete:
        finite = torch.isfinite(tail(case.build(), at["the value"]))
        at["the value"] = at["the value"][finite]
    else:
        names.append("the value")

    def evaluated(values):
        params = {k: v for k, v in values.items() if k in case.params}
        return tail(case.build(params), values["the value"])

    for name in names:
        leaf = at[name].clone().requires_grad_()
        (slope,) = torch.autograd.grad(evaluated({**at, name: leaf}).sum(), leaf)
        step = 1e-5 * at[name].abs().clamp(min=0.1)
        up, down = (evaluated({**at, name: at[name] + s * step}).sum() for s in (1, -1))
        if name == "the value":
            up, down = (evaluated({**at, name: at[name] + s * step}) for s in (1, -1))
        np.testing.assert_allclose(slope, (up - down) / (2 * step), rtol=1e-6, atol=1e-8)


@with_tails
def test_tails_are_certain_and_flat_at_infinity(case):
    params = {k: v.requires_grad_(k in smooth(case)) for k, v in case.tensors.items()}
    leaves = [v for v in params.values() if v.requires_grad]
    for end, tail, certain in ((np.inf, log_sf, log_cdf), (-np.inf, log_cdf, log_sf)):
        assert tail(case.build(params), torch.tensor(end)) == -np.inf
        got = certain(case.build(params), torch.tensor(end)) + 0 * sum(params.values())
        assert got == 0
        for slope in torch.autograd.grad(got, leaves) if leaves else ():
            assert slope == 0


@proper
def test_has_rsample_says_the_truth(case):
    params = {k: v.requires_grad_(v.is_floating_point()) for k, v in case.tensors.items()}
    d = case.build(params)
    assert d.has_rsample == case.spec.has_rsample
    if case.spec.has_rsample:
        gradients = torch.autograd.grad(d.rsample((50,)).square().sum(), list(params.values()))
        assert all(torch.isfinite(g).all() and (g != 0).any() for g in gradients)


@pytest.mark.parametrize("case", [c for c in CASES if "loc" in c.form.params], ids=str)
def test_symmetric_says_the_truth(case):
    away = case.draw(100).numpy() - case.params["loc"]
    here, there = (case.reference(case.params["loc"] + x) for x in (away, -away))
    same = np.allclose(here, there, rtol=1e-9, atol=1e-9)
    assert same == case.spec.symmetric


@pytest.mark.parametrize(
    "case", [c for c in scalar_cases if {"loc", "scale"} <= set(c.form.params)], ids=str
)
def test_location_scale_says_the_truth(case):
    if case.support != REAL:
        return
    z, (loc, scale) = np.linspace(-2, 2, 9), (case.params["loc"], case.params["scale"])
    standard = case.reference(z, {**case.params, "loc": 0.0, "scale": 1.0})
    moved = case.reference(loc + scale * z) + np.log(scale)
    assert np.allclose(moved, standard, rtol=1e-9, atol=1e-9) == case.spec.location_scale


@pytest.mark.parametrize("case", [c for c in CASES if c.spec.log_concave], ids=str)
def test_log_concave_says_the_truth(case):
    if case.spec.discrete:
        points, _ = nodes(case)
        log = case.reference(points[:40])
        assert (2 * log[1:-1] >= log[2:] + log[:-2] - 1e-9)[np.isfinite(log[2:])].all()
        return
    one, other = case.draw(500, seed=3).numpy(), case.draw(500, seed=4).numpy()
    ends = case.reference(one) + case.reference(other)
    assert (2 * case.reference((one + other) / 2) >= ends - 1e-9).all()
