"""Objectives of amortised inference: bounds, their gradients, and evaluation."""

from gendsl.runtime.objectives.aggregated import (
    MaximumMeanDiscrepancy,
    TotalCorrelation,
    beta_tc_vae,
)
from gendsl.runtime.objectives.elbo import Elbo, info_vae
from gendsl.runtime.objectives.evaluation import Draw, Estimate, Evaluation, evaluate
from gendsl.runtime.objectives.multisample import Iwae, Renyi
from gendsl.runtime.objectives.schedules import START, Clock, Constant, Cyclic, Ramp, Schedule
from gendsl.runtime.objectives.sites import Gate, Layout, ObjectiveError, Site, Sites
from gendsl.runtime.objectives.terms import (
    FreeBits,
    GuideLikelihood,
    Memory,
    Objective,
    Outcome,
    Penalty,
)

__all__ = [
    "START",
    "Clock",
    "Constant",
    "Cyclic",
    "Draw",
    "Elbo",
    "Estimate",
    "Evaluation",
    "FreeBits",
    "Gate",
    "GuideLikelihood",
    "Iwae",
    "Layout",
    "MaximumMeanDiscrepancy",
    "Memory",
    "Objective",
    "ObjectiveError",
    "Outcome",
    "Penalty",
    "Ramp",
    "Renyi",
    "Schedule",
    "Site",
    "Sites",
    "TotalCorrelation",
    "beta_tc_vae",
    "evaluate",
    "info_vae",
]
