"""How networks return their outputs: a last layer for all of them, and a link for each."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Design
from gendsl.runtime.nets.layers import Layers
from gendsl.runtime.nets.links import Link

__all__ = ["Heads", "links"]


def links(design: Design) -> list[Link]:
    """The link of every output, in order."""
    output, positive = design.word("output"), design.word("positive")
    return [Link(port, output=output, positive=positive) for port in design.outputs.values()]


_REDUCED = (torch.bfloat16, torch.float16)


class Heads(nn.Module):
    """A linear map from features to the raw numbers of all outputs, and their links.

    Args:
        width: of the features, the last axis.
        design: of the network.
        per_step: features stand at each step of a sequence, the first event axis of outputs.
    """

    def __init__(self, width: int, design: Design, *, per_step: bool = False) -> None:
        super().__init__()
        self.names = tuple(design.outputs)
        self.links = nn.ModuleList(links(design))
        self.shapes = [tuple(link.raw)[per_step:] for link in self.links]  # type: ignore[arg-type]
        self.sizes = [math.prod(shape) for shape in self.shapes]
        self.last = Layers.of(design.options).last(width, sum(self.sizes))

    @property
    def dtype(self) -> torch.dtype:
        """That of the weights."""
        return next(self.last.parameters()).dtype

    def forward(self, features: Tensor, batch: torch.Size) -> Tensor | dict[str, Tensor]:
        """The outputs, each of shape `batch + event`.

        Args:
            features: `(rows, width)`, or `(rows, steps, width)`.
            batch: the batch shape, whose members are the rows.
        """
        return self.linked(self.last(features), batch)

    def linked(self, raw: Tensor, batch: torch.Size) -> Tensor | dict[str, Tensor]:
        """The outputs, of the raw numbers of all of them, `(rows, numbers)` or with steps.

        The numbers of the outputs follow one another, each row-major.
        """
        # Under autocast, links and densities are computed in the precision of the weights.
        if raw.dtype in _REDUCED:
            raw = raw.to(self.dtype)
        lead = (*batch, *raw.shape[1:-1])
        parts = (raw,) if len(self.sizes) == 1 else raw.split(self.sizes, -1)
        found = {
            name: link(part.reshape((*lead, *shape)))
            for name, link, part, shape in zip(
                self.names, self.links, parts, self.shapes, strict=True
            )
        }
        return found[""] if self.names == ("",) else found
