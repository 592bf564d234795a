"""Where chains begin: in the region of most probability, wherever a descent can find it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from compiled_targets import Called, without_compiler
from failure_budget import share
from scipy.stats import kstest

import gendsl
from gendsl.runtime import starting
from gendsl.runtime.approach import Budget, descend
from gendsl.runtime.approximation import Approximation, Curvature
from gendsl.runtime.native.sampling import Chain
from gendsl.runtime.nuts import NutsOptions
from gendsl.runtime.starting import Start, chain_start
from gendsl.runtime.trajectory import Point

ROOT = Path(__file__).parents[2]


def point_of(f, x):
    return Point(x, *f(x))


def descents(f, size, starts=10, granted=1000):
    """What paths from points of the usual cube find."""
    found = []
    for seed in range(starts):
        rng = np.random.default_rng(seed)
        with np.errstate(all="ignore"):
            start = point_of(f, rng.uniform(-2, 2, size))
            found.append(descend(Budget(f, granted), start, rng))
    return found


class Surface:
    """A potential as `chain_start` takes one, without a model."""

    def __init__(self, function, size):
        self.function, self.size, self.count = function, size, 0

    def __call__(self, x):
        self.count += 1
        return self.function(x)


@pytest.fixture(params=["python", "machine code"], autouse=True)
def way(request, monkeypatch):
    """Both ways to begin must pass the tests that use `begun`; the others run once."""
    if request.param == "machine code":
        if "begun" not in request.function.__code__.co_names:
            pytest.skip("the same either way")
        if without_compiler() is not None:
            pytest.skip("no C compiler")
        monkeypatch.setitem(globals(), "begun", begun_in_machine_code)


def begun_in_machine_code(f, size, seed, warmup=1000):
    surface = Surface(f, size)
    chain = Chain(Called(surface, size), seed, NutsOptions(warmup=warmup))
    known = chain.start()
    assert known is not None
    point = Point(chain.position.copy(), chain.struct.potential, chain.gradient.copy())
    return Start(point, chain.scale**2 if known else None), surface.count


def begun(f, size, seed, warmup=1000):
    surface = Surface(f, size)
    with np.errstate(all="ignore"):
        start = chain_start(None, surface, np.random.default_rng(seed), warmup)
    return start, surface.count


def neal(x):
    """Neal's funnel, centred: v ~ N(0, 3), y ~ N(0, exp(v / 2))."""
    v, y, shrink = x[0], x[1:], np.exp(-x[0])
    slope = v / 9 - 0.5 * (y @ y) * shrink + len(y) / 2
    value = v * v / 18 + 0.5 * (y @ y) * shrink + len(y) * v / 2
    return float(value), np.concatenate([[slope], y * shrink])


def neal_noncentred(x):
    scale = np.concatenate([[1 / 9], np.ones(len(x) - 1)])
    return 0.5 * float(x @ (scale * x)), scale * x


def bowl(precision, centre):
    def potential(x):
        slope = precision @ (x - centre)
        return 0.5 * float((x - centre) @ slope), slope

    return potential


PRECISION = np.array([[200.0, 90.0, 0.0], [90.0, 50.0, 1.0], [0.0, 1.0, 0.2]])
CENTRE = np.array([3.0, -2.0, 40.0])


def test_an_approximation_is_the_normal_distribution_of_its_curvature():
    """Of as many steps as there are coordinates, L-BFGS knows a quadratic form exactly."""
    f, rng, curvature = bowl(PRECISION, CENTRE), np.random.default_rng(1), Curvature(3)
    for move in np.linalg.eigh(PRECISION)[1].T:
        curvature.learn(move, PRECISION @ move)
    approximation = Approximation(point_of(f, rng.normal(size=3)), curvature)
    covariance = np.linalg.inv(PRECISION)
    assert approximation.point.position + approximation.step == pytest.approx(CENTRE, rel=1e-6)
    assert approximation.variances() == pytest.approx(np.diag(covariance), rel=1e-6)
    draws = [approximation.draw(rng) for _ in range(2000)]
    top = 0.5 * (np.linalg.slogdet(PRECISION)[1] - 3 * np.log(2 * np.pi))
    for x, log_density in draws[:10]:
        assert log_density == pytest.approx(top - f(x)[0], abs=1e-6)
    standard = np.linalg.cholesky(PRECISION).T @ (np.array([x for x, _ in draws]) - CENTRE).T
    for row in standard:
        assert kstest(row, "norm").pvalue > share(3)


def test_a_quadratic_form_is_found_from_anywhere():
    evidence = 0.5 * (3 * np.log(2 * np.pi) - np.linalg.slogdet(PRECISION)[1])
    for end in descents(bowl(PRECISION, CENTRE), 3):
        assert abs(end.evidence - evidence) < 5
        assert all(p.potential < 20 for p in end.draws)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e3])
def test_one_coordinate(scale):
    for end in descents(bowl(np.eye(1) / scale**2, np.array([1.5 * scale])), 1):
        assert end.variances == pytest.approx([scale**2], rel=1e-3)


@pytest.mark.parametrize(("function", "size"), [(neal, 10), (neal, 2), (neal_noncentred, 10)])
def test_a_funnel_does_not_draw_chains_into_its_neck(function, size):
    """The density of the centred funnel has its mode at v = -4.5 size; v is N(0, 3)."""
    starts = np.array([begun(function, size, seed)[0].point.position[0] for seed in range(12)])
    assert (np.abs(starts) < 9).all()
    assert (np.abs(starts) < 6).mean() >= 0.8
    assert len(np.unique(starts)) == 12


def test_a_density_without_bound_does_not_draw_chains_into_its_spike():
    """y ~ N(0, exp(t)) with next to no data, flat in exp(t): infinite as y and exp(t) go to 0."""
    data = np.linspace(-0.3, 0.3, 8)

    def potential(x):
        y, shrink = x[1:], np.exp(-2 * x[0])
        value = 0.5 * shrink * (y @ y) + 7 * x[0] + 0.5 * ((y - data) ** 2).sum()
        return float(value), np.concatenate([[7 - shrink * (y @ y)], y * shrink + y - data])

    starts = np.array([begun(potential, 9, seed)[0].point.position[0] for seed in range(12)])
    assert starts.min() > -9
    assert np.median(starts) > -4


def flat(x):
    return 0.0, np.zeros(len(x))


def falling(x):
    return float(x.sum()), np.ones(len(x))


def endless(x):
    return -float(np.log1p(x @ x)), -2 * x / (1 + x @ x)


def broken(x):
    return float(x @ x), np.full(len(x), np.nan) if np.abs(x).max() < 1 else 2 * x


@pytest.mark.parametrize("function", [flat, falling, endless])
def test_where_there_is_no_maximum_chains_begin_as_they_did_before(function):
    start, count = begun(function, 2, 1)
    assert (np.abs(start.point.position) <= 2).all()
    assert start.variances is None
    assert count <= 1100 * starting.SHARE


@pytest.mark.parametrize("seed", range(10))
def test_no_chain_begins_where_the_gradient_is_not_a_number(seed):
    start, _ = begun(broken, 2, seed)
    assert np.isfinite(start.point.gradient).all()
    assert np.abs(start.point.position).max() >= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_density_that_ends_at_a_wall(seed):
    def walled(x):
        inside = bool((np.abs(x) < 1).all())
        return (3 * float(x.sum()), np.full(2, 3.0)) if inside else (np.inf, np.full(2, np.nan))

    start, _ = begun(walled, 2, seed)
    assert np.isfinite(start.point.potential)
    assert (np.abs(start.point.position) < 1).all()


def two_modes(gap, apart=20.0):
    """Two normal distributions, of which the second has exp(-gap) times the probability."""

    def potential(x):
        far = np.array([apart, 0.0])
        logs = np.array([-0.5 * x @ x, -0.5 * (x - far) @ (x - far) - gap])
        total = np.logaddexp(*logs)
        shares = np.exp(logs - total)
        return -float(total), shares[0] * x + shares[1] * (x - far)

    return lambda x: potential(x * 10)[:1] + (10 * potential(x * 10)[1],)


def test_modes_that_matter_are_all_begun_in_and_others_are_not():
    even, poor = (
        [begun(two_modes(gap), 2, seed)[0].point.position[0] > 1 for seed in range(12)]
        for gap in (0, 60)
    )
    assert 0 < sum(even) < 12
    assert sum(poor) == 0


def test_the_work_is_bounded_by_warm_up():
    _, count = begun(neal, 30, 3, warmup=1000)
    assert 100 < count <= 1000 * starting.SHARE + 40
    _, none = begun(neal, 30, 3, warmup=0)
    assert none == starting.CANDIDATES


@pytest.mark.skipif(without_compiler() is not None, reason="no C compiler")
def test_machine_code_finds_the_variances_of_a_quadratic_form():
    found = []
    for seed in range(20):
        chain = Chain(Called(bowl(PRECISION, CENTRE), 3), seed, NutsOptions())
        assert chain.start()
        found.append(chain.scale**2)
    variances = np.diag(np.linalg.inv(PRECISION))
    assert np.median(found, axis=0) == pytest.approx(variances, rel=0.02)
    assert np.array(found) == pytest.approx(np.tile(variances, (20, 1)), rel=1)


@pytest.mark.skipif(without_compiler() is not None, reason="no C compiler")
def test_machine_code_draws_from_the_approximation():
    """Of a quadratic form that is known exactly the starts are independent draws."""
    covariance = np.linalg.inv(PRECISION)
    starts = []
    for seed in range(200):
        chain = Chain(Called(bowl(PRECISION, CENTRE), 3), seed, NutsOptions(warmup=250))
        chain.start()
        starts.append(chain.position.copy())
    standard = np.linalg.solve(np.linalg.cholesky(covariance), (np.array(starts) - CENTRE).T)
    for row in (*standard, standard.sum(0) / np.sqrt(3)):
        assert kstest(row, "norm").pvalue > share(4)


def test_the_seed_decides():
    one, two, other = (begun(neal, 5, seed)[0].point.position for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_starts_that_no_descent_improves_are_kept(monkeypatch):
    monkeypatch.setattr(starting, "descend", lambda *_: None)
    surface = Surface(bowl(PRECISION, CENTRE), 3)
    start = chain_start(None, surface, np.random.default_rng(1), 1000)
    assert (np.abs(start.point.position) <= 2).all()


KINDS = """model NaiveBayes
plate flower  plate species = 2  dim D
latent share: simplex[species] ~ Dirichlet(2)
latent centre[species]: real[D] ~ Normal(3, 3)
latent width[species]: positive[D] ~ LogNormal(-1, 0.5)
observe kind[flower]: index(species)? ~ Categorical(share)
observe lengths[flower]: real[D] ~ Normal(centre[kind], width[kind])
"""


def test_all_chains_of_a_steep_density_reach_the_same_level():
    rng = np.random.default_rng(4)
    kind = np.repeat([0, 1], 30)
    lengths = rng.normal(np.array([[2.0, 7.0], [4.0, 1.0]])[kind], 0.15)
    seen = np.where(np.arange(60) % 5 == 0, np.nan, kind)
    fit = gendsl.compile(KINDS).fit(
        {"kind": seen, "lengths": lengths},
        **{"seed": 2, "warmup": 150, "draws": 100, "cores": 1, "progress": False},
    )
    stats = fit.tree["sample_stats"]
    levels = stats["lp"].to_numpy().mean(1)
    assert np.ptp(levels) < 6  # the standard deviation is 2
    assert (stats["step_size"].to_numpy() > 0.1).all()


@pytest.mark.skipif(without_compiler() is not None, reason="takes an hour without a C compiler")
def test_chains_leave_the_poor_mode_of_a_differential_equation(shared_data):
    """Half of all descents end at a log density of -172; the posterior is near -137."""
    model = gendsl.load(ROOT / "tests" / "posteriordb" / "models" / "lotka_volterra.gen")
    name = shared_data / "posteriordb" / "data" / "hudson_lynx_hare.json"
    raw = json.loads(name.read_text(encoding="utf-8"))
    declared = {v.name for v in model.compiled.checked.ir.of_role("input", "observed")}
    data = {key: np.array(value) for key, value in raw.items() if key in declared}
    fit = model.fit(data, seed=1, warmup=1000, draws=1, cores=1, progress=False)
    assert (fit.tree["sample_stats"]["lp"].to_numpy() > -150).all()
