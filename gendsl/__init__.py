"""gendsl: a declarative probabilistic programming language.

The public names are imported when they are first used, so that ``import gendsl`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gendsl.binarised import Binarised
    from gendsl.diagnostics import CompileError, DataError
    from gendsl.model import Calibration, Fit, Model, compile, load, load_calibration, load_fit
    from gendsl.streamed import Streamed

__all__ = [
    "Binarised",
    "Calibration",
    "CompileError",
    "DataError",
    "Fit",
    "Model",
    "Streamed",
    "compile",
    "load",
    "load_calibration",
    "load_fit",
]

__version__ = "0.1.0"

_HOMES = {
    "Binarised": "gendsl.binarised",
    "Calibration": "gendsl.model",
    "CompileError": "gendsl.diagnostics",
    "DataError": "gendsl.diagnostics",
    "Fit": "gendsl.model",
    "Model": "gendsl.model",
    "Streamed": "gendsl.streamed",
    "compile": "gendsl.model",
    "load": "gendsl.model",
    "load_calibration": "gendsl.model",
    "load_fit": "gendsl.model",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gendsl' has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    return found
