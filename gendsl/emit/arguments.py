"""What an emitted program is called with: sizes, inputs, observed values, masks of known ones."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from gendsl.emit import pycode as py
from gendsl.emit.layout import Names
from gendsl.emit.setting import ELLIPSIS, FULL, Setting
from gendsl.emit.sites import has_children
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes
from gendsl.types import Index

__all__ = ["Arguments", "aligned_data", "computed_sizes", "is_imputed", "present_steps"]

Pairs = tuple[tuple[str, str], ...]


def is_imputed(model: ir.Model, variable: ir.Variable) -> bool:
    """Whether missing entries of a variable are latents of the program."""
    return variable.optional and has_children(model, variable.name)


@dataclass(frozen=True, slots=True)
class Arguments:
    """(what, argument) for every argument; see `gendsl.emit.program.Program`."""

    sizes: Pairs
    inputs: Pairs
    observed: Pairs
    known: Pairs
    imputed: tuple[str, ...]
    nets: str | None = None

    @staticmethod
    def of(model: ir.Model, names: Names) -> Arguments:
        """The arguments of the program of `model`."""
        ids = names.variables
        observed = model.of_role("observed")
        return Arguments(
            tuple((a.name, names.sizes[a.name]) for a in model.axes if a.size is None),
            tuple((v.name, ids[v.name]) for v in model.of_role("input")),
            tuple((v.name, ids[v.name]) for v in observed),
            tuple((v.name, f"{ids[v.name]}_known") for v in observed if v.optional),
            tuple(v.name for v in observed if is_imputed(model, v)),
            names.modules if names.nets else None,
        )

    def numbers(self, model: ir.Model) -> tuple[str, ...]:
        """The arguments that are real numbers for the program, and not members of plates."""
        given = (*self.inputs, *self.observed)
        return tuple(a for v, a in given if not isinstance(model.variable(v).type.support, Index))

    def signature(self, kept: str | None, recovered: str | None) -> ast.arguments:
        """Keywords alone; what is observed may be left out, and is drawn then."""
        required = [a for _, a in (*self.sizes, *self.inputs)]
        required += [self.nets] if self.nets is not None else []
        optional = [(a, ast.Constant(None)) for _, a in self.observed]
        optional += [(a, ast.Constant(None if v in self.imputed else True)) for v, a in self.known]
        if kept is not None:
            optional.append((kept, ast.Constant(None)))
        if recovered is not None:
            optional.append((recovered, ast.Constant(value=False)))
        keywords = [ast.arg(a) for a in required] + [ast.arg(a) for a, _ in optional]
        defaults: list[ast.expr | None] = [None] * len(required)
        defaults += [value for _, value in optional]
        return ast.arguments([], [], None, keywords, defaults, None, [])


def _closed(model: ir.Model, axis: ir.Axis) -> bool:
    """Whether the text alone says the size of an axis."""
    if axis.size is None:
        return False
    return all(_closed(model, model.axis(n)) for n in axis.size.names)


def computed_sizes(model: ir.Model, setting: Setting, *, closed: bool) -> list[ast.stmt]:
    """Assignments of the sizes that the text determines, alone (`closed`) or with the data."""
    axes = [a for a in model.axes if a.size is not None and _closed(model, a) == closed]
    waiting = {a.name for a in axes}
    result: list[ast.stmt] = []
    while waiting:  # a size after those it is made of
        for axis in axes:
            assert axis.size is not None
            if axis.name in waiting and not axis.size.names & waiting:
                waiting.remove(axis.name)
                target = setting.names.sizes[axis.name]
                result.append(py.assign(target, setting.size(axis.size), axis.span))
    return result


def aligned_data(model: ir.Model, setting: Setting) -> list[ast.stmt]:
    """Data in the order of their axes, as tensors with a dimension for every plate's place.

    Further dimensions (draws) may stand in front.
    """
    result: list[ast.stmt] = []
    for variable in model.of_role("input", "observed"):
        name, rank = setting.names.variables[variable.name], len(variable.type.event)
        arrays, tied = [(name, rank)], setting.gaps.get(variable.name, tied_axes(variable))
        if variable.optional:
            arrays.append((f"{name}_known", rank - tied))
        for argument, event in arrays:
            code = _aligned(variable, setting, argument, event)
            if code is None:
                continue
            assigned = py.assign(argument, code, variable.span)
            if variable.role == "input" and argument == name:
                result.append(assigned)
            else:
                test = ast.If(_given(argument, name), [assigned], [])
                result.append(py.mark(test, variable.span))
        if variable.name in setting.gaps:
            known = py.name(f"{name}_known")
            count = py.number(tied) if tied else None
            whole = setting.helper("known_entries", py.name(name), known, tied=count)
            result.append(py.assign(f"{name}_known", whole, variable.span))
    return result


def _given(argument: str, name: str) -> ast.expr:
    """Whether an argument is a tensor."""
    if argument == name:
        return ast.Compare(py.name(argument), [ast.IsNot()], [ast.Constant(None)])
    return py.call("torch.is_tensor", py.name(argument))


def _aligned(
    variable: ir.Variable, setting: Setting, argument: str, event: int
) -> ast.expr | None:
    """The argument with its plates in their places; None if they are there."""
    layout = setting.layout
    wanted = layout.ordered(variable.axes)
    depth = layout.depth(variable.type.plates)
    if list(variable.axes) == wanted and depth == len(wanted):
        return None
    code: ast.expr = py.name(argument)
    rank = len(wanted) + event
    if list(variable.axes) != wanted:
        moved = [p for p in variable.axes if variable.axes.index(p) != wanted.index(p)]
        places = [
            [py.number(where.index(p) - rank) for p in moved]
            for where in (list(variable.axes), wanted)
        ]
        code = py.call("torch.movedim", code, *map(py.tuple_of, places))
    if depth != len(wanted):
        present = {layout.depths[p] for p in wanted}
        key: list[ast.expr] = [
            FULL if d in present else ast.Constant(None) for d in range(depth, 0, -1)
        ]
        while key and key[0] is FULL:
            key.pop(0)
        code = py.index(code, ELLIPSIS, *key, *[FULL] * event)
    return code


def present_steps(model: ir.Model, setting: Setting) -> list[ast.stmt]:
    """Which steps of ragged sequences there are, for each member of their owners."""
    result = []
    for axis in (a for a in model.axes if a.lengths is not None):
        numbers = py.call("torch.arange", py.name(setting.names.sizes[axis.name]))
        steps = setting.lifted(numbers, setting.layout.depths[axis.name] - 1)
        lengths = py.name(setting.names.variables[str(axis.lengths)])
        test = ast.Compare(steps, [ast.Lt()], [lengths])
        result.append(py.assign(setting.names.there[axis.name], test, axis.span))
    return result
