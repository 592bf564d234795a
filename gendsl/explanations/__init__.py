"""The long text of every diagnostic code, by stage: code to title and explanation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module

__all__ = ["all_codes", "explain"]

MODULES = (
    "gendsl.syntax.codes",
    "gendsl.explanations.semantics",
    "gendsl.explanations.data",
    "gendsl.explanations.results",
    "gendsl.explanations.running",
    "gendsl.explanations.calibrating",
    "gendsl.explanations.training",
    "gendsl.explanations.learning",
    "gendsl.explanations.autoregressive",
    "gendsl.explanations.energies",
)
"""Where the texts are; they are loaded when the first one is asked for."""


@cache
def _texts() -> Mapping[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for module in MODULES:
        found.update(import_module(module).CODES)
    return dict(sorted(found.items()))


def all_codes() -> tuple[str, ...]:
    """Every code that has an explanation, in order."""
    return tuple(_texts())


def explain(code: str) -> tuple[str, str] | None:
    """The title and the explanation of a code; None for an unknown one."""
    return _texts().get(code)
