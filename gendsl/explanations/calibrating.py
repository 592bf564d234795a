"""GD840 and GD841: calibrations of models and methods."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD840": (
        "the model or the method cannot be calibrated",
        "A calibration draws parameters from their priors, data from the model, and asks where "
        "the true parameters rank among the draws of a fit. So every unknown needs a proper prior "
        "(a `param` has none), something must be unknown, and the method must draw: a mode has no "
        "draws.",
    ),
    "GD841": (
        "the folder holds a calibration already",
        "Replications are never overwritten. `resume=True`, on the command line `--resume`, goes "
        "on with the calibration in the folder, if model, inputs, options, quantities and seed "
        "are the same; the number of replications may grow. For another one choose another "
        "folder.",
    ),
}
