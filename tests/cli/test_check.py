"""``gendsl check``."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

WARNED = """\
model W
plate n
latent a ~ Normal(0, 1)
latent b ~ Normal(0, 1)
observe y[n] ~ Normal(a, 1)
"""
WRONG = "model W\nplate n\nlatent a ~ Nromal(0, 1)\nobserve y[n] ~ Normal(a, sgima)\n"


def test_a_model_in_order(cli, unchanged):
    outcome = cli("check", "model.gen", "line.gen")
    assert (outcome.status, outcome.out, outcome.err) == (0, "checked 2 files: no errors\n", "")
    assert unchanged()


def test_all_errors_of_all_files(cli, folder):
    (folder / "a.gen").write_text(WRONG)
    (folder / "b.gen").write_text("model B\nlatent mu ~ Normal(0, 5\n")
    outcome = cli("check", "a.gen", "b.gen", "model.gen", "none.gen", ".", "data.csv")
    assert outcome.status == 1
    assert outcome.out == ""
    for part in (
        "a.gen:3:12: error[GD1", "did you mean `Normal`?", "a.gen:4:26: error[GD1", "`sgima`",
        "b.gen:2:19: error[GD012]", "no model found in none.gen: there is no such file",
        "no model found in .: it is a directory", "data.csv: by its ending it holds data",
        "checked 6 files: 6 errors",
    ):  # fmt: skip
        assert part in outcome.err


def test_warnings_are_counted_apart(cli, folder):
    (folder / "w.gen").write_text(WARNED)
    outcome = cli("check", "w.gen")
    assert (outcome.status, outcome.out) == (0, "checked 1 file: no errors and 1 warning\n")
    assert "w.gen:4:8: warning[" in outcome.err


def test_strict_makes_warnings_errors(cli, folder):
    (folder / "w.gen").write_text(WARNED)
    outcome = cli("check", "--strict", "w.gen")
    assert (outcome.status, outcome.out) == (1, "")
    assert "w.gen:4:8: error[" in outcome.err
    assert "checked 1 file: 1 error" in outcome.err


def test_json_is_a_list_of_findings(cli, folder):
    (folder / "a.gen").write_text(WRONG)
    (folder / "w.gen").write_text(WARNED)
    outcome = cli("check", "a.gen", "w.gen", "none.gen", "--format", "json")
    found = json.loads(outcome.out)
    assert (outcome.status, outcome.err) == (1, "")
    assert [(d["file"], d["severity"]) for d in found] == [
        ("a.gen", "error"), ("a.gen", "error"), ("w.gen", "warning"), ("none.gen", "error"),
    ]  # fmt: skip
    assert found[0]["range"] == {"line": 3, "column": 12, "end_line": 3, "end_column": 18}
    assert found[3]["range"] is None
    assert json.loads(cli("check", "model.gen", "--format", "json").out) == []


def test_same_bytes_same_message(cli, folder):
    (folder / "a.gen").write_text(WRONG)
    assert cli("check", "a.gen") == cli("check", "a.gen")


NO_MODELS = {
    "empty": b"",
    "comments": b"# nothing\n",
    "bom": b"\xef\xbb\xbf",
    "utf-16": "model M\n".encode("utf-16"),
    "latin-1": "model M # é\n".encode("latin-1"),
    "nul": b"model M\0\n",
    "deep": b"model M\nlet x = " + b"(" * 10_000 + b"1" + b")" * 10_000,
    "large": b"model M\n" + b"# " + b"x" * 200_000,
    "long name": b"model " + b"M" * 100_000,
    "bidi": "model M # \u202e\n".encode(),
}


@pytest.mark.parametrize("name", NO_MODELS)
def test_hostile_bytes(cli, folder, name):
    (folder / "x.gen").write_bytes(NO_MODELS[name])
    outcome = cli("check", "x.gen")
    assert outcome.status == 1
    assert "error[GD0" in outcome.err
    assert len(outcome.err) < 2000


def test_standard_input(cli, monkeypatch):
    data = io.BytesIO(b"model M\nlatent x ~ Nromal(0, 1)\n")
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
    outcome = cli("check", "-")
    assert outcome.status == 1
    assert "<stdin>:2:12: error[" in outcome.err
    monkeypatch.setattr(sys, "stdin", None)
    assert "no model found in <stdin>" in cli("check", "-").err
