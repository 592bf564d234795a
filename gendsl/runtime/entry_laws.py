"""The law of one entry among many, and draws from it that are sharpened.

References:
    The curious case of neural text degeneration (Holtzman, Buys, Du, Forbes, Choi, ICLR 2020):
    nucleus sampling. Temperature divides logits: dividing probabilities would do nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution
from torch.nn import functional

from gendsl.diagnostics import DataError, Diagnostic

__all__ = ["Sharpening", "draw", "entry_of", "sharpened"]


@dataclass(frozen=True)
class Sharpening:
    """How the probabilities of finitely many values are changed before one is drawn.

    Attributes:
        temperature: divides log probabilities; near 0 the most probable value is left.
        top_k: so many of the most probable values are left; None: all.
        nucleus: the most probable values are left whose probabilities first add up to this.
    """

    temperature: float = 1.0
    top_k: int | None = None
    nucleus: float = 1.0


def sharpened(logits: Tensor, how: Sharpening) -> Tensor:
    """Log probabilities, up to a constant, along the last axis; -inf for what is left out."""
    logits = torch.log_softmax(logits / how.temperature, -1)
    if how.top_k is not None and how.top_k < logits.shape[-1]:
        least = logits.topk(how.top_k, -1).values[..., -1:]
        logits = torch.where(logits < least, -math.inf, logits)
    if how.nucleus < 1:
        ranked, places = torch.softmax(logits, -1).sort(dim=-1, descending=True, stable=True)
        before = functional.pad(ranked.cumsum(-1)[..., :-1], (1, 0))
        outside = torch.zeros_like(logits, dtype=torch.bool)
        outside = outside.scatter(-1, places, before >= how.nucleus)
        logits = torch.where(outside, -math.inf, logits)
    return logits


def entry_of(law: Distribution, place: tuple[Any, ...], shape: torch.Size) -> Distribution:
    """The law of the entry at `place`, of a law whose batch is `shape` but for missing axes."""
    kind = type(law)
    names = [n for n in getattr(law, "arg_constraints", {}) if n in vars(law)]
    if not names or not isinstance(law, _SLICED):
        return _Entry(law, place, shape)
    rank = len(law.batch_shape)
    lead = shape[: len(shape) - rank] + law.batch_shape
    parts = {}
    for name in names:
        value, event = vars(law)[name], law.arg_constraints[name].event_dim
        inner = value.shape[value.dim() - event :]
        whole = value.expand(*torch.broadcast_shapes(lead, shape), *inner)
        parts[name] = whole[(*place, *[slice(None)] * event)]
    return kind(**parts, validate_args=False)


_SLICED = (Bernoulli, Categorical, torch.distributions.Normal)
"""Families that are cut to an entry; of others all entries are drawn, and one is kept."""


class _Entry(Distribution):
    """One entry of a law that cannot be cut."""

    arg_constraints = {}

    def __init__(self, law: Distribution, place: tuple[Any, ...], shape: torch.Size) -> None:
        self.law, self.place = law.expand(shape), place
        super().__init__(shape[: max(0, len(shape) - len(place) + 1)], validate_args=False)

    @property
    def has_enumerate_support(self) -> bool:  # type: ignore[override]
        """That of the law."""
        return bool(self.law.has_enumerate_support)

    def enumerate_support(self, expand: bool = True) -> Tensor:  # noqa: FBT001, FBT002  as in torch
        """All values, along a new first axis."""
        del expand
        values: Tensor = self.law.enumerate_support(expand=False).reshape(-1)
        return values.reshape(-1, *[1] * len(self.law.batch_shape))

    def sample(self, sample_shape: torch.Size = torch.Size()) -> Tensor:  # type: ignore[override]  # noqa: B008
        """Draw all entries and keep one."""
        found: Tensor = self.law.sample(sample_shape)[self.place]
        return found

    def log_prob(self, value: Tensor) -> Tensor:
        """Of a value for all entries, at the one."""
        found: Tensor = self.law.log_prob(value)[(slice(None), *self.place)]
        return found


def draw(law: Distribution, how: Sharpening | None) -> Tensor:
    """A draw of an entry.

    Raises:
        DataError: GD892, the values are not finitely many and are to be sharpened.
    """
    if how is None:
        found: Tensor = law.sample()
        return found
    if not law.has_enumerate_support:
        message = "`temperature`, `top_k` and `nucleus` are about finitely many values, but this "
        message += "variable has others"
        remedy = "leave them out"
        raise DataError([Diagnostic("GD892", message, help=remedy)])
    if isinstance(law, Categorical):
        logits, values = law.logits, None
    else:
        values = law.enumerate_support()
        logits = law.log_prob(values).movedim(0, -1)
    chosen = Categorical(logits=sharpened(logits, how), validate_args=False).sample()
    return chosen if values is None else values.reshape(-1)[chosen]
