"""From a trained guide to labelled results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
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
from gendsl.runtime.variational.causal_nets import verify_orders
from gendsl.runtime.variational.flowing import flow_facts
from gendsl.runtime.variational.informing import information_facts
from gendsl.runtime.variational.learned import Learned, built_nets
from gendsl.runtime.variational.learning import Inference, Trained, infer, unvalidated
from gendsl.runtime.variational.likelihood import likelihood_facts, likelihood_history
from gendsl.runtime.variational.probing import remarks
from gendsl.runtime.variational.quality import course, pareto_facts
from gendsl.runtime.variational.quantising import code_facts
from gendsl.runtime.variational.using import guide_draws, natural

__all__ = ["fit_variationally", "learned_for"]

BOUND_PARTICLES = 10
"""Draws for each row in the bound that a fit reports."""

BOUND_ROWS = 10_000
"""The bound is that of so many rows at most, evenly spaced."""


def learned_for(
    plan: Plan,
    model: ir.Model,
    sizes: Mapping[str, int],
    given: Mapping[str, object] | None = None,
) -> Learned:
    """Networks with new weights, of the model and of the guide, and modules that are `given`."""
    nets = plan.guide.model.nets if plan.guide is not None else model.nets
    built = built_nets(nets, sizes, model.source, given)
    verify_orders(model, built)
    return Learned(built)


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
            rows = trained.inference.rows
            attrs |= code_facts(trained.inference.light, rows, rows.at_a_time(1))
            attrs |= flow_facts(trained.inference.light, rows, learned, model)
        groups, left_out = _groups(setting, trained.inference)
        with unvalidated():
            attrs |= pareto_facts(trained.inference)
            sizes = setting.executable.sizes
            attrs |= information_facts(trained.inference, plan, model, sizes)
    notes = [trained.note, *remarks(learned.nets), _left_out(trained, left_out), _cold(trained)]
    if any(notes):
        attrs["note"] = "; ".join(filter(None, notes))
    kind, history = "variational", _history(trained)
    if plan.method == "mle":
        kind, history = "point", likelihood_history(history)
        attrs = likelihood_facts(attrs, trained, model)
    return Outcome(kind, groups, {}, attrs, learned=learned, history=history or None)


def _cold(trained: Trained) -> str:
    """What is said of a warm-up that the training did not get to the end of."""
    warmup, epochs = trained.plan.options.get("kl_warmup"), trained.result.epochs
    if not warmup or float(warmup) <= epochs:
        return ""
    return (
        f"`kl_warmup` is {warmup} epochs, but the training had {epochs}, so that the KL never had "
        "its whole weight"
    )


def _left_out(trained: Trained, names: list[str]) -> str:
    """What is said of latents of which no draws are kept."""
    streamed = trained.inference.rows.stream is not None
    why = "draws are not kept of rows that are read in batches"
    why = why if streamed else "too many entries to keep draws of"
    listed = ", ".join(f"`{n}`" for n in names)
    return f"{listed}: {why}; `fit.encode` gives them" if names else ""


def _history(trained: Trained) -> dict[str, np.ndarray]:
    """The course of the training over epochs; scores are NaN where none were taken."""
    curves = trained.result.history
    history = {n: np.asarray(v) for n, v in curves.terms.items() if len(v)}
    for name, values in curves.scores.items() if history else ():
        whole = np.full(len(next(iter(history.values()))), np.nan)
        whole[np.asarray(curves.scored_at) - 1] = values
        history[f"held_out {name}"] = whole
    return history


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
        "steps_run": trained.how,
        "training_seconds": result.seconds,
    }
    guide = trained.plan.guide
    relaxed = guide.discrete.of("straight_through", "gumbel") if guide is not None else ()
    if relaxed:
        found["biased"] = ", ".join(f"`{n}`" for n in relaxed)
    if trained.batch_size is not None:
        found["batch_size"], found["row_order"] = trained.batch_size, result.order
    if result.best_epoch is not None:
        found["best_epoch"] = result.best_epoch
    bounds = history.terms.get("bound", [])
    if bounds and np.isfinite(bounds).any():
        found["bound_best"] = float(np.nanmax(bounds))
    return found | course(bounds)


def _bound(inference: Inference) -> dict[str, float | int | str]:
    """The evidence lower bound at the end, in nats, per row."""
    rows = inference.rows

    def draws() -> Iterator[Draw]:
        size = rows.at_a_time(BOUND_PARTICLES * inference.light.times)
        for arguments, count in rows.chunks(size, BOUND_ROWS):

            def draw(particles: int, given: object = arguments, count: int = count) -> object:
                return inference.light.sites(given, particles, count, rows.total)  # type: ignore[arg-type]

            yield draw  # type: ignore[misc]

    found = evaluate(draws(), BOUND_PARTICLES, BOUND_PARTICLES)
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
    groups: Groups = {
        ESTIMATE: {n: natural(inference, variables[n], v) for n, v in params.items()}
    }
    if compiled.plan.guide is None:
        return groups, []
    draws = int(setting.option("draws"))
    sizes, streamed = setting.executable.sizes, inference.rows.stream is not None
    given, program = setting.executable.arguments, setting.executable.program
    completed = [n for n in program.completed if given.get(dict(program.known)[n]) is not None]
    large = _large(
        inference, (*model.of_role("latent", "let"), *map(model.variable, completed)), draws
    )
    latents = [v.name for v in model.of_role("latent")] + completed
    if not latents:
        return groups, []
    if streamed or set(latents) & set(large):
        few = _shared(inference, model, sizes, draws, set(large))
        groups |= {"posterior": few} if few else {}
        return groups, [n for n in latents if n not in few]
    with torch.no_grad(), unvalidated():
        found = inference.light.draw(inference.everything(), draws)
    wanted = {f"{n}_missing" if n in completed else n for n in latents}
    raw = {n: v.cpu().numpy() for n, v in found.items() if n in wanted}
    raw = {n: v[None] for n, v in raw.items()} if draws == 1 else raw
    whole = complete(
        setting.executable,
        (),
        raw,
        discrete=bool(compiled.plan.enumerated),
        seed=setting.seed,
        without=frozenset(large),
        params={n: torch.as_tensor(v) for n, v in params.items()},
        count=draws,
    )
    groups["posterior"] = {n: v[None] for n, v in whole.items()}
    return groups, large


def _large(inference: Inference, variables: Iterable[ir.Variable], draws: int) -> list[str]:
    """The variables with too many entries to keep draws of, or with rows that are not at hand."""
    sizes, rows = inference.light.sizes, inference.rows
    return [
        v.name
        for v in variables
        if draws * prod(sizes[a] for a in v.axes) * _entries(v, sizes) > KEPT
        or (rows.stream is not None and (v.role == "let" or rows.plate in v.axes))
    ]


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
