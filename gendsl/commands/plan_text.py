"""A plan in a few lines: what is done with each unknown, and why."""

from __future__ import annotations

from collections.abc import Mapping

from gendsl.inference.plan import Plan
from gendsl.library.methods import METHODS

__all__ = ["brief_plan", "decided"]


def brief_plan(plan: Plan, sizes: Mapping[str, int], seed: int) -> str:
    """The plan as ``gendsl fit`` prints it; ``gendsl show`` has the whole of it."""
    if plan.method is None:
        return "inference: none, nothing is unknown"
    reason = next(c.rating.reason for c in plan.candidates if c.name == plan.method)
    how = "as asked for" if plan.requested else "chosen"
    lines = [f"inference: {plan.method} ({METHODS[plan.method].title}), {how}: {reason}"]
    gone = {n for m in plan.marginals for n in m.variables}
    treated: dict[str, list[str]] = {}
    for name, what in plan.treatment.items():
        free = name in plan.noncentred and name not in gone
        words = f"{what}, non-centred" if free else what
        treated.setdefault(words, []).append(name)
    lines += [f"  {what}: {', '.join(names)}" for what, names in treated.items()]
    options = {**plan.options, "seed": seed}
    lines.append(f"  with {', '.join(f'{k}={v}' for k, v in options.items() if v is not None)}")
    lines += [f"  {line}" for line in plan.training]
    lines += [f"  note: {note}" for note in plan.notes]
    if sizes:
        lines.append(f"data: {', '.join(f'{name} {size}' for name, size in sizes.items())}")
    return "\n".join(lines)


def decided(before: Plan, after: Plan) -> str:
    """What the data decided of a plan, and how its density was evaluated; empty if nothing."""
    lines = [f"  {r}" for r in after.rewrites if r not in before.rewrites]
    lines += [f"  note: {n}" for n in after.notes if n not in before.notes]
    lines = ["decided by the data:", *lines] if lines else []
    return "\n".join([*lines, *([f"density: {after.evaluation}"] if after.evaluation else [])])
