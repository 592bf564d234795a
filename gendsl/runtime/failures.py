"""What goes wrong while an emitted program runs, told at the line of the model that it comes from.

The code of a program carries the positions of the model text, so the innermost frame of a
traceback that lies in that text says which expression failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.source import Source, Span

__all__ = ["explained", "in_words"]

RULES: tuple[tuple[str, str], ...] = (
    ("GreaterThan(lower_bound=0", "positive"),
    ("GreaterThanEq(lower_bound=0", "not negative"),
    ("IntegerGreaterThan(lower_bound=0", "a whole number that is not negative"),
    ("Interval(lower_bound=0.0, upper_bound=1.0", "between 0 and 1"),
    ("Simplex", "probabilities that sum to 1"),
    ("PositiveDefinite", "a symmetric, positive definite matrix"),
    ("LowerCholesky", "lower triangular with a positive diagonal"),
    ("CorrelationFactor", "the Cholesky factor of a correlation matrix"),
    ("Real", "a finite number"),
    ("OrderedVector", "in increasing order"),
    ("Boolean", "0 or 1"),
    ("Integer()", "a whole number"),
)
"""The rules that a distribution may state, and what they ask for."""

SHOWN = 3


@contextmanager
def in_words(model: ir.Model) -> Iterator[None]:
    """Tell what an emitted program raises as a `DataError` at the model's own text.

    Raises:
        DataError: GD825 to GD828, for failures inside the program of `model`.
    """
    try:
        yield
    except (ValueError, RuntimeError, ArithmeticError, MemoryError, IndexError) as error:
        found = explained(error, model)
        if found is None:
            raise
        raise found from error


def explained(error: BaseException, model: ir.Model) -> DataError | None:
    """The failure as a diagnostic; None if it did not come from the program of `model`."""
    if _no_memory(error):
        return DataError(
            [
                Diagnostic(
                    "GD827",
                    "there is not enough memory for this model and these data",
                    _place(error.__traceback__, model.source) or model.span,
                    help="use fewer draws, chains or rows, or float32",
                )
            ],
            model.source,
        )
    span = _place(error.__traceback__, model.source)
    if span is None:
        found = _impossible_value(error, model)
        return None if found is None else DataError([found], model.source)
    return DataError([_told(error, model, span)], model.source)


def _no_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in text


def _frames(traceback: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lasti
        traceback = traceback.tb_next


def _place(traceback: TracebackType | None, source: Source) -> Span | None:
    """The expression of the innermost frame that runs the model's text."""
    found: Span | None = None
    for frame, instruction in _frames(traceback):
        code = frame.f_code
        if code.co_filename != source.name or code.co_name != "model":
            continue
        positions = list(code.co_positions())[instruction // 2]
        line, end_line, column, end_column = positions
        if line is None:
            continue
        start = _offset(source, line, column or 0)
        end = _offset(source, end_line or line, end_column or 0)
        found = Span(start, max(end, start))
    return found


def _offset(source: Source, line: int, column: int) -> int:
    lines = source.text.split("\n")
    return sum(len(text) + 1 for text in lines[: line - 1]) + column


def _told(error: BaseException, model: ir.Model, span: Span) -> Diagnostic:
    text = str(error)
    parameter = re.match(
        r"Expected parameter (\w+) .*?of distribution (\w+)\(.*to satisfy the constraint (.*?), "
        r"but found",
        text,
        re.DOTALL,
    )
    if parameter is not None:
        return _refused_parameter(error, model, span, parameter)
    value = re.match(r"Expected value argument .*?of the distribution (\w+)\(", text, re.DOTALL)
    if value is not None:
        variable = _variable_at(model, span)
        name = f"`{variable.name}`" if variable is not None else "a value"
        return Diagnostic(
            "GD825",
            f"{name} lies outside the support of {value[1]}{_examples(error)}",
            span,
        )
    if type(error).__name__ == "_LinAlgError":
        singular = "singular" in text
        what = "is singular" if singular else "is not positive definite"
        return Diagnostic(
            "GD826",
            f"a matrix that is needed here {what}, to working precision",
            span,
            help="add a small positive number to its diagonal",
        )
    if isinstance(error, IndexError) and "non-zero size" in text:
        return Diagnostic(
            "GD828",
            "this cannot be computed: it reduces over no members at all",
            span,
            help="give data with at least one member",
        )
    return Diagnostic("GD828", f"this cannot be computed: {_first_sentence(text)}", span)


def _impossible_value(error: BaseException, model: ir.Model) -> Diagnostic | None:
    """A value of a variable for which its distribution has no density, found when scoring it."""
    match = re.match(
        r"Error while computing \w+ at site '(\w+)':.*?within the support \((.*?)\) of the ",
        str(error),
        re.DOTALL,
    )
    variable = next((v for v in model.variables if match and v.name == match[1]), None)
    if match is None or variable is None:
        return None
    return Diagnostic(
        "GD825",
        f"`{variable.name}` must be {_rule(match[2])}{_examples(error.__cause__ or error)}",
        variable.span,
    )


def _refused_parameter(
    error: BaseException, model: ir.Model, span: Span, match: re.Match[str]
) -> Diagnostic:
    name, distribution, constraint = match.groups()
    variable = _variable_at(model, span)
    law = (
        next((e.distribution for e in variable.equations if e.distribution), None)
        if variable is not None
        else None
    )
    shown = law.name if law is not None and not law.parts else distribution
    known = {p.name for p in DISTRIBUTIONS[shown].params} if shown in DISTRIBUTIONS else {name}
    what = f"the {name} of {shown}" if name in known else f"a parameter of {shown}"
    place = dict(law.args).get(name) if law is not None else None
    whose = f" of `{variable.name}`" if variable is not None else ""
    return Diagnostic(
        "GD825",
        f"{what}{whose} must be {_rule(constraint)}{_examples(error)}",
        place.span if place is not None else span,
        help="a `let` that claims a narrower type must keep to it: use softplus, exp or abs, or "
        "a type that the values meet by construction",
    )


def _rule(constraint: str) -> str:
    bound = re.match(r"GreaterThan\(lower_bound=([^)]+)\)", constraint)
    otherwise = f"greater than {bound[1]}" if bound is not None else "a legal value"
    return next((w for c, w in RULES if c in constraint), otherwise)


def _examples(error: BaseException) -> str:
    """The offending numbers, from the variables of the frame that refused them."""
    for frame, _ in reversed(list(_frames(error.__traceback__))):
        values: Mapping[str, Any] = frame.f_locals
        value, valid = values.get("value"), values.get("valid")
        if not isinstance(value, Tensor) or not isinstance(valid, Tensor):
            continue
        flat = value.detach()
        if valid.shape == value.shape:
            flat = flat[~valid]
        shown = [f"{x:.4g}" for x in flat.flatten()[:SHOWN].tolist()]
        more = " …" if flat.numel() > SHOWN else ""
        return f", but it is {', '.join(shown)}{more}" if shown else ""
    return ""


def _variable_at(model: ir.Model, span: Span) -> ir.Variable | None:
    """The variable whose statement holds a place."""
    found: list[tuple[int, ir.Variable]] = []
    for variable in model.variables:
        spans = [variable.span]
        for equation in variable.equations:
            spans.append(equation.span)
            if equation.distribution is not None:
                spans += [equation.distribution.span]
                spans += [a.span for _, a in equation.distribution.args]
        found += [(s.end - s.start, variable) for s in spans if s.start <= span.start < s.end]
    return min(found, key=lambda f: f[0])[1] if found else None


def _first_sentence(text: str) -> str:
    """What torch says, without its own vocabulary."""
    first = text.strip().split("\n", maxsplit=1)[0][:200]
    if any(
        word in first for word in ("batch_shape", "event_shape", "Tensor", "torch.Size", "dim ")
    ):
        return "the shapes or values of its parts do not fit"
    return first
