"""Help, versions and command lines that are not understood.

To write the golden help texts again: ``for c in ...; gendsl $c --help > tests/cli/help/$c.txt``.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import gendsl
from gendsl.cli import COMMANDS

HELP = Path(__file__).parent / "help"


def test_help_is_golden(cli):
    expected = (HELP / "gendsl.txt").read_text()
    for arguments in (["--help"], ["-h"], ["help"]):
        outcome = cli(*arguments)
        assert (outcome.status, outcome.out, outcome.err) == (0, expected, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_golden(cli, command):
    expected = (HELP / f"{command}.txt").read_text()
    assert cli(command, "--help").out == expected
    assert cli("help", command).out == expected


def test_every_command_has_a_module_and_examples():
    for name in COMMANDS:
        command = import_module(f"gendsl.commands.{name}").COMMAND
        assert command.name == name
        assert command.examples
        assert all(
            line.startswith(f"gendsl {name}") or "gendsl explain" in line
            for line, _ in command.examples
        )


def test_the_example_of_the_help_is_a_model(cli, folder):
    text = (HELP / "gendsl.txt").read_text()
    lines = text[text.index("  # eight_schools.gen") :].split("\n\n")[0].splitlines()
    model = "".join(f"{line.removeprefix('  ')}\n" for line in lines)
    (folder / "eight_schools.gen").write_text(model)
    assert cli("check", "eight_schools.gen").status == 0
    assert cli("fmt", "--check", "eight_schools.gen").status == 0


def test_version(cli):
    assert cli("--version").out == f"gendsl {gendsl.__version__}\n"


def test_nothing_given_prints_the_help(cli):
    outcome = cli()
    assert outcome.status == 2
    assert "usage: gendsl COMMAND" in outcome.err


REFUSED = {
    ("chek", "model.gen"): "there is no command `chek`; did you mean `check`?",
    ("--versoin",): "there is no option `--versoin`; did you mean `--version`?",
    ("model.gen",): "there is no command `model.gen`; did you mean `gendsl fit model.gen`?",
    ("xyzzy",): "there is no command `xyzzy`; there are check, fmt,",
    ("check",): "gendsl check: expected FILE, but nothing is given",
    ("check", "--strct", "model.gen"): "no option `--strct`; did you mean `--strict`?",
    ("check", "model.gen", "--format=xml"): "--format: expected text, json, not 'xml'",
    ("show", "model.gen", "--stage", "grph"): "not 'grph'; did you mean `graph`?",
    ("show", "model.gen", "--stage"): "gendsl show: --stage: expected one argument",
    ("show", "model.gen", "--stage", "ir", "--format", "svg"): "shown as text, json, not as svg",
    ("show", "model.gen", "line.gen"): "there is one argument too many: 'line.gen'",
    ("fit", "model.gen", "--chian", "4"): "no option `--chian`; did you mean `--chains`?",
    ("fit", "model.gen", "--chains", "four"): "a whole number from 1 to 256, not 'four'",
    ("fit", "model.gen", "--chains", "0"): "--chains: expected a whole number from 1 to 256",
    ("fit", "model.gen", "--target_accept_prob", "0.9"): "did you mean `--target-accept-prob`?",
    ("fit", "model.gen", "--target-accept-prob", "nan"): "a number from 0.05 to 0.9999",
    ("fit", "model.gen", "--index-base", "2"): "--index-base: expected 0, 1, not '2'",
    ("fit", "model.gen", "--out", ""): "--out: expected the name of a folder",
    ("fit", "model.gen", "--data", "data.csv", "--column", "y"): "expected NAME=COLUMN, not 'y'",
    ("fit", "model.gen", "data.csv"): "there is one argument too many: 'data.csv'",
    ("compile", "model.gen", "--data", "data.csv"): "`--data` needs `--save-data FILE.npz`",
    ("compile", "model.gen", "--save-data", "d.csv"): "expected a name that ends in .npz",
    ("compile", "model.gen", "--save-data", "d.npz", "-o", "d.npz"): "cannot be one file",
    ("predict", "run", "-o", "p.txt"): "-o: expected a name that ends in .csv or .nc",
    ("summary", "run", "--ci", "1"): "--ci: expected a number between 0 and 1, not '1'",
    ("plot", "model.gen", "--kind", "trace"): "`--kind trace` needs a run, not a model file",
    ("fmt", "-", "model.gen"): "`-` (standard input) stands alone",
}


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_a_command_line_that_is_not_understood(cli, unchanged, arguments):
    outcome = cli(*arguments)
    assert outcome.status == 2
    assert REFUSED[arguments] in outcome.err
    assert "--help`" in outcome.err
    assert outcome.out == ""
    assert unchanged()


def test_two_dashes_end_the_options(cli, folder):
    (folder / "-h").write_text((folder / "model.gen").read_text())
    assert cli("check", "--", "-h").status == 0
