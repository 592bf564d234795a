"""Flows in a training: where they begin, and whether they are bijections on the data."""

from __future__ import annotations

from gendsl.diagnostics import DataError, Diagnostic
from gendsl.inference.flowing import dequantised_variables
from gendsl.ir import nodes as ir
from gendsl.runtime.flows import Flow
from gendsl.runtime.flows.checking import ROWS, Violation, begin_flows, flows_of, violations
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.light import Light
from gendsl.runtime.variational.rows import Rows

__all__ = ["flow_facts", "start_flows"]

MOMENTS = 20_000
"""Rows whose moments flows begin with at most, evenly spaced."""


def start_flows(light: Light, rows: Rows, learned: Learned, model: ir.Model) -> None:
    """Let flows begin at the data, and verify that they are bijections there.

    Raises:
        DataError: GD880, a layer is none.
    """
    flows = flows_of(learned.nets)
    if not flows:
        return
    begin_flows(list(flows.values()), lambda: _run(light, rows, MOMENTS))
    found = _violations(light, rows, flows)
    if found:
        span = model.net(found[0].flow).span
        raise DataError(
            [
                Diagnostic(
                    "GD880",
                    f"on these data {found[0]}",
                    span,
                    help="look for data that are far out, or for options of the transform",
                )
            ],
            model.source,
        )


def flow_facts(
    light: Light, rows: Rows, learned: Learned, model: ir.Model
) -> dict[str, float | int | str]:
    """What a fit says of its flows.

    ``flow_violation``, in words, if a layer is no bijection on the data any more, and
    ``dequantised``, the variables to which noise is added.
    """
    flows = flows_of(learned.nets)
    found = _violations(light, rows, flows) if flows else []
    facts: dict[str, float | int | str] = {"flow_violation": str(found[0])} if found else {}
    noisy = dequantised_variables(model)
    return facts | ({"dequantised": ", ".join(v.name for v in noisy)} if noisy else {})


def _run(light: Light, rows: Rows, most: int) -> None:
    arguments, count = rows.spaced(most)
    light.sites(arguments, 1, count, rows.total)


def _violations(light: Light, rows: Rows, flows: dict[str, Flow]) -> list[Violation]:
    return violations(flows, lambda: _run(light, rows, ROWS))
