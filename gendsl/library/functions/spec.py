"""The record that says everything the compiler knows about a function of expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from gendsl.types import REAL, Interval, Support

__all__ = ["FunctionSpec", "Kind"]


class Kind(Enum):
    """How a function treats shapes."""

    ELEMENTWISE = "elementwise"
    """Plates unite; events agree exactly, a scalar combines with any event."""
    REDUCTION = "reduction"
    """``f(x, plate)`` or ``f(x)`` over all event axes; `axis_required` never holds."""
    SHAPED = "shaped"
    """Has a shape rule of its own, in `gendsl.semantics.shapes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """A function or operator of the language.

    Attributes:
        name: the name users write, or the operator's (`add`, `mul`, `matmul`, `where`).
        params: names of the arguments, in order; also the names in `torch`.
        kind: how it treats shapes.
        domain: what each argument must lie in (its own check; REAL if anything goes).
        range: the support of the result, from interval hulls of the arguments.
        torch: a Python expression over `params` that computes it, batch-safe, with ``torch``
            in scope, and ``runtime`` for `gendsl.runtime.distributions`; reductions have ``dim``
            and ``keepdim`` too. Unary functions take a tensor; wherever there are two or more
            arguments some may be Python numbers. Elementwise functions get scalars with axes of
            size 1 for the result's event axes, shaped ones every argument as it is. Variadic
            ones give the expression for two arguments, to be folded from the left. Empty
            where the compiler has a construct of its own.
        optional: further parameters of a shaped function, given by name alone, that may be left
            out; they come after `params`.
        sizes: the parameters that are sizes: whole numbers and names of axes.
        kernel: gives the covariance of each two of the points that its first argument lists;
            in a distribution over points (`DistributionSpec.points`) these are left out.
        by_rank: for shaped functions whose expression depends on how many event axes the
            arguments have: pairs of these numbers and the expression.
        scalar: a Python expression over `params`, with ``math`` in scope, for plain numbers;
            empty when Python has none.
        operator: the token, when it is written as one; then `name` cannot be called.
        variadic: any number (at least one) of arguments, like `add`.
        smooth: differentiable wherever defined.
        linear: sets of arguments in which it is linear together, the others held; of a set of
            one only one argument may vary, as in a product of several.
        event: for elementwise functions of vectors (softmax, cumsum) the number of last event
            axes they work on as a whole; 0 for the truly elementwise.
        summary: one line for the reference.
        tex: the formula.
    """

    name: str
    params: tuple[str, ...]
    kind: Kind = Kind.ELEMENTWISE
    domain: tuple[Interval, ...] = ()
    range: Callable[[Sequence[Interval]], Support]
    torch: str
    optional: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    kernel: bool = False
    by_rank: tuple[tuple[tuple[int, ...], str], ...] = ()
    scalar: str = ""
    operator: str | None = None
    variadic: bool = False
    smooth: bool = True
    linear: tuple[tuple[str, ...], ...] = ()
    event: int = 0
    summary: str
    tex: str

    def expression(self, ranks: tuple[int, ...]) -> str:
        """The Python expression for arguments with so many event axes each."""
        return dict(self.by_rank).get(ranks, self.torch)

    def domain_of(self, position: int) -> Interval:
        """What the argument at `position` must lie in; the last entry repeats if variadic."""
        if not self.domain:
            return REAL
        return self.domain[min(position, len(self.domain) - 1)]
