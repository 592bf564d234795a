"""Options that several architectures have."""

from __future__ import annotations

from gendsl.library.architectures.spec import ArchitectureOption, OptionKind, OptionValue

__all__ = [
    "EMBEDDING",
    "INITIALISATIONS",
    "OUTPUT",
    "POSITIVE",
    "activation",
    "dropout",
    "frequencies",
    "initialisation",
    "layers",
    "normalisation",
    "width",
    "widths",
    "word",
]

MAX_WIDTH = 65_536

ACTIVATIONS = ("relu", "silu", "gelu", "tanh", "elu", "leaky_relu", "softplus", "sigmoid", "sine")

INITIALISATIONS = ("default", "xavier", "kaiming", "orthogonal", "zero_last")


def word(name: str, default: str, words: tuple[str, ...], meaning: str) -> ArchitectureOption:
    """A choice between words."""
    return ArchitectureOption(name, OptionKind.WORD, default, meaning, words=words)


def width(name: str, default: int | None, meaning: str, *, lower: int = 1) -> ArchitectureOption:
    """How wide something is."""
    return ArchitectureOption(name, OptionKind.WHOLE, default, meaning, lower, MAX_WIDTH)


def widths(name: str, default: tuple[int, ...] | None, meaning: str) -> ArchitectureOption:
    """A width for each of several layers."""
    return ArchitectureOption(name, OptionKind.WHOLES, default, meaning, 1, MAX_WIDTH)


def layers(default: OptionValue, meaning: str) -> ArchitectureOption:
    """How many layers or blocks."""
    return ArchitectureOption("layers", OptionKind.WHOLE, default, meaning, 1, 1000)


def activation(default: str) -> ArchitectureOption:
    """The nonlinearity."""
    return word("activation", default, ACTIVATIONS, "the nonlinearity; `sine` is sin(x)")


def normalisation(default: str) -> ArchitectureOption:
    """What is normalised, and how."""
    return word(
        "normalisation",
        default,
        ("none", "layer", "batch", "group", "weight"),
        "of hidden layers; `batch` has a training and an evaluation mode and lets the rows of a "
        "batch depend on one another while training; the number of groups is the largest power "
        "of 2 up to 32 that divides the width and leaves 8 or more in each",
    )


def dropout(default: float = 0.0) -> ArchitectureOption:
    """The share of hidden units that are left out while training."""
    meaning = "probability that a hidden unit is zeroed while training; none in evaluation"
    return ArchitectureOption("dropout", OptionKind.REAL, default, meaning, 0.0, 0.99)


def initialisation(default: str = "default") -> ArchitectureOption:
    """How weights begin."""
    return word(
        "initialisation",
        default,
        INITIALISATIONS,
        "of weights: PyTorch's own; Xavier uniform, Kaiming normal or orthogonal, each with "
        "biases 0; or PyTorch's own with the last layer 0",
    )


def frequencies(default: int) -> ArchitectureOption:
    """How scalar inputs between 0 and 1 are presented."""
    return ArchitectureOption(
        "frequencies",
        OptionKind.WHOLE,
        default,
        "pairs of a sine and a cosine for each scalar `unit` input, such as a time; 0 for the "
        "number itself",
        0,
        512,
    )


EMBEDDING = width(
    "embedding",
    None,
    "width of a learned embedding of each `index` input; by default one-hot up to 64 categories, "
    "beyond that an embedding of width 64",
)

OUTPUT = word(
    "output",
    "none",
    ("none", "tanh", "sigmoid", "relu", "softplus"),
    "applied to `real` outputs",
)

POSITIVE = word("positive", "softplus", ("softplus", "exp"), "the link of `positive` outputs")
