"""Lets that recur along a sequence, computed step by step."""

from __future__ import annotations

import ast

from gendsl.emit import pycode as py
from gendsl.emit.setting import Step
from gendsl.emit.sites import SiteEmitter, Statement, needed
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import references, variable_expressions

__all__ = ["scanned", "steps_of"]


def steps_of(name: str) -> str:
    """What the loop makes that computes the recurring let `name` and those with it."""
    return f"the steps of {name}"


def scanned(
    sites: SiteEmitter,
    group: tuple[ir.Variable, ...],
    *,
    guide: bool = False,
    carried: frozenset[str] = frozenset(),
) -> list[Statement]:
    """A loop that computes the recurring lets of `group`, and a site for each of them.

    The values of a step have a dimension of size 1 in the place of the sequence; what does not
    recur is computed in front of the loop, for all steps at once. In a guide latents are drawn in
    the loop, each step at a site that the model lacks; that of the latent as a whole is a point.
    """
    setting = sites.setting
    sequence = sites.along(group[0])
    lists = {v.name: setting.names.extra(f"{v.name}_so_far") for v in group}
    step = Step(sequence, setting.names.extra(sequence), lists)
    body = [code for v in group for code in _appended(sites, v, step, carried)]
    empty = [py.assign(name, ast.List([], ast.Load()), v.span) for v, name in _named(group, lists)]
    numbers = py.call("range", py.name(setting.names.sizes[sequence]))
    loop = ast.For(ast.Name(step.number, ast.Store()), numbers, body, [], None)
    needs = frozenset[str]().union(*(needed(v) for v in group)) - {v.name for v in group}
    made = frozenset(v.name for v in group)
    marker = steps_of(group[0].name)
    code: list[ast.stmt] = [*step.before, *empty, py.mark(loop, group[0].span)]
    result = [Statement(frozenset(), tuple(code), makes=frozenset({marker}), needs=needs)]
    others = (v for v in sites.model.variables if v not in group)
    used = references(*(x for v in others for x in variable_expressions(v)))
    for variable in group:
        if guide and variable.role == "let" and variable.name not in used:
            continue
        value = _whole(sites, variable, lists[variable.name], sequence)
        rank = py.number(len(variable.type.event))
        site = value
        if variable.role == "latent":
            point = py.call("dist.Delta", value, event_dim=rank)
            site = sites.site(variable, point)
        elif not guide:
            site = py.call("pyro.deterministic", py.text(variable.name), value, event_dim=rank)
        assigned = py.assign(sites.identifier(variable), site, variable.span)
        own = frozenset({variable.name})
        needs = frozenset({marker})
        result.append(Statement(variable.type.plates, (assigned,), makes=own & made, needs=needs))
    return result


def _named(group: tuple[ir.Variable, ...], lists: dict[str, str]) -> list[tuple[ir.Variable, str]]:
    return [(v, lists[v.name]) for v in group]


def _appended(
    sites: SiteEmitter, variable: ir.Variable, step: Step, carried: frozenset[str]
) -> list[ast.stmt]:
    """The value of one variable at one step: of its literal equation, else of the general one."""
    general = next(e for e in variable.equations if e.step is None)
    literal = {e.step: e for e in variable.equations if e.step is not None}
    result = _append(sites, variable, general, step, carried)
    undefined = [s for s in range(general.first) if s not in literal]
    if undefined:
        nan = py.call("torch.tensor", py.attribute("math", "nan"))
        test = _compare(step, ast.Lt(), max(undefined) + 1)
        result = [ast.If(test, [_push(variable, nan, step)], result)]
    for number in sorted(literal, reverse=True):
        assert number is not None
        first = _append(sites, variable, literal[number], step, carried)
        result = [ast.If(_compare(step, ast.Eq(), number), first, result)]
    return result


def _compare(step: Step, operator: ast.cmpop, number: int) -> ast.expr:
    return ast.Compare(py.name(step.number), [operator], [py.number(number)])


def _append(
    sites: SiteEmitter,
    variable: ir.Variable,
    equation: ir.Equation,
    step: Step,
    carried: frozenset[str],
) -> list[ast.stmt]:
    step.first = equation.first if equation.step is None else 0
    with sites.setting.stepping(step):
        if variable.role == "latent":
            law = sites.guide_law(variable, equation, carried=variable.name in carried)
            return _drawn(sites, variable, law, step)
        assert equation.value is not None
        value = sites.emitter.tensor(equation.value)
    if variable.type.plates - equation.value.type.plates - {step.sequence}:
        value = ast.BinOp(value, ast.Add(), sites.zeros(variable, step.sequence))
    return [*sites.setting.taken(), _push(variable, value, step)]


def _drawn(sites: SiteEmitter, variable: ir.Variable, law: ast.expr, step: Step) -> list[ast.stmt]:
    """One step of a latent, drawn from its guide."""
    number = ast.FormattedValue(py.name(step.number), -1)
    label = ast.JoinedStr([py.text(f"{variable.name} at "), number])
    auxiliary = ast.Dict([py.text("is_auxiliary")], [ast.Constant(value=True)])
    site = py.mark(py.call("pyro.sample", label, law, infer=auxiliary), variable.span)
    code = [*sites.setting.taken(), _push(variable, site, step)]
    plates = sites.setting.layout.ordered(variable.type.plates - {step.sequence})
    items = [ast.withitem(py.name(sites.setting.names.plates[p])) for p in plates]
    return [ast.With(items, code)] if items else code


def _push(variable: ir.Variable, value: ast.expr, step: Step) -> ast.stmt:
    push = py.call(py.attribute(step.lists[variable.name], "append"), value)
    return py.run(push, variable.span)


def _whole(sites: SiteEmitter, variable: ir.Variable, steps: str, sequence: str) -> ast.expr:
    """The values of all steps as one tensor, over all the plates of the variable."""
    setting, rank = sites.setting, len(variable.type.event)
    dim = py.number(-(setting.layout.depths[sequence] + rank))
    value = setting.helper("in_order", py.name(steps), dim)
    if variable.role == "latent":
        return value  # plates expand what is drawn
    values = [e.value for e in variable.equations if e.value is not None]
    varies = frozenset({sequence}).union(*(v.type.plates for v in values))
    if varies != variable.type.plates:
        return ast.BinOp(value, ast.Add(), sites.zeros(variable))
    return value
