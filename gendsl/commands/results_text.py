"""Results on standard output: in colour on a terminal, else plain."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendsl.runtime.summary import Summary

__all__ = ["show_summary"]


def show_summary(summary: Summary) -> None:
    """Print a table and its verdict."""
    if sys.stdout.isatty():
        from rich.console import Console

        Console(file=sys.stdout).print(summary)
    else:
        print(summary)
