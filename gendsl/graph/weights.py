"""The weights of networks that are latents."""

from __future__ import annotations

from math import prod

from gendsl.ir import nodes as ir
from gendsl.types import Size

__all__ = ["count_of", "is_weights", "weights_of"]


def is_weights(name: str) -> bool:
    """Whether a latent is weights of a network: ``f.layers.0.weight``; no other name has dots."""
    return "." in name


def weights_of(model: ir.Model) -> dict[str, tuple[str, ...]]:
    """The latents that the weights of each net with a prior are."""
    latents = [v.name for v in model.of_role("latent")]
    return {
        net.name: tuple(n for n in latents if n.startswith(f"{net.name}."))
        for net in model.weighted
    }


def count_of(model: ir.Model, names: tuple[str, ...]) -> int | None:
    """How many numbers some latents without plates are; None where data say how many."""
    total = 0
    for variable in map(model.variable, names):
        lengths = [_known(model, size) for size in variable.type.event]
        known = [n for n in lengths if n is not None]
        if len(known) < len(lengths):
            return None
        total += prod(known)
    return total


def _known(model: ir.Model, size: Size) -> int | None:
    sizes: dict[str, int] = {}
    for axis in model.axes:  # each after those that its size mentions, or found later
        if axis.size is not None and axis.size.names <= sizes.keys():
            sizes[axis.name] = axis.size.evaluate(sizes)
    return size.evaluate(sizes) if size.names <= sizes.keys() else None
