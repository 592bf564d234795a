"""Laws of distributions of distributions, over all pairs of a wrapper and a distribution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from distribution_cases import CASES, Case, nodes
from failure_budget import share
from reference_distributions import REFERENCES
from scipy import integrate, special, stats

import gendsl.runtime.distributions as runtime
from gendsl.library.distributions.traits import CLOSED_PRODUCTS, Refusal, Traits
from gendsl.library.distributions.wrappers import WRAPPERS
from gendsl.runtime.products import _PRODUCTS
from gendsl.runtime.tails import log_cdf, log_sf
from gendsl.types import Index, Interval

DRAWS = 4_000
WEIGHTS = np.array([0.3, 0.7])


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def number(case: Case) -> bool:
    """Whether draws are single numbers, and not categories or angles."""
    return isinstance(case.support, Interval) and not case.spec.event_dim


def count(case: Case) -> bool:
    return number(case) and case.spec.discrete and case.support.lower <= 0 <= case.support.upper


def first_of_each(cases: list[Case]) -> list[Case]:
    return list({case.spec.name: case for case in reversed(cases)}.values())


PROPER = first_of_each([c for c in CASES if not c.spec.improper])
COUNTS = [c for c in PROPER if count(c)]
HURDLES = [c for c in PROPER if number(c) and c.support.lower >= 0]
TAILS = [c for c in PROPER if number(c) and c.spec.has_cdf]


def table(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda c: c.spec.name)


# --- which may be made of which -------------------------------------------------------------


def possible(wrapper: str, case: Case) -> bool:
    if case.spec.improper:
        return False
    return {
        "Mixture": True,
        "ZeroInflated": count(case),
        "Hurdle": number(case) and case.support.lower >= 0,
        "Censored": number(case) and case.spec.has_cdf,
        "Product": case.spec.name in CLOSED_PRODUCTS,
    }[wrapper]


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_impossible_is_refused_by_name(wrapper, case):
    spec = WRAPPERS[wrapper]
    part = Traits.of(case.spec, case.support, constant=True)
    found = spec.combine([part] * spec.least, {})
    if possible(wrapper, case):
        assert isinstance(found, Traits)
        assert found.discrete == case.spec.discrete
    else:
        assert isinstance(found, Refusal)
        assert case.spec.name in found.reason
        assert found.remedy


@table(PROPER)
def test_a_cdf_without_gradients_is_for_constants(case):
    if not possible("Censored", case):
        return
    part = Traits.of(case.spec, case.support, constant=False)
    for differentiable in (False, True):
        changed = {f: getattr(part, f) for f in part.__slots__}
        law = Traits(**changed | {"cdf_differentiable": differentiable})
        refused = isinstance(WRAPPERS["Censored"].combine([law], {}), Refusal)
        assert refused is not differentiable


def test_closed_products_are_those_with_a_formula():
    kinds = {next(k for k in _PRODUCTS if isinstance(c.build(), k)) for c in PRODUCTS}
    assert kinds == set(_PRODUCTS)
    assert {c.spec.name for c in PRODUCTS} == CLOSED_PRODUCTS


# --- densities ------------------------------------------------------------------------------


def alike(case: Case) -> Case:
    """Another distribution whose draws are of the same kind."""
    order = PROPER[PROPER.index(case) + 1 :] + PROPER
    shape = case.build().event_shape

    def same(other: Case) -> bool:
        if isinstance(case.support, Interval) and isinstance(other.support, Interval):
            kind = case.support.integer == other.support.integer
            return kind and other.build().event_shape == shape
        return other.support == case.support and other.build().event_shape == shape

    return next(c for c in order if same(c))


def reference_at(case: Case, value: np.ndarray) -> np.ndarray:
    """The log density, which is 0 where the distribution has no values."""
    with np.errstate(all="ignore"):
        log = case.reference(value)
    if isinstance(case.support, Interval) and not case.spec.event_dim:
        outside = (value < case.support.lower) | (value > case.support.upper)
        log = np.where(outside, -np.inf, log)
    return log


@table(PROPER)
def test_mixture_adds_up_densities(case):
    other = alike(case)
    mixture = runtime.Mixture([case.build(), other.build()], weights=torch.tensor(WEIGHTS))
    value = torch.cat([c.draw(40, seed=3).to(torch.float64) for c in (case, other)])
    value = value[torch.isfinite(value.reshape(80, -1)).all(-1)]
    terms = [reference_at(c, value.numpy()) for c in (case, other)]
    expected = special.logsumexp(np.stack(terms, -1) + np.log(WEIGHTS), -1)
    same = value.long() if isinstance(case.support, Index) else value
    np.testing.assert_allclose(mixture.log_prob(same), expected, rtol=1e-10, atol=1e-12)


@table([c for c in PROPER if c.form.params and c in TAILS])
def test_mixture_over_a_plate_is_that_of_its_members(case):
    rows = {k: np.stack([v, v]) for k, v in case.params.items()}
    part = case.build({k: torch.tensor(v)[:, None] for k, v in rows.items()})
    logits = torch.tensor([[0.0, 1.0], [2.0, -1.0], [0.5, 0.5]])
    over = runtime.MixtureOver(part, 2, logits=logits)
    value = case.draw(3, seed=4).to(torch.float64)
    assert over.batch_shape == (1, 3)
    np.testing.assert_allclose(over.log_prob(value)[0], case.reference(value.numpy()), rtol=1e-10)
    assert over.expand((5, 1, 3)).sample((2,)).shape == (2, 5, 1, 3)
    below = log_cdf(case.build(), value)
    np.testing.assert_allclose(over.log_cdf(value)[0], below, rtol=1e-10, atol=1e-14)


def quantiles(case: Case, *levels: float) -> list[float]:
    found = np.quantile(case.draw(2_001, seed=6).numpy(), levels, method="nearest")
    return [float(x) for x in found]


def area(density: Callable[[np.ndarray], np.ndarray], low: float, high: float) -> float:
    return integrate.quad(lambda x: float(density(np.array(x))), low, high, limit=200)[0]


def whole_numbers(case: Case) -> np.ndarray:
    points, _ = nodes(case)
    return points.astype(float)


def mass_of(law: torch.distributions.Distribution, value: np.ndarray) -> np.ndarray:
    return np.exp(law.log_prob(torch.as_tensor(value)).detach().numpy())


@table(COUNTS)
def test_zero_inflated_sums_to_one(case):
    law = runtime.ZeroInflated(case.build(), probs=0.3)
    points = whole_numbers(case)
    mass = mass_of(law, points)
    assert mass.sum() == pytest.approx(1.0, abs=1e-9)
    plain = np.exp(case.reference(points))
    np.testing.assert_allclose(mass, 0.7 * plain + 0.3 * (points == 0), rtol=1e-10, atol=1e-300)


@table(HURDLES)
def test_hurdle_sums_to_one(case):
    law = runtime.Hurdle(case.build(), logits=0.4)
    zero = float(special.expit(0.4))
    assert float(mass_of(law, np.array(0.0))) == pytest.approx(zero)
    if case.spec.discrete:
        points = whole_numbers(case)
        points = points[points > 0]
        mass = mass_of(law, points)
        assert mass.sum() == pytest.approx(1 - zero, abs=1e-9)
        plain = np.exp(case.reference(points))
        np.testing.assert_allclose(mass / mass[0], plain / plain[0], rtol=1e-9, atol=1e-300)
        return
    value = case.draw(50, seed=2).numpy()
    expected = np.log(1 - zero) + case.reference(value)
    np.testing.assert_allclose(law.log_prob(torch.tensor(value)), expected, rtol=1e-10)


def bounds(case: Case) -> tuple[float, float]:
    if not case.spec.discrete:
        low, high = quantiles(case, 0.2, 0.8)
        return low, high
    low, high = quantiles(case, 0.2, 0.9)
    return low, max(high, low + 1)


@table(TAILS)
def test_censored_between_bounds_adds_up_to_one(case):
    low, high = bounds(case)
    law = runtime.Censored(case.build(), lower=low, upper=torch.tensor(high))
    if case.spec.discrete:
        points = np.arange(low, high + 1)
        assert mass_of(law, points).sum() == pytest.approx(1.0, abs=1e-9)
        plain = np.exp(case.reference(points[1:-1]))
        np.testing.assert_allclose(mass_of(law, points[1:-1]), plain, rtol=1e-10)
        below = np.exp(case.reference(whole_numbers(case)))[whole_numbers(case) <= low].sum()
        assert float(mass_of(law, np.array(low))) == pytest.approx(below, rel=1e-8)
        return
    ends = mass_of(law, np.array([low, high]))
    inner = area(lambda x: mass_of(law, x), low, high)
    assert ends.sum() + inner == pytest.approx(1.0, abs=1e-6)


@table(TAILS)
def test_flags_stand_for_what_is_beyond_the_value(case):
    value = case.draw(6, seed=8).to(torch.float64)
    flag = torch.tensor([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    part = case.build()
    frozen = REFERENCES[case.spec.name].frozen
    for side, beyond in (("right", log_sf), ("left", log_cdf)):
        law = runtime.Censored(part, **{side: flag})
        plain = case.reference(value.numpy())
        expected = np.where(flag.numpy() == 1, beyond(part, value), plain)
        np.testing.assert_allclose(law.log_prob(value), expected, rtol=1e-9, atol=1e-12)
        if frozen is not None:
            known = frozen(**case.params)
            tail = known.logsf if side == "right" else known.logcdf
            got = law.log_prob(value)[flag == 1]
            np.testing.assert_allclose(got, tail(value[flag == 1].numpy()), rtol=1e-6, atol=1e-9)


def test_far_tails_keep_their_digits():
    law = runtime.Censored(runtime_normal(0.0, 1.0), right=torch.tensor(1.0))
    assert float(law.log_prob(torch.tensor(30.0))) == pytest.approx(
        stats.norm.logsf(30), rel=1e-12
    )
    parts = [runtime_normal(0.0, 1.0), runtime_normal(1.0, 2.0)]
    mixture = runtime.Mixture(parts, weights=torch.tensor([0.5, 0.5]))
    both = np.logaddexp(stats.norm.logsf(80), stats.norm.logsf(80, 1, 2)) + np.log(0.5)
    assert float(mixture.log_sf(torch.tensor(80.0))) == pytest.approx(both, rel=1e-12)


def runtime_normal(loc: float, scale: float) -> torch.distributions.Distribution:
    return next(c for c in CASES if c.spec.name == "Normal").build(
        {"loc": torch.tensor(loc), "scale": torch.tensor(scale)}
    )


# --- products -------------------------------------------------------------------------------

PRODUCTS = [c for c in PROPER if c.spec.name in CLOSED_PRODUCTS]


def scaled(case: Case, factor: float) -> dict[str, np.ndarray]:
    """Other legal values of the parameters."""
    changed = {}
    for name, value in case.params.items():
        own = (
            np.roll(value, 1)
            if case.spec.parameter(name).support.__class__ is not Interval
            else value
        )
        matrix = case.spec.parameter(name).event_dim == 2
        simplex = getattr(case.spec.parameter(name).support, "kind", "") == "simplex"
        changed[name] = value if matrix else own if simplex else value * factor
    return changed


@table(PRODUCTS)
def test_product_is_proportional_to_the_densities_and_normalised(case):
    others = [scaled(case, f) for f in (1.0, 1.2, 0.9)]
    laws = [case.build({k: torch.tensor(v) for k, v in o.items()}) for o in others]
    law = runtime.product(laws)
    value = case.draw(30, seed=5)
    log = sum(case.reference(value.numpy(), o) for o in others)
    constant = log - law.log_prob(value).numpy()
    np.testing.assert_allclose(constant, constant[0], rtol=1e-8, atol=1e-8)
    if case.spec.discrete or case.spec.event_dim:
        points, weights = nodes(case)
        given = torch.as_tensor(points)
        total = float(np.sum(weights * np.exp(law.log_prob(given).numpy())))
        assert total == pytest.approx(1.0, abs=1e-6)
    else:
        low, high = (-np.pi, np.pi)
        if isinstance(case.support, Interval):
            low, high = case.support.lower, case.support.upper
        middle = float(value.median())
        total = sum(area(lambda x: mass_of(law, x), *e) for e in ((low, middle), (middle, high)))
        assert total == pytest.approx(1.0, abs=1e-7)


# --- samples --------------------------------------------------------------------------------


def assert_share(hits: np.ndarray, expected: float, comparisons: int) -> None:
    found = stats.binomtest(int(hits.sum()), hits.size, min(max(expected, 0.0), 1.0))
    assert found.pvalue > share(comparisons), (hits.mean(), expected)


@table(COUNTS)
def test_zero_inflated_samples_agree(case):
    law = runtime.ZeroInflated(case.build(), probs=torch.tensor(0.3))
    torch.manual_seed(11)
    draws = law.expand((DRAWS // 2,)).sample((2,)).numpy()
    for at in (0, 1):
        assert_share(draws == at, float(mass_of(law, np.array(float(at)))), 2)


@table(HURDLES)
def test_hurdle_samples_agree(case):
    law = runtime.Hurdle(case.build(), probs=torch.tensor(0.3))
    torch.manual_seed(12)
    draws = law.expand((DRAWS,)).sample().numpy()
    assert_share(draws == 0, 0.3, 2)
    above = draws[draws > 0]
    if case.spec.discrete:
        least = max(1.0, case.support.lower)
        assert_share(above == least, float(mass_of(law, np.array(least))) / 0.7, 2)
    elif REFERENCES[case.spec.name].frozen is not None:
        cdf = REFERENCES[case.spec.name].frozen(**case.params).cdf
        assert stats.kstest(above, cdf).pvalue > share(2)


@pytest.mark.parametrize("rate", [1e-6, 0.01, 0.5, 30.0])
def test_hurdle_draws_counts_above_zero_however_rare(rate):
    law = runtime.Hurdle(torch.distributions.Poisson(torch.tensor(rate)), probs=0.0)
    torch.manual_seed(13)
    draws = law.expand((DRAWS,)).sample().numpy()
    assert draws.min() >= 1
    expected = stats.poisson(rate).pmf(1) / stats.poisson(rate).sf(0)
    assert_share(draws == 1, float(expected), 1)


@table(TAILS)
def test_censored_samples_agree(case):
    low, high = bounds(case)
    law = runtime.Censored(case.build(), lower=low, upper=high)
    torch.manual_seed(14)
    draws = law.expand((DRAWS,)).sample().numpy()
    assert (draws >= low).all()
    assert (draws <= high).all()
    for end in (low, high):
        assert_share(draws == end, float(mass_of(law, np.array(end))), 2)


@table(TAILS)
def test_mixture_samples_agree(case):
    other = alike(case)
    if not other.spec.has_cdf:
        return
    mixture = runtime.Mixture([case.build(), other.build()], logits=torch.tensor(np.log(WEIGHTS)))
    torch.manual_seed(15)
    draws = mixture.sample((DRAWS,)).numpy()
    for level in quantiles(case, 0.3, 0.7):
        below = float(torch.exp(mixture.log_cdf(torch.tensor(level))))
        assert_share(draws <= level, below, 2)


# --- gradients ------------------------------------------------------------------------------


def free_parameters(case: Case) -> dict[str, torch.Tensor]:
    free = {}
    for name, value in case.tensors.items():
        whole = getattr(case.spec.parameter(name).support, "integer", False)
        if value.is_floating_point() and not whole and not value.dim():
            free[name] = value
    return free


def assert_gradient(density: Callable[[dict[str, torch.Tensor]], torch.Tensor], at: dict) -> None:
    """Automatic differentiation against central differences."""
    leaves = {k: v.clone().requires_grad_() for k, v in at.items()}
    found = torch.autograd.grad(density(leaves).sum(), list(leaves.values()), allow_unused=True)
    for (name, value), gradient in zip(at.items(), found, strict=True):
        assert gradient is not None
        step = 1e-5 * max(1.0, abs(float(value)))
        ends = [float(density({**at, name: value + s}).sum()) for s in (step, -step)]
        expected = (ends[0] - ends[1]) / (2 * step)
        assert float(gradient) == pytest.approx(expected, rel=2e-4, abs=1e-4), name


def points_of(case: Case) -> torch.Tensor:
    return case.draw(8, seed=21).to(torch.float64)


def gradient_cases() -> list:
    wanted = (("ZeroInflated", COUNTS), ("Hurdle", HURDLES), ("Censored", TAILS))
    return [
        pytest.param(name, case, id=f"{name}-{case.spec.name}")
        for name, cases in wanted
        for case in cases
        if free_parameters(case)
    ]


@pytest.mark.parametrize(("wrapper", "case"), gradient_cases())
def test_gradients_agree_with_differences(wrapper, case):
    value = points_of(case)
    free = {**free_parameters(case), "chance": torch.tensor(0.3)}

    def density(given: dict[str, torch.Tensor]) -> torch.Tensor:
        own = {k: v for k, v in given.items() if k != "chance"}
        part = case.build({**case.tensors, **own})
        if wrapper == "Censored":
            low, high = bounds(case)
            both = runtime.Censored(part, lower=low, upper=high)
            return both.log_prob(torch.clamp(value, low, high)) + given["chance"]
        zeros = torch.cat([value, torch.zeros(2)])
        made = getattr(runtime, wrapper)(part, probs=given["chance"])
        return made.log_prob(zeros)

    # The support of these moves with their parameters.
    fixed = {"Uniform": free_parameters(case), "Pareto": {"scale"}}.get(case.spec.name, ())
    assert_gradient(density, {k: v for k, v in free.items() if k not in fixed})


@pytest.mark.parametrize("name", ["Exponential", "Weibull", "LogNormal", "Gamma", "Beta"])
def test_no_gradient_is_nan_at_the_edge_of_a_part(name):
    case = next(c for c in CASES if c.spec.name == name)
    leaves = {k: v.requires_grad_() for k, v in case.tensors.items()}
    part = case.build(leaves)
    edge = torch.tensor([0.0, 0.5])
    laws = [
        runtime.Hurdle(part, probs=0.2).log_prob(edge),
        runtime.Censored(part, lower=0.25).log_prob(torch.tensor([0.25, 0.5])),
        runtime.Censored(part, right=torch.tensor([1.0, 0.0])).log_prob(edge + 0.5 * (edge == 0)),
        runtime.Mixture(
            [part, runtime_normal(0.0, 1.0)], weights=torch.tensor([0.5, 0.5])
        ).log_prob(torch.tensor([-2.0, 0.5])),
    ]
    for log in laws:
        assert torch.isfinite(log).all()
        for gradient in torch.autograd.grad(log.sum(), list(leaves.values()), retain_graph=True):
            assert torch.isfinite(gradient).all()
