"""What is refused of energies, word by word, with its remedy."""

from __future__ import annotations

import numpy as np
import pytest

import gendsl
from gendsl.diagnostics import GenError

HEAD = "model M\nplate n\n"
NET = (
    "net E: real[2] -> real = mlp(hidden=[4], activation={})\nobserve x[n]: real[2]\nenergy E(x)\n"
)
NUMBERS = np.array([1.0, 2.0, 0.5, 3.0])
BITS = """param a: real
observe x[n]: binary[3]
energy a * x[1] * x[2]
"""

REFUSED = {
    "a bound": (
        "param a: positive\nobserve x[n]: real\nenergy a * x ** 2\ninfer svi\n",
        """\
<text>:6:1: error[GD612]: `svi` cannot be used for this model: log Z depends on `a`, and it would \
leave that out
  6 | infer svi
    | ^^^^^^^^^
help: use mle or score_matching or contrastive_divergence or noise_contrastive
""",
    ),
    "score matching of bits": (
        BITS + "infer score_matching\n",
        """\
<text>:6:1: error[GD612]: `score_matching` cannot be used for this model: a score needs variables \
that are real numbers without bounds; for binary ones there are `ratio_matching` and \
`contrastive_divergence`
  6 | infer score_matching
    | ^^^^^^^^^^^^^^^^^^^^
help: use mle or contrastive_divergence or noise_contrastive or ratio_matching
""",
    ),
    "score matching without second derivatives": (
        NET.format("relu") + "infer score_matching\n",
        """\
<text>:6:1: error[GD612]: `score_matching` cannot be used for this model: `E` has no second \
derivatives: give it a smooth activation, such as `activation = silu`
  6 | infer score_matching
    | ^^^^^^^^^^^^^^^^^^^^
help: use contrastive_divergence or noise_contrastive
""",
    ),
}


def message(act):
    with pytest.raises(GenError) as caught:
        act()
    return str(caught.value) + "\n"


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_of_the_plan(name):
    text, expected = REFUSED[name]
    assert message(lambda: gendsl.compile(HEAD + text)) == expected


@pytest.mark.parametrize("infer", ["", "infer score_matching\n"])
def test_bounded_numbers_are_refused_with_every_reason(infer):
    text = HEAD + "param a: positive\nobserve x[n]: positive\nenergy a * x\n" + infer
    found = message(lambda: gendsl.compile(text))
    assert ("[GD612]" if infer else "[GD610]") in found
    why = "the support of `x` is neither the real numbers nor binary"
    for method in ("score_matching", "contrastive_divergence", "noise_contrastive", "mle"):
        assert f"{method}: {why}" in found
    assert "svi: log Z depends on `a`, and it would leave that out" in found


NO_CONSTANT = {
    "a sign": (
        "param a: real\nobserve x[n]: real\nenergy a * x - 0.5 * x ** 2\n",
        {},
        """\
<text>:5:1: error[GD887]: this energy has no finite constant: the precision of `x`, the second \
derivatives of the energy, has the eigenvalue -1 where training begins
  5 | energy a * x - 0.5 * x ** 2
    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: see to its sign, and declare what it weighs squares by as `positive` or `covariance[D]`
""",
    ),
    "a difference that is learned": (
        "param a: positive\nparam c: positive\nobserve x[n]: real\n"
        "energy 0.5 * a * x ** 2 - 0.4 * c * x ** 2\n",
        {"learning_rate": 2.0, "epochs": 50},
        """\
<text>:6:1: error[GD887]: this energy has no finite constant: the precision of `x`, the second \
derivatives of the energy, has the eigenvalue -5.78 where training ended
  6 | energy 0.5 * a * x ** 2 - 0.4 * c * x ** 2
    | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
help: see to its sign, and declare what it weighs squares by as `positive` or `covariance[D]`
""",
    ),
}


@pytest.mark.parametrize("name", NO_CONSTANT)
def test_a_total_precision_that_is_negative_is_refused(name):
    text, options, expected = NO_CONSTANT[name]
    rows = 100 * NUMBERS * [1, -1, 1, 1] if options else NUMBERS
    model = gendsl.compile(HEAD + text)
    found = message(lambda: model.fit({"x": rows}, infer="mle", progress=False, **options))
    assert found == expected


def test_an_energy_that_nothing_confines_is_remarked_on():
    plan = gendsl.compile(HEAD + NET.format("silu") + "infer contrastive_divergence\n").plan
    assert plan.notes == (
        "nothing is seen that makes the energy of `x` grow far out, so that it may have no finite "
        "constant: chains drift away where it does not; add a term such as "
        "`0.5 * sum(x ** 2) / 100`, or use `score_matching`",
    )
    held = NET.format("silu").replace("E(x)\n", "E(x) + 0.5 * sum(x ** 2) / 100\n")
    assert gendsl.compile(HEAD + held).plan.notes == ()


def test_log_z_that_cannot_be_had():
    fit = gendsl.compile(HEAD + BITS).fit(
        {"x": [[1, 0, 1], [0, 1, 1]]}, infer="ratio_matching", epochs=2, progress=False
    )
    assert message(lambda: fit.log_z("learned")) == (
        "error[GD886]: log Z cannot be had: only `noise_contrastive` learns it\n"
    )
    assert message(lambda: fit.log_z("guessed")) == (
        "error[GD886]: log Z cannot be had: there is no way 'guessed'; ask for auto, exact, "
        "learned, annealed\n"
    )
    assert message(lambda: fit.generate(3, anew=False)) == (
        "error[GD886]: this training left no chains to go on with\n"
    )
