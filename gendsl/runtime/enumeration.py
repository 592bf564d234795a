"""Exact inference where every unknown has finitely many values."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pyro.distributions import Categorical, TorchDistribution
from pyro.infer import TraceEnum_ELBO, config_enumerate
from pyro.poutine.messenger import Messenger
from torch import Tensor
from torch.types import _size

from gendsl.ir import nodes as ir
from gendsl.runtime.density import Density
from gendsl.runtime.draws import Batch, chunks
from gendsl.runtime.forward import every_path, marginals
from gendsl.runtime.plates import EmptyAside
from gendsl.runtime.posterior import merged, site_values
from gendsl.runtime.program import Executable

__all__ = ["ExactResult", "Listing", "enumerate_exactly"]

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class ExactResult:
    """The exact posterior.

    Attributes:
        log_evidence: log p(data), in nats; exact.
        probabilities: for each latent (*axes, value), the probability of each value.
        values: for each latent, its values.
        draws: independent joint draws of latents and lets, (draw, ...).
    """

    log_evidence: float
    probabilities: Arrays
    values: Arrays
    draws: Arrays


def enumerate_exactly(executable: Executable, draws: int, seed: int) -> ExactResult:
    """Sum over every joint configuration, by variable elimination."""
    model = executable.model
    with torch.no_grad():
        density = Density(executable)
        evidence = float(density.log_prob({}))
    torch.manual_seed(seed)
    probabilities, values = _marginals(executable, summed=density.sums)
    batch = Batch(executable)
    names = [v.name for v in model.of_role("latent", "let")]
    parts = []
    for piece in chunks(draws, 2 * batch.width()):
        count = piece.stop - piece.start
        parts.append(site_values(batch, batch.recover(count, {}, {}), names, count))
    return ExactResult(evidence, probabilities, values, merged(parts))


def _marginals(executable: Executable, *, summed: bool) -> tuple[Arrays, Arrays]:
    """Pyro's differentiation of log Z gives every marginal in one backward pass."""
    beside = 2 * len(executable.program.chains)  # dimensions of states, left of the plates
    elbo = TraceEnum_ELBO(max_plate_nesting=executable.nesting + beside)
    empty, listing = EmptyAside(), Listing()
    every = every_path(executable, frozenset(), contract=False)
    function = listing(empty(config_enumerate(every(executable.run))))
    tables: dict[str, Tensor] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if summed:
            found = elbo.compute_marginals(function, lambda: None)
            tables |= {name: law.base.probs for name, law in found.items()}
        else:
            function()
    for name, site in empty.seen.items():
        if not site["is_observed"]:
            listing.values[name] = _listed(site["fn"])
            tables[name] = torch.zeros((*site["fn"].batch_shape, len(listing.values[name])))
    batch = Batch(executable)
    probabilities: Arrays = {}
    values: Arrays = {}
    for name, table in tables.items():
        variable = next((v for v in executable.model.variables if v.name == name), None)
        if variable is None:
            continue
        probabilities[name] = _natural(batch, variable, table)
        values[name] = listing.values[name].long().cpu().numpy()
    for group in every.potentials():
        for place, table in zip(group.places, group.tables(marginals(group.table)), strict=True):
            name = place.chain.name
            aligned = torch.movedim(table, -2, table.dim() - 1 - place.depth)
            probabilities[name] = _natural(batch, executable.model.variable(name), aligned)
            values[name] = np.arange(place.states) + place.chain.lowest
    return probabilities, values


def _listed(law: TorchDistribution) -> Tensor:
    """All the values of a law, which are the same for the whole batch."""
    values: Tensor = law.enumerate_support(expand=False)
    return values.reshape(-1)


class _Listed(TorchDistribution):
    """A law on finitely many values; Pyro makes the marginal of each by its class and logits.

    Args:
        base: the law.
        logits: in place of it, those of the values in the order in which they are listed.
    """

    arg_constraints = {}
    has_enumerate_support = True

    def __init__(
        self, base: TorchDistribution | None = None, *, logits: Tensor | None = None
    ) -> None:
        """Either of the two."""
        self.base: Any = Categorical(logits=logits) if base is None else base
        super().__init__(self.base.batch_shape, validate_args=False)

    @property
    def support(self) -> Any:  # noqa: ANN401  as in torch
        """That of the law."""
        return self.base.support

    def expand(self, batch_shape: _size, _instance: object = None) -> _Listed:
        """The same for a larger batch."""
        return _Listed(self.base.expand(batch_shape))

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002  as in torch
        """The values."""
        values: Tensor = self.base.enumerate_support(expand=expand)
        return values

    def log_prob(self, value: Tensor) -> Tensor:
        """The log mass."""
        log: Tensor = self.base.log_prob(value)
        return log

    def sample(self, sample_shape: _size = torch.Size()) -> Tensor:  # noqa: B008  as in torch
        """Draws."""
        drawn: Tensor = self.base.sample(sample_shape)
        return drawn


class Listing(Messenger):
    """Puts `_Listed` around the laws that are summed out.

    Attributes:
        values: of each, by name.
    """

    def __init__(self) -> None:
        """Nothing has been seen yet."""
        super().__init__()
        self.values: dict[str, Tensor] = {}

    def _pyro_sample(self, msg: Any) -> None:  # noqa: ANN401  a message of Pyro's
        if not msg["is_observed"] and getattr(msg["fn"], "has_enumerate_support", False):
            self.values[msg["name"]] = _listed(msg["fn"])
            msg["fn"] = _Listed(msg["fn"])


def _natural(batch: Batch, variable: ir.Variable, table: torch.Tensor) -> np.ndarray:
    """(batch dimensions, value) to (*axes, value)."""
    columns = [
        batch.natural(variable, table[..., k].unsqueeze(0), 1)[0] for k in range(table.shape[-1])
    ]
    return np.asarray(torch.stack(columns, -1).detach().cpu().numpy())
