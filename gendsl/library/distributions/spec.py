"""The record that says everything the compiler knows about a distribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gendsl.types import REAL, Interval, Size, Structured, Support

__all__ = ["DistributionSpec", "Form", "Kernel", "Parameter"]

_PLAIN = "K"
"""The axis of a record that needs one name only."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a distribution.

    Attributes:
        name: the field's standard term (``loc``, ``scale``, ``rate``).
        support: the values it may take; the checker proves them. The size of an `Index` is the
            name of an axis of the record, as in `axes`.
        meaning: one phrase for messages and the reference, e.g. "standard deviation".
        event_dim: how many event axes of its own it has (1 for a vector of probabilities).
        default: its value when left out; None if it must be given.
        symbol: what the density of the reference calls it, as TeX; empty if it is not there.
        axes: a letter for each of its own event axes. Axes with one letter have one size, also
            across parameters and the value; those of the value's letters can be told by it.
    """

    name: str
    support: Support
    meaning: str
    event_dim: int = 0
    default: float | None = None
    symbol: str = ""
    axes: str = ""

    def __post_init__(self) -> None:
        """Name the axes K where the record does not."""
        if not self.axes:
            object.__setattr__(self, "axes", _PLAIN * self.event_dim)
        if len(self.axes) != self.event_dim:
            raise ValueError(f"{self.name}: a letter for each event axis")

    @property
    def shape(self) -> str:
        """``[K, K]``, for messages; empty for a scalar."""
        return f"[{', '.join(self.axes)}]" if self.axes else ""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the density is as a function of one parameter alone, all else fixed.

    Attributes:
        parameter: its name.
        family: of which law it is the kernel. ``beta``: p^a (1 - p)^b. ``dirichlet``: the product
            of p_k^a_k. ``gamma``: u^a exp(-b u) of the parameter to the `power`, u.
        power: that power.
        exponent: another parameter, by which the power is multiplied; empty if there is none.
    """

    parameter: str
    family: str
    power: int = 1
    exponent: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to parameterise a distribution.

    Attributes:
        params: the names of the parameters it takes, in positional order.
        pyro: a Python expression over those names that builds the distribution, with
            ``dist`` for `pyro.distributions`, ``torch``, ``runtime`` for `gendsl.runtime`, and
            the letters of the value's own axes for their sizes.
            It must be batch-safe: parameters may carry any number of batch axes on the left.
            Parameters without event axes may be Python numbers; tensors hold floats, also
            those of whole numbers (`broadcast_all` would round 0.5 to an integer tensor's
            type), only `index` values are int64.
        moving: the same where parameters that are unknown bound the support, and may come to
            leave no value at all; empty where ``pyro`` will do.
    """

    params: tuple[str, ...]
    pyro: str
    moving: str = ""


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
        axes: a letter for each of those axes, as those of parameters have.
        event_from: the parameter that tells the sizes of the value's axes before others do;
            None where only the declared type tells them.
        lengths: sizes of the value's axes in the examples, where no parameter tells them.
        discrete: has a probability mass, not a density.
        has_rsample: draws are differentiable in the parameters.
        has_cdf: the runtime knows its distribution function (univariate): it has methods
            ``log_cdf`` and ``log_sf``, or is in the table of `gendsl.runtime.tails`.
        cdf_differentiable: that has gradients in all parameters.
        points: the name of a first argument that lists points; kernels (`FunctionSpec.kernel`)
            in the other arguments are taken at these, and it is no parameter itself.
        correlated: the parameters that correlate the entries of a draw, which is then `loc` plus
            a triangular matrix, `scale_tril`, times standard normal values.
        symmetric: the density is symmetric about ``loc``.
        log_concave: in the value, for every parameter.
        location_scale: `loc` and `scale`, where it has both, move and stretch a draw.
        gaussian: parameters; the log density is quadratic in the value and these together, the
            others held: a normal law. Empty if it is none.
        gaussian_given: the log density at a given value is quadratic in these together.
        family: of conjugate priors to which it belongs, as a law of its value: ``beta``,
            ``gamma``, ``inverse_gamma`` or ``dirichlet``; empty if to none of them.
        kernels: the parameters for which such priors are conjugate.
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
    axes: str = ""
    event_from: str | None = None
    lengths: Mapping[str, int] = field(default_factory=dict)
    discrete: bool = False
    has_rsample: bool = True
    has_cdf: bool = False
    cdf_differentiable: bool = True
    points: str | None = None
    correlated: tuple[str, ...] = ()
    symmetric: bool = False
    log_concave: bool = False
    location_scale: bool = True
    gaussian: tuple[str, ...] = ()
    gaussian_given: tuple[str, ...] = ()
    family: str = ""
    kernels: tuple[Kernel, ...] = ()
    improper: bool = False
    references: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Verify that the forms name declared parameters."""
        names = {p.name for p in self.params}
        for form in self.forms:
            if not set(form.params) <= names:
                raise ValueError(f"{self.name}: a form names an unknown parameter")
        if not self.axes:
            object.__setattr__(self, "axes", _PLAIN * self.event_dim)
        if len(self.axes) != self.event_dim:
            raise ValueError(f"{self.name}: a letter for each event axis")

    def parameter(self, name: str) -> Parameter:
        """The parameter called `name`."""
        return next(p for p in self.params if p.name == name)

    def fills(self, name: str) -> bool:
        """Whether a number may stand for a whole vector, as in ``Dirichlet(1)``."""
        param = self.parameter(name)
        return (
            param.event_dim == 1
            and param.axes in self.axes
            and isinstance(param.support, Interval)
        )

    def signature(self, form: Form | None = None) -> str:
        """``Normal(loc, scale)``, for messages."""
        form = form or self.forms[0]
        parts = [self.points] if self.points is not None else []
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

    def sizes_of_axes(
        self, sizes: Mapping[str, tuple[Size, ...]], event: tuple[Size, ...] = ()
    ) -> dict[str, Size]:
        """The size of each axis of the record, by its letter, as far as something tells it.

        Args:
            sizes: the sizes of the parameters' own event axes, by name; a parameter given as
                a scalar is left out.
            event: the sizes of the value's own axes, which go before; empty if not known.
        """
        found = dict(zip(self.axes, event, strict=False))
        first = [self.event_from] if self.event_from is not None else []
        for name in dict.fromkeys((*first, *(p.name for p in self.params))):
            for letter, size in zip(self.parameter(name).axes, sizes.get(name, ()), strict=False):
                found.setdefault(letter, size)
        return found
