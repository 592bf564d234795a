"""Every code of the syntax stage has programs that show it, with its exact messages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gendsl.diagnostics import CompileError, render_all
from gendsl.syntax.codes import CODES
from gendsl.syntax.parser import parse_with_warnings
from gendsl.syntax.reading import SIZE_LIMIT, read_source, source_from_text

FOLDER = Path(__file__).parents[1] / "golden" / "invalid"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("GD0*.gen"))
WITHOUT_FILE = {"GD003"}  # a file of 128 KiB; see test_reading.py
SYNTAX = Path(__file__).parents[2] / "gendsl" / "syntax"


def rendered(path: Path) -> str:
    """The findings about a program: what stops the compiler, or else the warnings."""
    try:
        source = read_source(path)
        _, warnings = parse_with_warnings(source)
    except CompileError as error:
        return str(error) + "\n"
    return render_all(warnings, source) + "\n"


@pytest.mark.parametrize("name", PROGRAMS)
def test_messages(name, monkeypatch):
    monkeypatch.chdir(FOLDER)
    expected = (FOLDER / f"{name}.err").read_text("utf-8")

    assert expected == rendered(Path(f"{name}.gen"))
    assert f"[{name[:5]}]" in expected


def test_every_code_has_a_program():
    assert set(CODES) - WITHOUT_FILE == {name[:5] for name in PROGRAMS}


def test_every_expected_text_has_a_program():
    assert {path.stem for path in FOLDER.glob("GD0*.err")} == set(PROGRAMS)


def test_every_code_used_is_explained():
    used = {
        code for path in SYNTAX.glob("*.py") for code in re.findall(r"GD\d{3}", path.read_text())
    }
    assert used == set(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_explanations_have_a_bad_and_a_good_example(code):
    title, explanation = CODES[code]

    assert title
    assert 2 <= len(explanation.splitlines()) <= 6
    assert "\nBad: " in explanation
    assert "\nGood: " in explanation


def test_too_large_text_is_refused():
    with pytest.raises(CompileError) as caught:
        source_from_text("#" * (SIZE_LIMIT + 1), "large.gen")

    assert [d.code for d in caught.value.diagnostics] == ["GD003"]
