"""What a plan says of flows: what a density and a draw cost, and which later call is slow."""

from __future__ import annotations

from gendsl.ir import nodes as ir
from gendsl.ir.laws import dequantised
from gendsl.ir.traversal import called_nets, variable_expressions
from gendsl.library.transforms import SCALAR_MAPS, TRANSFORMS, Way

__all__ = ["dequantised_variables", "flow_notes", "flow_words"]


def flow_words(model: ir.Model) -> dict[str, str]:
    """What happens to each flow that is used."""
    found: dict[str, str] = {}
    for net in (n for n in model.nets if n.flow is not None):
        if net.architecture == "standardise":
            found[net.name] = (
                "between data and flow: mean and standard deviation of the data of the fit; its "
                "Jacobian is in every density"
            )
            continue
        draw, density = _ways(net)
        words = f"learned as a point; a density takes {density.words}, a draw {draw.words}"
        if draw is density:
            words = f"learned as a point; a density and a draw take {density.words}"
        found[net.name] = words
    return found


def flow_notes(model: ir.Model) -> tuple[str, ...]:
    """The later calls that take the slow direction of a flow."""
    weighed = called_nets(*(x for v in model.variables for x in variable_expressions(v)))
    notes = [
        f"`{v.name}` is whole numbers behind a flow: uniform noise is added to them, so that log "
        "likelihoods are lower bounds"
        for v in dequantised_variables(model)
    ]
    for net in (n for n in model.nets if n.flow is not None):
        draw, density = _ways(net)
        if net.name in weighed and draw > max(density, Way.SOLVED):
            what = f"draws pass `{net.name}` the slow way ({draw.words})"
            notes.append(f"`fit.generate` and `fit.sample` are slow: {what}")
        elif net.name not in weighed and density > max(draw, Way.SOLVED):
            what = f"densities at other points pass `{net.name}` the slow way ({density.words})"
            notes.append(f"`gradient = path` would be slow: {what}")
    return tuple(notes)


def dequantised_variables(model: ir.Model) -> tuple[ir.Variable, ...]:
    """Observed variables to which noise is added."""
    return tuple(
        v
        for v in model.of_role("observed")
        for e in v.equations
        if e.distribution is not None and dequantised(v.type.support, e.distribution)
    )


def _ways(net: ir.Net) -> tuple[Way, Way]:
    """How a draw and how a density is computed."""
    assert net.flow is not None
    spec = TRANSFORMS[net.architecture or ""]
    name = net.flow.map or spec.default_map
    scalar = SCALAR_MAPS[name] if name else None
    draw, density = spec.ways(scalar)
    turned = net.flow.sampling and density < draw
    return spec.ways(scalar, turned=turned)
