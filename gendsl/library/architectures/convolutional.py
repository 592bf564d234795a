"""Architectures of images."""

from __future__ import annotations

from gendsl.library.architectures import options
from gendsl.library.architectures.images import (
    Image,
    halvings,
    image_of,
    not_elementwise,
    same_size,
    stages,
)
from gendsl.library.architectures.spec import (
    ArchitectureOption,
    ArchitectureSpec,
    Design,
    OptionKind,
    subject,
)

__all__ = ["CONVOLUTIONAL", "IMAGE", "is_map", "levels_of"]

_MAX_SIDE = 8192
_MOST_LEVELS = 4
_SMALL = 8


def _side(name: str, meaning: str) -> ArchitectureOption:
    return ArchitectureOption(name, OptionKind.WHOLE, None, meaning, 1, _MAX_SIDE)


IMAGE = (
    _side("height", "rows of an image that is a vector; by default such images are square"),
    _side("channels", "of an image that is a vector; by default 1"),
    options.word(
        "layout",
        "channels_last",
        ("channels_last", "channels_first"),
        "the order of the axes of an image, and of the entries of one that is a vector",
    ),
)

_REST = (
    options.initialisation(),
    options.OUTPUT,
    options.POSITIVE,
    options.EMBEDDING,
)

_KERNEL = ArchitectureOption("kernel", OptionKind.WHOLE, 3, "the side of a filter, odd", 1, 63)

_CONTEXT = (
    "Further inputs with the axes of the first are further channels; the others are a context, "
    "from which a bias for every channel is computed"
)

_IMAGES = "an image is `real[H, W, C]`, `real[H, W]` of one channel, or `real[D]`, row by row"


def _even_kernel(design: Design) -> str | None:
    kernel = design.whole("kernel")
    return None if kernel % 2 else f"`kernel = {kernel}` has no middle: choose an odd number"


def _encoder_signature(design: Design) -> str | None:
    """The first input is an image; outputs are codes."""
    reason = _even_kernel(design)
    if reason is not None:
        return reason
    image = image_of(design.first, design)
    if not isinstance(image, Image):
        return image
    for name, port in design.outputs.items():
        if len(port.axes) >= 2 and port.tied:
            return f"{subject(name)} is `{port}`, whose support ties its entries together"
    count = stages(image, tuple(design.outputs.values()), design)
    return count if isinstance(count, str) else None


def _decoder_signature(design: Design) -> str | None:
    """The first input is a code; outputs are images of one size."""
    reason = _even_kernel(design) or not_elementwise(design.outputs)
    if reason is not None:
        return reason
    image = image_of(next(iter(design.outputs.values())), design)
    if not isinstance(image, Image):
        return image
    outputs = same_size(design, image)
    if not isinstance(outputs, dict):
        return outputs
    count = stages(image, design.inputs[:1], design)
    return count if isinstance(count, str) else None


def is_map(design: Design) -> bool | None:
    """Whether all outputs of a residual network are images; None if some are and some are not."""
    kinds = {
        port.axes == design.first.axes or len(port.axes) >= 2 for port in design.outputs.values()
    }
    return kinds.pop() if len(kinds) == 1 else None


def _resnet_signature(design: Design) -> str | None:
    """The first input is an image; outputs are all images of its size, or all vectors."""
    mapped = is_map(design)
    if mapped is None:
        return "some outputs are images and some are vectors"
    if mapped:
        return _same_size_signature(design)
    image = image_of(design.first, design)
    if not isinstance(image, Image):
        return image
    most = len(halvings(image))
    if len(design.wholes("hidden")) > most:
        return f"{image} pixels can be halved {most - 1} times: `hidden` lists at most {most}"
    return None


def _same_size_signature(design: Design) -> str | None:
    reason = not_elementwise(design.outputs)
    if reason is not None:
        return reason
    image = image_of(design.first, design)
    if not isinstance(image, Image):
        return image
    outputs = same_size(design, image)
    return outputs if isinstance(outputs, str) else None


def levels_of(design: Design, image: Image) -> tuple[int, ...]:
    """The widths of the levels of a U-Net, from the finest."""
    width = design.whole("width")
    if design.given("multipliers"):
        return tuple(width * m for m in design.wholes("multipliers"))
    small = next(n for n, size in enumerate(halvings(image)) if max(size) <= _SMALL)
    count = min(small + 1, _MOST_LEVELS)
    return (width, *(2 * width for _ in range(count - 1)))


def _unet_signature(design: Design) -> str | None:
    """The first input is an image; outputs are images of its size."""
    reason = _same_size_signature(design)
    if reason is not None:
        return reason
    image = image_of(design.first, design)
    if not isinstance(image, Image):
        return None
    levels, most = len(levels_of(design, image)), len(halvings(image))
    if levels > most:
        return f"{image} pixels can be halved {most - 1} times: at most {most} `multipliers`"
    return None


CONVOLUTIONAL = (
    ArchitectureSpec(
        name="conv_encoder",
        title="a convolutional encoder",
        summary=(
            "Convolutions of stride 2, each with a normalisation, an activation and dropout; then "
            "a linear map to codes that are vectors or numbers, and a 1 by 1 convolution to codes "
            "with positions."
        ),
        takes=(
            f"the first input is an image, and outputs are codes: {_IMAGES}; a code is `real[F]`, "
            f"`real[S, C]` of S positions, row by row, or `real[h, w, C]`. {_CONTEXT}"
        ),
        options=(
            options.widths(
                "hidden",
                None,
                "channels after each halving; by default 32, 64, 128 and so on up to 512, until "
                "the size is that of the code, or at most 4",
            ),
            _KERNEL,
            *IMAGE,
            options.activation("relu"),
            options.normalisation("none"),
            options.dropout(),
            *_REST,
            options.frequencies(0),
        ),
        rule=_encoder_signature,
        references=("LeCun, Bottou, Bengio and Haffner (1998), Proc. IEEE 86, 2278-2324",),
    ),
    ArchitectureSpec(
        name="conv_decoder",
        title="a convolutional decoder",
        summary=(
            "A linear map of codes that are vectors to the smallest size, or a 1 by 1 convolution "
            "of those with positions; then steps that double the size, each with a convolution, a "
            "normalisation, an activation and dropout; and a convolution to all outputs."
        ),
        takes=(
            "the mirror image of `conv_encoder`: the first input is a code, and outputs are "
            f"images of one size. {_CONTEXT}"
        ),
        options=(
            options.widths(
                "hidden",
                None,
                "channels before each doubling; by default those of `conv_encoder`, reversed",
            ),
            _KERNEL,
            options.word(
                "upsampling",
                "nearest",
                ("nearest", "transposed"),
                "repeat each pixel and convolve, or convolve transposed",
            ),
            *IMAGE,
            options.activation("relu"),
            options.normalisation("none"),
            options.dropout(),
            *_REST,
            options.frequencies(0),
        ),
        rule=_decoder_signature,
        references=("Odena, Dumoulin and Olah (2016), Deconvolution and checkerboard artifacts",),
    ),
    ArchitectureSpec(
        name="resnet",
        title="a residual network",
        summary=(
            "Blocks of two 3 by 3 convolutions, each after a normalisation and an activation, "
            "that add to what they read. To vectors, each further width halves the size and all "
            "pixels are averaged before a linear map; to images the size stays."
        ),
        takes=(
            f"the first input is an image: {_IMAGES}. Outputs with the axes of the first input, "
            "or with two or three axes, are images of its size; others are vectors or numbers. "
            f"{_CONTEXT}"
        ),
        options=(
            options.widths("hidden", (32, 64, 128), "channels of successive groups of blocks"),
            options.layers(2, "blocks of each width"),
            *IMAGE,
            options.activation("relu"),
            options.normalisation("group"),
            options.dropout(),
            *_REST,
            options.frequencies(32),
        ),
        rule=_resnet_signature,
        references=(
            "He, Zhang, Ren and Sun (2016), Identity mappings in deep residual networks, ECCV",
        ),
    ),
    ArchitectureSpec(
        name="unet",
        title="a U-Net",
        summary=(
            "Residual blocks at ever smaller sizes and back, in which each block on the way up "
            "also reads what one on the way down returned; attention between pixels at the "
            "smallest."
        ),
        takes=f"the first input and all outputs are images of one size: {_IMAGES}. {_CONTEXT}",
        options=(
            options.width("width", 64, "channels at the full size"),
            ArchitectureOption(
                "multipliers",
                OptionKind.WHOLES,
                None,
                "channels at each size, as multiples of `width`; by default 1, 2, 2 and so on, "
                "until the size is at most 8, and no more than four",
                1,
                64,
            ),
            options.layers(2, "residual blocks at each size on the way down"),
            options.word("attention", "middle", ("none", "middle"), "where pixels attend"),
            *IMAGE,
            options.activation("silu"),
            options.normalisation("group"),
            options.dropout(),
            *_REST,
            options.frequencies(32),
        ),
        rule=_unet_signature,
        references=(
            "Ronneberger, Fischer and Brox (2015), U-Net, MICCAI",
            "Ho, Jain and Abbeel (2020), Denoising diffusion probabilistic models, NeurIPS, "
            "appendix B",
        ),
    ),
)
