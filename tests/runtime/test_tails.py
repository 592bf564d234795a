"""Incomplete gamma and beta functions, tail probabilities, and truncation by them."""

from __future__ import annotations

import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from failure_budget import share
from scipy import integrate, stats
from torch import Tensor

import gendsl
from gendsl.runtime import distributions as runtime
from gendsl.runtime import incomplete
from gendsl.runtime.incomplete import (
    log_betainc,
    log_betaincc,
    log_gammainc,
    log_gammaincc,
)
from gendsl.runtime.narrowed import Truncated
from gendsl.runtime.tails import log_between, log_by_masses, log_cdf, log_sf, tails

INF = math.inf


@pytest.fixture(autouse=True)
def _double_precision():
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def leaf(value: float) -> Tensor:
    return torch.tensor(float(value), requires_grad=True)


# --- incomplete gamma and beta functions ----------------------------------------------------
#
# By mpmath with 400 digits, derivatives by central differences: a, x, then of log P and of log Q
# the value and the derivative in a.

GAMMA = [
    (
        5,
        800,
        -6.291256152565017e-338,
        -3.2587126195942885e-337,
        -776.43460067492359,
        5.1797487505983589,
    ),
    (
        50,
        0.001,
        -493.8665112928519,
        -10.829745336884648,
        -3.2847275170409984e-215,
        3.5572762510611441e-214,
    ),
    (
        0.01,
        1e-10,
        -0.22456820135432503,
        -22.464965472169812,
        -1.6037595222189916,
        89.223845172610321,
    ),
    (
        0.01,
        0.9,
        -0.0026297981419669457,
        -0.26577466806598237,
        -5.9421627987529525,
        100.92993455936068,
    ),
    (
        0.3,
        2.5,
        -0.011916036651282463,
        -0.056148532748366877,
        -4.4358222703339107,
        4.6839955917940841,
    ),
    (1, 3, -0.051069180942701587, -0.10153823293650839, -3, 1.937911693824961),
    (
        2.5,
        0.1,
        -7.0286369731118052,
        -3.4139944835678895,
        -0.00088653164188767325,
        0.00302795612605533,
    ),
    (7, 7, -0.59731178570283056, -0.27730308439908897, -0.79915000056505424, 0.33932192579942624),
    (
        40,
        55.5,
        -0.012557979218703276,
        -0.0049083238127707662,
        -4.3836714397831716,
        0.38840397154304843,
    ),
    (
        1000,
        900,
        -7.5057699942338924,
        -0.11357852886380163,
        -0.00055005351741434473,
        6.2491454550860795e-5,
    ),
    (
        1000,
        1100,
        -0.0010598847333686436,
        -0.00011060704645715446,
        -6.8501250144362653,
        0.10430232455568979,
    ),
    (
        10000,
        10000,
        -0.69049109440197236,
        -0.0079577475408132743,
        -0.69581034030382007,
        0.0080001895364409001,
    ),
    (
        10000,
        9000,
        -56.835486168752249,
        -0.10629329882535266,
        -2.073299202433928e-25,
        2.2037781167867485e-26,
    ),
    (
        10000,
        12000,
        -3.3272024923451613e-79,
        -6.0844086003347598e-80,
        -180.70209048800147,
        0.18286859950162504,
    ),
    (
        0.5,
        600,
        -6.0995688148084337e-263,
        -5.1005217810145279e-262,
        -603.77166137485011,
        8.3621022007843642,
    ),
]

# a, b, x, then of log I and of log(1 - I) the value and the derivatives in a and in b.

BETA = [
    (
        2,
        3,
        1e-30,
        -136.36334611041469,
        -68.494219456488037,
        0.58333333333333333,
        -6.000000000000001e-60,
        4.1096531673892829e-58,
        -3.5000000000000006e-60,
    ),
    (
        2.5,
        0.7,
        0.999,
        -0.016058802688618504,
        -0.0047799681127313521,
        0.09904059836091237,
        -4.1395167817856468,
        0.29527049092047269,
        -6.1179835114786133,
    ),
    (
        0.01,
        0.01,
        0.4,
        -0.69715412990686292,
        -50.406397144819581,
        50.010389833782285,
        -0.68915622279992864,
        50.004859334326552,
        -49.612006621070889,
    ),
    (
        0.01,
        50,
        0.001,
        -0.024845811493109983,
        -2.492159306126267,
        0.00019232481738395969,
        -3.7074632766786996,
        99.064087688689607,
        -0.0076449697766915112,
    ),
    (
        50,
        0.01,
        0.97,
        -6.9060724836487461,
        -0.045077145397370961,
        101.29955250454292,
        -0.0010021862329306025,
        4.519833933075532e-5,
        -0.10157190540333179,
    ),
    (
        0.5,
        0.5,
        0.3,
        -0.99693121102077808,
        -1.7419887614846415,
        1.2702756890986692,
        -0.46046545391587117,
        1.0187350084199286,
        -0.7428717931145922,
    ),
    (
        1,
        4,
        0.6,
        -0.025933382026504481,
        -0.044487364324282975,
        0.024073319720831664,
        -3.66516292749662,
        1.6933003045930204,
        -0.91629073187415501,
    ),
    (
        20,
        30,
        0.05,
        -30.354076320720378,
        -2.1179391305144432,
        0.46893293353823795,
        -6.5673800694736072e-14,
        1.3909311234099272e-13,
        -3.0796608016389167e-14,
    ),
    (
        20,
        30,
        0.95,
        -6.8454161421442415e-27,
        -6.0371086445112557e-27,
        1.7199671450012787e-26,
        -60.246218258892822,
        0.88191988903982198,
        -2.5125823022097827,
    ),
    (
        1000,
        2000,
        0.34,
        -0.24690476224423214,
        -0.0096922864811537702,
        0.0049186673495459043,
        -1.5196661832108348,
        0.034608239238699821,
        -0.017563081394639343,
    ),
    (
        10000,
        10000,
        0.5,
        -0.69314718055994531,
        -0.0056420133768253239,
        0.0056420133768253239,
        -0.69314718055994531,
        0.0056420133768253239,
        -0.0056420133768253239,
    ),
    (
        10000,
        10000,
        0.47,
        -39.135628697327919,
        -0.06271147740975464,
        0.059056279646005123,
        -1.0083525732793529e-17,
        6.3235279620276103e-19,
        -5.9549551549354341e-19,
    ),
    (
        10000,
        0.01,
        0.9999,
        -6.1119464763120375,
        -0.00016694856777165919,
        101.00805206292273,
        -0.0022186922454535933,
        3.7081870688342408e-7,
        -0.22435457668625158,
    ),
    (
        300,
        4,
        0.5,
        -194.67410208727975,
        -0.68324655205450915,
        3.7694613258880935,
        -2.8451927542433952e-85,
        1.9439681392672722e-85,
        -1.0724844051817505e-84,
    ),
]


@pytest.mark.parametrize(("a", "x", "p", "p_a", "q", "q_a"), GAMMA)
def test_incomplete_gamma(a, x, p, p_a, q, q_a):
    a, x = leaf(a), leaf(x)
    density = torch.distributions.Gamma(a, 1.0).log_prob(x).item()
    for function, value, slope, sign in ((log_gammainc, p, p_a, 1), (log_gammaincc, q, q_a, -1)):
        if abs(value) < 1e-300:
            continue
        got = function(a, x)
        by_a, by_x = torch.autograd.grad(got, (a, x))
        assert got.item() == pytest.approx(value, rel=5e-13, abs=0)
        assert by_a.item() == pytest.approx(slope, rel=5e-12, abs=0)
        assert by_x.item() == pytest.approx(sign * math.exp(density - value), rel=2e-11, abs=0)


@pytest.mark.parametrize(("a", "b", "x", "i", "i_a", "i_b", "j", "j_a", "j_b"), BETA)
def test_incomplete_beta(a, b, x, i, i_a, i_b, j, j_a, j_b):
    a, b, x = leaf(a), leaf(b), leaf(x)
    for function, value, slopes, sign in (
        (log_betainc, i, (i_a, i_b), 1),
        (log_betaincc, j, (j_a, j_b), -1),
    ):
        got = function(a, b, x)
        by_a, by_b, by_x = torch.autograd.grad(got, (a, b, x))
        assert got.item() == pytest.approx(value, rel=2e-12, abs=0)
        assert by_a.item() == pytest.approx(slopes[0], rel=5e-12, abs=0)
        assert by_b.item() == pytest.approx(slopes[1], rel=5e-12, abs=0)
        density = torch.distributions.Beta(a, b).log_prob(x).item()
        assert by_x.item() == pytest.approx(sign * math.exp(density - value), rel=2e-11, abs=0)


def test_second_derivatives():
    """Standard errors at an optimum need them."""
    points = [torch.tensor(v, requires_grad=True) for v in ([0.4, 3.0, 30.0], [0.5, 5.0, 22.0])]
    assert torch.autograd.gradgradcheck(log_gammainc, points)
    assert torch.autograd.gradgradcheck(log_gammaincc, points)
    x = torch.tensor([0.3, 0.6, 0.9], requires_grad=True)
    assert torch.autograd.gradgradcheck(log_betainc, (*points, x))


def test_the_ends_have_tails_of_0_and_1_and_no_gradient():
    a = leaf(2.0)
    for x, lower, upper in ((0.0, -INF, 0.0), (INF, 0.0, -INF)):
        for function, wanted in ((log_gammainc, lower), (log_gammaincc, upper)):
            got = function(a, torch.tensor(x))
            (slope,) = torch.autograd.grad(got, a)
            assert (got.item(), slope.item()) == (wanted, 0.0)
    for x, lower, upper in ((0.0, -INF, 0.0), (1.0, 0.0, -INF)):
        for function, wanted in ((log_betainc, lower), (log_betaincc, upper)):
            got = function(a, torch.tensor(3.0), torch.tensor(x))
            (slope,) = torch.autograd.grad(got, a)
            assert (got.item(), slope.item()) == (wanted, 0.0)


def test_large_arrays_are_taken_in_pieces(monkeypatch):
    a, x = torch.rand(7, 1) + 1, torch.rand(3, 1, 11) * 5
    whole = log_gammainc(a, x)
    monkeypatch.setattr(incomplete, "_AT_ONCE", 10)
    pieces = log_gammainc(a, x)
    assert pieces.shape == (3, 7, 11)
    torch.testing.assert_close(pieces, whole, rtol=1e-14, atol=0)


def test_single_precision():
    a, x = torch.tensor([0.5, 5.0, 500.0]).float(), torch.tensor([0.1, 20.0, 480.0]).float()
    got, wanted = log_gammainc(a, x), log_gammainc(a.double(), x.double())
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-7)


# --- tails ----------------------------------------------------------------------------------

ONE, TWO = torch.tensor(1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
HALF, FIVE = ONE / 2, 5 * ONE
FAR = [
    (dist.Normal(ONE, TWO), stats.norm(1, 2), (-60.0, 1.1, 70.0)),
    (dist.StudentT(FIVE, ONE, TWO), stats.t(5, 1, 2), (-1e9, -1.0, 1.0, 1e20)),
    (dist.Cauchy(ONE, TWO), stats.cauchy(1, 2), (-1e30, 0.0, 1e30)),
    (dist.Laplace(ONE, TWO), stats.laplace(1, 2), (-600.0, 0.5, 1.5, 700.0)),
    (dist.Logistic(ONE, TWO), stats.logistic(1, 2), (-900.0, 0.5, 900.0)),
    (dist.Gumbel(ONE, TWO), stats.gumbel_r(1, 2), (-9.0, 0.5, 900.0)),
    (dist.LogNormal(ONE, TWO), stats.lognorm(2, scale=math.e), (1e-20, 0.5, 1e20)),
    (dist.Gamma(FIVE, TWO), stats.gamma(5, scale=0.5), (1e-9, 2.0, 3.0, 300.0)),
    (dist.InverseGamma(FIVE, TWO), stats.invgamma(5, scale=2), (5e-3, 0.4, 1e9)),
    (dist.Chi2(FIVE), stats.chi2(5), (1e-9, 4.0, 1300.0)),
    (dist.Exponential(TWO), stats.expon(scale=0.5), (1e-30, 0.3, 300.0)),
    (dist.Weibull(ONE, TWO), stats.weibull_min(2), (1e-30, 0.8, 20.0)),
    (dist.HalfNormal(TWO), stats.halfnorm(scale=2), (1e-30, 1.0, 60.0)),
    (dist.HalfCauchy(TWO), stats.halfcauchy(scale=2), (1e-30, 1.0, 1e30)),
    (runtime.Pareto(ONE, TWO), stats.pareto(2), (1.25, 3.0, 1e30)),
    (dist.Beta(TWO, FIVE), stats.beta(2, 5), (1e-30, 0.2, 0.5, 0.999)),
    (dist.Uniform(ONE, TWO), stats.uniform(1, 1), (1.0625, 1.5, 1.875)),
    (runtime.Kumaraswamy(TWO, ONE), stats.beta(2, 1), (1e-30, 0.5, 0.75)),
    (dist.Bernoulli(HALF / 2), stats.bernoulli(0.25), (-1.0, 0.0, 1.0)),
    (dist.Binomial(40, HALF / 2), stats.binom(40, 0.25), (-1.0, 0.0, 9.0, 25.0, 39.0, 40.0)),
    (dist.BetaBinomial(TWO, FIVE, 30), stats.betabinom(30, 2, 5), (-1.0, 0.0, 7.0, 15.0, 30.0)),
    (dist.Poisson(FIVE), stats.poisson(5), (-1.0, 0.0, 4.0, 6.0, 60.0)),
    (dist.NegativeBinomial(FIVE, HALF), stats.nbinom(5, 0.5), (-1.0, 0.0, 4.0, 90.0)),
    (dist.Geometric(HALF), stats.geom(0.5, loc=-1), (-1.0, 0.0, 3.0)),
]


@pytest.mark.parametrize(("law", "known", "points"), FAR, ids=lambda v: type(v).__name__)
def test_tails(law, known, points):
    for x in points:
        below, above = tails(law, torch.tensor(x))
        lower, upper = known.logcdf(x), known.logsf(x)
        if lower < upper:  # scipy rounds some of the larger ones to 0
            upper = math.log1p(-math.exp(lower))
        else:
            lower = math.log1p(-math.exp(upper))
        assert below.item() == pytest.approx(lower, rel=2e-12, abs=1e-300)
        assert above.item() == pytest.approx(upper, rel=2e-12, abs=1e-300)


def test_half_of_a_student_t_is_below_its_centre():
    df, at = leaf(3.0), leaf(0.0)
    below = log_cdf(dist.StudentT(df, 0.0, 1.0), at)
    slope, steepness = torch.autograd.grad(below, (df, at))
    assert below.item() == pytest.approx(math.log(0.5))
    assert slope.item() == pytest.approx(0.0, abs=1e-12)
    assert steepness.item() == pytest.approx(2 * stats.t(3).pdf(0))


def test_a_class_may_bring_its_own_tails():
    class Mine(dist.Normal):
        def log_cdf(self, value):
            return value - 1

        def log_sf(self, value):
            return value - 2

    law = Mine(0.0, 1.0)
    assert (log_cdf(law, ONE).item(), log_sf(law, ONE).item()) == (0.0, -1.0)


def test_a_law_without_a_distribution_function_says_so():
    with pytest.raises(NotImplementedError):
        log_cdf(dist.VonMises(0.0, 1.0), ONE)


def test_an_interval_without_probability_has_no_gradient():
    n = leaf(3.0)
    total = log_between(dist.Gamma(n, 1.0), ONE, ONE)
    (slope,) = torch.autograd.grad(total, n)
    assert (total.item(), slope.item()) == (-INF, 0.0)


def test_bounds_and_batches_align():
    law = dist.Gamma(torch.tensor([[1.0], [2.0]]), torch.tensor([1.0, 2.0, 3.0]))
    low, high = torch.tensor([0.1, 0.2, 0.3]), torch.tensor(5.0)
    got = log_between(law, low, high)
    assert got.shape == (2, 3)
    frozen = stats.gamma(law.concentration.numpy(), scale=1 / law.rate.numpy())
    wanted = np.log(frozen.cdf(5.0) - frozen.cdf(low.numpy()))
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)


# --- truncation -----------------------------------------------------------------------------

COUNTED = (dist.Poisson, dist.Binomial, dist.NegativeBinomial, dist.Geometric)
CUTS = [
    (dist.Gamma(HALF, TWO), 0.2, 3.0),
    (dist.Gamma(FIVE, TWO), 60.0, 80.0),
    (dist.StudentT(FIVE, ONE, TWO), -1.0, 4.0),
    (dist.StudentT(FIVE, ONE, TWO), 1e3, 3e3),
    (dist.Beta(TWO, HALF), 0.9, 0.99),
    (dist.InverseGamma(FIVE, TWO), 0.01, 0.03),
    (dist.Normal(ONE, TWO), 30.0, 34.0),
    (runtime.Kumaraswamy(TWO, FIVE), 0.1, 0.6),
]
COUNTS = [
    (dist.Poisson(HALF), 1.0, INF),
    (dist.Poisson(FIVE), 40.0, 60.0),
    (dist.Binomial(12, HALF / 2), 2.0, 10.0),
    (dist.NegativeBinomial(FIVE, HALF), 3.0, INF),
    (dist.BetaBinomial(TWO, FIVE, 30), 1.0, 20.0),
    (dist.Geometric(HALF), 4.0, 9.0),
    (dist.Bernoulli(HALF / 2), 1.0, 1.0),
]


@pytest.mark.parametrize(("base", "low", "high"), CUTS)
def test_truncated_densities_integrate_to_one(base, low, high):
    law = Truncated(base, low, high, "cdf")
    total, _ = integrate.quad(
        lambda x: math.exp(law.log_prob(torch.tensor(x))), low, high, limit=200
    )
    assert total == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(("base", "low", "high"), COUNTS)
def test_truncated_masses_sum_to_one(base, low, high):
    law = Truncated(base, low, high, "cdf")
    values = torch.arange(low, min(high, 400.0) + 1)
    assert law.log_prob(values).exp().sum().item() == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("base", "low", "high"),
    [
        *((row[0], 1.0, INF) for row in FAR if isinstance(row[0], COUNTED)),
        (dist.Poisson(ONE * 1e-12), 1.0, INF),
        (dist.Poisson(FIVE), 30.0, 35.0),
        (dist.NegativeBinomial(FIVE, HALF), 2.0, 9.0),
        (dist.Geometric(HALF), 0.0, 6.0),
    ],
)
def test_few_masses_tell_what_the_distribution_function_does(base, low, high):
    got = log_by_masses(base, low, high)
    end = torch.tensor(high) if high < INF else None
    wanted = log_between(base, torch.tensor(low - 1), end)
    assert got.item() == pytest.approx(wanted.item(), rel=1e-11)


def test_many_masses_are_left_to_the_distribution_function():
    assert log_by_masses(dist.Poisson(ONE), 1.0, 99.0) is None
    assert log_by_masses(dist.Binomial(9, HALF), 2.0, 5.0) is None


@pytest.mark.parametrize(
    ("base", "low", "high"),
    [
        *CUTS,
        (dist.Normal(ONE, TWO), 25.0, INF),
        (dist.Normal(ONE, TWO), -INF, -80.0),
        (dist.Gamma(FIVE, TWO), 100.0, INF),
        (dist.Cauchy(ONE, TWO), -INF, -1e9),
        (dist.LogNormal(ONE, TWO), 1e15, INF),
        (runtime.Pareto(ONE, TWO), 1e6, INF),
        (dist.Uniform(ONE, TWO), 1.5, 1.50001),
    ],
)
def test_draws_from_far_tails(base, low, high):
    """The distribution function of the draws, from the tails, is uniform."""
    torch.manual_seed(4)
    draws = Truncated(base, low, high, "cdf").sample((500,))
    assert bool(((draws >= low) & (draws <= high)).all())
    bounds = [torch.tensor(low) if low > -INF else None, torch.tensor(high)]
    whole = log_between(base, bounds[0], bounds[1] if high < INF else None)
    part = torch.stack([log_between(base, bounds[0], x) for x in draws])
    assert stats.kstest(torch.exp(part - whole).numpy(), "uniform").pvalue > share()


@pytest.mark.parametrize(("base", "low", "high"), COUNTS)
def test_draws_of_counts(base, low, high):
    torch.manual_seed(5)
    law = Truncated(base, low, high, "cdf")
    draws = law.sample((1_000,)).numpy()
    values = np.arange(low, max(draws.max(), low) + 1)
    mass = 1_000 * law.log_prob(torch.tensor(values)).exp().numpy()
    seen = np.array([(draws == v).sum() for v in values])
    assert seen.sum() == 1_000
    common = mass > 5
    expected = np.append(mass[common], max(1e-9, 1_000 - mass[common].sum()))
    observed = np.append(seen[common], seen[~common].sum())
    statistic = np.sum((observed - expected) ** 2 / np.maximum(expected, 1.0))
    assert stats.chi2.sf(statistic, max(1, common.sum())) > share()


def test_draws_of_a_batch_have_their_own_bounds():
    torch.manual_seed(6)
    low = torch.tensor([0.0, 50.0, 90.0])
    draws = Truncated(dist.Poisson(torch.tensor([[1.0], [3.0]])), low, INF, "cdf").sample((20,))
    assert draws.shape == (20, 2, 3)
    assert bool((draws >= low).all())
    assert bool((draws[..., 2] < 99).all())


def test_the_values_of_a_finite_type_can_be_listed():
    law = Truncated(dist.Poisson(torch.ones(2, 3)), 1.0, 4.0, "cdf")
    assert law.has_enumerate_support
    assert law.enumerate_support().shape == (4, 2, 3)
    assert law.enumerate_support(expand=False).flatten().tolist() == [1, 2, 3, 4]
    endless = Truncated(dist.Poisson(ONE), 1.0, INF, "cdf")
    assert not endless.has_enumerate_support
    with pytest.raises(NotImplementedError):
        endless.enumerate_support()


# --- models ---------------------------------------------------------------------------------


def test_a_zero_truncated_poisson():
    model = gendsl.compile("""
        model Bites
        plate n
        latent rate ~ HalfNormal(10)
        observe bites[n]: integer(1, inf) ~ Poisson(rate)
    """)
    bites = np.array([1, 3, 2, 5])
    known = stats.poisson(1.7)
    wanted = stats.halfnorm(scale=10).logpdf(1.7) + np.sum(
        known.logpmf(bites) - np.log1p(-np.exp(-1.7))
    )
    assert model.log_density({"rate": 1.7}, {"bites": bites}) == pytest.approx(wanted, rel=1e-12)


def test_truncated_laws_with_unknown_parameters():
    model = gendsl.compile("""
        model Kept
        plate n
        input limit[n]: real
        latent a ~ LogNormal(0, 1)
        latent b ~ LogNormal(0, 1)
        observe x[n]: real(0.5, 6) ~ Gamma(a, b)
        observe y[n]: real(limit, inf) ~ StudentT(a + 1, b, 2)
    """)
    x, y, limit = (
        np.array([0.6, 2.0, 5.0]),
        np.array([0.0, 3.0, 30.0]),
        np.array([-1.0, 2.0, 25.0]),
    )
    a, b = 2.2, 0.7
    gamma, student = stats.gamma(a, scale=1 / b), stats.t(a + 1, b, 2)
    wanted = stats.lognorm(1).logpdf([a, b]).sum()
    wanted += np.sum(gamma.logpdf(x) - np.log(gamma.cdf(6) - gamma.cdf(0.5)))
    wanted += np.sum(student.logpdf(y) - student.logsf(limit))
    data = {"x": x, "y": y, "limit": limit}
    assert model.log_density({"a": a, "b": b}, data) == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize(
    ("law", "values"),
    [
        ("k: integer(1, 6) ~ Poisson(3)", stats.poisson(3).pmf(np.arange(1, 7))),
        ("k: integer(1, 3) ~ Binomial(5, 0.4)", stats.binom(5, 0.4).pmf(np.arange(1, 4))),
        ("k ~ Binomial(5, 0.4)", stats.binom(5, 0.4).pmf(np.arange(6))),
    ],
)
def test_a_latent_count_on_a_finite_type_is_summed_out(law, values):
    found = gendsl.compile(f"model Counted\nlatent {law}\nobserve y ~ Normal(k, 0.8)").fit(
        {"y": 2.2}, progress=False
    )
    first = 0 if ":" not in law else 1
    weights = values * stats.norm(np.arange(first, first + len(values)), 0.8).pdf(2.2)
    got = found.tree["exact_probabilities"]["k"].to_numpy()
    np.testing.assert_allclose(got, weights / weights.sum(), rtol=1e-10)


def test_an_ordered_vector_between_bounds_is_normalised():
    model = gendsl.compile("""
        model Sorted
        latent m ~ Normal(0, 1)
        latent x: ordered(0, inf)[3] ~ Normal(m, 1)
        observe y ~ Normal(x[0], 1)
    """)
    x = np.array([0.2, 0.9, 1.4])
    own = stats.norm(0.4, 1)
    wanted = math.log(6) + np.sum(own.logpdf(x) - own.logsf(0))
    wanted += stats.norm.logpdf(0.4) + stats.norm(0.2, 1).logpdf(1.0)
    assert model.log_density({"m": 0.4, "x": x}, {"y": 1.0}) == pytest.approx(wanted, rel=1e-12)
