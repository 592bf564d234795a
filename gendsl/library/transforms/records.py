"""The transforms of the table."""

from __future__ import annotations

from gendsl.library.architectures import options
from gendsl.library.architectures.spec import ArchitectureOption, OptionKind
from gendsl.library.transforms.spec import FlowDesign, TransformSpec, Way

__all__ = ["TRANSFORMS_OF_TABLE"]


def _any_event(design: FlowDesign) -> str | None:
    """Any number of entries."""
    return None


def _several(design: FlowDesign) -> str | None:
    """Two entries at least."""
    if design.entries == 1:
        return f"it lets entries depend on others, and `{design.event}` has one"
    return None


def _coupled(design: FlowDesign) -> str | None:
    """Two entries at least, and axes for the mask."""
    rank, mask = len(design.event.event), design.word("mask")
    if mask == "checkerboard" and rank < 2:
        return f"a checkerboard has two axes, and `{design.event}` has {rank}"
    if mask == "channel" and design.event.event[:1] == (1,):
        return f"`{design.event}` has one channel, its first axis"
    return _several(design)


def _channels(design: FlowDesign) -> str | None:
    """A first axis of channels, and others."""
    if len(design.event.event) < 2:
        return f"the first axis is that of channels, and `{design.event}` has no other"
    return None


def _halved(design: FlowDesign) -> str | None:
    """Images whose sides can be halved so often."""
    event, levels = design.event.event, design.whole("levels")
    if len(event) not in (2, 3):
        return f"images have two or three axes, and `{design.event}` has {len(event)}"
    odd = [n for n in event[-2:] if n is not None and n % 2**levels]
    if odd:
        times = "once" if levels == 1 else f"{levels} times"
        return f"sides are halved {times}, and {odd[0]} cannot be"
    return None


def _seed() -> ArchitectureOption:
    return ArchitectureOption("seed", OptionKind.WHOLE, 0, "of the fixed order", 0, 2**31 - 1)


def _layers(default: int) -> ArchitectureOption:
    return options.layers(default, "how many are composed")


_HIDDEN = options.widths("hidden", (64, 64), "widths of the network that computes parameters")
_CONTEXT = options.widths("hidden", (64, 64), "widths of the network of the context, if any")
_ACTIVATION = options.activation("relu")
_ANY = "any type of real numbers"

_LINEAR = (
    TransformSpec(
        name="affine",
        title="an affine transform",
        summary="x = A u + b, with A a triangle or a diagonal whose diagonal is positive. It "
        "begins at the mean and the covariance of the data: behind a standard normal base that "
        "is the maximum of the likelihood.",
        takes=_ANY,
        options=(
            options.word("scale", "lower", ("lower", "diagonal"), "the form of A"),
            _CONTEXT,
        ),
        rule=_any_event,
        condition="the diagonal is the exponential of what is learned",
    ),
    TransformSpec(
        name="scale",
        title="a scale",
        summary="x = a u, entry by entry, with a positive.",
        takes=_ANY,
        options=(_CONTEXT,),
        rule=_any_event,
        condition="a is the exponential of what is learned",
    ),
    TransformSpec(
        name="permute",
        title="a permutation",
        summary="The entries in another order, which is fixed and saved with the fit.",
        takes=_ANY,
        options=(
            options.word("order", "reverse", ("reverse", "random"), "the order"),
            _seed(),
        ),
        rule=_several,
        conditional=False,
        condition="always invertible; its log-determinant is 0",
    ),
    TransformSpec(
        name="linear",
        title="a linear transform",
        summary="x = W u + b, with W = L U of positive determinant, or a product of reflections.",
        takes=_ANY,
        options=(
            options.word("form", "lu", ("lu", "householder"), "of W"),
            ArchitectureOption(
                "reflections",
                OptionKind.WHOLE,
                None,
                "how many, for `householder`; by default as many as entries, less 1 if odd",
                1,
                10_000,
            ),
            _CONTEXT,
        ),
        rule=_several,
        condition="L has a unit diagonal, that of U is an exponential; reflections are orthogonal",
        references=(
            "Kingma and Dhariwal (2018), Glow, NeurIPS, section 3.2",
            "Tomczak and Welling (2016), Improving variational auto-encoders using Householder "
            "flow",
        ),
    ),
    TransformSpec(
        name="actnorm",
        title="an activation normalisation",
        summary="A shift and a scale of each entry that begin such that the data, taken back "
        "through it, have mean 0 and standard deviation 1.",
        takes=_ANY,
        rule=_any_event,
        conditional=False,
        fitted=True,
        condition="the scale is the exponential of what is learned",
        references=("Kingma and Dhariwal (2018), Glow, NeurIPS, section 3.1",),
    ),
    TransformSpec(
        name="standardise",
        title="a standardisation",
        summary="The shift and the scale of each entry that take the data of the fit to mean 0 "
        "and standard deviation 1. They are computed once, and not learned.",
        takes=_ANY,
        rule=_any_event,
        conditional=False,
        fitted=True,
        condition="an entry that does not vary keeps the scale 1",
    ),
    TransformSpec(
        name="invertible_conv1x1",
        title="an invertible 1x1 convolution",
        summary="One linear map L U of the channels, the first axis, at every position.",
        takes="two axes or more, channels first: `real[C, H, W]`",
        rule=_channels,
        conditional=False,
        condition="as for `linear`",
        references=("Kingma and Dhariwal (2018), Glow, NeurIPS, section 3.2",),
    ),
)

_MAPPED = (
    TransformSpec(
        name="elementwise",
        title="an elementwise transform",
        summary="A scalar map of each entry by itself.",
        takes=_ANY,
        options=(_CONTEXT,),
        default_map="spline",
        rule=_any_event,
        condition="that of the map",
    ),
    TransformSpec(
        name="coupling",
        title="a coupling",
        summary="A scalar map of some entries, whose parameters a network computes from the "
        "others and the context; the two change places from layer to layer.",
        takes="two entries or more",
        options=(
            _layers(6),
            _HIDDEN,
            _ACTIVATION,
            options.word(
                "mask",
                "alternate",
                ("alternate", "halves", "checkerboard", "channel"),
                "which entries are transformed first: every other one, the second half, every "
                "other one in each direction of the last two axes, the second half of the first "
                "axis",
            ),
            options.word(
                "mix",
                "none",
                ("none", "permute", "linear"),
                "what stands after each layer: a fixed random permutation or a linear transform",
            ),
        ),
        default_map="affine",
        rule=_coupled,
        condition="that of the map; layers change all entries from the second one on",
        references=(
            "Dinh, Krueger and Bengio (2015), NICE, ICLR workshop",
            "Dinh, Sohl-Dickstein and Bengio (2017), Real NVP, ICLR",
        ),
    ),
    TransformSpec(
        name="autoregressive",
        title="an autoregressive transform",
        summary="A scalar map of each entry, whose parameters a masked network computes from the "
        "entries before it and the context.",
        takes=_ANY,
        options=(
            _layers(5),
            _HIDDEN,
            _ACTIVATION,
            options.word(
                "order",
                "reverse",
                ("same", "reverse", "random"),
                "of the entries: the same in all layers, reversed in every second one, or random "
                "after the first",
            ),
            _seed(),
        ),
        default_map="affine",
        rule=_any_event,
        forward=Way.SEQUENTIAL,
        condition="that of the map; the Jacobian is triangular",
        references=(
            "Papamakarios, Pavlakou and Murray (2017), Masked autoregressive flow, NeurIPS",
            "Kingma et al. (2016), Improved variational inference with inverse autoregressive "
            "flow, NeurIPS",
        ),
    ),
)

_RESIDUAL = (
    TransformSpec(
        name="planar",
        title="a planar transform",
        summary="u = x + v tanh(w . x + b): the data move along one direction.",
        takes=_ANY,
        options=(_layers(8), _CONTEXT),
        rule=_any_event,
        forward=Way.SOLVED,
        condition="w . v > -1, by a change of v along w",
        references=("Rezende and Mohamed (2015), Variational inference with flows, ICML, A.1",),
    ),
    TransformSpec(
        name="radial",
        title="a radial transform",
        summary="u = x + h (x - c) / (a + |x - c|): the data contract or expand around a point.",
        takes=_ANY,
        options=(_layers(8), _CONTEXT),
        rule=_any_event,
        condition="h > -a and a > 0; its inverse is the root of a quadratic",
        references=("Rezende and Mohamed (2015), Variational inference with flows, ICML, A.2",),
    ),
    TransformSpec(
        name="residual",
        title="a residual transform",
        summary="u = x + F(x), with F a network whose Lipschitz constant is below 1. The "
        "log-determinant is that of the whole Jacobian, so it is exact.",
        takes=_ANY,
        options=(
            _layers(6),
            _HIDDEN,
            ArchitectureOption(
                "lipschitz",
                OptionKind.REAL,
                0.9,
                "the greatest Lipschitz constant of F",
                0.01,
                0.99,
            ),
        ),
        rule=_any_event,
        forward=Way.ITERATED,
        condition="each weight is divided by its spectral norm where that is larger than its "
        "share; activations (tanh) have slopes of at most 1",
        references=(
            "Behrmann, Grathwohl, Chen, Duvenaud and Jacobsen (2019), Invertible residual "
            "networks, ICML",
        ),
    ),
    TransformSpec(
        name="continuous",
        title="a continuous transform",
        summary="The solution at time 1 of dx/dt = F(x, t), by the classical Runge-Kutta method "
        "with fixed steps. The divergence is the exact trace of the Jacobian of F.",
        takes=_ANY,
        options=(
            ArchitectureOption("steps", OptionKind.WHOLE, 12, "of the solver", 1, 10_000),
            _HIDDEN,
        ),
        rule=_any_event,
        condition="F is smooth (tanh), so that solutions do not meet; the reverse of a step is "
        "exact up to the error of the solver, which the check at a fit measures",
        references=(
            "Chen, Rubanova, Bettencourt and Duvenaud (2018), Neural ordinary differential "
            "equations, NeurIPS",
        ),
    ),
)

_IMAGES = (
    TransformSpec(
        name="glow",
        title="a flow of images in several scales",
        summary="In each scale squares of four pixels become four channels; steps of an "
        "activation normalisation, an invertible 1x1 convolution and an affine coupling of the "
        "channels follow; half of the channels is then factored out, scaled and shifted by what "
        "the other half says of it.",
        takes="images, `real[H, W]` or channels first, `real[C, H, W]`, whose sides can be halved "
        "in each scale",
        options=(
            ArchitectureOption("levels", OptionKind.WHOLE, 2, "how many scales", 1, 10),
            options.layers(4, "steps of each scale"),
            options.width("width", 32, "channels of the hidden layers of the couplings"),
        ),
        rule=_halved,
        condition="that of its layers; log scales of couplings are kept within 3 of 0",
        references=("Kingma and Dhariwal (2018), Glow, NeurIPS",),
    ),
)

TRANSFORMS_OF_TABLE = (*_LINEAR, *_MAPPED, *_RESIDUAL, *_IMAGES)
