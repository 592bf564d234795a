"""A checked model and its plan to a Pyro program."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from gendsl.emit import pycode as py
from gendsl.emit.distributions import DistributionEmitter
from gendsl.emit.expressions import FULL, Emitter
from gendsl.emit.layout import Layout, Names, layout_of
from gendsl.emit.prelude import PRELUDE
from gendsl.emit.sites import SiteEmitter, Statement, has_children
from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import equation_expressions, references
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
        windows: observed variables with lags, and the first step at which each is modelled.
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
    windows: tuple[tuple[str, int], ...]
    uses_runtime: bool


def _batched(model: ir.Model) -> frozenset[str]:
    """Variables whose tensors may carry axes of draws or of enumeration."""
    found: set[str] = set()
    for variable in model.variables:
        depends = any(
            n in found
            for e in variable.equations
            for n in references(*equation_expressions(e))
        )
        if variable.random or (variable.role == "let" and depends):
            found.add(variable.name)
    return frozenset(found)


def emit_program(model: ir.Model, plan: Plan, version: str) -> Program:
    """The Pyro program of a model; the same input gives the same bytes."""
    layout, names = layout_of(model), Names(model)
    data = frozenset(v.name for v in model.of_role("input", "observed"))
    emitter = Emitter(layout, names, _batched(model), data)
    distributions = DistributionEmitter(emitter)
    emitter.distribution = distributions.plain
    sites = SiteEmitter(model, emitter, distributions, frozenset(plan.enumerated))
    statements = [s for v in model.variables for s in sites.variable(v)]
    statements += [sites.energy(e, i + 1) for i, e in enumerate(model.energies)]
    body = _constants_of_data(model, names) + _aligned(model, emitter)
    body += _plates(model, emitter, statements)
    body += _grouped(emitter, statements)
    arguments = _Arguments.of(model, names)
    function = _function(model, arguments, body or [ast.Pass()])
    prelude = "\n\n".join(PRELUDE[n].strip("\n") for n in sorted(emitter.used))
    constants = _constants(model, names)
    uses_runtime = "runtime." in ast.unparse(ast.fix_missing_locations(function))
    text = _text(model, plan, version, prelude, constants, function, uses_runtime=uses_runtime)
    tree = ast.Module([*constants, function], [])
    _locate(tree, model.source)
    return Program(
        text,
        prelude,
        tree,
        layout,
        arguments.sizes,
        arguments.inputs,
        arguments.observed,
        arguments.known,
        tuple(v.name for v in model.of_role("observed") if _is_imputed(model, v)),
        tuple(
            (v.name, e.first)
            for v in model.of_role("observed")
            for e in v.equations
            if e.first and e.step is None
        ),
        uses_runtime,
    )


def _is_imputed(model: ir.Model, variable: ir.Variable) -> bool:
    return variable.optional and has_children(model, variable.name)


@dataclass(frozen=True, slots=True)
class _Arguments:
    sizes: tuple[tuple[str, str], ...]
    inputs: tuple[tuple[str, str], ...]
    observed: tuple[tuple[str, str], ...]
    known: tuple[tuple[str, str], ...]

    @staticmethod
    def of(model: ir.Model, names: Names) -> _Arguments:
        ids = names.variables
        return _Arguments(
            tuple((a.name, names.sizes[a.name]) for a in model.axes if a.size is None),
            tuple((v.name, ids[v.name]) for v in model.of_role("input")),
            tuple((v.name, ids[v.name]) for v in model.of_role("observed")),
            tuple((v.name, f"{ids[v.name]}_known") for v in model.of_role("observed") if v.optional),
        )


def _closed(model: ir.Model, axis: ir.Axis) -> bool:
    """Whether the text alone says the size of an axis."""
    if axis.size is None:
        return False
    return all(_closed(model, model.axis(n)) for n in axis.size.names)


def _size_assignments(model: ir.Model, names: Names, *, closed: bool) -> list[ast.stmt]:
    emitter = Emitter(Layout({}), names, frozenset(), frozenset())
    axes = [a for a in model.axes if a.size is not None and _closed(model, a) == closed]
    done: list[str] = []
    while len(done) < len(axes):  # a size after those it is made of
        for axis in axes:
            assert axis.size is not None
            if axis.name not in done and axis.size.names & {a.name for a in axes} <= set(done):
                done.append(axis.name)
    result: list[ast.stmt] = []
    for name in done:
        axis = model.axis(name)
        assert axis.size is not None
        node = ast.Assign(
            [ast.Name(names.sizes[name], ast.Store())], emitter.size(axis.size)
        )
        node.gen_span = axis.span  # type: ignore[attr-defined]
        result.append(node)
    return result


def _constants(model: ir.Model, names: Names) -> list[ast.stmt]:
    return _size_assignments(model, names, closed=True)


def _constants_of_data(model: ir.Model, names: Names) -> list[ast.stmt]:
    return _size_assignments(model, names, closed=False)


def _aligned(model: ir.Model, emitter: Emitter) -> list[ast.stmt]:
    """Data in the order of their axes, as tensors with a dimension for every plate's place."""
    result: list[ast.stmt] = []
    for variable in model.of_role("input", "observed"):
        name = emitter.names.variables[variable.name]
        for argument, event in ((name, len(variable.type.event)), (f"{name}_known", 0)):
            if argument != name and not variable.optional:
                continue
            code = _aligned_value(variable, emitter, argument, event)
            if code is None:
                continue
            node = ast.Assign([ast.Name(argument, ast.Store())], code)
            node.gen_span = variable.span  # type: ignore[attr-defined]
            if variable.role == "input":
                result.append(node)
            else:
                test = ast.Compare(py.name(argument), [ast.IsNot()], [ast.Constant(None)])
                result.append(ast.If(test, [node], []))
    return result


def _aligned_value(
    variable: ir.Variable, emitter: Emitter, argument: str, event: int
) -> ast.expr | None:
    layout = emitter.layout
    wanted = layout.ordered(variable.axes)
    depth = layout.depth(variable.type.plates)
    if list(variable.axes) == wanted and depth == len(wanted):
        return None
    code: ast.expr = py.name(argument)
    if list(variable.axes) != wanted:
        order = [variable.axes.index(p) for p in wanted]
        order += range(len(order), len(order) + event)
        code = py.call(py.attribute(code, "permute"), *map(py.number, order))
    if depth != len(wanted):
        present = {layout.depths[p] for p in wanted}
        key: list[ast.expr] = [
            FULL if d in present else ast.Constant(None) for d in range(depth, 0, -1)
        ]
        code = py.index(code, *key, *[FULL] * event)
    return code


def _plates(model: ir.Model, emitter: Emitter, statements: list[Statement]) -> list[ast.stmt]:
    used = frozenset().union(*(s.plates for s in statements))
    result: list[ast.stmt] = []
    for axis in model.axes:
        if axis.name not in used:
            continue
        plate = py.call(
            "pyro.plate",
            py.text(axis.name),
            py.name(emitter.names.sizes[axis.name]),
            dim=py.number(-emitter.layout.depths[axis.name]),
        )
        node = ast.Assign([ast.Name(emitter.names.plates[axis.name], ast.Store())], plate)
        node.gen_span = axis.span  # type: ignore[attr-defined]
        result.append(node)
    return result


def _grouped(emitter: Emitter, statements: list[Statement]) -> list[ast.stmt]:
    """Statements in their order, neighbours with the same plates in one `with`."""
    groups: list[tuple[Statement, list[ast.stmt]]] = []
    for statement in statements:
        if groups and (groups[-1][0].plates, groups[-1][0].window) == (
            statement.plates,
            statement.window,
        ):
            groups[-1][1].extend(statement.code)
        else:
            groups.append((statement, list(statement.code)))
    result: list[ast.stmt] = []
    for statement, code in groups:
        if not statement.plates:
            result.extend(code)
            continue
        items = [
            ast.withitem(_plate(emitter, p, statement))
            for p in emitter.layout.ordered(statement.plates)
        ]
        result.append(ast.With(items, code))
    return result


def _plate(emitter: Emitter, plate: str, statement: Statement) -> ast.expr:
    """The plate, or a shorter one for the steps of a sequence at which an equation holds."""
    window = statement.window
    if window is None or window.sequence != plate:
        return py.name(emitter.names.plates[plate])
    size = ast.BinOp(
        py.name(emitter.names.sizes[plate]), ast.Sub(), py.number(window.first)
    )
    label = py.text(f"{plate} from {window.first}")
    return py.call("pyro.plate", label, size, dim=py.number(-emitter.layout.depths[plate]))


def _function(
    model: ir.Model, arguments: _Arguments, body: list[ast.stmt]
) -> ast.FunctionDef:
    required = [a for _, a in arguments.sizes] + [a for _, a in arguments.inputs]
    imputed = {v.name for v in model.of_role("observed") if _is_imputed(model, v)}
    optional: list[tuple[str, ast.expr]] = [
        (a, ast.Constant(None)) for _, a in arguments.observed
    ]
    optional += [
        (a, ast.Constant(None if v in imputed else True)) for v, a in arguments.known
    ]
    keywords = [ast.arg(a) for a in required] + [ast.arg(a) for a, _ in optional]
    defaults: list[ast.expr | None] = [None] * len(required)
    defaults += [value for _, value in optional]
    signature = ast.arguments([], [], None, keywords, defaults, None, [])
    doc: list[ast.stmt] = []
    if model.doc:
        doc = [ast.Expr(py.text(model.doc.strip()))]
    return ast.FunctionDef("model", signature, [*doc, *body], [], None)


def _text(
    model: ir.Model,
    plan: Plan,
    version: str,
    prelude: str,
    constants: list[ast.stmt],
    function: ast.FunctionDef,
    *,
    uses_runtime: bool,
) -> str:
    imports = ["import math"] if "math." in ast.unparse(function) else []
    imports += ["import pyro", "import pyro.distributions as dist", "import torch"]
    if "constraints." in ast.unparse(function):
        imports.append("from pyro.distributions import constraints")
    if uses_runtime:
        imports.append("import gendsl.runtime.distributions as runtime")
    parts = [f'"""{model.name}: a Pyro program, compiled by gendsl {version}."""']
    parts.append("\n".join(imports))
    if constants:
        parts.append("\n".join(ast.unparse(ast.fix_missing_locations(c)) for c in constants))
    if prelude:
        parts.append("\n" + prelude)
    parts.append("\n" + ast.unparse(function))
    parts.append("\n" + _main(plan))
    return "\n\n".join(parts) + "\n"


MAIN = '''if __name__ == "__main__":  # python model.py data.npz
    import sys

    import numpy as np
    from pyro.infer import MCMC, NUTS
{imports}
    torch.set_default_dtype(torch.float64)
    arrays = np.load(sys.argv[1], allow_pickle=False)
    data = {{k: int(v) if v.ndim == 0 and v.dtype.kind == "i" else torch.as_tensor(v)
            for k, v in arrays.items()}}
    mcmc = MCMC(NUTS({model}), num_samples=1000, warmup_steps=1000)
    mcmc.run(**data)
    mcmc.summary()'''


def _main(plan: Plan) -> str:
    """How to run the program by itself."""
    if not plan.noncentred:
        return MAIN.format(imports="", model="model")
    config = ", ".join(f'"{n}": LocScaleReparam(0)' for n in plan.noncentred)
    return MAIN.format(
        imports="    from pyro.infer.reparam import LocScaleReparam\n",
        model=f"pyro.poutine.reparam(model, {{{config}}})",
    )


def _locate(tree: ast.Module, source: Source) -> None:
    """Give every node the position of the model text that it comes from."""
    stack: list[tuple[ast.AST, Span]] = [(tree, Span(0, 0))]
    while stack:
        node, inherited = stack.pop()
        span: Span = getattr(node, "gen_span", inherited)
        if isinstance(node, (ast.expr, ast.stmt, ast.excepthandler, ast.arg, ast.keyword)):
            line, column = source.position(span.start)
            end_line, end_column = source.position(max(span.start, span.end))
            node.lineno, node.col_offset = line, column - 1
            node.end_lineno, node.end_col_offset = end_line, end_column - 1
        stack.extend((child, span) for child in ast.iter_child_nodes(node))


