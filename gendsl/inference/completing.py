"""Guides of values that are missing in part, and on which others depend."""

from __future__ import annotations

from gendsl.inference.discrete import Unguided
from gendsl.ir import nodes as ir
from gendsl.ir.laws import tied_axes, traits_of

__all__ = ["turn", "verify_members"]


def turn(variable: ir.Variable) -> int:
    """When something is eliminated from the moral graph, drawn in the opposite order.

    Of what has plates latents are drawn last, after what is given for some rows: where a label is
    known they are drawn given it, and its own guide is a classifier of new rows.
    """
    if not variable.axes:
        return 2
    return 0 if variable.role == "latent" else 1


def verify_members(
    model: ir.Model, variable: ir.Variable, written: tuple[ir.Equation, ...]
) -> None:
    """Refuse guides of what is known in part, and whose members cannot be drawn one by one.

    Args:
        model: the model.
        variable: a latent, or an observed variable with missing values.
        written: the equations of its guide, if the file has one.

    Raises:
        Unguided: why it has no guide.
    """
    if variable.role == "latent":
        return
    name = variable.name
    if any(model.axis(a).kind == "sequence" for a in variable.axes):
        raise Unguided(f"missing values of `{name}` stand along a sequence, and have no guide")
    for equation in written:
        if equation.distribution is None:
            raise Unguided(f"missing values of `{name}` cannot have a point for a guide")
        if traits_of(equation.distribution).event_dim > tied_axes(variable):
            law = equation.distribution.name
            raise Unguided(
                f"entries of `{name}` may be missing one by one, and {law} draws them together"
            )
