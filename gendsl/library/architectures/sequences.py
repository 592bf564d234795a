"""Architectures for sets and sequences: the first event axis is that of members or steps."""

from __future__ import annotations

from gendsl.library.architectures import options
from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.spec import ArchitectureSpec, Design, subject

__all__ = ["SEQUENCES", "SETS"]


def _set_signature(design: Design) -> str | None:
    """The first event axis of the first input is the set."""
    if not design.first.axes:
        return f"the first input, `{design.first}`, has no event axis to be a set"
    return None


def _sequence_signature(design: Design) -> str | None:
    """The first event axis of the first input is time; outputs have it, unless they pool it."""
    first = design.first
    if not first.axes:
        return f"the first input, `{first}`, has no event axis to be a sequence"
    if design.word("pool") != "none":
        return (
            "a causal network has a value at each step: leave out `pool`"
            if design.causal
            else None
        )
    for name, port in design.outputs.items():
        reason = _not_at_each_step(port, first)
        if reason is not None:
            return f"{subject(name)} is `{port}`, {reason}"
    return None


def _not_at_each_step(port: Port, first: Port) -> str | None:
    if not port.shares_first_axis(first):
        return (
            f"but the sequence is the first axis of `{first}`: begin the output with that axis, "
            "or say by `pool` how steps become one value"
        )
    if port.tied >= len(port.axes):
        return "whose support ties the entries of several steps together"
    return None


def _recurrent_signature(design: Design) -> str | None:
    """A sequence; a causal one is read forward."""
    if design.causal and design.word("direction") != "forward":
        return "a causal network reads forward: leave out `direction`"
    return _sequence_signature(design)


def _attention_signature(design: Design) -> str | None:
    """A sequence; heads share the width."""
    if design.whole("width") % design.whole("heads"):
        return (
            f"`heads = {design.whole('heads')}` does not divide `width = {design.whole('width')}`"
        )
    if design.word("positions") == "sinusoidal" and design.whole("width") % 2:
        return f"sinusoidal positions need an even width, not {design.whole('width')}"
    return _sequence_signature(design)


_SEQUENCES_TAKE = (
    "the first event axis of the first input is time. Further inputs that begin with the same "
    "axis are read step by step; the others are a context, the same at every step. Outputs begin "
    "with that axis too, unless `pool` makes one value of all steps. Other lengths than that of "
    "the model are fine"
)

DEEP_SET = ArchitectureSpec(
    name="deep_set",
    title="a deep set",
    summary=(
        "A perceptron reads each member of a set, what it returns is pooled, and a second one "
        "reads that: the order of the members has no influence."
    ),
    takes=(
        "the first event axis of the first input is the set. Further inputs that begin with the "
        "same axis belong to the members; the others are a context for the second perceptron. "
        "Sets of any size but 0 will do"
    ),
    options=(
        options.widths("hidden", (128, 128), "hidden layers of the perceptron of each member"),
        options.word("pool", "mean", ("mean", "sum", "max"), "how members become one vector"),
        options.widths("readout", (128,), "hidden layers of the perceptron of that vector"),
        options.activation("relu"),
        options.normalisation("none"),
        options.dropout(),
        options.initialisation(),
        options.OUTPUT,
        options.POSITIVE,
        options.EMBEDDING,
        options.frequencies(0),
    ),
    rule=_set_signature,
    ragged=True,
    references=(
        "Zaheer, Kottur, Ravanbakhsh, Poczos, Salakhutdinov and Smola (2017), Deep sets, "
        "NeurIPS, theorem 2",
    ),
)


def _recurrent(name: str, title: str, summary: str, reference: str) -> ArchitectureSpec:
    nonlinear = (options.word("activation", "tanh", ("tanh", "relu"), "of the hidden state"),)
    return ArchitectureSpec(
        name=name,
        title=title,
        summary=summary,
        takes=_SEQUENCES_TAKE,
        options=(
            options.width("hidden", 128, "of the hidden state, in each direction"),
            options.layers(1, "recurrent layers, each reading the states of the one before"),
            options.word(
                "direction",
                "forward",
                ("forward", "backward", "both"),
                "the state at a step has read all steps up to it, all from it on, or both",
            ),
            options.word(
                "pool", "none", ("none", "last", "mean"), "of the steps, in the order of reading"
            ),
            *(nonlinear if name == "rnn" else ()),
            options.dropout(),
            options.initialisation(),
            options.OUTPUT,
            options.POSITIVE,
            options.EMBEDDING,
            options.frequencies(0),
        ),
        rule=_recurrent_signature,
        causal=True,
        ragged=True,
        lengths=True,
        references=(reference,),
    )


_TRANSFORMER = ArchitectureSpec(
    name="transformer",
    title="a transformer",
    summary=(
        "Each step attends to all steps; a causal one to those up to it, of inputs of which the "
        "first is moved one step back. Layers normalise before they attend."
    ),
    takes=_SEQUENCES_TAKE,
    options=(
        options.width("width", 128, "of the vector at each step"),
        options.layers(2, "blocks of attention and a perceptron"),
        options.width("heads", 4, "of attention"),
        options.width("feedforward", None, "hidden width of the perceptron; by default 4 `width`"),
        options.word(
            "positions",
            "sinusoidal",
            ("sinusoidal", "learned", "none"),
            "how steps are told apart; learned ones allow no longer sequence than that of the "
            "model, and without any the order matters only if the network is causal",
        ),
        options.word("pool", "none", ("none", "mean"), "of the steps"),
        options.activation("gelu"),
        options.dropout(),
        options.initialisation(),
        options.OUTPUT,
        options.POSITIVE,
        options.EMBEDDING,
        options.frequencies(32),
    ),
    rule=_attention_signature,
    causal=True,
    ragged=True,
    references=(
        "Vaswani and others (2017), Attention is all you need, NeurIPS",
        "Xiong and others (2020), On layer normalization in the transformer architecture, ICML",
    ),
)

SETS = (DEEP_SET,)

SEQUENCES = (
    _recurrent(
        "rnn",
        "a recurrent network",
        "The state is a nonlinear function of the input and the state before.",
        "Elman (1990), Finding structure in time, Cognitive Science 14, 179-211",
    ),
    _recurrent(
        "gru",
        "a gated recurrent network",
        "A recurrent network whose gates choose how much of the state to replace.",
        "Cho and others (2014), Learning phrase representations using RNN encoder-decoder, EMNLP",
    ),
    _recurrent(
        "lstm",
        "a long short-term memory network",
        "A recurrent network with a memory that gates write, keep and read.",
        "Hochreiter and Schmidhuber (1997), Neural Computation 9, 1735-1780",
    ),
    _TRANSFORMER,
)
