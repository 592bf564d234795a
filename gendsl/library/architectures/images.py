"""How architectures of images read events: height, width, channels, and halvings of the size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.spec import Design, subject
from gendsl.library.architectures.supports import elementwise

__all__ = [
    "Image",
    "code_of",
    "conditioning",
    "halvings",
    "image_of",
    "not_elementwise",
    "same_size",
    "stages",
    "widths_of",
]

_SMALLEST = 4
_WIDTH = 32
_WIDEST = 512


@dataclass(frozen=True, slots=True)
class Image:
    """How the entries of an event are the pixels of an image.

    Attributes:
        height: rows of pixels.
        width: pixels of a row.
        channels: numbers at each pixel.
        first: the channels are the first axis, not the last.
    """

    height: int
    width: int
    channels: int
    first: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def __str__(self) -> str:
        """For messages: ``28 by 28``."""
        return f"{self.height} by {self.width}"


def image_of(port: Port, design: Design, like: Image | None = None) -> Image | str | None:
    """The image that an event is; why it is none; or None if a size is not known.

    Args:
        port: `real[D]`, `real[H, W]` of one channel, or `real[H, W, C]`.
        design: its options `height` and `channels` tell how a vector is an image,
            `layout` where the channels are.
        like: another image of the same size, where there is one. The options are about that.
    """
    rank = len(port.axes)
    if not 1 <= rank <= 3:
        return f"`{port}` is no image: `real[D]`, `real[H, W]` or `real[H, W, C]`"
    event = [n for n in port.event if n is not None]
    if len(event) < rank:
        return None
    first = design.word("layout") == "channels_first"
    if rank == 1:
        return _of_vector(event[0], port, design, like, first=first)
    if rank == 2:
        return Image(event[0], event[1], 1, first)
    if first:
        return Image(event[1], event[2], event[0], first)
    return Image(event[0], event[1], event[2], first)


def _of_vector(
    entries: int, port: Port, design: Design, like: Image | None, *, first: bool
) -> Image | str:
    if like is not None:
        channels, rest = divmod(entries, like.height * like.width)
        if rest or not channels:
            return f"`{port}` has {entries} entries, which are no image of {like} pixels"
        return Image(like.height, like.width, channels, first)
    channels = design.whole("channels") if design.given("channels") else 1
    pixels, rest = divmod(entries, channels)
    height = design.whole("height") if design.given("height") else math.isqrt(pixels)
    width = pixels // height if height else 0
    oblong = width != height and not design.given("height")
    if rest or height * width != pixels or not pixels or oblong:
        shape = f"image of {height} rows" if design.given("height") else "square image"
        shape += f" and {channels} channels" if channels > 1 else ""
        return f"`{port}` has {entries} entries, which are no {shape}: say `height` and `channels`"
    return Image(height, width, channels, first)


def halvings(image: Image) -> list[tuple[int, int]]:
    """The sizes that an image has when it is halved, rounded up: itself first, 1 by 1 last."""
    sizes = [image.size]
    while sizes[-1] != (1, 1):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes


def code_of(port: Port, image: Image, design: Design) -> tuple[int, Image] | str | None:
    """After how many halvings of `image` a code has its size, and what it is as an image.

    Args:
        port: `real[S, C]` of S positions, row by row, or `real[h, w, C]`.
        image: what it is the code of.
        design: its option `layout` tells where the channels of `real[h, w, C]` are.
    """
    event = [n for n in port.event if n is not None]
    if len(event) < len(port.axes):
        return None
    sizes = halvings(image)
    shown = ", ".join(f"{h} by {w}" for h, w in sizes[1:])
    if len(event) == 2:
        wanted = [(n, s) for n, s in enumerate(sizes) if n and s[0] * s[1] == event[0]]
        if not wanted:
            return (
                f"`{port}` has {event[0]} positions, but an image of {image} pixels is halved to "
                f"{shown}"
            )
        count, (height, width) = wanted[0]
        return count, Image(height, width, event[1])
    first = design.word("layout") == "channels_first"
    height, width, channels = (*event[1:], event[0]) if first else event
    if (height, width) not in sizes[1:]:
        return (
            f"`{port}` is {height} by {width}, but an image of {image} pixels is halved to {shown}"
        )
    return sizes.index((height, width)), Image(height, width, channels, first)


def stages(image: Image, codes: Sequence[Port], design: Design) -> int | str | None:
    """How often an image is halved on the way to its codes; why that cannot be; or None.

    Codes with two or three axes fix it, else the number of widths in `hidden`, else the image is
    halved until neither side is longer than 4.
    """
    widths = len(design.wholes("hidden")) if design.given("hidden") else 0
    found = {}
    for port in codes:
        if len(port.axes) > 3:
            return f"`{port}` is no code: `real[F]`, `real[S, C]` or `real[h, w, C]`"
        if len(port.axes) >= 2:
            code = code_of(port, image, design)
            if not isinstance(code, tuple):
                return code
            found[code[0]] = port
    if len(found) > 1:
        return f"the codes {', '.join(f'`{p}`' for p in found.values())} differ in size"
    for count, port in found.items():
        if widths and widths != count:
            return (
                f"`{port}` is reached by halving {image} pixels {count} times, but `hidden` lists "
                f"{widths}"
            )
        return count
    sizes = halvings(image)
    if widths >= len(sizes):
        return f"{image} pixels can be halved {len(sizes) - 1} times, not {widths} as in `hidden`"
    return widths or max(1, next(n for n, s in enumerate(sizes) if max(s) <= _SMALLEST))


def widths_of(design: Design, count: int) -> tuple[int, ...]:
    """Channels after each halving."""
    if design.given("hidden"):
        return design.wholes("hidden")
    return tuple(min(_WIDTH * 2**n, _WIDEST) for n in range(count))


def conditioning(design: Design) -> tuple[list[int], list[int]]:
    """Which inputs are images like the first one, further channels of it, and which a context."""
    alike = [n for n, port in enumerate(design.inputs) if port.axes == design.first.axes]
    return alike, [n for n in range(len(design.inputs)) if n not in alike]


def not_elementwise(outputs: Mapping[str, Port]) -> str | None:
    """Why outputs cannot be images: a support that ties pixels together."""
    for name, port in outputs.items():
        if not elementwise(port):
            return f"{subject(name)} is `{port}`, whose support ties pixels together"
    return None


def same_size(design: Design, image: Image) -> dict[str, Image] | str | None:
    """Every output as an image of the size of `image`; why that cannot be; or None."""
    found = {}
    for name, port in design.outputs.items():
        made = image_of(port, design, image)
        if not isinstance(made, Image):
            return made if made is None else f"{subject(name)}: {made}"
        if made.size != image.size:
            return f"{subject(name)} is {made} pixels, but the image is {image}"
        found[name] = made
    return found
