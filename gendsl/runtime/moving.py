"""Unknowns whose support moves with other unknowns, on the scale of its current bijection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pyro
import pyro.distributions as dist
from pyro import poutine
from pyro.distributions.transforms import biject_to
from pyro.infer.reparam.reparam import Reparam

if TYPE_CHECKING:
    from pyro.infer.reparam.reparam import ReparamMessage, ReparamResult

__all__ = ["FollowSupport", "following", "free_site"]


def free_site(name: str) -> str:
    """The site of the coordinates of an unknown; no variable can be called so."""
    return f"{name} free"


class FollowSupport(Reparam):
    """Replaces a latent by unconstrained coordinates, which its current support maps to values.

    Pyro takes the bijection of a site from its first run, so it cannot know that the bounds
    depend on other unknowns. Here the site ``<name> free`` is real and has density 1, and the
    value is the image of it under the bijection of the support of this very run.

    Args:
        jacobian: whether the log determinant of the bijection is added to the density, as
            sampling needs it. Without it the maximum is the mode on the constrained scale.
    """

    def __init__(self, *, jacobian: bool = True) -> None:
        """Say what the coordinates are for."""
        self.jacobian = jacobian

    def apply(self, msg: ReparamMessage) -> ReparamResult:
        """Draw coordinates; the site keeps its density at their image."""
        name: str = msg["name"]
        fn: Any = msg["fn"]
        transform = biject_to(fn.support)
        start = None if msg["value"] is None else transform.inv(msg["value"])
        noise = dist.Normal(0.0, 1.0).expand(transform.inverse_shape(fn.shape()))
        flat = noise.to_event(fn.event_dim).mask(mask=False)
        given: Any = {"is_observed": msg["is_observed"]}  # else `start` is where to begin
        free = pyro.sample(free_site(name), flat, obs=start, infer=given)
        value = transform(free)
        if self.jacobian:
            pyro.factor(f"{name} jacobian", transform.log_abs_det_jacobian(free, value))
        return {"fn": fn, "value": value, "is_observed": True}


def following(
    function: Callable[[], None], names: Mapping[str, FollowSupport]
) -> Callable[[], None]:
    """The program `function` with coordinates in the place of the latents `names`."""
    if not names:
        return function
    wrapped: Callable[[], None] = poutine.reparam(function, config=dict(names))
    return wrapped
