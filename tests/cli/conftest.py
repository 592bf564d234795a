"""Commands driven in process, in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cli_models import LINE, LINE_DATA, SCHOOLS, SCHOOLS_DATA

from gendsl.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    status: int
    out: str
    err: str


Cli = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with a model and data in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.gen").write_text(SCHOOLS)
    (tmp_path / "data.csv").write_text(SCHOOLS_DATA)
    (tmp_path / "line.gen").write_text(LINE)
    (tmp_path / "line.csv").write_text(LINE_DATA)
    return tmp_path


@pytest.fixture
def cli(folder, capsys) -> Cli:
    """Run a command; it never raises."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        status = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Outcome(status, captured.out, captured.err)

    return run


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


@pytest.fixture
def unchanged(folder) -> Callable[[], bool]:
    """Whether the folder holds what it held when the test began."""
    before = listing(folder)
    return lambda: listing(folder) == before
