"""Many draws at once: the program run under one more plate, on the left of all others.

Values travel in two shapes. *Natural*: ``(draw, *axes, *event)`` in the order of the
declaration. *Batched*: ``(draw, one dimension for each depth of plates, *event)``, as the program
sees them; see `gendsl.emit.layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.runtime.density import WithParams
from gendsl.runtime.elimination import recovered_values
from gendsl.runtime.enumerated import EveryValue, every_value
from gendsl.runtime.moving import FollowSupport, following, free_site
from gendsl.runtime.noncentred import noncentred
from gendsl.runtime.plates import DRAWS
from gendsl.runtime.program import Executable

__all__ = ["Batch", "Renewing", "chunks", "event_rank"]

ELEMENTS = 4_000_000
"""At most this many numbers in one chunk of draws."""


def chunks(total: int, width: int) -> Iterator[slice]:
    """Slices of at most `ELEMENTS` numbers, for `total` draws of `width` numbers each."""
    step = max(1, min(total, ELEMENTS // max(1, width)))
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


def event_rank(model: ir.Model, site: str) -> int:
    """The event rank of a site: of its variable, or of one missing entry of it."""
    for variable in model.variables:
        own = (variable.name, f"{variable.name}_decentered", free_site(variable.name))
        if site in own:
            return len(variable.type.event)
        if site == f"{variable.name}_missing":
            return tied_axes(variable)
    return 0


class Renewing(Messenger):
    """Gives latents their posterior values, and new members of plates draws from the prior.

    The conditional prior of a new member is the law of its site at this very draw of the
    quantities above it.
    """

    def __init__(self, values: Mapping[str, Tensor], known: Mapping[str, Tensor]) -> None:
        """Take batched values, and masks of members that the fit knew (absent: all)."""
        super().__init__()
        self.values, self.known = values, known

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        name = msg["name"]
        if name not in self.values or msg["is_observed"]:
            return
        value = self.values[name]
        if name in self.known:
            fresh = msg["fn"]()
            known = self.known[name]
            known = known.reshape(known.shape + (1,) * msg["fn"].event_dim)
            value = torch.where(known, value, fresh)
        msg["value"] = value
        msg["done"] = True


@dataclass(frozen=True)
class Batch:
    """Runs one executable for many draws at once.

    Attributes:
        executable: the program and its data.
        noncentred: latents that are given as standard variables.
        moving: latents that are given as coordinates of their current support.
        centredness: of the standard variables that are centred in part.
    """

    executable: Executable
    noncentred: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()
    centredness: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def _model(self) -> ir.Model:
        return self.executable.model

    def _function(
        self, count: int, *, recovered: bool = False, every: EveryValue | None = None
    ) -> Callable[[], None]:
        """The program for `count` draws.

        Args:
            count: how many.
            recovered: whether latents that are summed out have their values.
            every: what gives these all of their values.
        """
        executable = self.executable.when_recovered() if recovered else self.executable

        def listing() -> None:
            with every or nullcontext():
                executable.run()

        function = following(listing, dict.fromkeys(self.moving, FollowSupport()))
        inner = noncentred(function, self.noncentred, self.centredness)

        def run() -> None:
            with pyro.plate(DRAWS, count, dim=-1 - self.executable.nesting):
                inner()

        return run

    def trace(
        self,
        count: int,
        values: Mapping[str, Tensor],
        params: Mapping[str, Tensor],
        known: Mapping[str, Tensor] | None = None,
    ) -> Trace:
        """One trace of `count` draws, with batched `values` of latent sites given."""
        with torch.no_grad(), WithParams(params), Renewing(values, known or {}):
            return poutine.trace(self._function(count, recovered=True)).get_trace()

    def recover(
        self, count: int, values: Mapping[str, Tensor], params: Mapping[str, Tensor]
    ) -> Trace:
        """A trace in which summed-out discrete latents are drawn from their exact posterior.

        They are drawn jointly, given the data and each draw of everything else.
        """
        every = every_value(self.executable, frozenset(values), draws=True)
        conditioned = poutine.condition(self._function(count, every=every), data=dict(values))
        with torch.no_grad(), WithParams(params):
            trace: Trace = poutine.trace(conditioned).get_trace()
            drawn = recovered_values(trace, every, count)
        return self.trace(count, {**values, **drawn}, params)

    def batched(self, variable: ir.Variable, natural: np.ndarray | Tensor) -> Tensor:
        """Natural to batched."""
        value = torch.as_tensor(natural)
        layout = self.executable.program.layout
        order = layout.ordered(variable.axes)
        event = len(variable.type.event)
        moved = [0, *(1 + variable.axes.index(p) for p in order)]
        moved += range(len(moved), len(moved) + event)
        value = value.permute(*moved)
        present = {layout.depths[p] for p in order}
        for position, depth in enumerate(range(self.executable.nesting, 0, -1)):
            if depth not in present:
                value = value.unsqueeze(1 + position)
        return value

    def padded(self, value: Tensor, event: int) -> Tensor:
        """A site's values from single runs, stacked: batch dimensions aligned on the right."""
        rank = value.dim() - 1 - event
        missing = self.executable.nesting - rank
        return value.reshape(value.shape[:1] + (1,) * missing + value.shape[1:])

    def natural(self, variable: ir.Variable, value: Tensor, count: int) -> Tensor:
        """Batched to natural, dimensions that the value does not vary along filled in."""
        layout, nesting = self.executable.program.layout, self.executable.nesting
        event = len(variable.type.event)
        rank = value.dim() - event
        value = value.reshape((1,) * max(0, nesting + 1 - rank) + value.shape)
        by_depth = {layout.depths[p]: p for p in variable.axes}
        sizes = [count]
        for position, depth in enumerate(range(nesting, 0, -1)):
            plate = by_depth.get(depth)
            own = value.shape[1 + position]
            sizes.append(max(own, self.executable.sizes[plate]) if plate and own <= 1 else own)
        value = value.expand(*sizes, *value.shape[nesting + 1 :])
        for depth in range(1, nesting + 1):
            if depth not in by_depth:
                value = value.squeeze(1 + nesting - depth)
        order = layout.ordered(variable.axes)
        back = [0, *(1 + order.index(p) for p in variable.axes)]
        back += range(len(back), len(back) + event)
        return value.permute(*back)

    def width(self) -> int:
        """About how many numbers one draw holds, over all variables."""
        total = 1
        for variable in self._model.variables:
            size = 1
            for plate in variable.axes:
                size *= self.executable.sizes[plate]
            for length in variable.type.event:
                size *= length.evaluate(self.executable.sizes)
            total += size
        return total
