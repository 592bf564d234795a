"""A checked model and its plan to a Pyro program."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace

from gendsl.emit import pycode as py
from gendsl.emit.arguments import (
    Arguments,
    aligned_data,
    computed_sizes,
    is_imputed,
    present_steps,
)
from gendsl.emit.chains import Chain, chains_of, summing
from gendsl.emit.distributions import DistributionEmitter
from gendsl.emit.expressions import Emitter
from gendsl.emit.layout import Layout, Names, layout_of
from gendsl.emit.main_part import main_part
from gendsl.emit.networks import batched_arguments, new_networks
from gendsl.emit.observed import ObservedEmitter
from gendsl.emit.plates import grouped, plates
from gendsl.emit.prelude import PRELUDE
from gendsl.emit.rendering import rendered
from gendsl.emit.scans import scanned, steps_of
from gendsl.emit.setting import Setting
from gendsl.emit.sites import SiteEmitter, Statement, in_order, window_of
from gendsl.emit.stepped import SteppedEmitter, parts
from gendsl.emit.text import locate, needs_runtime, program_text
from gendsl.graph.grounding import grounded
from gendsl.graph.recursion import chained, held, lagged_names, recurrent, scans, turns
from gendsl.inference.plan import GuideModel, Plan
from gendsl.ir import nodes as ir
from gendsl.ir.gaps import nets_by_gaps
from gendsl.ir.traversal import (
    called_nets,
    equation_expressions,
    fixed_lets,
    references,
    reported_lets,
    variable_expressions,
)
from gendsl.semantics.checks.ragged import reads_to_ends
from gendsl.semantics.moving import followers
from gendsl.semantics.supports import is_discrete

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
        completed: those of them that come from the guide, together with what is known.
        kept: the argument that takes constants of the data of the fit, if there are any.
        recovered: the argument that says whether summed-out latents have their values, so that
            what is only computed from these can be; if there is such.
        windows: observed variables that depend on their own past, or on what has none at the
            first steps of a sequence, and the first step at which their general equation holds.
        chains: hidden Markov chains, which are summed out along their sequences.
        grounded: other discrete latents whose members are variables of their own, with the plates
            of these.
        steps: for each site of a literal equation, the step it holds at.
        parts: (site, latent) for the sites that weigh the values of latents along sequences, in
            the order of their steps.
        nets: the argument that takes the networks, by name; None where there are none.
        guide: its function `guide` with the positions of the model text; None without one.
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
    completed: tuple[str, ...]
    kept: str | None
    recovered: str | None
    windows: tuple[tuple[str, int], ...]
    chains: tuple[Chain, ...]
    grounded: tuple[tuple[str, tuple[str, ...]], ...]
    steps: tuple[tuple[str, int], ...]
    parts: tuple[tuple[str, str], ...]
    nets: str | None
    guide: ast.Module | None = field(repr=False)
    uses_runtime: bool


def emit_program(model: ir.Model, plan: Plan, version: str) -> Program:
    """The Pyro program of a model; the same input gives the same bytes."""
    guided = plan.guide.model if plan.guide is not None else None
    names = Names(model, guided)
    arguments = Arguments.of(model, names)
    setting = _setting(model, names, arguments, layout_of(model, guided))
    statements = _statements(model, plan, setting)
    bodies = {"model": [*_doc(model), *_body(model, setting, statements)]}
    if plan.guide is not None:
        bodies["guide"] = _guide_body(plan.guide, names, arguments, setting)
    kept = names.kept if setting.kept else None
    recovered = names.recovered if any(s.deferred for s in statements) else None
    functions = {
        name: _function(name, body, arguments, kept, recovered) for name, body in bodies.items()
    }
    text = "\n\n\n".join(map(rendered, functions.values()))
    trees = {name: _module(model, setting, f) for name, f in functions.items()}
    prelude = "\n\n\n".join(PRELUDE[n].strip("\n") for n in sorted(setting.used))
    main = _main(model, plan, setting, arguments)
    constants = computed_sizes(model, setting, closed=True)
    return Program(
        program_text(model.name, version, prelude, constants, text, main),
        prelude,
        trees["model"],
        setting.layout,
        arguments.sizes,
        arguments.inputs,
        arguments.observed,
        arguments.known,
        arguments.imputed,
        plan.guide.completed if plan.guide is not None else (),
        kept,
        recovered,
        _windows(model),
        chains_of(model),
        tuple((n, tuple(sorted(p))) for n, p in grounded(model).items()),
        _steps(model),
        parts(model),
        arguments.nets,
        trees.get("guide"),
        needs_runtime(text, main),
    )


def _doc(model: ir.Model) -> list[ast.stmt]:
    return [ast.Expr(py.text(model.doc.strip()))] if model.doc else []


def _function(
    name: str,
    body: list[ast.stmt],
    arguments: Arguments,
    kept: str | None,
    recovered: str | None,
) -> ast.FunctionDef:
    signature = arguments.signature(kept, recovered)
    return ast.FunctionDef(name, signature, body or [ast.Pass()], [], None)


def _module(model: ir.Model, setting: Setting, function: ast.FunctionDef) -> ast.Module:
    """A function after the sizes that it uses, with the positions of the model text."""
    tree = ast.Module([*computed_sizes(model, setting, closed=True), function], [])
    locate(tree, model.source)
    return tree


def _body(model: ir.Model, setting: Setting, statements: list[Statement]) -> list[ast.stmt]:
    """All that a function does."""
    body = computed_sizes(model, setting, closed=False) + aligned_data(model, setting)
    body += present_steps(model, setting)
    body += [*_modules(model, setting, statements), *setting.functions.values()]
    return body + plates(model, setting, statements) + grouped(setting, statements)


def _modules(model: ir.Model, setting: Setting, statements: list[Statement]) -> list[ast.stmt]:
    """The networks that are called, as Pyro modules."""
    names = setting.names
    called = {
        n.id
        for statement in statements
        for code in statement.code
        for n in ast.walk(code)
        if isinstance(n, ast.Name)
    }
    result: list[ast.stmt] = []
    for net in model.nets:
        if names.nets[net.name] in called:
            given = ast.Subscript(py.name(names.modules), py.text(net.name), ast.Load())
            module = py.call("pyro.module", py.text(net.name), given)
            result.append(py.assign(names.nets[net.name], module, net.span))
    return result


def _guide_body(
    found: GuideModel, names: Names, arguments: Arguments, beside: Setting
) -> list[ast.stmt]:
    """What the guide does, a model of the latents, which is called like the model itself."""
    model = found.model
    setting = _setting(model, names, arguments, beside.layout)
    setting.kept, setting.used, setting.gaps = beside.kept, beside.used, dict(found.gaps)
    for name in setting.gaps:
        names.variables[f"{name} known"] = f"{names.variables[name]}_known"
    emitter = Emitter(setting)
    distributions = DistributionEmitter(emitter, frozenset(), model)
    emitter.distribution = distributions.plain
    sites = SiteEmitter(model, emitter, distributions, frozenset())
    groups = {v.name: g for g in turns(model) for v in g}
    statements: list[Statement] = []
    for variable in model.variables:
        group = groups.get(variable.name, ())
        if group:
            if variable is group[0]:
                statements += scanned(sites, group, guide=True, carried=found.carried)
            continue
        match variable.role:
            case "param":
                statement = sites.param(variable, scattered=variable.name in found.scattered)
            case "let":
                statement = sites.let(variable, site=False)
            case "latent" | "observed":
                statement = sites.guided(
                    variable,
                    carried=variable.name in found.carried,
                    summed=variable.name in found.discrete.of("sum"),
                )
            case _:
                continue
        statements.append(_after(setting, statement))
    return _body(model, setting, in_order(statements))


def _after(setting: Setting, statement: Statement) -> Statement:
    """A statement with what must stand before it."""
    before = setting.taken()
    return replace(statement, code=(*before, *statement.code)) if before else statement


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
    nets = plan.guide.model.nets if plan.guide is not None else model.nets
    return main_part(
        plan,
        setting.layout.max_plate_nesting,
        followers(model),
        summing(model, setting, arguments, _steps(model), always=always),
        tied=bool(grounded(model)),
        nets=new_networks(nets, model, setting, arguments),
        kept=arguments.nets or "",
        batches=batched_arguments(model, plan, arguments),
        numbers=arguments.numbers(model),
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


def _setting(model: ir.Model, names: Names, arguments: Arguments, layout: Layout) -> Setting:
    filled = [model.variable(n) for n in arguments.imputed]
    if any(not is_discrete(v.type.support) for v in filled):
        layout = replace(layout, least=1)  # the plate of missing entries
    data = frozenset(v.name for v in model.of_role("input", "observed"))
    batched: set[str] = set()
    fixed = fixed_lets(model) | {v.name for v in model.of_role("input")}
    lengths = {a.name: a.lengths for a in model.axes if a.lengths is not None}
    setting = Setting(layout, names, data=data, fixed=fixed, masked=nets_by_gaps(model))
    setting.lengths = lengths
    setting.readers = frozenset(n.name for n in model.nets if reads_to_ends(n))
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
    summed = frozenset(plan.enumerated)
    sites = SiteEmitter(model, emitter, distributions, summed, joint=plan.guide is not None)
    observed = ObservedEmitter(
        sites,
        frozenset(n for n, _ in _windows(model)),
        frozenset(plan.guide.completed if plan.guide is not None else ()),
    )
    stepped = SteppedEmitter(sites)
    groups = {g[0].name: g for g in scans(model)}
    apart, of_guide = held(model), _of_guide(model, plan)
    recurring = {v.name for g in groups.values() for v in g}
    found: list[Statement] = []
    for variable in model.variables:
        own: list[Statement]
        if variable.name in of_guide:
            own = []
        elif variable.role == "let":
            own = _lets(sites, variable, groups, recurring)
        elif variable.role == "observed":
            own = observed.statements(variable)
        elif variable.role == "latent":
            held_apart = variable.name in apart
            own = stepped.latent(variable) if held_apart else [sites.latent(variable)]
        else:
            own = [sites.param(variable)] if variable.role == "param" else []
        found += [_after(setting, statement) for statement in own]
    for number, energy in enumerate(model.energies, start=1):
        found.append(_after(setting, sites.energy(energy, number)))
    return in_order(_deferred(model, plan, found))


def _of_guide(model: ir.Model, plan: Plan) -> frozenset[str]:
    """Lets with networks that the guide alone uses: the model does without them."""
    if plan.guide is None:
        return frozenset()
    used = {v.name for v in plan.guide.model.of_role("let")} & reported_lets(model)
    while True:  # with those that they need
        lets = [v for v in model.of_role("let") if v.name in used]
        found = frozenset(v.name for v in lets if called_nets(*variable_expressions(v)))
        others = (v for v in model.variables if v.name not in found)
        if not found & set(references(*(x for v in others for x in variable_expressions(v)))):
            return found
        used = used - set(references(*(x for v in others for x in variable_expressions(v))))


def _lets(
    sites: SiteEmitter,
    variable: ir.Variable,
    groups: dict[str, tuple[ir.Variable, ...]],
    recurring: set[str],
) -> list[Statement]:
    """The statements of a let, or of all that recur together with it where it is the first."""
    if variable.name in groups:
        return scanned(sites, groups[variable.name])
    return [] if variable.name in recurring else [sites.let(variable)]


def _deferred(model: ir.Model, plan: Plan, statements: list[Statement]) -> list[Statement]:
    """The statements, last those for the results alone that wait for summed-out latents."""
    guided = plan.guide.completed if plan.guide is not None else ()
    observed = [v for v in model.of_role("observed") if v.name not in guided]
    imputed = {v.name for v in observed if is_imputed(model, v)}
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
