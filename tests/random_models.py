"""Random well-typed models as `.gen` text: every construct that this version runs.

`random_model` takes a `random.Random`, so that Hypothesis can hand over one that it shrinks.
Values stay moderate: what could explode goes through a bounded function first, so that two
evaluations may be compared to nine digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

__all__ = ["random_model"]

Plates = frozenset[str]
Event = tuple[str, ...]
NOWHERE: Plates = frozenset()

NAMES = (
    "mu sigma alpha beta lambda torch pyro dist math self x y_known take print None class "
    "n_p p_plate gamma exp sum data np runtime constraints import_ _v __w Normal obs range D_ tau "
    "theta eta phi psi rho delta kappa omega z1 w2 v3 u4 t5 s6 r7 q8 o9 type id len def del"
).split()
SMOOTH = (
    "tanh sin cos atan sigmoid inv_logit erf erfc normal_cdf softplus log_sigmoid relu abs"
).split()
ROUGH = ("sign", "floor", "ceil", "round")
BOUNDED = ("tanh({})", "sin({})", "cos({})", "clip({}, -2, 2)", "atan({})", "erf({})")
OF_BOUNDED = "exp expm1 sinh cosh tan asin acos square log1p".split()
OF_POSITIVE = "log sqrt lgamma gamma digamma log1p".split()
OF_UNIT = ("logit", "probit")
REDUCTIONS = ("sum", "mean", "sd", "var", "min", "max", "logsumexp")
VECTOR = ("softmax", "log_softmax", "cumsum", "cumprod", "sort", "reverse")


@dataclass(frozen=True)
class Entry:
    """A declared value that expressions may mention.

    `held` are the plates over which it may not be combined, because a discrete latent that is
    summed out stands behind it.
    """

    name: str
    axes: tuple[str, ...]
    event: Event
    kind: str
    held: Plates = NOWHERE

    @property
    def plates(self) -> Plates:
        return frozenset(self.axes)


@dataclass(frozen=True)
class Where:
    """Where an expression stands: the plates it may use, those that may not be reduced away."""

    plates: Plates
    event: Event = ()
    depth: int = 2
    reduced: Plates = NOWHERE

    def inner(self, **changes: object) -> Where:
        return replace(self, depth=self.depth - 1, **changes)  # type: ignore[arg-type]


@dataclass
class Maker:
    """Writes one model."""

    random: Random
    plates: list[str] = field(default_factory=list)
    dims: dict[str, int | None] = field(default_factory=dict)
    sequence: str | None = None
    entries: list[Entry] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    discrete: int = 0
    enumerated: Plates | None = None
    held_used: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    lagging: bool = False

    # Choices

    def chance(self, probability: float) -> bool:
        return self.random.randrange(100) < 100 * probability

    def pick(self, several):
        return several[self.random.randrange(len(several))]

    def name(self) -> str:
        return self.names.pop(self.random.randrange(len(self.names)))

    def some_plates(self, plates: list[str] | Plates, most: int = 2) -> tuple[str, ...]:
        left = sorted(plates)
        count = min(self.random.randrange(most + 1), len(left))
        return tuple(left.pop(self.random.randrange(len(left))) for _ in range(count))

    def size(self) -> str:
        return self.pick(list(self.dims))

    def event(self) -> Event:
        rank = self.pick((0, 0, 0, 1, 1, 2))
        return tuple(self.size() for _ in range(rank))

    # Atoms

    def usable(self, at: Where, kinds: tuple[str, ...], event: Event | None = None) -> list[Entry]:
        wanted = at.event if event is None else event
        return [
            e
            for e in self.entries
            if e.kind in kinds
            and e.plates <= at.plates
            and e.event == wanted
            and not e.held & at.reduced
        ]

    def mention(self, entry: Entry) -> str:
        if entry.held or entry.kind == "held":
            self.held_used.add(entry.name)
        return entry.name

    def number(self, low: float = -2.0, high: float = 2.0) -> str:
        if self.chance(0.3):
            return str(self.random.randrange(max(1, int(high))) + (1 if low > 0 else 0))
        value = low + (high - low) * self.random.randrange(1, 100) / 100
        return f"{value:.2f}" if value >= 0 else f"-{abs(value):.2f}"

    def literal(self, at: Where, low: float, high: float) -> str:
        text = self.number(low, high)
        if at.event:
            return f"full({', '.join(at.event)}, {text})"
        return text

    def atom(self, at: Where, kind: str) -> str:
        kinds = {
            "real": ("real", "positive", "unit", "count", "binary"),
            "positive": ("positive", "unit"),
            "unit": ("unit", "simplex"),
        }[kind]
        found = self.usable(at, kinds)
        if at.event and len(at.event) == 1:
            found += self.usable(at, ("simplex",) if kind != "positive" else ())
        if found and self.chance(0.85):
            return self.mention(self.pick(found))
        if kind == "real" and not at.event and self.chance(0.3):
            options = [*sorted(at.plates), *(d for d in self.dims if d not in self.plates)]
            return self.pick(options) if options else self.number()
        low, high = {"real": (-2.0, 2.0), "positive": (0.3, 2.5), "unit": (0.1, 0.9)}[kind]
        if kind == "unit":
            text = f"0.{self.random.randrange(1, 10)}"
            return f"full({', '.join(at.event)}, {text})" if at.event else text
        return self.literal(at, low, high)

    # Expressions

    def expr(self, at: Where, kind: str) -> str:
        if at.depth <= 0 or self.chance(0.2):
            return self.atom(at, kind)
        makers = {"real": self.real, "positive": self.positive, "unit": self.unit}
        return makers[kind](at)

    def operand(self, at: Where, kind: str) -> str:
        """An operand beside one that has the event shape already."""
        event = () if at.event and self.chance(0.4) else at.event
        return self.expr(at.inner(event=event), kind)

    def bounded(self, at: Where) -> str:
        return self.pick(BOUNDED).format(self.expr(at.inner(), "real"))

    def real(self, at: Where) -> str:
        options = [self._arithmetic] * 3 + [self._function] * 3 + [self._choice, self._axis]
        options += [self._axis] * 3 + ([self._vector] * 4 if at.event else [self._scalar] * 3)
        if self.functions and not at.event:
            options.append(self._call)
        return self.pick(options)(at)

    def _arithmetic(self, at: Where) -> str:
        whole = first = self.expr(at.inner(), "real")
        second = self.operand(at, "real")
        if self.chance(0.3):
            first, second = second, first
        return self.pick(
            (
                f"{first} + {second}",
                f"{first} - ({second})",
                f"({first}) * ({second})",
                f"-({whole})",
                f"({whole}) / ({self.operand(at, 'positive')} + 0.5)",
                f"({self.bounded(at)}) ** {self.pick((2, 3))}",
                f"({self.expr(at.inner(), 'positive')}) ** ({self.operand(at, 'unit')})",
                f"({whole} + {self.operand(at, 'real')} - ({second}))",
            )
        )

    def _function(self, at: Where) -> str:
        kind = self.random.randrange(8)
        if kind < 2:
            return f"{self.pick(SMOOTH)}({self.expr(at.inner(), 'real')})"
        if kind == 2:
            inside = self.bounded(at)
            name = self.pick(OF_BOUNDED)
            return (
                f"{name}({inside})"
                if name in "exp expm1 sinh cosh square"
                else (f"{name}(0.5 * sin({inside}))")
            )
        if kind == 3:
            return f"{self.pick(OF_POSITIVE)}({self.expr(at.inner(), 'positive')} + 0.4)"
        if kind == 4:
            inside = self.expr(at.inner(), "unit")
            return f"{self.pick(OF_UNIT)}(0.05 + 0.9 * ({inside}))"
        if kind == 5:
            return f"{self.pick(ROUGH)}({self.expr(at.inner(), 'real')} + 0.123)"
        two = f"{self.expr(at.inner(), 'real')}, {self.operand(at, 'real')}"
        if kind == 6:
            name = self.pick(("hypot", "atan2", "maximum", "minimum"))
            more = f", {self.operand(at, 'real')}" if "imum" in name and self.chance(0.3) else ""
            return f"{name}({two} + 0.01{more})"
        positive = f"{self.expr(at.inner(), 'positive')} + 0.3"
        other = f"{self.operand(at, 'positive')} + 0.2"
        return self.pick(
            (
                f"lbeta({positive}, {other})",
                f"lchoose({positive} + 3, 1 + {self.operand(at, 'unit')})",
                f"mod({self.expr(at.inner(), 'real')}, {other} + 0.3)",
            )
        )

    def condition(self, at: Where) -> str:
        a, b = self.expr(at.inner(), "real"), self.operand(at, "real")
        test = f"{a} {self.pick(('<', '<=', '>', '>='))} {b}"
        kinds = tuple(e.kind for e in self.entries if e.kind.startswith("index"))
        indices = self.usable(at, kinds, ())
        if indices and not at.event and self.chance(0.3):
            return f"{self.mention(self.pick(indices))} {self.pick(('==', '!='))} 1"
        if self.chance(0.3):
            binary = self.usable(at, ("binary",))
            if binary:
                both = self.pick(("and", "or"))
                return f"{test} {both} not {self.mention(self.pick(binary))} == 1"
        return test

    def _choice(self, at: Where) -> str:
        then, otherwise = self.expr(at.inner(), "real"), self.operand(at, "real")
        if self.chance(0.15) and not at.event:
            then, otherwise = "2", "3"
        return f"({then} if {self.condition(at)} else {otherwise})"

    def _call(self, at: Where) -> str:
        name = self.pick(self.functions)
        return f"{name}({self.expr(at.inner(), 'real')}, {self.expr(at.inner(), 'positive')})"

    # Axes: gathers, reductions, spreads, collections, selections, lags

    def _axis(self, at: Where) -> str:
        options = [
            self._gather,
            self._gather,
            self._reduce_plate,
            self._select_plate,
            self._spread,
            self._select_event,
            self._gather_event,
            self._collect,
            self._lag,
        ]
        start = self.random.randrange(len(options))
        for i in range(len(options)):
            text = options[(start + i) % len(options)](at)
            if text is not None:
                return text
        return self.atom(at, "real")

    def _gather(self, at: Where) -> str | None:
        pairs = [
            (value, index)
            for index in self.entries
            if index.kind.startswith("index:") and index.plates <= at.plates
            if not index.held & at.reduced and index.event == ()
            for value in self.entries
            if (target := index.kind[6:]) in value.plates
            if value.kind in ("real", "positive", "unit", "count")
            if value.event == at.event and value.plates - {target} <= at.plates
            if not value.held & (at.reduced | {target})
        ]
        if not pairs:
            return None
        value, index = self.pick(pairs)
        if index.held:
            self.held_used.add(index.name)
        return f"{self.mention(value)}[{index.name}]"

    def _other_plate(self, at: Where) -> str | None:
        others = [p for p in self.plates if p not in at.plates]
        return self.pick(others) if others else None

    def _reduce_plate(self, at: Where) -> str | None:
        plate = self._other_plate(at) if self.chance(0.6) else None
        if plate is None:
            if not at.plates:
                return None
            plate = self.pick(sorted(at.plates))
        if plate in at.event:  # the name would mean the event axis
            return None
        below = at.inner(plates=at.plates | {plate}, reduced=at.reduced | {plate})
        inside = self.expr(below, "real")
        anchored = [
            e
            for e in self.usable(below, ("real", "positive", "unit", "count"))
            if plate in e.plates
        ]
        if not anchored:
            return None
        inside = f"{inside} + {self.mention(self.pick(anchored))}"
        function = self.pick((*REDUCTIONS, "prod", "any", "all"))
        if function == "prod":
            inside = f"tanh({inside})"
        if function in ("any", "all"):
            inside = f"({inside}) > 0.3"
        return f"{function}({inside}, {plate})"

    def _select_plate(self, at: Where) -> str | None:
        plate = self._other_plate(at)
        if plate is None or plate in at.event:
            return None
        below = at.inner(plates=at.plates | {plate}, reduced=at.reduced | {plate})
        found = [e for e in self.usable(below, ("real", "positive")) if plate in e.plates]
        if not found:
            return None
        return f"{self.mention(self.pick(found))}[{plate} = {self.pick((0, 1, -1))}]"

    def _spread(self, at: Where) -> str | None:
        found = [
            (e, s)
            for e in self.entries
            if e.kind in ("real", "positive", "simplex", "unit")
            and e.plates <= at.plates
            and not e.held & at.reduced
            for s in e.event
            if s in at.plates
            and s not in e.plates
            and tuple(x for x in e.event if x != s) == at.event
            and e.event.count(s) == 1
        ]
        if not found:
            return None
        entry, plate = self.pick(found)
        return f"{self.mention(entry)}[{plate}]"

    def _select_event(self, at: Where) -> str | None:
        size = self.size()
        position = self.random.randrange(len(at.event) + 1)
        event = (*at.event[:position], size, *at.event[position:])
        found = self.usable(at, ("real", "positive", "unit", "simplex"), event)
        found = [e for e in found if size not in e.plates]
        if not found:
            return None
        entry = self.mention(self.pick(found))
        if event.count(size) > 1:
            if position:
                return None
            return f"{entry}[{self.pick((0, 1, -1))}]"
        return f"{entry}[{size} = {self.pick((0, 1, -1))}]"

    def _gather_event(self, at: Where) -> str | None:
        found = [
            (value, index)
            for index in self.entries
            if index.kind.startswith("indexed:")
            and index.plates <= at.plates
            and not index.held & at.reduced
            for value in self.entries
            if value.kind in ("real", "positive", "unit", "simplex")
            and value.plates <= at.plates
            and not value.held & at.reduced
            and value.event[:1] == (index.kind[8:],)
            and index.kind[8:] not in value.plates
            and (*index.event, *value.event[1:]) == at.event
        ]
        if not found:
            return None
        value, index = self.pick(found)
        return f"{self.mention(value)}[{self.mention(index)}]"

    def _collect(self, at: Where) -> str | None:
        if at.event[:1] and at.event[0] in self.plates and at.event[0] not in at.plates:
            plate = at.event[0]
            below = at.inner(
                plates=at.plates | {plate}, event=at.event[1:], reduced=at.reduced | {plate}
            )
            found = [e for e in self.usable(below, ("real", "positive")) if plate in e.plates]
            if found:
                inside = f"{self.mention(self.pick(found))} * {self.operand(below, 'real')}"
                return f"collect({inside}, {plate})"
        plate = self._other_plate(at)
        if plate is None or at.event:
            return None
        below = at.inner(plates=at.plates | {plate}, event=(), reduced=at.reduced | {plate})
        found = [e for e in self.usable(below, ("real", "positive")) if plate in e.plates]
        if not found:
            return None
        inside = f"collect({self.mention(self.pick(found))}, {plate})"
        return self.pick((f"sum(cumsum({inside}))", f"mean({inside} * 2)", f"{inside}[-1]"))

    def _lag(self, at: Where) -> str | None:
        """An earlier value of data; only in the equations of observed variables."""
        if not self.lagging or self.sequence not in at.plates - at.reduced:
            return None
        found = self.usable(at, ("real", "positive", "unit"))
        found = [e for e in found if self.sequence in e.plates and e.name in self.data]
        if not found:
            return None
        return f"{self.pick(found).name}[{self.sequence}-{self.pick((1, 1, 2))}]"

    # Vectors and matrices

    def _vector(self, at: Where) -> str:
        *lead, last = at.event
        options = ["function", "cumsum", "matmul"]
        if len(at.event) == 2:
            options += ["transpose", "outer"]
            if at.event[0] == at.event[1]:
                options += ["square", "diag"]
        match self.pick(options):
            case "matmul" if len(at.event) == 1:
                size = self.size()
                left = self.expr(at.inner(event=(last, size)), "real")
                return f"({left}) @ ({self.expr(at.inner(event=(size,)), 'real')})"
            case "matmul":
                size = self.size()
                left = self.expr(at.inner(event=(at.event[0], size)), "real")
                return f"({left}) @ ({self.expr(at.inner(event=(size, last)), 'real')})"
            case "transpose":
                return f"transpose({self.expr(at.inner(event=(last, lead[0])), 'real')})"
            case "outer":
                left = self.expr(at.inner(event=(lead[0],)), "real")
                return f"outer({left}, {self.expr(at.inner(event=(last,)), 'real')})"
            case "diag":
                return f"diag({self.expr(at.inner(event=(last,)), 'real')})"
            case "square":
                matrix = self.covariance(at.inner())
                return self.pick((f"cholesky({matrix})", f"inverse({matrix})", f"eye({last})"))
            case _:
                name = self.pick(VECTOR)
                inside = self.expr(at.inner(), "real")
                if name == "cumprod":
                    inside = f"tanh({inside})"
                return f"{name}({inside})"

    def covariance(self, at: Where) -> str:
        """A positive definite matrix."""
        size = at.event[-1]
        ridge = self.pick((f"eye({size})", f"diag(full({size}, 0.7))"))
        found = self.usable(at, ("matrix",))
        if found and self.chance(0.5):
            matrix = self.mention(self.pick(found))
            return f"{matrix} @ transpose({matrix}) + {ridge}"
        vector = self.bounded(at.inner(event=(size,)))
        return self.pick((f"outer({vector}, {vector}) + {ridge}", ridge))

    def _scalar(self, at: Where) -> str:
        size, other = self.size(), self.size()
        vector = self.expr(at.inner(event=(size,)), "real")
        second = self.expr(at.inner(event=(size,)), "real")
        kind = self.random.randrange(9)
        if kind < 3:
            function = self.pick((*REDUCTIONS, "prod"))
            inside = f"tanh({vector})" if function == "prod" else vector
            named = f", {size}" if size not in self.plates and self.chance(0.4) else ""
            return f"{function}({inside}{named})"
        if kind == 3:
            return self.pick((f"dot({vector}, {second})", f"({vector}) @ ({second})"))
        if kind == 4:
            matrix = self.covariance(at.inner(event=(size, size)))
            return self.pick((f"logdet({matrix})", f"det({matrix})", f"trace({matrix})"))
        if kind == 5:
            matrix = self.covariance(at.inner(event=(size, size)))
            return f"({vector}) @ solve({matrix}, {second})"
        if kind == 6:
            return f"sum(concat({vector}, {self.expr(at.inner(event=(other,)), 'real')}))"
        if kind == 7:
            items = ", ".join(self.expr(at.inner(), "real") for _ in range(3))
            return self.pick((f"sum([{items}])", f"[{items}][1]", f"logsumexp([{items}])"))
        return self._log_prob(at)

    def _log_prob(self, at: Where) -> str:
        value = self.expr(at.inner(), "real")
        scale = f"{self.expr(at.inner(), 'positive')} + 0.2"
        loc = self.expr(at.inner(), "real")
        return self.pick(
            (
                f"tanh(log_prob(Normal({loc}, {scale}), {value}))",
                f"log_prob(StudentT(4, {loc}, {scale}), {value}) / 10",
                f"log_prob(Gamma(2, {scale}), {self.expr(at.inner(), 'positive')} + 0.1) / 10",
            )
        )

    def positive(self, at: Where) -> str:
        inside = at.inner()
        return self.pick(
            (
                lambda: f"exp({self.bounded(at)})",
                lambda: f"softplus({self.expr(inside, 'real')})",
                lambda: f"0.2 + abs({self.expr(inside, 'real')})",
                lambda: f"sqrt({self.expr(inside, 'positive')})",
                lambda: f"({self.expr(inside, 'positive')}) * ({self.operand(at, 'positive')})",
                lambda: f"{self.expr(inside, 'positive')} + {self.operand(at, 'positive')}",
                lambda: f"0.3 + ({self.expr(inside, 'real')}) ** 2",
                lambda: (
                    f"({self.expr(inside, 'positive')} + 0.2) / (1 + {self.operand(at, 'unit')})"
                ),
                lambda: f"0.1 + sigmoid({self.expr(inside, 'real')})",
            )
        )()

    def unit(self, at: Where) -> str:
        inside = at.inner()
        return self.pick(
            (
                lambda: f"inv_logit({self.bounded(at)})",
                lambda: f"normal_cdf({self.bounded(at)})",
                lambda: f"0.1 + 0.8 * ({self.expr(inside, 'unit')})",
                lambda: f"1 - ({self.expr(inside, 'unit')})",
                lambda: f"sigmoid({self.bounded(at)})",
            )
        )()

    def simplex(self, at: Where) -> str:
        """Probabilities along the last event axis."""
        found = self.usable(at, ("simplex",))
        if found and self.chance(0.6):
            return self.mention(self.pick(found))
        if self.chance(0.5):
            return f"softmax({self.expr(at.inner(), 'real')})"
        return f"normalize({self.expr(at.inner(), 'positive')} + 0.1)"

    # Distributions: (text, kind of the value, declared type or empty)

    def param(self, at: Where, kind: str) -> str:
        """A parameter: all of the value's event axes, or none."""
        event = at.event if self.chance(0.5) else ()
        return self.expr(replace(at, event=event), kind)

    def positive_param(self, at: Where) -> str:
        return f"{self.param(at, 'positive')} + 0.2"

    def unit_param(self, at: Where) -> str:
        return f"0.05 + 0.9 * ({self.param(at, 'unit')})"

    def real_law(self, at: Where) -> str:
        loc, scale = self.param(at, "real"), self.positive_param(at)
        name = self.pick("Normal Normal StudentT Cauchy Laplace Logistic Gumbel".split())
        if name == "StudentT":
            return self.pick(
                (
                    f"StudentT({self.positive_param(at)} + 1, {loc}, {scale})",
                    "StudentT(4)",
                    f"StudentT(3, scale = {scale})",
                )
            )
        if name == "Gumbel":
            return f"Gumbel(tanh({loc}), {scale} + 1)"
        return self.pick((f"{name}({loc}, {scale})", f"{name}(scale = {scale}, loc = {loc})"))

    def positive_law(self, at: Where) -> str:
        a, b = self.positive_param(at), self.positive_param(at)
        return self.pick(
            (
                f"LogNormal({self.param(at, 'real')}, {a})",
                f"Gamma({a}, {b})",
                f"Gamma({a}, scale = {b})",
                f"InverseGamma({a}, {b})",
                f"ChiSquared({a})",
                f"Exponential({a})",
                f"Weibull({b} + 0.5, 0.5 + {self.unit_param(at)})",
                f"HalfNormal({a})",
                f"HalfCauchy({a})",
            )
        )

    def unit_law(self, at: Where) -> str:
        a, b = self.positive_param(at), self.positive_param(at)
        return self.pick(
            (
                f"Beta({a}, {b})",
                f"Beta(mean = {self.unit_param(at)}, concentration = {a})",
                f"Kumaraswamy({a}, {b})",
                "Uniform(0, 1)",
            )
        )

    def count_law(self, at: Where) -> str:
        a, p = self.positive_param(at), self.unit_param(at)
        logits = f"logits = {self.param(at, 'real')}"
        total = self.pick(("3", "7", *(e.name for e in self.usable(at, ("count",), ()))))
        return self.pick(
            (
                f"Poisson({a})",
                f"NegativeBinomial({a}, {p})",
                f"NegativeBinomial({a}, logits = tanh({self.param(at, 'real')}))",
                f"NegativeBinomial(mean = {a}, concentration = {self.positive_param(at)})",
                f"Geometric({p})",
                f"Geometric({logits})",
                f"Binomial({total}, {p})",
                f"Binomial({total}, {logits})",
                f"BetaBinomial({total}, {a}, {self.positive_param(at)})",
            )
        )

    # Statements

    def declare(
        self, keyword: str, axes: tuple[str, ...], type_: str, right: str = "", name: str = ""
    ) -> str:
        name = name or self.name()
        subscript = f"[{', '.join(axes)}]" if axes else ""
        typed = f": {type_}" if type_ else ""
        self.lines.append(f"{keyword} {name}{subscript}{typed}{right}")
        return name

    def shape(self, event: Event) -> str:
        return f"[{', '.join(event)}]" if event else ""

    def add(self, name: str, axes: tuple[str, ...], event: Event, kind: str) -> None:
        held: Plates = NOWHERE
        if self.held_used:
            tainting = [e.held for e in self.entries if e.name in self.held_used]
            held = frozenset().union(*tainting)
        self.entries.append(Entry(name, axes, event, kind, held))
        self.held_used.clear()

    def input(self) -> None:
        axes = self.some_plates(self.plates)
        kind = self.pick(
            (
                "real",
                "real",
                "positive",
                "unit",
                "count",
                "binary",
                "index",
                "index",
                "indexed",
                "simplex",
                "matrix",
            )
        )
        event = self.event()
        if kind == "index" and self.plates:
            targets = self.plates
            target = self.pick(targets)
            axes = axes or (self.pick(self.plates),)
            name = self.declare("input", axes, f"index({target})")
            self.add(name, axes, (), f"index:{target}")
        elif kind in ("index", "indexed"):
            size = self.size()
            event = self.pick(((), (), (self.size(),)))
            name = self.declare("input", axes, f"index({size}){self.shape(event)}")
            self.add(name, axes, event, f"indexed:{size}")
        elif kind == "simplex":
            size = self.size()
            name = self.declare("input", axes, f"simplex[{size}]")
            self.add(name, axes, (size,), "simplex")
        elif kind == "matrix":
            size = self.size()
            event = (size, size)
            name = self.declare("input", axes, f"real{self.shape(event)}")
            self.add(name, axes, event, "matrix")
        else:
            name = self.declare("input", axes, f"{kind}{self.shape(event)}")
            self.add(name, axes, event, kind)
        self.data.add(name)

    def param_statement(self) -> None:
        axes, event = self.some_plates(self.plates), self.event()
        kind = self.pick(("real", "positive", "unit", "simplex"))
        if kind == "simplex":
            event = (self.size(),)
        right = " = 0" if kind == "real" and self.chance(0.4) else ""
        name = self.declare("param", axes, kind + self.shape(event), right)
        self.add(name, axes, event, kind)

    def let(self) -> None:
        axes, event = self.some_plates(self.plates), self.event()
        at = Where(frozenset(axes), event, 3)
        kind = self.pick(("real", "real", "positive", "unit"))
        text = self.expr(at, kind)
        held = [e.held for e in self.entries if e.name in self.held_used]
        if held and not frozenset().union(*held) <= frozenset(axes):
            self.held_used.clear()
            return
        type_ = f"{kind}{self.shape(event)}" if self.chance(0.3) else ""
        name = self.declare("let", axes, type_, f" = {text}")
        self.add(name, axes, event, kind)

    def latent(self) -> None:
        axes, event = self.some_plates(self.plates), self.event()
        self._drawn("latent", axes, event)

    def observe(self) -> None:
        axes, event = self.some_plates(self.plates, 3), self.event()
        if self.enumerated is not None:
            axes = (*axes, *sorted(self.enumerated - set(axes)))
        self.lagging = True
        self._drawn("observe", axes, event)
        self.lagging = False

    def _drawn(self, keyword: str, axes: tuple[str, ...], event: Event) -> None:
        at = Where(frozenset(axes), event, 2)
        observed = keyword == "observe"
        kinds = [self._draw_real] * 3 + [self._draw_positive] * 2
        kinds += [self._draw_unit, self._draw_vector, self._draw_narrow, self._draw_ordered]
        kinds += [self._draw_between]
        kinds += [self._draw_flat] if not observed else [self._draw_count] * 3
        kinds += [self._draw_category, self._draw_angle] if observed else []
        draw = self.pick(kinds)
        type_, right, kind, event = draw(at)
        if draw == self._draw_between and not observed and self.held_used:
            self.held_used.clear()  # the support of a latent may not move with what is summed out
            return
        missing = observed and self.chance(0.25)
        held = [e.held for e in self.entries if e.name in self.held_used]
        if held and not frozenset().union(*held) <= frozenset(axes):
            self.held_used.clear()
            return
        if missing:
            type_ = f"{type_ or self._typed(kind, event)}?"
        name = self.declare(keyword, axes, type_, f" ~ {right}")
        if observed and not missing:
            self.data.add(name)
        self.add(name, axes, event, kind if not type_.endswith("?") else "dropped")

    def _typed(self, kind: str, event: Event) -> str:
        return f"{kind}{self.shape(event)}"

    def _draw_real(self, at: Where):
        return (
            f"real{self.shape(at.event)}" if at.event or self.chance(0.3) else "",
            (self.real_law(at)),
            "real",
            at.event,
        )

    def _draw_positive(self, at: Where):
        type_ = f"positive{self.shape(at.event)}" if at.event else ""
        return type_, self.positive_law(at), "positive", at.event

    def _draw_unit(self, at: Where):
        return f"unit{self.shape(at.event)}", self.unit_law(at), "unit", at.event

    def _draw_count(self, at: Where):
        if self.chance(0.3):
            law = self.pick(
                (
                    f"Bernoulli({self.unit_param(at)})",
                    f"Bernoulli(logits = {self.param(at, 'real')})",
                )
            )
            return f"binary{self.shape(at.event)}", law, "binary", at.event
        if self.chance(0.2):
            size = self.size()
            inner = replace(at, event=(size,))
            law = self.pick(
                (
                    f"Multinomial(5, {self.simplex(inner)})",
                    f"Multinomial(4, logits = {self.expr(inner, 'real')})",
                )
            )
            return f"count[{size}]", law, "count", (size,)
        if self.chance(0.3):  # zero-truncated, or cut at both ends
            rate, p = self.positive_param(at), self.unit_param(at)
            law = self.pick(
                (f"Poisson({rate})", f"Geometric({p})", f"NegativeBinomial({rate}, {p})")
            )
            bounds = self.pick(("1, inf", "2, 9", "0, 4"))
            return f"integer({bounds}){self.shape(at.event)}", law, "count", at.event
        return f"count{self.shape(at.event)}", self.count_law(at), "count", at.event

    def _draw_category(self, at: Where):
        size = self.size()
        lead = at.event if len(at.event) < 2 and self.chance(0.5) else ()
        inner = replace(at, event=(*lead, size))
        law = self.pick(
            (
                f"Categorical({self.simplex(inner)})",
                f"Categorical(logits = {self.expr(inner, 'real')})",
            )
        )
        return f"index({size}){self.shape(at.event)}", law, f"index({size})", at.event

    def _draw_angle(self, at: Where):
        loc = self.param(at, "real")
        return (
            f"angle{self.shape(at.event)}",
            f"VonMises({loc}, {self.positive_param(at)})",
            ("angle"),
            at.event,
        )

    def _draw_vector(self, at: Where):
        size = self.size()
        inner = replace(at, event=(size,))
        if self.chance(0.4):
            weight = self.pick(
                (
                    "1",
                    f"{self.expr(inner, 'positive')} + 0.5",
                    f"{self.expr(replace(at, event=()), 'positive')} + 0.5",
                )
            )
            return f"simplex[{size}]", f"Dirichlet({weight})", "simplex", (size,)
        matrix = self.covariance(replace(at, event=(size, size)))
        loc = self.pick((self.expr(inner, "real"), f"zeros({size})", "0"))
        option = self.pick(
            ("covariance_matrix = {}", "precision_matrix = {}", "scale_tril = cholesky({})")
        )
        lead = at.event[:1] if self.chance(0.3) else ()
        event = (*lead, size)
        law = f"MultivariateNormal({loc}, {option.format(matrix)})"
        return f"real{self.shape(event)}", law, "real", event

    def _draw_narrow(self, at: Where):
        loc, scale = self.param(at, "real"), self.positive_param(at)
        name = self.pick(("Normal", "Cauchy", "Laplace", "Logistic"))
        low, high = self.pick((("0", "inf"), ("-1", "2"), ("-inf", "1.5"), ("0.5", "inf")))
        law = f"{name}(tanh({loc}), {scale})"
        if self.chance(0.3):
            law = f"StudentT(1 + {self.positive_param(at)}, tanh({loc}), {scale})"
        if (low, high) == ("0", "inf") and self.chance(0.5):
            law = self.pick((f"StudentT(3, 0, {scale})", f"{name}(0, {scale})"))
        kind = "positive" if float(low) >= 0 else "real"
        return f"real({low}, {high}){self.shape(at.event)}", law, kind, at.event

    def _draw_between(self, at: Where):
        """Bounds that depend on other quantities."""
        lagging, self.lagging = self.lagging, False
        low, width = f"tanh({self.param(at, 'real')})", self.positive_param(at)
        self.lagging = lagging
        uniform, normal = f"Uniform({low}, {low} + {width})", self.param(at, "real")
        law = self.pick((uniform, f"Normal(tanh({normal}), 1)", f"Pareto({width}, 2)"))
        if law.startswith("Uniform"):
            return f"real{self.shape(at.event)}", law, "real", at.event
        if law.startswith("Pareto"):
            return f"positive{self.shape(at.event)}", law, "positive", at.event
        law = self.pick((law, "Flat()")) if not self.lagging else law
        high = self.pick(("inf", f"{low} + {width}"))
        return f"real({low}, {high}){self.shape(at.event)}", law, "real", at.event

    def _draw_ordered(self, at: Where):
        size = self.size()
        at = replace(at, event=())
        scale = self.positive_param(at)
        if self.chance(0.3):
            return f"ordered(0, inf)[{size}]", f"Normal(0, {scale})", "positive", (size,)
        law = f"{self.pick(('Normal', 'Cauchy'))}({self.param(at, 'real')}, {scale})"
        return f"ordered[{size}]", law, "real", (size,)

    def _draw_flat(self, at: Where):
        kind = self.pick(("real", "positive", "unit", "simplex", "real(-2, 3)", "real(1, inf)"))
        event = (self.size(),) if kind == "simplex" else at.event
        plain = "real" if "(-" in kind else "positive" if "(" in kind else kind
        return f"{kind}{self.shape(event)}", "Flat()", plain, event

    def discrete_latent(self) -> None:
        """A discrete latent that is summed out, over plates that nest with the others'."""
        if self.enumerated is None:
            self.enumerated = frozenset(self.some_plates(self.plates, 1))
        axes = tuple(sorted(self.enumerated)) if self.chance(0.7) else ()
        at = Where(frozenset(axes), (), 2)
        targets = [p for p in self.plates if p not in self.enumerated]
        if self.chance(0.4):
            probability = self.unit_param(at)
            law = self.pick((f"Bernoulli({probability})", f"Binomial(2, {probability})"))
            kind, type_ = "count", ""
        else:
            size = self.pick([*targets, *self.dims])
            weights = self.simplex(replace(at, event=(size,)))
            logits = f"logits = log({weights} + 0.1)"
            law = self.pick((f"Categorical({weights})", f"Categorical({logits})"))
            kind = f"index:{size}" if size in self.plates else f"indexed:{size}"
            type_ = f"index({size})"
        name = self.declare("latent", axes, type_, f" ~ {law}")
        self.held_used.clear()
        self.entries.append(Entry(name, axes, (), kind, self.enumerated))
        self.discrete += 1

    def energy(self) -> None:
        """A tilt of latents whose log Z nobody owes: an undirected block."""
        axes = self.some_plates(self.plates)
        event = self.event()
        name = self.declare("latent", axes, f"real{self.shape(event)}")
        self.add(name, axes, event, "dropped")
        square = f"{name} ** 2" if not event else f"sum({name} ** 2)"
        self.lines.append(f"energy 0.5 * {square}")
        if axes and self.chance(0.5) and not event:
            self.lines.append(f"energy 0.1 * sum({name}, {axes[0]}) ** 2")


def random_model(random: Random) -> str:
    """The text of a model that checks and that this version can infer."""
    maker = Maker(random, names=list(NAMES))
    maker.plates = ["p", "q", "r"][: random.randrange(4)]
    maker.dims = {"D": maker.pick((None, 2, 3)), "E": maker.pick((None, 2, 3))}
    sized = {p: f" = {maker.pick((2, 3))}" if maker.chance(0.2) else "" for p in maker.plates}
    head = [f"plate {p}{size}" for p, size in sized.items()]
    if maker.chance(0.35):
        maker.sequence = "t"
        maker.plates.append("t")
        head.append("sequence t")
    head += [f"dim {d}" + (f" = {s}" if s else "") for d, s in maker.dims.items()]
    if maker.plates and maker.chance(0.4):
        maker.dims[maker.plates[0]] = None  # a plate's name may serve as a size
    head.append("fn squash(v: real, s: positive): real = tanh(v / (s + 1)) + v / (1 + v ** 2)")
    maker.functions.append("squash")
    for _ in range(random.randrange(2, 5)):
        maker.input()
    learned = maker.chance(0.15)  # params as points: then nothing continuous is inferred
    steps = [maker.param_statement if learned else maker.latent] * 3 + [maker.let] * 2
    for _ in range(random.randrange(2, 6)):
        maker.pick(steps)()
    if maker.chance(0.35):
        for _ in range(random.randrange(1, 3)):
            maker.discrete_latent()
            maker.pick((maker.let, maker.observe))()
    if maker.chance(0.2) and not learned:
        maker.energy()
    for _ in range(random.randrange(1, 4)):
        maker.observe()
    lines = maker.lines
    if maker.chance(0.3):  # the order of declarations means nothing
        random.shuffle(lines)
    return "\n".join(["model Random", *head, *lines]) + "\n"
