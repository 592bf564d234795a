"""Architectures that are causal and nothing else: each output sees earlier entries only."""

from __future__ import annotations

import math

from gendsl.library.architectures import options
from gendsl.library.architectures.convolutional import IMAGE
from gendsl.library.architectures.images import Image, image_of
from gendsl.library.architectures.spec import (
    ArchitectureOption,
    ArchitectureSpec,
    Design,
    OptionKind,
    subject,
)

__all__ = ["CAUSAL"]

_ORDER = (
    options.word(
        "order",
        "natural",
        ("natural", "reversed", "random", "given"),
        "in which entries depend on one another: row-major, its reverse, drawn with the weights, "
        "or that of `given`",
    ),
    ArchitectureOption(
        "given",
        OptionKind.WHOLES,
        None,
        "the entries, counted from 0 in row-major order, first to last, for `order = given`",
        0,
        1_000_000,
    ),
)

_FORGET = ArchitectureOption(
    "input_dropout",
    OptionKind.REAL,
    0.0,
    "probability that an entry of the first input is left out while training",
    0.0,
    0.99,
)

_REST = (
    _FORGET,
    options.initialisation(),
    options.OUTPUT,
    options.POSITIVE,
    options.EMBEDDING,
    options.frequencies(0),
)

_TAKES = (
    "the first input is one value of any shape, and every output begins with its axes. Further "
    "inputs are a context, which all entries see. The signature is declared `-> causal`"
)


def _entrywise(design: Design) -> str | None:
    """Causal, and no output ties the entries of the first input together."""
    if not design.causal:
        return "it is causal: declare the signature `-> causal`"
    rank = len(design.first.axes)
    for name, port in design.outputs.items():
        if port.tied > len(port.axes) - rank:
            return f"{subject(name)} is `{port}`, whose support ties its entries together"
    if design.first.tied:
        return f"the entries of the first input, `{design.first}`, are tied together"
    if any(p.optional for p in design.inputs[:1]):
        return "entries of its first input cannot be missing"
    return None


def _ordered(design: Design) -> str | None:
    """The order is one of the entries of the first input."""
    reason = _entrywise(design)
    given = design.given("given")
    if reason is not None or (design.word("order") == "given") != given:
        return reason or "`order = given` and `given = [...]` go together"
    if not given or None in design.first.event:
        return None
    count = math.prod(n or 0 for n in design.first.event)
    if sorted(design.wholes("given")) != list(range(count)):
        return f"`given` lists each of the numbers 0 to {count - 1} once"
    return None


_FVSBN = ArchitectureSpec(
    name="fvsbn",
    title="a fully visible belief network",
    summary="Each output is a linear map of earlier entries: a regression for each entry.",
    takes=_TAKES,
    options=(*_ORDER, *_REST),
    rule=_ordered,
    causal=True,
    references=(
        "Neal (1992), Connectionist learning of belief networks, Artificial Intelligence 56",
        "Frey, Hinton and Dayan (1996), Does the wake-sleep algorithm produce good density "
        "estimators?, NeurIPS",
    ),
)

_NADE = ArchitectureSpec(
    name="nade",
    title="a neural autoregressive distribution estimator",
    summary=(
        "A perceptron for each entry, whose hidden units are functions of sums over earlier "
        "entries: the weights of an entry are the same for all that see it."
    ),
    takes=_TAKES,
    options=(
        options.width("hidden", 500, "of the hidden layer of each entry"),
        *_ORDER,
        options.activation("relu"),
        options.dropout(),
        *_REST,
    ),
    rule=_ordered,
    causal=True,
    references=(
        "Larochelle and Murray (2011), The neural autoregressive distribution estimator, AISTATS",
    ),
)

_MADE = ArchitectureSpec(
    name="made",
    title="a masked autoencoder",
    summary=(
        "One perceptron for all entries, with masks such that each output sees earlier entries "
        "alone, and masked connections from the entries to the outputs."
    ),
    takes=_TAKES,
    options=(
        options.widths("hidden", (500,), "the width of each hidden layer"),
        *_ORDER,
        ArchitectureOption(
            "masks",
            OptionKind.WHOLE,
            1,
            "how many sets of masks hidden layers have: each step of a training draws one, and "
            "outputs are averages over all of them afterwards",
            1,
            256,
        ),
        options.activation("relu"),
        options.dropout(),
        *_REST,
    ),
    rule=_ordered,
    causal=True,
    references=(
        "Germain, Gregor, Murray and Larochelle (2015), MADE: masked autoencoder for "
        "distribution estimation, ICML",
    ),
)


def _pixels(design: Design) -> str | None:
    """The first input is an image; each output has numbers for each of its entries."""
    reason = _entrywise(design)
    if reason is not None:
        return reason
    if design.whole("kernel") % 2 == 0 or design.whole("kernel") < 3:
        return f"`kernel = {design.whole('kernel')}` has no middle: choose an odd number from 3 on"
    image = image_of(design.first, design)
    if not isinstance(image, Image):
        return image
    if design.whole("width") < image.channels:
        return f"`width = {design.whole('width')}` is less than the {image.channels} channels"
    return None


_CAUSAL_CONV = ArchitectureSpec(
    name="causal_conv",
    title="a causal convolution",
    summary=(
        "Gated convolutions of earlier steps with dilations 1, 2, 4 and so on, each added to what "
        "it reads, and all to the outputs (WaveNet). Steps further back than "
        "1 + (kernel - 1) times the sum of the dilations are not seen."
    ),
    takes=(
        "the first event axis of the first input is time; outputs begin with the axes of that "
        "input. Further inputs that begin with the same axis are read step by step, the present "
        "one included; the others are a context, the same at every step. Other lengths than that "
        "of the model are fine. The signature is declared `-> causal`"
    ),
    options=(
        options.width("width", 64, "of the vector at each step"),
        options.layers(8, "convolutions"),
        options.width("kernel", 2, "how many steps a convolution joins", lower=2),
        options.width("cycle", 8, "after so many convolutions dilations begin at 1 again"),
        options.dropout(),
        options.initialisation(),
        options.OUTPUT,
        options.POSITIVE,
        options.EMBEDDING,
        options.frequencies(0),
    ),
    rule=_entrywise,
    causal=True,
    ragged=True,
    references=("van den Oord and others (2016), WaveNet: a generative model for raw audio",),
)

_PIXELCNN = ArchitectureSpec(
    name="pixelcnn",
    title="a gated PixelCNN",
    summary=(
        "Convolutions of the rows above a pixel and of its row up to it, in two stacks, so that "
        "there is no blind spot; within a pixel a channel sees those before it. Pixels further "
        "than about `layers` times half the kernel are not seen."
    ),
    takes=(
        "the first input is an image: `real[H, W, C]`, `real[H, W]` of one channel, or `real[D]`, "
        "row by row; outputs begin with its axes. Pixels are ordered row by row, with the "
        "channels of each together. Further inputs with the axes of the first are seen at each "
        "pixel; the others are the same at all of them. The signature is declared `-> causal`"
    ),
    options=(
        options.width("width", 64, "channels of the hidden layers"),
        options.layers(6, "gated layers"),
        options.width("kernel", 5, "the side of a filter, odd", lower=3),
        *IMAGE,
        options.dropout(),
        options.initialisation(),
        options.OUTPUT,
        options.POSITIVE,
        options.EMBEDDING,
        options.frequencies(0),
    ),
    rule=_pixels,
    causal=True,
    references=(
        "van den Oord, Kalchbrenner and Kavukcuoglu (2016), Pixel recurrent neural networks, ICML",
        "van den Oord and others (2016), Conditional image generation with PixelCNN decoders, "
        "NeurIPS",
    ),
)

CAUSAL = (_FVSBN, _NADE, _MADE, _CAUSAL_CONV, _PIXELCNN)
