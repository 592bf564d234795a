"""The non-centred form of latents: a standard variable in the place of each, moved and scaled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.infer.reparam import LocScaleReparam
from pyro.infer.reparam.reparam import Reparam
from torch import Tensor

__all__ = ["NonCentred", "noncentred"]


class NonCentred(LocScaleReparam):
    """``loc + scale * z``; for a multivariate normal law ``loc + scale_tril @ z``.

    z is the site ``<name>_decentered``; the latent is computed from it. Only for latents, whose
    values are not given (Papaspiliopoulos, Roberts and Sköld, A general framework for the
    parametrization of hierarchical models, 2007). With a centredness c from 0 to 1 for each entry,
    z has location ``c * loc`` and scale ``scale ** c``, and the latent is
    ``loc + scale ** (1 - c) * (z - c * loc)`` (the same, section 4; Gorinova, Moore and Hoffman,
    Automatic reparameterisation of probabilistic programs, 2020).
    """

    def __init__(self, centredness: float | Tensor = 0.0) -> None:
        """Take the centredness, of the shape of the site; 0, wholly non-centred, by default."""
        super().__init__(centered=centredness)  # type: ignore[no-untyped-call]

    def apply(self, msg: Any) -> Any:  # noqa: ANN401  a message of Pyro's
        """The law that takes the place of the site's."""
        law, event_dim = self._unwrap(msg["fn"])  # type: ignore[no-untyped-call]
        if not isinstance(law, torch.distributions.MultivariateNormal):
            return super().apply(msg)  # type: ignore[no-untyped-call]
        factor: Tensor = law._unbroadcasted_scale_tril
        standard = dist.Normal(torch.zeros_like(law.loc), 1.0).to_event(event_dim)
        given = None
        if msg["value"] is not None:
            apart = (msg["value"] - law.loc).unsqueeze(-1)
            given = torch.linalg.solve_triangular(factor, apart, upper=False).squeeze(-1)
        z = pyro.sample(
            f"{msg['name']}_decentered",
            standard,
            obs=given,
            infer={"is_observed": msg["is_observed"]},
        )
        value = msg["value"]
        if value is None:
            value = law.loc + (factor @ z.unsqueeze(-1)).squeeze(-1)
        fixed = dist.Delta(value, event_dim=event_dim).mask(mask=False)
        return {"fn": fixed, "value": value, "is_observed": True}


def noncentred(
    function: Callable[[], None],
    names: Iterable[str],
    centredness: Mapping[str, Tensor] | None = None,
) -> Callable[[], None]:
    """The program `function` with the latents `names` in the non-centred form."""
    degrees = centredness or {}
    config: dict[str, Reparam] = {n: NonCentred(degrees.get(n, 0.0)) for n in names}
    if not config:
        return function
    wrapped: Callable[[], None] = poutine.reparam(function, config=config)
    return wrapped
