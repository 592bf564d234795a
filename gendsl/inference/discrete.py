"""What is done with discrete latents where a guide stands for the posterior.

Those with few values are summed out. Where nothing of the guide depends on them they are summed
out of the model itself, which gives the tighter bound: given all else their law is then exact.
Those with a guide of the author's, or on which other guides depend, are summed out under their
guide. All others are drawn, and their guide learns by the score function, whose gradients are
right but noisy; what is relaxed instead has biased gradients and must be asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from gendsl.graph.facts import Facts
from gendsl.inference.codebooks import codebook_words
from gendsl.inference.plan import Discrete, GuideModel, Plan
from gendsl.inference.rewrites import summing
from gendsl.inference.supervision import supervision_notes
from gendsl.ir import nodes as ir
from gendsl.ir.traversal import children, equation_expressions, references, variable_expressions
from gendsl.library.functions import FUNCTIONS
from gendsl.types import BINARY, REAL, Index, ValueType

__all__ = ["WORDS", "Unguided", "discrete_parts", "drawn_after", "guided_plan", "treat_discrete"]

FEW, MANY = 64, 4096
"""So many joint values are summed over by default, and at most where a sum is asked for."""

WORDS: Mapping[str, str] = {
    "model": "summed out of the model, exactly: no guide is needed, and the bound is tighter",
    "sum": "every value is tried, weighted by the guide: gradients are exact in it",
    "score": "drawn; the guide learns by the score function with a baseline: unbiased, but noisy",
    "straight_through": "drawn, with the derivatives of its probabilities in training: biased "
    "gradients; bounds that are reported are those of the model as it is",
    "point": "one value for each member: of a discrete latent that leaves the bound a bound",
    "gumbel": "a mixture of values in training (Gumbel-softmax): biased gradients; bounds that "
    "are reported are those of the model as it is",
}
"""What plans say of each way."""


class Unguided(Exception):
    """A latent has no automatic guide, for a reason in words."""


def treat_discrete(model: ir.Model, facts: Facts, asked: str, bound: str) -> Discrete:
    """What is done with each discrete latent.

    Args:
        model: the model.
        facts: of it.
        asked: "auto", or the way that is asked for: "sum" or another key of `WORDS`.
        bound: that is raised: where it weighs draws nothing is summed out under a guide.

    Raises:
        Unguided: what is asked for is impossible.
    """
    most = MANY if asked == "sum" else FEW
    guided = {g.name for g in model.guides}
    needed = {
        n
        for g in model.guides
        for n in _sources(model, [x for e in g.equations for x in equation_expressions(e)])
    }
    sizes = dict(facts.cardinalities)
    points = {g.name for g in model.guides if all(e.value is not None for e in g.equations)}
    found: dict[str, str] = {}
    for name in facts.finite:
        if name in points:
            found[name] = "point"
            continue
        missing = model.variable(name).role != "latent"
        own = name in guided or name in needed
        classified = missing and bool(model.nets)  # a guide learns to tell them from the rest
        if not own and not classified and (asked in ("auto", "sum") or missing):
            why = _not_out_of_model(model, facts, name, most)
            if why is None:
                found[name] = "model"
                continue
            if missing:
                raise Unguided(f"missing values of `{name}` cannot be summed out: {why}")
        if missing and asked in ("straight_through", "gumbel"):
            raise Unguided(f"draws of `{name}` cannot be relaxed where some of it is known")
        if asked in ("auto", "sum"):
            why = _not_under_guide(model, name, sizes[name], most, bound, facts)
            if why is not None and asked == "sum":
                raise Unguided(f"`{name}` cannot be summed out under its guide: {why}")
            found[name] = "score" if why is not None else "sum"
            continue
        why = _not_relaxed(model, name) if asked != "score" else None
        if why is not None:
            raise Unguided(f"draws of `{name}` cannot be relaxed (discrete={asked}): {why}")
        found[name] = asked
    _bounded_jointly(found, sizes, most, asked)
    return Discrete(tuple(found.items()))


def _bounded_jointly(
    found: dict[str, str], sizes: Mapping[str, int | None], most: int, asked: str
) -> None:
    """Draw all that was to be summed out under the guide where the joint values are too many."""
    summed = [n for n, way in found.items() if way == "sum"]
    count = prod(sizes[n] or 1 for n in summed)
    if count <= most:
        return
    if asked == "sum":
        raise Unguided(f"{', '.join(summed)} have {count:,} values together: too many to try")
    found |= dict.fromkeys(summed, "score")


def _not_out_of_model(model: ir.Model, facts: Facts, name: str, most: int) -> str | None:
    """Why a latent is not summed out of the model; None if it can be."""
    variable = model.variable(name)
    if facts.obstacles:
        return facts.obstacles[0].reason
    if name in dict(facts.grounded):
        return "its members are tied to one another"
    if any(model.axis(a).kind == "sequence" for a in variable.axes):
        return "it stands along a sequence"
    if facts.largest_table is None:
        if variable.type.event:
            return "data decide how many values it has"
    elif facts.largest_table > most:
        return f"its table has {facts.largest_table:,} entries"
    return None


def _not_under_guide(
    model: ir.Model, name: str, size: int | None, most: int, bound: str, facts: Facts
) -> str | None:
    """Why a latent is not summed out under its guide; None if it can be."""
    variable = model.variable(name)
    if bound != "elbo":
        return f"`bound = {bound}` weighs draws"
    if size is None and variable.type.event:
        return "data decide how many values it has"
    if size is not None and size > most:
        return f"it has {size:,} values"
    if name in dict(facts.grounded) or any(
        model.axis(a).kind == "sequence" for a in variable.axes
    ):
        return "its members are tied to one another"
    plates = variable.type.plates
    for other in model.variables:
        own = [*variable_expressions(other)]
        own += [
            x
            for g in model.guides
            if g.name == other.name
            for e in g.equations
            for x in equation_expressions(e)
        ]
        tied = name in _sources(model, own)
        if (tied and not other.type.plates >= plates) or _combined(name, plates, own):
            return f"`{other.name}` depends on several members of it"
    if any(name in _sources(model, [e.value]) for e in model.energies):
        return "an energy depends on it"
    return None


def _combined(name: str, plates: frozenset[str], exprs: list[ir.Expr]) -> bool:
    """Whether expressions combine or pick members of a variable."""
    return any(
        plates and _loses(e, name, plates) or _combined(name, plates, [*children(e)])
        for e in exprs
        if name in references(e)
    )


def _loses(expr: ir.Expr, name: str, plates: frozenset[str]) -> bool:
    axis = expr.axis if isinstance(expr, ir.Reduce | ir.Gather | ir.Select) else None
    axis = expr.plate if isinstance(expr, ir.Collect) else axis
    axis = expr.sequence if isinstance(expr, ir.Lag) else axis
    return axis in plates and name in references(*children(expr)[:1])


def _sources(model: ir.Model, exprs: list[ir.Expr]) -> set[str]:
    """The random variables and inputs that expressions depend on, through lets."""
    stack, found = list(references(*exprs)), set[str]()
    seen: set[str] = set()
    while stack:
        name = stack.pop()
        variable = next((v for v in model.variables if v.name == name), None)
        if variable is None or name in seen:
            continue
        seen.add(name)
        if variable.role == "let":
            stack += references(*variable_expressions(variable))
        else:
            found.add(name)
    return found


# Relaxed draws


def _not_relaxed(model: ir.Model, name: str) -> str | None:
    """Why draws of a latent have no derivatives; None if they can be given some."""
    support = model.variable(name).type.support
    if not isinstance(support, Index) and support != BINARY:
        return f"it is `{support}`, neither an index nor binary"
    whole = isinstance(support, Index)
    named = [(v.name, x) for v in model.variables for x in variable_expressions(v)]
    named += [
        (g.name, x) for g in model.guides for e in g.equations for x in equation_expressions(e)
    ]
    named += [("an energy", e.value) for e in model.energies]
    for owner, expr in named:
        if name not in references(expr):
            continue
        if not _passes(expr, name, whole=whole) or (whole and _is(expr, name)):
            kind = "an index or to a net" if whole else "a number that can lie between 0 and 1"
            return f"`{owner}` uses it in another way than as {kind}"
    return None


def _passes(expr: ir.Expr, name: str, *, whole: bool) -> bool:
    """Whether derivatives go through all uses of a latent in an expression."""
    uses = [c for c in children(expr) if name in references(c)]
    if whole:
        return all(
            _chooses(expr, c) if _is(c, name) else _passes(c, name, whole=whole) for c in uses
        )
    return _smooth(expr, name) and all(_passes(c, name, whole=whole) for c in uses)


def _chooses(expr: ir.Expr, child: ir.Expr) -> bool:
    """Whether an index is used bare, as an index or as the argument of a net."""
    return isinstance(expr, ir.NetCall) or (isinstance(expr, ir.Gather) and expr.index is child)


def _smooth(expr: ir.Expr, name: str) -> bool:
    match expr:
        case ir.Gather(index=index):
            return name not in references(index)
        case ir.Apply(function="where", args=args):
            return name not in references(args[0])
        case ir.Apply(function=function):
            return FUNCTIONS[function].smooth
    return True


def _is(expr: ir.Expr, name: str) -> bool:
    return isinstance(expr, ir.Reference) and expr.name == name


# Guides


def discrete_parts(type_: ValueType) -> tuple[str, tuple[tuple[str, ValueType], ...]]:
    """The law of an automatic guide of a discrete latent, and its parameters.

    Raises:
        Unguided: there is none.
    """
    support = type_.support
    if isinstance(support, Index):
        logits = replace(type_, event=(*type_.event, support.size), support=REAL)
        return "Categorical", (("logits", logits),)
    if support == BINARY:
        return "Bernoulli", (("logits", replace(type_, support=REAL)),)
    raise Unguided(f"`{support}` has no automatic guide where it cannot be summed out")


def drawn_after(
    name: str, model: ir.Model, written: Mapping[str, tuple[ir.Equation, ...]]
) -> set[str]:
    """The latents that are drawn after one, since their guides, which are written, use it."""
    uses = {
        other: _sources(model, [x for e in equations for x in equation_expressions(e)])
        for other, equations in written.items()
    }
    found: set[str] = set()
    while more := {n for n, used in uses.items() if n not in found and used & {name, *found}}:
        found |= more
    return found


def guided_plan(plan: Plan, model: ir.Model, guide: GuideModel, facts: Facts) -> Plan:
    """A plan with the guide, and what it says of discrete latents."""
    gone = guide.discrete.of("model")
    left = replace(facts, finite=gone, chains=(), grounded=())
    latents = tuple(n for n in gone if n in plan.enumerated)
    words = dict(guide.words) | {n: WORDS[way] for n, way in guide.discrete.ways}
    words |= {n: f"{w}; {words[n]}" for n, w in guide.words if words[n] != w}
    words |= codebook_words(model, guide)
    return replace(
        plan,
        guide=guide,
        notes=(*plan.notes, *supervision_notes(guide, plan.options)),
        enumerated=latents,
        rewrites=tuple(summing(left)),
        treatment={**plan.treatment, **words},
    )
