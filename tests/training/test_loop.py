"""The training loop against closed forms, and what happens to it on the way."""

from __future__ import annotations

import _thread
import math
import signal
import threading

import numpy as np
import pytest
import torch
from torch import nn

from gendsl.runtime.training import gradients
from gendsl.runtime.training.averaging import MovingAverage
from gendsl.runtime.training.batches import ArraySource
from gendsl.runtime.training.extras import MappingState
from gendsl.runtime.training.gradients import DivergedError
from gendsl.runtime.training.loop import train
from gendsl.runtime.training.settings import Losses, Options, Watch
from gendsl.runtime.training.trainable import Trainable

RNG = np.random.default_rng(0)
X = np.column_stack([RNG.normal(size=(200, 3)), np.ones(200)])
Y = X @ [1.0, -2.0, 0.5, 3.0] + 0.3 * RNG.normal(size=200)
BEST = np.linalg.lstsq(X, Y, rcond=None)[0]


def leaf(*values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def rows(**arrays):
    return ArraySource(arrays, dtype=torch.float64)


def quiet(**options):
    return Options(**{"progress": False, **options})


def regression(weights):
    def step(batch, state):
        error = ((batch["x"] @ weights - batch["y"]) ** 2).mean()
        return Losses(error, {"error": error})

    return step


def sgd(rate, **more):
    return {"optimiser": "sgd", "optimiser_options": {"learning_rate": rate, **more}}


def test_full_batches_are_gradient_descent():
    weights = leaf(0, 0, 0, 0)
    result = train(
        regression(weights),
        Trainable(parameters={"w": weights}),
        rows(x=X, y=Y),
        quiet(epochs=30, **sgd(0.1)),
    )
    expected, losses = np.zeros(4), []
    for _ in range(30):
        residual = X @ expected - Y
        losses.append((residual**2).mean())
        expected = expected - 0.1 * 2 * X.T @ residual / len(Y)
    np.testing.assert_allclose(weights.detach(), expected, rtol=1e-10)
    np.testing.assert_allclose(result.history.terms["loss"], losses, rtol=1e-10)
    assert (result.steps, result.epochs, result.stopped) == (30, 30, "epochs")
    assert result.weights == "last"


@pytest.mark.parametrize("optimiser", ["sgd", "adam", "adamw", "adamax", "rmsprop", "lion"])
def test_minibatches_reach_least_squares(optimiser):
    weights = leaf(0, 0, 0, 0)
    decay = {"weight_decay": 0.0} if optimiser == "adamw" else {}
    train(
        regression(weights),
        Trainable(parameters={"w": weights}),
        rows(x=X, y=Y),
        quiet(
            epochs=60,
            batch_size=20,
            schedule="cosine",
            optimiser=optimiser,
            optimiser_options={"learning_rate": 0.05, **decay},
        ),
    )
    np.testing.assert_allclose(weights.detach(), BEST, atol=0.03)  # from errors of 3


def test_means_of_an_epoch_weigh_rows():
    weights = leaf(0.0)

    def step(batch, state):
        assert state.rows == len(batch["x"])
        mean = batch["x"].mean()
        return Losses(mean + 0 * weights.sum(), {"mean": mean})

    x = RNG.normal(size=7)
    result = train(
        step, Trainable(parameters={"w": weights}), rows(x=x), quiet(epochs=2, batch_size=3)
    )
    np.testing.assert_allclose(result.history.arrays()["terms/mean"], [x.mean()] * 2)
    np.testing.assert_allclose(result.history.arrays()["steps"], [3, 6])


def test_steps_know_where_they_are():
    weights, seen = leaf(0.0), []

    def step(batch, state):
        seen.append((state.step, state.epoch, state.rows, state.total, state.steps))
        return Losses((weights**2).sum())

    train(
        step,
        Trainable(parameters={"w": weights}),
        rows(x=np.arange(10.0)),
        quiet(epochs=9, steps=4, batch_size=4),
    )
    assert seen == [
        (0, 0, 4, 10, 4),
        (1, pytest.approx(1 / 3), 4, 10, 4),
        (2, pytest.approx(2 / 3), 2, 10, 4),
        (3, 1, 4, 10, 4),
    ]


def test_the_learning_rate_follows_its_schedule():
    weights = leaf(1.0)
    result = train(
        lambda batch, state: Losses((3.0 * weights).sum()),
        Trainable(parameters={"w": weights}),
        rows(x=np.arange(5.0)),
        quiet(epochs=5, schedule="linear", **sgd(0.1)),
    )
    rates = [0.1, 0.075, 0.05, 0.025, 0.0]
    np.testing.assert_allclose(result.history.learning_rate, rates, atol=1e-15)
    assert weights.item() == pytest.approx(1.0 - 3.0 * sum(rates))


def test_clipping():
    def moved(**options):
        a, b = leaf(0.0, 0.0), leaf(0.0)
        result = train(
            lambda batch, state: Losses(3 * a[0] - 0.5 * a[1] + 4 * b[0]),
            Trainable(parameters={"a": a, "b": b}),
            rows(x=np.ones(1)),
            quiet(epochs=1, **sgd(1.0), **options),
        )
        return [*a.tolist(), *b.tolist()], result.history.terms["gradient norm"][0]

    norm = math.sqrt(9 + 0.25 + 16)
    assert moved() == (pytest.approx([-3, 0.5, -4]), pytest.approx(norm))
    found = pytest.approx(np.array([-3, 0.5, -4]) / norm, rel=1e-5)
    assert moved(clip_norm=1.0) == (found, pytest.approx(norm))
    assert moved(clip_norm=10.0)[0] == pytest.approx([-3, 0.5, -4])
    assert moved(clip_value=1.0)[0] == pytest.approx([-1, 0.5, -1])


def test_the_moving_average_has_its_closed_form():
    weights = leaf(0.0, 1.0)
    count = torch.zeros((), dtype=torch.int64)
    average = MovingAverage(Trainable(parameters={"w": weights}, buffers={"n": count}), 0.9)
    states = RNG.normal(size=(6, 2))
    for t, state in enumerate(states, 1):
        with torch.no_grad():
            weights.copy_(torch.tensor(state))
        count += 1
        average.update()
        shares = 0.9 ** np.arange(t)[::-1]
        expected = shares @ states[:t] / shares.sum()
        np.testing.assert_allclose(average.values["w"], expected, rtol=1e-12)
        assert average.values["n"] == t


def test_scores_and_the_result_use_the_average():
    weights, seen = leaf(0.0), []
    states = []

    def step(batch, state):
        states.append(weights.item())
        return Losses(-weights.sum())

    def evaluate(state):
        assert not state.training
        assert not torch.is_grad_enabled()
        seen.append(weights.item())
        return {"w": weights}

    result = train(
        step,
        Trainable(parameters={"w": weights}),
        rows(x=np.ones(1)),
        quiet(epochs=3, ema=0.5, **sgd(1.0)),
        evaluate=evaluate,
    )
    assert states == [0, 1, 2]  # training goes on from the last weights, not from the average
    expected = [1.0, (0.5 * 1 + 2) / 1.5, (0.25 * 1 + 0.5 * 2 + 3) / 1.75]
    assert seen == pytest.approx(expected)
    assert result.history.scores["w"] == seen
    assert result.weights == "average"
    assert weights.item() == pytest.approx(expected[-1])


@pytest.mark.parametrize("goal", ["max", "min"])
def test_early_stopping_keeps_the_best(goal):
    weights = leaf(0.0)
    sign = 1 if goal == "max" else -1
    result = train(
        lambda batch, state: Losses(-weights.sum()),
        Trainable(parameters={"w": weights}),
        rows(x=np.ones(1)),
        quiet(epochs=100, watch=Watch("s", goal, patience=3), **sgd(1.0)),
        evaluate=lambda state: {"s": -sign * (weights - 5) ** 2},
    )
    assert (result.stopped, result.weights) == ("patience", "best")
    assert (result.best_epoch, result.best_score, result.epochs) == (5, 0.0, 8)
    assert weights.item() == 5


def test_small_gains_and_scores_that_are_not_finite_do_not_count():
    weights = leaf(0.0)
    scores = iter([math.nan, 1.0, 1.05, math.inf, 1.05])
    result = train(
        lambda batch, state: Losses(-weights.sum()),
        Trainable(parameters={"w": weights}),
        rows(x=np.ones(1)),
        quiet(epochs=100, watch=Watch("s", "max", patience=3, least=0.1), **sgd(1.0)),
        evaluate=lambda state: {"s": next(scores)},
    )
    assert (result.best_score, result.best_epoch, result.epochs) == (1.0, 2, 5)


def test_evaluation_comes_now_and_then_and_at_the_end():
    weights = leaf(0.0)
    result = train(
        lambda batch, state: Losses(-weights.sum()),
        Trainable(parameters={"w": weights}),
        rows(x=np.ones(1)),
        quiet(epochs=7, evaluate_every=3),
        evaluate=lambda state: {"s": 1.0},
    )
    assert result.history.scored_at == [3, 6, 7]


def test_modules_are_in_the_right_mode():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    net.eval()

    def step(batch, state):
        assert net.training
        assert net[1].training
        return Losses(net(batch["x"]).mean())

    def evaluate(state):
        assert not net[1].training
        return {"s": 0.0}

    train(
        step,
        Trainable({"f": net}),
        ArraySource({"x": X[:, :2]}),
        quiet(epochs=2),
        evaluate=evaluate,
    )


def test_random_numbers_follow_from_the_seed_alone():
    def drawn(seed, evaluate=None):
        weights, seen = leaf(0.0), []

        def step(batch, state):
            seen.append(torch.rand(()).item())
            return Losses(weights.sum())

        train(
            step,
            Trainable(parameters={"w": weights}),
            rows(x=np.ones(1)),
            quiet(epochs=4, seed=seed),
            evaluate=evaluate,
        )
        return seen

    torch.manual_seed(8)
    first = drawn(1)
    assert torch.rand(()) == torch.rand((), generator=torch.Generator().manual_seed(8))
    scores = []
    assert drawn(1, lambda state: {"s": scores.append(torch.rand(()).item()) or 0.0}) == first
    assert len(set(scores)) == 1  # the same random numbers at each evaluation
    assert drawn(2) != first
    assert scores[0] not in first


@pytest.fixture(params=["asked", "deferred"])
def looking(request, monkeypatch):
    """Both ways of leaving steps out; the second one is that of GPUs."""
    if request.param == "deferred":
        monkeypatch.setattr(gradients, "_defers", lambda device, optimiser: True)
        monkeypatch.setattr(gradients, "LOOK_EVERY", 1)


def with_a_nan_at(numbers, bad_steps=3, epochs=20):
    net = nn.BatchNorm1d(2)
    weights = leaf(1.0)
    memory = {"steps": torch.zeros(())}

    def step(batch, state):
        wrong = math.nan if state.step in numbers else 1.0
        memory["steps"] = memory["steps"] + wrong
        net(batch["x"] * wrong)
        kl = (weights * wrong).sum()
        return Losses(kl + 0.0, {"fit": torch.zeros(()), "kl z": kl})

    result = train(
        step,
        Trainable({"bn": net}, {"w": weights}),
        ArraySource({"x": np.ones((4, 2))}),
        quiet(epochs=epochs, bad_steps=bad_steps, **sgd(0.01)),
        extras={"memory": MappingState(memory)},
    )
    return result, weights, net, memory


@pytest.mark.usefixtures("looking")
def test_steps_that_are_not_finite_are_left_out():
    result, weights, net, memory = with_a_nan_at({2, 3, 4, 7})
    assert result.skipped == 4
    assert weights.item() == pytest.approx(1.0 - 16 * 0.01)
    assert net.running_mean.isfinite().all()
    assert net.num_batches_tracked == 16
    assert memory["steps"] == 16
    assert np.isnan(result.history.terms["kl z"]).tolist() == [
        i in {2, 3, 4, 7} for i in range(20)
    ]


@pytest.mark.usefixtures("looking")
def test_too_many_in_a_row_stop_the_training_and_name_the_term():
    with pytest.raises(DivergedError) as caught:
        with_a_nan_at({5, 6, 7, 8, 9, 10})
    assert (caught.value.term, caught.value.step) == ("kl z", 8)
    assert "`kl z` (nan) was not finite in the last 4 steps" in str(caught.value)
    with pytest.raises(DivergedError, match="in any step so far"):
        with_a_nan_at(set(range(20)), bad_steps=0)


@pytest.mark.usefixtures("looking")
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_gradient_that_is_not_finite_names_the_parameter(clip_norm):
    a, b = leaf(1.0), leaf(0.0)
    with pytest.raises(DivergedError) as caught:
        train(
            lambda batch, state: Losses((a + torch.sqrt(b)).sum()),
            Trainable(parameters={"a": a, "b": b}),
            rows(x=np.ones(1)),
            quiet(epochs=20, clip_norm=clip_norm),
        )
    assert (caught.value.term, caught.value.parameters) == (None, ("b",))
    assert "the gradient of `b` was not finite" in str(caught.value)
    assert (a.item(), b.item()) == (1.0, 0.0)


def test_an_interrupt_waits_for_the_step_and_keeps_it():
    weights = leaf(0.0)

    def step(batch, state):
        if state.step == 3:
            _thread.interrupt_main()
            for _ in range(100):
                pass  # where an interrupt would be raised
        return Losses(-weights.sum())

    before = signal.getsignal(signal.SIGINT)
    result = train(
        step,
        Trainable(parameters={"w": weights}),
        rows(x=np.ones(1)),
        quiet(epochs=10, **sgd(1.0)),
    )
    assert (result.stopped, result.steps, weights.item()) == ("interrupted", 4, 4.0)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_is_raised():
    weights = leaf(0.0)

    def step(batch, state):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        return Losses(-weights.sum())

    with pytest.raises(KeyboardInterrupt):
        train(step, Trainable(parameters={"w": weights}), rows(x=np.ones(1)), quiet())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_can_train():
    found = []

    def work():
        weights = leaf(0.0)
        found.append(
            train(
                lambda batch, state: Losses(-weights.sum()),
                Trainable(parameters={"w": weights}),
                rows(x=np.ones(1)),
                quiet(epochs=2),
            )
        )

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].steps == 2


def test_parameters_that_the_loss_leaves_out_stay():
    a, b = leaf(0.0), leaf(7.0)
    train(
        lambda batch, state: Losses(-a.sum()),
        Trainable(parameters={"a": a, "b": b}),
        rows(x=np.ones(1)),
        quiet(epochs=3, ema=0.9),
    )
    assert b.item() == 7.0
    assert a.item() > 0


def test_names_are_kept_apart():
    with pytest.raises(ValueError, match="two tensors are named f.weight"):
        Trainable({"f": nn.Linear(1, 1)}, {"f.weight": leaf(0.0)})
    with pytest.raises(ValueError, match="no leaf|not a leaf"):
        Trainable(parameters={"w": leaf(0.0) * 2})
