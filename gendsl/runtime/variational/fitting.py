"""From a trained guide to labelled results."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import torch

from gendsl.inference.plan import Plan
from gendsl.ir import nodes as ir
from gendsl.runtime.backend import tensors
from gendsl.runtime.objectives import Draw, evaluate
from gendsl.runtime.outcome import KEPT, Groups, Outcome, Setting
from gendsl.runtime.posterior import complete
from gendsl.runtime.results import ESTIMATE
from gendsl.runtime.variational.learned import Learned, built_nets
from gendsl.runtime.variational.learning import (
    CHUNK,
    Inference,
    Trained,
    infer,
    unvalidated,
)
from gendsl.runtime.variational.quality import course, pareto_facts
from gendsl.runtime.variational.using import guide_draws, natural

__all__ = ["fit_variationally", "learned_for"]

BOUND_PARTICLES = 10
"""Draws for each row in the bound that a fit reports."""

BOUND_ROWS = 10_000
"""The bound is that of so many rows at most, evenly spaced."""


def learned_for(plan: Plan, model: ir.Model, sizes: Mapping[str, int]) -> Learned:
    """Networks with new weights, of the model and of the guide."""
    nets = plan.guide.model.nets if plan.guide is not None else model.nets
    return Learned(built_nets(nets, sizes, model.source))


def fit_variationally(setting: Setting) -> Outcome:
    """Train, draw from the guide, and say how good the bound is."""
    compiled, learned = setting.compiled, setting.learned
    model, plan = compiled.checked.ir, compiled.plan
    assert learned is not None
    with tensors(setting.dtype, setting.device, setting.seed):
        trained = infer(
            setting.executable,
            model,
            plan,
            learned,
            seed=setting.seed,
            progress=setting.progress,
            probabilities=setting.bound.redrawn,
            folder=setting.checkpoint,
            resume=setting.resume,
        )
        for net in learned.nets.values():
            net.eval()
        attrs = _facts(trained)
        with unvalidated():
            attrs |= _bound(trained.inference)
        groups, left_out = _groups(setting, trained.inference)
        with unvalidated():
            attrs |= pareto_facts(trained.inference)
    notes = [trained.note] if trained.note else []
    if left_out:
        names = ", ".join(f"`{n}`" for n in left_out)
        notes.append(f"{names}: too many entries to keep draws of; `fit.encode` gives them")
    if notes:
        attrs["note"] = "; ".join(notes)
    curves = trained.result.history
    history = {n: np.asarray(v) for n, v in curves.terms.items() if len(v)}
    for name, values in curves.scores.items() if history else ():
        whole = np.full(len(next(iter(history.values()))), np.nan)
        whole[np.asarray(curves.scored_at) - 1] = values
        history[f"held_out {name}"] = whole
    return Outcome("variational", groups, {}, attrs, learned=learned, history=history or None)


def _facts(trained: Trained) -> dict[str, float | int | str]:
    result = trained.result
    history = result.history
    found: dict[str, float | int | str] = {
        "objective": trained.objective.title,
        "steps": result.steps,
        "epochs": result.epochs,
        "stopped": result.stopped,
        "weights": result.weights,
        "skipped_steps": result.skipped,
        "training_seconds": result.seconds,
    }
    if trained.batch_size is not None:
        found["batch_size"] = trained.batch_size
    if result.best_epoch is not None:
        found["best_epoch"] = result.best_epoch
    bounds = history.terms.get("bound", [])
    if bounds and np.isfinite(bounds).any():
        found["bound_best"] = float(np.nanmax(bounds))
    return found | course(bounds)


def _bound(inference: Inference) -> dict[str, float | int | str]:
    """The evidence lower bound at the end, in nats, per row."""
    rows = inference.rows
    draws: list[Draw] = []
    for arguments, count in rows.chunks(CHUNK, BOUND_ROWS):

        def draw(particles: int, given: object = arguments, count: int = count) -> object:
            return inference.light.sites(given, particles, count, rows.total)  # type: ignore[arg-type]

        draws.append(draw)  # type: ignore[arg-type]
    found = evaluate(draws, BOUND_PARTICLES, BOUND_PARTICLES)
    facts: dict[str, float | int | str] = {
        "elbo": found.elbo.mean,
        "elbo_rows": found.elbo.rows,
    }
    if found.elbo.standard_error is not None:
        facts["elbo_standard_error"] = found.elbo.standard_error
    for name, term in found.terms.items():
        facts[f"elbo {name}"] = term.mean
    for name, active in found.active.items():
        facts[f"active {name}"] = int(active.sum())
        facts[f"units {name}"] = len(active)
    if rows.plate is not None:
        facts["rows_of"], facts["rows"] = rows.plate, rows.total
    return facts


def _groups(setting: Setting, inference: Inference) -> tuple[Groups, list[str]]:
    """Estimates of params, and draws of latents and lets from the guide."""
    compiled = setting.compiled
    model = compiled.checked.ir
    variables = {v.name: v for v in model.of_role("param")}
    params = inference.learned.values(tuple(variables))
    shaped = {n: natural(inference, variables[n], v) for n, v in params.items()}
    groups: Groups = {ESTIMATE: shaped}
    draws = int(setting.option("draws"))
    sizes = setting.executable.sizes
    large = [
        v.name
        for v in model.of_role("latent", "let")
        if draws * prod(sizes[a] for a in v.axes) * _entries(v, sizes) > KEPT
    ]
    latents = [v.name for v in model.of_role("latent")]
    if compiled.plan.guide is None or not latents:
        return groups, []
    if set(latents) & set(large):
        few = _shared(inference, model, sizes, draws, set(large))
        if few:
            groups["posterior"] = few
        return groups, [n for n in latents if n not in few]
    with torch.no_grad(), unvalidated():
        found = inference.light.draw(inference.everything(), draws)
    raw = {n: found[n].cpu().numpy() for n in latents}
    if draws == 1:
        raw = {n: v[None] for n, v in raw.items()}
    given = {n: torch.as_tensor(v) for n, v in params.items()}
    whole = complete(
        setting.executable,
        (),
        raw,
        discrete=False,
        seed=setting.seed,
        without=frozenset(large),
        params=given,
    )
    groups["posterior"] = {n: v[None] for n, v in whole.items()}
    return groups, large


def _shared(
    inference: Inference, model: ir.Model, sizes: Mapping[str, int], draws: int, large: set[str]
) -> dict[str, np.ndarray]:
    """Draws of the latents that all rows share, (1, draw, ...), but for those that are large."""
    plate = inference.rows.plate
    latents = [v for v in model.of_role("latent") if plate not in v.axes]
    shared = frozenset(v.name for v in latents) - large
    if plate is None or not shared:
        return {}
    with torch.no_grad(), unvalidated():
        found = guide_draws(inference, model, sizes, draws, shared)
    return {n: v[None] for n, v in found.items()}


def _entries(variable: ir.Variable, sizes: Mapping[str, int]) -> int:
    return prod(s.evaluate(dict(sizes)) for s in variable.type.event)
