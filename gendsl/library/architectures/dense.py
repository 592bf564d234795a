"""Architectures that take all inputs as one vector."""

from __future__ import annotations

from gendsl.library.architectures import options
from gendsl.library.architectures.spec import ArchitectureSpec, Design

__all__ = ["DENSE"]


def _any_signature(design: Design) -> str | None:
    """Any inputs and any outputs."""
    return None


_ANY = "any inputs to any outputs: the entries of all inputs are one vector"

_LINEAR = ArchitectureSpec(
    name="linear",
    title="a linear map",
    summary="A weight for each pair of an input and an output, and a bias for each output.",
    takes=_ANY,
    options=(
        options.OUTPUT,
        options.POSITIVE,
        options.initialisation(),
        options.EMBEDDING,
        options.frequencies(0),
    ),
    rule=_any_signature,
)


def _one_width_repeats(design: Design) -> str | None:
    """Any inputs and outputs; `layers` goes with a single width."""
    if design.given("layers") and design.given("hidden") and len(design.wholes("hidden")) > 1:
        return f"`layers = {design.whole('layers')}` repeats a single width, not a list"
    return None


_MLP = ArchitectureSpec(
    name="mlp",
    title="a multilayer perceptron",
    summary=(
        "Hidden layers, each a linear map, a normalisation, an activation and dropout, and a "
        "linear map to all outputs."
    ),
    takes=_ANY,
    options=(
        options.widths("hidden", None, "the width of each hidden layer; by default 128"),
        options.layers(
            None,
            "how many hidden layers of a single width; by default 2, or 1 where `hidden` is given",
        ),
        options.activation("relu"),
        options.normalisation("none"),
        options.dropout(),
        options.initialisation(),
        options.OUTPUT,
        options.POSITIVE,
        options.EMBEDDING,
        options.frequencies(0),
    ),
    rule=_one_width_repeats,
    references=("Rumelhart, Hinton and Williams (1986), Nature 323, 533-536",),
)

_RESIDUAL_MLP = ArchitectureSpec(
    name="residual_mlp",
    title="a residual multilayer perceptron",
    summary=(
        "A linear map to the width, blocks that each add to it (normalisation, activation, "
        "linear map, twice, with dropout before the last), normalisation, activation, and a "
        "linear map to all outputs."
    ),
    takes=_ANY,
    options=(
        options.width("hidden", 128, "the width that blocks read and add to"),
        options.layers(2, "how many blocks there are"),
        options.activation("relu"),
        options.normalisation("none"),
        options.dropout(),
        options.initialisation(),
        options.OUTPUT,
        options.POSITIVE,
        options.EMBEDDING,
        options.frequencies(0),
    ),
    rule=_any_signature,
    references=(
        "He, Zhang, Ren and Sun (2016), Identity mappings in deep residual networks, ECCV",
        "Gorishniy, Rubachev, Khrulkov and Babenko (2021), Revisiting deep learning models for "
        "tabular data, NeurIPS, section 3.2",
    ),
)

DENSE = (_LINEAR, _MLP, _RESIDUAL_MLP)
