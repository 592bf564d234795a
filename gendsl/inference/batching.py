"""Whether the members of a plate can be taken a few at a time."""

from __future__ import annotations

from gendsl.inference.plan import GuideModel
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, references, variable_expressions, walk

__all__ = ["obstacle", "standalone_rows"]


def obstacle(model: ir.Model, guide: GuideModel | None, plate: str) -> str | None:
    """Why the members of a plate cannot be taken in batches; None if they can."""
    if model.axis(plate).size is not None:
        return f"the file itself says how many members `{plate}` has"
    together = _of_all(model, guide, plate)
    if together is not None:
        return together
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    if guide is not None:
        exprs += [x for v in guide.model.variables for x in variable_expressions(v)]
    exprs += [e.value for e in model.energies]
    learned = _learned(model)
    for expr in walk(*exprs):
        found = _combined(expr, plate)
        if found is not None and not (isinstance(expr, ir.Reduce) and _is_fixed(expr, learned)):
            return f"a quantity {found} members of `{plate}`"
    return None


def _of_all(model: ir.Model, guide: GuideModel | None, plate: str) -> str | None:
    """What is learned for each member of a plate, or summed out given all of them."""
    amortised = guide.amortised if guide is not None else frozenset[str]()
    written = {g.name for g in model.guides}
    gone = guide.discrete.of("model") if guide is not None else ()
    completed = guide.completed if guide is not None else ()
    for variable in (*model.of_role("latent"), *map(model.variable, completed)):
        if variable.name in gone:
            if plate in variable.axes:
                continue
            return f"`{variable.name}` is summed out, given all members of `{plate}`"
        if plate in variable.axes and variable.name not in amortised | written:
            has = f"`{variable.name}` has parameters"
            if variable.name in completed:
                has = f"missing values of `{variable.name}` have parameters"
            return f"{has} for each `{plate}`: it is not amortised"
    for variable in model.of_role("param"):
        if plate in variable.axes:
            return f"the param `{variable.name}` has an entry for each `{plate}`"
    return None


def _learned(model: ir.Model) -> frozenset[str]:
    """Everything but inputs and what is computed from these alone."""
    found = {v.name for v in model.variables if v.role not in ("input", "let")}
    for variable in model.of_role("let"):
        exprs = [x for e in variable.equations for x in equation_expressions(e)]
        if set(references(*exprs)) & found:
            found.add(variable.name)
    return frozenset(found)


def _is_fixed(expr: ir.Reduce, learned: frozenset[str]) -> bool:
    """Whether a reduction is a constant of the data, which is computed once."""
    return not set(references(expr.value)) & learned and not expr.type.plates


def _combined(expr: ir.Expr, plate: str) -> str | None:
    match expr:
        case ir.Reduce(axis=axis) if axis == plate:
            return "reduces over the"
        case ir.Collect(plate=axis) if axis == plate:
            return "collects the"
        case ir.Gather(axis=axis) | ir.Select(axis=axis) if axis == plate:
            return "picks"
        case ir.Spread(plate=axis) | ir.MemberNumber(plate=axis) if axis == plate:
            return "counts the"
        case ir.SizeNumber(size=size) if plate in size.names:
            return "counts the"
    return None


def standalone_rows(model: ir.Model, guide: GuideModel | None) -> str | None:
    """The plate of which a program by itself takes batches; None where it takes all data.

    It is the only one of which batches can be taken, no random quantity stands outside it, so
    that the bounds of batches differ from that of all data by a factor alone, and it comes first
    in all data that have it.
    """
    able = [
        a.name
        for a in model.axes
        if a.kind == "plate"
        and any(a.name in v.axes for v in model.of_role("observed"))
        and not obstacle(model, guide, a.name)
    ]
    if len(able) != 1 or model.energies:
        return None
    (plate,) = able
    given = model.of_role("input", "observed")
    if any(plate not in v.axes for v in model.variables if v.random):
        return None
    if any(plate in v.axes and v.axes[0] != plate for v in given):
        return None
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    whole = any(isinstance(e, ir.Reduce) and e.axis == plate for e in walk(*exprs))
    return None if whole else plate
