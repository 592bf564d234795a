"""Models built by hand, for tests of the graph and of the pictures.

Arguments of a distribution are names of variables or expressions; types inside expressions
are not filled in, since the graph does not read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from gendsl.ir import nodes as ir
from gendsl.source import Source, Span
from gendsl.types import BINARY, COUNT, POSITIVE, REAL, Index, Size, Structured, Support, ValueType

SOME = ValueType()
SIMPLEX = Structured("simplex")


def ref(name: str | ir.Expr) -> ir.Expr:
    return ir.Reference(name, SOME) if isinstance(name, str) else name


def apply(function: str, *args: str | ir.Expr) -> ir.Expr:
    return ir.Apply(function, tuple(map(ref, args)), SOME)


def gather(value: str | ir.Expr, plate: str, index: str | ir.Expr) -> ir.Expr:
    return ir.Gather(ref(value), plate, ref(index), SOME)


def lag(value: str | ir.Expr, sequence: str, steps: int = 1) -> ir.Expr:
    return ir.Lag(ref(value), sequence, steps, SOME)


def index(plate: str) -> Support:
    return Index(Size.named(plate))


def axis(text: str) -> ir.Axis:
    """``plate p``, ``plate p = 3``, ``sequence t[doc]``."""
    kind, _, rest = text.partition(" ")
    name, _, size = rest.partition(" = ")
    name, _, owner = name.rstrip("]").partition("[")
    assert kind in ("plate", "sequence", "dim")
    return ir.Axis(name, kind, Size.of(int(size)) if size else None, owner or None)


def _variable(role: ir.Role) -> Callable[..., ir.Variable]:
    def make(
        name: str,
        family: str | None = None,
        *args: str | ir.Expr,
        plates: str = "",
        support: Support = REAL,
        event: Sequence[str] = (),
        value: str | ir.Expr | None = None,
        start: ir.Expr | None = None,
        optional: bool = False,
    ) -> ir.Variable:
        axes = tuple(plates.split())
        type_ = ValueType(frozenset(axes), tuple(map(Size.named, event)), support)
        equations = []
        if start is not None:
            equations.append(ir.Equation(value=start, step=0))
        if family is not None:
            given = tuple((f"p{i}", ref(arg)) for i, arg in enumerate(args))
            equations.append(ir.Equation(ir.Distribution(family, given, type_)))
        elif value is not None:
            equations.append(ir.Equation(value=ref(value)))
        return ir.Variable(name, role, axes, type_, tuple(equations), optional)

    return make


given = _variable("input")
param = _variable("param")
latent = _variable("latent")
observe = _variable("observed")
let = _variable("let")


def energy(*names: str | ir.Expr, plates: str = "") -> ir.Energy:
    args = tuple(map(ref, names))
    return ir.Energy(ir.Apply("add", args, ValueType(frozenset(plates.split()))))


def text_of(item: ir.Variable | ir.Energy) -> str:
    if isinstance(item, ir.Energy):
        return "energy ..."
    axes = f"[{', '.join(item.axes)}]" if item.axes else ""
    word = "observe" if item.role == "observed" else item.role
    body = ""
    for equation in item.equations:
        drawn = equation.distribution
        body = f" ~ {drawn.name}(...)" if drawn is not None else " = ..."
    return f"{word} {item.name}{axes}{body}"


def model(name: str, axes: Sequence[str], *items: ir.Variable | ir.Energy) -> ir.Model:
    text = f"model {name}\n"
    placed: list[ir.Variable | ir.Energy] = []
    for item in items:
        line = text_of(item)
        placed.append(replace(item, span=Span(len(text), len(text) + len(line))))
        text += line + "\n"
    return ir.Model(
        name=name,
        doc="",
        axes=tuple(map(axis, axes)),
        variables=tuple(v for v in placed if isinstance(v, ir.Variable)),
        energies=tuple(e for e in placed if isinstance(e, ir.Energy)),
        guides=(),
        infer=None,
        source=Source(f"{name}.gen", text),
    )


def coin() -> ir.Model:
    return model(
        "Coin",
        [],
        latent("p", "Beta", support=POSITIVE),
        observe("heads", "Binomial", "p", support=COUNT),
    )


def eight_schools() -> ir.Model:
    return model(
        "EightSchools",
        ["plate school = 8"],
        given("sigma", plates="school", support=POSITIVE),
        latent("mu", "Normal"),
        latent("tau", "HalfCauchy", support=POSITIVE),
        latent("theta", "Normal", "mu", "tau", plates="school"),
        observe("y", "Normal", "theta", "sigma", plates="school"),
    )


def radon() -> ir.Model:
    predictor = apply("add", gather("alpha", "county", "county_of"), apply("mul", "beta", "floor"))
    return model(
        "Radon",
        ["plate county", "plate house"],
        given("floor", plates="house"),
        given("county_of", plates="house", support=index("county")),
        latent("mu", "Normal"),
        latent("tau", "HalfNormal", support=POSITIVE),
        latent("alpha", "Normal", "mu", "tau", plates="county"),
        latent("beta", "Normal"),
        latent("sigma", "HalfNormal", support=POSITIVE),
        observe("log_radon", "Normal", predictor, "sigma", plates="house"),
    )


def mixture() -> ir.Model:
    return model(
        "GaussianMixture",
        ["plate point", "plate component = 3", "dim D = 2"],
        latent("weights", "Dirichlet", event=["component"], support=SIMPLEX),
        latent("mu", "Normal", plates="component", event=["D"]),
        latent("scale", "HalfNormal", plates="component", support=POSITIVE),
        latent("z", "Categorical", "weights", plates="point", support=index("component")),
        observe(
            "x",
            "Normal",
            gather("mu", "component", "z"),
            gather("scale", "component", "z"),
            plates="point",
            event=["D"],
        ),
    )


def hmm() -> ir.Model:
    moved = gather("move", "state", lag("z", "t"))
    return model(
        "HMM",
        ["sequence t", "plate state = 4"],
        latent("start", "Dirichlet", event=["state"], support=SIMPLEX),
        latent("move", "Dirichlet", plates="state", event=["state"], support=SIMPLEX),
        latent("mu", "Normal", event=["state"], support=Structured("ordered")),
        latent("z", "Categorical", moved, plates="t", support=index("state"), start=ref("start")),
        observe("x", "Normal", gather("mu", "state", "z"), plates="t"),
    )


def garch() -> ir.Model:
    past = apply("add", "a0", "a1", lag("y", "t"), "mu", "b1", lag("sigma", "t"))
    b1 = replace(latent("b1", "Flat"), upper=apply("add", "a1"))
    return model(
        "GARCH",
        ["sequence t"],
        given("sigma1", support=POSITIVE),
        latent("mu", "Flat"),
        latent("a0", "Flat", support=POSITIVE),
        latent("a1", "Flat"),
        b1,
        let("sigma", plates="t", support=POSITIVE, start=ref("sigma1"), value=past),
        observe("y", "Normal", "mu", "sigma", plates="t"),
    )


def item_response() -> ir.Model:
    logit = apply("add", gather("ability", "person", "p"), gather("difficulty", "item", "i"))
    return model(
        "IRT",
        ["plate person", "plate item", "plate response"],
        given("p", plates="response", support=index("person")),
        given("i", plates="response", support=index("item")),
        latent("spread", "HalfNormal", support=POSITIVE),
        latent("ability", "Normal", plates="person"),
        latent("difficulty", "Normal", "spread", plates="item"),
        observe("correct", "Bernoulli", logit, plates="response", support=BINARY),
    )


def item_response_matrix() -> ir.Model:
    return model(
        "IRTMatrix",
        ["plate person", "plate item"],
        latent("mu", "Normal"),
        latent("ability", "Normal", plates="person"),
        latent("difficulty", "Normal", "mu", plates="item"),
        latent("discrimination", "LogNormal", plates="item", support=POSITIVE),
        observe(
            "y",
            "Bernoulli",
            apply("mul", "discrimination", apply("add", "ability", "difficulty")),
            plates="person item",
            support=BINARY,
        ),
    )


def three_nested() -> ir.Model:
    return model(
        "Schools",
        ["plate state", "plate school[state]", "plate pupil[school]"],
        latent("mu", "Normal"),
        latent("a", "Normal", "mu", plates="state"),
        latent("b", "Normal", "a", plates="state school"),
        given("x", plates="state school pupil"),
        latent("sigma", "HalfNormal", support=POSITIVE),
        observe("y", "Normal", "b", "x", "sigma", plates="state school pupil"),
    )


def lda() -> ir.Model:
    return model(
        "LDA",
        ["plate doc", "plate word[doc]", "plate topic = 20", "dim V"],
        param("alpha", support=POSITIVE),
        param("eta", support=POSITIVE),
        latent("theta", "Dirichlet", "alpha", plates="doc", event=["topic"], support=SIMPLEX),
        latent("phi", "Dirichlet", "eta", plates="topic", event=["V"], support=SIMPLEX),
        latent("z", "Categorical", "theta", plates="doc word", support=index("topic")),
        observe(
            "w", "Categorical", gather("phi", "topic", "z"), plates="doc word", support=index("V")
        ),
    )


def regression() -> ir.Model:
    return model(
        "Regression",
        ["plate row"],
        given("x", plates="row", event=["D"]),
        latent("a", "Normal"),
        latent("b", "Normal", event=["D"]),
        latent("s", "HalfCauchy", support=POSITIVE),
        let("eta", plates="row", value=apply("add", "a", apply("matmul", "x", "b"))),
        observe("y", "Normal", "eta", "s", plates="row", optional=True),
    )


def bym() -> ir.Model:
    edges = apply("add", gather("phi", "area", "from_"), gather("phi", "area", "to"))
    return model(
        "BYM",
        ["plate area", "plate edge"],
        given("from_", plates="edge", support=index("area")),
        given("to", plates="edge", support=index("area")),
        given("exposure", plates="area", support=POSITIVE),
        latent("phi", plates="area"),
        energy(edges, plates="edge"),
        energy("phi"),
        latent("b", "Normal"),
        latent("sigma", "HalfNormal", support=POSITIVE),
        observe("y", "Poisson", "exposure", "b", "sigma", "phi", plates="area", support=COUNT),
    )


def rbm() -> ir.Model:
    return model(
        "RBM",
        ["plate image"],
        param("W", event=["D", "H"]),
        param("b", event=["D"]),
        param("c", event=["H"]),
        latent("h", plates="image", event=["H"], support=BINARY),
        observe("v", plates="image", event=["D"], support=BINARY),
        energy("v", "W", "h", "b", "c", plates="image"),
    )


def semi_supervised() -> ir.Model:
    return model(
        "SemiSupervised",
        ["plate image", "plate digit = 10"],
        param("decode", event=["D"]),
        latent("z", "Normal", plates="image", event=["L"]),
        observe("label", "Categorical", plates="image", support=index("digit"), optional=True),
        observe("x", "Bernoulli", "decode", "z", "label", plates="image", support=BINARY),
    )


def deep_markov() -> ir.Model:
    return model(
        "DeepMarkov",
        ["plate song", "sequence t[song]"],
        param("step"),
        param("emit"),
        latent("z", "Normal", "step", lag("z", "t"), plates="song t", event=["L"]),
        observe("x", "Bernoulli", "emit", "z", plates="song t", event=["D"], support=BINARY),
    )


def three_crossing() -> ir.Model:
    """Every two of three plates meet: no order of columns serves all."""
    return model(
        "RoundRobin",
        ["plate a", "plate b", "plate c"],
        latent("u", "Normal", plates="a"),
        latent("v", "Normal", plates="b"),
        latent("w", "Normal", plates="c"),
        observe("ab", "Normal", "u", "v", plates="a b"),
        observe("bc", "Normal", "v", "w", plates="b c"),
        observe("ca", "Normal", "w", "u", plates="c a"),
    )


def crossing_chain() -> ir.Model:
    return model(
        "Chain",
        ["plate user", "plate movie", "plate tag"],
        latent("s", "HalfNormal"),
        latent("u", "Normal", "s", plates="user"),
        latent("m", "Normal", "s", plates="movie"),
        latent("g", "Normal", "s", plates="tag"),
        observe("rating", "Normal", "u", "m", plates="user movie"),
        observe("applied", "Bernoulli", "m", "g", plates="movie tag", support=BINARY),
    )


def crossed_in_third() -> ir.Model:
    return model(
        "Lab",
        ["plate day", "plate machine", "plate run[day]"],
        latent("mu", "Normal"),
        latent("d", "Normal", plates="day"),
        latent("m", "Normal", plates="machine"),
        latent("dm", "Normal", plates="day machine"),
        latent("sd", "HalfNormal", plates="machine", support=POSITIVE),
        observe("y", "Normal", "mu", "d", "m", "dm", "sd", plates="day machine run"),
    )


def long_skips() -> ir.Model:
    return model(
        "Skips",
        ["plate n"],
        latent("a", "Normal"),
        latent("b", "Normal", "a", plates="n"),
        latent("c", "Normal", "b", plates="n"),
        latent("d", "Normal", "c", "a", plates="n"),
        observe("e", "Normal", "d", "a", "b", plates="n"),
    )


def big() -> ir.Model:
    """Twenty-five nodes: a hierarchical regression with a measurement model."""
    return model(
        "Clinic",
        ["plate hospital", "plate doctor[hospital]", "plate drug = 4", "plate visit"],
        param("prior_scale", support=POSITIVE),
        latent("mu", "Normal", "prior_scale"),
        latent("tau_hospital", "HalfNormal", support=POSITIVE),
        latent("tau_doctor", "HalfNormal", support=POSITIVE),
        latent("tau_drug", "HalfNormal", support=POSITIVE),
        latent("hospital_effect", "Normal", "mu", "tau_hospital", plates="hospital"),
        latent(
            "doctor_effect", "Normal", "hospital_effect", "tau_doctor", plates="hospital doctor"
        ),
        given("years", plates="hospital doctor", support=COUNT),
        latent("drug_effect", "StudentT", "tau_drug", plates="drug"),
        given("dose", plates="drug", support=POSITIVE),
        let("potency", plates="drug", value=apply("mul", "drug_effect", "dose")),
        given("doctor_of", plates="visit", support=index("doctor")),
        given("drug_of", plates="visit", support=index("drug")),
        given("age", plates="visit", support=POSITIVE),
        given("measured", plates="visit"),
        latent("noise", "HalfNormal", support=POSITIVE),
        latent("severity", "Normal", plates="visit"),
        observe("score", "Normal", "severity", "noise", "measured", plates="visit", optional=True),
        latent("slope", "Normal"),
        latent("intercept", "Normal"),
        let(
            "eta",
            plates="visit",
            value=apply(
                "add",
                "intercept",
                gather("doctor_effect", "doctor", "doctor_of"),
                gather("years", "doctor", "doctor_of"),
                gather("potency", "drug", "drug_of"),
                apply("mul", "slope", "age"),
                "severity",
            ),
        ),
        latent("sigma", "HalfNormal", support=POSITIVE),
        observe("recovery", "LogNormal", "eta", "sigma", plates="visit", support=POSITIVE),
        latent("overdispersion", "HalfCauchy", support=POSITIVE),
        observe(
            "events", "NegativeBinomial", "eta", "overdispersion", plates="visit", support=COUNT
        ),
    )


MODELS = {
    made.__name__: made
    for made in (
        coin,
        eight_schools,
        radon,
        mixture,
        hmm,
        garch,
        item_response,
        item_response_matrix,
        three_nested,
        lda,
        regression,
        bym,
        rbm,
        semi_supervised,
        deep_markov,
        three_crossing,
        crossing_chain,
        crossed_in_third,
        long_skips,
        big,
    )
}
