"""Runs whose networks were learned, for commands that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gendsl.commands.data_options import mapped_columns
from gendsl.diagnostics import DataError, Diagnostic

if TYPE_CHECKING:
    import argparse

    from gendsl.learned_fit import LearnedFit
    from gendsl.runtime.data import RawData

__all__ = ["given_data", "learned_run", "rows_of"]


def learned_run(folder: str) -> LearnedFit:
    """A saved run that was learned by steps.

    Raises:
        DataError: GD812, it was not; or the folder is no run.
    """
    from gendsl.learned_fit import LearnedFit
    from gendsl.model import load_fit

    fit = load_fit(folder)
    if isinstance(fit, LearnedFit):
        return fit
    message = f"the run {folder} was not learned by steps: it has no guide and no networks"
    raise DataError([Diagnostic("GD812", message, help=f"`gendsl predict {folder}` predicts")])


def given_data(
    arguments: argparse.Namespace,
) -> tuple[RawData | None, dict[str, str | list[str]] | None]:
    """What ``--data`` names and how its columns are called; None for the data of the run."""
    if not arguments.data:
        return None, None
    from gendsl.runtime.data import read_data

    data = read_data(arguments.data)
    return data, mapped_columns(arguments, data)


def rows_of(fit: LearnedFit) -> str | None:
    """The plate whose members are rows."""
    plate = fit.tree.attrs.get("rows_of")
    return None if plate is None else str(plate)
