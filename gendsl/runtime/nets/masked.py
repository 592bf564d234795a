"""Networks whose connections are masked: each output sees earlier entries only.

References:
    Connectionist learning of belief networks (Neal, 1992), and Does the wake-sleep algorithm
    produce good density estimators? (Frey, Hinton, Dayan, 1996): fully visible belief networks.
    The neural autoregressive distribution estimator (Larochelle, Murray, AISTATS 2011).
    MADE: masked autoencoder for distribution estimation (Germain, Gregor, Murray, Larochelle, ICML
    2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gendsl.library.architectures import Design
from gendsl.runtime.nets.arguments import Given
from gendsl.runtime.nets.dense import read
from gendsl.runtime.nets.heads import Heads
from gendsl.runtime.nets.layers import Layers, initialise
from gendsl.runtime.nets.stepping import Causal

__all__ = ["Masked", "Nade", "fvsbn", "made", "nade", "ordering"]


def ordering(design: Design) -> Tensor | None:
    """The entries of the first input in the order that the options say; None for their own."""
    count = math.prod(n or 0 for n in design.first.event)
    match design.word("order"):
        case "reversed":
            return torch.arange(count - 1, -1, -1)
        case "random":
            return torch.randperm(count)
        case "given":
            return torch.tensor(design.wholes("given"))
    return None


class _Linear(nn.Module):
    """A linear map of which a mask, one of several, leaves some weights.

    Args:
        into: the degree of each input: (masks, inputs).
        out: the degree of each output: (masks, outputs).
        strict: whether an output sees smaller degrees only, not its own.
    """

    def __init__(
        self, into: Tensor, out: Tensor, layers: Layers, *, strict: bool, bias: bool = True
    ) -> None:
        super().__init__()
        made = nn.Linear(into.shape[1], out.shape[1], bias=bias)
        self.weight, self.bias = made.weight, made.bias
        before, after = into.unsqueeze(1), out.unsqueeze(2)
        self.masks: Tensor
        seen = after > before if strict else after >= before
        self.register_buffer("masks", seen.to(self.weight.dtype))  # to multiply costs least
        # Masked weights do nothing: the others make up for them in the scale that they begin at.
        share = self.masks[0].mean(1, keepdim=True).clamp_min(0.01)
        initialise(self.weight, self.bias, layers.initialisation)
        with torch.no_grad():
            self.weight.mul_(share.rsqrt().clamp_max(3.0))
            if strict and layers.initialisation == "zero_last":
                self.weight.zero_()
                if bias:
                    self.bias.zero_()

    def forward(self, x: Tensor, chosen: Tensor | None) -> Tensor:
        """The map, under the `chosen` mask where there are several."""
        mask = self.masks[0] if chosen is None else self.masks.index_select(0, chosen)[0]
        return functional.linear(x, self.weight * mask, self.bias)


class Masked(Causal):
    """A perceptron under masks, and masked connections from the entries to the outputs.

    Hidden units have degrees, the number of entries that they may see, evenly spread; with several
    masks degrees are random, each step of a training takes one of them, and outputs are averages
    over all of them otherwise.
    """

    def __init__(self, design: Design, hidden: Sequence[int]) -> None:
        order = ordering(design)
        super().__init__(order)
        self.arguments = read(design)
        count = math.prod(n or 0 for n in design.first.event)
        place = torch.arange(count) if order is None else order.argsort()
        entry, *contexts = self.arguments.widths
        sizes = [math.prod(n or 0 for n in p.event) for p in design.inputs[1:]]
        others = sum(n * w for n, w in zip(sizes, contexts, strict=True))
        into = torch.cat(((1 + place).repeat_interleave(entry), torch.zeros(others).long()))
        self.heads = Heads(1, design)
        out = 1 + torch.cat([place.repeat_interleave(size // count) for size in self.heads.sizes])
        self.count = design.whole("masks") if "masks" in design.options else 1
        layers = Layers.of(design.options)
        widths = [self._degrees(width, count) for width in hidden]
        degrees = [into.expand(self.count, -1), *widths]
        self.hidden = nn.ModuleList(
            _Linear(a, b, layers, strict=False)
            for a, b in zip(degrees[:-1], degrees[1:], strict=True)
        )
        self.act = layers.act()
        self.drop = nn.Dropout(layers.dropout)
        forget = float(design.options.get("input_dropout") or 0.0)  # type: ignore[arg-type]
        self.forget = nn.Dropout(forget)
        last = out.expand(self.count, -1)
        self.heads.last = _Linear(degrees[-1], last, layers, strict=True)
        self.direct: _Linear | None = None
        if hidden:
            self.direct = _Linear(into[None], out[None], layers, strict=True, bias=False)
            nn.init.zeros_(self.direct.weight)

    def _degrees(self, width: int, count: int) -> Tensor:
        """How many entries hidden units see, at most all but one: (masks, width)."""
        if self.count > 1:
            return torch.randint(0, count, (self.count, width))
        return (torch.arange(width) * count // width).expand(1, -1)

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of inputs of such shapes."""
        found, batch = self.arguments(inputs)
        first = self.forget(found[0].flatten(1))
        features = torch.cat((first, *(t.flatten(1) for t in found[1:])), -1)
        if self.count == 1:
            raw = self._raw(features, None)
        elif self.training:
            raw = self._raw(features, torch.randint(self.count, (1,), device=features.device))
        else:
            every = torch.arange(self.count, device=features.device).split(1)
            raw = torch.stack([self._raw(features, number) for number in every]).mean(0)
        return self.heads.linked(raw, batch)

    def _raw(self, features: Tensor, chosen: Tensor | None) -> Tensor:
        x = features
        for layer in self.hidden:
            x = self.drop(self.act(layer(x, chosen)))
        raw: Tensor = self.heads.last(x, chosen)
        return raw if self.direct is None else raw + self.direct(features, None)


class Nade(Causal):
    """A perceptron for each entry, whose first layers are sums over earlier entries."""

    def __init__(self, design: Design) -> None:
        super().__init__(ordering(design))
        self.arguments = read(design)
        layers = Layers.of(design.options)
        self.entries = math.prod(n or 0 for n in design.first.event)
        self.width = design.whole("hidden")
        entry, *contexts = self.arguments.widths
        made = nn.Linear(self.entries * entry, self.width)
        initialise(made.weight, made.bias, layers.initialisation)
        self.seen, self.bias = made.weight, made.bias
        sizes = [math.prod(n or 0 for n in p.event) for p in design.inputs[1:]]
        others = sum(n * w for n, w in zip(sizes, contexts, strict=True))
        self.context = layers.linear(others, self.width, bias=False) if others else None
        self.heads = Heads(1, design)
        self.heads.last = nn.Identity()
        each = [size // self.entries for size in self.heads.sizes]
        shape = self.entries, sum(each)
        self.each = each
        scale = 1 / math.sqrt(self.width)
        self.out = nn.Parameter(torch.empty(*shape, self.width).uniform_(-scale, scale))
        if layers.initialisation == "zero_last":
            nn.init.zeros_(self.out)
        self.shift = nn.Parameter(torch.zeros(shape))
        self.act, self.drop = layers.act(), nn.Dropout(layers.dropout)
        self.forget = nn.Dropout(float(design.options["input_dropout"]))  # type: ignore[arg-type]

    def forward(self, *inputs: Given) -> Tensor | dict[str, Tensor]:
        """The outputs, of shape `batch + event`, of inputs of such shapes."""
        found, batch = self.arguments(inputs)
        first = found[0].flatten(1, -2)  # (rows, entries, width)
        before = self._before(found)
        if self.steps is not None:
            raw = self._stepped(first, before)
        else:
            weight = self.seen.unflatten(1, (self.entries, -1))
            added = torch.einsum("riw,hiw->rih", self.forget(first), weight)
            if self.order is not None:
                added = added.index_select(1, self.order)
            sums = functional.pad(added.cumsum(1)[:, :-1], (0, 0, 1, 0))
            if self.order is not None:
                sums = sums.index_select(1, self.order.argsort())
            raw = self._outputs(before.unsqueeze(1) + sums, self.out, self.shift)
        parts = [p.flatten(1) for p in raw.split(self.each, -1)]
        return self.heads.linked(torch.cat(parts, -1), batch)

    def _before(self, found: list[Tensor]) -> Tensor:
        """What every entry sees: the bias, and contexts."""
        if self.context is None:
            return self.bias.expand(found[0].shape[0], -1)
        others = torch.cat([t.flatten(1) for t in found[1:]], -1)
        seen: Tensor = self.bias + self.context(others)
        return seen

    def _outputs(self, sums: Tensor, weight: Tensor, shift: Tensor) -> Tensor:
        hidden = self.drop(self.act(sums))
        return torch.einsum("rih,ioh->rio", hidden, weight) + shift

    def _stepped(self, first: Tensor, before: Tensor) -> Tensor:
        """The outputs so far, of which the last is new; those of later entries are zero."""
        assert self.steps is not None
        memory, number = self.steps.memory(self), self.steps.number
        places = range(self.entries) if self.order is None else self.order.tolist()
        if number == 0:
            memory["sums"] = before
            memory["raw"] = before.new_zeros(before.shape[0], *self.shift.shape)
        else:
            last = places[number - 1]
            weight = self.seen.unflatten(1, (self.entries, -1))[:, last]
            memory["sums"] = memory["sums"] + first[:, last] @ weight.T
        here = places[number]
        part = self._outputs(
            memory["sums"].unsqueeze(1), self.out[here : here + 1], self.shift[here]
        )
        memory["raw"][:, here] = part[:, 0]
        found: Tensor = memory["raw"]
        return found


def made(design: Design) -> nn.Module:
    """A masked autoencoder."""
    return Masked(design, design.wholes("hidden"))


def fvsbn(design: Design) -> nn.Module:
    """A linear map of earlier entries for each entry."""
    return Masked(design, ())


def nade(design: Design) -> nn.Module:
    """A neural autoregressive distribution estimator."""
    return Nade(design)
