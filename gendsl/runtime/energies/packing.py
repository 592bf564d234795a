"""Values of several variables as vectors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from gendsl.runtime.energies.task import Task

__all__ = ["Packed"]


class Packed:
    """Values of several variables as one vector for each row, and back.

    Where there is no plate of rows, chains in front of all plates are rows.
    """

    def __init__(self, task: Task, parts: Mapping[str, Tensor]) -> None:
        """Note the shapes of `parts`."""
        self.task, self.shapes = task, {n: parts[n].shape for n in task.visible}

    def _leads(self, value: Tensor, name: str) -> bool:
        """Whether chains stand in front of all plates."""
        return value.ndim == self.task.weigher.layout.depth + 1 + self.task.event(name)

    def _moved(self, value: Tensor, name: str) -> Tensor:
        row = self.task.weigher.layout.row
        if row is None:
            return value if self._leads(value, name) else value[None]
        return value.movedim(row - self.task.event(name), 0)

    def pack(self, parts: Mapping[str, Tensor]) -> Tensor:
        """(rows, entries)."""
        moved = [self._moved(parts[n], n) for n in self.shapes]
        return torch.cat([m.reshape(m.shape[0], -1) for m in moved], 1)

    def unpack(self, x: Tensor) -> dict[str, Tensor]:
        """The variables, from (rows, entries)."""
        found, begin = {}, 0
        row = self.task.weigher.layout.row
        for name, shape in self.shapes.items():
            event = self.task.event(name)
            like = torch.empty(shape, device="meta")
            moved = self._moved(like, name)
            width = moved[0].numel()
            part = x[:, begin : begin + width].reshape(x.shape[0], *moved.shape[1:])
            begin += width
            if row is not None:
                found[name] = part.movedim(0, row - event)
            else:
                found[name] = part if self._leads(like, name) else part[0]
        return found
