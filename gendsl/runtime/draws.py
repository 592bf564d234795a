"""Many draws at once: the program run under one more plate, on the left of all others.

Values travel in two shapes. *Natural*: ``(draw, *axes, *event)`` in the order of the
declaration. *Batched*: ``(draw, one dimension for each depth of plates, *event)``, as the program
sees them; see `gendsl.emit.layout`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import torch
from pyro import poutine
from pyro.infer import infer_discrete
from pyro.poutine.messenger import Messenger
from pyro.poutine.trace_struct import Trace
from torch import Tensor

from gendsl.ir import nodes as ir
from gendsl.runtime.density import WithParams, is_latent
from gendsl.runtime.forward import every_path, sampled_path
from gendsl.runtime.moving import FollowSupport, following
from gendsl.runtime.noncentred import noncentred
from gendsl.runtime.plates import EmptyAside
from gendsl.runtime.program import Executable

__all__ = ["Batch", "Renewing", "chunks"]

DRAWS = "all draws"
"""The plate of the draws; no model can declare an axis of that name in Pyro's eyes twice."""

ELEMENTS = 4_000_000
"""At most this many numbers in one chunk of draws."""


def chunks(total: int, width: int) -> Iterator[slice]:
    """Slices of at most `ELEMENTS` numbers, for `total` draws of `width` numbers each."""
    step = max(1, min(total, ELEMENTS // max(1, width)))
    for start in range(0, total, step):
        yield slice(start, min(start + step, total))


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
    """

    executable: Executable
    noncentred: tuple[str, ...] = ()
    moving: tuple[str, ...] = ()

    @property
    def _model(self) -> ir.Model:
        return self.executable.model

    def _function(self, count: int, *, recovered: bool = False) -> Callable[[], None]:
        """The program for `count` draws; where latents are `recovered`, all that it computes."""
        executable = self.executable.when_recovered() if recovered else self.executable
        inner = noncentred(
            following(executable.run, dict.fromkeys(self.moving, FollowSupport())),
            self.noncentred,
        )

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
        values = {**values, **self._paths(count, values, params)}
        conditioned = poutine.condition(self._function(count), data=values)
        first = -2 - self.executable.nesting
        empty = EmptyAside()
        sampled = infer_discrete(
            empty(conditioned),
            first_available_dim=first,
            temperature=1,
            strict_enumeration_warning=False,
        )
        with torch.no_grad(), WithParams(params):
            trace: Trace = poutine.trace(sampled).get_trace()
        for name, site in empty.seen.items():
            trace.add_node(name, **site)
        if self.executable.program.recovered is None:
            return trace
        sites: dict[str, Any] = dict(trace.nodes.items())
        drawn: dict[str, Tensor] = {n: s["value"] for n, s in sites.items() if is_latent(s)}
        return self.trace(count, {**values, **drawn}, params)

    def _paths(
        self, count: int, values: Mapping[str, Tensor], params: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """States of the hidden Markov chains, batched."""
        every = every_path(self.executable, frozenset(values), draws=True, contract=False)
        if not every.places:
            return {}
        conditioned = poutine.condition(every(self._function(count)), data=dict(values))
        with torch.no_grad(), WithParams(params):
            conditioned()
            found: dict[str, Tensor] = {}
            for group in every.potentials():
                table = group.table
                table = table.expand(count, *table.shape[1:])
                place = group.places[0]
                for name, path in group.separated(sampled_path(table)).items():
                    found[name] = torch.movedim(path, -1, path.dim() - place.depth)
        return found

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
