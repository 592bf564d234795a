"""Emitted programs without Pyro's handlers: what they say at the draws of one batch.

The same functions run here with a namespace of a few lines in the place of Pyro, so that a step of
training costs no more than its mathematics. Pyro's own run of the same program is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution

from gendsl.emit.program import Program
from gendsl.graph.build import build_graph, random_sources
from gendsl.inference.codebooks import quantised
from gendsl.inference.plan import GuideModel
from gendsl.ir import nodes as ir
from gendsl.runtime.codebooks import choice_of, rechosen
from gendsl.runtime.objectives import Gate, Layout, Site, Sites
from gendsl.runtime.pinned import pins_of
from gendsl.runtime.program import load_program
from gendsl.runtime.variational.learned import Learned
from gendsl.runtime.variational.relaxed import taking
from gendsl.runtime.variational.relaxing import Relaxation
from gendsl.runtime.variational.stepwise import Parts, Turns
from gendsl.runtime.variational.summing import Gone, Summing, joint_values
from gendsl.runtime.variational.weighing import Weighing

__all__ = ["Light"]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A latent under the guide: its law, its value, the log density; whether all are tried."""

    law: Distribution
    value: Tensor
    log_q: Tensor
    tried: bool = False


class Light(Weighing):
    """An emitted model and its guide, ready to be run on batches.

    Attributes:
        learned: params and networks.
        books: the codebook of each latent that is quantised.
        program: what was emitted.
        types: of the latents, and of observed variables of which missing values are drawn.
        marginalised: those that are summed out of the model.
        times: how many joint values these have.
        inferred: what has a law in the guide.
        sizes: the size of every axis.
    """

    def __init__(
        self,
        program: Program,
        model: ir.Model,
        guide: GuideModel | None,
        learned: Learned,
        row_plate: str | None,
        sizes: Mapping[str, int],
        relax: Mapping[str, Relaxation] | None = None,
    ) -> None:
        """Load the program with the light namespace; `relax` draws latents with derivatives."""
        self.learned = learned
        self.program = program
        self.sizes = dict(sizes)
        self._given: Mapping[str, Tensor] | None = None
        self._laws: dict[str, Distribution] = {}
        self._values: dict[str, Tensor] = {}
        depths = program.layout.depths
        depth = program.layout.max_plate_nesting
        super().__init__(Layout(depth, -depths[row_plate] if row_plate else None), row_plate)
        self._nets_argument = program.nets
        namespace = SimpleNamespace(
            deterministic=self._deterministic,
            factor=self._factor,
            module=self._module,
            param=self._param,
            plate=self._plate,
            sample=self._sample,
        )
        soft = {"take": taking}
        self.model = load_program(program, model, namespace, wrapped=soft)
        self.guide = None
        if program.guide:
            self.guide = load_program(program, model, namespace, "guide", soft)
        completed = guide.completed if guide is not None else ()
        self.completed = {n: f"{n}_missing" for n in completed}
        self._p_parents = _parents(model, self.completed)
        self._q_parents = _parents(guide.model, self.completed) if guide is not None else {}
        self.books = quantised(guide)
        self.types = {v.name: v.type for v in model.of_role("latent")}
        self.types |= {n: model.variable(n).type for n in completed}
        self.marginalised = guide.discrete.of("model") if guide is not None else ()
        self.times = joint_values([self.types.get(n) for n in self.marginalised], sizes)
        self.inferred = {v.name for v in guide.model.of_role("latent")} if guide else set[str]()
        self._params: dict[str, Tensor] = {}
        self._turns, self._parts = Turns.of(guide, depths), Parts(program, model)
        self._drawn: dict[str, _Drawn] = {}
        self._relax = dict(relax or {})
        self._guiding, self._training, self._whole = False, False, True
        self._gate: Gate | None = None
        self._fixed: Mapping[str, Tensor] | None = None

    def sites(
        self,
        arguments: Mapping[str, Any],
        particles: int,
        rows: int,
        total: int,
        *,
        gated: bool = False,
        training: bool = False,
    ) -> Sites:
        """Draw from the guide and weigh by the model.

        Latents that are summed out of the model are so always. Others are drawn, but in a training
        all values of those that are summed under the guide are tried, and draws are relaxed.

        Args:
            arguments: of the program, for the rows of a batch.
            particles: draws for each row.
            rows: in the batch.
            total: in the data.
            gated: whether values pass a gate on their way to the model.
            training: whether it is for a step of a training.
        """
        self._sites, self._drawn, self._likelihoods = {}, {}, {}
        self._training = training
        self._summing = Summing(self.layout.depth + 1, self.row_plate)
        self._particles, self._whole = particles, rows == total
        self._gate = Gate(self.layout) if gated else None
        given = {**arguments, **self.networks}
        if self.guide is not None:
            self._guiding = True
            try:
                self.guide(**given)
            finally:
                self._guiding = False
        self.model(**given)
        self._settle()
        scores = self._scores(given) if self.nested else None
        self._training = False
        return Sites(
            self._sites, particles, rows, total, self.layout, scores=scores, gate=self._gate
        )

    def _scores(self, given: Mapping[str, Any]) -> Callable[[], Mapping[str, Tensor]]:
        """Gives the guide's log densities at the same draws, cut from what computed these."""
        drawn = {n: d.value.detach() for n, d in self._drawn.items()}
        particles, whole, training = self._particles, self._whole, self._training

        def scores() -> Mapping[str, Tensor]:
            assert self.guide is not None
            before = self._drawn
            self._drawn, self._fixed, self._guiding = {}, drawn, True
            self._particles, self._whole, self._training = particles, whole, training
            self._summing = Summing(self.layout.depth + 1, self.row_plate, fixed=True)
            try:
                self.guide(**given)
                return {n: d.log_q for n, d in self._drawn.items()}
            finally:
                self._drawn, self._fixed, self._guiding = before, None, False
                self._training = False

        return scores

    def draw(self, arguments: Mapping[str, Any], particles: int) -> dict[str, Tensor]:
        """Draws from the guide alone, (particles, plates, event) or without the first axis."""
        self._drawn, self._training = {}, False
        self._particles, self._whole = particles, True
        assert self.guide is not None
        self._guiding = True
        try:
            self.guide(**{**arguments, **self.networks})
        finally:
            self._guiding = False
        return {n: d.value for n, d in self._drawn.items()}

    def recovered(self, arguments: Mapping[str, Any], particles: int) -> dict[str, Tensor]:
        """Draws of all latents, those that are summed out of the model given the others."""
        drawn = self.draw(arguments, particles) if self.guide is not None else {}
        found: dict[str, Tensor] = {}
        while True:
            self.settled(arguments, found)
            left = [(n, gone) for gone in self.gone for n in gone.names]
            if not left:
                return drawn | found
            name, gone = left[0]
            found[name] = gone.drawn(name, particles)

    def settled(
        self, arguments: Mapping[str, Any], recovered: Mapping[str, Tensor] | None = None
    ) -> list[Gone]:
        """What is summed out of the model at the last draws, but for what is `recovered`."""
        self._sites, self._recovered, self._gate = {}, recovered or {}, None
        self._summing = Summing(self.layout.depth + 1, self.row_plate)
        try:
            self.model(**{**arguments, **self.networks})
        finally:
            self._recovered = {}
        self._settle()
        return self.gone

    @property
    def longest(self) -> int:
        """The number of steps of the longest sequence, at least 1."""
        return max((self.sizes[n] for n in self._parts.sequences), default=1) or 1

    @property
    def nested(self) -> bool:
        """Whether the guide of some latent depends on others, or on earlier steps of itself."""
        return any(self._q_parents.values()) or bool(self._turns.dims)

    def laws(self, arguments: Mapping[str, Any], particles: int = 1) -> dict[str, Distribution]:
        """The guide's laws of the latents and of missing values, at draws of what others need.

        Their batch shapes have the particles in front of all plates, where there are several.
        """
        self.draw(arguments, particles)
        owners = {site: n for n, site in self.completed.items()}
        return {owners.get(n, n): d.law for n, d in self._drawn.items()}

    def simulate(
        self, arguments: Mapping[str, Any], given: Mapping[str, Tensor]
    ) -> tuple[dict[str, Distribution], dict[str, Tensor]]:
        """The model's laws and values in a run of its own, some latents `given`."""
        self._given, self._laws, self._values = given, {}, {}
        self._particles = 1
        try:
            self.model(**{**arguments, **self.networks})
        finally:
            self._given = None
        return self._laws, self._values

    @property
    def networks(self) -> dict[str, Any]:
        """The argument of the networks, where the program has it."""
        name = self._nets_argument
        return {} if name is None else {name: self.learned.nets}

    # What emitted programs call

    def _param(self, name: str, *given: Any, **more: Any) -> Tensor:  # noqa: ANN401
        value = self._params[name] = self.learned.param(name, *given, **more)
        return value

    @staticmethod
    def _module(name: str, module: nn.Module) -> nn.Module:
        del name
        return module

    @staticmethod
    def _deterministic(name: str, value: Tensor, event_dim: int | None = None) -> Tensor:
        del name, event_dim
        return value

    def _sample(
        self,
        name: str,
        law: Any,  # noqa: ANN401  Pyro's distributions
        obs: Tensor | None = None,
        infer: Mapping[str, object] | None = None,
    ) -> Tensor:
        if self._guiding and infer and infer.get("is_auxiliary"):
            return self._turns.take(name, self._in_plates(law), self._fixed)
        tried = infer is not None and "enumerate" in infer
        if self._guiding:
            return self._from_guide(name, law, tried=tried and self._training)
        if self._given is not None:
            return self._simulated(name, law, obs)
        local, parents = self._local, self._p_parents.get(name, frozenset())
        if name in self._parts.latents and obs is not None:
            return self._steps(name, law, obs)
        if obs is not None:
            guided = self._likelihoods.get(name)
            seen = Site(name, True, obs, obs, guided, p=law, local=local, p_parents=parents)  # noqa: FBT003
            self._weighed(seen, self._density(law, obs))
            return obs
        if tried and name not in self._drawn:
            return self._out_of_model(name, law, parents)
        drawn = self._drawn[name]
        value = drawn.value
        if self._gate is not None:
            value = self._gate(value, len(law.event_shape), local=local)
        site = Site(
            name,
            observed=False,
            value=value,
            log_p=drawn.log_q,
            log_q=drawn.log_q,
            p=law,
            q=drawn.law,
            local=local,
            p_parents=parents,
            q_parents=self._q_parents.get(name, frozenset()),
            pathwise=True if name in self._relax and self._training else None,
            summed="guide" if drawn.tried else "",
            over=self._summing.expected,
        )
        self._weighed(site, self._density(law, value))
        return value

    def _steps(self, name: str, law: Any, value: Tensor) -> Tensor:  # noqa: ANN401
        """Some steps of a latent along a sequence, which its site has the values of."""
        density = self.layout.collapse(self._density(law, value), 0, local=self._local)
        latent = self._parts.latents[name]
        self._sites[latent] = self._parts.weighed(self._sites[latent], law, value, density)
        return value

    def _simulated(self, name: str, law: Any, obs: Tensor | None) -> Tensor:  # noqa: ANN401
        assert self._given is not None
        law = law.expand(self._batch_shape(law.batch_shape, particles=False))
        value = self._given.get(name, obs)
        self._laws[name] = law
        self._values[name] = law.sample() if value is None else value
        return self._values[name]

    def _note_known(self, name: str, law: Any) -> None:  # noqa: ANN401
        """Note what the guide of missing values says of those that are known."""
        pins, event = pins_of(law)
        owner = next((n for n, site in self.completed.items() if site == name), None)
        if pins is None or owner is None:
            return
        density = pins.log_likelihood()
        if event:
            density = density.sum(tuple(range(-event, 0)))
        density = density.expand(self._batch_shape(tuple(density.shape), particles=False))
        density = self._summing.expected(density)
        self._likelihoods[owner] = self.layout.collapse(density, 0, local=self._local)

    def _from_guide(self, name: str, law: Any, *, tried: bool) -> Tensor:  # noqa: ANN401
        local = self._local
        self._note_known(name, law)
        if tried:
            return self._tried(name, law)
        value: Tensor
        steps = self._turns.whole(name)
        if steps is not None:  # at draws that were made step by step
            law, value = steps, law.v
        else:
            law = self._in_plates(law)
        if self._fixed is not None:
            value = self._fixed[name]
        elif self._training and name in self._relax:
            value = self._relax[name](law)
        elif steps is None:
            value = law.rsample() if law.has_rsample else law.sample()
            choice = choice_of(law)
            if choice is not None and name in self.books:
                value = rechosen(value, choice, partial(self._params.get, self.books[name]))
        density = self._summing.expected(self._density(law, value))
        log_q = self.layout.collapse(density, 0, local=local)
        self._drawn[name] = _Drawn(law, value, log_q)
        return value

    def _tried(self, name: str, law: Any) -> Tensor:  # noqa: ANN401
        """All values of a latent that is summed out under the guide."""
        value = self._summing.values(name, law)
        density = self._density(law, value)
        density = density.expand(self._batch_shape(tuple(density.shape), particles=False))
        self._summing.guided(name, density)
        log_q = self.layout.collapse(self._summing.expected(density), 0, local=self._local)
        self._drawn[name] = _Drawn(law, value, log_q, tried=True)
        return value

    def _in_plates(self, law: Any) -> Any:  # noqa: ANN401
        """A law of the guide for each member of the plates that are open, and each particle."""
        shape = self._batch_shape(law.batch_shape, particles=self._local or self._whole)
        if shape == tuple(law.batch_shape):
            return law
        wide, choice = law.expand(shape), choice_of(law)
        if choice is not None:
            rechosen(wide.v, choice, choice.book)
        return wide


def _parents(model: ir.Model, completed: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The latents on which the law of each random variable depends, by site.

    `completed` names the sites of missing values that are drawn.
    """
    graph = build_graph(model)
    latents = {v.name for v in model.of_role("latent")} | completed.keys()
    found: dict[str, frozenset[str]] = {}
    for variable in model.of_role("latent", "observed"):
        own = frozenset(random_sources(graph, variable.name)) & latents
        found[variable.name] = frozenset(completed.get(n, n) for n in own)
        if variable.name in completed:
            found[completed[variable.name]] = found[variable.name]
    return found
