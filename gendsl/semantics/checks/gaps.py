"""Values that may be missing, where guides and networks use them."""

from __future__ import annotations

from gendsl.diagnostics import Label
from gendsl.ir import nodes as ir
from gendsl.ir.gaps import Needs, factors, gaps, needs, nets_by_gaps
from gendsl.ir.laws import traits_of
from gendsl.ir.printer import format_ir_expr
from gendsl.ir.traversal import (
    distribution_expressions,
    equation_expressions,
    variable_expressions,
    walk,
)
from gendsl.semantics.report import Report

__all__ = ["check"]


def check(model: ir.Model, report: Report) -> None:
    """Refuse guides that need what may be missing, and models that give gaps to networks."""
    _check_calls(model, report)
    missing = gaps(model)
    for guide in model.guides:
        if guide.name in missing:
            report.error(
                "GD602",
                f"nothing depends on `{guide.name}`, so that its missing values drop out of the "
                "density and need no guide",
                guide.span,
                labels=(Label(model.variable(guide.name).span, "declared here"),),
                help="remove the guide",
            )
            continue
        for equation in guide.equations:
            law = equation.distribution
            if law is not None and law.name == "Product":
                _check_product(model, guide, law, missing, report)
                continue
            found = needs(equation_expressions(equation), missing, model)
            for name, where in found.whole.items():
                _refuse(model, name, where, report)


def _check_calls(model: ir.Model, report: Report) -> None:
    """Outside guides every argument of a net is known, so none is taken with a mask."""
    nets = nets_by_gaps(model)
    exprs = [x for v in model.variables for x in variable_expressions(v)]
    for expr in walk(*exprs, *(e.value for e in model.energies)):
        if isinstance(expr, ir.NetCall) and expr.net in nets:
            report.error(
                "GD901",
                f"`{expr.net}` takes values that may be missing: such networks are part of the "
                "language, but this version can run them in guides only",
                expr.span,
                labels=(Label(model.net(expr.net).span, "declared here"),),
                help="drop the `?` of its signature: missing values on which others depend are "
                "inferred, and known when the network takes them",
            )


def _refuse(model: ir.Model, name: str, where: ir.Expr, report: Report) -> None:
    net = next((n for n in _calls(model) if any(a is where for a in n.args)), None)
    remedy = "give it to a net that takes gaps, or to a factor of a `Product`, which drops out"
    if net is not None:
        number = next(i for i, a in enumerate(net.args) if a is where)
        declared = model.net(net.net)
        remedy = (
            f"declare argument {number + 1} of `{net.net}` as `{declared.inputs[number]}?`: it "
            "then gets zeros and a mask; or write a `Product`, of which the factor drops out"
        )
    report.error(
        "GD621",
        f"this guide needs `{name}`, which may be missing",
        where.span,
        labels=(Label(model.variable(name).span, f"`{name}` may be missing"),),
        help=remedy,
    )


def _calls(model: ir.Model) -> list[ir.NetCall]:
    """The calls of nets in guides."""
    exprs = [x for g in model.guides for e in g.equations for x in equation_expressions(e)]
    return [e for e in walk(*exprs) if isinstance(e, ir.NetCall)]


def _check_product(
    model: ir.Model,
    guide: ir.Guide,
    law: ir.Distribution,
    missing: frozenset[str],
    report: Report,
) -> None:
    """Factors that may drop out are normal, and one stays whatever is missing."""
    found = [(f, needs(distribution_expressions(f), missing, model)) for f in factors(law)]
    may = [(f, n) for f, n in found if n.whole or n.partly]
    if not may:
        return
    for factor, need in may:
        _check_members(model, guide, need, report)
        family = traits_of(factor).name
        if family != "Normal":
            name = next(iter({**need.whole, **need.partly}))
            report.error(
                "GD622",
                f"this {family} would drop out of the product where `{name}` is missing, and "
                "only normal factors can: a product of others has no formula without them",
                factor.span,
                labels=(Label(model.variable(name).span, f"`{name}` may be missing"),),
                help="write `Normal(...)` factors, or give `?` values to a net that takes them",
            )
    if len(may) == len(found):
        names = sorted({n for _, need in may for n in {**need.whole, **need.partly}})
        shown = " and ".join(f"`{n}`" for n in names)
        report.error(
            "GD622",
            f"nothing is left of this product where {shown} {'are' if len(names) > 1 else 'is'} "
            "missing",
            law.span,
            help="add a factor that always stays, such as `Normal(0, 1)`",
        )


def _check_members(model: ir.Model, guide: ir.Guide, need: Needs, report: Report) -> None:
    """What a factor needs belongs to the member of the latent itself."""
    plates = model.variable(guide.name).type.plates
    for name, where in {**need.whole, **need.partly}.items():
        variable = model.variable(name)
        if variable.type.plates <= plates and isinstance(where, ir.Reference):
            continue
        report.error(
            "GD622",
            f"whether this factor drops out would depend on several members of `{name}`, which "
            "may be missing one by one",
            where.span,
            labels=(Label(variable.span, f"`{name}` may be missing"),),
            help=f"declare `{name}` and `{guide.name}` over the same plates; "
            f"`{format_ir_expr(where)}` may be given to a net that takes gaps, outside a product",
        )
