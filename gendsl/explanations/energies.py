"""GD886 and GD887: energies, whose constants somebody must account for."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD886": (
        "what takes log Z, or samples, of an energy cannot be had",
        "The density of an energy is known up to its constant Z. `log_z('exact')` needs a normal "
        "law, or binary variables of which few states can be summed over; `log_z('learned')` a "
        "fit by `noise_contrastive`; `log_z('annealed')` is always an estimate. Rows that have "
        "inputs of their own have constants of their own. `log_weight` needs none of it: "
        "differences of log weights are those of log densities.",
    ),
    "GD887": (
        "an energy without a finite constant",
        "A normal law written as an energy has the matrix of second derivatives of the energy as "
        "its precision. Where that is not positive definite, the integral of exp(-energy) is "
        "infinite and there is no density: a sign may be wrong, or what is subtracted outweighs "
        "the rest. A matrix that is declared as `covariance[D]`, or a number as `positive`, is "
        "positive definite whatever is learned.",
    ),
}
