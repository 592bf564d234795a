"""Arithmetic of shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

__all__ = ["broadcast_shapes"]


def broadcast_shapes(*shapes: Sequence[int]) -> torch.Size:
    """The shape to which all of `shapes` are broadcast.

    As that of torch, whose first call imports a computer algebra system.

    Raises:
        RuntimeError: they do not fit.
    """
    try:
        return torch.Size(np.broadcast_shapes(*(tuple(s) for s in shapes)))
    except ValueError as error:
        raise RuntimeError(str(error)) from error
