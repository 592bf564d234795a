"""Ragged sequences: nothing counts, combines or looks back from the end of what may be absent."""

from __future__ import annotations

from collections.abc import Iterator

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children, equation_expressions, walk
from gendsl.library.architectures import ARCHITECTURES
from gendsl.semantics.report import Report
from gendsl.types import Index, ValueType

__all__ = ["check", "reads_to_ends"]


def check(model: ir.Model, report: Report) -> None:
    """Refuse what would take absent steps for steps."""
    ragged = {a.name: a for a in model.axes if a.lengths is not None}
    if not ragged:
        return
    for variable in model.variables:
        _check_variable(variable, ragged, report)
    reads = {n.name for n in model.nets if n.causal or reads_to_ends(n)}
    for expr, step in _equations(model):
        _check_expression(expr, step, ragged, reads, report)
    for energy in model.energies:
        for name in ragged.keys() & energy.value.type.plates:
            _refuse(report, ragged[name], energy.value, "an energy along", "")


def _check_variable(variable: ir.Variable, ragged: dict[str, ir.Axis], report: Report) -> None:
    """Variables stand over the owner of their sequence, and are no vectors of its steps."""
    for name, axis in ragged.items():
        if variable.random and name in variable.axes and axis.owner not in variable.axes:
            report.error(
                "GD330",
                f"`{variable.name}` is over `{name}`, of which each `{axis.owner}` has its own "
                f"number, but not over `{axis.owner}`",
                variable.span,
                labels=(Label(axis.span, "declared here"),),
                help=f"write `{variable.name}[{axis.owner}, {name}]`",
            )
        sizes = frozenset[str]().union(*(s.names for s in variable.type.event))
        if isinstance(variable.type.support, Index):
            sizes |= variable.type.support.size.names
        if variable.role != "let" and name in sizes:
            report.error(
                "GD330",
                f"the type of `{variable.name}` needs the number of steps of `{name}`, of which "
                f"each `{axis.owner}` has its own",
                variable.span,
                labels=(Label(axis.span, "declared here"),),
                help=f"declare it over the steps: `{variable.name}[{axis.owner}, {name}]`",
            )


def reads_to_ends(net: ir.Net) -> bool:
    """Whether a net reads each sequence of a batch up to its own end."""
    spec = ARCHITECTURES.get(net.architecture or "")  # flows and supplied nets have none
    return spec is not None and spec.lengths and dict(net.options).get("direction") != "both"


def _equations(model: ir.Model) -> Iterator[tuple[ir.Expr, int]]:
    """The expressions of a model and of its guides, and the step that there is at the least."""
    equations = [e for v in model.variables for e in v.equations]
    equations += [e for g in model.guides for e in g.equations]
    yield from ((x, e.step or 0) for e in equations for x in equation_expressions(e))
    for variable in model.variables:
        yield from ((b, 0) for b in (variable.lower, variable.upper) if b is not None)
    yield from ((e.value, 0) for e in model.energies)


def _check_expression(
    whole: ir.Expr, step: int, ragged: dict[str, ir.Axis], reads: set[str], report: Report
) -> None:
    for expr in walk(whole):
        match expr:
            case ir.Reduce(axis=str() as axis) if axis in ragged:
                _refuse(report, ragged[axis], expr, "a reduction over", "")
            case ir.Gather(axis=str() as axis) if axis in ragged:
                _refuse(report, ragged[axis], expr, "an index into", "")
            case ir.Select(axis=str() as axis, at=at) if axis in ragged and not 0 <= at <= step:
                _refuse(report, ragged[axis], expr, "a single step, which may be absent, of", "")
            case ir.SizeNumber(size=size) if size.names & ragged.keys():
                name = min(size.names & ragged.keys())
                _refuse(report, ragged[name], expr, "the size of", "")
        for child in children(expr):
            along = _along(child.type, ragged)
            if along is not None and not _takes_steps(expr, step, child, ragged, reads):
                kinds = ", ".join(a.name for a in ARCHITECTURES.values() if a.lengths)
                remedy = "a `let`, a subscript that names the step, and a network of the kind "
                remedy += f"{kinds} in one direction take vectors of steps"
                _refuse(report, ragged[along], expr, "an operation on vectors of steps of", remedy)


def _along(type_: ValueType, ragged: dict[str, ir.Axis]) -> str | None:
    """The ragged sequence whose steps are an event axis of a value."""
    return next((n for s in type_.event for n in sorted(s.names & ragged.keys())), None)


def _takes_steps(
    expr: ir.Expr, step: int, child: ir.Expr, ragged: dict[str, ir.Axis], reads: set[str]
) -> bool:
    """Whether what is done with a vector of steps is right up to the end of each sequence."""
    position = next(i for i, s in enumerate(child.type.event) if s.names & ragged.keys())
    match expr:
        case ir.NetCall(net=net):
            return net in reads and position == 0
        case ir.Spread(axis=axis):
            return axis == position
        case ir.Select(axis=int() as axis, at=at):
            return axis != position or 0 <= at <= step
        case _:
            return False


def _refuse(report: Report, axis: ir.Axis, expr: ir.Expr, what: str, remedy: str) -> None:
    report.error(
        "GD330",
        f"{what} `{axis.name}`, of which each `{axis.owner}` has its own number of steps, is not "
        "supported",
        expr.span,
        labels=(Label(axis.span, "declared here"),),
        help=remedy or None,
    )
