"""Networks, from the name of their architecture, its options and their signature."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

from gendsl.library.architectures import ARCHITECTURES, Design, Port
from gendsl.runtime.nets.arguments import NetError
from gendsl.runtime.nets.attention import transformer
from gendsl.runtime.nets.causal_convolutional import causal_conv, pixelcnn
from gendsl.runtime.nets.convolutional import conv_decoder, conv_encoder
from gendsl.runtime.nets.dense import linear, mlp, residual_mlp
from gendsl.runtime.nets.masked import fvsbn, made, nade
from gendsl.runtime.nets.recurrent import recurrent
from gendsl.runtime.nets.residual import resnet, unet
from gendsl.runtime.nets.sets import deep_set
from gendsl.types import Index

__all__ = ["BUILDERS", "build"]

Builder = Callable[[Design], nn.Module]

BUILDERS: Mapping[str, Builder] = {
    "causal_conv": causal_conv,
    "conv_decoder": conv_decoder,
    "conv_encoder": conv_encoder,
    "deep_set": deep_set,
    "fvsbn": fvsbn,
    "gru": recurrent("gru"),
    "linear": linear,
    "lstm": recurrent("lstm"),
    "made": made,
    "mlp": mlp,
    "nade": nade,
    "pixelcnn": pixelcnn,
    "residual_mlp": residual_mlp,
    "resnet": resnet,
    "rnn": recurrent("rnn"),
    "transformer": transformer,
    "unet": unet,
}
"""What builds each architecture of the table."""


def build(
    architecture: str,
    options: Mapping[str, object],
    inputs: Sequence[Port],
    outputs: Mapping[str, Port],
    *,
    causal: bool = False,
) -> nn.Module:
    """A network with new weights, in the default dtype.

    The module is called with a tensor for each input, of shape `batch + event`, or a pair of such
    tensors, values and which are known, for an optional one. The batch shapes of the inputs
    broadcast against each other. It returns a tensor of shape `batch + event` where the only
    output is called "", else a dict of tensors by name. Members of a batch do not depend on each
    other, except under batch normalisation in training mode.

    Args:
        architecture: its name in the table.
        options: those that are given; the others have their defaults.
        inputs: the inputs in order, with all their sizes.
        outputs: the outputs by name.
        causal: entry i of the outputs depends on entries of the first input before i only, in
            row-major order of that input's event shape.

    Raises:
        NetError: there is no such architecture, an option is not legal, or the signature is not.
    """
    spec = ARCHITECTURES.get(architecture)
    if spec is None:
        raise NetError(f"there is no architecture `{architecture}`")
    for port in (*inputs, *outputs.values()):
        if None in port.event or (isinstance(port.support, Index) and port.categories is None):
            raise NetError(f"a size of `{port}` is not known")
    try:
        design = spec.design(inputs, outputs, options, causal=causal)
    except ValueError as error:
        raise NetError(str(error)) from None
    reason = spec.objection(design)
    if reason is not None:
        raise NetError(f"{spec.title} cannot be built: {reason}")
    return BUILDERS[architecture](design)
