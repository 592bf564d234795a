"""Guides: the family of laws among which variational inference seeks the posterior.

What the author writes is kept. Every other latent is given a normal law on the scale without
bounds. One with members in a plate is amortised where networks are learned: a further network
computes its law from all that its posterior can depend on given what is drawn before it, and
nothing else. That is read off the moral graph by eliminating latents, parents first, as in
faithful inversion; where some of that may be missing, the network is given zeros and a mask.
Latents without plates, and those whose neighbours have plates that they have not, have parameters
of their own. Along a sequence a step that is tied to others has a law given what is drawn before
it (`gendsl.inference.sequential`).

References:
    Faithful inversion of generative models for effective amortized inference (Webb, Golinski,
    Zinkov, Siddharth, Rainforth, Teh, Wood, NeurIPS 2018), algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations

import networkx as nx

from gendsl.graph.build import build_graph, random_sources
from gendsl.graph.weights import is_weights
from gendsl.inference.completing import turn, verify_members
from gendsl.inference.discrete import Unguided, discrete_parts, drawn_after
from gendsl.inference.plan import GuideModel
from gendsl.inference.sequential import Inversion, inversion
from gendsl.ir import nodes as ir
from gendsl.ir.gaps import gaps
from gendsl.ir.laws import tied_axes
from gendsl.ir.traversal import called_nets, equation_expressions, present, references
from gendsl.library.architectures import ARCHITECTURES
from gendsl.semantics.supports import is_discrete
from gendsl.types import POSITIVE, REAL, Index, Interval, Size, Structured, ValueType

__all__ = ["Unguided", "guide_model"]


def guide_model(
    model: ir.Model,
    latents: tuple[str, ...],
    *,
    amortise: bool | None = None,
    full: bool = False,
) -> GuideModel:
    """The guide of a model.

    Args:
        model: the model, with the guides that its author wrote.
        latents: those that are inferred.
        amortise: whether latents with members are amortised; where networks are learned by
            default.
        full: whether the entries of each member of a latent are correlated in automatic guides.

    Raises:
        Unguided: a latent has no automatic guide.
    """
    chosen = bool(model.nets) if amortise is None else amortise
    return _Guiding(model, latents, amortise=chosen, full=full).result()


class _Guiding:
    """What is gathered on the way to the guide of one model."""

    def __init__(
        self, model: ir.Model, latents: tuple[str, ...], *, amortise: bool, full: bool
    ) -> None:
        self.model = model
        self.full = full
        self.latents = latents
        self.amortise = amortise
        self.taken = {v.name for v in model.variables} | {n.name for n in model.nets}
        self.taken |= {a.name for a in model.axes}
        self.params: list[ir.Variable] = []
        self.nets: list[ir.Net] = []
        self.lets: list[ir.Variable] = []
        self.laws: dict[str, ir.Variable] = {}
        self.carried: set[str] = set()
        self.words: dict[str, str] = {}
        self.amortised: set[str] = set()
        self.scattered: set[str] = set()
        self.missing = gaps(model)

    def result(self) -> GuideModel:
        """See `guide_model`."""
        written = {g.name: g.equations for g in self.model.guides if g.name in self.latents}
        given = dependencies(self.model, self.latents)
        for name in self.latents:
            variable = self.model.variable(name)
            verify_members(self.model, variable, written.get(name, ()))
            if name in written:
                self._keep(variable, *written[name])
                self.words[name] = "by the guide of the file"
                if any(e.distribution is None for e in written[name]):
                    self.words[name] = "at a point, by the guide of the file"
                continue
            free = _unbounded(variable)
            later = drawn_after(name, self.model, written)
            neighbours = [self.model.variable(n) for n in given[name] if n not in later]
            if self.amortise and _can_be_amortised(variable, neighbours):
                order = list(given)  # drawn in the opposite one
                before = frozenset(order[order.index(name) + 1 :])
                along = inversion(self.model, variable, neighbours, before)
                if along is not None:
                    self._in_turn(variable, free, along)
                else:
                    self._amortised(variable, free, neighbours)
            else:
                self._own(variable, free)
        return self._found()

    def _found(self) -> GuideModel:
        """What was gathered."""
        ordered = _in_order(self._variables())
        guide = replace(
            self.model,
            variables=ordered,
            energies=(),
            guides=(),
            nets=(*self.model.nets, *self.nets),
        )
        for variable in self.model.of_role("observed"):
            if variable.name in self.words:
                self.words[variable.name] = f"where it is missing, {self.words[variable.name]}"
        words = tuple(self.words.items())
        may = [self.model.variable(v.name) for v in ordered if v.optional and v.role == "input"]
        absent = tuple((v.name, tied_axes(v)) for v in may)
        return GuideModel(
            guide,
            frozenset(self.carried),
            words,
            frozenset(self.amortised),
            absent,
            scattered=frozenset(self.scattered),
        )

    def _variables(self) -> Iterator[ir.Variable]:
        yield from (*self.params, *self.lets)
        own = (*self.laws.values(), *self.lets)
        used = set(references(*(x for v in own for x in _expressions(v))))
        lets = {v.name: v for v in self.model.of_role("let")}
        while used & lets.keys():
            name = min(used & lets.keys())
            yield (let := lets.pop(name))
            used |= set(references(*_expressions(let)))
        for variable in self.model.variables:
            if variable.name in self.laws:
                yield self.laws[variable.name]
            elif variable.role in ("input", "param"):
                yield variable
            elif variable.role == "observed":
                gap = variable.name in self.missing & used
                yield replace(
                    variable, role="input", equations=(), lower=None, upper=None, optional=gap
                )

    def _keep(self, variable: ir.Variable, *equations: ir.Equation) -> None:
        self.laws[variable.name] = replace(variable, equations=equations)

    def _name(self, wish: str) -> str:
        while wish in self.taken:
            wish += "_"
        self.taken.add(wish)
        return wish

    # Parameters of its own

    def _own(self, variable: ir.Variable, free: ValueType) -> None:
        args = []
        for part, type_ in self._parts(free):
            initial = ir.Constant(0.1 if part.startswith("scale") else 0.0, ValueType())
            name = self._name(f"{variable.name}_{part}")
            param = ir.Variable(
                name, "param", variable.axes, type_, initial=initial, span=variable.span
            )
            self.params.append(param)
            if part == "loc" and is_weights(variable.name) and len(free.event) > 1:
                self.scattered.add(name)
            args.append((part, ir.Reference(name, type_, span=variable.span)))
        self._normal(variable, free, tuple(args))
        self.words[variable.name] = f"{self._law_words(free)} with parameters of its own"

    def _parts(self, free: ValueType) -> tuple[tuple[str, ValueType], ...]:
        """The parameters of a law, by name."""
        if is_discrete(free.support):
            return discrete_parts(free)[1]
        loc = replace(free, support=REAL)
        if not self._tied(free):
            return ("loc", loc), ("scale", replace(free, support=POSITIVE))
        event = (*free.event, free.event[-1])
        return ("loc", loc), ("scale_tril", ValueType(free.plates, event, Structured("cholesky")))

    def _tied(self, free: ValueType) -> bool:
        """Whether a law has correlations: those along the last axis of an event."""
        return self.full and bool(free.event) and not is_discrete(free.support)

    def _law_words(self, free: ValueType) -> str:
        if is_discrete(free.support):
            return "independent probabilities" if free.event else "probabilities"
        if not self._tied(free):
            return "a normal law"
        rows = len(free.event) > 1
        return f"a normal law with full covariance{' along the last axis' if rows else ''}"

    def _normal(
        self, variable: ir.Variable, free: ValueType, args: tuple[tuple[str, ir.Expr], ...]
    ) -> None:
        name = "MultivariateNormal" if self._tied(free) else "Normal"
        discrete = is_discrete(free.support)
        name = discrete_parts(free)[0] if discrete else name
        law = ir.Distribution(name, args, free, span=variable.span)
        self._keep(variable, ir.Equation(law, span=variable.span))
        if variable.type.support != REAL and not discrete:
            self.carried.add(variable.name)

    # Networks

    def _amortised(
        self, variable: ir.Variable, free: ValueType, neighbours: list[ir.Variable]
    ) -> None:
        outputs = self._parts(replace(free, plates=frozenset()))
        inputs = tuple(replace(n.type, plates=frozenset()) for n in neighbours)
        architecture, options = self._sized(variable)
        name = self._name(f"encode_{variable.name}")
        optional = frozenset(i for i, n in enumerate(neighbours) if n.name in self.missing)
        net = ir.Net(name, inputs, outputs, architecture, options, optional, span=variable.span)
        self.nets.append(net)
        args = tuple(ir.Reference(n.name, n.type, span=variable.span) for n in neighbours)
        plates = frozenset[str]().union(*(n.type.plates for n in neighbours))
        calls = tuple(
            (part, ir.NetCall(name, args, part, replace(t, plates=plates), span=variable.span))
            for part, t in outputs
        )
        self._normal(variable, free, calls)
        known = {n.name: " where known" if n.name in self.missing else "" for n in neighbours}
        shown = ", ".join(f"`{n}`{where}" for n, where in known.items())
        steps = any(self.model.axis(a).kind == "sequence" for a in variable.axes)
        shown += " at the same step" if steps else ""
        self.words[variable.name] = f"amortised: {self._law_words(free)}, computed from {shown}"
        self.amortised.add(variable.name)

    def _in_turn(self, variable: ir.Variable, free: ValueType, along: Inversion) -> None:
        """A law for each step, given the one before: see `gendsl.inference.sequential`."""
        parts = self._parts(replace(free, plates=frozenset()))
        found = along.guide(parts, self._sized(variable), self._name)
        self.nets += found.nets
        self.lets += found.lets
        self._normal(variable, free, found.steps[None])
        kept = self.laws[variable.name].equations[0].distribution
        assert kept is not None
        equations = [
            ir.Equation(
                replace(kept, args=args),
                step=step,
                first=found.first if step is None else 0,
                sequence=None if step is None else along.sequence,
                span=variable.span,
            )
            for step, args in found.steps.items()
        ]
        self._keep(variable, *equations)
        self.words[variable.name] = (
            f"amortised: {self._law_words(free)} at each step, computed from {found.words}"
        )
        self.amortised.add(variable.name)

    def _sized(self, variable: ir.Variable) -> tuple[str, tuple[tuple[str, ir.NetOption], ...]]:
        """The architecture of a net that goes the other way than those that take a latent."""
        calls = (e for v in self.model.variables for e in _expressions(v))
        for net in (self.model.net(n) for n in called_nets(*calls)):
            if net.architecture not in ("mlp", "residual_mlp") or not self._takes(net, variable):
                continue
            found = dict(net.options)
            hidden = found.get("hidden")
            if isinstance(hidden, tuple):
                found["hidden"] = tuple(reversed(hidden))
            known = {o.name for o in ARCHITECTURES[net.architecture].options}
            own = tuple((n, v) for n, v in found.items() if n in known and n != "output")
            return net.architecture, own
        return "mlp", (("hidden", (128, 128)),)

    def _takes(self, net: ir.Net, variable: ir.Variable) -> bool:
        return any(
            t.event == variable.type.event and t.support == variable.type.support
            for t in net.inputs
        )


def dependencies(model: ir.Model, latents: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What the posterior of each latent can depend on, given what is drawn before it.

    Latents with plates are eliminated first, so drawn last (`gendsl.inference.completing.turn`);
    among them parents are eliminated before children.
    """
    graph = build_graph(model)
    moral = _moral(graph)
    place = {v.name: i for i, v in enumerate(model.variables)}
    waiting = sorted(latents, key=lambda n: (turn(model.variable(n)), place[n]))
    kept = {v.name for v in model.of_role("latent")}
    for gone in sorted(kept - set(waiting), key=place.__getitem__):
        _eliminate(moral, gone)  # summed out
    found: dict[str, tuple[str, ...]] = {}
    while waiting:
        now = turn(model.variable(waiting[0]))
        able = [n for n in waiting if turn(model.variable(n)) == now]
        ready = [n for n in able if not set(random_sources(graph, n)) & (set(waiting) - {n})]
        chosen = min(ready or able, key=lambda n: (_fill(moral, n), place[n]))
        found[chosen] = tuple(sorted(moral.neighbors(chosen), key=place.__getitem__))
        _eliminate(moral, chosen)
        waiting.remove(chosen)
    return found


def _moral(graph: nx.DiGraph) -> nx.Graph:
    """Variables that stand in one factor are joined; params are constants, lets are put in."""
    moral = nx.Graph()
    for name, facts in graph.nodes(data=True):
        if facts["role"] in ("latent", "observed", "input"):
            moral.add_node(name)
    for name, facts in graph.nodes(data=True):
        if facts["role"] not in ("latent", "observed", "energy"):
            continue
        scope = [n for n in random_sources(graph, name) if n in moral]
        moral.add_edges_from(combinations([*scope, *([name] if name in moral else [])], 2))
    return moral


def _fill(moral: nx.Graph, name: str) -> int:
    """How many edges its elimination adds."""
    pairs = combinations(moral.neighbors(name), 2)
    return sum(not moral.has_edge(a, b) for a, b in pairs)


def _eliminate(moral: nx.Graph, name: str) -> None:
    moral.add_edges_from(list(combinations(list(moral.neighbors(name)), 2)))
    moral.remove_node(name)


def _can_be_amortised(variable: ir.Variable, neighbours: list[ir.Variable]) -> bool:
    """Whether its members have neighbours of their own, and no others."""
    inside = all(n.type.plates <= variable.type.plates for n in neighbours)
    return bool(variable.axes) and bool(neighbours) and inside


def _unbounded(variable: ir.Variable) -> ValueType:
    """The type of the coordinates without bounds.

    Raises:
        Unguided: they have another number of entries.
    """
    type_, support = variable.type, variable.type.support
    if variable.lower is not None or variable.upper is not None:
        raise Unguided(f"the bounds of `{variable.name}` depend on other quantities")
    match support:
        case Index() | Interval(integer=True):
            discrete_parts(type_)
            return type_
        case Interval(integer=False) | Structured(kind="ordered" | "angle"):
            return replace(type_, support=REAL)
        case Structured(kind="simplex"):
            event = (*type_.event[:-1], type_.event[-1] + Size.of(-1))
            return replace(type_, event=event, support=REAL)
    raise Unguided(f"`{variable.name}` is `{support}`, for which there is no automatic guide")


def _expressions(variable: ir.Variable) -> tuple[ir.Expr, ...]:
    return tuple(x for e in variable.equations for x in equation_expressions(e))


def _in_order(variables: Iterable[ir.Variable]) -> tuple[ir.Variable, ...]:
    """Variables, each after those that it needs, at its own step where it refers back."""
    waiting = {v.name: v for v in variables}
    found: dict[str, ir.Variable] = {}
    while waiting:
        ready = next(
            v
            for v in waiting.values()
            if not (present(*_expressions(v)) - {v.name}) & waiting.keys()
        )
        found[ready.name] = waiting.pop(ready.name)
    return tuple(found.values())
