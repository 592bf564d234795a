"""The record that says everything the compiler knows about a distribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gendsl.types import REAL, Interval, Size, Structured, Support

__all__ = ["DistributionSpec", "Form", "Parameter"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a distribution.

    Attributes:
        name: the field's standard term (``loc``, ``scale``, ``rate``).
        support: the values it may take; the checker proves them.
        meaning: one phrase for messages and the reference, e.g. "standard deviation".
        event_dim: how many event axes of its own it has (1 for a vector of probabilities).
        default: its value when left out; None if it must be given.
        symbol: what the density of the reference calls it, as TeX; empty if it is not there.
    """

    name: str
    support: Support
    meaning: str
    event_dim: int = 0
    default: float | None = None
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to parameterise a distribution.

    Attributes:
        params: the names of the parameters it takes, in positional order.
        pyro: a Python expression over those names that builds the distribution, with
            ``dist`` for `pyro.distributions`, ``torch``, and ``runtime`` for `gendsl.runtime`.
            It must be batch-safe: parameters may carry any number of batch axes on the left.
            Parameters without event axes may be Python numbers; tensors hold floats, also
            those of whole numbers (`broadcast_all` would round 0.5 to an integer tensor's
            type), only `index` values are int64.
    """

    params: tuple[str, ...]
    pyro: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionSpec:
    """A distribution of the language.

    Attributes:
        name: the name users write.
        params: every parameter of every form.
        forms: the parameterisations; the first is the one that positional arguments mean.
        support: of a value; where it depends on parameters (`Uniform`, `Categorical`) a
            function of what is statically known of them: their interval hulls by name, and
            the sizes of their own event axes by name.
        event_dim: how many event axes a value has of its own.
        event_from: the parameter whose own last axes give the sizes of the value's.
        discrete: has a probability mass, not a density.
        has_rsample: draws are differentiable in the parameters.
        has_cdf: torch can compute ``cdf`` of it (univariate).
        cdf_differentiable: that ``cdf`` has gradients in all parameters.
        symmetric: the density is symmetric about ``loc``.
        log_concave: in the value, for every parameter.
        improper: has no finite integral and no sampler (`Flat`).
        example: parameter values for one form, numbers or nested lists; drives the contract
            tests. `examples` may add further ones, of every form.
        summary: one line for the reference.
        density: the log density or mass as TeX, for the reference.
        references: sources.
    """

    name: str
    params: tuple[Parameter, ...]
    forms: tuple[Form, ...]
    support: Support | Callable[[Mapping[str, Interval], Mapping[str, tuple[Size, ...]]], Support]
    example: Mapping[str, object]
    examples: tuple[Mapping[str, object], ...] = ()
    summary: str
    density: str
    event_dim: int = 0
    event_from: str | None = None
    discrete: bool = False
    has_rsample: bool = True
    has_cdf: bool = False
    cdf_differentiable: bool = True
    symmetric: bool = False
    log_concave: bool = False
    improper: bool = False
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Verify that the forms name declared parameters."""
        names = {p.name for p in self.params}
        for form in self.forms:
            if not set(form.params) <= names:
                raise ValueError(f"{self.name}: a form names an unknown parameter")
        if (self.event_dim > 0) != (self.event_from is not None):
            raise ValueError(f"{self.name}: event_dim and event_from go together")

    def parameter(self, name: str) -> Parameter:
        """The parameter called `name`."""
        return next(p for p in self.params if p.name == name)

    def signature(self, form: Form | None = None) -> str:
        """``Normal(loc, scale)``, for messages."""
        form = form or self.forms[0]
        parts = []
        for name in form.params:
            default = self.parameter(name).default
            parts.append(name if default is None else f"{name}={default:g}")
        return f"{self.name}({', '.join(parts)})"

    def support_given(
        self, hulls: Mapping[str, Interval], sizes: Mapping[str, tuple[Size, ...]]
    ) -> Support:
        """The support of a value, from what is statically known of the parameters.

        Args:
            hulls: an interval that contains every value of the parameter, by name.
            sizes: the sizes of the parameter's own event axes, by name.
        """
        if isinstance(self.support, (Interval, Structured)):
            return self.support
        if callable(self.support):
            return self.support({p.name: hulls.get(p.name, REAL) for p in self.params}, sizes)
        return self.support

    def event_sizes(self, sizes: Mapping[str, tuple[Size, ...]]) -> tuple[Size, ...]:
        """The sizes of a value's own event axes; empty if no parameter tells them.

        Args:
            sizes: the sizes of the parameters' own event axes, by name; a parameter given as
                a scalar is left out.
        """
        if self.event_from is None:
            return ()
        order = (self.event_from, *(p.name for p in self.params))
        own = next((sizes[name] for name in order if sizes.get(name)), ())
        return own[-self.event_dim :]
