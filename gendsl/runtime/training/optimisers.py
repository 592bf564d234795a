"""Optimisers by name: records over `torch.optim`, fused where torch has that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gendsl.library.registry import Registry
from gendsl.runtime.training.choices import Choice, fill, refuse_option, unknown
from gendsl.runtime.training.lion import Lion

__all__ = ["OPTIMISERS", "OptimiserSpec", "build_optimiser"]

Builder = Callable[..., Optimizer]


@dataclass(frozen=True, slots=True)
class OptimiserSpec:
    """A rule that moves parameters against their gradients.

    Attributes:
        name: what users write.
        title: what it is called in prose.
        choices: its options; `learning_rate` is one of them.
        build: makes it from a list of parameters and the options.
        fused: torch has it as one operation over all parameters.
        references: where it was published.
    """

    name: str
    title: str
    choices: tuple[Choice, ...]
    build: Builder
    references: str
    fused: bool = False


def _rate(default: float) -> Choice:
    return Choice("learning_rate", "positive", default, "the length of a step")


_MOMENTS = (
    Choice("beta1", "share", 0.9, "decay of the mean of gradients"),
    Choice("beta2", "share", 0.999, "decay of the mean of squared gradients"),
    Choice("eps", "positive", 1e-8, "added to the denominator"),
)
_MOMENTUM = Choice("momentum", "share", 0.0, "decay of the velocity; 0 for none")


def _decay(default: float, meaning: str) -> Choice:
    return Choice("weight_decay", "nonnegative", default, meaning)


def _flag(name: str, meaning: str) -> Choice:
    return Choice(name, "flag", default=False, meaning=meaning)


_L2 = _decay(0.0, "times half the squared parameters, added to the loss")
_DECOUPLED = _decay(0.01, "shrinks parameters by this times the learning rate, each step")


def _moments(kind: Callable[..., Optimizer]) -> Builder:
    def build(
        parameters: list[Tensor],
        *,
        learning_rate: float,
        beta1: float,
        beta2: float,
        **rest: object,
    ) -> Optimizer:
        return kind(parameters, lr=learning_rate, betas=(beta1, beta2), **rest)

    return build


def _sgd(
    parameters: list[Tensor],
    *,
    learning_rate: float,
    momentum: float,
    nesterov: bool,
    **rest: object,
) -> Optimizer:
    if nesterov and not momentum:
        raise refuse_option("`nesterov` of sgd needs `momentum`", "set it to 0.9, for one")
    options: dict[str, Any] = {"momentum": momentum, "nesterov": nesterov, **rest}
    return torch.optim.SGD(parameters, lr=learning_rate, **options)


def _direct(kind: Callable[..., Optimizer]) -> Builder:
    def build(parameters: list[Tensor], *, learning_rate: float, **rest: object) -> Optimizer:
        return kind(parameters, lr=learning_rate, **rest)

    return build


ADAM = OptimiserSpec(
    "adam",
    "Adam",
    (_rate(1e-3), *_MOMENTS, _L2, _flag("amsgrad", "never let a denominator shrink")),
    _moments(torch.optim.Adam),
    "Kingma and Ba 2015; amsgrad: Reddi, Kale and Kumar 2018",
    fused=True,
)
ADAMW = OptimiserSpec(
    "adamw",
    "Adam with decoupled weight decay",
    (_rate(1e-3), *_MOMENTS, _DECOUPLED),
    _moments(torch.optim.AdamW),
    "Loshchilov and Hutter 2019",
    fused=True,
)
ADAMAX = OptimiserSpec(
    "adamax",
    "Adamax",
    (_rate(2e-3), *_MOMENTS, _L2),
    _moments(torch.optim.Adamax),
    "Kingma and Ba 2015, section 7.1",
)
SGD = OptimiserSpec(
    "sgd",
    "stochastic gradient descent",
    (
        _rate(1e-2),
        _MOMENTUM,
        _flag("nesterov", "take the gradient one step ahead; needs momentum"),
        _L2,
    ),
    _sgd,
    "Robbins and Monro 1951; momentum: Sutskever et al. 2013",
    fused=True,
)
RMSPROP = OptimiserSpec(
    "rmsprop",
    "RMSprop",
    (
        _rate(1e-3),
        Choice("alpha", "share", 0.99, "decay of the mean of squared gradients"),
        Choice("eps", "positive", 1e-8, "added to the denominator"),
        _flag("centered", "divide by the standard deviation of gradients"),
        _MOMENTUM,
        _L2,
    ),
    _direct(torch.optim.RMSprop),
    "Tieleman and Hinton 2012, lecture 6.5; centered: Graves 2013",
)
LION = OptimiserSpec(
    "lion",
    "Lion",
    (
        _rate(1e-4),
        Choice("beta1", "share", 0.9, "decay within the direction of a step"),
        Choice("beta2", "share", 0.99, "decay of the mean of gradients"),
        _decay(0.0, _DECOUPLED.meaning),
    ),
    _moments(Lion),
    "Chen et al. 2023, algorithm 2",
)

OPTIMISERS = Registry(OptimiserSpec, vars())


def build_optimiser(
    name: str, options: Mapping[str, object], parameters: Iterable[Tensor]
) -> Optimizer:
    """The optimiser called `name` for `parameters`, in their order.

    Raises:
        DataError: GD851, an unknown optimiser or option, or a value it cannot have.
    """
    if name not in OPTIMISERS:
        raise unknown("optimiser", name, OPTIMISERS)
    spec = OPTIMISERS[name]
    chosen: dict[str, Any] = fill(name, spec.choices, options)
    leaves = list(parameters)
    if spec.fused and all(p.device.type in ("cpu", "cuda") for p in leaves):
        chosen["fused"] = True
    return spec.build(leaves, **chosen)
