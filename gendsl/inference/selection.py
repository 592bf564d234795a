"""Choosing an algorithm: the most competent one, the cheaper one of two equals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from gendsl.diagnostics import CompileError, Diagnostic, Label, nearest
from gendsl.graph.conjugacy import integrable
from gendsl.graph.facts import Facts, derive_facts
from gendsl.inference.algorithms import ALGORITHMS
from gendsl.inference.algorithms.energies import energy_notes, shown
from gendsl.inference.algorithms.spec import AlgorithmSpec
from gendsl.inference.discrete import Unguided, guided_plan, treat_discrete
from gendsl.inference.flowing import flow_notes, flow_words
from gendsl.inference.guiding import guide_model
from gendsl.inference.plan import (
    Candidate,
    Competence,
    GuideModel,
    Marginal,
    OptionValue,
    Plan,
    Rating,
)
from gendsl.inference.rewrites import integrating, noncentring, summing
from gendsl.inference.treatments import Treatments, verified
from gendsl.ir import nodes as ir
from gendsl.ir.blocks import blocks_of
from gendsl.library.methods import LATER, METHODS, USUAL, MethodSpec

__all__ = ["make_plan", "method_options"]


def make_plan(
    model: ir.Model,
    request: str | None = None,
    options: Mapping[str, OptionValue] | None = None,
    treat: Mapping[str, object] | None = None,
) -> Plan:
    """The plan of a checked model.

    Args:
        model: the model.
        request: a method asked for by the caller; overrides the file's `infer`.
        options: options of the method given by the caller; override the file's.
        treat: what the caller asks to be done with single variables.

    Raises:
        CompileError: GD610 or GD612, with every algorithm's reason, if none can do it; GD614 if
            a variable cannot be treated as asked.
    """
    facts = derive_facts(model)
    asked_of = verified(treat or {}, model, facts)
    facts = replace(facts, integrable=integrable(model, asked_of.sampled(facts)))
    asked_of.refused(facts.integrable, model)
    guide, missing = _guide(model, facts, options or {})
    rated = [(a, _able(a, a.rate(facts), missing, facts)) for a in ALGORITHMS.values()]
    rated = [(a, _by_length(a, r, model, facts)) for a, r in rated]
    rated.sort(key=lambda ar: (-ar[1].competence, ar[1].cost, ar[0].name))
    candidates = tuple(Candidate(a.name, a.method.title, r) for a, r in rated)
    asked = request or (model.infer.method if model.infer is not None else None)
    if not facts.continuous and not facts.finite and not facts.params and not facts.nets:
        return Plan(
            None,
            "draws from the model",
            candidates,
            (),
            {},
            notes=(
                "nothing is unknown: there is nothing to infer, but the model can be simulated",
            ),
        )
    if asked is not None:
        _verify_known(asked, model)
        chosen = next(a for a, _ in rated if a.name == asked)
        rating = dict((a.name, r) for a, r in rated)[asked]
        if rating.competence is Competence.INCOMPATIBLE:
            raise _refusal(model, candidates, asked)
    else:
        chosen = rated[0][0]
        if rated[0][1].competence <= Competence.COMPATIBLE:
            raise _refusal(model, candidates, None)
    filled, unused = _filled(model, chosen, options or {}, requested=asked is not None)
    plan = _plan(model, facts, chosen, candidates, filled, asked_of, requested=asked is not None)
    if guide is not None and chosen.guides:
        plan = guided_plan(plan, model, guide, facts)
    if not unused:
        return plan
    note = f"{', '.join(f'`{n}`' for n in unused)}: {chosen.name} has no use for it"
    return replace(plan, notes=(*plan.notes, note))


def _guide(
    model: ir.Model, facts: Facts, options: Mapping[str, OptionValue]
) -> tuple[GuideModel | None, str]:
    """The guide of a model; None, and why there is none, where a latent has no automatic one."""
    if facts.chains or facts.energies or facts.undirected:
        return None, ""  # methods that need a guide refuse these by themselves
    asked = {**dict(model.infer.options if model.infer is not None else ()), **options}
    way, bound = str(asked.get("discrete") or "auto"), str(asked.get("bound") or "elbo")
    try:
        discrete = treat_discrete(model, facts, way, bound)
        gone = discrete.of("model")
        latents = tuple(n for n in (*facts.continuous, *facts.finite) if n not in gone)
        guide = guide_model(model, latents, full=asked.get("family") == "full")
        return replace(guide, discrete=discrete), ""
    except Unguided as reason:
        return None, str(reason)


def _able(algorithm: AlgorithmSpec, rating: Rating, missing: str, facts: Facts) -> Rating:
    """A rating, where the reason `missing` says why a guide that is needed cannot be had.

    Only who accounts for the constants of energies may learn what they depend on.
    """
    if facts.owed and not algorithm.accounts:
        why = f"log Z depends on {shown(facts.owed[0])}, and it would leave that out"
        return Rating(Competence.INCOMPATIBLE, why)
    if algorithm.guides and missing and rating.competence is not Competence.INCOMPATIBLE:
        return Rating(Competence.INCOMPATIBLE, missing)
    return rating


def _by_length(algorithm: AlgorithmSpec, rating: Rating, model: ir.Model, facts: Facts) -> Rating:
    """A rating, where steps of a ragged sequence are absent: who goes by steps leaves them out."""
    ragged = next((a.name for a in model.axes if a.lengths is not None), None)
    by_steps = algorithm.method.learns and (algorithm.guides or bool(facts.nets))
    if ragged is None or by_steps or rating.competence is Competence.INCOMPATIBLE:
        return rating
    return Rating(
        Competence.INCOMPATIBLE, f"`{ragged}` is ragged, which takes learning by steps (`svi`)"
    )


def _filled(
    model: ir.Model, chosen: AlgorithmSpec, options: Mapping[str, object], *, requested: bool
) -> tuple[dict[str, OptionValue], tuple[str, ...]]:
    """Every option of the method, and those of the caller that mean nothing to it."""
    given = dict(model.infer.options) if model.infer and model.infer.method == chosen.name else {}
    unused: tuple[str, ...] = ()
    if not requested and chosen.integrates and not chosen.samples:
        unused = tuple(n for n, v in options.items() if _of_sampling(n, v, chosen.method, model))
    own = {n: v for n, v in options.items() if n not in unused}
    method = chosen.method.suited(_kind(model))
    return method_options(method, {**given, **own}, model), unused


def _kind(model: ir.Model) -> Literal["nets", "params", "energies"]:
    """Which options a model has, where a method has several sets of them."""
    if any(block.learned for block in blocks_of(model)):
        return "energies"
    return "nets" if model.nets else "params"


def _of_sampling(name: str, value: object, chosen: MethodSpec, model: ir.Model) -> bool:
    """Whether an option is one of samplers alone, which would run if less could be integrated.

    Raises:
        CompileError: GD607, its value is illegal.
    """
    own = [a.method for a in ALGORITHMS.values() if a.samples and a.method.option(name)]
    if chosen.option(name) is not None or not own:
        return False
    method_options(own[0], {name: value}, model)
    return True


def _plan(
    model: ir.Model,
    facts: Facts,
    chosen: AlgorithmSpec,
    candidates: tuple[Candidate, ...],
    options: Mapping[str, OptionValue],
    treatments: Treatments,
    *,
    requested: bool,
) -> Plan:
    units = tuple(n for block in facts.owed for n in block.units)
    facts = replace(facts, finite=tuple(n for n in facts.finite if n not in units))
    marginals = _marginals(facts) if chosen.integrates else ()
    if chosen.samples and _covered(facts, marginals):
        marginals = ()  # asked to sample where nothing would be left
    gone = {n for m in marginals for n in m.variables}
    noncentred = treatments.noncentred(facts, gone) if chosen.reparameterises else ()
    latents = {v.name for v in model.of_role("latent")}
    enumerated = tuple(n for n in facts.finite if n in latents)
    rewrites = summing(facts) + integrating(marginals) + noncentring(facts, set(noncentred) - gone)
    treatment = dict.fromkeys(facts.continuous, _continuous_words(chosen))
    treatment |= dict.fromkeys(gone, "integrated out exactly, and recovered afterwards")
    treatment |= dict.fromkeys(facts.finite, "summed out exactly, and recovered afterwards")
    treatment |= dict.fromkeys((*facts.params, *facts.nets), "learned as a point")
    treatment |= dict.fromkeys(units, "summed out of the energy, in which no two units meet")
    treatment |= flow_words(model)
    notes = (*_remarks(facts, chosen, options), *flow_notes(model))
    return Plan(
        chosen.name,
        chosen.method.answer,
        candidates,
        tuple(rewrites),
        options,
        enumerated,
        noncentred,
        requested,
        treatment,
        notes,
        tuple(n for n in facts.correlated if n in noncentred),
        marginals,
        dict(treatments.asked),
        by_steps=chosen.method.learns and (chosen.guides or bool(facts.nets) or bool(facts.owed)),
        constant=shown(facts.owed[0]) if facts.owed else "",
        nets=facts.owed[0].block.nets if facts.owed else (),
    )


def _remarks(
    facts: Facts, chosen: AlgorithmSpec, options: Mapping[str, OptionValue]
) -> Iterator[str]:
    """What else is to be said of a plan."""
    for name in facts.unnormalised:
        yield f"the density of `{name}` is known up to a constant only"
    yield from energy_notes(facts, chosen.name, options)
    if chosen.name == "mle" and options.get("held_out"):
        share = 100 * float(options["held_out"] or 0)
        yield (
            f"{share:g} % of the rows are held out: the weights are those that suit them best, "
            "and training ends when no better ones are found; `held_out = 0` learns from all rows"
        )


def _marginals(facts: Facts) -> tuple[Marginal, ...]:
    return tuple(Marginal(family, names) for family, names in facts.integrable)


def _covered(facts: Facts, marginals: tuple[Marginal, ...]) -> bool:
    """Whether no continuous latent is left."""
    gone = {n for m in marginals for n in m.variables}
    return bool(gone) and gone.issuperset(facts.continuous)


def _continuous_words(chosen: AlgorithmSpec) -> str:
    return "sampled" if chosen.samples else "maximised"


def _verify_known(asked: str, model: ir.Model) -> None:
    if asked in METHODS:
        return
    if asked in LATER:
        message = (
            f"{LATER[asked]} (`{asked}`) is part of the language, but this version cannot run "
            "it yet"
        )
        remedy = f"this version has {', '.join(METHODS)}"
        raise CompileError([Diagnostic("GD909", message, help=remedy)], model.source)
    near = nearest(asked, METHODS)
    raise CompileError(
        [
            Diagnostic(
                "GD605",
                f"no inference method is called `{asked}`",
                help=f"did you mean `{near}`?"
                if near
                else f"the methods are {', '.join(METHODS)}",
            )
        ],
        model.source,
    )


def method_options(
    method: MethodSpec, given: Mapping[str, object], model: ir.Model
) -> dict[str, OptionValue]:
    """Every option of a method, the given ones verified.

    Raises:
        CompileError: an unknown option (GD606) or an illegal value (GD607).
    """
    wrong: list[Diagnostic] = []
    filled: dict[str, OptionValue] = {o.name: o.default for o in method.options}
    for name, value in given.items():
        option = method.option(name)
        if option is None:
            near = nearest(USUAL.get(name, name), filled)
            remedy = f"did you mean `{near}`?" if near else f"its options are {', '.join(filled)}"
            wrong.append(
                Diagnostic("GD606", f"`{method.name}` has no option called `{name}`", help=remedy)
            )
            continue
        found = option.accepted(value)
        if value is not None and found is None:
            wrong.append(
                Diagnostic(
                    "GD607",
                    f"`{name}` ({option.meaning}) is {option.legal}, not {value!r}",
                )
            )
            continue
        if found is not None:
            filled[name] = found
    if wrong:
        raise CompileError(wrong, model.source)
    return filled


def _refusal(
    model: ir.Model, candidates: tuple[Candidate, ...], asked: str | None
) -> CompileError:
    reasons = "; ".join(f"{c.name}: {c.rating.reason}" for c in candidates)
    if asked is not None:
        own = next(c.rating.reason for c in candidates if c.name == asked)
        message = f"`{asked}` cannot be used for this model: {own}"
        able = [c.name for c in candidates if c.rating.competence > Competence.INCOMPATIBLE]
        remedy = f"use {' or '.join(able)}" if able else f"no method can: {reasons}"
        span = (
            model.infer.span if model.infer is not None and model.infer.method == asked else None
        )
        return CompileError([Diagnostic("GD612", message, span, help=remedy)], model.source)
    unknown = [v for v in model.of_role("latent", "param")]
    labels = tuple(Label(v.span, f"{v.role} `{v.name}`") for v in unknown[:3])
    return CompileError(
        [
            Diagnostic(
                "GD610",
                "no method of this version can infer this model",
                model.span,
                labels,
                f"the reasons are: {reasons}",
            )
        ],
        model.source,
    )
