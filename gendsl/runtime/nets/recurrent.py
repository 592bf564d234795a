"""Networks that read a sequence step by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Design
from gendsl.runtime.nets.arguments import Given
from gendsl.runtime.nets.dense import read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.layers import Layers, initialise
from gendsl.runtime.nets.stepping import Stepwise

__all__ = ["Recurrent", "delayed", "recurrent"]

_CELLS: Mapping[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def delayed(steps: Tensor, first: Tensor | None = None) -> Tensor:
    """Each step where the one after it was: `(rows, steps, width)`, the first zero or `first`."""
    start = torch.zeros_like(steps[:, :1]) if first is None else first.expand_as(steps[:, :1])
    return torch.cat((start, steps[:, :-1]), 1)


class Recurrent(Stepwise):
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

    def forward(self, *inputs: Given, lengths: Tensor | None = None) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of sequences `batch + (steps, ...)`.

        With `lengths`, of shape `batch`, each sequence is read up to its own end; what is given
        for later steps means nothing. Then `direction` is not both.
        """
        if self.steps is not None:
            return self.next_outputs(inputs)
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
        ends = None if lengths is None else lengths.expand(batch).reshape(-1, 1).long()
        if backward:
            read_in_order = _reversed(read_in_order, ends)
        # Steps first: with rows first, torch transposes in place, which cannot be recorded.
        states = self.drop(self.cell(read_in_order.transpose(0, 1))[0].transpose(0, 1))
        if self.pool != "none":
            states = self._pooled(states, ends)
        elif backward:
            states = _reversed(states, ends)
        outputs: Tensor | dict[str, Tensor] = self.heads(states, batch)
        return outputs

    def next_features(
        self, found: list[Tensor], step: int, length: int, memory: dict[str, Any]
    ) -> Tensor:
        """The state after one more step."""
        del length
        steps = [
            numbers.flatten(2) if along else numbers.flatten(1).unsqueeze(1)
            for numbers, along in zip(found, self.stepwise, strict=True)
        ]
        if step == 0:
            steps[0] = torch.zeros_like(steps[0])
        x = torch.cat(steps, -1).transpose(0, 1)
        state, memory["state"] = self.cell(x, memory.get("state"))
        features: Tensor = state.transpose(0, 1)
        return features

    def _pooled(self, states: Tensor, ends: Tensor | None) -> Tensor:
        if ends is not None:
            return self._pooled_up_to(states, ends)
        if self.pool == "mean":
            return states.mean(1)
        if self.direction != "both":
            return states[:, -1]
        half = states.shape[-1] // 2
        return torch.cat((states[:, -1, :half], states[:, 0, half:]), -1)

    def _pooled_up_to(self, states: Tensor, ends: Tensor) -> Tensor:
        if self.pool == "mean":
            there = torch.arange(states.shape[1], device=states.device) < ends
            return torch.where(there.unsqueeze(-1), states, 0.0).sum(1) / ends.clamp(min=1)
        last = (ends - 1).clamp(min=0).unsqueeze(-1).expand(-1, 1, states.shape[-1])
        return states.gather(1, last).squeeze(1)


def _reversed(steps: Tensor, ends: Tensor | None) -> Tensor:
    """`(rows, steps, width)` from the last step to the first, each row from its own end."""
    if ends is None:
        return steps.flip(1)
    numbers = torch.arange(steps.shape[1], device=steps.device)
    order = torch.where(numbers < ends, ends - 1 - numbers, numbers)
    return steps.gather(1, order.unsqueeze(-1).expand_as(steps))


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
