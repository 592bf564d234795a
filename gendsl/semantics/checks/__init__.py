"""Checks of a whole typed model, one rule a file."""

from gendsl.semantics.checks import (
    causality,
    energies,
    gaps,
    latents,
    moving,
    narrowings,
    ragged,
    structure,
)

__all__ = ["CHECKS"]

CHECKS = (
    structure.check,
    causality.check,
    narrowings.check,
    latents.check,
    moving.check,
    energies.check,
    gaps.check,
    ragged.check,
)
"""Every check, in the order in which they run; each reports on its own."""
