"""Statements inside their plates."""

from __future__ import annotations

import ast

from gendsl.emit import pycode as py
from gendsl.emit.setting import Setting
from gendsl.emit.sites import Statement
from gendsl.ir import nodes as ir

__all__ = ["grouped", "plates"]


def plates(model: ir.Model, setting: Setting, statements: list[Statement]) -> list[ast.stmt]:
    """The plates in which statements stand, those of some steps of a sequence included."""
    used = frozenset().union(*(s.plates - _cut(s) for s in statements))
    result: list[ast.stmt] = []
    for axis in model.axes:
        if axis.name not in used:
            continue
        code = _plate_code(setting, axis.name, axis.name)
        result.append(py.assign(setting.names.plates[axis.name], code, axis.span))
    for window in dict.fromkeys(s.window for s in statements if s.window is not None):
        with setting.within(window):
            label = f"{window.sequence} from {window.first}"
            code = _plate_code(setting, window.sequence, label)
        name = setting.names.cut_plate(window.sequence, window.first)
        result.append(py.assign(name, code, model.axis(window.sequence).span))
    return result


def _plate_code(setting: Setting, plate: str, label: str) -> ast.expr:
    dim = py.number(-setting.layout.depths[plate])
    return py.call("pyro.plate", py.text(label), setting.plate_size(plate), dim=dim)


def _cut(statement: Statement) -> frozenset[str]:
    """The sequence that is cut short in a statement: it has a plate of its own there."""
    return frozenset({statement.window.sequence} if statement.window is not None else ())


def grouped(setting: Setting, statements: list[Statement]) -> list[ast.stmt]:
    """Statements in their order, neighbours with the same plates in one `with`."""
    groups: list[tuple[Statement, list[ast.stmt]]] = []
    for statement in statements:
        if groups and _together(groups[-1][0], statement):
            groups[-1][1].extend(statement.code)
        else:
            groups.append((statement, list(statement.code)))
    result: list[ast.stmt] = []
    later: list[ast.stmt] = []
    for statement, code in groups:
        chosen = later if statement.deferred else result
        if not statement.plates:
            chosen.extend(code)
            continue
        ordered = setting.layout.ordered(statement.plates)
        items = [ast.withitem(_plate(setting, p, statement)) for p in ordered]
        chosen.append(ast.With(items, code))
    if later:
        result.append(ast.If(py.name(setting.names.recovered), later, []))
    return result


def _together(a: Statement, b: Statement) -> bool:
    """Whether two statements stand in one `with`."""
    return (a.plates, a.window, a.deferred) == (b.plates, b.window, b.deferred)


def _plate(setting: Setting, plate: str, statement: Statement) -> ast.expr:
    """The plate, or a shorter one for the steps of a sequence at which an equation holds."""
    window = statement.window
    if window is None or window.sequence != plate:
        return py.name(setting.names.plates[plate])
    return py.name(setting.names.cut_plate(plate, window.first))
