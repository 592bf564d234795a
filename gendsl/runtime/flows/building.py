"""Flows, from the names of their transforms and maps, their options and their types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gendsl.library.architectures import Port
from gendsl.library.transforms import (
    SCALAR_MAPS,
    TRANSFORMS,
    FlowDesign,
    flow_design,
)
from gendsl.runtime.flows.autoregressive import autoregressive
from gendsl.runtime.flows.bijection import Bijection, Turned
from gendsl.runtime.flows.continuous import continuous
from gendsl.runtime.flows.coupling import coupling, elementwise
from gendsl.runtime.flows.flow import Flow
from gendsl.runtime.flows.images import glow
from gendsl.runtime.flows.linear import (
    Actnorm,
    Channels,
    Diagonal,
    Standardise,
    Triangles,
    affine,
    linear,
    permute,
)
from gendsl.runtime.flows.residual import contractive, planar, radial
from gendsl.runtime.nets.arguments import NetError
from gendsl.types import Index

__all__ = ["FLOW_BUILDERS", "build_flow"]

Builder = Callable[[FlowDesign, int, int], list[Bijection]]


def _channels(design: FlowDesign, entries: int, width: int) -> list[Bijection]:
    channels = design.event.event[0] or 0
    mixing = Triangles(channels, 0, (), upper=True)
    return [Channels(channels, entries // channels, mixing)]


FLOW_BUILDERS: Mapping[str, Builder] = {
    "actnorm": lambda d, n, w: [Actnorm(n)],
    "affine": affine,
    "autoregressive": autoregressive,
    "continuous": continuous,
    "coupling": coupling,
    "elementwise": elementwise,
    "glow": glow,
    "invertible_conv1x1": _channels,
    "linear": linear,
    "permute": permute,
    "planar": planar,
    "radial": radial,
    "residual": contractive,
    "scale": lambda d, n, w: [Diagonal(n, w, d.wholes("hidden"), shift=False)],
    "standardise": lambda d, n, w: [Standardise(n)],
}
"""What builds the layers of each transform of the table."""


def build_flow(
    transform: str,
    options: Mapping[str, object],
    event: Port,
    contexts: Sequence[Port] = (),
    *,
    scalar: str = "",
    map_options: Mapping[str, object] | None = None,
    sampling: bool = False,
) -> Flow:
    """A flow with new weights, in the default dtype.

    Args:
        transform: its name in the table.
        options: those that are given; the others have their defaults.
        event: the type of its values, with all sizes.
        contexts: what it is conditional on.
        scalar: the scalar map, by default that of the transform.
        map_options: those of the map that are given.
        sampling: it is drawn from while it is learned, as in a guide, so that draws are to be
            the cheap direction; else densities of data are.

    Raises:
        NetError: an option is not legal, or the type is not.
    """
    for port in (event, *contexts):
        if None in port.event or (isinstance(port.support, Index) and port.categories is None):
            raise NetError(f"a size of `{port}` is not known")
    spec = TRANSFORMS[transform]
    try:
        design = flow_design(transform, options, scalar, map_options or {}, event, tuple(contexts))
    except ValueError as error:
        raise NetError(str(error)) from None
    reason = spec.objection(design)
    if reason is not None:
        raise NetError(f"{spec.title} cannot be built: {reason}")
    way, back = spec.ways(SCALAR_MAPS[design.map] if design.map else None)
    turned = sampling and back < way

    def make(entries: int, width: int) -> list[Bijection]:
        layers = FLOW_BUILDERS[transform](design, entries, width)
        if not turned:
            return layers
        return [Turned(layer) for layer in reversed(layers)]

    return Flow([n or 0 for n in event.event], contexts, make)
