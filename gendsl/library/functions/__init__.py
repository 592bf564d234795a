"""The table of functions and operators."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.library.functions.curves import CURVES
from gendsl.library.functions.elementary import ELEMENTARY
from gendsl.library.functions.kernels import KERNELS
from gendsl.library.functions.operators import OPERATOR_FUNCTIONS
from gendsl.library.functions.shaped import SHAPED
from gendsl.library.functions.spec import FunctionSpec
from gendsl.library.functions.special import SPECIAL
from gendsl.library.functions.vectors import REDUCTIONS, VECTOR_FUNCTIONS
from gendsl.library.registry import Registry

__all__ = [
    "CURVES",
    "ELEMENTARY",
    "FUNCTIONS",
    "KERNELS",
    "OPERATORS",
    "OPERATOR_FUNCTIONS",
    "REDUCTIONS",
    "SHAPED",
    "SPECIAL",
    "VECTOR_FUNCTIONS",
]

FUNCTIONS: Registry[FunctionSpec] = Registry(FunctionSpec, vars())

OPERATORS: Mapping[str, str] = {
    spec.operator: spec.name for spec in FUNCTIONS.values() if spec.operator is not None
}
"""The names of the functions that the operators' tokens stand for."""
