"""A checked model and its plan to a Pyro program."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace

from gendsl.emit import pycode as py
from gendsl.emit.arguments import Arguments, aligned_data, computed_sizes, is_imputed
from gendsl.emit.chains import Chain, chains_of, summing
from gendsl.emit.distributions import DistributionEmitter
from gendsl.emit.expressions import Emitter
from gendsl.emit.layout import Layout, Names, layout_of
from gendsl.emit.main_part import main_part
from gendsl.emit.observed import ObservedEmitter
from gendsl.emit.prelude import PRELUDE
from gendsl.emit.rendering import rendered
from gendsl.emit.scans import scanned, steps_of
from gendsl.emit.setting import Setting
from gendsl.emit.sites import SiteEmitter, Statement, in_order, window_of
from gendsl.emit.stepped import SteppedEmitter
from gendsl.graph.grounding import grounded
from gendsl.graph.recursion import chained, held, lagged_names, recurrent, scans
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import (
    equation_expressions,
    fixed_lets,
    references,
    reported_lets,
    variable_expressions,
)
from gendsl.semantics.moving import followers
from gendsl.semantics.supports import is_discrete
from gendsl.source import Source, Span

__all__ = ["Program", "emit_program"]


@dataclass(frozen=True, slots=True)
class Program:
    """An emitted Pyro program.

    Attributes:
        source: the text, self-contained.
        prelude: its helper functions alone.
        tree: its function `model` with the positions of the model text on every node.
        layout: where plates stand in its tensors.
        sizes: (axis, argument) for every size that the caller passes.
        inputs: (variable, argument) for every input.
        observed: (variable, argument) for every observed variable; None means "draw it".
        known: (variable, argument) of the boolean masks of known entries.
        imputed: optional variables whose missing entries are latents of the program.
        kept: the argument that takes constants of the data of the fit, if there are any.
        recovered: the argument that says whether summed-out latents have their values, so that
            what is only computed from these can be; if there is such.
        windows: observed variables that depend on their own past, or on what has none at the
            first steps of a sequence, and the first step at which their general equation holds.
        chains: hidden Markov chains, which are summed out along their sequences.
        grounded: other discrete latents whose members are variables of their own, with the plates
            of these.
        steps: for each site of a literal equation, the step it holds at.
        uses_runtime: whether it needs more than Pyro.
    """

    source: str
    prelude: str
    tree: ast.Module = field(repr=False)
    layout: Layout
    sizes: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]
    observed: tuple[tuple[str, str], ...]
    known: tuple[tuple[str, str], ...]
    imputed: tuple[str, ...]
    kept: str | None
    recovered: str | None
    windows: tuple[tuple[str, int], ...]
    chains: tuple[Chain, ...]
    grounded: tuple[tuple[str, tuple[str, ...]], ...]
    steps: tuple[tuple[str, int], ...]
    uses_runtime: bool


def emit_program(model: ir.Model, plan: Plan, version: str) -> Program:
    """The Pyro program of a model; the same input gives the same bytes."""
    names = Names(model)
    arguments = Arguments.of(model, names)
    setting = _setting(model, names, arguments)
    statements = _statements(model, plan, setting)
    body = computed_sizes(model, setting, closed=False) + aligned_data(model, setting)
    body += [*setting.functions.values()]
    body += _plates(model, setting, statements) + _grouped(setting, statements)
    doc: list[ast.stmt] = [ast.Expr(py.text(model.doc.strip()))] if model.doc else []
    everything = [*doc, *body] or [ast.Pass()]
    kept = names.kept if setting.kept else None
    recovered = names.recovered if any(s.deferred for s in statements) else None
    signature = arguments.signature(kept, recovered)
    function = ast.FunctionDef("model", signature, everything, [], None)
    constants = computed_sizes(model, setting, closed=True)
    prelude = "\n\n\n".join(PRELUDE[n].strip("\n") for n in sorted(setting.used))
    text = rendered(function)
    tree = ast.Module([*constants, function], [])
    _locate(tree, model.source)
    main = _main(model, plan, setting, arguments)
    return Program(
        _text(model, plan, version, prelude, constants, text, main),
        prelude,
        tree,
        setting.layout,
        arguments.sizes,
        arguments.inputs,
        arguments.observed,
        arguments.known,
        arguments.imputed,
        kept,
        recovered,
        _windows(model),
        chains_of(model),
        tuple((n, tuple(sorted(p))) for n, p in grounded(model).items()),
        _steps(model),
        "runtime." in text,
    )


def _steps(model: ir.Model) -> tuple[tuple[str, int], ...]:
    """See `Program.steps`."""
    return tuple(
        (f"{v.name}[{e.step}]", e.step)
        for v in model.of_role("latent", "observed")
        for e in v.equations
        if e.step is not None
    )


def _main(model: ir.Model, plan: Plan, setting: Setting, arguments: Arguments) -> str:
    """How to run the program by itself."""
    always = plan.method == "enumeration"
    return main_part(
        plan,
        setting.layout.max_plate_nesting,
        followers(model),
        summing(model, setting, arguments, _steps(model), always=always),
        tied=bool(grounded(model)),
    )


def _windows(model: ir.Model) -> tuple[tuple[str, int], ...]:
    """See `Program.windows`."""
    past = frozenset[str]().union(*recurrent(model))
    found = []
    for variable in model.of_role("observed"):
        window = window_of(model, variable)
        if window is not None or variable.name in past:
            found.append((variable.name, window.first if window is not None else 0))
    return tuple(found)


def _setting(model: ir.Model, names: Names, arguments: Arguments) -> Setting:
    layout = layout_of(model)
    filled = [model.variable(n) for n in arguments.imputed]
    if any(not is_discrete(v.type.support) for v in filled):
        layout = replace(layout, least=1)  # the plate of missing entries
    data = frozenset(v.name for v in model.of_role("input", "observed"))
    batched: set[str] = set()
    fixed = fixed_lets(model) | {v.name for v in model.of_role("input")}
    setting = Setting(layout, names, data=data, fixed=fixed)
    lagged = lagged_names(model)
    for variable in chained(model):
        name = names.variables[variable.name]
        setting.earlier[variable.name] = (
            names.extra(f"{name}_before") if variable.name in lagged else ""
        )
    for variable in model.variables:
        values = [e.value for e in variable.equations if e.value is not None]
        if variable.random or any(setting.varies(v) for v in values):
            batched.add(variable.name)
            setting.batched = frozenset(batched)
    return setting


def _unknown(model: ir.Model) -> frozenset[str]:
    """Latents and params, and the lets that depend on them."""
    found: set[str] = set()
    for variable in model.variables:
        mentioned = references(*(x for e in variable.equations for x in equation_expressions(e)))
        depends = variable.role == "let" and any(n in found for n in mentioned)
        if variable.role in ("latent", "param") or depends:
            found.add(variable.name)
    return frozenset(found)


def _statements(model: ir.Model, plan: Plan, setting: Setting) -> list[Statement]:
    emitter = Emitter(setting)
    distributions = DistributionEmitter(emitter, _unknown(model))
    emitter.distribution = distributions.plain
    sites = SiteEmitter(model, emitter, distributions, frozenset(plan.enumerated))
    observed = ObservedEmitter(sites, frozenset(n for n, _ in _windows(model)))
    stepped = SteppedEmitter(sites)
    groups = {g[0].name: g for g in scans(model)}
    apart = held(model)
    recurring = {v.name for g in groups.values() for v in g}
    found: list[Statement] = []
    for variable in model.variables:
        match variable.role:
            case "input":
                pass
            case "param":
                found.append(sites.param(variable))
            case "let" if variable.name in groups:
                found += scanned(sites, groups[variable.name])
            case "let" if variable.name in recurring:
                pass
            case "let":
                found.append(sites.let(variable))
            case "latent" if variable.name in apart:
                found += stepped.latent(variable)
            case "latent":
                found.append(sites.latent(variable))
            case "observed":
                found += observed.statements(variable)
    found += [sites.energy(e, i + 1) for i, e in enumerate(model.energies)]
    return in_order(_deferred(model, plan, found))


def _deferred(model: ir.Model, plan: Plan, statements: list[Statement]) -> list[Statement]:
    """The statements, last those for the results alone that wait for summed-out latents."""
    imputed = {v.name for v in model.of_role("observed") if is_imputed(model, v)}
    summed = {n for n in imputed if is_discrete(model.variable(n).type.support)}
    summed |= set(plan.enumerated)
    reported = reported_lets(model)
    tainted = set(summed)
    for variable in model.of_role("let"):
        if tainted & set(references(*variable_expressions(variable))):
            tainted.add(variable.name)
    waiting = reported & tainted
    waiting |= {steps_of(n) for n in waiting}
    marked = [replace(s, deferred=bool(s.makes & waiting)) for s in statements]
    return sorted(marked, key=lambda s: s.deferred)


# Plates


def _plates(model: ir.Model, setting: Setting, statements: list[Statement]) -> list[ast.stmt]:
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


def _grouped(setting: Setting, statements: list[Statement]) -> list[ast.stmt]:
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
        plates = setting.layout.ordered(statement.plates)
        items = [ast.withitem(_plate(setting, p, statement)) for p in plates]
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


# The text


def _text(
    model: ir.Model,
    plan: Plan,
    version: str,
    prelude: str,
    constants: list[ast.stmt],
    function: str,
    main: str,
) -> str:
    imports = ["import math\n"] if "math." in function + prelude else []
    imports += ["import pyro", "import pyro.distributions as dist", "import torch"]
    if "constraints." in function:
        imports.append("from pyro.distributions import constraints")
    if "runtime." in function:
        imports.append("\nimport gendsl.runtime.distributions as runtime")
    parts = [f'"""{model.name}: a Pyro program, compiled by gendsl {version}."""']
    parts.append("\n".join(imports))
    if constants:
        parts.append("\n".join(rendered(c) for c in constants))
    if prelude:
        parts.append("\n" + prelude)
    parts.append("\n" + function)
    parts.append("\n" + main)
    return "\n\n".join(parts) + "\n"


def _locate(tree: ast.Module, source: Source) -> None:
    """Give every node the position of the model text that it comes from."""
    stack: list[tuple[ast.AST, Span]] = [(tree, Span(0, 0))]
    while stack:
        node, inherited = stack.pop()
        span = py.span_of(node) or inherited
        if isinstance(node, (ast.expr, ast.stmt, ast.excepthandler, ast.arg, ast.keyword)):
            line, column = source.position(span.start)
            end_line, end_column = source.position(max(span.start, span.end))
            node.lineno, node.col_offset = line, column - 1
            node.end_lineno, node.end_col_offset = end_line, end_column - 1
        stack.extend((child, span) for child in ast.iter_child_nodes(node))
