"""Numbers as text: as many digits as the error leaves meaning to."""

from __future__ import annotations

from math import floor, isfinite, log10

import pandas as pd

__all__ = ["format_cells"]

BLANK = "–"
ERROR_OF = {"mean": "mcse_mean", "sd": "mcse_sd"}
COUNTS = frozenset({"ess_bulk", "ess_tail"})


def format_cells(table: pd.DataFrame) -> list[list[str]]:
    """The label and the cells of each row."""
    return [
        [str(label), *(_cell(str(c), v, row) for c, v in row.items())]
        for label, row in zip(table.index, table.to_dict("records"), strict=True)
    ]


def _cell(column: str, value: object, row: dict[str, object]) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, float) or value != value:
        return BLANK
    if not isfinite(value):
        return f"{value:g}"
    if column in COUNTS:
        return f"{value:.0f}"
    if column == "r_hat":
        return f"{value:.3f}"
    if column.startswith("P("):
        return f"{value:.4f}" if value >= 5e-5 or value == 0 else f"{value:.1e}"
    if column.startswith("mcse") or column == "std_error":
        return f"{value:.2g}"
    error = row.get(ERROR_OF.get(column, "mcse_mean"), row.get("std_error"))
    if "std_error" in row and isinstance(error, float):
        error /= 100  # not the error of the number but of what it estimates
    return _rounded(value, error)


def _rounded(value: float, error: object) -> str:
    """Down to the first digit that the error touches; four digits where no error is known."""
    if not isinstance(error, float) or not isfinite(error) or error <= 0:
        return f"{value:.4g}"
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3g}"
    text = f"{value:.{max(0, min(6, -floor(log10(error))))}f}"
    return text if float(text) else text.removeprefix("-")
