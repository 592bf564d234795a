"""Densities in which what can be integrated out is."""

from __future__ import annotations

import torch

import gendsl
from gendsl.graph.conjugacy import integrable
from gendsl.inference.plan import Marginal
from gendsl.runtime.density import Density
from gendsl.runtime.moving import FollowSupport
from gendsl.runtime.program import executable

__all__ = ["CPU", "FLOAT64", "density_of"]

FLOAT64, CPU = torch.float64, torch.device("cpu")


def density_of(text, data, marginals=None):
    model = gendsl.compile(f"model M\n{text}")
    ir = model.compiled.checked.ir
    found = integrable(ir) if marginals is None else marginals
    gone = {n for _, names in found for n in names}
    left = tuple(n for n in model.plan.noncentred if n not in gone)
    ready = executable(model.compiled.program, ir, model.bind(data), FLOAT64, CPU)
    return Density(ready, left, FollowSupport(), tuple(Marginal(f, n) for f, n in found))
