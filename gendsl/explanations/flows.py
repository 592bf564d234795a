"""GD226 and GD227: flows."""

from __future__ import annotations

__all__ = ["CODES"]

CODES: dict[str, tuple[str, str]] = {
    "GD226": (
        "Type that a flow maps",
        """\
A flow is an invertible map of values of one type to one another, and these are real numbers
without bounds, with an event shape or without. What the map depends on beside stands behind a bar
and may be of any type.
Bad: `flow f: (real[D], index(digit)) = coupling()`
Good: `flow f: real[D] | index(digit) = coupling()`""",
    ),
    "GD227": (
        "Pipe that does not fit",
        """\
`Base |> f |> g(c)` is the law of draws of the base that pass f and then g. Behind `|>` stand flows
that are declared, all of the event shape of the value; those with a context are called with it.
The base has values on all of the real line, of the shape that the first flow maps: scalar
parameters are repeated. A flow is no function of values.
Bad: `x ~ Uniform(0, 1) |> f`, `x ~ Normal(0, 1) |> affine()`, `let y = f(x)`
Good: `flow f: real[D] = affine()` and `x ~ Normal(0, 1) |> f`""",
    ),
}
