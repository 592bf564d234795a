"""The type of an expression is (set of plates, event shape, support)."""

from __future__ import annotations

from math import inf, pi

import pytest

from gendsl.diagnostics import CompileError, nearest
from gendsl.frontend import check
from gendsl.ir import nodes as ir
from gendsl.library.distributions import DISTRIBUTIONS
from gendsl.library.functions import CURVES, FUNCTIONS, KERNELS
from gendsl.semantics import aliases, lower
from gendsl.semantics.axes import resolve_axes
from gendsl.semantics.context import Context
from gendsl.semantics.declared import TYPE_WORDS
from gendsl.semantics.expressions import OWN_FORMS, type_expression
from gendsl.semantics.functions import verify_functions
from gendsl.semantics.order import dependency_order
from gendsl.semantics.report import Poisoned, Report
from gendsl.semantics.scope import build_scope
from gendsl.semantics.shapes import RULES, STRUCTURAL
from gendsl.semantics.sizes import Sizes
from gendsl.semantics.supports import fits, intersect, possible
from gendsl.source import Source
from gendsl.syntax import ast
from gendsl.syntax.parser import parse
from gendsl.types import (
    BINARY,
    COUNT,
    INTEGER,
    POSITIVE,
    REAL,
    UNIT,
    Index,
    Interval,
    Size,
    Structured,
    ValueType,
)

DECLARATIONS = """
plate house  plate county  plate pair = 4  sequence t = 10  sequence s
dim D  dim E = 3  dim F = 3  dim G = D  dim H = 2 * E + 1  plate code
input x[house]: real          input p[house]: positive     input u[house]: unit
input k[house]: count         input b[house]: binary       input z[house]: index(county)
input alpha[county]: real     input cell[county, pair]: real
input q[house]: index(pair)   input five[house]: index(5)  input three[house]: index(E)
input v: real[D]              input w: real[E]             input o: real[F]
input M: real[D, E]           input S: covariance[E]       input W: simplex[pair]
input rows[house]: simplex[E] input table: real[E, county] input many: index(code)[D]
input book[code]: real[E]     input y[t]: real             input vec[t]: real[E]
input i: integer              input sim: simplex[E]        input lists: simplex[D, E]
input ord: ordered[E]         input corr: correlation[E]   input theta[county]: simplex[county]
input c: index(county)[E]     input m: real(-1, 1)         input g: real[G]
plate trio = 3  input index3[house]: index(trio)
input h: real[H]              input n1: real[1]            input n3: real[3]
fn square_of(a: real): real = a ** 2
fn mix(a: positive, bb: real[E]): real[E] = a * bb
"""


def context(expression: str) -> tuple[Context, ast.Expr]:
    program = parse(Source("m.gen", f"model M\n{DECLARATIONS}\nlet it = {expression}\n"))
    report = Report()
    scope = build_scope(program, report)
    statement = scope.values.pop("it").first
    assert isinstance(statement, ast.Let)
    ctx = Context(scope, report, type_expression)
    resolve_axes(ctx)
    verify_functions(ctx)
    lower._variables(ctx, dependency_order(scope, report)[0])
    assert not report.failed
    return ctx, statement.value


def expr_of(expression: str) -> ir.Expr:
    ctx, value = context(expression)
    return ctx.typed(ctx, value)


def code_of(expression: str) -> list[str]:
    ctx, value = context(expression)
    with pytest.raises(Poisoned):
        ctx.typed(ctx, value)
    return [d.code for d in ctx.report.in_order()]


def between(lower_: float, upper: float, *, integer: bool = False) -> Interval:
    return Interval(integer, lower_, upper)


def value(plates: str = "", event: tuple[str | int, ...] = (), support=REAL) -> ValueType:
    sizes = tuple(Size.of(e) if isinstance(e, int) else Size.named(e) for e in event)
    return ValueType(frozenset(plates.split()), sizes, support)


TYPES = {
    # numbers and names
    "3": value(support=between(3, 3, integer=True)),
    "-2.5": value(support=between(-2.5, -2.5)),
    "x": value("house"),
    "E": value(support=between(3, 3, integer=True)),
    "D": value(support=COUNT),
    "house": value("house", support=COUNT),
    "pair": value("pair", support=between(0, 3, integer=True)),
    # plates unite, events agree, scalars go with any event
    "x + alpha": value("house county"),
    "x * v": value("house", ("D",)),
    "v + g": value("", ("D",)),
    "w + n3": value("", ("E",)),
    "h + h": value("", ("H",)),
    # intervals
    "p * p": value("house", support=POSITIVE),
    "p + 0.5": value("house", support=between(0.5, inf)),
    "x ** 2": value("house", support=POSITIVE),
    "exp(x)": value("house", support=POSITIVE),
    "u * (1 - u)": value("house", support=UNIT),
    "k + 1": value("house", support=between(1, inf, integer=True)),
    "k - k": value("house", support=INTEGER),
    "k / 2": value("house", support=POSITIVE),
    "sqrt(x ** 2 + alpha ** 2)": value("house county", support=POSITIVE),
    "1 / p": value("house", support=POSITIVE),
    "inv_logit(x)": value("house", support=UNIT),
    "1 - m ** 2": value("", support=UNIT),
    "abs(x)": value("house", support=POSITIVE),
    "maximum(x, 1)": value("house", support=between(1, inf)),
    "-p": value("house", support=between(-inf, 0)),
    "x > 0": value("house", support=BINARY),
    "not b": value("house", support=BINARY),
    "b and b or b": value("house", support=BINARY),
    "p if b else 1": value("house", support=POSITIVE),
    "z == 2": value("house", support=BINARY),
    # gathering, spreading, collecting
    "alpha[z]": value("house"),
    "cell[z]": value("house pair"),
    "cell[z, q]": value("house"),
    "cell[q, z]": value("house"),
    "cell[county=z]": value("house pair"),
    "theta[z]": value("house", ("county",), Structured("simplex")),
    "n3[three]": value("house"),
    "n3[index3]": value("house"),
    "W[q]": value("house", support=UNIT),
    "W[pair]": value("pair", support=UNIT),
    "collect(W[pair], pair)": value("", ("pair",), UNIT),
    "table[county=z]": value("house", ("E",)),
    "table[z]": value("house", ("E",)),
    "table[0, z]": value("house"),
    "table[z, 0]": value("house"),
    "book[many]": value("", ("D", "E")),
    "book[many, 1]": value("", ("D",)),
    "alpha[c]": value("", ("E",)),
    "alpha[county]": value("county"),
    "collect(alpha, county)": value("", ("county",)),
    "collect(vec, t)": value("", ("t", "E")),
    "table[county]": value("county", ("E",)),
    "z if b else z": value("house", support=Index(Size.named("county"))),
    # literal entries, by position and by name
    "v[0]": value(),
    "M[0]": value("", ("E",)),
    "M[0, -1]": value(),
    "M[E=0]": value("", ("D",)),
    "M[D=1, E=2]": value(),
    "w[three]": value("house"),
    "M[0, three]": value("house"),
    "M[E=three]": value("house", ("D",)),
    "cell[pair=1]": value("county"),
    "cell[pair=-1, county=0]": value(),
    "w[E - 1]": value(),
    "rows[1]": value("house", support=UNIT),
    "lists[0]": value("", ("E",), Structured("simplex")),
    "lists[E=0]": value("", ("D",), UNIT),
    "S[0]": value("", ("E",)),
    "corr[0, 1]": value("", support=between(-1, 1)),
    # lags
    "y[t-1]": value("t"),
    "y[t=t-2]": value("t"),
    "y[t]": value("t"),
    "y[t-0]": value("t"),
    "vec[t-1, 0]": value("t"),
    "vec[0, t-1]": value("t"),
    "lags(y, 3)": value("t", (3,)),
    "lags(y, E)": value("t", ("E",)),
    "lags(vec, 2)": value("t", (2, "E")),
    "y[t=0]": value(),
    # lists and shapes
    "[x, 1]": value("house", (2,)),
    "[[1, 2], [3, 4]]": value("", (2, 2), between(1, 4, integer=True)),
    "[z, z]": value("house", (2,), Index(Size.named("county"))),
    "[sim, sim]": value("", (2, "E"), Structured("simplex")),
    "zeros(D, 2)": value("", ("D", 2), between(0, 0, integer=True)),
    "ones(E + 1)": ValueType(
        frozenset(), (Size.named("E") + Size.of(1),), between(1, 1, integer=True)
    ),
    "full(E, x)": value("house", ("E",)),
    "eye(E)": value("", ("E", "E"), Structured("correlation")),
    "concat(w, [1])": ValueType(frozenset(), (Size.named("E") + Size.of(1),), REAL),
    "M @ w": value("", ("D",)),
    "v @ M": value("", ("E",)),
    "v @ M @ w": value(),
    "v @ v": value(),
    "x * v @ v": value("house"),
    "transpose(M)": value("", ("E", "D")),
    "dot(w, n3)": value(),
    "outer(v, w)": value("", ("D", "E")),
    "diag(exp(w))": value("", ("E", "E"), Structured("covariance")),
    "cholesky(S)": value("", ("E", "E"), Structured("cholesky")),
    "solve(S, w)": value("", ("E",)),
    "logdet(S)": value(),
    "softmax(w)": value("", ("E",), Structured("simplex")),
    "cumsum(exp(w))": value("", ("E",), POSITIVE),
    # reductions
    "sum(x, house)": value(),
    "mean(p, house)": value("", support=POSITIVE),
    "sum(v)": value(),
    "sum(M)": value(),
    "sum(M, E)": value("", ("D",)),
    "sum(x * v, D)": value("house"),
    "sum(cell, county)": value("pair"),
    "sd(x, house)": value("", support=POSITIVE),
    "max(u, house)": value("", support=UNIT),
    "any(b, house)": value("", support=BINARY),
    "logsumexp(w)": value(),
    # functions and densities
    "square_of(x)": value("house", support=POSITIVE),
    "mix(p, w)": value("house", ("E",)),
    "mix(bb = w, a = p)": value("house", ("E",)),
    "log_prob(Normal(x, p), 1)": value("house"),
    "log_prob(Normal(0, 1), w)": value(),
    "log_prob(Categorical(W), q)": value("house"),
}


@pytest.mark.parametrize("expression", TYPES)
def test_type(expression):
    assert str(expr_of(expression).type) == str(TYPES[expression])
    assert expr_of(expression).type == TYPES[expression]


REFUSED = {
    "v + w": "GD304",
    "w + o": "GD304",  # two names of one number
    "v + n3": "GD304",
    "w + n1": "GD304",
    "M + v": "GD304",
    "z + 1": "GD210",
    "-z": "GD210",
    "+z": "GD210",
    "z < 2": "GD210",
    "[z, 1]": "GD210",
    "sum(z, house)": "GD210",
    "z if b else q": "GD210",
    "z == q": "GD208",
    "z == k": "GD208",
    "alpha[k]": "GD311",
    "alpha[q]": "GD312",
    "w[five]": "GD312",
    "M[three]": "GD312",  # in order: the first axis is D
    "alpha[0]": "GD313",
    "v[0, 0]": "GD313",
    "w[3]": "GD314",
    "w[-4]": "GD314",
    "cell[pair=4]": "GD314",
    "y[t=10]": "GD314",
    "y[t-10]": "GD314",
    "alpha[county-1]": "GD315",
    "(2 * y)[t-1]": "GD316",
    "y[t+1]": "GD503",
    "lags(x, 2)": "GD317",
    "lags(y, D)": "GD318",
    "lags(y + 1, 2)": "GD317",
    "collect(x, county)": "GD310",
    "sum(x)": "GD309",
    "sum(x, county)": "GD310",
    "max(p, 1)": "GD310",
    "M @ M": "GD302",
    "x @ v": "GD302",
    "solve(M, v)": "GD302",
    "log(x)": "GD402",
    "sqrt(-1)": "GD402",
    "x ** 0.5": "GD402",
    "x ** x": "GD402",
    "1 / 0": "GD402",
    "not x": "GD402",
    "1 if x else 2": "GD402",
    "any(x, house)": "GD402",
    "softmax(x)": "GD305",
    "full(E, w)": "GD305",
    "square_of(w)": "GD212",
    "square_of(z)": "GD212",
    "mix(x, w)": "GD212",
    "mix(p)": "GD211",
    "mix(p, bb = w, a = p)": "GD211",
    "clip(x, 0)": "GD211",
    "exp(x, y = 1)": "GD110",
    "log_prob(Normal(0, 1), z)": "GD403",
    "log_prob(Beta(1, 1), k + 2)": "GD403",
    "[]": "GD209",
    "[1, [1]]": "GD303",
    "nothing": "GD107",
    "Exp(x)": "GD109",
    "x(1)": "GD108",
    "exp": "GD106",
    "Normal(0, 1)": "GD106",
    "odeint(x)": "GD211",
}


@pytest.mark.parametrize("expression", REFUSED)
def test_refused(expression):
    assert code_of(expression) == [REFUSED[expression]]


ACCEPTED_PARAMETERS = [
    "Normal(0, exp(a))",
    "Normal(0, tau + 0.1)",
    "Normal(0, sqrt(tau))",
    "Normal(0, sqrt(a ** 2 + b ** 2))",
    "Normal(0, abs(a))",
    "Normal(0, 1 / tau)",
    "Poisson(tau * exp(a))",
    "Poisson(exp(a) + exp(b))",
    "Bernoulli(inv_logit(a))",
    "Bernoulli(mu)",
    "Bernoulli(1 - mu)",
    "Bernoulli(mu * mu)",
    "Bernoulli(logits = a)",
    "Beta(mu * tau, (1 - mu) * tau)",
    "Binomial(10, mu * on)",
    "NegativeBinomial(mean = exp(a), concentration = tau)",
    "StudentT(tau + 1, a, tau)",
    "Gamma(mean(tau) if on else 1, rate = tau)",
    "Uniform(0, 1)",
    "Exponential(softplus(a))",
]


def model_with(law: str) -> str:
    return (
        "model M\nlatent a ~ Normal(0, 1)\nlatent b ~ Normal(0, 1)\nlatent tau ~ HalfNormal(1)\n"
        f"latent mu ~ Beta(1, 1)\nlatent on ~ Bernoulli(0.5)\nobserve y ~ {law}\n"
    ).replace("mean(tau)", "tau")


@pytest.mark.parametrize("law", ACCEPTED_PARAMETERS)
def test_parameters_that_are_surely_legal(law):
    assert check(Source("m.gen", model_with(law))).ir.variable("y")


@pytest.mark.parametrize(
    "law",
    [
        "Normal(0, a)",
        "Normal(0, tau - 1)",
        "Normal(0, 0)",
        "Poisson(tau - exp(a))",
        "Bernoulli(tau)",
        "Bernoulli(mu + mu)",
        "Beta(0, 1)",
        "Binomial(2.5, mu)",
        "Binomial(tau, mu)",
        "Categorical([0.5, 0.6])",
    ],
)
def test_parameters_that_may_be_illegal(law):
    with pytest.raises(CompileError) as caught:
        check(Source("m.gen", model_with(law)))
    assert [d.code for d in caught.value.diagnostics if d.severity == "error"] == ["GD401"]
    assert all(d.help for d in caught.value.diagnostics if d.severity == "error")


def support_of(statement: str) -> object:
    text = f"model M\nplate n\nlatent s ~ HalfNormal(1)\n{statement}\n"
    return check(Source("m.gen", text)).ir.variable("y").type.support


@pytest.mark.parametrize(
    ("statement", "support"),
    [
        ("observe y[n] ~ HalfNormal(s)", POSITIVE),
        ("observe y[n]: real ~ HalfNormal(s)", POSITIVE),
        ("observe y[n]: positive ~ Normal(0, s)", POSITIVE),
        ("observe y[n]: real(1, 3) ~ Normal(0, s)", between(1, 3)),
        ("observe y[n]: unit ~ HalfNormal(s)", UNIT),
        ("observe y[n]: real ~ Poisson(s)", COUNT),
        ("observe y[n]: count ~ Binomial(10, 0.5)", between(0, 10, integer=True)),
        ("observe y[n] ~ Uniform(-1, 2)", between(-1, 2)),
        ("observe y[n] ~ Categorical([0.5, 0.5])", Index(Size.of(2))),
        ("latent y: ordered[3] ~ Normal(0, s)", Structured("ordered")),
        ("latent y: ordered[3] ~ HalfNormal(s)", Structured("ordered", lower=0.0)),
        ("latent y: angle ~ Flat()", Structured("angle")),
        ("latent y: real ~ VonMises(0, 1)", Structured("angle")),
        ("latent y: zero_sum[3] ~ Flat()", Structured("zero_sum")),
        ("latent y: covariance[3] ~ Flat()", Structured("covariance")),
        ("let y: positive = s - 1", POSITIVE),
        ("let y = s + 1", between(1, inf)),
    ],
)
def test_support_of_a_variable(statement, support):
    assert support_of(statement) == support


def test_equations_along_a_sequence_unite_their_supports():
    text = "model M\nsequence t\nobserve y[0] ~ HalfNormal(1)\nobserve y[t] ~ Normal(y[t-1], 1)\n"
    model = check(Source("m.gen", text)).ir

    assert model.variable("y").type.support == REAL
    base, general = model.variable("y").equations
    assert (base.step, general.step, general.first) == (0, None, 1)


def test_a_recursive_let_without_a_type_may_go_anywhere():
    with pytest.raises(CompileError) as caught:
        check(
            Source(
                "m.gen",
                "model M\nsequence t\nlet s[0] = 1\nlet s[t] = s[t-1] - 1\n"
                "observe y[t] ~ Normal(0, s)\n",
            )
        )
    assert [d.code for d in caught.value.diagnostics] == ["GD401"]


def test_bounds_made_of_numbers_are_numbers():
    text = "model M\ndim K = 3\nlatent a: real(-1 / 2, 2 * K) ~ Flat()\nobserve y ~ Normal(a, 1)\n"
    assert check(Source("m.gen", text)).ir.variable("a").type.support == between(-0.5, 6)


def test_sizes_agree_by_symbol_or_by_number():
    sizes = Sizes({"M": Size.named("D")}, {"D": 3, "E": 3, "M": 3})
    d, e, m, three = Size.named("D"), Size.named("E"), Size.named("M"), Size.of(3)

    assert sizes.agree(d, m)
    assert sizes.agree(d, three)
    assert sizes.agree(d + Size.of(1), Size.of(4))
    assert not sizes.agree(d, e)
    assert not sizes.agree(d + Size.of(1), e + Size.of(1))
    assert not sizes.agree(Size.named("K"), three)


def test_inclusion_of_supports():
    assert fits(COUNT, REAL)
    assert fits(COUNT, POSITIVE)  # touches the bound
    assert fits(between(0, 0), UNIT)
    assert not fits(between(0, 0), POSITIVE)
    assert not fits(REAL, POSITIVE)
    assert not fits(REAL, COUNT)
    assert not fits(Index(Size.of(3)), COUNT)
    assert fits(Structured("correlation"), Structured("covariance"))
    assert not fits(Structured("covariance"), Structured("correlation"))
    assert fits(Structured("ordered", 0.0), Structured("ordered"))


def test_claims():
    assert possible(REAL, POSITIVE)
    assert not possible(between(-inf, 0), POSITIVE)
    assert not possible(between(0, 0, integer=True), POSITIVE)
    assert possible(between(0, 0, integer=True), COUNT)
    assert possible(REAL, Structured("simplex"))
    assert not possible(REAL, Index(Size.of(3)))
    assert intersect(REAL, UNIT) == UNIT
    assert intersect(between(-pi, 0), POSITIVE) is None


def test_every_shaped_function_has_a_rule():
    shaped = {name for name, spec in FUNCTIONS.items() if spec.kind.value == "shaped"}
    points = {spec.name for spec in (*CURVES, *KERNELS)}
    assert shaped == {*RULES, *STRUCTURAL, *points, *OWN_FORMS}


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("normal", "`Normal`"),
        ("Gaussian", "`Normal`"),
        ("gamma_lpdf", "`Gamma`"),
        ("MvNormal", "`MultivariateNormal`"),
        ("Multivariate_normal", "`MultivariateNormal`"),
        ("StudentsT", "`StudentT`"),
        ("Student_t", "`StudentT`"),
        ("Binom", "`Binomial`"),
        ("Exp", "`Exponential`"),
        ("TruncatedNormal", "real(0, inf)"),
    ],
)
def test_distributions_of_other_systems(word, meant):
    with pytest.raises(CompileError) as caught:
        check(Source("m.gen", f"model M\nobserve y ~ {word}(1)\n"))
    (found,) = caught.value.diagnostics
    assert found.code == "GD111"
    assert found.help is not None
    assert meant in found.help


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("ln", "`log`"),
        ("expit", "`inv_logit`"),
        ("logistic", "`inv_logit`"),
        ("pow", "`x ** y`"),
        ("std", "`sd`"),
        ("length", "the size of an axis is its name"),
        ("Log", "`log`"),
    ],
)
def test_functions_of_other_systems(word, meant):
    ctx, value_ = context(f"{word}(p)")
    with pytest.raises(Poisoned):
        ctx.typed(ctx, value_)
    (found,) = ctx.report.in_order()
    assert meant in str(found.help)


def test_what_is_suggested_exists():
    assert set(aliases._DISTRIBUTIONS.values()) <= set(DISTRIBUTIONS)
    assert set(aliases._FUNCTIONS.values()) <= set(FUNCTIONS)
    assert set(aliases._TYPES.values()) <= set(TYPE_WORDS)
    parameters = {p.name for spec in DISTRIBUTIONS.values() for p in spec.params}
    assert set(aliases._PARAMETERS) <= parameters


def test_names_that_differ_in_case_are_two():
    text = "model M\nlatent School ~ Normal(0, 1)\nlatent school ~ Normal(School, 1)\n"
    assert check(Source("m.gen", f"{text}observe y ~ Normal(school, 1)\n")).warnings == ()
    assert nearest("SCHOOL", ["school"]) == "school"
