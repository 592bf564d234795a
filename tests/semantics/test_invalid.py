"""Every code of the checker has programs that show it, with its exact messages."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from gendsl.diagnostics import CompileError, render_all
from gendsl.explanations import MODULES, all_codes, explain
from gendsl.explanations.semantics import CODES
from gendsl.frontend import check
from gendsl.syntax.reading import read_source

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "golden" / "invalid"
PROGRAMS = sorted(p.stem for p in FOLDER.glob("*.gen") if not p.name.startswith("GD0"))
ELSEWHERE = ("GD7", "GD8")
"""Codes about data and results: their tests show them, not programs."""
NOT_AT_CHECK = {"GD610", "GD611", "GD612", "GD614", "GD914", "GD915", "GD916", "GD917", "GD918"}
"""Found by the planner, or by the call that cannot be carried out."""

ALSO_AT_CHECK = {"GD865"}
"""Explained among the messages of fits, where options may be given too."""


def rendered(path: Path) -> str:
    """What the checker says about a program."""
    source = read_source(path)
    try:
        return render_all(check(source).warnings, source) + "\n"
    except CompileError as error:
        return str(error) + "\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_messages(name, monkeypatch):
    monkeypatch.chdir(FOLDER)
    expected = (FOLDER / f"{name}.err").read_text("utf-8")

    assert rendered(Path(f"{name}.gen")) == expected
    if name.startswith("GD"):
        assert f"[{name[:5]}]" in expected


def test_every_expected_text_has_a_program():
    texts = {p.stem for p in FOLDER.glob("*.err") if not p.name.startswith("GD0")}
    assert texts == set(PROGRAMS)


def test_every_code_of_the_checker_has_a_program():
    shown = {name[:5] for name in PROGRAMS if name.startswith("GD")}
    assert shown == set(CODES) - NOT_AT_CHECK | ALSO_AT_CHECK


def test_every_code_in_the_sources_is_explained():
    used = {
        code
        for path in (ROOT / "gendsl").rglob("*.py")
        if "explanations" not in path.parts
        for code in re.findall(r"\bGD\d{3}\b", path.read_text("utf-8"))
    }
    assert used - set(all_codes()) == set()


def test_every_explained_code_is_used():
    sources = "\n".join(
        path.read_text("utf-8")
        for path in (ROOT / "gendsl").rglob("*.py")
        if "explanations" not in path.parts and path.name != "codes.py"
    )
    assert [c for c in all_codes() if c not in sources] == []


def test_codes_that_no_program_shows_have_their_messages_in_tests():
    files = (p for p in (ROOT / "tests").rglob("*.py") if p.name != Path(__file__).name)
    tests = "\n".join(p.read_text("utf-8") for p in files)
    there = {c for c in all_codes() if c.startswith(ELSEWHERE)} | NOT_AT_CHECK
    assert {c for c in there if f"[{c}]" not in tests} == set()


@pytest.mark.parametrize("code", sorted(CODES))
def test_explanations_have_a_bad_and_a_good_example(code):
    title, explanation = CODES[code]

    assert title
    assert 2 <= len(explanation.splitlines()) <= 8
    assert "\nBad: " in explanation
    assert "\nGood" in explanation
    assert explain(code) == (title, explanation)


def test_no_code_is_explained_twice():
    explained = [code for module in MODULES for code in import_module(module).CODES]
    assert len(explained) == len(set(explained))


def test_unknown_codes_have_no_explanation():
    assert explain("GD999") is None


def test_independent_mistakes_are_all_reported_once():
    text = (FOLDER / "many_mistakes.err").read_text("utf-8")
    places = re.findall(r"^many_mistakes\.gen:(\d+):", text, re.MULTILINE)

    assert len(places) == len(set(places)) == 10
    assert places == sorted(places, key=int)
