"""GD1xx to GD6xx and GD9xx: what the checker finds in a model."""

from __future__ import annotations

from gendsl.explanations.declarations import CODES as DECLARATIONS
from gendsl.explanations.flows import CODES as FLOWS
from gendsl.explanations.shapes import CODES as SHAPES
from gendsl.explanations.structure import CODES as STRUCTURE

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {**DECLARATIONS, **FLOWS, **SHAPES, **STRUCTURE}
