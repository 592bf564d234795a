"""Emitted programs without Pyro's handlers: what they say at the draws of one batch.

The same functions run here with a namespace of a few lines in the place of Pyro, so that a step of
training costs no more than its mathematics. Pyro's own run of the same program is the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace, TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from gendsl.emit.program import Program
from gendsl.graph.build import build_graph, random_sources
from gendsl.inference.plan import GuideModel
from gendsl.ir import nodes as ir
from gendsl.runtime.objectives import Gate, Layout, Site, Sites
from gendsl.runtime.program import load_program
from gendsl.runtime.variational.learned import Learned

__all__ = ["Light"]


class _Plate:
    """A plate that only says where it stands."""

    def __init__(self, run: Light, name: str, size: int, dim: int) -> None:
        self.run, self.name, self.size, self.dim = run, name, size, dim

    def __enter__(self) -> Tensor | None:
        self.run.plates.append(self)
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.run.plates.pop()


class Light:
    """An emitted model and its guide, ready to be run on batches.

    Attributes:
        learned: params and networks.
        layout: where the plates stand.
        plates: those that are open.
        program: what was emitted.
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
    ) -> None:
        """Load the program with the light namespace."""
        self.learned = learned
        self.program = program
        self.sizes = dict(sizes)
        self._given: Mapping[str, Tensor] | None = None
        self._laws: dict[str, Distribution] = {}
        self._values: dict[str, Tensor] = {}
        self.plates: list[_Plate] = []
        self.row_plate = row_plate
        depths = program.layout.depths
        depth = program.layout.max_plate_nesting
        self._nets_argument = program.nets
        self.layout = Layout(depth, -depths[row_plate] if row_plate else None)
        namespace = SimpleNamespace(
            deterministic=self._deterministic,
            factor=self._factor,
            module=self._module,
            param=learned.param,
            plate=self._plate,
            sample=self._sample,
        )
        self.model = load_program(program, model, namespace)
        self.guide = load_program(program, model, namespace, "guide") if program.guide else None
        self._p_parents = _parents(model)
        self._q_parents = _parents(guide.model) if guide is not None else {}
        self._sites: dict[str, Site] = {}
        self._drawn: dict[str, tuple[Distribution, Tensor, Tensor]] = {}
        self._guiding, self._particles, self._whole = False, 1, True
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
    ) -> Sites:
        """Draw from the guide and weigh by the model.

        Args:
            arguments: of the program, for the rows of a batch.
            particles: draws for each row.
            rows: in the batch.
            total: in the data.
            gated: whether values pass a gate on their way to the model.
        """
        self._sites, self._drawn = {}, {}
        self._particles, self._whole = particles, rows == total
        self._gate = Gate(self.layout) if gated else None
        given = {**arguments, **self._networks}
        if self.guide is not None:
            self._guiding = True
            try:
                self.guide(**given)
            finally:
                self._guiding = False
        self.model(**given)
        return Sites(
            self._sites,
            particles,
            rows,
            total,
            self.layout,
            scores=self._scores(given) if self.nested else None,
            gate=self._gate,
        )

    def _scores(self, given: Mapping[str, Any]) -> Callable[[], Mapping[str, Tensor]]:
        """Gives the guide's log densities at the same draws, cut from what computed these."""
        drawn = {n: value.detach() for n, (_, value, _) in self._drawn.items()}
        particles, whole = self._particles, self._whole

        def scores() -> Mapping[str, Tensor]:
            assert self.guide is not None
            before = self._drawn
            self._drawn, self._fixed, self._guiding = {}, drawn, True
            self._particles, self._whole = particles, whole
            try:
                self.guide(**given)
                return {n: log_q for n, (_, _, log_q) in self._drawn.items()}
            finally:
                self._drawn, self._fixed, self._guiding = before, None, False

        return scores

    def draw(self, arguments: Mapping[str, Any], particles: int) -> dict[str, Tensor]:
        """Draws from the guide alone, (particles, plates, event) or without the first axis."""
        self._drawn = {}
        self._particles, self._whole = particles, True
        assert self.guide is not None
        self._guiding = True
        try:
            self.guide(**{**arguments, **self._networks})
        finally:
            self._guiding = False
        return {n: value for n, (_, value, _) in self._drawn.items()}

    @property
    def nested(self) -> bool:
        """Whether the guide of some latent depends on others."""
        return any(self._q_parents.values())

    def laws(self, arguments: Mapping[str, Any], particles: int = 1) -> dict[str, Distribution]:
        """The guide's laws of the latents, at draws of those that others depend on.

        Their batch shapes have the particles in front of all plates, where there are several.
        """
        self.draw(arguments, particles)
        return {n: law for n, (law, _, _) in self._drawn.items()}

    def simulate(
        self, arguments: Mapping[str, Any], given: Mapping[str, Tensor]
    ) -> tuple[dict[str, Distribution], dict[str, Tensor]]:
        """The model's laws and values in a run of its own, some latents `given`."""
        self._given, self._laws, self._values = given, {}, {}
        self._particles = 1
        try:
            self.model(**{**arguments, **self._networks})
        finally:
            self._given = None
        return self._laws, self._values

    @property
    def _networks(self) -> dict[str, Any]:
        """The argument of the networks, where the program has it."""
        name = self._nets_argument
        return {} if name is None else {name: self.learned.nets}

    # What emitted programs call

    def _plate(self, name: str, size: int, *, dim: int) -> _Plate:
        return _Plate(self, name, size, dim)

    @staticmethod
    def _module(name: str, module: nn.Module) -> nn.Module:
        del name
        return module

    @staticmethod
    def _deterministic(name: str, value: Tensor, event_dim: int | None = None) -> Tensor:
        del name, event_dim
        return value

    @property
    def _local(self) -> bool:
        """Whether the statement that runs stands in the plate of the rows."""
        return any(p.name == self.row_plate for p in self.plates)

    def _factor(self, name: str, value: Tensor) -> None:
        local = self._local
        density = self.layout.collapse(value, 0, local=local)
        self._sites[name] = Site(name, observed=True, value=value, log_p=density, local=local)

    def _sample(
        self,
        name: str,
        law: Any,  # noqa: ANN401  Pyro's distributions
        obs: Tensor | None = None,
        infer: object = None,
    ) -> Tensor:
        del infer
        if self._guiding:
            return self._from_guide(name, law)
        if self._given is not None:
            return self._simulated(name, law)
        local = self._local
        if obs is not None:
            density = self._density(law, obs, local=local)
            parents = self._p_parents.get(name, frozenset())
            self._sites[name] = Site(
                name,
                observed=True,
                value=obs,
                log_p=density,
                p=law,
                local=local,
                p_parents=parents,
            )
            return obs
        q, value, log_q = self._drawn[name]
        if self._gate is not None:
            value = self._gate(value, len(law.event_shape), local=local)
        density = self._density(law, value, local=local)
        self._sites[name] = Site(
            name,
            observed=False,
            value=value,
            log_p=density,
            log_q=log_q,
            p=law,
            q=q,
            local=local,
            p_parents=self._p_parents.get(name, frozenset()),
            q_parents=self._q_parents.get(name, frozenset()),
        )
        return value

    def _density(self, law: Any, value: Tensor, *, local: bool) -> Tensor:  # noqa: ANN401
        """The log density at a value, (particles or 1, rows or 1); 0 in an empty plate."""
        if any(plate.size == 0 for plate in self.plates):
            density = torch.zeros(self._batch_shape((), particles=False))
        else:
            density = law.log_prob(value)
        return self.layout.collapse(density, 0, local=local)

    def _simulated(self, name: str, law: Any) -> Tensor:  # noqa: ANN401
        assert self._given is not None
        law = law.expand(self._batch_shape(law.batch_shape, particles=False))
        value = self._given.get(name)
        self._laws[name] = law
        self._values[name] = law.sample() if value is None else value
        return self._values[name]

    def _from_guide(self, name: str, law: Any) -> Tensor:  # noqa: ANN401
        local = self._local
        shape = self._batch_shape(law.batch_shape, particles=local or self._whole)
        if shape != tuple(law.batch_shape):
            law = law.expand(shape)
        value: Tensor
        if self._fixed is not None:
            value = self._fixed[name]
        else:
            value = law.rsample() if law.has_rsample else law.sample()
        log_q = self._density(law, value, local=local)
        self._drawn[name] = law, value, log_q
        return value

    def _batch_shape(self, shape: tuple[int, ...], *, particles: bool) -> tuple[int, ...]:
        """The shape of a site: plates at their places, particles in front of them.

        What stands outside the plate of the rows is drawn once for all particles where a batch
        has some of the rows only: weights would else need them all.
        """
        count = self._particles if particles else 1
        rank = max([-p.dim for p in self.plates], default=0)
        if count > 1:
            rank = self.layout.depth + 1
        rank = max(rank, len(shape))
        sizes = [1] * (rank - len(shape)) + list(shape)
        for plate in self.plates:
            sizes[plate.dim] = plate.size
        if count > 1:
            sizes[0] = count
        return tuple(sizes)


def _parents(model: ir.Model) -> dict[str, frozenset[str]]:
    """The latents on which the law of each random variable depends."""
    graph = build_graph(model)
    latents = {v.name for v in model.of_role("latent")}
    return {
        v.name: frozenset(random_sources(graph, v.name)) & latents
        for v in model.of_role("latent", "observed")
    }
