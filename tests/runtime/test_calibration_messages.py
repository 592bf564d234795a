"""Every message about calibrations, word for word."""

from __future__ import annotations

# ruff: noqa: E501
from functools import cache

import pytest

import gendsl
from gendsl.diagnostics import GenError
from gendsl.explanations.calibrating import CODES

TEXTS = {
    "m": "latent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)",
    "param": "param s: positive\nlatent m ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, s)",
    "mle": "param s: positive\nobserve y[n] ~ Normal(0, s)",
    "nothing": "observe y[n] ~ Normal(0, 1)",
    "flat": "latent a ~ Flat()\nobserve y[n] ~ Normal(a, 1)",
    "many": "latent m[n] ~ Normal(0, 1)\nobserve y[n] ~ Normal(m, 1)",
    "energy": "latent a[n] ~ Normal(0, 1)\nenergy a ** 2\nobserve y[n] ~ Normal(a, 1)",
}
QUICK = {"replications": 1, "warmup": 5, "draws": 5, "kept": 2, "progress": False, "cores": 1}


def calibrate(name, **options):
    model = gendsl.compile(f"model M\nplate n\n{TEXTS[name]}\n", f"{name}.gen")
    return model.calibrate(sizes={"n": 2}, **options)


@cache
def kept(folder):
    return calibrate("m", out=folder / "cal", infer="nuts", **QUICK)


def again(folder, **options):
    kept(folder)
    return calibrate("m", out=folder / "cal", infer="nuts", **{**QUICK, **options})


def filled(folder):
    (folder / "other").mkdir()
    (folder / "other" / "file.txt").touch()
    calibrate("m", out=folder / "other", infer="nuts", **QUICK)


def damaged(folder):
    lines = kept(folder) and folder / "cal" / "replications.jsonl"
    lines.write_text("{}\n" + lines.read_text())
    gendsl.load_calibration(folder / "cal")


def changed(folder):
    kept(folder)
    with (folder / "cal" / "model.gen").open("a") as file:
        file.write("\n")
    gendsl.load_calibration(folder / "cal")


ACTIONS = {
    "GD801": lambda folder: gendsl.load_calibration(folder / "none"),
    "GD803": damaged,
    "GD804": changed,
    "GD806": filled,
    "GD811": lambda _: calibrate("m", quantities=["mm"], infer="nuts", **QUICK),
    "GD811, entry": lambda _: calibrate(
        "many", quantities=["m[0]", "m[2]"], infer="nuts", **QUICK
    ),
    "GD811, plot": lambda folder: kept(folder).plot(quantities=["q"]),
    "GD816": lambda folder: kept(folder).plot("rank"),
    "GD822": lambda _: calibrate("flat"),
    "GD833": lambda _: calibrate("m", replications=0),
    "GD840, params": lambda _: calibrate("mle"),
    "GD840, mode": lambda _: calibrate("m", infer="map"),
    "GD840, nothing": lambda _: calibrate("nothing"),
    "GD841": again,
    "GD841, another": lambda folder: again(folder, resume=True, seed=1, kept=3),
    "GD915": lambda _: calibrate("energy"),
}
EXPECTED = {
    "GD801": """\
error[GD801]: <tmp>/none is not a calibration: it has no calibration.json
help: a calibration is a folder that `gendsl calibrate --out` wrote
""",
    "GD803": """\
error[GD803]: <tmp>/cal/replications.jsonl is damaged at line 1
help: copy the whole folder again, or calibrate again
""",
    "GD804": """\
error[GD804]: <tmp>/cal/model.gen was changed since it was written
help: copy the whole folder again, or calibrate again
""",
    "GD806": """\
error[GD806]: <tmp>/other is not empty and not a calibration: it is left alone
help: choose another folder
""",
    "GD811": """\
error[GD811]: a calibration has no quantity 'mm'
help: did you mean 'm'?
""",
    "GD811, entry": """\
error[GD811]: a calibration has no quantity 'm[2]'
help: entries that vary are named like m[0], m[1]
""",
    "GD811, plot": """\
error[GD811]: the calibration has no quantity 'q'
help: it has m, lp, log_likelihood
""",
    "GD816": """\
error[GD816]: no plot of a calibration is called 'rank'
help: the plots are ecdf, histogram
""",
    "GD822": """\
flat.gen:3:8: error[GD822]: `a` has an improper prior, so nothing can be drawn from the model
  3 | latent a ~ Flat()
    |        ^
help: give it a proper prior, such as Normal(0, 10)
""",
    "GD833": """\
error[GD833]: `replications` is a whole number from 1 to 1000000, not 0
""",
    "GD840, params": """\
mle.gen:3:7: error[GD840]: this model cannot be calibrated: `s` is a param, which has no prior to draw it from
  3 | param s: positive
    |       ^
help: declare it `latent`, with a proper prior
""",
    "GD840, mode": """\
m.gen:1:7: error[GD840]: `map` cannot be calibrated: it gives a point, not draws among which the truth could be ranked
  1 | model M
    |       ^
help: ask for a method that draws, such as `nuts`
""",
    "GD840, nothing": """\
nothing.gen:1:7: error[GD840]: this model cannot be calibrated: nothing in it is unknown
  1 | model M
    |       ^
help: declare what is to be inferred `latent`
""",
    "GD841": """\
error[GD841]: <tmp>/cal holds a calibration already
help: `resume=True` (on the command line --resume) goes on with it; or choose another folder
""",
    "GD841, another": """\
error[GD841]: the calibration in <tmp>/cal is another one: it differs in kept, seed
help: give the same model, inputs and options, or choose another folder
""",
    "GD915": """\
energy.gen:4:1: error[GD915]: this model has an energy; this version cannot draw from it without data yet
  4 | energy a ** 2
    | ^^^^^^^^^^^^^
""",
}


@pytest.mark.parametrize("name", ACTIONS)
def test_messages(name, tmp_path):
    folder = tmp_path.resolve()
    with pytest.raises(GenError) as caught:
        ACTIONS[name](folder)

    assert str(caught.value).replace(str(folder), "<tmp>") + "\n" == EXPECTED[name]


def test_every_code_is_shown():
    assert {name[:5] for name in EXPECTED} >= CODES.keys()
    assert EXPECTED.keys() == ACTIONS.keys()
