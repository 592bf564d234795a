"""Flows of every transform and every scalar map, with weights that are far from the identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from gendsl.library.architectures import Port
from gendsl.runtime.flows import Flow, build_flow
from gendsl.types import REAL, Index, Size

__all__ = ["FLOW_CASES", "FlowCase", "shaken"]

SMALL = {"hidden": [8]}


def shaken(module: nn.Module, amount: float = 0.3, seed: int = 1) -> nn.Module:
    """The module with noise on all its weights."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight += amount * torch.randn(weight.shape, generator=generator)
    return module


@dataclass(frozen=True)
class FlowCase:
    """A flow that tests look at."""

    transform: str
    event: tuple[int, ...]
    options: Mapping[str, object] = field(default_factory=dict)
    map: str = ""
    map_options: Mapping[str, object] = field(default_factory=dict)
    context: bool = False

    def __str__(self) -> str:
        name = f"{self.transform}({self.map})" if self.map else self.transform
        extra = "-".join(str(v) for n, v in self.options.items() if n not in ("hidden", "layers"))
        size = "x".join(map(str, self.event))
        return f"{name}-{size}-{extra}" + ("-given" if self.context else "")

    def ports(self) -> tuple[Port, ...]:
        if not self.context:
            return ()
        return Port((2,), REAL), Port((), Index(Size.of(3)))

    def contexts(self, batch: tuple[int, ...], seed: int = 0) -> tuple[torch.Tensor, ...]:
        if not self.context:
            return ()
        generator = torch.Generator().manual_seed(seed)
        real = torch.randn((*batch, 2), generator=generator, dtype=torch.get_default_dtype())
        return real, torch.randint(0, 3, batch, generator=generator)

    def build(self, *, sampling: bool = False) -> Flow:
        torch.manual_seed(2)
        flow = build_flow(
            self.transform,
            self.options,
            Port(self.event, REAL),
            self.ports(),
            scalar=self.map,
            map_options=self.map_options,
            sampling=sampling,
        )
        shaken(flow, 0.1 if self.map == "sinh_arcsinh" else 0.3)  # its sinh grows fast
        return flow


def _both(*args: object, **keywords: object) -> list[FlowCase]:
    return [
        FlowCase(*args, **keywords),  # type: ignore[arg-type]
        FlowCase(*args, context=True, **keywords),  # type: ignore[arg-type]
    ]


MAPS = (
    ("additive", {}),
    ("affine", {}),
    ("spline", {"bins": 5, "bound": 2.0}),
    ("mixture_cdf", {"components": 3}),
    ("sinh_arcsinh", {}),
    ("nonlinear_squared", {}),
)

FLOW_CASES = [
    *_both("affine", (3,), SMALL),
    *_both("affine", (), SMALL),
    *_both("affine", (3,), {"scale": "diagonal", **SMALL}),
    *_both("scale", (2, 2), SMALL),
    FlowCase("permute", (4,)),
    FlowCase("permute", (4,), {"order": "random", "seed": 3}),
    *_both("linear", (3,), SMALL),
    *_both("linear", (4,), {"form": "householder", **SMALL}),
    FlowCase("actnorm", (3,)),
    FlowCase("standardise", (3,)),
    FlowCase("invertible_conv1x1", (3, 2, 2)),
    *[FlowCase("elementwise", (2,), SMALL, m, q) for m, q in MAPS],
    FlowCase("elementwise", (2,), SMALL, "spline", {}, context=True),
    *[FlowCase("coupling", (3,), {"layers": 2, **SMALL}, m, q) for m, q in MAPS],
    FlowCase("coupling", (3,), {"layers": 3, **SMALL}, "spline", {}, context=True),
    FlowCase("coupling", (2, 3), {"layers": 2, "mask": "checkerboard", **SMALL}),
    FlowCase("coupling", (2, 3), {"layers": 2, "mask": "channel", **SMALL}),
    FlowCase("coupling", (4,), {"layers": 2, "mask": "halves", "mix": "permute", **SMALL}),
    FlowCase("coupling", (4,), {"layers": 2, "mix": "linear", **SMALL}),
    *[FlowCase("autoregressive", (3,), {"layers": 2, **SMALL}, m, q) for m, q in MAPS],
    FlowCase("autoregressive", (3,), {"layers": 2, **SMALL}, "spline", {}, context=True),
    FlowCase("autoregressive", (4,), {"layers": 3, "order": "random", **SMALL}),
    FlowCase("autoregressive", (), {"layers": 1, **SMALL}, context=True),
    FlowCase("glow", (2, 2), {"levels": 1, "layers": 1, "width": 4}),
    FlowCase("glow", (1, 4, 4), {"levels": 2, "layers": 1, "width": 4}, context=True),
    *_both("planar", (3,), {"layers": 2, **SMALL}),
    *_both("radial", (3,), {"layers": 2, **SMALL}),
    *_both("residual", (3,), {"layers": 2, "hidden": [8, 8]}),
    *_both("continuous", (3,), {"steps": 10, "hidden": [8, 8]}),
]
