"""Networks of every architecture, small ones, with inputs for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gendsl.library.architectures import Port
from gendsl.runtime.nets import build
from gendsl.types import BINARY, POSITIVE, REAL, UNIT, Index, Size, Structured, Support

__all__ = ["CASES", "NetCase", "as_dict", "category", "port"]

PROBABILITIES = Structured("simplex")


def port(*event: int, support: Support = REAL, optional: bool = False) -> Port:
    return Port(event, support, None, optional)


def category(count: int, *event: int, optional: bool = False) -> Port:
    return port(*event, support=Index(Size.of(count)), optional=optional)


def as_dict(found: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    return found if isinstance(found, dict) else {"": found}


@dataclass(frozen=True)
class NetCase:
    architecture: str
    inputs: tuple[Port, ...]
    outputs: Mapping[str, Port]
    options: Mapping[str, object] = field(default_factory=dict)
    causal: bool = False
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.architecture

    def build(self, seed: int = 0, **options: object) -> nn.Module:
        torch.manual_seed(seed)
        return build(
            self.architecture,
            {**self.options, **options},
            self.inputs,
            self.outputs,
            causal=self.causal,
        )

    def values(self, *batch: tuple[int, ...], seed: int = 1) -> list[Tensor | tuple]:
        """Inputs with these batch shapes; the last is that of all further inputs."""
        generator = torch.Generator().manual_seed(seed)
        shapes = [batch[min(n, len(batch) - 1)] for n in range(len(self.inputs))]
        return [_value(p, s, generator) for p, s in zip(self.inputs, shapes, strict=True)]


def _value(p: Port, batch: tuple[int, ...], generator: torch.Generator) -> Tensor | tuple:
    shape = (*batch, *p.event)
    if p.categories is not None:
        value = torch.randint(p.categories, shape, generator=generator)
    elif p.support == REAL:
        value = torch.randn(shape, generator=generator)
    elif p.support == BINARY:
        value = torch.randint(2, shape, generator=generator)
    else:
        value = torch.rand(shape, generator=generator)
    if not p.optional:
        return value
    return value, torch.rand(shape, generator=generator) < 0.5


ONE = {"": port(3)}
RECORD = {"loc": port(3), "scale": port(3, support=POSITIVE), "p": port(support=UNIT)}
STRUCTURED = {
    "weights": port(2, 4, support=PROBABILITIES),
    "cuts": port(3, support=Structured("ordered")),
    "cov": port(3, 3, support=Structured("covariance")),
}
MIXED = (port(4), category(5), port(support=UNIT), port(2, support=BINARY), port(2, optional=True))
TANH = {"activation": "tanh"}
GROUP = {"activation": "silu", "normalisation": "group"}
SMALL = {"width": 8, "heads": 2}

CASES = [
    NetCase("linear", (port(4),), ONE),
    NetCase("linear", MIXED, RECORD, {"frequencies": 3}, name="linear of all kinds"),
    NetCase("linear", (port(),), {"": port()}, name="linear of a number"),
    NetCase("mlp", (port(4),), ONE, {"hidden": [6], **TANH}),
    NetCase("mlp", MIXED, STRUCTURED, {"hidden": [8, 6], **GROUP}, name="mlp of all kinds"),
    NetCase("mlp", (port(4),), RECORD, {"normalisation": "weight"}, name="mlp weight"),
    NetCase("mlp", (category(90, 2),), ONE, {"hidden": 8, "layers": 2}, name="mlp embedded"),
    NetCase("mlp", (category(90, 3, optional=True),), ONE, TANH, name="mlp embedded, missing"),
    NetCase("residual_mlp", (port(4),), ONE, {"hidden": 6, "normalisation": "layer", **TANH}),
    NetCase("deep_set", (port(5, 2),), ONE, {"hidden": [8], "readout": [8], **TANH}),
    NetCase(
        "deep_set",
        (port(5), category(3, 5, optional=True), port(2)),
        RECORD,
        {"hidden": [8], "readout": [8], "pool": "max", "activation": "silu"},
        name="deep_set with context",
    ),
    NetCase("rnn", (port(5, 2),), {"": port(5, 3)}, {"hidden": 6}),
    NetCase(
        "rnn",
        (port(5, 2), category(4, 5), port(3)),
        {"a": port(5), "p": port(5, 4, support=PROBABILITIES)},
        {"hidden": 6, "direction": "both", "layers": 2},
        name="rnn with context",
    ),
    NetCase("rnn", (port(5, 2),), {"": port(5, 2, 3)}, {"hidden": 6}, True, "rnn causal"),
    NetCase("gru", (port(5),), ONE, {"hidden": 6, "pool": "last", "direction": "both"}),
    NetCase("gru", (category(4, 5),), {"": port(5, 4)}, {"hidden": 6}, True, "gru causal"),
    NetCase("lstm", (port(5, 2),), {"": port(5, 3)}, {"hidden": 6, "direction": "backward"}),
    NetCase("lstm", (port(5),), {"": port(5)}, {"hidden": 6}, True, "lstm causal"),
    NetCase("transformer", (port(5, 2), port(support=UNIT)), {"": port(5, 3)}, SMALL),
    NetCase(
        "transformer",
        (category(4, 5, optional=True), port(2)),
        {"": port(2)},
        {**SMALL, "pool": "mean", "positions": "learned", "frequencies": 0},
        name="transformer pooled",
    ),
    NetCase(
        "transformer",
        (category(4, 5), port(5, 2), port(3)),
        {"": port(5, 4)},
        SMALL,
        True,
        "transformer causal",
    ),
    NetCase("fvsbn", (port(5),), {"": port(5)}, {}, True),
    NetCase(
        "fvsbn",
        (category(3, 5), port(2)),
        {"": port(5, 3)},
        {"order": "reversed"},
        True,
        "fvsbn conditional",
    ),
    NetCase("nade", (port(5),), {"": port(5)}, {"hidden": 7, **TANH}, True),
    NetCase(
        "nade",
        (port(2, 3), category(4)),
        {"loc": port(2, 3), "scale": port(2, 3, 2, support=POSITIVE)},
        {"hidden": 7, "order": "given", "given": [5, 0, 3, 1, 4, 2], **TANH},
        True,
        "nade conditional",
    ),
    NetCase("made", (port(5),), {"": port(5)}, {"hidden": [12], **TANH}, True),
    NetCase(
        "made",
        (category(3, 2, 3), port(4)),
        {"p": port(2, 3, 4, support=PROBABILITIES), "loc": port(2, 3)},
        {"hidden": [20, 16], "order": "random", **TANH},
        True,
        "made conditional",
    ),
    NetCase("causal_conv", (port(5, 2),), {"": port(5, 2)}, {"width": 8, "layers": 3}, True),
    NetCase(
        "causal_conv",
        (category(4, 5), port(5, 2), port(3)),
        {"": port(5, 4)},
        {"width": 8, "layers": 2, "kernel": 3},
        True,
        "causal_conv conditional",
    ),
    NetCase("pixelcnn", (port(9),), {"": port(9)}, {"width": 8, "layers": 3, "kernel": 3}, True),
    NetCase(
        "pixelcnn",
        (category(3, 2, 3, 2), port(2, 3, 2), port(2)),
        {"": port(2, 3, 2, 3)},
        {"width": 8, "layers": 3, "kernel": 3},
        True,
        "pixelcnn of channels",
    ),
    NetCase(
        "pixelcnn",
        (port(2, 2, 3),),
        {"loc": port(2, 2, 3), "scale": port(2, 2, 3, support=POSITIVE)},
        {"width": 8, "layers": 3, "kernel": 3, "layout": "channels_first"},
        True,
        "pixelcnn channels first",
    ),
    NetCase(
        "conv_encoder",
        (port(49), port(2)),
        {"loc": port(3), "map": port(2, 2, 5), "scale": port(support=POSITIVE)},
        {"hidden": [4, 6], **GROUP},
    ),
    NetCase("conv_encoder", (port(6, 4, 2),), {"": port(6, 3)}, TANH, name="conv_encoder codes"),
    NetCase(
        "conv_decoder",
        (port(3), category(3)),
        {"loc": port(25), "scale": port(5, 5, support=POSITIVE)},
        {"hidden": [6, 4], **TANH},
    ),
    NetCase(
        "conv_decoder",
        (port(6, 2), port(6, 2), port(support=UNIT)),
        {"": port(5, 4, 2, support=UNIT)},
        {"upsampling": "transposed", "hidden": [4], "activation": "silu"},
        name="conv_decoder codes",
    ),
    NetCase("resnet", (port(4, 4), port(2)), RECORD, {"hidden": [8, 4], "layers": 1}),
    NetCase(
        "resnet",
        (port(16), category(3, 16), port(support=UNIT)),
        {"": port(16)},
        {"hidden": [4], "layers": 1, "frequencies": 2, "normalisation": "layer"},
        name="resnet map",
    ),
    NetCase(
        "unet",
        (port(25), port(support=UNIT), category(3, optional=True)),
        {"loc": port(25), "scale": port(5, 5, 2, support=POSITIVE)},
        {"width": 8, "multipliers": [1, 2], "layers": 1, "frequencies": 2},
    ),
]
