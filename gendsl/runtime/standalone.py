"""Discrete latents summed out of a program that runs by itself, under a handler of Pyro's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyro
import torch
from torch import Tensor

from gendsl.emit.chains import Chain
from gendsl.runtime.elimination import log_sum_of, marginals_from
from gendsl.runtime.enumerated import EveryValue, Place
from gendsl.runtime.factors import table_of
from gendsl.runtime.plates import is_empty
from gendsl.runtime.tables import Table
from gendsl.types import Size

__all__ = ["SummedOut", "summing_out"]


class SummedOut(EveryValue):
    """Sums discrete latents out of a program: what is left adds one factor."""

    def __enter__(self) -> SummedOut:
        self._tables: list[Table] = []
        self._sizes = dict(self.lengths)
        super().__enter__()
        return self

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        super()._pyro_sample(msg)
        if msg["stop"] or is_empty(msg) or msg["infer"].get("_deterministic"):
            return
        if not msg["is_observed"] and msg["name"] not in self.listed:
            if len(getattr(msg["fn"], "batch_shape", ())) > self.batch:
                raise NotImplementedError(f"{msg['name']} depends on what is summed out")
            return
        table = table_of(msg["name"], msg, self)
        if table is None:
            return
        self._sizes |= {f.name: f.size for f in msg["cond_indep_stack"] if f.vectorized}
        if table.value.numel():
            self._tables.append(table)
        msg["stop"] = True

    def __exit__(self, *exception: Any) -> None:  # noqa: ANN401
        super().__exit__(*exception)
        if exception[0] is None:
            total = log_sum_of(self.listed, self._sizes, self._tables)
            pyro.factor("summed out", total)

    def marginals(self) -> dict[str, tuple[Tensor, Tensor]]:
        """For each latent of the last run its values, and their probabilities (..., value)."""
        found = marginals_from(self.listed, self._sizes, self._tables)
        return {name: (own.values, table) for name, (own, table) in found.items()}


def summing_out(
    nesting: int,
    steps: Mapping[str, tuple[int, str]],
    lengths: Mapping[str, int],
    chains: Sequence[tuple[str, str | None, int, int, str, int, bool]],
) -> SummedOut:
    """A handler that sums discrete latents out.

    Args:
        nesting: how many batch dimensions there are.
        steps: for each site of a literal step, the step and its sequence.
        lengths: of sequences.
        chains: for each hidden Markov chain its name, the name of its states one step earlier,
            how many states it has, the least of them, its sequence and the depth of that, and
            whether its values are whole numbers of a category.
    """
    places = []
    for name, before, states, lowest, sequence, depth, whole in chains:
        chain = Chain(name, before, sequence, Size.of(states), lowest)
        places.append(Place(chain, states, int(torch.as_tensor(lengths[sequence])), depth, whole))
    return SummedOut(tuple(places), nesting, steps, lengths)
