"""The emitted program against the independent reference: golden models, examples, random ones.

The log density of the emitted trace, the program run for many draws at once, and the text run
by itself are one function.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pyro
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from model_points import (
    batch_terms,
    configurations,
    emitted,
    expected,
    let_values,
    random_point,
    ready,
    standalone,
    tolerance,
)
from random_models import random_model

from gendsl.compiler import Compiled, compile_source
from gendsl.diagnostics import CompileError
from gendsl.ir.traversal import called_nets, reported_lets, variable_expressions
from gendsl.runtime.backend import tensors
from gendsl.semantics.supports import is_discrete
from gendsl.syntax.reading import read_source, source_from_text

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *sorted((ROOT / "tests" / "golden" / "valid").glob("**/*.gen")),
    *sorted((ROOT / "tests" / "emission" / "models").glob("*.gen")),
    *sorted((ROOT / "examples").glob("*/model.gen")),
]
TOLERANT = ("lotka_volterra.gen",)
"""Solved to a tolerance wider than these tests': `odes.gen` asks for a narrower one."""
MOST_TERMS = 1_000
"""At most so many configurations of discrete latents are summed by brute force."""
DRAWS = 3


def compiled_or_none(path: Path) -> Compiled | None:
    try:
        return compile_source(read_source(path))
    except CompileError:
        return None


RUNNABLE = {
    path.relative_to(ROOT).as_posix(): compiled
    for path in FILES
    if f"{path.parent.name}.gen" not in TOLERANT
    and path.name not in TOLERANT
    and (compiled := compiled_or_none(path)) is not None
}
every_file = pytest.mark.parametrize("file", RUNNABLE)


def assert_close(got: float, wanted: float, what: str) -> None:
    both_nan = np.isnan(got) and np.isnan(wanted)
    same = got == wanted or both_nan or abs(got - wanted) <= tolerance(wanted)
    assert same, f"{what}: {got!r} emitted, {wanted!r} expected"


def discrete_latents(compiled: Compiled) -> frozenset[str]:
    latents = compiled.checked.ir.of_role("latent")
    return frozenset(v.name for v in latents if is_discrete(v.type.support))


def check_point(compiled: Compiled, seed: int, largest: int = 4) -> None:
    """Summed out, where the plan does so, and given, one at a time."""
    point = random_point(compiled.checked.ir, np.random.default_rng(seed), largest)
    everything = discrete_latents(compiled)
    for values in sorted({everything.difference(compiled.plan.enumerated), everything}, key=len):
        if configurations(point, values) <= MOST_TERMS:
            wanted = expected(point, values)
            assert_close(emitted(compiled, point, values), wanted, f"given {set(values)}")


def check_batch(compiled: Compiled, seed: int, largest: int = 3) -> None:
    """Draw by draw, a batched run is a single run: densities, and the values of lets."""
    rng = np.random.default_rng(seed)
    first = random_point(compiled.checked.ir, rng, largest)
    points = [first, *(first.redrawn(rng) for _ in range(DRAWS - 1))]
    totals, lets = batch_terms(compiled, points)
    for draw, point in enumerate(points):
        assert_close(totals[draw], expected(point.filled(), everything(point)), f"draw {draw}")
        for name, value in let_values(point.filled()).items():
            if name in of_the_guide(compiled):
                assert name not in lets
                continue
            np.testing.assert_allclose(
                lets[name][draw], value, rtol=1e-9, atol=1e-9, err_msg=f"`{name}`, draw {draw}"
            )


def of_the_guide(compiled: Compiled) -> frozenset[str]:
    """Lets with networks on which nothing in the model depends: the guide runs them."""
    guide, model = compiled.plan.guide, compiled.checked.ir
    if guide is None:
        return frozenset()
    lets = {v.name: v for v in guide.model.of_role("let") if v.name in reported_lets(model)}
    return frozenset(n for n, v in lets.items() if called_nets(*variable_expressions(v)))


def everything(point) -> frozenset[str]:
    return frozenset(v.name for v in point.model.of_role("latent"))


def check_text(compiled: Compiled, seed: int) -> None:
    """The text run by itself gives what the tree gives, and is the same each time."""
    model = compiled.checked.ir
    again = compile_source(model.source)
    assert again.program.source == compiled.program.source
    point = random_point(model, np.random.default_rng(seed), 3)
    given_values = discrete_latents(compiled)
    if not point.imputed or configurations(point, given_values) == 1:
        got = standalone(compiled, point, given_values)
        assert_close(got, emitted(compiled, point, given_values), "text and tree")


# --- the files ------------------------------------------------------------------------------


def test_there_are_models_to_compare():
    assert len(RUNNABLE) >= 4


@every_file
@pytest.mark.parametrize("seed", range(3))
def test_files_agree(file, seed):
    check_point(RUNNABLE[file], seed)


@every_file
def test_batches_of_files_agree(file):
    check_batch(RUNNABLE[file], 5)


@every_file
def test_texts_of_files_agree(file):
    check_text(RUNNABLE[file], 7)


# --- random models --------------------------------------------------------------------------


def check_random(random: Random) -> None:
    text = random_model(random)
    try:
        compiled = compile_source(source_from_text(text, "random.gen"))
        seed = random.randrange(2**31)
        check_point(compiled, seed, 3)
        check_batch(compiled, seed)
        check_text(compiled, seed)
    except Exception as error:
        error.add_note(text)
        raise


# A failing model is short enough to read; shrinking one takes minutes.
@settings(
    max_examples=300,
    derandomize=True,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.randoms(use_true_random=False))
def test_random_models_agree(random):
    check_random(random)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(30))
def test_many_random_models_agree(block):
    for number in range(100):
        check_random(Random(100 * block + number))


def test_the_global_state_stays_as_it_was():
    compiled = RUNNABLE["tests/golden/valid/eight_schools.gen"]
    before = torch.get_default_dtype(), dict(pyro.get_param_store().items())
    with tensors(torch.float64, torch.device("cpu"), 0):
        ready(compiled, random_point(compiled.checked.ir, np.random.default_rng(0))).run()
    assert (torch.get_default_dtype(), dict(pyro.get_param_store().items())) == before
