"""A training in words: how long it goes on, and which networks it trains."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from gendsl.ir import nodes as ir
from gendsl.ir.printer import format_architecture, format_signature
from gendsl.library.pace import (
    EPOCHS,
    LIKELIHOOD_ROWS,
    RATE,
    RATE_OF_NETS,
    RATE_OF_UNITS,
    ROWS,
    STEPS,
    STOPPED,
    WHOLE,
)

__all__ = ["energy_words", "training_words"]


def training_words(
    method: str, options: Mapping[str, object], model: ir.Model | None
) -> Iterator[str]:
    """Lines about a method that learns by steps.

    Args:
        method: which one.
        options: all of them.
        model: the guide, which has the networks of the model too; None where there is none.
    """
    if "learning_rate" not in options:
        return
    nets = model.nets if model is not None else ()
    likelihood = method == "mle"
    rate = options["learning_rate"] or (RATE_OF_NETS if nets or likelihood else RATE)
    head = f"training: {options['optimiser']}, learning rate {rate:g}"
    if options["schedule"] != "constant":
        head += f" ({options['schedule']})"
    weighted = model is not None and bool(model.weighted)
    length = _length(options, nets=bool(nets), weighted=weighted, likelihood=likelihood)
    yield f"{head}; {length}"
    for net in nets:
        architecture = format_architecture(net)
        body = f" = {architecture}" if architecture else ", from Python: tried on a few rows only"
        word = "network" if net.flow is None else "flow"
        yield f"{word} {net.name}: {format_signature(net)}{body}"


def energy_words(
    options: Mapping[str, object], constant: str, nets: Collection[str]
) -> Iterator[str]:
    """Lines about the training of an energy.

    Args:
        options: of the method.
        constant: what log Z depends on.
        nets: the networks that are learned.
    """
    yield f"energy: log Z depends on {constant}"
    epochs, size, asked = options["epochs"], options["batch_size"], options["learning_rate"]
    rate = asked or (RATE_OF_NETS if nets else RATE_OF_UNITS)
    pace = f"{rate:g}" if asked or nets or size is not None else f"{rate:g} or {RATE:g}"
    falling = "" if options["schedule"] == "constant" else f" ({options['schedule']})"
    if size is not None:
        length = f"{epochs or EPOCHS} epochs in batches of {size} rows"
    else:
        most = ROWS if nets else WHOLE
        length = f"{epochs or EPOCHS} epochs in batches of {ROWS} rows"
        length += f" (of up to {most} rows, {epochs or STEPS} steps on all of them)"
    yield f"training: {options['optimiser']}, learning rate {pace}{falling}; {length}"


def _length(options: Mapping[str, object], *, nets: bool, weighted: bool, likelihood: bool) -> str:
    epochs, size = options["epochs"], options["batch_size"]
    usual = STOPPED if likelihood and options.get("held_out") else EPOCHS
    steps = usual if usual == STOPPED else STEPS
    all_rows = f"{epochs or steps} steps on all of them"
    if size is not None:
        return f"{epochs or usual} epochs in batches of {size} rows"
    if not (nets or weighted or likelihood):
        return f"{epochs or steps} steps on all rows"
    rows = LIKELIHOOD_ROWS if likelihood else ROWS
    most = rows if nets or likelihood else WHOLE
    return f"{epochs or usual} epochs in batches of {rows} rows (of up to {most} rows, {all_rows})"
