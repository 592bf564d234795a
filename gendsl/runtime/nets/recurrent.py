"""Networks that read a sequence step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Design
from gendsl.runtime.nets.arguments import Given
from gendsl.runtime.nets.dense import read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.layers import Layers, initialise

__all__ = ["Recurrent", "delayed", "recurrent"]

_CELLS: Mapping[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def delayed(steps: Tensor, first: Tensor | None = None) -> Tensor:
    """Each step where the one after it was: `(rows, steps, width)`, the first zero or `first`."""
    start = torch.zeros_like(steps[:, :1]) if first is None else first.expand_as(steps[:, :1])
    return torch.cat((start, steps[:, :-1]), 1)


class Recurrent(nn.Module):
    """A recurrent network; the states at every step, or a pool of them, give the outputs.

    The first state is zero. A causal one reads the first input one step late.
    """

    def __init__(self, cell: str, design: Design) -> None:
        super().__init__()
        self.arguments = read(design, ragged=True)
        self.stepwise = self.arguments.free
        self.causal = design.causal
        self.pool = design.word("pool")
        self.direction = design.word("direction")
        width = sum(
            math.prod(n or 0 for n in port.event[along:]) * w
            for port, w, along in zip(
                design.inputs, self.arguments.widths, self.stepwise, strict=True
            )
        )
        layers, hidden = design.whole("layers"), design.whole("hidden")
        dropout = Layers.of(design.options).dropout
        options = {"nonlinearity": design.word("activation")} if cell == "rnn" else {}
        self.cell = _CELLS[cell](
            width,
            hidden,
            num_layers=layers,
            dropout=dropout if layers > 1 else 0.0,
            bidirectional=self.direction == "both",
            **options,
        )
        _initialise(self.cell, design.word("initialisation"))
        self.drop = nn.Dropout(dropout)
        states = hidden * (2 if self.direction == "both" else 1)
        self.heads = Heads(states, design, per_step=self.pool == "none")

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of sequences `batch + (steps, ...)`."""
        found, batch = self.arguments(inputs)
        length = found[0].shape[1]
        steps = [
            numbers.flatten(2) if along else numbers.flatten(1).unsqueeze(1).expand(-1, length, -1)
            for numbers, along in zip(found, self.stepwise, strict=True)
        ]
        if self.causal:
            steps[0] = delayed(steps[0])
        read_in_order = torch.cat(steps, -1)
        backward = self.direction == "backward"
        if backward:
            read_in_order = read_in_order.flip(1)
        # Steps first: with rows first, torch transposes in place, which cannot be recorded.
        states = self.drop(self.cell(read_in_order.transpose(0, 1))[0].transpose(0, 1))
        if self.pool != "none":
            states = self._pooled(states)
        elif backward:
            states = states.flip(1)
        outputs: Tensor | dict[str, Tensor] = self.heads(states, batch)
        return outputs

    def _pooled(self, states: Tensor) -> Tensor:
        if self.pool == "mean":
            return states.mean(1)
        if self.direction != "both":
            return states[:, -1]
        half = states.shape[-1] // 2
        return torch.cat((states[:, -1, :half], states[:, 0, half:]), -1)


def _initialise(cell: nn.RNNBase, word: str) -> None:
    """Each gate's weights by themselves: they are stacked in one matrix."""
    for name, parameter in cell.named_parameters():
        if name.startswith("weight"):
            for gate in parameter.detach().split(cell.hidden_size):
                initialise(gate, None, word)
        elif word not in ("default", "zero_last"):
            nn.init.zeros_(parameter)


def recurrent(cell: str) -> Callable[[Design], nn.Module]:
    """What builds networks of one kind of cell."""
    return partial(Recurrent, cell)
