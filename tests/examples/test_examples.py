"""Every example checks clean, stands in canonical form, and agrees with independent answers.

Those without a known answer are fitted in `test_simulated.py`.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from failure_budget import share
from model_points import Point, configurations, emitted, expected, random_point, tolerance

import gendsl
from gendsl.syntax.parser import parse
from gendsl.syntax.printer import format_program
from gendsl.syntax.reading import read_source

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))

import catalogue  # noqa: E402  it lies beside the examples
import write_answers  # noqa: E402
import write_data  # noqa: E402

ENTRIES = catalogue.entries()
NAMES, ANSWERED = sorted(ENTRIES), catalogue.answered()
MAX_LINES = {"eight_schools": 7, "logistic_regression": 6, "gaussian_mixture": 7}

SUMMED = {"change_point", "gaussian_mixture"}
"""Too many configurations for the brute force of the reference at the size of the data."""

TIED = {"spatial_counts"}
"""Their inputs are tied to one another, as neighbours on a map are: random ones are illegal."""

MAX_CONFIGURATIONS = 2_000
"""So many that a point is drawn at random sizes until it has no more."""

CERTAIN = {"cormack_jolly_seber"}
"""Random data contradict what is certain in them: their likelihood is written out below."""

GIVEN = {"boltzmann_machine": {"h"}, "vq_vae": {"k"}}
"""Too many configurations of units or codes at any size to sum them out."""

QUADRATURE_ERROR = 1.5e-3
"""What the answers may be wrong by, in units of the sd; see each README."""

every_example = pytest.mark.parametrize("name", NAMES)
every_answer = pytest.mark.parametrize("name", ANSWERED)


@cache
def load(name: str) -> gendsl.Model:
    return gendsl.load(EXAMPLES / name / "model.gen")


def test_every_folder_is_an_example():
    folders = {p.name for p in EXAMPLES.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders == set(NAMES)
    assert write_answers.names() == ANSWERED
    for name in NAMES:
        files = {p.name for p in (EXAMPLES / name).iterdir() if p.is_file()}
        assert files == {"README.md", "model.gen", *own_data(name), *about_the_answer(name)}


def own_data(name: str) -> set[str]:
    files = catalogue.files_of(name)
    paths = list(files.values()) if isinstance(files, dict) else [files]
    return {path.name for path in paths if ".." not in path.parts}


def about_the_answer(name: str) -> set[str]:
    if name in ANSWERED:
        return {"answer.json", "answer.py"}
    return {"truth.json"} if name in write_data.SIMULATED else set()


@every_example
def test_checks_clean(name):
    assert load(name).warnings == ()


@every_example
def test_stands_in_canonical_form(name):
    source = read_source(EXAMPLES / name / "model.gen")
    assert format_program(parse(source)) == source.text


@every_example
def test_is_documented(name):
    assert (EXAMPLES / name / "model.gen").read_text(encoding="utf-8").startswith("# ")


@every_example
def test_the_readme_says_how_to_run_it(name):
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert f"```sh\n{command(name)}" in text


def command(name: str) -> str:
    """The start of the command line that fits an example to its data."""
    files, columns = catalogue.files_of(name), ENTRIES[name].get("columns", {})
    named = files.items() if isinstance(files, dict) else [("", files)]
    words = [f"gendsl fit examples/{name}/model.gen"]
    for plate, path in named:
        place = path.resolve().relative_to(EXAMPLES.parent).as_posix()
        words.append(f"--data {plate}={place}" if plate else f"--data {place}")
    words += [f"--column {v}={','.join(chosen)}" for v, chosen in columns.items()]
    return " ".join([*words, f"--seed {ENTRIES[name].get('seed', 1)} --out "])


@pytest.mark.parametrize("name", MAX_LINES)
def test_is_short(name):
    lines = (EXAMPLES / name / "model.gen").read_text(encoding="utf-8").splitlines()
    assert len([x for x in lines if x and not x.startswith("#")]) <= MAX_LINES[name]


@every_example
def test_data_fit_the_model(name):
    assert all(note.severity == "info" for note in catalogue.bound(load(name), name).notes)


UNKNOWN = SUMMED | set(NAMES) - set(ANSWERED) - TIED - CERTAIN


@pytest.mark.parametrize("name", sorted(UNKNOWN))
def test_density_agrees_with_the_reference(name):
    model, rng, given = load(name), np.random.default_rng(7), frozenset(GIVEN.get(name, ()))
    for _ in range(2):
        point = small_point(model, rng, given)
        wanted = expected(point, given)
        assert emitted(model.compiled, point, given) == pytest.approx(
            wanted, abs=tolerance(wanted)
        )


def small_point(model: gendsl.Model, rng: np.random.Generator, given: frozenset[str]) -> Point:
    while True:
        point = random_point(model.compiled.checked.ir, rng, largest=3)
        if configurations(point, given) <= MAX_CONFIGURATIONS:
            return point


def test_recaptures_have_the_likelihood_of_lebreton():
    """By the last sighting of each animal, and the chance not to be seen again (1992)."""
    name, survival, recapture = "cormack_jolly_seber", 0.7, 0.4
    data = catalogue.bound(load(name), name)
    seen, first = data.values["seen"], data.values["first"]
    unseen = [1.0]  # the chance not to be seen again in so many occasions
    for _ in range(seen.shape[1]):
        unseen.append(1 - survival + survival * (1 - recapture) * unseen[-1])
    logs = np.log(2 * survival)  # of the densities of Beta(2, 1) and Beta(1, 1)
    for history, start in zip(seen, first, strict=True):
        last = max(np.flatnonzero(history))
        again = history[start + 1 : last + 1]
        logs += len(again) * np.log(survival) + again.sum() * np.log(recapture)
        logs += (len(again) - again.sum()) * np.log(1 - recapture)
        logs += np.log(unseen[seen.shape[1] - 1 - last])
    values = {"survival": survival, "recapture": recapture}
    found = load(name).log_density(values, catalogue.data_of(name))
    assert found == pytest.approx(logs, rel=1e-10)


@pytest.mark.parametrize("name", sorted(set(ANSWERED) - SUMMED | TIED))
def test_density_agrees_with_the_reference_at_the_data(name):
    model, data = load(name), catalogue.bound(load(name), name)
    drawn = random_point(
        model.compiled.checked.ir, np.random.default_rng(3), sizes=dict(data.sizes)
    )
    values, imputed = dict(drawn.values), {}
    for variable, known in data.values.items():
        gone = data.missing.get(variable, np.zeros(known.shape, bool))
        values[variable] = np.where(gone, np.nan, known)
        if variable in drawn.imputed:
            imputed[variable] = np.where(gone, drawn.imputed[variable], known)
    point = Point(drawn.model, drawn.sizes, values, imputed)
    assert emitted(model.compiled, point) == pytest.approx(
        expected(point), abs=tolerance(expected(point))
    )


@every_answer
def test_the_answer_on_file_is_what_is_computed(name):
    computed, filed = write_answers.compute(name), write_answers.read(name)
    assert list(computed) == list(filed)
    for quantity, value in computed.items():
        scale = value["sd"]
        assert filed[quantity]["mean"] == pytest.approx(value["mean"], abs=1e-4 * scale)
        assert filed[quantity]["sd"] == pytest.approx(scale, rel=1e-4)


@every_answer
def test_the_readme_states_the_answer_on_file(name):
    text = (EXAMPLES / name / "README.md").read_text(encoding="utf-8")
    assert write_answers.table(write_answers.read(name)) in text


def close(found: float, error: float, known: float, sd: float, comparisons: int) -> bool:
    """Whether an estimate lies within Monte Carlo error of what it estimates."""
    width = NormalDist().inv_cdf(1 - share(comparisons) / 2)
    return abs(found - known) <= width * error + QUADRATURE_ERROR * sd


@every_answer
def test_posterior_agrees_with_the_answer(name):
    known = write_answers.read(name)
    fit = load(name).fit(
        catalogue.data_of(name),
        columns=ENTRIES[name].get("columns"),
        seed=11,
        progress=False,
    )
    summary = fit.summary()
    assert summary.verdict.status != "do not trust"
    table = summary.table
    compared = [quantity for quantity in known if not quantity.startswith("P(")]
    wrong = {}
    for quantity in compared:
        row, answer = table.loc[quantity], known[quantity]
        if not close(row["mean"], row.mcse_mean, answer["mean"], answer["sd"], 2 * len(known)):
            wrong[quantity] = (row["mean"], answer["mean"], row.mcse_mean)
        if not close(row["sd"], row.mcse_sd, answer["sd"], answer["sd"], 2 * len(known)):
            wrong[f"sd of {quantity}"] = (row["sd"], answer["sd"], row.mcse_sd)
    assert not wrong
    probabilities(name, fit, known)


def probabilities(name: str, fit: gendsl.Fit, known: dict) -> None:
    """What a summary does not list."""
    if name == "change_point":
        answer = known["P(start = 1892)"]
        hits = fit.posterior["start"].to_numpy() == 1892
        assert close(hits.mean(), answer["sd"] / hits.size**0.5, answer["mean"], 1, len(known))
    if name == "logistic_regression":
        answer = known["P(distress at 31 F)"]
        drawn = fit.predict({"temperature": [31.0]}, seed=5)["distress"].to_numpy()
        sd = (answer["mean"] * (1 - answer["mean"])) ** 0.5
        # The draws of one chain depend on one another: count a quarter of them.
        assert close(drawn.mean(), 2 * sd / drawn.size**0.5, answer["mean"], 1, len(known))


def test_the_challenger_readme_is_right_that_cold_is_dangerous():
    answer = json.loads((EXAMPLES / "logistic_regression" / "answer.json").read_text())
    assert answer["P(distress at 31 F)"]["mean"] > 0.95
