"""Arguments of a caller in Python, verified before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from os import PathLike

from gendsl.diagnostics import DataError, Diagnostic

__all__ = [
    "MAX_NUMBERS",
    "file_path",
    "mapping",
    "model_text",
    "name_or_none",
    "verify_columns",
    "verify_numbers",
    "whole",
    "whole_or_none",
]

MAX_SEED = 2**32 - 1
MAX_CORES = 4096
MAX_DRAWS = 2**53
LIMITS = {
    "rows": (1, 10**9),
    "length": (1, 10**9),
    "particles": (1, 10**7),
    "steps": (2, 10**6),
    "anneal": (1, 10**6),
    "sweeps": (1, 10**6),
    "seed": (0, MAX_SEED),
    "cores": (1, MAX_CORES),
    "draws": (1, MAX_DRAWS),
    "replications": (1, 10**6),
    "kept": (1, 10**4),
    "chains": (1, 10**7),
}
"""The least and the greatest value of each whole number, by its name."""

MAX_NUMBERS = 2_000_000_000
"""More numbers than this in one result are refused: they take 16 GB."""


def whole(name: str, value: object) -> int:
    """A whole number within its limits, NumPy's included, as an `int`.

    Raises:
        DataError: GD833.
    """
    lower, upper = LIMITS[name]
    number = None if isinstance(value, bool) or not isinstance(value, Integral) else int(value)
    if number is None or not lower <= number <= upper:
        raise _wrong(name, f"a whole number from {lower} to {upper}", value)
    return number


def whole_or_none(name: str, value: object) -> int | None:
    """The same, where None asks for the default."""
    return None if value is None else whole(name, value)


def name_or_none(name: str, value: object) -> str | None:
    """A name, where None asks for the default.

    Raises:
        DataError: GD833.
    """
    if value is None or (isinstance(value, str) and value):
        return value
    raise _wrong(name, "a name", value)


def mapping(name: str, value: object) -> None:
    """A dict or its like, whose keys are names.

    Raises:
        DataError: GD833.
    """
    if not isinstance(value, Mapping):
        raise _wrong(name, "a dict by name", value)
    for key in value:
        if not isinstance(key, str):
            raise _wrong(f"a key of {name}", "a name", key)


def verify_columns(columns: object) -> None:
    """For names of the model, a column or a sequence of columns; None for no such names.

    Raises:
        DataError: GD833.
    """
    if columns is None:
        return
    mapping("columns", columns)
    assert isinstance(columns, Mapping)
    for name, column in columns.items():
        several = isinstance(column, (list, tuple)) and all(isinstance(c, str) for c in column)
        if not isinstance(column, str) and not several:
            raise _wrong(f'columns["{name}"]', "the name of a column, or a list of names", column)


def file_path(name: str, value: object) -> None:
    """The path of a file or folder.

    Raises:
        DataError: GD833.
    """
    if not (isinstance(value, (str, PathLike)) and str(value)) or "\0" in str(value):
        raise _wrong(name, "a path", value)


def model_text(name: str, value: object) -> None:
    """A text.

    Raises:
        DataError: GD833.
    """
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)


def verify_numbers(draws: int, width: int) -> None:
    """Refuse a result that no memory would hold.

    Raises:
        DataError: GD827.
    """
    if draws * width > MAX_NUMBERS:
        message = (
            f"{draws:,} draws of about {width:,} numbers each take {draws * width * 8 / 1e9:,.0f} "
            f"GB, and more than {MAX_NUMBERS * 8 / 1e9:,.0f} GB are refused"
        )
        raise DataError([Diagnostic("GD827", message, help="use fewer draws or smaller plates")])


def _wrong(name: str, wanted: str, value: object) -> DataError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    told = name if " " in name or "[" in name else f"`{name}`"
    return DataError([Diagnostic("GD833", f"{told} is {wanted}, not {shown}")])
