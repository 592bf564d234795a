"""The compiled sampler: the same as Python's, and right by itself."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest
from compiled_targets import Called, Compiled, without_compiler
from failure_budget import share
from scipy.stats import cauchy, kstest, norm, truncnorm

from gendsl import interrupts
from gendsl.runtime.adaptation import StepSize
from gendsl.runtime.metric import Dense, Diagonal, LowRank
from gendsl.runtime.native.sampling import FLAGS, Chain, sample
from gendsl.runtime.nuts import NutsOptions
from gendsl.runtime.trajectory import Point, reasonable_step, transition

pytestmark = pytest.mark.skipif(without_compiler() is not None, reason="no C compiler")

PRECISION = np.array([[2.0, -1.2, 0.3], [-1.2, 1.5, 0.0], [0.3, 0.0, 0.4]])
COVARIANCE = np.linalg.inv(PRECISION)
DIRECTIONS = np.linalg.qr(np.array([[1.0, 2.0], [0.5, -1.0], [2.0, 0.3]]))[0].T.copy()
METRICS = {
    "diagonal": Diagonal(np.array([0.7, 2.0, 4.0])),
    "dense": Dense(COVARIANCE),
    "low rank": LowRank(np.array([0.5, 1.5, 2.0]), DIRECTIONS, np.array([3.0, 0.4])),
}

NORMAL = "\n".join(
    f"g[{i}] = " + " + ".join(f"({PRECISION[i, j]}) * x[{j}]" for j in range(3)) + ";"
    f" value += 0.5 * g[{i}] * x[{i}];"
    for i in range(3)
)
LOGISTIC = """for (int i = 0; i < n; i++) {
value += x[i] + 2 * log1p(exp(-x[i])); g[i] = tanh(x[i] / 2); }"""
CAUCHY = "value = log1p(x[0] * x[0]); g[0] = 2 * x[0] / (1 + x[0] * x[0]);"
FUNNEL = """double v = x[0], shrink = exp(-v); value = v * v / 18 + n * v / 2 - v / 2;
g[0] = v / 9 + (n - 1) / 2.0;
for (int i = 1; i < n; i++) {
value += 0.5 * x[i] * x[i] * shrink; g[0] -= 0.5 * x[i] * x[i] * shrink; g[i] = x[i] * shrink; }"""
BELOW = "value = 0.5 * x[0] * x[0]; g[0] = x[0]; if (x[0] > 1) {"
BROKEN = {
    "no number": BELOW + "value = NAN; }",
    "gradient": BELOW + "g[0] = NAN; }",
    "infinite": BELOW + "value = INFINITY; }",
    "overflow": BELOW + "value = 1e300 * (x[0] - 1); g[0] = -1e308; }",
    "minus infinity": BELOW + "value = -INFINITY; }",
}


class Stream:
    """A generator of numpy's kind that gives the numbers of the compiled one."""

    def __init__(self, chain):
        self.code, self.at = chain.code, chain._at

    def random(self):
        return self.code.gendsl_uniform(self.at)

    def standard_normal(self, count):
        out = np.empty(count)
        self.code.gendsl_normals(self.at, count, out.ctypes.data)
        return out


def put(chain, target, x):
    """Set a chain on a point."""
    chain.position[:] = x
    chain.struct.potential, chain.gradient[:] = target(x)
    return Point(np.array(x, dtype=float), chain.struct.potential, chain.gradient.copy())


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize(
    "source", [NORMAL, LOGISTIC, FUNNEL], ids=["normal", "logistic", "funnel"]
)
def test_transitions_are_those_of_python(metric, source):
    """Both see the same random numbers, and must agree up to rounding."""
    target, depths = Compiled(source, 3), set()
    chain, other = (Chain(target, 5, NutsOptions(max_tree_depth=6)) for _ in range(2))
    chain.use(metric)
    rng, places = Stream(other), np.random.default_rng(1)
    for number in range(150):
        start = put(chain, target, places.normal(size=3))
        chain.struct.step = step = 0.05 * 1.6 ** (number % 8)
        expected = transition(target, rng, start, metric, step, 6)
        found = chain.run(1, warming=False)
        (facts,) = found.facts
        assert found.positions[0] == pytest.approx(expected.point.position, rel=1e-9, abs=1e-9)
        assert found.of("depth")[0] == expected.depth
        assert found.of("steps")[0] == expected.steps
        assert found.of("diverging")[0] == expected.diverging
        assert facts[:3] == pytest.approx(
            [expected.point.potential, expected.energy, expected.accepted], rel=1e-9, abs=1e-9
        )
        assert chain.gradient == pytest.approx(expected.point.gradient, rel=1e-8, abs=1e-8)
        depths.add(expected.depth)
    assert len(depths) >= 4
    assert rng.random() == Stream(chain).random()


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_step_sizes_are_those_of_python(metric):
    target = Compiled(LOGISTIC, 3)
    chain, other = (Chain(target, 6, NutsOptions()) for _ in range(2))
    chain.use(metric)
    rng, adapted = Stream(other), StepSize(0.8)
    for step in (1e-6, 0.3, 1e5):
        point = put(chain, target, [0.3, -0.4, 1.0])
        chain.struct.step = step
        chain.restart_step()
        adapted.restart(reasonable_step(target, rng, point, metric, step))
        for _ in range(12):
            made = transition(target, rng, point, metric, adapted.value, 10)
            point = made.point
            adapted.learn(made.accepted)
            chain.run(1, warming=True)
            assert chain.struct.step == pytest.approx(adapted.value, rel=1e-7)
        adapted.settle()
        assert np.exp(chain.struct.log_average) == pytest.approx(adapted.value, rel=1e-7)


def test_random_numbers_are_uniform_and_normal():
    chain = Chain(Compiled(NORMAL, 3), 9, NutsOptions())
    stream = Stream(chain)
    flat = np.array([stream.random() for _ in range(5000)])
    round_ = stream.standard_normal(50_000)
    assert kstest(flat, "uniform").pvalue > share(4)
    assert kstest(round_, "norm").pvalue > share(4)
    for pairs in (round_.reshape(-1, 2), round_[1:-1].reshape(-1, 2)):
        assert kstest(pairs.sum(1) / np.sqrt(2), "norm").pvalue > share(4)


def moved(target, starts, metric, step, count, depth=8, seed=1):
    """Where independent points are after so many transitions, and the divergences on the way."""
    chain, ends, lost = Chain(target, seed, NutsOptions(max_tree_depth=depth)), [], 0
    chain.use(metric)
    chain.struct.step = step
    for x in starts:
        put(chain, target, x)
        found = chain.run(count, warming=False)
        assert np.isfinite(found.facts).all()
        ends.append(found.positions[-1])
        lost += int(found.of("diverging").sum())
    return np.array(ends), lost


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("step", [0.2, 0.9])
def test_transitions_leave_a_normal_distribution_as_it_is(metric, step):
    root, rng = np.linalg.cholesky(COVARIANCE), np.random.default_rng(2)
    ends, _ = moved(Compiled(NORMAL, 3), rng.normal(size=(3000, 3)) @ root.T, metric, step, 1)
    standard = np.linalg.solve(root, ends.T)
    for row in (*standard, standard.sum(0) / np.sqrt(3)):
        assert kstest(row, norm.cdf).pvalue > share(24)


def test_transitions_leave_heavy_tails_as_they_are():
    starts = cauchy.rvs(size=(3000, 1), random_state=3)
    ends, _ = moved(Compiled(CAUCHY, 1), starts, Diagonal(np.ones(1)), 0.9, 20)
    assert kstest(ends[:, 0], "cauchy").pvalue > share()


def test_transitions_leave_a_funnel_as_it_is():
    rng = np.random.default_rng(4)
    v = 3 * rng.normal(size=3000)
    starts = np.column_stack([v, *(np.exp(v / 2) * rng.normal(size=(4, 3000)))])
    ends, lost = moved(Compiled(FUNNEL, 5), starts, Diagonal(np.ones(5)), 0.4, 5)
    assert lost > 100  # in the neck, where trajectories end and nothing may lean
    assert kstest(ends[:, 0], norm(scale=3).cdf).pvalue > share(2)
    inner = ends[:, 1] * np.exp(-ends[:, 0] / 2)
    assert kstest(inner, norm.cdf).pvalue > share(2)


@pytest.mark.parametrize("source", BROKEN.values(), ids=BROKEN)
def test_what_is_no_number_is_a_divergence_and_never_a_draw(source):
    law = truncnorm(-np.inf, 1)
    target = Compiled(source, 1)
    starts = law.rvs(size=(3000, 1), random_state=5)
    ends, lost = moved(target, starts, Diagonal(np.ones(1)), 0.7, 3)
    assert lost > 500
    assert ends.max() <= 1
    assert kstest(ends[:, 0], law.cdf).pvalue > share(len(BROKEN))
    trails = sample(target, [1, 2], NutsOptions(500, 300), 1)
    for trail in trails:
        assert trail.positions.max() <= 1
        assert trail.of("diverging").any()
        assert np.isfinite(trail.facts).all()


@pytest.mark.parametrize("size", [1, 3])
def test_chains_find_a_normal_distribution_from_anywhere(size):
    """The last draws of many chains are independent; each chain has adapted by itself."""
    source = NORMAL if size == 3 else "g[0] = (x[0] - 500) / 1e4; value = g[0] * g[0] * 5e3;"
    covariance = COVARIANCE if size == 3 else np.array([[1e4]])
    trails = sample(Compiled(source, size), range(600), NutsOptions(20, 150), 2)
    last = np.array([t.positions[-1] for t in trails]) - (0 if size == 3 else 500)
    standard = np.linalg.solve(np.linalg.cholesky(covariance), last.T)
    for row in (*standard, standard.sum(0) / np.sqrt(size)):
        assert kstest(row, norm.cdf).pvalue > share(6)


def test_draws_depend_on_the_seed_and_not_on_threads():
    target, options = Compiled(LOGISTIC, 4), NutsOptions(200, 200)
    one, two, other = (
        sample(target, seeds, options, threads)
        for seeds, threads in (([1, 2, 3], 1), ([1, 2, 3], 3), ([4, 5, 6], 2))
    )
    for a, b, c in zip(one, two, other, strict=True):
        assert np.array_equal(a.positions, b.positions)
        assert np.array_equal(a.facts, b.facts)
        assert not np.array_equal(a.positions, c.positions)
    assert len({t.positions[-1, 0] for t in one + other}) == 6


def test_progress_counts_every_iteration_and_divergence():
    target, seen = Compiled(BROKEN["infinite"], 1), []
    options = NutsOptions(4000, 500)
    trails = sample(target, [1, 2], options, 1, lambda *facts: seen.append(facts))
    for number, trail in enumerate(trails):
        own = [facts for facts in seen if facts[0] == number]
        counts = [facts[1] for facts in own]
        assert counts == sorted(counts)
        assert own[-1][1:4] == (4500, 4500, "sampling")
        assert own[-1][4] == trail.step
        assert own[-1][5] == trail.of("diverging").sum() > 0
        assert all(f[5] == 0 for f in own if f[3] == "warmup")


SLOW = """int usleep(unsigned); usleep(20000);
for (int i = 0; i < n; i++) { g[i] = x[i]; value += 0.5 * x[i] * x[i]; }"""


@pytest.mark.parametrize("lost", [False, True])
def test_an_interrupt_ends_all_chains_at_once(lost):
    target = Compiled(SLOW, 3)
    before, main = threading.active_count(), threading.main_thread().ident

    def interrupt():
        time.sleep(0.5)
        if lost:  # raised where Python drops it, but noted
            interrupts.note(KeyboardInterrupt)
        else:
            signal.pthread_kill(main, signal.SIGINT)

    sender = threading.Thread(target=interrupt)
    started = time.monotonic()
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            sample(target, [1, 2, 3], NutsOptions(10_000, 10_000), 2)
    finally:
        interrupts.clear()
        sender.join()
    while threading.active_count() > before and time.monotonic() - started < 10:
        time.sleep(0.01)  # an interrupt may reach the main thread before a chain has seen the flag
    assert time.monotonic() - started < 10
    assert threading.active_count() == before


def test_a_mistake_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(Chain, "restart_step", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sample(Compiled(NORMAL, 3), [1, 2], NutsOptions(10, 10), 2)


def test_without_a_start_there_is_no_chain():
    found = sample(Compiled("value = NAN; g[0] = 0;", 1), [1, 2], NutsOptions(10, 10), 1)
    assert found == [None, None]


def test_a_python_function_can_be_sampled():
    target = Called(lambda x: (0.5 * float(x @ x), x), 2)
    (trail,) = sample(target, [1], NutsOptions(50, 50), 1)
    assert trail.positions.shape == (50, 2)


@pytest.mark.parametrize("warmup", [0, 1, 10, 20, 100])
def test_any_length_of_warm_up(warmup):
    for draws in (1, 7):
        (trail,) = sample(Compiled(NORMAL, 3), [3], NutsOptions(draws, warmup), 1)
        assert trail.positions.shape == (draws, 3)
        assert 1e-3 < trail.step < 1e2


def test_the_compiled_sampler_is_not_built_with_fast_mathematics():
    assert not any("fast" in f or "finite" in f for f in FLAGS)
