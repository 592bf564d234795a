"""Runs that ``gendsl fit --out`` wrote, as far as a command needs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendsl.diagnostics import DataError, Diagnostic

if TYPE_CHECKING:
    from gendsl.runtime.checkpoint import SavedRun
    from gendsl.runtime.summary import Kind

__all__ = ["kind_of", "read_run"]


def read_run(folder: str) -> SavedRun:
    """A saved run, read without torch and without running anything.

    Raises:
        DataError: the folder is no run, or it was damaged.
    """
    from gendsl.runtime.checkpoint import load_run

    return load_run(folder)


def kind_of(run: SavedRun) -> Kind:
    """How the numbers of a run came about.

    Raises:
        DataError: GD803, its results do not say.
    """
    kind = run.tree.attrs.get("kind")
    if kind == "mcmc" or kind == "exact" or kind == "point" or kind == "variational":
        found: Kind = kind
        return found
    message = f"the results in {run.folder} do not say how they came about"
    raise DataError([Diagnostic("GD803", message, help="fit again")])
