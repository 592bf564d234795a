"""Plates that may be empty: Pyro refuses those of size 0."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pyro
import torch
from pyro.poutine.indep_messenger import CondIndepStackFrame, IndepMessenger

__all__ = ["DRAWS", "PRIMITIVES", "is_empty"]

DRAWS = "all draws"
"""The plate of the draws; no model can declare an axis of that name in Pyro's eyes twice."""


class _EmptyPlate(IndepMessenger):
    """A plate without members: what stands in it has no entries, and adds 0."""

    def __init__(self, name: str, dim: int) -> None:
        super().__init__(name, 1, dim)
        self.place, self.size = dim, 0
        self._indices = torch.arange(0)

    def _process_message(self, msg: Any) -> None:  # noqa: ANN401  Pyro's own type is wider
        frame = CondIndepStackFrame(
            name=self.name, dim=self.dim, size=0, counter=self.counter, full_size=0
        )
        msg["cond_indep_stack"] = (frame, *msg["cond_indep_stack"])
        fn = msg.get("fn")
        if msg["type"] == "sample" and hasattr(fn, "expand"):
            shape = [1] * (-self.place - len(fn.batch_shape)) + list(fn.batch_shape)
            shape[self.place] = 0
            msg["fn"] = fn.expand(shape)


def is_empty(msg: Any) -> bool:  # noqa: ANN401
    """Whether a site stands in an empty plate."""
    return msg["type"] == "sample" and any(f.size == 0 for f in msg["cond_indep_stack"])


def _plate(name: str, size: int, *, dim: int) -> Any:  # noqa: ANN401
    """``pyro.plate``; a sequence shorter than the lags has no step at which they exist."""
    return pyro.plate(name, size, dim=dim) if size > 0 else _EmptyPlate(name, dim)


def _module(name: str, module: torch.nn.Module) -> torch.nn.Module:
    """``pyro.module`` without the store: a fit owns its networks."""
    del name
    return module


PRIMITIVES = SimpleNamespace(
    deterministic=pyro.deterministic,
    factor=pyro.factor,
    module=_module,
    param=pyro.param,
    plate=_plate,
    sample=pyro.sample,
)
"""What emitted programs use of Pyro."""
