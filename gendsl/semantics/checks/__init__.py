"""Checks of a whole typed model, one rule a file."""

from gendsl.semantics.checks import energies, latents, moving, narrowings, structure

__all__ = ["CHECKS"]

CHECKS = (
    structure.check,
    narrowings.check,
    latents.check,
    moving.check,
    energies.check,
)
"""Every check, in the order in which they run; each reports on its own."""
